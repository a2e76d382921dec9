"""Sorted runs: exact lookups and neighbours over hundreds of millions of integers, in columns.

Each structure is a short list of sorted arrays of falling size. New values arrive as a small run;
runs of similar size are merged, so that a value is moved a logarithmic number of times and a
look-up asks a logarithmic number of arrays, for a whole batch at once. Long runs lie in files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.projection.room import Batches, Columns, Room

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
GROWTH = 4  # a run is merged into its elder unless that one is this many times larger


ANY = 2**64 - 1


class Runs:
    """Columns, sorted by the first within each run."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room or Room()
        self._runs: list[tuple[NDArray[Any], ...]] = []

    def __len__(self) -> int:
        return sum(len(first) for first, *_ in self._runs)

    def load(self, read: Callable[[], Batches], top: int = ANY, *, once: bool = False) -> None:
        """Take all there is so far, in batches and in any order; `read` is called twice.

        The first column is 0 to `top`; `once`: equal rows count as one.
        """
        found = self._room.sorted(read, top, once=once)
        if found and len(found[0]):
            self._runs.append(found)

    def _take(self, run: Columns) -> None:
        """Take a sorted run; whoever looks something up beside it sees the runs before or after."""
        runs = self._runs.copy()
        while runs and len(runs[-1][0]) < GROWTH * len(run[0]):
            run = self._room.merged(runs.pop(), run)
        self._runs = [*runs, run]


class KeyIndex(Runs):
    """128-bit keys, each with the place it was first seen at; a look-up is exact."""

    def find(self, high: U64, low: U64) -> I64:
        """The place of each key, or -1 where it is new."""
        found = np.full(len(high), -1, dtype=np.int64)
        for rows, place, at in self._hits(high, low):
            found[rows] = place[at]
        return found

    def move(self, high: U64, low: U64, place: I64) -> None:
        """Let keys that are in the index have another place."""
        for rows, known, at in self._hits(high, low):
            known[at] = place[rows]

    def _hits(self, high: U64, low: U64) -> Iterator[tuple[I64, I64, I64]]:
        """For each run: which of the keys it has, its column of places, where they are in it."""
        # In order, so that each look-up begins near the last: a third of the time in a long run.
        order = np.argsort(high)
        high, low = high[order], low[order]
        for run_high, run_low, place in self._runs:
            inside = np.minimum(np.searchsorted(run_high, high), len(run_high) - 1)
            same = run_high[inside] == high
            hit = same & (run_low[inside] == low)
            # Two keys may share their high half: look at the neighbours, one by one.
            for row in np.flatnonzero(same & ~hit):
                step = int(inside[row]) + 1
                while step < len(run_high) and run_high[step] == high[row]:
                    if run_low[step] == low[row]:
                        inside[row], hit[row] = step, True
                        break
                    step += 1
            yield order[hit], place, inside[hit]

    def add(self, high: U64, low: U64, place: I64) -> None:
        """Take keys that are not in the index yet."""
        if not len(high):
            return
        order = np.argsort(high, kind="stable")  # keys that share their high half may stand anyhow
        self._take((high[order], low[order], place[order]))


class Multimap(Runs):
    """Pairs of a key and a value; the same pair may come again."""

    def of(self, keys: I64) -> tuple[I64, I64]:
        """All pairs of these keys, in no order."""
        found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        for key, value in self._runs:
            place = _within(np.searchsorted(key, keys), np.searchsorted(key, keys, "right"))
            found.append((key[place], value[place]))
        who, what = zip(*found, strict=True)
        return np.concatenate(who), np.concatenate(what)

    def add(self, keys: I64, values: I64) -> None:
        """Take pairs in any order."""
        if len(keys):
            order = np.argsort(keys, kind="stable")
            self._take((keys[order], values[order]))


NOTHING = np.uint64(0)  # smaller than every value: "no neighbour before"
BEYOND = np.uint64(2**64 - 1)  # larger than every value: "no neighbour after"


class OrderedSet(Runs):
    """A set of 64-bit values that knows, for a whole batch, each value's neighbours."""

    def neighbours(self, values: U64) -> tuple[NDArray[np.bool_], U64, U64]:
        """Whether each value is here, the largest one below it, the smallest one above it."""
        here = np.zeros(len(values), dtype=np.bool_)
        below = np.full(len(values), NOTHING)
        above = np.full(len(values), BEYOND)
        for (run,) in self._runs:
            at = np.searchsorted(run, values)
            here |= (at < len(run)) & (run[np.minimum(at, len(run) - 1)] == values)
            before = np.where(at > 0, run[np.maximum(at - 1, 0)], NOTHING)
            below = np.maximum(below, before)
            beyond = at + (run[np.minimum(at, len(run) - 1)] == values)
            after = np.where(beyond < len(run), run[np.minimum(beyond, len(run) - 1)], BEYOND)
            above = np.minimum(above, after)
        return here, below, above

    def pieces(self, size: int) -> Iterator[U64]:
        """All values right after they were loaded, in order: `size` at a time, and the one before.

        The first piece begins with NOTHING.
        """
        for (run,) in self._runs:
            for low in range(0, len(run), size):
                before = run[low - 1 : low] if low else np.array([NOTHING])
                yield np.concatenate([before, run[low : low + size]])

    def of(self, subjects: U64, shift: int) -> U64:
        """All values of these subjects (the bits above `shift`), in no order."""
        bits = np.uint64(shift)
        found = [np.empty(0, dtype=np.uint64)]
        for (run,) in self._runs:
            low = np.searchsorted(run, subjects << bits)
            found.append(run[_within(low, np.searchsorted(run, (subjects + np.uint64(1)) << bits))])
        return np.concatenate(found)

    def add(self, values: U64) -> None:
        """Take sorted, distinct values that are not in the set yet."""
        if len(values):
            self._take((values,))


def _within(low: NDArray[np.intp], high: NDArray[np.intp]) -> NDArray[np.intp]:
    """All places of the ranges [low, high), one range after another."""
    count = high - low
    return np.repeat(low - np.cumsum(count) + count, count) + np.arange(count.sum())


def among(values: I64, ordered: I64) -> NDArray[np.bool_]:
    """Which values are among others that are in order."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[at] == values
    return found


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
