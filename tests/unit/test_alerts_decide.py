"""Timelines: at(1) push, between(2, 3) expect. Minutes of one day, one product unless named."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.alerts.decide import decide
from upwell.alerts.inbox import acted
from upwell.alerts.incident import (
    TELLS,
    WHOLE,
    Incident,
    Reading,
    Reason,
    Rule,
    belongs,
)
from upwell.detect import Expected, Severity

DAY = dt.date(2026, 11, 20)
START = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)


def reading(
    excess: float,
    product: str = "mail",
    *,
    day: dt.date = DAY,
    share: float = 0.5,
    quiet: bool = False,
    enough: bool = True,
) -> Reading:
    severity: Severity | None = "high" if excess > 3.5 else "medium" if excess > 2.5 else None
    return Reading(
        product=product,
        name=product.capitalize(),
        day=day,
        value=excess,
        expected=Expected(
            mean=0,
            low=0,
            high=2.5,
            z=excess,
            excess=excess,
            severity=severity,
            enough=enough,
            reason="",
        ),
        text=f"{excess:g} today",
        share=share,
        quiet=quiet,
    )


class Timeline:
    """A rule followed through a day."""

    def __init__(self, **rule: object) -> None:
        self.rule = Rule(metric="cancellations", **rule)  # type: ignore[arg-type]
        self.kept: dict[str, Incident] = {}
        self.told: list[tuple[float, Reason]] = []
        self.now = START

    def at(self, minute: float, excess: float, product: str = "mail", **more: object) -> Reason:
        self.now = START + dt.timedelta(minutes=minute)
        seen = reading(excess, product, **more)  # type: ignore[arg-type]
        before = belongs(seen, self.newest(), self.now)
        reason, after = decide(self.rule, before, seen, self.now)
        if after is not None:
            self.kept[after.id] = after
        elif before is not None:
            del self.kept[before.id]
        if reason in TELLS:
            self.told.append((minute, reason))
        return reason

    def person(self, what: str, minutes: float = 60) -> None:
        one = self.newest()[0]
        until = self.now + dt.timedelta(minutes=minutes)
        self.kept[one.id] = acted(one, what, "Anna", self.now, until)  # type: ignore[arg-type]

    def newest(self) -> list[Incident]:
        return sorted(self.kept.values(), key=lambda one: one.opened_at, reverse=True)

    @property
    def one(self) -> Incident:
        (only,) = self.kept.values()
        return only

    def between(self, first: float, last: float) -> list[Reason]:
        return [reason for minute, reason in self.told if first <= minute <= last]


def test_a_normal_day_is_no_incident() -> None:
    day = Timeline()
    assert day.at(0, 0) is Reason.NORMAL
    assert day.at(1, 2.4) is Reason.NORMAL
    assert day.kept == {}


def test_it_is_told_once_and_again_only_when_it_worsens() -> None:
    day = Timeline()
    assert day.at(1, 3) is Reason.OPENED
    assert [day.at(1 + n / 100, 3.1) for n in range(1, 50)] == [Reason.STILL_OPEN] * 49
    assert day.at(1.6, 5) is Reason.STILL_OPEN  # worse within the pause: told when it is over
    assert day.at(2.1, 5) is Reason.WORSENED
    assert day.at(300, 9) is Reason.STILL_OPEN
    assert day.between(0, 400) == [Reason.OPENED, Reason.WORSENED]
    assert day.one.severity == "high"


def test_it_is_over_after_half_an_hour_of_calm_and_not_before() -> None:
    day = Timeline()
    day.at(1, 3)
    assert day.at(10, 1) is Reason.CALMING
    assert day.at(30, 1) is Reason.CALMING
    assert day.at(35, 2) is Reason.CALMING  # in range, but not calm: the half hour begins again
    assert day.at(45, 1) is Reason.CALMING
    assert day.at(70, 1) is Reason.CALMING
    assert day.at(75, 1) is Reason.RESOLVED
    assert day.one.state == "resolved"
    assert day.at(80, 1) is Reason.NORMAL
    assert day.between(0, 100) == [Reason.OPENED, Reason.RESOLVED]


def test_what_comes_back_within_a_day_is_the_same_incident() -> None:
    day = Timeline()
    day.at(1, 3)
    day.at(10, 1)
    day.at(41, 1)
    first = day.one.id
    assert day.at(600, 4) is Reason.REOPENED
    assert day.one.id == first
    assert [moment.text.split(":")[0] for moment in day.one.timeline] == [
        "Opened",
        "Over",
        "Came back",
    ]


def test_what_comes_back_later_is_another_incident() -> None:
    day = Timeline()
    day.at(1, 3)
    day.at(10, 1)
    day.at(41, 1)
    assert day.at(41 + 24 * 60 + 1, 4, day=DAY + dt.timedelta(days=1)) is Reason.OPENED
    assert len(day.kept) == 2


def test_a_held_rule_waits_and_forgets_what_passes() -> None:
    day = Timeline(hold=dt.timedelta(minutes=5))
    assert day.at(1, 3) is Reason.PENDING
    assert day.at(3, 0) is Reason.PASSED
    assert day.kept == {}
    assert day.at(10, 3) is Reason.PENDING
    assert day.at(14, 3) is Reason.PENDING
    assert day.at(15, 3) is Reason.OPENED
    assert day.between(0, 20) == [Reason.OPENED]


def test_history_and_short_history_are_silent() -> None:
    day = Timeline()
    assert day.at(1, 9, quiet=True) is Reason.SILENT_HISTORY
    assert day.at(2, 0, enough=False) is Reason.TOO_SHORT_HISTORY
    assert day.kept == {}
    assert day.at(3, 9) is Reason.OPENED
    assert day.at(4, 12, quiet=True) is Reason.SILENT_HISTORY
    assert day.at(5, 0, quiet=True) is Reason.CALMING  # ... but history may show that it is over


def test_acknowledged_is_still_told_when_it_worsens_and_when_it_is_over() -> None:
    day = Timeline()
    day.at(1, 3)
    day.person("ack")
    assert day.at(3, 3) is Reason.STILL_OPEN
    assert day.at(4, 5) is Reason.WORSENED
    assert day.one.state == "acknowledged"
    day.at(5, 0)
    assert day.at(36, 0) is Reason.RESOLVED


def test_muted_is_silent_until_the_mute_ends_and_then_told_again() -> None:
    day = Timeline()
    day.at(1, 3)
    day.person("mute", minutes=60)
    assert {day.at(minute, 9) for minute in range(2, 61)} == {Reason.MUTED}
    assert day.at(61, 9) is Reason.MUTE_ENDED
    assert day.at(62, 9) is Reason.STILL_OPEN
    assert day.between(2, 100) == [Reason.MUTE_ENDED]


def test_what_ends_while_muted_ends_silently() -> None:
    day = Timeline()
    day.at(1, 3)
    day.person("mute", minutes=600)
    day.at(10, 0)
    assert day.at(41, 0) is Reason.MUTED
    assert day.one.state == "resolved"
    assert day.between(2, 100) == []


def test_what_a_person_resolves_stays_so_until_it_was_calm_or_the_day_is_over() -> None:
    day = Timeline()
    day.at(1, 5)
    day.person("resolve")
    assert day.at(2, 5) is Reason.DISMISSED
    assert day.at(3, 9) is Reason.DISMISSED
    assert day.at(4, 0) is Reason.NORMAL
    assert day.at(5, 5) is Reason.REOPENED
    day.person("resolve")
    assert day.at(900, 5, day=DAY + dt.timedelta(days=1)) is Reason.REOPENED


def test_a_product_and_the_company_are_one() -> None:
    day = Timeline()
    assert day.at(1, 5, "mail") is Reason.OPENED
    assert day.at(1, 4, WHOLE) is Reason.STILL_OPEN
    assert day.at(3, 9, WHOLE) is Reason.STILL_OPEN
    assert day.one.product == "mail"
    assert day.one.products == ("mail",)
    assert len(day.between(0, 5)) == 1


def test_the_company_first_is_then_named_after_its_part() -> None:
    day = Timeline()
    day.at(1, 3, WHOLE)
    assert day.one.product == WHOLE
    assert day.at(5, 3, "mail") is Reason.SPREAD
    assert day.one.product == "mail"
    assert day.one.timeline[-2].text == "Also in Mail: 3 today"


def test_products_that_go_wrong_together_are_one_and_told_as_one() -> None:
    day = Timeline()
    products = ["mail", "drive", "notes", "calls"]
    for n, product in enumerate(products):
        day.at(1 + n / 10, 5, product)
    assert day.one.products == tuple(products)
    assert day.between(0, 1.9) == [Reason.OPENED]
    assert day.at(2.1, 5, "mail") is Reason.SPREAD
    assert day.at(9, 5, "mail") is Reason.STILL_OPEN


def test_products_that_go_wrong_hours_apart_are_two() -> None:
    day = Timeline()
    day.at(1, 5, "mail")
    assert day.at(120, 5, "drive") is Reason.OPENED
    assert day.at(121, 6, WHOLE) is Reason.STILL_OPEN
    assert {one.product for one in day.kept.values()} == {"mail", "drive"}


def test_all_parts_must_be_calm() -> None:
    day = Timeline()
    day.at(1, 5, "mail")
    day.at(2, 5, "drive")
    day.at(10, 0, "mail")
    assert day.at(50, 0, "mail") is Reason.STILL_OPEN
    day.at(51, 0, "drive")
    assert day.at(82, 0, "mail") is Reason.RESOLVED


def test_an_old_incident_of_one_product_is_not_reopened_by_the_company() -> None:
    day = Timeline()
    day.at(1, 5, "mail")
    day.at(1, 5, WHOLE)
    for minute in (10, 41):
        day.at(minute, 0, WHOLE)
        day.at(minute, 0, "mail")
    assert day.one.state == "resolved"
    assert day.at(300, 5, "drive") is Reason.OPENED
    assert day.at(300, 5, WHOLE) is Reason.STILL_OPEN
    assert {one.product: one.state for one in day.kept.values()} == {
        "mail": "resolved",
        "drive": "open",
    }


def test_a_new_day_ends_nothing_before_it_has_something_to_say() -> None:
    day = Timeline()
    day.at(800, 5, share=0.9)
    morning = DAY + dt.timedelta(days=1)
    assert day.at(910, 0, share=0.01, day=morning) is Reason.CALMING
    assert day.at(1000, 0, share=0.1, day=morning) is Reason.CALMING
    assert day.at(1200, 0, share=0.3, day=morning) is Reason.CALMING
    assert day.at(1231, 0, share=0.4, day=morning) is Reason.RESOLVED


def test_an_earlier_day_changes_nothing() -> None:
    day = Timeline()
    day.at(1, 5)
    assert day.at(2, 9, day=DAY - dt.timedelta(days=1)) is Reason.EARLIER_DAY


def test_a_whole_day_that_is_calm_is_over_at_once() -> None:
    day = Timeline()
    day.at(1, 5, share=1.0)
    assert day.at(2, 0, share=1.0) is Reason.RESOLVED


steps = st.lists(
    st.tuples(
        st.integers(1, 120),
        st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0]),
        st.sampled_from(["mail", "drive", WHOLE]),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps)
def test_deciding_again_tells_nothing_again(pushes: list[tuple[int, float, str, bool]]) -> None:
    day, minute = Timeline(), 0
    for pause, excess, product, quiet in pushes:
        minute += pause
        date = (START + dt.timedelta(minutes=minute)).date()
        day.at(minute, excess, product, quiet=quiet, day=date)
        assert day.at(minute, excess, product, quiet=quiet, day=date) not in TELLS


@given(steps, st.sampled_from(["mail", "drive"]))
def test_whatever_came_before_what_is_wrong_now_is_known(
    pushes: list[tuple[int, float, str, bool]], product: str
) -> None:
    """Liveness: after any history, something high is in an incident that was told."""
    day, minute = Timeline(), 0
    for pause, excess, where, quiet in pushes:
        minute += pause
        date = (START + dt.timedelta(minutes=minute)).date()
        day.at(minute, excess, where, quiet=quiet, day=date)
    date = (START + dt.timedelta(minutes=minute + 2)).date()
    for later in (1, 2.5):
        day.at(minute + later, 9, product, day=date)
    found = [one for one in day.kept.values() if product in one.products and one.state == "open"]
    assert len(found) == 1
    assert found[0].told is not None
    assert product in found[0].told.products


@given(steps)
def test_a_calm_day_ends_everything(pushes: list[tuple[int, float, str, bool]]) -> None:
    day, minute = Timeline(), 0
    for pause, excess, product, quiet in pushes:
        minute += pause
        date = (START + dt.timedelta(minutes=minute)).date()
        day.at(minute, excess, product, quiet=quiet, day=date)
    for later in range(0, 1500, 10):
        date = (START + dt.timedelta(minutes=minute + later)).date()
        for product in ("mail", "drive", WHOLE):
            day.at(minute + later, 0, product, day=date)
    assert all(one.state == "resolved" for one in day.kept.values())


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_a_sentence_for_people(reason: Reason) -> None:
    assert len(reason.value) > 2
    assert "incident" not in reason.value
