"""Lifecycle's and stickiness' worked examples, from people and from counts of gaps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from upwell.metrics.engagement import (
    NONE,
    Gaps,
    Kind,
    Pairs,
    coarser,
    distinct,
    gaps_of,
    lifecycle,
    lifecycle_people,
    rolling,
    stickiness,
    sticky_people,
)
from upwell.period import numbers


def column(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def pairs(people: dict[str, list[int]]) -> Pairs:
    rows = [(ord(name), day) for name in sorted(people) for day in people[name]]
    return distinct(column([who for who, _ in rows]), column([day for _, day in rows]))


def names(actors: NDArray[np.int64]) -> str:
    return "".join(chr(who) for who in actors)


PEOPLE = pairs({"a": [1, 2, 3, 4], "b": [1, 3], "c": [2], "d": [2, 3], "e": [0, 4], "f": [4]})


def test_the_lifecycle_of_the_worked_example() -> None:
    found = lifecycle(gaps_of(PEOPLE), 1, 5, 3)
    assert found.new.tolist() == [2, 2, 0, 1]
    assert found.returning.tolist() == [0, 1, 2, 1]
    assert found.resurrecting.tolist() == [0, 0, 1, 1]
    assert found.dormant.tolist() == [1, 1, 1, 2]
    assert found.active.tolist() == [2, 3, 3, 3]
    assert found.complete.tolist() == [True, True, True, False]  # who is dormant may still come


def test_counts_of_gaps_say_the_same_without_a_list_of_people() -> None:
    rows = [(0, NONE, 1), (1, NONE, 2), (2, 1, 1), (2, NONE, 2), (3, 1, 1), (3, 2, 2)]
    rows += [(4, 3, 1), (4, 0, 2), (4, 0, -1), (4, NONE, 1)]  # one taken back
    counted = Gaps(*np.array(rows, dtype=np.int64).T)
    found, expected = lifecycle(counted, 1, 5, 3), lifecycle(gaps_of(PEOPLE), 1, 5, 3)
    assert [c.tolist() for c in found] == [c.tolist() for c in expected]


@pytest.mark.parametrize(
    ("kind", "bucket", "expected"),
    [
        ("new", 2, "cd"),
        ("returning", 3, "ad"),
        ("resurrecting", 3, "b"),
        ("resurrecting", 4, "e"),
        ("dormant", 1, "e"),
        ("dormant", 4, "bd"),
        ("new", 9, ""),
    ],
)
def test_people_behind_a_bar(kind: Kind, bucket: int, expected: str) -> None:
    assert names(lifecycle_people(PEOPLE, kind, bucket)) == expected


def test_weeks_follow_from_days_of_people_and_from_their_gaps() -> None:
    days = pairs({"a": [3, 4, 11, 40], "b": [4, 5, 12, 13, 20]})
    weeks = distinct(days.actor, numbers(days.bucket, "week", 0))
    again = coarser(gaps_of(days), "week", 0)
    assert [c.tolist() for c in again] == [c.tolist() for c in gaps_of(weeks)]


def test_people_of_the_last_days_are_a_running_sum() -> None:
    days = gaps_of(pairs({"a": [0, 1, 9], "b": [5]}))
    assert rolling(days, 3, 0, 13).tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0]
    assert rolling(days, 3, 2, 4).tolist() == [1, 1]


WEEK = pairs({"a": [1, 2, 3, 4, 5], "b": [1, 1, 1], "c": [2, 4], "d": [7], "e": [1, 3, 5]})


def test_the_stickiness_of_the_worked_example() -> None:
    found = stickiness(WEEK, 1, 8)
    assert found.exact.tolist() == [2, 1, 1, 0, 1, 0, 0]
    assert found.cumulative.tolist() == [5, 3, 2, 1, 1, 0, 0]
    assert found.active.tolist() == [3, 2, 2, 2, 2, 0, 1]
    assert found.people == 5
    assert found.mean_active() == Fraction(12, 7)
    assert found.share() == Fraction(12, 35)


def test_nobody_sticks_where_nobody_came() -> None:
    found = stickiness(WEEK, 20, 22)
    assert (found.exact.tolist(), found.people) == ([0, 0], 0)
    assert found.mean_active() == 0
    assert found.share() is None


def test_people_who_came_so_often() -> None:
    assert names(sticky_people(WEEK, 1, 8, 1)) == "bd"
    assert names(sticky_people(WEEK, 1, 8, 2, or_more=True)) == "ace"
