"""Why the MRR of a line changed: the sentence a bar of the bridge can say about itself."""

from __future__ import annotations

from collections.abc import Sequence

from upwell.billing import Discount, Item, Price, SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import prices
from upwell.metrics.revenue.baskets import Basket, Line
from upwell.metrics.revenue.standing import Standing

Told = tuple[SubscriptionState, int]

CAUSES = (
    "new",
    "price",
    "quantity",
    "discount_end",
    "plan",
    "coupon",
    "trial_end",
    "cancel",
    "payment_failed",
    "recovered",
    "pause",
    "resume",
    "product_drop",
    "fx",
    "other",
    "refund",
)
_BEGINS: dict[Standing, str] = {
    "trialing": "trial_end",
    "paused": "resume",
    "requested": "resume",
    "unpaid": "recovered",
    "delinquent": "recovered",
    "failed": "recovered",
    "refunded": "recovered",
}
_CEASES: dict[Standing, str] = {
    "paused": "pause",
    "unpaid": "payment_failed",
    "delinquent": "payment_failed",
    "failed": "payment_failed",
    "requested": "cancel",
    "ended": "cancel",
    "refunded": "refund",
}


def cause_of_turn(stood: Standing, stands: Standing) -> str:
    """The cause of a change that came of the subscription beginning or ceasing to count."""
    if stands == "counts":
        return _BEGINS.get(stood, "new")
    return _CEASES.get(stands, "other")


def cause_of(
    line: Line,
    told: Told | None,
    now: Told | None,
    before: Basket,
    basket: Basket,
    policy: MetricPolicy,
) -> str:
    """The cause of the change of a line while the subscription counts.

    `told` and `now` are the states shown, each with its instant; `before` and `basket` are what
    they come to.
    """
    if told is not None and now is not None and told[0].refunded != now[0].refunded:
        return "refund" if now[0].refunded else "recovered"
    if line not in before:
        return "plan" if any(other.product == line.product for other in before) else "new"
    if line not in basket:
        stays = any(other.product == line.product for other in basket)
        return "plan" if stays else "product_drop"
    if told is None or now is None:
        return "other"
    was, are = _items(told[0], line), _items(now[0], line)
    if told[0].mrr != now[0].mrr or _prices(was) != _prices(are):
        return "price"
    if sum(i.quantity for i in was) != sum(i.quantity for i in are):
        return "quantity"
    gone, come = _discounts(*told, was, policy), _discounts(*now, are, policy)
    if gone != come:
        return "discount_end" if come < gone else "coupon"
    return "other"


def _prices(items: Sequence[Item]) -> list[Price]:
    found = [item.price for item in items]
    return found if len(found) < 2 else sorted(set(found), key=lambda price: price.id)


def _items(state: SubscriptionState, line: Line) -> Sequence[Item]:
    """The items of a line that the state has."""
    if len(state.items) == 1:
        return state.items
    return [i for i in state.items if (i.product, i.price.plan) == (line.product, line.plan)]


def _discounts(
    state: SubscriptionState, at: int, items: Sequence[Item], policy: MetricPolicy
) -> set[Discount]:
    own = (d for item in items for d in prices.active(item.discounts, policy, at))
    return {*prices.active(state.discounts, policy, at), *own}
