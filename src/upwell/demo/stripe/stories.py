"""What customers of the fake company do, each story told as it happens.

A story is a generator: it acts, then yields the days to wait until it goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import NamedTuple

from upwell.demo.stripe.fake import FakeStripe
from upwell.demo.stripe.world import DAY, Json

Story = Generator[float, None, None]
FEEDBACK = (
    "too_expensive",
    "missing_features",
    "switched_service",
    "unused",
    "customer_service",
    "too_complex",
    "low_quality",
    "other",
)


class Scene(NamedTuple):
    """Where a story is told: the account, its price list and coupons, the customer, the dice."""

    fake: FakeStripe
    prices: dict[str, Json]
    coupons: dict[str, Json]
    taxes: dict[str, Json]
    who: Json
    dice: random.Random

    def some(self, *names: str) -> Json:
        """One of these prices."""
        return self.prices[self.dice.choice(names)]

    def seats(self) -> int:
        """How many somebody buys."""
        return self.dice.choice((1, 1, 1, 2, 3, 5, 8, 20))

    def days(self, least: int, most: int) -> float:
        """A time to wait, to the second."""
        return self.dice.randint(least * DAY, most * DAY) / DAY

    def renewal(self, subscription: Json) -> float:
        """Days until the subscription renews."""
        ends = [item["current_period_end"] for item in subscription["items"]["data"]]
        return float(min(ends) - self.fake.now) / DAY

    def charge(self) -> Json:
        """The customer's latest charge that came."""
        charges = self.fake.all("charge")
        return next(
            row for row in reversed(charges) if row["customer"] == self.who["id"] and row["paid"]
        )

    def click(self, subscription: Json) -> None:
        """Cancel at the end of the period, with a reason."""
        comment = "Thanks, it was good." if self.dice.random() < 0.2 else None
        self.fake.cancel(subscription, feedback=self.dice.choice(FEEDBACK), comment=comment)


def stays(on: Scene) -> Story:
    """Pays, month after month or year after year."""
    price = on.some("starter", "team", "team", "business", "starter-year")
    on.fake.subscribe(on.who, price, quantity=on.seats(), metadata={"channel": "organic"})
    yield on.days(30, 200)
    on.fake.update_customer(on.who, email=f"billing@{on.who['id'][-6:].lower()}.example")


def tries_and_buys(on: Scene) -> Story:
    """A trial that becomes a subscription."""
    on.fake.subscribe(on.who, on.some("starter", "team"), trial_days=on.dice.choice((7, 14, 30)))
    yield 1


def tries_and_leaves(on: Scene) -> Story:
    """Cancels within the trial."""
    subscription = on.fake.subscribe(on.who, on.some("starter", "team"), trial_days=14)
    yield on.days(2, 12)
    on.click(subscription)


def tries_longer(on: Scene) -> Story:
    """The trial is extended, then ended early by hand."""
    subscription = on.fake.subscribe(on.who, on.prices["team"], quantity=4, trial_days=14)
    yield on.days(9, 13)
    on.fake.extend_trial(subscription, 14)
    yield on.days(3, 8)
    on.fake.end_trial(subscription)


def tries_without_card(on: Scene) -> Story:
    """Paused at the end of the trial, resumed once there is a card."""
    on.fake.set_card(on.who, None)
    subscription = on.fake.subscribe(
        on.who, on.prices["starter"], trial_days=14, missing_payment_method="pause"
    )
    yield on.days(18, 40)
    on.fake.set_card(on.who, "ok")
    on.fake.resume(subscription)


def tries_and_forgets(on: Scene) -> Story:
    """No card at the end of the trial: cancelled by Stripe."""
    on.fake.set_card(on.who, None)
    on.fake.subscribe(on.who, on.prices["team"], trial_days=14, missing_payment_method="cancel")
    yield 1


def upgrades(on: Scene) -> Story:
    """Another plan, prorated on the next invoice; months later another still."""
    subscription = on.fake.subscribe(on.who, on.prices["starter"])
    yield on.days(20, 90)
    on.fake.change(subscription, price=on.prices["team"], quantity=3)
    yield on.days(60, 200)
    on.fake.change(subscription, price=on.prices["business"], quantity=5)


