"""Where nothing is converted, each currency is answered for as if there were no other (R8)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from tests.unit.revenue_book import item, state
from tests.unit.test_ask_revenue_examples import NOW, House, patient
from upwell.access import SYSTEM
from upwell.billing import SubscriptionState
from upwell.metrics.catalog import CATALOG, Ledger
from upwell.money import Rates
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Answer, Desk, Question
from upwell.query.lines import APART
from upwell.query.revenue.apart import only
from upwell.query.revenue.cohorts import Measure
from upwell.query.revenue.directory import Filters
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.lineage import revenue_rows
from upwell.query.revenue.people import Page

MOVED = {name for name, metric in CATALOG.items() if isinstance(metric.rule, Ledger)}


def steps(
    customer: str, currency: str, *told: tuple[str, str], product: str = "mail"
) -> list[SubscriptionState]:
    """A subscription worth so much a month from each day on; 0 ends it."""
    sub, found = f"s_{customer}_{currency}_{product}", []
    for when, amount in told:
        line = item(f"team-{currency}", amount, product=product, currency=currency)
        how: dict[str, Any] = {"status": "canceled", "ended_at": when} if amount == "0" else {}
        told_of = state(when, line, sub=sub, currency=currency, **how)
        found.append(replace(told_of, customer=customer))
    return found


EUROS = [
    *steps("anna", "EUR", ("2026-01-05", "100"), ("2026-03-05", "120")),
    *steps("both", "EUR", ("2025-12-10", "40"), ("2026-02-10", "0")),
    *steps("carl", "EUR", ("2026-01-20", "30"), ("2026-03-20", "10"), product="docs"),
]
DOLLARS = [
    *steps("both", "USD", ("2026-02-10", "50")),
    *steps("dora", "USD", ("2025-11-01", "70"), ("2026-02-01", "0"), ("2026-04-02", "70")),
]


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, House]]:
    """One with everything, and one that knows of one currency only, for each of the two."""
    told = {"": [*EUROS, *DOLLARS], "EUR": EUROS, "USD": DOLLARS}
    found = {}
    for code, states in told.items():
        projection = Projection(tmp_path_factory.mktemp("apart"), memory="256MB")
        products = (GroundProduct(id="mail"), GroundProduct(id="docs"))
        projection.set_ground(Ground(products=products, fx="none"), 1, 1)
        house = found[code] = House(projection)
        house.desk = Desk(projection, lambda: Rates({}))  # a rate that is asked for is missed
        house.revenue = Revenue(house.desk, lambda: NOW)
        house.tell(states)
    try:
        yield found
    finally:
        for house in found.values():
            house.projection.close()


def asked(house: House, metric: str, by: str | None = None) -> Answer:
    return patient(house, question(metric, by=by))


def question(metric: str, **more: Any) -> Question:
    start, end = dt.date(2026, 1, 1), dt.date(2026, 5, 1)
    return Question(metric=metric, grain="month", start=start, end=end, **more)


def series(answer: Answer) -> dict[str, list[object]]:
    return {line.key: [line.total, *(p.value for p in line.points)] for line in answer.series}


@pytest.mark.parametrize("by", [None, "product", "plan", "currency"])
def test_every_metric_of_a_currency_is_that_of_its_customers_alone(
    houses: dict[str, House], by: str | None
) -> None:
    house = houses[""]
    names = [
        name
        for name in sorted(MOVED)
        if name not in ("cash", "trial_conversion_rate", "recovery_rate", "usage_run_rate")
        and (by in (None, "product") or by in CATALOG[name].dimensions)
    ]
    for name in names:
        found = asked(house, name, by)
        assert not found.unconverted
        apart = {code: series(asked(one, name, by)) for code, one in houses.items() if code}
        expected = {key: values for one in apart.values() for key, values in one.items()}
        assert series(found) == expected, name
        assert all(key.rpartition(APART)[2] in houses for key in series(found)), name


def test_who_goes_from_one_currency_to_another_leaves_the_one(houses: dict[str, House]) -> None:
    house = houses[""]
    found = series(asked(house, "churned_customers"))
    assert found["EUR"] == [1, 0, 1, 0, 0]
    assert found["USD"] == [1, 0, 1, 0, 0]
    assert series(asked(house, "customers"))["EUR"][1:] == [3, 2, 2, 2]


@pytest.mark.parametrize("name", ["mrr", "customers", "churned_mrr", "arpa", "new_customers"])
def test_rows_lead_from_each_currency_to_its_own(houses: dict[str, House], name: str) -> None:
    house = houses[""]
    plan = house.desk.plan(question(name), SYSTEM, NOW)

    def rows(key: str | None) -> list[tuple[str | None, object]]:
        found = revenue_rows(
            plan, house.desk.ledgers, house.projection, SYSTEM, lambda _: None, key=key
        )
        return [(row.event.currency, row.event.value) for row in found.rows]

    money = CATALOG[name].unit == "money"
    each = {code: rows(code) for code in ("EUR", "USD")}
    assert all({currency} == {code if money else None} for code, own in each.items()
               for currency, _ in own)  # fmt: skip
    assert sorted(rows(None), key=str) == sorted([*each["EUR"], *each["USD"]], key=str)
    if name == "churned_mrr":
        assert [value for _, value in each["EUR"]] == [40]


def test_cohorts_waterfalls_and_customers_of_bars_are_of_one_currency(
    houses: dict[str, House],
) -> None:
    house = houses[""]
    for measure in get_args(Measure):
        found = house.revenue.cohorts(question("mrr"), SYSTEM, measure)
        assert [found.only, *(one.only for one in found.apart)] == ["USD", "EUR"]
        for one in (found, *found.apart):
            assert one.only is not None
            only = houses[one.only].revenue.cohorts(question("mrr"), SYSTEM, measure)
            assert (one.cohorts, one.mean) == (only.cohorts, only.mean)
    bridge = house.revenue.bridge(question("mrr"), SYSTEM)
    for part in (bridge, *bridge.apart):
        own = houses[part.currency].revenue.bridge(question("mrr"), SYSTEM)
        assert (part.bridge, part.causes, part.buckets) == (own.bridge, own.causes, own.buckets)
    names = {
        code: [
            one.id
            for one in house.revenue.moved(
                question("mrr", currency=code), SYSTEM, "churn", None, Page(limit=9)
            ).customers
        ]
        for code in ("EUR", "USD")
    }
    assert [[name.rpartition(":")[2] for name in each] for each in names.values()] == [
        ["both"],
        ["dora"],
    ]


def test_why_and_changes_stand_in_one_currency_each(houses: dict[str, House]) -> None:
    house = houses[""]
    patient(house, question("mrr", policy="chartmogul"))  # its rules are counted first
    why = house.revenue.why(question("mrr"), SYSTEM, "chartmogul")
    assert [(one.currency, one.ours) for one in (why, *why.apart)] == [
        ("USD", "120.00"),
        ("EUR", "130.00"),
    ]
    since, until = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), NOW
    changes = house.revenue.changes(question("mrr"), SYSTEM, since, until)
    assert {one.currency: one.after for one in (changes, *changes.apart)} == {
        "USD": "120.00",
        "EUR": "130.00",
    }


def test_a_question_about_one_currency_says_which(houses: dict[str, House]) -> None:
    house = houses[""]
    plan = house.desk.plan(question("nrr", by="currency"), SYSTEM, NOW)
    alone = only(plan, "EUR")
    assert (alone.only, alone.currency, alone.question.by) == ("EUR", None, None)


def test_a_mean_of_customers_in_one_currency_is_of_those_who_pay_in_it(tmp_path: Path) -> None:
    """Also where the rules convert, and only this question asks for each currency."""
    projection = Projection(tmp_path, memory="256MB")
    try:
        projection.set_ground(Ground(products=(GroundProduct(id="mail"),)), 1, 1)
        house = House(projection)
        house.tell(
            [
                *steps("anna", "EUR", ("2026-01-05", "100")),
                *steps("dora", "USD", ("2026-01-05", "7")),
            ]
        )
        found = patient(house, question("arpa", currency="native"))
        assert {line.key: line.total for line in found.series} == {"EUR": "100.00", "USD": "7.00"}
    finally:
        projection.close()


def test_customers_are_listed_each_in_the_currency_they_pay_in(houses: dict[str, House]) -> None:
    found = houses[""].revenue.customers(SYSTEM, Filters(), Page(limit=9))
    assert found.currency == "USD"
    shown = {
        line.id.rpartition(":")[2]: (line.currency, line.mrr, line.also) for line in found.customers
    }
    assert shown == {
        "dora": ("USD", "70.00", ()),
        "both": ("USD", "50.00", ()),
        "anna": ("EUR", "120.00", ()),
        "carl": ("EUR", "10.00", ()),
    }
    assert [line.currency for line in found.customers] == ["EUR", "EUR", "USD", "USD"]


def test_a_customer_of_two_currencies_has_a_page_of_each(houses: dict[str, House]) -> None:
    house = houses[""]
    (both,) = house.revenue.customers(SYSTEM, Filters(q="both"), Page(limit=9)).customers
    profile = house.revenue.customer(both.id, SYSTEM)
    assert [one.currency for one in (profile, *profile.apart)] == ["USD", "EUR"]
    assert [one.customer.mrr for one in (profile, *profile.apart)] == ["50.00", "0.00"]
    moved = [[line.amount for line in one.movements] for one in (profile, *profile.apart)]
    assert moved == [["50.00"], ["-40.00", "40.00"]]
    assert [[line.status for line in one.subscriptions] for one in (profile, *profile.apart)] == [
        ["active"],
        ["canceled"],
    ]
    (anna,) = house.revenue.customers(SYSTEM, Filters(q="anna"), Page(limit=9)).customers
    alone = house.revenue.customer(anna.id, SYSTEM)
    assert (alone.currency, alone.customer.mrr, alone.apart) == ("EUR", "120.00", ())
