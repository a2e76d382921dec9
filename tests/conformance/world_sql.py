"""A shop's database: orders are committed late and at the same moment, prices of plans change."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from tests.conformance.vendors import BEGINS, Fact
from tests.databases import missing, shared
from upwell.period import to_micros
from upwell.settings import SqlQuery, SqlSource

_TIMES = {"postgresql": "timestamptz", "mariadb": "datetime(6)"}
_BEGAN = BEGINS - dt.timedelta(days=20)
_LATE = 8 * 60  # seconds until an order is committed, at the most
PLANS = 40


class Shop:
    """Two orders an hour, a third of them late; each few hours a plan has another price."""

    facts = "e.type, e.ts, e.value, json_extract_string(e.metadata, '$.n')"
    only = "e.type in ('revenue', 'spend')"
    settles = dt.timedelta(minutes=10)

    def __init__(self, vendor: str) -> None:
        if reason := missing(vendor):
            pytest.skip(reason)
        self._server = shared(vendor)
        self._chance = random.Random(5)
        self._now = _BEGAN
        self._waiting: list[tuple[dt.datetime, tuple[Any, ...]]] = []
        self._orders: list[tuple[dt.datetime, Decimal, int]] = []
        self._plans = {plan: Decimal(10) for plan in range(PLANS)}
        at = _TIMES[vendor]
        self._server.run(
            "create table orders (n int primary key, buyer varchar(20), total numeric(12, 2), "
            f"paid_at {at})",
            f"create table plans (n int primary key, price numeric(12, 2), made {at})",
            "insert into plans values (?, ?, ?)",
            rows=[(plan, price, self._at(_BEGAN)) for plan, price in self._plans.items()],
        )
        self.port = self._server.port

    def settings(self, port: int) -> SqlSource:
        """The source's table."""
        return SqlSource(
            id="shop",
            product="mail",
            url=self._server.url.replace(f":{self.port}/", f":{port}/"),
            queries=(
                SqlQuery(
                    name="orders",
                    sql="select n, buyer, total, paid_at from orders "
                    "where (paid_at, n) > (:cursor_time, :cursor_id)",
                    event_type="revenue",
                    timestamp="paid_at",
                    key="n",
                    actor_id="buyer",
                    value="total",
                    currency="EUR",
                    metadata=("n",),
                ),
                SqlQuery(
                    name="plans",
                    sql="select n, price, made from plans",
                    event_type="spend",
                    timestamp="made",
                    key="n",
                    value="price",
                    currency="EUR",
                    metadata=("n",),
                    snapshot=True,
                ),
            ),
        )

    def go_on(self, until: dt.datetime) -> None:
        """Orders are paid, and committed; now and then a price changes."""
        while self._now < until:
            step = min(dt.timedelta(hours=1), until - self._now)
            for _ in range(self._chance.choice((0, 1, 2, 3)) if step.seconds > 600 else 0):
                self._order(self._now + dt.timedelta(minutes=self._chance.randrange(6) * 10))
            self._now += step
        due = [row for at, row in self._waiting if at <= until]
        self._waiting = [(at, row) for at, row in self._waiting if at > until]
        if due:
            self._server.run("insert into orders values (?, ?, ?, ?)", rows=due)
        plan, price = self._chance.randrange(PLANS), Decimal(self._chance.randrange(100))
        self._plans[plan] = price
        self._server.run(f"update plans set price = {price} where n = {plan}")

    def _order(self, at: dt.datetime) -> None:
        number, total = len(self._orders), Decimal(self._chance.randrange(10_000)) / 100
        late = dt.timedelta(seconds=self._chance.randrange(_LATE) if number % 3 == 0 else 0)
        self._orders.append((at, total, number))
        row = (number, f"u{self._chance.randrange(30)}", total, self._at(at))
        self._waiting.append((at + late, row))

    def _at(self, at: dt.datetime) -> dt.datetime:
        return at if self._server.name == "postgresql" else at.replace(tzinfo=None)

    def truth(self, until: dt.datetime) -> Counter[Fact]:
        """Every order, and what each plan costs now."""
        orders = Counter(
            ("revenue", to_micros(at), total, str(n)) for at, total, n in self._orders if at < until
        )
        return orders + Counter(
            ("spend", to_micros(_BEGAN), price, str(n)) for n, price in self._plans.items()
        )

    def close(self) -> None:
        """Its server goes on for the next."""
