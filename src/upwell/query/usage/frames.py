"""Which cohorts and columns a question about retention asks for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from upwell.errors import Rejected
from upwell.metrics import retention as engine
from upwell.metrics.retention import Frame
from upwell.period import DAY_MICROS, HOUR_MICROS, Grain
from upwell.query.usage.asked import RetentionAsked, check_top
from upwell.query.usage.ground import Ground

MOST = 400  # cohorts, and columns
USUAL = 12  # columns, where fewer cohorts are asked for
FURTHEST = 3_700  # distance of a bracket
MOST_TIMES = 1_000  # returns in a bucket
_WIDTHS: dict[Grain, int] = {
    "hour": HOUR_MICROS,
    "day": DAY_MICROS,
    "week": 7 * DAY_MICROS,
    "month": 30 * DAY_MICROS,
}


def frame_of(asked: RetentionAsked, of: Ground) -> Frame:
    """The cohorts and columns; Rejected where there are too many, or none of the grain."""
    check_top(asked.top)
    calendar, exact = of.calendar(asked.grain), asked.buckets == "exact_24h"
    if asked.grain not in _WIDTHS:
        raise refuse("grain", f"Retention is not kept by the {asked.grain}.", "Use month.")
    first, now = calendar.at(of.opens), calendar.at(of.now)
    end = min(calendar.at(of.closes - 1), now) + 1
    columns = asked.columns
    if columns is None:
        columns = max(2, min(now - first + 1, max(USUAL, end - first)))
    if not 1 <= columns <= MOST or end - first > MOST:
        raise refuse(
            "grain" if asked.columns is None else "columns",
            f"{end - first:,} cohorts by {columns:,} columns are no table that can be read.",
            f"Ask for at most {MOST} of each: a coarser grain, or fewer days.",
        )
    ends = np.array([0, *_brackets(asked)]) if asked.brackets else np.arange(columns)
    if not 1 <= asked.at_least <= MOST_TIMES or (asked.at_least > 1 and asked.measure == "revenue"):
        raise refuse(
            "at_least",
            f"{asked.at_least:,} returns are no rule for what counts as coming back.",
            f"Ask for 1 to {MOST_TIMES:,}; of revenue all is counted, so leave it out there.",
        )
    if exact:
        closes = [min(calendar.opens(number + 1), of.closes) for number in range(first, end)]
        width = _WIDTHS[asked.grain]
        return engine.exact(first, closes, ends, width, of.now, asked.at_least)
    return engine.calendar(first, end, ends, now - 1, asked.at_least)


def _brackets(asked: RetentionAsked) -> tuple[int, ...]:
    """The last distance of each column but column 0, rising."""
    ends = asked.brackets
    rising = all(low < high for low, high in pairwise((0, *ends)))
    if not rising or ends[-1] > FURTHEST or len(ends) >= MOST or asked.columns is not None:
        raise refuse(
            "brackets",
            "These brackets make no table.",
            f"Send the last distance of each, rising from 1 to at most {FURTHEST:,}, such as"
            " [1, 7, 30], and no 'columns'.",
        )
    return ends


def labels(frame: Frame) -> tuple[str, ...]:
    """The distances of each column: one, or from the first to the last of a bracket."""
    return (
        "0",
        *(
            str(high) if high == low + 1 else f"{low + 1}–{high}"
            for low, high in pairwise(frame.ends.tolist())
        ),
    )


def refuse(where: str, message: str, fix: str) -> Rejected:
    """What is wrong with a question about retention, to be raised."""
    return Rejected("bad_retention", message, fix=fix, where=where)
