"""Stripe's amounts: integers of the smallest unit, whose size Stripe sets for each currency.

Source: https://docs.stripe.com/currencies (zero-decimal, three-decimal and special-case ones).
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from upwell.money import WIDE, currencies, digits

# ISK and UGX have no cents, and Stripe writes them with two.
_ZERO = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_THREE = "BHD JOD KWD OMR TND"


@lru_cache(maxsize=512)
def places(currency: str) -> int:
    """Decimal places of the unit that Stripe counts the currency in."""
    return 0 if currency in _ZERO else 3 if currency in _THREE else 2


def known(currency: str) -> str | None:
    """The ISO 4217 code in capitals, or None where it is no currency."""
    code = currency.upper()
    return code if code in currencies() else None


def major(amount: int | Decimal, currency: str) -> Decimal:
    """The amount in the currency's whole units: 4900 cents are 49."""
    return Decimal(amount).scaleb(-places(currency), WIDE)


def minor(amount: int | Decimal, currency: str) -> Decimal:
    """The amount in our own minor units, which differ from Stripe's in a few currencies."""
    return Decimal(amount).scaleb(digits(currency) - places(currency), WIDE)


def whole(amount: int, currency: str) -> int:
    """The same as an integer; where our unit is the larger one, rounded half-even."""
    return int(minor(amount, currency).to_integral_value(ROUND_HALF_EVEN))
