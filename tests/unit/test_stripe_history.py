"""What was before the connection, from dates and invoices, against brute force on the account."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.oracle.stripe import Account
from tests.unit.test_stripe_translate import NOW, ONE, get_of, listed
from upwell.billing import Customer, SubscriptionState
from upwell.demo.stripe import FakeStripe
from upwell.demo.stripe.changes import Proration
from upwell.demo.stripe.world import DAY
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.inherited import inherited
from upwell.metrics.revenue.mrr import levels
from upwell.sources.stripe import translate
from upwell.sources.stripe.catalogue import Catalogue

MICROS = 1_000_000
EVER = 4_000_000_000 * MICROS


class Read:
    """An account read from its lists alone, as if it were connected now."""

    def __init__(self, fake: FakeStripe) -> None:
        get = get_of(fake)
        self.unknown: dict[str, int] = defaultdict(int)
        states: defaultdict[str, dict[tuple[Any, ...], SubscriptionState]] = defaultdict(dict)
        people: defaultdict[str, list[Customer]] = defaultdict(list)
        for page in listed(fake, get, Catalogue.of(get)):
            if b'"list":"events"' in page.body:
                continue
            found = translate(page, ONE)
            assert not found.dead, found.dead
            for doubt in found.doubts:
                self.unknown[doubt.code] += 1
            for record in found.records:
                if isinstance(record, SubscriptionState):
                    key = (record.at, record.order)
                    known = states[record.id].get(key)
                    if known is None or known.reconstructed:
                        states[record.id].setdefault(key, record)
                elif isinstance(record, Customer):
                    people[record.id].append(record)
        self.states = {name: list(own.values()) for name, own in states.items()}
        self._levels = {
            name: levels(inherited(own, people[own[0].customer]).states, MetricPolicy(), EVER)
            for name, own in self.states.items()
        }

    def mrr(self, at: int) -> dict[str, Fraction]:
        """Of each subscription at the end of second `at` - 1, in minor units."""
        found = {}
        for name, own in self._levels.items():
            lines = {one.line: one.amount for one in own if one.at < at * MICROS}
            if worth := sum(lines.values()):
                found[name] = Fraction(worth, 10**6)
        return found


def true(fake: FakeStripe, at: int) -> dict[str, Fraction]:
    """The same by brute force."""
    found = Account(fake).mrr(at)
    return {name: sum(worth.values(), Fraction(0)) for name, worth in found.items()}


def agree(fake: FakeStripe, since: int = NOW, step: int = 3 * DAY) -> None:
    """Back-fill is right at every third day."""
    read = Read(fake)
    for at in range(since + DAY, fake.now, step):
        ours, theirs = read.mrr(at), true(fake, at)
        assert ours.keys() == theirs.keys(), (at - since) / DAY
        for name, worth in theirs.items():
            assert abs(ours[name] - worth) < Fraction(1, 1000), ((at - since) / DAY, name)


def account() -> tuple[FakeStripe, dict[str, Any]]:
    fake = FakeStripe(now=NOW, seed=1, archive=True)
    mail = fake.create_product("Mail", {"product": "mail"})
    prices = {
        "team": fake.create_price(mail, 4_900),
        "solo": fake.create_price(mail, 1_200),
        "year": fake.create_price(mail, 60_000, interval="year"),
        "use": fake.create_price(mail, 10, metered=True),
    }
    return fake, prices


def test_a_yearly_item_beside_a_monthly_one_goes_on_between_its_invoices() -> None:
    fake, prices = account()
    fake.subscribe(fake.create_customer("Ann"), [(prices["solo"], 3), (prices["year"], 1)])
    fake.advance(200 * DAY)
    agree(fake)


def test_a_yearly_item_ends_where_its_credit_says() -> None:
    fake, prices = account()
    sold = fake.subscribe(fake.create_customer("Ann"), [(prices["solo"], 3), (prices["year"], 1)])
    fake.advance(100 * DAY)
    fake.change(sold, remove=[sold["items"]["data"][1]["id"]])
    fake.advance(90 * DAY)
    agree(fake)


def test_an_item_taken_away_ends_on_its_own_day() -> None:
    ways: tuple[Proration, ...] = ("create_prorations", "always_invoice")
    for proration in ways:
        fake, prices = account()
        sold = fake.subscribe(
            fake.create_customer("Ann"), [(prices["solo"], 3), (prices["team"], 1)]
        )
        fake.advance(40 * DAY)
        fake.change(sold, remove=[sold["items"]["data"][1]["id"]], proration=proration)
        fake.advance(50 * DAY)
        agree(fake)


def test_what_a_billed_change_does_not_name_goes_on_with_its_discount() -> None:
    """An invoice of prorations alone lists neither the other items nor their discounts."""
    fake, prices = account()
    half = fake.create_coupon(percent_off=50, duration="forever")
    sold = fake.subscribe(
        fake.create_customer("Ann"), [(prices["solo"], 3), (prices["team"], 1)], coupons=[half]
    )
    fake.advance(40 * DAY)
    item = sold["items"]["data"][0]["id"]
    fake.change(sold, quantity=7, item=item, proration="always_invoice")
    fake.advance(50 * DAY)
    agree(fake)


def test_a_discount_stands_from_the_day_it_was_given() -> None:
    fake, prices = account()
    half = fake.create_coupon(percent_off=50, duration="repeating", months=3)
    tenth = fake.create_coupon(percent_off=10)
    sold = fake.subscribe(fake.create_customer("Ann"), prices["team"], quantity=2)
    fake.advance(40 * DAY)
    fake.discount(sold, half)
    fake.advance(40 * DAY)
    other = fake.create_customer("Bob")
    fake.subscribe(other, prices["solo"])
    fake.advance(40 * DAY)
    fake.discount(other, tenth)
    fake.advance(50 * DAY)
    agree(fake)


def test_a_change_that_no_invoice_shows_yet_is_dated_by_its_proration() -> None:
    fake, prices = account()
    sold = fake.subscribe(fake.create_customer("Ann"), [(prices["solo"], 3), (prices["team"], 1)])
    fake.advance(36 * DAY)
    item = sold["items"]["data"][0]["id"]
    fake.change(sold, quantity=5, item=item)
    fake.advance(9 * DAY)
    fake.change(sold, remove=[sold["items"]["data"][1]["id"]])
    fake.advance(9 * DAY)
    agree(fake, step=DAY)


def test_nobody_pays_since_the_last_try() -> None:
    fake = FakeStripe(now=NOW, seed=1, archive=True, outcome="unpaid")
    mail = fake.create_product("Mail", {"product": "mail"})
    ann = fake.create_customer("Ann")
    fake.subscribe(ann, fake.create_price(mail, 4_900))
    fake.advance(10 * DAY)
    fake.set_card(ann, "card_declined")
    fake.advance(120 * DAY)
    assert fake.all("subscription")[0]["status"] == "unpaid"
    agree(fake, step=DAY)


def test_unpaid_for_nobody_knows_how_long_is_counted_and_named() -> None:
    fake, prices = account()
    sold = fake.subscribe(fake.create_customer("Ann"), prices["team"])
    fake.advance(5 * DAY)
    sold["status"] = "unpaid"  # by hand, as Stripe's support does: no invoice says so
    read = Read(fake)
    assert read.unknown["unpaid_since"] == 1
    assert read.mrr(fake.now + 1) == {}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(2, 50)), max_size=8)
)
@example(steps=[(2, 2, 48), (0, 0, 22)])  # read while the invoice is a draft
@example(steps=[(0, 1, 8), (2, 1, 6), (0, 0, 14)])  # added and taken away before one invoice
def test_all_that_is_prorated_is_where_it_was(steps: list[tuple[int, int, int]]) -> None:
    """Items come, go and change their quantity and price, prorated now or on the next invoice."""
    fake, prices = account()
    names = ("team", "solo", "year")
    sold = fake.subscribe(fake.create_customer("Ann"), [(prices["team"], 2), (prices["use"], 1)])
    for kind, which, days in steps:
        fake.advance(days * DAY + 60)
        items = [one for one in sold["items"]["data"] if "quantity" in one]
        item = items[which % len(items)]
        how: Proration = "always_invoice" if days % 2 else "create_prorations"
        if kind in (0, 1):
            held = {one["price"]["id"] for one in sold["items"]["data"]}
            fresh = [prices[name] for name in names if prices[name]["id"] not in held]
            if fresh:
                fake.change(sold, add=[(fresh[which % len(fresh)], which + 1)], proration=how)
        elif kind == 2 and len(items) > 1:
            fake.change(sold, remove=[item["id"]], proration=how)
        else:
            fake.change(sold, item=item["id"], quantity=which + 1 + kind, proration=how)
    fake.advance(20 * DAY)
    agree(fake, step=5 * DAY)
