"""The lines of an answer before they are written down, and what every way of reading shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from upwell.event import NOT_ACTIVITY
from upwell.metrics.catalog import Cohort, Distinct, MeanOfDays, Net, Sessions, Sum
from upwell.period import DAY_MICROS
from upwell.projection import Projection
from upwell.query.plan import Plan

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


Amounts = dict[str, dict[str, dict[int, int]]]  # line key -> currency -> slot -> amount


def parts(rule: Sum | Net) -> tuple[tuple[Sum, int], ...]:
    """The sums that a rule adds and takes away."""
    return ((rule, 1),) if isinstance(rule, Sum) else ((rule.plus, 1), (rule.minus, -1))


def share(part: int, whole: int) -> float | None:
    """A ratio, or None where there is nothing to divide by."""
    return part / whole if whole else None


def types_of(plan: Plan, projection: Projection, product: str) -> frozenset[str]:
    """The event types behind the metric in one product."""
    rule = plan.metric.rule
    if isinstance(rule, Distinct | MeanOfDays):
        return projection.ground.members(rule.set, product)
    if isinstance(rule, Sessions):
        return frozenset({"session" if projection.sums.has(product, "session") else "page_view"})
    return plan.metric.reads - NOT_ACTIVITY


def window_micros(rule: Cohort) -> int:
    """How long after entering a goal still counts."""
    return rule.window_days * DAY_MICROS
