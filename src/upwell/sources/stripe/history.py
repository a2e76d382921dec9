"""What was before the connection, pieced together from dates and invoice lines.

Stripe keeps only the present state of a subscription. Its own dates say when it began and ended;
each invoice says from when on which price was asked for. Such states are marked `reconstructed`.
An invoice that mentions a change of one item does not list the others: they are taken from the
invoice's regular lines, and what was charged before goes on (`metrics.revenue.rebuilt`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from upwell import billing
from upwell.period import MICROS
from upwell.sources.stripe import money, periods, shapes, states, units
from upwell.sources.stripe.reading import Moment, Reading, Waits, Want, micros
from upwell.sources.stripe.shapes import id_of

BEGUN, BILLED, ENDED = "00", "01", "02"  # order of what is known of one second
DAY = 86_400


def of_subscription(
    read: Reading, found: shapes.Subscription
) -> Iterator[billing.SubscriptionState]:
    """How it began, with its present items until an invoice knows better, and how it ended."""
    begun = found.start_date or found.created
    if begun is None or found.status in ("incomplete", "incomplete_expired"):
        return
    now = states.state_of(read, found, Moment(begun * MICROS, BEGUN))
    on_trial = found.trial_start is not None and found.trial_start <= begun + DAY
    first = _before(now, begun, BEGUN, "trialing" if on_trial else "active")
    yield first
    ended = found.ended_at
    _doubts(read, found, begun)
    if on_trial and found.trial_end and found.trial_end < (ended or found.trial_end + 1):
        yield _before(now, found.trial_end, BEGUN, "active")
    if found.status == "unpaid":
        yield from _unpaid(read, now)
    if ended is not None:
        yield msgspec.structs.replace(
            now, at=ended * MICROS, order=ENDED, status="canceled", reconstructed=True
        )


def _doubts(read: Reading, found: shapes.Subscription, begun: int) -> None:
    """What neither its dates nor its invoices tell of its past."""
    why = found.cancellation_details
    if read.received_at - begun * MICROS > DAY * MICROS:
        read.doubt("past_from_invoices", found.id)
    if found.status == "canceled" and why and why.reason == "payment_failed":
        read.doubt("past_due_since", found.id)
    if found.status == "paused" or found.pause_collection:
        read.doubt("paused_since", found.id)


def _unpaid(read: Reading, now: billing.SubscriptionState) -> Iterator[billing.SubscriptionState]:
    """Since when nobody pays: the last try to collect its invoice, which must be looked up."""
    if now.id not in read.extra.failed:
        raise Waits(frozenset({Want("failed", now.id)}))
    at = read.extra.failed[now.id]
    if at is None:
        read.doubt("unpaid_since", now.id)
        return
    yield msgspec.structs.replace(now, at=at * MICROS, order=ENDED, reconstructed=True)


def of_invoice(read: Reading, found: shapes.Invoice) -> Iterator[billing.SubscriptionState]:
    """The states that an invoice's lines give away, each from the start of its period on."""
    currency = units.known(found.currency)
    if found.status in ("void", None) or currency is None or not found.lines:
        return
    by_subscription: dict[str, list[shapes.Line]] = {}
    for line in found.lines.data:
        if money.metered(read, line):
            continue  # of the period before: it says nothing of what stands from now on
        if found.status == "draft" and not periods.is_proration(line):
            continue  # not asked for yet; only what changed before it is known
        if (of := periods.subscription_of(line) or money.subscription_of(found)) and line.period:
            by_subscription.setdefault(of, []).append(line)
    for of, lines in by_subscription.items():
        whose = _Whose(of, id_of(found.customer), currency, found.discounts or ())
        yield from _states(read, whose, lines)


def of_waiting(
    read: Reading, found: Sequence[shapes.InvoiceItem]
) -> Iterator[billing.SubscriptionState]:
    """The states that prorations give away which no invoice shows yet."""
    by_subscription: dict[_Whose, list[shapes.Line]] = {}
    for item in found:
        line, currency = item.as_line(), units.known(item.currency)
        of = periods.subscription_of(line)
        if of and currency and line.period and item.proration and not money.metered(read, line):
            whose = _Whose(of, id_of(item.customer), currency)
            by_subscription.setdefault(whose, []).append(line)
    for whose, lines in by_subscription.items():
        yield from _states(read, whose, lines)


class _Whose(NamedTuple):
    """The subscription that lines are of, and the discounts that their invoice names."""

    subscription: str
    customer: str
    currency: str
    discounts: tuple[str | shapes.Discount, ...] = ()


