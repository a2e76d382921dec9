"""What depends on one actor's history: days active, visits, and cohorts that reach a goal.

Each keeps just enough of every actor's past to say how new events change the sums: the difference
between what that history gave before and what it gives now. Order and batching do not matter.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.catalog import CATALOG, Cohort
from upwell.metrics.engagement import NONE
from upwell.metrics.own import Activation
from upwell.period import DAY_MICROS
from upwell.projection.crowd import Crowd, Labels, heads
from upwell.projection.room import PIECE, Batches, Columns, Room
from upwell.projection.runs import NOTHING, Multimap, OrderedSet, among, distinct, insert

DAY_BITS = 20  # days reach the year 4840
SECOND_BITS = 34  # seconds reach the year 2514
PAUSE_SECONDS = 1800  # a page view this long after the last one opens a new visit
_PAUSE = np.uint64(PAUSE_SECONDS)

COHORTS: dict[str, Cohort] = {
    name: metric.rule for name, metric in CATALOG.items() if isinstance(metric.rule, Cohort)
}

Ints = NDArray[np.int64]
Packed = NDArray[np.uint64]  # a subject, and a day or second of it
_NO_VALUES: Packed = np.empty(0, dtype=np.uint64)


class Gaps(NamedTuple):
    """Columns: on `day` a person was active, `earlier` (or -1) the time before.

    `sign` is +1 or -1, or how many there are of it.
    """

    actor: Ints
    day: Ints
    earlier: Ints
    sign: Ints


_NO_GAPS = Gaps(*(np.empty(0, dtype=np.int64) for _ in range(4)))


class Changed(NamedTuple):
    """New (actor, day) pairs, and how the gaps between active days changed.

    `gaps` are of the people of each product; `linked` of those in several products, over all of
    them; `parts` of the same people, in each product for itself.
    """

    actor: Ints
    day: Ints
    gaps: Gaps
    linked: Gaps
    parts: Gaps


class ActiveDays:
    """For one set of people: each actor's active days; how far apart those of a person lie."""

    def __init__(self, room: Room | None = None) -> None:
        self._known = OrderedSet(room)

    def load(self, read: Callable[[], Batches], actors: int) -> None:
        """Take stored pairs of actor, up to `actors`, and day, each once; nothing is counted."""
        self._known.load(lambda: _packed(read(), DAY_BITS), (actors + 1) << DAY_BITS)

    def gaps(self, product_of: Callable[[Ints], Ints], but: Ints) -> Gaps:
        """Right after `load`: the gaps of all actors `but` some, counted; `actor` is a product."""
        keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
        for piece in self._known.pieces(PIECE):
            actor, day = _unpack(piece[1:], DAY_BITS)
            earlier = _days(_before(piece, DAY_BITS)[1:])
            alone = ~np.isin(actor, but)
            place = product_of(actor[alone]) << DAY_BITS | day[alone]
            key = place << DAY_BITS | earlier[alone] + 1
            key = np.sort(key)
            first = np.flatnonzero(heads(key))
            more = np.diff(first, append=len(key))
            keys, counts = added(np.concatenate([keys, key[first]]), np.concatenate([counts, more]))
        mask = (1 << DAY_BITS) - 1
        return Gaps(keys >> 2 * DAY_BITS, keys >> DAY_BITS & mask, (keys & mask) - 1, counts)

    def take(self, actors: Ints, days: Ints, crowd: Crowd) -> Changed:
        """Add days; people of several actors are counted before and after, others by neighbours."""
        before = _of(self._known, crowd, DAY_BITS)
        change = insert(self._known, _pack(actors, days, DAY_BITS), DAY_BITS)
        new_actors, new_days = _unpack(change.value, DAY_BITS)
        earlier = np.concatenate([change.below, change.was, change.now])
        sizes = [len(change.value), len(change.moved), len(change.moved)]
        who, day = _unpack(np.concatenate([change.value, change.moved, change.moved]), DAY_BITS)
        sign = np.repeat(np.array([1, -1, 1], dtype=np.int64), sizes)
        gaps = Gaps(who, day, _days(earlier), sign)
        if not len(crowd.actor):
            return Changed(new_actors, new_days, gaps, _NO_GAPS, _NO_GAPS)
        alone = ~crowd.has(who)
        gaps = Gaps(*(column[alone] for column in gaps))
        after = _of(self._known, crowd, DAY_BITS)
        (own, linked, parts) = (
            _joined(_chained(crowd, before, was, -1), _chained(crowd, after, now, 1))
            for was, now in zip(_ways(crowd.was), _ways(crowd.now), strict=True)
        )
        return Changed(new_actors, new_days, _joined(gaps, own), linked, parts)


