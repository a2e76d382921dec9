"""The desk: takes a question, decides what the viewer may know, reads, and writes the answer."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import msgspec

from upwell import money
from upwell.access import Viewer
from upwell.metrics.catalog import Cohort, Distinct, MeanOfDays
from upwell.money import Rates
from upwell.period import DAY_MICROS, Bucket, to_instant, to_micros
from upwell.projection import Projection
from upwell.query.lines import Line, Number
from upwell.query.plan import Plan, compared_days, plan
from upwell.query.question import Answer, Compared, Point, Question, Series, Unconverted, Value
from upwell.query.read import elapsed_total, read

MOST_LINES = 200  # beyond these, the smallest lines of a breakdown are added up as "other"
REMEMBERED = 500
POLICY = "upwell"
OTHER = "other"


class Desk:
    """Answers questions from the projection; remembers answers whose sums have not moved."""

    def __init__(
        self, projection: Projection, rates: Callable[[], Rates] = money.ecb_rates
    ) -> None:
        self.projection = projection
        self._rates = rates
        self._remembered: OrderedDict[tuple[object, ...], Answer] = OrderedDict()
        self._lock = Lock()

    def plan(self, question: Question, viewer: Viewer, now: dt.datetime) -> Plan:
        """What the question comes down to for this viewer; Rejected or Forbidden otherwise."""
        return plan(
            question,
            viewer,
            self.projection.known_products(),
            self.projection.zone,
            now=now,
            currency=self.projection.ground.currency,
            week_start=self.projection.ground.week_start,
        )

    def answer(self, question: Question, viewer: Viewer, now: dt.datetime) -> Answer:
        """The answer as of `now`; Rejected where the question cannot be answered as asked."""
        asked = self.plan(question, viewer, now)
        marker = (_text(question), asked.products, *self._state(asked, now))
        with self._lock:
            if (known := self._remembered.get(marker)) is not None:
                self._remembered.move_to_end(marker)
                return self._refreshed(known, asked)
        answer = self._write(asked)
        with self._lock:
            self._remembered[marker] = answer
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return answer

    def _state(self, asked: Plan, now: dt.datetime) -> tuple[int, int, int]:
        """What an answer depends on besides the question: sums, configuration, time passed.

        Time matters where a bucket ends or a comparison grows: every hour; and for every past
        minute where the span holds the present.
        """
        projection = self.projection
        changed = projection.changed(asked.products, asked.metric.reads)
        micros = to_micros(now)
        live = asked.start <= asked.zone.day_of(micros) < asked.end
        return changed, projection.generation, micros // (60_000_000 if live else 3_600_000_000)

    def _refreshed(self, known: Answer, asked: Plan) -> Answer:
        return msgspec.structs.replace(
            known, as_of=self._as_of(asked), position=str(self.projection.position)
        )

    def _write(self, asked: Plan) -> Answer:
        position = self.projection.position
        note = ""
        if asked.known_at is not None:
            note = self._unknown_then(asked)
        reading = read(asked, self.projection, self._rates)
        lines = _at_most(reading.lines, asked)
        earlier = self._earlier(asked) if asked.question.compare else {}
        spans = asked.buckets
        series = tuple(
            self._series(asked, spans, line, earlier.get(line.key), bool(note)) for line in lines
        )
        people = isinstance(asked.metric.rule, Distinct | MeanOfDays) and len(asked.products) > 1
        totals = [line.total for line in reading.lines if isinstance(line.total, int)]
        return Answer(
            question=asked.question,
            series=series,
            as_of=self._as_of(asked),
            policy=asked.question.policy or POLICY,
            position=str(position),
            unit=asked.metric.unit,
            currency=asked.currency,
            scanned=reading.scanned,
            unconverted=tuple(
                Unconverted(currency=currency, total=money.major(amount, currency))
                for currency, amount in sorted(reading.unconverted.items())
            ),
            unlinked=sum(totals) if people and isinstance(asked.metric.rule, Distinct) else None,
            note=note,
        )

    def _earlier(self, asked: Plan) -> dict[str, Compared]:
        assert asked.question.compare is not None
        start, end = compared_days(asked.question.compare, asked.start, asked.end)
        before = asked.moved(start, end)
        reading = read(before, self.projection, self._rates)
        totals = {line.key: line.total for line in reading.lines}
        today = asked.zone.day_of(asked.now)
        if asked.start <= today < asked.end:
            # A running span is compared with as much of the earlier one.
            elapsed = asked.now - asked.zone.opens(asked.start)
            until = min(before.zone.opens(start) + elapsed, before.zone.opens(end))
            totals = elapsed_total(before, self.projection, self._rates, until)
        spans = before.buckets
        return {
            line.key: Compared(
                points=tuple(
                    self._point(before, spans[i], value, line, i)
                    for i, value in enumerate(line.values)
                ),
                total=_written(totals.get(line.key), line),
            )
            for line in reading.lines
        }

    def _series(
        self,
        asked: Plan,
        spans: list[Bucket],
        line: Line,
        compared: Compared | None,
        unknown: bool,
    ) -> Series:
        points = tuple(
            self._point(asked, spans[index], None if unknown else value, line, index)
            for index, value in enumerate(line.values)
        )
        label = ""
        if asked.question.by == "product":
            label = self.projection.product_name(line.key)
        return Series(
            key=line.key,
            label=label,
            points=points,
            total=None if unknown else _written(line.total, line),
            compare=compared,
        )

    def _point(self, asked: Plan, span: Bucket, value: Number, line: Line, index: int) -> Point:
        seen = asked.now if asked.known_at is None else min(asked.known_at, asked.now)
        closes = span.closes
        if isinstance(asked.metric.rule, Cohort):
            closes += asked.metric.rule.window_days * DAY_MICROS
        if span.opens > seen:
            return Point(start=span.label, value=None, complete=False)
        return Point(
            start=span.label,
            value=_written(value, line),
            complete=closes <= seen,
            provisional=index in line.provisional,
        )

    def _unknown_then(self, asked: Plan) -> str:
        """Why nothing was known at the time asked for, or ''."""
        first = self.projection.first_recorded(asked.products)
        assert asked.known_at is not None
        if first is None or asked.known_at < first:
            return "Nothing was known then: the first events of these products came later."
        return ""

    def _as_of(self, asked: Plan) -> dict[str, str]:
        return {
            source: to_instant(micros).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            for source, micros in self.projection.freshness(asked.products).items()
        }


def _at_most(lines: list[Line], asked: Plan) -> list[Line]:
    """The largest lines first; of a long breakdown the rest together, where they add up."""
    if asked.question.by in (None, "product"):
        return lines
    ordered = sorted(lines, key=lambda line: (-(line.total or 0), line.key))
    if len(ordered) <= MOST_LINES or (asked.currency is None and asked.metric.unit == "money"):
        return ordered
    kept, rest = ordered[: MOST_LINES - 1], ordered[MOST_LINES - 1 :]
    if not asked.additive:
        return kept
    columns = zip(*(line.values for line in rest), strict=True)
    values: list[Number] = [sum(value or 0 for value in column) for column in columns]
    total = sum(line.total or 0 for line in rest)
    marks = set().union(*(line.provisional for line in rest))
    return [*kept, Line(OTHER, values, total, rest[0].currency, marks)]


def _written(value: Number, line: Line) -> Value:
    if value is None or line.currency is None:
        return value
    return money.major(int(value), line.currency)


def _text(question: Question) -> bytes:
    return msgspec.json.encode(question)
