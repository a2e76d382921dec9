"""Reading an account: which lists in which order, where each page left off, what bodies point to.

No clock and no connection: a caller gives `get`, which answers with the bytes of a GET. The order
is the promise. Where events stand is noted before anything is listed; lists come next, those behind
today's numbers first; then events are followed from the noted place. What changes while the lists
are read is in the events, so nothing falls between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from upwell.billing import Origin
from upwell.event import Delivery
from upwell.sources.stripe import shapes
from upwell.sources.stripe.reading import Want
from upwell.sources.stripe.shapes import id_of
from upwell.sources.stripe.translate import wants

T = TypeVar("T")

VERSION = "2026-10-28.endive"
"""The version of the API that every request asks for."""

LIMIT = 100  # objects a page, Stripe's most
REMEMBERED = 30 * 86_400  # seconds that Stripe keeps events
STALE = REMEMBERED - 43_200  # an older place may be gone before it is read
OVERLAP = 5  # seconds of events that are read twice
KNOWN = 20_000  # discounts that are remembered
ROUNDS = 4  # of reading what bodies point to, where that points on

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


def again(get: Get, ids: Iterable[str]) -> list[msgspec.Raw]:
    """Subscriptions as they stand now."""
    query = {"expand": ("customer", "discounts")}
    found = (_one(get, f"/v1/subscriptions/{id_}", query) for id_ in sorted(ids))
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


class Catalogue:
    """What prices, products and coupons an account has: read whole, for they are few."""

    def __init__(self) -> None:
        self.opened = 0  # when the first product was made (epoch seconds): about the account's age
        self.livemode: bool | None = None  # of its newest product
        self.prices: dict[str, shapes.Price | None] = {}
        self.products: dict[str, shapes.Named] = {}
        self.coupons: dict[str, shapes.Coupon | None] = {}
        self.discounts: dict[str, shapes.Discount | None] = {}

    @classmethod
    def of(cls, get: Get) -> Catalogue:
        """The catalogue of an account, archived prices and products too."""
        found = cls()
        for row in _every(get, NAMES["products"]):
            if (product := understood(_NAMED, row)) is not None:
                found.products[product.id] = product
            if found.livemode is None:
                found.livemode = _OBJECT.decode(row).livemode
            found.opened = _HEAD.decode(row).created  # the last of the list is the oldest
        for row in _every(get, NAMES["prices"]):
            if (price := understood(_PRICE, row)) is not None:
                found.prices[price.id] = price
        for row in _every(get, NAMES["coupons"]):
            if (coupon := understood(_COUPON, row)) is not None:
                found.coupons[coupon.id] = coupon
        return found

    def names(self) -> dict[str, str]:
        """What people call each price and product, by id."""
        products = {id_: product.name for id_, product in self.products.items() if product.name}
        prices = {
            price.id: name
            for price in self.prices.values()
            if price and (name := price.nickname or products.get(id_of(price.product)))
        }
        return products | prices

    def assigned(self, product_from: str | None) -> dict[str, str]:
        """The company's product of each price and product that names one in its metadata."""
        place, _, key = (product_from or "").partition(".")
        if place != "metadata" or not key:
            return {}
        found = {
            id_: product.metadata[key]
            for id_, product in self.products.items()
            if product.metadata and product.metadata.get(key)
        }
        for price in self.prices.values():
            own = price and ((price.metadata or {}).get(key) or found.get(id_of(price.product)))
            if price and own:
                found[price.id] = own
        return found


_OBJECT = msgspec.json.Decoder(shapes.Object)
_NAMED = msgspec.json.Decoder(shapes.Named)
_PRICE = msgspec.json.Decoder(shapes.Price)
_COUPON = msgspec.json.Decoder(shapes.Coupon)
_SUBSCRIPTION = msgspec.json.Decoder(shapes.Subscription)
_EVENT = msgspec.json.Decoder(shapes.Event)
_DISCOUNT = msgspec.json.Decoder(shapes.Discount)
_PAYMENT = msgspec.json.Decoder(shapes.InvoicePayment)
_INVOICE = msgspec.json.Decoder(shapes.Invoice)
_WAITING = msgspec.json.Decoder(shapes.InvoiceItem)


def _every(get: Get, step: Step) -> Iterator[msgspec.Raw]:
    after = ""
    while True:
        query = {**step.query, "starting_after": after} if after else step.query
        found = page(get, step.path, query)
        yield from found.rows
        if not found.has_more or not found.rows:
            return
        after = found.heads[-1].id


