"""The fields of Stripe's objects that are read, as typed structs; everything else is ignored.

Field names are those of the API reference (2026-10-28.endive). Where an older version of the API
puts the same fact elsewhere, the older field stands beside the newer one: a webhook's body has the
version of the account that sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Object(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What says which kind of object it is, before it is read as one."""

    object: str = ""
    id: str = ""
    deleted: bool = False
    livemode: bool | None = None


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A list inside an object; `has_more`: not all of it is here."""

    data: tuple[T, ...] = ()
    has_more: bool = False


class Address(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Of an address only the country is read."""

    country: str | None = None


class Billing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Of a charge's billing details only the e-mail is read."""

    email: str | None = None


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """An expanded reference: a product, a subscription, a charge, a refund."""

    id: str
    name: str | None = None
    metadata: dict[str, str] | None = None
    billing_details: Billing | None = None
    receipt_email: str | None = None
    customer: str | Customer | None = None
    amount: int | None = None
    amount_captured: int | None = None
    currency: str | None = None
    charge: str | Named | None = None
    payment_intent: str | Named | None = None


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays."""

    id: str
    created: int | None = None
    name: str | None = None
    email: str | None = None
    address: Address | None = None
    currency: str | None = None
    metadata: dict[str, str] | None = None
    discount: Discount | None = None
    deleted: bool = False


Reference = str | Named | None
Payer = str | Customer | None


def id_of(
    reference: str | Named | Customer | Coupon | Discount | Price | Plan | None,
) -> str:
    """The id of a reference, expanded or not; '' where there is none."""
    if reference is None:
        return ""
    return reference if isinstance(reference, str) else reference.id


# Prices and discounts


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    up_to: int | str | None = None  # "inf" where somebody wrote the request's word
    unit_amount: int | None = None
    unit_amount_decimal: Decimal | None = None
    flat_amount: int | None = None
    flat_amount_decimal: Decimal | None = None


class Transform(msgspec.Struct, frozen=True, kw_only=True):
    divide_by: int
    round: str = "up"


class Recurring(msgspec.Struct, frozen=True, kw_only=True):
    interval: str = "month"
    interval_count: int = 1
    usage_type: str = "licensed"


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit costs, in one currency."""

    unit_amount: int | None = None
    unit_amount_decimal: Decimal | None = None
    tiers: tuple[Tier, ...] | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    currency: str = ""
    product: Reference = None
    nickname: str | None = None
    type: str = "recurring"
    billing_scheme: str = "per_unit"
    unit_amount: int | None = None
    unit_amount_decimal: Decimal | None = None
    tiers: tuple[Tier, ...] | None = None
    tiers_mode: str | None = None
    transform_quantity: Transform | None = None
    recurring: Recurring | None = None
    currency_options: dict[str, Amounts] | None = None
    metadata: dict[str, str] | None = None
    active: bool = True


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A price as versions of the API before prices wrote it."""

    id: str
    currency: str = ""
    product: Reference = None
    nickname: str | None = None
    name: str | None = None
    billing_scheme: str = "per_unit"
    amount: int | None = None
    amount_decimal: Decimal | None = None
    tiers: tuple[Tier, ...] | None = None
    tiers_mode: str | None = None
    transform_usage: Transform | None = None
    interval: str = "month"
    interval_count: int = 1
    usage_type: str = "licensed"
    metadata: dict[str, str] | None = None

    def as_price(self) -> Price:
        """The same as a price."""
        return Price(
            id=self.id,
            currency=self.currency,
            product=self.product,
            nickname=self.nickname or self.name,
            billing_scheme=self.billing_scheme,
            unit_amount=self.amount,
            unit_amount_decimal=self.amount_decimal,
            tiers=self.tiers,
            tiers_mode=self.tiers_mode,
            transform_quantity=self.transform_usage,
            recurring=Recurring(
                interval=self.interval,
                interval_count=self.interval_count,
                usage_type=self.usage_type,
            ),
            metadata=self.metadata,
        )


class Coupon(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    percent_off: Decimal | None = None
    amount_off: int | None = None
    currency: str | None = None
    duration: str = "forever"
    currency_options: dict[str, CouponAmount] | None = None


class CouponAmount(msgspec.Struct, frozen=True, kw_only=True):
    amount_off: int | None = None


class CouponSource(msgspec.Struct, frozen=True, kw_only=True):
    coupon: str | Coupon | None = None


class Discount(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    start: int | None = None
    end: int | None = None
    source: CouponSource | None = None
    coupon: str | Coupon | None = None
    subscription: Reference = None
    subscription_item: str | None = None


class TaxRate(msgspec.Struct, frozen=True, kw_only=True):
    inclusive: bool = False
    percentage: Decimal | None = None
    effective_percentage: Decimal | None = None


# Subscriptions


class Item(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    price: Price | None = None
    plan: Plan | None = None
    quantity: Decimal | None = None
    discounts: tuple[str | Discount, ...] | None = None
    tax_rates: tuple[str | TaxRate, ...] | None = None
    metadata: dict[str, str] | None = None
    current_period_start: int | None = None
    current_period_end: int | None = None
    deleted: bool = False


class Cancellation(msgspec.Struct, frozen=True, kw_only=True):
    reason: str | None = None
    feedback: str | None = None


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    behavior: str | None = None
    resumes_at: int | None = None


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    customer: Payer = None
    status: str = ""
    currency: str = ""
    created: int | None = None
    start_date: int | None = None
    items: Page[Item] | None = None
    discounts: tuple[str | Discount, ...] | None = None
    discount: Discount | None = None
    default_tax_rates: tuple[str | TaxRate, ...] | None = None
    trial_start: int | None = None
    trial_end: int | None = None
    current_period_start: int | None = None
    current_period_end: int | None = None
    cancel_at: int | None = None
    cancel_at_period_end: bool = False
    canceled_at: int | None = None
    ended_at: int | None = None
    cancellation_details: Cancellation | None = None
    pause_collection: Pause | None = None
    metadata: dict[str, str] | None = None


class PhaseDiscount(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon that a phase begins with, or a discount that it goes on with."""

    coupon: str | Coupon | None = None
    discount: str | Discount | None = None


