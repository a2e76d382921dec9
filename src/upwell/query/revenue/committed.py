"""What was set for later by the end of a bucket: committed MRR, and MRR set to cancel (R2, R6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

import numpy as np

from upwell.projection.book import Line
from upwell.query.lines import Reading
from upwell.query.plan import Plan
from upwell.query.revenue import measures
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.notices import Said, Slips, amounts
from upwell.query.revenue.part import Part
from upwell.query.revenue.reading import Asked
from upwell.query.revenue.sums import I64, added
from upwell.query.revenue.table import names_of

Key = tuple[str, str, str, str, str, str]


def committed(plan: Plan, ledgers: Ledgers) -> Reading:
    """MRR at the end of each bucket with what was set for later, at the rate of that day."""
    asked = Asked(plan, ledgers)
    table = asked.table()
    later = _levels(asked, ledgers, len(table.opening), attrgetter("later"))
    found = measures.levels(table, asked.cuts) + later
    return asked.money(table, lambda key, quotes: measures.stock(found[key], quotes))


def set_to_cancel(plan: Plan, ledgers: Ledgers) -> Reading:
    """MRR at the end of each bucket that is set to end later, at the rate of that day."""
    asked = Asked(plan, ledgers)
    table = asked.table()
    found = _levels(asked, ledgers, len(table.opening), attrgetter("ending"))
    return asked.money(table, lambda key, quotes: measures.stock(found[key], quotes))


def _levels(asked: Asked, ledgers: Ledgers, keys: int, of: Callable[[Said], Slips]) -> I64:
    """What notices come to at each bucket's end, as [key, currency, bucket]."""
    plan, book = asked.plan, asked.book
    closes = [min(bucket.closes, plan.seen + 1) for bucket in plan.buckets[: plan.begun]]
    numbers = {name: n for n, name in enumerate(book.currencies)}
    places = {name: n for n, name in enumerate(names_of(book, asked.by, keys))}
    said = ledgers.said(plan)
    wanted = [
        -1 if name not in plan.products else places.get(name, -1) if asked.by else 0
        for name in said.products
    ]
    codes = [numbers.get(name, -1) for name in said.currencies]
    shape = keys, max(1, len(numbers))
    return amounts(of(said), wanted, codes, shape, np.array(closes, dtype=np.int64))


def key_of(line: Line) -> Key:
    """A line by what billing systems call it."""
    what = (line.product, line.plan, line.interval, line.currency)
    return (line.source, line.subscription, *what)


def settled(asked: Asked, part: Part, ledgers: Ledgers) -> Part:
    """The rows of MRR that add up to committed MRR.

    What is set for later stands on the last row of its line; lines that will be over are left out.
    A line that is only to come stands on one that its subscription has.
    """
    plan, book = asked.plan, asked.book
    until = min(plan.seen + 1, plan.zone.opens(plan.last))
    later = {
        (notice.source, notice.id, *level.line): level.amount
        for notice in ledgers.notices(plan)
        for level in notice.later
        if level.at < until and level.product in plan.products
    }
    delta = part.delta.copy()
    kept = np.ones(len(delta), dtype=np.bool_)
    sums = added(part.line, part.delta, len(book.lines))
    for number, change in _placed(asked, np.unique(part.line).tolist(), later).items():
        own = np.flatnonzero(part.line == number)
        kept[own] = sums[number] + change != 0
        delta[own[np.argmax(part.at[own])]] += change
    return part._replace(delta=delta).take(kept)


def _placed(asked: Asked, numbers: Sequence[int], later: Mapping[Key, int]) -> dict[int, int]:
    """By how much committed MRR is another than MRR, by number of a line that has rows."""
    found: defaultdict[int, int] = defaultdict(int)
    lines = {key_of(asked.book.lines[number]): number for number in numbers}
    homes = {_home(asked, key): number for key, number in lines.items()}
    for key, change in later.items():
        number = lines.get(key, homes.get(_home(asked, key)))
        if change and number is not None:
            found[number] += change
    return found


def _home(asked: Asked, key: Key) -> tuple[str, ...]:
    """The subscription of a line in its currency, and in its product where these are apart."""
    source, subscription, product, _, _, currency = key
    return source, subscription, currency, product if asked.by == "product" else ""
