"""What the outcomes of many users make together: counts, times, routes, breakdowns (P6 to P10)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell.metrics.funnel.rule import MAX_ALTERNATIVES, FunnelRule
from upwell.metrics.funnel.run import CONVERTED, DROPPED, OPEN, Outcome

SECOND = 1_000_000
MAX_BINS, MAX_OWN_BINS = 60, 90
EMPTY_WIDTH = 60


class StepSum(msgspec.Struct, frozen=True):
    """One step of the answer; shares are of 1, None where nobody could.

    `conversion` is of those who entered, `step_conversion` of the last step before it that is not
    optional. `matured_conversion` leaves out whoever may still come (`open` counts the users who
    stand at this step and may go on). Seconds are since the step before it in each user's chain.
    """

    count: int
    conversion: float | None
    step_conversion: float | None
    matured_conversion: float | None
    mean_seconds: float | None
    median_seconds: float | None
    open: int
    dropped: int


class Histogram(msgspec.Struct, frozen=True):
    """`counts[i]` durations from `low + i * width` seconds; the last begins at the longest."""

    low: int
    width: int
    counts: tuple[int, ...]


class Whole(msgspec.Struct, frozen=True):
    """From the first step to the last."""

    entered: int
    converted: int
    conversion: float | None
    matured_conversion: float | None
    mean_seconds: float | None
    median_seconds: float | None
    histogram: Histogram | None


class Node(msgspec.Struct, frozen=True):
    """Users whose chain holds this alternative at this step, and how many ended there."""

    step: int
    alternative: int
    count: int
    dropped: int
    open: int


class Link(msgspec.Struct, frozen=True):
    """Users who went from one node to another, as (step, alternative); steps counted from 1."""

    source: tuple[int, int]
    target: tuple[int, int]
    count: int
    median_seconds: float


class Flow(msgspec.Struct, frozen=True):
    """Links out, dropped and open of a node make its count; at the last step all have arrived."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]


class TrendSum(NamedTuple):
    """Users who entered in each bucket, and what became of these entries."""

    entered: NDArray[np.int64]
    converted: NDArray[np.int64]
    dropped: NDArray[np.int64]
    open: NDArray[np.int64]


def step_sums(outcome: Outcome, rule: FunnelRule) -> tuple[StepSum, ...]:
    """One row a step; an optional step counts the users whose winning chain holds it."""
    present = outcome.rows >= 0
    waits = _waits(outcome)
    entered = int((outcome.reached > 0).sum())
    made = []
    before = entered
    for k, step in enumerate(rule.steps):
        reached = present[:, k] if step.optional else outcome.reached > k
        count = int(reached.sum())
        waiting = (outcome.state == OPEN) & ~reached & (outcome.reached <= k)
        stands = outcome.reached == k + 1
        seconds = waits[present[:, k], k] if k else waits[:0, 0]
        made.append(
            StepSum(
                count=count,
                conversion=_share(count, entered),
                step_conversion=_share(count, before),
                matured_conversion=_share(count, entered - int(waiting.sum())),
                mean_seconds=_mean(seconds),
                median_seconds=_median(seconds),
                open=int((stands & (outcome.state == OPEN)).sum()),
                dropped=int((stands & (outcome.state == DROPPED)).sum()),
            )
        )
        if not step.optional:
            before = count
    return tuple(made)


def whole(outcome: Outcome, bins: int | None = None) -> Whole:
    """The funnel as one conversion; `bins` of the histogram, or as many as suit the count."""
    done = outcome.state == CONVERTED
    seconds = outcome.times[done, -1] - outcome.start[done]
    entered, converted = int((outcome.reached > 0).sum()), int(done.sum())
    matured = converted + int((outcome.state == DROPPED).sum())
    return Whole(
        entered=entered,
        converted=converted,
        conversion=_share(converted, entered),
        matured_conversion=_share(converted, matured),
        mean_seconds=_mean(seconds),
        median_seconds=_median(seconds),
        histogram=histogram(seconds, bins) if converted else None,
    )


