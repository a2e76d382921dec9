"""Movements by key, currency, slot and kind: what every revenue answer is made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.revenue.ledger import months
from upwell.projection.book import CAUSES, Book
from upwell.query.lines import MISSING
from upwell.query.revenue.cuts import Cuts
from upwell.query.revenue.part import (
    CAME,
    CHURN,
    GONE,
    MOVEMENTS,
    NEW,
    REACTIVATION,
    RESTATEMENT,
    Part,
    attribute,
)
from upwell.query.revenue.sums import I64, Mask, added, counted

SPLITS = ("product", "plan", "interval", "country", "currency", "source", "cause", "cohort")
STEADY = ("product", "plan", "interval", "country", "currency", "source", "cohort")
"""Dimensions in which a line, once there, stays: MRR can be split by them."""


class Table(NamedTuple):
    """Sums in millionths of minor units of each currency, and customers.

    `opening` [key, currency] is MRR before the first slot, `flow` [key, currency, slot, kind] its
    changes; `customers` [key] and `moved` [key, slot, kind] the same in numbers of customers. Every
    restatement is one kind of `flow`; in `moved` those that made or ended a customer stand apart,
    too. `worth` is `flow` in the currency shown, where each row has a rate of its own (`service`).
    """

    opening: I64
    flow: I64
    customers: I64
    moved: I64
    worth: I64 | None = None

    def wide(self, currencies: int) -> Table:
        """The table with room for currencies that have come to the book without any row here."""
        lack = currencies - self.opening.shape[1]
        if lack <= 0:
            return self
        opening = np.pad(self.opening, [(0, 0), (0, lack)])
        return self._replace(
            opening=opening, flow=np.pad(self.flow, [(0, 0), (0, lack), (0, 0), (0, 0)])
        )


def tabled(part: Part, book: Book, by: str | None, cuts: Cuts) -> Table:
    """The table of a part's rows; rows after the last slot are still to come."""
    codes, keys = coded(part, book, by)
    many, slots, kinds = max(1, len(book.currencies)), cuts.slots + 1, RESTATEMENT + 1
    inside, slot = placed(part, cuts)
    if not inside.all():
        part, codes, slot = part.take(inside), codes[inside], slot[inside]
    place = (codes.astype(np.int64) * many + part.currency) * slots + slot
    size = keys * many * slots * kinds
    kind = np.minimum(part.kind, RESTATEMENT)
    sums = added(place * kinds + kind, part.delta, size).reshape(keys, many, slots, kinds)
    kinds = len(MOVEMENTS)
    spot = ((codes.astype(np.int64) * slots + slot) * kinds + part.kind)[part.head]
    heads = counted(spot, keys * slots * kinds).reshape(keys, slots, kinds)
    heads[:, :, RESTATEMENT] += heads[:, :, CAME] + heads[:, :, GONE]
    came = comings(heads[:, 0])
    return Table(sums[:, :, 0].sum(axis=-1), sums[:, :, 1:], came, heads[:, 1:])


def comings(moved: I64) -> I64:
    """By how many customers counts by kind ([…, kind]) make more of them."""
    came = moved[..., [NEW, REACTIVATION, CAME]].sum(axis=-1)
    found: I64 = came - moved[..., [CHURN, GONE]].sum(axis=-1)
    return found


def coded(part: Part, book: Book, by: str | None) -> tuple[NDArray[np.integer], int]:
    """The key of each row as a number, and how many numbers there may be."""
    if by is None:
        return np.zeros(len(part.line), dtype=np.int8), 1
    if by == "cause":
        return part.cause, len(CAUSES)
    if by == "cohort":
        began = months(first_days(part)) - earliest(book)
        return began, int(began.max(initial=0)) + 1
    codes, names = attribute(book, by)
    return codes[part.line], max(1, len(names))


def earliest(book: Book) -> int:
    """The month of the first movement, counted from January 1970: the first cohort."""
    day = book.rows.day
    return int(months(day.min(keepdims=True))[0]) if len(day) else 0


def names_of(book: Book, by: str | None, count: int) -> list[str]:
    """What the keys' numbers stand for."""
    if by is None:
        return [""]
    if by == "cause":
        return list(CAUSES)
    if by == "cohort":
        first = earliest(book)
        return [f"{1970 + n // 12}-{n % 12 + 1:02d}" for n in range(first, first + count)]
    return [name or MISSING for name in attribute(book, by)[1]][:count]


def first_days(part: Part) -> NDArray[np.int32]:
    """For each row the day on which its group first paid; rows are by group and time."""
    begins = np.flatnonzero(np.append(True, part.group[1:] != part.group[:-1])[: len(part.group)])
    sizes = np.diff(np.append(begins, len(part.group)))
    return np.repeat(part.day[begins], sizes)


def later(part: Part, cuts: Cuts) -> I64:
    """The rows from the instant up to which is asked, on the last day or hour of the cuts."""
    last = part.at < cuts.edges[-1] if cuts.instants else part.day == cuts.edges[-1] - 1
    rows = np.flatnonzero(last)
    return rows[part.at[rows] >= (cuts.until or 0)]


def placed(part: Part, cuts: Cuts) -> tuple[Mask, I64]:
    """Which rows are not still to come, and the slot of each: from 1 on, 0 for those before."""
    when = part.at if cuts.instants else part.day
    inside = when < cuts.edges[-1]
    if cuts.until is not None:
        inside &= part.at < cuts.until
    if cuts.instants or not len(when):
        return inside, np.searchsorted(cuts.edges, when, side="right")
    low, high = int(when.min()), int(when.max()) + 1
    table = np.searchsorted(cuts.edges, np.arange(low, high), side="right")
    slots: I64 = table.astype(np.int64)[when - low]
    return inside, slots
