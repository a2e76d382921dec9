"""The events of one question, by person and time: all at once, or for a share of the people.

Nothing is copied before it is known to be wanted: parts are columns in files or in memory. Their
wanted rows are found, each person's counted, and put where they belong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import shared
from upwell.warehouse.order import (
    Crew,
    Pick,
    Rows,
    back_in_time,
    count,
    gather,
    mark,
    marked,
    notice,
    number,
    numbered,
    picked,
    place,
    place_codes,
)
from upwell.warehouse.slices import I32, I64, MISSING, U32, Column, Part

SHARE = 6_000_000  # events that are looked at for one share of the people
LOOKED_UP = 20  # rows that are looked at in the time in which one user is looked up
BITS = 64  # buckets that are told apart at once
SAMPLED = 1_000  # rows between two whose users say how many people make a share


class Selection(NamedTuple):
    """Events by person, then time: equal-length columns.

    `ts` is UTC micros; `kind` indexes `kinds`, `product` the products asked for; `person` is a
    user's number, or what the caller's map makes of it.
    """

    person: I64
    ts: I64
    kind: I32
    product: NDArray[np.int16]
    kinds: tuple[str, ...]
    properties: dict[str, Column]


class Owners(NamedTuple):
    """Whose the events of each user are: by number, where `joined` is set, the smaller `person`."""

    person: I64
    joined: NDArray[np.bool_]
    several: I64  # the users who are joined, ascending


def owners(person: I64) -> Owners:
    """The same from `person[actor]`, which is never more than the actor."""
    joined = person != np.arange(len(person))
    return Owners(person, joined, np.flatnonzero(joined))


class Reading:
    """Events of some kinds within `span`; the order of `parts` decides within an instant."""

    def __init__(
        self,
        parts: Sequence[tuple[int, Part]],
        kinds: tuple[str, ...],
        wanted: Collection[str] | None,
        span: tuple[int, int],
        of: Owners | None,
        share: int = SHARE,
    ) -> None:
        self._share = share
        self._parts, self._kinds, self._span = parts, kinds, span
        self._wanted = np.array(
            [wanted is None or kind in wanted for kind in kinds], dtype=np.bool_
        )
        self.rows = sum(len(part.ts) for _, part in parts)  # to be looked at, of any kind
        if of is None:
            most = max((int(part.actor[-1]) for _, part in parts if len(part.actor)), default=0)
            of = owners(np.arange(most + 1))
        self._of = of
        names = list(parts[0][1].properties) if parts else []
        self._tables = {
            name: _numbered([part.properties[name] for _, part in parts]) for name in names
        }

    def shares(self) -> list[tuple[int, int]]:
        """Ranges of people, rising and without gaps, of about as many events each."""
        pieces, step = self.rows // self._share + 1, min(SAMPLED, self._share)
        sample = [self._of.person[part.actor[::step]] for _, part in self._parts]
        people = np.sort(np.concatenate([np.zeros(0, np.int64), *sample]))
        inner = [int(people[len(people) * n // pieces]) for n in range(1, pieces)]
        edges = sorted({0, *inner, len(self._of.person)})
        return list(pairwise(edges))

    def take(self, share: tuple[int, int] | None = None) -> Selection:
        """The events of the people in a share, or of all."""
        pick, beyond = self._pick(share)
        own = shared(lambda one: _picked(one[1], pick, beyond), self._parts)
        parts = [(*one, *rows) for one, rows in zip(self._parts, own, strict=True)]
        crew, people = _crew(pick, [who for *_, who in parts])
        starts = np.zeros(len(people) + 1, np.int64)
        for *_, who in parts:
            number(who, crew)
            count(who, starts)
        person = np.repeat(people, starts[1:])
        np.cumsum(starts, out=starts)
        many = len(person)
        rows = Rows(
            starts.copy(),
            np.empty(many, np.int64),
            np.empty(many, np.int32),
            np.empty(many, np.int16),
        )
        for of, part, found, who in parts:
            place(part.ts, part.kind, found, who, of, rows)
        properties = {}
        for name, (tables, values) in self._tables.items():
            codes, following = np.empty(many, np.int32), starts.copy()
            for (_, part, found, who), table in zip(parts, tables, strict=True):
                place_codes(found, who, part.properties[name].codes, table, following, codes)
            properties[name] = Column(codes, values)
        columns: list[NDArray[Any]] = [*rows[1:], *(one.codes for one in properties.values())]
        at, again = back_in_time(person, rows.ts)
        for column in columns if len(at) else ():
            column[at] = column[again]
        return Selection(person, *rows[1:], self._kinds, properties)

    def buckets(self, edges: I64, share: tuple[int, int]) -> tuple[I64, I64]:
        """Each person of a share and each bucket that has an event of theirs, ascending.

        Bucket n is [edges[n], edges[n + 1]); they cover the span, and are `BITS` at most.
        """
        pick, beyond = self._pick(share)
        parts = shared(lambda one: _marked(one[1], pick, beyond, edges), self._parts)
        crew, people = _crew(pick, [who for who, _ in parts])
        every = np.zeros(len(people), np.uint64)
        for who, marks in parts:
            number(who, crew)
            gather(who, marks, every)
        return marked(every, people)

    def _pick(self, share: tuple[int, int] | None) -> tuple[Pick, I64]:
        """What is wanted of a share, or of all; and the users beyond it who are people in it."""
        person, joined, several = self._of
        low, high = share or (0, len(person))
        # Whoever a person is made of has a number no smaller than the person's.
        beyond = several[(several >= high) & (person[several] < high)]
        beyond = beyond[person[beyond] >= low]
        return Pick(self._wanted, *self._span, person, joined, low, high), beyond


def _crew(pick: Pick, parts: Sequence[U32]) -> tuple[Crew, I64]:
    """Everybody who has rows in the parts, numbered; and who they are, ascending."""
    words = (pick.high - pick.low) // 64 + 1
    crew = Crew(pick.low, np.zeros(words, np.uint64), np.empty(words, np.int64))
    for who in parts:
        notice(who, crew)
    return crew, numbered(crew)


def _picked(part: Part, pick: Pick, beyond: I64) -> tuple[NDArray[np.int32], U32]:
    """The wanted rows of users from `pick.low` to `pick.high` and of those `beyond`; whose."""
    ranges = _ranges(part, pick, beyond)
    room = int((ranges[1] - ranges[0]).sum()) + 1
    out, who = np.empty(room, np.int32), np.empty(room, np.uint32)
    n = picked(part.actor, part.ts, part.kind, pick, ranges, out, who)
    return out[:n].copy(), who[:n].copy()


def _marked(part: Part, pick: Pick, beyond: I64, edges: I64) -> tuple[U32, NDArray[np.uint64]]:
    """People with wanted rows, not all in order, and in which buckets they have them, in bits."""
    ranges = _ranges(part, pick, beyond)
    room = int((ranges[1] - ranges[0]).sum()) + 1
    who, marks = np.empty(room, np.uint32), np.empty(room, np.uint64)
    n = mark(part.actor, part.ts, part.kind, pick, ranges, edges, who, marks)
    return who[:n].copy(), marks[:n].copy()


def _ranges(part: Part, pick: Pick, beyond: I64) -> tuple[I64, I64]:
    """Where the rows of users from `pick.low` to `pick.high` begin and end, and those `beyond`."""
    low, high = np.searchsorted(part.actor, np.array([pick.low, pick.high], np.uint32)).tolist()
    lows, highs = np.array([low]), np.array([high])
    if len(beyond) * LOOKED_UP > len(part.actor) - high:
        highs = np.array([len(part.actor)])
    elif len(beyond):
        users = beyond.astype(np.uint32)  # as the column is: it would be copied otherwise
        lows = np.append(lows, np.searchsorted(part.actor, users))
        highs = np.append(highs, np.searchsorted(part.actor, users, "right"))
    return lows, highs


def _numbered(columns: Sequence[Column]) -> tuple[list[I32], list[str]]:
    """The values of all columns numbered together: what each one's codes become, the values."""
    values: dict[str, int] = {}
    tables = []
    for column in columns:
        own = [values.setdefault(value, len(values)) for value in column.values]
        # The last place is what MISSING, -1, points at.
        tables.append(np.array([*own, MISSING], np.int32))
    return tables, list(values)


def warm() -> None:
    """Compile the loops, or read them from the cache, before anybody asks."""
    codes = Column(np.zeros(1, np.int32), ["x"])
    columns = np.zeros(1, np.uint32), np.zeros(1, np.int64), np.zeros(1, np.uint16)
    for column in (*columns, codes.codes):
        column.setflags(write=False)
    read = Reading([(0, Part(*columns, {"x": codes}))], ("x",), None, (0, 1), None)
    read.take()
    read.buckets(np.array([0, 1]), (0, 1))
