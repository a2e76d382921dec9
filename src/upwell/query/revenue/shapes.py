"""What is answered about revenue beyond series; money is a decimal string in major units."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from upwell.query.question import Unconverted

CustomerStatus = Literal["active", "past_due", "trialing", "paused", "canceled"]
"""How a customer stands, the best of several subscriptions first."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Bridge(Shape, frozen=True):
    """Closing = opening + new + expansion + reactivation - contraction - churn + fx + restatement.

    Decimal strings in major units; contraction and churn are positive and taken off.
    """

    opening: str
    new: str
    expansion: str
    reactivation: str
    contraction: str
    churn: str
    fx: str
    restatement: str
    closing: str


class Cause(Shape, frozen=True):
    """How much of a movement has one cause, and of how many customers."""

    movement: str
    cause: str
    amount: str
    customers: int


class Cross(Shape, frozen=True):
    """What customers who stayed began and left, by product: parts of expansion and contraction."""

    cross_sell: str
    product_drop: str


class BridgePart(Shape, frozen=True):
    """The bridge of one value of the split."""

    key: str
    label: str
    bridge: Bridge


class BridgeBucket(Shape, frozen=True):
    """The bridge of one bucket."""

    start: str
    complete: bool
    bridge: Bridge


class ClosedMonth(Shape, frozen=True):
    """A closed month: by how much MRR at its end is another now than it was known when it closed.

    `/v1/changes` from `closed_at` on lists what made the difference.
    """

    month: str
    closed_at: dt.datetime
    restated: str


class BridgeAnswer(Shape, frozen=True):
    """A bridge with what it rests on; `closed` are the months of it that are closed.

    `parts` attribute what was classified for the whole; by product each product is classified on
    its own, so that only their net movements add up, not their kinds. `apart` are the bridges of
    other currencies, where nothing is converted.
    """

    currency: str
    policy: str
    as_of: dict[str, str]
    position: str
    complete: bool
    provisional: bool
    bridge: Bridge
    causes: tuple[Cause, ...]
    cross: Cross | None
    parts: tuple[BridgePart, ...]
    buckets: tuple[BridgeBucket, ...]
    closed: tuple[ClosedMonth, ...] = ()
    unconverted: tuple[Unconverted, ...] = ()
    apart: tuple[BridgeAnswer, ...] = ()


class MovedCustomer(Shape, frozen=True):
    """One customer's share of a movement; `at` is the last change, `delivery` what brought it."""

    id: str
    name: str
    email: str
    country: str
    product: str
    plan: str
    amount: str
    at: dt.datetime
    cause: str
    delivery: int


class MovedCustomers(Shape, frozen=True):
    """A page of a movement's customers, the largest first."""

    customers: tuple[MovedCustomer, ...]
    cursor: str | None
    total: int


class InCurrency(Shape, frozen=True):
    """MRR in one currency."""

    currency: str
    mrr: str


class CustomerLine(Shape, frozen=True):
    """A customer in the list; `ltv` is what they have paid so far, less refunds.

    Where nothing is converted both are in the customer's own `currency`, and `also` is MRR in
    others that they pay in.
    """

    id: str
    name: str
    email: str
    country: str
    products: tuple[str, ...]
    plans: tuple[str, ...]
    status: CustomerStatus
    currency: str
    mrr: str
    since: dt.date | None
    ltv: str | None
    also: tuple[InCurrency, ...] = ()


class Customers(Shape, frozen=True):
    """A page of customers, and how many there are."""

    customers: tuple[CustomerLine, ...]
    cursor: str | None
    total: int
    currency: str


class CustomerId(Shape, frozen=True):
    """The name of a customer in one source.

    `rule` joins it with the others, since the instant `since`; both are null where it is alone.
    """

    source: str
    id: str
    name: str
    rule: str | None = None
    since: dt.datetime | None = None


class Apart(Shape, frozen=True):
    """A customer's account that was one with this customer until somebody took them apart."""

    source: str
    id: str
    at: dt.datetime


class CustomerFacts(Shape, frozen=True):
    """Who a customer is and what they are worth; money in the workspace's currency."""

    id: str
    name: str
    email: str
    country: str
    since: dt.date | None
    status: CustomerStatus
    mrr: str
    lifetime_value: str | None
    sources: tuple[CustomerId, ...]
    apart: tuple[Apart, ...]


class SubscriptionLine(Shape, frozen=True):
    """A subscription of a customer as it stands."""

    id: str
    source: str
    product: str
    plan: str
    interval: str
    status: str
    mrr: str
    started: dt.datetime | None
    trial_end: dt.datetime | None
    cancel_at: dt.datetime | None
    canceled_at: dt.datetime | None
    ended_at: dt.datetime | None
    reason: str | None


class MovementLine(Shape, frozen=True):
    """A movement of a customer, with their MRR after it; `delivery` is what brought it."""

    at: dt.datetime
    day: dt.date
    product: str
    plan: str
    kind: str
    cause: str
    amount: str
    mrr_after: str
    delivery: int


class PaymentLine(Shape, frozen=True):
    """An invoice of a customer and what came of it, in its own currency."""

    id: str
    at: dt.datetime
    amount: str
    status: str
    product: str
    currency: str
    refunded: str | None


class MonthValue(Shape, frozen=True):
    """A customer's MRR at the end of a month."""

    start: dt.date
    value: str


class UsedEvent(Shape, frozen=True):
    """How often one event was done, and when last; `name` is its type where it has no name."""

    product: str
    name: str
    count: int
    last: dt.datetime


class Used(Shape, frozen=True):
    """What a customer's users did.

    `events` and `users` are of the 90 days up to the last active one, from `since` on; days are
    those on which any of them was active, ever.
    """

    users: int
    active_days: int
    first_active: dt.date
    last_active: dt.datetime
    since: dt.date
    events: tuple[UsedEvent, ...]


class Profile(Shape, frozen=True):
    """One customer: subscriptions, movements, payments, MRR by month, use by its own users.

    Where nothing is converted it is of one currency, and `apart` says the same of the others.
    """

    customer: CustomerFacts
    currency: str
    subscriptions: tuple[SubscriptionLine, ...]
    movements: tuple[MovementLine, ...]
    payments: tuple[PaymentLine, ...]
    mrr: tuple[MonthValue, ...]
    use: Used | None
    apart: tuple[Profile, ...] = ()


class Cohort(Shape, frozen=True):
    """Who began to pay in one period; `values` are shares of `size`, null while not over."""

    start: dt.date
    size: int | str
    values: tuple[float | None, ...]


class Cohorts(Shape, frozen=True):
    """Cohorts, and the mean of each column over those that are old enough, by their weight.

    `only` is the one currency that they pay in, where nothing is converted; `apart` are the cohorts
    of other currencies.
    """

    grain: str
    currency: str | None
    cohorts: tuple[Cohort, ...]
    mean: tuple[float | None, ...]
    only: str | None = None
    apart: tuple[Cohorts, ...] = ()


class CountingRule(Shape, frozen=True):
    """One choice of the counting rules: `about` what, and `said`: its value in words."""

    name: str
    value: str | int | bool | None
    title: str
    definition: str
    about: str
    said: str


class CountingRules(Shape, frozen=True):
    """One set of counting rules."""

    name: str
    title: str
    version: int
    fields: tuple[CountingRule, ...]


class Policies(Shape, frozen=True):
    """All sets of counting rules, and the name of the workspace's own."""

    workspace: str
    policies: tuple[CountingRules, ...]