def _ways(labels: Labels) -> tuple[Ints, Ints, Ints]:
    return labels.own, labels.whole, labels.part


def _chained(crowd: Crowd, values: Packed, label: Ints, sign: int) -> Gaps:
    """The gaps between the days of people, whom `label` names; 0 stands for nobody."""
    chain = _relabelled(crowd, values, label, DAY_BITS)
    who, day = _unpack(chain, DAY_BITS)
    return Gaps(who, day, _days(_before(chain, DAY_BITS)), np.full(len(chain), sign))


def _joined(one: Gaps, other: Gaps) -> Gaps:
    return Gaps(*map(np.concatenate, zip(one, other, strict=True)))


def _days(packed: Packed) -> Ints:
    return np.where(packed == NOTHING, NONE, _unpack(packed, DAY_BITS)[1])


class Opened(NamedTuple):
    """Columns: a visit of the actor's person begins at the second (sign 1), or no longer (-1)."""

    actor: Ints
    second: Ints
    sign: Ints


class Visits:
    """Page views of each actor by the second; a visit opens where a person's pause is long."""

    def __init__(self, room: Room | None = None) -> None:
        self._known = OrderedSet(room)

    def load(self, read: Callable[[], Batches], actors: int) -> None:
        """Take stored page views, actor (up to `actors`) and second; nothing is counted."""
        top = (actors + 1) << SECOND_BITS
        self._known.load(lambda: _packed(read(), SECOND_BITS), top, once=True)

    def take(self, actors: Ints, seconds: Ints, crowd: Crowd) -> Opened:
        """Visits that open or no longer open."""
        before = _of(self._known, crowd, SECOND_BITS)
        change = insert(self._known, _pack(actors, seconds, SECOND_BITS), SECOND_BITS)
        opened = _opens(change.value, change.below)
        was, now = _opens(change.moved, change.was), _opens(change.moved, change.now)
        found = [
            (values[~crowd.has(_unpack(values, SECOND_BITS)[0])], sign)
            for values, sign in ((change.value[opened], 1), (change.moved[was & ~now], -1))
        ]
        if len(crowd.actor):
            after = _of(self._known, crowd, SECOND_BITS)
            for values, label, sign in (
                (before, crowd.was.own, -1),
                (after, crowd.now.own, 1),
            ):
                chain = _relabelled(crowd, values, label, SECOND_BITS)
                found.append((chain[_opens(chain, _before(chain, SECOND_BITS))], sign))
        signs = [np.full(len(values), sign) for values, sign in found]
        who, when = _unpack(np.concatenate([values for values, _ in found]), SECOND_BITS)
        return Opened(who, when, np.concatenate(signs))


def _of(known: OrderedSet, crowd: Crowd, bits: int) -> Packed:
    """All that is known of the crowd's actors."""
    if not len(crowd.actor):
        return _NO_VALUES
    return known.of(crowd.actor.astype(np.uint64), bits)


def _relabelled(crowd: Crowd, values: Packed, label: Ints, bits: int) -> Packed:
    """The values of the crowd's actors as those of people, in order and each once."""
    who, what = _unpack(values, bits)
    people = label[np.searchsorted(crowd.actor, who)]
    named = people > 0
    return distinct(_pack(people[named], what[named], bits))


def _before(chain: Packed, bits: int) -> Packed:
    """For each of the ordered values the one before it of the same subject, or NOTHING."""
    before = np.full_like(chain, NOTHING)
    before[1:] = chain[:-1]
    return np.where((before >> np.uint64(bits)) == (chain >> np.uint64(bits)), before, NOTHING)


