"""Trials and what became of them (R12)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.mrr import stretches
from upwell.metrics.revenue.rates import ratio
from upwell.metrics.revenue.standing import Stretch, dates, standing, terminal
from upwell.period import DAY_MICROS


class Trial(NamedTuple):
    """One trial of a subscription; instants are UTC microseconds.

    `converted` is when it began to count as MRR, `stopped` when it ended in something else.
    """

    subscription: str
    started: int
    ends: int | None = None
    converted: int | None = None
    stopped: int | None = None


class Conversion(NamedTuple):
    """Trials in three buckets, and the share that converted.

    `rate` leaves out the pending ones; `raw` does not. While there are pending ones the rate is not
    final.
    """

    started: int
    converted: int
    pending: int
    lost: int
    raw: Fraction | None
    rate: Fraction | None


def trials(states: Sequence[SubscriptionState], policy: MetricPolicy, until: int) -> list[Trial]:
    """The trials of one subscription, as known by `until` (UTC microseconds)."""
    found: list[Trial] = []
    running = False
    for stretch in stretches(states, policy):
        state = stretch.state
        if state.status == "trialing":
            if not running:
                started = state.trial_start or state.at
                found.append(Trial(state.id, started, state.trial_end))
            running = True
            found[-1] = found[-1]._replace(ends=state.trial_end or found[-1].ends)
            found[-1] = _ended_by_itself(found[-1], stretch, policy, until)
            running = found[-1].converted is None
        elif running:
            found[-1] = _ended_by_state(found[-1], state)
            running = found[-1].converted is None and found[-1].stopped is None
    return found


def _ended_by_itself(trial: Trial, stretch: Stretch, policy: MetricPolicy, until: int) -> Trial:
    after = stretch.following
    last = until if after is None else min(until, after.at - 1)
    for at in sorted(at for at in dates(stretch, policy) if stretch.state.at < at <= last):
        stands = standing(stretch, policy, at)
        if stands == "counts":
            return trial._replace(converted=at)
        if stands in ("ended", "failed"):
            return trial._replace(stopped=at)
    return trial


def _ended_by_state(trial: Trial, state: SubscriptionState) -> Trial:
    if terminal(state):
        return trial._replace(stopped=trial.stopped or state.ended_at or state.at)
    if state.status in ("active", "past_due"):
        return trial._replace(converted=state.at, stopped=None)
    return trial


def by_start(
    trials: Sequence[Trial], policy: MetricPolicy, first: int, end: int, now: int
) -> Conversion:
    """The trials started within [first, end), as they stand at `now` (UTC microseconds).

    Under `window` a conversion counts within `trial_days` of the start, and a trial that is younger
    and not over is pending. Under `ever` any conversion counts and none is pending.
    """
    started = [t for t in trials if first <= t.started < end]
    ever = policy.trial_conversion == "ever"
    window = policy.trial_days * DAY_MICROS
    converted = pending = 0
    for t in started:
        within = ever or (t.converted or 0) <= t.started + window
        if t.converted is not None and t.converted <= now and within:
            converted += 1
        elif not ever and t.stopped is None and now < t.started + window:
            pending += 1
    lost = len(started) - converted - pending
    return Conversion(
        len(started),
        converted,
        pending,
        lost,
        ratio(converted, len(started)),
        ratio(converted, len(started) - pending),
    )


def by_end(trials: Sequence[Trial], first: int, end: int) -> Fraction | None:
    """Conversions within [first, end) over trials that ended in it: may exceed 1 (Stripe)."""
    converted = sum(t.converted is not None and first <= t.converted < end for t in trials)
    ended = sum(first <= at < end for t in trials if (at := _end_of(t)) is not None)
    return ratio(converted, ended)


def _end_of(trial: Trial) -> int | None:
    ends = [at for at in (trial.ends, trial.stopped) if at is not None]
    return min(ends, default=None)
