"""What a page of objects points to and does not hold, read beside it in as few calls as can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from upwell.billing import Origin
from upwell.event import Delivery
from upwell.sources.stripe import shapes
from upwell.sources.stripe.catalogue import Catalogue
from upwell.sources.stripe.fetch import Get, Query, Step, all_of, one_of, page, understood
from upwell.sources.stripe.reading import Want
from upwell.sources.stripe.shapes import id_of
from upwell.sources.stripe.translate import wants

ROUNDS = 4  # of reading what bodies point to, where that points on

_NAMED = msgspec.json.Decoder(shapes.Named)
_SUBSCRIPTION = msgspec.json.Decoder(shapes.Subscription)
_PAYMENT = msgspec.json.Decoder(shapes.InvoicePayment)
_INVOICE = msgspec.json.Decoder(shapes.Invoice)
_WAITING = msgspec.json.Decoder(shapes.InvoiceItem)


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
        catalogue.note(rows)
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
            found.setdefault("prices", {})[want.id] = catalogue.price(want.id, get)
        elif want.kind == "coupon":
            found.setdefault("coupons", {})[want.id] = catalogue.coupon(want.id, get)
        elif want.kind == "discount":
            if want.id not in catalogue.discounts:
                catalogue.remember({want.id: None} | _discounts(want.of, get))
            found.setdefault("discounts", {})[want.id] = catalogue.discounts[want.id]
        elif want.kind == "invoice":
            found.setdefault("invoices", {})[want.id] = _paid_by(want.of, get)
        elif want.kind == "charge":
            raw = one_of(get, f"/v1/charges/{want.id}", {})
            found.setdefault("charges", {})[want.id] = understood(_NAMED, raw) if raw else None
        elif want.kind == "failed":
            found.setdefault("failed", {})[want.id] = _last_try(want.id, get)
        else:
            rows = _filled(want, rows, get)
    return rows, found


def _discounts(subscription: str, get: Get) -> dict[str, shapes.Discount | None]:
    """The discounts at work on a subscription and its items, by id."""
    query = {"expand": ("discounts", "items.data.discounts")}
    raw = one_of(get, f"/v1/subscriptions/{subscription}", query)
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
    whole = list(all_of(get, Step(name, path, query)))
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
