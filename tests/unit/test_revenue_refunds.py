"""R7: what money given back does to MRR, by each way of the two choices, with worked examples."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_sums import examples
from tests.unit.revenue_book import UPWELL, at, history, item, mrr_at, rules, state
from tests.unit.test_ask_revenue_examples import House, patient
from upwell.access import SYSTEM
from upwell.billing import Refund, SubscriptionState
from upwell.metrics.policy import MetricPolicy, RefundWithCancel
from upwell.metrics.revenue.refunds import refunded
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Question
from upwell.query.revenue.why import steps

NEVER_PAID = rules(refunded_invoices="as_if_never_paid")
AT_PERIODS_END = rules(churn_recognition="service_end")
WITH_CANCEL = rules(AT_PERIODS_END, refund_with_cancel="churn")


def back(
    when: str, amount: int, *spans: tuple[str, str, str], invoice: str = "in_1", **more: str
) -> Refund:
    """So many dollars of an invoice of 100, which is for items from a day to a day."""
    return Refund(
        source="acct",
        id=f"re_{invoice}_{when}",
        at=at(when),
        customer="cus",
        subscription="sub_1",
        invoice=invoice,
        amount=amount * 100,
        paid=100_00,
        currency="USD",
        spans=tuple((f"si_{plan}", at(start), at(end)) for plan, start, end in spans),
        **more,
    )


FEBRUARY = ("team", "2026-02-01", "2026-03-01")
MONTHLY = [
    state(when, item("team", "100"))
    for when in ("2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01")
]
Known = list[SubscriptionState]


def told(states: Known, policy: MetricPolicy, *refunds: Refund) -> list[tuple[str, str, str]]:
    return history(refunded(states, refunds, policy).states, policy, "2027-06-01")


def test_by_default_a_refund_changes_no_mrr() -> None:
    assert told(MONTHLY, UPWELL, back("2026-03-10", 100, FEBRUARY)) == history(MONTHLY)


def test_a_month_that_was_given_back_has_no_mrr() -> None:
    assert told(MONTHLY, NEVER_PAID, back("2026-03-10", 100, FEBRUARY)) == [
        ("2026-01-01", "100.00", "new"),
        ("2026-02-01", "0.00", "refund"),
        ("2026-03-01", "100.00", "recovered"),
    ]


def test_who_got_the_only_month_back_never_was_a_customer() -> None:
    ended = [*MONTHLY[:1], state("2026-01-20", status="canceled", ended_at="2026-01-20")]
    whole = back("2026-01-20", 100, ("team", "2026-01-01", "2026-02-01"))
    assert told(ended, NEVER_PAID, whole) == []
    assert told(ended, UPWELL, whole) == history(ended)


def test_a_part_given_back_changes_nothing_until_it_is_the_whole() -> None:
    part, rest = back("2026-03-10", 40, FEBRUARY), back("2026-03-11", 60, FEBRUARY)
    assert told(MONTHLY, NEVER_PAID, part) == history(MONTHLY)
    both = told(MONTHLY, NEVER_PAID, part, rest)
    assert both == told(MONTHLY, NEVER_PAID, back("2026-03-10", 100, FEBRUARY))


def test_a_refund_that_failed_is_none() -> None:
    given_back = back("2026-03-10", 100, FEBRUARY)
    failed = back("2026-03-10", -100, FEBRUARY, order="failed")
    assert told(MONTHLY, NEVER_PAID, failed, given_back) == history(MONTHLY)


def test_items_of_another_invoice_stay() -> None:
    """A year of seats was given back; the support paid by the month goes on."""
    seats, support = item("seats", "1200", "year"), item("support", "30")
    states = [state("2026-01-01", seats, support)]
    whole = back("2026-07-01", 100, ("seats", "2026-01-01", "2027-01-01"))
    found = refunded(states, [whole], NEVER_PAID).states
    assert [mrr_at(states, "2026-05-01"), mrr_at(found, "2026-05-01")] == ["130.00", "30.00"]
    assert history(found, NEVER_PAID)[-1] == ("2027-01-01", "100.00", "recovered")


YEARLY = [
    state(
        "2026-01-01",
        item("team", "1200", "year"),
        period_start="2026-01-01",
        period_end="2027-01-01",
    ),
    state(
        "2026-07-01",
        item("team", "1200", "year"),
        status="canceled",
        ended_at="2026-07-01",
        period_end="2027-01-01",
    ),
]
YEAR = ("team", "2026-01-01", "2027-01-01")


@pytest.mark.parametrize(
    ("policy", "refunds", "churned"),
    [
        (UPWELL, [("2026-07-01", 50)], "2026-07-01"),
        (AT_PERIODS_END, [("2026-07-01", 50)], "2027-01-01"),
        (WITH_CANCEL, [("2026-07-01", 50)], "2026-07-01"),
        (WITH_CANCEL, [("2026-07-09", 50)], "2026-07-09"),  # the end first, then the money
        (WITH_CANCEL, [("2026-06-20", 50)], "2026-07-01"),  # the money first, then the end
        (WITH_CANCEL, [], "2027-01-01"),
    ],
)
def test_a_year_ended_at_once_with_a_refund(
    policy: MetricPolicy, refunds: list[tuple[str, int]], churned: str
) -> None:
    """$1,200 a year paid on 1 January, ended on 1 July with $600 given back (of 100: 50)."""
    given_back = [back(when, amount, YEAR) for when, amount in refunds]
    assert told(YEARLY, policy, *given_back) == [
        ("2026-01-01", "100.00", "new"),
        (churned, "0.00", "cancel"),
    ]


def test_the_end_of_a_year_known_only_later_is_brought_forward_too() -> None:
    """A list shows long after it what had ended, as where an account is connected."""
    late = [YEARLY[0], state("2026-11-01", status="canceled", ended_at="2026-07-01")]
    found = told(late, WITH_CANCEL, back("2026-07-02", 50, YEAR))
    assert found[-1] == ("2026-07-02", "0.00", "cancel")


def test_a_month_ended_with_a_refund_churns_as_any_other() -> None:
    month = [
        state("2026-01-01", item("team", "100"), period_end="2026-02-01"),
        state("2026-01-10", status="canceled", ended_at="2026-01-10", period_end="2026-02-01"),
    ]
    given_back = back("2026-01-10", 50, ("team", "2026-01-01", "2026-02-01"))
    assert told(month, WITH_CANCEL, given_back)[-1][0] == "2026-02-01"


def test_a_refund_that_failed_ends_no_year_sooner() -> None:
    refunds = [back("2026-07-01", 50, YEAR), back("2026-07-01", -50, YEAR, order="failed")]
    assert told(YEARLY, WITH_CANCEL, *refunds)[-1][0] == "2027-01-01"


@given(
    st.permutations(range(6)),
    st.lists(st.sampled_from(["01", "02", "03", "04"]), max_size=4),
    st.sampled_from(["2026-01-15", "2026-02-15", "2026-03-15", "2026-04-15"]),
)
@examples(60)
def test_causes_add_up_and_order_does_not_matter(
    order: list[int], months: list[str], when: str
) -> None:
    refunds = [
        back(
            f"2026-05-0{n + 1}",
            100,
            ("team", f"2026-{month}-01", f"2026-{int(month) + 1:02d}-01"),
            invoice=f"in_{month}",
        )
        for n, month in enumerate(months)
    ]
    others = rules(NEVER_PAID, refund_with_cancel="churn", churn_recognition="service_end")
    until = at(when)
    found = list(steps(MONTHLY, UPWELL, others, until, ("mail",), refunds))
    gone = when[5:7] in months
    assert [name for name, _ in found] == ["refunded_invoices"] * gone
    assert sum(change["USD"] for _, change in found) == -100_00 * 10**6 * gone
    one = refunded(MONTHLY, refunds, others).states
    shuffled = [MONTHLY[n] for n in order if n < 4]
    other = refunded(shuffled, refunds[::-1], others).states
    assert history(one, others) == history(other, others)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    projection = Projection(tmp_path, memory="256MB")
    ground = Ground(products=(GroundProduct(id="mail"),), refunded_invoices="as_if_never_paid")
    projection.set_ground(ground, 1, 1)
    try:
        yield House(projection)
    finally:
        projection.close()


SPAN = ("2026-01-01", "2026-04-01")


def test_what_was_known_before_the_refund_stays(house: House) -> None:
    house.tell(MONTHLY, "2026-04-02")
    house.tell([back("2026-04-10", 100, FEBRUARY)], "2026-04-10")
    before = dt.datetime(2026, 4, 5, tzinfo=dt.UTC)
    assert house.ask("mrr", *SPAN) == ["100.00", "0.00", "100.00"]
    assert house.ask("mrr", *SPAN, known_at=before) == ["100.00", "100.00", "100.00"]
    assert house.ask("churned_mrr", *SPAN) == ["0.00", "100.00", "0.00"]
    assert house.behind("churned_mrr", *SPAN) == [100]
    changes = house.revenue.changes(
        Question(metric="mrr", start=dt.date(2026, 2, 1), end=dt.date(2026, 3, 1)),
        SYSTEM,
        before,
        dt.datetime(2026, 4, 11, tzinfo=dt.UTC),
    )
    assert [(one.amount, one.cause) for one in changes.changes] == [("-100.00", "refund")]
    house.tell([back("2026-04-10", -100, FEBRUARY, order="failed")], "2026-04-20")
    assert house.ask("mrr", *SPAN) == ["100.00", "100.00", "100.00"]
    refund_known = dt.datetime(2026, 4, 15, tzinfo=dt.UTC)
    assert house.ask("mrr", *SPAN, known_at=refund_known) == ["100.00", "0.00", "100.00"]


def test_a_refund_told_before_its_subscription_and_a_rebuild_come_to_the_same(
    house: House,
) -> None:
    house.tell([back("2026-04-10", 100, FEBRUARY)], "2026-04-10")
    house.tell(MONTHLY, "2026-04-12")
    assert house.ask("mrr", *SPAN) == ["100.00", "0.00", "100.00"]
    assert house.ask("cmrr", *SPAN) == ["100.00", "0.00", "100.00"]
    house.projection.rebuild()
    assert house.ask("mrr", *SPAN) == ["100.00", "0.00", "100.00"]


def test_the_page_of_differences_names_the_refund(house: House) -> None:
    house.tell([*MONTHLY, back("2026-04-10", 100, FEBRUARY)], "2026-04-10")
    question = Question(metric="mrr", start=dt.date(2026, 2, 1), end=dt.date(2026, 3, 1))
    patient(house, Question(metric="mrr", start=question.start, end=question.end, policy="stripe"))
    found = house.revenue.why(question, SYSTEM, "stripe")
    assert (found.ours, found.theirs) == ("0.00", "100.00")
    assert [(one.cause, one.amount) for one in found.causes] == [("refunded_invoices", "100.00")]


def test_choosing_it_counts_the_past_again_from_then_on(house: House) -> None:
    ground = house.projection.ground
    house.tell([*MONTHLY, back("2026-04-10", 100, FEBRUARY)], "2026-04-10")
    plain = Ground(products=ground.products)
    house.seq += 1
    house.projection.set_ground(plain, house.seq, at("2026-04-20"))
    assert house.ask("mrr", *SPAN) == ["100.00", "100.00", "100.00"]
    then = dt.datetime(2026, 4, 15, tzinfo=dt.UTC)
    assert house.ask("mrr", *SPAN, known_at=then) == ["100.00", "0.00", "100.00"]


def test_a_workspace_dates_churn_at_the_end_of_service_and_at_its_refund(house: House) -> None:
    ground = house.projection.ground
    house.tell([*YEARLY, back("2026-07-09", 50, YEAR)], "2026-07-10")
    found = []
    for number, way in enumerate(get_args(RefundWithCancel), 1):
        house.seq += 1
        chosen = Ground(
            products=ground.products, churn_recognition="service_end", refund_with_cancel=way
        )
        house.projection.set_ground(chosen, house.seq, at(f"2026-07-1{number}"))
        asked = Question(
            metric="mrr", start=dt.date(2026, 7, 1), end=dt.date(2026, 7, 10), grain="day"
        )
        later = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
        points = house.desk.answer(asked, SYSTEM, later).series[0].points
        found.append([points[n].value for n in (0, 7, 8)])
    assert found == [["100.00"] * 3, ["100.00", "100.00", "0.00"]]
