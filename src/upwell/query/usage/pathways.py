"""Paths from a question: what people do first, second, third, and where they stop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected, nearest
from upwell.metrics import paths as engine
from upwell.metrics.paths import BETWEEN, OTHER, Walks
from upwell.query.usage import shapes
from upwell.query.usage.asked import Doing, PathsAsked
from upwell.query.usage.ground import Ground
from upwell.query.usage.walk import Walk, walk
from upwell.warehouse.timelines import Timelines

I64 = NDArray[np.int64]

DEEPEST = 20  # items of a walk
EDGES = 500  # between named nodes
_WORDS = {OTHER: "other", BETWEEN: "…"}
_SIGNS = {OTHER: "*", BETWEEN: "…"}  # no item's id has one where others have a line


class Drawn(NamedTuple):
    """Walks with rare items put together, and what the items are called."""

    walks: Walks
    labels: list[str]

    def name(self, step: int, item: int) -> str:
        """A node's id."""
        return f"{step}{_SIGNS.get(item) or '_' + self.labels[item]}"


def read(asked: PathsAsked, of: Ground, lines: Timelines) -> Drawn:
    """The walks of the question; Rejected where an anchor or a property is unknown."""
    if not 2 <= asked.depth <= DEEPEST:
        raise _refuse(
            "depth", f"{asked.depth} steps are no path to draw.", f"Ask for 2 to {DEEPEST}."
        )
    if not 1 <= asked.edges <= EDGES:
        raise _refuse("edges", f"{asked.edges} edges cannot be drawn.", f"Ask for 1 to {EDGES}.")
    doings = [] if asked.event is None else [Doing(event=asked.event)]
    found = walk(
        of,
        lines,
        doings,
        asked.where,
        (of.opens, min(of.closes, of.now + 1)),
        properties=(asked.by,),
        everything=not doings,
    )
    made, labels = list[Walks](), list[str]()
    for part in found:
        own, labels = _walked(asked, part, doings)
        made.append(own)
    return Drawn(
        engine.fold(Walks(*map(np.concatenate, zip(*made, strict=True))), asked.edges), labels
    )


def _walked(asked: PathsAsked, found: Walk, doings: list[Doing]) -> tuple[Walks, list[str]]:
    """The walks of some of the people, and what the items are called."""
    if asked.by is None:
        item, labels = found.items()
    else:
        codes, labels = found.values(asked.by)
        item = codes.astype(np.int64)
    keep = item >= 0
    if doings:
        keep &= found.does_any(doings)
    rows = found.found
    made = engine.walks(
        rows.person[keep],
        rows.ts[keep],
        item[keep],
        start=_anchor(asked.begin, labels, "start"),
        end=_anchor(asked.finish, labels, "end"),
        depth=asked.depth,
    )
    return made, labels


def _anchor(name: str | None, labels: list[str], where: str) -> int | None:
    if name is None:
        return None
    if name not in labels:
        raise _refuse(where, f"Nothing is called '{name}' in these paths.", nearest(name, labels))
    return labels.index(name)


def answer(asked: PathsAsked, drawn: Drawn) -> shapes.PathsAnswer:
    """The nodes in the order of their steps, the edges with the most frequent first."""
    graph = engine.draw(drawn.walks)
    nodes, edges = graph.nodes, graph.edges
    return shapes.PathsAnswer(
        nodes=tuple(
            shapes.PathNode(
                id=drawn.name(step, item),
                step=step,
                label=_WORDS.get(item) or drawn.labels[item],
                visits=visits,
                ends=ends,
                other=item == OTHER,
                between=item == BETWEEN,
            )
            for step, item, visits, ends in zip(*(c.tolist() for c in nodes), strict=True)
        ),
        edges=tuple(
            shapes.PathEdge(
                source=drawn.name(step, source),
                target=drawn.name(step + 1, target),
                transitions=transitions,
                actors=actors,
                mean_seconds=mean,
            )
            for step, source, target, transitions, actors, mean in zip(
                *(column.tolist() for column in edges[:5]), edges.mean_seconds(), strict=True
            )
        ),
        rule=_words(asked),
        position="",
    )


def people(drawn: Drawn, source: str, target: str | None) -> I64:
    """The people who went along an edge, by its nodes' ids; or ended at the first of them."""
    walks = drawn.walks
    span = int(walks.item.max(initial=0)) - BETWEEN + 1
    coded = np.unique(walks.step * span + walks.item - BETWEEN)
    places = {
        drawn.name(step, item): (step, item)
        for step, item in zip(
            (coded // span).tolist(), (coded % span + BETWEEN).tolist(), strict=True
        )
    }
    for name in (source, target):
        if name is not None and name not in places:
            raise _refuse("of", f"No node of these paths is '{name}'.", nearest(name, places))
    step, item = places[source]
    if target is None:
        return engine.followers(walks, step, item, None)
    after, onward = places[target]
    if after != step + 1:
        raise _refuse("of", f"'{target}' does not follow '{source}'.", "Take an edge as answered.")
    return engine.followers(walks, step, item, onward)


def _words(asked: PathsAsked) -> str:
    what = "events by name" if asked.by is None else f"events by '{asked.by}'"
    return (
        f"Visits of {what}, apart where nothing happened for 30 minutes; of a run of the same the"
        f" last counts; at most {asked.depth} steps; rare steps are gathered as other."
    )


def _refuse(where: str, message: str, fix: str) -> Rejected:
    return Rejected("bad_paths", message, fix=fix, where=where)
