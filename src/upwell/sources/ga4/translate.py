"""Rows of reports become `report` events, one for each number; pure.

An event's key is the property, report, measure, day and value of the dimension: read again, it
takes the place of the one before. In readings that restate, a 0 is said too, since it may take back
what was there; in all others a number that is not there is 0 on a day that was read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import xxhash

from upwell.billing import Origin
from upwell.event import (
    DIMENSIONS,
    MAX_ID,
    SCHEMA,
    UNASSIGNED,
    DeadLetter,
    Delivery,
    Translated,
)
from upwell.metrics.reported import MEASURES, REPORTS, column_of, name_of, read_by
from upwell.money import LIMIT, PLACES, currencies
from upwell.period import Zone, to_date, to_day
from upwell.sources.ga4.reports import Body, Part, Row, width

_DECODE = msgspec.json.Decoder(Body)
_ENCODE = msgspec.json.Encoder()
_UNIT = Decimal(1).scaleb(-PLACES)
_ZERO, _NONE = Decimal(0), Decimal("nan")
_LONG = MAX_ID - 200  # characters of a value that a key can hold beside all else


class _Event(NamedTuple):
    ts: int
    name: str
    key: str
    value: Decimal
    currency: str | None
    metadata: str
    column: str | None  # the dimension's, if the report has one
    of: str | None


def translate(delivery: Delivery, origin: Origin, products: frozenset[str]) -> Translated:
    """Columns of the events of a page; rows that cannot be read are set aside with the reason."""
    body = _DECODE.decode(delivery.body) if delivery.body else Body(property="", parts=())
    events: list[_Event] = []
    faults: list[str] = []
    for part in body.parts:
        events += _of(part, body.property, bool(delivery.about.get("restates")), faults)
    product = origin.product if origin.product in products else UNASSIGNED
    dead = (
        DeadLetter(
            seq=delivery.seq,
            idx=len(events) + index,
            source=delivery.source,
            code="bad_row",
            reason=reason,
            recorded_at=delivery.received_at,
        )
        for index, reason in enumerate(faults)
    )
    return Translated(_table(events, product or UNASSIGNED, delivery.source), tuple(dead))


def _of(part: Part, owner: str, restates: bool, faults: list[str]) -> Iterator[_Event]:
    try:
        zone = Zone(part.zone)
    except (LookupError, ValueError, OSError):
        faults.append(
            f"The report '{part.report}' is of days in an unknown zone, '{part.zone[:40]}'."
            " Update the time zones of the server (the package tzdata), then try it again."
        )
        return
    place = f"{owner}/{part.report}"
    for day in part.days:
        at = zone.opens(to_day(dt.date.fromisoformat(day)))
        name = read_by(part.report)
        metadata = _ENCODE.encode({"name": name, "report": part.report, "day": day}).decode()
        yield _Event(
            at, name, f"{place}/read/{day}", Decimal(part.flags), None, metadata, None, None
        )
    by, cells = REPORTS[part.report], width(part.report)
    for row, gone in (*((r, False) for r in part.rows), *((r, True) for r in part.gone)):
        try:
            about = _about(row, cells, zone)
            numbers = dict.fromkeys(MEASURES, _ZERO) if gone else _numbers(row, cells, part)
        except ValueError as error:
            faults.append(f"A row of the report '{part.report}': {error}.")
            continue
        day, of, at = about
        for measure, number in numbers.items():
            if not number and not (restates or gone):
                continue
            name = name_of(measure, part.report)
            said: dict[str, Any] = {"name": name, "report": part.report, "day": day}
            if by is not None:
                said[by] = of
            yield _Event(
                at,
                name,
                f"{place}/{measure}/{day}{_short(of)}",
                number,
                (part.currency or None) if measure == "revenue" else None,
                _ENCODE.encode(said).decode(),
                None if by is None else column_of(by),
                of,
            )


def _about(row: Row, cells: int, zone: Zone) -> tuple[str, str | None, int]:
    """The day, the value of the dimension, and the instant at which the day begins."""
    if len(row) < cells:
        raise ValueError(f"it has {len(row)} cells")
    day = _day(row[0])
    if day is None:
        raise ValueError(f"'{row[0][:40]}' is no day")
    return str(to_date(day)), row[1] if cells > 1 else None, zone.opens(day)


@lru_cache(maxsize=2_000)
def _day(text: str) -> int | None:
    try:
        return to_day(dt.datetime.strptime(text, "%Y%m%d").date())
    except ValueError:
        return None


def _numbers(row: Row, cells: int, part: Part) -> dict[str, Decimal]:
    found = {}
    if len(row) != cells + len(MEASURES):
        raise ValueError(f"it has {len(row)} cells and not {cells + len(MEASURES)}")
    for measure, text in zip(MEASURES, row[cells:], strict=True):
        try:
            number = Decimal(text).quantize(_UNIT)
        except InvalidOperation:
            number = _NONE
        if not number.is_finite():
            raise ValueError(f"'{text[:40]}' is no number of {measure}")
        if abs(number) > LIMIT:
            raise ValueError(f"{measure} of {text[:40]} is larger than can be counted")
        found[measure] = number
    if part.currency not in currencies() and (part.currency or found["revenue"]):
        raise ValueError(f"its revenue is in '{part.currency[:10]}', no currency of ISO 4217")
    return found


def _short(of: str | None) -> str:
    if of is None:
        return ""
    if len(of) <= _LONG:
        return f"/{of}"
    return f"/{of[:_LONG]}#{xxhash.xxh3_128_hexdigest(of.encode())}"


def _table(events: list[_Event], product: str, source: str) -> pa.Table:
    def texts(values: list[str | None]) -> pa.Array:
        return pa.array(values, pa.string())

    n = len(events)
    found: dict[str, Any] = {
        "idx": pa.array(range(n), pa.int32()),
        "product": pa.array([product] * n, pa.string()),
        "source": pa.array([source] * n, pa.string()),
        "type": pa.array(["report"] * n, pa.string()),
        "ts": pa.array([event.ts for event in events], pa.int64()),
        "actor": pa.nulls(n, pa.string()),
        "value": pa.array([event.value for event in events], pa.decimal128(38, PLACES)),
        "currency": texts([event.currency for event in events]),
        "key": texts([event.key for event in events]),
        "metadata": texts([event.metadata for event in events]),
        "corrected": pa.array([False] * n, pa.bool_()),
    }
    for name in DIMENSIONS:
        found[name] = texts([event.of if event.column == name else None for event in events])
    found["name"] = texts([event.name for event in events])
    return pa.table(found, schema=SCHEMA)
