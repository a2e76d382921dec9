"""Answers of revenue metrics: which rows are meant, their table, and the lines made of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from upwell.errors import Rejected
from upwell.metrics.catalog import Ledger
from upwell.query.lines import APART, Line, Number, Reading, added
from upwell.query.plan import Plan
from upwell.query.revenue import measures
from upwell.query.revenue.base import Aside
from upwell.query.revenue.cuts import Cuts, cuts
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.measures import Amounts, Quotes
from upwell.query.revenue.part import FILTERS, Part, Piece, Scope
from upwell.query.revenue.service import Periods, at_service
from upwell.query.revenue.standing import Arrays
from upwell.query.revenue.table import Table, earliest, later, names_of, tabled

OWN_SPLITS = ("plan", "interval", "country", "currency", "source")
"""Dimensions in which one customer may pay for several values, each with customers of its own."""


class Key(NamedTuple):
    """One line to draw: its number in the table (None: nothing of it there) and its name."""

    number: int | None
    name: str


class Asked:
    """One revenue question with the rows, rates and cuts it is answered from.

    `until` leaves out what happened from that instant (UTC micros) on.
    """

    def __init__(self, plan: Plan, ledgers: Ledgers, until: int | None = None) -> None:
        check(plan)
        self.plan = plan
        self.shelf = ledgers.shelf(plan.question.policy)
        self.policy, self.book = ledgers.policy(plan.question.policy), self.shelf.book
        self.by = plan.question.by
        self.margin = ledgers.ground.gross_margin
        own = ledgers.ground.currency
        self.exchange = ledgers.exchange(self.policy, plan.only or plan.currency or own)
        self._ledgers = ledgers
        self.pieces = ledgers.pieces(plan)
        found = cuts(plan, self.exchange.fiscal_start)
        self.cuts = found._replace(until=until or self._ahead())

    def _ahead(self) -> int | None:
        """The next instant of today at which the ledger knows that something will change."""
        plan = self.plan
        inside = plan.start <= plan.today < plan.end
        return self.shelf.next_on(plan.today, plan.seen) if inside else None

    @cached_property
    def quotes(self) -> Quotes:
        """The rates of the question's slots into the currency shown."""
        return self._ledgers.quotes(self.cuts, self.book.currencies, self.exchange)

    def _own(self, code: int) -> Quotes:
        """The money of one currency alone, in that currency."""
        exchange = self._ledgers.exchange(self.policy, self.book.currencies[code])
        return self._ledgers.quotes(self.cuts, self.book.currencies, exchange, only=code)

    @property
    def months_back(self) -> int:
        """How long ago the customers are taken whose retention is asked for."""
        return self.plan.question.over or self.policy.retention_months

    @property
    def scope(self) -> Scope:
        """The rows meant."""
        return scope_of(self.plan, pieces=self.pieces)

    @property
    def members(self) -> Scope:
        """The rows meant, each value of a split with customers of its own."""
        return scope_of(self.plan, self.by if self.by in OWN_SPLITS else None, self.pieces)

    def table(
        self, scope: Scope | None = None, at: Cuts | None = None, by: str | None = None
    ) -> Table:
        """The table of rows by the question's key, or another one."""
        chosen, when, key = scope or self.scope, at or self.cuts, by or self.by
        book, stamp = self.book, self.stamp(key)
        found = self.sum(
            chosen, ("table", key, stamp), when,
            lambda part, cuts: tabled(part, book, key, cuts)[:4],
        )  # fmt: skip
        table = Table(*found).wide(len(book.currencies))
        if self.periods is None:
            return table
        (flow,) = self.sum(
            chosen,
            ("at service", key, stamp, self.exchange.target, self.periods.version),
            when,
            lambda part, cuts: (tabled(self.at_service(part, cuts), book, key, cuts).flow,),
        )
        lack = table.flow.shape[1] - flow.shape[1]
        return table._replace(worth=np.pad(flow, [(0, 0), (0, lack), (0, 0), (0, 0)]))

    def sum(
        self,
        scope: Scope,
        key: tuple[Hashable, ...],
        at: Cuts,
        work: Callable[[Part, Cuts], Arrays],
    ) -> Arrays:
        """What `work` makes of the scope's rows up to where the cuts end (`Shelf.sum`).

        An instant before that, which is another one each time, concerns few customers: what is kept
        is the sum without it.
        """
        whole, aside = at._replace(until=None), None
        if at.until is not None:
            day = self.plan.zone.day_of(at.until)
            aside = Aside(day, lambda part: later(part, at), lambda part: work(part, at))
        return self.shelf.sum(scope, (*key, whole.key), lambda part: work(part, whole), aside)

    def stamp(self, by: str | None) -> Hashable:
        """Another one where the numbers of a split's keys are others than before."""
        return earliest(self.book) if by == "cohort" else self.shelf.stamp(by)

    @cached_property
    def periods(self) -> Periods | None:
        """When the time began that movements are for, where their rates depend on it."""
        shown = self.exchange.target
        others = [code for code in self.book.currencies if code != shown]
        if self.exchange.rule != "tx_date" or self.plan.native or not others:
            return None
        return self._ledgers.periods(self.plan, others)

    def at_service(self, part: Part, cuts: Cuts) -> Part:
        """The part with movements as they are valued: at the rates of the time they are for."""
        if self.periods is None:
            return part
        return at_service(part, self.book, cuts, self.exchange, self.periods)

    def keys(self, table: Table) -> list[Key]:
        """The lines to draw: all products where they are asked apart, else keys with rows."""
        if self.by is None:
            return [Key(0, "")]
        names = names_of(self.book, self.by, len(table.opening))
        there = (table.opening != 0).any(axis=1) | (table.flow != 0).any(axis=(1, 2, 3))
        there |= (table.customers != 0) | (table.moved != 0).any(axis=(1, 2))
        if self.by == "product":
            number = {name: n for n, name in enumerate(names)}  # of those that have rows
            asked = [Key(number.get(name), name) for name in self.plan.products]
            if self.plan.only is None:
                return asked
            return [key for key in asked if key.number is not None and there[key.number]]
        found = [Key(n, names[n]) for n in np.flatnonzero(there).tolist()]
        return sorted(found, key=lambda key: key.name)

    def money(
        self, table: Table, work: Callable[[int, Quotes], Amounts], nothing: int | None = 0
    ) -> Reading:
        """Lines of money; `work` values a key, in the currency shown or in each of its own.

        `nothing` is the value of a key without rows: it has to be what `work` makes of none.
        """
        reading = Reading([])
        for number, name in self.keys(table):
            if number is None:
                if not self.plan.native:
                    none = Amounts([nothing] * len(self.cuts.spans))
                    reading.lines.append(self._line(name, none, self.plan.currency))
                continue
            if self.plan.native:
                reading.lines += self._native(table, number, name, work)
                continue
            amounts = work(number, self.quotes)
            reading.lines.append(self._line(name, amounts, self.plan.currency))
            for currency, units in amounts.lost.items():
                lost = reading.unconverted.get(currency, 0)
                reading.unconverted[currency] = lost + units
        return reading

    def counts(
        self, table: Table, work: Callable[[int], Sequence[Number]], total: Callable[[int], Number]
    ) -> Reading:
        """Lines of counts and ratios, with totals of their own."""
        return Reading(
            [
                Line(
                    name,
                    self.padded([0] * len(self.cuts.spans) if number is None else work(number)),
                    (0 if number is None else total(number)) if self.cuts.spans else None,
                )
                for number, name in self.keys(table)
            ]
        )

    def padded(self, values: Sequence[Number]) -> list[Number]:
        """The values with None for the buckets that have not begun."""
        return [*values, *[None] * (len(self.plan.buckets) - len(values))]

    def _line(self, name: str, amounts: Amounts, currency: str | None) -> Line:
        values = self.padded(amounts.values)
        flows = self.plan.metric.name in measures.FLOWS
        total = added(values) if flows else (amounts.values or [None])[-1]
        total = total if amounts.total is None else amounts.total
        return Line(name, values, total, currency, amounts.provisional)

    def _native(
        self, table: Table, number: int, name: str, work: Callable[[int, Quotes], Amounts]
    ) -> list[Line]:
        found = []
        for code, currency in enumerate(self.book.currencies):
            if not table.opening[number, code] and not table.flow[number, code].any():
                continue
            amounts = work(number, self._own(code))
            own = Amounts(amounts.values, amounts.provisional, total=amounts.total)
            apart = name and self.by != "currency"
            key = f"{name}{APART}{currency}" if apart else currency
            found.append(self._line(key, own, currency))
        return found


