"""Money that is exchanged, given back, disputed; and people who are left out of every number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.billed import Billed, Post, in_order, shuffled
from upwell.access import SYSTEM
from upwell.demo.stripe import FakeStripe
from upwell.demo.stripe.world import DAY
from upwell.query import Question

BEGUN = int(dt.datetime(2026, 1, 5, 17, tzinfo=dt.UTC).timestamp())
FROM, TO = dt.date(2026, 1, 1), dt.date(2026, 7, 1)
Houses = Callable[..., Billed]


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Houses]:
    """Opens houses on an account; closed at the end."""
    opened: list[Billed] = []

    def open_house(fake: FakeStripe, **how: Any) -> Billed:
        opened.append(Billed(tmp_path / f"house-{len(opened)}", [fake], **how))
        return opened[-1]

    yield open_house
    for house in opened:
        house.close()


def cash(house: Billed) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """By currency and month: what Stripe booked, and what we say differently."""
    house.settle()
    question = Question(metric="mrr", start=FROM, end=TO, grain="month")
    return {
        (row.currency, row.month): (Decimal(row.stripe), Decimal(row.difference))
        for row in house.revenue.reconciliation(question, SYSTEM).rows
    }


def abroad() -> FakeStripe:
    """An account in euros that sells in pounds and euros, with money coming and going."""
    fake = FakeStripe(
        BEGUN, 3, archive=True, settles={"gbp": ("eur", Decimal("1.15"))}, payouts=None
    )
    mail = fake.create_product("Mail", {"product": "mail"})
    pound, euro = fake.create_price(mail, 10_000, "gbp"), fake.create_price(mail, 5_000, "eur")
    for n, price in enumerate((pound, pound, euro)):
        fake.subscribe(fake.create_customer(f"C{n}", f"c{n}@a.example"), price)
    fake.advance(9 * DAY)
    fake.refund(fake.all("charge")[0], 3_000)
    fake.close_dispute(fake.dispute(fake.all("charge")[1]), won=True)
    fake.advance(60 * DAY)
    return fake


@pytest.mark.parametrize("product", [None, "mail"])
def test_pounds_in_an_account_of_euros_are_no_difference(
    houses: Houses, product: str | None
) -> None:
    fake = abroad()
    house = houses(fake, product=product)
    house.step(None)
    found = cash(house)
    assert {currency for currency, _ in found} == {"EUR"}
    assert {difference for _, difference in found.values()} == {0}
    booked = sum(row["net"] for row in fake.all("balance_transaction"))
    assert sum(stripe for stripe, _ in found.values()) == Decimal(booked) / 100


def test_what_is_really_missing_is_still_told(houses: Houses) -> None:
    """A charge that no invoice of ours comes to stands in euros, the invoice in pounds."""
    fake = abroad()
    charge = fake.all("charge")[0]
    charge["amount"] = charge["amount_captured"] = 12_000
    house = houses(fake, product="mail")
    house.read(0)
    found = {key: difference for key, (_, difference) in cash(house).items() if difference}
    assert found == {("EUR", "2026-01"): Decimal(-115), ("GBP", "2026-01"): Decimal(100)}


@pytest.mark.parametrize("post", [in_order, shuffled(2), None], ids=["hooks", "shuffled", "polled"])
def test_what_is_given_back_is_told_of_its_customer(houses: Houses, post: Post | None) -> None:
    """A refund's own body names a charge only, whichever way it comes."""
    fake = FakeStripe(BEGUN, 3, archive=True)
    mail = fake.create_product("Mail", {"product": "mail"})
    house = houses(fake, product="mail")
    house.step(post)
    ann = fake.create_customer("Ann", "ann@a.example")
    fake.subscribe(ann, fake.create_price(mail, 4_900))
    fake.advance(DAY)
    house.step(post)
    fake.refund(fake.all("charge")[0], 900)
    fake.dispute(fake.all("charge")[0])
    fake.advance(DAY)
    house.step(post)
    house.settle()
    question = Question(metric="refunds", start=FROM, end=TO, grain="month")
    rows = house.house.rows(question, SYSTEM, key=None, limit=50, cursor=None).rows
    assert len(rows) == 2
    assert {row.event.actor_id for row in rows} == {ann["id"]}
    assert {(row.event.metadata or {})["invoice"] for row in rows} == {fake.all("invoice")[0]["id"]}


