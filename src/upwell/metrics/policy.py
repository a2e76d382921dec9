"""Counting rules: each choice where serious products differ, as a field with its default.

A policy is a value: two answers under equal policies are the same numbers. Its name and version
travel with every answer. The fields' sentences are what the page of counting rules shows.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from upwell.billing import PauseBehavior
from upwell.errors import Rejected, nearest

Factors = Literal["exact", "four_weeks"]
DiscountPolicy = Literal["forever_only", "recurring", "all", "none"]
ChurnRecognition = Literal["ended", "service_end", "requested"]
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


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the counting rules as people read it."""

    name: str
    title: str
    definition: str


CHOICES: tuple[Choice, ...] = (
    Choice(
        name="factors",
        title="Months in a week or a day",
        definition="exact: a year is 12 months, 52 weeks, 365 days. "
        "four_weeks: a month is 4 weeks or 30 days.",
    ),
    Choice(
        name="rounding",
        title="Rounding of an item",
        definition="micro: the MRR of an item is kept to a millionth of a cent. "
        "minor: to the cent, so that three items of $1,000 a year are 249.99.",
    ),
    Choice(
        name="tax",
        title="Tax within the price",
        definition="excluded: a price of 121 with 21 % tax in it counts 100. "
        "included: it counts 121.",
    ),
    Choice(
        name="metered",
        title="Metered prices",
        definition="excluded: not in MRR, shown as usage run rate. "
        "included: at the quantity the subscription says.",
    ),
    Choice(
        name="past_due_days",
        title="Past due",
        definition="A subscription whose payment is late counts until the billing system ends it, "
        "or for this many days.",
    ),
    Choice(
        name="paused",
        title="Paused subscriptions",
        definition="zero: a pause takes the MRR away, a resume brings it back. "
        "counts: a pause changes nothing.",
    ),
    Choice(
        name="pause_zero",
        title="Paused collection",
        definition="With these settings of paused collection a subscription counts 0; "
        "with the others it counts on.",
    ),
    Choice(
        name="zero_price",
        title="Free after paying",
        definition="churn: who paid and now pays nothing has churned. "
        "active: stays a customer, at 0.",
    ),
    Choice(
        name="discounts",
        title="Discounts",
        definition="Which are taken off: forever_only, recurring (forever and for some months), "
        "all (also for one invoice), none.",
    ),
    Choice(
        name="granularity",
        title="What is one movement",
        definition="day: the change between the ends of two days. "
        "event_window: changes within some minutes of the first, over midnight too. "
        "period_net: the change between the ends of two months.",
    ),
    Choice(
        name="event_window_minutes",
        title="Minutes of an event window",
        definition="Changes that follow the first within this time are one movement; "
        "used where one movement is an event window.",
    ),
    Choice(
        name="reactivation_days",
        title="Reactivation",
        definition="Who comes back within this many days is a reactivation, later a new customer; "
        "without a number always a reactivation.",
    ),
    Choice(
        name="ignore_same_month_roundtrip",
        title="Came and went in one month",
        definition="Whether a customer who starts and ends in the same month is left out.",
    ),
    Choice(
        name="churn_recognition",
        title="Date of churn",
        definition="ended: when the billing system ended it. "
        "service_end: at the end of the last paid period. requested: at the click.",
    ),
    Choice(
        name="fx",
        title="Currencies",
        definition="constant: movements at the rates of the fiscal year, the headline at those of "
        "the period's end. period_end: both at the rates of periods' ends. "
        "tx_date: movements at the rate of the day on which the time began that is paid for. "
        "none: nothing is converted, one series a currency.",
    ),
    Choice(
        name="customer_churn",
        title="Customer churn rate",
        definition="standard: churned, without those who joined or came back in the period, over "
        "customers at the start. stripe: churned over customers at the start and new ones. "
        "resubscribed: churned less returned over customers at the start. "
        "naive: churned over customers at the start. daily: the sum of the days' rates.",
    ),
    Choice(
        name="net_churn_with_reactivation",
        title="Net MRR churn rate",
        definition="Whether MRR that came back is taken off, too.",
    ),
    Choice(
        name="quick_ratio_with_reactivation",
        title="Quick ratio",
        definition="Whether MRR that came back counts as a gain.",
    ),
    Choice(
        name="retention_months",
        title="Span of NRR and GRR",
        definition="How many months before the end of a bucket its customers are taken from.",
    ),
    Choice(
        name="ltv_churn_months",
        title="Churn behind lifetime value",
        definition="The mean customer churn rate of this many months before the current one.",
    ),
    Choice(
        name="cac_lag_days",
        title="Days from spend to customer",
        definition="New customers are set against what was spent this many days before.",
    ),
    Choice(
        name="trial_conversion",
        title="Trial conversion",
        definition="window: of the trials started in the bucket, the share that paid within the "
        "days below, without those still pending. ended: conversions over trials ended in the "
        "bucket. ever: of those started in the bucket, the share that ever paid.",
    ),
    Choice(
        name="trial_days",
        title="Days to convert",
        definition="How long after its start a trial may become a paying subscription.",
    ),
    Choice(
        name="recovery_days",
        title="Days to recover",
        definition="How long after its first failure a payment may still come.",
    ),
    Choice(
        name="closed_months",
        title="Changes to closed months",
        definition="restate: a late fact changes the month it belongs to. "
        "adjust: the closed month stays, the change stands in the open one.",
    ),
)

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
