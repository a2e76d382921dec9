"""Cash as we counted it against what each account's balance says, to the cent (R7)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from upwell.event import GrowthEvent
from upwell.metrics.authority import SAID
from upwell.money import WIDE, digits, from_nanos, major
from upwell.period import to_date, to_instant
from upwell.projection import Projection
from upwell.query.plan import Plan, versions
from upwell.query.revenue.exchange import nanos_of
from upwell.query.revenue.proofs import CashMonth, CashObject, Reconciliation
from upwell.query.rows import Row, Rows, Source

PAYOUTS = ("payout", "payout_reversal", "transfer", "payout_cancel", "payout_failure")
"""Movements out of an account's balance: neither earned nor spent."""

Month = tuple[str, str, str]  # account, currency, month


class _Entry(NamedTuple):
    """One amount of one side, in minor units: money that came in is positive."""

    id: str
    kind: str  # payment, refund or fee
    amount: int
    seq: int  # the delivery that told of it


class _Settled(NamedTuple):
    """One amount that was paid in another currency than it was booked in."""

    month: Month
    booked: _Entry
    currency: str
    presented: int


def reconciliation(plan: Plan, projection: Projection) -> Reconciliation:
    """Every account, currency and month of the plan's days, with the objects that differ.

    What was paid in one currency and booked in another is compared in the one it was booked in.
    """
    stripe, settled = _stripe(plan, projection)
    ours = _ours(plan, projection, {account for account, _, _ in stripe})
    _settle(ours, settled)
    rows = []
    for month in sorted(ours.keys() | stripe.keys()):
        account, currency, name = month
        mine, theirs = ours.get(month, []), stripe.get(month, [])
        if not mine and not theirs:
            continue  # all of it was booked in another currency
        own, other = (sum(entry.amount for entry in side) for side in (mine, theirs))
        rows.append(
            CashMonth(
                account=account,
                currency=currency,
                month=name,
                ours=_text(own, currency),
                stripe=_text(other, currency),
                difference=_text(own - other, currency),
                objects=tuple(_apart(mine, theirs, currency)),
            )
        )
    return Reconciliation(rows=tuple(rows))


def _stripe(plan: Plan, projection: Projection) -> tuple[dict[Month, list[_Entry]], list[_Settled]]:
    """What the balance transactions say, each with its fee apart; and which were exchanged."""
    found: defaultdict[Month, list[_Entry]] = defaultdict(list)
    settled = []
    rows = projection.reader().execute(
        """select c.source, c.currency, c.day, c.kind, c.id, c.cause, c.amount, c.fee, c.seq,
          json_extract_string(b.body, '$.presented')::bigint,
          json_extract_string(b.body, '$.presented_currency')
        from cash c join billing b using (no)
        where c.superseded_at is null and c.day >= ? and c.day < ?
          and c.kind not in (select unnest(?::varchar[])) order by c.ts, c.id""",
        [plan.start, plan.end, list(PAYOUTS)],
    )
    for row in rows.fetchall():
        source, currency, day, kind, id_, cause, amount, fee, seq, presented, other = row
        month = (source, currency, to_date(day).isoformat()[:7])
        name = cause or id_
        if kind in ("fee", "stripe_fee", "stripe_fx_fee", "tax_fee"):
            found[month].append(_Entry(name, "fee", amount - fee, seq))
            continue
        if amount:
            booked = _Entry(name, "payment" if amount > 0 else "refund", amount, seq)
            found[month].append(booked)
            if presented is not None:
                settled.append(_Settled(month, booked, other, presented))
        if fee:
            found[month].append(_Entry(name, "fee", -fee, seq))
    return found, settled


def _settle(ours: dict[Month, list[_Entry]], settled: Sequence[_Settled]) -> None:
    """Book our amounts in the currency and at the rate that the account booked them in."""
    for one in settled:
        account, _, name = one.month
        paid = ours.get((account, one.currency, name), [])
        for place, entry in enumerate(paid):
            if (entry.kind, entry.amount) == (one.booked.kind, one.presented):
                ours.setdefault(one.month, []).append(entry._replace(amount=one.booked.amount))
                del paid[place]
                break


