"""What a schedule sets is not in MRR, but in committed MRR until it comes or is undone (R2)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.revenue_book import at, item, state
from tests.unit.test_ask_revenue_examples import NOW, House
from tests.unit.test_stripe_translate import (
    ONE,
    delivery,
    event,
    facts,
    get_of,
    listed,
    polls,
    webhooks,
)
from upwell.access import SYSTEM
from upwell.billing import Item, Phase, Record, Schedule
from upwell.demo.stripe import FakeStripe
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Question
from upwell.query.revenue.lineage import revenue_rows
from upwell.sources.stripe.catalogue import Catalogue
from upwell.sources.stripe.translate import translate

DAY = 86_400
JANUARY = 1_767_225_600


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    projection = Projection(tmp_path, memory="256MB")
    products = (GroundProduct(id="mail"), GroundProduct(id="docs"))
    projection.set_ground(Ground(products=products), 1, 1)
    try:
        yield House(projection)
    finally:
        projection.close()


def plan(when: str, *phases: tuple[str, str | None, Item], **more: Any) -> Schedule:
    """A schedule as said on a day: phases with their days and one item each."""
    return Schedule(
        source="acct",
        id="sched_1",
        at=at(when),
        customer="cus",
        subscription="sub_1",
        phases=tuple(
            Phase(start=at(start), end=None if end is None else at(end), items=(one,))
            for start, end, one in phases
        ),
        **more,
    )


TEAM, BUSINESS = item("team", "100"), item("business", "250")
UPGRADE = ("2026-04-01", "2026-05-01", BUSINESS)
SPAN = ("2026-01-01", "2026-06-01")


def known(house: House) -> tuple[list[Any], list[Any]]:
    return house.ask("mrr", *SPAN), house.ask("cmrr", *SPAN)


def test_a_scheduled_change_is_committed_from_the_day_it_was_set(house: House) -> None:
    """Team at 100 from January; on 10 February the change to Business at 250 on 1 April is set."""
    house.tell([state("2026-01-05", TEAM), plan("2026-02-10", UPGRADE)], "2026-02-10")
    mrr, cmrr = known(house)
    assert mrr == ["100.00"] * 5
    assert cmrr == ["100.00", "250.00", "250.00", "250.00", "250.00"]
    house.tell([state("2026-04-01", BUSINESS), plan("2026-04-01", UPGRADE)], "2026-04-01")
    mrr, cmrr = known(house)
    assert mrr == ["100.00", "100.00", "100.00", "250.00", "250.00"]
    assert cmrr == ["100.00", "250.00", "250.00", "250.00", "250.00"]


@pytest.mark.parametrize("status", ["released", "canceled", "completed"])
def test_what_was_undone_is_committed_no_more(house: House, status: Any) -> None:
    house.tell([state("2026-01-05", TEAM), plan("2026-02-10", UPGRADE)], "2026-02-10")
    house.tell([plan("2026-03-10", status=status)], "2026-03-10")
    assert known(house)[1] == ["100.00", "250.00", "100.00", "100.00", "100.00"]
    before = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    then = house.ask("cmrr", "2026-01-01", "2026-03-01", known_at=before)
    assert then == ["100.00", "250.00"]


def test_a_schedule_that_ends_takes_away(house: House) -> None:
    until = ("2026-01-05", "2026-04-05", TEAM)
    told: list[Record] = [state("2026-01-05", TEAM), plan("2026-02-10", until, ends=True)]
    house.tell(told, "2026-02-10")
    assert known(house)[1][:3] == ["100.00", "0.00", "0.00"]


def test_the_last_of_several_phases_is_what_was_agreed(house: House) -> None:
    steps = [
        ("2026-01-05", "2026-03-01", TEAM),
        ("2026-03-01", "2026-04-01", item("team", "100", quantity=2)),
        ("2026-04-01", None, item("team", "100", quantity=3)),
    ]
    house.tell([state("2026-01-05", TEAM), plan("2026-01-20", *steps)], "2026-02-10")
    assert known(house)[1][:2] == ["300.00", "300.00"]


def test_items_are_of_the_product_of_their_subscription(house: House) -> None:
    docs = item("team", "100", product="docs")
    later = ("2026-04-01", None, item("team", "100", product="unassigned", quantity=2))
    house.tell([state("2026-01-05", docs), plan("2026-01-20", later)], "2026-02-10")
    found = house.ask("cmrr", *SPAN, product=("docs",))
    assert found[:2] == ["200.00", "200.00"]


def test_the_rows_add_up_also_where_the_plan_is_another_one(house: House) -> None:
    house.tell([state("2026-01-05", TEAM), plan("2026-02-10", UPGRADE)], "2026-02-10")
    assert sum(house.behind("cmrr", "2026-01-01", "2026-03-01")) == 250
    question = Question(metric="cmrr", start=dt.date(2026, 1, 1), end=dt.date(2026, 3, 1))
    asked = house.desk.plan(question, SYSTEM, NOW)
    rows = revenue_rows(asked, house.desk.ledgers, house.projection, SYSTEM, lambda _: None).rows
    assert {row.event.metadata["subscription_id"] for row in rows} == {"sub_1"}


def test_told_bit_by_bit_it_is_what_is_read_anew(house: House) -> None:
    house.tell([plan("2026-02-10", UPGRADE)], "2026-02-10")
    house.ask("cmrr", *SPAN)
    house.tell([state("2026-01-05", TEAM)], "2026-02-11")
    found = known(house)
    house.projection.rebuild()
    assert known(house) == found
    assert found[1][1] == "250.00"


# -- as Stripe tells it


def account() -> FakeStripe:
    """Schedules that change a plan, are changed, released, cancelled, and that end."""
    fake = FakeStripe(now=JANUARY, seed=4, archive=True)
    mail = fake.create_product("Mail")
    team, business = fake.create_price(mail, 10_000), fake.create_price(mail, 25_000)
    half = fake.create_coupon(percent_off=50, duration="forever")
    subs = []
    for number in range(5):
        customer = fake.create_customer(f"C{number}", card="ok")
        coupons = [half] if number == 1 else []
        subs.append(fake.subscribe(customer, team, coupons=coupons))
    fake.advance(10 * DAY)
    march, april = JANUARY + 59 * DAY, JANUARY + 90 * DAY
    fake.schedule(subs[0], (business, 1, april))
    changed = fake.schedule(subs[1], (team, 2, march))
    released = fake.schedule(subs[2], (business, 1, april))
    cancelled = fake.schedule(subs[3], (business, 1, april))
    fake.schedule(subs[4], ends=True)
    fake.advance(DAY)
    fake.reschedule(changed, (team, 3, march), (team, 5, april))
    fake.advance(DAY)
    fake.release_schedule(released)
    fake.cancel_schedule(cancelled)
    return fake


def test_however_schedules_come_they_are_the_same() -> None:
    fake = account()
    fake.advance(30 * DAY)
    get = get_of(fake)
    catalogue = Catalogue.of(get)
    order = list(range(len(fake.events)))
    polls(fake, order, get, catalogue)  # discounts, read while they last
    events, records = facts(webhooks(fake, order, get, catalogue))
    schedules = [one for one in records.values() if isinstance(one, Schedule)]
    assert {one.status for one in schedules} == {"active", "completed", "released", "canceled"}
    shuffled = [*order[::-1], *order[::7]]
    assert facts(webhooks(fake, shuffled, get, catalogue)) == (events, records)
    assert facts(polls(fake, order, get, catalogue)) == (events, records)
    last = {one.id: one for one in sorted(schedules, key=lambda one: (one.at, one.order))}
    _, shown = facts(listed(fake, get, catalogue)[:-1])
    now = {one.id: one for one in shown.values() if isinstance(one, Schedule)}
    assert {
        name: (one.status, one.phases, one.ends, one.subscription) for name, one in now.items()
    } == {name: (one.status, one.phases, one.ends, one.subscription) for name, one in last.items()}
    discounted = next(one for one in now.values() if len(one.phases) == 3)
    assert [one.discounts[0].percent for one in discounted.phases] == [50] * 3


def test_the_company_by_webhooks_and_by_its_lists_has_the_same_committed_mrr(
    house: House, tmp_path: Path
) -> None:
    """300 MRR and 50 at half price; set: +150, then 5 seats at half, and one that ends."""
    fake = account()
    get = get_of(fake)
    catalogue = Catalogue.of(get)
    hooks = webhooks(fake, range(len(fake.events)), get, catalogue)
    other = Projection(tmp_path / "listed", memory="256MB")
    other.set_ground(house.projection.ground, 1, 1)
    try:
        for made, deliveries in ((house, hooks), (House(other), listed(fake, get, catalogue))):
            for each in deliveries:
                made.tell(translate(each, ONE).records, "2026-01-20")
            asked = Question(
                metric="cmrr", start=dt.date(2026, 1, 1), end=dt.date(2026, 2, 1), grain="month"
            )
            then = dt.datetime(2026, 1, 21, tzinfo=dt.UTC)
            found = {
                name: made.desk.answer(
                    Question(metric=name, start=asked.start, end=asked.end, grain="month"),
                    SYSTEM,
                    then,
                )
                .series[0]
                .points[0]
                .value
                for name in ("mrr", "cmrr")
            }
            # Team 100 each: one becomes 250, one half-price becomes 5 x 50, one stays, one ends.
            assert found == {"mrr": "350.00", "cmrr": "600.00"}
    finally:
        other.close()


def test_what_cannot_be_read_of_a_schedule_has_a_name() -> None:
    plain = {
        "id": "sub_sched_1", "object": "subscription_schedule", "status": "active",
        "customer": "cus_1", "subscription": "sub_1", "phases": [],
    }  # fmt: skip
    early = translate(
        delivery(event("subscription_schedule.created", {**plain, "subscription": None})), ONE
    )
    assert early.unknown == {"schedule without a subscription": 1}
    for broken, code in (
        ({"status": "odd"}, "unknown_status"),
        ({"phases": [{"start_date": 1, "items": [{}]}]}, "no_price"),
        ({"phases": [{"items": []}]}, "unreadable"),
    ):
        found = translate(
            delivery(event("subscription_schedule.updated", {**plain, **broken})), ONE
        )
        assert [letter.code for letter in found.dead] == [code]
