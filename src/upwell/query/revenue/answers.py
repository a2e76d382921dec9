"""Which revenue metric is answered how: one function a family, over the question's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from upwell.errors import Rejected
from upwell.metrics.catalog import Ledger
from upwell.projection import Projection
from upwell.query.elapsed import elapsed_totals
from upwell.query.lines import Number, Reading, added
from upwell.query.plan import How, Plan
from upwell.query.read import read as by_events
from upwell.query.revenue import beside, measures, ratios
from upwell.query.revenue.apart import currencies_of, lines_of, separate
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.measures import COUNTS, FLOWS, by_bucket, customers
from upwell.query.revenue.reading import Asked, check


def read(plan: Plan, ledgers: Ledgers, until: int | None = None) -> Reading:
    """Every line of a revenue question over its days, up to an instant if one is given."""
    if separate(plan, ledgers) and (currencies := currencies_of(plan, ledgers)):
        return lines_of(plan, currencies, lambda one: read(one, ledgers, until))
    asked, name = Asked(plan, ledgers, until), plan.metric.name
    if name == "net_new_mrr":
        return _net(asked)
    if name in FLOWS:
        return _flows(asked, *FLOWS[name])
    if name in ("mrr", "arr"):
        return _stock(asked, 12 if name == "arr" else 1)
    if name in COUNTS:
        return _moved(asked, COUNTS[name])
    if name == "customers":
        return _customers(asked)
    if plan.hourly:
        raise Rejected(
            "no_such_grain",
            f"{plan.metric.title} is not kept by the hour.",
            fix="Ask by day or coarser.",
            where="grain",
        )
    return ratios.read(asked)


def movements(plan: Plan, ledgers: Ledgers, projection: Projection) -> Reading:
    """The lines of a question; of products without a ledger those of the events that stand in."""
    if isinstance(plan.metric.rule, Ledger) and plan.metric.rule.kind == "told":
        check(plan)
        return beside.read(plan, ledgers, projection)
    reading, rest = read(plan, ledgers), unbilled(plan, ledgers)
    if rest is None:
        return reading
    lines = {line.key: line for line in reading.lines}
    apart = bool(lines) and separate(plan, ledgers)
    for other in by_events(rest, projection, ledgers.rates).lines:
        mine = lines.get(other.key)
        if mine is None:
            if other.total or not apart:  # of no currency, there is only a line for something
                reading.lines.append(other)
            continue
        mine.values = [added(pair) for pair in zip(mine.values, other.values, strict=True)]
        mine.total = added([mine.total, other.total])
    return reading


def unbilled(plan: Plan, ledgers: Ledgers) -> Plan | None:
    """The same question to the events of the products that no billing source tells of."""
    rule = plan.metric.rule
    billed = ledgers.billed()
    rest = tuple(product for product in plan.products if product not in billed)
    if not isinstance(rule, Ledger) or rule.events is None or not rest:
        return None
    narrowed = plan.question.where or plan.among is not None
    kept = plan.question.by in (None, "product") and not narrowed
    how: How = "sums" if kept else "scan"
    metric = msgspec.structs.replace(plan.metric, rule=rule.events)
    return replace(plan, metric=metric, products=rest, how=how)


def elapsed(plan: Plan, ledgers: Ledgers, projection: Projection, until: int) -> dict[str, Number]:
    """The totals of a span up to the instant `until`, by key."""
    part = plan.moved(plan.start, plan.zone.day_of(until) + 1)
    if isinstance(plan.metric.rule, Ledger) and plan.metric.rule.kind == "told":
        told = movements(replace(part, now=min(part.now, until)), ledgers, projection)
        return {line.key: line.total for line in told.lines}
    reading = read(part, ledgers, until)
    rest = unbilled(plan, ledgers)
    totals = {line.key: line.total for line in reading.lines}
    if rest is not None:
        for key, total in elapsed_totals(rest, projection, ledgers.rates, until).items():
            totals[key] = added([totals.get(key), total])
    return totals


def _flows(asked: Asked, kinds: Sequence[int], sign: int) -> Reading:
    table = asked.table()
    moved = measures.of_kinds(table, kinds, sign)
    return asked.money(table, lambda key, quotes: measures.flow(moved[key], quotes))


def _net(asked: Asked) -> Reading:
    table = asked.table()
    bars = [measures.of_kinds(table, kinds, 1) for kinds in measures.BARS]
    return asked.money(
        table,
        lambda key, quotes: measures.together([measures.flow(bar[key], quotes) for bar in bars]),
    )


def _stock(asked: Asked, times: int) -> Reading:
    table = asked.table()
    levels = measures.levels(table, asked.cuts) * times
    return asked.money(table, lambda key, quotes: measures.stock(levels[key], quotes))


def _moved(asked: Asked, kind: int) -> Reading:
    table = asked.table()
    values = [by_bucket(slots, asked.cuts) for slots in table.moved[:, :, kind]]
    return asked.counts(table, lambda key: values[key], lambda key: sum(values[key]))


def _customers(asked: Asked) -> Reading:
    table = asked.table(asked.members)
    there = customers(table)
    last = [high - 1 for _, high in asked.cuts.spans]
    return asked.counts(
        table,
        lambda key: there[key, last].tolist(),
        lambda key: int(there[key, -1]),
    )
