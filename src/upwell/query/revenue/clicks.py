"""What subscriptions brought in whose cancellation was asked for, kept as the ledger moves on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.projection import Projection
from upwell.projection.book import Book
from upwell.query.lines import Reading
from upwell.query.plan import Plan, versions
from upwell.query.read import sum_up
from upwell.query.revenue.exchange import nanos_of
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import Part
from upwell.query.revenue.reading import scope_of
from upwell.query.revenue.sums import I64, added, firsts, ranges, running


class Click(NamedTuple):
    """A cancellation that was asked for, with the delivery that told of it."""

    seq: int
    source: str
    product: str
    day: int
    at: int
    subscription: str


class Clicks(NamedTuple):
    """Clicks, and as columns the line, the slot and the instant of each; `slots` are in order."""

    all: list[Click]
    key: I64
    slot: I64
    at: I64
    slots: I64


class Clicked(NamedTuple):
    """The subscription in a product that each click is of, as a number; below 0 without rows.

    `order` are the places of the clicks by that number.
    """

    group: I64
    order: NDArray[np.intp]


Valued = dict[str, tuple[I64, Reading]]  # by line: what it came to, and that in money


def clicks_of(plan: Plan, projection: Projection) -> list[Click]:
    """The cancellations asked for within the days, of subscriptions that are known."""
    rows = projection.reader().execute(
        f"""select seq, source, product, day, ts,
          json_extract_string(metadata, '$.subscription_id') as subscription
        from events where type = 'churn' and not excluded and {versions(plan)}
          and day >= ? and day < ? and product in (select unnest(?::varchar[]))
          and subscription is not null order by ts desc, seq desc, idx desc""",
        [plan.start, plan.last, list(plan.products)],
    )
    return [Click(*row) for row in rows.fetchall()]


def read(plan: Plan, ledgers: Ledgers, projection: Projection) -> Reading:
    """What the cancelled subscriptions brought in before each click, at the rate of its day."""
    shelf = ledgers.shelf(plan.question.policy)
    book, by_product = shelf.book, plan.question.by == "product"
    stood = (projection.generation, projection.changed(plan.products, ("churn",)))
    about = (plan.start, plan.last, plan.products, plan.known_at, plan.hourly, by_product)
    keys = list(plan.products) if by_product else [""]
    known = ledgers.remembered(
        (*about, *stood), lambda: _columns(plan, keys, clicks_of(plan, projection))
    )
    clicked = ledgers.remembered((*about, *stood, id(book)), lambda: _clicked(book, known.all))
    if clicked.group[clicked.order[:1]].min(initial=0) < 0:  # some were not in the book then
        names = len(book.subscriptions), len(book.products)
        clicked = ledgers.remembered(
            (*about, *stood, id(book), *names), lambda: _clicked(book, known.all)
        )
    scope, shape = scope_of(plan)._replace(apart=False), (len(keys), len(known.slots))
    (sums,) = shelf.sum(
        scope, ("clicks", about, stood), lambda part: (_worth(part, book, known, clicked, shape),)
    )
    rates = ledgers.rates()
    shown = plan.currency, plan.question.grain, plan.today, plan.begun
    valued: Valued = ledgers.remembered((*about, *stood, id(book), scope, *shown, id(rates)), dict)
    reading = Reading([])
    for key, own in zip(keys, sums, strict=True):
        if key not in valued or not np.array_equal(valued[key][0], own):
            one = replace(plan, products=(key,)) if by_product else plan
            found = sum_up(one, {key: _wide(own, book, known.slots)}, lambda: rates)
            valued[key] = (own, found)
        part = valued[key][1]
        reading.lines += [replace(line, values=list(line.values)) for line in part.lines]
        for currency, units in part.unconverted.items():
            reading.unconverted[currency] = reading.unconverted.get(currency, 0) + units
    return reading


def _wide(sums: I64, book: Book, slots: I64) -> dict[str, dict[int, int]]:
    """One line's sums [currency, slot] by name and slot, in nano-units; without zeros."""
    found: dict[str, dict[int, int]] = {}
    for code, place in np.argwhere(sums).tolist():
        currency = book.currencies[code]
        units = nanos_of(int(sums[code, place]), currency)
        found.setdefault(currency, {})[int(slots[place])] = units
    return found


def _columns(plan: Plan, keys: Sequence[str], found: list[Click]) -> Clicks:
    number = {name: n for n, name in enumerate(keys)}
    at = np.array([click.at for click in found], dtype=np.int64)
    days = np.array([click.day for click in found], dtype=np.int64)
    slots, slot = np.unique(plan.zone.hours(at) if plan.hourly else days, return_inverse=True)
    key = np.array([number.get(click.product, 0) for click in found], dtype=np.int64)
    return Clicks(found, key, slot.reshape(-1), at, slots)


def _clicked(book: Book, found: Sequence[Click]) -> Clicked:
    products = {name: n for n, name in enumerate(book.products)}
    lines = book.lines
    group = np.array(
        [
            lines.subscription_number(click.source, click.subscription) << 16 | number
            if (number := products.get(click.product)) is not None
            else -1
            for click in found
        ],
        dtype=np.int64,
    )
    return Clicked(group, np.argsort(group, kind="stable"))


def _worth(part: Part, book: Book, clicks: Clicks, of: Clicked, shape: tuple[int, int]) -> I64:
    """What the part's rows before each click come to, as [line, currency, slot]."""
    group = book.line_subscription[part.line].astype(np.int64) << 16 | part.product
    ordered, there = of.group[of.order], np.unique(group)
    low, high = (np.searchsorted(ordered, there, side) for side in ("left", "right"))
    own = of.order[ranges(low, high)]
    clicked = np.flatnonzero((high > low)[np.searchsorted(there, group)])
    many = max(1, len(book.currencies))
    found = np.zeros((shape[0], many, shape[1]), dtype=np.int64)
    for code in np.unique(part.currency[clicked]).tolist():
        rows = clicked[part.currency[clicked] == code]
        groups = np.concatenate([of.group[own], group[rows]])
        at = np.concatenate([clicks.at[own], part.at[rows]])
        change = np.concatenate([np.zeros(len(own), dtype=np.int64), part.delta[rows]])
        order = np.lexsort((np.arange(len(at)) >= len(own), at, groups))
        worth = np.empty(len(at), dtype=np.int64)
        worth[order] = running(change[order], firsts(groups[order]))
        place = clicks.key[own] * shape[1] + clicks.slot[own]
        found[:, code] = added(place, worth[: len(own)], shape[0] * shape[1]).reshape(shape)
    return found
