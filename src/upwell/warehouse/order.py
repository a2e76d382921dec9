"""Rows put in the order of person and time, in time that grows with the rows alone. Compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

_ONE, _WORD, _LAST = np.uint64(1), np.uint64(6), np.uint64(63)  # of a word of 64 bits


class Pick(NamedTuple):
    """Which rows are wanted: kinds, `since <= ts < until`, `low <= person < high`.

    `person[actor]` says whose a row is, where `joined[actor]`; it is the actor's own elsewhere.
    `wanted[kind]` says which kinds count.
    """

    wanted: NDArray[np.bool_]
    since: int
    until: int
    person: I64
    joined: NDArray[np.bool_]
    low: int
    high: int


class Crew(NamedTuple):
    """People from `low` on, numbered without gaps in their order.

    Arrays by person would have a place for everybody of every product; those of one question are
    few of them, and far apart. `here` has a bit for each place, `before` the number of set bits in
    all words before each.
    """

    low: int
    here: U64
    before: I64


class Rows(NamedTuple):
    """Where picked rows are put: `next` holds the place of each person's next one."""

    next: I64
    ts: I64
    kind: NDArray[np.int32]
    product: NDArray[np.int16]


@compiled
def picked(
    actor: NDArray[Any],
    ts: I64,
    kind: NDArray[Any],
    pick: Pick,
    ranges: tuple[I64, I64],
    out: NDArray[np.int32],
    who: U32,
) -> int:
    """Write the picked ones of the rows in ranges [low, high) to `out`; how many there are.

    `who` gets whose they are. Both have room for one more than there are rows: every row is
    written, and stays if it is picked, which costs less than a branch that nobody can foretell.
    """
    wanted, since, until, person, joined, low, high = pick
    n = 0
    for part in range(len(ranges[0])):
        for row in range(ranges[0][part], ranges[1][part]):
            one, at = np.int64(actor[row]), ts[row]
            if joined[one]:
                one = person[one]
            out[n], who[n] = row, one
            n += int(wanted[kind[row]] & (at >= since) & (at < until) & (one >= low) & (one < high))
    return n


@compiled
def mark(
    actor: NDArray[Any],
    ts: I64,
    kind: NDArray[Any],
    pick: Pick,
    ranges: tuple[I64, I64],
    edges: I64,
    who: U32,
    marks: U64,
) -> int:
    """Write each user's person and marks, where there are any; how many there are.

    Bit n is set where the user has a picked row in [edges[n], edges[n + 1]). `who` and `marks`
    have room for one more than there are rows.
    """
    wanted, since, until, person, joined, low, high = pick
    n = many = 0
    for part in range(len(ranges[0])):
        user, bits = np.int64(-1), np.uint64(0)
        for row in range(ranges[0][part], ranges[1][part]):
            at = ts[row]
            if actor[row] != user:
                many += int(bits != 0)
                user, bits = np.int64(actor[row]), np.uint64(0)
                one = person[user] if joined[user] else user
                mine = low <= one < high
                who[many] = one
            if since <= at < until:
                while at >= edges[n + 1]:
                    n += 1
                while at < edges[n]:
                    n -= 1
                bits |= np.uint64(wanted[kind[row]] & mine) << np.uint64(n)
            marks[many] = bits
        many += int(bits != 0)
    return many


@compiled
def notice(who: U32, crew: Crew) -> None:
    """Let these people be of the crew."""
    for one in who:
        at = np.uint64(one - crew.low)
        crew.here[at >> _WORD] |= _ONE << (at & _LAST)


@compiled
def numbered(crew: Crew) -> I64:
    """Fill `before`, once everybody has been noticed; the people of the crew, ascending."""
    many = np.int64(0)
    for word in range(len(crew.here)):
        crew.before[word] = many
        many += _bits(crew.here[word])
    people, n = np.empty(many, np.int64), 0
    for word in range(len(crew.here)):
        bits, at = crew.here[word], crew.low + 64 * word
        while bits:
            if bits & _ONE:
                people[n] = at
                n += 1
            bits >>= _ONE
            at += 1
    return people


