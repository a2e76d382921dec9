"""Where a question cuts time: slots for sums, each within one bucket and one fiscal year."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.period import Bucket, add_months, to_date, to_day
from upwell.query.plan import Plan


class Cuts(NamedTuple):
    """Edges of consecutive slots, and which of them make up each bucket that has begun.

    `edges` has one more entry than there are slots: days, or UTC micros where `instants`. `days`
    is the first local day of each slot, `ends` the last day of the bucket that holds it. Rows from
    the instant `until` on are still to come.
    """

    edges: NDArray[np.int64]
    instants: bool
    days: tuple[int, ...]
    ends: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    until: int | None = None

    @property
    def slots(self) -> int:
        """How many there are."""
        return len(self.days)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for cuts that divide rows alike."""
        return self.edges.tobytes(), self.instants, self.until


def cuts(plan: Plan, fiscal_start: int) -> Cuts:
    """The cuts of a question's buckets."""
    begun = plan.buckets[: plan.begun]
    if plan.hourly:
        return _hourly(begun)
    breaks = _starts(plan.start, plan.last, fiscal_start)
    edges: list[int] = []
    ends: list[int] = []
    spans = []
    for bucket in begun:
        end = min(bucket.end, plan.last)
        inner = sorted(day for day in breaks if bucket.first < day < end)
        spans.append((len(edges), len(edges) + 1 + len(inner)))
        edges += [bucket.first, *inner]
        ends += [end - 1] * (1 + len(inner))
    days = tuple(edges)
    last = ends[-1] + 1 if ends else plan.start
    return Cuts(np.array([*edges, last], dtype=np.int64), False, days, tuple(ends), tuple(spans))


def between(bounds: Sequence[int]) -> Cuts:
    """Consecutive spans of days as slots, each a bucket of its own."""
    days = tuple(bounds[:-1])
    ends = tuple(bound - 1 for bound in bounds[1:])
    spans = tuple((n, n + 1) for n in range(len(days)))
    return Cuts(np.array(bounds, dtype=np.int64), False, days, ends, spans)


@lru_cache(maxsize=8_192)
def fiscal_year(day: int, fiscal_start: int) -> int:
    """The first day of the fiscal year that holds the day; `fiscal_start` is its first month."""
    date = to_date(day)
    year = date.year if date.month >= fiscal_start else date.year - 1
    return to_day(dt.date(year, fiscal_start, 1))


def _starts(start: int, end: int, fiscal_start: int) -> set[int]:
    """The first days of the fiscal years that begin within the days."""
    found, day = set(), fiscal_year(start, fiscal_start)
    while day < end:
        if day > start:
            found.add(day)
        day = to_day(add_months(to_date(day), 12))
    return found


def _hourly(begun: list[Bucket]) -> Cuts:
    opens = [bucket.opens for bucket in begun]
    days = tuple(bucket.first for bucket in begun)
    last = begun[-1].closes if begun else 0
    spans = tuple((i, i + 1) for i in range(len(opens)))
    return Cuts(np.array([*opens, last], dtype=np.int64), True, days, days, spans)
