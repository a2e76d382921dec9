"""What an account sells: prices, products, coupons and discounts, by which bodies are completed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from upwell.sources.stripe import shapes
from upwell.sources.stripe.fetch import NAMES, Get, Head, all_of, one_of, understood
from upwell.sources.stripe.shapes import id_of

KNOWN = 20_000  # discounts that are remembered

_OBJECT = msgspec.json.Decoder(shapes.Object)
_NAMED = msgspec.json.Decoder(shapes.Named)
_PRICE = msgspec.json.Decoder(shapes.Price)
_COUPON = msgspec.json.Decoder(shapes.Coupon)
_EVENT = msgspec.json.Decoder(shapes.Event)
_DISCOUNT = msgspec.json.Decoder(shapes.Discount)
_HEAD = msgspec.json.Decoder(Head)


class Catalogue:
    """What prices, products and coupons an account has: read whole, for they are few."""

    def __init__(self) -> None:
        self.opened = 0  # when the first product was made (epoch seconds): about the account's age
        self.livemode: bool | None = None  # of its newest product
        self.prices: dict[str, shapes.Price | None] = {}
        self.products: dict[str, shapes.Named] = {}
        self.coupons: dict[str, shapes.Coupon | None] = {}
        self.discounts: dict[str, shapes.Discount | None] = {}

    @classmethod
    def of(cls, get: Get) -> Catalogue:
        """The catalogue of an account, archived prices and products too."""
        found = cls()
        for row in all_of(get, NAMES["products"]):
            if (product := understood(_NAMED, row)) is not None:
                found.products[product.id] = product
            if found.livemode is None:
                found.livemode = _OBJECT.decode(row).livemode
            found.opened = _HEAD.decode(row).created  # the last of the list is the oldest
        for row in all_of(get, NAMES["prices"]):
            if (price := understood(_PRICE, row)) is not None:
                found.prices[price.id] = price
        for row in all_of(get, NAMES["coupons"]):
            if (coupon := understood(_COUPON, row)) is not None:
                found.coupons[coupon.id] = coupon
        return found

    def names(self) -> dict[str, str]:
        """What people call each price and product, by id."""
        products = {id_: product.name for id_, product in self.products.items() if product.name}
        prices = {
            price.id: name
            for price in self.prices.values()
            if price and (name := price.nickname or products.get(id_of(price.product)))
        }
        return products | prices

    def called(self, names: Collection[str]) -> list[str]:
        """The prices that are called as some prices or products are."""
        return [
            price.id
            for price in self.prices.values()
            if price
            and (price.id in names or (not price.nickname and id_of(price.product) in names))
        ]

    def assigned(self, product_from: str | None) -> dict[str, str]:
        """The company's product of each price and product that names one in its metadata."""
        place, _, key = (product_from or "").partition(".")
        if place != "metadata" or not key:
            return {}
        found = {
            id_: product.metadata[key]
            for id_, product in self.products.items()
            if product.metadata and product.metadata.get(key)
        }
        for price in self.prices.values():
            own = price and ((price.metadata or {}).get(key) or found.get(id_of(price.product)))
            if price and own:
                found[price.id] = own
        return found

    def price(self, id_: str, get: Get) -> shapes.Price | None:
        """A price, asked for where it is not known; None where it is gone or not understood."""
        if id_ not in self.prices:
            raw = one_of(get, f"/v1/prices/{id_}", {"expand": ("tiers", "currency_options")})
            self.prices[id_] = understood(_PRICE, raw) if raw else None
        return self.prices[id_]

    def coupon(self, id_: str, get: Get) -> shapes.Coupon | None:
        """A coupon, as a price is."""
        if id_ not in self.coupons:
            raw = one_of(get, f"/v1/coupons/{id_}", {})
            self.coupons[id_] = understood(_COUPON, raw) if raw else None
        return self.coupons[id_]

    def remember(self, discounts: Mapping[str, shapes.Discount | None]) -> None:
        """Keep discounts by id, at most about KNOWN."""
        if len(self.discounts) > KNOWN:
            self.discounts.clear()
        self.discounts.update(discounts)

    def note(self, rows: Sequence[msgspec.Raw]) -> None:
        """Remember discounts that events tell of: one that ended is nowhere else any more."""
        for row in rows:
            event = understood(_EVENT, row)
            if event is not None and event.type.startswith("customer.discount."):
                found = understood(_DISCOUNT, event.data.object)
                if found is not None:
                    self.remember({found.id: found})
