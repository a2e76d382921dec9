"""Which items the lines of an invoice charge for, and from which moment on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from upwell import billing
from upwell.sources.stripe import shapes
from upwell.sources.stripe.shapes import id_of

DAY = 86_400
MONTH = 30.4375


class Instant(NamedTuple):
    """A moment at which something changed, with the lines of the items as they were then."""

    at: int
    lines: list[shapes.Line]
    partial: bool  # prorations alone: what they do not name goes on
    dropped: tuple[str, ...]


def instants(lines: list[shapes.Line]) -> Iterator[Instant]:
    """Each moment at which something changed, by its time."""
    lasting = [line for line in lines if lasts(line)]
    regular = [line for line in lasting if not is_proration(line)]
    prorated = [line for line in lasting if is_proration(line)]
    changed = {item_of(line) for line in prorated if line.amount > 0}
    current = {item_of(line): line for line in regular if item_of(line) not in changed}
    for at in sorted({start(line) for line in lasting}):
        here = [line for line in prorated if start(line) == at]
        current |= {item_of(line): line for line in here if line.amount > 0}
        gone = {item_of(line) for line in here if line.amount < 0}
        shown = [line for line in regular if start(line) <= at]
        partial = not any(start(line) == at for line in regular)
        if partial:
            if not any(line.amount for line in here):
                continue
            gone -= {item_of(line) for line in here if line.amount > 0}
            current = {name: line for name, line in current.items() if name not in gone}
            shown = list(current.values())
        gone -= {item_of(line) for line in shown}
        yield Instant(at, shown, partial, tuple(sorted(gone)))


def start(line: shapes.Line) -> int:
    """When the time that a line charges for begins (epoch seconds)."""
    return (line.period.start if line.period else None) or 0


def span(line: shapes.Line) -> tuple[billing.Interval, int]:
    """The interval whose length a line's period has."""
    assert line.period is not None
    days = ((line.period.end or 0) - (line.period.start or 0)) / DAY
    if days < 6.5:
        return "day", max(1, round(days))
    if days < 27.5:
        return "week", max(1, round(days / 7))
    months = max(1, round(days / MONTH))
    return ("year", months // 12) if months % 12 == 0 else ("month", months)


def lasts(line: shapes.Line) -> bool:
    """Whether a line charges for a time, not for a thing."""
    period = line.period
    return bool(period and period.start and period.end and period.end > period.start)


def is_proration(line: shapes.Line) -> bool:
    """Whether a line charges or credits a part of a period after a change."""
    parent = line.parent
    details = parent and (parent.subscription_item_details or parent.invoice_item_details)
    return bool(line.proration or (details and details.proration))


def is_free_trial(line: shapes.Line) -> bool:
    """Whether a line stands at 0 though its price does not."""
    said = line.pricing.unit_amount_decimal if line.pricing else None
    return line.amount == 0 and not line.discount_amounts and (line.quantity or 1) > 0 and said != 0


def item_of(line: shapes.Line) -> str:
    """The subscription's item that a line charges; the line's own id where it names none."""
    details = line.parent.subscription_item_details if line.parent else None
    return (details and details.subscription_item) or line.subscription_item or line.id


def subscription_of(line: shapes.Line) -> str:
    """The subscription that a line names, or ''."""
    parent = line.parent
    details = parent and (parent.subscription_item_details or parent.invoice_item_details)
    return id_of(details.subscription if details else None) or id_of(line.subscription)
