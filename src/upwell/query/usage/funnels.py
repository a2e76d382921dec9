"""A funnel from a question: which events do its steps, what each person reached, the answer."""

from __future__ import annotations

import re

import numpy as np

from upwell.errors import Rejected
from upwell.metrics.compiled import THREADS
from upwell.metrics.funnel import rule as rules
from upwell.metrics.funnel.rule import Exclusion, FunnelRule, Step
from upwell.metrics.funnel.run import Outcome, run
from upwell.metrics.funnel.split import OTHER, pick
from upwell.metrics.funnel.sums import MAX_OWN_BINS, step_sums, whole
from upwell.period import DAY_MICROS, HOUR_MICROS, MICROS
from upwell.query.usage import courses, routes, shapes, trends
from upwell.query.usage.asked import FunnelAsked, PartAsked, check_top
from upwell.query.usage.ground import Ground
from upwell.query.usage.walk import Walks

MOST_BETWEEN = 50
_UNITS = {"s": MICROS, "m": 60 * MICROS, "h": HOUR_MICROS, "d": DAY_MICROS, "w": 7 * DAY_MICROS}
_MODES = {
    "end_attempt": "an excluded event ends the attempt, and who had come so far still counts",
    "drop_actor": "who did an excluded event on the way is left out of every step",
}
_VALUES = {
    "first_touch": "the first value that a user has in range counts",
    "last_touch": "the last value that a user has in range counts",
    "all_steps": "each value has a funnel of its own: users can appear in more than one row",
}


def rule_of(asked: FunnelAsked, of: Ground) -> FunnelRule:
    """The question as the engine takes it; Rejected with the part that must change."""
    rule = FunnelRule(
        steps=tuple(
            Step(alternatives=len(step.alternatives()), optional=step.optional)
            for step in asked.steps
        ),
        window=window_of(asked.window),
        entry_from=of.opens,
        entry_to=min(of.closes, max(of.now, of.opens + 1)),
        watermark=of.now,
        here=of.here,
        order=asked.order,
        entry=asked.entry,
        exclusions=tuple(
            Exclusion(
                after=between[0],
                before=between[1],
                mode=exclusion.mode,
            )
            for exclusion in asked.exclude
            for between in [exclusion.between or (1, len(asked.steps))]
        ),
        window_scope=asked.window_scope,
        tolerance=asked.order_tolerance_ms * 1000,
    )
    rules.check(rule)
    check_top(asked.top)
    if not 0 <= asked.between <= MOST_BETWEEN:
        raise _refuse(
            "between",
            f"{asked.between} events between two steps cannot be named.",
            f"Ask for at most {MOST_BETWEEN}, or 0 for none.",
        )
    if asked.bins is not None and not 1 <= asked.bins <= MAX_OWN_BINS:
        raise _refuse(
            "bins",
            f"A histogram of {asked.bins} bins cannot be drawn.",
            f"Ask for 1 to {MAX_OWN_BINS}, or leave it out.",
        )
    return rule


def window_of(text: str) -> int:
    """Microseconds of '14d', '36h', '2w', '90m' or '30s'."""
    found = re.fullmatch(r"(\d{1,6})\s*([smhdw])", text.strip())
    if found is None:
        raise Rejected(
            "bad_window",
            f"'{text}' is no window.",
            fix="Write a number and a unit: 30m, 36h, 14d or 2w.",
            where="window",
        )
    return int(found[1]) * _UNITS[found[2]]


