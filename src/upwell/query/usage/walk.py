"""From a question about use to timelines: who may see what, which days, which events do a step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upwell.access import Viewer
from upwell.errors import Rejected, nearest
from upwell.event import EVENT_TYPES
from upwell.period import Zone, to_micros
from upwell.projection import Projection
from upwell.query.plan import days_of, may_read, scope
from upwell.query.usage.asked import Doing, Scoped, Where, named
from upwell.query.usage.filters import condition_of, keeps
from upwell.warehouse.timelines import NOBODY, Selection, Timelines

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

NAMED = "engagement:"
PRODUCT = "product"  # a breakdown that no property is read for


@dataclass(frozen=True)
class Ground:
    """What every question about use rests on: products, local days, the moment, the people."""

    products: tuple[str, ...]
    zone: Zone
    week_start: int
    start: int  # first local day
    end: int  # day after the last
    now: int  # UTC micros: what lies beyond is not known yet

    @property
    def opens(self) -> int:
        """The first microsecond."""
        return self.zone.opens(self.start)

    @property
    def closes(self) -> int:
        """The microsecond after the last."""
        return self.zone.opens(self.end)


def ground(asked: Scoped, viewer: Viewer, projection: Projection, now: dt.datetime) -> Ground:
    """The question made certain for this viewer; Rejected or Forbidden otherwise."""
    may_read(viewer)
    products = scope(asked.products, projection.known_products(), viewer)
    start, end = days_of(asked.start, asked.end, projection.zone, now)
    return Ground(
        products, projection.zone, projection.ground.week_start, start, end, to_micros(now)
    )


class Walk:
    """The events of one question, by person and time, and what each of them is."""

    def __init__(self, found: Selection, products: Sequence[str]) -> None:
        self.found, self._products = found, products

    def does(self, doing: Doing) -> Mask:
        """Which rows are this event."""
        kinds = np.array([_is(kind, doing.event) for kind in self.found.kinds], dtype=np.bool_)
        rows: Mask = kinds[self.found.kind]
        if own := named(doing.product):
            table = np.array([product in own for product in self._products], dtype=np.bool_)
            rows = rows & table[self.found.product]
        if doing.where:
            rows = rows & keeps(doing.where, self.found.properties, len(rows))
        return rows

    def only(self, where: Where) -> Walk:
        """The events that filters let pass."""
        if not where:
            return self
        return self.of(keeps(where, self.found.properties, len(self.found.ts)))

    def of(self, rows: Mask) -> Walk:
        """Some of the rows, in their order."""
        found = self.found
        properties = {
            name: column._replace(codes=column.codes[rows])
            for name, column in found.properties.items()
        }
        return Walk(
            found._replace(
                person=found.person[rows],
                ts=found.ts[rows],
                kind=found.kind[rows],
                product=found.product[rows],
                properties=properties,
            ),
            self._products,
        )

    def values(self, by: str) -> tuple[NDArray[np.int32], list[str]]:
        """For each row the place of its value of a breakdown, or -1; and the values."""
        if by == PRODUCT:
            return self.found.product.astype(np.int32), list(self._products)
        column = self.found.properties[by]
        return column.codes, column.values


def walk(
    of: Ground,
    lines: Timelines,
    doings: Iterable[Doing],
    where: Where,
    span: tuple[int, int],
    *,
    by: str | None = None,
    everything: bool = False,
    person: I64 | None = None,
) -> Walk:
    """Read the events that the doings name (or `everything`) and `where` lets pass.

    Rejected where an event is unknown, with the nearest names.
    """
    wanted, known = tuple(doings), lines.kinds(of.products)
    for doing in wanted:
        _check(doing, of, known)
    names = {name for doing in wanted for name in doing.where} | set(where)
    if by is not None and by != PRODUCT:
        names.add(by)
    kinds = None
    if not everything:
        events = {doing.event for doing in wanted}
        kinds = [kind for kind in known if any(_is(kind, event) for event in events)]
    found = lines.read(of.products, kinds, span, sorted(names), person=person)
    return Walk(found, of.products).only(where)


def _check(doing: Doing, of: Ground, kinds: tuple[str, ...]) -> None:
    for name, asked in doing.where.items():
        condition_of(name, asked)
    for product in named(doing.product):
        if product not in of.products:
            raise Rejected(
                "unknown_product",
                f"A step asks for '{product}', which is not among the products of the question.",
                fix=nearest(product, of.products),
                where="product",
            )
    if doing.event in EVENT_TYPES and doing.event not in NOBODY:
        return
    known = {kind.removeprefix(NAMED) for kind in kinds} | set(EVENT_TYPES) - set(NOBODY)
    if doing.event not in known:
        raise Rejected(
            "unknown_event",
            f"No event '{doing.event}' has come yet.",
            fix=nearest(doing.event, known),
            where="event",
        )


def _is(kind: str, event: str) -> bool:
    """Whether a kind is what a question calls by this name: a type, or an engagement's name."""
    if event == "engagement":
        return kind.startswith(NAMED)
    return kind == event or (event not in EVENT_TYPES and kind == NAMED + event)
