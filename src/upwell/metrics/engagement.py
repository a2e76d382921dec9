"""How people use a product over time: new, returning, back again, gone quiet; how often they come.

All of it follows from *gaps*: for each bucket with activity, the active bucket before it. An actor
is counted once in a span by the one row whose earlier bucket lies before the span, so counts of
gaps are enough for distinct people, for days and for any coarser grain, without a list of actors.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.revenue.ledger import Ints, begins
from upwell.metrics.revenue.rates import ratio
from upwell.period import Grain, numbers

NONE = -1  # no earlier bucket: the actor's first

Kind = Literal["new", "returning", "resurrecting", "dormant"]


class Pairs(NamedTuple):
    """Distinct (actor, bucket) pairs sorted by actor, then bucket; buckets are 0 or more."""

    actor: Ints
    bucket: Ints


class Gaps(NamedTuple):
    """`people` actors were active in `bucket`, and before that last in `earlier` (or NONE).

    Rows in any order; the same (bucket, earlier) may come again, also to take some back.
    """

    bucket: Ints
    earlier: Ints
    people: Ints


class Lifecycle(NamedTuple):
    """People by bucket. Where `complete` is False the bucket runs on, and `dormant` may shrink."""

    new: Ints
    returning: Ints
    resurrecting: Ints
    dormant: Ints
    active: Ints
    complete: NDArray[np.bool_]


class Stickiness(NamedTuple):
    """`exact[k - 1]` people were active in k buckets of the range, `cumulative[k - 1]` in k on.

    `active` are people by bucket, `people` those of the whole range.
    """

    exact: Ints
    cumulative: Ints
    active: Ints
    people: int

    def mean_active(self) -> Fraction | None:
        """People in a mean bucket (mean DAU, where buckets are days)."""
        return ratio(int(self.active.sum()), len(self.active))

    def share(self) -> Fraction | None:
        """People in a mean bucket over those of the whole range (DAU/WAU for seven days)."""
        return ratio(int(self.active.sum()), len(self.active) * self.people)


def distinct(actor: Ints, bucket: Ints, at_least: int = 1) -> Pairs:
    """Pairs from rows sorted by actor, then bucket, with repeats: days made weeks, for example.

    Those with fewer than `at_least` rows are left out.
    """
    first = np.flatnonzero(begins(actor, bucket))
    if at_least > 1:
        first = first[np.diff(first, append=len(actor)) >= at_least]
    return Pairs(actor[first], bucket[first])


def gaps_of(pairs: Pairs) -> Gaps:
    """The gap before each pair; the pairs reach back over all history."""
    earlier = np.full(len(pairs.bucket), NONE, dtype=np.int64)
    earlier[1:] = np.where(pairs.actor[1:] == pairs.actor[:-1], pairs.bucket[:-1], NONE)
    return Gaps(pairs.bucket, earlier, np.ones(len(earlier), dtype=np.int64))


def coarser(days: Gaps, grain: Grain, week_start: int = 0) -> Gaps:
    """Gaps between days as gaps between weeks, months …, numbered as `period.numbers` does.

    An actor's first day in a week is the row whose earlier day lies in another week, and that is
    the active week before.
    """
    # Looked up: there are far fewer days than rows. The last place is what NONE, -1, points at.
    table = numbers(np.arange(int(days.bucket.max(initial=0)) + 2), grain, week_start)
    table[NONE] = NONE
    bucket, earlier = table[days.bucket], table[days.earlier]
    first = earlier < bucket
    return Gaps(bucket[first], earlier[first], days.people[first])


def lifecycle(gaps: Gaps, first: int, end: int, last: int) -> Lifecycle:
    """New, returning, resurrecting and dormant people of buckets [first, end); `lifecycle_of`."""
    return lifecycle_of(within(turnout(gaps), first - 1, end), first, last)


def turnout(gaps: Gaps) -> Ints:
    """By [new, returning, resurrecting] and bucket how many were active; adds up over gaps."""
    buckets = int(gaps.bucket.max(initial=-1)) + 1
    kind = np.where(gaps.earlier == NONE, 0, np.where(gaps.earlier == gaps.bucket - 1, 1, 2))
    # As floats: exact up to 9e15 people.
    counts = np.bincount(kind * buckets + gaps.bucket, gaps.people, 3 * buckets)
    return counts.astype(np.int64).reshape(3, buckets)


def within(table: Ints, first: int, end: int) -> Ints:
    """The columns [first, end) of a table, with zeros where it has none."""
    found = np.zeros((*table.shape[:-1], max(0, end - first)), dtype=np.int64)
    low, high = max(first, 0), min(end, table.shape[-1])
    if low < high:
        found[..., low - first : high - first] = table[..., low:high]
    return found


def lifecycle_of(counts: Ints, first: int, last: int) -> Lifecycle:
    """The lifecycle of the buckets from `first` on, of which `counts` begin one bucket before.

    `last` is the last bucket that is over. New is the first bucket ever with such an event, so
    counts are of all history. active(p) = active(p-1) - dormant(p) + new(p) + resurrecting(p).
    """
    new, returning, resurrecting = counts
    active = new + returning + resurrecting
    end = first + counts.shape[1] - 1
    dormant = active[:-1] - returning[1:]
    complete = np.arange(first, end) <= last
    return Lifecycle(new[1:], returning[1:], resurrecting[1:], dormant, active[1:], complete)


def lifecycle_people(pairs: Pairs, kind: Kind, bucket: int) -> Ints:
    """The actors of one bar, ascending; the pairs reach back over all history."""
    if kind == "dormant":
        at = np.flatnonzero(pairs.bucket == bucket - 1)
        return pairs.actor[at[~_beside(pairs, at, 1, bucket)]]
    at = np.flatnonzero(pairs.bucket == bucket)
    later = np.zeros(len(at), dtype=np.bool_)
    later[at > 0] = pairs.actor[at[at > 0]] == pairs.actor[at[at > 0] - 1]
    if kind == "new":
        return pairs.actor[at[~later]]
    returning = _beside(pairs, at, -1, bucket - 1)
    return pairs.actor[at[returning if kind == "returning" else later & ~returning]]


def _beside(
    pairs: Pairs, at: NDArray[np.intp], step: Literal[-1, 1], bucket: int
) -> NDArray[np.bool_]:
    """Which rows have the same actor in `bucket` on the row before or after."""
    other = np.clip(at + step, 0, len(pairs.actor) - 1)
    beside: NDArray[np.bool_] = pairs.actor[other] == pairs.actor[at]
    beside &= pairs.bucket[other] == bucket
    return beside


def rolling(gaps: Gaps, width: int, first: int, end: int) -> Ints:
    """Distinct people active in the `width` days up to and including each day of [first, end)."""
    return within(np.cumsum(within(coming(gaps, width), 0, end)), first, end)


def coming(gaps: Gaps, width: int) -> Ints:
    """By day by how much the people active in the `width` days up to it are more than a day before.

    A day covers the `width` days from it; what the day before it of the same actor did not cover
    is +1 at its start and -1 after its end, so that a year is one running sum. Adds up over gaps.
    """
    covered = np.where(gaps.earlier == NONE, NONE, gaps.earlier + width)
    starts, stops = np.maximum(gaps.bucket, covered), gaps.bucket + width
    days = int(stops.max(initial=-1)) + 1
    # As floats: exact up to 9e15 people.
    change = np.bincount(starts, gaps.people, days) - np.bincount(stops, gaps.people, days)
    return change.astype(np.int64)


def stickiness(pairs: Pairs, first: int, end: int) -> Stickiness:
    """In how many of the buckets [first, end) each actor was active, counted."""
    inside = (pairs.bucket >= first) & (pairs.bucket < end)
    _, times = _frequency(pairs.actor[inside])
    exact = np.bincount(times, minlength=end - first + 1)[1:].astype(np.int64)
    cumulative = np.cumsum(exact[::-1])[::-1]
    active = np.bincount(pairs.bucket[inside] - first, minlength=end - first).astype(np.int64)
    return Stickiness(exact, cumulative, active, len(times))


def sticky_people(pairs: Pairs, first: int, end: int, times: int, *, or_more: bool = False) -> Ints:
    """The actors active in exactly `times` buckets of [first, end), or in that many or more."""
    inside = (pairs.bucket >= first) & (pairs.bucket < end)
    actor, found = _frequency(pairs.actor[inside])
    return actor[(found >= times) if or_more else (found == times)]


def _frequency(actor: Ints) -> tuple[Ints, Ints]:
    """Each actor of a sorted column, and on how many rows."""
    at = np.flatnonzero(begins(actor))
    return actor[at], np.diff(at, append=len(actor)).astype(np.int64)
