"""The whole story as told on one day: every product's events in order of time, past and to come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from upwell.demo.billing import gauges
from upwell.demo.cast import Company, Product
from upwell.demo.columns import Columns, Ints
from upwell.demo.lines import Words, lines, words
from upwell.demo.lives import NEVER, PAYMENT_FAILED, People, Subscriptions, populate
from upwell.demo.rhythm import DAY, Calendar, calendar
from upwell.demo.visits import arrivals, visits

OWN = "kpi"
"""What no vendor of analytics is told: the company reads its gauges itself."""

Elsewhere = Mapping[str, frozenset[str]]
"""Event types by product."""

DUNNED = 25 * DAY  # how long, on average, one whose card has failed still has the product


@dataclass(frozen=True, slots=True)
class Part:
    """One product's share of the story: a table for each event type, each in order of time."""

    product: Product
    tables: tuple[Columns, ...]
    say: Words

    def table(self, type: str) -> Columns:
        """The events of one type; raises KeyError where the product has none."""
        for table in self.tables:
            if table.type == type:
                return table
        raise KeyError(type)


@dataclass(frozen=True, slots=True)
class Story:
    """The company's events from 24 months before a day until some weeks after it."""

    days: Calendar
    parts: tuple[Part, ...]

    @property
    def begins(self) -> int:
        """UTC second at which the history opens."""
        return int(self.days.home[self.days.started])

    def only(self, product: str) -> Story:
        """One product's part of the story, less what only the company's own programs know."""
        (part,) = (part for part in self.parts if part.product.id == product)
        kept = tuple(table for table in part.tables if table.type != OWN)
        return replace(self, parts=(replace(part, tables=kept),))

    def without(self, elsewhere: Elsewhere) -> Story:
        """The story less the event types of products that are heard elsewhere."""
        parts = []
        for part in self.parts:
            gone = elsewhere.get(part.product.id, frozenset())
            kept = tuple(one for one in part.tables if one.type not in gone)
            parts.append(replace(part, tables=kept))
        return replace(self, parts=tuple(parts))

    def count(self, since: int, until: int) -> int:
        """Number of events at UTC seconds [since, until)."""
        total = 0
        for part in self.parts:
            for table in part.tables:
                low, high = np.searchsorted(table.at, [since, until])
                total += int(high - low)
        return total

    def lines(self, since: int, until: int) -> list[tuple[int, str]]:
        """Time and JSON of each event at UTC seconds [since, until), in order."""
        at: list[Ints] = []
        written: list[str] = []
        for part in self.parts:
            for table in _slices(part, since, until):
                at.append(table.at)
                written.extend(lines(table, part.say))
        if not written:
            return []
        times = np.concatenate(at)
        order = np.argsort(times, kind="stable")
        return list(zip(times[order].tolist(), [written[i] for i in order.tolist()], strict=True))


def _slices(part: Part, since: int, until: int) -> Iterator[Columns]:
    for table in part.tables:
        low, high = np.searchsorted(table.at, [since, until])
        if high > low:
            yield table.take(np.arange(low, high))


@lru_cache(maxsize=2)
def tell(company: Company, today: dt.date, scale: float) -> Story:
    """The story as told on the company's date `today`, `scale` times its usual size.

    Takes about a second at scale 1 and is kept, so that history, counts and live events share it.
    """
    days = calendar(company, today)
    parts = []
    for number, product in enumerate(company.products):
        people, bought, rng = cast_of(company, number, days, scale)
        left = (bought.reason == PAYMENT_FAILED) & (bought.end < NEVER)
        used = replace(bought, end=np.where(left, bought.end + DUNNED, bought.end))
        found = [
            *arrivals(people),
            *visits(company, product, days, people, used, rng),
            gauges(days, bought),
        ]
        tables = tuple(table.take(np.argsort(table.at, kind="stable")) for table in found)
        parts.append(Part(product, tables, words(product, people)))
    return Story(days, tuple(parts))


def cast_of(
    company: Company, number: int, days: Calendar, scale: float
) -> tuple[People, Subscriptions, np.random.Generator]:
    """Who uses a product and what they buy; and the generator that tells on from there."""
    rng = np.random.default_rng([company.seed, number])
    people, bought = populate(company, company.products[number], days, rng, scale)
    return people, bought, rng
