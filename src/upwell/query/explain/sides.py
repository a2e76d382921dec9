"""What a rate is divided from, by key: for the parts of its change."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import msgspec

from upwell.metrics.catalog import Cohort, Ledger, Ratio
from upwell.query.desk import Desk
from upwell.query.explain.spread import SCALE
from upwell.query.plan import Plan
from upwell.query.revenue import ratios
from upwell.query.revenue.reading import Asked

PER_HEAD = {"arpa": ("mrr", "customers"), "asp": ("new_mrr", "new_customers")}
Sides = tuple[Fraction, Fraction]


def is_rate(plan: Plan) -> bool:
    """Whether the metric is one thing over another, or made of such."""
    rule = plan.metric.rule
    if isinstance(rule, Ledger) and rule.kind == "told":
        return plan.metric.unit in ("ratio", "number")
    return isinstance(rule, Ratio | Cohort) or (isinstance(rule, Ledger) and rule.kind == "rate")


def sides(desk: Desk, plan: Plan, until: int | None) -> dict[str, Sides] | None:
    """Numerator and denominator of each key over the whole span, up to an instant if one is given.

    None where the metric is no single such rate, as lifetime value.
    """
    if (pair := _divided(desk, plan)) is not None:
        above, below = (_amounts(desk, one, until) for one in pair)
        none = Fraction(0)
        keys = dict.fromkeys((*above, *below))
        return {key: (above.get(key, none), below.get(key, none)) for key in keys}
    rule = plan.metric.rule
    if not isinstance(rule, Ledger) or rule.kind != "rate":
        return None
    span = plan if until is None else plan.moved(plan.start, plan.zone.day_of(until) + 1)
    found = ratios.sides(Asked(span, desk.ledgers, until))
    if found is None:
        return None
    return {key: (Fraction(above), Fraction(below)) for key, (above, below) in found.items()}


def _amounts(desk: Desk, plan: Plan, until: int | None) -> dict[str, Fraction]:
    scale = SCALE if plan.metric.unit == "money" else 1
    return {key: Fraction(total or 0) / scale for key, total in desk.totals(plan, until).items()}


def _divided(desk: Desk, plan: Plan) -> tuple[Plan, Plan] | None:
    """The questions to what is divided, where each of them is a metric."""
    rule = plan.metric.rule
    if isinstance(rule, Ratio):
        return desk.sides(plan)
    if isinstance(rule, Cohort):
        reached = msgspec.structs.replace(rule, of="reached")
        return _counting(plan, reached), _counting(
            plan, msgspec.structs.replace(rule, of="entered")
        )
    if plan.metric.name not in PER_HEAD:
        return None
    catalogue = desk.projection.ground.catalogue
    money, heads = (catalogue[name] for name in PER_HEAD[plan.metric.name])
    assert plan.currency is not None
    return plan.about(money, plan.currency), plan.about(heads, plan.currency)


def _counting(plan: Plan, rule: Cohort) -> Plan:
    return replace(plan, metric=msgspec.structs.replace(plan.metric, unit="count", rule=rule))
