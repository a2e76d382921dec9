"""MRR where only invoices exist (R4); where states are known, prorated lines are never added."""

from __future__ import annotations

from fractions import Fraction

from upwell.errors import Rejected
from upwell.metrics.revenue.prices import MICRO, PER_MONTH


def invoice_mrr(
    amount: int,
    *,
    tax: int = 0,
    interval: str = "month",
    interval_count: int = 1,
    full_seconds: int = 1,
    prorated_seconds: int = 1,
) -> int:
    """MRR of one invoice line, in 1e-6 minor units, rounded to the minor unit.

    `amount` and `tax` are minor units; the seconds are those of the whole period and of the part
    that was charged. Source: ChartMogul, (amount - tax) x duration ratio x full / prorated.
    Rejected (unknown_interval, no_time_charged) where that is not defined.
    """
    factor = PER_MONTH["exact"].get(interval)
    if factor is None or interval_count < 1:
        raise Rejected(
            "unknown_interval",
            f"an invoice for {interval_count} '{interval}' is not known",
            "Intervals are day, week, month and year.",
        )
    if full_seconds < 1 or prorated_seconds < 1:
        raise Rejected(
            "no_time_charged",
            "an invoice line for no time at all has no MRR",
            "Give the seconds of the period and of the part that was charged.",
        )
    monthly = (amount - tax) * factor / interval_count
    return round(monthly * Fraction(full_seconds, prorated_seconds)) * MICRO
