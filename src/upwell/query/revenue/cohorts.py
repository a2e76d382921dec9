"""Retention of customers and of their MRR, by the period in which they began to pay (R13)."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np

from upwell.metrics.revenue import cohorts as maths
from upwell.money import major
from upwell.period import to_date
from upwell.query.plan import Plan
from upwell.query.revenue.exchange import factors, nanos_of
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import Part
from upwell.query.revenue.reading import Asked, scope_of
from upwell.query.revenue.shapes import Cohort, Cohorts
from upwell.query.revenue.sums import I64

Measure = Literal["customers", "mrr"]


def cohorts(plan: Plan, ledgers: Ledgers, measure: Measure) -> Cohorts:
    """The cohorts that began in the plan's buckets; what is not over yet has no value.

    Money is at one set of rates, those fixed for the last bucket.
    """
    asked, money = Asked(plan, ledgers), measure == "mrr"
    begun = plan.buckets[: plan.begun]
    over = sum(bucket.closes <= plan.seen for bucket in begun)
    currency = plan.currency or ledgers.ground.currency
    if not begun:
        return Cohorts(
            grain=plan.question.grain, currency=None, cohorts=(), mean=(), only=plan.only
        )
    edges = [*(bucket.first for bucket in begun), min(begun[-1].end, plan.last)]
    table = _table(asked, edges)[money]
    shares = maths.shares(table)
    for number, row in enumerate(shares):
        row[max(1, over - number) :] = [None] * (len(row) - max(1, over - number))
    sizes = [int(row[0]) for row in table]
    return Cohorts(
        grain=plan.question.grain,
        currency=currency if money else None,
        cohorts=tuple(
            Cohort(
                start=to_date(bucket.first),
                size=major(nanos_of(size, currency), currency) if money else size,
                values=tuple(_number(share) for share in row),
            )
            for bucket, size, row in zip(begun, sizes, shares, strict=True)
        ),
        mean=tuple(_number(share) for share in maths.pooled(table[:over, :over])),
        only=plan.only,
    )


def _table(asked: Asked, edges: list[int]) -> tuple[I64, I64]:
    """Customers and MRR by cohort and age."""
    book, policy = asked.book, asked.policy
    worth = factors(asked.exchange, book.currencies, edges[-1] - 1)

    def work(part: Part) -> tuple[I64, ...]:
        same = bool((worth == 1.0).all())
        own = part.delta if same else np.rint(part.delta * worth[part.currency]).astype(np.int64)
        alive = book.rows.alive[part.place]
        found = maths.cohorts(
            part.group, part.day, part.delta, policy, edges, at=part.at, alive=alive, worth=own
        )
        return tuple(found)

    key = ("cohorts", tuple(edges), asked.exchange.target)
    customers, mrr = asked.shelf.sum(scope_of(asked.plan), key, work)
    return customers, mrr


def _number(share: Fraction | None) -> float | None:
    return None if share is None else float(share)
