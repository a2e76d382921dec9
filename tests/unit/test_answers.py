"""What the fields of an answer mean, told as small histories; docs/reference/answers.md says it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.laws.world import World, batch, world
from tests.oracle.plain import Event
from upwell.access import SYSTEM, Viewer
from upwell.errors import Forbidden, Rejected
from upwell.event import Delivery
from upwell.money import Rates
from upwell.period import to_micros
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Answer, Desk, Question, Series
from upwell.query.remembered import Remembered
from upwell.query.rows import rows

RATES = Rates({"USD": {dt.date(2024, 6, d): Decimal("1.10") for d in range(3, 8)}})


class Town:
    """A house whose clock is told."""

    def __init__(self, opened: World) -> None:
        self.world = opened
        self.desk = Desk(opened.projection, lambda: RATES)
        self.now = time("2024-06-12T12:00")
        self.number = 0

    def stand(self, **changes: Any) -> None:
        """Another configuration."""
        ground = Ground(
            products=(GroundProduct(id="mail", name="Mail"), GroundProduct(id="docs")),
        )
        body = msgspec.json.encode(msgspec.structs.replace(ground, **changes))
        self.world.take(
            Delivery(kind="config", source="upwell", received_at=to_micros(self.now), body=body)
        )

    def happen(self, kind: str, *times: str, product: str = "mail", **more: Any) -> int:
        """Events at these times (UTC), received now; the delivery's number."""
        events = []
        for at in times:
            self.number += 1
            micros = to_micros(time(at))
            events.append(Event(product, kind, micros, key=f"k{self.number}", **more))
        return self.world.take(batch(events, to_micros(self.now)))[0]

    def ask(
        self, metric: str, start: str, end: str, viewer: Viewer = SYSTEM, **more: Any
    ) -> Answer:
        question = Question(
            metric=metric,
            start=dt.date.fromisoformat(start),
            end=dt.date.fromisoformat(end),
            **more,
        )
        return self.desk.answer(question, viewer, self.now)

    def line(self, metric: str, start: str, end: str, **more: Any) -> Series:
        """The only line of the answer."""
        (found,) = self.ask(metric, start, end, **more).series
        return found


def time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with world(tmp_path) as opened:
        found = Town(opened)
        found.stand()
        yield found


def values(line: Any) -> list[Any]:
    return [point.value for point in line.points]


def test_what_has_not_begun_has_no_value_and_what_runs_is_not_complete(town: Town) -> None:
    town.happen("signup", "2024-06-11T10:00", "2024-06-12T11:00", actor="ann")
    line = town.line("signups", "2024-06-11", "2024-06-14")
    assert values(line) == [1, 1, None]
    assert [point.complete for point in line.points] == [True, False, False]
    assert line.total == 2
    later = town.line("signups", "2024-06-13", "2024-06-14")
    assert (values(later), later.total) == ([None], None)


def test_an_event_dated_an_hour_ahead_waits_for_its_day(town: Town) -> None:
    town.now = time("2024-06-12T23:30")
    town.happen("signup", "2024-06-13T00:10", actor="ann")
    assert town.line("signups", "2024-06-10", "2024-06-17", grain="week").total == 0
    assert town.line("actors", "2024-06-10", "2024-06-17", grain="week").total == 0
    town.now = time("2024-06-13T00:00")
    assert town.line("signups", "2024-06-10", "2024-06-17", grain="week").total == 1
    assert town.line("actors", "2024-06-10", "2024-06-17", grain="week").total == 1


def test_a_rate_of_nobody_is_undefined(town: Town) -> None:
    town.happen("signup", "2024-05-02T10:00", actor="ann")
    line = town.line("activation_rate", "2024-05-01", "2024-05-04")
    assert values(line) == [None, 0.0, None]
    assert line.total == 0.0
    assert town.line("activation_rate", "2024-05-04", "2024-05-05").total is None


def test_a_cohort_is_complete_when_its_window_has_passed(town: Town) -> None:
    town.happen("signup", "2024-06-01T10:00", actor="ann")
    town.happen("activation", "2024-06-12T10:00", actor="ann")
    line = town.line("activation_rate", "2024-05-28", "2024-05-30")
    assert [point.complete for point in line.points] == [True, False]  # 29 May ends, and 14 days
    assert town.line("activation_rate", "2024-06-01", "2024-06-02").total == 1.0


