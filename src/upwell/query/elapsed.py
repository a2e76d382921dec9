"""Totals of an earlier span up to an instant, to compare with one that still runs."""

from __future__ import annotations

from collections.abc import Callable

from upwell.metrics.catalog import (
    Cohort,
    Distinct,
    Latest,
    MeanOfDays,
    Reported,
    Sessions,
    Trailing,
    Unique,
)
from upwell.money import Rates
from upwell.projection import Projection
from upwell.query import entrants, own, people, scan
from upwell.query.lines import Line, Number, Reading
from upwell.query.plan import Plan
from upwell.query.read import amounts_of, from_histories, groups_of, hot, read, sum_up, ways_of

LONG_DAYS = 2  # a span that has run for so many days is compared to the hour


def elapsed_totals(
    plan: Plan, projection: Projection, rates: Callable[[], Rates], until: int
) -> dict[str, Number]:
    """Totals of an earlier span up to the instant `until`, to compare with one that still runs.

    Sums of a span that has run for long are compared to the last full hour, so that no event is
    read; everything else to the microsecond.
    """
    plan = plan.by_day()
    cut = plan.zone.day_of(until)
    kept = plan.how in ("sums", "days") and plan.known_at is None
    to_the_hour = kept and cut - plan.start >= LONG_DAYS
    if plan.additive:
        reading = _elapsed_sums(plan, projection, rates, until, to_the_hour)
    elif kept and isinstance(plan.metric.rule, Distinct):
        reading = _elapsed_people(plan, projection, plan.metric.rule, until)
    elif kept and isinstance(plan.metric.rule, Trailing):
        last = plan.moved(cut - plan.metric.rule.days + 1, cut + 1)
        reading = _elapsed_people(last, projection, plan.metric.rule, until)
    elif to_the_hour and isinstance(plan.metric.rule, Sessions):
        with projection.sums.lock:
            reading = from_histories(plan, projection, {}, until)
    elif kept and isinstance(plan.metric.rule, MeanOfDays) and cut > plan.start:
        reading = read(plan.moved(plan.start, cut), projection, rates)
    elif kept and isinstance(plan.metric.rule, Cohort):
        reading = Reading(entrants.until(plan, projection, plan.metric.rule, until))
    elif isinstance(plan.metric.rule, Reported):  # nobody knows a part of a day
        return _elapsed_reports(plan, projection, rates, cut)
    elif isinstance(plan.metric.rule, Unique | Latest):
        reading = own.read(plan, projection, until)
    else:
        reading = people.until(plan, projection, until)
    return {line.key: line.total for line in reading.lines}


def _elapsed_reports(
    plan: Plan, projection: Projection, rates: Callable[[], Rates], cut: int
) -> dict[str, Number]:
    """The totals of the days before `cut`, which are whole; nothing where there are none."""
    if cut == plan.start:
        return {}
    whole = read(plan.moved(plan.start, cut), projection, rates)
    return {line.key: line.total for line in whole.lines}


def _elapsed_sums(
    plan: Plan,
    projection: Projection,
    rates: Callable[[], Rates],
    until: int,
    to_the_hour: bool,
) -> Reading:
    cut = plan.zone.day_of(until)
    whole, last = plan.moved(plan.start, cut), plan.moved(cut, cut + 1)
    amounts = amounts_of(whole, projection)[0] if plan.start < cut else {}
    if to_the_hour:
        rest = hot(last, projection, plan.zone.opens(cut), plan.zone.hour_of(until), cut)
    else:
        rest = scan.amounts(last, projection, until)
    for key, by_currency in rest.items():
        for currency, slots in by_currency.items():
            into = amounts.setdefault(key, {}).setdefault(currency, {})
            for slot, amount in slots.items():
                into[slot] = into.get(slot, 0) + amount
    return sum_up(plan, amounts, rates)


def _elapsed_people(
    plan: Plan, projection: Projection, rule: Distinct | Trailing, until: int
) -> Reading:
    cut = plan.zone.day_of(until)
    late = people.newcomers(plan, projection, rule.set, cut, until)
    ways = ways_of(plan, projection)
    with projection.sums.lock:
        return Reading(
            [
                Line(key, [], late[key] + ways[products].people(plan.start, cut))
                for key, products in groups_of(plan).items()
            ]
        )