def body(
    name: str,
    rows: Sequence[msgspec.Raw],
    *,
    read_at: int,
    history: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """A page as it is kept: the rows byte by byte as they came, and what was read beside them."""
    said: dict[str, Any] = {"list": name, "read_at": read_at, "data": list(rows)}
    if history:
        said["history"] = True
    if extra:
        said["extra"] = extra
    return msgspec.json.encode(said)


def completed(
    delivery: Delivery,
    name: str,
    rows: Sequence[msgspec.Raw],
    origin: Origin,
    get: Get,
    catalogue: Catalogue,
    history: bool = False,
) -> Delivery:
    """The delivery of a page with all that its objects point to; read in as few calls as can be."""
    read_at = delivery.received_at // 1_000_000
    extra = _billed(name, rows, catalogue) if history else {}
    if name == "events":
        note_discounts(rows, catalogue)
    for _ in range(ROUNDS):
        kept = body(name, rows, read_at=read_at, history=history, extra=extra)
        delivery = msgspec.structs.replace(delivery, body=kept)
        missing = wants(delivery, origin)
        if not missing:
            break
        rows, found = _resolved(missing, rows, get, catalogue)
        for kind, known in found.items():
            extra.setdefault(kind, {}).update(known)
    return delivery


def _resolved(
    missing: Iterable[Want], rows: Sequence[msgspec.Raw], get: Get, catalogue: Catalogue
) -> tuple[Sequence[msgspec.Raw], dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, Any]] = {}
    for want in sorted(missing):
        if want.kind == "price":
            found.setdefault("prices", {})[want.id] = _price(want.id, get, catalogue)
        elif want.kind == "coupon":
            found.setdefault("coupons", {})[want.id] = _coupon(want.id, get, catalogue)
        elif want.kind == "discount":
            if want.id not in catalogue.discounts:
                _room(catalogue)
                catalogue.discounts |= _discounts(want.of, get)
                catalogue.discounts.setdefault(want.id, None)
            found.setdefault("discounts", {})[want.id] = catalogue.discounts[want.id]
        elif want.kind == "invoice":
            found.setdefault("invoices", {})[want.id] = _paid_by(want.of, get)
        elif want.kind == "charge":
            raw = _one(get, f"/v1/charges/{want.id}", {})
            found.setdefault("charges", {})[want.id] = understood(_NAMED, raw) if raw else None
        elif want.kind == "failed":
            found.setdefault("failed", {})[want.id] = _last_try(want.id, get)
        else:
            rows = _filled(want, rows, get)
    return rows, found


def _price(id_: str, get: Get, catalogue: Catalogue) -> shapes.Price | None:
    if id_ not in catalogue.prices:
        query = {"expand": ("tiers", "currency_options")}
        raw = _one(get, f"/v1/prices/{id_}", query)
        catalogue.prices[id_] = understood(_PRICE, raw) if raw else None
    return catalogue.prices[id_]


def _coupon(id_: str, get: Get, catalogue: Catalogue) -> shapes.Coupon | None:
    if id_ not in catalogue.coupons:
        raw = _one(get, f"/v1/coupons/{id_}", {})
        catalogue.coupons[id_] = understood(_COUPON, raw) if raw else None
    return catalogue.coupons[id_]


def note_discounts(rows: Sequence[msgspec.Raw], catalogue: Catalogue) -> None:
    """Remember discounts that events tell of: one that ended is nowhere else any more."""
    for row in rows:
        event = understood(_EVENT, row)
        if event is not None and event.type.startswith("customer.discount."):
            _room(catalogue)
            found = understood(_DISCOUNT, event.data.object)
            if found is not None:
                catalogue.discounts[found.id] = found


def _room(catalogue: Catalogue) -> None:
    if len(catalogue.discounts) > KNOWN:
        catalogue.discounts.clear()


def _discounts(subscription: str, get: Get) -> dict[str, shapes.Discount | None]:
    """The discounts at work on a subscription and its items, by id."""
    query = {"expand": ("discounts", "items.data.discounts")}
    raw = _one(get, f"/v1/subscriptions/{subscription}", query)
    found = understood(_SUBSCRIPTION, raw) if raw else None
    if found is None:
        return {}
    every = [*(found.discounts or ())]
    every += [
        one for item in (found.items.data if found.items else ()) for one in item.discounts or ()
    ]
    return {one.id: one for one in every if isinstance(one, shapes.Discount)}


