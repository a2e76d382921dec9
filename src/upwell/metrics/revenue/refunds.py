"""Money given back, where counting rules let it reach MRR (R7): as if never paid, or as an end.

By default it does not: cash is given back on its own day, and what a subscription was worth stays.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from upwell.billing import Refund, SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.standing import terminal


class Refunded(NamedTuple):
    """The states given, in their order, and after them those that a refunded time made.

    `behind` is the index of the refund behind each of the latter.
    """

    states: list[SubscriptionState]
    behind: list[int]


class _Gone(NamedTuple):
    """From `start` until `end` an item counts as never paid for ('': all items)."""

    item: str
    start: int
    end: int
    number: int  # of the refund that made it so


def refunded(
    states: Sequence[SubscriptionState], refunds: Sequence[Refund], policy: MetricPolicy
) -> Refunded:
    """The states of one subscription as the policy lets refunds of its invoices change them.

    Both are in any order. A refund that failed takes itself back.
    """
    found, behind = list(states), list[int]()
    if policy.refund_with_cancel == "churn":
        found = _ended_sooner(found, refunds)
    if policy.refunded_invoices == "as_if_never_paid" and (gone := _never_paid(refunds)):
        found, behind = _without(found, gone)
    return Refunded(found, behind)


def _given(refunds: Iterable[Refund]) -> dict[str, int]:
    """What was given back of each invoice, in all."""
    found: defaultdict[str, int] = defaultdict(int)
    for refund in refunds:
        found[refund.invoice] += refund.amount
    return found


def _never_paid(refunds: Sequence[Refund]) -> list[_Gone]:
    """The times of invoices of which everything was given back."""
    given = _given(refunds)
    found: dict[tuple[str, str, int, int], _Gone] = {}
    for number, refund in enumerate(refunds):
        if 0 < refund.paid <= given[refund.invoice]:
            for item, start, end in refund.spans:
                found[refund.invoice, item, start, end] = _Gone(item, start, end, number)
    return list(found.values())


def _without(states: list[SubscriptionState], gone: list[_Gone]) -> Refunded:
    """The states without the items that count as never paid, said again where a time ends."""
    ordered = sorted(states, key=lambda state: (state.at, state.order))
    starts = [state.at for state in ordered]
    found, behind = [_stripped(state, state.at, gone) for state in states], []
    edges = {at: one.number for one in gone for at in (one.start, one.end)}
    for at, number in sorted(edges.items()):
        place = bisect_right(starts, at) - 1
        if place < 0 or starts[place] == at or terminal(ordered[place]):
            continue
        found.append(replace(_stripped(ordered[place], at, gone), at=at))
        behind.append(number)
    return Refunded(found, behind)


def _stripped(state: SubscriptionState, at: int, gone: list[_Gone]) -> SubscriptionState:
    ids = {one.item for one in gone if one.start <= at < one.end}
    kept = tuple(item for item in state.items if item.id not in ids) if "" not in ids else ()
    if len(kept) == len(state.items):
        return state
    return replace(state, items=kept, refunded=True)


def _ended_sooner(
    states: list[SubscriptionState], refunds: Sequence[Refund]
) -> list[SubscriptionState]:
    """With the paid time of a yearly subscription over once it was ended and money given back."""
    last = max(states, key=lambda state: (state.at, state.order), default=None)
    if last is None or not terminal(last):
        return states
    ended, given = last.ended_at if last.ended_at is not None else last.at, _given(refunds)
    over = [
        max(ended, refund.at)
        for refund in refunds
        if refund.amount > 0 and given[refund.invoice] > 0 and _holds(refund, ended, states)
    ]
    if not over:
        return states
    return [
        replace(state, period_end=min(over))
        if state.period_end is not None and state.period_end > ended
        else state
        for state in states
    ]


def _holds(refund: Refund, at: int, states: Iterable[SubscriptionState]) -> bool:
    """Whether the refund is of an invoice for a year or more that holds the instant."""
    yearly = {item.id for one in states for item in one.items if item.price.interval == "year"}
    return any(
        start <= at < end and (item in yearly or (not item and bool(yearly)))
        for item, start, end in refund.spans
    )
