"""What a source that lags does to answers: nothing of it is final, nothing is 0 that is unknown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.world import batch, world
from tests.oracle.plain import Event
from upwell.access import SYSTEM
from upwell.money import Rates
from upwell.period import to_micros
from upwell.query import Answer, Desk, Question
from upwell.query.complete import Through
from upwell.query.question import Lateness

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
OPENS = to_micros(START)
NOW = START + dt.timedelta(days=6, hours=15)


class Town:
    """Two products with an event in each hour of a fortnight, and sources that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.through: dict[str, tuple[int | None, Lateness]] = {}
        self._world = world(folder)
        self.opened = self._world.__enter__()
        events = [
            Event(product, "signup", OPENS + hour * HOUR, actor=f"u{hour}", key=f"{product}{hour}")
            for product in ("mail", "docs")
            for hour in range(-7 * 24, 6 * 24 + 15)
        ]
        self.opened.take(batch(events, to_micros(NOW)))
        self.desk = Desk(self.opened.projection, lambda: Rates({}), behind=self.behind)

    def behind(self, product: str, types: frozenset[str]) -> tuple[Through, ...]:
        to, late = self.through.get(product, (None, ""))
        reads = product in self.through and "signup" in types
        return (Through(f"{product}-db", to, late),) if reads else ()

    def ask(
        self, days: int = 7, grain: str = "day", metric: str = "signups", **more: object
    ) -> Answer:
        start = START.date()
        asked = Question(
            metric=metric,
            start=start,
            end=start + dt.timedelta(days=days),
            grain=grain,  # type: ignore[arg-type]
            **more,  # type: ignore[arg-type]
        )
        return self.desk.answer(asked, SYSTEM, NOW)

    def close(self) -> None:
        self._world.__exit__(None, None, None)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    found = Town(tmp_path_factory.mktemp("town"))
    yield found
    found.close()


places = st.one_of(st.none(), st.integers(-8 * 24, 8 * 24).map(lambda hour: OPENS + hour * HOUR))


@given(mail=places, docs=places, hourly=st.booleans())
def test_a_bucket_is_final_once_every_source_behind_it_has_passed_its_end(
    town: Town, mail: int | None, docs: int | None, hourly: bool
) -> None:
    town.through = {"mail": (mail, ""), "docs": (docs, "")}
    grain, length = ("hour", HOUR) if hourly else ("day", DAY)
    ends = [OPENS + (number + 1) * length for number in range(7 * DAY // length)]
    answer = town.ask(grain=grain)
    here = min(mail or 0, docs or 0, to_micros(NOW))
    assert [point.complete for point in answer.series[0].points] == [end <= here for end in ends]
    apart = {line.key: line for line in town.ask(grain=grain, by="product").series}
    for product, to in (("mail", mail), ("docs", docs)):
        here = min(to or 0, to_micros(NOW))
        flags = [point.complete for point in apart[product].points]
        assert flags == [end <= here for end in ends]
    assert [one.source for one in answer.behind] == ["docs-db", "mail-db"]


@given(mail=places, docs=places, days=st.sampled_from((1, 3, 7)))
def test_a_comparison_counts_the_same_elapsed_time_of_each_product(
    town: Town, mail: int | None, docs: int | None, days: int
) -> None:
    town.through = {"mail": (mail, ""), "docs": (docs, "")}
    answer = town.ask(days=days, compare="week")
    ends = OPENS + days * DAY
    expected = 0
    for to in (mail, docs):
        here = min(to or 0, to_micros(NOW), ends)
        expected += -(-max(0, here - OPENS) // HOUR)  # an event at the start of each hour
    compared = answer.series[0].compare
    assert compared is not None
    # What of the week before had come at the same moment of it.
    assert compared.total == expected


def test_what_is_not_counted_from_a_source_does_not_wait_for_it(town: Town) -> None:
    town.through = {"mail": (OPENS, "late")}
    answer = town.ask(metric="page_views", product=("mail",))
    assert [point.complete for point in answer.series[0].points] == [True] * 6 + [False]
    assert answer.behind == ()
    assert town.ask(product=("docs",)).behind == ()


def test_no_data_of_a_late_source_is_not_nothing_and_says_why(town: Town) -> None:
    late = OPENS + 30 * DAY  # so that nothing is hidden
    town.through = {"mail": (late, "")}
    whole = town.ask(product=("mail",))
    town.through = {"mail": (OPENS - 20 * DAY, "failed")}
    shown = town.ask(product=("mail",))
    # What came is shown, whoever brought it; only what is 0 might be anything.
    assert [p.value for p in shown.series[0].points] == [p.value for p in whole.series[0].points]
    nothing = Question(
        metric="signups",
        product=("mail",),
        start=dt.date(2026, 1, 5),
        end=dt.date(2026, 1, 7),
    )
    town.through = {"mail": (to_micros(dt.datetime(2026, 1, 4, 14, 5, tzinfo=dt.UTC)), "failed")}
    answer = town.desk.answer(nothing, SYSTEM, NOW)
    assert [point.value for point in answer.series[0].points] == [None, None]
    assert answer.series[0].total is None
    assert answer.note == "mail-db cannot be read since 4 Jan 14:05."
    town.through = {"mail": (None, "paused")}
    assert town.desk.answer(nothing, SYSTEM, NOW).note == (
        "mail-db is paused: nothing of it was read yet."
    )
    town.through = {"mail": (None, "")}  # being read for the first time: 0 as yet, and not final
    answer = town.desk.answer(nothing, SYSTEM, NOW)
    assert [(p.value, p.complete) for p in answer.series[0].points] == [(0, False)] * 2


def test_answers_follow_a_source_that_goes_on_and_one_that_goes_back(town: Town) -> None:
    seen = []
    for hours in (30, 60, 60, 10, 200):
        town.through = {"mail": (OPENS + hours * HOUR, "")}
        answer = town.ask(product=("mail",))
        seen.append(sum(point.complete for point in answer.series[0].points))
    assert seen == [1, 2, 2, 0, 6]
    assert answer.behind[0].through == "2026-03-10T08:00:00.000Z"
    assert answer.behind[0].late == ""


def test_what_was_known_then_waits_for_nobody(town: Town) -> None:
    town.through = {"mail": (None, "failed")}
    answer = town.ask(product=("mail",), known_at=NOW - dt.timedelta(seconds=1))
    assert answer.behind == ()
