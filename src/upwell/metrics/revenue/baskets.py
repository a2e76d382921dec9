"""What the items of a state come to, line by line, and which states cannot be read.

Millions of states hold few different prices and quantities, so what was worked out once is
remembered by its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from upwell.billing import Discount, Item, Price, SubscriptionState
from upwell.errors import Rejected
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import prices
from upwell.metrics.revenue.prices import MICRO

UNASSIGNED = "unassigned"
REMEMBERED = 100_000  # different items whose MRR is kept


class Line(NamedTuple):
    """What a subscription is for: one product, one plan, one interval, one currency."""

    product: str
    plan: str
    interval: str  # "month", "3 months"
    currency: str


Basket = Mapping[Line, int]  # MRR of each line in 1e-6 minor units, 0 where it is free
Content = tuple[str, Price, Decimal, Decimal]


def check(state: SubscriptionState) -> None:
    """Rejected, with a named code, where a state cannot be turned into MRR."""
    if state.mrr is not None:
        _check_said(state, state.mrr)
        return
    for item in state.items:
        prices.check_item(item)
    _check_discounts(state)


def _check_said(state: SubscriptionState, said: Decimal) -> None:
    wrong = "not_a_number" if not said.is_finite() else ""
    wrong = wrong or ("negative_mrr" if said < 0 else "")
    wrong = wrong or ("amount_too_large" if said * MICRO > prices.MOST else "")
    if wrong:
        raise Rejected(
            wrong,
            f"subscription '{state.id}' is said to be worth {said} minor units a month",
            "MRR is a number, zero or more.",
            state.id,
        )


def _check_discounts(state: SubscriptionState) -> None:
    for item in state.items:
        for discount in (*item.discounts, *state.discounts):
            prices.check_discount(discount, item.price.currency)


class Pricer:
    """What items come to under one policy, remembered."""

    def __init__(self, policy: MetricPolicy) -> None:
        self._policy = policy
        self._items: dict[Content, Basket] = {}  # empty: no part of MRR
        self._baskets: dict[object, Basket] = {}

    def read(self, state: SubscriptionState) -> Basket:
        """MRR by line without any discount; Rejected where the state cannot be read."""
        if state.mrr is not None:
            _check_said(state, state.mrr)
            return {_line_said(state): round(state.mrr * MICRO)}
        if discounted(state):
            _check_discounts(state)
        if len(state.items) == 1:
            return self._priced(state.items[0])
        found: dict[Line, int] = {}
        for item in state.items:
            for line, amount in self._priced(item).items():
                found[line] = found.get(line, 0) + amount
        return found

    def basket(self, state: SubscriptionState, at: int) -> Basket:
        """MRR by line at an instant (UTC microseconds), with the discounts then at work."""
        shared = prices.active(state.discounts, self._policy, at)
        own = [prices.active(item.discounts, self._policy, at) for item in state.items]
        if state.mrr is not None or not (shared or any(own)):
            return self.read(state)
        off = tuple(tuple((d.percent, d.amount) for d in some) for some in (shared, *own))
        key = (tuple(map(_content, state.items)), off)
        known = self._baskets.get(key)
        if known is None:
            known = self._baskets[key] = self._discounted(state.items, shared, own)
            if len(self._baskets) > REMEMBERED:
                self._baskets.clear()
        return known

    def _priced(self, item: Item) -> Basket:
        key = _content(item)
        try:
            return self._items[key]
        except KeyError:
            prices.check_item(item)
        priced: Basket = {}
        if prices.recurring(item, self._policy):
            (amount,) = prices.net_of_items((item,), (), ((),), self._policy)
            priced = {line_of(item): amount}
        if len(self._items) > REMEMBERED:
            self._items.clear()
        self._items[key] = priced
        return priced

    def _discounted(
        self,
        items: Sequence[Item],
        shared: Sequence[Discount],
        own: Sequence[Sequence[Discount]],
    ) -> Basket:
        found: dict[Line, int] = {}
        amounts = prices.net_of_items(items, shared, own, self._policy)
        for item, amount in zip(items, amounts, strict=True):
            if prices.recurring(item, self._policy):
                line = line_of(item)
                found[line] = found.get(line, 0) + amount
        return found


@lru_cache(maxsize=16)
def pricer(policy: MetricPolicy) -> Pricer:
    """The one that remembers for a policy."""
    return Pricer(policy)


def discounted(state: SubscriptionState) -> bool:
    """Whether any discount stands on the state."""
    if state.discounts:
        return True
    for item in state.items:  # noqa: SIM110 - of millions of states; any() takes twice as long
        if item.discounts:
            return True
    return False


def _content(item: Item) -> Content:
    """What decides the line and the MRR of an item, but for discounts."""
    return item.product, item.price, item.quantity, item.inclusive_tax


def line_of(item: Item) -> Line:
    """The line that an item belongs to."""
    price = item.price
    count = price.interval_count
    interval = f"{count} {price.interval}s" if count != 1 else str(price.interval)
    return Line(item.product, price.plan, interval, price.currency)


def _line_said(state: SubscriptionState) -> Line:
    """The line of a state that only says its MRR."""
    if state.items:
        return line_of(state.items[0])
    return Line(UNASSIGNED, "", "month", state.currency)
