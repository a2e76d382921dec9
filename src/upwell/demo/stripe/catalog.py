"""Shapes of what is sold and to whom: customers, products, prices, coupons, discounts, tax rates.

Field by field after https://docs.stripe.com/api; what the fake never fills is null or empty.
"""

from __future__ import annotations

from decimal import Decimal

from upwell.demo.stripe.pricing import decimal_text
from upwell.demo.stripe.world import Json, World

_ADDRESS: Json = {
    "city": None,
    "country": None,
    "line1": None,
    "line2": None,
    "postal_code": None,
    "state": None,
}
_CUSTOMER: Json = {
    "id": "",
    "object": "customer",
    "address": None,
    "balance": 0,
    "created": 0,
    "currency": None,
    "default_source": None,
    "delinquent": False,
    "description": None,
    "discount": None,
    "email": None,
    "invoice_prefix": "",
    "invoice_settings": {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
    },
    "livemode": False,
    "metadata": {},
    "name": None,
    "next_invoice_sequence": 1,
    "phone": None,
    "preferred_locales": [],
    "shipping": None,
    "tax_exempt": "none",
    "test_clock": None,
}
_PRODUCT: Json = {
    "id": "",
    "object": "product",
    "active": True,
    "created": 0,
    "default_price": None,
    "description": None,
    "images": [],
    "livemode": False,
    "marketing_features": [],
    "metadata": {},
    "name": "",
    "package_dimensions": None,
    "shippable": None,
    "statement_descriptor": None,
    "tax_code": None,
    "type": "service",
    "unit_label": None,
    "updated": 0,
    "url": None,
}


def address(country: str | None, city: str | None = None, postal_code: str | None = None) -> Json:
    """An address of which little is known."""
    return {**_ADDRESS, "country": country, "city": city, "postal_code": postal_code}


def customer(
    world: World,
    *,
    name: str | None,
    email: str | None,
    country: str | None,
    metadata: dict[str, str],
    card: str | None,
) -> Json:
    """A new customer; `card` is "ok", a decline code, or None for no way to pay."""
    identity = world.new_id("cus")
    settings = _CUSTOMER["invoice_settings"]
    world.cards[identity] = card
    return {
        **_CUSTOMER,
        "id": identity,
        "address": address(country) if country else None,
        "created": world.now,
        "email": email,
        "invoice_prefix": identity[-8:].upper(),
        "invoice_settings": {
            **settings,
            "default_payment_method": world.new_id("pm") if card else None,
        },
        "livemode": world.livemode,
        "metadata": metadata,
        "name": name,
    }


def product(world: World, *, name: str, metadata: dict[str, str], unit_label: str | None) -> Json:
    """A new product."""
    return {
        **_PRODUCT,
        "id": world.new_id("prod"),
        "created": world.now,
        "livemode": world.livemode,
        "metadata": metadata,
        "name": name,
        "unit_label": unit_label,
        "updated": world.now,
    }


def tier(up_to: int | None, unit: Decimal, flat: Decimal) -> Json:
    """One step of a tiered price; amounts in minor units, `up_to` None for all that follow."""
    return {
        "flat_amount": int(flat) if flat and flat == int(flat) else None,
        "flat_amount_decimal": decimal_text(flat) if flat else None,
        "unit_amount": int(unit) if unit == int(unit) else None,
        "unit_amount_decimal": decimal_text(unit),
        "up_to": up_to,
    }


def price(
    world: World,
    *,
    product: str,
    currency: str,
    unit: Decimal | None,
    interval: str | None,
    interval_count: int,
    tiers_mode: str | None,
    metered: bool,
    divide_by: int | None,
    rounding: str,
    tax_behavior: str,
    nickname: str | None,
    metadata: dict[str, str],
) -> Json:
    """A new price; `unit` is None where tiers say it, `interval` None for a one-time price."""
    whole = unit is not None and unit == int(unit)
    recurring = interval and {
        "interval": interval,
        "interval_count": interval_count,
        "meter": world.new_id("mtr") if metered else None,
        "trial_period_days": None,
        "usage_type": "metered" if metered else "licensed",
    }
    return {
        "id": world.new_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": "tiered" if tiers_mode else "per_unit",
        "created": world.now,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": world.livemode,
        "lookup_key": None,
        "metadata": metadata,
        "nickname": nickname,
        "product": product,
        "recurring": recurring or None,
        "tax_behavior": tax_behavior,
        "tiers_mode": tiers_mode,
        "transform_quantity": {"divide_by": divide_by, "round": rounding} if divide_by else None,
        "type": "recurring" if interval else "one_time",
        "unit_amount": int(unit) if unit is not None and whole else None,
        "unit_amount_decimal": decimal_text(unit) if unit is not None else None,
    }


def plan(price: Json) -> Json:
    """The same recurring price as the older Plans API shows it."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"],
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }


def coupon(
    world: World,
    *,
    identity: str | None,
    name: str | None,
    percent_off: float | None,
    amount_off: int | None,
    currency: str | None,
    duration: str,
    months: int | None,
) -> Json:
    """A new coupon: a share or an amount off, once, for some months, or for ever."""
    return {
        "id": identity or world.new_id("co")[-8:],
        "object": "coupon",
        "amount_off": amount_off,
        "created": world.now,
        "currency": currency if amount_off is not None else None,
        "duration": duration,
        "duration_in_months": months,
        "livemode": world.livemode,
        "max_redemptions": None,
        "metadata": {},
        "name": name,
        "percent_off": percent_off,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }


def discount(
    world: World,
    coupon: str,
    end: int | None,
    *,
    customer: str,
    subscription: str | None,
    item: str | None,
) -> Json:
    """A coupon at work on a customer, a subscription or one item of it."""
    return {
        "id": world.new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "customer_account": None,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon, "type": "coupon"},
        "start": world.now,
        "subscription": subscription,
        "subscription_item": item,
    }


def tax_rate(
    world: World, *, percentage: float, inclusive: bool, country: str | None, name: str
) -> Json:
    """A new tax rate: within the price or on top of it."""
    return {
        "id": world.new_id("txr"),
        "object": "tax_rate",
        "active": True,
        "country": country,
        "created": world.now,
        "description": None,
        "display_name": name,
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": inclusive,
        "jurisdiction": country,
        "jurisdiction_level": None,
        "livemode": world.livemode,
        "metadata": {},
        "percentage": percentage,
        "rate_type": "percentage",
        "state": None,
        "tax_type": "vat",
    }