def _ours(plan: Plan, projection: Projection, accounts: set[str]) -> dict[Month, list[_Entry]]:
    """What invoices brought with their tax, and the refunds and fees that were counted."""
    found: defaultdict[Month, list[_Entry]] = defaultdict(list)
    db, zone = projection.reader(), plan.zone
    rows = db.execute(
        """select source, currency, id, paid, paid_at, seq from payments
        where superseded_at is null and status = 'paid' and paid > 0 and paid_at >= ?
          and paid_at < ?
        qualify row_number() over (partition by source, id order by ts desc, no desc) = 1
        order by paid_at, id""",
        [zone.opens(plan.start), zone.opens(plan.end)],
    )
    for source, currency, id_, paid, at, seq in rows.fetchall():
        month = (source, currency, to_date(zone.day_of(at)).isoformat()[:7])
        found[month].append(_Entry(id_, "payment", paid, seq))
    accounts |= {account for account, _, _ in found}
    rows = db.execute(
        f"""select source, currency, day, {SAID} as said, sum(value),
          coalesce(json_extract_string(metadata, '$.charge'), '') as charge, max(seq)
        from events where superseded_at is null and day >= ? and day < ?
          and source in (select unnest(?::varchar[]))
          and (said in ('refund', 'fee') or (said = 'revenue' and reason = 'dispute'))
        group by source, currency, day, said, charge, ts, value < 0 order by ts, charge""",
        [plan.start, plan.end, sorted(accounts)],
    )
    for source, currency, day, kind, value, charge, seq in rows.fetchall():
        month = (source, currency, to_date(day).isoformat()[:7])
        units = minor(value, currency)
        amount = units if kind == "revenue" else -units
        name = "payment" if amount > 0 else kind  # a refund that failed brings money again
        found[month].append(_Entry(charge, name, amount, seq))
    return found


def _apart(mine: Sequence[_Entry], theirs: Sequence[_Entry], currency: str) -> list[CashObject]:
    """The objects that one side has and the other has not, by kind and amount."""
    if sum(entry.amount for entry in mine) == sum(entry.amount for entry in theirs):
        return []
    found = []
    for side, other, first in ((mine, theirs, True), (theirs, mine, False)):
        left = Counter((entry.kind, entry.amount) for entry in other)
        for entry in side:
            if left[entry.kind, entry.amount] > 0:
                left[entry.kind, entry.amount] -= 1
                continue
            amounts = (entry.amount, 0) if first else (0, entry.amount)
            ours, stripe = (_text(amount, currency) for amount in amounts)
            found.append(
                CashObject(
                    id=entry.id, kind=entry.kind, ours=ours, stripe=stripe, delivery=entry.seq
                )
            )
    return found


def minor(value: Decimal, currency: str) -> int:
    """A decimal in major units as minor units."""
    return int(value.scaleb(digits(currency), WIDE))


def _text(units: int, currency: str) -> str:
    return major(nanos_of(units * 10**6, currency), currency)


def cash_rows(
    plan: Plan, projection: Projection, key: str | None, limit: int, cursor: str | None
) -> Rows:
    """The balance transactions behind cash, newest first; each in its own currency."""
    column = {"product": "product", "currency": "currency", "source": "source"}.get(
        plan.question.by or "", "''"
    )
    start = int(cursor) if cursor and cursor.isdecimal() and len(cursor) < 10 else 0
    found = (
        projection.reader()
        .execute(
            f"""select source, id, ts, kind, net, currency, product, cause, seq, recorded_at
            from cash
        where {versions(plan)} and day >= ? and day < ? and product in (select unnest(?::varchar[]))
          and kind not in (select unnest(?::varchar[])) and (? is null or {column} = ?)
        order by ts desc, no desc limit ? offset ?""",
            [plan.start, plan.last, list(plan.products), list(PAYOUTS), key, key, limit + 1, start],
        )
        .fetchall()
    )
    shown = [
        Row(
            event=GrowthEvent(
                product_id=product,
                event_type="cash",
                timestamp=to_instant(ts),
                value=from_nanos(nanos_of(net * 10**6, currency)),
                currency=currency,
                source=source,
                idempotency_key=id_,
                metadata={"kind": kind, "of": cause},
            ),
            delivery=Source(seq=seq, source=source, received_at=recorded),
        )
        for source, id_, ts, kind, net, currency, product, cause, seq, recorded in found[:limit]
    ]
    return Rows(rows=tuple(shown), cursor=str(start + limit) if len(found) > limit else None)
