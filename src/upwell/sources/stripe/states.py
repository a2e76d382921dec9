"""A subscription as Stripe shows it becomes a state: items, prices, discounts, dates.

What a body only points to (tiers, discounts, other currencies) is taken from what was read beside
it; until that is there the state waits, so that no state is ever priced wrongly.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, cast, get_args

from upwell import billing
from upwell.period import MICROS
from upwell.sources.stripe import shapes, units
from upwell.sources.stripe.reading import Moment, Reading, Unusable, Waits, Want, micros
from upwell.sources.stripe.shapes import id_of

_TiersMode = Literal["graduated", "volume"]
STATUSES = frozenset(get_args(billing.Status))
INTERVALS = frozenset(get_args(billing.Interval))
PAUSES = frozenset(get_args(billing.PauseBehavior))
DURATIONS = frozenset(get_args(billing.Duration))
RANKS = {
    "incomplete": 0,
    "trialing": 1,
    "paused": 2,
    "active": 3,
    "past_due": 5,
    "unpaid": 6,
    "incomplete_expired": 8,
    "canceled": 9,
    "not_started": 0,  # this and the others are those of schedules
    "completed": 9,
    "released": 9,
}
RECOVERED = 7  # active again after past_due, unpaid or a pause
NOT_ASKED = frozenset({"payment_failed", "payment_disputed"})


def subscription(read: Reading, found: shapes.Subscription, moment: Moment) -> None:
    """The start of a trial, the click of a cancellation or of taking it back, and the state.

    Clicks are news and come first: only the state waits for what must be read to price it.
    """
    if found.customer and found.status in STATUSES:
        # Only the event that brought the change, or a list: later ones may name another plan.
        if moment.first(found.trial_start, "trial_start"):
            _trial(read, found)
        if moment.first(found.canceled_at, "canceled_at"):
            _click(read, found)
        _withdrawn(read, found, moment)
    read.records.append(state_of(read, found, moment))


def state_of(
    read: Reading, found: shapes.Subscription, moment: Moment
) -> billing.SubscriptionState:
    """The state at a moment; raises Unusable, or Waits for what must be read first."""
    customer, currency = id_of(found.customer), units.known(found.currency or "")
    if not customer:
        raise Unusable("no_customer", f"Subscription {found.id} names no customer.")
    if found.status not in STATUSES:
        raise Unusable(
            "unknown_status", f"Subscription {found.id} has the unknown status '{found.status}'."
        )
    listed = found.items.data if found.items else ()
    if currency is None:
        first = next((one.price or one.plan for one in listed if one.price or one.plan), None)
        currency = units.known(first.currency) if first else None
    if currency is None:
        raise Unusable("unknown_currency", f"Subscription {found.id} is in no known currency.")
    ended = found.status in ("canceled", "incomplete_expired")
    if not listed and not ended:
        raise Unusable("no_items", f"Subscription {found.id} has no items, so nothing to count.")
    if found.items and found.items.has_more:
        raise Waits(frozenset({Want("items", found.id)}))
    wants: set[Want] = set()
    items = tuple(_item(read, found, one, currency, wants) for one in listed if not one.deleted)
    discounts = discounts_of(read, found.id, _given(found), currency, wants)
    if wants:
        raise Waits(frozenset(wants))
    said, pause = found.cancellation_details, found.pause_collection
    first_item = listed[0] if listed else None
    start = found.current_period_start or (first_item and first_item.current_period_start)
    end = found.current_period_end or (first_item and first_item.current_period_end)
    behavior = pause.behavior if pause and pause.behavior in PAUSES else None
    return billing.SubscriptionState(
        source=read.source,
        id=found.id,
        customer=customer,
        at=moment.at,
        order=moment.order,
        status=cast(billing.Status, found.status),
        currency=currency,
        items=items,
        discounts=discounts,
        created=micros(found.created),
        trial_start=micros(found.trial_start),
        trial_end=micros(found.trial_end),
        period_start=micros(start or None),
        period_end=micros(end or None),
        cancel_at=micros(found.cancel_at or (end if found.cancel_at_period_end else None) or None),
        canceled_at=micros(found.canceled_at),
        ended_at=micros(found.ended_at),
        reason=(said and (said.feedback or said.reason)) or "",
        pause=cast(billing.PauseBehavior | None, behavior),
        pause_resumes=micros(pause.resumes_at) if pause and behavior else None,
    )


def rank(status: str, previous: object) -> int:
    """How late a status comes among states of one second."""
    if status == "active" and previous in ("past_due", "unpaid", "paused"):
        return RECOVERED
    return RANKS.get(status, 4)


def priced(
    read: Reading, found: shapes.Price, currency: str, wants: set[Want]
) -> billing.Price | None:
    """A price as counting rules read it; None while something of it is wanted."""
    known = read.extra.prices.get(found.id)
    product = id_of(found.product)
    recurring = found.recurring
    interval = recurring.interval if recurring else None
    if interval is not None and interval not in INTERVALS:
        raise Unusable("unknown_interval", f"Price {found.id} recurs each '{interval}'.")
    if recurring and not 0 < recurring.interval_count <= 10_000:
        raise Unusable("unknown_interval", f"Price {found.id} has no usable interval.")
    metered = bool(recurring and recurring.usage_type == "metered")
    unit, tiers = _amounts(found, known, currency)
    if unit is None and not tiers and not metered and interval is not None:
        if found.id not in read.extra.prices:
            wants.add(Want("price", found.id))
            return None
        raise Unusable("unpriced", f"Price {found.id} says no amount in {currency}.")
    packed = found.transform_quantity
    mode = found.tiers_mode if found.tiers_mode in ("graduated", "volume") else None
    return billing.Price(
        id=found.id,
        plan=read.plan(found.id, product, found.nickname),
        currency=currency,
        interval=cast(billing.Interval | None, interval),
        interval_count=recurring.interval_count if recurring else 1,
        unit=unit,
        metered=metered,
        tiers=tiers,
        tiers_mode=cast(_TiersMode | None, mode),
        divide_by=packed.divide_by if packed and packed.divide_by > 0 else None,
        round_up=bool(packed and packed.round == "up"),
    )


def discount(
    read: Reading, found: shapes.Discount, currency: str, wants: set[Want]
) -> billing.Discount | None:
    """A discount with its coupon's terms; None while they are wanted, or Stripe has none."""
    pointed = (found.source.coupon if found.source else None) or found.coupon
    coupon = pointed if isinstance(pointed, shapes.Coupon) else None
    if coupon is None:
        name = id_of(pointed)
        if not name or (name in read.extra.coupons and read.extra.coupons[name] is None):
            read.doubt("coupon_gone", found.id)
            return None
        coupon = read.extra.coupons.get(name)
        if coupon is None:
            wants.add(Want("coupon", name))
            return None
    money = units.known(coupon.currency or "") or currency
    amount = coupon.amount_off
    if amount is not None and money != currency:
        other = (coupon.currency_options or {}).get(currency.lower())
        if other is not None and other.amount_off is not None:
            amount, money = other.amount_off, currency
    duration = coupon.duration if coupon.duration in DURATIONS else "forever"
    return billing.Discount(
        id=found.id,
        percent=coupon.percent_off,
        amount=None if amount is None else units.minor(amount, money),
        currency=None if amount is None else money,
        duration=cast(billing.Duration, duration),
        start=micros(found.start),
        end=micros(found.end),
    )


