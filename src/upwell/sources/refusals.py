"""Which rule an event breaks, and what to change: the words of every refusal at the events door."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec

from upwell.errors import Rejected, nearest
from upwell.event import (
    EARLIEST,
    EVENT_TYPES,
    LATEST,
    MAX_ID,
    MAX_METADATA_BYTES,
    MAX_METADATA_KEYS,
    MONEY_TYPES,
    NEEDS_ACTOR,
    Scalar,
)
from upwell.money import LIMIT, PLACES, currencies
from upwell.sources.wire import ENCODE, KNOWN_TYPES, Wire, micros_of


def judge(wire: Wire, products: frozenset[str], types: frozenset[str] = KNOWN_TYPES) -> None:
    """Raise Rejected with what to change where one event breaks a rule.

    `types` are those that the sender may send.
    """
    kind, value, currency = wire.event_type, wire.value, wire.currency
    if wire.product_id not in products:
        raise Rejected(
            "unknown_product",
            f"Unknown product '{wire.product_id}'.",
            fix=nearest(wire.product_id, products),
        )
    if kind not in KNOWN_TYPES:
        raise Rejected(
            "unknown_type", f"Unknown event_type '{kind}'.", fix=nearest(kind, EVENT_TYPES)
        )
    if kind not in types:
        raise Rejected(
            "not_public",
            f"'{kind}' cannot be sent with a public key: anybody could make it up.",
            fix="Send it from a server, with a key of its own.",
        )
    _judge_time(wire.timestamp, "timestamp")
    if wire.sent_at is not None:
        _judge_time(wire.sent_at, "sent_at")
    if value is None and (kind in MONEY_TYPES or kind == "kpi"):
        raise Rejected(
            "missing_value", f"'{kind}' needs a value.", fix='Send it as a string: "49.00".'
        )
    if kind in MONEY_TYPES and currency is None:
        raise Rejected(
            "missing_currency",
            f"'{kind}' is money and needs a currency.",
            fix='Add the ISO 4217 code: "currency": "USD".',
        )
    if currency is not None and currency.upper() not in currencies():
        raise Rejected(
            "unknown_currency",
            f"'{currency}' is not an ISO 4217 currency.",
            fix='Send a three-letter code such as "USD", "EUR" or "JPY".',
        )
    if value is not None:
        _judge_value(value, kind)
    if kind in NEEDS_ACTOR and wire.actor_id is None:
        raise Rejected(
            "missing_actor",
            f"'{kind}' needs an actor_id: the user or customer it happened to.",
            fix='Add "actor_id".',
        )
    for field in ("actor_id", "idempotency_key", "source"):
        text = getattr(wire, field)
        if text is not None and not 0 < len(text) <= MAX_ID:
            raise Rejected(
                "bad_length",
                f"{field} has {len(text)} characters.",
                fix=f"Send 1 to {MAX_ID} characters, or leave the field out.",
            )
    _judge_metadata(wire.metadata)


def _judge_time(timestamp: dt.datetime | int | float, field: str) -> None:
    if isinstance(timestamp, dt.datetime) and timestamp.tzinfo is None:
        raise Rejected(
            "naive_time",
            f"{field} {timestamp.isoformat()} has no time zone.",
            fix='Add one: "2026-11-22T08:00:00Z" or "2026-11-22T08:00:00+01:00".',
        )
    if not EARLIEST <= micros_of(timestamp) <= LATEST:
        raise Rejected(
            "bad_time",
            f"{field} is outside 1970 to 2200.",
            fix="Send RFC 3339 with a zone, or epoch seconds or milliseconds.",
        )


def _judge_value(value: Decimal, kind: str) -> None:
    if not value.is_finite():
        raise Rejected("bad_value", f"{value} is not a number.", fix="Send a finite decimal.")
    if -int(value.as_tuple().exponent) > PLACES:
        raise Rejected(
            "too_precise",
            f"{value} has more than {PLACES} decimal places; it looks like a binary float.",
            fix='Round it and send it as a string: "0.30".',
        )
    if abs(value) > LIMIT:
        raise Rejected(
            "too_large_value",
            f"{value} is larger than {LIMIT:,.0f}.",
            fix="Money is in major units (49.00), not in cents.",
        )
    if value < 0 and kind != "kpi":
        raise Rejected(
            "negative_value",
            f"'{kind}' cannot be negative ({value}).",
            fix="Send money that was given back as a 'refund' with a positive value.",
        )


def _judge_metadata(metadata: dict[str, Scalar] | None) -> None:
    if metadata is None:
        return
    if len(metadata) > MAX_METADATA_KEYS:
        raise Rejected(
            "too_many_keys",
            f"metadata has {len(metadata)} keys.",
            fix=f"Send at most {MAX_METADATA_KEYS}.",
        )
    size = len(ENCODE.encode(metadata))
    if size > MAX_METADATA_BYTES:
        raise Rejected(
            "metadata_too_large",
            f"metadata takes {size:,} bytes.",
            fix=f"Send at most {MAX_METADATA_BYTES:,} bytes (32 KiB).",
        )


def explain(error: msgspec.ValidationError) -> Rejected:
    text = str(error)
    if "unknown field" in text:
        name = text.split("`")[1]
        known = Wire.__struct_fields__
        return Rejected(
            "unknown_field",
            f"Unknown field '{name}'.",
            fix=f"{nearest(name, known)} What is your own goes into metadata.",
        )
    if "missing required field" in text:
        name = text.split("`")[1]
        return Rejected("missing_field", f"'{name}' is missing.", fix=f'Add "{name}".')
    where = text.partition(" - at `$.")[2].rstrip("`") or "the event"
    if where.startswith("metadata"):
        return Rejected(
            "metadata_not_flat",
            f"{text.partition(' - at')[0]} in {where}.",
            fix="metadata is one flat object of strings, numbers, booleans and nulls.",
        )
    if where in ("timestamp", "sent_at"):
        return Rejected(
            "bad_time",
            f"{where} is not a time.",
            fix='Send RFC 3339 with a zone ("2026-11-22T08:00:00Z"), or epoch seconds or ms.',
        )
    if where == "value":
        return Rejected(
            "bad_value", "value is not a decimal number.", fix='Send a string: "49.00".'
        )
    return Rejected("bad_field", f"{text.partition(' - at')[0]} in {where}.", fix="Correct it.")
