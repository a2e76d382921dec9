"""Rows of a whole book in the order of their groups, so that questions need not sort.

What is kept of them moves on with the customers whose rows have changed (`standing.py`). The many
rows are gone through again only when much has changed.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any, NamedTuple

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
from upwell.query.revenue.standing import (
    MOST_STEPS,
    Arrays,
    Splice,
    Standing,
    Work,
    combined,
    of_people,
    with_people,
)
from upwell.query.revenue.sums import I64, Mask, firsts, ranges

MOST_TOUCHED = 400  # customers that changed, before what is kept moves on with them
ANEW = 10  # where it is so many times more, and one in so many customers, all is read again
MOST_SCOPES = 40  # parts that are kept
MOST_ROWS = 10_000_000  # of all parts together: about 50 bytes each


class Aside(NamedTuple):
    """Work that comes to something else for customers with certain rows, and which these are.

    All of them are on the local day `day`.
    """

    day: int
    rows: Callable[[Part], I64]
    work: Work


class Shelf:
    """What is kept of one book: the order of its rows, parts of them, and their sums."""

    def __init__(
        self,
        book: Book,
        policy: MetricPolicy,
        weights: ledger.Weights,
        patience: int = MOST_TOUCHED,
    ) -> None:
        self.book, self.policy, self.weights = book, policy, weights
        self._patience = patience
        self._lock = RLock()
        self._rows: Rows | None = None  # as they were when last put in order
        self._countries: NDArray[np.int32] = book.line_country  # the others never change
        self._relocated = 0  # how often countries have changed
        self._orders: dict[bool, NDArray[np.int32]] = {}
        self._persons: NDArray[np.int32] | None = None  # of the rows in order
        self._step = 0  # how often the order has moved on
        self._moved: deque[NDArray[np.int32]] = deque(maxlen=MOST_STEPS)  # who, at each step
        self._parts: OrderedDict[tuple[Scope, int], Standing] = OrderedDict()
        self._touched: tuple[Rows, NDArray[np.int32]] | None = None
        self._ended = book.ended  # whose rows had been taken out when `_rows` was
        self._ended_now = book.ended
        self._today: tuple[int, int, I64] = (0, 0, np.zeros(0, dtype=np.int64))

    def sum(self, scope: Scope, key: Hashable, work: Work, aside: Aside | None = None) -> Arrays:
        """What `work` makes of the scope's rows; it must add up over customers.

        Its arrays may be longer where the book has more names; `key` names the work. What is
        `aside` is not kept.
        """
        self._prepare(scope)
        with self._lock:
            rows = self._current()
            standing = self._standing(scope)
            held, people = standing.held(key), self._changed(rows)
            late = standing.on(aside.day) if aside else None
            own = self._apart(scope, standing, rows, people) if len(people) else None
        found = held.sum(work)
        with self._lock:
            standing.keep(key, held.moved, found)
        now = work
        if aside is not None and late is not None:
            now = aside.work
            others = np.unique(late.person[aside.rows(late)])
            few = of_people(held.part, np.setdiff1d(others, people, assume_unique=True))
            if len(few.line):
                found = combined(found, work(few), now(few))
        if own is None:
            return found
        before, fresh = own
        return combined(found, work(before), now(fresh))

    def part(self, scope: Scope, people: NDArray[np.int32] | None = None) -> Part:
        """The scope's rows as they stand, of everybody or of some."""
        if people is None:
            self._prepare(scope)
        with self._lock:
            rows = self._current()
            if people is not None:
                return self._now(scope, rows, people)
            standing = self._standing(scope)
            changed = self._changed(rows)
            if not len(changed):
                return standing.part
            _, fresh = self._apart(scope, standing, rows, changed)
            return with_people(standing.part, changed, fresh)

    def next_on(self, day: int, after: int) -> int | None:
        """The first instant of a local day at which rows stand, of those after another."""
        with self._lock:
            rows, (known, read, found) = self.book.rows, self._today
            if known != day:
                read, found = 0, np.zeros(0, dtype=np.int64)
            found = np.append(found, rows.at[read:][rows.day[read:] == day])
            self._today = day, len(rows.day), found
        ahead = found[found > after]
        return int(ahead.min()) if len(ahead) else None

    def stamp(self, by: str | None) -> int:
        """Another number where the values of a dimension are not those of the rows before."""
        if by != "country":
            return 0
        with self._lock:
            self._current()
            return self._relocated

    def _current(self) -> Rows:
        """The book's rows; what is kept moves on where many of them have changed."""
        with self.book.lock:
            rows, countries = self.book.rows, self.book.line_country
            self._ended_now = self.book.ended
        if countries is not self._countries:
            before = self._countries
            self._relocated += not np.array_equal(before, countries[: len(before)])
            self._countries = countries
        if self._rows is None:
            self._rows, self._ended = rows, self._ended_now
        changed = self._changed(rows)
        if len(changed) <= self._patience:
            return rows
        if len(changed) > ANEW * max(1, self._patience, len(self.book.persons) // ANEW**2):
            self._orders.clear()
            self._persons = None
            self._parts.clear()
        else:
            self._move(rows, changed)
        self._rows, self._ended, self._touched = rows, self._ended_now, None
        return rows

    def _move(self, rows: Rows, people: NDArray[np.int32]) -> None:
        """Put the rows of these people in order as they are now."""
        if self._orders:
            persons = self._in_order()
            fresh = {apart: self._indexes(rows, people, apart) for apart in self._orders}
            person = rows.person[next(iter(fresh.values()))]  # the same in either order
            splice = Splice(persons, people, person)
            for apart, index in fresh.items():
                self._orders[apart] = splice.column(self._orders[apart], index.astype(np.int32))
            self._persons = splice.column(persons, person)
        self._step += 1
        self._moved.append(people)

    def _changed(self, rows: Rows) -> NDArray[np.int32]:
        """The customers whose rows, the current ones, differ from those that were put in order."""
        assert self._rows is not None
        if self._touched is not None and self._touched[0] is rows:
            return self._touched[1]
        added, ended = rows.person[len(self._rows.line) :], self._ended_now[len(self._ended) :]
        found = np.unique(np.concatenate([added, ended]))
        self._touched = (rows, found)
        return found

    def _prepare(self, scope: Scope) -> None:
        """Make the part of a scope that was not asked for yet, while other questions go on."""
        with self._lock:
            self._current()
            known = self._rows
            if known is None or self._key(scope) in self._parts:
                return
            at = (self._step, self._relocated)
            order = self._order(scope.apart)
        whole = self._made(scope, known, order)
        with self._lock:
            if self._rows is known and at == (self._step, self._relocated):
                self._parts.setdefault(self._key(scope), Standing(whole, self._step))

    def _key(self, scope: Scope) -> tuple[Scope, int]:
        of_country = scope.split == "country" or any(key == "country" for key, _ in scope.where)
        return (scope, self._relocated if of_country else 0)

    def _standing(self, scope: Scope) -> Standing:
        assert self._rows is not None
        key = self._key(scope)
        found = self._parts.get(key)
        behind = self._step - found.step if found else 0
        if found is None or behind > len(self._moved):
            whole = self._made(scope, self._rows, self._order(scope.apart))
            found = self._parts[key] = Standing(whole, self._step)
        elif behind:
            people = np.unique(np.concatenate(list(self._moved)[-behind:]))
            found.move(people, self._now(scope, self._rows, people), self._step)
        self._parts.move_to_end(key)
        while len(self._parts) > 1 and (
            len(self._parts) > MOST_SCOPES
            or sum(len(one.part.line) for one in self._parts.values()) > MOST_ROWS
        ):
            self._parts.popitem(last=False)
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

    def _in_order(self) -> NDArray[np.int32]:
        """The customers of the rows in order; the same in either one."""
        assert self._rows is not None
        if self._persons is None:
            apart = next(iter(self._orders), False)
            self._persons = self._rows.person[self._order(apart)]
        return self._persons

    def _indexes(self, rows: Rows, people: NDArray[np.int32], apart: bool) -> I64:
        """The rows of some people, by group and time."""
        assert self._rows is not None
        order, persons, count = self._order(apart), self._in_order(), len(self._rows.line)
        low = np.searchsorted(persons, people, "left")
        high = np.searchsorted(persons, people, "right")
        old = order[ranges(low, high)].astype(np.int64)
        late = count + np.flatnonzero(np.isin(rows.person[count:], people))
        index = np.concatenate([old, late])
        group = _groups(rows.take(index), apart)
        found: I64 = index[np.lexsort((rows.at[index], group))]
        return found

    def _now(self, scope: Scope, rows: Rows, people: NDArray[np.int32]) -> Part:
        """The rows of some people as they stand in `rows`."""
        return self._made(scope, rows, self._indexes(rows, people, scope.apart))

    def _apart(
        self, scope: Scope, standing: Standing, rows: Rows, people: NDArray[np.int32]
    ) -> tuple[Part, Part]:
        """The rows of people who changed, as they stand in what is kept and as they are now."""
        return standing.apart(rows, people, lambda: self._now(scope, rows, people))

    def _made(self, scope: Scope, rows: Rows, ordered: NDArray[Any]) -> Part:
        """The part of the rows in this order that are of the scope, as closed months want it."""
        whole = self._known(scope._replace(pieces=()), rows, ordered)
        if not scope.pieces:
            return whole
        people = late(rows.take(ordered), scope.pieces)  # of all others every piece knows the same
        mine = ordered[np.isin(rows.person[ordered], people)]
        if not len(mine):
            return whole
        own = adjusted(
            scope.pieces,
            lambda at: self._known(scope._replace(known_at=at, pieces=()), rows, mine),
        )
        return with_people(whole, people, own)

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
            codes, _ = attribute(self.book, scope.split)
            group = group << 32 | codes[rows.line]
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
