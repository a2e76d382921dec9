"""What an account tells: pages for its history, and the events that a webhook endpoint is sent.

A page has the bytes that Stripe would give, and beside them what they only point to, as reading an
account by its API keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec

from upwell.billing import Origin
from upwell.demo.stripe import Event, FakeStripe
from upwell.demo.stripe.world import Json
from upwell.event import Delivery
from upwell.period import MICROS
from upwell.sources.stripe import complete, fetch
from upwell.sources.stripe.catalogue import Catalogue
from upwell.sources.stripe.fetch import Query

ENDPOINT = frozenset(
    {
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "customer.created",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.marked_uncollectible",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.voided",
        "refund.created",
        "refund.failed",
        "refund.updated",
    }
)
"""The types that the company's webhook endpoints are subscribed to."""

CUSTOMER = ("address", "email", "metadata", "name")
PAGE = 500  # events of a page


class Page(NamedTuple):
    """The body of a delivery, how many objects it has, and countries of customers in it."""

    body: bytes
    rows: int
    countries: dict[str, str] = {}  # noqa: RUF012 - never changed


class Ear:
    """Which events of an account are written down while its past is told.

    Of what the endpoint is subscribed to, those that change nothing but dates are left out: a
    renewal is told by its invoice.
    """

    def __init__(self) -> None:
        self._known: dict[str, object] = {}

    def __call__(self, kind: str, row: Json, before: Json | None) -> bool:
        """Whether an event is told."""
        if kind not in ENDPOINT:
            return False
        if kind == "customer.updated":
            return any(name in (before or {}) for name in CUSTOMER)
        if row["object"] != "subscription":
            return True
        now = _terms(row)
        changed = kind != "customer.subscription.updated" or self._known.get(row["id"]) != now
        self._known[row["id"]] = now
        return changed


def _terms(row: Json) -> object:
    """What a subscription comes to, apart from its dates."""
    pause = row["pause_collection"]
    items = [
        (item["price"]["id"], item.get("quantity"), item["discounts"])
        for item in row["items"]["data"]
    ]
    return (
        row["status"],
        items,
        row["discounts"],
        row["cancel_at"],
        row["trial_end"],
        pause and pause["behavior"],
    )


_SOURCES = {"ch": "charge", "re": "refund", "dp": "dispute"}

T = TypeVar("T")


def _parts(rows: Sequence[T], whole: bool) -> Iterator[Sequence[T]]:
    """Rows in pages; the last one only where it is full, or `whole`."""
    for start in range(0, len(rows), PAGE):
        part = rows[start : start + PAGE]
        if whole or len(part) == PAGE:
            yield part


class Teller:
    """One account's past as pages, in order of time."""

    def __init__(self, account: FakeStripe, source: str) -> None:
        self._account = account
        self._source = source
        self._last = -1
        self._booked = ""  # the last movement of the balance that was told

    def opening(self, now: int) -> Iterator[Page]:
        """The lists of what was there before anything happened here."""
        catalogue, cursor = Catalogue.of(self._get), fetch.Cursor(started=now)
        while cursor.step in ("subscriptions", "customers"):
            step = cursor.step
            page, cursor = fetch.listed(self._get, cursor)
            kept = complete.completed(
                Delivery(kind="stripe", source=self._source, received_at=now * MICROS),
                step,
                page.rows,
                Origin(id=self._source),
                self._get,
                catalogue,
                history=True,
            )
            if page.rows:
                yield Page(kept.body, len(page.rows))
        self._last = self._account.newest

    def told(self, *, whole: bool) -> Iterator[Page]:
        """What has happened since the last time, in full pages; with `whole` all of it."""
        fresh = self._account.after(self._last)
        for part in _parts(fresh, whole):
            rows = [msgspec.Raw(self._account.payload(self._whole(event))) for event in part]
            beside, countries = self._beside(part), self._countries(part)
            yield self._page("events", rows, beside)._replace(countries=countries)
            self._last = part[-1].number
        table = self._account.world.table("balance_transaction")
        since = table.place.get(self._booked, -1) + 1
        for names in _parts(table.ids[since:], whole):
            rows = [msgspec.Raw(msgspec.json.encode(self._with_source(name))) for name in names]
            yield self._page("balance_transactions", rows)
            self._booked = names[-1]

    def _whole(self, event: Event) -> Event:
        """The event of a long invoice with the lines that its body leaves out."""
        if b'"has_more":true' not in event.body:
            return event
        row = event.object
        lines = {"data": self._account.world.lines[row["id"]], "has_more": False}
        whole = {**row, "lines": {**row["lines"], **lines}}
        return event._replace(body=msgspec.json.encode(whole))

    def _with_source(self, name: str) -> Json:
        """A movement of the balance with what caused it, as `expand[]=data.source` gives it."""
        row = self._account.get("balance_transaction", name)
        kind = _SOURCES.get((row["source"] or "").partition("_")[0])
        return {**row, "source": self._account.get(kind, row["source"])} if kind else row

    def _page(
        self, name: str, rows: list[msgspec.Raw], beside: dict[str, Json] | None = None
    ) -> Page:
        now = self._account.now
        return Page(complete.body(name, rows, read_at=now, extra=beside), len(rows))

    def _countries(self, events: Sequence[Event]) -> dict[str, str]:
        """Where the customers of subscriptions are, as who has read their records knows."""
        found = {}
        for event in events:
            if event.type.startswith("customer.subscription."):
                _, _, rest = event.body.partition(b'"customer":"')
                name = rest[: rest.index(b'"')].decode()
                address = self._account.get("customer", name)["address"]
                found[name] = address["country"]
        return found

    def _beside(self, events: Sequence[Event]) -> dict[str, Json]:
        """What the objects of events point to."""
        discounts: Json = {}
        coupons: Json = {}
        charges = []
        for event in events:
            if event.type.startswith("customer.subscription.") and b'"di_' in event.body:
                row = event.object
                for owner in (row, *row["items"]["data"]):
                    for name in owner["discounts"]:
                        discounts[name] = self._account.get("discount", name)
                        coupon = discounts[name]["source"]["coupon"]
                        coupons[coupon] = self._account.get("coupon", coupon)
            elif event.type.startswith(("refund.", "charge.dispute.")):
                charges.append(event.object["charge"])
        found = {"discounts": discounts, "coupons": coupons} if discounts else {}
        return found | self._invoices(charges)

    def _invoices(self, charges: list[str]) -> dict[str, Json]:
        """The invoice that each charge paid, with what its share by product is worked out from."""
        if not charges:
            return {}
        world = self._account.world
        found: Json = {}
        for charge in charges:
            intent = self._account.get("charge", charge)["payment_intent"]
            paid = self._account.get("invoice_payment", world.payments[intent])["invoice"]
            invoice = self._account.get("invoice", paid)
            lines = [
                {name: line[name] for name in ("id", "amount", "discount_amounts", "pricing")}
                for line in world.lines[paid]
            ]
            found[charge] = {
                "id": paid,
                "currency": invoice["currency"],
                "customer": invoice["customer"],
                "lines": {"data": lines},
            }
        return {"invoices": found}

    def _get(self, path: str, query: Query) -> bytes:
        """The account's API, without a connection."""
        pairs = [
            (f"{name}[]", each) if isinstance(value, tuple | list) else (name, value)
            for name, value in query.items()
            for each in (value if isinstance(value, tuple | list) else (value,))
        ]
        with self._account.lock:
            answer = self._account.api.answer("GET", path, urlencode(pairs), "Bearer sk_live_demo")
        return answer.body
