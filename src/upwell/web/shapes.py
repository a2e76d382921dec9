"""What routes take and answer, as structs: the source of the OpenAPI schema and of `wire.ts`.

Times are RFC 3339 in UTC, days are dates on the workspace's calendar.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec

from upwell.alerts.inbox import AlertShown
from upwell.errors import Problem
from upwell.event import GrowthEvent, Reject
from upwell.live.frames import Backfill
from upwell.metrics.catalog import Direction, Unit
from upwell.period import Grain
from upwell.query import Lateness, Question
from upwell.query.marks import Annotation
from upwell.query.progress import Goal


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    pass


class _Taken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Failure(_Shape, frozen=True):
    """Every error: what went wrong, what to change, and where."""

    error: Problem


# Sign-in


class SignIn(_Taken, frozen=True):
    """An owner's e-mail and password."""

    email: str
    password: str


class NewOwner(_Taken, frozen=True):
    """The one-time token of the printed link, and the owner to make."""

    token: str
    email: str
    password: str
    name: str = ""


class Visitor(_Shape, frozen=True):
    """Who is signed in."""

    id: str
    name: str
    kind: str


class Workspace(_Shape, frozen=True):
    """The company and its calendar; `first_day` is the first with an event.

    `in_file`: it stands in the configuration file, and cannot be changed on a page; `named`: it
    does, or was said on a page, be it the name that every workspace begins with.
    """

    name: str
    timezone: str
    currency: str
    week_start: str
    now: dt.datetime
    today: dt.date
    first_day: dt.date | None
    in_file: bool
    named: bool


class NewWorkspace(_Taken, frozen=True):
    """What the company is called and counts in; without `week_start` weeks begin as before."""

    name: str
    timezone: str
    currency: str
    week_start: str | None = None


class Session(_Shape, frozen=True):
    """Who is here and what a page needs first; `setup`: there is no owner yet."""

    viewer: Visitor | None
    setup: bool
    csrf: str
    demo: bool
    workspace: Workspace
    version: str


class Ticket(_Shape, frozen=True):
    """Opens one live socket within 30 seconds: `/v1/live?ticket=…`."""

    ticket: str


# Keys


class NewKey(_Taken, frozen=True):
    """A key to make; without `products` it is for all of them.

    With `origins` it is public: pages of these sites may hold it, and it only sends events.
    """

    name: str
    scopes: tuple[str, ...]
    products: tuple[str, ...] | None = None
    expires_at: dt.datetime | None = None
    origins: tuple[str, ...] = ()


class MadeKey(_Shape, frozen=True):
    """A fresh key; `key` is shown this once."""

    id: str
    key: str


class Key(_Shape, frozen=True):
    """A key without its secret; `prefix` is how its secret begins.

    `origins` are the sites of a public one.
    """

    id: str
    prefix: str
    name: str
    scopes: tuple[str, ...]
    products: tuple[str, ...] | None
    origins: tuple[str, ...] | None
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None


class Keys(_Shape, frozen=True):
    """Every key, newest first."""

    keys: tuple[Key, ...]


# Events in