def test_daily_users_over_longer_spans_are_the_mean_of_whole_days(town: Town) -> None:
    for day, who in (("10", "ann"), ("10", "bob"), ("11", "ann"), ("12", "ann")):
        town.happen("engagement", f"2024-06-{day}T09:00", actor=who)
    line = town.line("dau", "2024-06-10", "2024-06-17", grain="week")
    assert values(line) == [1.5]  # the running 12th is left out
    assert line.total == 1.5
    assert values(town.line("dau", "2024-06-10", "2024-06-13")) == [2, 1, 1]
    assert town.line("dau", "2024-06-12", "2024-06-19").total == 1  # nothing but the running day


def test_a_running_day_is_compared_with_as_much_of_the_day_before(town: Town) -> None:
    town.happen("signup", "2024-06-11T11:59", "2024-06-11T12:01", actor="ann")
    town.happen("page_view", "2024-06-11T11:59", "2024-06-11T12:01", actor="ann")
    town.happen("signup", "2024-06-12T09:00", actor="bob")
    for metric, before in (
        ("signups", 1),
        ("actors", 1),
        ("visitors", 1),
        ("sessions", 1),
        ("page_views", 1),
    ):
        line = town.line(metric, "2024-06-12", "2024-06-13", compare="previous")
        assert line.compare is not None
        assert line.compare.total == before, metric
    line = town.line("signups", "2024-06-12", "2024-06-13", compare="previous")
    assert line.compare is not None
    assert values(line.compare) == [2]  # the points are whole


def test_a_long_running_span_is_compared_to_the_full_hour(town: Town) -> None:
    town.now = time("2024-06-12T12:30")
    town.happen("signup", "2024-06-05T11:59", "2024-06-05T12:10", actor="ann")
    line = town.line("signups", "2024-06-10", "2024-06-17", grain="week", compare="previous")
    assert line.compare is not None
    assert line.compare.total == 1


def test_a_span_that_is_over_is_compared_with_the_whole_one_before(town: Town) -> None:
    town.happen("signup", "2024-04-30T23:00", "2024-05-02T10:00", actor="ann")
    line = town.line("signups", "2024-05-01", "2024-06-01", compare="previous", grain="month")
    assert line.compare is not None
    assert [point.start for point in line.compare.points] == ["2024-04-01"]
    assert line.compare.total == 1


@pytest.mark.parametrize(
    ("compare", "start", "end", "first", "days"),
    [
        ("previous", "2024-03-01", "2024-04-01", "2024-02-01", 29),
        ("previous", "2024-03-02", "2024-03-04", "2024-02-29", 2),
        ("week", "2024-03-01", "2024-03-31", "2024-01-26", 30),
        ("week", "2024-03-01", "2024-03-03", "2024-02-23", 2),
        ("year", "2024-02-29", "2024-03-01", "2023-02-28", 1),
        ("year", "2024-02-28", "2024-02-29", "2023-02-28", 1),
        ("year", "2024-02-01", "2024-03-01", "2023-02-01", 28),
        ("year", "2025-02-01", "2025-03-01", "2024-02-01", 29),
        ("year", "2025-02-28", "2025-03-01", "2024-02-28", 1),
        ("2023-12-24..2024-01-02", "2024-03-01", "2024-04-01", "2023-12-24", 9),
    ],
)
def test_what_a_span_is_compared_with(
    town: Town, compare: Any, start: str, end: str, first: str, days: int
) -> None:
    line = town.line("signups", start, end, compare=compare)
    assert line.compare is not None
    assert line.compare.points[0].start == first
    assert len(line.compare.points) == days


def test_a_running_day_is_set_beside_as_much_of_the_days_chosen(town: Town) -> None:
    town.happen("signup", "2024-06-03T08:00", "2024-06-03T22:00", actor="ann")
    town.happen("signup", "2024-06-12T08:00", actor="eve")
    line = town.line("signups", "2024-06-12", "2024-06-13", compare="2024-06-03..2024-06-04")
    assert (line.total, line.compare and line.compare.total) == (1, 1)
    assert line.compare is not None
    assert values(line.compare) == [2]


