"""Distinct people, visits and cohorts read from the stored events.

Asked where no sum answers: by a dimension, by the hour, as known at a past time, and for the part
of a day that a running span is compared with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from upwell.metrics.catalog import Cohort, MeanOfDays, Sessions, Trailing
from upwell.projection import Projection
from upwell.projection.store import AMONG, OWN, OWNED_PEOPLE, PEOPLE, PERSON, REACHED_IT, STEPS
from upwell.query import scan
from upwell.query.lines import (
    Line,
    Number,
    Reading,
    counted,
    keys_of,
    share,
    summed,
    types_of,
)
from upwell.query.plan import Plan

Counts = dict[tuple[str, int | None], int]  # (line key, slot; None: the whole span) -> people


def read(plan: Plan, projection: Projection) -> Reading:
    """Every line of the question, from the events."""
    rule = plan.metric.rule
    if isinstance(rule, Cohort):
        found = Reading(_cohort(plan, projection, rule))
    elif isinstance(rule, Sessions):
        found = Reading(_sessions(plan, projection))
    else:
        found = _distinct(plan, projection)
    found.scanned = True
    return found


def until(plan: Plan, projection: Projection, instant: int) -> Reading:
    """The totals of the span, of events before `instant` (UTC micros) only; points are by day."""
    plan = plan.by_day()
    rule = plan.metric.rule
    if isinstance(rule, Cohort):
        return Reading(_cohort(plan, projection, rule, instant))
    if isinstance(rule, Sessions):
        return Reading(_sessions(plan, projection, instant))
    if isinstance(rule, MeanOfDays):  # whole days go with whole days, the first with its part
        plan = plan.moved(plan.start, max(plan.zone.day_of(instant), plan.start + 1))
    if isinstance(rule, Trailing):  # its total is that of its last day
        cut = plan.zone.day_of(instant)
        plan = plan.moved(cut, cut + 1)
    return _distinct(plan, projection, instant)


def mean(plan: Plan, first: int, end: int, of: Callable[[int], int]) -> Number:
    """Mean over the whole days of [first, end) that are over; before the first is, the day so far.

    None where none has begun.
    """
    days = range(first, min(end, plan.today)) or range(first, min(end, plan.today + 1))
    if not days:
        return None
    total = sum(of(day) for day in days)
    return total if len(days) == 1 else total / len(days)


# -- different people ----------------------------------------------------------------------------


def _distinct(plan: Plan, projection: Projection, before: int | None = None) -> Reading:
    days = isinstance(plan.metric.rule, MeanOfDays)
    if isinstance(plan.metric.rule, Trailing):
        return _trailing(plan, projection, plan.metric.rule, before)
    spans, slots = _slots(plan)
    counts, unlinked = _people(plan, projection, spans, slots, before)
    if days and plan.hourly:
        by_day, _ = _people(plan.by_day(), projection, *_slots(plan.by_day()), before)
    else:
        by_day = counts
    lines = []
    for key in keys_of(plan, {key for key, _ in counts}):

        def of(day: int, key: str = key) -> int:
            return by_day.get((key, day), 0)

        if not days:
            values: list[Number] = [counts.get((key, b.first), 0) for b in plan.buckets]
            if plan.hourly:
                values = [counts.get((key, b.opens), 0) for b in plan.buckets]
            total: Number = counts.get((key, None), 0)
        else:
            values = [
                counts.get((key, b.opens), 0) if plan.hourly else mean(plan, b.first, b.end, of)
                for b in plan.buckets
            ]
            total = mean(plan, plan.start, plan.end, of)
        lines.append(counted(plan, key, values, total))
    # By another dimension one may be in several lines.
    apart = not days and len(plan.products) > 1 and plan.question.by in (None, "product")
    return Reading(lines, unlinked=unlinked if apart else None)


def _trailing(plan: Plan, projection: Projection, rule: Trailing, before: int | None) -> Reading:
    """Each bucket's people are those of the days up to its last that has begun."""
    buckets = plan.buckets[: plan.begun]
    days, names = list[int](), list[int]()
    for bucket in buckets:
        last = min(bucket.end, plan.last)
        days += range(last - rule.days, last)
        names += [bucket.first] * rule.days
    longer = plan.moved(plan.start - rule.days + 1, plan.end)
    counts, _ = _people(longer, projection, days, names, before)
    final = plan.last - 1 if before is None else min(plan.last - 1, plan.zone.day_of(before))
    lines = []
    for key in keys_of(plan, {key for key, _ in counts}):
        values: list[Number] = [counts.get((key, b.first), 0) for b in plan.buckets]
        own = [b.first for b in buckets if b.first <= final]
        total = counts.get((key, own[-1]), 0) if own else None
        lines.append(counted(plan, key, values, total))
    return Reading(lines)


