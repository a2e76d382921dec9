"""Every key of upwell.toml: its name, type, default and sentence, in one place.

The sentences are what docs/reference/configuration.md shows. Secrets are marked, so that
`config export` never prints one that somebody wrote inline.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1)]
SECRET = {"secret": True}

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are errors."""


class Activation(_Table, frozen=True, kw_only=True):
    """What makes somebody who signed up an activated user."""

    event: Annotated[Text, Meta(description="The event's type, or its metadata `name`.")]
    times: Annotated[int, Meta(ge=1, description="How often it must happen.")] = 1
    within: Annotated[
        str, Meta(description="How long after the first signup it counts, in whole days.")
    ] = "14d"


class Workspace(_Table, frozen=True, kw_only=True):
    """What holds for the whole company."""

    name: Annotated[str, Meta(description="The company's name, as pages and reports show it.")] = (
        "Workspace"
    )
    timezone: Annotated[
        str, Meta(description="IANA name of the zone whose midnight is the day boundary.")
    ] = "UTC"
    currency: Annotated[
        str, Meta(description="ISO 4217 code of the currency that money is shown in.")
    ] = "USD"
    week_start: Annotated[Weekday, Meta(description="The first day of a week.")] = "monday"
    policy: Annotated[
        Literal["upwell", "stripe", "chartmogul"],
        Meta(description="The counting rules for recurring revenue."),
    ] = "upwell"
    fiscal_year_start: Annotated[
        int, Meta(ge=1, le=12, description="The month, 1 to 12, that the fiscal year begins in.")
    ] = 1
    gross_margin: Annotated[
        Decimal, Meta(description="Share of revenue kept after its cost, for `ltv`.")
    ] = Decimal(1)
    closed_months: Annotated[
        Literal["restate", "adjust"],
        Meta(
            description="What a late fact does to a closed month: `restate` changes it and "
            "says by how much MRR moved, `adjust` keeps every number of the ledger (MRR, "
            "customers, rates) and shows the change in the first open month."
        ),
    ] = "restate"
    fx: Annotated[
        Literal["constant", "period_end", "tx_date", "none"] | None,
        Meta(
            description="Rates of movements in other currencies: `constant` of the fiscal year, "
            "`period_end`, `tx_date` of the start of the time paid for, `none` for a series of "
            "each currency; by default as `policy` says."
        ),
    ] = None
    churn_recognition: Annotated[
        Literal["ended", "service_end", "requested"] | None,
        Meta(
            description="Churn is dated when the billing system `ended` the subscription, at the "
            "`service_end` of the last paid period, or when it was `requested`; by default as "
            "`policy` says."
        ),
    ] = None
    refunded_invoices: Annotated[
        Literal["keep", "as_if_never_paid"],
        Meta(
            description="What an invoice that was refunded in full does to the MRR of its time: "
            "`keep`, or `as_if_never_paid`, which takes it away."
        ),
    ] = "keep"
    refund_with_cancel: Annotated[
        Literal["keep", "churn"],
        Meta(
            description="`churn` dates the churn of a yearly plan that is ended at once with a "
            "refund at these, also where rules date it at the end of the paid period."
        ),
    ] = "keep"
    close_after_days: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Closes each month by itself so many days after its end, once the past "
            "of every source was read; by default only `upwell close` does.",
        ),
    ] = None
    exclude: Annotated[
        tuple[Text, ...],
        Meta(
            description="Staff, tests and bots, left out of every number: patterns such as "
            "`*@acme.example` for an id, e-mail or address, a domain, or a trait, `staff=true`."
        ),
    ] = ()
    active: Annotated[
        tuple[Text, ...] | None,
        Meta(
            description="The event types that make a person active that day; by default "
            "engagement, session, page_view, activation and signup."
        ),
    ] = None
    activation: Annotated[
        Activation | None,
        Meta(
            description="What activates a user who signed up: "
            '`{event = "report_shared", times = 3, within = "14d"}`; by default an activation '
            "event within 14 days."
        ),
    ] = None

    @property
    def week_start_index(self) -> int:
        """0 for Monday to 6 for Sunday."""
        return WEEKDAYS.index(self.week_start)


class Server(_Table, frozen=True, kw_only=True):
    """How the server is reached, and what it may reach."""

    public_url: Annotated[
        str, Meta(description="The address people open, used in links of alerts and reports.")
    ] = ""
    trusted_proxies: Annotated[
        tuple[Text, ...],
        Meta(description="Addresses or networks whose X-Forwarded-For is believed."),
    ] = ()
    allow_private_urls: Annotated[
        tuple[Text, ...],
        Meta(
            description="Hosts (`host` or `host:port`) of the own network that channels and "
            "sources may call; all other private addresses are refused."
        ),
    ] = ()


