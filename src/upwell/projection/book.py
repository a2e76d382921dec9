"""The ledger of recurring revenue as readers see it: movement rows in memory, column by column.

A row is the change of one line (subscription, product, plan, interval, currency) on one local day,
with the kind of movement of its group at three grains. MRR is the running sum of `delta`; what was
known at T are the rows with `recorded_at <= T < superseded_at`. Rows may lie ahead of now (a
discount that will end): readers cut at the instant they answer for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.revenue.causes import CAUSES
from upwell.metrics.revenue.ledger import KINDS
from upwell.period import DAY_MICROS
from upwell.projection.names import Line, Lines, Names, People, Person

FOREVER = 2**62  # `superseded_at` of a row that stands

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]


class Rows(NamedTuple):
    """Columns of equal length; `delta` in 1e-6 of a minor unit of the row's own currency a month.

    `person`, `line`, `subscription`, `product`, `currency` are indexes into the book's lists, the
    kinds into KINDS, `cause` into CAUSES; `seq` is the delivery behind the row. `alive` is +1 where
    the line began and -1 where it ended: not the same as a delta from or to 0 under rules that keep
    customers at 0.
    """

    person: I32
    line: I32
    subscription: I32
    product: NDArray[np.int16]
    currency: NDArray[np.int16]
    day: I32
    at: I64
    delta: I64
    by_subscription: U8
    by_product: U8
    by_company: U8
    cause: U8
    alive: NDArray[np.int8]
    seq: I64
    recorded_at: I64
    superseded_at: I64

    def take(self, which: NDArray[Any] | slice) -> Rows:
        """The rows of a mask, of indexes or of a slice."""
        return Rows._make(column[which] for column in self)


TYPES: Mapping[str, type[np.generic]] = {
    "person": np.int32, "line": np.int32, "subscription": np.int32, "product": np.int16,
    "currency": np.int16, "day": np.int32, "at": np.int64, "delta": np.int64,
    "by_subscription": np.uint8, "by_product": np.uint8, "by_company": np.uint8,
    "cause": np.uint8, "alive": np.int8, "seq": np.int64, "recorded_at": np.int64,
    "superseded_at": np.int64,
}  # fmt: skip


def no_rows(count: int = 0) -> Rows:
    """Columns of zeros."""
    return Rows._make(np.zeros(count, dtype=kind) for kind in TYPES.values())


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other."""
    return Rows._make(
        np.concatenate([getattr(part, name) for part in parts]) for name in Rows._fields
    )


def unequal(one: Rows, other: Rows) -> tuple[Rows, Rows]:
    """The rows that only one of two sets has, in any order; their lines are numbered alike."""
    both = joined([one, other])
    order = np.lexsort(both[::-1])
    differs = np.zeros(len(order), dtype=np.bool_)
    differs[:1] = True
    for column in both:
        differs[1:] |= column[order][1:] != column[order][:-1]
    starts = np.flatnonzero(differs)
    side = np.where(order < len(one.line), 1, -1)
    more = np.add.reduceat(side, starts) if len(starts) else side
    return both.take(order[starts[more > 0]]), both.take(order[starts[more < 0]])


