"""Events as the API takes them, and the quick way from a list of them to columns.

Distinct combinations of fields are judged once, numbers and lengths as whole columns; only the few
things that are wrong are ever looked at one by one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from upwell.event import (
    DIMENSIONS,
    EARLIEST,
    EVENT_TYPES,
    FUTURE,
    LATEST,
    MAX_ID,
    MAX_METADATA_BYTES,
    MAX_METADATA_KEYS,
    MONEY_TYPES,
    NEEDS_ACTOR,
    SCHEMA,
    SECONDS_BELOW,
    Scalar,
)
from upwell.money import LIMIT, PLACES, currencies
from upwell.period import MICROS, to_micros

KNOWN_TYPES = frozenset(EVENT_TYPES)
ENCODE = msgspec.json.Encoder()

Instant = dt.datetime | int | float


class Wire(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """An event exactly as the API takes it."""

    product_id: str
    event_type: str
    timestamp: Instant
    value: Decimal | None = None
    currency: str | None = None
    source: str | None = None
    actor_id: str | None = None
    idempotency_key: str | None = None
    sent_at: Instant | None = None
    metadata: dict[str, Scalar] | None = None


class QuickWire(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The same with times left as text: a whole column of them is read at once."""

    product_id: str
    event_type: str
    timestamp: str
    value: Decimal | None = None
    currency: str | None = None
    source: str | None = None
    actor_id: str | None = None
    idempotency_key: str | None = None
    metadata: dict[str, Scalar] | None = None


class Fault(Exception):
    """Something in the body breaks a rule; which and why is found event by event."""


def check(
    wires: Sequence[Wire] | Sequence[QuickWire],
    products: frozenset[str],
    types: frozenset[str] = KNOWN_TYPES,
) -> None:
    """Raise Fault where a product, type, currency or missing field breaks a rule."""
    combinations = {
        (w.product_id, w.event_type, w.currency, w.value is None, w.actor_id is None, w.source)
        for w in wires
    }
    for product, kind, currency, no_value, no_actor, source in combinations:
        if (
            product not in products
            or kind not in types
            or (currency is not None and currency.upper() not in currencies())
            or (kind in MONEY_TYPES and (no_value or currency is None))
            or (kind == "kpi" and no_value)
            or (kind in NEEDS_ACTOR and no_actor)
            or (source is not None and not 0 < len(source) <= MAX_ID)
        ):
            raise Fault


def micros_of(timestamp: Instant) -> int:
    """UTC microseconds of a time as sent: RFC 3339, epoch seconds, or epoch milliseconds."""
    if isinstance(timestamp, dt.datetime):
        return to_micros(timestamp)
    scale = MICROS if abs(timestamp) < SECONDS_BELOW else 1_000
    return timestamp * scale if isinstance(timestamp, int) else round(timestamp * scale)


def columns(
    wires: Sequence[Wire] | Sequence[QuickWire],
    rows: Sequence[int],
    source: str,
    received_at: int,
) -> tuple[pa.Table, bool]:
    """Columns of the events, and whether any time was corrected; Fault where one is wrong.

    `rows` are their indexes in the body; times are shifted by how wrong the sender's clock was,
    and those from the future are brought back to `received_at` (UTC microseconds).
    """
    try:
        micros, corrected = _times(wires, received_at)
        value = pa.array(
            [_ONE if wire.value is None else wire.value for wire in wires],
            pa.decimal128(38, PLACES),
        )
        found: dict[str, Any] = {
            "idx": pa.array(rows, pa.int32()),
            "product": pa.array([wire.product_id for wire in wires], pa.string()),
            "source": pa.array([wire.source or source for wire in wires], pa.string()),
            "type": pa.array([wire.event_type for wire in wires], pa.string()),
            "ts": pa.array(micros),
            "actor": pa.array([wire.actor_id for wire in wires], pa.string()),
            "value": value,
            "currency": _upper([wire.currency for wire in wires]),
            "key": pa.array([wire.idempotency_key for wire in wires], pa.string()),
            "corrected": pa.array(corrected),
        }
        found |= _metadata([wire.metadata for wire in wires])
    except (TypeError, OverflowError, ValueError, pa.ArrowInvalid) as error:
        raise Fault from error
    table = pa.table(found, schema=SCHEMA)
    _check_columns(table)
    return table, bool(corrected.any())


_ONE = Decimal(1)


def _times(
    wires: Sequence[Wire] | Sequence[QuickWire], received_at: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    corrected = np.zeros(len(wires), dtype=np.bool_)
    if wires and isinstance(wires[0], QuickWire):
        texts = pa.array([wire.timestamp for wire in wires], pa.string())
        # A time without a zone is an error here, as it is to be.
        stamps = texts.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        micros: NDArray[np.int64] = stamps.to_numpy(zero_copy_only=False).copy()
    else:
        micros = np.array([micros_of(wire.timestamp) for wire in wires], dtype=np.int64)  # type: ignore[arg-type]
    if micros.size and not (micros.min() >= EARLIEST and micros.max() <= LATEST):
        raise Fault
    for row, wire in enumerate(wires):
        if isinstance(wire, Wire) and wire.sent_at is not None:
            # A clock may be wrong by decades: what falls out of the range stays at its edge.
            shifted = micros[row] + received_at - micros_of(wire.sent_at)
            micros[row] = max(shifted, EARLIEST)
            corrected[row] = True
    future = micros > received_at + int(FUTURE.total_seconds()) * MICROS
    micros[future] = received_at
    return micros, corrected | future


def _upper(currencies: list[str | None]) -> pa.Array:
    return pa.array([code and code.upper() for code in currencies], pa.string())


def _metadata(entries: list[dict[str, Scalar] | None]) -> dict[str, Any]:
    texts = [ENCODE.encode(entry) if entry else None for entry in entries]
    if max(map(len, filter(None, texts)), default=0) > MAX_METADATA_BYTES:
        raise Fault
    if max(map(len, filter(None, entries)), default=0) > MAX_METADATA_KEYS:
        raise Fault
    present = set().union(*filter(None, entries))
    found: dict[str, Any] = {"metadata": pa.array(texts, pa.string())}
    for name in DIMENSIONS:
        if name not in present:
            found[name] = pa.nulls(len(entries), pa.string())
            continue
        values = [entry.get(name) if entry else None for entry in entries]
        try:
            found[name] = pa.array(values, pa.string())
        except (TypeError, pa.ArrowInvalid):  # numbers and booleans are dimensions too
            found[name] = pa.array([_text(value) for value in values], pa.string())
    return found


def _text(value: Scalar) -> str | None:
    return value if value is None or isinstance(value, str) else ENCODE.encode(value).decode()


def _check_columns(table: pa.Table) -> None:
    """Raise Fault where an amount or the length of an id is out of bounds."""
    if not len(table):
        return
    amounts = pc.min_max(table["value"]).as_py()
    if amounts["max"] > LIMIT or amounts["min"] < -LIMIT:
        raise Fault
    if amounts["min"] < 0:
        negative = table.filter(pc.less(table["value"], pa.scalar(Decimal(0))))
        if pc.any(pc.not_equal(negative["type"], "kpi")).as_py():
            raise Fault
    for name in ("actor", "key"):
        lengths = pc.min_max(pc.utf8_length(table[name])).as_py()
        if lengths["min"] is not None and not 0 < lengths["min"] <= lengths["max"] <= MAX_ID:
            raise Fault