class Identity(_Table, frozen=True, kw_only=True):
    """Which customers of several accounts are one company."""

    rules: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^(external_id|email|domain|metadata\..+)$")], ...],
        Meta(
            description="Customers with the same trait are one: `external_id` (your own id, from "
            "the account's metadata), `metadata.KEY` (any other field of it), `email` (the whole "
            "address), `domain` (the registered domain of the address: mail.acme.co.uk is "
            "acme.co.uk; mail providers' do not count). `[]` joins nobody."
        ),
    ] = ("external_id", "email")


class Smtp(_Table, frozen=True, kw_only=True):
    """The mail server that alerts and reports leave by."""

    url: Annotated[
        str,
        Meta(
            description="`smtp://user:password@host:587` or `smtps://…`; empty sends no mail.",
            extra=SECRET,
        ),
    ] = ""
    sender: Annotated[str, Meta(description="The From address of mails.")] = ""


class Warehouse(_Table, frozen=True, kw_only=True):
    """Where events are kept for questions that must scan."""

    url: Annotated[
        str,
        Meta(description="`duckdb` (inside the data directory) or `bigquery://project/dataset`."),
    ] = "duckdb"


class Product(_Table, frozen=True, kw_only=True):
    """One product of the company."""

    id: Annotated[str, Meta(description="Short name used by events and questions: a-z, 0-9, -, _.")]
    name: Annotated[str, Meta(description="The name on the pages; by default the id.")] = ""
    countries: Annotated[
        tuple[Text, ...],
        Meta(description="ISO 3166 codes of the countries whose holidays are expected to show."),
    ] = ()
    active: Annotated[
        tuple[Text, ...] | None,
        Meta(description="As in `[workspace]`, for this product only; it wins."),
    ] = None
    activation: Annotated[
        Activation | None,
        Meta(description="As in `[workspace]`, for this product only; it wins."),
    ] = None
    authority: Annotated[
        dict[str, str],
        Meta(
            description="The source whose word counts, by measure: "
            '`{revenue = "mail-stripe"}`; what others report is kept apart.'
        ),
    ] = {}
    signup_event: Annotated[
        str,
        Meta(description="What Mixpanel's, Segment's or Google's clients call a signup here."),
    ] = ""
    activation_event: Annotated[str, Meta(description="The same of an activation.")] = ""
    events: Annotated[
        dict[str, str],
        Meta(
            description="The same of all others, name to event type: "
            '`{"Order Completed" = "revenue"}`; what is not named is an `engagement`.'
        ),
    ] = {}
    retired: Annotated[
        bool, Meta(description="Kept in history and totals, hidden from pickers.")
    ] = False
    renamed_from: Annotated[
        str | None, Meta(description="The id it had before; old events count as this product's.")
    ] = None

    @property
    def title(self) -> str:
        """The name to show."""
        return self.name or self.id

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """Names of events and the types that they stand for."""
        own = (("signup", self.signup_event), ("activation", self.activation_event))
        return (*self.events.items(), *((name, kind) for kind, name in own if name))


class SourceTable(_Table, frozen=True, kw_only=True, tag_field="kind"):
    id: Annotated[str, Meta(description="The source's name: a-z, 0-9, -, _.")]
    product: Annotated[
        str | None, Meta(description="The product that everything of this source belongs to.")
    ] = None
    product_from: Annotated[
        str | None,
        Meta(description="Instead: where each record names its product, as `metadata.product`."),
    ] = None

    @property
    def kind(self) -> str:
        """The word that `kind` has in the file."""
        return str(self.__struct_config__.tag)


class StripeSource(SourceTable, frozen=True, kw_only=True, tag="stripe"):
    """Subscriptions, invoices and cash of a Stripe account."""

    api_key: Annotated[
        str, Meta(description="A restricted, read-only key is enough.", extra=SECRET)
    ]
    webhook_secret: Annotated[
        str,
        Meta(
            description="Signing secret of the webhook; without it events are polled each minute.",
            extra=SECRET,
        ),
    ] = ""
    api_base: Annotated[str, Meta(description="Where Stripe's API is.")] = "https://api.stripe.com"
    prices: Annotated[
        dict[str, str], Meta(description="Price id to product, where one account serves several.")
    ] = {}


