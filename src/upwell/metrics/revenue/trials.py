"""Trials and what became of them (R12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.rates import ratio
from upwell.metrics.revenue.standing import Stretch, dates, standing, terminal
from upwell.period import DAY_MICROS

NEVER = 2**62
Flags = NDArray[np.bool_]


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


def trials(known: Iterable[Stretch], policy: MetricPolicy, until: int) -> list[Trial]:
    """The trials of one subscription, by its stretches, as known by `until` (UTC microseconds)."""
    found: list[Trial] = []
    running = False
    for stretch in known:
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


class Columns(NamedTuple):
    """Trials as columns of one length; NEVER where an instant is not known."""

    started: NDArray[np.int64]
    ended: NDArray[np.int64]  # by its own date or by what became of it, whichever was first
    converted: NDArray[np.int64]
    stopped: NDArray[np.int64]


def row(trial: Trial) -> tuple[int, int, int, int]:
    """A trial as a row of the columns."""
    ended = min((at for at in (trial.ends, trial.stopped) if at is not None), default=NEVER)
    return (
        trial.started,
        ended,
        NEVER if trial.converted is None else trial.converted,
        NEVER if trial.stopped is None else trial.stopped,
    )


def columns(trials: Sequence[Trial]) -> Columns:
    """Trials as columns."""
    rows = np.array([row(trial) for trial in trials], dtype=np.int64).reshape(-1, 4)
    return Columns(*rows.T)


def outcomes(of: Columns, policy: MetricPolicy, now: int) -> tuple[Flags, Flags]:
    """Which trials converted, and which are pending at `now` (UTC microseconds).

    Under `window` a conversion counts within `trial_days` of the start, and a trial that is younger
    and not over is pending. Under `ever` any conversion counts and none is pending.
    """
    converted = of.converted <= now
    if policy.trial_conversion == "ever":
        return converted, np.zeros(len(converted), dtype=np.bool_)
    closes = of.started + policy.trial_days * DAY_MICROS
    converted &= of.converted <= closes
    return converted, ~converted & (of.stopped == NEVER) & (now < closes)


def by_start(
    trials: Sequence[Trial], policy: MetricPolicy, first: int, end: int, now: int
) -> Conversion:
    """The trials started within [first, end), as they stand at `now` (see `outcomes`)."""
    of = columns(trials)
    inside = (of.started >= first) & (of.started < end)
    started = int(inside.sum())
    converted, pending = (int((one & inside).sum()) for one in outcomes(of, policy, now))
    return Conversion(
        started,
        converted,
        pending,
        started - converted - pending,
        ratio(converted, started),
        ratio(converted, started - pending),
    )


def by_end(trials: Sequence[Trial], first: int, end: int) -> Fraction | None:
    """Conversions within [first, end) over trials that ended in it: may exceed 1 (Stripe)."""
    of = columns(trials)
    converted, ended = (int(((at >= first) & (at < end)).sum()) for at in (of.converted, of.ended))
    return ratio(converted, ended)