def newcomers(
    plan: Plan, projection: Projection, members: str, cut: int, before: int
) -> dict[str, int]:
    """By line: people of the day `cut` before an instant who were not there from `start` on."""
    key = "product" if plan.question.by == "product" else "''"
    does, values = _does(plan, projection)
    whose = "true" if plan.among is None else scan.of_segment(plan)
    rows = scan.run(
        projection,
        f"""with those as (
          select distinct {key} as key, {PERSON} as who from {_events_of(plan)}
          where day = ? and {does} and {whose}
            and e.actor is not null and {scan.stored(plan, before)}),
        earlier as (
          select {key} as key, {PERSON} as who
          from actor_days e left join persons p on p.actor = e.actor
          where members = ? and day >= ? and day < ? and product in (select unnest(?::varchar[]))
            and {whose})
        select key, count(*) from those t where not exists (
          select 1 from earlier f where f.key = t.key and f.who = t.who) group by key""",
        [
            cut,
            *values,
            members,
            plan.start,
            cut,
            list(plan.products),
        ],
        queue=False,
        among=plan.among,
    )
    return defaultdict(int, rows)


def _slots(plan: Plan) -> tuple[list[int], list[int]]:
    """For every day (or hour) of the span, the name of the bucket that it belongs to."""
    if plan.hourly:
        hours = [bucket.opens for bucket in plan.buckets[: plan.begun]]
        return hours, hours
    days = list(range(plan.start, plan.last))
    if isinstance(plan.metric.rule, MeanOfDays):
        return days, days
    names = [b.first for b in plan.buckets for _ in range(b.first, b.end)]
    return days, names[: len(days)]


def _people(
    plan: Plan, projection: Projection, slots: list[int], names: list[int], before: int | None
) -> tuple[Counts, int]:
    """Counts of people, and how many of all of them are not linked over products."""
    column = "hour" if plan.hourly else "day"
    key, bound = scan.key_of(plan.question.by)
    clause, values = scan.where(plan)
    does, types = _does(plan, projection)
    sql = f"""with linked as materialized ({AMONG}),
    part as materialized (
      select {key} as key, span, {PERSON} as who, count(*) as n
      from {_events_of(plan)} join (select unnest(?::bigint[]) as slot, unnest(?::bigint[]) as span)
        on {column} = slot
      where {clause} and {does} and e.actor is not null and {scan.stored(plan, before)}
      group by all)
    select name, span, count(distinct who),
      count(distinct who) filter (who not in (select person from linked))
    from (select {scan.limited(plan)} as name, span, who from part)
    group by grouping sets ((name, span), (name))"""
    given = [list(plan.products), *bound, slots, names, *values, *types]
    rows = scan.run(projection, sql, given, queue=before is None, among=plan.among)
    counts = defaultdict(int, {(name, span): count for name, span, count, _ in rows})
    return counts, sum(apart for _, span, _, apart in rows if span is None)


def _events_of(plan: Plan) -> str:
    return OWNED_PEOPLE if plan.owned else PEOPLE


def _does(plan: Plan, projection: Projection) -> tuple[str, list[Any]]:
    """The SQL of the events by which one counts, in each product its own, and what it binds."""
    groups: dict[frozenset[str], list[str]] = defaultdict(list)
    for product in plan.products:
        groups[types_of(plan, projection, product)].append(product)
    types = [each for own, products in groups.items() for each in (products, sorted(own))]
    return f"({' or '.join([_DOES] * len(groups))})", types


_DOES = "(product in (select unnest(?::varchar[])) and type in (select unnest(?::varchar[])))"


# -- visits --------------------------------------------------------------------------------------