class MixpanelSource(SourceTable, frozen=True, kw_only=True, tag="mixpanel"):
    """Events of a Mixpanel project, by its export."""

    project_id: Annotated[str, Meta(description="The project's number.")] = ""
    username: Annotated[str, Meta(description="Service account.", extra=SECRET)] = ""
    secret: Annotated[
        str, Meta(description="The service account's or the project's secret.", extra=SECRET)
    ]
    region: Annotated[Literal["us", "eu", "in"], Meta(description="Where its data live.")] = "us"
    api_base: Annotated[str, Meta(description="Instead of the region's address.")] = ""
    timezone: Annotated[
        str, Meta(description="The zone of its dates; projects since 2023 use UTC.")
    ] = "UTC"
    signup_event: Annotated[str, Meta(description="The event name that is a signup.")] = ""
    activation_event: Annotated[str, Meta(description="The event name that is an activation.")] = ""
    events: Annotated[
        dict[str, str], Meta(description="Event name to event type, for all others.")
    ] = {}
    currency: Annotated[
        str, Meta(description="ISO 4217 code of amounts whose event names no currency.")
    ] = ""
    since: Annotated[
        dt.date | None,
        Meta(
            description="The first day to read; by default back to the first of its events, which "
            "is where six months before are empty."
        ),
    ] = None
    every: Annotated[str, Meta(description="How often today is read again.")] = "5m"


class Ga4Source(SourceTable, frozen=True, kw_only=True, tag="ga4"):
    """Daily reports of a Google Analytics 4 property."""

    property: Annotated[str, Meta(description="The property's number.")]
    credentials: Annotated[
        str, Meta(description="Service account key, as JSON: `file:PATH`.", extra=SECRET)
    ]
    api_base: Annotated[str, Meta(description="Instead of Google's address.")] = ""
    every: Annotated[str, Meta(description="How often the last days are read again.")] = "1h"


class SqlQuery(_Table, frozen=True, kw_only=True):
    """One query of a database and what its columns mean."""

    name: Annotated[str, Meta(description="The query's name, unique in its source.")]
    sql: Annotated[
        str,
        Meta(
            description="One select, ordered by its cursor and bounded by `(:cursor_time, "
            ":cursor_id)`, so that each look reads only what is new; a gauge (`kpi`) and a "
            "snapshot have no cursor."
        ),
    ]
    event_type: Annotated[str, Meta(description="What each row is.")]
    timestamp: Annotated[
        str,
        Meta(description="Column of the moment it happened; of a gauge, by default the reading."),
    ] = ""
    key: Annotated[
        str,
        Meta(description="Column that names the row; the cursor's second part."),
    ] = ""
    actor_id: Annotated[str | None, Meta(description="Column of the customer or user.")] = None
    value: Annotated[str | None, Meta(description="Column of the value.")] = None
    currency: Annotated[str | None, Meta(description="ISO code, or the column that holds it.")] = (
        None
    )
    product: Annotated[str | None, Meta(description="Column of the product.")] = None
    metadata: Annotated[tuple[Text, ...], Meta(description="Columns that become metadata.")] = ()
    snapshot: Annotated[
        bool,
        Meta(
            description="All rows are read at each look, and one that changed takes the place of "
            "what it was."
        ),
    ] = False
    look_back: Annotated[
        str, Meta(description="How late a row may be committed and still be found.")
    ] = "10m"


class SqlSource(SourceTable, frozen=True, kw_only=True, tag="sql"):
    """A product's own database."""

    url: Annotated[
        str,
        Meta(
            description="`postgresql://`, `mysql://`, `sqlite:///PATH`, `bigquery://PROJECT` or "
            "another SQLAlchemy URL, of a user that may only read.",
            extra=SECRET,
        ),
    ]
    credentials: Annotated[
        str,
        Meta(
            description="BigQuery: service account key, as JSON: `file:PATH`.",
            extra=SECRET,
        ),
    ] = ""
    timezone: Annotated[
        str, Meta(description="The zone of times that name none, as IANA writes it.")
    ] = "UTC"
    every: Annotated[str, Meta(description="How often the queries run.")] = "60s"
    timeout: Annotated[str, Meta(description="A query that takes longer is stopped.")] = "30s"
    queries: Annotated[tuple[SqlQuery, ...], Meta(description="What is read.")] = ()


Source = StripeSource | MixpanelSource | Ga4Source | SqlSource


class Channel(_Table, frozen=True, kw_only=True):
    """A place that alerts and reports are sent to."""

    id: Annotated[str, Meta(description="The channel's name, used in `to`.")]
    kind: Annotated[
        Literal["slack", "email", "webhook", "pagerduty"], Meta(description="What it is.")
    ]
    url: Annotated[str, Meta(description="Slack's or the webhook's address.", extra=SECRET)] = ""
    to: Annotated[tuple[Text, ...], Meta(description="E-mail addresses.")] = ()
    key: Annotated[
        str,
        Meta(
            description="PagerDuty's routing key, or the secret that signs a webhook's body.",
            extra=SECRET,
        ),
    ] = ""