def downgrades(on: Scene) -> Story:
    """A smaller plan at once; the credit stays with the customer."""
    subscription = on.fake.subscribe(on.who, on.prices["business"], quantity=4)
    yield on.days(40, 200)
    on.fake.change(subscription, price=on.prices["starter"], quantity=1, proration="always_invoice")


def grows(on: Scene) -> Story:
    """More seats, billed at once."""
    seats = 3
    subscription = on.fake.subscribe(on.who, on.prices["team"], quantity=seats)
    for _ in range(4):
        yield on.days(25, 110)
        seats += on.dice.randint(1, 4)
        on.fake.change(subscription, quantity=seats, proration="always_invoice")


def shrinks(on: Scene) -> Story:
    """Fewer seats without proration, then none."""
    subscription = on.fake.subscribe(on.who, on.prices["team"], quantity=9)
    yield on.days(50, 150)
    on.fake.change(subscription, quantity=6, proration="none")
    yield on.days(50, 150)
    on.fake.change(subscription, quantity=2, proration="none")
    yield on.days(20, 60)
    on.click(subscription)


def goes_yearly(on: Scene) -> Story:
    """From a month to a year: billed anew from that day."""
    subscription = on.fake.subscribe(on.who, on.prices["starter"])
    yield on.days(40, 120)
    on.fake.change(subscription, price=on.prices["starter-year"])


def cancels(on: Scene) -> Story:
    """Ends with its period."""
    subscription = on.fake.subscribe(on.who, on.some("starter", "team"), quantity=on.seats())
    yield on.days(25, 400)
    on.click(subscription)


def withdraws(on: Scene) -> Story:
    """Cancels, and takes it back before the period ends."""
    subscription = on.fake.subscribe(on.who, on.prices["business"])
    yield on.days(20, 200)
    yield on.renewal(subscription) + on.days(1, 8)
    on.click(subscription)
    yield on.days(1, 9)
    on.fake.keep(subscription)


def cancels_now(on: Scene) -> Story:
    """At once, with the unused time credited."""
    subscription = on.fake.subscribe(on.who, on.prices["team"], quantity=3)
    yield on.days(35, 170)
    on.fake.cancel(subscription, at_period_end=False, feedback="switched_service", prorate=True)


def cancels_at_a_date(on: Scene) -> Story:
    """A contract with an end."""
    subscription = on.fake.subscribe(on.who, on.prices["business"], quantity=2)
    yield on.days(10, 100)
    on.fake.cancel(subscription, at=on.fake.now + 77 * DAY + 5_000)


def returns(on: Scene) -> Story:
    """Leaves, and comes back months later to another plan."""
    subscription = on.fake.subscribe(on.who, on.prices["starter"])
    yield on.days(40, 120)
    on.click(subscription)
    yield on.days(60, 180)
    on.fake.subscribe(on.who, on.prices["team"], quantity=2)


def switches(on: Scene) -> Story:
    """Drops one product for another within a day."""
    subscription = on.fake.subscribe(on.who, on.prices["starter"])
    yield on.days(50, 200)
    on.fake.subscribe(on.who, on.prices["second"], quantity=2)
    yield 0.2
    on.fake.cancel(subscription, at_period_end=False, feedback="switched_service")


def takes_both(on: Scene) -> Story:
    """Two products as two subscriptions; later one of them goes."""
    first = on.fake.subscribe(on.who, on.prices["team"], quantity=2)
    yield on.days(30, 100)
    on.fake.subscribe(on.who, on.prices["second"])
    yield on.days(60, 200)
    on.click(first)


def several_items(on: Scene) -> Story:
    """One subscription of two products and something metered; items come and go."""
    subscription = on.fake.subscribe(
        on.who,
        [(on.prices["team"], 4), (on.prices["second"], 1), (on.prices["metered"], 1)],
        item_coupons={1: on.coupons["tenth"]},
    )
    metered = subscription["items"]["data"][2]["id"]
    for month in range(8):
        yield 29
        if subscription["status"] == "canceled":
            return
        on.fake.use(metered, on.dice.randint(0, 9_000))
        if month == 3:
            on.fake.change(subscription, add=[(on.prices["packs"], 2_500)])
        if month == 6:
            second = subscription["items"]["data"][1]["id"]
            on.fake.change(subscription, remove=[second])


