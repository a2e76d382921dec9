"""Rows of many subjects as arrays, of which a subject's own are replaced together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from upwell.query.revenue.sums import I64


class Rows:
    """So many columns of integers; replaced rows are left out, and cleared away at times."""

    def __init__(self, width: int) -> None:
        self._rows = np.zeros((width, 0), dtype=np.int64)  # with room to grow
        self._live = np.zeros(0, dtype=np.bool_)
        self._used = 0
        self._of: dict[Hashable, range] = {}

    def replace(self, rows: Mapping[Hashable, Sequence[Sequence[int]]]) -> None:
        """Put these rows in place of those that their subjects had."""
        for key in rows:
            if (gone := self._of.pop(key, None)) is not None:
                self._live[gone.start : gone.stop] = False
        fresh = [row for own in rows.values() for row in own]
        self._make_room(len(fresh))
        start = self._used
        if fresh:
            self._rows[:, start : start + len(fresh)] = np.array(fresh, dtype=np.int64).T
            self._live[start : start + len(fresh)] = True
        for key, own in rows.items():
            if own:
                self._of[key] = range(self._used, self._used + len(own))
                self._used += len(own)

    def read(self) -> list[I64]:
        """The columns of what stands; they do not change any more."""
        return list(self._rows[:, : self._used][:, self._live[: self._used]])

    def _make_room(self, more: int) -> None:
        if self._used + more <= self._rows.shape[1]:
            return
        places = np.cumsum(self._live[: self._used]) - 1  # of what stands, when the rest is gone
        self._of = {
            key: range(int(places[own.start]), int(places[own.start]) + len(own))
            for key, own in self._of.items()
        }
        standing = np.flatnonzero(self._live[: self._used])
        room = max(1024, (len(standing) + more) * 3 // 2)
        rows = np.zeros((len(self._rows), room), dtype=np.int64)
        rows[:, : len(standing)] = self._rows[:, standing]
        self._rows, self._used = rows, len(standing)
        self._live = np.arange(room) < len(standing)
