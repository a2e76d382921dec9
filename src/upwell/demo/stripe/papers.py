"""Shapes of subscriptions and their bills: subscriptions, items, invoices, invoice items, lines."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from upwell.demo.stripe import pricing
from upwell.demo.stripe.pricing import decimal_text
from upwell.demo.stripe.world import DAY, NOTHING, Json, World

LINES_SHOWN = 10  # https://docs.stripe.com/api/invoices/object#invoice_object-lines

_SELF: Json = {"type": "self"}
_NO_TAX: Json = {"disabled_reason": None, "enabled": False, "liability": None}
_PAYMENT_SETTINGS: Json = {
    "payment_method_options": None,
    "payment_method_types": None,
    "save_default_payment_method": "off",
}
_INVOICE_SETTINGS: Json = {
    "account_tax_ids": None,
    "custom_fields": None,
    "description": None,
    "footer": None,
    "issuer": _SELF,
}
_NO_REASON: Json = {"comment": None, "feedback": None, "reason": None}
_CLASSIC: Json = {"flexible": None, "type": "classic"}
_FLEXIBLE: Json = {"flexible": {}, "type": "flexible"}
_DRAFT: Json = {
    "finalized_at": None,
    "marked_uncollectible_at": None,
    "paid_at": None,
    "voided_at": None,
}


class Draft(NamedTuple):
    """A line before it is on an invoice: what is charged for which time."""

    amount: int
    currency: str
    start: int
    end: int
    text: str
    price: Json | None = None
    quantity: int | None = 1
    subscription: str | None = None
    item: str | None = None
    invoice_item: str | None = None
    proration: bool = False
    discountable: bool = True
    discounts: tuple[str, ...] = ()
    tax_rates: tuple[Json, ...] = ()


def subscription(
    world: World,
    *,
    customer: str,
    currency: str,
    items: list[Json],
    trial_end: int | None,
    missing_payment_method: str,
    metadata: dict[str, str],
    tax_rates: list[Json],
    days_until_due: int | None,
) -> Json:
    """A new subscription that has not been paid yet."""
    identity = world.new_id("sub")
    rhythms = {(i["plan"]["interval"], i["plan"]["interval_count"]) for i in items}
    return {
        "id": identity,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": _NO_TAX,
        "billing_cycle_anchor": trial_end or world.now,
        "billing_cycle_anchor_config": None,
        "billing_mode": _CLASSIC if len(rhythms) == 1 else _FLEXIBLE,
        "billing_schedules": NOTHING,
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": _NO_REASON,
        "collection_method": "send_invoice" if days_until_due else "charge_automatically",
        "created": world.now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "days_until_due": days_until_due,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": tax_rates,
        "description": None,
        "discounts": NOTHING,
        "ended_at": None,
        "invoice_settings": _INVOICE_SETTINGS,
        "items": items_list(identity, [{**item, "subscription": identity} for item in items]),
        "latest_invoice": None,
        "livemode": world.livemode,
        "metadata": metadata,
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": _PAYMENT_SETTINGS,
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": world.now,
        "status": "incomplete",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": missing_payment_method}},
        "trial_start": world.now if trial_end else None,
    }


def items_list(subscription: str, items: list[Json]) -> Json:
    """The items as they stand in their subscription."""
    return {
        "object": "list",
        "data": items,
        "has_more": False,
        "url": f"/v1/subscription_items?subscription={subscription}",
    }


def item(
    world: World, price: Json, quantity: int, tax_rates: list[Json], start: int, end: int
) -> Json:
    """A new item; a metered one has no quantity, its usage is counted."""
    shape: Json = {
        "id": world.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": world.now,
        "current_period_end": end,
        "current_period_start": start,
        "discounts": NOTHING,
        "metadata": {},
        "plan": world.plans[price["id"]],
        "price": price,
        "subscription": "",
        "tax_rates": tax_rates,
    }
    if price["recurring"]["usage_type"] == "licensed":
        shape["quantity"] = quantity
    return shape


def invoice_item(world: World, customer: str, draft: Draft) -> Json:
    """Something that waits to be on the next invoice."""
    parent = draft.subscription and {
        "subscription_details": {
            "subscription": draft.subscription,
            "subscription_item": draft.item,
        },
        "type": "subscription_details",
    }
    return {
        "id": world.new_id("ii"),
        "object": "invoiceitem",
        "amount": draft.amount,
        "currency": draft.currency,
        "customer": customer,
        "customer_account": None,
        "date": world.now,
        "description": draft.text,
        "discountable": draft.discountable,
        "discounts": NOTHING,
        "invoice": None,
        "livemode": world.livemode,
        "metadata": {},
        "net_amount": draft.amount,
        "parent": parent or None,
        "period": {"end": draft.end, "start": draft.start},
        "pricing": _pricing(draft),
        "proration": draft.proration,
        "quantity": draft.quantity,
        "quantity_decimal": str(draft.quantity),
        "tax_rates": list(draft.tax_rates),
        "test_clock": None,
    }


def _pricing(draft: Draft) -> Json | None:
    if draft.price is None:
        return None
    unit = draft.price["unit_amount_decimal"]
    if draft.proration and draft.quantity:
        unit = decimal_text(Decimal(draft.amount) / draft.quantity)
    return {
        "price_details": {"price": draft.price["id"], "product": draft.price["product"]},
        "type": "price_details",
        "unit_amount_decimal": unit,
    }


def _parent(draft: Draft) -> Json:
    details = {
        "invoice_item": draft.invoice_item,
        "proration": draft.proration,
        "proration_details": {"credited_items": None},
        "subscription": draft.subscription,
    }
    if draft.item is None:
        kind, other = "invoice_item_details", "subscription_item_details"
    else:
        details["subscription_item"] = draft.item
        kind, other = "subscription_item_details", "invoice_item_details"
    return {kind: details, other: None, "type": kind}


def line(
    world: World, invoice: str, draft: Draft, cuts: list[tuple[str, int]], metadata: Json
) -> Json:
    """A line as it stands on an invoice; `cuts` are (discount, amount taken off)."""
    net = draft.amount - sum(amount for _, amount in cuts)
    taxes = pricing.taxes(net, draft.tax_rates, draft.currency) if draft.tax_rates else []
    return {
        "id": world.new_id("il"),
        "object": "line_item",
        "amount": draft.amount,
        "currency": draft.currency,
        "description": draft.text,
        "discount_amounts": [{"amount": amount, "discount": id_} for id_, amount in cuts],
        "discountable": draft.discountable,
        "discounts": list(draft.discounts),
        "invoice": invoice,
        "livemode": world.livemode,
        "metadata": metadata,
        "parent": _parent(draft),
        "period": {"end": draft.end, "start": draft.start},
        "pretax_credit_amounts": NOTHING,
        "pricing": _pricing(draft),
        "quantity": draft.quantity,
        "quantity_decimal": str(draft.quantity) if draft.quantity is not None else None,
        "subscription": None,
        "subtotal": draft.amount,
        "taxes": [
            {
                "amount": tax,
                "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
                "tax_rate_details": {"tax_rate": rate["id"]},
                "taxability_reason": "not_available",
                "taxable_amount": base,
                "type": "tax_rate_details",
            }
            for rate, tax, base in taxes
        ],
    }


class Totals(NamedTuple):
    """What the lines of an invoice add up to."""

    subtotal: int
    total: int
    excluding_tax: int
    subtotal_excluding_tax: int
    discounts: list[Json]
    taxes: list[Json]


def totals(lines: list[Json], on_items: frozenset[str]) -> Totals:
    """Subtotals stand before the invoice's own discounts, but after those of items."""
    subtotal = cut = inclusive = exclusive = 0
    by_discount: dict[str, int] = {}
    by_rate: dict[str, Json] = {}
    for row in lines:
        subtotal += row["amount"]
        for taken in row["discount_amounts"]:
            identity, amount = taken["discount"], taken["amount"]
            by_discount[identity] = by_discount.get(identity, 0) + amount
            if identity in on_items:
                subtotal -= amount
            else:
                cut += amount
        for tax in row["taxes"]:
            if tax["tax_behavior"] == "inclusive":
                inclusive += tax["amount"]
            else:
                exclusive += tax["amount"]
            rate = tax["tax_rate_details"]["tax_rate"]
            sofar = by_rate.get(rate)
            by_rate[rate] = tax if sofar is None else _added(sofar, tax)
    total = subtotal - cut + exclusive
    return Totals(
        subtotal,
        total,
        total - inclusive - exclusive,
        subtotal - inclusive,
        [{"amount": amount, "discount": id_} for id_, amount in by_discount.items()],
        list(by_rate.values()),
    )