def odd_rhythms(on: Scene) -> Story:
    """Weeks, days, quarters, two years."""
    name = on.dice.choice(("week", "two-weeks", "four-weeks", "day", "quarter", "two-years"))
    subscription = on.fake.subscribe(on.who, on.prices[name])
    yield on.days(20, 45) if name == "day" else on.days(60, 300)
    on.click(subscription)


def tiers(on: Scene) -> Story:
    """Tiered prices, graduated and by volume, and packs; the quantity moves."""
    price = on.some("graduated", "volume", "packs", "fraction")
    subscription = on.fake.subscribe(on.who, price, quantity=on.dice.randint(5, 40))
    for _ in range(3):
        yield on.days(30, 90)
        on.fake.change(subscription, quantity=on.dice.randint(5, 4_000), proration="none")


def foreign_money(on: Scene) -> Story:
    """Yen without decimals, dinars with three, euros, and pounds that are settled in dollars."""
    price = on.some("yen", "dinar", "euro", "pound")
    subscription = on.fake.subscribe(on.who, price, quantity=on.seats())
    yield on.days(60, 400)
    if on.dice.random() < 0.4:
        on.click(subscription)


def taxed(on: Scene) -> Story:
    """Tax within the price, or on top of it."""
    within = on.dice.random() < 0.5
    rate = on.taxes["within" if within else "on_top"]
    price = on.prices["gross" if within else "team"]
    subscription = on.fake.subscribe(on.who, price, quantity=2, tax_rates=[rate])
    yield on.days(60, 300)
    on.fake.change(subscription, quantity=5)


def discounted(on: Scene) -> Story:
    """A coupon of every kind, some of them stacked."""
    name = on.dice.choice(("half", "once", "forever", "free", "amount"))
    names = (name, "tenth") if on.dice.random() < 0.2 else (name,)
    coupons = [on.coupons[one] for one in names]
    price = on.some("team", "business", "starter-year")
    on.fake.subscribe(on.who, price, quantity=3, coupons=coupons)
    yield 1


def discounted_later(on: Scene) -> Story:
    """A coupon in the middle of things, taken away again; one for the customer as a whole."""
    subscription = on.fake.subscribe(on.who, on.prices["business"])
    yield on.days(30, 90)
    discount = on.fake.discount(subscription, on.coupons["forever"])
    yield on.days(60, 120)
    on.fake.undiscount(discount)
    yield on.days(20, 40)
    on.fake.discount(on.who, on.coupons["half"])


def pauses(on: Scene) -> Story:
    """Collection is paused in one of three ways, until a date or until somebody says so."""
    subscription = on.fake.subscribe(on.who, on.prices["team"], quantity=3)
    behavior = on.dice.choice(("void", "keep_as_draft", "mark_uncollectible"))
    dated = on.dice.random() < 0.5
    yield on.days(40, 100)
    until = on.fake.now + 65 * DAY if dated else None
    on.fake.pause_collection(subscription, behavior, until)
    yield on.days(66, 100)
    if not dated:
        on.fake.resume_collection(subscription)


def stops_for_a_while(on: Scene) -> Story:
    """Status paused on request, and resumed."""
    subscription = on.fake.subscribe(on.who, on.prices["starter"])
    yield on.days(35, 80)
    on.fake.pause(subscription)
    yield on.days(30, 90)
    on.fake.resume(subscription)


def fails_and_recovers(on: Scene) -> Story:
    """The card is declined at a renewal; a new one saves the subscription."""
    subscription = on.fake.subscribe(on.who, on.some("starter", "team"), quantity=2)
    yield on.days(35, 200)
    on.fake.set_card(on.who, on.dice.choice(("expired_card", "insufficient_funds")))
    yield on.renewal(subscription) + on.days(1, 12)
    on.fake.set_card(on.who, "ok")
    if subscription["status"] == "past_due" and on.dice.random() < 0.5:
        on.fake.pay(subscription["latest_invoice"])


