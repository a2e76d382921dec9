"""Shapes of subscriptions and their bills: subscriptions, items, invoices, invoice items."""

from __future__ import annotations

from upwell.demo.stripe.lines import Draft, Totals, lines_list, pricing_of
from upwell.demo.stripe.world import DAY, NOTHING, Json, World

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
_INVOICE_TAX: Json = {**_NO_TAX, "provider": None, "status": None}
_INVOICE_PAYMENT: Json = {
    "default_mandate": None,
    "payment_method_options": None,
    "payment_method_types": None,
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
        "pricing": pricing_of(draft),
        "proration": draft.proration,
        "quantity": draft.quantity,
        "quantity_decimal": str(draft.quantity),
        "tax_rates": list(draft.tax_rates),
        "test_clock": None,
    }


def invoice(
    world: World,
    identity: str,
    customer: Json,
    subscription: Json | None,
    *,
    reason: str,
    lines: list[Json],
    discounts: list[Json],
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
        "automatic_tax": _INVOICE_TAX,
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
        "discounts": [discount["id"] for discount in discounts],
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
        "payment_settings": _INVOICE_PAYMENT,
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
