"""The events of a question about use, and which of them do its steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected, nearest
from upwell.event import EVENT_TYPES
from upwell.query.usage.asked import Doing, Where, named
from upwell.query.usage.filters import condition_of, keeps
from upwell.query.usage.ground import Ground
from upwell.query.usage.properties import known_names
from upwell.warehouse.reading import Reading, Selection
from upwell.warehouse.slices import NOBODY
from upwell.warehouse.timelines import Timelines

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

NAMED = "engagement:"
PRODUCT = "product"  # a breakdown that no property is read for


class Walk:
    """The events of one question, by person and time, and what each of them is."""

    def __init__(self, found: Selection, products: Sequence[str]) -> None:
        self.found, self._products = found, products

    def does(self, doing: Doing) -> Mask:
        """Which rows are this event."""
        kinds = np.array([_is(kind, doing.event) for kind in self.found.kinds], dtype=np.bool_)
        rows: Mask = kinds[self.found.kind]
        if own := named(doing.product):
            table = np.array([product in own for product in self._products], dtype=np.bool_)
            rows = rows & table[self.found.product]
        if doing.where:
            rows = rows & keeps(doing.where, self.found.properties, len(rows))
        return rows

    def does_any(self, doings: Iterable[Doing]) -> Mask:
        """Which rows are one of these events."""
        found = np.zeros(len(self.found.ts), dtype=np.bool_)
        for doing in doings:
            found |= self.does(doing)
        return found

    def passes(self, where: Where) -> Mask:
        """Which rows filters let pass."""
        return keeps(where, self.found.properties, len(self.found.ts))

    def only(self, where: Where) -> Walk:
        """The events that filters let pass."""
        if not where:
            return self
        return self.of(self.passes(where))

    def of(self, rows: Mask) -> Walk:
        """Some of the rows, in their order."""
        found = self.found
        properties = {
            name: column._replace(codes=column.codes[rows])
            for name, column in found.properties.items()
        }
        return Walk(
            found._replace(
                person=found.person[rows],
                ts=found.ts[rows],
                kind=found.kind[rows],
                product=found.product[rows],
                properties=properties,
            ),
            self._products,
        )

    def items(self) -> tuple[NDArray[np.int64], list[str]]:
        """For each row the place of its event's name, of names in alphabetical order."""
        named = [kind.removeprefix(NAMED) or "engagement" for kind in self.found.kinds]
        places = {name: place for place, name in enumerate(sorted(set(named)))}
        table = np.array([places[name] for name in named], dtype=np.int64)
        return table[self.found.kind], list(places)

    def values(self, by: str) -> tuple[NDArray[np.int32], list[str]]:
        """For each row the place of its value of a breakdown, or -1; and the values."""
        if by == PRODUCT:
            return self.found.product.astype(np.int32), list(self._products)
        column = self.found.properties[by]
        return column.codes, column.values


class Walks:
    """The events of one question, some of the people at a time; `filtered`: those `where` lets by.

    `rows` are the events that are looked at for it.
    """

    def __init__(self, reading: Reading, of: Ground, where: Where, *, filtered: bool) -> None:
        self.rows, self._reading, self._of = reading.rows, reading, of
        self._where = where if filtered else {}

    def __iter__(self) -> Iterator[Walk]:
        return (self.take(share) for share in self.shares())

    def shares(self) -> Iterator[tuple[int, int]]:
        """The people in shares, rising; the question hears how many are behind it."""
        found = self._reading.shares()
        for done, share in enumerate(found):
            self._of.told(done / len(found))
            yield share

    def take(self, share: tuple[int, int] | None = None) -> Walk:
        """The events of one share of the people, or of all."""
        found = self._reading.take(share)
        _check_properties(found, self._of)
        read = Walk(found, self._of.products)
        if self._of.only is not None:
            read = read.of(self._of.among(found.person))
        return read.only(self._where)

    def buckets(self, edges: I64, share: tuple[int, int]) -> tuple[I64, I64]:
        """Each person of a share and each bucket that has an event of theirs, ascending.

        Of the events of the question as they are: without a filter. Bucket n is
        [edges[n], edges[n + 1]).
        """
        who, at = self._reading.buckets(edges, share)
        if self._of.only is None:
            return who, at
        own = self._of.among(who)
        return who[own], at[own]


def walk(
    of: Ground,
    lines: Timelines,
    doings: Iterable[Doing],
    where: Where,
    span: tuple[int, int],
    *,
    properties: Iterable[str | None] = (),
    everything: bool = False,
    filtered: bool = True,
) -> Walks:
    """Make ready the events that the doings name (or `everything`) and `where` lets pass.

    `properties` are read beside those of the filters; not `filtered`: `where` is only made ready to
    be judged. Rejected where an event is unknown, with the nearest names.
    """
    wanted, known = tuple(doings), lines.kinds(of.products)
    for doing in wanted:
        _check(doing, of, known)
    names = {name for doing in wanted for name in doing.where} | set(where)
    names |= {name for name in properties if name is not None and name != PRODUCT}
    for name, asked in where.items():
        condition_of(name, asked)
    kinds = None
    if not everything:
        events = {doing.event for doing in wanted}
        kinds = [kind for kind in known if any(_is(kind, event) for event in events)]
    found = lines.reading(of.products, kinds, span, sorted(names), of.person, of.told)
    return Walks(found, of, where, filtered=filtered)


def _check(doing: Doing, of: Ground, kinds: tuple[str, ...]) -> None:
    for name, asked in doing.where.items():
        condition_of(name, asked)
    for product in named(doing.product):
        if product not in of.products:
            raise Rejected(
                "unknown_product",
                f"A step asks for '{product}', which is not among the products of the question.",
                fix=nearest(product, of.products),
                where="product",
            )
    if doing.event in EVENT_TYPES and doing.event not in NOBODY:
        return
    known = {kind.removeprefix(NAMED) for kind in kinds} | set(EVENT_TYPES) - set(NOBODY)
    if doing.event not in known:
        raise Rejected(
            "unknown_event",
            f"No event '{doing.event}' has come yet.",
            fix=nearest(doing.event, known),
            where="event",
        )


def _check_properties(found: Selection, of: Ground) -> None:
    """Rejected where a property is on none of the events read, nor on any other lately."""
    if not len(found.ts):
        return
    missing = [name for name, column in found.properties.items() if not column.values]
    known = known_names(of.projection, of.products) if missing else frozenset()
    for name in missing:
        if name not in known and not name.startswith("@"):
            raise Rejected(
                "unknown_property",
                f"None of these events has a property '{name}'.",
                fix=nearest(name, known),
                where="where",
            )


def _is(kind: str, event: str) -> bool:
    """Whether a kind is what a question calls by this name: a type, or an engagement's name."""
    if event == "engagement":
        return kind.startswith(NAMED)
    return kind == event or (event not in EVENT_TYPES and kind == NAMED + event)
