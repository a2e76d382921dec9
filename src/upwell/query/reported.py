"""Reports that somebody else computed: the one for exactly what is asked, and no other added up.

A number that no report says is not reported: it has no value, and the note tells why. Days and rows
are added where they add up (sessions), never where they do not (users).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from upwell.event import DIMENSIONS
from upwell.metrics.catalog import Reported
from upwell.metrics.reported import (
    OTHER_ROW,
    REPORTS,
    SAMPLED,
    THRESHOLDED,
    WITHHELD,
    column_of,
    name_of,
    read_by,
)
from upwell.money import SCALE
from upwell.projection import Projection
from upwell.query import scan
from upwell.query.lines import APART, MISSING, OTHER, Amounts, Line, Reading
from upwell.query.plan import Plan

KEPT_KEYS = 1_000  # of a longer report only the largest rows are told apart

Marks = dict[tuple[str, str], dict[int, int]]  # product and source -> days that were read, flags
_APART = ("product", "source", "currency")  # what every report is kept by
_NO_MONEY = "Google does not show revenue to the service account: let it see revenue."
_FLAGS = {
    THRESHOLDED: "Google left out rows with few users.",
    OTHER_ROW: "Google put small rows together as (other).",
    SAMPLED: "Google counted only a sample of the visits.",
}


def report_of(plan: Plan) -> str | None:
    """The report that divides days by exactly what is asked; None where there is none."""
    keys = {plan.question.by, *plan.question.where}.difference((None, *_APART))
    wanted = {dimension: name for name, dimension in REPORTS.items()}
    return wanted.get(keys.pop() if keys else None) if len(keys) < 2 else None


def read(
    plan: Plan,
    projection: Projection,
    sum_up: Callable[[Amounts], Reading],
) -> Reading:
    """Every line of the question over its days; `sum_up` adds what may be added."""
    rule, report = plan.metric.rule, report_of(plan)
    assert isinstance(rule, Reported)
    if report is None:
        return Reading(_nothing(plan), note=_no_report(plan))
    if (
        not rule.adds
        and any(
            len(allowed) > 1 for key, allowed in plan.question.where.items() if key not in _APART
        )
        and not _divided(plan)
    ):
        return Reading(_nothing(plan), note="Not reported: users of several rows do not add up.")
    amounts, marks, owners = _found(plan, projection, rule, report)
    if plan.metric.unit == "money" and any(said & WITHHELD for said in _said(marks)):
        return Reading(_nothing(plan), note=f"Not reported: {_NO_MONEY}")
    if not marks:
        return Reading(_nothing(plan), note="Not reported: no report of these dates was read yet.")
    reading = sum_up(amounts)
    for line in reading.lines:
        _say_what_is_known(plan, line, marks, owners)
    reading.note = " ".join(_notes(plan, marks, owners))
    return reading


def _divided(plan: Plan) -> bool:
    return plan.question.by not in (None, *_APART)


def _nothing(plan: Plan) -> list[Line]:
    keys = plan.products if plan.question.by == "product" else ("",)
    return [Line(key, [None] * len(plan.buckets), None, plan.currency) for key in keys]


def _no_report(plan: Plan) -> str:
    asked = sorted({plan.question.by, *plan.question.where}.difference((None, *_APART)), key=str)
    there = [name for name in REPORTS.values() if name]
    return (
        f"Not reported: there is no report by {' and '.join(map(str, asked))}. "
        f"There are reports by day alone, and by {', '.join(there[:-1])} or {there[-1]}."
    )


# -- reading the sums ----------------------------------------------------------------------------

Owners = dict[str, dict[int, set[tuple[str, str]]]]  # line key -> day -> whose numbers it adds


def _found(
    plan: Plan, projection: Projection, rule: Reported, report: str
) -> tuple[Amounts, Marks, Owners]:
    amounts: Amounts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    marks: Marks = defaultdict(dict)
    owners: Owners = defaultdict(lambda: defaultdict(set))
    mark, money = read_by(report), plan.metric.unit == "money"
    for product, source, day, name, key, currency, amount in _rows(plan, projection, rule, report):
        if name == mark:
            marks[product, source][day] = int(amount) // SCALE
            continue
        if not amount:  # said, as it may have been more before; it makes no line
            continue
        line = {"product": product, "source": source, "currency": currency}.get(
            plan.question.by or "", key
        )
        amounts[line][currency if money else ""][day] += int(amount)
        owners[line][day].add((product, source))
    return amounts, marks, owners


def _rows(plan: Plan, projection: Projection, rule: Reported, report: str) -> list[tuple[Any, ...]]:
    """Product, source, day, name, value of the dimension, currency and amount in nano-units."""
    column = column_of(REPORTS[report] or "name")
    clause, bound = _where(plan, rule, report)
    facts = f"(select *, 1 as sign from cells where {clause})"
    if plan.known_at is not None:
        facts, bound = _known(plan, clause), {**bound, "seen": plan.seen, "today": plan.today}
    key = f"coalesce(nullif({column}, ''), '{MISSING}')" if _divided(plan) else "''"
    largest = "(name = $mark or key in (select key from largest))"
    sql = f"""with part as materialized (
      select product, source, day, name, {key} as key, coalesce(currency, '') as currency,
        sum(sign * value) as value
      from {facts} group by all having sum(sign * n) <> 0),
    largest as (select key from part where name = $name group by key
      order by sum(value) desc, key limit {KEPT_KEYS})
    select product, source, day, name, case when {largest} then key else '{OTHER}' end as key,
      currency, (sum(value) * {SCALE})::hugeint
    from part {"" if rule.adds else f"where {largest}"} group by all"""
    return scan.run(projection, sql, bound, queue=False)


def _known(plan: Plan, clause: str) -> str:
    """The SQL of what was known at a past time: days over by then less what was said later."""
    columns = f"product, source, day, name, currency, value, {', '.join(DIMENSIONS[:-1])}"
    return f"""(select {columns}, n, 1 as sign from cells where {clause} and day < $today
      union all select {columns}, n, -1 as sign from cell_changes
        where {clause} and day < $today and recorded_at > $seen
      union all select {columns}, 1 as n, 1 as sign from events
        where {clause} and day >= $today and {scan.stored(plan)})"""


def _where(plan: Plan, rule: Reported, report: str) -> tuple[str, dict[str, Any]]:
    """The SQL of the report's numbers and marks for the question's days, and what it binds."""
    clauses = [
        "type = 'report' and name in ($name, $mark) and day >= $start and day < $last",
        "product in (select unnest($products::varchar[]))",
    ]
    bound: dict[str, Any] = {
        "name": name_of(rule.measure, report),
        "mark": read_by(report),
        "start": plan.start,
        "last": plan.last,
        "products": list(plan.products),
    }
    for place, (key, allowed) in enumerate(plan.question.where.items()):
        column = key if key in _APART else column_of(key)
        value = f"coalesce(nullif({column}, ''), '{MISSING}')"
        found = f"{value} in (select unnest($w{place}::varchar[]))"
        clauses.append(found if key == "source" else f"(name = $mark or {found})")
        bound[f"w{place}"] = [value or MISSING for value in allowed]
    return " and ".join(clauses), bound


# -- what is known -------------------------------------------------------------------------------


def _say_what_is_known(plan: Plan, line: Line, marks: Marks, owners: Owners) -> None:
    """Take back every number of the line that no report says."""
    rule = plan.metric.rule
    assert isinstance(rule, Reported)
    name = line.key.partition(APART)[0] if plan.native else line.key
    place = _APART.index(plan.question.by) if plan.question.by in _APART[:2] else None
    read = {
        day for pair, days in marks.items() if place is None or pair[place] == name for day in days
    }
    if not rule.adds:
        read -= {day for day, pairs in owners.get(name, {}).items() if len(pairs) > 1}
    for index, bucket in enumerate(plan.buckets[: plan.begun]):
        one = bucket.end - bucket.first == 1
        span = range(bucket.first, bucket.end)
        if read.isdisjoint(span) or not (one or rule.adds):
            line.values[index] = None
    if not read or not (rule.adds or plan.end - plan.start == 1):
        line.total = None


def _notes(plan: Plan, marks: Marks, owners: Owners) -> Iterator[str]:
    rule = plan.metric.rule
    assert isinstance(rule, Reported)
    if not rule.adds and plan.end - plan.start > 1:
        yield "Users of several days do not add up: they are not reported."
    if not rule.adds and any(len(p) > 1 for days in owners.values() for p in days.values()):
        yield "Users of several properties do not add up: they are not reported."
    begun = plan.last - plan.start
    missing = begun - min(len(days) for days in marks.values())
    if missing > 0:
        yield f"Of {missing:,} of these {begun:,} days no report was read yet."
    flags = _said(marks)
    yield from (words for bit, words in _FLAGS.items() if any(said & bit for said in flags))


def _said(marks: Marks) -> set[int]:
    """What is true of the numbers of some day."""
    return {said for days in marks.values() for said in days.values()}
