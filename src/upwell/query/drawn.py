"""Points as they were last written: of a year that is asked for again, only what moved is new."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from upwell import money
from upwell.metrics.catalog import Cohort
from upwell.period import DAY_MICROS
from upwell.query.lines import Line, Number
from upwell.query.plan import Plan
from upwell.query.question import Point, Value

MOST = 1_000  # lines
LONGEST = 1_100  # points of a line that is kept: three years of days
Subject = tuple[object, ...]


class _Line(NamedTuple):
    values: list[Number]
    provisional: set[int]
    points: tuple[Point, ...]
    here: int  # until when everything was here


class Drawn:
    """The points of the lines asked for last, by question, span and key."""

    def __init__(self) -> None:
        self._lines: OrderedDict[Subject, _Line] = OrderedDict()
        self._lock = Lock()

    def points(
        self, asked: Plan, line: Line, subject: Subject, limit: int | None = None
    ) -> tuple[Point, ...]:
        """The points of a line; those that were final and have the same value are the old ones.

        `subject` must name all that a point's start and finality depend on, except time passing
        and `limit`: until when (UTC micros) everything of their sources is here.
        """
        here = asked.seen if limit is None else min(asked.seen, limit)
        with self._lock:
            before = self._lines.get(subject)
        fresh = _drawn(asked, line, before, here)
        if len(fresh) > LONGEST:
            return fresh
        with self._lock:
            self._lines[subject] = _Line(line.values, line.provisional, fresh, here)
            self._lines.move_to_end(subject)
            while len(self._lines) > MOST:
                self._lines.popitem(last=False)
        return fresh


def written(value: Number, line: Line) -> Value:
    """A value as answers carry it: money as a decimal string in major units."""
    if value is None or line.currency is None:
        return value
    return money.major(int(value), line.currency)


def _drawn(asked: Plan, line: Line, before: _Line | None, here: int) -> tuple[Point, ...]:
    rule = asked.metric.rule
    ripens = rule.window_days * DAY_MICROS if isinstance(rule, Cohort) else 0
    buckets, provisional = asked.buckets, line.provisional

    def point(index: int) -> Point:
        bucket = buckets[index]
        return Point(
            start=bucket.label,
            value=written(line.values[index], line),
            complete=bucket.closes + ripens <= here,
            provisional=index in provisional,
        )

    usable = before is not None and before.provisional == provisional and before.here <= here
    if before is None or not usable or len(before.points) != len(line.values):
        return tuple(map(point, range(len(line.values))))
    return tuple(
        old if old.complete and was == value else point(index)
        for index, (value, was, old) in enumerate(
            zip(line.values, before.values, before.points, strict=True)
        )
    )
