"""Billing periods: whole steps from an anchor, so that the 31st comes back after February."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def add_months(at: int, months: int) -> int:
    """The same day and time so many months on, or the month's last day where it is shorter."""
    start = datetime.fromtimestamp(at, UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def period_end(anchor: int, start: int, interval: str, count: int) -> int:
    """The end of the period that starts at `start`, a boundary counted from `anchor`.

    https://docs.stripe.com/billing/subscriptions/billing-cycle
    """
    days = _DAYS.get(interval)
    if days:
        return start + int(timedelta(days=days * count).total_seconds())
    first = datetime.fromtimestamp(anchor, UTC)
    here = datetime.fromtimestamp(start, UTC)
    passed = (here.year - first.year) * 12 + here.month - first.month
    return add_months(anchor, passed + _MONTHS[interval] * count)
