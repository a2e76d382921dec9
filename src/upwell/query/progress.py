"""How far goals are: the value when one was set, the newest, and the line between."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

import msgspec

from upwell.access import SYSTEM
from upwell.errors import UpwellError
from upwell.metrics.catalog import Ledger, Metric, Net, Sessions, Sum, Unit
from upwell.metrics.goals import State, pace
from upwell.money import SCALE, major
from upwell.period import Zone, to_date, to_micros
from upwell.query.question import Ask, Question, Value
from upwell.state import goals as kept

LOOK_BACK = 30  # days over which what is no sum is looked at
TOLD_SUMS = ("cash", "cancelling_mrr")


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A goal and where it stands.

    `start` is the value when it was set, `now` the newest or the last of its time, `expected` what
    the straight line between `start` and `value` has for now; `gap` by how much it is behind or
    was missed. What adds up over days (`sums`) is counted from `since` on, other metrics over the
    30 days up to now.
    """

    id: str
    metric: str
    product: str
    since: dt.date
    by: dt.date
    unit: Unit
    currency: str | None
    value: Value
    start: Value
    now: Value
    expected: Value
    gap: Value
    share: float | None
    state: State
    sums: bool
    in_file: bool
    created_by: str


class GoalList(msgspec.Struct, frozen=True, kw_only=True):
    """The goals that the viewer may see, the one to be reached first in front."""

    goals: tuple[Goal, ...]


class Standing(NamedTuple):
    """What goals are looked at with: the metrics there are, the local days, and now."""

    catalogue: Mapping[str, Metric]
    zone: Zone
    now: dt.datetime


def progress(one: kept.Goal, at: Standing, ask: Ask, in_file: bool) -> Goal:
    """Where a goal stands; without a value where its metric cannot be asked for."""
    metric = at.catalogue.get(one.metric)
    zone, now = at.zone, at.now
    today = zone.today(now)
    start, value, currency = None, None, None
    if metric is not None:
        start, currency = (
            (Fraction(0), None) if _sums(metric) else _value(ask, one, metric, one.since - 1)
        )
        value, currency = _value(ask, one, metric, min(one.by, today))
    begun = start or Fraction(0)
    stands = pace(
        begun,
        Fraction(one.value),
        value,
        zone.opens(one.since),
        zone.opens(one.by + 1),
        to_micros(now),
    )
    unit: Unit = "count" if metric is None else metric.unit

    def show(of: Fraction | None) -> Value:
        return None if of is None else _written(of, unit, currency)

    return Goal(
        id=one.id,
        metric=one.metric,
        product=one.product,
        since=to_date(one.since),
        by=to_date(one.by),
        unit=unit,
        currency=currency,
        value=show(Fraction(one.value)),
        start=show(start),
        now=show(value),
        expected=show(stands.expected),
        gap=show(stands.gap),
        share=None if stands.share is None else float(stands.share),
        state=stands.state,
        sums=metric is not None and _sums(metric),
        in_file=in_file,
        created_by=one.created_by,
    )


def _value(
    ask: Ask, one: kept.Goal, metric: Metric, last: int
) -> tuple[Fraction | None, str | None]:
    """The metric at the end of a day, or so far: since the goal was set, or of 30 days."""
    first = one.since if _sums(metric) else last + 1 - LOOK_BACK
    question = Question(
        metric=metric.name,
        product=(one.product,) if one.product else (),
        start=to_date(first),
        end=to_date(max(first, last) + 1),
    )
    try:
        answer = ask(question, SYSTEM)
    except UpwellError:  # a product that is gone, or rules that are counted first
        return None, None
    total = answer.series[0].total if len(answer.series) == 1 else None
    return None if total is None else Fraction(str(total)), answer.currency


def _sums(metric: Metric) -> bool:
    """Whether days of the metric add up, so that a goal is about all since it was set."""
    rule = metric.rule
    if isinstance(rule, Ledger):
        return rule.kind == "flow" or metric.name in TOLD_SUMS
    return isinstance(rule, Sum | Net | Sessions)


def _written(of: Fraction, unit: Unit, currency: str | None) -> Value:
    """As answers write it; money that is in no one currency as it was said."""
    if unit == "money":
        if currency is not None:
            return major(round(of * SCALE), currency)
        return str(int(of)) if of.denominator == 1 else f"{float(of):f}"
    return int(of) if of.denominator == 1 else float(of)