@pytest.mark.parametrize(
    "compare", ["2024-06-05..2024-06-05", "2024-06-05..2024-06-13", "1800-01-01..1800-02-01"]
)
def test_days_to_compare_with_are_earlier_ones(town: Town, compare: str) -> None:
    with pytest.raises(Rejected, match="no span that ends before 2024-06-13") as refused:
        town.ask("signups", "2024-06-12", "2024-06-13", compare=compare)
    assert refused.value.problem.where == "compare"


def test_days_to_compare_with_are_no_more_than_points_can_be_drawn(town: Town) -> None:
    with pytest.raises(Rejected, match="too many points"):
        town.ask(
            "signups", "2024-06-12", "2024-06-13", grain="hour", compare="2010-01-01..2024-06-01"
        )


def test_a_line_that_was_there_only_before_is_shown_as_nothing_now(town: Town) -> None:
    town.happen("signup", "2024-06-04T10:00", actor="ann", metadata={"plan": "old"})
    town.happen("signup", "2024-06-05T10:00", actor="bob", metadata={"plan": "new"})
    found = town.ask("signups", "2024-06-05", "2024-06-06", by="plan", compare="previous").series
    assert [(s.key, s.total, s.compare and s.compare.total) for s in found] == [
        ("new", 1, 0),
        ("old", 0, 1),
    ]


def test_a_long_breakdown_ends_in_other_whose_rows_are_the_rest(town: Town) -> None:
    for n in range(230):
        times = ["2024-06-05T10:00"] * (1 + (n < 100))
        town.happen("signup", *times, actor=f"a{n}", metadata={"plan": f"p{n:03}", "own": f"{n}"})
    town.happen("signup", "2024-06-05T11:00", actor="x", metadata={"plan": "other"})
    for by in ("plan", "own"):
        answer = town.ask("signups", "2024-06-05", "2024-06-06", by=by)
        assert len(answer.series) == 200
        assert answer.series[-1].key == "other"
        assert sum(int(s.total or 0) for s in answer.series) == 331
        plan = town.desk.plan(answer.question, SYSTEM, town.now)
        page = rows(plan, town.world.projection, SYSTEM, lambda _: None, key="other", limit=1000)
        assert len(page.rows) == answer.series[-1].total
    people = town.ask("actors", "2024-06-05", "2024-06-06", by="own")
    assert len(people.series) == 199
    assert "do not add up" in people.note


def test_events_without_the_dimension_have_a_key_that_filters_find(town: Town) -> None:
    town.happen("signup", "2024-06-05T10:00", actor="ann", metadata={"plan": "team", "x.y": 1})
    town.happen("signup", "2024-06-05T10:00", actor="bob", metadata={"plan": "", "x.y": True})
    town.happen("signup", "2024-06-05T10:00", actor="cy")
    span = ("2024-06-05", "2024-06-06")
    keys = {s.key: s.total for s in town.ask("signups", *span, by="plan").series}
    assert keys == {"(none)": 2, "team": 1}
    assert town.line("signups", *span, where={"plan": ("(none)",)}).total == 2
    keys = {s.key: s.total for s in town.ask("signups", *span, by="x.y").series}
    assert keys == {"1": 1, "true": 1, "(none)": 1}
    assert town.line("actors", *span, where={"x.y": ("1", "true")}).total == 2
    hostile = town.ask("signups", *span, by="'); drop table events; --")
    assert [s.key for s in hostile.series] == ["(none)"]


def test_money_is_converted_at_its_day_and_marked_where_the_rate_is_old(town: Town) -> None:
    paid: dict[str, Any] = {"value": Decimal("100"), "currency": "EUR"}
    town.happen("revenue", "2024-06-07T10:00", "2024-06-09T10:00", **paid)
    town.happen("revenue", "2024-06-10T10:00", **paid)  # a Monday without a rate yet
    line = town.line("revenue", "2024-06-07", "2024-06-11")
    assert values(line) == ["110.00", "0.00", "110.00", "110.00"]
    assert [point.provisional for point in line.points] == [False, False, False, True]
    assert line.total == "330.00"


