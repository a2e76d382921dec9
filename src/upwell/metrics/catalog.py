"""Every metric once: name, title, unit, direction, definition, and how it is summed.

An entry's `rule` says which kept sums answer it:

- `Sum`: events of a type, counted or their values added, by bucket
- `Net`: one sum less another
- `Distinct`: different actors of a set of event types, exact at every grain
- `MeanOfDays`: a distinct count whose coarser buckets are the mean of their days
- `Sessions`: session events, or gaps of 30 minutes between page views
- `Cohort`: of the actors who did `entry` in a bucket, the share who did `goal` within a window
- `Ledger`: movements of recurring revenue, under the counting rules of the question
"""

from __future__ import annotations

from typing import Literal

import msgspec

from upwell.errors import Rejected, nearest
from upwell.event import EVENT_TYPES, NOT_ACTIVITY

Unit = Literal["money", "count", "ratio", "seconds"]
Direction = Literal["up", "down", "none"]


class Sum(msgspec.Struct, frozen=True, tag_field="rule", tag="sum"):
    """Events of one type: `of="value"` adds their values, `of="count"` counts them."""

    type: str
    of: Literal["value", "count"]


class Net(msgspec.Struct, frozen=True, tag_field="rule", tag="net"):
    """One sum less another, bucket by bucket."""

    plus: Sum
    minus: Sum


class Distinct(msgspec.Struct, frozen=True, tag_field="rule", tag="distinct"):
    """Different actors with an event of the named set, per bucket and over any range."""

    set: Literal["actors", "active", "visitors"]


class MeanOfDays(msgspec.Struct, frozen=True, tag_field="rule", tag="mean_of_days"):
    """Distinct actors by day; a coarser bucket is the mean over its days."""

    set: Literal["actors", "active", "visitors"]


class Sessions(msgspec.Struct, frozen=True, tag_field="rule", tag="sessions"):
    """Session events, or page views at least 30 minutes after the actor's previous one."""


class Cohort(msgspec.Struct, frozen=True, tag_field="rule", tag="cohort"):
    """Share of the actors entering in a bucket who reached the goal within the window."""

    entry: str
    goal: str
    window_days: int


class Ledger(msgspec.Struct, frozen=True, tag_field="rule", tag="ledger"):
    """The ledger of recurring revenue: what moved, what stood at a bucket's end, or a rate of both.

    `told` is what billing systems say beside it: trials, notices, payments, balances. `events` is
    what counts in a product that no billing source tells of.
    """

    kind: Literal["flow", "stock", "rate", "told"]
    events: Sum | None = None


