"""Which states count and when they cease to: R2, R6, R7, and what happens without being told."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tests.unit.revenue_book import (
    CHARTMOGUL,
    FAR,
    UPWELL,
    at,
    bridged,
    cents,
    history,
    item,
    ledger,
    movements,
    mrr_at,
    off,
    rules,
    state,
)
from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.cancellations import requests, set_to_cancel
from upwell.metrics.revenue.mrr import due, levels
from upwell.metrics.revenue.stretches import stretches

PLAN = item("plan", "50.00")
States = list[SubscriptionState]


def then(status: str, when: str = "2026-02-01", **fields: Any) -> States:
    """Active from January, in another state from February."""
    return [state("2026-01-01", PLAN), state(when, PLAN, status=status, **fields)]


@pytest.mark.parametrize(
    ("status", "fields", "counts"),
    [
        ("active", {}, True),
        ("past_due", {}, True),
        ("trialing", {}, False),
        ("incomplete", {}, False),
        ("unpaid", {}, False),
        ("paused", {}, False),
        ("canceled", {}, False),
        ("incomplete_expired", {}, False),
        ("active", {"pause": "void"}, False),
        ("active", {"pause": "keep_as_draft"}, True),
        ("active", {"pause": "mark_uncollectible"}, True),
        ("active", {"deleted": True}, False),
    ],
)
def test_what_counts(status: str, fields: dict[str, Any], counts: bool) -> None:
    assert mrr_at(then(status, **fields), "2026-03-01") == ("50.00" if counts else "0.00")


@pytest.mark.parametrize(
    ("status", "fields", "cause"),
    [
        ("canceled", {"reason": "too_expensive"}, "cancel"),
        ("canceled", {"reason": "payment_failed"}, "payment_failed"),
        ("unpaid", {}, "payment_failed"),
        ("paused", {}, "pause"),
        ("active", {"pause": "void"}, "pause"),
    ],
)
def test_why_it_ceased(status: str, fields: dict[str, Any], cause: str) -> None:
    assert history(then(status, **fields))[-1] == ("2026-02-01", "0.00", cause)


def test_chartmogul_counts_paused_subscriptions_on() -> None:
    assert mrr_at(then("paused"), "2026-03-01", CHARTMOGUL) == "50.00"
    assert mrr_at(then("active", pause="void"), "2026-03-01", CHARTMOGUL) == "50.00"


def test_a_trial_is_0_and_becomes_mrr_when_it_turns_active() -> None:
    states = [
        state("2026-01-01", PLAN, status="trialing", trial_end="2026-01-15"),
        state("2026-01-15 00:00", PLAN, status="active"),
    ]
    assert history(states) == [("2026-01-15", "50.00", "trial_end")]


def test_a_trial_ends_without_being_told() -> None:
    trial = state("2026-01-01", PLAN, status="trialing", trial_end="2026-01-15")
    assert history([trial], until="2026-01-14") == []
    assert due([trial], UPWELL, at("2026-01-01")) == at("2026-01-15")
    assert history([trial]) == [("2026-01-15", "50.00", "trial_end")]
    assert due([trial], UPWELL, at("2026-01-15")) is None


@pytest.mark.parametrize(
    ("status", "told", "wanted"),
    [
        ("active", "2026-01-15 01:00", [("2026-01-15", "50.00", "trial_end")]),
        ("canceled", "2026-01-15 01:00", []),
        ("paused", "2026-01-15 01:00", []),
        ("trialing", "2026-01-15 01:00", []),  # made longer in the last minute
        (
            "canceled",
            "2026-05-01",
            [("2026-01-15", "50.00", "trial_end"), ("2026-05-01", "0.00", "cancel")],
        ),
    ],
)
def test_what_is_told_soon_after_a_trials_end_decides(
    status: str, told: str, wanted: list[tuple[str, str, str]]
) -> None:
    states = [
        state("2026-01-01", PLAN, status="trialing", trial_end="2026-01-15"),
        state(told, PLAN, status=status),
    ]
    assert history(states) == wanted


def test_a_trial_that_was_cancelled_never_pays() -> None:
    states = [
        state("2026-01-01", PLAN, status="trialing", trial_end="2026-01-15", cancel_at="2026-01-15")
    ]
    assert history(states) == []


def test_incomplete_that_never_pays_never_moves() -> None:
    states = [
        state("2026-01-01", PLAN, status="incomplete"),
        state("2026-01-02", PLAN, status="incomplete_expired"),
    ]
    assert history(states) == []
    paid = [states[0], state("2026-01-01 10:00", PLAN)]
    assert history(paid) == [("2026-01-01 10:00", "50.00", "new")]


def test_patience_with_a_late_payment_may_end() -> None:
    late = then("past_due")
    late.append(state("2026-02-08", PLAN, status="past_due"))  # told again: not counted again
    patient = rules(past_due_days=30)
    assert mrr_at(late, "2026-12-31") == "50.00"
    assert history(late, patient)[-1] == ("2026-03-03", "0.00", "payment_failed")
    assert due(late, patient, at("2026-02-08")) == at("2026-03-03")
    recovered = [*late, state("2026-03-10", PLAN)]
    assert history(recovered, patient)[-1] == ("2026-03-10", "50.00", "recovered")
    in_time = [*late, state("2026-02-20", PLAN)]
    assert history(in_time, patient) == [("2026-01-01", "50.00", "new")]


def test_a_pause_ends_at_its_date() -> None:
    paused = then("active", pause="void", pause_resumes="2026-03-01")
    assert history(paused) == [
        ("2026-01-01", "50.00", "new"),
        ("2026-02-01", "0.00", "pause"),
        ("2026-03-01", "50.00", "resume"),
    ]
    assert movements(ledger(paused)) == [
        ("2026-01-01", "new", "50.00"),
        ("2026-02-01", "churn", "-50.00"),
        ("2026-03-01", "reactivation", "50.00"),
    ]


def test_free_after_paying_is_churn_or_stays_at_0() -> None:
    states = [
        state("2026-01-01", PLAN),
        state("2026-02-01", PLAN, discounts=(off("100%"),)),
        state("2026-03-01", PLAN),
        state("2026-04-01", PLAN, discounts=(off("100%"),)),
        state("2026-05-01", PLAN, status="canceled"),
    ]
    assert movements(ledger(states)) == [
        ("2026-01-01", "new", "50.00"),
        ("2026-02-01", "churn", "-50.00"),
        ("2026-03-01", "reactivation", "50.00"),
        ("2026-04-01", "churn", "-50.00"),
    ]
    assert movements(ledger(states, CHARTMOGUL)) == [
        ("2026-01-01", "new", "50.00"),
        ("2026-02-01", "contraction", "-50.00"),
        ("2026-03-01", "expansion", "50.00"),
        ("2026-04-01", "contraction", "-50.00"),
        ("2026-05-01", "churn", "0.00"),
    ]


def test_a_free_plan_is_new_when_it_is_first_paid() -> None:
    states = [state("2026-01-01", item("free", "0.00")), state("2026-02-01", PLAN)]
    for policy in (UPWELL, CHARTMOGUL):
        moved = [m for m in movements(ledger(states, policy)) if m[1] != "none"]
        assert moved == [("2026-02-01", "new", "50.00")]


# R6

TEN = item("ten", "10.00")
JOINED = state("2026-05-15", TEN, period_end="2026-06-15")
CLICKED = state(
    "2026-06-08",
    TEN,
    cancel_at="2026-06-15",
    canceled_at="2026-06-08",
    period_end="2026-06-15",
    reason="too_expensive",
)
OVER = state(
    "2026-06-15",
    TEN,
    status="canceled",
    canceled_at="2026-06-08",
    ended_at="2026-06-15",
    period_end="2026-06-15",
)
AT_ONCE = state(
    "2026-06-08",
    TEN,
    status="canceled",
    canceled_at="2026-06-08",
    ended_at="2026-06-08",
    period_end="2026-06-15",
)


@pytest.mark.parametrize(
    ("recognition", "states", "churned"),
    [
        ("ended", [JOINED, CLICKED, OVER], "2026-06-15"),
        ("service_end", [JOINED, CLICKED, OVER], "2026-06-15"),
        ("requested", [JOINED, CLICKED, OVER], "2026-06-08"),
        ("ended", [JOINED, AT_ONCE], "2026-06-08"),
        ("service_end", [JOINED, AT_ONCE], "2026-06-15"),
        ("requested", [JOINED, AT_ONCE], "2026-06-08"),
        ("ended", [JOINED, CLICKED], "2026-06-15"),  # the last state was never told
    ],
)
def test_the_date_of_churn(recognition: str, states: States, churned: str) -> None:
    policy = rules(churn_recognition=recognition)
    assert movements(ledger(states, policy)) == [
        ("2026-05-15", "new", "10.00"),
        (churned, "churn", "-10.00"),
    ]


def test_a_cancellation_taken_back() -> None:
    states = [JOINED, CLICKED, state("2026-06-12", TEN, period_end="2026-06-15")]
    assert movements(ledger(states)) == [("2026-05-15", "new", "10.00")]
    assert movements(ledger(states, rules(churn_recognition="requested"))) == [
        ("2026-05-15", "new", "10.00"),
        ("2026-06-08", "churn", "-10.00"),
        ("2026-06-12", "reactivation", "10.00"),
    ]
    asked = requests(states, UPWELL, FAR)
    assert [(one.at, one.withdrawn) for one in asked] == [(at("2026-06-08"), at("2026-06-12"))]


def test_service_goes_on_only_where_it_was_paid() -> None:
    late = state("2026-06-01", TEN, status="past_due", period_end="2026-06-15")
    unpaid = [JOINED, late, AT_ONCE]
    policy = rules(churn_recognition="service_end")
    assert history(unpaid, policy)[-1] == ("2026-06-08", "0.00", "cancel")


def test_an_end_that_is_told_late_is_dated_by_its_own_date() -> None:
    late = state("2026-06-20", TEN, status="canceled", ended_at="2026-06-15")
    assert history([JOINED, late])[-1] == ("2026-06-15", "0.00", "cancel")


def test_the_click_carries_its_reason_and_its_mrr() -> None:
    (asked,) = requests([JOINED, CLICKED, OVER], UPWELL, FAR)
    assert (asked.at, asked.ends) == (at("2026-06-08"), at("2026-06-15"))
    assert asked.reason == "too_expensive"
    assert [cents(amount) for amount in asked.amounts.values()] == ["10.00"]
    assert asked.withdrawn is None


def test_a_payment_that_failed_for_good_was_not_asked_for() -> None:
    failed = state("2026-06-08", TEN, status="canceled", reason="payment_failed")
    assert requests([JOINED, failed], UPWELL, FAR) == []


def test_a_cancellation_may_be_asked_for_twice() -> None:
    back = state("2026-06-12", TEN)
    again = state("2026-06-14", TEN, cancel_at="2026-06-15", canceled_at="2026-06-14")
    found = requests([JOINED, CLICKED, back, again, OVER], UPWELL, FAR)
    assert [(one.at, one.withdrawn) for one in found] == [
        (at("2026-06-08"), at("2026-06-12")),
        (at("2026-06-14"), None),
    ]


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        ([JOINED, CLICKED], [("2026-06-08", "10.00"), ("2026-06-15", "0.00")]),
        ([JOINED, CLICKED, OVER], [("2026-06-08", "10.00"), ("2026-06-15", "0.00")]),
        (
            [JOINED, CLICKED, state("2026-06-12", TEN)],
            [("2026-06-08", "10.00"), ("2026-06-12", "0.00")],
        ),
        ([JOINED, AT_ONCE], []),
    ],
)
def test_mrr_set_to_cancel(states: States, wanted: list[tuple[str, str]]) -> None:
    found = set_to_cancel(stretches(states, UPWELL), UPWELL, FAR)
    assert [(one.at, cents(one.amount)) for one in found] == [
        (at(when), amount) for when, amount in wanted
    ]


# R7


def test_a_refund_leaves_mrr_alone_and_an_end_is_the_end() -> None:
    yearly = item("year", "1200.00", "year")
    states = [
        state("2026-01-01", yearly),
        state("2026-07-01", yearly, status="canceled", ended_at="2026-07-01"),
    ]
    ends = [f"2026-{month:02d}-28" for month in range(1, 8)]
    assert [mrr_at(states, end) for end in ends] == ["100.00"] * 6 + ["0.00"]
    assert bridged(ledger(states), "2026-07-01", "2026-08-01") == {
        "opening": "100.00",
        "churn": "100.00",
    }


# Order, repetition, one instant


def test_order_and_repetition_do_not_matter() -> None:
    states = [JOINED, CLICKED, state("2026-06-12", item("twenty", "20.00")), OVER]
    wanted = history(states)
    for shuffled in permutations(states):
        assert history([*shuffled, shuffled[0]]) == wanted


def test_of_states_of_one_instant_the_last_by_order_holds() -> None:
    first = state("2026-01-01", item("plan", "50.00"), order="1")
    second = state("2026-01-01", item("plan", "70.00"), order="2")
    assert history([second, first]) == [("2026-01-01", "70.00", "new")]


def test_one_version_told_in_different_words_is_read_alike_in_any_order() -> None:
    one, other = (state("2026-01-01", item("plan", amount)) for amount in ("50.00", "70.00"))
    assert history([one, other]) == history([other, one])


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (item("plan", "60.00"), "price"),
        (item("plan", "50.00", quantity=3), "quantity"),
        (item("plan", "50.00", discounts=(off("10%"),)), "coupon"),
        (item("plan", "50.00", tax="0.21"), "other"),
    ],
)
def test_why_a_line_changed(after: Any, cause: str) -> None:
    states = [state("2026-01-01", PLAN), state("2026-02-01", after)]
    assert history(states)[-1][2] == cause


@pytest.mark.parametrize(
    ("after", "causes"),
    [
        ([item("team", "80.00")], {"plan"}),
        ([item("plan", "500.00", "year")], {"plan"}),
        ([PLAN, item("extra", "5.00")], {"plan"}),
        ([item("plan", "80.00", product="docs")], {"product_drop", "new"}),
        ([PLAN, item("plan", "80.00", product="docs")], {"new"}),
    ],
)
def test_why_lines_came_and_went(after: Any, causes: set[str]) -> None:
    states = [state("2026-01-01", PLAN), state("2026-02-01", *after)]
    assert {cause for when, _, cause in history(states) if when == "2026-02-01"} == causes


@pytest.mark.parametrize("policy", [UPWELL, CHARTMOGUL, rules(churn_recognition="requested")])
def test_nothing_of_nothing(policy: MetricPolicy) -> None:
    assert levels([], policy, FAR) == []
    assert due([], policy, 0) is None
    assert requests([], policy, FAR) == []
    assert set_to_cancel(stretches([], policy), policy, FAR) == []
