"""What an item costs a month, exactly: intervals, tiers, packs, tax and discounts (R1, R3).

Fractions of minor units inside; one rounding at the end, to 1e-6 of a minor unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from upwell.billing import Discount, Item, Price
from upwell.errors import Rejected
from upwell.metrics.policy import MetricPolicy

MICRO = 10**6  # units of an amount in one minor unit
MOST = 10**17  # of one item: 10^11 minor units a month; sums of many still fit 64 bits

PER_MONTH: dict[str, dict[str, Fraction]] = {
    "exact": {
        "month": Fraction(1),
        "year": Fraction(1, 12),
        "week": Fraction(52, 12),
        "day": Fraction(365, 12),
    },
    "four_weeks": {
        "month": Fraction(1),
        "year": Fraction(1, 12),
        "week": Fraction(4),
        "day": Fraction(30),
    },
}
COUNTED = {
    "none": frozenset[str](),
    "forever_only": frozenset({"forever"}),
    "recurring": frozenset({"forever", "repeating"}),
    "all": frozenset({"forever", "repeating", "once"}),
}


def check_item(item: Item) -> None:
    """Rejected, with a named code, where a price cannot be read; it is never taken as 0.

    Codes: unknown_interval interval_count negative_quantity negative_price price_without_amount
    tiers_overlap tiers_end pack_size negative_tax discount_shape amount_too_large not_a_number.
    """
    price = item.price
    tiers = [part for tier in price.tiers for part in (tier.unit, tier.flat)]
    for number in (item.quantity, item.inclusive_tax, price.unit or Decimal(0), *tiers):
        if not number.is_finite():
            raise _unusable("not_a_number", f"{number} is no number", item)
    if price.interval is not None:
        if price.interval not in PER_MONTH["exact"]:
            raise _unusable("unknown_interval", f"every '{price.interval}' is not known", item)
        if price.interval_count < 1:
            raise _unusable("interval_count", f"every {price.interval_count} intervals", item)
    if item.quantity < 0:
        raise _unusable("negative_quantity", f"the quantity is {item.quantity}", item)
    if item.inclusive_tax < 0:
        raise _unusable("negative_tax", f"the tax rate is {item.inclusive_tax}", item)
    if price.divide_by is not None and price.divide_by < 1:
        raise _unusable("pack_size", f"packs of {price.divide_by}", item)
    if not price.metered:
        _check_amounts(item)
    for discount in item.discounts:
        check_discount(discount, price.currency)


def check_discount(discount: Discount, currency: str) -> None:
    """Rejected (discount_shape) where a discount takes neither a share nor an amount off."""
    percent, amount = discount.percent, discount.amount
    if percent is not None:
        fine = amount is None and percent.is_finite() and 0 <= percent <= 100
    else:
        fine = amount is not None and amount.is_finite() and amount >= 0
        fine = fine and discount.currency in (None, currency)
    if not fine:
        raise Rejected(
            "discount_shape",
            f"discount '{discount.id}' takes {percent} % or {amount} {discount.currency or ''} "
            f"off a price in {currency}",
            "A discount is a share from 0 to 100 % or an amount in the price's currency.",
            discount.id,
        )


def _check_amounts(item: Item) -> None:
    price = item.price
    if price.tiers:
        ends = [tier.up_to for tier in price.tiers]
        if len(set(ends)) < len(ends) or any(end is not None and end < 1 for end in ends):
            raise _unusable("tiers_overlap", "two tiers end at the same quantity", item)
        if None not in ends and item.quantity > max(end for end in ends if end is not None):
            raise _unusable("tiers_end", f"no tier holds {item.quantity} units", item)
        if any(tier.unit < 0 or tier.flat < 0 for tier in price.tiers):
            raise _unusable("negative_price", "a tier costs less than nothing", item)
    elif price.unit is None:
        raise _unusable("price_without_amount", "the price has no amount and no tiers", item)
    elif price.unit < 0:
        raise _unusable("negative_price", f"one unit costs {price.unit}", item)
    if charge(price, item.quantity) * PER_MONTH["exact"]["day"] * MICRO > MOST:
        raise _unusable("amount_too_large", "more than 10^9 a month is surely a mistake", item)


def _unusable(code: str, what: str, item: Item) -> Rejected:
    return Rejected(
        code,
        f"item '{item.id}' with price '{item.price.id}': {what}",
        "Correct the price in the billing system; until then the last state that can be read "
        "holds.",
        item.id,
    )


def charge(price: Price, quantity: Decimal) -> Fraction:
    """Minor units for one interval, before discounts and with the tax that is in the price."""
    count = Fraction(quantity)
    if price.divide_by is not None:
        packs = count / price.divide_by
        count = Fraction(-(-packs // 1) if price.round_up else packs // 1)
    if not price.tiers:
        return count * Fraction(price.unit or 0)
    tiers = sorted(price.tiers, key=lambda t: (t.up_to is None, t.up_to or 0))
    if price.tiers_mode == "volume":
        tier = next(t for t in tiers if t.up_to is None or count <= t.up_to)
        return count * Fraction(tier.unit) + Fraction(tier.flat)
    total, below = Fraction(0), Fraction(0)
    for tier in tiers:
        # Stripe charges the flat amount of the first tier even at a quantity of 0.
        if count <= below and below > 0:
            break
        end = count if tier.up_to is None else min(count, Fraction(tier.up_to))
        total += (end - below) * Fraction(tier.unit) + Fraction(tier.flat)
        below = end if tier.up_to is None else Fraction(tier.up_to)
    return total


def recurring(item: Item, policy: MetricPolicy) -> bool:
    """Whether the item is part of MRR at all: not charged once, nor metered where that is out."""
    price = item.price
    return price.interval is not None and not (price.metered and policy.metered == "excluded")


def active(discounts: Sequence[Discount], policy: MetricPolicy, at: int) -> tuple[Discount, ...]:
    """The discounts of a kind that counts which are at work at an instant (UTC microseconds)."""
    kinds = COUNTED[policy.discounts]
    return tuple(
        d
        for d in discounts
        if d.duration in kinds
        and (d.start is None or d.start <= at)
        and (d.end is None or at < d.end)
    )


def net_of_items(
    items: Sequence[Item],
    shared: Sequence[Discount],
    own: Sequence[Sequence[Discount]],
    policy: MetricPolicy,
) -> list[int]:
    """MRR of each item in 1e-6 of a minor unit, after its own and the shared discounts (R3).

    `shared` are the subscription's discounts at work, `own` those of each item. An amount off the
    whole subscription is shared over the items by gross MRR; what an item cannot take goes to the
    others. Each stays at 0 or above.
    """
    gross = [_gross(item, policy) for item in items]
    left = [
        _less(item, whole, mine, policy)
        for item, whole, mine in zip(items, gross, own, strict=True)
    ]
    for discount in shared:
        if discount.percent is not None:
            left = [part * (1 - Fraction(discount.percent) / 100) for part in left]
        else:
            _take(left, gross, items, Fraction(discount.amount or 0), policy)
    return [_kept(item, part, policy) for item, part in zip(items, left, strict=True)]


def _per_month(price: Price, policy: MetricPolicy) -> Fraction:
    return PER_MONTH[policy.factors][price.interval or "month"] / price.interval_count


def _gross(item: Item, policy: MetricPolicy) -> Fraction:
    if not recurring(item, policy):
        return Fraction(0)
    return charge(item.price, item.quantity) * _per_month(item.price, policy)


def _less(
    item: Item, gross: Fraction, discounts: Sequence[Discount], policy: MetricPolicy
) -> Fraction:
    left = gross
    for discount in discounts:
        if discount.percent is not None:
            left *= 1 - Fraction(discount.percent) / 100
        else:
            left -= Fraction(discount.amount or 0) * _per_month(item.price, policy)
        left = max(left, Fraction(0))
    return left


def _take(
    left: list[Fraction],
    gross: Sequence[Fraction],
    items: Sequence[Item],
    amount: Fraction,
    policy: MetricPolicy,
) -> None:
    """Take an amount per invoice off the items, by their gross MRR."""
    while amount > 0:
        open_ = [i for i, part in enumerate(left) if part > 0]
        whole = sum((gross[i] for i in open_), Fraction(0))
        if not whole:
            return
        rest = Fraction(0)
        for i in open_:
            factor = _per_month(items[i].price, policy)
            share = amount * gross[i] / whole
            taken = min(left[i], share * factor)
            left[i] -= taken
            rest += share - taken / factor
        amount = rest


def _kept(item: Item, amount: Fraction, policy: MetricPolicy) -> int:
    if policy.tax == "excluded" and item.inclusive_tax:
        amount /= 1 + Fraction(item.inclusive_tax)
    if policy.rounding == "minor":
        return round(amount) * MICRO
    return round(amount * MICRO)  # a Fraction rounds half to even