def scope_of(plan: Plan, split: str | None = None, pieces: tuple[Piece, ...] = ()) -> Scope:
    """Which rows a question is about."""
    where = [*plan.question.where.items()]
    if plan.only is not None:
        where = [(key, values) for key, values in where if key != "currency"]
        where.append(("currency", (plan.only,)))
    return Scope(
        products=plan.products,
        where=tuple(sorted(where)),
        apart=plan.question.by == "product",
        known_at=plan.known_at,
        split=split,
        pieces=pieces,
        people=None if plan.among is None else plan.among.customers,
    )


def check(plan: Plan) -> None:
    """Raises Rejected for a split or a filter that lines of the ledger do not have."""
    by, allowed = plan.question.by, ("product", *plan.metric.dimensions)
    rule = plan.metric.rule
    filters = FILTERS if not isinstance(rule, Ledger) or rule.kind != "told" else ()
    if by is not None and by not in allowed:
        raise Rejected(
            "no_such_split",
            f"{plan.metric.title} cannot be split by '{by}'.",
            fix=f"It can be split by: {', '.join(allowed)}.",
            where="by",
        )
    for key in plan.question.where:
        if key not in filters:
            raise Rejected(
                "bad_filter",
                f"{plan.metric.title} cannot be filtered by '{key}'.",
                fix=f"It can be filtered by: {', '.join(filters) or 'nothing'}.",
                where="where",
            )
