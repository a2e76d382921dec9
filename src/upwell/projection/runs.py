"""Sorted runs: exact lookups and neighbours over hundreds of millions of integers, in columns.

Each structure is a short list of sorted arrays of falling size. New values arrive as a small run;
runs of similar size are merged, so that a value is moved a logarithmic number of times and a
look-up asks a logarithmic number of arrays, for a whole batch at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
GROWTH = 4  # a run is merged into its elder unless that one is this many times larger


class KeyIndex:
    """128-bit keys, each with the place it was first seen at; a look-up is exact."""

    def __init__(self) -> None:
        self._runs: list[tuple[U64, U64, I64]] = []

    def __len__(self) -> int:
        return sum(len(high) for high, _, _ in self._runs)

    def find(self, high: U64, low: U64) -> I64:
        """The place of each key, or -1 where it is new."""
        # In order, so that each look-up begins near the last: a third of the time in a long run.
        order = np.argsort(high)
        high, low = high[order], low[order]
        found = np.full(len(high), -1, dtype=np.int64)
        for run_high, run_low, place in self._runs:
            at = np.searchsorted(run_high, high)
            inside = np.minimum(at, len(run_high) - 1)
            same = run_high[inside] == high
            hit = same & (run_low[inside] == low)
            found[hit] = place[inside[hit]]
            # Two keys may share their high half: look at the neighbours, one by one.
            for row in np.flatnonzero(same & ~hit):
                step = int(inside[row]) + 1
                while step < len(run_high) and run_high[step] == high[row]:
                    if run_low[step] == low[row]:
                        found[row] = place[step]
                        break
                    step += 1
        places = np.empty_like(found)
        places[order] = found
        return places

    def add(self, high: U64, low: U64, place: I64) -> None:
        """Take keys that are not in the index yet."""
        if not len(high):
            return
        order = np.argsort(high, kind="stable")  # keys that share their high half may stand anyhow
        run = (high[order], low[order], place[order])
        while self._runs and len(self._runs[-1][0]) < GROWTH * len(run[0]):
            elder = self._runs.pop()
            merged = np.concatenate([elder[0], run[0]])
            order = np.argsort(merged, kind="stable")  # two sorted halves: one merge
            run = (
                merged[order],
                np.concatenate([elder[1], run[1]])[order],
                np.concatenate([elder[2], run[2]])[order],
            )
        self._runs.append(run)


NOTHING = np.uint64(0)  # smaller than every value: "no neighbour before"
BEYOND = np.uint64(2**64 - 1)  # larger than every value: "no neighbour after"


class OrderedSet:
    """A set of 64-bit values that knows, for a whole batch, each value's neighbours."""

    def __init__(self) -> None:
        self._runs: list[U64] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def neighbours(self, values: U64) -> tuple[NDArray[np.bool_], U64, U64]:
        """Whether each value is here, the largest one below it, the smallest one above it."""
        here = np.zeros(len(values), dtype=np.bool_)
        below = np.full(len(values), NOTHING)
        above = np.full(len(values), BEYOND)
        for run in self._runs:
            at = np.searchsorted(run, values)
            here |= (at < len(run)) & (run[np.minimum(at, len(run) - 1)] == values)
            before = np.where(at > 0, run[np.maximum(at - 1, 0)], NOTHING)
            below = np.maximum(below, before)
            beyond = at + (run[np.minimum(at, len(run) - 1)] == values)
            after = np.where(beyond < len(run), run[np.minimum(beyond, len(run) - 1)], BEYOND)
            above = np.minimum(above, after)
        return here, below, above

    def of(self, subjects: U64, shift: int) -> U64:
        """All values of these subjects (the bits above `shift`), in no order."""
        bits = np.uint64(shift)
        found = [np.empty(0, dtype=np.uint64)]
        for run in self._runs:
            low = np.searchsorted(run, subjects << bits)
            count = np.searchsorted(run, (subjects + np.uint64(1)) << bits) - low
            place = np.repeat(low - np.cumsum(count) + count, count) + np.arange(count.sum())
            found.append(run[place])
        return np.concatenate(found)

    def add(self, values: U64) -> None:
        """Take sorted, distinct values that are not in the set yet."""
        if not len(values):
            return
        run = values
        while self._runs and len(self._runs[-1]) < GROWTH * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)


def distinct(values: U64) -> U64:
    """The values once each, in order; `np.unique` hashes 64-bit values, which is far slower."""
    ordered: U64 = np.sort(values)
    if not len(ordered):
        return ordered
    first: NDArray[np.bool_] = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return ordered[first]


class Inserted(NamedTuple):
    """What taking new values changed about who follows whom.

    `value` gained the neighbour `below` (NOTHING: none); `moved` values had `was` before them and
    now have `now`. All pairs share their subject (the bits above `shift`).
    """

    value: U64
    below: U64
    moved: U64
    was: U64
    now: U64


def insert(known: OrderedSet, values: U64, shift: int) -> Inserted:
    """Add values to the set and say how the chains of their subjects changed.

    A subject is the part of a value above `shift` bits (an actor); its chain is its values in
    order (days, seconds). The order and batching in which values come does not matter.
    """
    fresh = distinct(values)
    here, below, above = known.neighbours(fresh)
    keep = ~here
    fresh, below, above = fresh[keep], below[keep], above[keep]
    if not len(fresh):
        empty = np.empty(0, dtype=np.uint64)
        return Inserted(empty, empty, empty, empty, empty)
    bits = np.uint64(shift)
    subject = fresh >> bits

    # Below: the nearest of the known and of the other fresh values.
    previous = np.concatenate([[NOTHING], fresh[:-1]])
    nearest = np.maximum(below, previous)
    own = (nearest != NOTHING) & ((nearest >> bits) == subject)
    nearest = np.where(own, nearest, NOTHING)

    # A known value above changes its neighbour once: to the last fresh value before it.
    following = np.concatenate([fresh[1:], [BEYOND]])
    last = (above != BEYOND) & ((above >> bits) == subject) & (following > above)
    moved = above[last]
    was = below[last]
    was = np.where((was != NOTHING) & ((was >> bits) == (moved >> bits)), was, NOTHING)
    known.add(fresh)
    return Inserted(fresh, nearest, moved, was, fresh[last])