class PhaseItem(msgspec.Struct, frozen=True, kw_only=True):
    price: str | Price | None = None
    plan: str | Plan | None = None
    quantity: Decimal | None = None
    discounts: tuple[PhaseDiscount, ...] | None = None
    tax_rates: tuple[str | TaxRate, ...] | None = None
    metadata: dict[str, str] | None = None


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    start_date: int
    end_date: int | None = None
    currency: str | None = None
    items: tuple[PhaseItem, ...] = ()
    discounts: tuple[PhaseDiscount, ...] | None = None
    coupon: str | Coupon | None = None  # as older versions say it
    default_tax_rates: tuple[str | TaxRate, ...] | None = None
    metadata: dict[str, str] | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    customer: Payer = None
    status: str = ""
    subscription: Reference = None
    released_subscription: str | None = None
    end_behavior: str = "release"
    phases: tuple[Phase, ...] = ()
    metadata: dict[str, str] | None = None


# Invoices


class Span(msgspec.Struct, frozen=True, kw_only=True):
    start: int | None = None
    end: int | None = None


class PriceDetails(msgspec.Struct, frozen=True, kw_only=True):
    price: str | Price | None = None
    product: Reference = None


class Pricing(msgspec.Struct, frozen=True, kw_only=True):
    price_details: PriceDetails | None = None
    unit_amount_decimal: Decimal | None = None


class ItemDetails(msgspec.Struct, frozen=True, kw_only=True):
    subscription: Reference = None
    subscription_item: str | None = None
    proration: bool = False


class LineParent(msgspec.Struct, frozen=True, kw_only=True):
    subscription_item_details: ItemDetails | None = None
    invoice_item_details: ItemDetails | None = None


class DiscountAmount(msgspec.Struct, frozen=True, kw_only=True):
    amount: int = 0
    discount: str | Discount | None = None


class Tax(msgspec.Struct, frozen=True, kw_only=True):
    amount: int = 0
    tax_behavior: str = "exclusive"
    inclusive: bool = False  # as older versions say it

    @property
    def within(self) -> bool:
        """Whether the price holds it already."""
        return self.inclusive or self.tax_behavior == "inclusive"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    amount: int = 0
    quantity: Decimal | None = None
    period: Span | None = None
    pricing: Pricing | None = None
    price: Price | None = None
    plan: Plan | None = None
    parent: LineParent | None = None
    proration: bool = False
    subscription: Reference = None
    subscription_item: str | None = None
    discounts: tuple[str | Discount, ...] | None = None
    discount_amounts: tuple[DiscountAmount, ...] | None = None
    taxes: tuple[Tax, ...] | None = None
    tax_amounts: tuple[Tax, ...] | None = None
    metadata: dict[str, str] | None = None