def _given(found: shapes.Subscription) -> tuple[str | shapes.Discount, ...]:
    if found.discounts:
        return found.discounts
    return (found.discount,) if found.discount else ()


def discounts_of(
    read: Reading,
    of: str,
    given: tuple[str | shapes.Discount, ...] | None,
    currency: str,
    wants: set[Want],
) -> tuple[billing.Discount, ...]:
    """Discounts of a subscription that are told of, whole or by their names."""
    found = []
    for each in given or ():
        whole = read.extra.discounts.get(each) if isinstance(each, str) else each
        if whole is None:
            if isinstance(each, str) and each not in read.extra.discounts:
                wants.add(Want("discount", each, of))
            else:
                read.doubt("discount_gone", id_of(each))
            continue
        made = discount(read, whole, currency, wants)
        if made is not None:
            found.append(made)
    return tuple(found)


def _item(
    read: Reading,
    found: shapes.Subscription,
    item: shapes.Item,
    currency: str,
    wants: set[Want],
) -> billing.Item:
    price = _price_of(item)
    if price is None:
        raise Unusable("no_price", f"Item {item.id} of subscription {found.id} has no price.")
    made = priced(read, price, currency, wants)
    return billing.Item(
        id=item.id,
        product=_product_of(read, found, item, price),
        price=made or billing.Price(id=price.id, plan="", currency=currency),
        quantity=Decimal(1) if item.quantity is None else item.quantity,
        inclusive_tax=inclusive(item.tax_rates or found.default_tax_rates),
        discounts=discounts_of(read, found.id, item.discounts, currency, wants),
    )