def test_money_without_a_rate_is_told_apart_and_never_0(town: Town) -> None:
    town.happen("revenue", "2024-06-05T10:00", value=Decimal("500"), currency="NGN")
    town.happen("revenue", "2024-06-06T10:00", value=Decimal("300"), currency="NGN")
    town.happen("revenue", "2024-06-06T10:00", value=Decimal("7"), currency="USD")
    answer = town.ask("revenue", "2024-06-04", "2024-06-07")
    assert values(answer.series[0]) == ["0.00", None, "7.00"]
    assert answer.series[0].total == "7.00"
    assert [(m.currency, m.total) for m in answer.unconverted] == [("NGN", "800.00")]
    assert town.line("revenue", "2024-06-05", "2024-06-06").total is None


def test_each_currency_apart_leads_to_its_own_rows(town: Town) -> None:
    for currency, plan in (("USD", "a"), ("EUR", "a"), ("EUR", "b")):
        more: dict[str, Any] = {
            "value": Decimal("5"),
            "currency": currency,
            "metadata": {"plan": plan},
        }
        town.happen("revenue", "2024-06-05T10:00", **more)
    cases = [(None, ["EUR", "USD"]), ("plan", ["a · EUR", "a · USD", "b · EUR"]),
             ("product", ["mail · EUR", "mail · USD"]), ("currency", ["EUR", "USD"])]  # fmt: skip
    for by, keys in cases:
        answer = town.ask("revenue", "2024-06-05", "2024-06-06", by=by, currency="native")
        assert sorted(s.key for s in answer.series) == keys
        asked = town.desk.plan(answer.question, SYSTEM, town.now)
        for line in answer.series:
            page = rows(asked, town.world.projection, SYSTEM, lambda _: None, key=line.key)
            assert sum(row.event.value for row in page.rows) == Decimal(str(line.total))
    by_currency = town.ask("revenue", "2024-06-05", "2024-06-06", by="currency").series
    assert {s.key: s.total for s in by_currency} == {"EUR": "11.00", "USD": "5.00"}


def test_what_was_known_at_a_past_time(town: Town) -> None:
    town.now = time("2024-06-14T12:00")
    first = town.happen("signup", "2024-06-13T10:00", actor="ann")
    town.now = time("2024-06-16T12:00")
    town.happen("signup", "2024-06-13T11:00", actor="bob")
    town.happen("signup", "2024-06-13T11:00", actor="cy", product="docs")
    town.now = time("2024-06-17T12:00")
    order = Delivery(
        kind="retract", source="upwell", received_at=to_micros(town.now),
        about={"deliveries": [first], "import_id": None},
    )  # fmt: skip
    town.world.take(order)
    span = ("2024-06-13", "2024-06-14")

    def known(at: str, **more: Any) -> Answer:
        return town.ask("signups", *span, known_at=time(at), **more)

    assert known("2024-06-17T11:00").series[0].total == 3
    assert known("2024-06-17T12:00").series[0].total == 2
    then = known("2024-06-15T00:00")
    assert (then.series[0].total, then.note) == (1, "Of docs nothing was known then: "
                                                 "the first events came later.")  # fmt: skip
    assert then.as_of == {"app": "2024-06-14T12:00:00.000Z"}
    assert {s.key: s.total for s in known("2024-06-15T00:00", by="product").series} == {
        "mail": 1,
        "docs": None,
    }
    before = known("2024-06-14T11:00")
    assert (before.series[0].total, values(before.series[0])) == (None, [None])
    assert "came later" in before.note
    assert before.as_of == {}
    assert known("2024-06-13T12:00").series[0].points[0].complete is False


