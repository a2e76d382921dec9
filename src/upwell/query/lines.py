"""The lines of an answer before they are written down, and what every way of reading shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from upwell.event import NOT_ACTIVITY
from upwell.metrics.catalog import (
    Cohort,
    Distinct,
    Latest,
    Ledger,
    MeanOfDays,
    Net,
    Reported,
    Sessions,
    Sum,
    Trailing,
)
from upwell.period import DAY_MICROS, Bucket
from upwell.projection import Projection
from upwell.query.plan import Plan

MISSING = "(none)"  # the key of events without the dimension
OTHER = "other"  # the key of what a long breakdown leaves over
APART = " · "  # between a key and its currency, where each currency has lines of its own

Number = int | float | None
Slots = Mapping[int, int]  # day, or start of an hour -> integer amount


@dataclass(slots=True)
class Line:
    """One series before it is written down; money is in nano-units of its currency."""

    key: str
    values: list[Number]
    total: Number
    currency: str | None = None
    provisional: set[int] = field(default_factory=set)  # indexes of points


@dataclass(slots=True)
class Reading:
    """All lines of an answer, and the money that no rate could convert."""

    lines: list[Line]
    unconverted: dict[str, int] = field(default_factory=dict)
    scanned: bool = False
    unlinked: int | None = None  # people of several products who are not linked over them
    note: str = ""  # what to know about the numbers, or why there are none


Amounts = dict[str, dict[str, dict[int, int]]]  # line key -> currency -> slot -> amount


def parts(rule: Sum | Net) -> tuple[tuple[Sum, int], ...]:
    """The sums that a rule adds and takes away."""
    return ((rule, 1),) if isinstance(rule, Sum) else ((rule.plus, 1), (rule.minus, -1))


def share(part: int, whole: int) -> float | None:
    """A ratio, or None where there is nothing to divide by."""
    return part / whole if whole else None


def added(values: Iterable[Number]) -> Number:
    """The sum of what is known, or None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def counted(plan: Plan, key: str, values: list[Number], total: Number) -> Line:
    """A line whose total is no sum; what has not begun has no value."""
    ahead: list[Number] = [None] * (len(plan.buckets) - plan.begun)
    return Line(key, values[: plan.begun] + ahead, total if plan.start <= plan.today else None)


def summed(
    plan: Plan,
    key: str,
    slots: Slots,
    currency: str | None = None,
    lost: frozenset[int] = frozenset(),
) -> Line:
    """A line of amounts by slot; its total is the sum of its points.

    `lost`: slots with money that no rate could convert; where a point holds nothing else it has
    no value, as 0 would be wrong.
    """
    values: list[Number]
    if plan.question.grain in ("hour", "day") and not lost:
        values = [slots.get(slot, 0) for slot in plan.slots[: plan.begun]]
    else:
        values = [_within(plan, slots, b, lost) for b in plan.buckets[: plan.begun]]
    values += [None] * (len(plan.buckets) - plan.begun)
    total = added(values)
    return Line(key, values, None if lost and not slots else total, currency)


def _within(plan: Plan, slots: Slots, bucket: Bucket, lost: frozenset[int]) -> Number:
    inside = (bucket.opens,) if plan.hourly else range(bucket.first, bucket.end)
    if lost and not lost.isdisjoint(inside) and not any(slot in slots for slot in inside):
        return None
    return sum(slots.get(slot, 0) for slot in inside)


def empty(plan: Plan, like: Line) -> Line:
    """A line of nothing, beside one of the compared span that has something."""
    if plan.parts_add and not isinstance(plan.metric.rule, Reported):
        return summed(plan, like.key, {}, like.currency)
    rule = plan.metric.rule
    rate = isinstance(rule, Latest | Reported) or plan.metric.unit in ("ratio", "number", "money")
    rate = rate or (isinstance(rule, Ledger) and rule.kind == "told")
    nothing = None if rate else 0
    return counted(plan, like.key, [nothing] * len(plan.buckets), nothing)


def keys_of(plan: Plan, found: Iterable[str]) -> list[str]:
    """The keys of the lines: all products where they are asked apart, else those that occurred."""
    if plan.question.by is None:
        return [""]
    return list(plan.products) if plan.question.by == "product" else sorted(found)


def types_of(plan: Plan, projection: Projection, product: str) -> frozenset[str]:
    """The event types behind the metric in one product."""
    rule = plan.metric.rule
    if isinstance(rule, Distinct | MeanOfDays | Trailing):
        return projection.ground.members(rule.set, product)
    if isinstance(rule, Sessions):
        return frozenset({"session" if projection.sums.has(product, "session") else "page_view"})
    return plan.metric.reads - NOT_ACTIVITY


def window_micros(rule: Cohort) -> int:
    """How long after entering a goal still counts."""
    return rule.window_days * DAY_MICROS