def _sessions(plan: Plan, projection: Projection, before: int | None = None) -> list[Line]:
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    slot = "hour" if plan.hourly else "day"
    senders = _senders(plan, projection)
    others = tuple(product for product in plan.products if product not in senders)
    for products, counts in ((senders, _events), (others, _visits)):
        if products:
            part = replace(plan, products=products)
            for product, at, count in counts(part, projection, slot, before):
                found[product if plan.question.by == "product" else ""][int(at)] += int(count)
    return [summed(plan, key, found.get(key, {})) for key in keys_of(plan, found)]


def _senders(plan: Plan, projection: Projection) -> tuple[str, ...]:
    """The products that send sessions themselves."""
    sql = f"""select distinct product from events where {scan.stored(plan)}
      and product in (select unnest(?::varchar[])) and type = 'session'"""
    rows = scan.run(projection, sql, [list(plan.products)], queue=False)
    return tuple(sorted(product for (product,) in rows))


def _events(
    plan: Plan, projection: Projection, slot: str, before: int | None
) -> list[tuple[Any, ...]]:
    clause, values = scan.where(plan)
    sql = f"""select product, {slot}, count(*) from events e
      where {clause} and type = 'session' and {scan.stored(plan, before)} group by all"""
    return scan.run(projection, sql, values, queue=before is None, among=plan.among)


def _visits(
    plan: Plan, projection: Projection, slot: str, before: int | None
) -> list[tuple[Any, ...]]:
    """Page views half an hour after the same visitor's last one, which may lie before the span."""
    clause, values = scan.where(plan, early=1)
    sql = f"""select product, slot, count(*) from (
        select product, {slot} as slot, day, second, lag(second) over (
          partition by who order by second) as before
        from (select product, {OWN} as who, ts // 1000000 as second, any_value(day) as day,
            any_value(hour) as hour from {PEOPLE}
          where {clause} and type = 'page_view' and e.actor is not null
            and {scan.stored(plan, before)} group by all))
      where day >= ? and (before is null or second - before >= 1800) group by all"""
    return scan.run(projection, sql, [*values, plan.start], queue=before is None, among=plan.among)


# -- cohorts -------------------------------------------------------------------------------------


def _cohort(
    plan: Plan, projection: Projection, rule: Cohort, before: int | None = None
) -> list[Line]:
    """First entries of each actor, by all that was known then, and which reached the goal."""
    marks: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
    key = "product" if plan.question.by == "product" else "''"
    slot = "hour" if plan.hourly else "day"
    whose = "true" if plan.among is None else scan.of_segment(plan)
    rows = scan.run(
        projection,
        f"""with steps as materialized (
          select product, {OWN} as who, ts, day, hour, type = ? as entry, goal, times, within
          from {STEPS} where product in (select unnest(?::varchar[])) and (type = ? or goal)
            and e.actor is not null and {whose} and {scan.stored(plan, before)}),
        firsts as (select product, who, min(ts) as first, arg_min(day, ts) as day,
          arg_min({slot}, ts) as slot, any_value(times) as times, any_value(within) as within
          from steps where entry group by all),
        ways as (select f.product, f.slot, {REACHED_IT} as reached
          from firsts f where f.day >= ? and f.day < ?)
        select {key} as key, slot, count(*), count(*) filter (reached) from ways group by all""",
        [
            rule.entry,
            list(plan.products),
            rule.entry,
            plan.start,
            plan.last,
        ],
        queue=before is None,
        among=plan.among,
    )
    for name, at, entered, reached in rows:
        marks[name][int(at)] = (int(entered), int(reached))
    lines = []
    for name in keys_of(plan, marks):
        own = marks.get(name, {})

        def rate(slots: Any, own: dict[int, tuple[int, int]] = own) -> Number:
            found = [own[at] for at in slots if at in own]
            done = sum(reached for _, reached in found)
            all_of_them = sum(count for count, _ in found)
            if rule.of == "share":
                return share(done, all_of_them)
            return done if rule.of == "reached" else all_of_them

        values: list[Number] = [
            rate((b.opens,) if plan.hourly else range(b.first, b.end)) for b in plan.buckets
        ]
        lines.append(counted(plan, name, values, rate(own)))
    return lines
