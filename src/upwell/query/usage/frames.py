"""Which cohorts and columns a question about retention asks for, and how that is said."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from upwell.errors import Rejected
from upwell.metrics import retention as engine
from upwell.metrics.retention import Frame
from upwell.period import DAY_MICROS, HOUR_MICROS, Grain
from upwell.query.usage.asked import RetentionAsked, check_top
from upwell.query.usage.ground import I64, Calendar, Ground
from upwell.warehouse.reading import BITS

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
_COHORTS = {
    "first_time": "Whoever did it for the first time ever in a {}",
    "recurring": "Whoever did it in a {}",
    "first_ever": "Whoever did it for the first time ever, that time as asked, in a {}",
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
        return engine.exact(first, closes, ends, width, of.here, asked.at_least)
    return engine.calendar(first, end, ends, calendar.at(of.here) - 1, asked.at_least)


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


def edges(asked: RetentionAsked, calendar: Calendar, first: int, until: int) -> I64 | None:
    """Where the buckets from `first` on begin, as far as `until`; None where they are many.

    None also where it is not enough to know who came back in which calendar bucket.
    """
    filtered = asked.where or any(one.where or one.product for one in asked.back.alternatives())
    more = asked.measure == "revenue" or asked.at_least > 1 or asked.buckets == "exact_24h"
    if filtered or more or asked.grain == "hour":
        return None
    found = [calendar.opens(first)]
    while found[-1] < until:
        if len(found) > BITS:
            return None
        found.append(calendar.opens(first + len(found)))
    return np.array(found, dtype=np.int64)


def words(asked: RetentionAsked) -> str:
    """How it was counted, in a sentence for a person."""
    exact = "24 hours" if asked.grain in ("day", "hour") else f"{asked.grain}s of one's own"
    span = "local calendar" if asked.buckets == "calendar" else f"{exact} from the start"
    back = f"came back in that very {asked.grain}"
    if asked.brackets:
        back = f"came back in one of those {asked.grain}s"
    if asked.counting == "on_or_after":
        back = f"came back in that {asked.grain} or a later one that is over (so newer look worse)"
    if asked.measure == "revenue":
        back = f"the money of these events, by {asked.grain}"
    if asked.at_least > 1:
        back += f", {asked.at_least} times or more in one {asked.grain}"
    base = "" if asked.reference == "first" else "; shares are of the column before"
    began = _COHORTS[asked.cohort].format(asked.grain)
    return f"{began}; {back}; {span}{base}; means are pooled over all that are over."


def refuse(where: str, message: str, fix: str) -> Rejected:
    """What is wrong with a question about retention, to be raised."""
    return Rejected("bad_retention", message, fix=fix, where=where)
