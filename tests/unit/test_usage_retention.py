"""Retention as it is asked: from events posted to the answer, by the worked examples."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.laws.world import batch
from tests.oracle.plain import Event
from tests.unit.usage_house import DAY, MINUTE, START, WAYS, Asking, on_days, opened
from upwell.errors import Rejected
from upwell.query.usage.shapes import RetentionAnswer

BEGAN = {"a": "0", "b": "0", "c": "0", "d": "0 1", "e": "1", "f": "1", "g": "2"}
CAME = {"a": "0 1 2", "b": "2", "c": "4", "d": "1 3", "e": "2 3", "g": "3"}
TABLES = {
    ("first_time", "on"): [[4, 2, 2, 1, 1], [2, 1, 1, 0, None], [1, 1, 0, None, None]],
    ("first_time", "on_or_after"): [[4, 4, 4, 2, 1], [2, 1, 1, 0, None], [1, 1, 0, None, None]],
    ("recurring", "on"): [[4, 2, 2, 1, 1], [3, 1, 2, 0, None], [1, 1, 0, None, None]],
    ("recurring", "on_or_after"): [[4, 4, 4, 2, 1], [3, 2, 2, 0, None], [1, 1, 0, None, None]],
}


@pytest.fixture(params=WAYS)
def asking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    with opened(tmp_path, request.param) as house:
        house.now = dt.datetime(2026, 6, 6, tzinfo=dt.UTC)
        yield house


def body(**more: Any) -> dict[str, Any]:
    days = {"product": "mail", "from": "2026-06-01", "to": "2026-06-04"}
    return {"start": {"event": "A"}, "return": {"event": "B"}, "columns": 5, **days, **more}


def table(found: RetentionAnswer) -> list[list[Any]]:
    return [list(cohort.values) for cohort in found.cohorts]


def example() -> list[Event]:
    return [*on_days(BEGAN, "A"), *on_days(CAME, "B")]


@pytest.mark.parametrize("rule", TABLES)
def test_the_worked_example(asking: Asking, rule: tuple[str, str]) -> None:
    asking.house.take(batch(example()))
    found = asking.retention(body(cohort=rule[0], counting=rule[1]))
    assert table(found) == TABLES[rule]
    assert [cohort.start for cohort in found.cohorts] == ["2026-06-01", "2026-06-02", "2026-06-03"]
    if rule == ("first_time", "on"):
        assert found.mean == (1.0, 4 / 7, 3 / 7, 1 / 6, 1 / 4)


def test_first_time_looks_back_over_all_history(asking: Asking) -> None:
    """Who began before the range is in no cohort of it."""
    asking.house.take(batch(example()))
    found = asking.retention(body(**{"from": "2026-06-02"}))
    assert table(found) == TABLES["first_time", "on"][1:]
    again = asking.retention(body(**{"from": "2026-06-02"}, cohort="recurring"))
    assert table(again) == TABLES["recurring", "on"][1:]


def test_the_very_first_must_itself_be_as_asked(asking: Asking) -> None:
    """First ever: whoever's first start was another has no cohort."""
    solo, team = on_days({"u": "0"}, "A", plan="solo"), on_days({"u": "1", "v": "1"}, "A", plan="t")
    asking.house.take(batch([*solo, *team, *on_days({"u": "2", "v": "2"}, "B")]))
    only = {"start": {"event": "A", "where": {"plan": "t"}}}
    assert [c.size for c in asking.retention(body(**only)).cohorts] == [0, 2, 0]
    ever = asking.retention(body(**only, cohort="first_ever"))
    assert table(ever)[1] == [1, 1, 0, 0, None]
    filtered = asking.retention(body(where={"plan": "t"}, cohort="first_ever"))
    assert [c.size for c in filtered.cohorts] == [0, 1, 0]


def test_a_day_is_a_calendar_day_or_24_hours(asking: Asking) -> None:
    began, came = START + 1079 * MINUTE, START + DAY + 1020 * MINUTE  # 17:59, then 17:00
    events = [
        Event("mail", "engagement", at, actor="u", key=name, metadata={"name": name})
        for name, at in (("A", began), ("B", came))
    ]
    asking.house.take(batch(events))
    assert table(asking.retention(body()))[0] == [1, 1, 0, 0, 0]
    exact = asking.retention(body(buckets="exact_24h"))
    assert table(exact)[0] == [1, 0, 0, 0, None]  # the last window of a late start is not over


def test_parts_by_a_property_of_the_start(asking: Asking) -> None:
    team, solo = on_days({"a": "0", "b": "0"}, "A", plan="team"), on_days({"c": "0"}, "A", plan="s")
    asking.house.take(batch([*team, *solo, *on_days({"a": "1", "c": "1"}, "B")]))
    found = asking.retention(body(by="plan"))
    assert [(part.key, part.cohorts[0].values[:2]) for part in found.parts] == [
        ("team", (2, 1)),
        ("s", (1, 1)),
    ]
    assert found.cohorts[0].values[:2] == (3, 2)
    few = asking.retention(body(by="plan", top=1))
    assert [(part.key, part.other) for part in few.parts] == [("team", False), (None, True)]


