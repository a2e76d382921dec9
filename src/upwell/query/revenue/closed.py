"""What was learned of closed months since they closed (R15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import numpy as np

from upwell.money import major
from upwell.period import add_months, first_of, to_date, to_day, to_instant
from upwell.projection.closes import Close, standing
from upwell.query.plan import Plan
from upwell.query.revenue.apart import each
from upwell.query.revenue.exchange import worth
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import alive, chosen
from upwell.query.revenue.reading import Asked, scope_of
from upwell.query.revenue.shapes import ClosedMonth
from upwell.query.revenue.sums import added

SAID = 3  # closed months that a note names


def note_of(plan: Plan, ledgers: Ledgers) -> str:
    """What an answer says of closed months whose MRR is another now; '' where none is."""
    if plan.metric.name not in ("mrr", "arr") or not ledgers.closes:
        return ""
    asks = [Asked(one, ledgers) for one in each(plan, ledgers)]
    changed = [
        f"{one.month} by {one.restated} {asked.exchange.target}"
        for asked in asks
        for one in closed_months(asked, ledgers.closes)
        if Decimal(one.restated)
    ]
    if not changed:
        return ""
    said = ", ".join(changed[-SAID:])
    if (more := len(changed) - SAID) > 0:
        said += f", and {more} earlier {'month' if more == 1 else 'months'}"
    if asks[0].pieces:
        return f"Learned after the month was closed, and in the first open month: {said}."
    return f"MRR at the end of closed months has changed since they were closed: {said}."


def closed_months(asked: Asked, closes: Iterable[Close]) -> tuple[ClosedMonth, ...]:
    """The closed months that end within the question's days, and by how much MRR then moved.

    Each is compared with what was known when it was closed, alone or with months after it.
    """
    plan = asked.plan
    found: list[ClosedMonth] = []
    open_from = plan.start
    for close in standing(closes, plan.known_at):
        ends = [end for end in _month_ends(open_from, plan.end) if end <= close.end]
        if ends:
            found += _moved(asked, close, ends)
            open_from = ends[-1]
    return tuple(found)


def _month_ends(start: int, last: int) -> Iterator[int]:
    """The days after the months that end after `start` and until `last`."""
    end = first_of(start, "month")
    while (end := to_day(add_months(to_date(end), 1))) <= last:
        yield end


def _moved(asked: Asked, close: Close, ends: Sequence[int]) -> Iterator[ClosedMonth]:
    """What became known after a close of the MRR at the ends of its months."""
    book, rows, known_at = asked.book, asked.book.rows, asked.plan.known_at
    then = alive(rows, close.at)
    differs = (rows.day < ends[-1]) & (then != alive(rows, known_at))
    own = chosen(book, rows, scope_of(asked.plan))
    place = np.flatnonzero(differs if own is None else differs & own)
    day, code = rows.day[place], rows.currency[place]
    fine = rows.delta[place] * np.where(then[place], -1, 1)
    for end in ends:
        inside = day < end
        sums = added(code[inside], fine[inside], len(book.currencies) or 1)
        total = 0
        for amount, name in zip(sums.tolist(), book.currencies, strict=False):
            quote = asked.exchange.closing(name, end - 1)
            total += 0 if quote is None else worth(amount, name, quote)
        yield ClosedMonth(
            month=to_date(end - 1).isoformat()[:7],
            closed_at=to_instant(close.at),
            restated=major(total, asked.exchange.target),
        )
