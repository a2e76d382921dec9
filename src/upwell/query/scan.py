"""What is read with SQL: cells by declared dimensions, and bounded scans of stored events.

Identifiers come from the lists in `plan`; every value is bound.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa

from upwell.metrics.catalog import Cohort, Distinct, MeanOfDays, Net, Sessions, Sum
from upwell.period import Bucket
from upwell.projection import Projection
from upwell.projection.store import given
from upwell.query.lines import (
    Amounts,
    Line,
    Number,
    Reading,
    parts,
    share,
    types_of,
    window_micros,
)
from upwell.query.plan import CELL_KEYS, Plan

MISSING = "(none)"  # the key of events without the dimension


def cells(plan: Plan, projection: Projection) -> Amounts:
    """Amounts by a declared dimension, from the cells."""
    found: Amounts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for part, sign in _parts(plan):
        clause, values = _where(plan, part.type)
        rows = projection.reader().execute(
            f"""select {_key(plan)} as key, {_currency(part)}, day, {_amount(part)}
            from cells where {clause} group by all""",
            values,
        )
        _take(found, rows.fetchall(), sign)
    return found


def amounts(plan: Plan, projection: Projection) -> Amounts:
    """Amounts from the events themselves: hours of a dimension, or keys that no sum is kept by."""
    found: Amounts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    slot = "hour" if plan.question.grain == "hour" else "day"
    for part, sign in _parts(plan):
        clause, values = _where(plan, part.type)
        key = _key(plan, values)
        rows = projection.reader().execute(
            f"""select {key} as key, {_currency(part)}, {slot},
              {_amount(part).replace("sum(n)", "count(*)")}
            from events where {clause} and not excluded and {version(plan)} group by all""",
            values,
        )
        _take(found, rows.fetchall(), sign)
    return found


def amounts_known(plan: Plan, projection: Projection) -> tuple[Amounts, bool]:
    """Amounts as they were known at a past time.

    Days that had ended by then: the cells less every change recorded later. The day that was
    running then, and hours: the events whose version was current at that time.
    """
    assert plan.known_at is not None
    keyed = {plan.question.by, *plan.question.where} - {None, "product", "currency"}
    running = plan.zone.day_of(plan.known_at)
    if plan.question.grain == "hour" or not keyed <= set(CELL_KEYS):
        return amounts(plan, projection), True
    found: Amounts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    ended = plan.moved(plan.start, min(plan.end, running))
    if ended.start < ended.end:
        for key, currencies in cells(ended, projection).items():
            for currency, slots in currencies.items():
                found[key][currency].update(slots)
        for part, sign in _parts(ended):
            clause, values = _where(ended, part.type)
            rows = projection.reader().execute(
                f"""select {_key(ended)} as key, {_currency(part)}, day, {_amount(part)}
                from cell_changes where {clause} and recorded_at > ? group by all""",
                [*values, plan.known_at],
            )
            _take(found, rows.fetchall(), -sign)
    if plan.start <= running < plan.end:
        today = amounts(plan.moved(running, running + 1), projection)
        for key, currencies in today.items():
            for currency, slots in currencies.items():
                found[key][currency].update(slots)
    return found, plan.start <= running < plan.end


def people(plan: Plan, projection: Projection) -> Reading:
    """Distinct people, sessions and cohorts, from the events."""
    rule = plan.metric.rule
    if isinstance(rule, Cohort):
        return _cohort(plan, projection, rule)
    if isinstance(rule, Sessions):
        return _sessions(plan, projection)
    assert isinstance(rule, Distinct | MeanOfDays)
    return _distinct(plan, projection, isinstance(rule, MeanOfDays))


def _distinct(plan: Plan, projection: Projection, mean: bool) -> Reading:
    spans = list(plan.buckets)
    whole = Bucket("", plan.start, plan.end, plan.zone.opens(plan.start), plan.zone.opens(plan.end))
    slots = _daily(plan, spans) if mean else spans
    counted = _count_people(plan, projection, [*slots, whole])
    keys = _keys(plan, {key for key, _ in counted})
    lines = []
    for key in keys:
        if mean:
            days = [counted.get((key, index), 0) for index in range(len(slots))]
            values = [_mean_of(plan, slots, days, bucket) for bucket in spans]
            total = _mean_of(plan, slots, days, whole)
        else:
            values = [counted.get((key, index), 0) for index in range(len(spans))]
            total = counted.get((key, len(slots)), 0)
        lines.append(Line(key, values, total))
    return Reading(lines, scanned=True)


def _daily(plan: Plan, spans: list[Bucket]) -> list[Bucket]:
    if plan.question.grain in ("hour", "day"):
        return spans
    opens = plan.zone.opens
    return [Bucket("", d, d + 1, opens(d), opens(d + 1)) for d in range(plan.start, plan.end)]


def _mean_of(plan: Plan, slots: list[Bucket], days: list[int], span: Bucket) -> Number:
    limit = plan.now if plan.known_at is None else plan.known_at
    inside = [
        count
        for slot, count in zip(slots, days, strict=True)
        if span.opens <= slot.opens < span.closes and slot.opens <= limit
    ]
    if not inside:
        return None
    return inside[0] if len(inside) == 1 else sum(inside) / len(inside)


def _count_people(
    plan: Plan, projection: Projection, spans: list[Bucket]
) -> dict[tuple[str, int], int]:
    db = projection.reader()
    table = pa.table(
        {
            "span": pa.array(range(len(spans)), pa.int32()),
            "opens": pa.array([span.opens for span in spans], pa.int64()),
            "closes": pa.array([span.closes for span in spans], pa.int64()),
        }
    )
    found: dict[tuple[str, int], int] = defaultdict(int)
    for product in plan.products:
        clause, values = _where(plan, None, product)
        types = sorted(types_of(plan, projection, product))
        key = _key(plan, values)
        with given(db, "spans", table):
            rows = db.execute(
                f"""select {key} as key, span, count(distinct actor)
                from events join spans on ts >= opens and ts < closes
                where {clause} and type in (select unnest(?::varchar[]))
                  and actor is not null and not excluded and {version(plan)}
                group by all""",
                [*values, types],
            ).fetchall()
        for key_found, span, count in rows:
            found[str(key_found), int(span)] += int(count)
    return found


def _sessions(plan: Plan, projection: Projection) -> Reading:
    slots: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    slot = "hour" if plan.question.grain == "hour" else "day"
    for product in plan.products:
        key = product if plan.question.by == "product" else ""
        clause, values = _where(plan, None, product)
        if projection.sums.has(product, "session"):
            source = f"select {slot} as slot from events where {clause} and type = 'session'"
        else:
            source = f"""select slot from (
              select {slot} as slot, second, lag(second) over (
                partition by actor order by second) as before
              from (select distinct actor, ts // 1000000 as second, day, hour from events
                where {clause} and type = 'page_view' and actor is not null
                  and not excluded and {version(plan)}))
            where before is null or second - before >= 1800"""
        guard = f" and not excluded and {version(plan)}" if "second" not in source else ""
        rows = projection.reader().execute(
            f"select slot, count(*) from ({source}{guard}) group by all", values
        )
        for at, count in rows.fetchall():
            slots[key][int(at)] += int(count)
    lines = []
    for key in _keys(plan, set(slots)):
        own = slots.get(key, {})
        hourly = plan.question.grain == "hour"
        counts = [
            own.get(b.opens, 0) if hourly else sum(own.get(day, 0) for day in range(b.first, b.end))
            for b in plan.buckets
        ]
        lines.append(Line(key, list(counts), sum(counts)))
    return Reading(lines, scanned=True)


def _cohort(plan: Plan, projection: Projection, rule: Cohort) -> Reading:
    """First entries of each actor, by all that was known then, and which reached the goal."""
    marks: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for product in plan.products:
        key = product if plan.question.by == "product" else ""
        rows = projection.reader().execute(
            f"""with steps as (select actor, ts, day, type = ? as entry from events
              where product = ? and type in (?, ?) and actor is not null and not excluded
                and {version(plan)}),
            firsts as (select actor, min(ts) as first, arg_min(day, ts) as day
              from steps where entry group by actor)
            select f.day, exists (select 1 from steps s where s.actor = f.actor and not s.entry
              and s.ts between f.first and f.first + ?) as reached, count(*)
            from firsts f where f.day >= ? and f.day < ? group by all""",
            [
                rule.entry,
                product,
                rule.entry,
                rule.goal,
                window_micros(rule),
                plan.start,
                plan.end,
            ],
        )
        for day, reached, count in rows.fetchall():
            marks[key][int(day)][0] += int(count)
            marks[key][int(day)][1] += int(count) if reached else 0
    lines = []
    for key in _keys(plan, set(marks)):
        own = marks.get(key, {})

        def rate(first: int, end: int, own: dict[int, list[int]] = own) -> float | None:
            days = [own[day] for day in range(first, end) if day in own]
            return share(sum(day[1] for day in days), sum(day[0] for day in days))

        values: list[Number] = [rate(b.first, b.end) for b in plan.buckets]
        lines.append(Line(key, values, rate(plan.start, plan.end)))
    return Reading(lines, scanned=True)


def _keys(plan: Plan, found: set[str]) -> list[str]:
    if plan.question.by is None:
        return [""]
    return list(plan.products) if plan.question.by == "product" else sorted(found)


def _parts(plan: Plan) -> tuple[tuple[Sum, int], ...]:
    rule = plan.metric.rule
    assert isinstance(rule, Sum | Net)
    return parts(rule)


def _key(plan: Plan, values: list[Any] | None = None) -> str:
    """The SQL of the breakdown's key; a metadata key of one's own is bound in front."""
    by = plan.question.by
    if by is None:
        return "''"
    if by == "product":
        return "product"
    if by == "currency":
        return "coalesce(currency, '')"
    if by in CELL_KEYS:
        return f"coalesce({by}, '{MISSING}')"
    assert values is not None
    values.insert(0, by)
    return f"coalesce(json_extract_string(metadata, '$.' || to_json(?::varchar)), '{MISSING}')"


def _where(plan: Plan, kind: str | None, product: str | None = None) -> tuple[str, list[Any]]:
    clauses = ["product in (select unnest(?::varchar[]))", "day >= ?", "day < ?"]
    products = list(plan.products) if product is None else [product]
    values: list[Any] = [products, plan.start, plan.end]
    if kind is not None:
        clauses.append("type = ?")
        values.append(kind)
    for key, allowed in plan.question.where.items():
        if key in CELL_KEYS or key == "currency":
            clauses.append(f"coalesce({key}, '{MISSING}') in (select unnest(?::varchar[]))")
            values.append(list(allowed))
        else:
            clauses.append(
                f"coalesce(json_extract_string(metadata, '$.' || to_json(?::varchar)),"
                f" '{MISSING}') in (select unnest(?::varchar[]))"
            )
            values += [key, list(allowed)]
    return " and ".join(clauses), values


def version(plan: Plan) -> str:
    if plan.known_at is None:
        return "superseded_at is null"
    at = int(plan.known_at)
    return f"recorded_at <= {at} and (superseded_at is null or superseded_at > {at})"


def _currency(part: Sum) -> str:
    return "coalesce(currency, '')" if part.of == "value" else "''"


def _amount(part: Sum) -> str:
    return "sum(n)::bigint" if part.of == "count" else "(sum(value) * 1000000000)::hugeint"


def _take(found: Amounts, rows: list[Any], sign: int) -> None:
    for key, currency, slot, amount in rows:
        found[str(key)][str(currency)][int(slot)] += sign * int(amount)
