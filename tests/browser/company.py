"""A company small enough to be counted by hand: three products, sixty days, the same each time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

CONFIG = """\
[workspace]
name = "Acme"

[[products]]
id = "mail"
name = "Mail"

[[products]]
id = "docs"
name = "Docs"

[[products]]
id = "desk"
name = "Desk"
"""
PRODUCTS = ("mail", "docs", "desk")
PLANS = (("starter", "19.90"), ("team", "49.00"))
COUNTRIES = ("DE", "US", "FR")
DAYS = 60

Event = dict[str, Any]


def at(moment: dt.datetime) -> str:
    """As the API takes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def events() -> list[Event]:
    """Every event, oldest first; the days of UTC before today, at eight in the morning."""
    today = dt.datetime.now(dt.UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    made: list[Event] = []
    for back in range(DAYS, 0, -1):
        morning = today - dt.timedelta(days=back)
        for index, product in enumerate(PRODUCTS):
            made += _day(product, index, back, morning)
    for number, event in enumerate(made):
        event["idempotency_key"] = f"e{number}"
    return made


def _day(product: str, index: int, back: int, morning: dt.datetime) -> Iterable[Event]:
    def event(kind: str, who: str, minute: int, **more: Any) -> Event:
        metadata = {"plan": PLANS[back % 2][0], "country": COUNTRIES[(back + index) % 3]}
        return {
            "product_id": product,
            "event_type": kind,
            "timestamp": at(morning + dt.timedelta(minutes=minute)),
            "actor_id": who,
            "metadata": metadata,
            **more,
        }

    for one in range(2 + (back + index) % 3):
        who = f"{product}-{back}-{one}"
        yield event("page_view", who, one)
        yield event("signup", who, one + 1)
        if one % 2 == 0:
            yield event("activation", who, one + 2)
    for one in range(1 + index):
        price = PLANS[back % 2][1]
        yield event("revenue", f"{product}-c{one}", 20 + one, value=price, currency="USD")
    for one in range(4 + index):
        yield event("session", f"{product}-u{(back + one) % 20}", 40 + one)
    if (back + index) % 5 == 0:
        yield event("churn", f"{product}-c{back}", 50)
    if back % 17 == 0:
        yield event("refund", f"{product}-c0", 55, value="19.90", currency="USD")


def signup(product: str, who: str) -> Event:
    """A signup that happens now."""
    return {
        "product_id": product,
        "event_type": "signup",
        "timestamp": at(dt.datetime.now(dt.UTC)),
        "actor_id": who,
        "idempotency_key": who,
        "metadata": {"plan": "team", "country": "DE"},
    }


def within(
    made: Iterable[Event], first: str, end: str, *kinds: str, product: str = ""
) -> list[Event]:
    """Events of some kinds in the days from `first` until before `end`."""
    return [
        event
        for event in made
        if event["event_type"] in kinds
        and first <= event["timestamp"][:10] < end
        and (not product or event["product_id"] == product)
    ]


def revenue(made: Iterable[Event], first: str, end: str, product: str = "") -> Decimal:
    """What was paid less what was paid back."""
    return sum(
        (
            Decimal(event["value"]) * (1 if event["event_type"] == "revenue" else -1)
            for event in within(made, first, end, "revenue", "refund", product=product)
        ),
        Decimal(0),
    )
