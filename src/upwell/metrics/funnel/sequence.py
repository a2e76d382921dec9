"""Following timelines through steps in order, also strictly (P1, P2, P5, P6). Compiled.

At each step stands the chain with the latest start (or, with windows between steps, the latest
last event): whatever may come, no other chain at that step can come further.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled
from upwell.metrics.funnel.exclusion import HIDDEN, STANDS, fate
from upwell.metrics.funnel.kernel import NEVER, Found, Jobs, Lines, Plan
from upwell.metrics.funnel.ties import MIXED, OPENS

Ints = NDArray[np.int64]


class Stand(NamedTuple):
    """The chain that stands at each step: its rows, the place of its entry, when its window began.

    Where none stands the place is -1 and the window began NEVER: it is over.
    """

    chains: Ints
    starts: Ints
    begun: Ints


@compiled
def sequences(lines: Lines, plan: Plan, jobs: Jobs, found: Found) -> None:
    """Follow each job and fill its entry of `found`."""
    steps = len(plan.masks)
    stand = Stand(
        np.empty((steps, steps), dtype=np.int64),
        np.empty(steps, dtype=np.int64),
        np.empty(steps, dtype=np.int64),
    )
    for job in range(len(jobs.lo)):
        best = found.rows[job]
        reached, alive, hidden = _follow(
            lines,
            plan,
            jobs.lo[job],
            jobs.hi[job],
            jobs.since[job],
            jobs.until[job],
            stand,
            best,
        )
        found.reached[job] = reached
        found.alive[job] = alive
        found.hidden[job] = hidden
        for k in range(steps):
            if k >= reached:
                best[k] = -1
            found.taken[job, k] = k


@compiled
def _follow(
    lines: Lines, plan: Plan, lo: int, hi: int, since: int, until: int, stand: Stand, best: Ints
) -> tuple[int, int, bool]:
    stand.starts[:] = -1
    stand.begun[:] = NEVER
    reached, alive, judged = 0, NEVER, STANDS
    horizon = min(plan.watermark, until - 1 + plan.reach)
    # Taken apart, because passing whole tuples for each event costs more than the step it takes.
    order, flags, ts, all_hits, all_drops = lines
    masks, back, window, strict, by_step = (
        plan.masks,
        plan.back,
        plan.window,
        plan.strict,
        plan.by_step,
    )
    chains, starts, begun = stand
    for place in range(lo, hi):
        row = order[place]
        t = ts[row]
        if t > horizon:
            if t > horizon + plan.tolerance:
                break
            continue
        clear = not flags[place] & MIXED
        if clear and all_drops[row]:
            _exclude(plan, all_drops[row], t, stand)
            if reached and judged == STANDS:
                judged = fate(lines, plan, row, best[reached - 1 if by_step else 0], reached)
        hits = all_hits[row]
        if not hits and not strict:
            continue
        gained = 0
        if hits & ~masks[0]:
            gained = _advance(masks, back, window, by_step, row, t, hits, chains, starts, begun)
        if clear and strict:
            _keep_matching(masks, hits, starts, begun)
        if (
            hits & masks[0]
            and since <= t < until
            and not (plan.first and t - begun.max() <= window)
        ):
            if plan.first:
                starts[:] = -1
                begun[:] = NEVER
            starts[0] = place
            begun[0] = t
            chains[0, 0] = row
            gained = max(gained, 1)
            alive = max(alive, t)
        if gained and by_step:
            alive = max(alive, t)
        if gained > reached or (judged == HIDDEN and gained == reached):
            reached = gained
            judged = STANDS
            for k in range(gained):
                best[k] = chains[gained - 1, k]
            if reached == len(masks):
                break
    return reached, alive, judged == HIDDEN


@compiled
def _advance(
    masks: NDArray[np.uint64],
    back: Ints,
    window: int,
    by_step: bool,
    row: int,
    t: int,
    hits: np.uint64,
    chains: Ints,
    starts: Ints,
    begun: Ints,
) -> int:
    """Carry chains on to the steps that the event matches; the last step gained, from 1."""
    gained = 0
    for k in range(len(starts) - 1, 0, -1):  # descending: one event cannot fill two steps
        if not hits & masks[k]:
            continue
        for j in range(k - 1, back[k] - 1, -1):
            # An attempt that stands at k already keeps its earliest completion.
            if t - begun[j] <= window and (by_step or starts[j] > starts[k]):
                for i in range(k):  # a loop: copies of slices cost an allocation
                    chains[k, i] = chains[j, i] if i <= j else -1
                chains[k, k] = row
                starts[k] = starts[j]
                begun[k] = t if by_step else begun[j]
                gained = max(gained, k + 1)
                break
    return gained


@compiled
def _keep_matching(masks: NDArray[np.uint64], hits: np.uint64, starts: Ints, begun: Ints) -> None:
    for k in range(len(starts)):
        if not hits & masks[k]:
            starts[k] = -1
            begun[k] = NEVER


@compiled
def _exclude(plan: Plan, drops: np.uint64, t: int, stand: Stand) -> None:
    """End the attempts that stand between the steps of an exclusion which the event matches."""
    _, starts, begun = stand
    for x in range(len(plan.after)):
        if not drops >> np.uint64(x) & np.uint64(1):
            continue
        for k in range(plan.after[x], plan.before[x]):
            start = starts[k]
            if start < 0:
                continue
            past = False
            for m in range(k + 1, len(starts)):
                past |= starts[m] == start and t - begun[m] <= plan.window
            if not past:
                for m in range(k + 1):
                    if starts[m] == start:
                        starts[m] = -1
                        begun[m] = NEVER


@compiled
def tie_begins(flags: NDArray[np.uint8], places: Ints) -> Ints:
    """The first place of the tie that each place lies in."""
    found = places.copy()
    for i in range(len(found)):
        while not flags[found[i]] & OPENS:
            found[i] -= 1
    return found