class ItemParent(msgspec.Struct, frozen=True, kw_only=True):
    subscription_details: ItemDetails | None = None


class InvoiceItem(msgspec.Struct, frozen=True, kw_only=True):
    """What waits to be on the next invoice."""

    id: str
    amount: int = 0
    currency: str = ""
    customer: Payer = None
    quantity: Decimal | None = None
    period: Span | None = None
    pricing: Pricing | None = None
    price: Price | None = None
    plan: Plan | None = None
    parent: ItemParent | None = None
    proration: bool = False
    subscription: Reference = None
    subscription_item: str | None = None
    metadata: dict[str, str] | None = None

    def as_line(self) -> Line:
        """The line that it will be."""
        details = self.parent.subscription_details if self.parent else None
        return Line(
            id=self.id,
            amount=self.amount,
            quantity=self.quantity,
            period=self.period,
            pricing=self.pricing,
            price=self.price,
            plan=self.plan,
            parent=LineParent(subscription_item_details=details) if details else None,
            proration=self.proration,
            subscription=self.subscription,
            subscription_item=self.subscription_item,
            metadata=self.metadata,
        )


class Moments(msgspec.Struct, frozen=True, kw_only=True):
    finalized_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None
    marked_uncollectible_at: int | None = None


class SubscriptionDetails(msgspec.Struct, frozen=True, kw_only=True):
    subscription: Reference = None
    metadata: dict[str, str] | None = None


class InvoiceParent(msgspec.Struct, frozen=True, kw_only=True):
    subscription_details: SubscriptionDetails | None = None


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    status: str | None = None
    currency: str = ""
    customer: Payer = None
    customer_address: Address | None = None
    customer_email: str | None = None
    created: int = 0
    period_start: int | None = None
    period_end: int | None = None
    total: int = 0
    amount_due: int = 0
    amount_paid: int = 0
    attempt_count: int = 0
    status_transitions: Moments | None = None
    total_taxes: tuple[Tax, ...] | None = None
    total_tax_amounts: tuple[Tax, ...] | None = None
    tax: int | None = None
    lines: Page[Line] | None = None
    discounts: tuple[str | Discount, ...] | None = None
    parent: InvoiceParent | None = None
    subscription: Reference = None
    metadata: dict[str, str] | None = None


# Money


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    amount: int
    currency: str
    created: int
    status: str | None = None
    charge: Reference = None
    payment_intent: Reference = None
    reason: str | None = None
    metadata: dict[str, str] | None = None
    balance_transaction: Reference = None  # none: no money ever left


class BalanceTransaction(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    amount: int
    fee: int
    net: int
    currency: str
    created: int
    type: str
    reporting_category: str = ""
    source: Reference = None


class Paying(msgspec.Struct, frozen=True, kw_only=True):
    payment_intent: Reference = None


class InvoicePayment(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    invoice: str | Invoice | None = None
    payment: Paying | None = None


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    amount: int
    currency: str
    created: int
    charge: Reference = None
    payment_intent: Reference = None
    reason: str = ""
    balance_transactions: tuple[BalanceTransaction, ...] | None = None
    metadata: dict[str, str] | None = None


# Deliveries


class EventData(msgspec.Struct, frozen=True, kw_only=True):
    object: msgspec.Raw
    previous_attributes: dict[str, Any] | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: str
    created: int
    data: EventData
    livemode: bool | None = None
    account: str | None = None


class Extra(msgspec.Struct, frozen=True, kw_only=True):
    """What the bodies only point to, read beside them; null: Stripe no longer has it.

    `prices` with their tiers and other currencies, `discounts` and `coupons` by their ids,
    `invoices` by the charge that paid them, `charges` that paid none; `failed`, by subscription,
    when collecting was tried for the last time (epoch seconds).
    """

    prices: dict[str, Price | None] = {}
    discounts: dict[str, Discount | None] = {}
    coupons: dict[str, Coupon | None] = {}
    invoices: dict[str, Invoice | None] = {}
    charges: dict[str, Named | None] = {}
    failed: dict[str, int | None] = {}


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """A body: one webhook event, or a page `list` of objects or events with its extras.

    `read_at`: epoch seconds before the page was asked for; `history`: it tells of the past too.
    """

    object: str = ""
    list: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    read_at: int = 0
    history: bool = False
    extra: Extra = Extra()


NO_EXTRA = Extra()
Metadata = Mapping[str, str] | None