def test_brackets_and_the_column_before(asking: Asking) -> None:
    asking.house.take(batch(example()))
    found = asking.retention(body(columns=None, brackets=[1, 3]))
    assert table(found) == [[4, 2, 3], [2, 1, 1], [1, 1, None]]
    assert found.columns == ("0", "1", "2–3")
    assert found.cohorts[0].shares == (1.0, 0.5, 0.75)
    before = asking.retention(body(columns=None, brackets=[1, 3], reference="previous"))
    assert before.cohorts[0].shares == (1.0, 0.5, 1.5)
    assert before.cohorts[2].shares == (1.0, 1.0, None)
    assert before.mean == (1.0, 4 / 7, 4 / 3)
    cell = {"retention": body(columns=None, brackets=[1, 3]), "cohort": "2026-06-01", "k": 2}
    assert asking.who(cell) == ["a", "b", "d"]
    assert asking.who({**cell, "stayed": False}) == ["c"]


def test_coming_back_is_doing_it_often_enough(asking: Asking) -> None:
    events = [*on_days({"a": "0", "b": "0"}, "A"), *on_days({"a": "1 1", "b": "1 2 2 2"}, "B")]
    asking.house.take(batch(events))
    for buckets in ("calendar", "exact_24h"):
        asked = body(at_least=2, buckets=buckets)
        assert table(asking.retention(asked))[0][:3] == [2, 1, 1]
        assert asking.who({"retention": asked, "cohort": "2026-06-01", "k": 1}) == ["a"]


def test_who_came_later_than_the_last_column_stayed_on(asking: Asking) -> None:
    """On or after counts every bucket that is over, also beyond the columns shown."""
    asking.house.take(batch([*on_days({"a": "0"}, "A"), *on_days({"a": "4"}, "B")]))
    for buckets in ("calendar", "exact_24h"):
        asked = body(columns=2, to="2026-06-02", counting="on_or_after", buckets=buckets)
        asking.now = dt.datetime(2026, 6, 8, tzinfo=dt.UTC)
        assert table(asking.retention(asked)) == [[1, 1]]


def test_money_of_those_who_began(asking: Asking) -> None:
    """Column 0 is the money of the bucket itself; refunds take away; other currencies convert."""
    paid = on_days({"a": "0 1", "b": "1"}, "pay", money="10.50")
    back = Event("mail", "refund", START + DAY * 2, actor="a", key="r", value=paid[0].value)
    asking.house.take(batch([*on_days({"a": "0", "b": "0"}, "A"), *paid, *[_usd(back)]]))
    pay = {"any": [{"event": "revenue"}, {"event": "refund"}]}
    found = asking.retention(body(**{"return": pay}, measure="revenue"))
    assert found.cohorts[0].values == ("10.50", "21.00", "-10.50", "0.00", "0.00")
    assert found.cohorts[0].size == 2
    assert found.currency == "USD"
    assert found.mean[1] == 2.0


def _usd(event: Event) -> Event:
    return Event(**{**event.__dict__, "currency": "USD"})


def test_by_week_and_by_hour(asking: Asking) -> None:
    asking.house.take(batch([*on_days({"a": "0"}, "A"), *on_days({"a": "3 4"}, "B")]))
    week = asking.retention(body(grain="week", columns=2))
    assert [(c.start, c.values) for c in week.cohorts] == [("2026-06-01", (1, None))]
    hour = asking.retention(body(grain="hour", to="2026-06-02", columns=100))
    noon = next(c for c in hour.cohorts if c.size)
    assert noon.start == "2026-06-01T12:00:00+00:00"
    assert [k for k, n in enumerate(noon.values) if n] == [0, 72, 96]


@pytest.mark.parametrize(
    ("change", "where", "fix"),
    [
        ({"return": {"event": "Z"}}, "event", "Known: "),
        ({"grain": "year"}, "grain", "month"),
        ({"columns": 1_000}, "columns", "400"),
        ({"columns": 0}, "columns", "400"),
        ({"brackets": [3, 2]}, "brackets", "[1, 7, 30]"),
        ({"brackets": [1, 2]}, "brackets", "no 'columns'"),
        ({"columns": None, "brackets": [9_999]}, "brackets", "3,700"),
        ({"at_least": 0}, "at_least", "1 to 1,000"),
        ({"at_least": 2, "measure": "revenue"}, "at_least", "leave it out"),
        ({"from": "2026-07-01", "to": "2026-07-03"}, "from", "2026-06-06"),
        ({"where": {"plan": {}}}, "where", "Name a value"),
    ],
)
def test_what_cannot_be_asked_says_what_to_change(
    asking: Asking, change: dict[str, Any], where: str, fix: str
) -> None:
    asking.house.take(batch(example()))
    with pytest.raises(Rejected) as caught:
        asking.retention(body(**change))
    assert caught.value.problem.where == where
    assert fix in caught.value.problem.fix
