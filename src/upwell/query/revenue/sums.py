"""Exact sums over columns of integers, without a loop in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
LOW = 20  # bits of an amount that are summed apart: both halves stay exact as floats


def added(codes: NDArray[Any], amounts: I64, count: int) -> I64:
    """The sum of the amounts of each code in [0, count); exact while it fits 63 bits."""
    high = np.bincount(codes, weights=amounts >> LOW, minlength=count)
    low = np.bincount(codes, weights=amounts & ((1 << LOW) - 1), minlength=count)
    found: I64 = (high.astype(np.int64) << LOW) + low.astype(np.int64)
    return found


def counted(codes: NDArray[Any], count: int) -> I64:
    """How often each code in [0, count) occurs."""
    return np.bincount(codes, minlength=count).astype(np.int64)


def firsts(*columns: NDArray[Any]) -> Mask:
    """Where a row differs from the one before it in any of the sorted columns."""
    found = np.zeros(len(columns[0]), dtype=np.bool_)
    if len(found):
        found[0] = True
        for column in columns:
            found[1:] |= column[1:] != column[:-1]
    return found


def running(amounts: I64, begins: Mask) -> I64:
    """The running sum of each run of rows; `begins` marks the first row of a run."""
    total = np.cumsum(amounts)
    starts = np.flatnonzero(begins)
    before = total[starts] - amounts[starts]
    found: I64 = total - before[np.cumsum(begins) - 1] if len(starts) else total
    return found


def ranges(low: I64, high: I64) -> I64:
    """All numbers of the half-open ranges, one range after the other."""
    sizes = high - low
    ends = np.cumsum(sizes)
    if not len(ends) or not ends[-1]:
        return np.zeros(0, dtype=np.int64)
    found: I64 = np.arange(ends[-1]) + np.repeat(low - (ends - sizes), sizes)
    return found
