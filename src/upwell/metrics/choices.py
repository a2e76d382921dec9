"""The choices of the counting rules in words: what each is about, and what each way of it means.

The page of counting rules, the sentences of why two sets of rules differ and the reference page
all say these.
"""

from __future__ import annotations

import msgspec

NEVER = "never"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the counting rules as people read it.

    `ways` are the words for each value; a whole number is told in `unit`s, and `without` is said
    where there is none.
    """

    name: str
    title: str
    about: str = ""
    ways: dict[str, str] = {}
    unit: str = ""
    without: str = ""

    @property
    def definition(self) -> str:
        """What it is about and each of its ways, as sentences."""
        ways = [f"{value}: {words}." for value, words in self.ways.items()]
        without = [f"Without a number: {self.without}."] if self.without else []
        return " ".join([self.about, *ways, *without]).strip()

    def said(self, value: object) -> str:
        """A value in words, to stand after a colon."""
        if isinstance(value, tuple):
            return ", ".join(self.ways[one] for one in value) or NEVER
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return f"{value} {self.unit}{'' if value == 1 else 's'}"
        return self.without if value is None else self.ways[str(value)]


CHOICES: tuple[Choice, ...] = (
    Choice(
        name="factors",
        title="Months in a week or a day",
        ways={
            "exact": "a year is 12 months, 52 weeks, 365 days",
            "four_weeks": "a month is 4 weeks or 30 days",
        },
    ),
    Choice(
        name="rounding",
        title="Rounding of an item",
        ways={
            "micro": "only where it is shown; the MRR of an item is kept to a millionth of a cent",
            "minor": "each item to the cent, so that three items of $1,000 a year are 249.99",
        },
    ),
    Choice(
        name="tax",
        title="Tax within the price",
        ways={
            "excluded": "not counted, so that a price of 121 with 21 % tax in it is 100",
            "included": "counted, so that a price of 121 with 21 % tax in it is 121",
        },
    ),
    Choice(
        name="metered",
        title="Metered prices",
        ways={
            "excluded": "not in MRR, shown as usage run rate",
            "included": "counted at the quantity the subscription says",
        },
    ),
    Choice(
        name="past_due_days",
        title="Past due",
        about="How long a subscription counts whose payment is late.",
        unit="day",
        without="until the billing system ends it",
    ),
    Choice(
        name="paused",
        title="Paused subscriptions",
        ways={
            "zero": "a pause takes the MRR away, a resume brings it back",
            "counts": "a pause changes nothing",
        },
    ),
    Choice(
        name="pause_zero",
        title="Paused collection",
        about="When a subscription counts 0 because its collection is paused; otherwise it "
        "counts on.",
        ways={
            "void": "where invoices are void",
            "keep_as_draft": "where invoices stay drafts",
            "mark_uncollectible": "where invoices are given up",
        },
    ),
    Choice(
        name="zero_price",
        title="Free after paying",
        ways={
            "churn": "who paid and now pays nothing has churned",
            "active": "who paid and now pays nothing stays a customer, at 0",
        },
    ),
    Choice(
        name="discounts",
        title="Discounts",
        about="Which are taken off.",
        ways={
            "forever_only": "those that last forever",
            "recurring": "those that last forever or for some months",
            "all": "all, also those for one invoice",
            "none": "none",
        },
    ),
    Choice(
        name="granularity",
        title="What is one movement",
        ways={
            "day": "the change between the ends of two days",
            "event_window": "changes within some minutes of the first, over midnight too",
            "period_net": "the change between the ends of two months",
        },
    ),
    Choice(
        name="event_window_minutes",
        title="Minutes of an event window",
        about="Changes that follow the first within this time are one movement; "
        "used where one movement is an event window.",
        unit="minute",
    ),
    Choice(
        name="reactivation_days",
        title="Reactivation",
        about="Who comes back within this many days is a reactivation, later a new customer.",
        unit="day",
        without="always a reactivation",
    ),
    Choice(
        name="ignore_same_month_roundtrip",
        title="Came and went in one month",
        about="Whether a customer who starts and ends in the same month is left out.",
    ),
    Choice(
        name="churn_recognition",
        title="Date of churn",
        ways={
            "ended": "when the billing system ended it",
            "service_end": "at the end of the last paid period",
            "requested": "at the click",
        },
    ),
    Choice(
        name="refunded_invoices",
        title="Invoices refunded in full",
        about="A part given back never changes MRR.",
        ways={
            "keep": "MRR stays, the money goes on its own day",
            "as_if_never_paid": "the time they were for has no MRR, as if they had never been paid",
        },
    ),
    Choice(
        name="refund_with_cancel",
        title="A year given back",
        about="Of a yearly plan that is ended at once with a refund; matters where churn is dated "
        "at the end of the paid period.",
        ways={
            "keep": "churn is dated as any other",
            "churn": "it has churned at the end and refund, whichever is later",
        },
    ),
    Choice(
        name="fx",
        title="Currencies",
        ways={
            "constant": "movements at the rates of the fiscal year, the headline at those of the "
            "period's end",
            "period_end": "both at the rates of periods' ends",
            "tx_date": "movements at the rate of the day on which the time began that is paid for",
            "none": "nothing is converted, one series a currency",
        },
    ),
    Choice(
        name="customer_churn",
        title="Customer churn rate",
        ways={
            "standard": "churned, without those who joined or came back in the period, over "
            "customers at the start",
            "stripe": "churned over customers at the start and new ones",
            "resubscribed": "churned less returned over customers at the start",
            "naive": "churned over customers at the start",
            "daily": "the sum of the days' rates",
        },
    ),
    Choice(
        name="net_churn_with_reactivation",
        title="Net MRR churn rate",
        about="Whether MRR that came back is taken off, too.",
    ),
    Choice(
        name="quick_ratio_with_reactivation",
        title="Quick ratio",
        about="Whether MRR that came back counts as a gain.",
    ),
    Choice(
        name="retention_months",
        title="Span of NRR and GRR",
        about="How long before the end of a period its customers are taken from.",
        unit="month",
    ),
    Choice(
        name="ltv_churn_months",
        title="Churn behind lifetime value",
        about="The mean customer churn rate of this many months before the current one.",
        unit="month",
    ),
    Choice(
        name="cac_lag_days",
        title="Days from spend to customer",
        about="New customers are set against what was spent this many days before.",
        unit="day",
    ),
    Choice(
        name="trial_conversion",
        title="Trial conversion",
        ways={
            "window": "of the trials started in the period, the share that paid within the days "
            "to convert, without those still pending",
            "ended": "conversions over trials ended in the period",
            "ever": "of the trials started in the period, the share that ever paid",
        },
    ),
    Choice(
        name="trial_days",
        title="Days to convert",
        about="How long after its start a trial may become a paying subscription.",
        unit="day",
    ),
    Choice(
        name="recovery_days",
        title="Days to recover",
        about="How long after its first failure a payment may still come.",
        unit="day",
    ),
    Choice(
        name="closed_months",
        title="Changes to closed months",
        ways={
            "restate": "a late fact changes the month it belongs to",
            "adjust": "the closed month stays, the change stands in the open one",
        },
    ),
)
