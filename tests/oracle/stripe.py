"""MRR and cash of a fake Stripe account by brute force, from the bodies of its own objects.

At an instant each subscription is what its last event before it showed; what it comes to a month
is worked out item by item in exact fractions of a minor unit (R1 to R3, the default choices).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from upwell.demo.stripe import FakeStripe

Json = dict[str, Any]
MONTHS = {
    "month": Fraction(1),
    "year": Fraction(1, 12),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}


class Account:
    """What an account has told so far, to be asked at any instant."""

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self._told: dict[str, list[tuple[int, Json]]] = defaultdict(list)
        self._discounts: dict[str, Json] = {}
        self._of_customer: dict[str, list[tuple[int, str | None]]] = defaultdict(list)
        for event in fake.events:
            if event.type.startswith("customer.subscription."):
                body = event.object
                self._told[body["id"]].append((event.created, body))
            elif event.type.startswith("customer.discount."):
                body = event.object
                self._discounts[body["id"]] = body
                if not body["subscription"]:  # the customer's as a whole
                    now = None if event.type.endswith(".deleted") else body["id"]
                    self._of_customer[body["customer"]].append((event.created, now))

    def mrr(self, at: int) -> dict[str, dict[tuple[str, str], Fraction]]:
        """For each subscription at the end of second `at` - 1: (product, currency) -> amount."""
        found = {}
        for name, told in self._told.items():
            last = next((body for when, body in reversed(told) if when < at), None)
            if last is not None and (worth := self._worth(last, at)):
                found[name] = worth
        return found

    def _worth(self, body: Json, at: int) -> dict[tuple[str, str], Fraction]:
        pause = body["pause_collection"]
        if body["status"] not in ("active", "past_due") or (pause and pause["behavior"] == "void"):
            return {}
        shared = self._at_work(body["discounts"] or self._inherited(body["customer"], at), at)
        lines = []
        for item in body["items"]["data"]:
            price = item["price"]
            recurring = price["recurring"]
            if recurring["usage_type"] == "metered":
                continue
            rhythm = MONTHS[recurring["interval"]] / recurring["interval_count"]
            gross = self._charge(price, item["quantity"]) * rhythm
            net = gross
            for coupon in self._at_work(item["discounts"], at):
                net = _less(net, coupon, rhythm)
            lines.append([item, gross, net, rhythm])
        for coupon in shared:
            self._share(coupon, lines)
        found: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for item, _, net, _ in lines:
            rates = item["tax_rates"] or body["default_tax_rates"]
            tax = sum((Fraction(str(r["percentage"])) for r in rates if r["inclusive"]), Fraction())
            product = self.fake.get("product", item["price"]["product"])["metadata"]["product"]
            found[product, body["currency"].upper()] += net / (1 + tax / 100)
        return {key: amount for key, amount in found.items() if amount}

    def _inherited(self, customer: str, at: int) -> list[str]:
        """The discount that the customer had as a whole, by the events of discounts alone."""
        told = self._of_customer[customer]
        last = next((name for when, name in reversed(told) if when < at), None)
        return [last] if last else []

    def _share(self, coupon: Json, lines: list[Any]) -> None:
        """Take a coupon off all lines, an amount by their weight before discounts."""
        if coupon["percent_off"] is not None:
            for line in lines:
                line[2] *= 1 - Fraction(str(coupon["percent_off"])) / 100
            return
        assert len({line[3] for line in lines}) == 1, "an amount off several rhythms"
        left = Fraction(coupon["amount_off"]) * lines[0][3]
        left = min(left, sum(line[2] for line in lines))
        whole = sum(line[1] for line in lines)
        for line in lines:
            line[2] -= left * line[1] / whole
            assert line[2] >= 0, "one line cannot take its share"

    def _at_work(self, names: Iterable[str], at: int) -> list[Json]:
        found = []
        for name in names:
            discount = self._discounts[name]
            coupon = self.fake.get("coupon", discount["source"]["coupon"])
            over = discount["end"] is not None and discount["end"] < at
            if coupon["duration"] != "once" and not over:
                found.append(coupon)
        return found

    def _charge(self, price: Json, quantity: int) -> Fraction:
        packs = price["transform_quantity"]
        if packs:
            quantity = -(-quantity // packs["divide_by"])
        if price["billing_scheme"] != "tiered":
            return quantity * Fraction(price["unit_amount_decimal"])
        tiers = self.fake.world.tiers[price["id"]]
        if price["tiers_mode"] == "volume":
            tier = next(t for t in tiers if t["up_to"] is None or quantity <= t["up_to"])
            return quantity * _of(tier, "unit_amount") + _of(tier, "flat_amount")
        total, below = Fraction(0), 0
        for tier in tiers:
            upto = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
            if upto > below:
                total += (upto - below) * _of(tier, "unit_amount") + _of(tier, "flat_amount")
                below = upto
        return total


def _of(tier: Json, name: str) -> Fraction:
    exact = tier[f"{name}_decimal"]
    return Fraction(exact) if exact is not None else Fraction(tier[name] or 0)


def _less(net: Fraction, coupon: Json, rhythm: Fraction) -> Fraction:
    if coupon["percent_off"] is not None:
        return net * (1 - Fraction(str(coupon["percent_off"])) / 100)
    return max(Fraction(0), net - Fraction(coupon["amount_off"]) * rhythm)
