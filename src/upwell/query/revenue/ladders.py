"""Sums of many dated amounts up to any instant, kept while subjects' amounts change.

The amounts lie in order with their running sum, so that a question looks up instants and goes
through no rows. What changes is added beside them, and put in order with the rest at times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from upwell.query.revenue.sums import I64, firsts

MOST_BESIDE = 4_096  # rows that changed, before all are put in order


class Ladder(NamedTuple):
    """Amounts by group and instant, in order; group n has the rows from `starts[n]` on.

    `total` is the running sum of all amounts and has one entry more than there are rows.
    """

    groups: I64
    starts: I64
    at: I64
    total: I64

    @classmethod
    def of(cls, group: I64, at: I64, amount: I64) -> Ladder:
        """The ladder of rows in any order; those of one group and instant are one."""
        order = np.lexsort((at, group))
        group, at = group[order], at[order]
        first = np.flatnonzero(firsts(group, at))
        sums = np.add.reduceat(amount[order], first) if len(first) else amount[:0]
        kept = np.flatnonzero(sums)
        group, at = group[first][kept], at[first][kept]
        total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sums[kept])])
        begins = np.flatnonzero(firsts(group))
        return cls(group[begins], np.append(begins, len(group)), at, total)

    def before(self, place: int, instants: I64) -> I64:
        """What the group at a place comes to before each of some instants."""
        low, high = int(self.starts[place]), int(self.starts[place + 1])
        places = low + np.searchsorted(self.at[low:high], instants, side="left")
        found: I64 = self.total[places] - self.total[low]
        return found

    def rows(self) -> tuple[I64, I64, I64]:
        """Group, instant and amount of each row."""
        return np.repeat(self.groups, np.diff(self.starts)), self.at, np.diff(self.total)


class Growing:
    """A ladder with what changed beside it; what is read of it changes no more.

    Where more than `beside` rows did, they are put in order with the rest.
    """

    def __init__(self, beside: int = MOST_BESIDE) -> None:
        self._most = beside
        nothing = np.zeros(0, dtype=np.int64)
        self._whole = Ladder.of(nothing, nothing, nothing)
        self._beside: list[Sequence[int]] = []  # group, instant, amount

    def add(self, rows: Iterable[Sequence[int]]) -> None:
        """Add amounts, each with its group and instant; what is taken back is negative."""
        self._beside += rows

    def read(self) -> tuple[Ladder, Ladder]:
        """Two ladders that add up to all there is."""
        fresh = np.array(self._beside, dtype=np.int64).reshape(-1, 3).T
        if fresh.shape[1] > self._most:
            both = zip(self._whole.rows(), fresh, strict=True)
            self._whole, self._beside = Ladder.of(*map(np.concatenate, both)), []
            fresh = fresh[:, :0]
        return self._whole, Ladder.of(*fresh)
