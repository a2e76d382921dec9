"""The people of a funnel, followed a share at a time: what became of them, by value, by bucket."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected
from upwell.metrics.compiled import THREADS
from upwell.metrics.funnel.between import OTHER, passers
from upwell.metrics.funnel.rule import FunnelRule
from upwell.metrics.funnel.run import HIDDEN, Outcome, Timelines, run
from upwell.metrics.funnel.split import Part, apart, at_step, each_value, parts, pick, touches
from upwell.metrics.funnel.sums import TrendSum
from upwell.metrics.revenue.ledger import begins
from upwell.query.usage import routes, shapes, trends
from upwell.query.usage.asked import Doing, FunnelAsked, PartAsked
from upwell.query.usage.ground import Ground
from upwell.query.usage.walk import Walk, Walks

Codes = NDArray[np.int32]
Node = tuple[int, int]  # a step (from 1) and an alternative
Follow = Callable[[Timelines], Outcome]

MOST = 12_000_000  # events that are looked at in one piece, for what lies between steps


class Course(NamedTuple):
    """What became of everybody who entered; `parts` by the place of the value in `values`."""

    outcome: Outcome
    parts: tuple[Part, ...]
    values: list[str]
    trend: TrendSum | None
    between: tuple[shapes.LinkBetween, ...]


class _Share(NamedTuple):
    """The same of some of the people, before values are ranked."""

    outcome: Outcome
    split: tuple[Outcome, Codes] | None
    values: list[str]
    trend: TrendSum | None
    between: tuple[shapes.LinkBetween, ...]


def doings_of(asked: FunnelAsked) -> tuple[list[Doing], list[Doing]]:
    """The alternatives of all steps in one list, and what is excluded."""
    steps = [doing for step in asked.steps for doing in step.alternatives()]
    return steps, [one.doing for one in asked.exclude]


def followed(walks: Walks, asked: FunnelAsked, rule: FunnelRule, of: Ground) -> Course:
    """Everybody, by all that the question asks for."""
    found = [_followed(one, asked, rule, of) for one in _pieces(walks, asked)]
    split = [one.split for one in found if one.split is not None]
    made = tuple[Part, ...]()
    if split:
        outcomes, codes = zip(*split, strict=True)
        made = _ranked(joined(outcomes), np.concatenate(codes), asked)
    trend = [one.trend for one in found if one.trend is not None]
    return Course(
        joined([one.outcome for one in found]),
        made,
        found[0].values,
        trends.added(trend) if trend else None,
        found[0].between,
    )


def outcome_of(walks: Walks, asked: FunnelAsked, follow: Follow) -> Outcome:
    """What `follow` makes of everybody's events."""
    return joined([_entered(follow(_timelines(one, asked)[0])) for one in _pieces(walks, asked)])


def on_the_way(
    walks: Walks, asked: FunnelAsked, rule: FunnelRule, link: tuple[Node, Node], event: PartAsked
) -> NDArray[np.int64]:
    """The people of a link of the flow who also did an event on it; without a key nothing else."""
    (found,) = _pieces(walks, asked)
    lines, kept = _timelines(found, asked)
    outcome = run(lines, rule, THREADS)
    every, labels = routes.everything(found, kept)
    if event.key is not None and event.key not in labels:
        return np.zeros(0, dtype=np.int64)
    item = OTHER if event.other else None if event.key is None else labels.index(event.key)
    return np.unique(outcome.actor[passers(outcome, every, asked.between, link, item)])


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """People of several shares together."""
    if len(outcomes) == 1:
        return outcomes[0]
    return Outcome._make(np.concatenate(column) for column in zip(*outcomes, strict=True))


def _pieces(walks: Walks, asked: FunnelAsked) -> Sequence[Walk] | Walks:
    """Shares of the people; all at once where every event of theirs is asked for."""
    if not asked.between:
        return walks
    if walks.rows > MOST:
        raise Rejected(
            "too_many_events",
            f"What lies between steps is told of at most {MOST:,} events; these are more.",
            fix="Ask for fewer days or products, or leave out 'between'.",
            where="between",
        )
    return [walks.take()]


