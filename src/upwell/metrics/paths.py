"""The ways people take through a product: what they do first, second, third, and where they stop.

`walks` cuts events into walks, `fold` puts rare nodes together, `draw` counts; `followers` are the
people behind an edge. A node is a place in the order and an item; a walk stands on one node a step,
so that whatever enters a node leaves it or ends there, folded or not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.revenue.ledger import Ints, begins, running
from upwell.period import MICROS

PAUSE = 30 * 60 * MICROS  # a walk ends where nothing happens for so long
OTHER = -1  # an item too rare for a name at its step
BETWEEN = -2  # what was left out between a beginning and an end

_Flags = NDArray[np.bool_]


class Walks(NamedTuple):
    """The steps of all walks, one after another, sorted by actor; each walk begins at step 1.

    `came` and `left` are UTC micros, apart only for BETWEEN: of the first and the last left out.
    """

    actor: Ints
    step: Ints
    item: Ints
    came: Ints
    left: Ints


class Nodes(NamedTuple):
    """By step and item: how many walks stood there, and how many ended."""

    step: Ints
    item: Ints
    visits: Ints
    ends: Ints


class Edges(NamedTuple):
    """From `source` at `step` to `target` at the next step, the most frequent first.

    `transitions` are walks, `actors` distinct people, `micros` the time of all transitions.
    """

    step: Ints
    source: Ints
    target: Ints
    transitions: Ints
    actors: Ints
    micros: Ints

    def mean_seconds(self) -> list[float]:
        """The mean time of a transition of each edge."""
        means: list[float] = (self.micros / (self.transitions * MICROS)).tolist()
        return means


class Graph(NamedTuple):
    """visits = transitions in (at step 1: walks begun) = transitions out + ends, at every node."""

    nodes: Nodes
    edges: Edges


def walks(
    actor: Ints,
    at: Ints,
    item: Ints,
    *,
    start: int | None = None,
    end: int | None = None,
    depth: int = 5,
) -> Walks:
    """Cut events, sorted by actor and in their order, into walks of at most `depth` >= 2 items.

    Items are codes from 0 on, `at` is UTC micros. Of a run of the same item the last counts. With
    `start` a walk is cut to its first occurrence, with `end` to the first one (after that) and its
    last items are kept; walks without them are left out. With both, the first and last `depth // 2`
    items are kept and what lies between is one step, BETWEEN.
    """
    opens = begins(actor)
    opens[1:] |= at[1:] - at[:-1] >= PAUSE
    last_of_run = np.ones(len(actor), dtype=np.bool_)
    last_of_run[:-1] = begins(item)[1:] | opens[1:]
    walk: Ints = np.cumsum(opens, dtype=np.int64)[last_of_run]
    rows: Ints = np.flatnonzero(last_of_run)
    if start is not None:
        kept = _so_far(item[rows] == start, walk) > 0
        walk, rows = walk[kept], rows[kept]
    if end is not None:
        found = item[rows] == end
        if start is not None:
            found &= ~begins(walk)
        to_come = _so_far(found[::-1], walk[::-1])[::-1]
        kept = (to_come > 0) & (_so_far(found, walk) - found == 0)
        walk, rows = walk[kept], rows[kept]
    first, length = _places(walk)
    place = np.arange(len(rows)) - first
    if start is not None and end is not None:
        return _middle_left_out(rows, place, length, depth, (actor, at, item))
    skipped = np.maximum(length - depth, 0) if end is not None else np.zeros_like(length)
    kept = (place >= skipped) & (place < skipped + depth)
    rows, step = rows[kept], (place - skipped)[kept] + 1
    return Walks(actor[rows], step, item[rows], at[rows], at[rows])


def _so_far(found: _Flags, walk: Ints) -> Ints:
    """How many were found in each walk up to and including each row."""
    return running(found.astype(np.int64), begins(walk))


def _places(walk: Ints) -> tuple[Ints, Ints]:
    """The row on which each row's walk begins, and the walk's length."""
    first = np.flatnonzero(begins(walk))
    length = np.diff(first, append=len(walk))
    return np.repeat(first, length), np.repeat(length, length)


def _middle_left_out(
    rows: Ints, place: Ints, length: Ints, depth: int, events: tuple[Ints, Ints, Ints]
) -> Walks:
    actor, at, item = events
    half = depth // 2
    out = np.where(length > depth, length - 2 * half, 0)  # how many items are left out
    tail = (out > 0) & (place >= half + out)
    middle = (out > 0) & (place == half)
    kept = (out == 0) | (place < half) | middle | tail
    step = np.where(tail, place - out + 1, place) + 1
    until = np.where(middle, np.arange(len(rows)) + out - 1, np.arange(len(rows)))
    left = at[rows[until]]
    label = np.where(middle, BETWEEN, item[rows])
    return Walks(actor[rows][kept], step[kept], label[kept], at[rows][kept], left[kept])


def fold(of: Walks, top: int = 50) -> Walks:
    """The walks with rare items of a step made OTHER, so that at most `top` edges join named nodes.

    Nodes are named in the order of their most frequent edge, as long as no more than `top` edges
    lie between them; all their edges keep exact numbers. Where `top` is enough nothing changes.
    """
    source, target, span = _coded(of)
    edges, transitions = np.unique(source * span + target % span, return_counts=True)
    if len(edges) <= top:
        return of
    ranked = edges[np.argsort(-transitions, kind="stable")]
    begin = ranked // span
    both = np.column_stack([begin, (begin // span + 1) * span + ranked % span])
    nodes, seen = np.unique(both, return_index=True)
    rank = np.full((int(of.step.max()) + 1) * span, both.size)
    rank[nodes] = seen
    needed = np.sort(rank[both].max(axis=1))
    named = rank[of.step * span + of.item - BETWEEN] < needed[top]
    return of._replace(item=np.where(named, of.item, OTHER))


def _coded(of: Walks) -> tuple[Ints, Ints, int]:
    """Each transition's source and target as one number each, step * span + item - BETWEEN."""
    span = int(of.item.max(initial=0)) - BETWEEN + 1
    node = of.step * span + of.item - BETWEEN
    onward = np.flatnonzero(of.step[1:] > 1)
    return node[onward], node[onward + 1], span


