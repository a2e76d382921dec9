"""Paths by brute force: lists of items, one walk at a time, straight from the definition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

HALF_HOUR = 30 * 60 * 1_000_000
BETWEEN = "..."


class Seen(NamedTuple):
    """An item of a walk: when it was come to and left (one instant, but for what was left out)."""

    item: str
    came: int
    left: int


def sessions(events: Sequence[tuple[int, str]]) -> list[list[Seen]]:
    """One person's events cut at pauses, of each run of an item the last."""
    found: list[list[Seen]] = []
    previous: int | None = None
    for at, item in events:
        if previous is None or at - previous >= HALF_HOUR:
            found.append([])
        if found[-1] and found[-1][-1].item == item:
            found[-1].pop()
        found[-1].append(Seen(item, at, at))
        previous = at
    return found


def anchored(walk: list[Seen], start: str | None, end: str | None, depth: int) -> list[Seen] | None:
    """The part of a walk that is asked for; None where it lacks an anchor."""
    items = [seen.item for seen in walk]
    if start is not None:
        if start not in items:
            return None
        walk = walk[items.index(start) :]
        items = [seen.item for seen in walk]
    if end is not None:
        after = 0 if start is None else 1
        if end not in items[after:]:
            return None
        walk = walk[: items.index(end, after) + 1]
    if start is not None and end is not None:
        half = depth // 2
        if len(walk) <= depth:
            return walk
        skipped = walk[half : len(walk) - half]
        gap = Seen(BETWEEN, skipped[0].came, skipped[-1].left)
        return [*walk[:half], gap, *walk[len(walk) - half :]]
    return walk[-depth:] if end is not None else walk[:depth]


@dataclass
class Edge:
    """What happened between two nodes."""

    transitions: int = 0
    actors: set[int] = field(default_factory=set)
    micros: int = 0


@dataclass
class Drawn:
    """Edges by (step, source, target), visits and ends by (step, item)."""

    edges: dict[tuple[int, str, str], Edge] = field(default_factory=lambda: defaultdict(Edge))
    visits: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    ends: dict[tuple[int, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    stops: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))


def paths(
    people: Mapping[int, Sequence[tuple[int, str]]],
    start: str | None = None,
    end: str | None = None,
    depth: int = 5,
) -> Drawn:
    """Everything counted, nothing folded."""
    found = Drawn()
    for person, events in people.items():
        for whole in sessions(events):
            walk = anchored(whole, start, end, depth)
            if walk is None:
                continue
            for step, seen in enumerate(walk, 1):
                found.visits[step, seen.item] += 1
            for step, (one, other) in enumerate(pairwise(walk), 1):
                edge = found.edges[step, one.item, other.item]
                edge.transitions += 1
                edge.actors.add(person)
                edge.micros += other.came - one.left
            found.ends[len(walk), walk[-1].item].add(person)
            found.stops[len(walk), walk[-1].item] += 1
    return found
