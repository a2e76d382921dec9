"""R8: what movements in another currency are worth, by each of the four rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.revenue_book import item, state
from tests.unit.test_ask_revenue_examples import NOW, House, patient, whole
from upwell.access import SYSTEM
from upwell.metrics.policy import FxPolicy
from upwell.money import Rates
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Answer, Desk, Question
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.lineage import revenue_rows
from upwell.query.revenue.people import Page
from upwell.query.revenue.shapes import Bridge

RATES = Rates(
    {
        "USD": {
            dt.date(2025, 12, 31): Decimal("1.08"),
            dt.date(2026, 1, 30): Decimal("1.10"),
            dt.date(2026, 2, 10): Decimal("1.07"),
            dt.date(2026, 2, 20): Decimal("1.06"),
            dt.date(2026, 2, 27): Decimal("1.05"),
        }
    }
)
FEBRUARY = ("2026-02-01", "2026-03-01")
Make = Callable[[FxPolicy], House]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made = []

    def with_rule(rule: FxPolicy) -> House:
        projection = Projection(tmp_path / rule, memory="256MB")
        made.append(projection)
        products = (GroundProduct(id="mail"), GroundProduct(id="docs"))
        projection.set_ground(Ground(products=products, fx=rule), 1, 1)
        house = House(projection)
        house.desk = Desk(projection, lambda: RATES)
        house.revenue = Revenue(house.desk, lambda: NOW)
        return house

    try:
        yield with_rule
    finally:
        for projection in made:
            projection.close()


def euros(when: str, amount: str, began: str, **more: Any) -> Any:
    return state(
        when, item("team", amount, currency="EUR"), currency="EUR", period_start=began, **more
    )


def told(house: House, began: str) -> House:
    """100 euros from January on become 120 on 27 February, in the period that began then."""
    house.tell(
        [
            euros("2026-01-05", "100", "2026-01-05"),
            euros("2026-02-05", "100", "2026-02-05"),
            euros("2026-02-27", "120", began),
            *whole("dollars", ("2026-01-05", "7")),
        ]
    )
    return house


def question(metric: str = "mrr", **more: Any) -> Question:
    return Question(
        metric=metric, start=dt.date(2026, 2, 1), end=dt.date(2026, 3, 1), grain="month", **more
    )


def answered(house: House, metric: str, **more: Any) -> Answer:
    return patient(house, question(metric, **more))


def bridged(house: House) -> Bridge:
    return house.revenue.bridge(question(), SYSTEM).bridge


@pytest.mark.parametrize(
    ("rule", "began", "operational", "drift"),
    [
        ("period_end", "2026-02-05", "21.00", "-5.00"),
        ("constant", "2026-02-05", "21.60", "-5.60"),
        ("tx_date", "2026-02-27", "21.00", "-5.00"),
        ("tx_date", "2026-02-10", "21.40", "-5.40"),  # not at the rate of the 27th
        ("tx_date", "2026-01-30", "22.00", "-6.00"),
    ],
)
def test_a_hundred_euros_become_a_hundred_and_twenty(
    make: Make, rule: FxPolicy, began: str, operational: str, drift: str
) -> None:
    house = told(make(rule), began)
    assert house.ask("mrr", "2026-01-01", "2026-03-01") == ["117.00", "133.00"]
    assert house.ask("expansion_mrr", *FEBRUARY) == [operational]
    assert house.ask("net_new_mrr", *FEBRUARY) == [operational]
    bridge = bridged(house)
    assert (bridge.opening, bridge.closing) == ("117.00", "133.00")
    assert (bridge.expansion, bridge.fx) == (operational, drift)
    assert sum(house.behind("expansion_mrr", *FEBRUARY)) == Decimal(operational)
    moved = house.revenue.moved(question(), SYSTEM, "expansion", None, Page(limit=10))
    assert [one.amount for one in moved.customers] == [operational]


def test_what_ends_is_worth_what_its_last_period_was(make: Make) -> None:
    house = make("tx_date")
    house.tell(
        [
            euros("2026-01-30", "100", "2026-01-30"),
            euros("2026-02-20", "100", "2026-01-30", status="canceled", ended_at="2026-02-20"),
        ]
    )
    assert house.ask("churned_mrr", *FEBRUARY) == ["110.00"]
    then = dt.datetime(2026, 5, 30, tzinfo=dt.UTC)
    assert house.ask("mrr", *FEBRUARY, known_at=then) == ["0.00"]
    late = dt.datetime(2026, 6, 2, tzinfo=dt.UTC)
    assert house.ask("churned_mrr", *FEBRUARY, known_at=late) == ["110.00"]
    assert house.ask("churned_mrr", "2026-02-20", "2026-02-21", grain="hour")[0] == "110.00"


def test_a_state_that_comes_later_moves_the_rate(make: Make) -> None:
    house = told(make("tx_date"), "2026-02-27")
    assert house.ask("expansion_mrr", *FEBRUARY) == ["21.00"]
    house.tell([euros("2026-02-27", "120", "2026-02-10", order="2")])
    assert house.ask("expansion_mrr", *FEBRUARY) == ["21.40"]


def test_who_says_no_period_moves_at_the_rate_of_the_day(make: Make) -> None:
    house = make("tx_date")
    plain = item("team", "100", currency="EUR")
    house.tell([state("2026-02-20", plain, currency="EUR")])
    assert house.ask("new_mrr", *FEBRUARY) == ["106.00"]
    assert house.ask("mrr", *FEBRUARY) == ["105.00"]


def test_without_rates_each_currency_is_a_series_of_its_own(make: Make) -> None:
    house = told(make("none"), "2026-02-05")
    for metric, euro, dollar in (("mrr", "120.00", "7.00"), ("expansion_mrr", "20.00", "0.00")):
        for asked in (None, "USD", "native"):
            answer = answered(house, metric, currency=asked)
            assert answer.currency is None
            assert {line.key: line.total for line in answer.series} == {"EUR": euro, "USD": dollar}
    plan = house.desk.plan(question("mrr"), SYSTEM, NOW)
    found = revenue_rows(
        plan, house.desk.ledgers, house.projection, SYSTEM, lambda _: None, key="EUR"
    )
    assert sum(row.event.value for row in found.rows) == 120
    bridge = house.revenue.bridge(question(), SYSTEM)
    assert (bridge.currency, bridge.bridge.closing, bridge.bridge.fx) == ("USD", "7.00", "0.00")
    (euros,) = bridge.apart
    assert (euros.currency, euros.bridge.closing, euros.bridge.fx) == ("EUR", "120.00", "0.00")
    first = house.revenue.bridge(question(currency="EUR"), SYSTEM)
    assert [first.currency, *(one.currency for one in first.apart)] == ["EUR", "USD"]
    assert answered(house, "revenue").currency == "USD"  # cash has a rate of its own day


def test_a_workspace_without_a_choice_goes_by_its_rules(make: Make) -> None:
    house = told(make("constant"), "2026-02-10")
    ground = house.projection.ground
    house.projection.set_ground(Ground(products=ground.products), 99, 1)
    by_rules = {
        name: house.ask("expansion_mrr", *FEBRUARY, policy=name)[0]
        for name in ("upwell", "stripe", "chartmogul")
    }
    assert by_rules == {"upwell": "21.60", "stripe": "21.00", "chartmogul": "21.40"}