def _states(
    read: Reading, whose: _Whose, lines: list[shapes.Line]
) -> Iterator[billing.SubscriptionState]:
    currency = whose.currency
    for at, own, partial, dropped in periods.instants(lines):
        whole, single = _taken_off(read, whose.discounts, own, currency)
        items = tuple(
            _item(read, line, currency, tuple(single.get(periods.item_of(line), ())))
            for line in own
        )
        trial = bool(own) and all(periods.is_free_trial(line) for line in own)
        end = max((line.period.end or 0 for line in own if line.period), default=0)
        yield billing.SubscriptionState(
            source=read.source,
            id=whose.subscription,
            customer=whose.customer,
            at=at * MICROS,
            order=BILLED,
            status="trialing" if trial else "active",
            currency=currency,
            items=items,
            discounts=whole,
            trial_start=micros(at) if trial else None,
            # No end: a trial may have been made longer since, and an invoice follows it.
            period_start=micros(at),
            period_end=micros(end or None),
            reconstructed=True,
            partial=partial,
            dropped=dropped,
        )


def _before(
    now: billing.SubscriptionState, at: int, order: str, status: billing.Status
) -> billing.SubscriptionState:
    """An earlier state with the present one's items: nothing was asked for or ended yet."""
    return msgspec.structs.replace(
        now,
        at=at * MICROS,
        order=order,
        status=status,
        period_start=None,
        period_end=None,
        cancel_at=None,
        canceled_at=None,
        ended_at=None,
        reason="",
        pause=None,
        pause_resumes=None,
        reconstructed=True,
    )


def _item(
    read: Reading,
    line: shapes.Line,
    currency: str,
    discounts: tuple[billing.Discount, ...],
) -> billing.Item:
    price, vendor = money.price_of(line)
    quantity = Decimal(1) if line.quantity is None else line.quantity
    known = money.known_price(read, line)
    wants: set[Want] = set()
    made = states.priced(read, known, currency, wants) if known else None
    if made is None:
        read.doubt("price_gone", price or periods.item_of(line))
        made = _guessed(read, line, currency, price, vendor, quantity)
    return billing.Item(
        id=periods.item_of(line),
        product=read.product((price, vendor), line.metadata),
        price=made,
        quantity=quantity,
        inclusive_tax=_inclusive(line),
        discounts=discounts,
        # An item without an id of its own cannot be told from the one that takes its place.
        until=micros(line.period.end) if line.period and periods.item_of(line) != line.id else None,
    )


def _inclusive(line: shapes.Line) -> Decimal:
    """The rate of the tax within a line: the roundest one that makes its amount."""
    within = sum(tax.amount for tax in line.taxes or line.tax_amounts or () if tax.within)
    gross = line.amount - sum(one.amount for one in line.discount_amounts or ())
    if not 0 < within < gross:
        return Decimal(0)
    exact = Decimal(within) / (gross - within)
    for places in range(2, 7):
        rate = round(exact, places)
        if round(gross - gross / (1 + rate)) == within:
            return rate
    return exact


def _guessed(
    read: Reading, line: shapes.Line, currency: str, price: str, vendor: str, quantity: Decimal
) -> billing.Price:
    """A price that nobody can look up any more, from what was asked for how long a time."""
    interval, count = periods.span(line)
    said = line.pricing.unit_amount_decimal if line.pricing else None
    unit = said if said is not None else Decimal(line.amount) / (quantity or 1)
    return billing.Price(
        id=price,
        plan=read.plan(price, vendor),
        currency=currency,
        interval=interval,
        interval_count=count,
        unit=units.minor(unit, currency),
    )


def _taken_off(
    read: Reading,
    named: Iterable[str | shapes.Discount],
    lines: list[shapes.Line],
    currency: str,
) -> tuple[tuple[billing.Discount, ...], dict[str, list[billing.Discount]]]:
    """The discounts behind some lines: of the whole subscription, and of single items.

    One whose coupon nobody knows any more is an amount for one period of its line.
    """
    given = [*named, *(one for line in lines for one in line.discounts or ())]
    known = {one.id: one for one in given if isinstance(one, shapes.Discount)}
    whole: dict[str, billing.Discount] = {}
    single: dict[str, list[billing.Discount]] = {}
    for line in lines:
        for one in line.discount_amounts or ():
            name = id_of(one.discount)
            terms = one.discount if isinstance(one.discount, shapes.Discount) else known.get(name)
            made = states.discount(read, terms, currency, set()) if terms else None
            if made is not None and terms is not None and terms.subscription_item is None:
                whole[name] = made
                continue
            if made is None and one.amount > 0 and not periods.is_proration(line):
                made = billing.Discount(
                    id=name or f"{line.id}:discount",
                    amount=units.minor(one.amount, currency),
                    currency=currency,
                    duration="repeating",
                )
            if made is not None:
                single.setdefault(periods.item_of(line), []).append(made)
    return tuple(whole.values()), single
