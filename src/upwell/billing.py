"""What a billing system says, typed and without judgement: states of subscriptions, people, cash.

Sources make these records from raw bytes; none of them holds an MRR. What they come to in money is
decided by counting rules (`metrics.revenue`), so that other rules are another fold over the same
records. Money is in minor units of its currency (cents), times are UTC microseconds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

Interval = Literal["day", "week", "month", "year"]
Status = Literal[
    "incomplete",
    "incomplete_expired",
    "trialing",
    "active",
    "past_due",
    "unpaid",
    "canceled",
    "paused",
]
PauseBehavior = Literal["void", "keep_as_draft", "mark_uncollectible"]
ScheduleStatus = Literal["not_started", "active", "completed", "released", "canceled"]
Duration = Literal["once", "repeating", "forever"]


class Tier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One step of a tiered price: up to and including `up_to` units (None: all that follow)."""

    up_to: int | None = None
    unit: Decimal = Decimal(0)
    flat: Decimal = Decimal(0)


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How one unit is charged; `interval` None is a one-time price.

    `unit` is None where tiers say it. `divide_by` packs units (2,500 by 1,000 rounded up are 3).
    """

    id: str
    plan: str  # what people call it: the price's nickname, its product's name, or its id
    currency: str
    interval: Interval | None = "month"
    interval_count: int = 1
    unit: Decimal | None = None
    metered: bool = False
    tiers: tuple[Tier, ...] = ()
    tiers_mode: Literal["graduated", "volume"] | None = None
    divide_by: int | None = None
    round_up: bool = False


class Discount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A coupon at work: a share of the price or an amount, from `start` until `end` if it ends."""

    id: str
    percent: Decimal | None = None  # 50 is half
    amount: Decimal | None = None
    currency: str | None = None  # of `amount`
    duration: Duration = "forever"
    start: int | None = None
    end: int | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line of a subscription: so many of a price, for one of our products."""

    id: str
    product: str  # one of the company's products, or `unassigned`
    price: Price
    quantity: Decimal = Decimal(1)
    inclusive_tax: Decimal = Decimal(0)  # rate within the price: 0.21 for 21 % VAT included
    discounts: tuple[Discount, ...] = ()
    until: int | None = None  # of a reconstructed state: the end of the time that was charged for


class Scheduled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is set to become of a subscription from `at` on; without items it is to end."""

    at: int
    items: tuple[Item, ...] = ()
    discounts: tuple[Discount, ...] = ()


class SubscriptionState(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="sub"
):
    """How a subscription stands from `at` on, until its next state.

    Of two states with the same `at` the one with the greater `order` is the later one. `deleted`
    takes the subscription away as an ending. `mrr` is given only by sources that know no more
    (major units are not used here either: minor units a month).
    """

    source: str
    id: str
    customer: str
    at: int
    order: str = ""
    status: Status = "active"
    currency: str = "USD"
    items: tuple[Item, ...] = ()
    discounts: tuple[Discount, ...] = ()
    mrr: Decimal | None = None
    created: int | None = None
    trial_start: int | None = None
    trial_end: int | None = None
    period_start: int | None = None
    period_end: int | None = None
    cancel_at: int | None = None  # set for the future: will end then
    canceled_at: int | None = None  # when the customer asked for it
    ended_at: int | None = None
    reason: str = ""  # voluntary reason or feedback, or payment_failed, in the source's words
    pause: PauseBehavior | None = None
    pause_resumes: int | None = None
    reconstructed: bool = False  # pieced together from invoices, not said by the source
    partial: bool = False  # of prorations alone: what they do not name goes on
    dropped: tuple[str, ...] = ()  # items that were credited and not charged again
    deleted: bool = False
    scheduled: Scheduled | None = None  # by a schedule, where committed MRR is asked for
    refunded: bool = False  # by counting rules: items are left out that count as never paid


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="cus"):
    """Who pays, as the source knows them from `at` on; `external` are ids that link systems."""

    source: str
    id: str
    at: int
    order: str = ""
    name: str = ""
    email: str = ""
    country: str = ""
    external: str = ""
    currency: str = ""
    created: int | None = None
    deleted: bool = False
    reconstructed: bool = False
    discounts: tuple[Discount, ...] = ()  # where a subscription has none of its own
    metadata: dict[str, str] = {}  # the company's own words about them


class Cash(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="cash"):
    """One movement of the account's balance, as the billing system books it; never restated."""

    source: str
    id: str
    at: int
    kind: str  # charge, refund, dispute, fee, payout, adjustment …: the source's own word
    amount: int
    fee: int
    net: int
    currency: str
    cause: str = ""  # id of the charge, refund or dispute behind it
    presented: int | None = None  # `amount` in the currency that was paid in, where it is another
    presented_currency: str = ""
    product: str = "unassigned"
    order: str = ""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an invoice charges for the use of a metered price, less tax and discounts."""

    product: str
    amount: int
    end: int  # of the time of use


class Payment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="pay"):
    """How the attempt to collect one invoice stands from `at` on: for dunning and reconciliation.

    `due` is what was asked, `paid` what came, both with tax; `tax` its part of `due`.
    """

    source: str
    id: str  # the invoice
    at: int
    customer: str
    order: str = ""
    subscription: str = ""
    product: str = "unassigned"
    currency: str = "USD"
    due: int = 0
    paid: int = 0
    tax: int = 0
    status: Literal["open", "paid", "void", "uncollectible"] = "open"
    first_failed: int | None = None
    paid_at: int | None = None
    period_start: int | None = None
    period_end: int | None = None
    usage: tuple[Usage, ...] = ()
    reconstructed: bool = False


class Refund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="ref"):
    """Money given back of an invoice of a subscription; a negative amount: it failed, and is back.

    `paid` is what was paid of the invoice in all. `spans` are the times that the invoice charged
    for: the item of the subscription ('': all of them), start and end.
    """

    source: str
    id: str
    at: int
    customer: str
    subscription: str
    invoice: str
    amount: int
    paid: int
    currency: str
    spans: tuple[tuple[str, int, int], ...] = ()
    order: str = ""


class Phase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a subscription is to be for from `start` until `end`."""

    start: int
    end: int | None = None
    items: tuple[Item, ...] = ()
    discounts: tuple[Discount, ...] = ()


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="sch"):
    """What is set for the life of a subscription, as the schedule stands from `at` on.

    `phases` in order of time; after the last the subscription goes on as it is, or `ends`.
    """

    source: str
    id: str
    at: int
    customer: str
    subscription: str
    order: str = ""
    status: ScheduleStatus = "active"
    phases: tuple[Phase, ...] = ()
    ends: bool = False


Record = SubscriptionState | Customer | Cash | Payment | Refund | Schedule


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A configured source as translation knows it: what its objects belong to.

    Without a `product`, `product_from` names where each object says its own (`metadata.product`);
    `assign` maps the vendor's ids of prices and products to ours and wins over both; `names` are
    what the vendor calls them, by the same ids. `livemode` None takes real and test objects alike.
    `given` is what else of the settings the meaning of its bytes depends on.
    """

    id: str
    kind: str = "stripe"
    product: str | None = None
    product_from: str | None = None
    assign: dict[str, str] = {}

    def __hash__(self) -> int:
        return hash(self.id)

    names: dict[str, str] = {}
    account: str = ""
    livemode: bool | None = None
    given: dict[str, Any] = {}
