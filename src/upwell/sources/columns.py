"""Columns of text become columns of times and amounts; what cannot be read has its reason. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from upwell.event import EARLIEST, LATEST, SECONDS_BELOW
from upwell.money import LIMIT, PLACES
from upwell.period import MICROS, Zone, to_micros

AMOUNT = pa.decimal128(38, PLACES)
_NAIVE = dt.datetime(1970, 1, 1)


class Faults:
    """Why rows cannot be used: for each row the first reason given."""

    def __init__(self, rows: int) -> None:
        self.bad = np.zeros(rows, dtype=np.bool_)
        self.reasons: dict[int, tuple[str, str]] = {}

    def add(self, mask: NDArray[np.bool_], code: str, reason: str | Callable[[int], str]) -> None:
        """Mark the rows of the mask that have no reason yet; `reason` may depend on the row."""
        for row in np.flatnonzero(mask & ~self.bad).tolist():
            self.reasons[row] = (code, reason if isinstance(reason, str) else reason(row))
        self.bad |= mask


def mask_of(column: Any) -> NDArray[np.bool_]:
    """An Arrow column of booleans as a mask; null is False."""
    found: NDArray[np.bool_] = np.asarray(
        pc.fill_null(column, False).to_numpy(zero_copy_only=False), dtype=np.bool_
    )
    return found


def instants(texts: Any, date_format: str | None, zone: Zone, faults: Faults) -> NDArray[np.int64]:
    """UTC microseconds of times as written; those without a zone are local to `zone`.

    Each different text is read once. Rows that cannot be read are marked and hold 0.
    """
    encoded = texts.dictionary_encode()
    read = [_instant(text, date_format) for text in encoded.dictionary.to_pylist()]
    where = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    faults.add(where < 0, "missing_time", "The timestamp is empty.")
    micros: NDArray[np.int64] = np.array([found or 0 for found, _ in read] + [0], dtype=np.int64)[
        where
    ]
    naive = np.array([local for _, local in read] + [False], dtype=np.bool_)[where]
    failed = np.array([found is None for found, _ in read] + [True], dtype=np.bool_)[where]
    faults.add(
        failed,
        "bad_time",
        lambda row: (
            f"'{texts[row].as_py()}' is no time"
            + (f" of the form {date_format}." if date_format else "; give its form: --date-format.")
        ),
    )
    micros[naive] = to_utc(micros[naive], zone)
    faults.add(
        (micros < EARLIEST) | (micros > LATEST),
        "bad_time",
        lambda row: f"'{texts[row].as_py()}' is outside 1970 to 2200.",
    )
    return micros


def to_utc(local: NDArray[np.int64], zone: Zone) -> NDArray[np.int64]:
    """Local time to UTC: the first of an hour that comes twice, a skipped one after the jump."""
    before = zone.offsets(local - zone.offsets(local) - 12 * 3600 * MICROS)
    after = zone.offsets(local - zone.offsets(local) + 12 * 3600 * MICROS)
    early, late = local - before, local - after
    fits = zone.offsets(early) == before
    found: NDArray[np.int64] = np.where(fits | (zone.offsets(late) != after), early, late)
    return found


@lru_cache(maxsize=65_536)
def _instant(text: str, date_format: str | None) -> tuple[int | None, bool]:
    """Microseconds and whether they are local; (None, False) where the text is no time."""
    try:
        if date_format is not None:
            return _micros(dt.datetime.strptime(text, date_format))
        if len(text) != 8 and text.replace(".", "", 1).removeprefix("-").isdigit():
            return _epoch(text), False
        return _micros(dt.datetime.fromisoformat(text))
    except (ValueError, OverflowError, InvalidOperation):
        return None, False


def _micros(moment: dt.datetime) -> tuple[int, bool]:
    if moment.tzinfo is not None:
        return to_micros(moment), False
    delta = moment - _NAIVE
    return (delta.days * 86_400 + delta.seconds) * MICROS + delta.microseconds, True


def _epoch(text: str) -> int | None:
    number = Decimal(text)
    if len(text) < 9:
        return None  # a year, a serial number of a sheet: no epoch of our days
    return int(number * (MICROS if abs(number) < SECONDS_BELOW else 1_000))


def amounts(texts: Any, faults: Faults) -> Any:
    """Exact decimals of numbers as written; null stays null, what is no number is marked."""
    try:
        values = pc.cast(texts, AMOUNT)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        encoded = texts.dictionary_encode()
        read = [_amount(text) for text in encoded.dictionary.to_pylist()]
        where = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        failed = np.array([found is None for found in read] + [False], dtype=np.bool_)[where]
        faults.add(
            failed,
            "bad_value",
            lambda row: (
                f"'{texts[row].as_py()}' is no amount; write digits with a decimal point "
                f"and at most {PLACES} places: 1234.50"
            ),
        )
        known = pa.array(read, AMOUNT)
        values = known.take(encoded.indices)
    return values


def _amount(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if not value.is_finite() or "_" in text or abs(value) > LIMIT * 1_000_000:
        return None
    exponent = value.normalize().as_tuple().exponent
    return value if isinstance(exponent, int) and -exponent <= PLACES else None
