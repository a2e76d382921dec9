"""Discounts of a customer as a whole: at work where a subscription has none of its own (R3).

Sources tell of them with the customer, not with the subscription; both are put together here, so
that it does not matter which was told first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from upwell.billing import Customer, Discount, SubscriptionState


class Inherited(NamedTuple):
    """The states given, in their order, and after them those that a customer's change made.

    `behind` is the index of the customer record behind each of the latter.
    """

    states: list[SubscriptionState]
    behind: list[int]


def inherited(states: Sequence[SubscriptionState], customers: Sequence[Customer]) -> Inherited:
    """The states of one subscription with the discounts of its customer.

    `customers` are the records of that customer, in any order. A state without discounts of the
    subscription has the customer's of its instant; where these change later it is said again. A
    discount in a currency other than the subscription's takes nothing off.
    """
    changes = _changes(customers)
    if not changes:
        return Inherited(list(states), [])
    ats = [at for at, _, _ in changes]
    found = [_with(state, changes, ats, state.at) for state in states]
    ordered = sorted(states, key=lambda state: (state.at, state.order))
    starts = [state.at for state in ordered]
    behind = []
    for at, _, number in changes:
        place = bisect_right(starts, at) - 1
        if place < 0 or starts[place] == at or ordered[place].discounts:
            continue
        found.append(msgspec.structs.replace(_with(ordered[place], changes, ats, at), at=at))
        behind.append(number)
    return Inherited(found, behind)


_Change = tuple[int, tuple[Discount, ...], int]


def _changes(customers: Sequence[Customer]) -> list[_Change]:
    """From when on the customer had which discounts, and the index of the record that says so."""
    if not any(one.discounts for one in customers):
        return []
    found: list[_Change] = []
    last: dict[int, int] = {}  # instant -> index of the last record of it
    for number in sorted(
        range(len(customers)), key=lambda i: (customers[i].at, customers[i].order)
    ):
        last[customers[number].at] = number
    for at, number in last.items():
        now = customers[number].discounts
        if not found and now:
            # Nothing is known of before: since when it was at work, it says itself.
            at = min(at, *(one.start if one.start is not None else at for one in now))
        if (found[-1][1] if found else ()) != now:
            found.append((at, now, number))
    return found


def _with(
    state: SubscriptionState, changes: list[_Change], ats: list[int], at: int
) -> SubscriptionState:
    if state.discounts:
        return state
    place = bisect_right(ats, at) - 1
    given = changes[place][1] if place >= 0 else ()
    own = tuple(one for one in given if one.currency in (None, state.currency))
    return msgspec.structs.replace(state, discounts=own) if own else state
