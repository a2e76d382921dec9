"""What a company sets up by hand: products, prices, coupons, tax rates, and its customers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from upwell.demo.stripe import catalog
from upwell.demo.stripe.account import Account, Named
from upwell.demo.stripe.lives import ENDED
from upwell.demo.stripe.world import Json


class Selling(Account):
    """The catalogue and the customers of an account."""

    def create_product(
        self, name: str, metadata: dict[str, str] | None = None, unit_label: str | None = None
    ) -> Json:
        """Something to sell."""
        with self.lock:
            row = catalog.product(
                self.world, name=name, metadata=metadata or {}, unit_label=unit_label
            )
            self.world.add(row)
            self.world.emit(row, "product.created")
            return row

    def create_price(
        self,
        product: Named,
        unit_amount: int | str | Decimal | None = None,
        currency: str = "usd",
        *,
        interval: str | None = "month",
        interval_count: int = 1,
        tiers: Sequence[tuple[int | None, int | str, int]] = (),
        tiers_mode: str = "graduated",
        metered: bool = False,
        divide_by: int | None = None,
        rounding: str = "up",
        tax_behavior: str = "unspecified",
        nickname: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Json:
        """What it costs: minor units a piece, or tiers (up to, a piece, flat)."""
        if (unit_amount is None) != bool(tiers):
            raise ValueError("a price has an amount or tiers, not both")
        with self.lock:
            row = catalog.price(
                self.world,
                product=self._of("product", product)["id"],
                currency=currency,
                unit=None if unit_amount is None else Decimal(unit_amount),
                interval=interval,
                interval_count=interval_count,
                tiers_mode=tiers_mode if tiers else None,
                metered=metered,
                divide_by=divide_by,
                rounding=rounding,
                tax_behavior=tax_behavior,
                nickname=nickname,
                metadata=metadata or {},
            )
            self.world.add(row)
            if tiers:
                steps = [
                    catalog.tier(top, Decimal(unit), Decimal(flat)) for top, unit, flat in tiers
                ]
                self.world.tiers[row["id"]] = steps
            if interval:
                self.world.plans[row["id"]] = catalog.plan(row)
            self.world.emit(row, "price.created")
            return row

    def create_coupon(
        self,
        *,
        percent_off: float | None = None,
        amount_off: int | None = None,
        currency: str | None = None,
        duration: str = "forever",
        months: int | None = None,
        name: str | None = None,
        id: str | None = None,
    ) -> Json:
        """A coupon: a share or an amount off, `once`, `repeating` for months, or `forever`."""
        with self.lock:
            row = catalog.coupon(
                self.world,
                identity=id,
                name=name,
                percent_off=percent_off,
                amount_off=amount_off,
                currency=currency,
                duration=duration,
                months=months,
            )
            self.world.add(row)
            self.world.emit(row, "coupon.created")
            return row

    def create_tax_rate(
        self, percentage: float, *, inclusive: bool, country: str | None = None, name: str = "VAT"
    ) -> Json:
        """A tax within prices (inclusive) or on top of them."""
        with self.lock:
            row = catalog.tax_rate(
                self.world, percentage=percentage, inclusive=inclusive, country=country, name=name
            )
            self.world.add(row)
            self.world.emit(row, "tax_rate.created")
            return row

    # -- customers

    def create_customer(
        self,
        name: str | None = None,
        email: str | None = None,
        country: str | None = None,
        *,
        metadata: dict[str, str] | None = None,
        card: str | None = "ok",
        since: int | None = None,
    ) -> Json:
        """Somebody who pays: `card` is "ok", the code it is declined with, or None for no card.

        With `since` they were there before, and no event tells of it.
        """
        with self.lock:
            row = catalog.customer(
                self.world,
                name=name,
                email=email,
                country=country,
                metadata=metadata or {},
                card=card,
            )
            self.world.add(row)
            if since is None:
                self.world.emit(row, "customer.created")
            else:
                row["created"] = since
            return row

    def set_card(self, customer: Named, card: str | None) -> None:
        """From now on the customer pays with another card: "ok", a decline code, or none."""
        with self.lock:
            row = self._of("customer", customer)
            self.world.cards[row["id"]] = card
            method = self.world.new_id("pm") if card else None
            settings = {**row["invoice_settings"], "default_payment_method": method}
            self.world.change(row, {"invoice_settings": settings}, "customer.updated")

    def update_customer(self, customer: Named, **changes: Json | str | None) -> Json:
        """New values: `name`, `email`, `metadata`, `country` (of the address) …"""
        with self.lock:
            row = self._of("customer", customer)
            fresh = dict(changes)
            if "country" in fresh:
                country = fresh.pop("country")
                fresh["address"] = {**(row["address"] or catalog.address(None)), "country": country}
            self.world.change(row, fresh, "customer.updated")
            return row

    def delete_customer(self, customer: Named) -> None:
        """For good: subscriptions end at once, lists and retrieval know the customer no more."""
        with self.lock:
            row = self._of("customer", customer)
            for subscription in self.all("subscription"):
                if subscription["customer"] == row["id"] and subscription["status"] not in ENDED:
                    self._lives.end(subscription, reason="cancellation_requested")
            self.world.deleted[row["id"]] = "customer"
            self.world.emit(row, "customer.deleted")

    def update_product(self, product: Named, **changes: Json | str | bool | None) -> Json:
        """New values: `name`, `active`, `metadata` …"""
        with self.lock:
            row = self._of("product", product)
            self.world.change(row, {**changes, "updated": self.now}, "product.updated")
            return row

    def update_price(self, price: Named, **changes: Json | str | bool | None) -> Json:
        """New values: `nickname`, `active`, `metadata`; what it costs cannot be changed."""
        with self.lock:
            row = self._of("price", price)
            self.world.change(row, dict(changes), "price.updated")
            plan = self.world.plans.get(row["id"])
            if plan is not None:
                plan.update(catalog.plan(row))
            return row

    def delete_coupon(self, coupon: Named) -> None:
        """Nobody can use it any more; discounts that it gave go on."""
        with self.lock:
            row = self._of("coupon", coupon)
            self.world.deleted[row["id"]] = "coupon"
            self.world.change(row, {"valid": False})
            self.world.emit(row, "coupon.deleted")