def added(keys: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """The distinct keys in order, and for each the sum of its counts; those of 0 are left out."""
    order = np.argsort(keys)
    ordered = keys[order]
    first = np.flatnonzero(heads(ordered))
    totals = np.add.reduceat(counts[order], first) if len(first) else counts[:0]
    return ordered[first][totals != 0], totals[totals != 0]


def _opens(values: Packed, below: Packed) -> NDArray[np.bool_]:
    # Same subject, so the difference of the packed values is the difference of the seconds.
    return cast("NDArray[np.bool_]", (below == NOTHING) | (values - below >= _PAUSE))


def _pack(subjects: Ints, values: Ints, bits: int) -> Packed:
    return (subjects.astype(np.uint64) << np.uint64(bits)) | values.astype(np.uint64)


def _packed(batches: Batches, bits: int) -> Iterator[Columns]:
    return ((_pack(subjects, values, bits),) for subjects, values in batches)


def _unpack(packed: Packed, bits: int) -> tuple[Ints, Ints]:
    mask = np.uint64((1 << bits) - 1)
    return (packed >> np.uint64(bits)).astype(np.int64), (packed & mask).astype(np.int64)


class CohortHistory:
    """For one cohort rule: when each actor entered, when it did what counts as the goal."""

    def __init__(self, rule: Cohort, room: Room | None = None) -> None:
        self.rule = rule
        self._entered, self._goals = Multimap(room), Multimap(room)

    def load(
        self, entered: Callable[[], Batches], goals: Callable[[], Batches], actors: int
    ) -> None:
        """Take stored pairs of actor, up to `actors`, and micros; nothing is counted."""
        self._entered.load(entered, actors)
        self._goals.load(goals, actors)

    def entered(self, actors: Ints, before: int) -> NDArray[np.bool_]:
        """Which of these actors, in order, entered before an instant; read beside a commit."""
        who, when = self._entered.of(actors)
        return among(actors, np.sort(who[when < before]))

    def take(
        self,
        rows: Iterable[tuple[int, bool, int]],
        crowd: Crowd,
        goal: Callable[[int], Activation],
    ) -> Counter[tuple[int, int, bool]]:
        """Changes as {(an actor of the product, micros of the first entry, reached): difference}.

        `goal` says what brings an actor there; `reached` False counts people who entered, True
        those of them who reached it.
        """
        new = list(rows)
        alone = np.unique(np.fromiter((actor for actor, _, _ in new), np.int64, len(new)))
        parties = [[actor] for actor in alone[~crowd.has(alone)].tolist()]
        concerned = np.union1d(alone, crowd.actor)
        entered, goals = _by_actor(self._entered, concerned), _by_actor(self._goals, concerned)
        change: Counter[tuple[int, int, bool]] = Counter()
        for party in (*parties, *crowd.parties(crowd.was)):
            change.subtract(_state(party, goal, entered, goals))
        for actor, entry, ts in new:
            insort((entered if entry else goals)[actor], ts)
        for party in (*parties, *crowd.parties(crowd.now)):
            change.update(_state(party, goal, entered, goals))
        for way, known in ((True, self._entered), (False, self._goals)):
            pairs = [(actor, ts) for actor, entry, ts in new if entry == way]
            columns = np.array(pairs, np.int64).reshape(-1, 2)
            known.add(columns[:, 0], columns[:, 1])
        return change


Times = dict[int, list[int]]


def _by_actor(known: Multimap, actors: Ints) -> Times:
    found: Times = defaultdict(list)
    for actor, ts in zip(*(column.tolist() for column in known.of(actors)), strict=True):
        insort(found[actor], ts)
    return found


def _state(
    party: Sequence[int], goal: Callable[[int], Activation], entered: Times, goals: Times
) -> list[tuple[int, int, bool]]:
    """What one person, of several actors of one product, gives."""
    firsts = [entered[actor][0] for actor in party if entered[actor]]
    if not firsts:
        return []
    first = min(firsts)
    rule = goal(party[0])
    last = first + rule.days * DAY_MICROS
    times = (goals[actor] for actor in party)
    done = sum(bisect_right(own, last) - bisect_left(own, first) for own in times)
    inside = done >= rule.times
    counted = (party[0], first, False)
    return [counted, (party[0], first, True)] if inside else [counted]
