"""Payments that failed, and what came of them (R16)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal, NamedTuple

from upwell.billing import Payment
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.rates import ratio
from upwell.period import DAY_MICROS

Outcome = Literal["recovered", "lost", "open"]
Loss = Literal["voluntary", "involuntary", "unknown"]
INVOLUNTARY = frozenset({"payment_failed", "unpaid", "auto_churn", "delinquent", "fraudulent"})


class Recovery(NamedTuple):
    """First failures of a span; amounts are minor units of one currency."""

    failed: int = 0
    recovered: int = 0
    lost: int = 0
    open: int = 0
    failed_amount: int = 0
    recovered_amount: int = 0
    lost_amount: int = 0

    @property
    def by_count(self) -> Fraction | None:
        """Share recovered, of those whose outcome is known."""
        return ratio(self.recovered, self.recovered + self.lost)

    @property
    def by_amount(self) -> Fraction | None:
        """The same share of the money."""
        return ratio(self.recovered_amount, self.recovered_amount + self.lost_amount)


def outcome(payment: Payment, policy: MetricPolicy, now: int) -> Outcome | None:
    """What came of a payment that failed once, at `now` (UTC microseconds); None if none failed.

    Paid within `recovery_days` of the first failure is recovered; given up, or not paid by then, is
    lost, even if it is paid later.
    """
    if payment.first_failed is None or payment.first_failed > now:
        return None
    limit = payment.first_failed + policy.recovery_days * DAY_MICROS
    if payment.paid_at is not None and payment.paid_at <= now:
        return "recovered" if payment.paid_at <= limit else "lost"
    if payment.status in ("void", "uncollectible") or now > limit:
        return "lost"
    return "open"


def recovery(
    payments: Iterable[Payment], policy: MetricPolicy, first: int, end: int, now: int
) -> Recovery:
    """What came of the payments of one currency that first failed within [first, end)."""
    found = Recovery()
    for payment in payments:
        if payment.first_failed is None or not first <= payment.first_failed < end:
            continue
        known = outcome(payment, policy, now)
        if known is None:
            continue
        found = found._replace(
            failed=found.failed + 1,
            failed_amount=found.failed_amount + payment.due,
            recovered=found.recovered + (known == "recovered"),
            recovered_amount=found.recovered_amount + payment.due * (known == "recovered"),
            lost=found.lost + (known == "lost"),
            lost_amount=found.lost_amount + payment.due * (known == "lost"),
            open=found.open + (known == "open"),
        )
    return found


def loss(cause: str, reason: str) -> Loss:
    """Whether churn was the customer's wish, from the row's cause and the source's reason.

    A missing reason is unknown, never voluntary.
    """
    if cause == "payment_failed" or reason in INVOLUNTARY:
        return "involuntary"
    return "voluntary" if reason else "unknown"
