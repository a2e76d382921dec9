"""The price list of one account at the billing system, made from the company's plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from upwell.demo.cast import Company
from upwell.demo.lives import currencies
from upwell.demo.stripe import FakeStripe
from upwell.demo.stripe.world import Json

YEAR = 10  # months that a year costs
WHOLE = frozenset({"JPY"})  # currencies without cents

Key = tuple[int, int, str, int, bool]
"""Number of the product and the plan, currency, months between payments, the price of before."""


class Shop:
    """Products, prices and coupons of an account; `rises` are the seconds of price rises."""

    def __init__(
        self, fake: FakeStripe, company: Company, numbers: Iterable[int], rises: Mapping[int, int]
    ) -> None:
        self._prices: dict[Key, Json] = {}
        self._rises = rises
        for number in numbers:
            self._stock(fake, company, number)
        self.coupons = {
            "launch": fake.create_coupon(
                percent_off=30, duration="repeating", months=6, name="Launch offer"
            ),
            "friends": fake.create_coupon(percent_off=10, name="Friends of Quillmoor"),
            "welcome": fake.create_coupon(percent_off=50, duration="once", name="First month half"),
        }

    def _stock(self, fake: FakeStripe, company: Company, number: int) -> None:
        product = company.products[number]
        sold = fake.create_product(
            product.name,
            {"product": product.id},
            unit_label="seat" if any(plan.seats > 1 for plan in product.plans) else None,
        )
        for place, plan in enumerate(product.plans):
            for currency in currencies(company, product):
                now = dict(plan.prices).get(currency, plan.price)
                for before, price in ((True, plan.was), (False, now)):
                    if price is None:
                        continue
                    cents = price * (1 if currency in WHOLE else 100)
                    for months in (1, 12):
                        self._prices[number, place, currency, months, before] = fake.create_price(
                            sold,
                            cents * (YEAR if months == 12 else 1),
                            currency.lower(),
                            interval="year" if months == 12 else "month",
                            nickname=plan.name,
                        )

    def price(self, number: int, plan: int, currency: str, months: int, at: int) -> Json:
        """What somebody pays who buys at that second."""
        before = at < self._rises.get(number, 0)
        key = (number, plan, currency, months)
        return self._prices.get((*key, before)) or self._prices[(*key, False)]
