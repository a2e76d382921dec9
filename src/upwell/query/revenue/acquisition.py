"""What new customers cost and when they have paid it back: from spend and the ledger (R11)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import NamedTuple

import msgspec

from upwell.errors import Rejected
from upwell.metrics.catalog import Sum
from upwell.metrics.revenue import rates
from upwell.projection import Projection
from upwell.query.lines import APART, Number, Reading
from upwell.query.plan import Plan
from upwell.query.read import read as by_events
from upwell.query.revenue import measures
from upwell.query.revenue.apart import currencies_of, lines_of, separate
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.measures import by_bucket
from upwell.query.revenue.part import NEW
from upwell.query.revenue.reading import Asked

SPEND = Sum("spend", "value")


class Spent(NamedTuple):
    """Spend by key and local day, in nano-units; and what no rate could convert, by currency."""

    days: dict[str, dict[int, int]]
    unconverted: dict[str, int]


def read(plan: Plan, ledgers: Ledgers, projection: Projection) -> Reading:
    """The months until the new customers of each bucket have paid back what they cost."""
    if plan.hourly:
        raise Rejected(
            "no_such_grain",
            f"{plan.metric.title} is not kept by the hour.",
            fix="Ask by day or coarser.",
            where="grain",
        )
    if separate(plan, ledgers) and (currencies := currencies_of(plan, ledgers)):
        return lines_of(plan, currencies, lambda one: read(one, ledgers, projection))
    asked = Asked(plan, ledgers)
    lag, table = asked.policy.cac_lag_days, asked.table()
    spent = _spent(spend_of(plan, ledgers), ledgers, projection)
    sold = measures.of_kinds(table, (NEW,), 1)
    spans = [(b.first, min(b.end, plan.last)) for b in plan.buckets[: plan.begun]]
    found: dict[int, list[Number]] = {}
    for number, name in asked.keys(table):
        if number is None:
            continue
        days = spent.days.get(name, {})
        heads = by_bucket(table.moved[number, :, NEW], asked.cuts)
        flow = measures.flow(sold[number], asked.quotes)
        costs = [
            sum(amount for day, amount in days.items() if low - lag <= day < high - lag)
            for low, high in spans
        ]
        triples = [*zip(costs, heads, (v or 0 for v in flow.values), strict=True)]
        triples.append((sum(costs), sum(heads), sum(v or 0 for v in flow.values)))
        found[number] = [_months(asked, *one) for one in triples]
        for currency, units in flow.lost.items():
            spent.unconverted[currency] = spent.unconverted.get(currency, 0) + units
    reading = asked.counts(table, lambda n: found[n][:-1], lambda n: found[n][-1])
    missing = {name for number, name in asked.keys(table) if number is None}
    for line in reading.lines:
        if line.key in missing:
            line.values, line.total = [None] * len(line.values), None
    reading.unconverted = spent.unconverted
    return reading


def spend_of(plan: Plan, ledgers: Ledgers) -> Plan:
    """The question for the spend of those days, or of as many days before as the rules say."""
    lag = ledgers.policy(plan.question.policy).cac_lag_days
    metric = msgspec.structs.replace(plan.metric, rule=SPEND, unit="money")
    return replace(
        plan.moved(plan.start - lag, plan.last - lag).by_day(),
        metric=metric,
        currency=None if plan.only else ledgers.ground.currency,
        how="sums",
    )


def _spent(plan: Plan, ledgers: Ledgers, projection: Projection) -> Spent:
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    if plan.start >= plan.end:
        return Spent(found, {})
    reading = by_events(plan, projection, ledgers.rates)
    for line in reading.lines:
        name = line.key
        if plan.only is not None:
            if line.currency != plan.only:
                continue
            name = "" if name == plan.only else name.rpartition(APART)[0]
        for bucket, value in zip(plan.buckets, line.values, strict=True):
            if value:
                found[name][bucket.first] = int(value)
    return Spent(found, reading.unconverted)


def _months(asked: Asked, spent: int, customers: int, new_mrr: int) -> float | None:
    """Without any spend it is not known what customers cost: no value, rather than no time."""
    if not spent:
        return None
    each = rates.arpa(new_mrr, customers)
    found = rates.cac_payback(spent, customers, each, asked.margin)
    return None if found is None else float(found)
