"""Who and what the ledger's numbers stand for: people, and lines of subscriptions."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


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

    def known(self, text: str) -> int:
        """The number of a text; -1 where it has none."""
        return self._numbers.get(text, -1)

    def take(self, column: pa.ChunkedArray) -> NDArray[np.int32]:
        """The numbers of a column of texts; nothing must be named yet."""
        coded = column.combine_chunks().dictionary_encode()
        self.all = coded.dictionary.to_pylist()
        self._numbers = {text: number for number, text in enumerate(self.all)}
        codes: NDArray[np.int32] = coded.indices.to_numpy().astype(np.int32)
        return codes


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

    def take(
        self, keys: Iterable[tuple[str, str]], known: Mapping[tuple[str, str], Person]
    ) -> None:
        """Take stored customers in order, with what is known of some; nobody is there yet."""
        self.all = [known.get(key) or Person((key,)) for key in keys]
        self.numbers = {person.ids[0]: number for number, person in enumerate(self.all)}

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
        self._subscriptions = Names()  # as `source`, a null, and the id
        self._shapes: dict[tuple[int, ...], int] = {}  # product, plan, interval, currency
        self._numbers: dict[int, int] = {}  # subscription and shape -> line
        self.subscription, self.product, self.plan = array("i"), array("i"), array("i")
        self.interval, self.currency = array("i"), array("i")
        self.member, self.source = array("i"), array("i")  # who pays, as a number of people

    def number(self, line: Line) -> int:
        """The number of a line, a new one where it is new."""
        subscription = self._subscription(f"{line.source}\0{line.subscription}")
        shape = (
            self.products.number(line.product),
            self.plans.number(line.plan),
            self.intervals.number(line.interval),
            self.currencies.number(line.currency),
        )
        key = subscription << 32 | self._shapes.setdefault(shape, len(self._shapes))
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self)
            columns = (self.product, self.plan, self.interval, self.currency)
            for column, code in zip(columns, shape, strict=True):
                column.append(code)
            self.subscription.append(subscription)
            self.source.append(self.sources.number(line.source))
            self.member.append(self._people.number(line.source, line.customer))
        return found

    def subscription_number(self, source: str, subscription: str) -> int:
        """The number of a subscription of a source; -1 where no line is of it."""
        return self._subscriptions.known(f"{source}\0{subscription}")

    def take(self, table: pa.Table) -> None:
        """Take stored lines in order: Line's names as columns, and `member` for who pays."""
        full = pc.binary_join_element_wise(table["source"], table["subscription"], "\0")
        columns = {
            "subscription": self._subscriptions.take(full),
            "product": self.products.take(table["product"]),
            "plan": self.plans.take(table["plan"]),
            "interval": self.intervals.take(table["interval"]),
            "currency": self.currencies.take(table["currency"]),
            "source": self.sources.take(table["source"]),
            "member": table["member"].to_numpy().astype(np.int32),
        }
        for name, column in columns.items():
            setattr(self, name, array("i", column.tobytes()))
        self.subscriptions = [name.partition("\0")[2] for name in self._subscriptions.all]
        shape = columns["product"].astype(np.int64)
        for name, names in (
            ("plan", self.plans),
            ("interval", self.intervals),
            ("currency", self.currencies),
        ):
            shape = shape * len(names.all) + columns[name]
        _, at, of = np.unique(shape, return_index=True, return_inverse=True)
        parts = (self.product, self.plan, self.interval, self.currency)
        self._shapes = {tuple(p[n] for p in parts): k for k, n in enumerate(at.tolist())}
        keys = columns["subscription"].astype(np.int64) << 32 | of.reshape(-1)
        self._numbers = dict(zip(keys.tolist(), range(len(keys)), strict=True))

    def _subscription(self, name: str) -> int:
        found = self._subscriptions.number(name)
        if found == len(self.subscriptions):
            self.subscriptions.append(name.partition("\0")[2])
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