class Accepted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a body: durable when this is answered."""

    accepted: int = msgspec.field()
    rejected: list[Reject] = msgspec.field()
    position: str | None = msgspec.field()
    note: str = ""
    error: Problem | None = None  # nothing was accepted (400): the first reject's reason


# Questions


class Questions(_Taken, frozen=True):
    """Many questions at once, each as in `Question`."""

    questions: list[dict[str, Any]]


class Answers(_Shape, frozen=True):
    """For each question in order an `Answer`, or a `Failure`."""

    answers: list[Any]


class RowsAsked(_Shape, frozen=True):
    """Which events stand behind a number: `question`, of it the series `key`, from `cursor` on."""

    question: Question
    key: str | None = None
    limit: int = 100
    cursor: str | None = None


class RowDelivery(_Shape, frozen=True):
    """The delivery that brought an event."""

    seq: int
    source: str
    received_at: dt.datetime


class Row(_Shape, frozen=True):
    """One event and the delivery that brought it."""

    event: GrowthEvent
    delivery: RowDelivery


class Rows(_Shape, frozen=True):
    """A page of events, newest first; `cursor` leads to the next, null on the last."""

    rows: tuple[Row, ...]
    cursor: str | None


class Original(_Shape, frozen=True):
    """A delivery as it came; `text` is 64 KiB of it from byte `start` on, `bytes` all its size."""

    seq: int
    source: str
    received_at: dt.datetime
    kind: str
    bytes: int
    start: int
    text: str


# Revenue


class CohortsAsked(_Taken, frozen=True):
    """Which cohorts: who began to pay in `grain`s of the days, and what is followed."""

    measure: Literal["customers", "mrr"] = "customers"
    product: tuple[str, ...] = ()
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    grain: str = "month"
    where: dict[str, tuple[str, ...]] = {}
    policy: str | None = None
    currency: str | None = None
    known_at: str | None = None
    segment: str | None = None


# What there is


class Product(_Shape, frozen=True):
    """A product with how much is known of it; `in_file`: it cannot be changed on a page."""

    id: str
    name: str
    events: int
    last_seen: dt.datetime | None
    first_day: dt.date | None
    retired: bool
    in_file: bool


class NewProduct(_Taken, frozen=True):
    """A product to add; it is called by its id where it has no name."""

    id: str
    name: str = ""


class ProductChange(_Taken, frozen=True):
    """Another name, retired or taken back; what is left out stays."""

    name: str | None = None
    retired: bool | None = None


class Products(_Shape, frozen=True):
    """The products the viewer may see."""

    products: tuple[Product, ...]


class Metric(_Shape, frozen=True):
    """An entry of the catalogue; `dimensions` need no scan, a `family` is looked at together.

    `adds`: the lines of a breakdown add up to the whole, so that they may be stacked.
    """

    name: str
    title: str
    unit: Unit
    direction: Direction
    definition: str
    family: str
    dimensions: tuple[str, ...]
    grains: tuple[Grain, ...]
    policy: str
    segments: bool
    adds: bool


class Metrics(_Shape, frozen=True):
    """Every metric."""

    metrics: tuple[Metric, ...]


class EventName(_Shape, frozen=True):
    """An event type, or the name of an engagement: how often it was seen, its last local day."""

    name: str
    type: str
    events: int
    last_seen: dt.date


class EventNames(_Shape, frozen=True):
    """The events there are, the most frequent first."""

    names: tuple[EventName, ...]


SourceState = Literal["live", "quiet", "backfilling", "failed", "paused"]


class Reading(_Shape, frozen=True):
    """How far the past of a source was read: list `done` of `total`, and about what is left.

    `share` of everything, 0 to 1; `rate` in rows a second; `seconds_left` null while not known.
    """

    label: str
    done: int
    total: int
    rows: int
    rate: float
    share: float
    seconds_left: float | None


class Doubt(_Shape, frozen=True):
    """Records of a source that are counted though something about them is not known.

    `seq` and `object` are the delivery and the vendor's id of the newest of them.
    """

    code: str
    reason: str
    records: int
    last_seen: dt.datetime
    seq: int
    object: str


class Source(_Shape, frozen=True):
    """How one source is doing."""

    id: str
    kind: str
    state: SourceState
    last_received: dt.datetime | None
    deliveries: int
    events: int
    dead_letters: int
    error: str | None
    failed: str = ""  # why it cannot be read: a word of `contract.state_of`, or inside
    since: dt.datetime | None = None  # numbers stand still since then
    reading: Reading | None = None
    live: bool = True  # False: no webhooks are set up, so that it is up to a minute late
    doubts: tuple[Doubt, ...] = ()  # for those who see the whole company
    name: str = ""
    products: tuple[str, ...] = ()
    days: tuple[int, ...] = ()  # events of the last 30 local days, today last
    read: bool = False  # False: it sends by itself, and is neither paused nor reset
    made: bool = False  # connected here, so that its secrets can be replaced here
    complete_to: dt.datetime | None = None  # all until then is here; null: nothing, or not known
    late: Lateness = ""
    fix: str = ""  # the next step after a failure


class Sources(_Shape, frozen=True):
    """Every source; `backlog` counts deliveries not yet in the numbers."""

    sources: tuple[Source, ...]
    backlog: int
    backfill: Backfill | None
    position: str


class NewStripe(_Taken, frozen=True):
    """A Stripe account to read; a restricted, read-only key is enough.

    `product` takes everything; `product_from` (`metadata.product`) lets each object name its own;
    with neither, products are assigned afterwards.
    """

    id: str
    api_key: str
    name: str = ""
    webhook_secret: str = ""
    product: str | None = None
    product_from: str | None = None
    api_base: str = ""


class NewSecrets(_Taken, frozen=True):
    """Another key of an account, another webhook secret ('': none); what is left out stays."""

    api_key: str | None = None
    webhook_secret: str | None = None


class Permission(_Shape, frozen=True):
    """Something that is read of an account, and whether the key may."""

    name: str
    ok: bool


class Sold(_Shape, frozen=True):
    """A product of Stripe's: its prices, and the product here that it belongs to.

    `active_subscriptions` is null where there are too many to count at once.
    """

    id: str
    name: str
    prices: tuple[str, ...]
    active_subscriptions: int | None
    assigned_to: str | None


class Account(_Shape, frozen=True):
    """A connected account: whose it is, what may be read, what it sells; `webhook` is its door.

    `made` where it was connected here, so that its secrets can be replaced here, too.
    """

    source: str
    account: str
    livemode: bool | None
    permissions: tuple[Permission, ...]
    products: tuple[Sold, ...]
    webhook: str
    made: bool


class Assigned(_Shape, frozen=True):
    """Assigned; what came before is in the numbers again once `position` is."""

    source: str
    position: str


class Closing(_Taken, frozen=True):
    """A month such as "2026-01" to close with all before it; `reopen`: to open with all after."""

    month: str
    reopen: bool = False


class Close(_Shape, frozen=True):
    """A close that stands: of a month and all before it that no earlier one closed.

    `by` is who closed it, '' by a command; `itself`: the calendar did, after `after_days`.
    """

    month: str
    closed_at: dt.datetime
    by: str
    itself: bool


class Closes(_Shape, frozen=True):
    """What is closed, by month; `next` is the last month that can be, null where it is.

    `kept`: numbers of closed months stay as they were, what is learned later stands in the first
    open one. `after_days`: months close by themselves so long after their end; null: never.
    """

    closes: tuple[Close, ...]
    next: str | None
    kept: bool
    after_days: int | None
    position: str


class Linking(_Shape, frozen=True):
    """Other customers, each as `source:id`, or an id that only one has."""

    customers: tuple[str, ...]


class Linked(_Shape, frozen=True):
    """The accounts that are this customer from now on, and whether that is new."""

    accounts: tuple[str, ...]
    changed: bool
    position: str


class Taken(_Shape, frozen=True):
    """A webhook was kept."""

    received: bool = True


class DeadLetter(_Shape, frozen=True):
    """A record that was kept and could not be used, with the reason."""

    seq: int
    idx: int
    source: str
    code: str
    reason: str
    recorded_at: dt.datetime


class DeadLetters(_Shape, frozen=True):
    """What could not be used, newest first."""

    dead_letters: tuple[DeadLetter, ...]


# Alerts


class Acting(_Taken, frozen=True):
    """How long to mute an alert; a day when left out."""

    until: dt.datetime | None = None


class Alerts(_Shape, frozen=True):
    """The inbox, newest first."""

    alerts: tuple[AlertShown, ...]


# Opening a page


class Shared(_Shape, frozen=True):
    """What all pages share: as `/v1/products`, `/v1/metrics` and the others answer it."""

    products: tuple[Product, ...]
    metrics: tuple[Metric, ...]
    sources: Sources
    alerts: tuple[AlertShown, ...]
    annotations: tuple[Annotation, ...]
    goals: tuple[Goal, ...]


class Start(_Shape, frozen=True):
    """What a page needs before it can ask anything; `shared` is null for who may not read."""

    session: Session
    shared: Shared | None


# Reports


class NewReport(_Taken, frozen=True):
    """The month to report on, like 2026-10."""

    month: str


class Report(_Shape, frozen=True):
    """A report that was made."""

    id: str
    month: str
    created_at: dt.datetime
    formats: tuple[str, ...]


class Reports(_Shape, frozen=True):
    """Every report, newest first."""

    reports: tuple[Report, ...]


# The server


class Health(_Shape, frozen=True):
    """`ok`, or what is missing."""

    status: str
