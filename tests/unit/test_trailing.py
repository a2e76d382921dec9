"""Weekly and monthly active users of every day, against sets of people."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.world import batch
from tests.oracle.plain import Event
from tests.unit.usage_house import DAY, START, Asking, on_days, opened
from upwell.access import SYSTEM
from upwell.errors import Rejected
from upwell.period import to_micros
from upwell.query import Answer, Desk, Question

FIRST = dt.date(2026, 6, 1)
NOW = dt.datetime(2026, 7, 20, 15, tzinfo=dt.UTC)
days = st.dictionaries(st.sampled_from("abcdef"), st.sets(st.integers(0, 49)), min_size=1)


def asked(asking: Asking, metric: str, **more: Any) -> Answer:
    desk = Desk(asking.house.projection)
    span = {"start": FIRST, "end": FIRST + dt.timedelta(days=55)}
    return desk.answer(Question(metric=metric, **{**span, **more}), SYSTEM, NOW)


def take(asking: Asking, streams: dict[str, set[int]], **more: Any) -> None:
    text = {who: " ".join(map(str, sorted(on))) for who, on in streams.items()}
    if events := on_days(text, "A", **more):
        asking.house.take(batch(events))


def people(streams: dict[str, set[int]], day: int, width: int) -> int:
    """Different people of the days up to `day`."""
    return sum(any(day - width < on <= day for on in own) for own in streams.values())


@given(mail=days, docs=days)
@settings(max_examples=6, deadline=None)
def test_every_day_is_exact(
    tmp_path_factory: pytest.TempPathFactory, mail: dict[str, set[int]], docs: dict[str, set[int]]
) -> None:
    with opened(tmp_path_factory.mktemp("trailing"), 1_000) as asking:
        take(asking, mail, plan="team")
        take(asking, docs, product="docs", plan="solo")
        for metric, width in (("wau", 7), ("mau", 30)):
            found = asked(asking, metric, by="product")
            for series, streams in zip(found.series, (mail, docs), strict=False):
                expected = [people(streams, day, width) for day in range(50)]
                assert [point.value for point in series.points] == expected + [None] * 5
                assert series.total == expected[-1]
            both = [people(mail, day, width) + people(docs, day, width) for day in range(50)]
            (line,) = asked(asking, metric).series
            assert [point.value for point in line.points][:50] == both
            (week,) = asked(asking, metric, grain="week").series
            assert [point.value for point in week.points][:7] == [both[d] for d in range(6, 49, 7)]
            (scanned,) = asked(asking, metric, where={"plan": ("team",)}).series
            assert [p.value for p in scanned.points][:50] == [
                people(mail, day, width) for day in range(50)
            ]
            ways = ({"product": ("mail",)}, {"where": {"plan": ("team",)}})
            kept, read = (asked(asking, metric, compare="week", **way).series[0] for way in ways)
            assert (kept.total, kept.compare) == (read.total, read.compare)


def test_what_was_known_is_counted_from_the_events(tmp_path: Path) -> None:
    with opened(tmp_path, 1_000) as asking:
        take(asking, {"a": {0, 20}, "b": {10}})
        late = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
        question = Question(metric="mau", start=FIRST, end=FIRST + dt.timedelta(days=45))
        desk, then = Desk(asking.house.projection), msgspec.structs.replace(question, known_at=late)
        now = desk.answer(question, SYSTEM, late)
        known = desk.answer(then, SYSTEM, late)
        assert known.scanned
        assert known.series[0].points == now.series[0].points
        assert known.series[0].total == now.series[0].total == 1


def test_people_are_as_known_now_and_the_answer_says_so(tmp_path: Path) -> None:
    """Two were counted in November; in December they turned out to be one."""
    with opened(tmp_path, 1_000) as asking:
        take(asking, {"a": {0}, "phone": {3}})
        then = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
        later = then + dt.timedelta(days=3)
        question = Question(
            metric="mau",
            product=("mail",),
            start=FIRST,
            end=FIRST + dt.timedelta(days=9),
            known_at=then,
        )
        desk = Desk(asking.house.projection)
        before = desk.answer(question, SYSTEM, then)
        assert (before.series[0].total, before.note) == (2, "")
        joined = Event("mail", "identify", START, actor="a", metadata={"anonymous_id": "phone"})
        asking.house.take(batch([joined], to_micros(then) + DAY))
        after = desk.answer(question, SYSTEM, later)
        assert after.series[0].total == 1
        assert "as known now" in after.note
        added = msgspec.structs.replace(question, metric="page_views")
        assert desk.answer(added, SYSTEM, later).note == ""


def test_the_span_before_is_compared_to_the_same_instant(tmp_path: Path) -> None:
    """Of 19 July until 15:00: who came at noon counts, who came at 18:00 does not yet."""
    with opened(tmp_path, 1_000) as asking:
        take(asking, {"a": {40, 48, 49}, "b": {48}})
        span = {"start": dt.date(2026, 7, 20), "end": dt.date(2026, 7, 21)}
        (line,) = asked(asking, "wau", compare="previous", **span).series
        assert line.compare is not None
        assert (line.total, line.compare.total) == (2, 2)


@pytest.mark.parametrize("metric", ["mau", "stickiness"])
def test_hours_are_refused(tmp_path: Path, metric: str) -> None:
    with opened(tmp_path, 1_000) as asking, pytest.raises(Rejected, match="whole days"):
        asked(asking, metric, grain="hour", end=FIRST + dt.timedelta(days=1))


def test_stickiness_is_the_mean_day_over_the_month(tmp_path: Path) -> None:
    """Seven days of five users: 3, 2, 2, 2, 2, 0 and 1 a day, on average 12/7 of the 5."""
    with opened(tmp_path, 1_000) as asking:
        take(asking, {"a": {0, 1, 2, 3, 4}, "b": {0}, "c": {1, 3}, "d": {6}, "e": {0, 2, 4}})
        week = {"end": FIRST + dt.timedelta(days=7)}
        (days,) = asked(asking, "stickiness", **week).series
        daily, month = (3, 2, 2, 2, 2, 0, 1), (3, 4, 4, 4, 4, 4, 5)
        expected = [one / other for one, other in zip(daily, month, strict=True)]
        assert [point.value for point in days.points] == pytest.approx(expected)
        assert days.total == pytest.approx(12 / 7 / 5)
        (whole,) = asked(asking, "stickiness", grain="week", **week).series
        assert [point.value for point in whole.points] == [days.total]
        assert whole.points[0].complete


def test_stickiness_of_a_product_of_the_company_and_of_nobody(tmp_path: Path) -> None:
    """Ann is in both products and linked, so the company has two users and not three."""
    with opened(tmp_path, 1_000) as asking:
        take(asking, {"ann": {0, 1}, "bob": {1}})
        take(asking, {"ann": {1}}, product="docs")
        linked = [
            Event(product, "identify", START, actor="ann", metadata={"email": "ann@b.example"})
            for product in ("mail", "docs")
        ]
        asking.house.take(batch(linked))
        two = {"end": FIRST + dt.timedelta(days=2)}
        found = asked(asking, "stickiness", by="product", **two)
        lines = {line.key: [point.value for point in line.points] for line in found.series}
        assert lines == {"mail": [1.0, 1.0], "docs": [None, 1.0], "x": [None, None]}
        assert [line.total for line in found.series if line.key == "mail"] == [1.5 / 2]
        assert [point.value for point in asked(asking, "stickiness", **two).series[0].points] == [
            1,
            1,
        ]
        empty = asked(asking, "stickiness", product=("x",), **two)
        assert empty.series[0].total is None
        assert "Nobody was active" in empty.note
        today = {"start": NOW.date(), "end": NOW.date() + dt.timedelta(days=2), "grain": "week"}
        (line,) = asked(asking, "stickiness", **today).series
        assert [point.complete for point in line.points] == [False]
