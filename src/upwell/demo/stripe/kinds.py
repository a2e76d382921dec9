"""The lists of the API: what is in each, who may read it, and what it can be filtered by."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from upwell.demo.stripe.world import Json, World

Match = Callable[[World, Json, str], bool]


def _same(field: str) -> Match:
    return lambda _, row, value: row[field] == value


def _flag(field: str) -> Match:
    return lambda _, row, value: row[field] == (value == "true")


def _status(_: World, row: Json, value: str) -> bool:
    if value == "ended":
        return row["status"] in {"canceled", "incomplete_expired"}
    return value == "all" or bool(row["status"] == value)


def _has_price(_: World, row: Json, value: str) -> bool:
    return any(item["price"]["id"] == value for item in row["items"]["data"])


def _invoice_subscription(_: World, row: Json, value: str) -> bool:
    parent = row["parent"]
    return bool(parent and parent["subscription_details"]["subscription"] == value)


def _payout(world: World, row: Json, value: str) -> bool:
    return world.paid_out.get(row["id"]) == value


def _intent(_: World, row: Json, value: str) -> bool:
    return bool(row["payment"]["payment_intent"] == value)


def _waiting(_: World, row: Json, value: str) -> bool:
    return (row["invoice"] is None) == (value == "true")


def _any(_world: World, _row: Json, _value: str) -> bool:
    return True


class Kind(NamedTuple):
    """One list of the API: what is in it, who may read it, and what it can be filtered by."""

    object: str
    permission: str
    filters: dict[str, Match]


_CUSTOMER = {"customer": _same("customer")}
KINDS: dict[str, Kind] = {
    "customers": Kind("customer", "customer", {"email": _same("email")}),
    "products": Kind("product", "product", {"active": _flag("active")}),
    "prices": Kind(
        "price",
        "plan",
        {
            "active": _flag("active"),
            "currency": _same("currency"),
            "product": _same("product"),
            "type": _same("type"),
        },
    ),
    "coupons": Kind("coupon", "coupon", {}),
    "tax_rates": Kind(
        "tax_rate", "tax_rate", {"active": _flag("active"), "inclusive": _flag("inclusive")}
    ),
    "subscriptions": Kind(
        "subscription",
        "subscription",
        {
            **_CUSTOMER,
            "collection_method": _same("collection_method"),
            "price": _has_price,
            "status": _status,
        },
    ),
    "subscription_schedules": Kind("subscription_schedule", "subscription", _CUSTOMER),
    "subscription_items": Kind(
        "subscription_item", "subscription", {"subscription": _same("subscription")}
    ),
    "invoices": Kind(
        "invoice",
        "invoice",
        {
            **_CUSTOMER,
            "collection_method": _same("collection_method"),
            "status": _same("status"),
            "subscription": _invoice_subscription,
        },
    ),
    "invoiceitems": Kind(
        "invoiceitem", "invoice", {**_CUSTOMER, "invoice": _same("invoice"), "pending": _waiting}
    ),
    "invoice_payments": Kind(
        "invoice_payment",
        "invoice",
        {
            "invoice": _same("invoice"),
            "status": _same("status"),
            "payment[type]": _any,
            "payment[payment_intent]": _intent,
        },
    ),
    "charges": Kind("charge", "charge", {**_CUSTOMER, "payment_intent": _same("payment_intent")}),
    "payment_intents": Kind("payment_intent", "payment_intent", _CUSTOMER),
    "refunds": Kind(
        "refund",
        "charge",
        {"charge": _same("charge"), "payment_intent": _same("payment_intent")},
    ),
    "disputes": Kind(
        "dispute",
        "dispute",
        {"charge": _same("charge"), "payment_intent": _same("payment_intent")},
    ),
    "credit_notes": Kind("credit_note", "credit_note", {**_CUSTOMER, "invoice": _same("invoice")}),
    "balance_transactions": Kind(
        "balance_transaction",
        "balance_transaction_source",
        {
            "currency": _same("currency"),
            "payout": _payout,
            "source": _same("source"),
            "type": _same("type"),
        },
    ),
    "payouts": Kind("payout", "payout", {"status": _same("status")}),
    "webhook_endpoints": Kind("webhook_endpoint", "webhook", {}),
}
PERMISSIONS = {kind.object: kind.permission for kind in KINDS.values()}
PERMISSIONS |= {"event": "event", "account": "accounts_kyc_basic", "discount": "coupon"}
PREFIXES = {
    "ch": "charge",
    "cn": "credit_note",
    "cus": "customer",
    "di": "discount",
    "dp": "dispute",
    "in": "invoice",
    "pi": "payment_intent",
    "po": "payout",
    "price": "price",
    "prod": "product",
    "re": "refund",
    "si": "subscription_item",
    "sub": "subscription",
    "txn": "balance_transaction",
}
