"""Whatever people do to a fake account, in any order, its events tell all of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.unit.stripe_account import DAY, START
from upwell.demo.stripe import FakeStripe, Refused
from upwell.demo.stripe.changes import Proration
from upwell.demo.stripe.world import Json

PRORATIONS: tuple[Proration, ...] = ("create_prorations", "always_invoice", "none")
PAUSES = ("void", "keep_as_draft", "mark_uncollectible")


def catalogue(fake: FakeStripe) -> tuple[list[Json], list[Json], Json]:
    product = fake.create_product("Mail")
    prices = [
        fake.create_price(product, 1_000),
        fake.create_price(product, 10_000, interval="year"),
        fake.create_price(product, 300, interval="week"),
        fake.create_price(product, "0.5", metered=True),
        fake.create_price(product, tiers=[(5, 100, 0), (None, 50, 10)]),
        fake.create_price(product, 0),
    ]
    coupons = [
        fake.create_coupon(percent_off=50, duration="repeating", months=2),
        fake.create_coupon(percent_off=100, duration="once"),
        fake.create_coupon(amount_off=700, currency="usd"),
    ]
    return prices, coupons, fake.create_price(product, 5_000, interval=None)


def begin(fake: FakeStripe, dice: random.Random, prices: list[Json], coupons: list[Json]) -> None:
    who = fake.create_customer("Ann", card=dice.choice(["ok", "ok", None, "card_declined"]))
    fake.subscribe(
        who,
        [(price, dice.randint(1, 9)) for price in dice.sample(prices, dice.randint(1, 3))],
        trial_days=dice.choice([None, 7]),
        missing_payment_method=dice.choice(["pause", "cancel", "create_invoice"]),
        coupons=dice.sample(coupons, dice.choice([0, 0, 1, 2])),
        days_until_due=dice.choice([None, None, 10]),
    )


def deeds(
    fake: FakeStripe,
    dice: random.Random,
    prices: list[Json],
    coupons: list[Json],
    once: Json,
    one: Json,
) -> list[Callable[[], object]]:
    """What could be done to one subscription now."""
    item = dice.choice(one["items"]["data"])
    proration = dice.choice(PRORATIONS)
    found: list[Callable[[], object]] = [
        lambda: fake.change(one, item=item["id"], price=dice.choice(prices), proration=proration),
        lambda: fake.change(one, quantity=dice.randint(1, 20), proration=proration),
        lambda: fake.change(one, add=[(dice.choice(prices), 2)], proration=proration),
        lambda: fake.cancel(one, at=dice.choice([None, fake.now + 33 * DAY])),
        lambda: fake.cancel(one, at_period_end=False, prorate=True),
        lambda: fake.keep(one),
        lambda: fake.pause_collection(one, dice.choice(PAUSES), fake.now + 40 * DAY),
        lambda: fake.resume_collection(one),
        lambda: fake.discount(one, dice.choice(coupons)),
        lambda: fake.discount(fake.get("customer", one["customer"]), dice.choice(coupons)),
        lambda: fake.set_card(one["customer"], dice.choice(["ok", "ok", None, "expired_card"])),
        lambda: fake.pay(one["latest_invoice"]),
        lambda: fake.use(item, 100),
        lambda: fake.charge_once(one["customer"], once, subscription=dice.choice([None, one])),
    ]
    if one["status"] == "active":
        found.append(lambda: fake.pause(one))
    if one["status"] == "paused":
        found.append(lambda: fake.resume(one))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_events_tell_everything(seed: int) -> None:
    dice = random.Random(seed)
    fake = FakeStripe(
        START, seed, archive=True, outcome=dice.choice(["cancel", "unpaid", "past_due"])
    )
    prices, coupons, once = catalogue(fake)
    for step in range(80):
        if step % 8 == 0:
            begin(fake, dice, prices, coupons)
        one = dice.choice(fake.all("subscription"))
        with suppress(Refused):
            dice.choice(deeds(fake, dice, prices, coupons, once, one))()
        fake.advance(dice.choice([0, 3_600, DAY, 5 * DAY, 20 * DAY]))
    told = {event.object["id"]: event.object for event in fake.events}
    for kind in ("subscription", "invoice", "customer", "charge"):
        for row in fake.all(kind):
            seen = told[row["id"]]
            if kind == "customer":  # counters that Stripe does not tell of
                seen = {**seen, **{key: row[key] for key in ("currency", "next_invoice_sequence")}}
            assert seen == json.loads(json.dumps(row))
    for row in fake.all("subscription"):
        if row["status"] == "active":
            assert min(i["current_period_end"] for i in row["items"]["data"]) > fake.now
