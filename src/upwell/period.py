"""Calendar time in one zone: days, buckets, and the same for whole columns.

A *day* is an integer: days since 1970-01-01 on the local calendar. A bucket of any grain is
named by its first day, or, for hours, by the instant it starts.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Grain = Literal["hour", "day", "week", "month", "quarter", "year"]
GRAINS: tuple[Grain, ...] = get_args(Grain)

EPOCH = dt.date(1970, 1, 1)
_MONTHS: dict[Grain, int] = {"month": 1, "quarter": 3, "year": 12}
MICROS = 1_000_000
HOUR_MICROS = 3600 * MICROS
DAY_MICROS = 24 * HOUR_MICROS


class Bucket(NamedTuple):
    """A half-open span of local time; `first` and `end` are days, instants are UTC micros."""

    label: str
    first: int
    end: int
    opens: int
    closes: int


def to_day(date: dt.date) -> int:
    """Days since 1970-01-01."""
    return (date - EPOCH).days


def to_date(day: int) -> dt.date:
    """The calendar date of a day number."""
    return EPOCH + dt.timedelta(days=int(day))


def to_micros(instant: dt.datetime) -> int:
    """Exact UTC microseconds of an aware datetime."""
    delta = instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * 86_400 + delta.seconds) * MICROS + delta.microseconds


def to_instant(micros: int) -> dt.datetime:
    """The aware UTC datetime of a number of microseconds."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(micros))


