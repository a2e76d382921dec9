"""Rates, values, cohorts, trials, dunning: R8 to R13 and R16 of the definitions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.unit.revenue_book import (
    CHARTMOGUL,
    FAR,
    STRIPE,
    UPWELL,
    at,
    day,
    item,
    ledger,
    rules,
    state,
)
from upwell.billing import Payment
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import dunning, fx, rates, sbg, trials
from upwell.metrics.revenue.cohorts import by_own_age, cohorts, pooled, shares
from upwell.metrics.revenue.rates import Movement, Turnover
from upwell.metrics.revenue.stretches import stretches
from upwell.money import Rates
from upwell.period import DAY_MICROS, to_date


def percent(rate: Fraction | None, places: int = 2) -> str:
    assert rate is not None
    return f"{float(rate * 100):.{places}f} %"


# R8


@pytest.mark.parametrize(
    ("constant", "operational", "drift"),
    [(None, "21.00", "-5.00"), ("1.08", "21.60", "-5.60")],
)
def test_what_customers_did_and_what_the_rates_did(
    constant: str | None, operational: str, drift: str
) -> None:
    rate = None if constant is None else Decimal(constant)
    found = fx.split(100, 120, Decimal("1.10"), Decimal("1.05"), rate)
    assert found == (Fraction(operational), Fraction(drift))
    assert sum(found) == 16


def test_a_constant_rate_is_that_before_the_fiscal_year() -> None:
    quoted = {"2024-12-31": "1.04", "2025-03-31": "1.08", "2025-12-31": "1.17"}
    known = Rates({"USD": {to_date(day(d)): Decimal(rate) for d, rate in quoted.items()}})

    def rate(when: str, first_month: int = 1, **given: Any) -> Decimal | None:
        return fx.constant_rate(known, "EUR", "USD", day(when), first_month, **given)

    assert rate("2025-01-01") == rate("2025-12-31") == Decimal("1.04")
    assert rate("2026-01-01") == Decimal("1.17")
    assert rate("2025-04-01", 4) == rate("2026-03-31", 4) == Decimal("1.08")
    assert rate("2025-06-01", given={"EUR": Decimal("1.10")}) == Decimal("1.10")
    assert rate("2024-06-01") is None  # shown apart, never 0 and never 1
    assert fx.constant_rate(known, "CHF", "USD", day("2025-06-01")) is None
    assert fx.constant_rate(known, "USD", "USD", day("2025-06-01")) == 1


# R9

ONE_MONTH = Turnover(
    start=1000, new=100, churned=100, joined_and_churned=10, churned_and_returned=5, returned=5
)
THREE_DAYS = Turnover(start=1000, days=((3, 1000), (2, 1010), (4, 1020)))


@pytest.mark.parametrize(
    ("variant", "data", "rate"),
    [
        ("standard", ONE_MONTH, "8.50 %"),
        ("stripe", ONE_MONTH, "9.09 %"),
        ("resubscribed", ONE_MONTH, "9.50 %"),
        ("naive", ONE_MONTH, "10.00 %"),
        ("daily", THREE_DAYS, "0.89 %"),
    ],
)
def test_one_month_five_churn_rates(variant: str, data: Turnover, rate: str) -> None:
    assert percent(rates.customer_churn_rate(data, rules(customer_churn=variant))) == rate


def test_published_churn_rates() -> None:
    chartmogul = Turnover(start=100, churned=12, joined_and_churned=1, churned_and_returned=1)
    assert percent(rates.customer_churn_rate(chartmogul, CHARTMOGUL)) == "10.00 %"
    stripe = Turnover(start=1000, new=100, churned=100)
    assert percent(rates.customer_churn_rate(stripe, STRIPE), 1) == "9.1 %"


@pytest.mark.parametrize("variant", ["standard", "stripe", "resubscribed", "naive", "daily"])
def test_churn_of_nobody_is_not_defined(variant: str) -> None:
    assert rates.customer_churn_rate(Turnover(start=0), rules(customer_churn=variant)) is None


def test_a_rate_net_of_those_who_came_back_may_be_negative() -> None:
    data = Turnover(start=100, churned=3, returned=5)
    assert percent(rates.customer_churn_rate(data, rules(customer_churn="resubscribed"))) == (
        "-2.00 %"
    )


# R10

OPENING = np.array([100, 200, 50, 150, 0, 0])  # A B C D, then E new and F back
CLOSING = np.array([150, 120, 0, 150, 300, 80])
MONTH = Movement(start=500, new=300, expansion=50, reactivation=80, contraction=80, churn=50)


def test_the_bridge_of_the_example() -> None:
    moved = CLOSING - OPENING
    assert (OPENING.sum(), CLOSING.sum()) == (500, 800)
    assert moved.sum() == 300 + 50 + 80 - 80 - 50


def test_mrr_churn_with_and_without_what_came_back() -> None:
    assert percent(rates.gross_mrr_churn_rate(MONTH)) == "26.00 %"
    assert percent(rates.net_mrr_churn_rate(MONTH, UPWELL)) == "16.00 %"
    assert percent(rates.net_mrr_churn_rate(MONTH, CHARTMOGUL)) == "0.00 %"


def test_chartmoguls_published_mrr_churn() -> None:
    month = Movement(start=100, churn=10, contraction=10, expansion=10)
    assert percent(rates.gross_mrr_churn_rate(month)) == "20.00 %"
    assert percent(rates.net_mrr_churn_rate(month, CHARTMOGUL)) == "10.00 %"


def test_retention_of_revenue() -> None:
    assert percent(rates.net_revenue_retention(OPENING, CLOSING)) == "84.00 %"
    assert percent(rates.gross_revenue_retention(OPENING, CLOSING)) == "74.00 %"


def test_grr_is_by_customer_and_not_of_totals() -> None:
    payers = OPENING > 0
    of_totals = Fraction(min(int(CLOSING[payers].sum()), int(OPENING.sum())), int(OPENING.sum()))
    assert percent(of_totals) == "84.00 %"  # what a published text computes
    assert rates.gross_revenue_retention(OPENING, CLOSING) != of_totals


def test_a_years_retention_is_not_the_product_of_its_months() -> None:
    """Each month 2 of 100 go, who had come the month before: 98 % each time, and of the year."""
    monthly = rates.net_revenue_retention(np.array([98, 2, 0]), np.array([98, 0, 2]))
    assert percent(monthly) == "98.00 %"
    assert percent((monthly or Fraction(0)) ** 12, 1) == "78.5 %"
    # One customer of 98 all year, and another one of 2 each month: of those of January 98 stay.
    began, ended = np.array([98, 2, *[0] * 12]), np.array([98, *[0] * 12, 2])
    assert percent(rates.net_revenue_retention(began, ended)) == "98.00 %"


def test_retention_of_nobody_is_not_defined() -> None:
    nobody = np.zeros(3, dtype=np.int64)
    assert rates.net_revenue_retention(nobody, nobody + 5) is None
    assert rates.gross_revenue_retention(nobody, nobody + 5) is None


def test_the_quick_ratio() -> None:
    assert round(float(rates.quick_ratio(MONTH, UPWELL) or 0), 2) == 2.69
    with_back = rules(quick_ratio_with_reactivation=True)
    assert round(float(rates.quick_ratio(MONTH, with_back) or 0), 2) == 3.31
    assert rates.quick_ratio(Movement(start=10, new=5), UPWELL) is None


# R11


def test_values_of_a_customer() -> None:
    assert rates.arpa(50_000, 100) == 500
    assert rates.asp(300, 1) == 300
    assert rates.ltv(100, Decimal("0.05")) == 2000
    assert rates.ltv(100, Decimal("0.05"), Decimal("0.8")) == 1600
    assert rates.ltv(500, Fraction(10, 110)) == 5500  # exact; rounded inside it is 5,555


def test_values_that_are_not_defined() -> None:
    assert rates.arpa(0, 0) is None
    assert rates.asp(0, 0) is None
    assert rates.ltv(100, 0) is None
    assert rates.ltv(100, None) is None
    assert rates.ltv(None, Decimal("0.05")) is None
    assert rates.ltv(100, Decimal("-0.01")) is None
    assert rates.cac_payback(100, 0, 10) is None
    assert rates.cac_payback(100, 1, 0) is None
    assert rates.cac_payback(100, 1, None) is None


def test_lifetime_value_rests_on_the_mean_of_six_months() -> None:
    earlier = [Fraction(9, 10), *(Fraction(n, 100) for n in (4, 6, 5, 3, 7, 5))]
    assert rates.mean_churn(earlier, UPWELL) == Fraction(5, 100)
    assert rates.mean_churn([None, Fraction(1, 10)], UPWELL) == Fraction(1, 10)
    assert rates.mean_churn([None, None], UPWELL) is None
    assert rates.mean_churn([], UPWELL) is None


def test_what_a_customer_cost_and_when_it_is_paid_back() -> None:
    assert rates.cac(30_000, 50) == 600
    assert rates.cac_payback(30_000, 50, 60, Decimal("0.8")) == Fraction("12.5")


def test_the_usage_run_rate_is_the_mean_of_three_months() -> None:
    assert rates.usage_run_rate([30, 60, 90]) == 60
    assert rates.usage_run_rate([1000, 30, 60, 90]) == 60
    assert rates.usage_run_rate([30]) == 30
    assert rates.usage_run_rate([]) is None


FADER_HARDIE = [0.869, 0.743, 0.653, 0.593, 0.551, 0.517, 0.491]


def test_the_contract_model_on_the_published_data() -> None:
    model = sbg.fit(FADER_HARDIE)
    assert model is not None
    assert (round(model.a, 3), round(model.b, 3)) == (0.668, 3.806)
    assert [round(share, 3) for share in model.survival(12)[7:]] == [
        0.460, 0.436, 0.414, 0.395, 0.378,
    ]  # fmt: skip
    lifetime = model.residual_lifetime(7, 0.1)
    assert round(lifetime or 0, 3) == 7.530
    assert round((lifetime or 0) * 10, 2) == 75.30


@pytest.mark.parametrize(("a", "b"), [(0.5, 1.5), (0.668, 3.806), (2.0, 8.0), (5.0, 20.0)])
def test_the_contract_model_finds_what_made_the_data(a: float, b: float) -> None:
    model = sbg.fit(sbg.Model(a, b).survival(24))
    assert model is not None
    assert (model.a, model.b) == pytest.approx((a, b), rel=1e-4)


def test_the_contract_model_where_nothing_can_be_learnt() -> None:
    assert sbg.fit([0.9]) is None
    assert sbg.fit([1.0, 1.0]) is None
    assert sbg.fit([0.0, 0.0]) is None
    assert sbg.fit([0.8, 0.9]) is None  # nobody comes back in a contract
    assert sbg.Model(0.668, 3.806).residual_lifetime(7, 0) is None


# R12


def trial(name: str, started: str, **fields: Any) -> trials.Trial:
    return trials.Trial(name, at(started), **{k: at(v) for k, v in fields.items()})


NOW = at("2026-02-20")
FORTY = [
    *(trial(f"c{n}", "2026-01-05", converted="2026-01-19") for n in range(18)),
    *(trial(f"l{n}", "2026-01-05", stopped="2026-01-19") for n in range(16)),
    *(trial(f"p{n}", "2026-01-31", ends="2026-03-02") for n in range(6)),
]


def january(of: list[trials.Trial], policy: MetricPolicy, now: int = NOW) -> trials.Conversion:
    return trials.by_start(of, policy, at("2026-01-01"), at("2026-02-01"), now)


def test_forty_trials() -> None:
    found = january(FORTY, UPWELL)
    assert (found.started, found.converted, found.pending, found.lost) == (40, 18, 6, 16)
    assert (percent(found.raw, 1), percent(found.rate, 1)) == ("45.0 %", "52.9 %")


def test_a_trial_that_pays_after_the_window_is_lost_or_ever() -> None:
    late = [trial("late", "2026-01-05", converted="2026-02-10")]
    assert january(late, UPWELL)[:4] == (1, 0, 0, 1)
    ever = january(late, CHARTMOGUL)
    assert ever[:4] == (1, 1, 0, 0)


def test_stripes_way_may_exceed_one() -> None:
    of = [
        trial("a", "2025-12-20", ends="2025-12-31", converted="2026-01-02"),
        trial("b", "2026-01-01", ends="2026-01-15", converted="2026-01-15"),
    ]
    assert trials.by_end(of, at("2026-01-01"), at("2026-02-01")) == 2
    assert trials.by_end(of, at("2026-03-01"), at("2026-04-01")) is None


PLAN = item("plan", "50.00")
ON_TRIAL = state("2026-01-01", PLAN, status="trialing", trial_end="2026-01-15")


@pytest.mark.parametrize(
    ("after", "converted", "stopped"),
    [
        ([], "2026-01-15", None),
        ([state("2026-01-15 00:10", PLAN)], "2026-01-15", None),
        ([state("2026-01-10", PLAN)], "2026-01-10", None),  # paid before its end
        ([state("2026-01-10", PLAN, status="canceled")], None, "2026-01-10"),
        ([state("2026-01-15 00:10", PLAN, status="paused")], None, None),
    ],
)
def test_trials_are_read_from_states(
    after: list[Any], converted: str | None, stopped: str | None
) -> None:
    (found,) = trials.trials(stretches([ON_TRIAL, *after], UPWELL), UPWELL, FAR)
    assert found.started == at("2026-01-01")
    assert found.converted == (None if converted is None else at(converted))
    assert found.stopped == (None if stopped is None else at(stopped))


def test_a_trial_not_over_is_neither() -> None:
    (found,) = trials.trials(stretches([ON_TRIAL], UPWELL), UPWELL, at("2026-01-10"))
    assert (found.converted, found.stopped) == (None, None)
    assert trials.trials(stretches([state("2026-01-01", PLAN)], UPWELL), UPWELL, FAR) == []


# R13

MONTHS = [day(f"2026-{month:02d}-01") for month in range(1, 5)]


def test_a_hundred_customers_of_ten_dollars() -> None:
    """Ten leave and five go from 10 to 25: 97.5 %. (A published text says 102.5 %.)"""
    customers = {}
    for n in range(100):
        states = [state("2026-01-05", item("p", "10.00"), sub=f"s{n}")]
        if n < 10:
            states.append(state("2026-02-05", sub=f"s{n}", status="canceled"))
        elif n < 15:
            states.append(state("2026-02-05", item("p", "25.00"), sub=f"s{n}"))
        customers[f"c{n}"] = states
    moves = ledger(customers)
    found = cohorts(moves.person.astype(np.int64), moves.day, moves.delta, UPWELL, MONTHS)
    assert found.customers[0].tolist() == [100, 90, 90]
    assert percent(shares(found.mrr)[0][1], 1) == "97.5 %"
    assert percent(shares(found.customers)[0][1], 1) == "90.0 %"


def test_columns_of_a_cohort() -> None:
    moves = ledger(
        {
            "stays": [state("2026-01-05", item("p", "10.00"), sub="1")],
            "leaves at once": [
                state("2026-01-05", item("p", "30.00"), sub="2"),
                state("2026-01-20", sub="2", status="canceled"),
            ],
            "comes back": [
                state("2026-01-05", item("p", "20.00"), sub="3"),
                state("2026-02-05", sub="3", status="canceled"),
                state("2026-03-05", item("p", "40.00"), sub="3"),
            ],
            "later": [state("2026-02-25", item("p", "50.00"), sub="4")],
            "before": [state("2025-12-25", item("p", "99.00"), sub="5")],
            "after": [state("2026-04-01", item("p", "99.00"), sub="6")],
        }
    )
    found = cohorts(moves.person.astype(np.int64), moves.day, moves.delta, UPWELL, MONTHS)
    ten = 10 * 10**8
    assert found.customers.tolist() == [[3, 1, 2], [1, 1, 0], [0, 0, 0]]
    assert (found.mrr // ten).tolist() == [[6, 1, 5], [5, 5, 0], [0, 0, 0]]
    assert shares(found.customers) == [
        [1, Fraction(1, 3), Fraction(2, 3)],
        [1, 1, None],
        [None, None, None],
    ]
    assert pooled(found.customers) == [1, Fraction(2, 4), Fraction(2, 3)]


def test_cohorts_of_nobody() -> None:
    none = np.zeros(0, dtype=np.int64)
    found = cohorts(none, none.astype(np.int32), none, UPWELL, MONTHS)
    assert pooled(found.mrr) == [None, None, None]


def test_each_customer_ages_from_the_own_first_day() -> None:
    started = np.array([day("2026-01-01"), day("2026-01-25")], dtype=np.int32)
    bought = started + np.array([29, 7], dtype=np.int32)
    assert by_own_age(started, bought, np.array([10, 10])) == [20]


# R16

FAILED_AT = at("2026-01-10")


def payment(name: str, due: int, **fields: Any) -> Payment:
    return Payment(
        source="acct",
        id=name,
        customer="cus",
        at=FAILED_AT,
        due=due,
        first_failed=FAILED_AT,
        **fields,
    )


def test_a_hundred_failed_payments() -> None:
    soon = FAILED_AT + 3 * DAY_MICROS
    payments = [
        *(payment(f"r{n}", 5000, status="paid", paid=5000, paid_at=soon) for n in range(62)),
        *(payment(f"l{n}", 5000, status="uncollectible") for n in range(38)),
    ]
    found = dunning.recovery(payments, UPWELL, at("2026-01-01"), at("2026-02-01"), NOW)
    assert (found.failed, found.failed_amount) == (100, 500_000)
    assert found.recovered_amount == 310_000
    assert percent(found.by_amount) == percent(found.by_count) == "62.00 %"


@pytest.mark.parametrize(
    ("fields", "days", "outcome"),
    [
        ({}, 10, "open"),
        ({}, 31, "lost"),
        ({"status": "void"}, 10, "lost"),
        ({"status": "paid", "paid_at": FAILED_AT + 30 * DAY_MICROS}, 60, "recovered"),
        ({"status": "paid", "paid_at": FAILED_AT + 31 * DAY_MICROS}, 60, "lost"),
        ({"status": "paid", "paid_at": FAILED_AT + 20 * DAY_MICROS}, 10, "open"),
    ],
)
def test_what_became_of_a_failed_payment(fields: dict[str, Any], days: int, outcome: str) -> None:
    one = payment("one", 5000, **fields)
    assert dunning.outcome(one, UPWELL, FAILED_AT + days * DAY_MICROS) == outcome


def test_open_payments_are_not_in_the_rate() -> None:
    payments = [payment("a", 100, status="paid", paid_at=FAILED_AT), payment("b", 900)]
    found = dunning.recovery(payments, UPWELL, 0, FAR, FAILED_AT + DAY_MICROS)
    assert found.open == 1
    assert found.by_amount == 1
    assert dunning.recovery([], UPWELL, 0, FAR, NOW).by_count is None
    fine = Payment(source="acct", id="fine", customer="cus", at=0, due=10)
    assert dunning.outcome(fine, UPWELL, NOW) is None
    assert dunning.recovery([fine], UPWELL, 0, FAR, NOW).failed == 0


@pytest.mark.parametrize(
    ("cause", "reason", "loss"),
    [
        ("payment_failed", "", "involuntary"),
        ("cancel", "payment_failed", "involuntary"),
        ("cancel", "too_expensive", "voluntary"),
        ("cancel", "", "unknown"),
    ],
)
def test_a_missing_reason_is_unknown(cause: str, reason: str, loss: str) -> None:
    assert dunning.loss(cause, reason) == loss
