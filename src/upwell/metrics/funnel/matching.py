"""Following timelines through steps in any order, by true matching (P3). Compiled.

Events and the steps they can fill form a transversal matroid. The events that a window keeps are
its largest independent set with the latest events; such a set changes by one exchange with each
new event, so at most as many events as steps are held at any time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled
from upwell.metrics.funnel.exclusion import HIDDEN, STANDS, fate
from upwell.metrics.funnel.kernel import NEVER, Found, Jobs, Lines, Plan
from upwell.metrics.funnel.ties import MIXED

Ints = NDArray[np.int64]


@compiled
def matchings(lines: Lines, plan: Plan, jobs: Jobs, found: Found) -> None:
    """Follow each job and fill its entry of `found`; rows stand in order of time."""
    steps = len(plan.masks)
    held = np.empty(steps + 2, dtype=np.int64)
    spare = np.empty(steps + 2, dtype=np.int64)
    scratch = np.empty((4, steps + 2), dtype=np.int64)
    for job in range(len(jobs.lo)):
        best = found.rows[job]
        reached, alive, hidden = _follow(
            lines,
            plan,
            jobs.lo[job],
            jobs.hi[job],
            jobs.since[job],
            jobs.until[job],
            held,
            spare,
            scratch,
            best,
        )
        found.reached[job] = reached
        found.alive[job] = alive
        found.hidden[job] = hidden
        best[reached:] = -1
        _begin(scratch)
        for k in range(reached):
            _augment(lines.hits, plan.masks, best, k, scratch)
        found.taken[job, :reached] = scratch[1, :reached]


@compiled
def _follow(
    lines: Lines,
    plan: Plan,
    lo: int,
    hi: int,
    since: int,
    until: int,
    held: Ints,
    spare: Ints,
    scratch: NDArray[np.int64],
    best: Ints,
) -> tuple[int, int, bool]:
    reached = 0
    alive = NEVER
    judged = STANDS
    count = 0
    entry = -1
    horizon = min(plan.watermark, until - 1 + plan.reach)
    order, flags, ts, hits, drops = lines
    masks, window = plan.masks, plan.window
    for place in range(lo, hi):
        row = order[place]
        t = ts[row]
        if t > horizon:
            break
        if drops[row] and not flags[place] & MIXED:
            count = 0
            entry = -1
            if reached and judged == STANDS:
                judged = fate(lines, plan, row, best[0], reached)
        if not hits[row] or t < since:
            continue
        if plan.first:
            if count and t - ts[held[0]] > window:
                count = 0
            if count == 0:
                if t >= until:
                    break
                alive = t
            count = _collect(hits, masks, row, held, count, scratch)
        else:
            if t < until:
                entry = row
                alive = t
            count = _expire(ts, t - window, held, count)
            count = _latest(hits, masks, row, held, count, spare, scratch)
        if count > reached or (judged == HIDDEN and count == reached):
            if ts[held[0]] < until:
                best[:count] = held[:count]
            elif entry >= 0 and t - ts[entry] <= window:
                _with_entry(hits, masks, entry, held, count, scratch, best)
            else:
                continue
            reached = count
            judged = STANDS
            if reached == len(masks):
                break
    return reached, alive, judged == HIDDEN


@compiled
def _expire(ts: Ints, oldest: int, held: Ints, count: int) -> int:
    gone = 0
    while gone < count and ts[held[gone]] < oldest:
        gone += 1
    if gone:
        for i in range(gone, count):
            held[i - gone] = held[i]
    return count - gone


@compiled
def _collect(
    hits: NDArray[np.uint64],
    masks: NDArray[np.uint64],
    row: int,
    held: Ints,
    count: int,
    scratch: NDArray[np.int64],
) -> int:
    """Add the event if it fills one more step; the number of events held."""
    held[count] = row
    _begin(scratch)
    for i in range(count + 1):
        added = _augment(hits, masks, held, i, scratch)
    return count + 1 if added else count


@compiled
def _latest(
    hits: NDArray[np.uint64],
    masks: NDArray[np.uint64],
    row: int,
    held: Ints,
    count: int,
    spare: Ints,
    scratch: NDArray[np.int64],
) -> int:
    """Add the event, in place of the oldest one that it makes needless."""
    held[count] = row
    needless = _same_step(hits, masks, held, count)
    if needless >= 0:
        for j in range(needless, count):
            held[j] = held[j + 1]
        return count + (needless == count + 1)
    for i in range(count + 1):
        spare[i] = held[count - i]
    _begin(scratch)
    for i in range(count + 1):
        if not _augment(hits, masks, spare, i, scratch):
            for j in range(count - i, count):
                held[j] = held[j + 1]
            return count
    return count + 1


@compiled
def _same_step(hits: NDArray[np.uint64], masks: NDArray[np.uint64], held: Ints, count: int) -> int:
    """Without a search, where the newest event has one step and at most one other can fill it.

    The place of the event made needless; count + 1: none is; -1: that takes a search.
    """
    new = hits[held[count]]
    step = 0
    while not new & masks[step]:
        step += 1
    if new & ~masks[step]:
        return -1
    found = count + 1
    for i in range(count):
        other = hits[held[i]]
        if other & masks[step]:
            if found <= count or other & ~masks[step]:
                return -1
            found = i
    return found


@compiled
def _with_entry(
    hits: NDArray[np.uint64],
    masks: NDArray[np.uint64],
    entry: int,
    held: Ints,
    count: int,
    scratch: NDArray[np.int64],
    best: Ints,
) -> None:
    """As many events as are held, beginning with the entry."""
    rows = np.empty(count + 1, dtype=np.int64)
    rows[0] = entry
    for i in range(count):
        rows[i + 1] = held[count - 1 - i]
    kept = count - 1
    best[0] = entry
    _begin(scratch)
    for i in range(count + 1):
        if _augment(hits, masks, rows, i, scratch) and i:
            best[kept] = rows[i]
            kept -= 1


@compiled
def _begin(scratch: NDArray[np.int64]) -> None:
    scratch[0] = -1
    scratch[1] = -1


@compiled
def _augment(
    hits: NDArray[np.uint64],
    masks: NDArray[np.uint64],
    rows: Ints,
    new: int,
    scratch: NDArray[np.int64],
) -> bool:
    """Match one more event to a step, moving earlier ones; False where no step can be freed.

    `scratch` holds: which event has each step, which step each event has, and room to search.
    """
    owner, taken, came, queue = scratch[0], scratch[1], scratch[2], scratch[3]
    came[:] = -1
    queue[0] = new
    size = 1
    head = 0
    while head < size:
        event = queue[head]
        head += 1
        for step in range(len(masks)):
            if came[step] >= 0 or not hits[rows[event]] & masks[step]:
                continue
            came[step] = event
            if owner[step] >= 0:
                queue[size] = owner[step]
                size += 1
                continue
            while True:
                mover = came[step]
                left = taken[mover]
                owner[step] = mover
                taken[mover] = step
                if mover == new:
                    return True
                step = left
    return False
