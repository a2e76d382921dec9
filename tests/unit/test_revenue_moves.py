"""Movements: R5 of the definitions, with days (R14), currencies (R8) and late facts (R15)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.revenue_book import (
    CHARTMOGUL,
    UPWELL,
    at,
    bridged,
    cents,
    day,
    item,
    ledger,
    movements,
    rules,
    state,
    steps,
)
from upwell.billing import SubscriptionState
from upwell.metrics.revenue.bridge import Bridge, cross
from upwell.metrics.revenue.causes import CAUSES
from upwell.metrics.revenue.fx import constant_weights
from upwell.metrics.revenue.ledger import classify, fold, roundtrips
from upwell.metrics.revenue.ledger import movements as ledger_movements
from upwell.money import Rates
from upwell.period import DAY_MICROS, MICROS, Zone, to_date

PERIOD_NET = rules(granularity="period_net")


def plan(
    amount: str, start: str, end: str | None = None, sub: str = "s", product: str = "mail"
) -> list[SubscriptionState]:
    """A monthly plan from one instant to another."""
    one = item(f"p{amount}", amount, product=product)
    found = [state(start, one, sub=sub)]
    if end:
        found.append(state(end, one, sub=sub, status="canceled", ended_at=end))
    return found


def test_stripes_published_bridge_closes_at_1045() -> None:
    bridge = Bridge(opening=1000, new=100, expansion=50, contraction=40, churn=60, fx=-5)
    assert bridge.closing == 1045
    assert bridge.closing - bridge.opening == 45


def test_chartmoguls_story_of_gold_and_silver() -> None:
    gold = item("gold", "500.00", "year", quantity=4)
    states = [
        state("2026-01-10", gold, sub="gold"),
        *plan("60.00", "2026-01-20", "2026-03-01", sub="silver"),
        state("2027-01-10", gold, sub="gold", status="canceled", ended_at="2027-01-10"),
        state("2027-02-05", item("gold_monthly", "50.00", quantity=3), sub="again"),
    ]
    for policy in (UPWELL, CHARTMOGUL):
        assert movements(ledger(states, policy)) == [
            ("2026-01-10", "new", "166.67"),
            ("2026-01-20", "expansion", "60.00"),
            ("2026-03-01", "contraction", "-60.00"),  # not churn: gold is still there
            ("2027-01-10", "churn", "-166.67"),
            ("2027-02-05", "reactivation", "150.00"),
        ]


def test_bought_and_cancelled_on_one_day() -> None:
    states = [
        *plan("30.00", "2026-01-05 14:00", "2026-01-05 15:30", sub="a"),
        *plan("20.00", "2026-01-05 14:40", "2026-01-05 15:30", sub="b"),
    ]
    assert movements(ledger(states)) == []
    assert roundtrips(steps(states)) == 1
    assert movements(ledger(states, CHARTMOGUL)) == [
        ("2026-01-05", "new", "50.00"),
        ("2026-01-05", "churn", "-50.00"),
    ]


def test_a_switch_within_the_day_is_an_expansion() -> None:
    states = [
        *plan("50.00", "2026-01-01", "2026-02-03 10:00", sub="a"),
        *plan("80.00", "2026-02-03 10:05", sub="b"),
    ]
    for policy in (UPWELL, CHARTMOGUL, PERIOD_NET):
        assert movements(ledger(states, policy)) == [
            ("2026-01-01", "new", "50.00"),
            ("2026-02-03", "expansion", "30.00"),
        ]
    assert movements(ledger(states), "subscription")[1:] == [
        ("2026-02-03", "new", "80.00"),
        ("2026-02-03", "churn", "-50.00"),
    ]


def test_a_gap_of_two_days_is_churn_and_reactivation() -> None:
    states = [
        *plan("50.00", "2026-01-01", "2026-01-31", sub="a"),
        *plan("80.00", "2026-02-02", sub="b"),
    ]
    assert movements(ledger(states))[1:] == [
        ("2026-01-31", "churn", "-50.00"),
        ("2026-02-02", "reactivation", "80.00"),
    ]


def test_down_and_up_in_one_month() -> None:
    states = [
        state(when, item("seats", "10.00", quantity=seats))
        for when, seats in (("2026-01-01", 10), ("2026-03-10", 6), ("2026-03-20", 11))
    ]
    march = ("2026-03-01", "2026-04-01")
    assert bridged(ledger(states), *march) == {
        "opening": "100.00",
        "expansion": "50.00",
        "contraction": "40.00",
    }
    assert bridged(ledger(states, PERIOD_NET), *march) == {
        "opening": "100.00",
        "expansion": "10.00",
    }


def test_came_and_went_in_one_month() -> None:
    states = plan("50.00", "2026-03-03", "2026-03-20")
    assert movements(ledger(states)) == [
        ("2026-03-03", "new", "50.00"),
        ("2026-03-20", "churn", "-50.00"),
    ]
    ignoring = rules(ignore_same_month_roundtrip=True)
    assert movements(ledger(states, ignoring)) == []
    assert movements(ledger(states, PERIOD_NET)) == [
        ("2026-03-03", "none", "50.00"),
        ("2026-03-20", "none", "-50.00"),
    ]
    later = [*states, *plan("70.00", "2026-05-03", "2026-06-20", sub="t")]
    assert movements(ledger(later, ignoring)) == [  # who was never there does not come back
        ("2026-05-03", "new", "70.00"),
        ("2026-06-20", "churn", "-70.00"),
    ]


@pytest.mark.parametrize(
    ("returns", "window", "kind"),
    [
        ("2026-04-01", None, "reactivation"),
        ("2029-04-01", None, "reactivation"),
        ("2026-04-01", 90, "reactivation"),  # 60 days
        ("2026-05-31", 90, "new"),  # 120 days
        ("2026-05-01", 90, "reactivation"),  # 90 days exactly
    ],
)
def test_the_reactivation_window(returns: str, window: int | None, kind: str) -> None:
    states = [
        *plan("50.00", "2026-01-01", "2026-01-31", sub="a"),
        *plan("50.00", returns, sub="b"),
    ]
    assert movements(ledger(states, rules(reactivation_days=window)))[-1] == (
        returns,
        kind,
        "50.00",
    )


# Between products


X = [
    *plan("100.00", "2026-01-01", "2026-03-10", sub="a", product="A"),
    *plan("150.00", "2026-03-10", sub="b", product="B"),
]


def test_from_one_product_to_another() -> None:
    moves = ledger(X)
    assert movements(moves, "product")[1:] == [
        ("2026-03-10", "new", "150.00"),
        ("2026-03-10", "churn", "-100.00"),
    ]
    assert movements(moves, "company")[1:] == [("2026-03-10", "expansion", "50.00")]
    found = cross(moves.delta, moves.by_product, moves.by_company)
    assert [cents(part) for part in found] == ["150.00", "-100.00", "0.00"]


def test_in_one_month_on_different_days_they_are_what_they_are() -> None:
    states = [
        *plan("100.00", "2026-01-01", "2026-03-10", sub="a", product="A"),
        *plan("150.00", "2026-03-20", sub="b", product="B"),
    ]
    march = ("2026-03-01", "2026-04-01")
    by_day = bridged(ledger(states), *march)
    assert by_day == {"opening": "100.00", "churn": "100.00", "reactivation": "150.00"}
    by_month = bridged(ledger(states, PERIOD_NET), *march)
    assert by_month == {"opening": "100.00", "expansion": "50.00"}


def test_splitting_a_bar_attributes_what_was_classified() -> None:
    moves = ledger(X)
    march = moves.day == day("2026-03-10")
    parts = {
        (int(product), int(kind)): cents(int(delta))
        for product, kind, delta in zip(
            moves.product[march], moves.by_company[march], moves.delta[march], strict=True
        )
    }
    assert parts == {(0, 2): "-100.00", (1, 2): "150.00"}  # both of the one expansion of 50


def test_a_filter_classifies_what_it_keeps() -> None:
    moves = ledger(X)
    only = moves.product == 1
    kinds = classify(
        moves.person[only].astype(np.int64), moves.day[only], moves.delta[only], UPWELL
    )
    assert kinds.tolist() == [1]  # seen alone, product B is new


# Event windows


def windows(times: list[tuple[str, int]], minutes: int = 60) -> list[tuple[str, str, str]]:
    states = [state(f"2026-01-{when}", item("s", "10.00", quantity=n)) for when, n in times]
    policy = rules(granularity="event_window", event_window_minutes=minutes)
    return movements(ledger(states, policy))


def test_a_window_begins_with_the_first_event() -> None:
    times = [("01 10:00", 1), ("05 10:00", 5), ("05 10:50", 2), ("05 11:10", 4)]
    assert windows(times) == [
        ("2026-01-01", "new", "10.00"),
        ("2026-01-05", "expansion", "30.00"),  # +40 -30 within the hour, then +20
    ]
    assert windows(times, 30) == [
        ("2026-01-01", "new", "10.00"),
        ("2026-01-05", "expansion", "40.00"),  # then -30 and +20 within half an hour
        ("2026-01-05", "contraction", "-10.00"),
    ]


def test_a_window_reaches_over_midnight() -> None:
    """Its rows stay on their days, so that MRR is what it was, but they are one movement."""
    times = [("01 10:00", 5), ("05 23:50", 2), ("06 00:10", 6), ("06 00:51", 8)]
    assert windows(times) == [
        ("2026-01-01", "new", "50.00"),
        ("2026-01-05", "expansion", "-30.00"),  # with the next: 10 more
        ("2026-01-06", "expansion", "60.00"),  # and 20 more, in a window of its own
    ]
    assert windows(times, 15) == [
        ("2026-01-01", "new", "50.00"),
        ("2026-01-05", "contraction", "-30.00"),
        ("2026-01-06", "expansion", "60.00"),
    ]


def test_a_switch_over_midnight_is_no_churn() -> None:
    states = [
        *plan("50.00", "2026-01-01", "2026-02-03 23:55", sub="a"),
        *plan("80.00", "2026-02-04 00:05", sub="b"),
    ]
    assert movements(ledger(states, CHARTMOGUL)) == [
        ("2026-01-01", "new", "50.00"),
        ("2026-02-03", "expansion", "-50.00"),
        ("2026-02-04", "expansion", "80.00"),
    ]
    assert [kind for _, kind, _ in movements(ledger(states))] == ["new", "churn", "reactivation"]


@given(
    minutes=st.lists(st.integers(0, 3000), min_size=1, max_size=12, unique=True),
    window=st.integers(1, 200),
)
def test_windows_are_those_of_a_plain_loop(minutes: list[int], window: int) -> None:
    """Two customers with the same changes: each window begins with the first change after one."""
    instants = np.array(sorted(minutes), dtype=np.int64) * 60 * MICROS
    expected, opened = [], None
    for minute in sorted(minutes):
        if opened is None or minute > opened + window:
            opened = minute
        expected.append(opened)
    group = np.repeat(np.arange(2), len(instants))
    twice = np.tile(instants, 2)
    moved = ledger_movements(
        group,
        (twice // DAY_MICROS).astype(np.int32),
        np.ones(len(twice), dtype=np.int64),
        rules(granularity="event_window", event_window_minutes=window),
        at=twice,
    )
    found = [
        int(instants[moved.of.tolist().index(n)]) // (60 * MICROS)
        for n in moved.of[: len(instants)]
    ]
    assert found == expected
    assert len(moved.net) == 2 * len(set(expected))


# R14


@pytest.mark.parametrize(
    ("zone", "date"),
    [("America/New_York", "2026-02-28"), ("UTC", "2026-03-01"), ("Asia/Tokyo", "2026-03-01")],
)
def test_a_movement_belongs_to_its_local_day(zone: str, date: str) -> None:
    moves = ledger(plan("50.00", "2026-03-01 04:30"), zone=Zone(zone))
    assert [to_date(one).isoformat() for one in moves.day] == [date]


def test_a_month_holds_what_stood_at_its_end() -> None:
    moves = ledger(plan("50.00", "2026-01-15", "2026-06-15"))
    ends = [day(f"2026-{month:02d}-01") for month in range(1, 9)]
    closing = [int(moves.delta[moves.day < end].sum()) > 0 for end in ends[1:]]
    assert closing == [True] * 5 + [False] * 2  # January to May


# R8: currencies within a customer

USD_EUR = Rates({"USD": {to_date(day("2025-12-31")): Decimal("1.08")}})


@pytest.mark.parametrize(("euros", "kind"), [("100.00", "expansion"), ("90.00", "contraction")])
def test_a_switch_of_currency_is_judged_at_constant_rates(euros: str, kind: str) -> None:
    dollars = item("us", "100.00")
    euro = item("eu", euros, currency="EUR")
    states = [
        state("2026-01-01", dollars, sub="a"),
        state("2026-02-01", dollars, sub="a", status="canceled"),
        state("2026-02-01", euro, sub="b"),
    ]
    weights = constant_weights(USD_EUR, ["USD", "EUR"], "USD")
    moves = fold(steps(states), UPWELL, weights)
    assert [name for _, name, _ in movements(moves)] == ["new", kind]


def test_weights_are_of_minor_units_and_of_the_fiscal_year() -> None:
    table: Mapping[str, dict[str, str]] = {
        "USD": {"2024-06-28": "1.00", "2025-06-30": "2.00"},
        "JPY": {"2024-06-28": "100", "2025-06-30": "100"},
    }
    rates = Rates(
        {
            code: {to_date(day(when)): Decimal(rate) for when, rate in found.items()}
            for code, found in table.items()
        }
    )
    currencies = np.array([0, 1, 2, 1], dtype=np.int16)
    days = np.array([day("2025-06-30")] * 2 + [day("2025-07-01")] * 2, dtype=np.int32)
    weigh = constant_weights(rates, ["USD", "JPY", "EUR"], "USD", first_month=7)
    # A hundredth of a euro, but the yen has no cents: its smallest unit is a whole one.
    assert weigh(currencies, days).tolist() == pytest.approx([1.0, 1.0, 2.0, 2.0])
    by_hand = constant_weights(rates, ["USD", "JPY", "EUR"], "USD", given={"EUR": Decimal("1.5")})
    assert by_hand(currencies, days).tolist() == pytest.approx([1.0, 1.0, 1.5, 1.0])


# R15


def test_a_late_fact_changes_its_own_month_and_says_by_how_much() -> None:
    known = {"one": plan("100000.00", "2026-01-01")}
    late = {**known, "two": plan("500.00", "2026-01-28")}
    before, after = ledger(known), ledger(late)
    january = day("2026-02-01")
    assert cents(int(before.delta[before.day < january].sum())) == "100000.00"
    assert cents(int(after.delta[after.day < january].sum())) == "100500.00"


def test_rows_say_why_and_which_state_told() -> None:
    states = [
        state("2026-01-01", item("seats", "10.00", quantity=1)),
        state("2026-02-01 09:00", item("seats", "10.00", quantity=3)),
        state("2026-02-01 12:00", item("seats", "12.00", quantity=3)),
        state("2026-03-01", item("seats", "12.00", quantity=3), status="canceled"),
    ]
    moves = ledger(states)
    assert [CAUSES[cause] for cause in moves.cause] == ["new", "price", "cancel"]
    assert moves.state.tolist() == [0, 2, 3]
    assert moves.at.tolist()[1] == at("2026-02-01 12:00")
    assert moves.alive.tolist() == [1, 0, -1]


def test_no_steps_no_rows() -> None:
    empty = steps({})
    for policy in (UPWELL, CHARTMOGUL, PERIOD_NET, rules(ignore_same_month_roundtrip=True)):
        assert len(fold(empty, policy).delta) == 0
    assert roundtrips(empty) == 0