def _added(one: Json, other: Json) -> Json:
    return {
        **one,
        "amount": one["amount"] + other["amount"],
        "taxable_amount": one["taxable_amount"] + other["taxable_amount"],
    }


def lines_list(invoice: str, lines: list[Json]) -> Json:
    """The first lines as they stand in their invoice; a list request gives the rest."""
    return {
        "object": "list",
        "data": lines[:LINES_SHOWN],
        "has_more": len(lines) > LINES_SHOWN,
        "url": f"/v1/invoices/{invoice}/lines",
    }


def invoice(
    world: World,
    identity: str,
    customer: Json,
    subscription: Json | None,
    *,
    reason: str,
    lines: list[Json],
    sums: Totals,
    period: tuple[int, int],
    auto_advance: bool,
    finalizes_at: int | None,
    days_until_due: int | None,
) -> Json:
    """A draft invoice."""
    parent = subscription and {
        "quote_details": None,
        "subscription_details": {
            "metadata": subscription["metadata"],
            "subscription": subscription["id"],
        },
        "type": "subscription_details",
    }
    return {
        "id": identity,
        "object": "invoice",
        "account_country": "US",
        "account_name": None,
        "account_tax_ids": None,
        "amount_due": max(0, sums.total),
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": max(0, sums.total),
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": auto_advance,
        "automatic_tax": {**_NO_TAX, "provider": None, "status": None},
        "automatically_finalizes_at": finalizes_at,
        "billing_reason": reason,
        "collection_method": "send_invoice" if days_until_due else "charge_automatically",
        "created": world.now,
        "currency": lines[0]["currency"] if lines else customer["currency"] or "usd",
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": NOTHING,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": subscription["default_tax_rates"] if subscription else [],
        "description": None,
        "discounts": list(subscription["discounts"]) if subscription else [],
        "due_date": world.now + days_until_due * DAY if days_until_due else None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": _SELF,
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": lines_list(identity, lines),
        "livemode": world.livemode,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": parent or None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": period[1],
        "period_start": period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": customer["balance"],
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": _DRAFT,
        "subtotal": sums.subtotal,
        "subtotal_excluding_tax": sums.subtotal_excluding_tax,
        "test_clock": None,
        "total": sums.total,
        "total_discount_amounts": sums.discounts,
        "total_excluding_tax": sums.excluding_tax,
        "total_pretax_credit_amounts": NOTHING,
        "total_taxes": sums.taxes,
        "webhooks_delivered_at": world.now,
    }
