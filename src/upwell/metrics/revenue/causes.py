"""Why the MRR of a line changed: the sentence a bar of the bridge can say about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from upwell.billing import Discount, Item, SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import prices
from upwell.metrics.revenue.standing import Standing

if TYPE_CHECKING:
    from upwell.metrics.revenue.mrr import Line

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
)
_BEGINS: dict[Standing, str] = {
    "trialing": "trial_end",
    "paused": "resume",
    "requested": "resume",
    "unpaid": "recovered",
    "delinquent": "recovered",
    "failed": "recovered",
}
_CEASES: dict[Standing, str] = {
    "paused": "pause",
    "unpaid": "payment_failed",
    "delinquent": "payment_failed",
    "failed": "payment_failed",
    "requested": "cancel",
    "ended": "cancel",
}


def cause_of(
    line: Line,
    stood: Standing,
    stands: Standing,
    told: SubscriptionState | None,
    told_at: int,
    state: SubscriptionState,
    at: int,
    before: Mapping[Line, int],
    basket: Mapping[Line, int],
    policy: MetricPolicy,
) -> str:
    """The cause, one of CAUSES, of the change of a line between two instants.

    `told` is the last state under which the subscription counted, at `told_at`; `before` and
    `basket` are its lines then and now.
    """
    if stands != stood:
        if stands != "counts":
            return _CEASES.get(stands, "other")
        return _BEGINS.get(stood, "new")
    if line not in before:
        return "plan" if any(other.product == line.product for other in before) else "new"
    if line not in basket:
        stays = any(other.product == line.product for other in basket)
        return "plan" if stays else "product_drop"
    if told is None:
        return "other"
    was, now = _items(told, line), _items(state, line)
    if {i.price for i in was} != {i.price for i in now}:
        return "price"
    if sum(i.quantity for i in was) != sum(i.quantity for i in now):
        return "quantity"
    if told.mrr != state.mrr:
        return "price"
    gone, come = _discounts(told, was, told_at, policy), _discounts(state, now, at, policy)
    if gone != come:
        return "discount_end" if come < gone else "coupon"
    return "other"


def _items(state: SubscriptionState, line: Line) -> list[Item]:
    return [i for i in state.items if (i.product, i.price.plan) == (line.product, line.plan)]


def _discounts(
    state: SubscriptionState, items: list[Item], at: int, policy: MetricPolicy
) -> set[Discount]:
    own = (d for item in items for d in prices.active(item.discounts, policy, at))
    return {*prices.active(state.discounts, policy, at), *own}
