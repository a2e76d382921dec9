"""Who comes back: people grouped by when they began, and what became of each group.

Buckets are numbers of `period.numbers`, so that k is a difference. Distances are counted in
calendar buckets, or in windows of hours from each person's own start (`exact`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled
from upwell.metrics.revenue.ledger import Ints, begins
from upwell.metrics.revenue.rates import ratio

_NONE = np.empty(0, dtype=np.int64)

Rule = Literal["first_time", "recurring", "first_ever"]
Counting = Literal["on", "on_or_after"]


class Starts(NamedTuple):
    """Who began in which bucket: one row an actor, bucket and value of the breakdown.

    Rows are sorted by actor, an actor's by the time of the event. `origin` is what distances are
    measured from: the bucket itself, or the UTC micros of the first such event in it. `code`
    counts the values of the breakdown from 0.
    """

    actor: Ints
    bucket: Ints
    origin: Ints
    code: Ints


class Returns(NamedTuple):
    """Who came back when, sorted by actor, then `at`, which is in the unit of the origins.

    With `amount` money is added up instead of people; the unit is the caller's, sums stay in 64
    bits. Without it, repeats of (actor, at) change nothing.
    """

    actor: Ints
    at: Ints
    amount: Ints | None = None


class Frame(NamedTuple):
    """Which cells are asked for: cohorts `first` and on, a last complete column for each.

    `columns` counts column 0; `width` is one bucket, or a window in micros; `reach` is below 0
    where not even column 0 is over.
    """

    first: int
    columns: int
    width: int
    reach: Ints


class Retention(NamedTuple):
    """One row a cohort, one column a distance; column 0 is the size, or the money of that bucket.

    `sizes` (codes, cohorts) are people. `values` (codes, cohorts, columns) hold 0 where `known`
    (cohorts, columns) is False: the cell is not over yet.
    """

    first: int
    sizes: Ints
    values: Ints
    known: NDArray[np.bool_]

    def rows(self, code: int = 0) -> list[list[int | None]]:
        """The cells of one value of the breakdown; None where not over."""
        return [
            [int(value) if known else None for value, known in zip(row, over, strict=True)]
            for row, over in zip(self.values[code], self.known, strict=True)
        ]

    def means(self, code: int = 0) -> list[Fraction | None]:
        """Each column over the column 0 of the cohorts that are old enough for it (pooled)."""
        table = np.where(self.known, self.values[code], 0)
        bases = np.where(self.known, self.values[code][:, :1], 0)
        return [
            ratio(int(part), int(whole))
            for part, whole in zip(table.sum(axis=0), bases.sum(axis=0), strict=True)
        ]


def calendar(first: int, end: int, columns: int, last: int) -> Frame:
    """Cohorts [first, end) by calendar buckets, of which `last` is the last that is over."""
    return Frame(first, columns, 1, last - np.arange(first, end, dtype=np.int64))


def exact(first: int, closes: Sequence[int], columns: int, width: int, watermark: int) -> Frame:
    """Cohorts whose buckets close at `closes`, by windows of `width` from each one's own start.

    All in UTC micros. A cell is over when it is for whoever began last.
    """
    reach = (watermark - np.array(closes, dtype=np.int64)) // width - 1
    return Frame(first, columns, width, reach)


def began(rule: Rule, starts: Starts, matches: NDArray[np.bool_] | None = None) -> Starts:
    """The rows that count as beginnings.

    `recurring` keeps all; the others an actor's first, so their rows reach back over all history.
    For `first_ever` the rows are of the event whatever its properties, and `matches` says which
    have those asked for: whose first has not, is out.
    """
    if rule == "recurring":
        return starts
    chosen = begins(starts.actor)
    if matches is not None:
        chosen &= matches
    return Starts(*(column[chosen] for column in starts))


def retention(
    starts: Starts, returns: Returns, frame: Frame, counting: Counting = "on", codes: int = 1
) -> Retention:
    """The table of those who began within the frame; `codes` is how many values the breakdown has.

    `on` counts returns in the bucket itself, `on_or_after` in it or any later one that is over. A
    return in the bucket of the start is neither needed nor counted; money of that bucket is.
    """
    cohorts, money = len(frame.reach), returns.amount is not None
    sizes = np.zeros((codes, cohorts), dtype=np.int64)
    # The last column holds what lies beyond those asked for.
    found = np.zeros((codes, cohorts, frame.columns + 1), dtype=np.int64)
    after = counting == "on_or_after"
    amount = _NONE if returns.amount is None else returns.amount
    _fill(starts, returns.actor, returns.at, amount, frame, after, sizes, found)
    if after:
        found[:, :, 1:] = np.cumsum(found[:, :, :0:-1], axis=2)[:, :, ::-1]
    known = np.arange(frame.columns) <= frame.reach[:, None]
    if not money:
        found[:, :, 0] = sizes
        known[:, 0] = True
    return Retention(frame.first, sizes, found[:, :, :-1], known)


@compiled
def _fill(
    starts: Starts,
    who: Ints,
    when: Ints,
    amount: Ints,
    frame: Frame,
    after: bool,
    sizes: Ints,
    found: Ints,
) -> None:
    """Add each start's returns to its row; with `after`, people only at their furthest return."""
    actor, beyond, low = starts.actor, frame.columns, 0
    for row in range(len(actor)):
        cohort = starts.bucket[row] - frame.first
        if cohort < 0 or cohort >= len(frame.reach):
            continue
        while low < len(who) and who[low] < actor[row]:
            low += 1
        cells = found[starts.code[row], cohort]
        sizes[starts.code[row], cohort] += 1
        seen, at = 0, low
        while at < len(who) and who[at] == actor[row]:
            distance = when[at] - starts.origin[row]
            k = distance if frame.width == 1 else distance // frame.width
            if k > frame.reach[cohort]:
                break
            if len(amount) and k >= 0:
                cells[min(k, beyond)] += amount[at]
            elif k > seen:
                if after and seen:
                    cells[min(seen, beyond)] -= 1
                cells[min(k, beyond)] += 1
                seen = k
            at += 1


def people(
    starts: Starts,
    returns: Returns,
    frame: Frame,
    cohort: int,
    k: int,
    counting: Counting = "on",
    *,
    stayed: bool,
    code: int = 0,
) -> Ints:
    """The actors of cohort `cohort` (a bucket) whom cell k counts, or those whom it does not.

    Ascending, for the same arguments as `retention`. Whoever has a return counts, whatever money
    it brought.
    """
    member = (starts.bucket == cohort) & (starts.code == code)
    actor: Ints = starts.actor[member]
    if k == 0:
        return actor if stayed else actor[:0]
    # Each is a cohort of one, whose column 1 is k.
    each, skipped = np.arange(len(actor)), (k - 1) * frame.width
    alone = Starts(actor, each, starts.origin[member] + skipped, np.zeros_like(each))
    reach = np.full(len(actor), frame.reach[cohort - frame.first] - (k - 1))
    own = Frame(0, 2, frame.width, reach)
    back = retention(alone, returns._replace(amount=None), own, counting).values[0, :, 1] > 0
    return actor[back if stayed else ~back]


def warm() -> None:
    """Compile the loop, or read it from the cache, before anybody asks."""
    retention(Starts(_NONE, _NONE, _NONE, _NONE), Returns(_NONE, _NONE), calendar(0, 1, 1, 0))
