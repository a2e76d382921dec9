"""From the states of one subscription to its levels: how much a month, from which instant on.

An amount is an integer of 1e-6 minor units of its currency: each item is rounded once, half to
even, and every later sum is exact (R1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from upwell.billing import Item, SubscriptionState
from upwell.errors import Rejected
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import prices
from upwell.metrics.revenue.baskets import Basket, Line, Pricer, pricer
from upwell.metrics.revenue.baskets import check as check
from upwell.metrics.revenue.causes import Told, cause_of, cause_of_turn
from upwell.metrics.revenue.standing import Standing, Stretch, dates, standing, terminal
from upwell.metrics.revenue.stretches import followed, following, in_order, stretches

_NOTHING: Basket = {}


class Level(NamedTuple):
    """From `at` on a line is worth `amount` a month, until its next level; before the first, 0.

    `alive` tells a line that stands at 0 but is not over, where the policy keeps such customers
    (zero_price = active); otherwise it is whether the amount is above 0. `state` is the index of
    the state behind the change, in the sequence that was given.
    """

    at: int
    subscription: str
    product: str
    plan: str
    interval: str
    currency: str
    amount: int
    cause: str
    state: int
    alive: bool

    @property
    def line(self) -> Line:
        """Which line of the subscription."""
        return Line(self.product, self.plan, self.interval, self.currency)


def item_mrr(item: Item, policy: MetricPolicy, at: int) -> int:
    """MRR of one item at an instant, in 1e-6 minor units, with its own discounts.

    0 for what is charged once or metered; Rejected (see `prices.check_item`) for what cannot be
    read.
    """
    prices.check_item(item)
    own = prices.active(item.discounts, policy, at)
    return prices.net_of_items((item,), (), (own,), policy)[0]


def unusable(states: Sequence[SubscriptionState]) -> dict[int, Rejected]:
    """The states, by index, that `levels` leaves out, with the reason."""
    found = {}
    for index, state in enumerate(states):
        try:
            check(state)
        except Rejected as reason:
            found[index] = reason
    return found


def levels(states: Sequence[SubscriptionState], policy: MetricPolicy, until: int) -> list[Level]:
    """The levels of one subscription, by instant.

    `states` are in any order and may repeat; of those with one `at` the last by `order` holds. A
    state that cannot be read changes nothing: the one before it holds on (`unusable` names them).
    What happens by itself (a discount or trial ends, a cancellation takes effect) is a level at its
    own instant, if that is not after `until` (UTC microseconds).
    """
    return Course(policy, until).levels(states)


class Course:
    """Levels of one subscription, asked for again and again as its states become known.

    A state after all others changes nothing before the last of them, so the rest is not worked out
    anew: a subscription whose n states came one by one costs n steps, not n squared.
    """

    def __init__(self, policy: MetricPolicy, until: int) -> None:
        self._policy, self._until = policy, until
        self._run = _Run(policy)
        self._states: Sequence[SubscriptionState] = ()
        self._last: Stretch | None = None  # the last state that can be read, and
        self._mark = self._run.mark()  # what stood before it
        self._names: dict[str, str] = {}  # of the prices so far

    def levels(self, states: Sequence[SubscriptionState]) -> list[Level]:
        """As the function `levels`; quick where `states` are the last ones and later ones."""
        known = len(self._states)
        if self._last is None or not self._goes_on(states):
            self._run, self._last, self._names = _Run(self._policy), None, {}
            for stretch in stretches(states, self._policy):
                self._take(stretch)
        else:
            last = self._last
            for state, number, basket in in_order(states[known:], pricer(self._policy)):
                self._run.back_to(self._mark)
                self._take(followed(last, state))
                last = following(last, state, known + number, basket)
                self._take(last)
        self._states = states
        return list(self._run.found)

    def _goes_on(self, states: Sequence[SubscriptionState]) -> bool:
        known = self._states
        if self._last is None or len(states) < len(known):
            return False
        if any(one is not other for one, other in zip(known, states, strict=False)):
            return False
        end = self._last.state.at
        if any(state.reconstructed and state.at >= end for state in states):
            return False  # what invoices leave unsaid is found in the states around them
        return all(state.at > end and not self._renames(state) for state in states[len(known) :])

    def _renames(self, state: SubscriptionState) -> bool:
        """Whether a price has another name than so far: all earlier states then take it too."""
        for item in state.items:
            if item.price.id and self._names.get(item.price.id, item.price.plan) != item.price.plan:
                return True
        return False

    def _take(self, stretch: Stretch) -> None:
        self._last, self._mark = stretch, self._run.mark()
        self._names.update((item.price.id, item.price.plan) for item in stretch.state.items)
        self._run.take(stretch, stretch.state.at)
        if not stretch.steady:
            for at in within(stretch, self._policy, self._until):
                self._run.take(stretch, at)


_Mark = tuple[int, Basket, Standing, Told | None]


class _Run:
    """The levels found so far, and what stood last."""

    def __init__(self, policy: MetricPolicy) -> None:
        self.found: list[Level] = []
        self._policy, self._prices = policy, pricer(policy)
        self._free_counts = policy.zero_price == "active"
        self._basket: Basket = {}
        self._stood: Standing = "nothing"
        self._told: Told | None = None

    def mark(self) -> _Mark:
        """Where it is, to come back to."""
        return len(self.found), self._basket, self._stood, self._told

    def back_to(self, mark: _Mark) -> None:
        """Forget what was taken since."""
        count, self._basket, self._stood, self._told = mark
        del self.found[count:]

    def take(self, stretch: Stretch, at: int) -> None:
        """Compare an instant of a stretch with what stood before it."""
        stands: Standing = "counts"
        now, basket = self._told, _NOTHING
        if stretch.steady and stretch.basket is not None:  # nearly every time
            now, basket = (stretch.state, at), stretch.basket
        else:
            stands = standing(stretch, self._policy, at)
            if stands == "counts":
                now, basket = _shown(stretch, at, self._prices)
        if stands != self._stood or (basket is not self._basket and basket != self._basket):
            self._change(stretch, at, stands, now, basket)
        self._basket, self._stood, self._told = basket, stands, now

    def _change(
        self, stretch: Stretch, at: int, stands: Standing, now: Told | None, basket: Basket
    ) -> None:
        before, free = self._basket, self._free_counts
        for line in {**before, **basket}:
            amount, earlier = basket.get(line, 0), before.get(line, 0)
            alive = amount > 0 or (free and line in basket)
            lived = earlier > 0 or (free and line in before)
            if amount == earlier and alive == lived:
                continue
            if stands != self._stood:
                cause = cause_of_turn(self._stood, stands)
            else:
                cause = cause_of(line, self._told, now, before, basket, self._policy)
            state, number = stretch.state, stretch.number
            self.found.append(Level(at, state.id, *line, amount, cause, number, alive))


def due(states: Sequence[SubscriptionState], policy: MetricPolicy, after: int) -> int | None:
    """The next instant after `after` at which a level may change without another state."""
    known = list(stretches(states, policy))
    if not known:
        return None
    last = known[-1]
    ahead = dates(last, policy) + discount_dates(last.state, policy)
    return min((at for at in ahead if at > after), default=None)


def _shown(stretch: Stretch, at: int, known: Pricer) -> tuple[Told, Basket]:
    """The state whose items are shown at an instant, and what they come to."""
    shown, basket = stretch.state, stretch.basket
    if terminal(shown) and stretch.held is not None:
        shown, basket = stretch.held, None
    return (shown, at), known.basket(shown, at) if basket is None else basket


def worth(stretch: Stretch, policy: MetricPolicy, at: int) -> Basket:
    """What a subscription brings in at an instant within a stretch, by line; empty: nothing."""
    if stretch.steady and stretch.basket is not None:
        return stretch.basket
    counts = standing(stretch, policy, at) == "counts"
    return _shown(stretch, at, pricer(policy))[1] if counts else _NOTHING


def within(stretch: Stretch, policy: MetricPolicy, until: int) -> list[int]:
    """The instants within a stretch, after its first, at which something may change."""
    state, after = stretch.state, stretch.following
    inner = dates(stretch, policy)
    if stretch.basket is None:
        inner += discount_dates(state, policy)
    if not inner:
        return inner
    end = until + 1 if after is None else min(until + 1, after.at)
    return sorted({at for at in inner if state.at < at < end})


def discount_dates(state: SubscriptionState, policy: MetricPolicy) -> list[int]:
    """Instants at which a discount that counts begins or ends."""
    every = [*state.discounts, *(d for item in state.items for d in item.discounts)]
    kinds = prices.COUNTED[policy.discounts]
    return [at for d in every if d.duration in kinds for at in (d.start, d.end) if at is not None]
