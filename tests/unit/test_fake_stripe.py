"""The fake Stripe bills as Stripe does: periods, prices, tax and discounts."""

from __future__ import annotations

import pytest

from tests.unit.stripe_account import DAY, START, account, day, invoices, kinds, monthly, totals
from upwell.demo.stripe import FakeStripe
from upwell.demo.stripe.world import Json

# -- periods


def test_a_month_from_the_31st_ends_on_the_last_day_and_comes_back() -> None:
    fake = FakeStripe(day(2026, 1, 31))
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake))
    fake.advance(100 * DAY)
    starts = [
        fake.world.lines[row["id"]][0]["period"]["start"] for row in invoices(fake, subscription)
    ]
    assert starts == [day(2026, 1, 31), day(2026, 2, 28), day(2026, 3, 31), day(2026, 4, 30)]


@pytest.mark.parametrize(
    ("interval", "count", "days"),
    [("day", 3, 3), ("week", 2, 14), ("month", 3, 90), ("year", 1, 365)],
)
def test_every_interval_renews_after_its_length(interval: str, count: int, days: int) -> None:
    fake = account()
    price = monthly(fake, interval=interval, interval_count=count)
    subscription = fake.subscribe(fake.create_customer("Ann"), price)
    item = subscription["items"]["data"][0]
    assert item["current_period_end"] - START == days * DAY
    fake.advance(days * DAY)
    assert len(invoices(fake, subscription)) == 2


def test_one_long_advance_is_many_short_ones() -> None:
    def told(step: int) -> list[bytes]:
        fake = account(archive=True)
        fake.subscribe(fake.create_customer("Ann"), monthly(fake), trial_days=14)
        for _ in range(120 * DAY // step):
            fake.advance(step)
        return [fake.payload(event) for event in fake.events]

    assert told(120 * DAY) == told(DAY) == told(5 * DAY)


# -- what things cost


@pytest.mark.parametrize(
    ("how", "quantity", "amount"),
    [
        ({"unit_amount": 1_000}, 3, 3_000),
        ({"unit_amount": "12.5"}, 3, 38),
        ({"tiers": [(10, 500, 0), (None, 300, 0)]}, 14, 6_200),
        ({"tiers": [(10, 500, 0), (None, 300, 0)], "tiers_mode": "volume"}, 14, 4_200),
        ({"tiers": [(5, 0, 1_000), (None, 100, 50)]}, 7, 1_250),
        ({"unit_amount": 800, "divide_by": 1_000}, 2_500, 2_400),
        ({"unit_amount": 800, "divide_by": 1_000, "rounding": "down"}, 2_500, 1_600),
        ({"unit_amount": "1234.5", "currency": "kwd"}, 1, 1_230),
        ({"unit_amount": 2_400, "currency": "jpy"}, 2, 4_800),
    ],
)
def test_a_quantity_of_a_price(how: Json, quantity: int, amount: int) -> None:
    fake = account()
    price = fake.create_price(fake.create_product("Mail"), **how)
    subscription = fake.subscribe(fake.create_customer("Ann"), price, quantity=quantity)
    assert totals(fake, subscription) == [amount]


def test_usage_is_billed_when_its_period_ends() -> None:
    fake = account()
    metered = monthly(fake, 2, metered=True)
    subscription = fake.subscribe(fake.create_customer("Ann"), metered)
    item = subscription["items"]["data"][0]
    assert "quantity" not in item
    fake.use(item, 40)
    fake.use(item, 2)
    fake.advance(32 * DAY)
    line = fake.world.lines[invoices(fake, subscription)[1]["id"]][0]
    assert (line["quantity"], line["amount"]) == (42, 84)
    assert line["period"] == {"start": START, "end": day(2026, 2, 1)}


@pytest.mark.parametrize(
    ("inclusive", "total", "tax", "net"),
    [(True, 12_100, 2_100, 10_000), (False, 14_641, 2_541, 12_100)],
)
def test_tax_within_and_on_top(inclusive: bool, total: int, tax: int, net: int) -> None:
    fake = account()
    rate = fake.create_tax_rate(21, inclusive=inclusive, country="NL")
    subscription = fake.subscribe(
        fake.create_customer("Ann"), monthly(fake, 12_100), tax_rates=[rate]
    )
    invoice = invoices(fake, subscription)[0]
    assert (invoice["total"], invoice["total_excluding_tax"]) == (total, net)
    assert [row["amount"] for row in invoice["total_taxes"]] == [tax]


# -- discounts


def test_a_coupon_for_three_months_ends_with_the_third() -> None:
    fake = account(archive=True)
    half = fake.create_coupon(percent_off=50, duration="repeating", months=3)
    subscription = fake.subscribe(
        fake.create_customer("Ann"), monthly(fake, 10_000), coupons=[half]
    )
    fake.advance(130 * DAY)
    assert totals(fake, subscription) == [5_000, 5_000, 5_000, 10_000, 10_000]
    assert subscription["discounts"] == []
    assert "customer.discount.deleted" in kinds(fake, day(2026, 4, 1))


def test_a_coupon_for_once_and_one_for_ever() -> None:
    fake = account()
    once = fake.create_coupon(amount_off=300, currency="usd", duration="once")
    forever = fake.create_coupon(percent_off=10)
    subscription = fake.subscribe(
        fake.create_customer("Ann"), monthly(fake), coupons=[once, forever]
    )
    fake.advance(60 * DAY)
    assert totals(fake, subscription) == [630, 900, 900]  # (1000 - 300) less a tenth, in turn
    assert len(subscription["discounts"]) == 1


def test_an_amount_off_is_shared_by_weight_and_never_more_than_the_price() -> None:
    fake = account()
    prices = [monthly(fake, 6_000), monthly(fake, 4_000)]
    off = fake.create_coupon(amount_off=1_000, currency="usd")
    subscription = fake.subscribe(
        fake.create_customer("Ann"), [(price, 1) for price in prices], coupons=[off]
    )
    lines = fake.world.lines[subscription["latest_invoice"]]
    assert [line["discount_amounts"][0]["amount"] for line in lines] == [600, 400]
    small = fake.subscribe(fake.create_customer("Ben"), monthly(fake, 400), coupons=[off])
    assert totals(fake, small) == [0]
    assert small["status"] == "active"


def test_an_items_discount_goes_first_and_a_customers_only_where_there_is_no_other() -> None:
    fake = account()
    tenth, fifth = fake.create_coupon(percent_off=10), fake.create_coupon(percent_off=20)
    ann = fake.create_customer("Ann")
    fake.discount(ann, fifth)
    pair = [(monthly(fake), 1), (monthly(fake), 1)]
    with_item = fake.subscribe(ann, pair, item_coupons={0: tenth})
    assert totals(fake, with_item) == [720 + 800]
    assert fake.get("invoice", with_item["latest_invoice"])["subtotal"] == 1_900
    with_own = fake.subscribe(ann, monthly(fake), coupons=[tenth])
    assert totals(fake, with_own) == [900]
