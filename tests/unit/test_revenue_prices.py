"""What an item costs a month: R1, R3 and R4 of the definitions, and prices that cannot be read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.revenue_book import (
    STRIPE,
    UPWELL,
    at,
    cents,
    dollars,
    history,
    item,
    mrr_at,
    off,
    rules,
    state,
)
from upwell.billing import Item, Tier
from upwell.errors import Rejected
from upwell.metrics.revenue.display import half_even, rounded_parts
from upwell.metrics.revenue.invoices import invoice_mrr
from upwell.metrics.revenue.mrr import item_mrr, unusable
from upwell.metrics.revenue.prices import MICRO

NOW = at("2026-01-01")
FOUR_WEEKS = rules(factors="four_weeks")


def worth(one: Item, **changes: Any) -> str:
    return cents(item_mrr(one, rules(**changes), NOW))


@pytest.mark.parametrize(
    ("amount", "count", "every", "exact", "four_weeks"),
    [
        ("10.00", 1, "week", "43.333333", "40.00"),
        ("20.00", 2, "week", "43.333333", "40.00"),
        ("40.00", 4, "week", "43.333333", "40.00"),
        ("1.00", 1, "day", "30.416667", "30.00"),
        ("90.00", 3, "month", "30.00", "30.00"),
        ("1200.00", 1, "year", "100.00", "100.00"),
        ("2000.00", 2, "year", "83.333333", "83.333333"),
        ("49.00", 1, "month", "49.00", "49.00"),
    ],
)
def test_intervals_become_months(
    amount: str, count: int, every: str, exact: str, four_weeks: str
) -> None:
    one = item("plan", amount, every, count)
    for policy, wanted in ((UPWELL, exact), (FOUR_WEEKS, four_weeks)):
        found = Decimal(dollars(item_mrr(one, policy, NOW)))
        assert found == pytest.approx(Decimal(wanted), abs=Decimal("0.0000005"))


def test_an_item_is_rounded_once_half_even_to_a_millionth_of_a_cent() -> None:
    assert item_mrr(item("p", "10.00", "week"), UPWELL, NOW) == 4_333_333_333
    assert item_mrr(item("p", "0.00000006", "year"), UPWELL, NOW) == 0  # half a unit: to even
    assert item_mrr(item("p", "0.00000018", "year"), UPWELL, NOW) == 2  # one and a half: to even


def test_three_yearly_items_are_250_and_249_99_where_each_is_rounded() -> None:
    items = [item(f"p{n}", "1000.00", "year") for n in range(3)]
    assert cents(sum(item_mrr(one, UPWELL, NOW) for one in items)) == "250.00"
    to_the_cent = rules(rounding="minor")
    assert cents(sum(item_mrr(one, to_the_cent, NOW) for one in items)) == "249.99"


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (["83.33333333", "83.33333333", "83.33333333"], ["83.34", "83.33", "83.33"]),
        (["0.005", "0.005", "0.005"], ["0.01", "0.01", "0.00"]),
        (["10.00", "-3.335", "1.115"], ["10.00", "-3.33", "1.11"]),
        ([], []),
    ],
)
def test_parts_on_a_page_add_up_to_their_sum(parts: list[str], shown: list[str]) -> None:
    exact = [int(Decimal(part).scaleb(8)) for part in parts]
    found = rounded_parts(exact, MICRO)
    assert [str(Decimal(part).scaleb(-2)) for part in found] == shown
    assert sum(found) == half_even(sum(exact), MICRO)


def test_stripes_glossary_company_is_12_500() -> None:
    monthly = item("monthly", "100.00", quantity=100)
    yearly = item("yearly", "600.00", "year", quantity=50)
    assert worth(monthly) == "10000.00"
    assert worth(yearly) == "2500.00"
    assert mrr_at([state("2026-01-01", monthly, yearly)], "2026-01-02", STRIPE) == "12500.00"


TIERS = (Tier(up_to=10, unit=Decimal(500)), Tier(unit=Decimal(300)))


@pytest.mark.parametrize(
    ("mode", "quantity", "dollars_a_month"),
    [
        ("graduated", 14, "62.00"),
        ("volume", 14, "42.00"),
        ("graduated", 10, "50.00"),
        ("volume", 10, "50.00"),
        ("volume", 11, "33.00"),
        ("graduated", 0, "0.00"),
        ("volume", 0, "0.00"),
    ],
)
def test_tiers_are_evaluated(mode: str, quantity: int, dollars_a_month: str) -> None:
    for tiers in (TIERS, TIERS[::-1]):  # a tier says where it ends: their order says nothing
        one = item("seats", None, quantity=quantity, tiers=tiers, tiers_mode=mode)
        assert worth(one) == dollars_a_month


def test_flat_amounts_of_tiers() -> None:
    tiers = (
        Tier(up_to=5, flat=Decimal(1000)),
        Tier(up_to=10, unit=Decimal(100), flat=Decimal(2000)),
        Tier(unit=Decimal(50)),
    )
    graduated: dict[str, Any] = {"tiers": tiers, "tiers_mode": "graduated"}
    assert worth(item("p", None, quantity=0, **graduated)) == "10.00"  # as Stripe charges it
    assert worth(item("p", None, quantity=5, **graduated)) == "10.00"
    assert worth(item("p", None, quantity=7, **graduated)) == "32.00"
    assert worth(item("p", None, quantity=12, **graduated)) == "36.00"
    assert worth(item("p", None, quantity=7, tiers=tiers, tiers_mode="volume")) == "27.00"


@pytest.mark.parametrize(
    ("quantity", "round_up", "packs"), [(2500, True, 3), (2500, False, 2), (3000, True, 3)]
)
def test_units_are_sold_in_packs(quantity: int, round_up: bool, packs: int) -> None:
    one = item("calls", "7.00", quantity=quantity, divide_by=1000, round_up=round_up)
    assert worth(one) == f"{7 * packs}.00"


def test_tax_within_the_price_is_taken_out() -> None:
    one = item("plan", "121.00", tax="0.21")
    assert worth(one) == "100.00"
    assert worth(one, tax="included") == "121.00"


def test_what_is_charged_once_or_metered_is_no_mrr() -> None:
    assert worth(item("setup", "99.00", "once")) == "0.00"
    metered = item("usage", "2.00", metered=True, quantity=30)
    assert worth(metered) == "0.00"
    assert worth(metered, metered="included") == "60.00"
    mixed = [state("2026-01-01", item("seat", "10.00"), item("setup", "99.00", "once"), metered)]
    assert history(mixed) == [("2026-01-01", "10.00", "new")]


# R3


@pytest.mark.parametrize(
    ("policy", "months"),
    [
        ("recurring", ["50.00", "50.00", "50.00", "100.00"]),
        ("all", ["50.00", "50.00", "50.00", "100.00"]),
        ("forever_only", ["100.00"] * 4),
        ("none", ["100.00"] * 4),
    ],
)
def test_half_off_for_three_months(policy: str, months: list[str]) -> None:
    half = off("50%", "repeating", "2026-01-01", "2026-04-01")
    states = [state("2026-01-01", item("plan", "100.00"), discounts=(half,))]
    ends = ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    assert [mrr_at(states, end, rules(discounts=policy)) for end in ends] == months


def test_the_end_of_a_discount_is_a_cause() -> None:
    half = off("50%", "repeating", "2026-01-01", "2026-04-01")
    states = [state("2026-01-01", item("plan", "100.00"), discounts=(half,))]
    assert history(states) == [
        ("2026-01-01", "50.00", "new"),
        ("2026-04-01", "100.00", "discount_end"),
    ]
    assert history(states, until="2026-03-31") == [("2026-01-01", "50.00", "new")]


def test_a_discount_for_one_invoice_counts_only_where_all_do() -> None:
    once = off("20%", "once")
    states = [state("2026-01-01", item("plan", "100.00"), discounts=(once,))]
    assert mrr_at(states, "2026-01-02") == "100.00"
    assert mrr_at(states, "2026-01-02", rules(discounts="all")) == "80.00"


def test_an_amount_off_a_year_is_a_twelfth_a_month() -> None:
    yearly = item("plan", "1200.00", "year", discounts=(off("200.00"),))
    assert worth(yearly) == "83.33"
    states = [state("2026-01-01", item("plan", "1200.00", "year"), discounts=(off("200.00"),))]
    assert mrr_at(states, "2026-01-02") == "83.33"


def shared(*items: Item, discounts: tuple[Any, ...]) -> list[str]:
    found = history([state("2026-01-01", *items, discounts=discounts)])
    return [amount for _, amount, _ in found]


def test_an_amount_off_the_subscription_is_shared_by_gross_mrr() -> None:
    a, b = item("a", "60.00"), item("b", "40.00")
    assert shared(a, b, discounts=(off("10.00"),)) == ["54.00", "36.00"]


def test_what_one_item_cannot_take_is_taken_from_the_others() -> None:
    free = item("a", "60.00", discounts=(off("100%"),))
    assert shared(free, item("b", "40.00"), discounts=(off("10.00"),)) == ["30.00"]
    small = item("a", "60.00", discounts=(off("58.00"),))
    assert shared(small, item("b", "40.00"), discounts=(off("10.00"),)) == ["32.00"]


def test_discounts_apply_in_order() -> None:
    one = item("a", "100.00")
    assert shared(one, discounts=(off("50%"), off("10.00"))) == ["40.00"]
    assert shared(one, discounts=(off("10.00"), off("50%"))) == ["45.00"]


def test_more_off_than_it_costs_is_0_and_not_1() -> None:
    assert worth(item("plan", "49.00", discounts=(off("50.00"),))) == "0.00"
    assert shared(item("plan", "49.00"), discounts=(off("50.00"),)) == []


# R4


def test_mrr_of_an_invoice_that_covers_a_part_of_the_month() -> None:
    day = 86_400
    part = invoice_mrr(1935, full_seconds=31 * day, prorated_seconds=20 * day)
    assert cents(part) == "29.99"
    wrong = invoice_mrr(1935, full_seconds=30 * day, prorated_seconds=20 * day)
    assert cents(wrong) != "29.99"  # the month's own length decides


def test_mrr_of_an_invoice_for_three_months() -> None:
    assert cents(invoice_mrr(9000, interval_count=3)) == "30.00"
    assert cents(invoice_mrr(10890, tax=1890, interval_count=3)) == "30.00"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"interval": "fortnight"}, "unknown_interval"),
        ({"prorated_seconds": 0}, "no_time_charged"),
    ],
)
def test_invoices_without_a_time_are_refused(asked: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        invoice_mrr(1000, **asked)
    assert refused.value.problem.code == code


# Prices that cannot be read

TWO_OPEN = (Tier(unit=Decimal(1)), Tier(unit=Decimal(2)))
SAME_END = (Tier(up_to=5), Tier(up_to=5), Tier())
CLOSED = (Tier(up_to=5, unit=Decimal(100)), Tier(up_to=10, unit=Decimal(50)))

UNREADABLE = [
    ("unknown_interval", item("p", "1.00", "fortnight")),
    ("interval_count", item("p", "1.00", "month", 0)),
    ("price_without_amount", item("p", None)),
    ("negative_price", item("p", "-1.00")),
    ("negative_price", item("p", None, tiers=(Tier(unit=Decimal(-1)),))),
    ("negative_quantity", item("p", "1.00", quantity=-2)),
    ("negative_tax", item("p", "1.00", tax="-0.2")),
    ("tiers_overlap", item("p", None, tiers=TWO_OPEN, tiers_mode="volume")),
    ("tiers_overlap", item("p", None, tiers=SAME_END, tiers_mode="graduated")),
    ("tiers_overlap", item("p", None, tiers=(Tier(up_to=0), Tier()))),
    ("tiers_end", item("p", None, tiers=CLOSED, tiers_mode="volume", quantity=11)),
    ("pack_size", item("p", "1.00", divide_by=0)),
    ("discount_shape", item("p", "1.00", discounts=(off("120%"),))),
    ("discount_shape", item("p", "1.00", currency="EUR", discounts=(off("1.00"),))),
    ("amount_too_large", item("p", "1000000000000.00")),
    ("not_a_number", item("p", "NaN")),
    ("not_a_number", item("p", "1.00", quantity="Infinity")),
]


@pytest.mark.parametrize(("code", "one"), UNREADABLE, ids=[code for code, _ in UNREADABLE])
def test_a_price_that_cannot_be_read_has_a_name_and_is_never_0(code: str, one: Item) -> None:
    with pytest.raises(Rejected) as refused:
        item_mrr(one, UPWELL, NOW)
    assert refused.value.problem.code == code
    assert refused.value.problem.fix
    assert refused.value.problem.where


@pytest.mark.parametrize(("code", "one"), UNREADABLE, ids=[code for code, _ in UNREADABLE])
def test_until_it_is_mended_the_last_state_that_can_be_read_holds(code: str, one: Item) -> None:
    states = [
        state("2026-01-01", item("plan", "50.00")),
        state("2026-02-01", item("plan", "50.00"), one),
        state("2026-03-01", item("plan", "70.00")),
    ]
    assert history(states) == [("2026-01-01", "50.00", "new"), ("2026-03-01", "70.00", "price")]
    reasons = unusable(states)
    assert [(i, reason.problem.code) for i, reason in reasons.items()] == [(1, code)]


def test_metered_and_one_time_prices_need_no_amount() -> None:
    assert worth(item("usage", None, metered=True)) == "0.00"
    assert worth(item("setup", "5.00", "once")) == "0.00"


def test_a_subscription_without_items_is_worth_0() -> None:
    states = [state("2026-01-01", item("plan", "50.00")), state("2026-02-01")]
    assert history(states) == [
        ("2026-01-01", "50.00", "new"),
        ("2026-02-01", "0.00", "product_drop"),
    ]
    assert history([state("2026-02-01")]) == []
    assert unusable(states) == {}


def test_a_state_that_only_says_its_mrr_is_taken_at_its_word() -> None:
    said = [
        state("2026-01-01", item("plan", None), mrr=Decimal(4900)),
        state("2026-02-01", item("plan", None), mrr=Decimal("5900.5")),
        state("2026-03-01", item("plan", None), mrr=Decimal(0)),
    ]
    assert history(said) == [
        ("2026-01-01", "49.00", "new"),
        ("2026-02-01", "59.00", "price"),
        ("2026-03-01", "0.00", "cancel"),
    ]
    refused = unusable(
        [state("2026-01-01", mrr=Decimal(-1)), state("2026-01-01", mrr=Decimal("Infinity"))]
    )
    assert [one.problem.code for one in refused.values()] == ["negative_mrr", "not_a_number"]