def failing() -> FakeStripe:
    """An account in euros, a refund of pounds in January comes back in March."""
    fake = FakeStripe(
        BEGUN, 3, archive=True, settles={"gbp": ("eur", Decimal("1.15"))}, payouts=None
    )
    mail = fake.create_product("Mail", {"product": "mail"})
    for n, currency in enumerate(("gbp", "eur")):
        ann = fake.create_customer(f"C{n}", f"c{n}@a.example")
        fake.subscribe(ann, fake.create_price(mail, 10_000, currency))
    fake.advance(DAY)
    return fake


@pytest.mark.parametrize(
    "post", [in_order, shuffled(2), None, "lists"], ids=["hooks", "shuffled", "polled", "lists"]
)
def test_a_refund_that_fails_is_taken_back_on_the_day_its_money_came_again(
    houses: Houses, post: Post | str | None
) -> None:
    fake = failing()
    house = houses(fake, product="mail", currency="EUR")

    def step() -> None:
        if not isinstance(post, str):
            house.step(post)

    step()
    given = [fake.refund(charge, 3_000) for charge in fake.all("charge")]
    fake.advance(DAY)
    step()
    fake.advance(60 * DAY)
    for refund in given:
        fake.fail_refund(refund)
    fake.advance(DAY)
    step()
    if post == "lists":
        house.read(0)
    found = cash(house)
    assert {difference for _, difference in found.values()} == {0}
    assert not house.house.dead_letters(100)
    question = Question(metric="refunds", start=FROM, end=TO, grain="month", by="currency")
    rows = house.house.rows(question, SYSTEM, key=None, limit=50, cursor=None).rows
    values = sorted((str(row.event.currency), int(row.event.value)) for row in rows)
    assert values == [("EUR", -30), ("EUR", 30), ("GBP", -30), ("GBP", 30)]
    assert {row.event.actor_id for row in rows} == {one["customer"] for one in fake.all("charge")}
    back = [row for row in rows if row.event.value < 0]
    assert {row.event.timestamp.month for row in back} == {3}
    where = {"currency": ("EUR",)}
    plain = house.ask("refunds", FROM, TO, where=where).series[0].points
    assert [point.value for point in plain[:3]] == ["30.00", "0.00", "-30.00"]


def test_staff_are_in_no_number_though_a_refund_names_only_a_charge(houses: Houses) -> None:
    fake = FakeStripe(BEGUN, 3, archive=True)
    mail = fake.create_product("Mail", {"product": "mail"})
    house = houses(fake, product="mail", exclude=("ours.example",))
    house.step(in_order)
    price = fake.create_price(mail, 4_900)
    for email in ("ann@a.example", "bob@ours.example"):
        fake.subscribe(fake.create_customer(email, email), price)
    fake.advance(DAY)
    for charge in fake.all("charge"):
        fake.refund(charge, 900)
    fake.dispute(fake.all("charge")[1])
    fake.advance(40 * DAY)
    house.step(in_order)
    house.settle()
    said = {name: house.values(name, FROM, TO)[" total"] for name in ("refunds", "gross_revenue")}
    assert said == {"refunds": "9.00", "gross_revenue": "98.00"}
    assert house.values("mrr", FROM, TO)[" 2026-02-01"] == "49.00"


PASSAGES: dict[str, tuple[str, ...]] = {
    "becomes": ("bob@a.example", "bob@ours.example"),
    "is no longer": ("bob@ours.example", "bob@a.example"),
    "twice": ("bob@a.example", "bob@ours.example", "bob@else.example"),
}