@compiled
def number(who: U32, crew: Crew) -> None:
    """Put in the place of each person its number in the crew."""
    for row in range(len(who)):
        at = np.uint64(who[row] - crew.low)
        word = at >> _WORD
        own = crew.here[word] & ((_ONE << (at & _LAST)) - _ONE)
        who[row] = crew.before[word] + _bits(own)


@compiled
def _bits(word: np.uint64) -> np.int64:
    """How many bits are set (Warren, Hacker's Delight, 5-1)."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def gather(who: U32, marks: U64, out: U64) -> None:
    """Add the marks of each number in the crew to `out`."""
    for row in range(len(who)):
        out[who[row]] |= marks[row]


@compiled
def marked(marks: U64, people: I64) -> tuple[I64, I64]:
    """Each of the people and each bit of their marks that is set, ascending."""
    many = np.int64(0)
    for bits in marks:
        many += _bits(bits)
    who, at, row = np.empty(many, np.int64), np.empty(many, np.int64), 0
    for one in range(len(marks)):
        bits, n = marks[one], 0
        while bits:
            if bits & _ONE:
                who[row], at[row] = people[one], n
                row += 1
            bits >>= _ONE
            n += 1
    return who, at


@compiled
def count(who: U32, counts: I64) -> None:
    """Add up the rows of each number in the crew at `counts[number + 1]`."""
    for one in who:
        counts[one + 1] += 1


@compiled
def place(
    ts: I64,
    kind: NDArray[Any],
    found: NDArray[np.int32],
    who: U32,
    product: int,
    rows: Rows,
) -> None:
    """Put each found row behind those of its person that were put there before."""
    following, when, what, where = rows
    for n in range(len(found)):
        row, one = found[n], who[n]
        at = following[one]
        following[one] = at + 1
        when[at] = ts[row]
        what[at] = kind[row]
        where[at] = product


@compiled
def place_codes(
    found: NDArray[np.int32],
    who: U32,
    codes: NDArray[np.int32],
    table: NDArray[np.int32],
    following: I64,
    out: NDArray[np.int32],
) -> None:
    """Put the codes of the same rows, as `table` numbers them, in the same places."""
    for n in range(len(found)):
        at = following[who[n]]
        following[who[n]] = at + 1
        out[at] = table[codes[found[n]]]


def by_person(person: I64, ts: I64) -> I64:
    """The order of rows by (person, ts); rows that are equal in both keep theirs.

    `person` holds small non-negative numbers. Rows usually come in runs of rising time, so that
    counting people is all there is to do; those of people whose times went back are sorted.
    """
    if not len(person):
        return np.zeros(0, dtype=np.int64)
    order = _counted(person, int(person.min()), int(person.max()))
    rows, again = back_in_time(person[order], ts[order])
    order[rows] = order[again]
    return order


def back_in_time(person: I64, ts: I64) -> tuple[I64, I64]:
    """The rows of people, who stand together, whose times go back; and those rows in order."""
    back = _unsorted(person, ts)
    if not len(back):
        return back, back
    rows = np.flatnonzero(np.isin(person, np.unique(back)))
    return rows, rows[np.lexsort((ts[rows], person[rows]))]


@compiled
def _counted(person: I64, low: int, high: int) -> I64:
    starts = np.zeros(high - low + 2, dtype=np.int64)
    for one in person:
        starts[one - low + 1] += 1
    for one in range(len(starts) - 1):
        starts[one + 1] += starts[one]
    order = np.empty(len(person), dtype=np.int64)
    for row in range(len(person)):
        one = person[row] - low
        order[starts[one]] = row
        starts[one] += 1
    return order


@compiled
def _unsorted(person: I64, ts: I64) -> I64:
    found = np.empty(len(ts), dtype=np.int64)
    n = 0
    for row in range(1, len(ts)):
        if person[row] == person[row - 1] and ts[row] < ts[row - 1]:
            found[n] = person[row]
            n += 1
    return found[:n].copy()
