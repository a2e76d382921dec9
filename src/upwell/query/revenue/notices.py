"""What subscriptions have ahead, also as columns: trials, dates to end, what is set for later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.cancellations import set_for_later, set_to_cancel
from upwell.metrics.revenue.mrr import Level
from upwell.metrics.revenue.stretches import stretches
from upwell.metrics.revenue.trials import Trial, row, trials
from upwell.period import DAY_MICROS
from upwell.projection.names import Names
from upwell.query.revenue.ladders import MOST_BESIDE, Growing, Ladder
from upwell.query.revenue.sums import I64
from upwell.query.revenue.tried import Trials, Tried

AHEAD = 400 * DAY_MICROS  # how far levels are looked ahead, so that what is kept stays true
CURRENCIES = 16  # bits of a group that number the currency; those above it the product
Subscription = tuple[str, str]  # source and id
Slips = tuple[Ladder, Ladder]  # changes of MRR in millionths of minor units, by group; they add up


class Notices(NamedTuple):
    """Of one subscription: its trials, levels of the MRR that has a date to end, and of what is
    set for later: by how much MRR will be another."""

    source: str
    id: str
    product: str = ""
    customer: str = ""
    trials: tuple[Trial, ...] = ()
    ending: tuple[Level, ...] = ()
    later: tuple[Level, ...] = ()


class Said(NamedTuple):
    """All notices at once, whose products and currencies are numbers of the names."""

    products: list[str]
    currencies: list[str]
    trials: Tried
    ending: Slips
    later: Slips


class Kept:
    """Notices in the order of time, of which a subscription's own are replaced together."""

    def __init__(self, policy: MetricPolicy, beside: int = MOST_BESIDE) -> None:
        self._products, self._currencies = Names(), Names()
        self._trials = Trials(policy, beside)
        self._ending, self._later = Growing(beside), Growing(beside)

    def take(self, fresh: Notices, before: Notices | None) -> None:
        """Put what was said of a subscription in place of what was said before."""
        for one, sign in ((before, -1), (fresh, 1)):
            if one is not None:
                product = self._products.number(one.product)
                self._trials.add((product, *row(trial), sign) for trial in one.trials)
                self._ending.add(self._changes(one.ending, sign))
                self._later.add(self._changes(one.later, sign))

    def _changes(self, levels: Iterable[Level], sign: int) -> Iterator[tuple[int, int, int]]:
        shown: dict[object, int] = {}
        for level in levels:
            product = self._products.number(level.product)
            group = product << CURRENCIES | self._currencies.number(level.currency)
            yield group, level.at, sign * (level.amount - shown.get(level.line, 0))
            shown[level.line] = level.amount

    def read(self) -> Said:
        """All of them as they stand."""
        found = self._trials.read(), self._ending.read(), self._later.read()
        return Said(list(self._products.all), list(self._currencies.all), *found)


def amounts(
    slips: Slips, keys: Sequence[int], codes: Sequence[int], shape: tuple[int, int], closes: I64
) -> I64:
    """What slips come to before each of some instants, as [key, currency, instant].

    `keys` and `codes` say which ones of `shape` a slip's product and currency are; -1: none.
    """
    found = np.zeros((*shape, len(closes)), dtype=np.int64)
    for ladder in slips:
        for place, group in enumerate(ladder.groups.tolist()):
            key, code = keys[group >> CURRENCIES], codes[group & (1 << CURRENCIES) - 1]
            if key >= 0 and code >= 0:
                found[key, code] += ladder.before(place, closes)
    return found


def made(states: Sequence[SubscriptionState], policy: MetricPolicy, seen: int) -> Notices:
    """The notices of one subscription by its states, as of an instant (UTC micros)."""
    until, known = seen + AHEAD, list(stretches(states, policy))
    product = next((i.product for s in reversed(states) for i in s.items), "")
    tried = any(state.status == "trialing" for state in states)
    ends = any(state.cancel_at is not None for state in states)
    return Notices(
        source=states[-1].source,
        id=states[-1].id,
        product=product,
        customer=states[-1].customer,
        trials=tuple(trials(known, policy, until)) if tried else (),
        ending=tuple(set_to_cancel(known, policy, until)) if ends else (),
        later=tuple(set_for_later(known, policy, until)),
    )
