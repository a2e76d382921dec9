"""What became known of a day between two moments, delivery by delivery (R15)."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from upwell.metrics.revenue.causes import CAUSES
from upwell.money import major
from upwell.period import to_instant
from upwell.query.plan import Plan
from upwell.query.revenue.exchange import worth
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import chosen
from upwell.query.revenue.people import name_of
from upwell.query.revenue.proofs import Change, Changes
from upwell.query.revenue.reading import Asked, scope_of
from upwell.query.revenue.sums import Mask, added

MOST = 1_000  # changes listed one by one; the smallest beyond them are one


class _Of(NamedTuple):
    """What a change is of: one line of a customer."""

    person: int
    line: int


def changes(plan: Plan, ledgers: Ledgers, since: int, until: int) -> Changes:
    """The MRR at the end of the plan's last day as known at two instants (UTC micros)."""
    asked = Asked(plan, ledgers)
    book, rows, currency = asked.book, asked.book.rows, asked.exchange.target
    inside = rows.day < plan.end
    own = chosen(book, rows, scope_of(plan))
    if own is not None:
        inside &= own
    then = (rows.recorded_at <= since) & (rows.superseded_at > since)
    now = (rows.recorded_at <= until) & (rows.superseded_at > until)
    sums: defaultdict[_Of, int] = defaultdict(int)
    told: dict[_Of, tuple[int, int | None, int]] = {}  # recorded at, delivery, cause
    for n in np.flatnonzero(inside & then & ~now).tolist():
        of = _Of(int(rows.person[n]), int(rows.line[n]))
        sums[of] -= int(rows.delta[n])
        told[of] = (int(rows.superseded_at[n]), None, int(rows.cause[n]))
    for n in np.flatnonzero(inside & now & ~then).tolist():
        of = _Of(int(rows.person[n]), int(rows.line[n]))
        sums[of] += int(rows.delta[n])
        told[of] = (int(rows.recorded_at[n]), int(rows.seq[n]), int(rows.cause[n]))
    before, after = (_value(asked, inside & known) for known in (then, now))
    worths = {of: _worth(asked, fine, book.lines[of.line].currency) for of, fine in sums.items()}
    largest = sorted((of for of in worths if worths[of]), key=lambda of: -abs(worths[of]))
    found = [
        Change(
            amount=major(worths[of], currency),
            cause=CAUSES[told[of][2]],
            customer=book.persons[of.person].name or name_of(book, of.person),
            product=book.lines[of.line].product,
            plan=book.lines[of.line].plan,
            source=book.lines[of.line].source,
            delivery=told[of][1],
            recorded_at=to_instant(told[of][0]),
        )
        for of in largest[:MOST]
    ]
    rest = after - before - sum(worths[of] for of in largest[:MOST])
    if rest:
        found.append(
            Change(
                amount=major(rest, currency),
                cause="other",
                customer="",
                product="",
                plan="",
                source="",
                delivery=None,
                recorded_at=to_instant(until),
            )
        )
    return Changes(
        before=major(before, currency),
        after=major(after, currency),
        currency=currency,
        changes=tuple(found),
    )


def _value(asked: Asked, which: Mask) -> int:
    """What some rows come to at the end of the plan's last day."""
    book, rows = asked.book, asked.book.rows
    native = added(rows.currency[which], rows.delta[which], max(1, len(book.currencies)))
    return sum(
        _worth(asked, int(fine), currency)
        for fine, currency in zip(native, book.currencies, strict=False)
    )


def _worth(asked: Asked, fine: int, currency: str) -> int:
    quote = asked.exchange.closing(currency, asked.plan.end - 1)
    return 0 if quote is None else worth(fine, currency, quote)