def draw(of: Walks) -> Graph:
    """Count the nodes and edges of walks; edges by transitions, then step, source and target.

    At most 65,536 different edges: `fold` first.
    """
    source, target, span = _coded(of)
    code = source * span + target % span
    edges = np.unique(code)
    which = np.searchsorted(edges, code)
    onward = np.flatnonzero(of.step[1:] > 1)
    order = np.argsort(which.astype(np.uint16), kind="stable")  # sorted by radix
    fresh = begins(which[order], of.actor[onward][order])
    actors = np.bincount(which[order][fresh], minlength=len(edges))
    transitions = np.bincount(which, minlength=len(edges))
    micros = np.zeros(len(edges), dtype=np.int64)
    np.add.at(micros, which, of.came[onward + 1] - of.left[onward])
    rank = np.argsort(-transitions, kind="stable")
    step, start = np.divmod(edges // span, span)
    columns = (step, start + BETWEEN, edges % span + BETWEEN, transitions, actors, micros)
    return Graph(_nodes(of, span), Edges(*(column[rank] for column in columns)))


def _nodes(of: Walks, span: int) -> Nodes:
    node = of.step * span + of.item - BETWEEN
    visits = np.bincount(node)
    ends = np.bincount(node[_last(of)], minlength=len(visits))
    found = np.flatnonzero(visits)
    step, item = np.divmod(found, span)
    return Nodes(step, item + BETWEEN, visits[found], ends[found])


def _last(of: Walks) -> _Flags:
    """Which steps end their walk."""
    return np.append(of.step[1:] == 1, True)[: len(of.step)]


def followers(of: Walks, step: int, source: int, target: int | None) -> Ints:
    """The actors who went from `source` at `step` to `target`, or ended there for None; ascending.

    Of the walks as they were drawn, so that OTHER means what it means on the picture.
    """
    there = (of.step == step) & (of.item == source)
    if target is None:
        chosen = there & _last(of)
    else:
        chosen = there & ~_last(of) & (np.roll(of.item, -1) == target)
    return np.unique(of.actor[chosen])