class Zone:
    """Local calendar arithmetic of one IANA zone, for scalars and for whole columns.

    Offsets are tabulated once, by the second where they change, for 1900 to 2200, so that a column
    of a million instants becomes days without a Python loop.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.info = ZoneInfo(name)
        self._starts, self._offsets = _transitions(name)

    def offsets(self, micros: NDArray[np.int64]) -> NDArray[np.int64]:
        """UTC offset in microseconds of each instant."""
        return self._offsets[self._spans(micros)]

    def days(self, micros: NDArray[np.int64]) -> NDArray[np.int32]:
        """Local day of each instant."""
        return ((micros + self.offsets(micros)) // DAY_MICROS).astype(np.int32)

    def hours(self, micros: NDArray[np.int64]) -> NDArray[np.int64]:
        """Start (UTC micros) of the local hour that holds each instant.

        A change of the offset begins another hour, so that none has two labels (Lord Howe moves
        by half an hour).
        """
        spans = self._spans(micros)
        offsets = self._offsets[spans]
        local = micros + offsets
        return np.maximum(local - local % HOUR_MICROS - offsets, self._starts[spans])

    def hour_of(self, micros: int) -> int:
        """Start (UTC micros) of the local hour that holds one instant."""
        return int(self.hours(np.array([micros], dtype=np.int64))[0])

    def next_hour(self, micros: int) -> int:
        """UTC micros of the end of the local hour that holds the instant."""
        at = int(np.searchsorted(self._starts, micros, side="right"))
        into = (micros + int(self._offsets[at - 1])) % HOUR_MICROS
        ends = micros - into + HOUR_MICROS
        return ends if at == len(self._starts) else min(ends, int(self._starts[at]))

    def _spans(self, micros: NDArray[np.int64]) -> NDArray[np.intp]:
        return np.searchsorted(self._starts, micros, side="right") - 1

    def day_of(self, micros: int) -> int:
        """Local day of one instant."""
        return int(self.days(np.array([micros], dtype=np.int64))[0])

    def opens(self, day: int) -> int:
        """UTC micros of the first instant of a local day."""
        return _opens(self.name, int(day))

    def today(self, now: dt.datetime) -> int:
        """The local day at `now`."""
        return self.day_of(to_micros(now))

    def local(self, micros: int) -> dt.datetime:
        """The instant as a local, aware datetime."""
        return to_instant(micros).astimezone(self.info)


@lru_cache(maxsize=200_000)
def _opens(name: str, day: int) -> int:
    """The first instant whose local day is `day` or later.

    Where midnight does not exist the day opens at the jump; a day that a zone leaves out (Samoa's
    30 December 2011) opens and closes with the next.
    """
    starts, offsets = _transitions(name)
    midnight = day * DAY_MICROS
    at = int(np.searchsorted(starts, midnight - 2 * DAY_MICROS, side="right")) - 1
    while True:
        found = max(int(starts[at]), midnight - int(offsets[at]))
        if at + 1 == len(starts) or found < int(starts[at + 1]):
            return found
        at += 1


@lru_cache(maxsize=32)
def _transitions(name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    info = ZoneInfo(name)
    starts: list[int] = []
    offsets: list[int] = []

    def offset_at(second: int) -> int:
        instant = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=second)
        found = instant.astimezone(info).utcoffset()
        return int((found or dt.timedelta()).total_seconds() * MICROS)

    first, last = -2_208_988_800, 7_258_118_400  # 1900 to 2200, in seconds
    step = 7 * 86_400
    previous = offset_at(first)
    starts.append(np.iinfo(np.int64).min)
    offsets.append(previous)
    for second in range(first + step, last, step):
        since, current = second - step, offset_at(second)
        while previous != current:
            low, high = since, second
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_at(middle) == previous else (low, middle)
            previous = offset_at(high)
            since = high
            starts.append(high * MICROS)
            offsets.append(previous)
    return np.array(starts, dtype=np.int64), np.array(offsets, dtype=np.int64)


def first_of(day: int, grain: Grain, week_start: int = 0) -> int:
    """First day of the bucket (day or coarser) that holds `day`; `week_start` 0 is Monday."""
    if grain == "day":
        return day
    if grain == "week":
        return day - (day + 3 - week_start) % 7  # 1970-01-01 was a Thursday (3)
    date = to_date(day)
    if grain == "month":
        return to_day(date.replace(day=1))
    if grain == "quarter":
        return to_day(date.replace(month=(date.month - 1) // 3 * 3 + 1, day=1))
    if grain == "year":
        return to_day(date.replace(month=1, day=1))
    raise ValueError(f"an hour has no first day: {grain}")


def next_of(first: int, grain: Grain) -> int:
    """First day of the bucket after the one that starts at `first`."""
    if grain == "day":
        return first + 1
    if grain == "week":
        return first + 7
    date = to_date(first)
    return to_day(add_months(date, _MONTHS[grain]))


def numbers(
    days: NDArray[np.int64] | NDArray[np.int32], grain: Grain, week_start: int = 0
) -> NDArray[np.int64]:
    """The bucket (day or coarser) of each day from 1970 on, counted: the next one is one more.

    The distance of two buckets is the difference of their numbers; none is below 0.
    """
    if grain == "day":
        return days.astype(np.int64)
    if grain == "week":
        return (days.astype(np.int64) + 10 - week_start) // 7  # 1970-01-01 was a Thursday (3)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months // _MONTHS[grain]


def first_of_number(number: int, grain: Grain, week_start: int = 0) -> int:
    """First day of the bucket that `numbers` gave this number."""
    if grain == "day":
        return number
    if grain == "week":
        return number * 7 - 10 + week_start
    return to_day(add_months(EPOCH, number * _MONTHS[grain]))


def add_months(date: dt.date, months: int) -> dt.date:
    """The same day of the month `months` later, or that month's last day."""
    index = date.year * 12 + date.month - 1 + months
    year, month = index // 12, index % 12 + 1
    last = (dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)).day
    return dt.date(year, month, min(date.day, last))


def buckets(zone: Zone, start: int, end: int, grain: Grain, week_start: int = 0) -> list[Bucket]:
    """The buckets that meet days [start, end), each cut to that range, in order."""
    return list(_buckets(zone.name, start, end, grain, week_start))


@lru_cache(maxsize=256)
def _buckets(zone_name: str, start: int, end: int, grain: Grain, week_start: int) -> list[Bucket]:
    zone = Zone(zone_name)
    if end <= start:
        return []
    if grain == "hour":
        return _hours(zone, start, end)
    found = []
    first = first_of(start, grain, week_start)
    while first < end:
        after = next_of(first, grain)
        low, high = max(first, start), min(after, end)
        found.append(Bucket(to_date(low).isoformat(), low, high, zone.opens(low), zone.opens(high)))
        first = after
    return found


def _hours(zone: Zone, start: int, end: int) -> list[Bucket]:
    found = []
    opens, last = zone.opens(start), zone.opens(end)
    while opens < last:
        closes = min(zone.next_hour(opens), last)
        local = zone.local(opens)
        day = to_day(local.date())
        found.append(Bucket(local.isoformat(timespec="seconds"), day, day + 1, opens, closes))
        opens = closes
    return found
