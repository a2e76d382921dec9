"""Rows put in the order of person and time, in time that grows with the rows alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled

I64 = NDArray[np.int64]


def by_person(person: I64, ts: I64) -> I64:
    """The order of rows by (person, ts); rows that are equal in both keep theirs.

    `person` holds small non-negative numbers. Rows usually come in runs of rising time, so that
    counting people is all there is to do; those of people whose times went back are sorted.
    """
    if not len(person):
        return np.zeros(0, dtype=np.int64)
    order = _counted(person, int(person.max()) + 1)
    back = _unsorted(person, ts, order)
    if len(back):
        wrong = np.isin(person[order], np.unique(back))
        rows = order[wrong]
        order[wrong] = rows[np.lexsort((ts[rows], person[rows]))]
    return order


@compiled
def _counted(person: I64, people: int) -> I64:
    starts = np.zeros(people + 1, dtype=np.int64)
    for one in person:
        starts[one + 1] += 1
    for one in range(people):
        starts[one + 1] += starts[one]
    order = np.empty(len(person), dtype=np.int64)
    for row in range(len(person)):
        one = person[row]
        order[starts[one]] = row
        starts[one] += 1
    return order


@compiled
def _unsorted(person: I64, ts: I64, order: I64) -> I64:
    found = np.empty(len(order), dtype=np.int64)
    n = 0
    for at in range(1, len(order)):
        one, before = order[at], order[at - 1]
        if person[one] == person[before] and ts[one] < ts[before]:
            found[n] = person[one]
            n += 1
    return found[:n]
