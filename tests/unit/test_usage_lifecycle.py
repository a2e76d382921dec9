"""Lifecycle and stickiness as they are asked, by the worked examples."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.laws.world import batch
from tests.oracle.plain import Event
from tests.unit.usage_house import DAY, START, WAYS, Asking, on_days, opened
from upwell.errors import Rejected
from upwell.query.usage.shapes import LifecycleAnswer

ACTIVE = {"a": "1 2 3 4", "b": "1 3", "c": "2", "d": "2 3", "e": "0 4", "f": "4"}
BARS = [(2, 0, 0, 1, 2), (2, 1, 0, 1, 3), (0, 2, 1, 1, 3), (1, 1, 1, 2, 3)]


@pytest.fixture(params=WAYS)
def asking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    with opened(tmp_path, request.param) as house:
        house.now = dt.datetime(2026, 6, 20, tzinfo=dt.UTC)
        yield house


def bars(found: LifecycleAnswer) -> list[tuple[int | None, ...]]:
    return [(p.new, p.returning, p.resurrecting, p.dormant, p.active) for p in found.points]


def days(start: int, end: int, **more: Any) -> dict[str, Any]:
    """Days counted from 1 June."""
    return {"product": "mail", "from": f"2026-06-{start:02}", "to": f"2026-06-{end:02}", **more}


@pytest.mark.parametrize("more", [{}, {"event": "A"}, {"where": {"name": "A"}}])
def test_the_worked_example(asking: Asking, more: dict[str, Any]) -> None:
    """From kept days, and from the events themselves."""
    asking.house.take(batch(on_days(ACTIVE, "A")))
    found = asking.lifecycle(days(2, 6, **more))
    assert bars(found) == BARS
    assert found.points[0].start == "2026-06-02"


def test_the_running_bucket_is_not_complete(asking: Asking) -> None:
    asking.house.take(batch(on_days(ACTIVE, "A")))
    asking.now = dt.datetime(2026, 6, 5, 14, tzinfo=dt.UTC)
    found = asking.lifecycle(days(2, 10))
    assert bars(found) == BARS
    assert [point.complete for point in found.points] == [True, True, True, False]


def test_several_products_and_coarser_grains(asking: Asking) -> None:
    asking.house.take(batch([*on_days(ACTIVE, "A"), *on_days({"z": "1 9"}, "A", product="docs")]))
    both = asking.lifecycle(days(2, 6, product=["mail", "docs"]))
    assert bars(both)[0] == (3, 0, 0, 1, 3)
    week = asking.lifecycle(days(1, 15, product=[], grain="week"))
    assert bars(week) == [(7, 0, 0, 0, 7), (0, 1, 0, 6, 1)]
    assert bars(asking.lifecycle(days(1, 15, product=[], grain="week", event="A"))) == bars(week)


def test_kept_days_follow_new_events(asking: Asking) -> None:
    asking.house.take(batch(on_days({"a": "1"}, "A")))
    assert bars(asking.lifecycle(days(2, 4))) == [(1, 0, 0, 0, 1), (0, 0, 0, 1, 0)]
    asking.house.take(batch(on_days({"a": "2"}, "A")))
    assert bars(asking.lifecycle(days(2, 4))) == [(1, 0, 0, 0, 1), (0, 1, 0, 0, 1)]


@pytest.mark.parametrize("more", [{}, {"event": "A"}])
def test_stickiness(asking: Asking, more: dict[str, Any]) -> None:
    streams = {"a": "0 1 2 3 4", "b": "0 0 0", "c": "1 3", "d": "6", "e": "0 2 4"}
    asking.house.take(batch(on_days(streams, "A")))
    found = asking.stickiness(days(1, 8, **more))
    assert found.exact == (2, 1, 1, 0, 1, 0, 0)
    assert found.cumulative == (5, 3, 2, 1, 1, 0, 0)
    assert found.active == (3, 2, 2, 2, 2, 0, 1)
    assert (found.people, found.mean_active, found.share) == (5, 12 / 7, 12 / 35)


def test_a_day_counts_with_so_many_events(asking: Asking) -> None:
    asking.house.take(batch(on_days({"a": "0 0 1 1", "b": "0 0 0 2", "c": "1"}, "A")))
    for at_least, exact in ((1, (1, 2)), (2, (1, 1)), (3, (1, 0)), (4, (0, 0))):
        asked = days(1, 8, at_least=at_least)
        assert asking.stickiness(asked).exact[:2] == exact
        assert asking.stickiness(asked).people == sum(exact)
    assert asking.who({"stickiness": days(1, 8, at_least=2), "times": 2}) == ["a"]
    assert "2 times or more in a day" in asking.stickiness(days(1, 8, at_least=2)).rule
    with pytest.raises(Rejected, match="no rule for what counts"):
        asking.stickiness(days(1, 8, at_least=0))


def test_what_cannot_be_asked_says_what_to_change(asking: Asking) -> None:
    asking.house.take(batch(on_days(ACTIVE, "Ask")))
    for change, where, fix in (
        ({"event": "Aks"}, "event", "'Ask'"),
        ({"from": "2020-01-01"}, "grain", "coarser"),
        ({"from": "2026-08-01", "to": "2026-08-02"}, "from", "2026-06-20"),
    ):
        with pytest.raises(Rejected) as caught:
            asking.stickiness(days(2, 6) | change)
        assert caught.value.problem.where == where
        assert fix in caught.value.problem.fix


@pytest.mark.parametrize("more", [{}, {"event": "A"}])
def test_a_person_of_several_names_counts_once(asking: Asking, more: dict[str, Any]) -> None:
    """Over devices and products; from kept days as from the events themselves."""
    came = [
        *on_days({"phone": "0", "ann": "1"}, "A"),
        *on_days({"a-7": "1 2"}, "A", product="docs"),
        *on_days({"z": "1"}, "A", product="x"),
    ]
    asking.house.take(batch(came))
    assert bars(asking.lifecycle(days(1, 4, **more)))[1] == (1, 0, 0, 1, 1)
    asking.house.take(batch([_is("mail", "ann", anonymous_id="phone", email="ann@x.example")]))
    assert bars(asking.lifecycle(days(1, 4, **more)))[1] == (0, 1, 0, 0, 1)
    asking.house.take(batch([_is("docs", "a-7", email="ann@x.example")]))
    every = asking.lifecycle(days(1, 4, product=[], **more))
    assert bars(every) == [(1, 0, 0, 0, 1), (1, 1, 0, 0, 2), (0, 1, 0, 1, 1)]
    some = asking.lifecycle(days(1, 4, product=["mail", "docs"], **more))
    assert bars(some) == [(1, 0, 0, 0, 1), (0, 1, 0, 0, 1), (0, 1, 0, 0, 1)]
    assert asking.stickiness(days(1, 4, product=[], **more)).exact == (1, 0, 1)
    found = asking.people({"stickiness": days(1, 4, product=[], **more), "times": 3})
    assert [(one.id, one.product, one.events) for one in found.people] == [("phone", "mail", 4)]


def _is(product: str, actor: str, **data: str) -> Event:
    return Event(product, "identify", START + 3 * DAY, actor=actor, metadata=data)
