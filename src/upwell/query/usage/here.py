"""What a question about use waits for: the sources that are read and stand behind its events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from upwell.event import EVENT_TYPES
from upwell.query.complete import Behind, Through, stands, why
from upwell.query.usage import shapes
from upwell.query.usage.asked import (
    ActivityAsked,
    DidAsked,
    Doing,
    FunnelAsked,
    PathsAsked,
    RetentionAsked,
    Scoped,
    named,
)
from upwell.query.usage.courses import doings_of
from upwell.query.usage.ground import Ground
from upwell.query.usage.lifecycles import active
from upwell.warehouse.slices import NOBODY

Answer = TypeVar("Answer", bound=shapes.Answered)

ANYTHING = frozenset(EVENT_TYPES) - frozenset(NOBODY)


def found(asked: Scoped, of: Ground, behind: Behind) -> tuple[Through, ...]:
    """The sources that are read and stand behind what is asked, each once."""
    doings = _doings(asked, of)
    return tuple(
        sorted({one for product in of.products for one in behind(product, _types(doings, product))})
    )


def placed(answer: Answer, of: Ground, position: str) -> Answer:
    """An answer with the position it holds at, and what it waits for."""
    return msgspec.structs.replace(
        answer, position=position, behind=stands(of.sources), note=why(of.sources, of.zone)
    )


def _doings(asked: Scoped, of: Ground) -> list[Doing] | None:
    """The events that answer it; None for every event of people."""
    match asked:
        case FunnelAsked():
            steps, excluded = doings_of(asked)
            return [*steps, *excluded]
        case RetentionAsked():
            return [*asked.begin.alternatives(), *asked.back.alternatives()]
        case ActivityAsked():
            return [Doing(event=asked.event)] if asked.event else active(of)
        case PathsAsked() | DidAsked() if asked.event:
            return [Doing(event=asked.event)]
    return None


def _types(doings: Iterable[Doing] | None, product: str) -> frozenset[str]:
    """The types of these events in a product: what is no type is the name of an engagement."""
    if doings is None:
        return ANYTHING
    return frozenset(
        doing.event if doing.event in EVENT_TYPES else "engagement"
        for doing in doings
        if not (own := named(doing.product)) or product in own
    )
