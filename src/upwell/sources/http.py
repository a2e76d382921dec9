"""The events API: a body of one event, an array or lines becomes columns, with rejects by index.

The quick way decodes a whole body at once and checks columns; only a body with something wrong in
it is read event by event, to say which one and what to change.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import zstandard
from numpy.typing import NDArray

from upwell.errors import Rejected, nearest
from upwell.event import (
    DIMENSIONS,
    EVENT_TYPES,
    FUTURE,
    MAX_BODY,
    MAX_METADATA_BYTES,
    MAX_METADATA_KEYS,
    MONEY_TYPES,
    SCHEMA,
    Delivery,
    Reject,
    Scalar,
    Translated,
)
from upwell.money import LIMIT, PLACES, currencies
from upwell.period import MICROS, to_micros

Shape = Literal["one", "array", "lines"]
NEEDS_ACTOR = frozenset(
    {"signup", "activation", "churn", "subscription", "trial", "identify", "merge", "unmerge"}
)
MAX_ID = 1024
EARLIEST, LATEST = 0, 7_258_118_400 * MICROS  # 1970 to 2200: outside, the unit was mistaken
SECONDS_BELOW = 100_000_000_000  # epoch numbers from here on are milliseconds


class Wire(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An event exactly as the API takes it."""

    product_id: str
    event_type: str
    timestamp: dt.datetime | int | float
    value: Decimal | None = None
    currency: str | None = None
    source: str | None = None
    actor_id: str | None = None
    idempotency_key: str | None = None
    sent_at: dt.datetime | int | float | None = None
    metadata: dict[str, Scalar] | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What the door made of one body; `delivery` is None where nothing in it could be taken."""

    accepted: int
    rejected: list[Reject]
    delivery: Delivery | None
    batch: Translated | None
    keyless: int


_ONE = msgspec.json.Decoder(Wire)
_MANY = msgspec.json.Decoder(list[Wire])
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODE = msgspec.json.Encoder()


def unpack(body: bytes, encoding: str, limit: int = MAX_BODY) -> bytes:
    """The body without its gzip or zstd wrapping; 413 before more than `limit` bytes exist."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    if name not in ("gzip", "x-gzip", "zstd"):
        raise Rejected(
            "unknown_encoding",
            f"Content-Encoding '{encoding}' is not understood.",
            fix="Send gzip, zstd, or no encoding.",
            where="Content-Encoding",
            status=415,
        )
    reader: Any
    if name == "zstd":
        reader = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(io.BytesIO(body))
    else:
        reader = gzip.GzipFile(fileobj=io.BytesIO(body))
    try:
        unpacked: bytes = reader.read(limit + 1)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise Rejected(
            "broken_encoding",
            f"The body is not valid {name}.",
            fix="Compress the whole body, or send it without Content-Encoding.",
            where="body",
        ) from error
    if len(unpacked) > limit:
        raise _too_large(limit)
    return unpacked


def receive(
    body: bytes,
    content_type: str,
    *,
    source: str,
    products: frozenset[str],
    received_at: int,
) -> Received:
    """Judge a body: columns of the good events, a reject for each bad one, the delivery to keep.

    `received_at` is UTC microseconds; `products` are those that the key may send for. Raises
    Rejected where the body as a whole is not JSON.
    """
    shape = _shape(body, content_type)
    rejected: list[Reject] = []
    try:
        wires = _decode(body, shape)
        _check_quickly(wires, products)
        kept = list(enumerate(wires))
        batch, moved = _columns(kept, source, received_at)
    except (_Fault, msgspec.MsgspecError, UnicodeError, InvalidOperation):
        kept, rejected = _one_by_one(body, shape, products)
        batch, moved = _columns(kept, source, received_at)
    if not kept:
        return Received(0, rejected, None, None, 0)
    about: dict[str, Any] = {"shape": shape}
    if rejected:
        about["rejected"] = [reject.index for reject in rejected]
    if moved:
        about["clock"] = received_at
    delivery = Delivery(source=source, received_at=received_at, about=about, body=body)
    keyless = sum(1 for _, wire in kept if wire.idempotency_key is None)
    return Received(len(kept), rejected, delivery, Translated(batch), keyless)