def _paid_by(intent: str, get: Get) -> shapes.Invoice | None:
    """The invoice that a payment paid, or None where it paid none."""
    if not intent:
        return None
    query: Query = {
        "payment[type]": "payment_intent",
        "payment[payment_intent]": intent,
        "limit": 1,
        "expand": ("data.invoice",),
    }
    links = page(get, "/v1/invoice_payments", query).rows
    link = understood(_PAYMENT, links[0]) if links else None
    invoice = link.invoice if link else None
    return invoice if isinstance(invoice, shapes.Invoice) else None


def _last_try(subscription: str, get: Get) -> int | None:
    """When the last invoice that was tried was given up or tried last, or None: none was."""
    query = {"subscription": subscription}
    for row in page(get, "/v1/invoices", query).rows:
        tried = understood(_INVOICE, row)
        if tried is None or not tried.attempt_count or tried.status == "paid":
            continue
        given_up = tried.status_transitions and tried.status_transitions.marked_uncollectible_at
        return given_up or _charged_last(tried.id, get) or tried.created
    return None


def _charged_last(invoice: str, get: Get) -> int | None:
    for row in page(get, "/v1/invoice_payments", {"invoice": invoice, "limit": 1}).rows:
        link = understood(_PAYMENT, row)
        intent = id_of(link.payment.payment_intent) if link and link.payment else ""
        if intent:
            charges = page(get, "/v1/charges", {"payment_intent": intent, "limit": 1}).heads
            return charges[0].created if charges else None
    return None


def _filled(want: Want, rows: Sequence[msgspec.Raw], get: Get) -> Sequence[msgspec.Raw]:
    """The rows with the rest of an object's nested list put into it."""
    name, path = ("lines", f"/v1/invoices/{want.id}/lines")
    query: dict[str, str | Sequence[str]] = {}
    if want.kind == "items":
        name, path, query = "items", "/v1/subscription_items", {"subscription": want.id}
    whole = list(_every(get, Step(name, path, query)))
    return [_with(row, want.id, name, whole) for row in rows]


def _with(row: msgspec.Raw, id_: str, name: str, whole: Sequence[msgspec.Raw]) -> msgspec.Raw:
    found = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
    if "data" in found and msgspec.json.decode(found.get("object", b"null")) == "event":
        data = msgspec.json.decode(found["data"], type=dict[str, msgspec.Raw])
        data["object"] = _with(data["object"], id_, name, whole)
        found["data"] = msgspec.Raw(msgspec.json.encode(data))
    elif msgspec.json.decode(found.get("id", b"null")) == id_:
        filled = {"object": "list", "data": list(whole), "has_more": False}
        found[name] = msgspec.Raw(msgspec.json.encode(filled))
    else:
        return row
    return msgspec.Raw(msgspec.json.encode(found))


def _one(get: Get, path: str, query: Query) -> bytes | None:
    try:
        return get(path, query)
    except Gone:
        return None


def _billed(
    name: str, rows: Sequence[msgspec.Raw], catalogue: Catalogue
) -> dict[str, dict[str, Any]]:
    """The prices and coupons that invoices were made with: they only name them."""
    prices: dict[str, Any] = {}
    coupons: dict[str, Any] = {}
    for found in _bills(name, rows):
        lines = found.lines.data if found.lines else ()
        for line in lines:
            details = line.pricing.price_details if line.pricing else None
            price = id_of(details.price) if details else ""
            if price in catalogue.prices:
                prices[price] = catalogue.prices[price]
        for each in (found.discounts or ()), *(line.discounts or () for line in lines):
            for one in each:
                if isinstance(one, shapes.Discount) and one.source:
                    coupon = id_of(one.source.coupon)
                    coupons[coupon] = catalogue.coupons.get(coupon)
    return {kind: known for kind, known in (("prices", prices), ("coupons", coupons)) if known}


def _bills(name: str, rows: Sequence[msgspec.Raw]) -> Iterator[shapes.Invoice]:
    """The invoices of a page; what waits to be on one is an invoice of one line."""
    for row in rows:
        if name == "invoices" and (found := understood(_INVOICE, row)) is not None:
            yield found
        elif name == "invoice_items" and (item := understood(_WAITING, row)) is not None:
            yield shapes.Invoice(id=item.id, lines=shapes.Page(data=(item.as_line(),)))
