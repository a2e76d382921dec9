"""Where reading a property has come to, and what its quotas leave room for; pure.

Google counts a property's use in tokens, by the hour and by the day of its own Pacific time. The
last days go first: the past is read only with tokens that looks at the last days will not need.
"""

from __future__ import annotations

import datetime as dt
import math

import msgspec

from upwell.metrics.reported import REPORTS
from upwell.period import MICROS, Zone, to_date, to_micros
from upwell.sources.contract import Cursor

HISTORY = 400  # days that are read of the past
RESTATED = 3  # days before today that Google may still correct
SLICE = 30  # days of the past in one question
HOUR = 3600
_GOOGLES = Zone("America/Los_Angeles")


class Slice(msgspec.Struct, kw_only=True):
    """Days being read: the reports that are left, with how many of their rows were read."""

    start: str  # 2026-11-22
    end: str  # the last day, included
    began: int  # epoch seconds
    left: list[tuple[str, int]]
    tokens: int = 0  # that it has cost


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What was left of the property's tokens at a moment (epoch seconds)."""

    at: int
    hour: int
    day: int

    def wait(self, now: int, need: int = 1, spare: tuple[int, int] = (0, 0)) -> int:
        """Seconds until so many tokens are there, beside those to spare an hour and a day; or 0."""
        if self.day - spare[1] < need and _day(self.at) == _day(now):
            return until_midnight(now)
        if self.hour - spare[0] < need and self.at // HOUR == now // HOUR:
            return until_hour(now)
        return 0


class State(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The cursor: `upto` is the first day that was read, `floor` the one to stop at.

    `cost` is what the last look at the last days, and a page of the past, took in tokens. `again`:
    what is read of the past was read before.
    """

    zone: str
    upto: str
    floor: str
    first: str  # where the past began to be read: for telling how much of it is done
    looked: int = 0  # when the last look at the last days began, epoch seconds
    live: Slice | None = None
    past: Slice | None = None
    quota: Quota | None = None
    cost: tuple[int, int] = (0, 0)
    again: bool = False

    def cursor(self) -> Cursor:
        """As it stands beside a page."""
        found: Cursor = msgspec.to_builtins(self)
        return found

    def today(self, now: int) -> dt.date:
        """The property's own day."""
        return to_date(Zone(self.zone).day_of(now * MICROS))

    def look(self, now: int) -> Slice:
        """The days that may have changed since the last look."""
        today = self.today(now)
        since = self.today(self.looked) if self.looked else today
        start = min(since, today) - dt.timedelta(days=RESTATED)
        return Slice(start=str(start), end=str(today), began=now, left=_all())

    def back(self, now: int) -> Slice | None:
        """The next days of the past, the newest first; None where all of it was read."""
        if self.upto <= self.floor:
            return None
        end = dt.date.fromisoformat(self.upto) - dt.timedelta(days=1)
        start = max(str(end - dt.timedelta(days=SLICE - 1)), self.floor)
        return Slice(start=start, end=str(end), began=now, left=_all())

    def spare(self, now: int, every: float) -> tuple[int, int]:
        """Tokens that looks at the last days will need until the hour, and the day, is over."""
        live = self.cost[0]
        looks = (math.ceil(left / every) + 1 for left in (until_hour(now), until_midnight(now)))
        hour, day = (live * count for count in looks)
        return hour, day


def begun(zone: str, now: int, quota: Quota | None) -> State:
    """Nothing was read yet of a property with this zone."""
    today = to_date(Zone(zone).day_of(now * MICROS))
    first = today - dt.timedelta(days=RESTATED)
    floor = today - dt.timedelta(days=HISTORY)
    return State(zone=zone, upto=str(first), floor=str(floor), first=str(first), quota=quota)


def again(cursor: Cursor, since: int, now: int) -> Cursor:
    """The cursor from which all days since then (epoch seconds; 0: 400 days) are read once more."""
    state = msgspec.convert(cursor, State)
    fresh = begun(state.zone, now, state.quota)
    if since:
        fresh.floor = str(state.today(since))
    fresh.again, fresh.cost = True, state.cost
    return fresh.cursor()


def until_hour(now: int) -> int:
    """Seconds until the hour is over."""
    return HOUR - now % HOUR


def until_midnight(now: int) -> int:
    """Seconds until Google's day is over, in Pacific time."""
    return _GOOGLES.opens(_day(now) + 1) // MICROS - now


def _day(now: int) -> int:
    return _GOOGLES.day_of(now * MICROS)


def _all() -> list[tuple[str, int]]:
    return [(report, 0) for report in REPORTS]


def epoch(now: dt.datetime) -> int:
    """Whole epoch seconds."""
    return to_micros(now) // MICROS
