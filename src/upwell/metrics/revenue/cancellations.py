"""The click and what it will cost: cancellations asked for, and what is set for later (R6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.baskets import Basket, Line, pricer
from upwell.metrics.revenue.mrr import Level, discount_dates, levels, within, worth
from upwell.metrics.revenue.standing import Stretch, dates, standing, terminal
from upwell.metrics.revenue.stretches import stretches


class Request(NamedTuple):
    """A cancellation as the customer asked for it; instants are UTC microseconds.

    `amounts` is the MRR of each line at that moment, 1e-6 minor units; `withdrawn` is when it was
    taken back; `state` is the index of the state that told of it.
    """

    subscription: str
    at: int
    reason: str
    amounts: dict[Line, int]
    state: int
    ends: int | None = None
    withdrawn: int | None = None


def requests(
    states: Sequence[SubscriptionState], policy: MetricPolicy, until: int
) -> list[Request]:
    """The cancellations asked for in the life of one subscription, by time.

    One whose payment failed for good is no request.
    """
    found: list[Request] = []
    standing_request = False
    known = levels(states, replace(policy, churn_recognition="ended"), until)
    for stretch in stretches(states, policy):
        state = stretch.state
        asked = state.cancel_at is not None or terminal(state)
        if asked and not standing_request and _wished(state):
            at = min(state.canceled_at or state.at, state.at)
            found.append(
                Request(state.id, at, state.reason, _worth(known, at), stretch.number, _end(state))
            )
        elif asked and standing_request and _wished(state):
            found[-1] = found[-1]._replace(
                ends=_end(state), reason=found[-1].reason or state.reason
            )
        elif not asked and standing_request:
            found[-1] = found[-1]._replace(withdrawn=state.at, ends=None)
        standing_request = asked and bool(found) and found[-1].withdrawn is None
        if terminal(state):
            break
    return found


def set_to_cancel(known: Iterable[Stretch], policy: MetricPolicy, until: int) -> list[Level]:
    """Levels of the MRR that counts now and has a date to end: 0 before the notice and after it.

    `known` are the stretches of one subscription under the policy.
    """

    def ending(told: Stretch, at: int) -> Basket:
        notice = told.state.cancel_at is not None and not terminal(told.state)
        return worth(told, policy, at) if notice else {}

    return _followed(known, policy, until, ending, "cancel")


def set_for_later(known: Iterable[Stretch], policy: MetricPolicy, until: int) -> list[Level]:
    """Levels of what MRR still lacks of committed MRR: what was set by then and is to come.

    An end takes away (negative); a pause that will be over and a discount that ends bring back; a
    schedule does either.
    Trials are no commitment, and patience with a late payment that may end is none either. `known`
    are the stretches of one subscription under the policy.
    """
    patient = replace(policy, past_due_days=None)

    def lacking(told: Stretch, at: int) -> Basket:
        plan, shown = told.state.scheduled, told.state
        if plan is None and told.steady:
            return {}
        if standing(told, policy, at) not in ("counts", "paused"):
            return {}
        if plan is not None:
            shown = replace(shown, items=plan.items, discounts=plan.discounts)
        alone = replace(told, following=None)
        ahead = [*dates(alone, patient), *discount_dates(shown, policy)]
        last = max([at, plan.at if plan else at, *ahead]) + 1
        counts = standing(alone, patient, last) == "counts"
        later, value = pricer(policy).basket(shown, last) if counts else {}, worth(told, policy, at)
        return {line: later.get(line, 0) - value.get(line, 0) for line in {**value, **later}}

    return _followed(known, policy, until, lacking, "other")


def _followed(
    known: Iterable[Stretch],
    policy: MetricPolicy,
    until: int,
    shows: Callable[[Stretch, int], Basket],
    cause: str,
) -> list[Level]:
    """Levels of what `shows` makes of stretches, at each instant at which they may change."""
    shown: dict[Line, int] = {}
    found: list[Level] = []
    for told in known:
        inner = () if told.steady else within(told, policy, until)
        for at in (told.state.at, *inner):
            now = shows(told, at)
            if not now and not shown:
                continue
            for line in {**shown, **now}:
                amount = now.get(line, 0)
                if amount != shown.get(line, 0):
                    name = told.state.id
                    found.append(Level(at, name, *line, amount, cause, told.number, amount > 0))
            shown = {line: amount for line, amount in now.items() if amount}
    return found


def _wished(state: SubscriptionState) -> bool:
    return state.reason != "payment_failed" and state.status != "incomplete_expired"


def _end(state: SubscriptionState) -> int | None:
    return state.ended_at or state.cancel_at or (state.at if terminal(state) else None)


def _worth(known: Sequence[Level], at: int) -> dict[Line, int]:
    """MRR of each line just before an instant."""
    found = {level.line: level.amount for level in known if level.at < at}
    return {line: amount for line, amount in found.items() if amount}