Rule = Sum | Net | Distinct | MeanOfDays | Sessions | Cohort | Ledger


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the catalogue; `dimensions` are those that need no scan."""

    name: str
    title: str
    unit: Unit
    direction: Direction
    definition: str
    rule: Rule
    dimensions: tuple[str, ...] = ()

    @property
    def hourly(self) -> bool:
        """Whether it is kept by the hour, too."""
        return not (isinstance(self.rule, Ledger) and self.rule.kind == "rate")

    @property
    def reads(self) -> frozenset[str]:
        """The event types whose arrival can change this metric."""
        return _reads(self.rule)


DEFAULT_ACTIVE = ("engagement", "session", "page_view", "activation", "signup")
SETS: dict[str, frozenset[str]] = {
    "actors": frozenset(EVENT_TYPES) - NOT_ACTIVITY,
    "active": frozenset(DEFAULT_ACTIVE),
    "visitors": frozenset({"page_view"}),
}

MRR = "@mrr"  # what a commit touches that changed the ledger


def _reads(rule: Rule) -> frozenset[str]:
    match rule:
        case Sum():
            return frozenset({rule.type})
        case Net():
            return frozenset({rule.plus.type, rule.minus.type})
        case Distinct() | MeanOfDays():
            # A workspace may widen what counts as active, so an active set may read any activity.
            return SETS["actors"] if rule.set == "active" else SETS[rule.set]
        case Sessions():
            return frozenset({"session", "page_view"})
        case Cohort():
            return frozenset({rule.entry, rule.goal})
        case Ledger(kind="told"):
            return frozenset({MRR, "revenue", "refund", "fee", "payment_failed", "trial", "churn"})
        case Ledger():
            return frozenset({MRR}) | (_reads(rule.events) if rule.events else frozenset())


_MONEY_DIMENSIONS = ("plan", "country", "channel", "currency", "source")
_COUNT_DIMENSIONS = ("plan", "country", "channel", "source")
_LEDGER_DIMENSIONS = ("plan", "interval", "country", "currency", "source", "cohort")
_MOVES_DIMENSIONS = (*_LEDGER_DIMENSIONS, "cause")

_ENTRIES = (
    Metric(
        name="revenue",
        title="Net revenue",
        unit="money",
        direction="up",
        definition="What was paid, less tax, less refunds, each on its own day. "
        "Other currencies at the ECB reference rate of that day.",
        rule=Net(plus=Sum("revenue", "value"), minus=Sum("refund", "value")),
        dimensions=_MONEY_DIMENSIONS,
    ),
    Metric(
        name="gross_revenue",
        title="Gross revenue",
        unit="money",
        direction="up",
        definition="What was paid, less tax, on the payment's day, before refunds.",
        rule=Sum("revenue", "value"),
        dimensions=_MONEY_DIMENSIONS,
    ),
    Metric(
        name="refunds",
        title="Refunds",
        unit="money",
        direction="down",
        definition="What was given back, on the refund's own day.",
        rule=Sum("refund", "value"),
        dimensions=_MONEY_DIMENSIONS,
    ),
    Metric(
        name="cancellations",
        title="Cancellations",
        unit="count",
        direction="down",
        definition="Customers whose cancellation was requested in the period. Where no billing "
        "source is connected, each churn event is one.",
        rule=Sum("churn", "count"),
        dimensions=(*_COUNT_DIMENSIONS, "reason"),
    ),
    Metric(
        name="churned_customers",
        title="Churned customers",
        unit="count",
        direction="down",
        definition="Customers whose last paid subscription ended in the period, pauses among them. "
        "Of a product without a billing source each churn event is one.",
        rule=Ledger("flow", events=Sum("churn", "count")),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="mrr",
        title="MRR",
        unit="money",
        direction="up",
        definition="What subscriptions that count bring in a month, at the end of the period, less "
        "tax and recurring discounts. Other currencies at the rate of the period's last day.",
        rule=Ledger("stock"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="arr",
        title="ARR",
        unit="money",
        direction="up",
        definition="Twelve times MRR.",
        rule=Ledger("stock"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="new_mrr",
        title="New MRR",
        unit="money",
        direction="up",
        definition="MRR of customers on the day they first pay. Movements are at the constant "
        "rates of the fiscal year.",
        rule=Ledger("flow"),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="expansion_mrr",
        title="Expansion MRR",
        unit="money",
        direction="up",
        definition="What customers who stayed pay more than the day before.",
        rule=Ledger("flow"),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="contraction_mrr",
        title="Contraction MRR",
        unit="money",
        direction="down",
        definition="What customers who stayed pay less than the day before.",
        rule=Ledger("flow"),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="churned_mrr",
        title="Churned MRR",
        unit="money",
        direction="down",
        definition="MRR of customers whose last paid subscription ended or was paused.",
        rule=Ledger("flow"),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="reactivation_mrr",
        title="Reactivation MRR",
        unit="money",
        direction="up",
        definition="MRR of customers who had churned, on the day they pay again.",
        rule=Ledger("flow"),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="net_new_mrr",
        title="Net new MRR",
        unit="money",
        direction="up",
        definition="New, expansion and reactivation less contraction and churn, at the constant "
        "rates of the fiscal year.",
        rule=Ledger("flow"),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="customers",
        title="Customers",
        unit="count",
        direction="up",
        definition="Customers with MRR at the end of the period; of several products, once each.",
        rule=Ledger("stock"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="new_customers",
        title="New customers",
        unit="count",
        direction="up",
        definition="Customers who first paid in the period.",
        rule=Ledger("flow"),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="reactivated_customers",
        title="Reactivated customers",
        unit="count",
        direction="up",
        definition="Customers who had churned and paid again in the period.",
        rule=Ledger("flow"),
        dimensions=_MOVES_DIMENSIONS,
    ),
    Metric(
        name="customer_churn_rate",
        title="Customer churn rate",
        unit="ratio",
        direction="down",
        definition="Of the customers at the start of the period, the share lost in it; by other "
        "counting rules, other formulas.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="gross_mrr_churn_rate",
        title="Gross MRR churn rate",
        unit="ratio",
        direction="down",
        definition="Churned and contracted MRR of the period over the MRR at its start.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="net_mrr_churn_rate",
        title="Net MRR churn rate",
        unit="ratio",
        direction="down",
        definition="Churned and contracted MRR less expansion, over the MRR at the start.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="nrr",
        title="Net revenue retention",
        unit="ratio",
        direction="up",
        definition="What the customers of 12 months before pay now over what they paid then, at "
        "one set of rates.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="grr",
        title="Gross revenue retention",
        unit="ratio",
        direction="up",
        definition="As net revenue retention, but each customer counts at most what they paid "
        "then.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="quick_ratio",
        title="Quick ratio",
        unit="ratio",
        direction="up",
        definition="New and expansion MRR over contracted and churned MRR.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="arpa",
        title="Revenue per customer",
        unit="money",
        direction="up",
        definition="MRR over customers, at the end of the period.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="asp",
        title="Sale price",
        unit="money",
        direction="up",
        definition="New MRR over new customers.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="ltv",
        title="Lifetime value",
        unit="money",
        direction="up",
        definition="Revenue per customer, times the gross margin, over the mean customer churn "
        "rate of the six months before. Without churn it is not defined.",
        rule=Ledger("rate"),
        dimensions=_LEDGER_DIMENSIONS,
    ),
    Metric(
        name="trial_conversion_rate",
        title="Trial conversion",
        unit="ratio",
        direction="up",
        definition="Of the trials started in the period, the share that paid within 30 days; those "
        "that may still do so are left out.",
        rule=Ledger("told"),
    ),
    Metric(
        name="recovery_rate",
        title="Recovered payments",
        unit="ratio",
        direction="up",
        definition="Of the money whose payment first failed in the period, the share that came "
        "within 30 days; what may still come is left out.",
        rule=Ledger("told"),
    ),
    Metric(
        name="mrr_set_to_cancel",
        title="MRR set to cancel",
        unit="money",
        direction="down",
        definition="MRR at the end of the period of subscriptions that have a date to end.",
        rule=Ledger("told"),
    ),
    Metric(
        name="cancelling_mrr",
        title="Cancelling MRR",
        unit="money",
        direction="down",
        definition="What the subscriptions brought in whose cancellation was asked for in the "
        "period, just before it.",
        rule=Ledger("told"),
    ),
    Metric(
        name="cash",
        title="Cash",
        unit="money",
        direction="up",
        definition="The sum of the accounts' balance transactions but payouts, fees taken off, on "
        "the day each was booked.",
        rule=Ledger("told"),
        dimensions=("currency", "source"),
    ),
    Metric(
        name="fees",
        title="Fees",
        unit="money",
        direction="down",
        definition="What payment processors kept, on the day they did.",
        rule=Sum("fee", "value"),
        dimensions=_MONEY_DIMENSIONS,
    ),
    Metric(
        name="trials",
        title="Trials",
        unit="count",
        direction="up",
        definition="Trials started in the period.",
        rule=Sum("trial", "count"),
        dimensions=_COUNT_DIMENSIONS,
    ),
    Metric(
        name="failed_payments",
        title="Failed payments",
        unit="count",
        direction="down",
        definition="Payments that failed, on the day of the failure.",
        rule=Sum("payment_failed", "count"),
        dimensions=(*_COUNT_DIMENSIONS, "reason"),
    ),
    Metric(
        name="signups",
        title="Signups",
        unit="count",
        direction="up",
        definition="Signup events in the period.",
        rule=Sum("signup", "count"),
        dimensions=_COUNT_DIMENSIONS,
    ),
    Metric(
        name="activations",
        title="Activations",
        unit="count",
        direction="up",
        definition="Activation events in the period.",
        rule=Sum("activation", "count"),
        dimensions=_COUNT_DIMENSIONS,
    ),
    Metric(
        name="activation_rate",
        title="Activation rate",
        unit="ratio",
        direction="up",
        definition="Of the users who first signed up in the period, the share who activated within "
        "14 days of it. Complete only when those 14 days have passed.",
        rule=Cohort(entry="signup", goal="activation", window_days=14),
    ),
    Metric(
        name="actors",
        title="Users with any event",
        unit="count",
        direction="up",
        definition="Different users or customers with any event but reports and identity changes; "
        "exact over any period.",
        rule=Distinct("actors"),
    ),
    Metric(
        name="dau",
        title="Daily active users",
        unit="count",
        direction="up",
        definition="Different users with an engagement, session, page view, activation or signup "
        "that day. Over longer periods: the mean of their days.",
        rule=MeanOfDays("active"),
    ),
    Metric(
        name="sessions",
        title="Sessions",
        unit="count",
        direction="up",
        definition="Session events; where a product sends none, page views at least 30 minutes "
        "after the same visitor's previous one.",
        rule=Sessions(),
    ),
    Metric(
        name="page_views",
        title="Page views",
        unit="count",
        direction="up",
        definition="Page view events in the period.",
        rule=Sum("page_view", "count"),
        dimensions=_COUNT_DIMENSIONS,
    ),
    Metric(
        name="visitors",
        title="Visitors",
        unit="count",
        direction="up",
        definition="Different users or devices with a page view; exact over any period.",
        rule=Distinct("visitors"),
    ),
)

CATALOG: dict[str, Metric] = {metric.name: metric for metric in _ENTRIES}


def metric_named(name: str) -> Metric:
    """The entry of that name; raises Rejected with the near names where there is none."""
    found = CATALOG.get(name)
    if found is None:
        raise Rejected(
            "unknown_metric",
            f"Unknown metric '{name}'.",
            fix=nearest(name, CATALOG),
            where="metric",
        )
    return found
