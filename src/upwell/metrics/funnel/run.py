"""From sorted timelines to what each user reached: plain arrays in and out.

The compiled loops share their work among threads; nothing here reads a clock or a store.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.funnel.kernel import NEVER, Found, Jobs, Lines, Plan
from upwell.metrics.funnel.rule import FunnelRule, Order, Step, check

Ints = NDArray[np.int64]

NONE, CONVERTED, DROPPED, OPEN, HIDDEN = range(5)  # states; NONE: never entered


class Timelines(NamedTuple):
    """Candidate events of one question, sorted by user, time, time received and id.

    Equal lengths. `actor` int64; `ts` int64, UTC microseconds; `hits` uint64, bit i: matches
    alternative i; `drops` uint64, bit j: matches exclusion j. Events that match neither matter to
    the strict order only: leave them out otherwise.
    """

    actor: Ints
    ts: Ints
    hits: NDArray[np.uint64]
    drops: NDArray[np.uint64]


class Outcome(NamedTuple):
    """One row a user (of a trend: a user and bucket), one column a step.

    `rows` are the winning chain's rows of the timelines, `times` their microseconds,
    `alternatives` (int16, numbered through all steps) what was taken; -1: passed over or not
    reached. In any order column k is the step done as the k-th. `reached` is the last step reached,
    from 1; `depth` leaves out optional steps; both are 0, and `start` is -1, for users who never
    entered or are hidden by an exclusion.
    """

    actor: Ints
    rows: Ints | NDArray[np.int8]
    times: Ints
    alternatives: NDArray[np.int16]
    reached: Ints
    depth: Ints
    start: Ints
    state: NDArray[np.int8]


class Trend(NamedTuple):
    """What became of the entries of each bucket: a user has one row in each bucket entered."""

    bucket: Ints
    outcome: Outcome


def run(lines: Timelines, rule: FunnelRule, threads: int = 1) -> Outcome:
    """Follow every user once; a row each, in order. Rejected where the rule is out of bounds."""
    plan = _plan(rule)
    bounds = _bounds(lines.actor)
    settled = _settle(lines, plan, bounds, threads)
    users = len(bounds) - 1
    jobs = Jobs(
        bounds[:-1],
        bounds[1:],
        np.full(users, rule.entry_from, dtype=np.int64),
        np.full(users, rule.entry_to, dtype=np.int64),
    )
    return _outcome(lines, rule, plan, jobs, _follow(settled, rule, plan, jobs, threads))


def trend(lines: Timelines, rule: FunnelRule, edges: Ints, threads: int = 1) -> Trend:
    """Judge the entries of each bucket by themselves (P9); `edges` are n + 1 rising microseconds.

    Entries outside the rule's range or outside the edges are not counted. A user of whom no entry
    is left in a bucket, by the exclusions, has the state HIDDEN there.
    """
    from upwell.metrics.funnel.sequence import tie_begins

    plan = _plan(rule)
    bounds = _bounds(lines.actor)
    settled = _settle(lines, plan, bounds, threads)
    enters = plan.masks[0] if rule.order != "any" else np.bitwise_or.reduce(plan.masks)
    since, until = max(rule.entry_from, edges[0]), min(rule.entry_to, edges[-1])
    entry = np.flatnonzero((lines.hits & enters != 0) & (lines.ts >= since) & (lines.ts < until))
    bucket = np.searchsorted(edges, lines.ts[entry], side="right") - 1
    user = np.searchsorted(bounds, entry, side="right") - 1
    first = np.ones(len(entry), dtype=bool)
    first[1:] = (user[1:] != user[:-1]) | (bucket[1:] != bucket[:-1])
    bucket, user = bucket[first], user[first]
    jobs = Jobs(
        tie_begins(settled.flags, entry[first]),
        bounds[user + 1],
        np.maximum(edges[bucket], rule.entry_from),
        np.minimum(edges[bucket + 1], rule.entry_to),
    )
    outcome = _outcome(lines, rule, plan, jobs, _follow(settled, rule, plan, jobs, threads))
    return Trend(bucket, outcome)


def warm() -> None:
    """Compile the loops, for seconds of one core where no cache is found."""
    lines = Timelines(
        np.zeros(2, dtype=np.int64),
        np.arange(2, dtype=np.int64),
        np.array([1, 2], dtype=np.uint64),
        np.zeros(2, dtype=np.uint64),
    )
    orders: tuple[Order, ...] = ("ordered", "any")
    for order in orders:
        rule = FunnelRule(
            steps=(Step(), Step()),
            window=1,
            entry_from=0,
            entry_to=1,
            watermark=1,
            order=order,
        )
        trend(lines, rule, np.arange(2, dtype=np.int64))


def _plan(rule: FunnelRule) -> Plan:
    check(rule)
    step_of = rule.step_of
    masks = np.zeros(len(rule.steps), dtype=np.uint64)
    np.bitwise_or.at(masks, step_of, np.uint64(1) << np.arange(len(step_of), dtype=np.uint64))
    places = np.arange(len(rule.steps))
    earlier = np.maximum.accumulate(np.where(rule.mandatory, places, 0))
    return Plan(
        masks=masks,
        back=np.concatenate(([0], earlier[:-1])),
        after=np.array([one.after - 1 for one in rule.exclusions], dtype=np.int64),
        before=np.array([one.before - 1 for one in rule.exclusions], dtype=np.int64),
        hides=np.array([one.mode == "drop_actor" for one in rule.exclusions], dtype=np.bool_),
        window=rule.window,
        # In any order a tie changes nothing but what an exclusion of the same instant ends.
        tolerance=rule.tolerance if rule.order != "any" else 0,
        watermark=rule.watermark,
        reach=rule.reach,
        strict=rule.order == "strict",
        first=rule.entry == "first",
        by_step=rule.window_scope == "step",
    )


def _bounds(actor: Ints) -> Ints:
    """Where each user begins, and the end."""
    if not len(actor):
        return np.zeros(1, dtype=np.int64)
    begins = np.flatnonzero(actor[1:] != actor[:-1]) + 1
    if len(begins) and not (actor[begins] > actor[begins - 1]).all():
        raise ValueError("timelines are not sorted by user")
    return np.concatenate(([0], begins, [len(actor)]))


def _settle(lines: Timelines, plan: Plan, bounds: Ints, threads: int) -> Lines:
    from upwell.metrics.funnel.ties import settle  # the compiler is loaded when it is needed

    order = np.empty(len(lines.ts), dtype=np.int64)
    flags = np.empty(len(lines.ts), dtype=np.uint8)

    def part(lo: int, hi: int) -> None:
        given = lines.ts, lines.hits, lines.drops, plan.masks, plan.tolerance, order, flags
        if not settle(bounds[lo : hi + 1], *given):
            raise ValueError("timelines are not sorted by time")

    _share(part, bounds, threads)
    return Lines(order, flags, lines.ts, lines.hits, lines.drops)


def _follow(settled: Lines, rule: FunnelRule, plan: Plan, jobs: Jobs, threads: int) -> Found:
    from upwell.metrics.funnel.matching import matchings
    from upwell.metrics.funnel.sequence import sequences

    count, steps = len(jobs.lo), len(plan.masks)
    found = Found(
        np.empty((count, steps), dtype=np.int64),
        np.zeros((count, steps), dtype=np.int64),
        np.empty(count, dtype=np.int64),
        np.empty(count, dtype=np.int64),
        np.empty(count, dtype=np.bool_),
    )
    loop = matchings if rule.order == "any" else sequences

    def part(lo: int, hi: int) -> None:
        loop(
            settled,
            plan,
            Jobs._make(column[lo:hi] for column in jobs),
            Found._make(column[lo:hi] for column in found),
        )

    _share(part, np.append(jobs.lo, jobs.hi[-1:]), threads)
    return found


def _share(part: Callable[[int, int], None], bounds: Ints, threads: int) -> None:
    """Call `part` on ranges of about as many events each."""
    if len(bounds) < 2:
        return
    cuts = np.searchsorted(bounds, np.linspace(bounds[0], bounds[-1], 4 * threads + 1))
    cuts[0], cuts[-1] = 0, len(bounds) - 1
    ranges = [(int(lo), int(hi)) for lo, hi in pairwise(cuts) if lo < hi]
    if threads == 1:
        for lo, hi in ranges:
            part(lo, hi)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda span: part(*span), ranges))


def _outcome(lines: Timelines, rule: FunnelRule, plan: Plan, jobs: Jobs, found: Found) -> Outcome:
    reached = np.where(found.hidden, 0, found.reached)
    present = (found.rows >= 0) & ~found.hidden[:, None]
    rows = np.where(present, found.rows, -1)
    # Within the tolerance a step may stand before the one it follows: no time passes then.
    times = np.maximum.accumulate(np.where(present, lines.ts[rows], NEVER), axis=1)
    taken = lines.hits[rows] & plan.masks[found.taken]
    state = np.full(len(reached), DROPPED, dtype=np.int8)
    state[(found.alive > NEVER) & (found.alive + rule.window > rule.settled)] = OPEN
    state[reached == len(rule.steps)] = CONVERTED
    state[reached == 0] = NONE
    state[found.hidden] = HIDDEN
    before = np.concatenate(([0], np.cumsum(rule.mandatory)))
    return Outcome(
        actor=lines.actor[jobs.lo],
        rows=rows,
        times=np.where(present, times, -1),
        alternatives=np.where(present, _lowest_bit(taken), -1).astype(np.int16),
        reached=reached,
        depth=before[reached],
        start=np.where(present[:, 0], times[:, 0], -1),
        state=state,
    )


def _lowest_bit(bits: NDArray[np.uint64]) -> Ints:
    lowest = bits & (~bits + np.uint64(1))
    return np.frexp(lowest.astype(np.float64))[1].astype(np.int64) - 1
