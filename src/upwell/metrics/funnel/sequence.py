"""Following timelines through steps in order, also strictly (P1, P2, P5, P6). Compiled.

At each step stands the chain with the latest start (or, with windows between steps, the latest
last event): whatever may come, no other chain at that step can come further.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled
from upwell.metrics.funnel.kernel import NEVER, Found, Jobs, Lines, Plan
from upwell.metrics.funnel.ties import MIXED, OPENS

Ints = NDArray[np.int64]


@compiled
def sequences(lines: Lines, plan: Plan, jobs: Jobs, found: Found) -> None:
    """Follow each job and fill its entry of `found`."""
    steps = len(plan.masks)
    chains = np.empty((steps, steps), dtype=np.int64)
    starts = np.empty(steps, dtype=np.int64)
    for job in range(len(jobs.lo)):
        best = found.rows[job]
        reached, alive, hidden = _follow(
            lines,
            plan,
            jobs.lo[job],
            jobs.hi[job],
            jobs.since[job],
            jobs.until[job],
            chains,
            starts,
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
    lines: Lines,
    plan: Plan,
    lo: int,
    hi: int,
    since: int,
    until: int,
    chains: NDArray[np.int64],
    starts: Ints,
    best: Ints,
) -> tuple[int, int, bool]:
    starts[:] = -1
    reached = 0
    alive = NEVER
    hidden = False
    horizon = min(plan.watermark, until - 1 + plan.reach)
    for place in range(lo, hi):
        row = lines.order[place]
        t = lines.ts[row]
        if t > horizon:
            if t > horizon + plan.tolerance:
                break
            continue
        clear = not lines.flags[place] & MIXED
        if clear and lines.drops[row]:
            _exclude(lines, plan, row, chains, starts)
            if reached and not hidden:
                hidden = _hides(lines, plan, row, reached, best)
        hits = lines.hits[row]
        if not hits and not plan.strict:
            continue
        gained = _advance(lines.ts, plan, row, hits, chains, starts)
        if clear and plan.strict:
            _keep_matching(plan, hits, starts)
        if (
            hits & plan.masks[0]
            and since <= t < until
            and _enter(lines.ts, plan, t, chains, starts)
        ):
            starts[0] = place
            chains[0, 0] = row
            gained = max(gained, 1)
            alive = max(alive, t)
        if gained and plan.by_step:
            alive = max(alive, t)
        if gained > reached or (hidden and gained == reached):
            reached = gained
            hidden = False
            best[:gained] = chains[gained - 1, :gained]
            if reached == len(plan.masks):
                break
    return reached, alive, hidden


@compiled
def _live(ts: Ints, plan: Plan, t: int, k: int, chains: NDArray[np.int64], starts: Ints) -> bool:
    return bool(starts[k] >= 0 and t - ts[chains[k, k if plan.by_step else 0]] <= plan.window)


@compiled
def _advance(
    ts: Ints,
    plan: Plan,
    row: int,
    hits: np.uint64,
    chains: NDArray[np.int64],
    starts: Ints,
) -> int:
    """Carry chains on to the steps that the event matches; the last step gained, from 1."""
    gained = 0
    for k in range(len(starts) - 1, 0, -1):  # descending: one event cannot fill two steps
        if not hits & plan.masks[k]:
            continue
        for j in range(k - 1, plan.back[k] - 1, -1):
            # An attempt that stands at k already keeps its earliest completion.
            if _live(ts, plan, ts[row], j, chains, starts) and (
                plan.by_step or starts[j] > starts[k]
            ):
                chains[k, : j + 1] = chains[j, : j + 1]
                chains[k, j + 1 : k] = -1
                chains[k, k] = row
                starts[k] = starts[j]
                gained = max(gained, k + 1)
                break
    return gained


@compiled
def _keep_matching(plan: Plan, hits: np.uint64, starts: Ints) -> None:
    for k in range(len(starts)):
        if not hits & plan.masks[k]:
            starts[k] = -1


@compiled
def _enter(ts: Ints, plan: Plan, t: int, chains: NDArray[np.int64], starts: Ints) -> bool:
    """Whether an event of the first step begins an attempt."""
    if plan.first:
        for k in range(len(starts)):
            if _live(ts, plan, t, k, chains, starts):
                return False
        starts[:] = -1
    return True


@compiled
def _exclude(lines: Lines, plan: Plan, row: int, chains: NDArray[np.int64], starts: Ints) -> None:
    """End the attempts that stand between the steps of an exclusion which the event matches."""
    t = lines.ts[row]
    for x in range(len(plan.after)):
        if not lines.drops[row] >> np.uint64(x) & np.uint64(1):
            continue
        for k in range(plan.after[x], plan.before[x]):
            start = starts[k]
            if start < 0:
                continue
            past = False
            for m in range(k + 1, len(starts)):
                past |= starts[m] == start and _live(lines.ts, plan, t, m, chains, starts)
            if not past:
                for m in range(k + 1):
                    if starts[m] == start:
                        starts[m] = -1


@compiled
def _hides(lines: Lines, plan: Plan, row: int, reached: int, best: Ints) -> bool:
    """Whether the event taints the chain that came furthest, so that its user is not shown."""
    since = lines.ts[best[reached - 1 if plan.by_step else 0]]
    if lines.ts[row] - since > plan.window:
        return False
    for x in range(len(plan.after)):
        between = plan.after[x] <= reached - 1 < plan.before[x]
        if plan.hides[x] and between and lines.drops[row] >> np.uint64(x) & np.uint64(1):
            return True
    return False


@compiled
def tie_begins(flags: NDArray[np.uint8], places: Ints) -> Ints:
    """The first place of the tie that each place lies in."""
    found = places.copy()
    for i in range(len(found)):
        while not flags[found[i]] & OPENS:
            found[i] -= 1
    return found
