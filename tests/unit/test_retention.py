"""Retention's worked examples: rules, ways of counting, hours, means, weeks, months and clocks."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from upwell.metrics.retention import (
    Counting,
    Retention,
    Returns,
    Rule,
    Starts,
    began,
    calendar,
    exact,
    people,
    retention,
)
from upwell.period import DAY_MICROS, Zone, numbers, to_date, to_day, to_micros
from upwell.period import first_of_number as first_day

START = {"a": [0], "b": [0], "c": [0], "d": [0, 1], "e": [1], "f": [1], "g": [2]}
BACK = {"a": [0, 1, 2], "b": [2], "c": [4], "d": [1, 3], "e": [2, 3], "f": [], "g": [3]}
NAMES = sorted(START)


def column(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def starts(days: dict[str, list[int]]) -> Starts:
    rows = [(NAMES.index(name), day) for name in NAMES for day in days.get(name, [])]
    bucket = column([day for _, day in rows])
    return Starts(column([who for who, _ in rows]), bucket, bucket, np.zeros_like(bucket))


def returns(days: dict[str, list[int]]) -> Returns:
    rows = [(NAMES.index(name), day) for name in NAMES for day in days.get(name, [])]
    return Returns(column([who for who, _ in rows]), column([day for _, day in rows]))


def table(text: str) -> list[list[int | None]]:
    rows = [line.replace(":", "").split() for line in text.split("|")]
    return [[None if cell == "." else int(cell) for cell in row] for row in rows]


@pytest.mark.parametrize(
    ("rule", "counting", "expected"),
    [
        ("first_time", "on", "4: 2 2 1 1 | 2: 1 1 0 . | 1: 1 0 . ."),
        ("first_time", "on_or_after", "4: 4 4 2 1 | 2: 1 1 0 . | 1: 1 0 . ."),
        ("recurring", "on", "4: 2 2 1 1 | 3: 1 2 0 . | 1: 1 0 . ."),
        ("recurring", "on_or_after", "4: 4 4 2 1 | 3: 2 2 0 . | 1: 1 0 . ."),
    ],
)
def test_the_worked_example(rule: Rule, counting: Counting, expected: str) -> None:
    found = retention(
        began(rule, starts(START)), returns(BACK), calendar(0, 3, np.arange(5), 4), counting
    )
    assert found.rows() == table(expected)
    assert found.sizes.tolist() == [[row[0] for row in table(expected)]]


def test_means_are_pooled_over_cohorts_old_enough() -> None:
    found = retention(
        began("first_time", starts(START)), returns(BACK), calendar(0, 3, np.arange(5), 4)
    )
    ones = [Fraction(1), Fraction(4, 7), Fraction(3, 7), Fraction(1, 6), Fraction(1, 4)]
    assert found.means() == ones


def test_a_young_cohort_does_not_pull_the_mean() -> None:
    values = np.array([[[1000, 500], [500, 400], [700, 0]]])
    known = np.array([[True, True], [True, True], [True, False]])
    found = Retention(0, values[:, :, 0], values, known)
    assert found.means() == [1, Fraction(60, 100)]


def test_nobody_has_no_mean() -> None:
    none = starts({})
    found = retention(none, returns(BACK), calendar(0, 2, np.arange(3), 4))
    assert found.rows() == [[0, 0, 0], [0, 0, 0]]
    assert found.means() == [None, None, None]


def test_the_first_start_of_all_counts_even_before_the_range() -> None:
    found = retention(
        began("first_time", starts(START)), returns(BACK), calendar(1, 3, np.arange(2), 4)
    )
    assert found.sizes.tolist() == [[2, 1]]  # d began on day 0


def test_the_very_first_start_must_itself_match() -> None:
    rows = starts({**START, "e": [1, 2]})
    first_matches = np.array([True, True, True, True, True, False, True, True, True])
    found = retention(
        began("first_ever", rows, first_matches), returns(BACK), calendar(0, 3, np.arange(2), 4)
    )
    assert found.sizes.tolist() == [[4, 1, 1]]  # e's first has not the property, her second has


def test_the_breakdown_is_the_value_of_the_start() -> None:
    rows = starts({"a": [0], "b": [0], "c": [0], "d": [0, 0]})
    coded = rows._replace(code=column([0, 1, 1, 0, 1]))  # d began with both values
    found = retention(coded, returns(BACK), calendar(0, 1, np.arange(4), 4), "on", 2)
    assert found.rows(0) == [[2, 2, 1, 1]]
    assert found.rows(1) == [[3, 1, 1, 1]]


@pytest.mark.parametrize(("at", "day"), [("2024-12-02T17:00", 0), ("2024-12-02T17:59", 1)])
def test_windows_of_24_hours_are_from_the_own_start(at: str, day: int) -> None:
    def micros(text: str) -> int:
        return to_micros(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))

    began_at, back_at = micros("2024-12-01T17:59"), micros(at)
    bucket = began_at // DAY_MICROS
    rows = Starts(column([0]), column([bucket]), column([began_at]), column([0]))
    frame = exact(
        bucket, [(bucket + 1) * DAY_MICROS], np.arange(3), DAY_MICROS, began_at + 9 * DAY_MICROS
    )
    found = retention(rows, Returns(column([0]), column([back_at])), frame)
    assert found.rows() == [[1, int(day == 1), 0]]
    days = rows._replace(origin=rows.bucket)
    back = Returns(column([0]), column([back_at // DAY_MICROS]))
    assert retention(days, back, calendar(bucket, bucket + 1, np.arange(3), bucket + 9)).rows() == [
        [1, 1, 0]
    ]


def test_a_window_is_over_when_it_is_for_whoever_began_last() -> None:
    rows = Starts(column([0]), column([0]), column([5]), column([0]))
    nobody = Returns(column([]), column([]))
    for watermark, expected in ((2 * DAY_MICROS - 1, [1, None]), (3 * DAY_MICROS, [1, 0])):
        frame = exact(0, [DAY_MICROS], np.arange(2), DAY_MICROS, watermark)
        assert retention(rows, nobody, frame).rows() == [expected]


def test_revenue_begins_with_that_of_the_bucket() -> None:
    paid = Returns(column([0, 0, 0, 1]), column([0, 1, 3, 1]), column([10, 4, 3, 7]))
    rows = starts({"a": [0], "b": [0]})
    on = retention(rows, paid, calendar(0, 1, np.arange(5), 3))
    assert on.rows() == [[10, 11, 0, 3, None]]
    assert on.means() == [1, Fraction(11, 10), 0, Fraction(3, 10), None]
    assert on.sizes.tolist() == [[2]]
    later = retention(rows, paid, calendar(0, 1, np.arange(3), 3), "on_or_after")
    assert later.rows() == [[10, 14, 3]]
    running = retention(rows, paid, calendar(0, 1, np.arange(2), -1))
    assert running.rows() == [[None, None]]


def test_people_behind_a_cell() -> None:
    def names(k: int, stayed: bool, counting: Counting = "on") -> str:
        rows, frame = began("first_time", starts(START)), calendar(0, 3, np.arange(5), 4)
        found = people(rows, returns(BACK), frame, 0, k, counting, stayed=stayed)
        return "".join(NAMES[who] for who in found)

    assert (names(0, True), names(0, False)) == ("abcd", "")
    assert (names(1, True), names(1, False)) == ("ad", "bc")
    assert (names(3, True), names(3, False)) == ("d", "abc")
    assert (names(3, True, "on_or_after"), names(3, False, "on_or_after")) == ("cd", "ab")


def test_a_day_of_23_hours_is_a_day() -> None:
    zone = Zone("Europe/Berlin")

    def day(text: str) -> str:
        at = np.array([to_micros(dt.datetime.fromisoformat(text))])
        return to_date(int(numbers(zone.days(at), "day")[0])).isoformat()

    assert day("2024-03-30T23:00:00+00:00") == "2024-03-31"
    assert day("2024-03-31T21:59:59+00:00") == "2024-03-31"
    assert day("2024-03-31T22:00:00+00:00") == "2024-04-01"


def test_weeks_begin_where_the_workspace_says_and_months_are_of_the_calendar() -> None:
    sunday, january = to_day(dt.date(2024, 3, 31)), to_day(dt.date(2024, 1, 31))
    for week_start, begins in ((0, dt.date(2024, 3, 25)), (6, dt.date(2024, 3, 31))):
        week = int(numbers(column([sunday]), "week", week_start)[0])
        assert to_date(first_day(week, "week", week_start)) == begins
    months = numbers(column([january, january + 1, january + 29, january + 30]), "month")
    assert (months - months[0]).tolist() == [0, 1, 1, 2]  # 31 January, 1 and 29 February, 1 March


def test_brackets_hold_several_distances() -> None:
    """0, 1, 2 to 3, 4 to 5: of the last one day is missing still."""
    frame = calendar(0, 3, np.array([0, 1, 3, 5]), 4)
    found = retention(began("first_time", starts(START)), returns(BACK), frame)
    assert found.rows() == [[4, 2, 3, None], [2, 1, 1, None], [1, 1, None, None]]
    assert found.means() == [1, Fraction(4, 7), Fraction(4, 6), None]
    assert found.means(0, "previous") == [1, Fraction(4, 7), Fraction(4, 3), None]


def test_a_bucket_counts_with_so_many_returns() -> None:
    often = returns({"a": [1, 1, 2], "b": [1], "c": [2, 2, 2]})
    rows = starts({"a": [0], "b": [0], "c": [0]})
    for at_least, expected in ((1, [3, 2, 2]), (2, [3, 1, 1]), (3, [3, 0, 1])):
        frame = calendar(0, 1, np.arange(3), 5, at_least)
        assert retention(rows, often, frame).rows() == [expected]
