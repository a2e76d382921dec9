"""Lines of invoices, and what they add up to."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from upwell.demo.stripe import pricing
from upwell.demo.stripe.pricing import decimal_text
from upwell.demo.stripe.world import NOTHING, Json, World

_NOT_CREDITED: Json = {"credited_items": None}
SHOWN = 10  # https://docs.stripe.com/api/invoices/object#invoice_object-lines


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


def pricing_of(draft: Draft) -> Json | None:
    """The price behind a line, by its id; a proration has a price a unit of its own."""
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
        "proration_details": _NOT_CREDITED,
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
        "pricing": pricing_of(draft),
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
        "data": lines[:SHOWN],
        "has_more": len(lines) > SHOWN,
        "url": f"/v1/invoices/{invoice}/lines",
    }
