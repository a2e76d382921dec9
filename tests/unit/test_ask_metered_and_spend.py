"""Committed MRR, metered use and what customers cost: from what is told to answers and rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.revenue_book import FAR, UPWELL, at, cents, item, mrr_at, off, rules, state
from tests.unit.test_ask_revenue_examples import NOW, House, patient, whole
from upwell.access import SYSTEM
from upwell.billing import Payment, SubscriptionState, Usage
from upwell.errors import Rejected
from upwell.event import SCHEMA, Delivery
from upwell.metrics.catalog import CATALOG
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.cancellations import set_for_later
from upwell.metrics.revenue.display import rounded_parts
from upwell.metrics.revenue.rates import usage_run_rate
from upwell.metrics.revenue.stretches import stretches
from upwell.metrics.undefined import UNDEFINED
from upwell.money import Rates
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Question
from upwell.query.revenue import acquisition
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.lineage import revenue_rows

HALF = off("50%", "repeating", "2026-01-01", "2026-05-01")
PLAN = item("team", "100")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    projection = Projection(tmp_path, memory="256MB")
    products = (GroundProduct(id="mail"), GroundProduct(id="docs"))
    projection.set_ground(Ground(products=products, gross_margin=Decimal("0.8")), 1, 1)
    try:
        yield House(projection)
    finally:
        projection.close()


def by_product(
    house: House, metric: str, start: str, end: str, **more: Any
) -> dict[str, list[Any]]:
    question = Question(
        metric=metric,
        start=dt.date.fromisoformat(start),
        end=dt.date.fromisoformat(end),
        **{"grain": "month", "by": "product", **more},
    )
    answer = patient(house, question)
    return {line.key: [point.value for point in line.points] for line in answer.series}


def behind(house: House, metric: str, start: str, end: str, **more: Any) -> list[Decimal]:
    """The values of all rows, page by page."""
    question = Question(
        metric=metric, start=dt.date.fromisoformat(start), end=dt.date.fromisoformat(end)
    )
    plan, found, cursor = house.desk.plan(question, SYSTEM, NOW), [], None
    while True:
        page = revenue_rows(
            plan, house.desk.ledgers, house.projection, SYSTEM, lambda _: None,
            limit=2, cursor=cursor, **more,
        )  # fmt: skip
        found += [row.event.value for row in page.rows]
        if (cursor := page.cursor) is None:
            return found


# Committed MRR


@pytest.mark.parametrize(
    ("states", "later"),
    [
        ([state("2026-01-01", PLAN)], []),
        (
            [state("2026-01-01", PLAN), state("2026-02-01", PLAN, cancel_at="2026-04-01")],
            [("2026-02-01", "-100.00"), ("2026-04-01", "0.00")],
        ),
        (
            [state("2026-01-01", PLAN, discounts=(HALF,))],
            [("2026-01-01", "50.00"), ("2026-05-01", "0.00")],
        ),
        (
            [
                state("2026-01-01", PLAN),
                state("2026-02-01", PLAN, pause="void", pause_resumes="2026-03-01"),
            ],
            [("2026-02-01", "100.00"), ("2026-03-01", "0.00")],
        ),
        ([state("2026-01-01", PLAN), state("2026-02-01", PLAN, pause="void")], []),
        ([state("2026-01-01", PLAN, status="trialing", trial_end="2026-02-01")], []),
        ([state("2026-01-01", PLAN), state("2026-02-01", PLAN, status="past_due")], []),
        (
            [
                state("2026-01-01", PLAN),
                state("2026-02-01", PLAN, cancel_at="2026-04-01"),
                state("2026-03-01", PLAN),
            ],
            [("2026-02-01", "-100.00"), ("2026-03-01", "0.00")],
        ),
    ],
)
def test_what_is_set_for_later(
    states: list[SubscriptionState], later: list[tuple[str, str]]
) -> None:
    for policy in (UPWELL, rules(past_due_days=30)):
        found = set_for_later(stretches(states, policy), policy, FAR)
        assert [(one.at, cents(one.amount)) for one in found] == [
            (at(when), amount) for when, amount in later
        ]


@given(
    cancel=st.none() | st.integers(2, 12),
    resumes=st.none() | st.integers(2, 12),
    ends=st.none() | st.integers(2, 12),
    seen=st.integers(1, 12),
)
def test_committed_mrr_is_what_mrr_will_be(
    cancel: int | None, resumes: int | None, ends: int | None, seen: int
) -> None:
    """MRR and what is set for later are, at any moment, the MRR once all dates have passed."""

    def first(month: int | None) -> str | None:
        return None if month is None else f"2026-{month:02d}-01"

    half = off("50%", "repeating", "2026-01-01", first(ends)) if ends else off("50%")
    states = [
        state(
            "2026-01-01", PLAN, discounts=(half,), cancel_at=first(cancel),
            pause="void" if resumes else None, pause_resumes=first(resumes),
        )
    ]  # fmt: skip
    now = f"2026-{seen:02d}-15"
    lacking = [
        one.amount
        for one in set_for_later(stretches(states, UPWELL), UPWELL, FAR)
        if one.at <= at(now)
    ]
    if Decimal(mrr_at(states, now)) or (resumes and (cancel or 99) > seen):
        assert Decimal(mrr_at(states, now)) + Decimal(cents(sum(lacking[-1:]))) == Decimal(
            mrr_at(states, "2030-01-01")
        )


def test_committed_mrr_by_product_with_its_rows(house: House) -> None:
    """R2: a scheduled change is not in MRR, it is in committed MRR."""
    house.tell(
        [
            *whole("stays", ("2026-01-05", "30"), ("2026-02-05", "40")),
            state("2026-01-10", PLAN, sub="ends"),
            state("2026-03-08", PLAN, sub="ends", cancel_at="2026-04-10"),
            state("2026-01-10", item("team", "100", product="docs"), sub="half",
                  discounts=(HALF,)),
        ]
    )  # fmt: skip
    spans = ("2026-02-01", "2026-06-01")
    assert house.ask("mrr", *spans) == ["190.00", "190.00", "90.00", "140.00"]
    assert house.ask("cmrr", *spans) == ["240.00", "140.00", "140.00", "140.00"]
    assert by_product(house, "cmrr", *spans) == {
        "mail": ["140.00", "40.00", "40.00", "40.00"],
        "docs": ["100.00", "100.00", "100.00", "100.00"],
    }
    for end, total in (("2026-03-01", 240), ("2026-04-01", 140), ("2026-06-01", 140)):
        rows = behind(house, "cmrr", "2026-02-01", end)
        assert sum(rows) == total
        assert all(rows)
    with pytest.raises(Rejected, match="cannot be split by 'plan'"):
        by_product(house, "cmrr", *spans, by="plan")


# Metered use


def used(
    name: str, month: str, amount: int, product: str = "mail", status: Any = "paid", **more: Any
) -> Payment:
    """An invoice for so many dollars of use in a month."""
    end = at(f"{dt.date.fromisoformat(month + '-28') + dt.timedelta(days=4):%Y-%m-01}")
    return Payment(
        source="acct", id=name, at=end, customer="cus", product=product, due=amount * 100,
        usage=(Usage(product=product, amount=amount * 100, end=end),), status=status, **more,
    )  # fmt: skip


def test_the_usage_run_rate_of_three_months(house: House) -> None:
    """R2: 30, 60, 90 are 60; months before the first use do not count, later ones do."""
    house.tell([used("a", "2026-01", 30), used("b", "2026-02", 60), used("c", "2026-03", 90)])
    house.tell([used("v", "2026-03", 500, status="void")])
    months = house.ask("usage_run_rate", "2025-12-01", "2026-08-01")
    assert months == [None, "30.00", "45.00", "60.00", "50.00", "30.00", "30.00", None]
    rows = behind(house, "usage_run_rate", "2026-03-01", "2026-04-01")
    assert rows == [30, 20, 10]
    days = house.ask("usage_run_rate", "2026-03-30", "2026-04-02", grain="day")
    assert days == ["45.00", "60.00", "60.00"]  # at the end of the month's last day


MARCH = Question(metric="usage_run_rate", start=dt.date(2026, 3, 1), end=dt.date(2026, 4, 1))


def test_invoices_are_followed_as_they_are_told_and_taken_back(house: House) -> None:
    """What is kept of them between questions is what is read anew."""
    spans = ("usage_run_rate", "2026-03-01", "2026-04-01")
    first = used("a", "2026-03", 30)
    told: list[tuple[list[Any], Any]] = [
        ([first], "30.00"),
        ([state("2026-01-01", PLAN)], "30.00"),
        ([used("b", "2026-03", 10)], "40.00"),
        ([used("a", "2026-03", 50)], "60.00"),
        ([used("b", "2026-03", 10, status="void")], "50.00"),
    ]
    for records, worth in told:
        house.tell(records)
        anew = Ledgers(lambda _: house.projection.book(), house.projection, lambda: Rates({}))
        assert house.ask(*spans) == [worth]
        plan = house.desk.plan(MARCH, SYSTEM, NOW)
        kept = house.desk.ledgers.metered.invoices(plan)
        assert kept == anew.metered.invoices(plan)
    seq = house.projection.applied
    order = Delivery(seq=seq + 1, kind="retract", source="upwell", received_at=at("2026-06-02"))
    house.projection.supersede(order, [seq])
    assert house.ask(*spans) == ["60.00"]


def test_what_was_said_is_read_again_under_rules_that_changed(house: House) -> None:
    """Rules keep their name when the workspace chooses otherwise in them."""
    ledgers, ground = house.desk.ledgers, house.projection.ground
    before = ledgers.told(None)
    rates = replace(ground, fx="none", closed_months="adjust")
    house.projection.set_ground(rates, house.projection.applied + 1, 1)
    assert ledgers.told(None) is before  # nothing of it depends on these
    other = replace(ground, refunded_invoices="as_if_never_paid")
    house.projection.set_ground(other, house.projection.applied + 1, 1)
    assert ledgers.told(None) is not before
    assert ledgers.told(None) is ledgers.told(None)


def test_the_usage_run_rate_by_product_and_currency(house: House) -> None:
    house.tell(
        [
            used("a", "2026-03", 10),
            used("b", "2026-03", 100, "docs"),
            used("c", "2026-04", 11, "docs", currency="EUR"),
        ]
    )
    spans = ("2026-03-01", "2026-05-01")
    assert by_product(house, "usage_run_rate", *spans) == {
        "mail": ["10.00", "5.00"],
        "docs": ["100.00", "50.00"],
    }
    native = by_product(house, "usage_run_rate", *spans, currency="native", by=None)
    assert native == {"USD": ["110.00", "55.00"], "EUR": ["0.00", "5.50"]}
    answer = patient(
        house,
        Question(
            metric="usage_run_rate",
            start=dt.date(2026, 3, 1),
            end=dt.date(2026, 5, 1),
            grain="month",
        ),
    )
    assert [(one.currency, one.total) for one in answer.unconverted] == [("EUR", "11.00")]
    assert behind(house, "usage_run_rate", *spans, key=None)
    assert house.ask("usage_run_rate", "2026-01-01", "2026-02-01") == [None]


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=6))
def test_shares_of_the_run_rate_add_up_to_it(amounts: list[int]) -> None:
    mean = usage_run_rate([sum(amounts), 0, 0])
    assert sum(rounded_parts(amounts, 3)) == round(mean or Fraction(0))


# What customers cost


def spend(when: str, amount: str, product: str = "mail") -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    return empty | {
        "idx": 0, "product": product, "source": "ads", "type": "spend", "ts": at(when),
        "value": Decimal(amount), "currency": "USD", "key": f"{when}{product}", "corrected": False,
    }  # fmt: skip


def test_what_new_customers_cost_is_paid_back_in_twelve_and_a_half_months(house: House) -> None:
    """R11: 30,000 for 50 customers of 60 a month at a margin of 80 %: 600 / 48."""
    new = [one for n in range(50) for one in whole(f"c{n}", ("2026-03-10", "60"))]
    more = whole("docs", ("2026-04-10", "50"), product="docs")
    house.tell(
        [*new, *more],
        events=[
            spend("2026-03-02", "10000"), spend("2026-03-20", "20000"),
            spend("2026-04-20", "80", "docs"),
        ],
    )  # fmt: skip
    spans = ("2026-02-01", "2026-05-01")
    assert house.ask("cac_payback", *spans) == [None, 12.5, 2.0]
    assert by_product(house, "cac_payback", *spans) == {
        "mail": [None, 12.5, None],
        "docs": [None, None, 2.0],
    }
    assert sum(behind(house, "cac_payback", "2026-03-01", "2026-04-01")) == 30_000
    with pytest.raises(Rejected, match="not kept by the hour"):
        house.ask("cac_payback", "2026-03-01", "2026-03-02", grain="hour")
    with pytest.raises(Rejected, match="cannot be split by 'plan'"):
        by_product(house, "cac_payback", *spans, by="plan")


def test_spend_without_customers_is_not_paid_back(house: House) -> None:
    house.tell([], events=[spend("2026-03-02", "10000")])
    assert house.ask("cac_payback", "2026-03-01", "2026-04-01") == [None]


@pytest.mark.parametrize("metric", UNDEFINED)
def test_a_metric_without_a_value_says_what_it_needs(metric: str, house: House) -> None:
    """Nothing was told, or only what leaves it undefined."""
    question = Question(metric=metric, start=dt.date(2026, 3, 1), end=dt.date(2026, 4, 1))
    answer = house.desk.answer(question, SYSTEM, NOW)
    assert answer.series[0].total is None
    assert answer.note == UNDEFINED[metric]
    assert CATALOG[metric].unit != "count"
    revenue = house.desk.answer(replace(question, metric="mrr"), SYSTEM, NOW)
    assert revenue.series[0].total is not None
    assert revenue.note == ""


def test_spend_may_lie_some_days_before_its_customers(house: House) -> None:
    """With a lag of 30 days March's customers are set against what was spent from 30 January on."""
    house.tell(
        whole("c", ("2026-03-10", "50")),
        events=[spend("2026-01-29", "7"), spend("2026-01-30", "100"), spend("2026-03-20", "999")],
    )
    plan = house.desk.plan(
        Question(metric="cac_payback", start=dt.date(2026, 3, 1), end=dt.date(2026, 4, 1)),
        SYSTEM,
        NOW,
    )
    lagging = Lagging(house.projection.book, house.projection, lambda: Rates({}))
    (line,) = acquisition.read(plan, lagging, house.projection).lines
    assert line.total == 100 / (50 * 0.8)


class Lagging(Ledgers):
    """Ledgers under rules by which customers come 30 days after what was spent on them."""

    def policy(self, name: str | None) -> MetricPolicy:
        return replace(super().policy(name), cac_lag_days=30)
