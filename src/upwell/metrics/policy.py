"""Counting rules: each choice where serious products differ, as a field with its default.

A policy is a value: two answers under equal policies are the same numbers. Its name and version
travel with every answer. `choices` has the fields in words.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from upwell.billing import PauseBehavior
from upwell.errors import Rejected, nearest

Factors = Literal["exact", "four_weeks"]
DiscountPolicy = Literal["forever_only", "recurring", "all", "none"]
ChurnRecognition = Literal["ended", "service_end", "requested"]
RefundedInvoices = Literal["keep", "as_if_never_paid"]
RefundWithCancel = Literal["keep", "churn"]
Granularity = Literal["day", "event_window", "period_net"]
FxPolicy = Literal["constant", "period_end", "tx_date", "none"]
CustomerChurn = Literal["standard", "stripe", "resubscribed", "naive", "daily"]
TrialConversion = Literal["window", "ended", "ever"]


class MetricPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Every counting rule of revenue (R2 to R16 of the definitions); the defaults are Upwell's.

    Days and minutes are whole numbers; None is "without limit" or "never".
    """

    name: str = "upwell"
    title: str = "Upwell"
    version: int = 1
    factors: Factors = "exact"
    rounding: Literal["micro", "minor"] = "micro"
    tax: Literal["excluded", "included"] = "excluded"
    metered: Literal["excluded", "included"] = "excluded"
    past_due_days: int | None = None
    paused: Literal["zero", "counts"] = "zero"
    pause_zero: tuple[PauseBehavior, ...] = ("void",)
    zero_price: Literal["churn", "active"] = "churn"
    discounts: DiscountPolicy = "recurring"
    granularity: Granularity = "day"
    event_window_minutes: int = 60
    reactivation_days: int | None = None
    ignore_same_month_roundtrip: bool = False
    churn_recognition: ChurnRecognition = "ended"
    refunded_invoices: RefundedInvoices = "keep"
    refund_with_cancel: RefundWithCancel = "keep"
    fx: FxPolicy = "constant"
    customer_churn: CustomerChurn = "standard"
    net_churn_with_reactivation: bool = False
    quick_ratio_with_reactivation: bool = False
    retention_months: int = 12
    ltv_churn_months: int = 6
    cac_lag_days: int = 0
    trial_conversion: TrialConversion = "window"
    trial_days: int = 30
    recovery_days: int = 30
    closed_months: Literal["restate", "adjust"] = "restate"

    @property
    def reads_refunds(self) -> bool:
        """Whether money given back may change MRR."""
        return self.refunded_invoices != "keep" or self.refund_with_cancel != "keep"


PRESETS: dict[str, MetricPolicy] = {
    policy.name: policy
    for policy in (
        MetricPolicy(),
        MetricPolicy(
            name="stripe",
            title="Stripe Billing",
            fx="period_end",
            customer_churn="stripe",
            trial_conversion="ended",
        ),
        MetricPolicy(
            name="chartmogul",
            title="ChartMogul",
            rounding="minor",
            paused="counts",
            pause_zero=(),
            zero_price="active",
            granularity="event_window",
            fx="tx_date",
            net_churn_with_reactivation=True,
            trial_conversion="ever",
        ),
    )
}


def policy_named(name: str) -> MetricPolicy:
    """The preset of that name; Rejected (unknown_policy) with the near names."""
    found = PRESETS.get(name)
    if found is None:
        raise Rejected(
            "unknown_policy", f"unknown counting rules '{name}'", nearest(name, PRESETS), "policy"
        )
    return found
