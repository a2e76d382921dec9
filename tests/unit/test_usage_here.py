"""What a source that lags does to funnels, retention, lifecycle and days of use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.world import batch, config, world
from tests.oracle.plain import Rules
from tests.unit.usage_house import DAY, NOW, START, Asking, on_days
from upwell.period import to_micros
from upwell.query.complete import Through
from upwell.query.question import Lateness
from upwell.query.usage.door import Usage
from upwell.warehouse.timelines import Timelines

SPAN = {"from": "2026-06-01", "to": "2026-06-08"}
BEGAN = {"start": {"event": "open"}, "return": {"event": "buy"}, "grain": "day"}
FUNNEL = {
    "steps": [{"event": "open"}, {"event": "buy"}],
    "window": "2d",
    "trend": "day",
    "product": "mail",
}


class Street(Asking):
    """Asking on the sixth day, of a product whose one source a test moves."""

    def __init__(self, folder: Path) -> None:
        self._world = world(folder)
        house = self._world.__enter__()
        house.take(config(Rules()))
        super().__init__(house, folder / "timelines", 0)
        self.now = NOW.replace(day=6, hour=15)
        opens = {"A": "0", "B": "0 1", "C": "1 2", "D": "2 3"}
        events = [*on_days(opens, "open"), *on_days({"A": "1", "C": "2", "D": "3"}, "buy")]
        house.take(batch(events, to_micros(self.now)))
        self.through: tuple[Through, ...] = ()
        lines = Timelines(folder / "lines", house.projection.reader, fresh=0)
        self.door = Usage(house.projection, lines, self.state, lambda: self.now, behind=self.behind)

    def behind(self, product: str, types: frozenset[str]) -> tuple[Through, ...]:
        return self.through if product == "mail" and "engagement" in types else ()

    def reached(self, day: float | None, late: Lateness = "") -> None:
        """The source was read until so many days after the first of June."""
        to = None if day is None else START + round(day * DAY)
        self.through = (Through("tracker", to, late),)

    def close(self) -> None:
        self.state.close()
        self._world.__exit__(None, None, None)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    found = Street(tmp_path_factory.mktemp("street"))
    yield found
    found.close()


@given(reached=st.integers(-30, 200).map(lambda hours: hours / 24))
def test_no_day_is_final_that_a_source_has_not_passed(street: Street, reached: float) -> None:
    street.reached(reached)
    whole = [day + 1 <= min(reached, 5.625) for day in range(6)]
    points = street.lifecycle(SPAN).points
    assert [point.complete for point in points] == whole
    assert all(point.active is not None for point in points)  # it is not late: what came is shown
    assert street.stickiness(SPAN).complete == sum(whole)
    trend = street.funnel({**FUNNEL, **SPAN}).trend
    assert [point.complete for point in trend] == [
        day + 3 <= min(reached, 5.625) for day in range(6)
    ]
    table = street.retention({**SPAN, **BEGAN, "columns": 6})
    for began, cohort in enumerate(table.cohorts):
        known = [value is not None for value in cohort.values[1:]]
        assert known == [began + k < 6 and whole[began + k] for k in range(1, len(cohort.values))]


def test_nobody_has_dropped_out_who_may_have_gone_on_unseen(street: Street) -> None:
    street.through = ()
    first, _ = street.funnel({**FUNNEL, **SPAN}).steps
    assert (first.count, first.dropped, first.open) == (4, 1, 0)  # B opened on days 0 and 1
    street.reached(3.2)  # B's two days end at 3.5
    answer = street.funnel({**FUNNEL, **SPAN})
    assert (answer.steps[0].dropped, answer.steps[0].open) == (0, 1)
    assert answer.steps[1].count == 3  # D bought on day 3, after that moment: it has come
    assert street.who({"funnel": {**FUNNEL, **SPAN}, "step": 1, "state": "open"}) == ["B"]


def test_days_of_a_late_source_are_not_days_on_which_nobody_came(street: Street) -> None:
    street.reached(4.0, "late")
    points = street.lifecycle(SPAN).points
    assert [point.active for point in points] == [2, 3, 2, 1, None, None]
    assert {point.dormant for point in points[4:]} == {None}
    sticky = street.stickiness(SPAN)
    assert (sticky.active, sticky.complete) == ((2, 3, 2, 1, None, None), 4)
    assert sticky.note == "tracker is late since 5 Jun 00:00."
    assert [(one.source, one.late) for one in sticky.behind] == [("tracker", "late")]


@pytest.mark.parametrize("late", ["failed", "paused"])
def test_what_was_never_read_says_so(street: Street, late: Lateness) -> None:
    street.reached(None, late)
    for asked in (street.lifecycle(SPAN), street.paths({**SPAN, "start": "open"})):
        assert asked.note.endswith(": nothing of it was read yet.")
        assert asked.behind[0].through is None
    assert [point.complete for point in street.lifecycle(SPAN).points] == [False] * 6


def test_an_answer_kept_is_not_given_for_another_moment(street: Street) -> None:
    seen = []
    for reached in (1.0, 2.5, 5.0):
        street.reached(reached)
        seen.append(street.stickiness({**SPAN, "event": "open"}).complete)
    assert seen == [1, 2, 5]


def test_what_the_source_does_not_stand_behind_does_not_wait_for_it(street: Street) -> None:
    street.reached(1.0, "late")
    assert street.lifecycle({**SPAN, "product": "docs"}).behind == ()
    assert street.lifecycle({**SPAN, "event": "signup"}).behind == ()
    apart = {**FUNNEL, **SPAN, "steps": [{"event": "signup"}, {"event": "refund"}]}
    assert street.funnel(apart).note == ""
