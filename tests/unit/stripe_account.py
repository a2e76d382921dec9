"""A small account of the fake Stripe and the official client, for the tests of the fake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import stripe

from upwell.demo.stripe import FakeStripe, serve
from upwell.demo.stripe.world import Json

START = 1_767_225_600  # 2026-01-01T00:00:00Z
DAY = 86_400


def account(**how: object) -> FakeStripe:
    """An account at the beginning of 2026; keyword arguments go to FakeStripe."""
    return FakeStripe(START, 7, **how)  # type: ignore[arg-type]


def monthly(fake: FakeStripe, amount: int = 1_000, currency: str = "usd", **how: object) -> Json:
    """A price of a new product, a month."""
    product = fake.create_product("Mail", {"product": "mail"})
    unit = None if "tiers" in how else amount
    return fake.create_price(product, unit, currency, **how)  # type: ignore[arg-type]


@contextmanager
def client(fake: FakeStripe, key: str = "sk_live_abcdefgh") -> Iterator[stripe.StripeClient]:
    """The official client, talking to the fake on a port of this machine."""
    http = stripe.RequestsClient()
    with serve(fake) as url:
        try:
            yield stripe.StripeClient(key, base_addresses={"api": url}, http_client=http)
        finally:
            http.close()  # type: ignore[no-untyped-call]


def invoices(fake: FakeStripe, subscription: Json) -> list[Json]:
    """The invoices of a subscription, oldest first."""
    return [
        row
        for row in fake.all("invoice")
        if row["parent"]
        and row["parent"]["subscription_details"]["subscription"] == subscription["id"]
    ]


def kinds(fake: FakeStripe, since: int = 0) -> list[str]:
    """The types of what happened from that second on."""
    return [event.type for event in fake.events if event.created >= since]


def totals(fake: FakeStripe, subscription: Json) -> list[int]:
    """What its invoices come to, in their order."""
    return [row["total"] for row in invoices(fake, subscription)]


def amounts(fake: FakeStripe, invoice: Json) -> list[int]:
    """What the lines of an invoice come to."""
    return [line["amount"] for line in fake.world.lines[invoice["id"]]]


def day(year: int, month: int, of_month: int) -> int:
    """The first second of a day."""
    return int(datetime(year, month, of_month, tzinfo=UTC).timestamp())