def _behind(store: NDArray[Any], known: int, more: NDArray[Any]) -> NDArray[Any]:
    """The store with `more` behind its first `known` values; a larger one where it is full.

    Whoever reads the first ones of it goes on to read the same.
    """
    count = known + len(more)
    if count > len(store):
        larger = np.zeros(max(1024, count * 3 // 2), dtype=store.dtype)
        larger[:known] = store[:known]
        store = larger
    store[known:count] = more
    return store


def _copy(rows: Rows, into: Rows, start: int) -> None:
    columns: Iterable[tuple[NDArray[Any], NDArray[Any]]] = zip(rows, into, strict=True)
    for since, to in columns:
        to[start : start + len(since)] = since


__all__ = [
    "CAUSES", "FOREVER", "KINDS", "Book", "Line", "Move", "People", "Person", "Rows", "joined",
    "no_rows", "unequal",
]  # fmt: skip


class Move(NamedTuple):
    """One row in words, to make a book by hand; `at` None is the day's UTC noon."""

    customer: str
    day: int
    delta: int
    by_subscription: str = "new"
    by_product: str | None = None  # None: as by_subscription
    by_company: str | None = None
    cause: str = "new"
    subscription: str | None = None  # None: one of the customer's own
    product: str = "mail"
    plan: str = "team"
    interval: str = "month"
    currency: str = "USD"
    source: str = "stripe"
    alive: int | None = None  # None: by_subscription's
    at: int | None = None
    seq: int = 1
    recorded_at: int | None = None  # None: `at`
    superseded_at: int = FOREVER


class Book:
    """The ledger under one set of counting rules; `rows` are those of whole commits.

    `rows` is replaced, never changed: whoever has taken it keeps a consistent view. The lists and
    the arrays by line only grow, and so does `ended`: whose rows were taken out, in the order of
    that; `lock` is for those who need several of them at one moment.
    """

    def __init__(self, policy: str = "upwell", people: People | None = None) -> None:
        self.policy = policy
        self.lock = threading.RLock()
        self.version = 0
        self.rows = no_rows()
        self.people = people or People()
        self.lines = Lines(self.people)
        # Codes of each line, by its number.
        self.line_plan = self.line_interval = self.line_country = np.zeros(0, dtype=np.int32)
        self.line_product = self.line_currency = np.zeros(0, dtype=np.int16)
        self.line_subscription = self.line_source = np.zeros(0, dtype=np.int32)
        self._line_stores: dict[str, NDArray[Any]] = {}  # with room to grow behind them
        self._countries = Names()
        self._store = no_rows()  # with room to grow behind `rows`
        self.ended = np.zeros(0, dtype=np.int32)
        self._ended_store = self.ended  # with room, too

    @property
    def persons(self) -> list[Person]:
        """Who the numbers in `rows.person` are."""
        return self.people.all

    @property
    def products(self) -> list[str]:
        """The products by number."""
        return self.lines.products.all

    @property
    def currencies(self) -> list[str]:
        """The currencies by number."""
        return self.lines.currencies.all

    @property
    def subscriptions(self) -> list[str]:
        """The ids of subscriptions by number; one of another source has another number."""
        return self.lines.subscriptions

    @property
    def plans(self) -> list[str]:
        """The plans by number, for `line_plan`."""
        return self.lines.plans.all

    @property
    def intervals(self) -> list[str]:
        """The intervals by number, for `line_interval`."""
        return self.lines.intervals.all

    @property
    def sources(self) -> list[str]:
        """The sources by number, for `line_source`."""
        return self.lines.sources.all

    @property
    def countries(self) -> list[str]:
        """The countries of customers by number, for `line_country`; '' is not known."""
        return self._countries.all

    def customer_of(self, person: int) -> Person:
        """Who a number in `rows.person` is."""
        return self.people.all[person]

    def show(self, added: Rows, gone: I64, gone_at: I64) -> None:
        """Add rows, and take standing ones out by their index; readers see both at once."""
        with self.lock:
            self.code_lines()
            old, count = len(self.rows.line), len(added.line)
            if old + count > len(self._store.line):
                room = max(1024, (old + count) * 3 // 2)
                store = no_rows(room)
                _copy(self.rows, store, 0)
                self._store = store
            _copy(added, self._store, old)
            rows = Rows._make(column[: old + count] for column in self._store)
            if len(gone):
                ends = np.empty_like(self._store.superseded_at)  # readers may hold the old one
                ends[: old + count] = rows.superseded_at
                ends[gone] = gone_at
                self._store = self._store._replace(superseded_at=ends)
                rows = rows._replace(superseded_at=ends[: old + count])
                self._end(rows.person[gone])
            self.rows = rows
            self.version += 1

    def _end(self, people: I32) -> None:
        known = len(self.ended)
        self._ended_store = _behind(self._ended_store, known, people)
        self.ended = self._ended_store[: known + len(people)]

    def code_lines(self) -> None:
        """Make the codes of new lines readable; `show` does it, too."""
        lines, known = self.lines, len(self.line_plan)
        count = len(lines)
        if known == count:
            return

        def grown(name: str, codes: Sequence[int]) -> NDArray[Any]:
            column = getattr(self, f"line_{name}")
            store = self._line_stores.get(name, column)
            store = self._line_stores[name] = _behind(store, known, np.array(codes, column.dtype))
            return store[:count]

        self.line_product = grown("product", lines.product[known:])
        self.line_currency = grown("currency", lines.currency[known:])
        self.line_subscription = grown("subscription", lines.subscription[known:])
        self.line_source = grown("source", lines.source[known:])
        self.line_interval = grown("interval", lines.interval[known:])
        countries = [self._country(member) for member in lines.member[known:]]
        self.line_country = grown("country", countries)
        self.line_plan = grown("plan", lines.plan[known:])

    def moved(self, members: Iterable[int]) -> None:
        """Read the countries of some customers again."""
        with self.lock:
            payers = np.array(self.lines.member[: len(self.line_country)], dtype=np.int32)
            mine = np.isin(payers, list(members))
            if mine.any():
                fresh = self.line_country.copy()  # readers may hold the old one
                fresh[mine] = [self._country(member) for member in payers[mine].tolist()]
                self.line_country = self._line_stores["country"] = fresh
                self.version += 1

    def _country(self, member: int) -> int:
        return self._countries.number(self.people.all[member].country)

    @classmethod
    def of(
        cls, moves: Iterable[Move], persons: Iterable[Person] = (), policy: str = "upwell"
    ) -> Book:
        """A book made by hand; `persons` say who belongs together and where they live."""
        book = cls(policy)
        for number, person in enumerate(persons):
            book.people.all.append(person)
            book.people.numbers.update(dict.fromkeys(person.ids, number))
        listed = list(moves)
        lines = [
            book.lines.number(
                Line(
                    m.subscription or f"sub_{m.customer}",
                    *(getattr(m, name) for name in Line._fields[1:]),
                )
            )
            for m in listed
        ]
        owners = [book.people.number(m.source, m.customer) for m in listed]
        book.code_lines()
        rows = no_rows(len(listed))
        rows.line[:], rows.person[:] = lines, owners
        rows.subscription[:] = book.line_subscription[rows.line]
        rows.product[:] = book.line_product[rows.line]
        rows.currency[:] = book.line_currency[rows.line]
        for n, move in enumerate(listed):
            at = move.day * DAY_MICROS + DAY_MICROS // 2 if move.at is None else move.at
            kinds = (
                move.by_subscription,
                move.by_product or move.by_subscription,
                move.by_company or move.by_product or move.by_subscription,
            )
            rows.day[n], rows.at[n], rows.delta[n], rows.seq[n] = move.day, at, move.delta, move.seq
            rows.by_subscription[n], rows.by_product[n], rows.by_company[n] = map(
                KINDS.index, kinds
            )
            rows.cause[n] = CAUSES.index(move.cause)
            ends = {"new": 1, "reactivation": 1, "churn": -1}.get(move.by_subscription, 0)
            rows.alive[n] = ends if move.alive is None else move.alive
            rows.recorded_at[n] = at if move.recorded_at is None else move.recorded_at
            rows.superseded_at[n] = move.superseded_at
        book.show(rows, np.zeros(0, np.int64), np.zeros(0, np.int64))
        return book