def translate(delivery: Delivery) -> Translated:
    """The columns of a stored body, the same that the door made of it."""
    shape: Shape = delivery.about["shape"]
    refused = frozenset(delivery.about.get("rejected", ()))
    if refused:
        kept = []
        for index, raw in enumerate(_pieces(delivery.body, shape)):
            if index not in refused:
                kept.append((index, _ONE.decode(raw)))
    else:
        kept = list(enumerate(_decode(delivery.body, shape)))
    at = delivery.about.get("clock", delivery.received_at)
    return Translated(_columns(kept, delivery.source, at)[0])


def _too_large(limit: int) -> Rejected:
    return Rejected(
        "too_large",
        f"The body is over {limit // 1024 // 1024} MB unpacked.",
        fix="Send it in smaller batches; 1,000 events at a time is fast.",
        where="body",
        status=413,
    )


def _shape(body: bytes, content_type: str) -> Shape:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/ndjson", "application/jsonl"):
        return "lines"
    start = body[:64].lstrip()[:1] or body.lstrip()[:1]
    if start == b"[":
        return "array"
    if start != b"{":
        raise _not_json("The body is neither a JSON object, an array nor lines of objects.")
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        if b"\n" in body.strip():
            return "lines"
        raise _not_json(str(error)) from error
    return "one"


def _not_json(message: str) -> Rejected:
    return Rejected(
        "not_json",
        message,
        fix="Send one event, an array of events, or one event a line, as UTF-8 JSON.",
        where="body",
    )


def _decode(body: bytes, shape: Shape) -> list[Wire]:
    if shape == "one":
        return [_ONE.decode(body)]
    if shape == "array":
        return _MANY.decode(body)
    return _ONE.decode_lines(body)


def _pieces(body: bytes, shape: Shape) -> Sequence[bytes | msgspec.Raw]:
    if shape == "one":
        return [body]
    if shape == "lines":
        return [line for line in body.split(b"\n") if line.strip()]
    try:
        return _RAW.decode(body)
    except msgspec.DecodeError as error:
        raise _not_json(str(error)) from error


_KNOWN_TYPES = frozenset(EVENT_TYPES)


class _Fault(Exception):
    """Something in the body breaks a rule; which and why is found event by event."""


def _check_quickly(wires: Sequence[Wire], products: frozenset[str]) -> None:
    """Raise _Fault where a rule is broken; each distinct combination is judged only once."""
    combinations = {
        (w.product_id, w.event_type, w.currency, w.value is None, w.actor_id is None, w.source)
        for w in wires
    }
    for product, kind, currency, no_value, no_actor, source in combinations:
        if (
            product not in products
            or kind not in _KNOWN_TYPES
            or (currency is not None and currency.upper() not in currencies())
            or (kind in MONEY_TYPES and (no_value or currency is None))
            or (kind == "kpi" and no_value)
            or (kind in NEEDS_ACTOR and no_actor)
            or (source is not None and not 0 < len(source) <= MAX_ID)
        ):
            raise _Fault
    for wire in wires:
        if not _fits(wire):
            raise _Fault


def _fits(wire: Wire) -> bool:
    value, actor, key = wire.value, wire.actor_id, wire.idempotency_key
    return (
        (value is None or (0 <= value <= LIMIT) or wire.event_type == "kpi")
        and (actor is None or 0 < len(actor) <= MAX_ID)
        and (key is None or 0 < len(key) <= MAX_ID)
    )


def _one_by_one(
    body: bytes, shape: Shape, products: frozenset[str]
) -> tuple[list[tuple[int, Wire]], list[Reject]]:
    kept: list[tuple[int, Wire]] = []
    rejected: list[Reject] = []
    for index, raw in enumerate(_pieces(body, shape)):
        try:
            wire = _ONE.decode(raw)
            _judge(wire, products)
        except Rejected as refusal:
            problem = refusal.problem
        except msgspec.ValidationError as error:
            problem = _explain(error).problem
        except (msgspec.DecodeError, UnicodeError, InvalidOperation) as error:
            problem = _not_json(f"This event is not valid JSON: {error}").problem
        else:
            kept.append((index, wire))
            continue
        rejected.append(
            Reject(index=index, code=problem.code, message=problem.message, fix=problem.fix)
        )
    return kept, rejected


