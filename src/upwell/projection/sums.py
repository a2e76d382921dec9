"""The sums as they are read: held in memory, derived from the projection's tables.

`Sums` answers without touching a file. Values are integers of 1e-9; days are local days; hours are
the UTC microseconds at which a local hour starts. One lock guards readers from a half-made commit.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

LINKED = "@linked"  # people in several products, over all of them, as if that were a product
PARTS = "@parts"  # the same people, in each product for itself

_Ints = NDArray[np.int64]

_EMPTY = np.zeros(0, dtype=np.int64)

RECENT = 1_000  # gaps that may be added before the columns are made again

SeriesKey = tuple[str, str, str]  # product, event type, currency ('' for none)

Work = Callable[[_Ints, _Ints, _Ints], _Ints]
"""Makes a table of gaps (day, the active day before it or -1, how many); the last axis is time."""


class _Table(NamedTuple):
    work: Work
    made: _Ints
    taken: int  # of the gaps that were added since


def _moved(table: _Table, since: list[tuple[int, int, int]]) -> _Table:
    """The table with all gaps that were added since."""
    if table.taken == len(since):
        return table
    more = table.work(*np.array(since[table.taken :], dtype=np.int64).T)
    small, large = sorted((table.made, more), key=lambda one: one.shape[-1])
    made = large.copy()
    made[..., : small.shape[-1]] += small
    return _Table(table.work, made, len(since))


class Sums:
    """Every additive series by day and by hour, and the day-to-day gaps of every set of actors."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.days: dict[SeriesKey, dict[int, list[int]]] = {}
        self.hours: dict[SeriesKey, dict[int, list[int]]] = {}
        self.gaps: dict[tuple[str, str], dict[int, dict[int, int]]] = {}
        self.members: dict[tuple[str, str], dict[int, int]] = {}  # actors of the set by day
        # The gaps as columns, for long spans, and what was added since those were made.
        self._recent: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
        self._columns: dict[tuple[str, str], tuple[_Ints, _Ints, _Ints]] = {}
        # What is made of the gaps, and those that were added since some of it was.
        self._tables: dict[tuple[str, str], dict[Hashable, _Table]] = defaultdict(dict)
        self._since: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
        self.changed: dict[tuple[str, str], int] = {}  # (product, type) -> seq of its last change
        self._keys: dict[tuple[str, str], set[str]] = defaultdict(set)

    def add(
        self, product: str, kind: str, currency: str, day: int, hour: int, n: int, value: int
    ) -> None:
        """Add to one series: `n` events worth `value` nano-units."""
        key = (product, kind, currency)
        if key not in self.days:
            self.days[key] = {}
            self.hours[key] = {}
            self._keys[product, kind].add(currency)
        for table, bucket in ((self.days[key], day), (self.hours[key], hour)):
            cell = table.get(bucket)
            if cell is None:
                table[bucket] = [n, value]
            else:
                cell[0] += n
                cell[1] += value

    def take(
        self, series: Literal["days", "hours"], key: SeriesKey, cells: dict[int, list[int]]
    ) -> None:
        """Take a whole stored series: (count, value) by day or by hour."""
        (self.days if series == "days" else self.hours)[key] = cells
        self._keys[key[0], key[1]].add(key[2])

    def add_gaps(self, product: str, members: str, pairs: Iterable[tuple[int, int, int]]) -> None:
        """Add `count` actors active on `day` whose active day before it was `earlier`."""
        key = (product, members)
        days, by_day = self.gaps.setdefault(key, {}), self.members.setdefault(key, {})
        recent, since = self._recent.get(key), self._since.get(key)
        for day, earlier, count in pairs:
            for new in (recent, since):
                if new is not None:
                    new.append((day, earlier, count))
            gaps = days.setdefault(day, {})
            gaps[earlier] = gaps.get(earlier, 0) + count
            if not gaps[earlier]:
                del gaps[earlier]
            by_day[day] = by_day.get(day, 0) + count
        if recent is not None and len(recent) > RECENT:
            del self._columns[key], self._recent[key]
        if since is not None and len(since) > RECENT:
            for name, table in self._tables[key].items():
                self._tables[key][name] = _moved(table, since)._replace(taken=0)
            since.clear()

    def currencies(self, product: str, kind: str) -> set[str]:
        """The currencies in which events of the type came; '' for those without one."""
        return self._keys.get((product, kind), set())

    def distinct(self, product: str, members: str, first: int, end: int) -> int:
        """Different actors of the set with an active day in [first, end), exactly.

        Each actor counts once: on the first of its days in the range, the one whose earlier day
        lies before `first`.
        """
        key = (product, members)
        days = self.gaps.get(key)
        if not days:
            return 0
        if end - first == 1:
            return self.members[key].get(first, 0)
        first = max(first, 0)  # no day comes before: NONE is always earlier
        day, earlier, count = self._columns.get(key) or self._as_columns(key, days)
        low, high = np.searchsorted(day, [first, end])
        total = int(count[low:high][earlier[low:high] < first].sum())
        return total + sum(
            n for at, was, n in self._recent[key] if first <= at < end and was < first
        )

    def _gaps(self, key: tuple[str, str]) -> tuple[_Ints, _Ints, _Ints]:
        """All gaps: day, the active day before it (or -1), how many actors.

        The same pair of days may come again, also to take some back.
        """
        days = self.gaps.get(key)
        if not days:
            return _EMPTY, _EMPTY, _EMPTY
        columns = self._columns.get(key) or self._as_columns(key, days)
        recent = np.array(self._recent[key], dtype=np.int64).reshape(-1, 3).T
        day, earlier, count = (np.concatenate(pair) for pair in zip(columns, recent, strict=True))
        return day, earlier, count

    def table(self, product: str, members: str, name: Hashable, work: Work) -> _Ints:
        """What `work` makes of all gaps of the set; it must add up over them.

        Kept under the name, and moved on by what is added.
        """
        key = (product, members)
        with self.lock:
            since = self._since.setdefault(key, [])
            if name not in self._tables[key]:
                made = work(*self._gaps(key))
                self._tables[key][name] = _Table(work, made, len(since))
            found = self._tables[key][name] = _moved(self._tables[key][name], since)
            return found.made

    def people(self, products: Iterable[str], members: str, first: int, end: int) -> int:
        """Different people of the set in all products together, of whom `products` is each one."""
        apart = sum(self.distinct(product, members, first, end) for product in products)
        return (
            apart
            - self.distinct(PARTS, members, first, end)
            + self.distinct(LINKED, members, first, end)
        )

    def _as_columns(
        self, key: tuple[str, str], days: dict[int, dict[int, int]]
    ) -> tuple[_Ints, _Ints, _Ints]:
        rows = [(day, was, n) for day in sorted(days) for was, n in days[day].items()]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self._recent[key] = []
        columns = self._columns[key] = (table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy())
        return columns

    def has(self, product: str, kind: str) -> bool:
        """Whether any event of the type ever came for the product."""
        return (product, kind) in self._keys
