"""Reading an account: which lists in which order, and where each page left off.

No clock and no connection: a caller gives `get`, which answers with the bytes of a GET. The order
is the promise. Where events stand is noted before anything is listed; lists come next, those behind
today's numbers first; then events are followed from the noted place. What changes while the lists
are read is in the events, so nothing falls between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")

VERSION = "2026-10-28.endive"
"""The version of the API that every request asks for."""

LIMIT = 100  # objects a page, Stripe's most
REMEMBERED = 30 * 86_400  # seconds that Stripe keeps events
STALE = REMEMBERED - 43_200  # an older place may be gone before it is read
OVERLAP = 5  # seconds of events that are read twice

Query = Mapping[str, str | int | Sequence[str]]
Get = Callable[[str, Query], bytes]
"""GET of a path with a query: the body; raises Gone for what is not there."""


class Gone(Exception):
    """Stripe has no such object any more."""


class Step(NamedTuple):
    """One list of the account: what it holds, where, and what is shown whole in it."""

    name: str
    path: str
    query: dict[str, str | Sequence[str]] = {}  # noqa: RUF012 - never changed
    permission: str = ""
    late: int | None = None  # days after it was made that an object changes; None: at any time


STEPS = (
    Step(
        "subscriptions",
        "/v1/subscriptions",
        {"status": "all", "expand": ("data.customer", "data.discounts")},
        "Subscriptions",
    ),
    Step("subscription_schedules", "/v1/subscription_schedules", {}, "Subscriptions"),
    Step("customers", "/v1/customers", {}, "Customers"),
    Step(
        "invoices",
        "/v1/invoices",
        {"expand": ("data.discounts", "data.lines.data.discounts")},
        "Invoices",
        late=90,
    ),
    Step("invoice_items", "/v1/invoiceitems", {"pending": "true"}, "Invoices"),
    Step("refunds", "/v1/refunds", {"expand": ("data.charge",)}, "Charges and Refunds", late=30),
    Step("disputes", "/v1/disputes", {"expand": ("data.charge",)}, "Disputes"),
    Step(
        "balance_transactions",
        "/v1/balance_transactions",
        {"expand": ("data.source",)},
        "Balance transactions",
        late=0,
    ),
    Step("events", "/v1/events", {}, "Events", late=0),
)
CATALOGUE = (
    Step("products", "/v1/products", {}, "Products"),
    Step(
        "prices",
        "/v1/prices",
        {"expand": ("data.tiers", "data.currency_options")},
        "Prices",
    ),
    Step("coupons", "/v1/coupons", {}, "Coupons"),
)
NAMES = {step.name: step for step in (*STEPS, *CATALOGUE)}
NEEDED = tuple({step.permission: step for step in reversed(NAMES.values())}.values())[::-1]
"""A list for each permission that a key must have."""


class Cursor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where reading an account has come to; it stands beside the page that it follows.

    `step` is the list at hand and `after` its last object; once `step` is '' events are followed
    from `event` (of `event_at`, epoch seconds) on, and the balance from `balance_at` on. `seen_at`
    is the last time that all events up to then were read. Lists whose objects do not change long
    after they were made are read back to `since` only (0: whole).
    """

    started: int
    since: int = 0
    step: str = STEPS[0].name
    after: str = ""
    rows: int = 0
    event: str = ""
    event_at: int = 0
    seen_at: int = 0
    balance_at: int = 0

    @property
    def following(self) -> bool:
        """Whether all lists were read."""
        return not self.step

    def next_step(self) -> Cursor:
        """The cursor at the beginning of the next list."""
        names = [step.name for step in STEPS]
        place = names.index(self.step) + 1
        return msgspec.structs.replace(
            self, step=names[place] if place < len(names) else "", after=""
        )


class Page(NamedTuple):
    """A page of a list, newest first, as it came."""

    rows: list[msgspec.Raw]
    has_more: bool

    @property
    def heads(self) -> list[Head]:
        """The id and time of each row."""
        return [_HEAD.decode(row) for row in self.rows]


class Head(msgspec.Struct, frozen=True):
    """What a cursor needs of a row; `type` is an event's."""

    id: str
    created: int = 0
    type: str = ""


class _Thing(msgspec.Struct, frozen=True):
    id: str = ""  # the account's balance has none


class _Changed(msgspec.Struct, frozen=True):
    object: _Thing
    previous_attributes: dict[str, Any] | None = None


class _Change(msgspec.Struct, frozen=True):
    type: str
    created: int
    data: _Changed


class _List(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]
    has_more: bool = False


_HEAD = msgspec.json.Decoder(Head)
_CHANGE = msgspec.json.Decoder(_Change)
_LIST = msgspec.json.Decoder(_List)


