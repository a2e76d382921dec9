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
from upwell.period import (
    HOUR_MICROS,
    Grain,
    Zone,
    first_of_number,
    numbers,
    to_date,
    to_day,
    to_micros,
)
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
    currency: str  # the workspace's
    person: I64 | None = None  # whose each user's events are; None: each user is a person
    only: I64 | None = None  # the people of a segment, ascending; None: everybody

    @property
    def opens(self) -> int:
        """The first microsecond."""
        return self.zone.opens(self.start)

    @property
    def closes(self) -> int:
        """The microsecond after the last."""
        return self.zone.opens(self.end)

    def calendar(self, grain: Grain) -> Calendar:
        """The buckets of a grain, numbered."""
        return Calendar(self.zone, grain, self.week_start)

    def among(self, person: I64) -> Mask:
        """Which of these people the question is about."""
        if self.only is None:
            return np.ones(len(person), dtype=np.bool_)
        return np.isin(person, self.only)


@dataclass(frozen=True)
class Calendar:
    """The buckets of a grain as numbers, of which the next bucket's is one more."""

    zone: Zone
    grain: Grain
    week_start: int

    def of(self, instants: I64) -> I64:
        """The bucket of each instant (UTC micros)."""
        if self.grain == "hour":
            return self.zone.hours(instants) // HOUR_MICROS
        return numbers(self.zone.days(instants), self.grain, self.week_start)

    def at(self, instant: int) -> int:
        """The bucket of one instant."""
        return int(self.of(np.array([instant], dtype=np.int64))[0])

    def opens(self, number: int) -> int:
        """The first microsecond of a bucket."""
        if self.grain == "hour":  # the local hour that begins within this hour of UTC
            return self.zone.hour_of((number + 1) * HOUR_MICROS - 1)
        return self.zone.opens(first_of_number(number, self.grain, self.week_start))

    def label(self, number: int) -> str:
        """A bucket's start as it is written: a date; a local time for hours."""
        if self.grain == "hour":
            return self.zone.local(self.opens(number)).isoformat(timespec="seconds")
        return to_date(first_of_number(number, self.grain, self.week_start)).isoformat()

    def read(self, label: str) -> int:
        """The bucket that begins at, or holds, what a label says; Rejected for no date."""
        try:
            if self.grain == "hour":
                return self.at(to_micros(dt.datetime.fromisoformat(label)))
            day = to_day(dt.date.fromisoformat(label))
            return self.at(self.zone.opens(day))
        except (ValueError, TypeError, OverflowError):
            raise Rejected(
                "bad_bucket",
                f"'{label[:40]}' is not the start of a {self.grain}.",
                fix="Send it as the answer wrote it, such as 2026-03-01.",
                where="of",
            ) from None


def ground(asked: Scoped, viewer: Viewer, projection: Projection, now: dt.datetime) -> Ground:
    """The question made certain for this viewer; Rejected or Forbidden otherwise."""
    may_read(viewer)
    products = scope(asked.products, projection.known_products(), viewer)
    start, end = days_of(asked.start, asked.end, projection.zone, now)
    if start > projection.zone.today(now):
        raise Rejected(
            "future_range",
            f"{to_date(start)} has not begun: nothing can be known of it yet.",
            fix=f"Ask for days up to {to_date(projection.zone.today(now))}.",
            where="from",
        )
    return Ground(
        products,
        projection.zone,
        projection.ground.week_start,
        start,
        end,
        to_micros(now),
        projection.ground.currency,
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

    def does_any(self, doings: Iterable[Doing]) -> Mask:
        """Which rows are one of these events."""
        found = np.zeros(len(self.found.ts), dtype=np.bool_)
        for doing in doings:
            found |= self.does(doing)
        return found

    def passes(self, where: Where) -> Mask:
        """Which rows filters let pass."""
        return keeps(where, self.found.properties, len(self.found.ts))

    def only(self, where: Where) -> Walk:
        """The events that filters let pass."""
        if not where:
            return self
        return self.of(self.passes(where))

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
    properties: Iterable[str | None] = (),
    everything: bool = False,
    filtered: bool = True,
) -> Walk:
    """Read the events that the doings name (or `everything`) and `where` lets pass.

    `properties` are read beside those of the filters; not `filtered`: `where` is only made ready to
    be judged. Rejected where an event is unknown, with the nearest names.
    """
    wanted, known = tuple(doings), lines.kinds(of.products)
    for doing in wanted:
        _check(doing, of, known)
    names = {name for doing in wanted for name in doing.where} | set(where)
    names |= {name for name in properties if name is not None and name != PRODUCT}
    for name, asked in where.items():
        condition_of(name, asked)
    kinds = None
    if not everything:
        events = {doing.event for doing in wanted}
        kinds = [kind for kind in known if any(_is(kind, event) for event in events)]
    found = lines.read(of.products, kinds, span, sorted(names), person=of.person)
    read = Walk(found, of.products)
    if of.only is not None:
        read = read.of(of.among(found.person))
    return read.only(where) if filtered else read


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
