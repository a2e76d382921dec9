"""The demo company's billing as Upwell reads it: pages told, translated, counted; for tests."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from upwell.billing import Cash, Customer, Origin, Payment, Record, SubscriptionState
from upwell.demo import company
from upwell.demo.rhythm import today_of
from upwell.demo.stage import Stage
from upwell.demo.stripe import FakeStripe
from upwell.demo.vendor import past
from upwell.demo.wire import APART, MAIN, Frame
from upwell.event import Delivery
from upwell.metrics.policy import policy_named
from upwell.metrics.revenue.mrr import levels
from upwell.period import to_date
from upwell.sources.stripe import translate

NOW = dt.datetime(2026, 7, 14, 15, 20, 7, tzinfo=dt.UTC)
DAY = 86_400
COMPANY = company()
WORTH = {"USD": 1.0, "EUR": 1.1, "GBP": 1.3, "JPY": 0.66}  # of a minor unit, roughly


def origins(stage: Stage) -> dict[str, Origin]:
    """The accounts as they are configured once their price lists were read."""
    return {
        MAIN: Origin(
            id=MAIN,
            product_from="metadata.product",
            assign={
                row["id"]: row["metadata"]["product"] for row in stage.accounts[MAIN].all("product")
            },
            names=_names(stage.accounts[MAIN]),
        ),
        APART: Origin(id=APART, product=COMPANY.apart, names=_names(stage.accounts[APART])),
    }


def _names(account: FakeStripe) -> dict[str, str]:
    return {row["id"]: row["nickname"] for row in account.all("price")}


@dataclass
class Read:
    """What came out of the pages."""

    stage: Stage
    frames: list[Frame] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)

    def of(self, kind: str, product: str | None = None) -> list[dict[str, object]]:
        """The events of a type."""
        return [
            row for row in self.events if row["type"] == kind and product in (None, row["product"])
        ]

    def customers(self) -> dict[str, Customer]:
        """Who pays, by id."""
        return {record.id: record for record in self.records if isinstance(record, Customer)}

    def payments(self) -> list[Payment]:
        """How each invoice stands, in the order it was told."""
        return [record for record in self.records if isinstance(record, Payment)]

    def cash(self) -> list[Cash]:
        """What each balance says."""
        return [record for record in self.records if isinstance(record, Cash)]

    def states(self) -> dict[str, list[SubscriptionState]]:
        """The states of each subscription."""
        found: defaultdict[str, list[SubscriptionState]] = defaultdict(list)
        for record in self.records:
            if isinstance(record, SubscriptionState):
                found[record.id].append(record)
        return found


@lru_cache(maxsize=2)
def bills(scale: float) -> Read:
    """The whole past of both accounts, read by the same translation as a customer's."""
    stage = Stage(COMPANY, today_of(COMPANY, NOW), scale)
    known, read = origins(stage), Read(stage)
    for seq, frame in enumerate(past(stage, int(NOW.timestamp()))):
        read.frames.append(frame)
        delivery = Delivery(
            seq=seq,
            kind="stripe",
            source=frame.source,
            received_at=int(NOW.timestamp() * 1e6),
            about={"history": True, "countries": frame.countries},
            body=frame.body,
        )
        found = translate(delivery, known[frame.source])
        read.events += found.events.to_pylist()
        read.records += found.records
        read.dead += [letter.reason for letter in found.dead]
        read.unknown.update(found.unknown)
    return read


@lru_cache(maxsize=2)
def mrr(scale: float) -> dict[str, dict[str, list[tuple[dt.date, float]]]]:
    """What each subscription is worth a month from a day on, by product; roughly, in dollars."""
    rules = policy_named("upwell")
    found: dict[str, dict[str, list[tuple[dt.date, float]]]] = defaultdict(dict)
    for name, states in bills(scale).states().items():
        for level in levels(states, rules, int(NOW.timestamp() * 1e6)):
            worth = level.amount * WORTH[level.currency] / 1e8
            day = to_date(level.at // (DAY * 1_000_000))
            key = f"{name} {level.plan} {level.interval}"
            found[level.product].setdefault(key, []).append((day, worth))
    return found


def worth(lines: dict[str, list[tuple[dt.date, float]]], day: dt.date) -> float:
    """The sum of what lines are worth at the end of a day."""
    return sum(
        next((value for since, value in reversed(line) if since <= day), 0.0)
        for line in lines.values()
    )


def month_of(row: dict[str, object]) -> str:
    """The UTC month of an event."""
    at = row["ts"]
    assert isinstance(at, int)
    return dt.datetime.fromtimestamp(at / 1e6, dt.UTC).strftime("%Y-%m")


def money(rows: list[dict[str, object]]) -> float:
    """Amounts of events, roughly in dollars."""
    total = 0.0
    for row in rows:
        value, currency = row["value"], row["currency"]
        assert isinstance(value, Decimal)
        assert isinstance(currency, str)
        total += float(value) * WORTH[currency] / (1 if currency != "JPY" else 100)
    return total
