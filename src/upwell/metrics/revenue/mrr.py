"""From the states of one subscription to its levels: how much a month, from which instant on.

An amount is an integer of 1e-6 minor units of its currency: each item is rounded once, half to
even, and every later sum is exact (R1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from upwell.billing import Item, SubscriptionState
from upwell.errors import Rejected
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import prices
from upwell.metrics.revenue.baskets import Basket, Line, Pricer, discounted, pricer
from upwell.metrics.revenue.baskets import check as check
from upwell.metrics.revenue.causes import Told, cause_of, cause_of_turn
from upwell.metrics.revenue.rebuilt import continued
from upwell.metrics.revenue.standing import Standing, Stretch, dates, standing, steady, terminal


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
    found: list[Level] = []
    prices_of, free_counts = pricer(policy), policy.zero_price == "active"
    before: Basket = {}
    stood: Standing = "nothing"
    told: Told | None = None
    for at, stretch in _moments(states, policy, until):
        stands = standing(stretch, policy, at)
        now, basket = _shown(stretch, at, prices_of) if stands == "counts" else (told, {})
        if stands != stood or basket != before:
            for line in {**before, **basket}:
                amount, earlier = basket.get(line, 0), before.get(line, 0)
                alive = amount > 0 or (free_counts and line in basket)
                lived = earlier > 0 or (free_counts and line in before)
                if amount == earlier and alive == lived:
                    continue
                if stands != stood:
                    cause = cause_of_turn(stood, stands)
                else:
                    cause = cause_of(line, told, now, before, basket, policy)
                number = stretch.number
                found.append(Level(at, stretch.state.id, *line, amount, cause, number, alive))
        before, stood, told = basket, stands, now
    return found


def due(states: Sequence[SubscriptionState], policy: MetricPolicy, after: int) -> int | None:
    """The next instant after `after` at which a level may change without another state."""
    known = list(stretches(states, policy))
    if not known:
        return None
    last = known[-1]
    ahead = dates(last, policy) + _discount_dates(last.state, policy)
    return min((at for at in ahead if at > after), default=None)


def _shown(stretch: Stretch, at: int, known: Pricer) -> tuple[Told, Basket]:
    """The state whose items are shown at an instant, and what they come to."""
    shown, basket = stretch.state, stretch.basket
    if terminal(shown) and stretch.held is not None:
        shown, basket = stretch.held, None
    return (shown, at), known.basket(shown, at) if basket is None else basket


def _moments(
    states: Sequence[SubscriptionState], policy: MetricPolicy, until: int
) -> Iterator[tuple[int, Stretch]]:
    """Every instant at which something may change, with what is known of it."""
    for stretch in stretches(states, policy):
        state, after = stretch.state, stretch.following
        yield state.at, stretch
        if stretch.steady:
            continue
        inner = dates(stretch, policy)
        if stretch.basket is None:
            inner += _discount_dates(state, policy)
        if inner:
            end = until + 1 if after is None else min(until + 1, after.at)
            for at in sorted({at for at in inner if state.at < at < end}):
                yield at, stretch


def stretches(states: Sequence[SubscriptionState], policy: MetricPolicy) -> Iterator[Stretch]:
    """The states of one subscription in order, each with what follows and what is remembered."""
    order = _in_order(states, pricer(policy))
    past_due: int | None = None
    held: SubscriptionState | None = None
    for place, (state, number, basket) in enumerate(order):
        after = order[place + 1][0] if place + 1 < len(order) else None
        past_due = (past_due or state.at) if state.status == "past_due" else None
        calm = steady(state, basket, after)
        yield Stretch(state, number, basket, after, past_due, held, calm)
        if not terminal(state):
            held = state


def _in_order(
    states: Sequence[SubscriptionState], known: Pricer
) -> list[tuple[SubscriptionState, int, Basket | None]]:
    """The states that can be read and hold for any time at all, in order.

    Each with its index and, where no discount can change it, with what it comes to.
    """
    last: dict[int, tuple[SubscriptionState, int, Basket | None]] = {}
    for number in sorted(range(len(states)), key=lambda i: (states[i].at, states[i].order)):
        state = states[number]
        try:
            basket = known.read(state)
        except Rejected:
            continue
        rival = last.get(state.at)
        if rival is None or not _same_version_before(rival[0], state):
            last[state.at] = state, number, None if discounted(state) else basket
    return _rebuilt(list(last.values()), known)


def _rebuilt(
    order: list[tuple[SubscriptionState, int, Basket | None]], known: Pricer
) -> list[tuple[SubscriptionState, int, Basket | None]]:
    """The same, with what invoices leave unsaid about reconstructed states."""
    if not any(state.reconstructed for state, _, _ in order):
        return order
    whole = continued([state for state, _, _ in order])
    found = []
    for (_, number, _), state in zip(order, whole, strict=True):
        if state is not None:
            found.append((state, number, None if discounted(state) else known.read(state)))
    return found


def _same_version_before(rival: SubscriptionState, state: SubscriptionState) -> bool:
    """Whether one version was told twice and the earlier telling holds.

    Any rule will do that does not know which came first.
    """
    if rival.order != state.order:
        return False
    return msgspec.json.encode(rival) >= msgspec.json.encode(state)


def _discount_dates(state: SubscriptionState, policy: MetricPolicy) -> list[int]:
    every = [*state.discounts, *(d for item in state.items for d in item.discounts)]
    kinds = prices.COUNTED[policy.discounts]
    return [at for d in every if d.duration in kinds for at in (d.start, d.end) if at is not None]
