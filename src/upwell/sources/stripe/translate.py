"""From a delivery of Stripe's bytes to events and records. Pure: the same bytes, the same facts.

A body is one webhook event, or a page: `{"list": "subscriptions", "data": […]}`, where the list
may be `events` too. Facts are keyed by what they are about (`in_…:paid`, `re_…`), never by how they
came, so that webhooks, polling and back-fill make each of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from upwell import billing
from upwell.billing import Origin
from upwell.event import Delivery, Translated
from upwell.period import MICROS
from upwell.sources.stripe import history, money, schedules, shapes, states
from upwell.sources.stripe.reading import Moment, Reading, Unusable, Waits, Want, micros

_DELIVERED = msgspec.json.Decoder(shapes.Delivered)
_EVENT = msgspec.json.Decoder(shapes.Event)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(shapes.Object)

LISTED = "0"  # order of what a list says: before the events of the same second


def translate(delivery: Delivery, origin: Origin) -> Translated:
    """The facts of one delivery; what cannot be used becomes a dead letter or is counted."""
    return read(delivery, origin).done()


def wants(delivery: Delivery, origin: Origin) -> frozenset[Want]:
    """What must be read before all objects of the delivery can be used."""
    return frozenset(read(delivery, origin).wants)


def payers(bodies: Iterable[bytes | msgspec.Raw]) -> set[str]:
    """The customers of events of subscriptions: their bodies do not say from which country."""
    found = set()
    for body in bodies:
        with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
            event = _EVENT.decode(body)
            if event.type.startswith("customer.subscription."):
                found.add(_PEEK.decode(event.data.object).customer)
    return {customer for customer in found if isinstance(customer, str)}


def read(delivery: Delivery, origin: Origin) -> Reading:
    """The delivery, object by object."""
    found = Reading(
        origin=origin,
        source=delivery.source,
        received_at=delivery.received_at,
        seq=delivery.seq,
        countries=delivery.about.get("countries", {}),
    )
    found.idx = -1
    try:
        body = _DELIVERED.decode(delivery.body)
        if not body.list:
            found.idx = 0
            _try(found, partial(_event, found, msgspec.Raw(delivery.body)))
            return found
        pieces = _RAWS.decode(body.data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        found.refuse("unreadable", f"This is no event or page of Stripe's: {error}.")
        return found
    found.extra = body.extra
    waiting: list[shapes.InvoiceItem] = []
    for index, raw in enumerate(pieces):
        found.idx = index
        if body.list == "events":
            _try(found, partial(_event, found, raw))
        elif body.list == "invoice_items":
            _try(found, partial(_waiting, raw, waiting))
        else:
            moment = Moment(body.read_at * MICROS, LISTED)
            _try(found, partial(_object, found, raw, moment, body.history))
    found.records += history.of_waiting(found, waiting)
    return found


def _waiting(raw: msgspec.Raw, found: list[shapes.InvoiceItem]) -> None:
    found.append(_decode(raw, shapes.InvoiceItem))


def _try(found: Reading, use: Callable[[], None]) -> None:
    """Use one object whole, or not at all; of one that waits, what it says already."""
    rows, records, doubts = len(found.rows), len(found.records), len(found.doubts)
    try:
        use()
        found.clamp(records)
        return
    except Waits as waits:
        found.wants |= waits.wants
        for kind in sorted({want.kind for want in waits.wants}):
            found.unknown[f"waits for {kind}"] += 1
        del found.doubts[doubts:]
        return  # what is said already needs nothing more
    except Unusable as reason:
        found.refuse(reason.code, reason.reason)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ArithmeticError) as error:
        found.refuse("unreadable", f"One of its fields is not as the API describes it: {error}.")
    del found.rows[rows:], found.records[records:], found.doubts[doubts:]


def _event(found: Reading, raw: msgspec.Raw) -> None:
    event, origin = _EVENT.decode(raw), found.origin
    if event.account and event.account != origin.account:
        raise Unusable(
            "other_account",
            f"Event {event.id} is of {event.account}, an account connected to that of {origin.id}.",
        )
    if None not in (origin.livemode, event.livemode) and origin.livemode != event.livemode:
        mode, own = ("live", "test") if event.livemode else ("test", "live")
        raise Unusable(
            "other_mode",
            f"Event {event.id} is {mode} data, and the key of {origin.id} is for {own} data.",
        )
    previous = event.data.previous_attributes or {}
    status = _PEEK.decode(event.data.object).status
    step = 0 if event.type.endswith(".created") else 9 if event.type.endswith(".deleted") else 1
    rank = states.rank(status or "", previous.get("status"))
    moment = Moment(event.created * MICROS, f"{step}{rank}{event.id}", event.type, previous)
    _object(found, event.data.object, moment, False)


class _Peek(msgspec.Struct, frozen=True):
    status: str | None = None
    customer: str | shapes.Named | None = None


_PEEK = msgspec.json.Decoder(_Peek)


def _object(found: Reading, raw: msgspec.Raw, moment: Moment, past: bool) -> None:
    """One object: at a moment as an event says it, or as a list shows it."""
    kind = _OBJECT.decode(raw)
    livemode = found.origin.livemode
    if None not in (livemode, kind.livemode) and livemode != kind.livemode:
        raise Unusable("other_mode", f"{kind.id} is of the other mode, live or test.")
    name = kind.object
    if name == "subscription" and not kind.deleted:
        subscription = _decode(raw, shapes.Subscription)
        states.subscription(found, subscription, moment)
        if past:
            found.records += history.of_subscription(found, subscription)
    elif name == "invoice" and not kind.deleted:
        invoice = _decode(raw, shapes.Invoice)
        money.invoice(found, invoice, moment, moment.event == "invoice.payment_failed", past)
        if past:
            found.records += history.of_invoice(found, invoice)
    elif name == "customer":
        _customer(found, _decode(raw, shapes.Customer), moment, moment.event == "customer.deleted")
    elif name == "subscription_schedule":
        schedules.schedule(found, _decode(raw, shapes.Schedule), moment)
    elif name == "refund":
        money.refund(found, _decode(raw, shapes.Refund))
    elif name == "dispute":
        money.dispute(found, _decode(raw, shapes.Dispute))
    elif name == "balance_transaction":
        money.balance(found, _decode(raw, shapes.BalanceTransaction))
    else:
        found.unknown[moment.event or name or "nameless object"] += 1


def _decode(raw: msgspec.Raw, kind: type[Any]) -> Any:
    return _DECODERS[kind].decode(raw)


_DECODERS = {
    kind: msgspec.json.Decoder(kind)
    for kind in (
        shapes.Subscription,
        shapes.Invoice,
        shapes.InvoiceItem,
        shapes.Customer,
        shapes.Schedule,
        shapes.Refund,
        shapes.Dispute,
        shapes.BalanceTransaction,
    )
}


def _customer(found: Reading, customer: shapes.Customer, moment: Moment, deleted: bool) -> None:
    traits = customer.metadata or {}
    external = next((traits[key] for key in _EXTERNAL if traits.get(key)), "")
    currency, wants = (customer.currency or "").upper(), set[Want]()
    given = customer.discount and states.discount(found, customer.discount, currency, wants)
    if wants:
        raise Waits(frozenset(wants))
    found.records.append(
        billing.Customer(
            source=found.source,
            id=customer.id,
            at=moment.at,
            order=moment.order,
            name=customer.name or "",
            email=(customer.email or "").lower(),
            country=(customer.address.country if customer.address else None) or "",
            external=external,
            metadata=dict(traits),
            currency=currency,
            created=micros(customer.created),
            deleted=deleted or customer.deleted,
            discounts=(given,) if given else (),
        )
    )


_EXTERNAL = ("user_id", "userId", "customer_id", "account_id", "external_id")
