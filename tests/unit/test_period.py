"""Local days, hours and buckets where clocks change, months differ and days are left out."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import pytest

from upwell.period import (
    GRAINS,
    HOUR_MICROS,
    Grain,
    Zone,
    add_months,
    buckets,
    first_of,
    first_of_number,
    next_of,
    numbers,
    to_date,
    to_day,
    to_instant,
    to_micros,
)

HOUR = HOUR_MICROS


def day(text: str) -> int:
    return to_day(dt.date.fromisoformat(text))


def micros(text: str) -> int:
    return to_micros(dt.datetime.fromisoformat(text))


def hours(zone: str, text: str) -> list[str]:
    return [b.label for b in buckets(Zone(zone), day(text), day(text) + 1, "hour")]


def test_the_day_clocks_change_in_berlin_has_23_hours() -> None:
    berlin = Zone("Europe/Berlin")
    assert berlin.opens(day("2024-03-31")) == micros("2024-03-30T23:00:00+00:00")
    assert berlin.opens(day("2024-04-01")) == micros("2024-03-31T22:00:00+00:00")
    assert berlin.day_of(micros("2024-03-31T21:59:59.999999+00:00")) == day("2024-03-31")
    assert berlin.day_of(micros("2024-03-31T22:00:00+00:00")) == day("2024-04-01")
    labels = hours("Europe/Berlin", "2024-03-31")
    assert len(labels) == 23
    assert labels[1:3] == ["2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    labels = hours("Europe/Berlin", "2024-10-27")
    assert len(labels) == 25
    assert labels[2:4] == ["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"]


def test_a_day_without_midnight_opens_at_the_jump() -> None:
    labels = hours("Asia/Beirut", "2024-03-31")
    assert labels[0] == "2024-03-31T01:00:00+03:00"
    assert len(labels) == 23


def test_clocks_that_move_by_half_an_hour_begin_an_hour() -> None:
    labels = hours("Australia/Lord_Howe", "2024-10-06")
    assert labels[1:4] == [
        "2024-10-06T01:00:00+10:30",
        "2024-10-06T02:30:00+11:00",
        "2024-10-06T03:00:00+11:00",
    ]
    found = buckets(Zone("Australia/Lord_Howe"), day("2024-10-06"), day("2024-10-07"), "hour")
    assert found[2].closes - found[2].opens == HOUR // 2


def test_a_day_that_a_zone_leaves_out_is_empty() -> None:
    apia = Zone("Pacific/Apia")
    gone = day("2011-12-30")
    assert apia.opens(gone) == apia.opens(gone + 1) == micros("2011-12-30T10:00:00+00:00")
    assert buckets(apia, gone, gone + 1, "hour") == []
    assert apia.day_of(apia.opens(gone)) == gone + 1


@pytest.mark.parametrize(
    "name",
    ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Adelaide",
     "America/St_Johns", "Australia/Lord_Howe", "Pacific/Chatham", "Asia/Tehran", "Africa/Cairo"],
)  # fmt: skip
def test_columns_say_what_the_standard_library_says(name: str) -> None:
    zone = Zone(name)
    start = micros("2021-09-01T00:00:00+00:00")
    column = np.arange(start, start + 420 * 24 * HOUR, HOUR // 4, dtype=np.int64)
    found = zip(
        zone.days(column).tolist(), zone.hours(column).tolist(), column.tolist(), strict=True
    )
    for local_day, hour, at in found:
        wall = to_instant(at).astimezone(zone.info)
        assert to_date(local_day) == wall.date()
        begun = to_instant(hour).astimezone(zone.info)
        # Either the full hour on the wall, or the moment at which the clocks changed.
        before = to_instant(hour - 1).astimezone(zone.info)
        assert begun.minute == 0 or begun.utcoffset() != before.utcoffset()
        assert 0 <= at - hour < HOUR


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("week_start", [0, 6])
def test_buckets_cover_their_days_without_gap_or_overlap(grain: str, week_start: int) -> None:
    zone = Zone("America/New_York")
    start, end = day("2024-02-27"), day("2024-03-14")
    found = buckets(zone, start, end, grain, week_start)  # type: ignore[arg-type]
    assert found[0].opens == zone.opens(start)
    assert found[-1].closes == zone.opens(end)
    assert all(a.closes == b.opens for a, b in pairwise(found))
    assert buckets(zone, end, start, grain, week_start) == []  # type: ignore[arg-type]


def test_weeks_begin_where_the_workspace_says() -> None:
    sunday = day("2024-03-31")
    assert to_date(first_of(sunday, "week", 0)) == dt.date(2024, 3, 25)
    assert to_date(first_of(sunday, "week", 6)) == dt.date(2024, 3, 31)


def test_buckets_are_cut_at_the_ends_of_the_range() -> None:
    found = buckets(Zone("UTC"), day("2024-01-20"), day("2024-03-05"), "month")
    assert [b.label for b in found] == ["2024-01-20", "2024-02-01", "2024-03-01"]
    assert [b.end - b.first for b in found] == [12, 29, 4]


def test_months_are_calendar_months() -> None:
    assert add_months(dt.date(2024, 1, 31), 1) == dt.date(2024, 2, 29)
    assert add_months(dt.date(2023, 1, 31), 1) == dt.date(2023, 2, 28)
    assert add_months(dt.date(2024, 2, 29), -12) == dt.date(2023, 2, 28)
    assert add_months(dt.date(2024, 12, 31), 1) == dt.date(2025, 1, 31)
    assert add_months(dt.date(2025, 1, 31), -2) == dt.date(2024, 11, 30)
    assert to_date(next_of(day("2024-12-01"), "month")) == dt.date(2025, 1, 1)
    assert to_date(next_of(day("2024-10-01"), "quarter")) == dt.date(2025, 1, 1)


@pytest.mark.parametrize("grain", ["day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize("week_start", [0, 6])
def test_buckets_are_counted_one_by_one(grain: Grain, week_start: int) -> None:
    days = np.arange(day("1970-01-01"), day("2031-01-01"), dtype=np.int32)
    found = numbers(days, grain, week_start)
    assert int(found[0]) >= 0
    assert set(np.diff(found).tolist()) <= {0, 1}
    firsts = {int(n): first_of_number(int(n), grain, week_start) for n in np.unique(found)}
    assert [firsts[int(n)] for n in found] == [first_of(int(d), grain, week_start) for d in days]
