"""Names as small integers, and levels as the columns that `ledger.fold` takes."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from upwell.metrics.revenue.baskets import Line
from upwell.metrics.revenue.causes import CAUSES
from upwell.metrics.revenue.ledger import Steps
from upwell.metrics.revenue.mrr import Level
from upwell.period import Zone

Name = TypeVar("Name", bound=Hashable)
CAUSE_CODES = {cause: code for code, cause in enumerate(CAUSES)}


class Codes(Generic[Name]):
    """Numbers for names, from 0, in the order in which they are first asked for."""

    def __init__(self, names: Iterable[Name] = ()) -> None:
        self.names: list[Name] = list(names)
        self._codes = {name: code for code, name in enumerate(self.names)}

    def __getitem__(self, name: Name) -> int:
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
        return code

    def __len__(self) -> int:
        return len(self.names)


class LineKey(NamedTuple):
    """One line of one subscription of one source."""

    source: str
    subscription: str
    product: str
    plan: str
    interval: str
    currency: str


class Coding:
    """Collects the levels of many subscriptions as coded rows."""

    def __init__(self) -> None:
        self.persons: Codes[Hashable] = Codes()
        self.lines: Codes[LineKey] = Codes()
        self.subscriptions: Codes[tuple[str, str]] = Codes()
        self.products: Codes[str] = Codes()
        self.currencies: Codes[str] = Codes()
        self._rows = array("q")  # ten numbers a row: millions of tuples would be a burden

    def add(self, person: Hashable, source: str, levels: Iterable[Level], base: int = 0) -> None:
        """Take the levels of one subscription; `base` is added to the indices of their states."""
        who = self.persons[person]
        known: dict[Line, tuple[int, int, int, int, int]] = {}
        for level in levels:
            line = level.line
            codes = known.get(line)
            if codes is None:
                codes = known[line] = (
                    who,
                    self.lines[LineKey(source, level.subscription, *line)],
                    self.subscriptions[source, level.subscription],
                    self.products[line.product],
                    self.currencies[line.currency],
                )
            cause = CAUSE_CODES[level.cause]
            self._rows.extend(
                (*codes, level.at, level.amount, cause, base + level.state, level.alive)
            )

    def steps(self, zone: Zone) -> Steps:
        """All that was taken, with local days of the zone."""
        columns = np.array(self._rows, dtype=np.int64).reshape(-1, 10).T
        person, line, subscription, product, currency, at, amount, cause, state, alive = columns
        return Steps(
            person=person.astype(np.int32),
            line=line.astype(np.int32),
            subscription=subscription.astype(np.int32),
            product=product.astype(np.int16),
            currency=currency.astype(np.int16),
            at=at.copy(),
            day=zone.days(at),
            amount=amount.copy(),
            cause=cause.astype(np.uint8),
            state=state.astype(np.int32),
            alive=alive.astype(np.bool_),
        )