def _spoken(window: str) -> str:
    """A window as people say it: '14d' is '14 days'."""
    count, unit = int(window.strip()[:-1]), window.strip()[-1]
    word = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}[unit]
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def answer(walks: Walks, asked: FunnelAsked, of: Ground) -> shapes.FunnelAnswer:
    """The whole answer, from the events read."""
    rule = rule_of(asked, of)
    found = courses.followed(walks, asked, rule, of)
    sums = whole(found.outcome, asked.bins)
    return shapes.FunnelAnswer(
        steps=_steps(found.outcome, rule, asked),
        whole=shapes.FunnelWhole(
            entered=sums.entered,
            converted=sums.converted,
            conversion=sums.conversion,
            matured_conversion=sums.matured_conversion,
            mean_seconds=sums.mean_seconds,
            median_seconds=sums.median_seconds,
            histogram=sums.histogram,
        ),
        flow=routes.flow_of(found.outcome, asked, found.between),
        parts=_parts(found, rule, asked),
        trend=trends.points(found.trend, rule, asked, of) if found.trend else (),
        rule=_words(asked),
        position="",
    )


def outcome_of(
    walks: Walks,
    asked: FunnelAsked,
    of: Ground,
    part: PartAsked | None = None,
    bucket: str | None = None,
) -> Outcome:
    """What became of each person, or of those in a part of the breakdown or a bucket of the trend.

    Of both: of those in the part what became of their entries in the bucket.
    """
    rule = rule_of(asked, of)
    if bucket is not None:
        entered = courses.outcome_of(
            walks, asked, lambda lines: trends.entered_in(lines, rule, asked, of, bucket)
        )
        if part is None:
            return entered
        own = outcome_of(walks, asked, of, part)
        return pick(entered, np.isin(entered.actor, own.actor))
    if part is None:
        return courses.outcome_of(walks, asked, lambda lines: run(lines, rule, THREADS))
    if asked.by is None:
        raise Rejected(
            "bad_people", "The funnel has no parts.", fix="Ask it with 'by'.", where="of"
        )
    found = courses.followed(walks, asked, rule, of)
    for one in found.parts:
        key = found.values[one.value] if one.value >= 0 else None
        if (key, one.value == OTHER) == (part.key, part.other):
            return one.outcome
    raise Rejected(
        "bad_people",
        f"No part of the funnel is '{part.key}'.",
        fix="Send a part as the answer wrote it.",
        where="of",
    )


def _steps(outcome: Outcome, rule: FunnelRule, asked: FunnelAsked) -> tuple[shapes.FunnelStep, ...]:
    return tuple(
        shapes.FunnelStep(
            label=label,
            count=one.count,
            conversion=one.conversion,
            step_conversion=one.step_conversion,
            matured_conversion=one.matured_conversion,
            mean_seconds=one.mean_seconds,
            median_seconds=one.median_seconds,
            open=one.open,
            dropped=one.dropped,
        )
        for label, one in zip(_labels(asked), step_sums(outcome, rule), strict=True)
    )


def _parts(
    found: courses.Course, rule: FunnelRule, asked: FunnelAsked
) -> tuple[shapes.FunnelPart, ...]:
    return tuple(
        shapes.FunnelPart(
            key=found.values[part.value] if part.value >= 0 else None,
            other=part.value == OTHER,
            steps=_steps(part.outcome, rule, asked),
        )
        for part in found.parts
    )


def _labels(asked: FunnelAsked) -> list[str]:
    return [
        step.label or " or ".join(doing.event for doing in step.alternatives())
        for step in asked.steps
    ]


def _words(asked: FunnelAsked) -> str:
    """How it was counted, in a sentence for a person."""
    order = {
        "ordered": "steps in this order",
        "strict": "steps in this order, with nothing between",
        "any": "steps in any order",
    }[asked.order]
    since = "the step before" if asked.window_scope == "step" else "the first step"
    entry = "latest" if asked.entry == "latest" else "first"
    window = _spoken(asked.window)
    said = [f"{order}, within {window} of {since}", f"a user's {entry} entry counts"]
    said += [_MODES[mode] for mode in dict.fromkeys(one.mode for one in asked.exclude)]
    if asked.by is not None:
        step = asked.attribution.removeprefix("step:")
        said.append(_VALUES.get(asked.attribution, f"the value at step {step} counts"))
    text = "; ".join(said)
    return text[0].upper() + text[1:] + "."


def _refuse(where: str, message: str, fix: str) -> Rejected:
    return Rejected("bad_funnel", message, fix=fix, where=where)
