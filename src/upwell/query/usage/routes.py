"""The flow of a funnel as it is answered: nodes, links, and what people did on the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.funnel.between import OTHER, Everything, between
from upwell.metrics.funnel.run import Outcome
from upwell.metrics.funnel.sums import flow
from upwell.query.usage import shapes
from upwell.query.usage.asked import FunnelAsked
from upwell.query.usage.walk import Walk


def flow_of(
    outcome: Outcome, asked: FunnelAsked, between: tuple[shapes.LinkBetween, ...]
) -> shapes.FunnelFlow:
    """The flow, with what lies between the ends of its links, where that was asked for."""
    names = [doing.event for step in asked.steps for doing in step.alternatives()]
    drawn = flow(outcome)
    return shapes.FunnelFlow(
        nodes=tuple(
            shapes.FlowNode(
                id=_id((node.step, node.alternative)),
                step=node.step,
                label=names[node.alternative],
                count=node.count,
                dropped=node.dropped,
                open=node.open,
            )
            for node in drawn.nodes
        ),
        links=tuple(
            shapes.FlowLink(
                source=_id(link.source),
                target=_id(link.target),
                count=link.count,
                median_seconds=link.median_seconds,
            )
            for link in drawn.links
        ),
        between=between,
    )


def between_of(
    outcome: Outcome, top: int, found: Walk, kept: NDArray[np.bool_]
) -> tuple[shapes.LinkBetween, ...]:
    """What was done on each link; `kept` are the events that the outcome was followed on."""
    every, labels = everything(found, kept)
    return tuple(
        shapes.LinkBetween(
            source=_id(link.source),
            target=_id(link.target),
            direct=link.direct,
            events=tuple(
                shapes.BetweenEvent(
                    label="other" if one.item == OTHER else labels[one.item],
                    users=one.users,
                    times=one.times,
                    other=one.item == OTHER,
                )
                for one in link.passed
            ),
        )
        for link in between(outcome, every, top)
    )


def everything(found: Walk, kept: NDArray[np.bool_]) -> tuple[Everything, list[str]]:
    """All events, of which `kept` are those of the funnel; and what each item is called."""
    item, labels = found.items()
    return Everything(np.flatnonzero(kept), found.found.ts, item), labels


def _id(node: tuple[int, int]) -> str:
    """A node as it is called in answers."""
    return f"{node[0]}.{node[1]}"
