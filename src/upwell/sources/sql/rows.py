"""Rows as a database gives them become JSON lines of the mapped columns. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import xxhash

from upwell.sources.sql.known import U64

_PLAIN = frozenset((str, int, float, bool, type(None)))
_ENCODE = msgspec.json.Encoder()


def plain(value: Any) -> Any:
    """A value as JSON holds it: bytes as text or hex, other things as they are written."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return data.hex()
        return text if text.isprintable() else data.hex()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (dict, list, tuple)):
        return _ENCODE.encode(value).decode()
    return str(value)


def _column(values: Sequence[Any], utc: bool) -> Sequence[Any]:
    if not _PLAIN.issuperset(set(map(type, values))):
        values = [plain(value) for value in values]
    if utc:
        return [None if value is None else f"{value}Z" for value in values]
    return values


def lines_of(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    wanted: Sequence[str],
    is_utc: Callable[[str], bool],
) -> list[bytes]:
    """A JSON object for each row; `is_utc` names columns whose times are UTC and do not say so."""
    columns = dict(zip(names, zip(*rows, strict=True), strict=False))
    found = [_column(columns[name], is_utc(name)) for name in wanted]
    return [_ENCODE.encode(dict(zip(wanted, row, strict=True))) for row in zip(*found, strict=True)]


def numbers(texts: Sequence[bytes]) -> U64:
    """64 bits of each."""
    found = map(xxhash.xxh3_64_intdigest, texts)
    return np.fromiter(found, dtype=np.uint64, count=len(texts))


def bound(value: Any) -> Any:
    """A value of a cursor as JSON keeps it; `unbound` gives it back."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"hex": bytes(value).hex()}
    if isinstance(value, (dt.datetime, dt.date)):
        return {"time": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    return value if type(value) in _PLAIN else str(value)


def unbound(value: Any) -> Any:
    """As the database is asked with it."""
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    if kind == "hex":
        return bytes.fromhex(text)
    if kind == "decimal":
        return Decimal(text)
    return dt.datetime.fromisoformat(text)
