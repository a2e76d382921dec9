"""What subscriptions have ahead, also as columns: trials, dates to end, what is set for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.cancellations import set_for_later, set_to_cancel
from upwell.metrics.revenue.mrr import Level
from upwell.metrics.revenue.trials import Columns, Trial, row, trials
from upwell.period import DAY_MICROS
from upwell.projection.names import Names
from upwell.query.revenue.columns import Rows
from upwell.query.revenue.sums import I64, added

AHEAD = 400 * DAY_MICROS  # how far levels are looked ahead, so that what is kept stays true
Subscription = tuple[str, str]  # source and id


class Notices(NamedTuple):
    """Of one subscription: its trials, levels of the MRR that has a date to end, and of what is
    set for later: by how much MRR will be another."""

    source: str
    id: str
    product: str = ""
    trials: tuple[Trial, ...] = ()
    ending: tuple[Level, ...] = ()
    later: tuple[Level, ...] = ()


class Slips(NamedTuple):
    """Changes of an amount of MRR, as columns; `change` is in millionths of minor units."""

    product: I64
    currency: I64
    at: I64
    change: I64


class Said(NamedTuple):
    """All notices at once, as columns whose products and currencies are numbers of the names."""

    products: list[str]
    currencies: list[str]
    product: I64  # of each trial
    trials: Columns
    ending: Slips
    later: Slips


class Kept:
    """Notices as columns, of which a subscription's own are replaced together."""

    def __init__(self) -> None:
        self._products, self._currencies = Names(), Names()
        self._trials, self._ending, self._later = Rows(5), Rows(4), Rows(4)

    def take(self, fresh: Mapping[Subscription, Notices]) -> None:
        """Put what was said of these subscriptions in place of what was said before."""
        self._trials.replace(
            {
                key: [(self._products.number(one.product), *row(trial)) for trial in one.trials]
                for key, one in fresh.items()
            }
        )
        self._ending.replace({key: self._changes(one.ending) for key, one in fresh.items()})
        self._later.replace({key: self._changes(one.later) for key, one in fresh.items()})

    def _changes(self, levels: Iterable[Level]) -> list[tuple[int, ...]]:
        shown: dict[object, int] = {}
        found = list[tuple[int, ...]]()
        for level in levels:
            names = self._products.number(level.product), self._currencies.number(level.currency)
            found.append((*names, level.at, level.amount - shown.get(level.line, 0)))
            shown[level.line] = level.amount
        return found

    def read(self) -> Said:
        """All of them as they stand."""
        product, *trials = self._trials.read()
        return Said(
            list(self._products.all),
            list(self._currencies.all),
            product,
            Columns(*trials),
            Slips(*self._ending.read()),
            Slips(*self._later.read()),
        )


def amounts(
    slips: Slips, keys: Sequence[int], codes: Sequence[int], shape: tuple[int, int], closes: I64
) -> I64:
    """What slips come to before each of some instants, as [key, currency, instant].

    `keys` and `codes` say which ones of `shape` a slip's product and currency are; -1: none.
    """
    key, code = np.array([*keys, -1])[slips.product], np.array([*codes, -1])[slips.currency]
    slot = np.searchsorted(closes, slips.at, side="right")
    own = (key >= 0) & (code >= 0) & (slot < len(closes))
    place = ((key * shape[1] + code) * len(closes) + slot)[own]
    cells = added(place, slips.change[own], shape[0] * shape[1] * len(closes))
    found: I64 = np.cumsum(cells.reshape(*shape, len(closes)), axis=-1)
    return found


def made(states: Sequence[SubscriptionState], policy: MetricPolicy, seen: int) -> Notices:
    """The notices of one subscription by its states, as of an instant (UTC micros)."""
    until = seen + AHEAD
    product = next((i.product for s in reversed(states) for i in s.items), "")
    tried = any(state.status == "trialing" for state in states)
    ends = any(state.cancel_at is not None for state in states)
    return Notices(
        source=states[-1].source,
        id=states[-1].id,
        product=product,
        trials=tuple(trials(states, policy, until)) if tried else (),
        ending=tuple(set_to_cancel(states, policy, until)) if ends else (),
        later=tuple(set_for_later(states, policy, until)),
    )
