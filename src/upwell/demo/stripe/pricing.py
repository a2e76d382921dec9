"""What a quantity of a price comes to, what discounts take off it and what tax is in or on it."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

Json = dict[str, Any]
_THREE = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def rounded(amount: Decimal, currency: str) -> int:
    """Whole minor units, half up; of three-decimal currencies whole tens, as Stripe charges them.

    https://docs.stripe.com/currencies#three-decimal
    """
    if currency in _THREE:
        return int((amount / 10).quantize(Decimal(1), ROUND_HALF_UP)) * 10
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def gross(price: Json, tiers: list[Json] | None, quantity: int) -> int:
    """The price of so many units in minor units, before discounts and tax."""
    if tiers:
        return rounded(_tiered(tiers, price["tiers_mode"], quantity), price["currency"])
    packing = price["transform_quantity"]
    if packing:
        packs, rest = divmod(quantity, packing["divide_by"])
        quantity = packs + (1 if rest and packing["round"] == "up" else 0)
    if price["unit_amount"] is not None:
        return int(price["unit_amount"]) * quantity
    return rounded(Decimal(price["unit_amount_decimal"]) * quantity, price["currency"])


def _tiered(tiers: list[Json], mode: str, quantity: int) -> Decimal:
    total, below = Decimal(0), 0
    for tier in tiers:
        top = tier["up_to"]
        last = top is None or quantity <= top
        unit = Decimal(tier["unit_amount_decimal"] or 0)
        flat = Decimal(tier["flat_amount_decimal"] or 0)
        if mode == "volume":
            if last:
                return unit * quantity + flat
        else:
            total += unit * ((quantity if last else top) - below) + flat
            if last:
                return total
            below = top
    return total


def spread(amount: int, weights: list[int]) -> list[int]:
    """A whole amount shared by weight; the parts add up (largest remainder)."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]
    rest = sorted(range(len(weights)), key=lambda i: -(amount * weights[i] % whole))
    for index in rest[: amount - sum(parts)]:
        parts[index] += 1
    return parts


def taken_off(coupon: Json, amounts: list[int], currency: str) -> list[int]:
    """What one coupon takes off each of these amounts; never more than there is."""
    open_amounts = [max(0, amount) for amount in amounts]
    if coupon["percent_off"] is not None:
        share = Decimal(str(coupon["percent_off"])) / 100
        return [rounded(amount * share, currency) for amount in open_amounts]
    if coupon["currency"] != currency:
        return [0] * len(amounts)
    return spread(min(coupon["amount_off"], sum(open_amounts)), open_amounts)


def taxes(net: int, rates: tuple[Json, ...], currency: str) -> list[tuple[Json, int, int]]:
    """(rate, tax, taxable amount) of each rate; inclusive tax is within `net`, other on top."""
    within = sum(Decimal(str(rate["percentage"])) for rate in rates if rate["inclusive"])
    base = Decimal(net) / (1 + Decimal(within) / 100)
    found = []
    for rate in rates:
        tax = base * Decimal(str(rate["percentage"])) / 100
        found.append((rate, rounded(tax, currency), rounded(base, currency)))
    return found


def part(amount: int, elapsed: int, whole: int, currency: str) -> int:
    """The share of an amount that a part of its period is worth, to the second."""
    return rounded(Decimal(amount) * elapsed / whole, currency)


def decimal_text(value: Decimal) -> str:
    """A decimal as the API writes it, with at most 12 places: "0.5", "2000"."""
    text = format(value.quantize(Decimal("1e-12"), ROUND_DOWN).normalize(), "f")
    return "0" if text in {"-0", ""} else text
