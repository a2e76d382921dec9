"""From the states of one subscription to its levels: how much a month, from which instant on.

An amount is an integer of 1e-6 minor units of its currency: each item is rounded once, half to
even, and every later sum is exact (R1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from upwell.billing import Discount, Item, SubscriptionState
from upwell.errors import Rejected
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import prices
from upwell.metrics.revenue.causes import cause_of
from upwell.metrics.revenue.prices import MICRO
from upwell.metrics.revenue.standing import Standing, Stretch, dates, standing, terminal

UNASSIGNED = "unassigned"
REMEMBERED = 100_000  # different baskets of items whose MRR is kept


class Line(NamedTuple):
    """What a subscription is for: one product, one plan, one interval, one currency."""

    product: str
    plan: str
    interval: str  # "month", "3 months"
    currency: str


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


Basket = Mapping[Line, int]  # MRR of each line, 0 where it is free


def item_mrr(item: Item, policy: MetricPolicy, at: int) -> int:
    """MRR of one item at an instant, in 1e-6 minor units, with its own discounts.

    0 for what is charged once or metered; Rejected (see `prices.check_item`) for what cannot be
    read.
    """
    prices.check_item(item)
    own = prices.active(item.discounts, policy, at)
    return prices.net_of_items((item,), (), (own,), policy)[0]


def check(state: SubscriptionState) -> None:
    """Rejected, with a named code, where a state cannot be turned into MRR."""
    if state.mrr is not None:
        wrong = "not_a_number" if not state.mrr.is_finite() else ""
        wrong = wrong or ("negative_mrr" if state.mrr < 0 else "")
        wrong = wrong or ("amount_too_large" if state.mrr * MICRO > prices.MOST else "")
        if wrong:
            raise Rejected(
                wrong,
                f"subscription '{state.id}' is said to be worth {state.mrr} minor units a month",
                "MRR is a number, zero or more.",
                state.id,
            )
        return
    for item in state.items:
        prices.check_item(item)
        for discount in state.discounts:
            prices.check_discount(discount, item.price.currency)


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
    pricer = _pricer(policy)
    before: Basket = {}
    stood: Standing = "nothing"
    told: SubscriptionState | None = None
    told_at = 0
    for at, stretch in _moments(states, policy, until):
        state = stretch.state
        stands = standing(stretch, policy, at)
        shown = state if not terminal(state) or stretch.held is None else stretch.held
        basket = pricer.basket(shown, at) if stands == "counts" else {}
        if stands != stood or basket != before:
            for line in {**before, **basket}:
                amount, earlier = basket.get(line), before.get(line)
                alive, lived = _alive(amount, policy), _alive(earlier, policy)
                if (amount or 0) == (earlier or 0) and alive == lived:
                    continue
                cause = cause_of(
                    line, stood, stands, told, told_at, shown, at, before, basket, policy
                )
                found.append(Level(at, state.id, *line, amount or 0, cause, stretch.number, alive))
        before, stood = basket, stands
        if stands == "counts":
            told, told_at = shown, at
    return found


def due(states: Sequence[SubscriptionState], policy: MetricPolicy, after: int) -> int | None:
    """The next instant after `after` at which a level may change without another state."""
    known = list(stretches(states, policy))
    if not known:
        return None
    last = known[-1]
    ahead = dates(last, policy) + _discount_dates(last.state, policy)
    return min((at for at in ahead if at > after), default=None)


def _alive(amount: int | None, policy: MetricPolicy) -> bool:
    return amount is not None and (amount > 0 or policy.zero_price == "active")


def _moments(
    states: Sequence[SubscriptionState], policy: MetricPolicy, until: int
) -> Iterator[tuple[int, Stretch]]:
    """Every instant at which something may change, with what is known of it."""
    for stretch in stretches(states, policy):
        state, after = stretch.state, stretch.following
        yield state.at, stretch
        inner = dates(stretch, policy)
        if state.discounts or any(item.discounts for item in state.items):
            inner += _discount_dates(state, policy)
        if inner:
            end = until + 1 if after is None else min(until + 1, after.at)
            for at in sorted({at for at in inner if state.at < at < end}):
                yield at, stretch


def stretches(states: Sequence[SubscriptionState], policy: MetricPolicy) -> Iterator[Stretch]:
    """The states of one subscription in order, each with what follows and what is remembered."""
    order = _in_order(states, _pricer(policy))
    past_due: int | None = None
    held: SubscriptionState | None = None
    for place, index in enumerate(order):
        state = states[index]
        after = states[order[place + 1]] if place + 1 < len(order) else None
        past_due = (past_due or state.at) if state.status == "past_due" else None
        yield Stretch(state, index, after, past_due, held)
        if not terminal(state):
            held = state


def _in_order(states: Sequence[SubscriptionState], pricer: _Pricer) -> list[int]:
    """Indices of the states that hold for any time at all and can be read, in order."""
    keys = [(state.at, state.order) for state in states]
    order = sorted(range(len(states)), key=keys.__getitem__)
    last: dict[int, int] = {}
    for index in order:
        state = states[index]
        if not pricer.readable(state):
            continue
        rival = last.get(state.at)
        # One version told twice in different words: any rule will do that knows no arrival.
        if (
            rival is not None
            and keys[rival] == keys[index]
            and (msgspec.json.encode(states[rival]) >= msgspec.json.encode(state))
        ):
            continue
        last[state.at] = index
    return list(last.values())


def _discount_dates(state: SubscriptionState, policy: MetricPolicy) -> list[int]:
    every = [*state.discounts, *(d for item in state.items for d in item.discounts)]
    kinds = prices.COUNTED[policy.discounts]
    return [at for d in every if d.duration in kinds for at in (d.start, d.end) if at is not None]


class _Pricer:
    """Remembers what items come to: millions of states hold few different prices and quantities."""

    def __init__(self, policy: MetricPolicy) -> None:
        self._policy = policy
        self._items: dict[object, tuple[Line, int] | None] = {}
        self._baskets: dict[object, Basket] = {}

    def readable(self, state: SubscriptionState) -> bool:
        """Whether MRR can be made of the state."""
        if state.mrr is None and not state.discounts:
            items = self._items
            for item in state.items:
                if item.discounts or _content(item) not in items:
                    break
            else:
                return True
        try:
            check(state)
        except Rejected:
            return False
        return True

    def basket(self, state: SubscriptionState, at: int) -> Basket:
        """MRR by line at an instant at which the subscription counts."""
        if state.mrr is not None:
            return {_line_of(state): round(state.mrr * MICRO)}
        policy, items = self._policy, state.items
        shared = prices.active(state.discounts, policy, at) if state.discounts else ()
        own = [
            prices.active(item.discounts, policy, at) if item.discounts else () for item in items
        ]
        if shared or any(own):
            return self._discounted(items, shared, own)
        found: dict[Line, int] = {}
        for item in items:
            priced = self._priced(item)
            if priced is not None:
                line, amount = priced
                found[line] = found.get(line, 0) + amount
        return found

    def _priced(self, item: Item) -> tuple[Line, int] | None:
        """The line and MRR of an item without discounts; None where it is no part of MRR."""
        key = _content(item)
        if key not in self._items:
            if len(self._items) > REMEMBERED:
                self._items.clear()
            counts = prices.recurring(item, self._policy)
            (amount,) = prices.net_of_items((item,), (), ((),), self._policy)
            self._items[key] = (line_of(item), amount) if counts else None
        return self._items[key]

    def _discounted(
        self,
        items: Sequence[Item],
        shared: Sequence[Discount],
        own: Sequence[Sequence[Discount]],
    ) -> Basket:
        off = tuple(tuple((d.percent, d.amount) for d in some) for some in (shared, *own))
        key = (tuple(map(_content, items)), off)
        known = self._baskets.get(key)
        if known is None:
            if len(self._baskets) > REMEMBERED:
                self._baskets.clear()
            found: dict[Line, int] = {}
            amounts = prices.net_of_items(items, shared, own, self._policy)
            for item, amount in zip(items, amounts, strict=True):
                if prices.recurring(item, self._policy):
                    line = line_of(item)
                    found[line] = found.get(line, 0) + amount
            known = self._baskets[key] = found
        return known


def _content(item: Item) -> tuple[object, ...]:
    """What decides the line and the MRR of an item, but for discounts."""
    return item.product, item.price, item.quantity, item.inclusive_tax


@lru_cache(maxsize=16)
def _pricer(policy: MetricPolicy) -> _Pricer:
    return _Pricer(policy)


def line_of(item: Item) -> Line:
    """The line that an item belongs to."""
    price = item.price
    count = price.interval_count
    interval = f"{count} {price.interval}s" if count != 1 else str(price.interval)
    return Line(item.product, price.plan, interval, price.currency)


def _line_of(state: SubscriptionState) -> Line:
    """The line of a state that only says its MRR."""
    if state.items:
        return line_of(state.items[0])
    return Line(UNASSIGNED, "", "month", state.currency)
