"""Who and what the ledger's numbers stand for: people, and lines of subscriptions."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple, overload


class Line(NamedTuple):
    """What a row is a change of; two of the same names are one line, whoever pays."""

    subscription: str
    product: str
    plan: str
    interval: str
    currency: str
    customer: str
    source: str


class Person(NamedTuple):
    """A customer of the company: one or several (source, customer) that belong together."""

    ids: tuple[tuple[str, str], ...]
    name: str = ""
    email: str = ""
    country: str = ""
    created: int | None = None
    excluded: bool = False


class Names:
    """Texts and the numbers they stand for, in order of first use."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text, a new one where it is new."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self.all)
            self.all.append(text)
        return found


class People:
    """Everybody who pays, by number; shared by the books of all counting rules.

    A customer who was merged into another keeps the number, which no new row has then.
    """

    def __init__(self) -> None:
        self.all: list[Person] = []
        self.numbers: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def number(self, source: str, customer: str) -> int:
        """The number of a customer, a new one where it is new."""
        key = (source, customer)
        found = self.numbers.get(key)
        if found is None:
            with self._lock:
                found = self.numbers.get(key)
                if found is None:
                    self.all.append(Person((key,)))
                    found = self.numbers[key] = len(self.all) - 1
        return found

    def join(self, same: Mapping[tuple[str, str], tuple[str, str]]) -> None:
        """Let merged customers be one person, who has all their ids."""
        for member, first in same.items():
            number = self.number(*first)
            one, other = self.all[number], self.all[self.number(*member)]
            ids = tuple(dict.fromkeys((*one.ids, member)))
            self.all[number] = Person(
                ids,
                one.name or other.name,
                one.email or other.email,
                one.country or other.country,
                min((at for at in (one.created, other.created) if at is not None), default=None),
                one.excluded and other.excluded,
            )


class Lines(Sequence[Line]):
    """Lines by number, kept as columns of codes; a `Line` is made when it is asked for."""

    def __init__(self, people: People) -> None:
        self._people = people
        self.products, self.plans, self.intervals = Names(), Names(), Names()
        self.currencies, self.sources = Names(), Names()
        self.subscriptions: list[str] = []  # ids; one of another source has another number
        self._subscription_numbers: dict[str, int] = {}
        self._numbers: dict[int, int] = {}
        self.subscription, self.product, self.plan = array("i"), array("i"), array("i")
        self.interval, self.currency = array("i"), array("i")
        self.member, self.source = array("i"), array("i")  # who pays, as a number of people

    def number(self, line: Line) -> int:
        """The number of a line, a new one where it is new."""
        source = self.sources.number(line.source)
        subscription = self._subscription(source, line.subscription)
        codes = (
            subscription,
            self.products.number(line.product),
            self.plans.number(line.plan),
            self.intervals.number(line.interval),
            self.currencies.number(line.currency),
        )
        key = 0
        for code in codes:
            key = key << 24 | code
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self)
            columns = (self.subscription, self.product, self.plan, self.interval, self.currency)
            for column, code in zip(columns, codes, strict=True):
                column.append(code)
            self.source.append(source)
            self.member.append(self._people.number(line.source, line.customer))
        return found

    def _subscription(self, source: int, id_: str) -> int:
        key = f"{source}\0{id_}"
        found = self._subscription_numbers.get(key)
        if found is None:
            found = self._subscription_numbers[key] = len(self.subscriptions)
            self.subscriptions.append(id_)
        return found

    def __len__(self) -> int:
        return len(self.member)

    @overload
    def __getitem__(self, at: int) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> list[Line]: ...
    def __getitem__(self, at: int | slice) -> Line | list[Line]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        return Line(
            self.subscriptions[self.subscription[at]],
            self.products.all[self.product[at]],
            self.plans.all[self.plan[at]],
            self.intervals.all[self.interval[at]],
            self.currencies.all[self.currency[at]],
            self._people.all[self.member[at]].ids[0][1],
            self.sources.all[self.source[at]],
        )
