"""Rows of a whole book in the order of their groups, so that questions need not sort.

Everything asked here adds up over customers. So what was worked out once over many rows stays, and
when some customers' rows have changed, their old share is taken off and their new one added
(`Standing.sum`). The many rows are gone through again only when much has changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import ledger
from upwell.projection.book import Book, Rows
from upwell.query.revenue.part import (
    CHURN,
    NEW,
    REACTIVATION,
    Part,
    Scope,
    alive,
    attribute,
    chosen,
    covers,
)
from upwell.query.revenue.pieces import adjusted, late
from upwell.query.revenue.sums import I64, Mask, firsts, ranges

Arrays = tuple[NDArray[Any], ...]
MOST_TOUCHED = 0.05  # of all rows may belong to customers that changed, before all are read again
MOST_SCOPES = 12  # parts that are kept
MOST_SUMS = 400  # of each part


class Standing:
    """The rows of one scope as they stood when they were put in order, and what they came to."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.sums: OrderedDict[Hashable, Arrays] = OrderedDict()


class Shelf:
    """What is kept of one book: the order of its rows, parts of them, and their sums."""

    def __init__(self, book: Book, policy: MetricPolicy, weights: ledger.Weights) -> None:
        self.book, self.policy, self.weights = book, policy, weights
        self._lock = RLock()
        self._rows: Rows | None = None  # as they were when last put in order
        self._countries: NDArray[np.int32] = book.line_country  # the others never change
        self._orders: dict[bool, NDArray[np.int32]] = {}
        self._persons: NDArray[np.int32] | None = None  # of the rows in order
        self._parts: OrderedDict[Scope, Standing] = OrderedDict()
        self._touched: tuple[Rows, NDArray[np.int32]] | None = None

    def sum(self, scope: Scope, key: Hashable, work: Callable[[Part], Arrays]) -> Arrays:
        """What `work` makes of the scope's rows; it must add up over customers.

        Its arrays may be longer where the book has more names; `key` names the work.
        """
        with self._lock:
            rows = self._current()
            standing = self._standing(scope)
            found = standing.sums.get(key)
            if found is None:
                found = standing.sums[key] = work(standing.part)
                while len(standing.sums) > MOST_SUMS:
                    standing.sums.popitem(last=False)
            else:
                standing.sums.move_to_end(key)
            people = self._changed(rows)
            if not len(people):
                return found
            before = work(_of_people(standing.part, people))
            after = work(self._now(scope, rows, people))
            return tuple(_combined(*arrays) for arrays in zip(found, before, after, strict=True))

    def part(self, scope: Scope, people: NDArray[np.int32] | None = None) -> Part:
        """The scope's rows as they stand, of everybody or of some."""
        with self._lock:
            rows = self._current()
            if people is not None:
                return self._now(scope, rows, people)
            standing = self._standing(scope)
            changed = self._changed(rows)
            if not len(changed):
                return standing.part
            kept = standing.part.take(~np.isin(standing.part.person, changed))
            fresh = self._now(scope, rows, changed)
            both = kept.joined(fresh)
            return both.take(np.lexsort((both.at, both.group)))

    def _current(self) -> Rows:
        """The book's rows; where they have changed a lot, put in order again."""
        rows, countries = self.book.rows, self.book.line_country
        same = np.array_equal(self._countries, countries[: len(self._countries)])
        if self._rows is not None and same:
            many = max(1000, int(len(self._rows.line) * MOST_TOUCHED))
            if len(rows.line) - len(self._rows.line) < many and len(self._changed(rows)) < many:
                return rows
        self._rows, self._countries = rows, countries
        self._orders.clear()
        self._persons = None
        self._parts.clear()
        self._touched = None
        return rows

    def _changed(self, rows: Rows) -> NDArray[np.int32]:
        """The customers whose rows differ from those that were put in order."""
        assert self._rows is not None
        if self._touched is not None and self._touched[0] is rows:
            return self._touched[1]
        old = len(self._rows.line)
        people = rows.person[old:]
        then, now = self._rows.superseded_at, rows.superseded_at[:old]
        if then is not now:
            people = np.concatenate([people, rows.person[:old][then != now]])
        found = np.unique(people)
        self._touched = (rows, found)
        return found

    def _standing(self, scope: Scope) -> Standing:
        found = self._parts.get(scope)
        if found is None:
            assert self._rows is not None
            ordered = self._order(scope.apart)
            found = Standing(self._made(scope, self._rows, ordered))
            self._parts[scope] = found
            while len(self._parts) > MOST_SCOPES:
                self._parts.popitem(last=False)
        self._parts.move_to_end(scope)
        return found

    def _order(self, apart: bool) -> NDArray[np.int32]:
        """The rows that are put in order, by group and time."""
        if apart not in self._orders:
            assert self._rows is not None
            rows = self._rows
            by_time = np.argsort(rows.at, kind="stable")
            group = _groups(rows, apart)[by_time]
            order = by_time[np.argsort(group, kind="stable")].astype(np.int32)
            self._orders[apart] = order
        return self._orders[apart]

    def _now(self, scope: Scope, rows: Rows, people: NDArray[np.int32]) -> Part:
        """The rows of some people as they stand now."""
        assert self._rows is not None
        order = self._order(scope.apart)
        if self._persons is None:  # the same in either order
            self._persons = self._rows.person[order]
        low = np.searchsorted(self._persons, people, "left")
        high = np.searchsorted(self._persons, people, "right")
        old = order[ranges(low, high)].astype(np.int64)
        count = len(self._rows.line)
        late = count + np.flatnonzero(np.isin(rows.person[count:], people))
        index = np.concatenate([old, late])
        group = _groups(rows.take(index), scope.apart)
        return self._made(scope, rows, index[np.lexsort((rows.at[index], group))])

    def _made(self, scope: Scope, rows: Rows, ordered: NDArray[Any]) -> Part:
        """The part of the rows in this order that are of the scope, as closed months want it."""
        whole = self._known(scope._replace(pieces=()), rows, ordered)
        if not scope.pieces:
            return whole
        people = late(rows, scope.pieces)  # of all others every piece knows the same
        mine = ordered[np.isin(rows.person[ordered], people)]
        if not len(mine):
            return whole
        own = adjusted(
            scope.pieces,
            lambda at: self._known(scope._replace(known_at=at, pieces=()), rows, mine),
        )
        both = whole.take(~np.isin(whole.person, people)).joined(own)
        return both.take(np.lexsort((both.at, both.group)))

    def _known(self, scope: Scope, rows: Rows, ordered: NDArray[Any]) -> Part:
        """The part of the rows in this order that stand and are of the scope, classified."""
        few = len(ordered) < len(rows.line) // 4
        taken = rows.take(ordered) if few else rows
        wanted = alive(taken, scope.known_at)
        own = chosen(self.book, taken, scope)
        if own is not None:
            wanted &= own
        if few:
            index = np.flatnonzero(wanted)
            return self._classified(scope, taken.take(index), ordered[index].astype(np.int64))
        index = ordered[wanted[ordered]].astype(np.int64)
        return self._classified(scope, rows.take(index), index)

    def _classified(self, scope: Scope, rows: Rows, index: I64) -> Part:
        group = _groups(rows, scope.apart)
        if scope.split is not None:
            codes, names = attribute(self.book, scope.split)
            group = group * max(1, len(names)) + codes[rows.line]
            order = np.lexsort((rows.at, group))
            rows, index, group = rows.take(order), index[order], group[order]
        if scope.split is not None or scope.where:
            kind = self._again(rows, group)
        elif scope.apart or len(scope.products) == 1:
            kind = rows.by_product
        elif covers(self.book, scope):
            kind = rows.by_company
        else:
            kind = self._again(rows, group)
        return Part(
            place=index,
            group=group,
            person=rows.person,
            product=rows.product,
            currency=rows.currency,
            day=rows.day,
            at=rows.at,
            delta=rows.delta,
            line=rows.line,
            cause=rows.cause,
            kind=kind,
            head=_heads(group, rows.day, kind),
        )

    def _again(self, rows: Rows, group: I64) -> NDArray[np.uint8]:
        """The kinds of rows whose groups are others than the book's."""
        worth = ledger.worth_of(rows.person, rows.currency, rows.day, rows.delta, self.weights)
        return ledger.classify(
            group, rows.day, rows.delta, self.policy, at=rows.at, alive=rows.alive, worth=worth
        )