def understood(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T | None:
    """The object, or None where it is not as the API describes it: translation says so then."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def page(get: Get, path: str, query: Query) -> Page:
    """One page of a list."""
    found = _LIST.decode(get(path, {"limit": LIMIT, **query}))
    return Page(found.data, found.has_more)


def all_of(get: Get, step: Step) -> Iterator[msgspec.Raw]:
    """All rows of a list, page after page."""
    after = ""
    while True:
        query = {**step.query, "starting_after": after} if after else step.query
        found = page(get, step.path, query)
        yield from found.rows
        if not found.has_more or not found.rows:
            return
        after = found.heads[-1].id


def one_of(get: Get, path: str, query: Query) -> bytes | None:
    """One object, or None where it is gone."""
    try:
        return get(path, query)
    except Gone:
        return None


def begin(get: Get, now: int) -> Cursor:
    """The cursor of an account that nothing was read of: where its events stand now."""
    newest = page(get, "/v1/events", {"limit": 1}).heads
    return Cursor(
        started=now,
        event=newest[0].id if newest else "",
        event_at=newest[0].created if newest else 0,
        seen_at=now,
        balance_at=now,
    )


def again_from(cursor: Cursor, since: int, now: int) -> Cursor:
    """The cursor at the beginning of all lists, with events followed from where they stand."""
    return msgspec.structs.replace(
        cursor, started=now, since=since, step=STEPS[0].name, after="", rows=0
    )


def listed(get: Get, cursor: Cursor) -> tuple[Page, Cursor]:
    """The next page of the list at hand, and the cursor after it."""
    step = NAMES[cursor.step]
    query: dict[str, str | int | Sequence[str]] = dict(step.query)
    if cursor.after:
        query["starting_after"] = cursor.after
    if cursor.since and step.late is not None:
        query["created[gte]"] = max(0, cursor.since - step.late * 86_400)
    try:
        found = page(get, step.path, query)
    except Gone:
        if not cursor.after:
            raise
        # The object that the last page ended with was deleted: the list begins again.
        return listed(get, msgspec.structs.replace(cursor, after=""))
    moved = msgspec.structs.replace(cursor, rows=cursor.rows + len(found.rows))
    if found.has_more and found.rows:
        return found, msgspec.structs.replace(moved, after=found.heads[-1].id)
    return found, moved.next_step()


def followed(get: Get, cursor: Cursor, now: int) -> Iterator[tuple[Page, Cursor]]:
    """The events since the cursor, a page at a time, each with the cursor behind it.

    From an event on, the oldest page comes first. Where there is none yet, or Stripe no longer
    keeps it, those since the last look come newest page first, and the cursor moves with the last.
    """
    if not cursor.event or now - cursor.event_at > STALE:
        yield from _since(get, cursor, now)
        return
    while True:
        try:
            found = page(get, "/v1/events", {"ending_before": cursor.event})
        except Gone:  # an account that remembers less than it says
            yield from _since(get, cursor, now)
            return
        cursor = msgspec.structs.replace(
            _anchored(cursor, found, found.has_more), seen_at=now, rows=cursor.rows
        )
        yield found, cursor
        if not found.has_more or not found.rows:
            return


def _since(get: Get, cursor: Cursor, now: int) -> Iterator[tuple[Page, Cursor]]:
    after, moved = "", msgspec.structs.replace(cursor, event="", seen_at=now)
    while True:
        query: dict[str, str | int | Sequence[str]] = {"created[gte]": cursor.seen_at - OVERLAP}
        if after:
            query["starting_after"] = after
        found = page(get, "/v1/events", query)
        if not after:
            moved = _anchored(moved, found, False)
        more = found.has_more and bool(found.rows)
        yield found, cursor if more else moved
        if not more:
            return
        after = found.heads[-1].id


def _anchored(cursor: Cursor, found: Page, more: bool) -> Cursor:
    """The cursor at an event some seconds before the newest: events of a second have no order."""
    heads = found.heads
    if not heads:
        return cursor
    safe = (head for head in heads if head.created < heads[0].created - OVERLAP)
    anchor = heads[0] if more else next(safe, None if cursor.event else heads[-1])
    if anchor is None:
        return cursor
    return msgspec.structs.replace(cursor, event=anchor.id, event_at=anchor.created)


def unclear(rows: Sequence[msgspec.Raw]) -> set[str]:
    """Subscriptions that changed more than once within a second: their order cannot be known."""
    seen: set[tuple[str, int]] = set()
    found = set()
    for row in rows:
        event = understood(_CHANGE, row)
        if event is not None and event.type == "customer.subscription.updated":
            key = (event.data.object.id, event.created)
            if key in seen:
                found.add(event.data.object.id)
            seen.add(key)
    return found


def renamed(rows: Sequence[msgspec.Raw]) -> set[str]:
    """The prices and products that events say have another name."""
    found = set()
    for row in rows:
        event = understood(_CHANGE, row)
        field = _NAMED_BY.get(event.type) if event else None
        if event is not None and field and field in (event.data.previous_attributes or {}):
            found.add(event.data.object.id)
    return found


_NAMED_BY = {"price.updated": "nickname", "product.updated": "name"}


def sold_at(get: Get, price: str) -> Iterator[Page]:
    """The living subscriptions with a price, page after page."""
    query: dict[str, str | int | Sequence[str]] = {
        "price": price, "expand": ("data.customer", "data.discounts"),
    }  # fmt: skip
    while True:
        found = page(get, "/v1/subscriptions", query)
        yield found
        if not found.has_more or not found.rows:
            return
        query["starting_after"] = found.heads[-1].id


def again(get: Get, ids: Iterable[str]) -> list[msgspec.Raw]:
    """Subscriptions as they stand now."""
    query = {"expand": ("customer", "discounts")}
    found = (one_of(get, f"/v1/subscriptions/{id_}", query) for id_ in sorted(ids))
    return [msgspec.Raw(body) for body in found if body is not None]


def balanced(get: Get, cursor: Cursor) -> Iterator[tuple[Page, Cursor]]:
    """Movements of the balance since the cursor, newest page first; it moves with the last one."""
    step, after, newest = NAMES["balance_transactions"], "", cursor.balance_at
    while True:
        query: dict[str, str | int | Sequence[str]] = dict(step.query)
        query["created[gte]"] = cursor.balance_at
        if after:
            query["starting_after"] = after
        found = page(get, step.path, query)
        heads = found.heads
        newest = max([newest, *(head.created for head in heads)])
        more = found.has_more and bool(heads)
        moved = cursor if more else msgspec.structs.replace(cursor, balance_at=newest)
        yield found, moved
        if not more:
            return
        after = heads[-1].id