def inclusive(rates: tuple[str | shapes.TaxRate, ...] | None) -> Decimal:
    """The rate of all tax within a price."""
    return sum(
        (
            (rate.effective_percentage or rate.percentage or Decimal(0)) / 100
            for rate in rates or ()
            if isinstance(rate, shapes.TaxRate) and rate.inclusive
        ),
        Decimal(0),
    )


def _price_of(item: shapes.Item) -> shapes.Price | None:
    return item.price or (item.plan.as_price() if item.plan else None)


def _product_of(
    read: Reading, found: shapes.Subscription, item: shapes.Item, price: shapes.Price
) -> str:
    sold = price.product
    named = sold.metadata if isinstance(sold, shapes.Named) else None
    ids = (price.id, id_of(sold))
    return read.product(ids, item.metadata, price.metadata, named, found.metadata)


def _amounts(
    found: shapes.Price, known: shapes.Price | None, currency: str
) -> tuple[Decimal | None, tuple[billing.Tier, ...]]:
    """The unit's amount and the tiers, in `currency`, from the price or what was read of it."""
    for price in (found, known):
        if price is None:
            continue
        own = units.known(price.currency) == currency
        terms: shapes.Price | shapes.Amounts | None = (
            price if own else (price.currency_options or {}).get(currency.lower())
        )
        if terms is None:
            continue
        if price.billing_scheme == "tiered":
            if terms.tiers:
                return None, tuple(_tier(tier, currency) for tier in terms.tiers)
            continue
        unit = _either(terms.unit_amount_decimal, terms.unit_amount)
        if unit is not None:
            return units.minor(unit, currency), ()
    return None, ()


def _tier(tier: shapes.Tier, currency: str) -> billing.Tier:
    unit = _either(tier.unit_amount_decimal, tier.unit_amount)
    flat = _either(tier.flat_amount_decimal, tier.flat_amount)
    return billing.Tier(
        up_to=tier.up_to if isinstance(tier.up_to, int) else None,
        unit=units.minor(unit or 0, currency),
        flat=units.minor(flat or 0, currency),
    )


def _either(exact: Decimal | None, whole: int | None) -> Decimal | None:
    if exact is not None:
        return exact
    return None if whole is None else Decimal(whole)


# Clicks


def _trial(read: Reading, found: shapes.Subscription) -> None:
    if found.status in ("incomplete", "incomplete_expired"):
        return
    _told(read, found, "trial", f"trial:{found.trial_start}", found.trial_start or 0)


def _click(read: Reading, found: shapes.Subscription) -> None:
    """The cancellation, on the day it was asked for; not that of a payment which failed."""
    said = found.cancellation_details or shapes.Cancellation()
    if found.status == "incomplete_expired":
        return
    if said.reason in NOT_ASKED:
        read.unknown[f"ended by {said.reason}"] += 1
        return
    reason, at = said.feedback or "unknown", found.canceled_at or 0
    _told(read, found, "churn", f"cancel:{at}", at, reason=reason)


def _withdrawn(read: Reading, found: shapes.Subscription, moment: Moment) -> None:
    """A cancellation taken back: a trait of the customer, so that it is no second click."""
    before = moment.previous.get("canceled_at")
    if found.canceled_at is None and isinstance(before, int):
        at, name = moment.at // MICROS, "cancellation_withdrawn"
        _told(read, found, "identify", f"withdrawn:{before}", at, name=name)


def _told(
    read: Reading,
    found: shapes.Subscription,
    kind: str,
    key: str,
    at: int,
    *,
    reason: str = "",
    name: str = "",
) -> None:
    """The event for each product of the subscription once, with its first plan."""
    plans: dict[str, str] = {}
    for item in found.items.data if found.items else ():
        price = _price_of(item)
        if price is not None and not item.deleted:
            plan = read.plan(price.id, id_of(price.product), price.nickname)
            plans.setdefault(_product_of(read, found, item, price), plan)
    for product, plan in plans.items():
        read.add(
            kind,
            f"{found.id}:{key}",
            at,
            product=product,
            actor=id_of(found.customer),
            plan=plan,
            country=country(read, found.customer),
            reason=reason,
            name=name,
            subscription_id=found.id,
        )


def country(read: Reading, customer: shapes.Payer) -> str:
    """The customer's country, where the body says so or the door knew it."""
    if isinstance(customer, shapes.Customer) and customer.address and customer.address.country:
        return customer.address.country
    return read.countries.get(id_of(customer), "")
