"""What metered prices come to in a month: from the invoices that charged for their use (R2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import msgspec

from upwell.billing import Payment
from upwell.event import GrowthEvent
from upwell.metrics.revenue.display import rounded_parts
from upwell.metrics.revenue.rates import USAGE_MONTHS, usage_run_rate
from upwell.money import converted, from_nanos
from upwell.period import add_months, first_of, to_date, to_day, to_instant
from upwell.query.lines import APART, Amounts, Line, Number, Reading, counted
from upwell.query.plan import Plan
from upwell.query.read import sum_up
from upwell.query.revenue.exchange import nanos_of
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.rows import Row, Rows, Source

FINE = 10**6  # of a minor unit


class Use(NamedTuple):
    """One invoiced use of a metered price, less tax, in nano-units of its currency.

    `day` is the last local day of the time of use.
    """

    payment: Payment
    seq: int
    recorded_at: int
    product: str
    at: int
    day: int
    units: int


def read(plan: Plan, ledgers: Ledgers) -> Reading:
    """The mean of the three months that were over at the end of each bucket."""
    ends = [_over(plan, bucket.end) for bucket in plan.buckets[: plan.begun]]
    uses = uses_of(plan, ledgers)
    if not ends or not uses:
        named = plan.products if plan.question.by == "product" else [""]
        none: list[Number] = [None] * len(ends)
        return Reading([_line(plan, name, none) for name in named if not plan.native])
    first = _back(min(ends), USAGE_MONTHS)
    monthly = replace(
        plan,
        start=first,
        end=max(ends),
        question=msgspec.structs.replace(plan.question, grain="month"),
    )
    found: Amounts = {}
    begun: dict[str, int] = {}
    for use in uses:
        key = use.product if plan.question.by == "product" else ""
        month = first_of(use.day, "month")
        begun[key] = min(month, begun.get(key, month))
        if first <= use.day < max(ends):
            slots = found.setdefault(key, {}).setdefault(use.payment.currency, {})
            slots[use.day] = slots.get(use.day, 0) + use.units
    by_month = sum_up(monthly, found, ledgers.rates)
    months = {bucket.first: n for n, bucket in enumerate(monthly.buckets)}
    lines = []
    for line in by_month.lines:
        name = line.key.partition(APART)[0] if plan.question.by == "product" else ""
        spans = [[months[day] for day in _months(end, begun.get(name))] for end in ends]
        values = [_mean([line.values[n] for n in span]) for span in spans]
        early = {n for n, span in enumerate(spans) if not line.provisional.isdisjoint(span)}
        lines.append(_line(plan, line.key, values, line.currency, early))
    return Reading(lines, by_month.unconverted)


def usage_rows(
    plan: Plan,
    ledgers: Ledgers,
    key: str | None,
    limit: int,
    cursor: str | None,
) -> Rows:
    """The invoiced uses behind the last run rate, newest first, each with its share of it."""
    uses, begun = [], None
    product, _, currency = (key or "").partition(APART)
    if plan.native and plan.question.by is None:
        product, currency = "", key or ""
    for use in uses_of(plan, ledgers):
        if plan.question.by == "product" and product not in ("", use.product):
            continue
        month = first_of(use.day, "month")
        begun = month if begun is None else min(begun, month)
        if currency in ("", use.payment.currency):
            uses.append(use)
    span = _months(_over(plan, plan.last), begun)
    own = [use for use in uses if span and span[0] <= use.day < _back(span[-1], -1)]
    shown = plan.currency or currency
    exchange = ledgers.exchange(ledgers.policy(plan.question.policy), shown)
    quotes = [exchange.closing(use.payment.currency, use.day) for use in own]
    units = [0 if q is None else converted(u.units, q) for u, q in zip(own, quotes, strict=True)]
    shares = rounded_parts(units, len(span)) if units else []
    start = int(cursor) if cursor and cursor.isdecimal() and len(cursor) < 10 else 0
    order = sorted(range(len(own)), key=lambda n: (-own[n].at, -own[n].seq, n))
    page = order[start : start + limit]
    return Rows(
        rows=tuple(_row(own[n], shares[n], shown, len(span)) for n in page),
        cursor=str(start + limit) if len(order) > start + limit else None,
    )


def uses_of(plan: Plan, ledgers: Ledgers) -> list[Use]:
    """The uses of the plan's products on invoices that are open or paid, as they stand."""
    found = []
    for payment, seq, recorded_at, _ in ledgers.metered.invoices(plan):
        if payment.status not in ("open", "paid"):
            continue
        if plan.among and (payment.source, payment.customer) not in plan.among.accounts:
            continue
        for use in payment.usage:
            if use.product not in plan.products or use.amount <= 0:
                continue
            day = plan.zone.day_of(use.end - 1)
            units = nanos_of(use.amount * FINE, payment.currency)
            found.append(Use(payment, seq, recorded_at, use.product, use.end, day, units))
    return found


def _over(plan: Plan, end: int) -> int:
    """The day after the last month that was over at the end of a bucket, and is over now."""
    return first_of(min(end, plan.today), "month")


def _back(day: int, months: int) -> int:
    return to_day(add_months(to_date(day), -months))


def _months(end: int, since: int | None) -> list[int]:
    """The first days of the months that the mean is of: none before the first use."""
    if since is None:
        return []
    return [day for n in range(USAGE_MONTHS, 0, -1) if (day := _back(end, n)) >= since]


def _mean(amounts: Sequence[Number]) -> Number:
    """In whole nano-units; None where there is nothing but money without a rate."""
    if None in amounts and not any(amounts):
        return None
    mean = usage_run_rate([Fraction(amount or 0) for amount in amounts])
    return None if mean is None else round(mean)


def _line(
    plan: Plan,
    key: str,
    values: list[Number],
    currency: str | None = None,
    provisional: set[int] | None = None,
) -> Line:
    line = counted(plan, key, values, values[-1] if values else None)
    line.currency, line.provisional = currency or plan.currency, provisional or set()
    return line


def _row(use: Use, share: int, currency: str, months: int) -> Row:
    payment = use.payment
    own = from_nanos(use.units)
    event = GrowthEvent(
        product_id=use.product,
        event_type="usage",
        timestamp=to_instant(use.at),
        value=from_nanos(share),
        currency=currency,
        source=payment.source,
        actor_id=payment.customer,
        metadata={
            "invoice": payment.id,
            "amount": f"{own.normalize():f}",
            "currency": payment.currency,
            "months": months,
        },
    )
    brought = Source(seq=use.seq, source=payment.source, received_at=use.recorded_at)
    return Row(event=event, delivery=brought)
