"""Reading a series: what has come in, and what was expected by now, asked at the one door."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell.access import SYSTEM
from upwell.alerts import words
from upwell.alerts.incident import Reading
from upwell.detect import (
    HISTORY,
    WEEKS,
    Expected,
    Kind,
    Limits,
    by_now,
    so_far,
    weights,
    zscore_30,
)
from upwell.metrics.catalog import Metric, Net, Sum
from upwell.period import to_date, to_day, to_instant, to_micros
from upwell.query import Answer, Ask, Point, Question, Value

WHOLE_DAY = 24.0
DAYS = 7 * WEEKS

Hours = NDArray[np.float64]  # a row for each day, a column for each local hour
NOTHING: Hours = np.zeros((0, 24))


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A reading with what it rests on, so that it can be explained.

    `elapsed` is in hours of local time; `weight` says how much each earlier day counted for the
    mean; `past` holds the hours of the weeks before, `hours` those of the day itself.
    """

    reading: Reading
    day: int
    elapsed: float
    weight: Mapping[int, float] = {}
    past: Hours = NOTHING
    hours: tuple[float, ...] = ()
    currency: str | None = None

    def came_by(self, elapsed: float) -> dict[int, float]:
        """What had come in by a time of day on each earlier day that counted."""
        came = by_now(self.past, elapsed)
        return {day: float(came[day - self.day + DAYS]) for day in self.weight}

    def usual_by(self, elapsed: float) -> float:
        """What usually has come in by a time of day."""
        came = self.came_by(elapsed)
        return sum(came[day] * weight for day, weight in self.weight.items())


def judged_by(
    found: Measured, here: int | None, now: dt.datetime, zone: ZoneInfo
) -> dt.datetime | None:
    """By which moment too little may be judged; None where that must wait.

    `here`: until when (UTC micros) all is here; what is missing since may only not have come yet.
    A day that is over is judged once all of it is here.
    """
    opens = dt.datetime.combine(found.reading.day, dt.time(), tzinfo=zone)
    closes = opens + dt.timedelta(days=1)  # of the wall clock: the local midnight after it
    if here is None or here >= to_micros(min(now, closes)):
        return now
    return None if here <= to_micros(opens) or now >= closes else to_instant(here)


def adds_over_hours(metric: Metric) -> bool:
    """Whether a day is the sum of its hours, so that a day in progress can be judged."""
    return isinstance(metric.rule, Sum | Net)


def kind_of(metric: Metric) -> Kind:
    """Counts have a Poisson floor, everything else a relative one: values that are added, too."""
    adds = isinstance(metric.rule, Sum) and metric.rule.of == "value"
    return "count" if metric.unit == "count" and not adds else "amount"


def past_hours(ask: Ask, metric: str, product: str, day: int) -> Hours:
    """The hours of the weeks before `day`, oldest first."""
    first = day - DAYS
    return hours_of(_hourly(ask, metric, product, first, day), first, DAYS)


