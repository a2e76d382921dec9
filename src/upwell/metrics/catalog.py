"""Every metric once: name, title, unit, direction, definition, and how it is summed.

An entry's `rule` says which kept sums answer it:

- `Sum`: events of a type, counted or their values added, by bucket
- `Net`: one sum less another
- `Distinct`: different actors of a set of event types, exact at every grain
- `MeanOfDays`: a distinct count whose coarser buckets are the mean of their days
- `Trailing`: different actors of the last days up to each bucket's end
- `Sessions`: session events, or gaps of 30 minutes between page views
- `Cohort`: of the actors who did `entry` in a bucket, the share who did `goal` within a window
- `Ledger`: movements of recurring revenue, under the counting rules of the question
- `Ratio`: one metric over another
- `Reported`: what a report of somebody else says, never added up from another report
- `Unique`, `Latest`: what only a company's own metrics are (`metrics.own`)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from upwell.errors import Rejected, nearest
from upwell.event import EVENT_TYPES, NOT_ACTIVITY
from upwell.metrics.reported import REPORTS

Unit = Literal["money", "count", "ratio", "number", "seconds"]
"""A ratio is read in percent; a number is read as it is (1.2 times, 4.5 months)."""
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

    set: str  # "actors", "active", "visitors", or a set of a company's own


class MeanOfDays(msgspec.Struct, frozen=True, tag_field="rule", tag="mean_of_days"):
    """Distinct actors by day; a coarser bucket is the mean over its days."""

    set: str


class Trailing(msgspec.Struct, frozen=True, tag_field="rule", tag="trailing"):
    """Distinct actors of the days up to and including the last of each bucket."""

    set: Literal["actors", "active", "visitors"]
    days: int


class Sessions(msgspec.Struct, frozen=True, tag_field="rule", tag="sessions"):
    """Session events, or page views at least 30 minutes after the actor's previous one."""


class Cohort(msgspec.Struct, frozen=True, tag_field="rule", tag="cohort"):
    """Share of the actors entering in a bucket who reached the goal within the window.

    `kept` names the sums; `of`: how many entered or reached it, instead of which share did.
    """

    entry: str
    goal: str
    window_days: int
    kept: str = "activation_rate"
    of: Literal["share", "entered", "reached"] = "share"


class Ledger(msgspec.Struct, frozen=True, tag_field="rule", tag="ledger"):
    """The ledger of recurring revenue: what moved, what stood at a bucket's end, or a rate of both.

    `told` is what billing systems say beside it: trials, notices, payments, balances. `events` is
    what counts in a product that no billing source tells of. A rate is not kept by the hour, nor
    is what has no `hours`.
    """

    kind: Literal["flow", "stock", "rate", "told"]
    events: Sum | None = None
    hours: bool = True


class Unique(msgspec.Struct, frozen=True, tag_field="rule", tag="unique"):
    """Different values of a metadata key among events of a type, per bucket and over any range."""

    type: str
    key: str


class Latest(msgspec.Struct, frozen=True, tag_field="rule", tag="latest"):
    """The value that the newest event of a type had by a bucket's end, added over products."""

    type: str


class Ratio(msgspec.Struct, frozen=True, tag_field="rule", tag="ratio"):
    """One metric over another, by their names, bucket by bucket; what changes either is `types`.

    `hours`: whether both are kept by the hour.
    """

    numerator: str
    denominator: str
    types: tuple[str, ...]
    hours: bool = True


class Reported(msgspec.Struct, frozen=True, tag_field="rule", tag="reported"):
    """A measure of reports that somebody else computed, as the one for what is asked says it.

    `adds`: whether days, and the rows of a report, add up; people of two days do not.
    """

    measure: str
    adds: bool = True