def _groups(rows: Rows, apart: bool) -> I64:
    if apart:
        return ledger.product_group(rows.person, rows.product)
    return rows.person.astype(np.int64)


def _heads(group: I64, day: NDArray[np.int32], kind: NDArray[np.uint8]) -> Mask:
    """The rows where a movement counts as one customer's; rows are by group and time.

    Who comes cannot come again before leaving: of the rows of a coming or a leaving, however many
    lines and days it has, the first one counts. Other movements count once a day.
    """
    found = firsts(group, day)
    comes = (kind == NEW) | (kind == REACTIVATION)
    moves = np.flatnonzero(comes | (kind == CHURN))
    found[moves] = firsts(group[moves], comes[moves])
    return found


def _of_people(part: Part, people: NDArray[np.int32]) -> Part:
    """The rows of some people, of a part that is by customer."""
    low = np.searchsorted(part.person, people, "left")
    return part.take(ranges(low, np.searchsorted(part.person, people, "right")))


def _combined(*arrays: NDArray[Any]) -> NDArray[Any]:
    """A total with the old share of some people taken off and their new one added.

    Names come to a book: where an array has fewer of them, the others are 0 in it.
    """
    shape = np.max([array.shape for array in arrays], axis=0)
    total, before, after = (
        array
        if array.shape == tuple(shape)
        else np.pad(array, [(0, n - own) for own, n in zip(array.shape, shape, strict=True)])
        for array in arrays
    )
    combined: NDArray[Any] = total - before + after
    return combined
