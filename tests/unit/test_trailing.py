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
from tests.unit.usage_house import Asking, on_days, opened
from upwell.access import SYSTEM
from upwell.errors import Rejected
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


def test_the_span_before_is_compared_to_the_same_instant(tmp_path: Path) -> None:
    """Of 19 July until 15:00: who came at noon counts, who came at 18:00 does not yet."""
    with opened(tmp_path, 1_000) as asking:
        take(asking, {"a": {40, 48, 49}, "b": {48}})
        span = {"start": dt.date(2026, 7, 20), "end": dt.date(2026, 7, 21)}
        (line,) = asked(asking, "wau", compare="previous", **span).series
        assert line.compare is not None
        assert (line.total, line.compare.total) == (2, 2)


def test_hours_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path, 1_000) as asking, pytest.raises(Rejected, match="whole days"):
        asked(asking, "mau", grain="hour", end=FIRST + dt.timedelta(days=1))
