"""Nothing is converted: each currency is answered for as if there were no other (R8, `none`).

Who pays in two currencies is a customer in both; leaving the one for the other is churn here and
new there. So every number of a currency is made of that currency alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import msgspec
import numpy as np

from upwell.query.lines import APART, Line, Reading
from upwell.query.plan import Plan
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.ratios import MONEY_PER_HEAD
from upwell.query.revenue.reading import Asked


def separate(plan: Plan, ledgers: Ledgers) -> bool:
    """Whether the question is for each currency by itself.

    So it is where nothing is converted, and of money a head, whose heads are those of a currency.
    """
    if plan.only is not None:
        return False
    unconverted = ledgers.policy(plan.question.policy).fx == "none"
    return unconverted or (plan.native and plan.metric.name in MONEY_PER_HEAD)


def currencies_of(plan: Plan, ledgers: Ledgers) -> list[str]:
    """The currencies of the ledger that have anything of what is asked for."""
    asked = Asked(plan, ledgers)
    part = asked.shelf.part(asked.scope)
    codes = np.unique(part.currency[part.day < plan.last]).tolist()
    return [asked.book.currencies[code] for code in codes]


def only(plan: Plan, currency: str) -> Plan:
    """The question about one currency alone, in that currency."""
    question = plan.question
    if question.by == "currency":
        question = msgspec.structs.replace(question, by=None)
    shown = currency if plan.metric.unit == "money" else None
    return replace(plan, question=question, currency=shown, only=currency)


def each(plan: Plan, ledgers: Ledgers) -> list[Plan]:
    """The question, or where currencies are apart one of each, that of its own currency first."""
    if not separate(plan, ledgers):
        return [plan]
    first = (plan.question.currency or "").upper(), ledgers.ground.currency
    found = currencies_of(plan, ledgers) or [ledgers.ground.currency]
    found.sort(key=lambda name: (first.index(name) if name in first else len(first), name))
    return [replace(only(plan, name), currency=name) for name in found]


def lines_of(plan: Plan, currencies: Iterable[str], read: Callable[[Plan], Reading]) -> Reading:
    """The lines of each currency, named by it; `read` answers about one alone."""
    found = Reading([])
    for currency in currencies:
        reading = read(only(plan, currency))
        found.lines += _named(plan, reading.lines, currency)
        for name, units in reading.unconverted.items():
            found.unconverted[name] = found.unconverted.get(name, 0) + units
    return found


def _named(plan: Plan, lines: list[Line], currency: str) -> Iterator[Line]:
    for line in lines:
        line.key = key_of(plan, line.key, currency)
        yield line


def key_of(plan: Plan, name: str, currency: str) -> str:
    """What a line of one currency is called."""
    apart = name and plan.question.by != "currency"
    return f"{name}{APART}{currency}" if apart else currency


def parted(plan: Plan, key: str | None) -> tuple[str | None, str | None]:
    """The value of the split and the currency that such a key stands for."""
    if key is None or plan.question.by in (None, "currency"):
        return None, key
    name, apart, currency = key.rpartition(APART)
    return (name, currency) if apart else (key, None)
