"""A price is the same price under another name: its newest name is the label of all its states."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from upwell.billing import SubscriptionState


def labelled(states: Sequence[SubscriptionState]) -> Sequence[SubscriptionState]:
    """The states of one subscription, in order, each price under the name that it had last.

    So that a new name in the billing system is no movement from one plan to another.
    """
    newest: dict[str, str] = {}
    renamed = False
    for state in states:
        for item in state.items:
            price = item.price
            if price.id and newest.setdefault(price.id, price.plan) != price.plan:
                newest[price.id] = price.plan
                renamed = True
    if not renamed:
        return states
    return [
        replace(
            state,
            items=tuple(
                replace(
                    item,
                    price=replace(item.price, plan=newest.get(item.price.id, item.price.plan)),
                )
                for item in state.items
            ),
        )
        for state in states
    ]
