"""A crash or a failure between any two steps leaves the ledger as if nothing had happened."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.laws.crashing import every_statement_fails_once, killed_at_statements
from tests.laws.failing import Failing
from tests.laws.test_book import told
from tests.laws.test_corrections import DAY, reread, restore, retract
from tests.laws.world import NOW, batch, held, world
from tests.oracle.plain import Event
from upwell.billing import Origin
from upwell.event import Delivery
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct

SECOND = 1_000_000
GROUND = Ground(
    products=(GroundProduct(id="mail"), GroundProduct(id="docs")),
    sources=(Origin(id="shop", product="mail"),),
)


def config(at: int, **fields: Any) -> Delivery:
    body = msgspec.json.encode(msgspec.structs.replace(GROUND, **fields))
    return Delivery(kind="config", source="upwell", received_at=at, body=body)


def hook(number: int, kind: str, body: dict[str, Any], day: int) -> Delivery:
    """A webhook of so many days ago."""
    created = NOW // SECOND - day * 86_400
    said = {
        "id": f"evt_{number}",
        "object": "event",
        "type": kind,
        "created": created,
        "data": {"object": body},
    }
    return Delivery(
        kind="stripe", source="shop", received_at=NOW - day * DAY, body=json.dumps(said).encode()
    )


def subscription(number: int, cents: int | None = 4900, **fields: Any) -> dict[str, Any]:
    price = {
        "id": f"price_{cents}",
        "currency": "usd",
        "unit_amount": cents,
        "product": "prod_1",
        "recurring": {"interval": "month", "interval_count": 1},
    }
    return {
        "id": f"sub_{number}",
        "object": "subscription",
        "customer": f"cus_{number}",
        "status": "active",
        "currency": "usd",
        "created": NOW // SECOND - 40 * 86_400,
        "items": {"data": [{"id": f"si_{number}", "price": price, "quantity": 1}]},
        **fields,
    }


def customer(number: int, email: str) -> dict[str, Any]:
    return {"id": f"cus_{number}", "object": "customer", "email": email, "name": f"C {number}"}


def plain(key: str, amount: str, day: int, **metadata: Any) -> Event:
    return Event(
        "docs",
        "subscription",
        NOW - day * DAY,
        actor="u1",
        key=key,
        value=Decimal(amount),
        currency="USD",
        metadata={"subscription_id": "s1", "plan": "team", **metadata},
    )


STORY: tuple[Delivery, ...] = (
    config(NOW - 50 * DAY),
    hook(1, "customer.subscription.created", subscription(1), 40),
    hook(2, "customer.created", customer(1, "ann@acme.example"), 40),
    hook(3, "customer.subscription.updated", subscription(1, 9900), 30),
    hook(3, "customer.subscription.updated", subscription(1, 9900), 30),
    batch([plain("k1", "29", 20), plain("k2", "59", 10, country="DE")], NOW - 9 * DAY),
    config(NOW - 8 * DAY, exclude=("*@acme.example",), timezone="America/New_York"),
    hook(4, "customer.subscription.created", subscription(2), 7),
    retract(4, 6, at=NOW - 6 * DAY),
    config(NOW - 5 * DAY, merges=(("shop:cus_1", "app:u1"),)),
    restore(9, NOW - 4 * DAY),
    reread(NOW - 3 * DAY, source="shop", since=0),
    hook(5, "customer.subscription.deleted", subscription(2, status="canceled"), 2),
    batch([plain("k3", "0", 1)], NOW - DAY),
)


def everything(projection: Projection) -> dict[str, Any]:
    """The ledger, what it is made of, and what could not be used."""
    read = projection.reader().execute
    tables = {
        table: read(f"select * from {table} order by all").fetchall()
        for table in ("billing", "cash", "payments", "grounds", "dead_letters")
    }
    book = projection.book()
    lines = zip(book.lines, book.line_country.tolist(), strict=True)
    return {
        **tables,
        **held(projection),
        "book": told(book),
        "people": sorted(book.persons),
        "countries": sorted((line, book.countries[code]) for line, code in lines),
        "applied": projection.applied,
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with world(tmp_path_factory.mktemp("undisturbed")) as house:
        for delivery in STORY:
            house.take(delivery)
        found = everything(house.projection)
    assert len(found["book"]) > 10
    assert not found["dead_letters"]
    return found


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_statement_may_fail(tmp_path: Path, undisturbed: dict[str, Any], when: str) -> None:
    every_statement_fails_once(tmp_path, STORY, everything, undisturbed, when)


def test_the_process_may_die_at_any_statement(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    dice = random.Random(11)
    assert killed_at_statements(tmp_path, STORY, everything, undisturbed, dice, 120) >= 3


def test_a_commit_without_records_asks_nothing_more(tmp_path: Path) -> None:
    """Pushed events do not pay for the ledger."""
    sale = Event("docs", "revenue", NOW, key="r", value=Decimal(1), currency="USD")
    said: list[str] = []
    with world(tmp_path) as house:
        house.take(*STORY[:4])
        Failing(house.projection, before=lambda _, statement: said.append(statement))
        house.take(batch([sale]))
    words = " ".join(said)
    assert "into cells" in words
    for table in ("billing", "moves", "book_", "cash", "payments"):
        assert table not in words
