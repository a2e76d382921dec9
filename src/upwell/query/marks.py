"""Annotations: releases, launches and notes that stand beside time series, with who wrote them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Literal

import msgspec

from upwell.access import Viewer, mint_id
from upwell.errors import Forbidden, NotFound, Rejected
from upwell.period import Zone, to_date, to_day, to_instant, to_micros
from upwell.projection import Projection
from upwell.query.plan import FIRST_DAY, LAST_DAY, may_read, scope
from upwell.state import annotations as kept
from upwell.state.db import State

Kind = Literal["note", "release", "launch", "campaign", "outage"]

TITLE, TEXT = 100, 2_000  # characters
MOST = 10_000  # annotations of a workspace
SHOWN = 1_000  # in one answer

_ZONED = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


class NewAnnotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/annotations`: what happened, when (now when left out), and to which products.

    `at` is an instant with its zone, or a local day such as 2026-11-03; no products: the company.
    """

    title: str
    kind: Kind = "note"
    at: str | None = None
    text: str = ""
    products: tuple[str, ...] = ()


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """An annotation as it stands on charts; `day` is its local day."""

    id: str
    kind: Kind
    at: dt.datetime
    day: str
    title: str
    text: str
    products: tuple[str, ...]
    created_at: dt.datetime
    created_by: str


class Annotations(msgspec.Struct, frozen=True, kw_only=True):
    """The annotations of a span, the newest first; `more` where there are older ones in it."""

    annotations: tuple[Annotation, ...]
    more: bool = False


class Marks:
    """The annotations of a workspace, seen by who sees one of their products."""

    def __init__(
        self,
        projection: Projection,
        state: State,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._projection, self._state, self._clock = projection, state, clock

    def listed(
        self,
        viewer: Viewer,
        products: tuple[str, ...] = (),
        start: dt.date | None = None,
        end: dt.date | None = None,
    ) -> Annotations:
        """Those of the local days start <= day < end about the products, or the company."""
        may_read(viewer)
        zone = self._projection.zone
        asked = scope(products, self._projection.known_products(), viewer)
        since = zone.opens(FIRST_DAY if start is None else to_day(start))
        until = zone.opens(LAST_DAY + 1 if end is None else to_day(end))
        found = [
            _shown(one, zone, viewer)
            for one in kept.between(self._state, since, until)
            if not one.products or any(product in asked for product in one.products)
        ]
        return Annotations(annotations=tuple(found[:SHOWN]), more=len(found) > SHOWN)

    def add(self, asked: NewAnnotation, viewer: Viewer) -> Annotation:
        """Keeps a new one; Rejected where it says nothing, is of no day or too long."""
        may_read(viewer)
        if kept.count(self._state) >= MOST:
            raise Rejected(
                "too_many_annotations", f"There are {MOST:,} annotations.", fix="Delete some."
            )
        now = to_micros(self._clock())
        made = self._made(asked, viewer, mint_id("ann"), now, viewer.name or viewer.id)
        kept.add(self._state, made)
        return _shown(made, self._projection.zone, viewer)

    def put(self, id_: str, asked: NewAnnotation, viewer: Viewer) -> Annotation:
        """Keeps it in place of an earlier one, whose time stays where none is given."""
        had = self._mine(id_, viewer)
        if asked.at is None:
            asked = msgspec.structs.replace(asked, at=to_instant(had.at).isoformat())
        made = self._made(asked, viewer, id_, had.created_at, had.created_by)
        kept.put(self._state, made)
        return _shown(made, self._projection.zone, viewer)

    def drop(self, id_: str, viewer: Viewer) -> None:
        """Forgets one; NotFound where the viewer sees none of that id."""
        self._mine(id_, viewer)
        kept.drop(self._state, id_)

    def _mine(self, id_: str, viewer: Viewer) -> kept.Annotation:
        """One that the viewer may change: every product of it is theirs to see."""
        may_read(viewer)
        found = kept.find(self._state, id_)
        if found is None or (found.products and not any(map(viewer.sees, found.products))):
            raise NotFound(
                "unknown_annotation", f"There is no annotation '{id_[:40]}'.", where="id"
            )
        _whole(tuple(found.products), viewer)
        return found

    def _made(
        self, asked: NewAnnotation, viewer: Viewer, id_: str, at: int, by: str
    ) -> kept.Annotation:
        _whole(asked.products, viewer)
        title = asked.title.strip()
        if not 1 <= len(title) <= TITLE:
            raise Rejected(
                "bad_title",
                "The annotation has no title." if not title else "The annotation's title is long.",
                fix=f"Say in 1 to {TITLE} characters what happened.",
                where="title",
            )
        if len(asked.text) > TEXT:
            raise Rejected(
                "long_text",
                f"The annotation's text has {len(asked.text):,} characters.",
                fix=f"Shorten it to {TEXT:,}; a link to more may stand in it.",
                where="text",
            )
        known = self._projection.known_products()
        return kept.Annotation(
            id=id_,
            at=_instant(asked.at, self._projection.zone, self._clock()),
            kind=asked.kind,
            title=title,
            text=asked.text.strip(),
            products=list(scope(asked.products, known, viewer)) if asked.products else [],
            created_at=at,
            created_by=by[:320],
        )


def _shown(one: kept.Annotation, zone: Zone, viewer: Viewer) -> Annotation:
    return Annotation(
        id=one.id,
        kind=msgspec.convert(one.kind, Kind),
        at=to_instant(one.at),
        day=str(to_date(zone.day_of(one.at))),
        title=one.title,
        text=one.text,
        products=tuple(filter(viewer.sees, one.products)),
        created_at=to_instant(one.created_at),
        created_by=one.created_by,
    )


def _whole(products: tuple[str, ...], viewer: Viewer) -> None:
    """Nothing, or Forbidden for who sees some products and would write about others."""
    if viewer.products is not None and not (products and all(map(viewer.sees, products))):
        raise Forbidden(
            "some_products_only",
            "This would be about products that you do not see.",
            fix=f"Name those it is about: {', '.join(sorted(viewer.products)) or 'none is yours'}.",
            where="products",
        )


def _instant(text: str | None, zone: Zone, now: dt.datetime) -> int:
    if text is None:
        return to_micros(now)
    found = None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            found = zone.opens(to_day(dt.date.fromisoformat(text)))
        elif _ZONED.search(text):
            found = to_micros(dt.datetime.fromisoformat(text).astimezone(dt.UTC))
    except (ValueError, OverflowError):
        pass
    if found is None or not FIRST_DAY <= zone.day_of(found) <= LAST_DAY:
        raise Rejected(
            "bad_time",
            f"'{text[:40]}' is not a time with its zone, nor a day on the calendar.",
            fix="Write 2026-11-03T14:00:00Z, or 2026-11-03 for the whole day,"
            f" from {to_date(FIRST_DAY)} to {to_date(LAST_DAY)}.",
            where="at",
        )
    return found
