"""The books of all counting rules, with what is kept of each for questions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, TypeVar

import msgspec
import numpy as np

from upwell.metrics.catalog import Ledger
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.fx import constant_weights
from upwell.metrics.revenue.ledger import Weights
from upwell.money import Rates
from upwell.projection import Projection
from upwell.projection.book import FOREVER, Book
from upwell.projection.closes import Close
from upwell.projection.ground import Ground
from upwell.query.plan import Plan
from upwell.query.revenue.base import MOST_TOUCHED, Shelf
from upwell.query.revenue.cuts import Cuts
from upwell.query.revenue.exchange import Exchange
from upwell.query.revenue.measures import Quotes
from upwell.query.revenue.metered import Metered
from upwell.query.revenue.notices import Notices, Said
from upwell.query.revenue.part import Piece
from upwell.query.revenue.pieces import pieces_of
from upwell.query.revenue.service import Periods, periods, version_of
from upwell.query.revenue.sums import I64
from upwell.query.revenue.told import Told

MOST_REMEMBERED = 8
MOST_QUOTES = 32
MOST_BOOKS = 4  # of different counting rules, of which parts are kept

T = TypeVar("T")


class Ledgers:
    """What revenue questions are answered from.

    `books(name)` is the ledger under the rules of that name; `patience` is how many customers may
    have changed before what is kept of it moves on.
    """

    def __init__(
        self,
        books: Callable[[str], Book],
        projection: Projection,
        rates: Callable[[], Rates],
        patience: int = MOST_TOUCHED,
    ) -> None:
        self._patience = patience
        self._books, self._projection, self.rates = books, projection, rates
        self.metered = Metered(projection)
        self._shelves: OrderedDict[int, tuple[Book, Ground, Shelf]] = OrderedDict()
        self._told: dict[MetricPolicy, Told] = {}
        self._periods: dict[tuple[str, ...], Periods] = {}
        self._firsts: tuple[Book | None, int, I64] = (None, 0, np.zeros(0, dtype=np.int64))
        self._remembered: OrderedDict[Hashable, Any] = OrderedDict()
        self._quotes: OrderedDict[Hashable, Quotes] = OrderedDict()
        self._lock = Lock()

    @property
    def ground(self) -> Ground:
        """The configuration that the books stand on."""
        return self._projection.ground

    def policy(self, name: str | None) -> MetricPolicy:
        """The counting rules of a question, or the workspace's own; Rejected where unknown.

        What becomes of closed months is the workspace's own choice under all of them, and so are
        rates, where it makes one.
        """
        ground = self.ground
        found = ground.counting(name)
        fx = ground.fx or found.fx
        return msgspec.structs.replace(found, closed_months=ground.closed_months, fx=fx)

    @property
    def closes(self) -> tuple[Close, ...]:
        """Every close of a month there ever was."""
        return self._projection.closes

    def pieces(self, plan: Plan) -> tuple[Piece, ...]:
        """Which days of the ledger stay as they were known when their month closed; empty: none.

        What stands beside the ledger (trials, dunning, cash) has no restatement: what is learned
        late of it would be in no month, so that it is always as known now.
        """
        policy, rule = self.policy(plan.question.policy), plan.metric.rule
        told = not isinstance(rule, Ledger) or rule.kind == "told"
        if policy.closed_months == "restate" or told:
            return ()
        return pieces_of(self.closes, plan.zone, plan.known_at)

    def book(self, name: str | None) -> Book:
        """The book of these rules; Unavailable while it is being made."""
        return self._books(self.policy(name).name)

    def shelf(self, name: str | None) -> Shelf:
        """The book of these rules with what is kept of it."""
        book, ground = self.book(name), self.ground
        with self._lock:
            found = self._shelves.get(id(book))
            if found is None or found[0] is not book or found[1] != ground:
                shelf = Shelf(book, self.policy(name), self._weights(book), self._patience)
                found = (book, ground, shelf)
                self._shelves[id(book)] = found
                while len(self._shelves) > MOST_BOOKS:
                    self._shelves.popitem(last=False)
            self._shelves.move_to_end(id(book))
        return found[2]

    def remembered(self, about: Hashable, made: Callable[[], T]) -> T:
        """What `made` gives, made again only where `about` is another or long not asked for."""
        with self._lock:
            if about in self._remembered:
                self._remembered.move_to_end(about)
                found: T = self._remembered[about]
                return found
        found = made()
        with self._lock:
            self._remembered[about] = found
            while len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    def told(self, name: str | None) -> Told:
        """What billing systems said beyond the ledger, under these rules."""
        policy = self.policy(name)
        # Which rates there are and what becomes of closed months changes nothing of what was said.
        same = msgspec.structs.replace(policy, fx="constant", closed_months="restate")
        with self._lock:
            if (found := self._told.get(same)) is not None:
                return found
            # Rules that change keep their name: what was read under those before is over.
            over = [self._told.pop(one) for one in list(self._told) if one.name == policy.name]
            found = self._told[same] = Told(self._projection, same)
        for old in over:
            old.stop()
        return found

    def said(self, plan: Plan) -> Said:
        """What billing systems said beyond the ledger of the customers that a question is about.

        Raises Unavailable (folding) while a long past is being read.
        """
        told, among = self.told(plan.question.policy), plan.among
        if among is None:
            return told.said(plan.seen, plan.known_at)
        policy = self.policy(plan.question.policy)
        return self.remembered(
            ("said", among.stamp, policy, plan.known_at, self._projection.generation),
            lambda: told.said(plan.seen, plan.known_at, among),
        )

    def notices(self, plan: Plan) -> list[Notices]:
        """The same, subscription by subscription."""
        told = self.told(plan.question.policy)
        return told.notices(plan.seen, plan.known_at, plan.among)

    def close(self) -> None:
        """Let nothing be read in the background any more."""
        for told in list(self._told.values()):
            told.stop()

    def periods(self, plan: Plan, currencies: Sequence[str]) -> Periods:
        """The periods of subscriptions in these currencies; those of now are kept."""
        if plan.known_at is not None:
            return periods(plan, self._projection, currencies)
        key, version = tuple(currencies), version_of(self._projection)
        kept = self._periods.get(key)
        if kept is None or kept.version != version:
            kept = self._periods[key] = periods(plan, self._projection, currencies)
        return kept

    def version(self, name: str | None) -> int:
        """Grows with every change of the book of these rules."""
        return self.book(name).version

    def billed(self) -> frozenset[str]:
        """The products that a billing source has told of."""
        return frozenset(self.book(None).products)

    def unknown_then(self, plan: Plan) -> frozenset[str]:
        """The products whose first movement was recorded after the past time asked for."""
        if plan.known_at is None:
            return frozenset()
        book = self.book(plan.question.policy)
        firsts = self._first_recorded(book)
        late = {book.products[code] for code, at in enumerate(firsts) if plan.seen < at < FOREVER}
        return frozenset(late.intersection(plan.products))

    def _first_recorded(self, book: Book) -> list[int]:
        """When the first movement of each product was recorded; FOREVER where there is none."""
        rows, (known, read, firsts) = book.rows, self._firsts
        if known is not book:
            read, firsts = 0, np.zeros(0, dtype=np.int64)
        lack = len(book.products) - len(firsts)
        firsts = np.append(firsts, np.full(max(0, lack), FOREVER, dtype=np.int64))
        np.minimum.at(firsts, rows.product[read:], rows.recorded_at[read:])
        self._firsts = (book, len(rows.product), firsts)
        return [int(at) for at in firsts]

    def exchange(self, policy: MetricPolicy, target: str) -> Exchange:
        """The rates into a currency under these rules."""
        ground = self.ground
        return Exchange(
            rates=self.rates(),
            target=target,
            own=ground.currency,
            rule=policy.fx,
            fiscal_start=ground.fiscal_year_start,
            fixed=dict(ground.rates),
        )

    def quotes(
        self, at: Cuts, currencies: Sequence[str], exchange: Exchange, only: int | None = None
    ) -> Quotes:
        """The rates of a question's slots, and what was valued at them."""
        days, codes = (at.days, at.ends, at.spans), tuple(currencies)
        key = days, codes, exchange.target, exchange.own, exchange.rule, exchange.fiscal_start, only
        with self._lock:
            found = self._quotes.pop(key, None)
            if found is None or not found.at(exchange):
                found = Quotes(at, codes, exchange, only)
            self._quotes[key] = found
            while len(self._quotes) > MOST_QUOTES:
                self._quotes.popitem(last=False)
        return found

    def _weights(self, book: Book) -> Weights:
        """What a minor unit of each row's currency is worth at the rates of its fiscal year."""
        ground = self.ground
        return constant_weights(
            self.rates(),
            book.currencies,
            ground.currency,
            ground.fiscal_year_start,
            dict(ground.rates),
        )
