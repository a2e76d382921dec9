"""The movement rows behind a question: those that stand, of its products and filters, classified.

A question about one product, or by product, counts customers in each product; one about several
counts customers over those products (R5). The book's own classification serves where it is the one
asked for; what a filter or a choice of products leaves over is classified again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.projection.book import FOREVER, KINDS, Book, Rows
from upwell.query.lines import MISSING
from upwell.query.revenue.sums import I64, Mask

NONE, NEW, EXPANSION, CONTRACTION, CHURN, REACTIVATION = range(len(KINDS))
RESTATEMENT = len(KINDS)  # made when a question is answered; no row of the ledger has it
CAME, GONE = RESTATEMENT + 1, RESTATEMENT + 2  # the restatement by which one is a customer, or not
MOVEMENTS = (*KINDS, "restatement", "restatement", "restatement")
FILTERS = ("plan", "interval", "country", "currency", "source")
Where = tuple[tuple[str, tuple[str, ...]], ...]


class Piece(NamedTuple):
    """The days from `day` on, which begins at the instant `at`, as known at another (None: now)."""

    day: int
    at: int
    known_at: int | None


class Scope(NamedTuple):
    """Which rows are meant: products, filters, as known at an instant (None: now).

    `apart`: customers of each product by themselves. `split`: the dimension of which each value
    has customers of its own, for counts of who pays for it. `pieces`: closed months are as they
    were known when they closed, and what was learned since is a restatement. `people`: only these
    customers, as ascending int32.
    """

    products: tuple[str, ...]
    where: Where = ()
    apart: bool = False
    known_at: int | None = None
    split: str | None = None
    pieces: tuple[Piece, ...] = ()
    people: bytes | None = None


class Part(NamedTuple):
    """Rows as equal columns, by group and time; `kind` is that of the group's day.

    `group` numbers customers, or customers of one product; `place` is where the row
    is in the book.
    """

    place: I64
    group: I64
    person: NDArray[np.int32]
    product: NDArray[np.int16]
    currency: NDArray[np.int16]
    day: NDArray[np.int32]
    at: I64
    delta: I64
    line: NDArray[np.int32]
    cause: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    head: Mask  # the first row of a group's movement: there it counts as one customer's

    def take(self, which: NDArray[Any]) -> Part:
        """The rows of a mask or of indexes, as they are classified."""
        return Part(*(column[which] for column in self))

    def joined(self, other: Part) -> Part:
        """The rows of both, those of the other behind."""
        return Part._make(
            np.concatenate([getattr(self, name), getattr(other, name)]) for name in self._fields
        )


def alive(rows: Rows, known_at: int | None) -> Mask:
    """Which rows stand, or stood at an instant."""
    if known_at is None:
        found: Mask = rows.superseded_at == FOREVER
        return found
    return (rows.recorded_at <= known_at) & (rows.superseded_at > known_at)


def chosen(book: Book, rows: Rows, scope: Scope) -> Mask | None:
    """Which rows are of the scope's products and filters; None where all of them are."""
    found: Mask | None = None
    if not covers(book, scope):
        wanted = np.isin(np.array(book.products), scope.products)
        found = wanted[rows.product]
    for key, values in scope.where:
        codes, names = attribute(book, key)
        allowed = np.isin(np.array([name or MISSING for name in names]), values)
        of_key = allowed[codes[rows.line]]
        found = of_key if found is None else found & of_key
    if scope.people is not None:
        own = np.isin(rows.person, np.frombuffer(scope.people, dtype=np.int32))
        found = own if found is None else found & own
    return found


def covers(book: Book, scope: Scope) -> bool:
    """Whether the scope holds every product of the book."""
    return set(book.products) <= set(scope.products)


def attribute(book: Book, key: str) -> tuple[NDArray[Any], list[str]]:
    """A dimension's code of each line, and the names of the codes."""
    match key:
        case "plan":
            return book.line_plan, book.plans
        case "interval":
            return book.line_interval, book.intervals
        case "country":
            return book.line_country, book.countries
        case "product":
            return book.line_product, book.products
        case "currency":
            return book.line_currency, book.currencies
        case "source":
            return book.line_source, book.sources
    raise ValueError(f"no line has a {key}")
