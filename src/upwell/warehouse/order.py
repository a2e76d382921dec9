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
def count(
    actor: NDArray[Any], ts: I64, kind: NDArray[Any], pick: Pick, begin: int, counts: I64
) -> None:
    """Add up each person's picked rows at `counts[person - low + 1]`; rows from `begin` on."""
    wanted, since, until, person, low, high = pick
    for row in range(begin, len(actor)):
        if wanted[kind[row]] and since <= ts[row] < until:
            one = person[actor[row]]
            if low <= one < high:
                counts[one - low + 1] += 1


@compiled
def place(
    actor: NDArray[Any],
    ts: I64,
    kind: NDArray[Any],
    pick: Pick,
    begin: int,
    product: int,
    rows: Rows,
) -> None:
    """Put each picked row behind those of its person that were put there before."""
    wanted, since, until, person, low, high = pick
    for row in range(begin, len(actor)):
        if wanted[kind[row]] and since <= ts[row] < until:
            one = person[actor[row]]
            if low <= one < high:
                at = rows.next[one - low]
                rows.next[one - low] = at + 1
                rows.person[at] = one
                rows.ts[at] = ts[row]
                rows.kind[at] = kind[row]
                rows.product[at] = product


@compiled
def place_codes(
    actor: NDArray[Any],
    ts: I64,
    kind: NDArray[Any],
    pick: Pick,
    begin: int,
    codes: NDArray[np.int32],
    table: NDArray[np.int32],
    following: I64,
    out: NDArray[np.int32],
) -> None:
    """Put the codes of the same rows, as `table` numbers them, in the same places."""
    wanted, since, until, person, low, high = pick
    for row in range(begin, len(actor)):
        if wanted[kind[row]] and since <= ts[row] < until:
            one = person[actor[row]]
            if low <= one < high:
                at = following[one - low]
                following[one - low] = at + 1
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