def fails_and_goes(on: Scene) -> Story:
    """The card is declined until the subscription is cancelled."""
    on.fake.subscribe(on.who, on.some("starter", "team", "business"))
    yield on.days(40, 300)
    on.fake.set_card(on.who, "card_declined")


def never_pays(on: Scene) -> Story:
    """The first payment does not come: it never begins, or begins within the day."""
    on.fake.set_card(on.who, "insufficient_funds")
    subscription = on.fake.subscribe(on.who, on.prices["starter"])
    yield 0.5
    if on.dice.random() < 0.4:
        on.fake.set_card(on.who, "ok")
        on.fake.pay(subscription["latest_invoice"])


def is_refunded(on: Scene) -> Story:
    """A part of a payment back, later the rest of another."""
    on.fake.subscribe(on.who, on.prices["business"], quantity=2)
    yield on.days(5, 25)
    charge = on.charge()
    on.fake.refund(charge, charge["amount"] // 3, "requested_by_customer")
    yield on.days(20, 60)
    on.fake.refund(on.charge())


def yearly_and_out(on: Scene) -> Story:
    """A year paid, half of it given back when it ends at once."""
    subscription = on.fake.subscribe(on.who, on.prices["starter-year"])
    charge = on.charge()
    yield on.days(150, 200)
    on.fake.refund(charge, charge["amount"] // 2)
    on.fake.cancel(subscription, at_period_end=False, feedback="missing_features")


def disputes(on: Scene) -> Story:
    """A charge is disputed: won and forgotten, or lost and over."""
    subscription = on.fake.subscribe(on.who, on.prices["business"])
    yield on.days(10, 100)
    dispute = on.fake.dispute(on.charge())
    yield on.days(20, 50)
    won = on.dice.random() < 0.5
    on.fake.close_dispute(dispute, won=won)
    if not won:
        on.fake.cancel(subscription, at_period_end=False, reason="payment_disputed")


def by_mail(on: Scene) -> Story:
    """Invoices by mail, one of them paid late."""
    subscription = on.fake.subscribe(on.who, on.prices["business"], quantity=12, days_until_due=14)
    for wait in (9, 40, 24, 30, 31):
        invoice = subscription["latest_invoice"]
        yield wait
        if on.fake.get("invoice", invoice)["status"] == "open":
            on.fake.pay(invoice)


def buys_once(on: Scene) -> Story:
    """A set-up fee with the first invoice, something on the next, something by itself."""
    subscription = on.fake.subscribe(on.who, on.prices["team"], setup=[on.prices["setup"]])
    yield on.days(5, 60)
    on.fake.charge_once(on.who, on.prices["setup"], subscription=subscription)
    yield on.days(5, 60)
    on.fake.charge_once(on.who, on.prices["setup"], 2)


def is_credited(on: Scene) -> Story:
    """A credit note for a part of a paid invoice."""
    subscription = on.fake.subscribe(on.who, on.prices["team"], quantity=5)
    yield on.days(10, 90)
    invoice = on.fake.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "paid":
        on.fake.credit(invoice, invoice["total"] // 4)


def is_deleted(on: Scene) -> Story:
    """The customer is deleted, and everything ends."""
    on.fake.subscribe(on.who, on.prices["starter"])
    yield on.days(30, 200)
    on.fake.delete_customer(on.who)


EVERY: tuple[Callable[[Scene], Story], ...] = (
    stays,
    tries_and_buys,
    tries_and_leaves,
    tries_longer,
    tries_without_card,
    tries_and_forgets,
    upgrades,
    downgrades,
    grows,
    shrinks,
    goes_yearly,
    cancels,
    withdraws,
    cancels_now,
    cancels_at_a_date,
    returns,
    switches,
    takes_both,
    several_items,
    odd_rhythms,
    tiers,
    foreign_money,
    taxed,
    discounted,
    discounted_later,
    pauses,
    stops_for_a_while,
    fails_and_recovers,
    fails_and_goes,
    never_pays,
    is_refunded,
    yearly_and_out,
    disputes,
    by_mail,
    buys_once,
    is_credited,
    is_deleted,
)
OFTEN = (stays, stays, stays, cancels, tries_and_buys, upgrades, grows)
