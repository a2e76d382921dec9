"""A schedule as Stripe shows it: the phases that are set for the life of a subscription.

Its prices and coupons are names only; until they were read beside it the schedule waits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from upwell import billing
from upwell.period import MICROS
from upwell.sources.stripe import shapes, states, units
from upwell.sources.stripe.reading import Moment, Reading, Unusable, Waits, Want
from upwell.sources.stripe.shapes import id_of

LIVE = frozenset({"not_started", "active"})
OVER = frozenset({"completed", "released", "canceled"})


def schedule(read: Reading, found: shapes.Schedule, moment: Moment) -> None:
    """What the schedule sets for its subscription; one that has none yet is only counted."""
    subscription = id_of(found.subscription) or found.released_subscription or ""
    customer = id_of(found.customer)
    if not subscription or not customer:
        read.unknown["schedule without a subscription"] += 1
        return
    if found.status not in LIVE | OVER:
        raise Unusable(
            "unknown_status", f"Schedule {found.id} has the unknown status '{found.status}'."
        )
    wants: set[Want] = set()
    phases = [
        _phase(read, found, phase, subscription, wants)
        for phase in (found.phases if found.status in LIVE else ())
    ]
    if wants:
        raise Waits(frozenset(wants))
    read.records.append(
        billing.Schedule(
            source=read.source,
            id=found.id,
            at=moment.at,
            order=moment.order,
            customer=customer,
            subscription=subscription,
            status=cast("billing.ScheduleStatus", found.status),
            phases=tuple(sorted(phases, key=lambda phase: phase.start)),
            ends=found.end_behavior == "cancel" and found.status in LIVE,
        )
    )


def _phase(
    read: Reading, found: shapes.Schedule, phase: shapes.Phase, of: str, wants: set[Want]
) -> billing.Phase:
    currency = units.known(phase.currency or "")
    items = tuple(
        made
        for item in phase.items
        if (made := _item(read, found, phase, item, currency, of, wants)) is not None
    )
    money = currency or (items[0].price.currency if items else "")
    given = phase.discounts or (
        (shapes.PhaseDiscount(coupon=phase.coupon),) if phase.coupon else ()
    )
    return billing.Phase(
        start=phase.start_date * MICROS,
        end=None if phase.end_date is None else phase.end_date * MICROS,
        items=items,
        discounts=_discounts(read, phase, given, money, of, wants),
    )


def _item(
    read: Reading,
    found: shapes.Schedule,
    phase: shapes.Phase,
    item: shapes.PhaseItem,
    currency: str | None,
    of: str,
    wants: set[Want],
) -> billing.Item | None:
    name = id_of(item.price) or id_of(item.plan)
    if not name:
        raise Unusable("no_price", f"A phase of schedule {found.id} has an item without a price.")
    price = item.price if isinstance(item.price, shapes.Price) else read.extra.prices.get(name)
    if price is None and name in read.extra.prices:
        raise Unusable("unpriced", f"Price {name} of schedule {found.id} is gone.")
    if price is None:
        wants.add(Want("price", name))
        return None
    money = currency or units.known(price.currency)
    if money is None:
        raise Unusable("unknown_currency", f"Schedule {found.id} is in no known currency.")
    made = states.priced(read, price, money, wants)
    if made is None:
        return None
    sold = price.product
    named = sold.metadata if isinstance(sold, shapes.Named) else None
    about = (item.metadata, price.metadata, named, phase.metadata, found.metadata)
    return billing.Item(
        id="",
        product=read.product((price.id, id_of(sold)), *about),
        price=made,
        quantity=Decimal(1) if item.quantity is None else item.quantity,
        inclusive_tax=states.inclusive(item.tax_rates or phase.default_tax_rates),
        discounts=_discounts(read, phase, item.discounts or (), money, of, wants),
    )


def _discounts(
    read: Reading,
    phase: shapes.Phase,
    given: tuple[shapes.PhaseDiscount, ...],
    currency: str,
    of: str,
    wants: set[Want],
) -> tuple[billing.Discount, ...]:
    """The discounts of a phase: those that go on, and those that begin with it by a coupon."""
    whole: list[str | shapes.Discount] = []
    for one in given:
        if one.discount is not None:
            whole.append(one.discount)
        elif one.coupon is not None:
            source = shapes.CouponSource(coupon=one.coupon)
            name = f"{phase.start_date}:{id_of(one.coupon)}"
            whole.append(shapes.Discount(id=name, start=phase.start_date, source=source))
    return states.discounts_of(read, of, tuple(whole), currency, wants)
