"""Exact money and the European Central Bank's rates."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from upwell.money import Quote, Rates, converted, ecb_rates, from_nanos, major, nanos, rounded


def test_amounts_are_written_with_the_currency_s_own_places() -> None:
    assert major(nanos(Decimal("49")), "USD") == "49.00"
    assert major(nanos(Decimal("-0.005")), "USD") == "-0.005"
    assert major(nanos(Decimal("1234")), "JPY") == "1234"
    assert major(nanos(Decimal("1.5")), "KWD") == "1.500"
    assert major(nanos(Decimal("0.000000001")), "USD") == "0.000000001"
    assert rounded(Decimal("2.675"), "USD") == Decimal("2.68")
    assert rounded(Decimal("2.665"), "USD") == Decimal("2.66")


def test_sums_beyond_28_digits_stay_exact() -> None:
    large = Decimal("123456789012345678901234567.123456789")
    assert nanos(large) == 123456789012345678901234567123456789
    assert from_nanos(nanos(large)) == large
    assert converted(10**35, Quote.of(Decimal("1.1"))) == 11 * 10**34


def test_conversion_rounds_half_even_to_the_nano() -> None:
    half = Quote.of(Decimal("0.5"))
    assert [converted(n, half) for n in (1, 2, 3, 5, -1, -3)] == [0, 1, 2, 2, 0, -2]
    third = Quote.of(Decimal(1) / 3)
    assert converted(10, third) == 3
    assert converted(-10, third) == -3


def test_known_reference_rates() -> None:
    rates = ecb_rates()
    day = dt.date(2024, 1, 2)
    assert rates.per_euro("USD", day) == Decimal("1.0956")
    assert rates.per_euro("JPY", day) == Decimal("155.68")
    assert rates.rate("EUR", "JPY", day) == Decimal("155.68")
    cross = rates.rate("USD", "JPY", day)
    assert cross is not None
    assert rounded(cross, "USD") == Decimal("142.10")
    assert rates.per_euro("USD", dt.date(1999, 1, 4)) == Decimal("1.1789")


def test_a_day_without_a_rate_takes_the_last_business_day() -> None:
    rates = ecb_rates()
    friday = rates.quote("USD", "EUR", dt.date(2024, 3, 28))
    assert rates.quote("USD", "EUR", dt.date(2024, 3, 31)) == friday  # Good Friday to Sunday
    assert friday is not None
    assert not friday.provisional


def test_no_rate_before_the_first_and_none_of_unknown_currencies() -> None:
    rates = ecb_rates()
    assert rates.rate("USD", "EUR", dt.date(1997, 1, 1)) is None
    assert rates.rate("NGN", "USD", dt.date(2024, 1, 1)) is None
    assert rates.rate("USD", "USD", dt.date(1997, 1, 1)) == 1
    assert rates.rate("ISK", "ISK", dt.date(1901, 1, 1)) == 1


@pytest.mark.parametrize(
    ("day", "provisional"),
    [
        ("2024-03-07", False),
        ("2024-03-08", False),
        ("2024-03-10", False),  # a Sunday after the newest rate, a Friday
        ("2024-03-11", True),  # Monday's own is still to come
        ("2026-01-01", True),
    ],
)
def test_a_rate_is_provisional_until_the_day_has_its_own(day: str, provisional: bool) -> None:
    rates = Rates(
        {"USD": {dt.date(2024, 3, 7): Decimal("1.09"), dt.date(2024, 3, 8): Decimal("1.10")}}
    )
    quote = rates.quote("EUR", "USD", dt.date.fromisoformat(day))
    assert quote is not None
    assert quote.provisional is provisional


def test_a_rate_of_years_ago_is_provisional_though_newer_ones_exist() -> None:
    quote = ecb_rates().quote("ISK", "EUR", dt.date(2013, 1, 2))  # suspended from 2008 to 2018
    assert quote is not None
    assert quote.provisional