def _followed(found: Walk, asked: FunnelAsked, rule: FunnelRule, of: Ground) -> _Share:
    lines, kept = _timelines(found, asked)
    outcome = run(lines, rule, THREADS)
    split, values = None, list[str]()
    if asked.by is not None:
        codes, values = found.values(asked.by)
        own, code = _split(lines, codes[kept], outcome, rule, asked.attribution)
        split = _entered(own), code[_has_entered(own)]
    return _Share(
        _entered(outcome),
        split,
        values,
        trends.counted(lines, rule, asked, of) if asked.trend else None,
        routes.between_of(outcome, asked.between, found, kept) if asked.between else (),
    )


def _timelines(found: Walk, asked: FunnelAsked) -> tuple[Timelines, NDArray[np.bool_]]:
    """What the engine walks, and which of the rows it does: in strict order all of a user's.

    Those who never did the first step are left out before anything is made of them.
    """
    steps, excluded = doings_of(asked)
    hits, drops = _bits(found, steps), _bits(found, excluded)
    rows = found.found
    keep = (hits | drops) != 0 if asked.order != "strict" else np.ones(len(hits), dtype=np.bool_)
    if asked.order != "any":
        first = np.uint64((1 << len(asked.steps[0].alternatives())) - 1)
        keep &= _all_of(rows.person, hits & first != 0)
    if keep.all():
        return Timelines(rows.person, rows.ts, hits, drops), keep
    return Timelines(rows.person[keep], rows.ts[keep], hits[keep], drops[keep]), keep


def _all_of(person: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Every row of the people of whom one is chosen; a person's rows stand together."""
    if not len(person):
        return chosen
    heads = np.flatnonzero(begins(person))
    return np.repeat(np.logical_or.reduceat(chosen, heads), np.diff(heads, append=len(person)))


def _bits(found: Walk, doings: list[Doing]) -> NDArray[np.uint64]:
    bits = np.zeros(len(found.found.ts), dtype=np.uint64)
    for place, doing in enumerate(doings):
        bits |= found.does(doing).astype(np.uint64) << np.uint64(place)
    return bits


def _has_entered(outcome: Outcome) -> NDArray[np.bool_]:
    entered: NDArray[np.bool_] = (outcome.reached > 0) | (outcome.state == HIDDEN)
    return entered


def _entered(outcome: Outcome) -> Outcome:
    """Those who entered, or would have without an exclusion: most have not, in a large company.

    Rows are those of a share and point nowhere beyond it: 0 is left of each that there is.
    """
    own = pick(outcome, _has_entered(outcome))
    return own._replace(rows=np.where(own.rows >= 0, 0, -1).astype(np.int8))


def _split(
    lines: Timelines, codes: Codes, outcome: Outcome, rule: FunnelRule, attribution: str
) -> tuple[Outcome, Codes]:
    """People with the value that counts for each, or (all_steps) once for each of theirs."""
    if attribution == "all_steps":
        return each_value(lines, rule, codes, threads=THREADS)
    touch: Literal["first", "last"] | None = (
        "first" if attribution == "first_touch" else "last" if attribution == "last_touch" else None
    )
    if touch is not None:
        return outcome, touches(lines, rule, outcome, codes, touch)
    step = re.fullmatch(r"step:(\d+)", attribution)
    if step is None or not 1 <= int(step[1]) <= len(rule.steps):
        raise Rejected(
            "bad_attribution",
            f"'{attribution}' does not say whose value counts.",
            fix=f"Use first_touch, last_touch, all_steps, or step:1 to step:{len(rule.steps)}.",
            where="attribution",
        )
    return outcome, at_step(outcome, rule, codes, int(step[1]))


def _ranked(outcome: Outcome, codes: Codes, asked: FunnelAsked) -> tuple[Part, ...]:
    if asked.attribution == "all_steps":
        return apart(outcome, codes, cap=asked.top)
    without = not asked.attribution.startswith("step")
    return parts(outcome, codes, cap=asked.top, without=without)
