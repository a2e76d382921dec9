"""Why numbers differ by other rules: the causes are the difference, each where it belongs."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.revenue_book import CHARTMOGUL, UPWELL, at, cents, item, off, rules, state
from tests.unit.test_ask_revenue_examples import House, patient
from upwell.access import SYSTEM
from upwell.billing import SubscriptionState
from upwell.errors import Unavailable
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.mrr import levels
from upwell.money import Rates
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Desk, Question
from upwell.query.revenue.proofs import Why
from upwell.query.revenue.why import sentence, steps

MONTHS = [dt.date(2026, month, 1) for month in range(1, 6)]
RATES = Rates(
    {
        "USD": {dt.date(2025, 12, 31): Decimal("1.0837"), dt.date(2026, 3, 5): Decimal("1.1713")},
        "JPY": {dt.date(2025, 12, 31): Decimal("163.3"), dt.date(2026, 2, 5): Decimal("184.57")},
    }
)
_names = itertools.count()


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory() as folder:
        projection = Projection(Path(folder), memory="256MB")
        projection.set_ground(Ground(products=(GroundProduct(id="mail"),)), 1, 1)
        found = House(projection)
        found.desk = Desk(projection, lambda: RATES)
        found.revenue.desk = found.desk
        yield found
        projection.close()


def why(house: House, month: dt.date, policy: str, **more: Any) -> Why:
    after = (month + dt.timedelta(days=31)).replace(day=1)
    question = Question(metric="mrr", start=month, end=after, grain="month", **more)
    until = time.monotonic() + 60
    while True:
        try:
            return house.revenue.why(question, SYSTEM, policy)
        except Unavailable:
            assert time.monotonic() < until
            time.sleep(0.01)


def mrr(house: House, month: dt.date, policy: str | None, **more: Any) -> Decimal:
    after = (month + dt.timedelta(days=31)).replace(day=1)
    question = Question(metric="mrr", start=month, end=after, grain="month", policy=policy, **more)
    return Decimal(str(patient(house, question).series[0].points[0].value))


amounts = st.sampled_from(("10", "19.99", "1000", "33.33", "7"))
items = st.builds(
    lambda amount, every, quantity, currency, coupon: item(
        "team",
        amount,
        every,
        quantity=quantity,
        currency=currency,
        discounts=() if coupon is None else (coupon,),
    ),
    amounts,
    st.sampled_from(("month", "year", "week")),
    st.integers(1, 3),
    st.sampled_from(("USD", "USD", "EUR", "JPY")),
    st.sampled_from((None, None, off("100%"), off("30%"), off("50%", "once", "2026-01-01"))),
)
fields = st.sampled_from(
    (
        {},
        {"status": "past_due"},
        {"status": "paused"},
        {"status": "trialing", "trial_end": "2026-03-15"},
        {"pause": "void"},
        {"pause": "keep_as_draft"},
        {"status": "unpaid"},
        {"cancel_at": "2026-04-10", "canceled_at": "2026-02-11"},
    )
)
turns = st.lists(
    st.tuples(st.integers(0, 140), fields, st.lists(items, min_size=1, max_size=3)),
    min_size=1,
    max_size=4,
    unique_by=lambda turn: turn[0],
)


def states_of(turns: list[tuple[int, dict[str, Any], list[Any]]]) -> list[SubscriptionState]:
    """A subscription of its own customer that takes these turns, in one currency."""
    name = f"s{next(_names)}"
    found = []
    for days, more, some in sorted(turns, key=lambda turn: turn[0]):
        when = (dt.date(2026, 1, 1) + dt.timedelta(days=days)).isoformat()
        own = [one for one in some if one.price.currency == some[0].price.currency]
        made = state(when, *own, sub=name, **{"status": "active", **more})
        found.append(replace(made, customer=f"c_{name}"))
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(told=st.lists(turns, min_size=1, max_size=5), month=st.sampled_from(MONTHS))
def test_the_causes_add_up_to_the_difference_between_the_answers(
    house: House, told: list[Any], month: dt.date
) -> None:
    """Both numbers are those of the desk, and no part of the difference is left unexplained."""
    house.tell([one for turns in told for one in states_of(turns)], "2026-05-30")
    for policy in ("stripe", "chartmogul"):
        found = why(house, month, policy)
        assert Decimal(found.ours) == mrr(house, month, None)
        assert Decimal(found.theirs) == mrr(house, month, policy)
        assert Decimal(found.difference) == Decimal(found.theirs) - Decimal(found.ours)
        assert sum(Decimal(one.amount) for one in found.causes) == Decimal(found.difference)
        assert not [one for one in found.causes if one.cause == "unexplained"]
        assert all(one.customers > 0 for one in found.causes)


CHANGES: list[tuple[str, Any]] = [
    ("factors", "four_weeks"),
    ("rounding", "minor"),
    ("past_due_days", 20),
    ("paused", "counts"),
    ("pause_zero", ()),
    ("zero_price", "active"),
    ("discounts", "all"),
    ("discounts", "none"),
    ("granularity", "event_window"),
    ("churn_recognition", "requested"),
    ("fx", "tx_date"),
]


@settings(max_examples=80, deadline=None)
@given(
    turns=turns,
    changed=st.lists(st.sampled_from(CHANGES), min_size=1, unique_by=lambda one: one[0]),
    days=st.integers(0, 150),
)
def test_each_step_changes_what_its_choice_changes(
    turns: Any, changed: list[tuple[str, Any]], days: int
) -> None:
    """The steps make the whole; where one choice differs, the whole is its own."""
    states = states_of(turns)
    theirs = rules(**dict(changed))
    until = at("2026-01-01") + days * 86_400_000_000
    shares = list(steps(states, UPWELL, theirs, until, ("mail",)))
    whole = _mrr(states, theirs, until) - _mrr(states, UPWELL, until)
    assert sum(sum(changes.values()) for _, changes in shares) == whole
    assert {name for name, _ in shares} <= {name for name, _ in changed}


def _mrr(states: list[SubscriptionState], policy: MetricPolicy, until: int) -> int:
    """From the levels alone."""
    told = (one for one in levels(states, policy, until) if one.at <= until)
    return sum({one.line: one.amount for one in told}.values())


def test_what_happened_after_the_month_explains_nothing_of_it() -> None:
    states = [
        state("2026-01-01", item("team", "40"), status="paused"),
        state("2026-02-10", item("team", "90"), status="paused"),
    ]
    shares = list(steps(states, UPWELL, rules(paused="counts"), at("2026-01-31"), ("mail",)))
    assert shares == [("paused", {"USD": 4000 * 10**6})]


ONE_RULE: list[tuple[str, MetricPolicy, list[SubscriptionState], str, dict[str, str]]] = [
    (
        "past due longer than they wait",
        rules(past_due_days=30),
        [state("2026-01-01", item("team", "100"), status="past_due")],
        "2026-03-01",
        {"past_due_days": "-100.00"},
    ),
    (
        "a discount of one invoice",
        rules(discounts="all"),
        [
            state(
                "2026-01-01",
                item("team", "100", discounts=(off("50%", "once", "2026-01-01", "2026-02-01"),)),
            )
        ],
        "2026-01-20",
        {"discounts": "-50.00"},
    ),
    (
        "free, and still a customer: no MRR in either",
        rules(zero_price="active"),
        [state("2026-01-01", item("team", "100", discounts=(off("100%"),)))],
        "2026-01-20",
        {},
    ),
    (
        "what one movement is changes no MRR",
        rules(granularity="event_window"),
        [
            state("2026-01-01 14:00", item("team", "30")),
            state("2026-01-01 14:40", item("team", "50")),
        ],
        "2026-01-20",
        {},
    ),
    (
        "gone at the click",
        rules(churn_recognition="requested"),
        [
            state("2026-01-01", item("team", "10")),
            state(
                "2026-01-08", item("team", "10"), canceled_at="2026-01-08", cancel_at="2026-02-01"
            ),
        ],
        "2026-01-20",
        {"churn_recognition": "-10.00"},
    ),
    (
        "rates of movements change no headline",
        rules(fx="tx_date"),
        [state("2026-01-01", item("team", "100", currency="EUR"))],
        "2026-01-20",
        {},
    ),
    (
        "paused, and counted by them",
        rules(paused="counts"),
        [state("2026-01-01", item("team", "40"), status="paused")],
        "2026-01-20",
        {"paused": "40.00"},
    ),
    (
        "three items of a thousand a year",
        rules(rounding="minor"),
        [state("2026-01-01", *(item(f"p{n}", "1000", "year") for n in range(3)))],
        "2026-01-20",
        {"rounding": "-0.01"},
    ),
    (
        "paused by them in two ways: the first in order takes it all",
        CHARTMOGUL,
        [state("2026-01-01", item("team", "40"), status="paused")],
        "2026-01-20",
        {"paused": "40.00"},
    ),
]


@pytest.mark.parametrize(
    ("theirs", "states", "when", "shares"), [case[1:] for case in ONE_RULE],
    ids=[case[0] for case in ONE_RULE],
)  # fmt: skip
def test_one_rule_has_the_whole_difference(
    theirs: MetricPolicy, states: list[SubscriptionState], when: str, shares: dict[str, str]
) -> None:
    found = {
        name: cents(sum(changes.values()))
        for name, changes in steps(states, UPWELL, theirs, at(when), ("mail",))
    }
    assert found == shares


SENTENCES = [
    (
        "paused",
        rules(title="Acme", paused="counts"),
        "Paused subscriptions. Upwell: a pause takes the MRR away, a resume brings it back. "
        "Acme: a pause changes nothing.",
    ),
    (
        "past_due_days",
        rules(title="Acme", past_due_days=30),
        "Past due. Upwell: until the billing system ends it. Acme: 30 days. How long a "
        "subscription counts whose payment is late.",
    ),
    (
        "zero_price",
        rules(title="Acme", zero_price="active"),
        "Free after paying. Upwell: who paid and now pays nothing has churned. "
        "Acme: who paid and now pays nothing stays a customer, at 0.",
    ),
    (
        "churn_recognition",
        rules(title="Acme", churn_recognition="requested"),
        "Date of churn. Upwell: when the billing system ended it. Acme: at the click.",
    ),
    (
        "pause_zero",
        rules(title="Acme", pause_zero=()),
        "Paused collection. Upwell: where invoices are void. Acme: never. When a "
        "subscription counts 0 because its collection is paused; otherwise it counts on.",
    ),
]


@pytest.mark.parametrize(("name", "theirs", "said"), SENTENCES, ids=[one[0] for one in SENTENCES])
def test_a_sentence_says_both_ways(name: str, theirs: MetricPolicy, said: str) -> None:
    assert sentence(name, UPWELL, theirs) == said


def test_customers_are_counted_once_and_what_changes_nothing_is_said(tmp_path: Path) -> None:
    projection = Projection(tmp_path, memory="256MB")
    projection.set_ground(Ground(products=(GroundProduct(id="mail"),)), 1, 1)
    house = House(projection)
    try:
        paused = [
            replace(
                state("2026-01-05", item("team", "40"), sub=f"s{n}", status="paused"),
                customer="ann",
            )
            for n in range(2)
        ]
        house.tell(paused, "2026-01-06")
        found = why(house, dt.date(2026, 1, 1), "chartmogul")
        assert [(one.cause, one.amount, one.customers) for one in found.causes] == [
            ("paused", "80.00", 1)
        ]
        assert any(one.startswith("Currencies.") for one in found.same)
        found = why(house, dt.date(2026, 1, 1), "stripe")
        assert (found.difference, found.causes, len(found.same)) == ("0.00", (), 3)
    finally:
        projection.close()