class Alert(_Table, frozen=True, kw_only=True):
    """A rule that watches a metric."""

    metric: Annotated[str, Meta(description="The metric watched.")]
    products: Annotated[
        tuple[Text, ...], Meta(description='Product ids, or `["*"]` for each of them.')
    ] = ("*",)
    kind: Annotated[
        Literal["anomaly", "threshold", "change", "slow_burn", "absence", "goal"],
        Meta(description="What makes it alarm."),
    ] = "anomaly"
    budget: Annotated[
        str,
        Meta(
            pattern=r"^\d+ an? (day|week|month|year)$",
            description="How many false alarms are acceptable: `2 a month`.",
        ),
    ] = "2 a month"
    above: Annotated[Decimal | None, Meta(description="Threshold: alarm above this value.")] = None
    below: Annotated[Decimal | None, Meta(description="Threshold: alarm below this value.")] = None
    by: Annotated[
        Decimal | None, Meta(description="Change: the share that is news, 0.2 for 20 %.")
    ] = None
    to: Annotated[tuple[Text, ...], Meta(description="Channels it is sent to.")] = ()
    hold: Annotated[str, Meta(description="How long it must last before it is told.")] = "0s"
    quiet_hours: Annotated[
        str, Meta(description="Local hours without messages, `22:00-07:00`.")
    ] = ""
    escalate_after: Annotated[
        str, Meta(description="Without acknowledgement for so long, others are told.")
    ] = ""
    escalate_to: Annotated[tuple[Text, ...], Meta(description="Channels told then.")] = ()
    people: Annotated[bool, Meta(description="Whether customers are named in the message.")] = False


class Goal(_Table, frozen=True, kw_only=True):
    """A target for a metric."""

    metric: Annotated[str, Meta(description="The metric aimed at.")]
    by: Annotated[dt.date, Meta(description="The day by which it is to be reached.")]
    value: Annotated[Decimal, Meta(description="What is to be reached.")]
    product: Annotated[str | None, Meta(description="A product; without one the company.")] = None
    since: Annotated[
        dt.date | None,
        Meta(
            description="The day it was set, where the line to it begins; by default the first "
            "of the year of `by`."
        ),
    ] = None
    id: Annotated[
        Text | None, Meta(description="Its id; by default its metric, product and day.")
    ] = None


class Report(_Table, frozen=True, kw_only=True):
    """A report that writes and sends itself."""

    kind: Annotated[Literal["board"], Meta(description="Which report.")] = "board"
    schedule: Annotated[str, Meta(description="When, as a cron line in the workspace's zone.")] = (
        "0 7 1 * *"
    )
    to: Annotated[tuple[Text, ...], Meta(description="Channels or e-mail addresses.")] = ()


class OwnMetric(_Table, frozen=True, kw_only=True):
    """A metric of the company's own."""

    name: Annotated[str, Meta(description="Its name in questions.")]
    title: Annotated[str, Meta(description="Its name on the pages.")]
    unit: Annotated[
        Literal["count", "money", "ratio", "seconds"], Meta(description="What it is measured in.")
    ] = "count"
    direction: Annotated[Literal["up", "down", "none"], Meta(description="Which way is good.")] = (
        "up"
    )
    aggregate: Annotated[
        Literal["sum", "count", "unique", "latest", "ratio"],
        Meta(
            description="How events become a number: `sum` of values, `count` of events, `unique` "
            "users or values, `latest` value (known for 400 days), `ratio` of two metrics."
        ),
    ] = "sum"
    event: Annotated[
        str | tuple[str, ...] | None,
        Meta(description="The event type, a list of them, or left out for any activity."),
    ] = None
    named: Annotated[str | None, Meta(description="Only events with this metadata `name`.")] = None
    where: Annotated[
        dict[str, str | tuple[str, ...]],
        Meta(description='Only events with this metadata: `{plan = ["team", "trial"]}`.'),
    ] = {}
    of: Annotated[
        str,
        Meta(
            description="What is added, `value`, or of `unique` told apart: `actor_id` or "
            "`metadata.KEY`."
        ),
    ] = "value"
    numerator: Annotated[str | None, Meta(description="Ratio: the metric above the line.")] = None
    denominator: Annotated[str | None, Meta(description="Ratio: the metric below the line.")] = None


class Settings(_Table, frozen=True, kw_only=True):
    """The whole file; every table may be left out."""

    workspace: Workspace = Workspace()
    server: Server = Server()
    identity: Identity = Identity()
    smtp: Smtp = Smtp()
    warehouse: Warehouse = Warehouse()
    products: tuple[Product, ...] = ()
    sources: tuple[Source, ...] = ()
    channels: tuple[Channel, ...] = ()
    alerts: tuple[Alert, ...] = ()
    goals: tuple[Goal, ...] = ()
    reports: tuple[Report, ...] = ()
    metrics: tuple[OwnMetric, ...] = ()
