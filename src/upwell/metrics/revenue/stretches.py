"""The states of one subscription in order, each with what follows it and what came before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from upwell.billing import SubscriptionState
from upwell.errors import Rejected
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.baskets import Basket, Pricer, discounted, pricer
from upwell.metrics.revenue.labels import labelled
from upwell.metrics.revenue.rebuilt import continued
from upwell.metrics.revenue.standing import Stretch, steady, terminal


def stretches(states: Sequence[SubscriptionState], policy: MetricPolicy) -> Iterator[Stretch]:
    """The states of one subscription in order, each with what follows and what is remembered."""
    last: Stretch | None = None
    for state, number, basket in in_order(states, pricer(policy)):
        if last is not None:
            yield followed(last, state)
        last = following(last, state, number, basket)
    if last is not None:
        yield last


def followed(stretch: Stretch, after: SubscriptionState) -> Stretch:
    """The stretch, now that it is known what follows."""
    state, basket = stretch.state, stretch.basket
    calm = steady(state, basket, after)
    since, held = stretch.past_due_since, stretch.held
    return Stretch(state, stretch.number, basket, after, since, held, calm)


def following(
    last: Stretch | None, state: SubscriptionState, number: int, basket: Basket | None
) -> Stretch:
    """The stretch after `last`, as long as nothing follows it."""
    past_due = held = None
    if last is not None:
        past_due = last.past_due_since
        held = last.held if terminal(last.state) else last.state
    past_due = (past_due or state.at) if state.status == "past_due" else None
    return Stretch(state, number, basket, None, past_due, held, steady(state, basket, None))


def in_order(
    states: Sequence[SubscriptionState], known: Pricer
) -> list[tuple[SubscriptionState, int, Basket | None]]:
    """The states that can be read and hold for any time at all, in order.

    Each with its index and, where no discount can change it, with what it comes to.
    """
    last: dict[int, tuple[SubscriptionState, int, Basket | None]] = {}
    keys = [(state.at, state.order) for state in states]
    for number in sorted(range(len(states)), key=keys.__getitem__):
        state = states[number]
        try:
            basket = known.read(state)
        except Rejected:
            continue
        rival = last.get(state.at)
        if rival is None or not _same_version_before(rival[0], state):
            last[state.at] = state, number, None if discounted(state) else basket
    return _whole(list(last.values()), known)


def _whole(
    order: list[tuple[SubscriptionState, int, Basket | None]], known: Pricer
) -> list[tuple[SubscriptionState, int, Basket | None]]:
    """The same with the newest names of prices, and with what invoices leave unsaid."""
    given = [state for state, _, _ in order]
    named = labelled(given)
    states: Sequence[SubscriptionState | None] = named
    if any(state.reconstructed for state in given):
        states = continued(named)
    elif named is given:
        return order
    found = []
    for (_, number, _), state in zip(order, states, strict=True):
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