def histogram(durations: NDArray[np.int64], bins: int | None = None) -> Histogram:
    """Durations, microseconds, at least one, in bins of whole seconds (P8)."""
    wanted = math.ceil(round(math.cbrt(len(durations)), 9))
    count = min(max(bins, 1), MAX_OWN_BINS) if bins else min(max(wanted, 1), MAX_BINS)
    low = int(durations.min()) // SECOND
    high = -(-int(durations.max()) // SECOND)
    width = -(-(high - low) // count) or EMPTY_WIDTH
    index = (durations - low * SECOND) // (width * SECOND)
    counts = np.bincount(index, minlength=count + 1)
    return Histogram(low, width, tuple(counts.tolist()))


def flow(outcome: Outcome) -> Flow:
    """The routes of the winning chains: a step passed over is a link across it (P10)."""
    ends = outcome.reached - 1
    nodes = []
    links = []
    for k in range(outcome.rows.shape[1]):
        here = outcome.rows[:, k] >= 0
        taken = outcome.alternatives[:, k]
        stays = here & (ends == k)
        for alternative in np.flatnonzero(np.bincount(taken[here])):
            chosen = here & (taken == alternative)
            stopped = outcome.state[chosen & stays]
            nodes.append(
                Node(
                    step=k + 1,
                    alternative=int(alternative),
                    count=int(chosen.sum()),
                    dropped=int((stopped == DROPPED).sum()),
                    open=int((stopped == OPEN).sum()),
                )
            )
        links += list(_links_into(outcome, k))
    return Flow(tuple(nodes), tuple(links))


class Moves(NamedTuple):
    """Who came to one step: rows of the outcome, the step before it in their chains (from 0), and
    what was done at both."""

    users: NDArray[np.int64]
    came: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]

    def links(self, k: int) -> Iterator[tuple[tuple[int, int], tuple[int, int], NDArray[np.bool_]]]:
        """Each link into step k (from 0): its ends as (step, alternative), and who moved on it."""
        codes = (self.came * MAX_ALTERNATIVES + self.source) * MAX_ALTERNATIVES + self.target
        for code in np.flatnonzero(np.bincount(codes)).tolist():
            step, alternatives = divmod(code, MAX_ALTERNATIVES**2)
            left, entered = divmod(alternatives, MAX_ALTERNATIVES)
            yield (step + 1, left), (k + 1, entered), codes == code


def moves(outcome: Outcome, k: int) -> Moves:
    """The moves of all chains to step k >= 1, counted from 0."""
    users = np.flatnonzero(outcome.rows[:, k] >= 0)
    came = _before(outcome, k)[users]
    source, target = (outcome.alternatives[users, at].astype(np.int64) for at in (came, k))
    return Moves(users, came, source, target)


def _links_into(outcome: Outcome, k: int) -> Iterator[Link]:
    if k == 0:
        return
    gone = moves(outcome, k)
    waited = outcome.times[gone.users, k] - outcome.times[gone.users, gone.came]
    for source, target, mine in gone.links(k):
        waits = waited[mine]
        yield Link(source, target, len(waits), float(np.median(waits)) / SECOND)


def trend_sums(bucket: NDArray[np.int64], outcome: Outcome, buckets: int) -> TrendSum:
    """The rows of a trend, counted by bucket."""

    def count(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(bucket[chosen], minlength=buckets)

    return TrendSum(
        count(outcome.reached > 0),
        count(outcome.state == CONVERTED),
        count(outcome.state == DROPPED),
        count(outcome.state == OPEN),
    )


def _before(outcome: Outcome, k: int) -> NDArray[np.int64]:
    """The last step before k that each chain holds."""
    places = np.where(outcome.rows[:, :k] >= 0, np.arange(k), 0)
    found: NDArray[np.int64] = places.max(axis=1)
    return found


def _waits(outcome: Outcome) -> NDArray[np.int64]:
    """Microseconds since the step before in the chain; nothing is said where a step is missing."""
    waits = np.zeros_like(outcome.times)
    users = np.arange(len(outcome.times))
    for k in range(1, waits.shape[1]):
        waits[:, k] = outcome.times[:, k] - outcome.times[users, _before(outcome, k)]
    return waits


def _share(part: int, of: int) -> float | None:
    return part / of if of else None


def _mean(durations: NDArray[np.int64]) -> float | None:
    return int(durations.sum()) / len(durations) / SECOND if len(durations) else None


def _median(durations: NDArray[np.int64]) -> float | None:
    return float(np.median(durations)) / SECOND if len(durations) else None
