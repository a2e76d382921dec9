"""Who was there at one moment, and what is left at another: NRR, GRR, customer churn (R9, R10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.projection.book import Book
from upwell.query.revenue.part import Part
from upwell.query.revenue.sums import I64, added, counted, firsts
from upwell.query.revenue.table import coded

CHUNK = 12  # pairs of moments looked at together: bounds the memory


class Kept(NamedTuple):
    """By key and pair of moments, of the customers who paid at the first one.

    `opening`, `kept` and `least` are their MRR then, now, and the lesser of both, in millionths of
    minor units of the currency shown; `payers` and `lost` how many they were and are no more.
    """

    opening: I64
    kept: I64
    least: I64
    payers: I64
    lost: I64


def kept(
    part: Part,
    book: Book,
    by: str | None,
    pairs: Sequence[tuple[int, int]],
    rates: NDArray[np.float64],
) -> Kept:
    """What of the MRR at the opening of a day was there at the opening of another.

    `rates` [pair, currency] convert minor units, 0 where there is no rate: such money is left
    out.
    """
    codes, keys = coded(part, book, by)
    order = np.lexsort((part.currency, part.group)) if len(book.currencies) > 1 else None
    group, currency, day, delta = part.group, part.currency, part.day, part.delta
    if order is not None:
        group, currency, day, delta = group[order], currency[order], day[order], delta[order]
        codes = codes[order]
    starts = np.flatnonzero(firsts(group, currency))
    run = np.cumsum(firsts(group, currency)) - 1
    owner = np.flatnonzero(firsts(group[starts]))  # the first run of each group
    key = codes[starts][owner].astype(np.int64)
    found = np.zeros((len(Kept._fields), keys, len(pairs)), dtype=np.int64)
    for low in range(0, len(pairs), CHUNK):
        chunk = np.array(pairs[low : low + CHUNK], dtype=np.int64)
        moments = np.unique(chunk)
        levels = _levels(run, day, delta, moments, len(starts))
        rate = rates[low : low + CHUNK][:, currency[starts]]
        before, after = (
            _by_group(levels[np.searchsorted(moments, days)], rate, owner) for days in chunk.T
        )
        there = before > 0
        pair, group_of = np.nonzero(there)
        place = key[group_of] * len(chunk) + pair
        was, now = before[there], after[there]
        size, shape = keys * len(chunk), (keys, len(chunk))
        for into, values in zip(found, (was, now, np.minimum(was, now)), strict=False):
            into[:, low : low + CHUNK] = added(place, values, size).reshape(shape)
        found[3][:, low : low + CHUNK] = counted(place, size).reshape(shape)
        found[4][:, low : low + CHUNK] = counted(place[now <= 0], size).reshape(shape)
    return Kept(*found)


def _levels(
    run: NDArray[np.int64], day: NDArray[np.int32], delta: I64, moments: I64, runs: int
) -> I64:
    """MRR of each run at the opening of each of the days, as [moment, run]."""
    slot = np.searchsorted(moments, day, side="right")
    inside = slot < len(moments)
    cells = added(slot[inside] * runs + run[inside], delta[inside], len(moments) * runs)
    levels: I64 = np.cumsum(cells.reshape(len(moments), runs), axis=0)
    return levels


def _by_group(native: I64, rate: NDArray[np.float64], owner: NDArray[np.intp]) -> I64:
    """The runs' MRR in one currency, added up by group, as [pair, group]."""
    one = native if (rate == 1.0).all() else np.rint(native * rate).astype(np.int64)
    if len(owner) == one.shape[1]:
        return one
    summed: I64 = np.add.reduceat(one, owner, axis=1)
    return summed
