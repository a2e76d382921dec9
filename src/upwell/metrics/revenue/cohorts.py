"""Retention of customers and of their MRR, by the period in which they began to pay (R13)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.ledger import (
    CHURN,
    NEW,
    REACTIVATION,
    Ints,
    begins,
    last_true,
    movements,
    running,
)
from upwell.metrics.revenue.rates import ratio


class Cohorts(NamedTuple):
    """One row a cohort, one column a period: column 0 as they began, column k the end of period k.

    Column 0 holds all who began, each with the MRR of that day, also those who left before the
    period ended. Cells of periods that are not over hold 0; `shares` says None for them.
    """

    customers: Ints
    mrr: Ints


def cohorts(
    group: Ints,
    day: NDArray[np.int32],
    delta: Ints,
    policy: MetricPolicy,
    edges: Sequence[int],
    *,
    at: Ints | None = None,
    alive: NDArray[np.int8] | None = None,
    worth: Ints | None = None,
) -> Cohorts:
    """The cohorts that began within `edges`: first days of the periods, and the end of the last.

    Rows as for `ledger.classify`, from the beginning on; `worth` is the delta in the currency
    shown. All periods given are taken to be over: leave out one that is not.
    """
    periods = len(edges) - 1
    moved = movements(group, day, delta, policy, at=at, alive=alive, worth=worth)
    opens = begins(moved.group)
    new = moved.kind == NEW
    began = new & (running(new.astype(np.int64), opens) == 1)
    start = last_true(began)
    period = np.searchsorted(edges, moved.day, side="right") - 1
    cohort = period[start]
    chosen = began[start] & (start >= last_true(opens)) & (cohort >= 0) & (period < periods)
    cells = cohort[chosen], period[chosen]
    turn = np.isin(moved.kind, (NEW, REACTIVATION)).astype(np.int64) - (moved.kind == CHURN)
    firsts = cohort[chosen & began]
    return Cohorts(
        _table(cells, turn[chosen], firsts, turn[chosen & began], periods),
        _table(cells, moved.net[chosen], firsts, moved.net[chosen & began], periods),
    )


def _table(
    cells: tuple[NDArray[np.intp], NDArray[np.intp]],
    change: Ints,
    firsts: NDArray[np.intp],
    initial: Ints,
    periods: int,
) -> Ints:
    changes = np.zeros((periods, periods), dtype=np.int64)
    np.add.at(changes, cells, change)
    ends = np.cumsum(changes, axis=1)
    found = np.zeros((periods, periods), dtype=np.int64)
    for cohort in range(periods):
        found[cohort, : periods - cohort] = ends[cohort, cohort:]
    found[:, 0] = 0
    np.add.at(found[:, 0], firsts, initial)
    return found


def shares(table: Ints) -> list[list[Fraction | None]]:
    """Each cohort's cells over its column 0; None where not over, or where nobody began."""
    periods = len(table)
    return [
        [ratio(int(row[k]), int(row[0])) if cohort + k < periods else None for k in range(periods)]
        for cohort, row in enumerate(table)
    ]


def pooled(table: Ints) -> list[Fraction | None]:
    """Each column over the beginnings of those cohorts that are old enough for it."""
    periods = len(table)
    return [
        ratio(int(table[: periods - k, k].sum()), int(table[: periods - k, 0].sum()))
        for k in range(periods)
    ]


def by_own_age(
    started: NDArray[np.int32], day: NDArray[np.int32], amount: Ints, width: int = 30
) -> list[int]:
    """Sums by age, each customer counted from the own first day: ages 0 to 29 days, 30 to 59, …

    RevenueCat's way; `started` is the first day of the customer of each row.
    """
    age = (day - started) // width
    sums = np.zeros(int(age.max(initial=-1)) + 1, dtype=np.int64)
    np.add.at(sums, age, amount)
    return [int(total) for total in sums]
