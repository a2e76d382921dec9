"""Events as columns: what the story is drawn in, and a few ways to fill it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FREE, TRIAL = 0, 1
PLANS_FROM = 2
"""Plan codes in columns: free, trial, then the product's own plans in order."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Events of one type of one product; `at` in UTC seconds, `n` tells an actor's apart."""

    type: str
    at: Ints
    actor: Ints
    n: Ints
    plan: Ints
    detail: Ints  # path, action or reason
    amount: Ints  # minor units
    currency: Ints

    def __len__(self) -> int:
        return len(self.at)

    def take(self, rows: NDArray[np.intp]) -> Columns:
        """The rows named, in that order."""
        return Columns(
            self.type,
            self.at[rows],
            self.actor[rows],
            self.n[rows],
            self.plan[rows],
            self.detail[rows],
            self.amount[rows],
            self.currency[rows],
        )


def columns(
    type: str,
    at: Ints,
    actor: Ints,
    n: Ints | int = 0,
    *,
    plan: Ints | int = FREE,
    detail: Ints | int = 0,
    amount: Ints | int = 0,
    currency: Ints | int = 0,
) -> Columns:
    """Columns where a number stands for the same number in every row."""
    parts = [np.broadcast_to(np.asarray(x), at.shape) for x in (n, plan, detail, amount, currency)]
    return Columns(type, at, actor, *parts)


def several(rows: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Each row as often as its count says, and which time it is."""
    repeated = np.repeat(rows, counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return repeated, np.arange(len(repeated)) - starts


def pick(rng: np.random.Generator, shares: Sequence[float], count: int) -> Ints:
    """Positions drawn by shares that add to about one."""
    bounds = np.cumsum(np.array(shares))
    return np.searchsorted(bounds / bounds[-1], rng.random(count), side="right").astype(np.int64)