@pytest.mark.parametrize("emails", PASSAGES.values(), ids=PASSAGES)
@pytest.mark.parametrize("post", [in_order, shuffled(2), None], ids=["hooks", "shuffled", "polled"])
def test_money_follows_whom_the_newest_email_makes_staff(
    houses: Houses, post: Post | None, emails: tuple[str, ...]
) -> None:
    fake = FakeStripe(BEGUN, 3, archive=True)
    mail = fake.create_product("Mail", {"product": "mail"})
    ways = [houses(fake, product="mail", exclude=("ours.example",)) for _ in range(2)]
    slow, once = ways
    slow.step(post)
    price = fake.create_price(mail, 4_900)
    fake.subscribe(fake.create_customer("Ann", "ann@a.example"), price, trial_days=7)
    bob = fake.create_customer("Bob", emails[0])
    fake.subscribe(bob, price, trial_days=7)
    for email in emails[1:]:
        fake.advance(10 * DAY)
        slow.step(post)
        for charge in fake.all("charge")[-2:]:
            fake.refund(charge, 300)
        fake.advance(DAY)
        row = fake.get("customer", bob["id"])
        fake.world.change(row, {"email": email}, "customer.updated")
        fake.advance(DAY)
        slow.step(post)
    fake.advance(40 * DAY)
    slow.step(post)
    once.read(0)
    staff = emails[-1].endswith("ours.example")
    for house in ways:
        house.settle()
        assert house.wrong() == {}
    said = [
        {name: way.values(name, FROM, TO) for name in ("refunds", "gross_revenue", "fees", "mrr")}
        for way in ways
    ]
    assert said[0] == said[1]
    paid = sum(one["amount_paid"] for one in fake.all("invoice"))
    share = 2 if staff else 1
    assert Decimal(said[0]["gross_revenue"][" total"]) == Decimal(paid) / 100 / share
    assert Decimal(said[0]["mrr"][" 2026-02-01"]) == Decimal(98) / share


@pytest.mark.parametrize("post", [None, in_order])
def test_another_name_reaches_subscriptions_that_nothing_happened_to(
    houses: Houses, post: Post | None
) -> None:
    """By webhooks or without: of a product's name, where its price has none of its own."""
    fake = FakeStripe(BEGUN, 3, archive=True)
    mail = fake.create_product("Mail", {"product": "mail"})
    house = houses(fake, product="mail")
    named, unnamed = fake.create_price(mail, 4_900, nickname="Team"), fake.create_price(mail, 900)
    for price in (named, unnamed):
        fake.subscribe(fake.create_customer("Ann"), price)
    fake.advance(3 * DAY)
    house.step(post)
    fake.update_price(named, nickname="Business")
    fake.update_product(mail, name="Letters")
    fake.advance(DAY)
    house.step(post)
    house.settle()
    bridge = house.bridge(FROM, TO, by="plan")
    assert {part.key: part.bridge.new for part in bridge.parts} == {
        "Business": "49.00",
        "Letters": "9.00",
    }
    assert bridge.bridge.expansion == "0.00"


def test_another_name_for_a_plan_is_no_movement(houses: Houses) -> None:
    """The newest name stands for all of its past; what was said before is still what was said."""
    fake = FakeStripe(BEGUN, 3, archive=True)
    mail = fake.create_product("Mail", {"product": "mail"})
    house = houses(fake, product="mail")
    house.step(in_order)
    price = fake.create_price(mail, 4_900, nickname="Team")
    sold = fake.subscribe(fake.create_customer("Ann"), price)
    fake.advance(40 * DAY)
    house.step(in_order)
    house.settle()
    before, then = house.values("mrr", FROM, TO, by="plan"), house.clock()
    fake.advance(DAY)
    fake.update_price(price, nickname="Business")
    fake.advance(DAY)
    fake.change(sold, quantity=2)
    fake.advance(30 * DAY)
    house.step(in_order)
    house.settle()
    bridge = house.bridge(FROM, TO, by="plan")
    assert [part.key for part in bridge.parts] == ["Business"]
    assert (bridge.bridge.new, bridge.bridge.expansion) == ("49.00", "49.00")
    assert house.values("mrr", FROM, TO, by="plan")["Business 2026-01-01"] == "49.00"
    again = house.values("mrr", FROM, TO, by="plan", known_at=then)
    assert {key: again[key] for key in before if before[key] is not None} == {
        key: value for key, value in before.items() if value is not None
    }