def _judge(wire: Wire, products: frozenset[str]) -> None:
    """Raise Rejected with what to change where one event breaks a rule."""
    kind, value, currency = wire.event_type, wire.value, wire.currency
    if wire.product_id not in products:
        raise Rejected(
            "unknown_product",
            f"Unknown product '{wire.product_id}'.",
            fix=nearest(wire.product_id, products),
        )
    if kind not in _KNOWN_TYPES:
        raise Rejected(
            "unknown_type", f"Unknown event_type '{kind}'.", fix=nearest(kind, EVENT_TYPES)
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
    if not EARLIEST <= _micros(timestamp) <= LATEST:
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
    size = len(_ENCODE.encode(metadata))
    if size > MAX_METADATA_BYTES:
        raise Rejected(
            "metadata_too_large",
            f"metadata takes {size:,} bytes.",
            fix=f"Send at most {MAX_METADATA_BYTES:,} bytes (32 KiB).",
        )


def _explain(error: msgspec.ValidationError) -> Rejected:
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


def _micros(timestamp: dt.datetime | int | float) -> int:
    """UTC microseconds of a time as sent: RFC 3339, epoch seconds, or epoch milliseconds."""
    if isinstance(timestamp, dt.datetime):
        return to_micros(timestamp)
    scale = MICROS if abs(timestamp) < SECONDS_BELOW else 1_000
    return timestamp * scale if isinstance(timestamp, int) else round(timestamp * scale)


def _columns(
    kept: Sequence[tuple[int, Wire]], source: str, received_at: int
) -> tuple[pa.Table, bool]:
    """Columns of the events, and whether any time was corrected; _Fault where one is wrong."""
    wires = [wire for _, wire in kept]
    try:
        micros = np.array([_micros(wire.timestamp) for wire in wires], dtype=np.int64)
        values = pa.array([_value(wire) for wire in wires], pa.decimal128(38, PLACES))
    except (TypeError, OverflowError, ValueError, pa.ArrowInvalid) as error:
        raise _Fault from error
    if micros.size and not (micros.min() >= EARLIEST and micros.max() <= LATEST):
        raise _Fault
    corrected = _correct_clocks(micros, wires, received_at)
    metadata = [wire.metadata for wire in wires]
    texts = [_ENCODE.encode(entry) if entry else None for entry in metadata]
    if any(
        text is not None
        and (len(text) > MAX_METADATA_BYTES or len(entry or ()) > MAX_METADATA_KEYS)
        for text, entry in zip(texts, metadata, strict=True)
    ):
        raise _Fault
    columns: dict[str, Any] = {
        "idx": pa.array([index for index, _ in kept], pa.int32()),
        "product": pa.array([wire.product_id for wire in wires], pa.string()),
        "source": pa.array([wire.source or source for wire in wires], pa.string()),
        "type": pa.array([wire.event_type for wire in wires], pa.string()),
        "ts": pa.array(micros),
        "actor": pa.array([wire.actor_id for wire in wires], pa.string()),
        "value": values,
        "currency": pa.array([w.currency and w.currency.upper() for w in wires], pa.string()),
        "key": pa.array([wire.idempotency_key for wire in wires], pa.string()),
        "metadata": pa.array(texts, pa.string()),
        "corrected": pa.array(corrected),
    }
    for name in DIMENSIONS:
        columns[name] = pa.array([_dimension(entry, name) for entry in metadata], pa.string())
    return pa.table(columns, schema=SCHEMA), bool(corrected.any())


def _correct_clocks(
    micros: NDArray[np.int64], wires: Sequence[Wire], received_at: int
) -> NDArray[np.bool_]:
    """Shift times by how wrong the sender's clock was, bring the future back; which were moved."""
    corrected = np.zeros(len(wires), dtype=np.bool_)
    for row, wire in enumerate(wires):
        if wire.sent_at is not None:
            micros[row] += received_at - _micros(wire.sent_at)
            corrected[row] = True
    future = micros > received_at + int(FUTURE.total_seconds()) * MICROS
    micros[future] = received_at
    return corrected | future


def _value(wire: Wire) -> Decimal:
    return _ONE_UNIT if wire.value is None else wire.value


_ONE_UNIT = Decimal(1)


def _dimension(metadata: dict[str, Scalar] | None, name: str) -> str | None:
    value = metadata.get(name) if metadata else None
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
