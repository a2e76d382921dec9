"""Rows put in the order of person and time, in time that grows with the rows alone. Compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled

I64 = NDArray[np.int64]


class Pick(NamedTuple):
    """Which rows are wanted: kinds, `since <= ts < until`, `low <= person < high`.

    `person[actor]` says whose a row is, `wanted[kind]` which kinds count.
    """

    wanted: NDArray[np.bool_]
    since: int
    until: int
    person: I64
    low: int
    high: int


class Rows(NamedTuple):
    """Where picked rows are put: `next` holds the place of each person's next one."""

    next: I64
    person: I64
    ts: I64
    kind: NDArray[np.int32]
    product: NDArray[np.int16]


@compiled
def picked(
    actor: NDArray[Any],
    ts: I64,
    kind: NDArray[Any],
    pick: Pick,
    lows: I64,
    highs: I64,
    out: NDArray[np.int32],
) -> int:
    """Write the picked ones of the rows in ranges [low, high) to `out`; how many there are.

    `out` has room for one more than there are rows: every row is written, and stays if it is
    picked, which costs less than a branch that nobody can foretell.
    """
    wanted, since, until, person, low, high = pick
    n = 0
    for part in range(len(lows)):
        for row in range(lows[part], highs[part]):
            one, at = person[actor[row]], ts[row]
            out[n] = row
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
    marks: NDArray[np.uint64],
) -> None:
    """Set bit n of `marks[person - low]` where one has a picked row in [edges[n], edges[n + 1])."""
    wanted, since, until, person, low, high = pick
    n = 0
    for part in range(len(ranges[0])):
        for row in range(ranges[0][part], ranges[1][part]):
            one, at = person[actor[row]], ts[row]
            if wanted[kind[row]] and since <= at < until and low <= one < high:
                while at >= edges[n + 1]:
                    n += 1
                while at < edges[n]:
                    n -= 1
                marks[one - low] |= np.uint64(1) << np.uint64(n)


@compiled
def marked(marks: NDArray[np.uint64], low: int) -> tuple[I64, I64]:
    """Each person and each bit that is set, ascending."""
    many = 0
    for bits in marks:
        while bits:
            bits &= bits - np.uint64(1)
            many += 1
    who, at, row = np.empty(many, np.int64), np.empty(many, np.int64), 0
    for one in range(len(marks)):
        bits, n = marks[one], 0
        while bits:
            if bits & np.uint64(1):
                who[row], at[row] = one + low, n
                row += 1
            bits >>= np.uint64(1)
            n += 1
    return who, at


@compiled
def count(actor: NDArray[Any], person: I64, low: int, rows: NDArray[np.int32], counts: I64) -> None:
    """Add up each person's rows at `counts[person - low + 1]`."""
    for row in rows:
        counts[person[actor[row]] - low + 1] += 1


@compiled
def place(
    actor: NDArray[Any],
    ts: I64,
    kind: NDArray[Any],
    pick: Pick,
    found: NDArray[np.int32],
    product: int,
    rows: Rows,
) -> None:
    """Put each found row behind those of its person that were put there before."""
    following, who, when, what, where = rows
    for row in found:
        one = pick.person[actor[row]]
        at = following[one - pick.low]
        following[one - pick.low] = at + 1
        who[at] = one
        when[at] = ts[row]
        what[at] = kind[row]
        where[at] = product


@compiled
def place_codes(
    actor: NDArray[Any],
    pick: Pick,
    found: NDArray[np.int32],
    codes: NDArray[np.int32],
    table: NDArray[np.int32],
    following: I64,
    out: NDArray[np.int32],
) -> None:
    """Put the codes of the same rows, as `table` numbers them, in the same places."""
    for row in found:
        one = pick.person[actor[row]]
        at = following[one - pick.low]
        following[one - pick.low] = at + 1
        out[at] = table[codes[row]]


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
