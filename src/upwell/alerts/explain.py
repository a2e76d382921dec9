"""Why a number stands out: what the difference is made of, since when, and who is behind it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from upwell.access import SYSTEM
from upwell.alerts.incident import WHOLE, Part, Why
from upwell.alerts.measure import WHOLE_DAY, Measured, adds_over_hours, number
from upwell.detect import surprise
from upwell.metrics.catalog import Metric
from upwell.metrics.revenue.display import half_even
from upwell.period import Grain, to_date, to_day
from upwell.query import Ask, Question
from upwell.query.explain.spread import SCALE, largest, settled

SPLITS = ("plan", "country", "channel", "reason")
ROWS = 500  # events looked at for their times and customers
SHOWN = 8  # parts of one split; the rest are added up
CUSTOMERS = 50
LEAST = 3  # events that make a burst
CENT = SCALE // 100

Rows = Callable[[Question, int], Sequence[tuple[dt.datetime, str | None]]]
"""Time and customer of the newest events behind a question, at most so many."""


def explain(ask: Ask, rows: Rows, metric: Metric, found: Measured, zone: ZoneInfo) -> Why:
    """The split of the difference from expected, the burst's beginning, the customers.

    The parts of one split add exactly to value - mean (to the cent). Empty for numbers that are
    not the sum of their parts.
    """
    reading = found.reading
    if reading.value is None or reading.expected.mean is None or not adds_over_hours(metric):
        return Why()
    kinds = [by for by in SPLITS if by in metric.dimensions]
    if reading.product == WHOLE:
        kinds.insert(0, "product")
    parts = [part for by in kinds for part in split(ask, metric, found, by)]
    if reading.expected.z <= 0:  # nobody is behind what did not happen
        return Why(parts=tuple(parts))
    happened = rows(_question(metric, found, found.day), ROWS)
    since, count = burst(metric, found, happened, zone)
    recent = [
        actor
        for at, actor in sorted(happened, key=lambda row: row[0], reverse=True)
        if actor is not None and (since is None or hour_of(at, found.day, zone) >= since)
    ]
    customers = tuple(dict.fromkeys(recent))
    return Why(
        parts=tuple(parts),
        since="" if since is None else _clock(since),
        since_value=float(count),
        customers=customers[:CUSTOMERS],
        customer_count=len(customers),
    )


def split(ask: Ask, metric: Metric, found: Measured, by: str) -> list[Part]:
    """What each value of `by` adds to the difference from expected; largest first.

    Asked by whole days, of which sums are kept: of an earlier day each part is taken to have come
    in as the whole of that day did, so that the expected parts add to the expected whole.
    """
    first = min(found.weight, default=found.day)
    answer = ask(_question(metric, found, first, by, "day"), SYSTEM)
    whole, by_then = found.came_by(WHOLE_DAY), found.came_by(found.elapsed)
    values: dict[str, float] = defaultdict(float)
    expected: dict[str, float] = defaultdict(float)
    for series in answer.series:
        for point in series.points:
            day = to_day(dt.date.fromisoformat(point.start[:10]))
            value = number(point.value) or 0.0
            if day == found.day:
                values[series.key] += value
            elif whole.get(day):
                expected[series.key] += value * found.weight[day] * by_then[day] / whole[day]
    value, mean = found.reading.value or 0.0, found.reading.expected.mean or 0.0
    deltas = {key: values[key] - expected[key] for key in values.keys() | expected.keys()}
    # What no part accounts for (cut off, not convertible) is a part too, never silently lost.
    values["other"] += value - sum(values.values())
    deltas["other"] = deltas.get("other", 0.0) + (value - mean) - sum(deltas.values())
    return _shares(by, deltas, values, value - mean)


def burst(
    metric: Metric,
    found: Measured,
    happened: Sequence[tuple[dt.datetime, str | None]],
    zone: ZoneInfo,
) -> tuple[float | None, float]:
    """Since which time of day (in hours) the most surprising run lasts, and what came in since.

    From the events' own times where all are at hand, else from whole hours; None where the whole
    day is the run, or nothing can be said.
    """
    total = found.reading.value or 0.0
    if metric.unit != "count":
        return None, 0.0
    if len(happened) == total:
        times = sorted(hour_of(at, found.day, zone) for at, _ in happened)
        begins = [(at, float(len(times) - index)) for index, at in enumerate(times)]
    else:
        begins = [
            (float(hour), sum(found.hours[hour:]))
            for hour, value in enumerate(found.hours)
            if value
        ]
    usual = found.usual_by(found.elapsed)
    scored = [
        (surprise(count, usual - found.usual_by(at)), at, count)
        for at, count in begins
        if count >= LEAST
    ]
    if not scored:
        return None, 0.0
    _, at, count = max(scored)
    return (None, 0.0) if count == total and at < 1 else (at, count)


def hour_of(at: dt.datetime, day: int, zone: ZoneInfo) -> float:
    """Local hours since the day began; an event of another day falls on its near end."""
    local = at.astimezone(zone)
    if to_day(local.date()) != day:
        return 0.0 if to_day(local.date()) < day else 24.0
    return local.hour + local.minute / 60 + local.second / 3600


def _question(
    metric: Metric, found: Measured, start: int, by: str | None = None, grain: Grain = "hour"
) -> Question:
    """The days from `start` to the one that was measured."""
    product = found.reading.product
    return Question(
        metric=metric.name,
        product=(product,) if product else (),
        start=to_date(start),
        end=to_date(found.day + 1),
        grain=grain,
        by=by,
    )


def _shares(
    by: str, deltas: dict[str, float], values: dict[str, float], difference: float
) -> list[Part]:
    """Parts rounded to the cent so that they still add to the difference."""
    kept = largest(deltas, SHOWN, ("other",))
    rest = [key for key in deltas if key not in kept]
    sums = [deltas[key] for key in kept] + [sum(deltas[key] for key in rest)]
    target = half_even(round(difference * SCALE), CENT)
    cents = settled([round(delta * SCALE) for delta in sums], target, CENT)
    counted = [values[key] for key in kept] + [sum(values[key] for key in rest)]
    return [
        Part(
            by=by,
            key=key,
            share=delta / target if target else 0.0,
            delta=delta / 100,
            value=round(value, 2),
        )
        for key, delta, value in zip([*kept, "other"], cents, counted, strict=True)
        if delta or key in kept[:1]
    ]


def _clock(hours: float) -> str:
    minutes = int(hours * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
