"""From a number to the events behind it, and from each event to the delivery that brought it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from upwell.access import Viewer
from upwell.errors import Rejected
from upwell.event import Delivery, GrowthEvent, Translated, pointer
from upwell.metrics.catalog import Cohort, Latest, Reported, Sessions, Unique
from upwell.metrics.reported import name_of
from upwell.money import WIDE, Rates, ecb_rates
from upwell.period import to_instant
from upwell.projection import Projection
from upwell.projection.store import steps
from upwell.query.breakdown import is_other, largest
from upwell.query.lines import APART, MISSING, OTHER, types_of
from upwell.query.plan import Plan
from upwell.query.read import read
from upwell.query.reported import report_of
from upwell.query.scan import dimension, events, of_segment, run, stored, where

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
    rates: Callable[[], Rates] = ecb_rates,
) -> Rows:
    """The events that the question's number is made of, narrowed to the series `key`.

    `original` reads a delivery again, for the keys that clients sent.
    """
    limit = max(1, min(limit, MOST_ROWS))
    product, currency, value = _parts_of(asked, key)
    if product is not None:
        if product not in asked.products or not viewer.sees(product):
            return Rows(rows=(), cursor=None)
        asked = asked.of(product)
    clauses, values = _events(asked, projection)
    if currency == MISSING:
        clauses.append("currency is null")
    elif currency is not None:
        clauses.append("currency = ?")
        values.append(currency)
    if value is not None:
        assert asked.question.by is not None
        column, bound = dimension(asked.question.by)
        named = _named(asked, projection, rates) if value == OTHER else None
        clauses.append(
            f"{column} {'in' if named is None else 'not in'} (select unnest(?::varchar[]))"
        )
        values += [*bound, [value or MISSING] if named is None else named]
    if cursor is not None:
        clauses.append("(ts, seq, idx) < (?, ?, ?)")
        values += _read_cursor(cursor)
    found = events(asked)
    page = run(
        projection,
        f"""select seq, idx, product, source, {"said" if asked.owned else "type"}, ts, a.actor,
          value, currency, metadata, recorded_at
        from (select * from {found} e where {" and ".join(clauses)}
          order by ts desc, seq desc, idx desc limit {limit + 1}) e
        left join (select no, actor from actors) a on a.no = e.actor
        order by ts desc, seq desc, idx desc""",
        values,
        among=asked.among,
    )
    more = len(page) > limit
    page = page[:limit]
    return Rows(
        rows=_with_keys(page, original),
        cursor=f"{page[-1][5]}.{page[-1][0]}.{page[-1][1]}" if more else None,
    )


def _parts_of(asked: Plan, key: str | None) -> tuple[str | None, str | None, str | None]:
    """The product, the currency and the value of the dimension that a series' key stands for."""
    by = asked.question.by
    if key is None or (by is None and not asked.native):
        return None, None, None
    if by == "currency" or by is None:
        return None, key or None, None
    currency = None
    if asked.native and APART in key:
        key, _, currency = key.rpartition(APART)
    return (key, currency, None) if by == "product" else (None, currency, key)


def _named(asked: Plan, projection: Projection, rates: Callable[[], Rates]) -> list[str] | None:
    """The keys shown beside the rest of a long breakdown; None where nothing is left over."""
    reading = read(asked, projection, rates)
    shown, _ = largest(asked, [(line, None) for line in reading.lines])
    if len(shown) == len(reading.lines):
        return None
    keys = [line.key for line, _ in shown]
    return [k.rpartition(APART)[0] if asked.native else k for k in keys if not is_other(k)]


def _events(asked: Plan, projection: Projection) -> tuple[list[str], list[Any]]:
    """The SQL conditions of the events that the metric counts, and what they bind."""
    rule = asked.metric.rule
    if isinstance(rule, Cohort):
        return _steps(asked, rule)
    clause, values = where(asked)
    clauses = [clause, stored(asked)]
    if isinstance(rule, Reported):
        report = report_of(asked)
        clauses.append("type = 'report' and name = ?")
        values.append("" if report is None else name_of(rule.measure, report))
        return clauses, values
    each = [(product, types_of(asked, projection, product)) for product in asked.products]
    if len({types for _, types in each}) > 1:
        clauses.append("product || ':' || type in (select unnest(?::varchar[]))")
        values.append([f"{product}:{kind}" for product, types in each for kind in sorted(types)])
    else:
        clauses.append("type in (select unnest(?::varchar[]))")
        values.append(sorted(each[0][1]) if each else [])
    if isinstance(rule, Unique):
        clauses.append("json_extract_string(metadata, ?::varchar) is not null")
        values.append(pointer(rule.key))
    elif not asked.additive and not isinstance(
        rule, Latest
    ):  # visits and people have somebody; session events are counted all
        clauses.append(
            "(e.actor is not null or type = 'session')"
            if _sessions(asked)
            else "e.actor is not null"
        )
    return clauses, values


def _sessions(asked: Plan) -> bool:
    return isinstance(asked.metric.rule, Sessions)


def _steps(asked: Plan, rule: Cohort) -> tuple[list[str], list[Any]]:
    """The first entry of everyone who entered in the span, and what reached the goal in time."""
    found = f"""(actor, ts, type) in (select actor, ts, type from (
        select actor, min(ts) as first, arg_min(day, ts) as day from events
        where product in (select unnest(?::varchar[])) and type = ? and actor is not null
          and {stored(asked)} group by actor) f
      join (select actor, ts, type, goal, within from {steps("events")}
        where product in (select unnest(?::varchar[])) and (type = ? or goal)
          and actor is not null and {stored(asked)}) s using (actor)
      where f.day >= ? and f.day < ? and ((s.type = ? and s.ts = f.first)
        or (s.goal and s.ts between f.first and f.first + s.within)))"""
    products = list(asked.products)
    values: list[Any] = [
        products, rule.entry, products, rule.entry, asked.start, asked.last, rule.entry, products,
    ]  # fmt: skip
    clauses = [found, "product in (select unnest(?::varchar[]))", stored(asked)]
    if asked.among is not None:
        clauses.append(of_segment(asked))
    return clauses, values


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
            value=_plain(value),
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


def _plain(value: Decimal) -> Decimal:
    """The value without needless zeros, and never in the form 1E+2."""
    short = value.normalize(WIDE)
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short


def _keys_of(
    read: tuple[Delivery, Translated] | None,
) -> tuple[Delivery | None, dict[int, str | None]]:
    if read is None:
        return None, {}
    delivery, translated = read
    events = translated.events
    keys = zip(events["idx"].to_pylist(), events["key"].to_pylist(), strict=True)
    return delivery, dict(keys)


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
