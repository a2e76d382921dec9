"""What is set to become of a subscription, by a schedule: not in MRR, but in committed MRR (R2).

A schedule has phases, each with items of its own; the last one is what was agreed on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from msgspec.structs import replace

from upwell.billing import Item, Schedule, Scheduled, SubscriptionState
from upwell.metrics.revenue.baskets import UNASSIGNED
from upwell.metrics.revenue.standing import terminal

LIVE = frozenset({"not_started", "active"})


def scheduled(
    states: Sequence[SubscriptionState], schedules: Sequence[Schedule]
) -> list[SubscriptionState]:
    """The states of one subscription with what was set for later then, in any order.

    `schedules` are all that was said of its schedules. Where one changes, the state is said again.
    """
    told = sorted(schedules, key=lambda one: (one.at, one.order))
    times = [one.at for one in told]

    def planned(state: SubscriptionState, at: int) -> SubscriptionState:
        place = bisect_right(times, at) - 1
        plan = _plan(told[place], state, at) if place >= 0 else None
        return state if plan is None else replace(state, scheduled=plan)

    found = [planned(state, state.at) for state in states]
    ordered = sorted(states, key=lambda state: (state.at, state.order))
    starts = [state.at for state in ordered]
    for at in sorted(set(times)):
        place = bisect_right(starts, at) - 1
        if place >= 0 and starts[place] != at and not terminal(ordered[place]):
            found.append(replace(planned(ordered[place], at), at=at))
    return found


def _plan(schedule: Schedule, state: SubscriptionState, at: int) -> Scheduled | None:
    """What the schedule will have made of the state in the end; None: what it is now."""
    ahead = [phase for phase in schedule.phases if phase.start > at]
    if schedule.status not in LIVE or not (ahead or schedule.ends):
        return None
    if schedule.ends:
        last = max((phase.end or phase.start for phase in schedule.phases), default=at)
        return Scheduled(at=max(at, last))
    last_phase = ahead[-1]
    return Scheduled(
        at=last_phase.start,
        items=tuple(_known(item, state.items) for item in last_phase.items),
        discounts=last_phase.discounts,
    )


def _known(item: Item, now: Sequence[Item]) -> Item:
    """An item with what a schedule leaves to its subscription: whose it is, and its tax."""
    like = next((one for one in now if one.price.id == item.price.id), now[0] if now else None)
    if like is None:
        return item
    product = like.product if item.product == UNASSIGNED else item.product
    tax = item.inclusive_tax or like.inclusive_tax
    return replace(item, product=product, inclusive_tax=tax)
