"""Digests: of each delivery, and of a whole month once it has ended (its seal)."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import apsw
import msgspec
import zstandard

from upwell.event import Delivery, DeliveryKind
from upwell.period import to_instant

DAMAGED = "damaged"  # in `about` of a delivery whose bytes are not those that came: why
COLUMNS = "seq, kind, source, received_at, about, body, digest"


def delivery_of(row: Sequence[Any]) -> Delivery:
    """The delivery of a row; without its body, and with the reason, where that was damaged."""
    seq, kind, source, received_at, about, body, digest = row
    try:
        found = Delivery(
            seq=seq,
            kind=kind,
            source=source,
            received_at=received_at,
            about=msgspec.json.decode(about),
            body=zstandard.decompress(body),
        )
        if digest_of(found) == digest:
            return found
        reason = "its bytes are not those that were received"
    except (zstandard.ZstdError, msgspec.DecodeError, TypeError, ValueError, AttributeError) as e:
        reason = f"cannot be read: {e}"
    return Delivery(
        seq=seq,
        kind=kind if kind in get_args(DeliveryKind) else "events",
        source=str(source),
        received_at=received_at if isinstance(received_at, int) else 0,
        about={DAMAGED: reason},
    )


def digest_of(delivery: Delivery) -> bytes:
    mark = hashlib.blake2b(digest_size=16)
    about = msgspec.json.encode(delivery.about, order="sorted")
    for part in (delivery.kind, delivery.source, str(delivery.received_at)):
        mark.update(part.encode() + b"\0")
    mark.update(about + b"\0")
    mark.update(delivery.body)
    return mark.digest()


def month_of(micros: int) -> str:
    return to_instant(micros).strftime("%Y-%m")


def months(first: int, last: int) -> Iterator[str]:
    """The months from one time to another, both included."""
    month, end = month_of(first), month_of(last)
    while month < end:
        yield month
        month = month_of(micros_of(int(month[:4]) + int(month[5:]) // 12, int(month[5:]) % 12 + 1))
    yield end


def stored_seals(connection: apsw.Connection) -> dict[str, bytes]:
    """The digest of every month that was sealed."""
    rows: Any = connection.execute("select month, digest from seals")
    return dict(rows)


def ended_months(connection: apsw.Connection) -> list[str]:
    """The months from the first delivery's up to, and without, the newest one's."""
    ends: list[Any] = [
        connection.execute(
            f"select received_at from deliveries order by seq {way} limit 1"
        ).fetchone()
        for way in ("asc", "desc")
    ]
    return [] if ends[0] is None else list(months(ends[0][0], ends[1][0]))[:-1]


def seal(connection: apsw.Connection, month: str, now: int) -> None:
    first, last, digest = seal_of(connection, month)
    if first:
        connection.execute(
            "insert or replace into seals values (?, ?, ?, ?, ?)", (month, first, last, digest, now)
        )


def seal_of(connection: apsw.Connection, month: str) -> tuple[int, int, bytes]:
    """First and last delivery of the month, and the digest of them all; 0 where there is none."""
    mark = hashlib.sha256()
    first = last = 0
    year, number = int(month[:4]), int(month[5:])
    begins = _first_since(connection, micros_of(year, number))
    ends = _first_since(connection, micros_of(year + number // 12, number % 12 + 1))
    rows: Any = connection.execute(
        "select seq, digest from deliveries where seq >= ? and seq < ? order by seq", (begins, ends)
    )
    for seq, digest in rows:
        first, last = first or seq, seq
        mark.update(seq.to_bytes(8, "big") + digest)
    return first, last, mark.digest()


def _first_since(connection: apsw.Connection, micros: int) -> int:
    """The first delivery not older than `micros`: their times never decrease."""
    row: Any = connection.execute("select max(seq) from deliveries").fetchone()
    low, high = 1, (row[0] or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found: Any = connection.execute(
            "select received_at from deliveries where seq >= ? order by seq limit 1", (middle,)
        ).fetchone()
        if found is None or found[0] >= micros:
            high = middle
        else:
            low = middle + 1
    return low


def micros_of(year: int, month: int) -> int:
    return int(dt.datetime(year, month, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