def test_an_answer_moves_with_the_clock_the_sums_and_the_configuration(town: Town) -> None:
    town.happen("signup", "2024-06-12T10:00", actor="ann")
    span = ("2024-06-10", "2024-06-17")
    first = town.line("signups", *span)
    assert town.line("signups", *span).points is first.points  # remembered
    town.now = time("2024-06-13T00:00")
    assert town.line("signups", *span).points[2].complete is True
    town.happen("signup", "2024-06-12T11:00", actor="bob")
    assert town.line("signups", *span).total == 2
    town.stand(week_start=6)
    weeks = town.line("signups", *span, grain="week").points
    assert [point.start for point in weeks] == ["2024-06-10", "2024-06-16"]
    town.happen("revenue", "2024-06-05T11:00", value=Decimal("1.10"), currency="USD")
    assert town.ask("revenue", "2024-06-05", "2024-06-06").currency == "USD"
    town.stand(currency="EUR")
    euros = town.ask("revenue", "2024-06-05", "2024-06-06")
    assert (euros.currency, euros.series[0].total) == ("EUR", "1.00")
    town.stand(products=(GroundProduct(id="mail", name="Post"), GroundProduct(id="docs")))
    named = town.ask("signups", *span, by="product").series
    assert [line.label for line in named] == ["Post", "docs"]
    town.stand(timezone="Asia/Tokyo")
    assert values(town.line("signups", "2024-06-12", "2024-06-13")) == [2]


def test_nobody_is_answered_about_what_another_may_see(town: Town) -> None:
    town.happen("signup", "2024-06-05T10:00", actor="ann")
    town.happen("signup", "2024-06-05T10:00", actor="ann", product="docs")
    span = ("2024-06-05", "2024-06-06")
    narrow = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))
    assert town.line("signups", *span).total == 2
    assert town.line("signups", *span, viewer=narrow).total == 1
    assert [s.key for s in town.ask("signups", *span, viewer=narrow, by="product").series] == [
        "docs"
    ]
    with pytest.raises(Rejected, match="Unknown product 'mail'"):
        town.ask("signups", *span, viewer=narrow, product=("mail",))
    with pytest.raises(Forbidden):
        town.ask("signups", *span, viewer=Viewer(id="k", scopes=frozenset({"ingest"})))
    nothing = Viewer(id="n", scopes=frozenset({"read"}), products=frozenset())
    assert town.line("signups", *span, viewer=nothing).total == 0


def test_people_of_several_products_are_said_to_be_unlinked(town: Town) -> None:
    town.happen("signup", "2024-06-05T10:00", actor="ann")
    town.happen("signup", "2024-06-05T10:00", actor="ann", product="docs")
    assert town.ask("actors", "2024-06-05", "2024-06-06").unlinked == 2
    assert town.ask("actors", "2024-06-05", "2024-06-06", product=("mail",)).unlinked is None


def test_remembered_answers_are_bounded_by_their_points(town: Town) -> None:
    answer = town.ask("signups", "2024-06-01", "2024-06-06")  # 5 points and a line: 10
    kept = Remembered(most=35, largest=20)
    for n in range(5):
        kept.keep((n,), answer)
    assert [kept.get((n,)) is not None for n in range(5)] == [False, False, True, True, True]
    kept.keep((2,), answer)  # the same again takes no more room
    assert kept.get((3,)) is not None
    large = town.ask("signups", "2024-05-01", "2024-06-06")
    kept.keep(("large",), large)
    assert kept.get(("large",)) is None


def test_questions_from_many_threads_at_once(town: Town) -> None:
    for n in range(40):
        town.happen("page_view", f"2024-06-{1 + n % 10:02}T10:{n:02}", actor=f"a{n % 7}",
                    metadata={"plan": "ab"[n % 2], "own": n % 3})  # fmt: skip
    shapes: list[dict[str, Any]] = [
        {"by": "own"}, {"by": "plan"}, {"grain": "hour"}, {"where": {"own": ("1",)}},
        {"known_at": town.now}, {"compare": "week"},
    ]  # fmt: skip
    wrong: list[BaseException] = []

    def work(offset: int) -> None:
        desk = Desk(town.world.projection, lambda: RATES)
        try:
            for n in range(12):
                question = Question(
                    metric=("visitors", "page_views", "dau")[n % 3],
                    start=dt.date(2024, 6, 1),
                    end=dt.date(2024, 6, 11),
                    **shapes[(n + offset) % len(shapes)],
                )
                found = desk.answer(question, SYSTEM, town.now)
                assert found.series == town.desk.answer(question, SYSTEM, town.now).series
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for n in range(10):  # commits beside the questions; none of what is asked counts them
        town.happen("churn", f"2024-06-05T12:{n:02}", actor="new")
    for thread in threads:
        thread.join()
    assert not wrong
