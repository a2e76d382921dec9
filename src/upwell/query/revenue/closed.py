"""What was learned of closed months since they closed (R15)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from upwell.money import major
from upwell.period import to_instant
from upwell.projection.closes import Close, standing
from upwell.query.plan import Plan
from upwell.query.revenue.exchange import worth
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import alive, chosen
from upwell.query.revenue.reading import Asked, scope_of
from upwell.query.revenue.shapes import ClosedMonth
from upwell.query.revenue.sums import added


def note_of(plan: Plan, ledgers: Ledgers) -> str:
    """What an answer says of closed months whose MRR is another now; '' where none is."""
    if plan.metric.name not in ("mrr", "arr") or not ledgers.closes:
        return ""
    asked = Asked(plan, ledgers)
    changed = [
        f"{one.month} by {one.restated} {asked.exchange.target}"
        for one in closed_months(asked, ledgers.closes)
        if Decimal(one.restated)
    ]
    if not changed:
        return ""
    said = ", ".join(changed)
    if asked.pieces:
        return f"Learned after the month was closed, and in the first open month: {said}."
    return f"MRR at the end of closed months has changed since they were closed: {said}."


def closed_months(asked: Asked, closes: Iterable[Close]) -> tuple[ClosedMonth, ...]:
    """The months closed within the question's days, and by how much MRR at their ends moved."""
    plan, book, currency = asked.plan, asked.book, asked.exchange.target
    rows = book.rows
    own = chosen(book, rows, scope_of(plan))
    found = []
    for close in standing(closes, plan.known_at):
        if not plan.start < close.end <= plan.end:
            continue
        differs = (rows.day < close.end) & (alive(rows, close.at) != alive(rows, plan.known_at))
        if own is not None:
            differs &= own
        signs = np.where(alive(rows, close.at)[differs], -1, 1)
        sums = added(rows.currency[differs], rows.delta[differs] * signs, len(book.currencies) or 1)
        total = 0
        for fine, code in zip(sums.tolist(), book.currencies, strict=False):
            quote = asked.exchange.closing(code, close.end - 1)
            total += 0 if quote is None else worth(fine, code, quote)
        found.append(
            ClosedMonth(
                month=close.month,
                closed_at=to_instant(close.at),
                restated=major(total, currency),
            )
        )
    return tuple(found)
