"""What an exclusion does to the chain that came furthest (P5). Compiled."""

from __future__ import annotations

import numpy as np

from upwell.metrics.compiled import compiled
from upwell.metrics.funnel.kernel import Lines, Plan

STANDS, ENDED, HIDDEN = range(3)  # fates of a chain; an ended attempt stays counted, whatever comes


@compiled
def fate(lines: Lines, plan: Plan, row: int, since: int, reached: int) -> int:
    """What the event of a row makes of a chain that stood, its window begun at row `since`.

    Where the event matches exclusions of both modes, the user is hidden.
    """
    if lines.ts[row] - lines.ts[since] > plan.window:
        return STANDS
    found = STANDS
    for x in range(len(plan.after)):
        between = plan.after[x] <= reached - 1 < plan.before[x]
        if between and lines.drops[row] >> np.uint64(x) & np.uint64(1):
            found = max(found, HIDDEN if plan.hides[x] else ENDED)
    return found
