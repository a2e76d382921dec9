"""What only a company's own metrics are: different values of a key, newest values, ratios."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from decimal import Decimal

from upwell.event import pointer
from upwell.metrics.catalog import Latest, Unique
from upwell.money import SCALE
from upwell.projection import Projection
from upwell.projection.store import OWNED
from upwell.query import scan
from upwell.query.lines import Line, Number, Reading, counted, keys_of
from upwell.query.plan import SCANNED_DAYS, Plan

Known = dict[str, tuple[list[int], list[Decimal]]]  # product -> slots, and the newest value of each


def read(plan: Plan, projection: Projection, before: int | None = None) -> Reading:
    """Every line of the question, from the events; `before` (UTC micros) leaves out later ones."""
    rule = plan.metric.rule
    assert isinstance(rule, Unique | Latest)
    if isinstance(rule, Unique):
        return Reading(_unique(plan, projection, rule, before), scanned=True)
    return Reading(_latest(plan, projection, rule, before), scanned=True)


def plain(value: Number) -> Number:
    """Nano-units as a number: whole where it is whole."""
    if value is None:
        return None
    units, rest = divmod(int(value), SCALE)
    return float(value / SCALE) if rest else units


def _unique(plan: Plan, projection: Projection, rule: Unique, before: int | None) -> list[Line]:
    slots = [
        b.opens if plan.hourly else d for b in plan.buckets for d in _days(plan, b.first, b.end)
    ]
    names = [b.opens for b in plan.buckets for _ in _days(plan, b.first, b.end)]
    key, bound = scan.key_of(plan.question.by)
    clause, values = scan.where(plan)
    sql = f"""with part as materialized (
      select {key} as key, span, json_extract_string(metadata, ?::varchar) as what, count(*) as n
      from {OWNED} e join (select unnest(?::bigint[]) as slot, unnest(?::bigint[]) as span)
        on {"hour" if plan.hourly else "day"} = slot
      where {clause} and type = ? and {scan.stored(plan, before)} group by all)
    select name, span, count(distinct what)
    from (select {scan.limited(plan)} as name, span, what from part where what is not null)
    group by grouping sets ((name, span), (name))"""
    given = [*bound, pointer(rule.key), slots, names, *values, rule.type]
    rows = scan.run(projection, sql, given, queue=before is None, among=plan.among)
    counts = {(name, span): count for name, span, count in rows}
    return [
        counted(
            plan,
            name,
            [counts.get((name, b.opens), 0) for b in plan.buckets],
            counts.get((name, None), 0),
        )
        for name in keys_of(plan, {name for name, _ in counts})
    ]


def _days(plan: Plan, first: int, end: int) -> range:
    return range(1) if plan.hourly else range(first, end)


def _latest(plan: Plan, projection: Projection, rule: Latest, before: int | None) -> list[Line]:
    key, bound = scan.key_of(plan.question.by)
    clause, values = scan.where(plan, early=SCANNED_DAYS)
    slot = "hour" if plan.hourly else "day"
    sql = f"""select {key} as key, product, {slot} as slot, last(value order by ts, seq, idx)
      from {OWNED} e where {clause} and type = ? and {scan.stored(plan, before)}
      group by all order by slot"""
    rows = scan.run(
        projection, sql, [*bound, *values, rule.type], queue=before is None, among=plan.among
    )
    known: dict[str, Known] = defaultdict(dict)
    for name, product, at, value in rows:
        slots, newest = known[name].setdefault(product, ([], []))
        slots.append(int(at))
        newest.append(value)
    lines = []
    for name in keys_of(plan, known):
        found: list[Number] = [
            _standing(plan, known.get(name, {}), b.opens if plan.hourly else b.end - 1)
            for b in plan.buckets
        ]
        begun = found[: plan.begun]
        lines.append(counted(plan, name, found, begun[-1] if begun else None))
    return lines


def _standing(plan: Plan, known: Known, slot: int) -> Number:
    """What stood at the end of a slot, over the products; None where nothing was known then."""
    day = plan.zone.day_of(slot) if plan.hourly else slot
    oldest = plan.zone.opens(day - SCANNED_DAYS) if plan.hourly else day - SCANNED_DAYS
    values = [
        newest[place - 1]
        for slots, newest in known.values()
        if (place := bisect_right(slots, slot)) and slots[place - 1] >= oldest
    ]
    if not values:
        return None
    total = sum(values)
    return int(total) if total == int(total) else float(total)


def divided(asked: Plan, above: tuple[Plan, Reading], below: tuple[Plan, Reading]) -> Reading:
    """One reading over another, line by line and bucket by bucket; None over nothing."""
    lines = {line.key: line for line in below[1].lines}
    found = [
        _over(asked, line, lines.get(line.key), _scale(above[0]), _scale(below[0]))
        for line in above[1].lines
    ]
    readings = (above[1], below[1])
    unconverted: dict[str, int] = defaultdict(int)
    for reading in readings:
        for currency, amount in reading.unconverted.items():
            unconverted[currency] += amount
    return Reading(
        found,
        dict(unconverted),
        any(reading.scanned for reading in readings),
        note=" ".join(dict.fromkeys(reading.note for reading in readings if reading.note)),
    )


def _scale(plan: Plan) -> int:
    return SCALE if plan.metric.unit == "money" else 1


def _over(asked: Plan, line: Line, other: Line | None, above: int, below: int) -> Line:
    money = asked.metric.unit == "money"

    def share(one: Number, by: Number) -> Number:
        if one is None or not by:
            return None
        return round(one / by) if money else one / above / (by / below)

    under = [None] * len(line.values) if other is None else other.values
    values = [share(one, by) for one, by in zip(line.values, under, strict=True)]
    total = share(line.total, None if other is None else other.total)
    marks = line.provisional | (set() if other is None else other.provisional)
    return Line(line.key, values, total, asked.currency if money else None, marks)
