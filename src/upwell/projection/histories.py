"""What depends on one actor's history: days active, visits, and cohorts that reach a goal.

Each keeps just enough of every actor's past to say how new events change the sums: the difference
between what that history gave before and what it gives now. Order and batching do not matter.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.catalog import CATALOG, Cohort
from upwell.metrics.engagement import NONE
from upwell.period import DAY_MICROS
from upwell.projection.runs import NOTHING, OrderedSet, insert

DAY_BITS = 20  # days reach the year 4840
SECOND_BITS = 34  # seconds reach the year 2514
PAUSE_SECONDS = 1800  # a page view this long after the last one opens a new visit
_PAUSE = np.uint64(PAUSE_SECONDS)

COHORTS: dict[str, Cohort] = {
    name: metric.rule for name, metric in CATALOG.items() if isinstance(metric.rule, Cohort)
}

Ints = NDArray[np.int64]


class Gaps(NamedTuple):
    """Columns: on `day` an actor was active, `earlier` (or -1) the time before; sign +1 or -1."""

    actor: Ints
    day: Ints
    earlier: Ints
    sign: Ints


class ActiveDays:
    """For one set of actors: each actor's active days, and how far apart they lie."""

    def __init__(self) -> None:
        self._known = OrderedSet()

    def load(self, actors: Ints, days: Ints) -> None:
        """Take stored pairs, each once; nothing is counted."""
        self._known.add(np.sort(_pack(actors, days, DAY_BITS)))

    def take(self, actors: Ints, days: Ints) -> tuple[Ints, Ints, Gaps]:
        """New (actor, day) pairs, and how the gaps between active days changed."""
        change = insert(self._known, _pack(actors, days, DAY_BITS), DAY_BITS)
        new_actors, new_days = _unpack(change.value, DAY_BITS)
        after = np.concatenate([change.value, change.moved, change.moved])
        before = np.concatenate([change.below, change.was, change.now])
        sizes = [len(change.value), len(change.moved), len(change.moved)]
        who, day = _unpack(after, DAY_BITS)
        earlier = np.where(before == NOTHING, NONE, _unpack(before, DAY_BITS)[1])
        sign = np.repeat(np.array([1, -1, 1], dtype=np.int64), sizes)
        return new_actors, new_days, Gaps(who, day, earlier, sign)


class Visits:
    """Page views of each actor by the second; a visit opens where the pause before is long."""

    def __init__(self) -> None:
        self._known = OrderedSet()

    def load(self, actors: Ints, seconds: Ints) -> None:
        """Take stored page views, each once; nothing is counted."""
        self._known.add(np.sort(_pack(actors, seconds, SECOND_BITS)))

    def take(self, actors: Ints, seconds: Ints) -> list[tuple[int, int, int]]:
        """Visits that open or no longer open, as (actor, second, +1 or -1)."""
        change = insert(self._known, _pack(actors, seconds, SECOND_BITS), SECOND_BITS)
        opened = _opens(change.value, change.below)
        was, now = _opens(change.moved, change.was), _opens(change.moved, change.now)
        found = []
        for values, sign in ((change.value[opened], 1), (change.moved[was & ~now], -1)):
            who, when = _unpack(values, SECOND_BITS)
            found += [(a, s, sign) for a, s in zip(who.tolist(), when.tolist(), strict=True)]
        return found


def _opens(values: NDArray[np.uint64], below: NDArray[np.uint64]) -> NDArray[np.bool_]:
    # Same subject, so the difference of the packed values is the difference of the seconds.
    return cast("NDArray[np.bool_]", (below == NOTHING) | (values - below >= _PAUSE))


def _pack(subjects: Ints, values: Ints, bits: int) -> NDArray[np.uint64]:
    return (subjects.astype(np.uint64) << np.uint64(bits)) | values.astype(np.uint64)


def _unpack(packed: NDArray[np.uint64], bits: int) -> tuple[Ints, Ints]:
    mask = np.uint64((1 << bits) - 1)
    return (packed >> np.uint64(bits)).astype(np.int64), (packed & mask).astype(np.int64)


class CohortHistory:
    """For one cohort rule: when each actor entered, when it did what counts as the goal."""

    def __init__(self, rule: Cohort) -> None:
        self.rule = rule
        self._entered: dict[int, list[int]] = {}
        self._goals: dict[int, list[int]] = {}

    def load(self, rows: Iterable[tuple[int, bool, int]]) -> None:
        """Take stored (actor, is entry, micros) at once; nothing is counted."""
        for actor, entry, ts in rows:
            insort((self._entered if entry else self._goals).setdefault(actor, []), ts)

    def take(self, rows: Iterable[tuple[int, bool, int]]) -> Counter[tuple[int, bool]]:
        """Changes as {(micros of the actor's first entry, reached): count difference}.

        `reached` False counts actors who entered, True those of them who reached the goal.
        """
        new: dict[int, list[tuple[bool, int]]] = {}
        for actor, entry, ts in rows:
            new.setdefault(actor, []).append((entry, ts))
        change: Counter[tuple[int, bool]] = Counter()
        for actor, events in new.items():
            change.subtract(self._state(actor))
            for entry, ts in events:
                insort((self._entered if entry else self._goals).setdefault(actor, []), ts)
            change.update(self._state(actor))
        return change

    def _state(self, actor: int) -> list[tuple[int, bool]]:
        entered = self._entered.get(actor)
        if not entered:
            return []
        first = entered[0]
        goals = self._goals.get(actor, [])
        at = bisect_left(goals, first)
        inside = at < len(goals) and goals[at] <= first + self.rule.window_days * DAY_MICROS
        return [(first, False), (first, True)] if inside else [(first, False)]
