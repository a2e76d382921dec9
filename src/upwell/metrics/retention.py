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
Reference = Literal["first", "previous"]


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
    bits. Without it, repeats of (actor, at) change nothing but how often somebody came.
    """

    actor: Ints
    at: Ints
    amount: Ints | None = None


class Frame(NamedTuple):
    """Which cells are asked for: cohorts `first` and on, a last complete distance for each.

    `ends` is the last distance of each column: 0, 1, 2, … or of brackets, column 0 by itself.
    `width` is one bucket, or a window in micros; `reach` is below 0 where not even column 0 is
    over. A bucket or window counts with at least so many returns.
    """

    first: int
    ends: Ints
    width: int
    reach: Ints
    at_least: int = 1

    @property
    def columns(self) -> int:
        """How many there are, column 0 included."""
        return len(self.ends)


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

    def means(self, code: int = 0, reference: Reference = "first") -> list[Fraction | None]:
        """Each column over its base, of the cohorts that are old enough for it (pooled).

        The base is column 0, or the `previous` column.
        """
        table = np.where(self.known, self.values[code], 0)
        bases = np.where(self.known, self._bases(code, reference), 0)
        return [
            ratio(int(part), int(whole))
            for part, whole in zip(table.sum(axis=0), bases.sum(axis=0), strict=True)
        ]

    def shares(self, code: int = 0, reference: Reference = "first") -> NDArray[np.float64]:
        """Each cell over its base; NaN where it is not over, or the base is nothing."""
        bases = self._bases(code, reference)
        found = np.full(bases.shape, np.nan)
        np.divide(self.values[code], bases, out=found, where=self.known & (bases != 0))
        return found

    def _bases(self, code: int, reference: Reference) -> Ints:
        table = self.values[code]
        if reference == "first":
            return np.repeat(table[:, :1], table.shape[1], axis=1)
        return np.concatenate([table[:, :1], table[:, :-1]], axis=1)


def calendar(first: int, end: int, ends: Ints, last: int, at_least: int = 1) -> Frame:
    """Cohorts [first, end) by calendar buckets, of which `last` is the last that is over."""
    return Frame(first, ends, 1, last - np.arange(first, end, dtype=np.int64), at_least)


def exact(
    first: int, closes: Sequence[int], ends: Ints, width: int, watermark: int, at_least: int = 1
) -> Frame:
    """Cohorts whose buckets close at `closes`, by windows of `width` from each one's own start.

    All in UTC micros. A cell is over when it is for whoever began last.
    """
    reach = (watermark - np.array(closes, dtype=np.int64)) // width - 1
    return Frame(first, ends, width, reach, at_least)


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

    `on` counts returns in the bucket (or bracket) itself, `on_or_after` in it or any later bucket
    that is over. A return in the bucket of the start is neither needed nor counted; money of that
    bucket is.
    """
    cohorts, money = len(frame.reach), returns.amount is not None
    sizes = np.zeros((codes, cohorts), dtype=np.int64)
    # The last column holds what lies beyond those asked for.
    found = np.zeros((codes, cohorts, frame.columns + 1), dtype=np.int64)
    after = counting == "on_or_after"
    amount = _NONE if returns.amount is None else returns.amount
    # By distance; what lies beyond the last column has no place.
    place = np.searchsorted(frame.ends, np.arange(int(frame.ends[-1]) + 1))
    _fill(starts, returns.actor, returns.at, amount, frame, place, after, sizes, found)
    if after:
        found[:, :, 1:] = np.cumsum(found[:, :, :0:-1], axis=2)[:, :, ::-1]
    known = frame.ends <= frame.reach[:, None]
    if not money:
        found[:, :, 0] = sizes
        known[:, 0] = True
    return Retention(frame.first, sizes, np.where(known, found[:, :, :-1], 0), known)


@compiled
def _fill(
    starts: Starts,
    who: Ints,
    when: Ints,
    amount: Ints,
    frame: Frame,
    place: Ints,
    after: bool,
    sizes: Ints,
    found: Ints,
) -> None:
    """Add each start's returns to its row; with `after`, people only at their furthest return."""
    actor, beyond, low = starts.actor, len(frame.ends), 0
    for row in range(len(actor)):
        cohort = starts.bucket[row] - frame.first
        if cohort < 0 or cohort >= len(frame.reach):
            continue
        while low < len(who) and who[low] < actor[row]:
            low += 1
        cells = found[starts.code[row], cohort]
        sizes[starts.code[row], cohort] += 1
        seen, times, before, at = 0, 0, 0, low
        while at < len(who) and who[at] == actor[row]:
            distance = when[at] - starts.origin[row]
            k = distance if frame.width == 1 else distance // frame.width
            if k > frame.reach[cohort]:
                break
            if k >= 0:
                column = place[k] if k < len(place) else beyond
                times = times + 1 if k == before else 1
                before = k
                if len(amount):
                    cells[column] += amount[at]
                elif column > seen and times >= frame.at_least:
                    if after and seen:
                        cells[seen] -= 1
                    cells[column] += 1
                    seen = column
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
    each, skipped = np.arange(len(actor)), int(frame.ends[k - 1])
    alone = Starts(actor, each, starts.origin[member] + skipped * frame.width, np.zeros_like(each))
    reach = np.full(len(actor), frame.reach[cohort - frame.first] - skipped)
    ends = np.array([0, frame.ends[k] - skipped], dtype=np.int64)
    own = Frame(0, ends, frame.width, reach, frame.at_least)
    back = retention(alone, returns._replace(amount=None), own, counting).values[0, :, 1] > 0
    return actor[back if stayed else ~back]


def warm() -> None:
    """Compile the loop, or read it from the cache, before anybody asks."""
    frame = calendar(0, 1, np.zeros(1, dtype=np.int64), 0)
    retention(Starts(_NONE, _NONE, _NONE, _NONE), Returns(_NONE, _NONE), frame)
