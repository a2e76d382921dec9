"""Splitting a funnel by a value of its events (P7)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.funnel.rule import FunnelRule
from upwell.metrics.funnel.run import HIDDEN, Outcome, Timelines, run

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

NO_VALUE, OTHER = -1, -2
CAP = 25


class Part(NamedTuple):
    """The users of one value: its code, NO_VALUE (none of their events has one) or OTHER."""

    value: int
    outcome: Outcome


def touches(
    lines: Timelines,
    rule: FunnelRule,
    outcome: Outcome,
    value: Codes,
    touch: Literal["first", "last"],
) -> Codes:
    """The earliest or latest value among each user's events of the funnel; a code for each row.

    All matching events of the range count, also those outside the winning chain.
    """
    end = min(rule.watermark, rule.entry_to - 1 + rule.reach)
    ok = (lines.hits != 0) & (value >= 0) & (lines.ts >= rule.entry_from) & (lines.ts <= end)
    rows = np.flatnonzero(ok)
    found = np.full(len(outcome.actor), NO_VALUE, dtype=np.int32)
    place = np.searchsorted(outcome.actor, lines.actor[rows])
    if touch == "first":
        place, rows = place[::-1], rows[::-1]
    last = np.ones(len(rows), dtype=bool)
    last[:-1] = place[1:] != place[:-1]
    found[place[last]] = value[rows[last]]
    return found


def at_step(outcome: Outcome, rule: FunnelRule, value: Codes, step: int) -> Codes:
    """The value of the event that did `step` (from 1); NO_VALUE where it has none or none did."""
    # In any order a step may stand in any column; -1 stands for what no step was done by.
    here = np.append(rule.step_of, -1)[outcome.alternatives] == step - 1
    rows = np.where(here, outcome.rows, -1).max(axis=1)
    return np.where(rows >= 0, value[rows], NO_VALUE) if len(value) else value


def parts(
    outcome: Outcome, value: Codes, *, cap: int = CAP, without: bool = True
) -> tuple[Part, ...]:
    """Users by their value: most entries first, at most `cap` values and what is beyond as OTHER.

    `without` keeps the users without a value as a part of their own, after the others.
    """
    counted = (outcome.reached > 0) | (outcome.state == HIDDEN)
    codes, size = np.unique(value[(outcome.reached > 0) & (value >= 0)], return_counts=True)
    ranked = codes[np.argsort(-size, kind="stable")]
    shown, beyond = ranked[:cap], ranked[cap:]
    made = [Part(int(code), pick(outcome, value == code)) for code in shown]
    if len(beyond):
        made.append(Part(OTHER, pick(outcome, np.isin(value, beyond))))
    missing = (value == NO_VALUE) & counted
    if without and missing.any():
        made.append(Part(NO_VALUE, pick(outcome, missing)))
    return tuple(made)


def each_value(
    lines: Timelines, rule: FunnelRule, value: Codes, *, threads: int = 1
) -> tuple[Outcome, Codes]:
    """The funnel run for each value on the events that have it; a user has a row for each value.

    With it the value of each row.
    """
    rows = np.flatnonzero(value >= 0)
    rows = rows[np.lexsort((rows, value[rows], lines.actor[rows]))]
    user, code = lines.actor[rows], value[rows]
    begins = np.ones(len(rows), dtype=bool)
    begins[1:] = (user[1:] != user[:-1]) | (code[1:] != code[:-1])
    pair = np.cumsum(begins) - 1
    found = run(Timelines(pair, lines.ts[rows], lines.hits[rows], lines.drops[rows]), rule, threads)
    sources = np.append(rows, -1)  # the last for -1: no event
    return found._replace(actor=user[begins], rows=sources[found.rows]), code[begins]


def apart(outcome: Outcome, value: Codes, *, cap: int = CAP) -> tuple[Part, ...]:
    """Parts of what `each_value` found; in OTHER each user stands once."""
    return tuple(
        part if part.value != OTHER else Part(OTHER, _furthest(part.outcome))
        for part in parts(outcome, value, cap=cap, without=False)
    )


def pick(outcome: Outcome, chosen: NDArray[np.bool_] | Ints) -> Outcome:
    """The chosen rows of an outcome."""
    return Outcome._make(column[chosen] for column in outcome)


def _furthest(outcome: Outcome) -> Outcome:
    order = np.lexsort((outcome.start, -outcome.reached, outcome.actor))
    actor = outcome.actor[order]
    first = np.ones(len(actor), dtype=bool)
    first[1:] = actor[1:] != actor[:-1]
    return pick(outcome, order[first])