Rule = (
    Sum
    | Net
    | Distinct
    | MeanOfDays
    | Trailing
    | Sessions
    | Cohort
    | Ledger
    | Reported
    | Unique
    | Latest
    | Ratio
)


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the catalogue; `dimensions` need no scan, a `family` is looked at together."""

    name: str
    title: str
    unit: Unit
    direction: Direction
    definition: str
    rule: Rule
    dimensions: tuple[str, ...] = ()
    family: str = "Your own"

    @property
    def hourly(self) -> bool:
        """Whether it is kept by the hour, too."""
        rule = self.rule
        if isinstance(rule, Trailing | Reported):
            return False
        if isinstance(rule, Ratio):
            return rule.hours
        return not isinstance(rule, Ledger) or (rule.hours and rule.kind != "rate")

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
_TELLING = ("revenue", "refund", "fee", "payment_failed", "trial", "churn", "spend")


def _reads(rule: Rule) -> frozenset[str]:
    match rule:
        case Sum() | Unique() | Latest():
            return frozenset({rule.type})
        case Ratio():
            return frozenset(rule.types)
        case Reported():
            return frozenset({"report"})
        case Net():
            return frozenset({rule.plus.type, rule.minus.type})
        case Distinct() | MeanOfDays() | Trailing():
            # A workspace may widen what counts as active, so an active set may read any activity.
            name = "actors" if rule.set == "active" else rule.set
            return SETS.get(name, frozenset({name}))
        case Sessions():
            return frozenset({"session", "page_view"})
        case Cohort():
            return frozenset({rule.entry, rule.goal})
        case Ledger(kind="told"):
            return frozenset({MRR, *_TELLING})
        case Ledger():
            return frozenset({MRR}) | (_reads(rule.events) if rule.events else frozenset())


_MONEY = ("plan", "country", "channel", "currency", "source")
_COUNT = ("plan", "country", "channel", "source")
_REASONS = (*_COUNT, "reason")
_LEDGER = ("plan", "interval", "country", "currency", "source", "cohort")
_MOVES = (*_LEDGER, "cause")
_BOOKED = ("currency", "source")
_REPORTED = (*(name for name in REPORTS.values() if name), "source")
_PAID, _GIVEN_BACK = Sum("revenue", "value"), Sum("refund", "value")
_CHURNS, _FAILURES = Sum("churn", "count"), Sum("payment_failed", "count")
_STICKY = Ratio("dau", "mau", types=tuple(sorted(SETS["actors"])), hours=False)
_ACTIVATED = Cohort("signup", "activation", window_days=14)
_FLOW, _STOCK, _RATE, _TOLD = Ledger("flow"), Ledger("stock"), Ledger("rate"), Ledger("told")


def _of(
    name: str,
    title: str,
    unit: Unit,
    direction: Direction,
    rule: Rule,
    dimensions: tuple[str, ...],
    definition: str,
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        direction=direction,
        definition=definition,
        rule=rule,
        dimensions=dimensions,
    )


# A line for each metric, and its definition below it.
# fmt: off
_OF_MONEY = (
    _of("revenue", "Net revenue", "money", "up", Net(_PAID, _GIVEN_BACK), _MONEY,
        "What was paid, less tax, less refunds, each on its own day. Other currencies at the ECB "
        "reference rate of that day."),
    _of("gross_revenue", "Gross revenue", "money", "up", _PAID, _MONEY,
        "What was paid, less tax, on the payment's day, before refunds."),
    _of("refunds", "Refunds", "money", "down", _GIVEN_BACK, _MONEY,
        "What was given back, on the refund's own day; one that fails is taken back "
        "when its money comes again."),
    _of("fees", "Fees", "money", "down", Sum("fee", "value"), _MONEY,
        "What payment processors kept, on the day they did."),
    _of("cash", "Cash", "money", "up", _TOLD, _BOOKED,
        "The sum of the accounts' balance transactions but payouts, fees taken off, on the day "
        "each was booked."),
    _of("failed_payments", "Failed payments", "count", "down", _FAILURES, _REASONS,
        "Payments that failed, on the day of the failure."),
    _of("recovery_rate", "Recovered payments", "ratio", "up", _TOLD, (),
        "Of the money whose payment first failed in the period, the share that came within 30 "
        "days; what may still come is left out."),
)
_OF_MRR = (
    _of("mrr", "MRR", "money", "up", _STOCK, _LEDGER,
        "What subscriptions that count bring in a month, at the end of the period, less tax and "
        "recurring discounts. Other currencies at the rate of the period's last day."),
    _of("arr", "ARR", "money", "up", _STOCK, _LEDGER,
        "Twelve times MRR."),
    _of("new_mrr", "New MRR", "money", "up", _FLOW, _MOVES,
        "MRR of customers on the day they first pay. Movements are at the constant rates of the "
        "fiscal year."),
    _of("expansion_mrr", "Expansion MRR", "money", "up", _FLOW, _MOVES,
        "What customers who stayed pay more than the day before."),
    _of("contraction_mrr", "Contraction MRR", "money", "down", _FLOW, _MOVES,
        "What customers who stayed pay less than the day before."),
    _of("churned_mrr", "Churned MRR", "money", "down", _FLOW, _MOVES,
        "MRR of customers whose last paid subscription ended or was paused."),
    _of("reactivation_mrr", "Reactivation MRR", "money", "up", _FLOW, _MOVES,
        "MRR of customers who had churned, on the day they pay again."),
    _of("net_new_mrr", "Net new MRR", "money", "up", _FLOW, _MOVES,
        "New, expansion and reactivation less contraction and churn, at the constant rates of "
        "the fiscal year."),
    _of("mrr_set_to_cancel", "MRR set to cancel", "money", "down", _TOLD, (),
        "MRR at the end of the period of subscriptions that have a date to end."),
    _of("cancelling_mrr", "Cancelling MRR", "money", "down", _TOLD, (),
        "What the subscriptions brought in whose cancellation was asked for in the period, just "
        "before it."),
    _of("cmrr", "Committed MRR", "money", "up", _TOLD, (),
        "MRR at the end of the period with what was set by then: less what has a date to end, plus "
        "pauses and discounts that will be over. Trials count when they pay."),
    _of("usage_run_rate", "Usage run rate", "money", "up", _TOLD, (),
        "What metered prices came to in a month: the mean of the last three months that are over, "
        "of fewer after the first use. By the end of the time of use, once it is invoiced."),
)
_OF_CUSTOMERS = (
    _of("customers", "Customers", "count", "up", _STOCK, _LEDGER,
        "Customers with MRR at the end of the period; of several products, once each."),
    _of("new_customers", "New customers", "count", "up", _FLOW, _MOVES,
        "Customers who first paid in the period."),
    _of("reactivated_customers", "Reactivated customers", "count", "up", _FLOW, _MOVES,
        "Customers who had churned and paid again in the period."),
    _of("churned_customers", "Churned customers", "count", "down", Ledger("flow", _CHURNS), _MOVES,
        "Customers whose last paid subscription ended in the period, pauses among them. Of a "
        "product without a billing source each churn event is one."),
    _of("cancellations", "Cancellations", "count", "down", _CHURNS, _REASONS,
        "Customers whose cancellation was requested in the period. Where no billing source is "
        "connected, each churn event is one."),
    _of("trials", "Trials", "count", "up", Sum("trial", "count"), _COUNT,
        "Trials started in the period."),
    _of("trial_conversion_rate", "Trial conversion", "ratio", "up", _TOLD, (),
        "Of the trials started in the period, the share that paid within 30 days; those that may "
        "still do so are left out."),
)
_OF_ECONOMICS = (
    _of("nrr", "Net revenue retention", "ratio", "up", _RATE, _LEDGER,
        "What the customers of 12 months before pay now over what they paid then, at one set of "
        "rates."),
    _of("grr", "Gross revenue retention", "ratio", "up", _RATE, _LEDGER,
        "As net revenue retention, but each customer counts at most what they paid then."),
    _of("customer_churn_rate", "Customer churn rate", "ratio", "down", _RATE, _LEDGER,
        "Of the customers at the start of the period, the share lost in it; by other counting "
        "rules, other formulas."),
    _of("gross_mrr_churn_rate", "Gross MRR churn rate", "ratio", "down", _RATE, _LEDGER,
        "Churned and contracted MRR of the period over the MRR at its start."),
    _of("net_mrr_churn_rate", "Net MRR churn rate", "ratio", "down", _RATE, _LEDGER,
        "Churned and contracted MRR less expansion, over the MRR at the start."),
    _of("quick_ratio", "Quick ratio", "number", "up", _RATE, _LEDGER,
        "New and expansion MRR over contracted and churned MRR."),
    _of("arpa", "Revenue per customer", "money", "up", _RATE, _LEDGER,
        "MRR over customers, at the end of the period."),
    _of("asp", "Sale price", "money", "up", _RATE, _LEDGER,
        "New MRR over new customers."),
    _of("ltv", "Lifetime value", "money", "up", _RATE, _LEDGER,
        "Revenue per customer, times the gross margin, over the mean customer churn rate of the "
        "six months before. Without churn it is not defined."),
    _of("cac_payback", "Months to pay back", "number", "down", Ledger("told", hours=False), (),
        "Months until new customers have paid back what was spent on winning them: spend of the "
        "period over their new MRR times the gross margin. Without spend it is not defined."),
)
_OF_GROWTH = (
    _of("signups", "Signups", "count", "up", Sum("signup", "count"), _COUNT,
        "Signup events in the period."),
    _of("activations", "Activations", "count", "up", Sum("activation", "count"), _COUNT,
        "Activation events in the period."),
    _of("activation_rate", "Activation rate", "ratio", "up", _ACTIVATED, (),
        "Of the users who first signed up in the period, the share who activated within 14 days "
        "of it. Complete only when those 14 days have passed."),
)
_OF_USE = (
    _of("dau", "Daily active users", "count", "up", MeanOfDays("active"), (),
        "Different users with an engagement, session, page view, activation or signup that day. "
        "Over longer periods: the mean of their days."),
    _of("wau", "Weekly active users", "count", "up", Trailing("active", 7), (),
        "Different users active on the day or the 6 days before it; of a longer period at its "
        "last day."),
    _of("mau", "Monthly active users", "count", "up", Trailing("active", 30), (),
        "Different users active on the day or the 29 days before it; of a longer period at its "
        "last day."),
    _of("stickiness", "Stickiness", "ratio", "up", _STICKY, (),
        "Daily over monthly active users: of a longer period the mean of its days over those of "
        "the 30 days up to its last. A user who comes every day makes 100 %."),
    _of("actors", "Users with any event", "count", "up", Distinct("actors"), (),
        "Different users or customers with any event but reports and identity changes; exact "
        "over any period."),
    _of("sessions", "Sessions", "count", "up", Sessions(), (),
        "Session events; where a product sends none, page views at least 30 minutes after the "
        "same visitor's previous one."),
    _of("page_views", "Page views", "count", "up", Sum("page_view", "count"), _COUNT,
        "Page view events in the period."),
    _of("visitors", "Visitors", "count", "up", Distinct("visitors"), (),
        "Different users or devices with a page view; exact over any period."),
)
_OF_TRAFFIC = (
    _of("ga4_sessions", "Sessions (Google Analytics)", "count", "up", Reported("sessions"),
        _REPORTED,
        "Sessions as Google Analytics reports them for the property's own days."),
    _of("ga4_users", "Users (Google Analytics)", "count", "up", Reported("users", adds=False),
        _REPORTED,
        "Different users of a day as Google Analytics reports them. Users of several days, "
        "properties or rows are not reported: nobody can add them up."),
    _of("ga4_new_users", "New users (Google Analytics)", "count", "up", Reported("new_users"),
        _REPORTED,
        "Users whom Google Analytics saw for the first time."),
    _of("ga4_page_views", "Page views (Google Analytics)", "count", "up", Reported("page_views"),
        _REPORTED,
        "Views of pages and screens as Google Analytics reports them."),
    _of("ga4_conversions", "Conversions (Google Analytics)", "count", "up",
        Reported("conversions"), _REPORTED,
        "Key events as Google Analytics reports them; shared out over channels they need not be "
        "whole numbers."),
    _of("ga4_revenue", "Revenue (Google Analytics)", "money", "up", Reported("revenue"),
        (*_REPORTED, "currency"),
        "Total revenue as Google Analytics reports it; what was paid says `revenue`. Other "
        "currencies at the ECB reference rate of the day."),
)
_OF_OTHERS = (
    _of("reported_revenue", "Revenue (reported by others)", "money", "up",
        Net(Sum("reported_revenue", "value"), Sum("reported_refund", "value")), _MONEY,
        "What other sources than the authority say was paid, less refunds. Never added to revenue; "
        "`by=source` tells who says what."),
    _of("reported_signups", "Signups (reported by others)", "count", "up",
        Sum("reported_signup", "count"), _COUNT,
        "Signups that other sources than the authority tell of. Never added to signups."),
    _of("reported_activations", "Activations (reported by others)", "count", "up",
        Sum("reported_activation", "count"), _COUNT,
        "Activations that other sources than the authority tell of. Never added to activations."),
    _of("reported_sessions", "Sessions (reported by others)", "count", "up",
        Sum("reported_session", "count"), _COUNT,
        "Sessions that other sources than the authority tell of. Never added to sessions."),
    _of("reported_page_views", "Page views (reported by others)", "count", "up",
        Sum("reported_page_view", "count"), _COUNT,
        "Page views that other sources than the authority tell of. Never added to page views."),
    _of("reported_engagement", "Engagement (reported by others)", "count", "up",
        Sum("reported_engagement", "count"), (*_COUNT, "name"),
        "Named actions that other sources than the authority tell of. They make nobody active."),
)
# fmt: on
_FAMILIES = {
    "Money": _OF_MONEY,
    "Recurring revenue": _OF_MRR,
    "Customers": _OF_CUSTOMERS,
    "Retention and unit economics": _OF_ECONOMICS,
    "Growth": _OF_GROWTH,
    "Use": _OF_USE,
    "Traffic": _OF_TRAFFIC,
    "Reported by others": _OF_OTHERS,
}

CATALOG: dict[str, Metric] = {
    metric.name: msgspec.structs.replace(metric, family=family)
    for family, metrics in _FAMILIES.items()
    for metric in metrics
}


def metric_named(name: str, catalogue: Mapping[str, Metric] = CATALOG) -> Metric:
    """The entry of that name; raises Rejected with the near names where there is none."""
    found = catalogue.get(name)
    if found is None:
        raise Rejected(
            "unknown_metric",
            f"Unknown metric '{name}'.",
            fix=nearest(name, catalogue),
            where="metric",
        )
    return found