def measure(
    ask: Ask,
    metric: Metric,
    product: str,
    *,
    day: int,
    now: dt.datetime,
    zone: ZoneInfo,
    first_day: int | None,
    past: Hours,
    limits: Limits,
    imported: float = 0.0,
) -> Measured:
    """A day so far against earlier ones at the same time of day; a past day by the baseline.

    `past` is from `past_hours` of the same day; `first_day` is the first with data, which is
    seldom whole and is left out; `imported` is what history alone brought that day and is no news.
    """
    local = now.astimezone(zone)
    today = to_day(local.date())
    running = day == today
    elapsed = local.hour + local.minute / 60 + local.second / 3600 if running else WHOLE_DAY
    answer = _hourly(ask, metric.name, product, day, day + 1)
    hours = hours_of(answer, day, 1)[0]
    value = float(hours.sum())
    came = by_now(past, elapsed).tolist()
    first = day - DAYS
    known = {d: came[d - first] for d in range(first, day) if _after(d, first_day)}
    news = value - imported
    kind, good = kind_of(metric), metric.direction
    if running:
        found = so_far(known, day, news, kind=kind, direction=good, limits=limits)
        weight = weights(known, day, kind) if found.mean is not None else {}
    else:
        whole = list(known.values())
        found = zscore_30(whole, news, kind=kind, direction=good, limits=limits)
        last = list(known)[-HISTORY:] if found.mean is not None else []
        weight = dict.fromkeys(last, 1 / HISTORY)
    text = words.reading(metric, value, found, local if running else to_date(day), answer.currency)
    return Measured(
        reading=Reading(
            product=product,
            day=to_date(day),
            value=value,
            expected=found,
            text=text,
            share=_share(by_now(past, WHOLE_DAY), first, weight, found, elapsed)
            if running
            else 1.0,
        ),
        day=day,
        elapsed=elapsed,
        weight=weight,
        past=past,
        hours=tuple(hours.tolist()),
        currency=answer.currency,
    )


def measure_whole(
    ask: Ask, metric: Metric, product: str, *, today: int, first_day: int | None, limits: Limits
) -> Measured | None:
    """The newest complete day against the 30 before it; None where no day is complete yet.

    For numbers that are no sum of their hours: different people, rates.
    """
    answer = ask(
        Question(
            metric=metric.name,
            product=(product,) if product else (),
            start=to_date(today - 2 * HISTORY),
            end=to_date(today),
            grain="day",
        ),
        SYSTEM,
    )
    days = [
        (to_day(dt.date.fromisoformat(point.start[:10])), number(point.value))
        for point in _points(answer)
        if point.complete
    ]
    days = [(day, value) for day, value in days if _after(day, first_day) and day < today]
    if not days:
        return None
    day, value = days[-1]
    found: Expected = zscore_30(
        [earlier for _, earlier in days[:-1]],
        value,
        kind=kind_of(metric),
        direction=metric.direction,
        limits=limits,
    )
    text = words.reading(metric, value, found, to_date(day), answer.currency)
    reading = Reading(product=product, day=to_date(day), value=value, expected=found, text=text)
    return Measured(reading=reading, day=day, elapsed=WHOLE_DAY, currency=answer.currency)


def hours_of(answer: Answer, first: int, days: int) -> Hours:
    """The hours of an answer by hour, for so many days from `first`.

    What is not listed, or not known, holds nothing. Where a clock is set back, the hour that comes
    twice is added up.
    """
    found = np.zeros((days, 24))
    rows: dict[str, int] = {}
    for point in _points(answer):
        if point.value is None or point.value == 0:
            continue
        date = point.start[:10]
        if date not in rows:
            rows[date] = to_day(dt.date.fromisoformat(date)) - first
        found[rows[date], int(point.start[11:13])] += float(point.value)
    return found


def number(value: Value) -> float | None:
    """A value of an answer as a number; None where it is not defined."""
    return None if value is None else float(value)


def _hourly(ask: Ask, metric: str, product: str, start: int, end: int) -> Answer:
    question = Question(
        metric=metric,
        product=(product,) if product else (),
        start=to_date(start),
        end=to_date(end),
        grain="hour",
    )
    return ask(question, SYSTEM)


def _points(answer: Answer) -> tuple[Point, ...]:
    return answer.series[0].points if answer.series else ()


def _after(day: int, first_day: int | None) -> bool:
    return first_day is not None and day > first_day


def _share(
    whole: NDArray[np.float64],
    first: int,
    weight: Mapping[int, float],
    found: Expected,
    elapsed: float,
) -> float:
    """How much of a usual day has come in by now; the clock's share where that is not known."""
    usual = sum(whole[day - first] * w for day, w in weight.items())
    if found.mean is None or usual <= 0:
        return min(elapsed / WHOLE_DAY, 0.999)
    return float(min(max(found.mean / usual, 0.0), 0.999))
