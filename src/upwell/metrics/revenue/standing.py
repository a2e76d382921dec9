"""Whether a subscription counts at an instant, and if not, why (R2, R6).

A state holds until the next one, but some of what it says happens later by itself: a trial ends, a
cancellation takes effect, a pause is over, patience with a late payment ends.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.baskets import Basket
from upwell.period import DAY_MICROS

# "counts", or why not.
Standing = Literal[
    "counts", "nothing", "incomplete", "trialing", "paused", "unpaid", "delinquent", "requested",
    "ended", "failed", "refunded",
]  # fmt: skip
ENDS = frozenset({"canceled", "incomplete_expired"})
PAYING = frozenset({"active", "past_due"})
GRACE = DAY_MICROS  # a source that says nothing for a day after a date let it take effect


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """A state, the one after it, and what is remembered from before it."""

    state: SubscriptionState
    number: int  # its index in the sequence that was given
    basket: Basket | None  # what it comes to, where no discount can change that
    following: SubscriptionState | None
    past_due_since: int | None  # of the run of past_due states that this one belongs to
    held: SubscriptionState | None  # the last earlier state under which it could count
    steady: bool  # active, and nothing can happen by itself: nearly every state


def steady(
    state: SubscriptionState, basket: Basket | None, following: SubscriptionState | None
) -> bool:
    """Whether a state counts from its first to its last instant, under any policy."""
    return (
        basket is not None
        and state.status == "active"
        and state.cancel_at is None
        and state.pause is None
        and not state.deleted
        and not state.refunded
        and state.mrr is None
        and (following is None or following.ended_at is None)
    )


def terminal(state: SubscriptionState) -> bool:
    """Whether the state ends the subscription."""
    return state.deleted or state.status in ENDS


def ended_before(stretch: Stretch) -> int | None:
    """When the following state says this one had already ended, if it does (UTC micros)."""
    after = stretch.following
    if after is None or not terminal(after) or after.ended_at is None:
        return None
    return after.ended_at if stretch.state.at < after.ended_at < after.at else None


def dates(stretch: Stretch, policy: MetricPolicy) -> list[int]:
    """Instants within the stretch at which it may begin or cease to count by itself."""
    state = stretch.state
    found = [ended_before(stretch), state.cancel_at]
    if state.status == "trialing":
        found.append(state.trial_end)
    if state.pause is not None:
        found.append(state.pause_resumes)
    if stretch.past_due_since is not None:
        found.append(_patience_ends(stretch, policy))
    if policy.churn_recognition == "service_end":
        after = stretch.following
        found += [_paid_until(stretch), after.ended_at if after is not None else None]
    if policy.churn_recognition == "requested":
        found.append(state.canceled_at)
    return [at for at in found if at is not None]


def standing(stretch: Stretch, policy: MetricPolicy, at: int) -> Standing:
    """How the subscription stands at an instant within the stretch."""
    if stretch.steady:
        return "counts"
    if _over(stretch, at):
        if policy.churn_recognition == "service_end" and at < (_paid_until(stretch) or at):
            return "counts"
        return "failed" if _failed(stretch) else "ended"
    state, status = stretch.state, stretch.state.status
    if state.refunded and not state.items:
        return "refunded"
    if state.mrr is not None and not state.mrr:
        return "ended"  # from a source that says no more than the MRR, 0 is the end
    if status == "trialing":
        if not _took_effect(stretch, state.trial_end, at, of_paying=True):
            return "trialing"
    elif status == "past_due":
        patience = _patience_ends(stretch, policy)
        if patience is not None and at >= patience:
            return "delinquent"
    elif status == "paused":
        return "paused" if policy.paused == "zero" else "counts"
    elif status != "active":
        return "unpaid" if status == "unpaid" else "incomplete"
    if state.pause in policy.pause_zero and not (
        state.pause_resumes is not None and at >= state.pause_resumes
    ):
        return "paused"
    if policy.churn_recognition == "requested" and _asked(state, at):
        return "requested"
    return "counts"


def _over(stretch: Stretch, at: int) -> bool:
    if terminal(stretch.state):
        return True
    told = ended_before(stretch)
    if told is not None and at >= told:
        return True
    return _took_effect(stretch, stretch.state.cancel_at, at, of_paying=False)


def _took_effect(stretch: Stretch, date: int | None, at: int, *, of_paying: bool) -> bool:
    """Whether what was planned for a date has happened by `at`.

    A state soon after the date tells what became of the plan: a trial may have ended in nothing,
    a cancellation may have been withdrawn in the last minute.
    """
    if date is None or at < date:
        return False
    after = stretch.following
    if after is None or after.at > date + GRACE:
        return True
    return (after.status in PAYING and not after.deleted) == of_paying


def _failed(stretch: Stretch) -> bool:
    telling = stretch.state if terminal(stretch.state) else stretch.following or stretch.state
    return telling.reason == "payment_failed"


def _patience_ends(stretch: Stretch, policy: MetricPolicy) -> int | None:
    if policy.past_due_days is None or stretch.past_due_since is None:
        return None
    return stretch.past_due_since + policy.past_due_days * DAY_MICROS


def _paid_until(stretch: Stretch) -> int | None:
    """End of the last paid period of a subscription that is over; None where it was not paid."""
    paid = stretch.state
    if terminal(paid) and stretch.held is not None:
        paid = stretch.held
    if paid.status != "active" or _failed(stretch):
        return None
    return stretch.state.period_end or paid.period_end


def _asked(state: SubscriptionState, at: int) -> bool:
    return state.cancel_at is not None and (state.canceled_at is None or at >= state.canceled_at)
