"""From a number to the events behind it, and from each event to the delivery that brought it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from upwell.access import Viewer
from upwell.errors import Rejected
from upwell.event import Delivery, GrowthEvent, Translated
from upwell.period import to_instant
from upwell.projection import Projection
from upwell.query.lines import types_of
from upwell.query.plan import CELL_KEYS, Plan
from upwell.query.scan import MISSING, version

MOST_ROWS = 1_000


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery of a row; `received_at` in UTC microseconds."""

    seq: int
    source: str
    received_at: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One event that a number counts, and where it came from."""

    event: GrowthEvent
    delivery: Source


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rows, newest first; `cursor` continues it, None where nothing follows."""

    rows: tuple[Row, ...]
    cursor: str | None


Original = Callable[[int], tuple[Delivery, Translated] | None]


def rows(
    asked: Plan,
    projection: Projection,
    viewer: Viewer,
    original: Original,
    *,
    key: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Rows:
    """The events that the question's number is made of, narrowed to the series `key`.

    `original` reads a delivery again, for the keys that clients sent.
    """
    limit = max(1, min(limit, MOST_ROWS))
    products = _products(asked, key, viewer)
    types = sorted({kind for product in products for kind in types_of(asked, projection, product)})
    clauses = [
        "product in (select unnest(?::varchar[]))",
        "day >= ? and day < ?",
        "type in (select unnest(?::varchar[]))",
        "not excluded",
        version(asked),
    ]
    values: list[Any] = [products, asked.start, asked.end, types]
    if not asked.additive:
        clauses.append("e.actor is not null")
    for name, allowed in _filters(asked, key).items():
        column = _column(name)
        clauses.append(f"coalesce({column}, '{MISSING}') in (select unnest(?::varchar[]))")
        values += [name] if "?" in column else []
        values.append(list(allowed))
    if cursor is not None:
        clauses.append("(ts, seq, idx) < (?, ?, ?)")
        values += _read_cursor(cursor)
    found = projection.reader().execute(
        f"""select seq, idx, product, source, type, ts, a.actor, value, currency, metadata,
          recorded_at
        from (select * from events e where {" and ".join(clauses)}
          order by ts desc, seq desc, idx desc limit {limit + 1}) e
        left join (select no, actor from actors) a on a.no = e.actor
        order by ts desc, seq desc, idx desc""",
        values,
    )
    page = found.fetchall()
    more = len(page) > limit
    page = page[:limit]
    return Rows(
        rows=_with_keys(page, original),
        cursor=f"{page[-1][5]}.{page[-1][0]}.{page[-1][1]}" if more else None,
    )


def _with_keys(page: list[Any], original: Original) -> tuple[Row, ...]:
    read: dict[int, tuple[Delivery | None, dict[int, str | None]]] = {}
    found = []
    for seq, idx, product, source, kind, ts, actor, value, currency, metadata, recorded in page:
        if seq not in read:
            read[seq] = _keys_of(original(seq))
        delivery, keys = read[seq]
        event = GrowthEvent(
            product_id=product,
            event_type=kind,
            timestamp=to_instant(ts),
            value=value.normalize() if value else value,
            currency=currency,
            source=source,
            actor_id=actor,
            idempotency_key=keys.get(idx),
            metadata=msgspec.json.decode(metadata) if metadata else {},
        )
        at = delivery.received_at if delivery else recorded
        name = delivery.source if delivery else source
        found.append(Row(event=event, delivery=Source(seq=seq, source=name, received_at=at)))
    return tuple(found)


def _keys_of(
    read: tuple[Delivery, Translated] | None,
) -> tuple[Delivery | None, dict[int, str | None]]:
    if read is None:
        return None, {}
    delivery, translated = read
    events = translated.events
    keys = zip(events["idx"].to_pylist(), events["key"].to_pylist(), strict=True)
    return delivery, dict(keys)


def _products(asked: Plan, key: str | None, viewer: Viewer) -> list[str]:
    if key is not None and asked.question.by == "product":
        if key not in asked.products or not viewer.sees(key):
            return []
        return [key]
    return list(asked.products)


def _filters(asked: Plan, key: str | None) -> dict[str, tuple[str, ...]]:
    filters = dict(asked.question.where)
    if key is not None and asked.question.by not in (None, "product"):
        assert asked.question.by is not None
        filters[asked.question.by] = (key,)
    return filters


def _column(name: str) -> str:
    if name in CELL_KEYS or name == "currency":
        return name
    return "json_extract_string(metadata, '$.' || to_json(?::varchar))"


def _read_cursor(cursor: str) -> list[int]:
    try:
        ts, seq, idx = (int(part) for part in cursor.split("."))
    except ValueError as error:
        raise Rejected(
            "bad_cursor",
            "This cursor was not made here.",
            fix="Use the cursor of the page before, unchanged.",
            where="cursor",
        ) from error
    return [ts, seq, idx]
