"""Customers by name and number, and who is behind a bar of the bridge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.errors import NotFound, Rejected
from upwell.metrics.revenue.causes import CAUSES
from upwell.money import major
from upwell.period import to_instant
from upwell.projection.book import Book
from upwell.query.plan import Plan
from upwell.query.revenue.bridge import MOVES, kinds_of, undivided
from upwell.query.revenue.exchange import valued
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import RESTATEMENT, Part
from upwell.query.revenue.reading import Asked, scope_of
from upwell.query.revenue.shapes import MovedCustomer, MovedCustomers
from upwell.query.revenue.sums import firsts
from upwell.query.revenue.table import coded, names_of, placed

MOST = 500  # customers on one page


class Page(NamedTuple):
    """Which page of a list: at most so many, after the cursor of the one before."""

    limit: int = 50
    cursor: str | None = None

    @property
    def start(self) -> int:
        """How many came before."""
        if self.cursor is None:
            return 0
        if not self.cursor.isdecimal() or len(self.cursor) > 9:
            raise Rejected(
                "bad_cursor",
                "This cursor was not made here.",
                fix="Use the cursor of the page before, unchanged.",
                where="cursor",
            )
        return int(self.cursor)

    def next(self, total: int) -> str | None:
        """The cursor of the page after, None on the last."""
        after = self.start + self.limit
        return str(after) if after < total else None


def name_of(book: Book, person: int) -> str:
    """The id by which a customer is addressed: its first source's, with the source."""
    source, customer = book.persons[person].ids[0]
    return f"{source}:{customer}"


def number_of(book: Book, name: str) -> int:
    """The number of a customer by source and id, or by an id that only one has."""
    source, colon, customer = name.partition(":")
    found = book.people.numbers.get((source, customer)) if colon else None
    if found is None:
        numbers = {n for (_, own), n in list(book.people.numbers.items()) if own == name}
        found = min(numbers) if len(numbers) == 1 else None
    if found is None:
        raise NotFound(
            "unknown_customer", f"There is no customer '{name[:100]}'.", "Look under Customers."
        )
    return found


def moved(
    plan: Plan, ledgers: Ledgers, movement: str, key: str | None, page: Page
) -> MovedCustomers:
    """Whose MRR made a bar of the bridge, the largest first."""
    if movement not in (*MOVES, "restatement"):
        raise Rejected(
            "unknown_movement",
            f"Unknown movement '{movement[:40]}'.",
            fix=f"One of {', '.join(MOVES)}, restatement.",
            where="movement",
        )
    asked = Asked(plan, ledgers)
    kinds, sign = kinds_of(movement)
    part, amounts = worth_of_rows(asked, kinds, sign, key)
    order = np.argsort(part.person, kind="stable")
    begins = np.flatnonzero(firsts(part.person[order]))
    totals = np.add.reduceat(amounts[order], begins) if len(order) else amounts
    largest = np.argsort(-totals, kind="stable")
    last = np.append(begins[1:], len(order)) - 1
    shown = largest[page.start : page.start + page.limit]
    book, currency = asked.book, plan.currency or ledgers.ground.currency
    found = []
    for group in shown.tolist():
        row = int(order[last[group]])
        rows = order[begins[group] : last[group] + 1]
        person, line = book.persons[int(part.person[row])], book.lines[int(part.line[row])]
        names = sorted({book.lines[int(n)].plan for n in part.line[rows]})
        found.append(
            MovedCustomer(
                id=name_of(book, int(part.person[row])),
                name=person.name,
                email=person.email,
                country=person.country,
                product=line.product,
                plan=", ".join(names),
                amount=major(int(totals[group]), currency),
                at=to_instant(int(part.at[row])),
                cause=CAUSES[int(part.cause[row])],
                delivery=int(book.rows.seq[part.place[row]]),
            )
        )
    count = len(begins)
    return MovedCustomers(customers=tuple(found), cursor=page.next(count), total=count)


def worth_of_rows(
    asked: Asked, kinds: Sequence[int], sign: int, key: str | None = None
) -> tuple[Part, NDArray[np.int64]]:
    """The rows of the question's days that are of these kinds, and what each is worth (nano)."""
    part = _rows_of(asked, kinds, key)
    return part, _worth(asked, part, sign)


def _rows_of(asked: Asked, kinds: Sequence[int], key: str | None) -> Part:
    """The rows of the question's days that are of these kinds, and of one key of its split."""
    part = asked.shelf.part(
        scope_of(undivided(asked.plan), pieces=asked.pieces)
    )  # as the bar was classified
    inside, slot = placed(part, asked.cuts)
    of_kind = np.isin(np.minimum(part.kind, RESTATEMENT), kinds)
    chosen = inside & (slot > 0) & of_kind
    if asked.by is not None and key is not None:
        codes, count = coded(part, asked.book, asked.by)
        names = names_of(asked.book, asked.by, count)
        chosen &= codes == (names.index(key) if key in names else -1)
    return part.take(chosen)


def _worth(asked: Asked, part: Part, sign: int) -> NDArray[np.int64]:
    """Each row's amount in nano-units of the currency shown, as the bridge values it."""
    cuts, currencies = asked.cuts, asked.book.currencies
    _, slot = placed(part, cuts)
    delta = asked.at_service(part, cuts).delta
    found = np.zeros(len(delta), dtype=np.int64)
    pairs = np.unique(np.stack([part.currency.astype(np.int64), slot - 1]), axis=1).T
    for code, at in pairs.tolist():
        rows = (part.currency == code) & (slot - 1 == at)
        quote = asked.exchange.moving(currencies[code], cuts.days[at], cuts.ends[at])
        if quote is not None:
            found[rows] = valued(delta[rows] * sign, currencies[code], quote)
    return found
