"""What every question about use rests on: products, local days and their buckets, the people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upwell.access import Viewer
from upwell.errors import Rejected
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
from upwell.query.complete import Through, cut
from upwell.query.plan import days_of, may_read, scope
from upwell.query.usage.asked import Scoped

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Ground:
    """A question made certain: products, local days, the moment, and whose events count."""

    projection: Projection

    products: tuple[str, ...]
    zone: Zone
    week_start: int
    start: int  # first local day
    end: int  # day after the last
    now: int  # UTC micros: what lies beyond is not known yet
    currency: str  # the workspace's
    person: I64  # by number of the user, whose the events are
    only: I64 | None = None  # the people of a segment, ascending; None: everybody
    sources: tuple[Through, ...] = ()  # that are read and stand behind what is asked
    told: Callable[[float], None] = lambda _: None  # how much of the answer is made; may raise

    @property
    def opens(self) -> int:
        """The first microsecond."""
        return self.zone.opens(self.start)

    @property
    def closes(self) -> int:
        """The microsecond after the last."""
        return self.zone.opens(self.end)

    @property
    def here(self) -> int:
        """Until when (UTC micros) everything has come: now, or what the sources have reached."""
        return min(self.now, limit) if (limit := cut(self.sources)) is not None else self.now

    @property
    def waiting(self) -> tuple[int | None, bool]:
        """What of the sources an answer depends on: nothing where all is here that is asked for."""
        limit = cut(self.sources)
        if limit is None or limit >= min(self.now, self.closes):
            return None, False
        return limit, any(one.late for one in self.sources)

    def waits(self, opens: int) -> bool:
        """Whether all of a source that is late is still to come of what begins then."""
        limit = cut(one for one in self.sources if one.late)
        return limit is not None and opens >= limit

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
        projection,
        products,
        projection.zone,
        projection.ground.week_start,
        start,
        end,
        to_micros(now),
        projection.ground.currency,
        projection.persons(),
    )
