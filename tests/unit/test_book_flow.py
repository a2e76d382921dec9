"""From a delivery to the ledger through the loop: plain events, webhooks, history, commands."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.laws.test_book import movements
from tests.laws.test_book_crash import GROUND, config, hook, subscription
from tests.laws.test_corrections import reread, restore, retract
from tests.laws.world import NOW, World, batch, right, world
from tests.oracle.plain import Event
from upwell.billing import Origin, SubscriptionState
from upwell.event import Change, Delivery, Touched
from upwell.metrics.revenue.ledger import KINDS
from upwell.projection.book import FOREVER

DAY = 86_400_000_000


def said(amount: str, day: int, actor: str = "u1", **metadata: Any) -> Event:
    """What a product's own billing says of a customer, so many days before NOW."""
    return Event(
        metadata.pop("product", "docs"),
        "subscription",
        NOW - day * DAY,
        actor=actor,
        key=f"{actor} {amount} {day} {metadata}",
        value=Decimal(amount),
        currency=metadata.pop("currency", "USD"),
        metadata=metadata,
    )


def bars(house: World) -> list[tuple[str, int]]:
    """Kind and amount, in minor units, of each movement of the company, by day."""
    rows = house.projection.book().rows
    rows = rows.take(rows.superseded_at == FOREVER)
    found: Counter[tuple[int, int, int]] = Counter()
    for at, person, kind, delta in zip(
        rows.at.tolist(), rows.person.tolist(), rows.by_company.tolist(), rows.delta.tolist(),
        strict=True,
    ):  # fmt: skip
        found[at, person, kind] += delta // 1_000_000
    return [(KINDS[kind], amount) for (_, _, kind), amount in sorted(found.items())]


def test_a_product_without_a_billing_system_has_mrr(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(NOW - 50 * DAY))
        house.take(
            batch(
                [
                    said("0", 1, reason="too dear"),
                    said("29", 30, plan="team", interval="month", country="DE"),
                    said("59.50", 20, plan="team"),
                    said("12", 15, product="mail"),  # another product is another subscription
                    said("9", 10, "u2", status="trialing"),
                    said("1200", 9, "u3", currency="JPY"),
                ]
            )
        )
        assert bars(house) == [
            ("new", 2900),
            ("expansion", 3050),
            ("expansion", 1200),
            ("new", 1200),  # yen have no cents
            ("contraction", -5950),
        ]
        book = house.projection.book()
        assert {line.plan for line in book.lines} == {"team", ""}
        assert book.persons[0].country == "DE"
        (state, *_), *_ = house.projection.states("app", "docs/u1")
        assert isinstance(state, SubscriptionState)
        right(house.projection)


def test_the_number_of_a_subscription_ties_its_events_together(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(NOW - 50 * DAY))
        house.take(batch([said("10", 9, "u1", subscription_id="s"), said("20", 8, "u2")]))
        house.take(batch([said("15", 7, "u2", subscription_id="s")]))  # handed over
        assert bars(house) == [("new", 1000), ("expansion", 2000), ("expansion", 500)]
        right(house.projection)


def test_a_webhook_is_in_the_ledger_with_its_commit(tmp_path: Path) -> None:
    heard: list[Change] = []
    with world(tmp_path) as house:
        house.flow.subscribe(heard.append)
        house.take(config(NOW - 50 * DAY))
        first, *_ = house.take(hook(1, "customer.subscription.created", subscription(1), 40))
        house.take(hook(2, "customer.subscription.updated", subscription(1, 9900), 30))
        day = house.projection.zone.day_of(NOW)
        assert bars(house) == [("new", 4900), ("expansion", 5000)]
        assert Touched("mail", "@mrr", day - 40) in heard[1].touched
        assert heard[2].touched == {Touched("mail", "@mrr", day - 30)}
        assert not heard[2].quiet
        assert house.projection.book().rows.seq[0] == first


def test_history_is_quiet(tmp_path: Path) -> None:
    heard: list[Change] = []
    with world(tmp_path) as house:
        house.flow.subscribe(heard.append)
        house.take(config(NOW - 50 * DAY))
        one = hook(1, "customer.subscription.created", subscription(1), 40)
        house.take(msgspec.structs.replace(one, about={"history": True}))
        assert heard[-1].quiet
        assert heard[-1].sample == ()
        assert bars(house) == [("new", 4900)]


def test_what_cannot_be_read_is_a_dead_letter(tmp_path: Path) -> None:
    rubbish = Delivery(kind="stripe", source="shop", received_at=NOW, body=b"{not json")
    with world(tmp_path) as house:
        house.take(config(NOW - 50 * DAY), rubbish)
        house.take(hook(1, "customer.subscription.created", subscription(1), 4))
        dead = house.projection.reader().execute("select seq, source from dead_letters")
        assert dead.fetchall() == [(2, "shop")]
        assert bars(house) == [("new", 4900)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_webhooks_may_come_in_any_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    ended = subscription(1, 9900, status="canceled", ended_at=NOW // 1_000_000 - 20 * 86_400)
    hooks = (
        hook(1, "customer.subscription.created", subscription(1), 40),
        hook(2, "customer.subscription.updated", subscription(1, 9900), 30),
        hook(3, "customer.subscription.deleted", ended, 20),
    )
    with world(tmp_path) as house:
        house.take(config(NOW - 50 * DAY))
        for number in order:
            house.take(hooks[number], hooks[number])
        assert bars(house) == [("new", 4900), ("expansion", 5000), ("churn", -9900)]


def test_another_assignment_is_read_into_the_ledger(tmp_path: Path) -> None:
    with world(tmp_path / "a") as house, world(tmp_path / "b") as always:
        source = (Origin(id="shop", product="docs"),)
        one = hook(1, "customer.subscription.created", subscription(1), 40)
        house.take(config(NOW - 50 * DAY), one)
        assert house.projection.book().products == ["mail"]
        house.take(config(NOW - 5 * DAY, sources=source), reread(NOW - 4 * DAY, source="shop"))
        always.take(config(NOW - 50 * DAY, sources=source), one)
        assert movements(house.projection.book()) == movements(always.projection.book())
        assert GROUND.sources != source
        right(house.projection)


def test_events_taken_back_take_their_mrr_along(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(NOW - 50 * DAY))
        (first,) = house.take(batch([said("29", 30)]))
        (second,) = house.take(batch([said("59", 20)]))
        (order,) = house.take(retract(second, at=NOW))
        assert bars(house) == [("new", 2900)]
        house.take(restore(order, NOW + DAY))
        assert bars(house) == [("new", 2900), ("expansion", 3000)]
        house.take(retract(first, second, at=NOW + 2 * DAY))
        assert bars(house) == []
        right(house.projection)


def test_a_key_taken_since_keeps_the_old_state_out(tmp_path: Path) -> None:
    """What cannot come back as an event does not come back as a state."""
    again = Event(**{**vars(said("29", 30)), "value": Decimal(31)})
    with world(tmp_path) as house:
        house.take(config(NOW - 50 * DAY))
        (first,) = house.take(batch([said("29", 30)]))
        (order,) = house.take(retract(first, at=NOW))
        house.take(batch([again]))
        house.take(restore(order, NOW + DAY))
        assert bars(house) == [("new", 3100)]
        right(house.projection)
