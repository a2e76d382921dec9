"""The question why a number changed, and its answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import msgspec

from upwell.access import Viewer
from upwell.errors import Rejected
from upwell.metrics.revenue.display import half_even
from upwell.period import to_date, to_day, to_instant
from upwell.query.desk import Desk
from upwell.query.explain import moves, parts
from upwell.query.explain.moves import Spans
from upwell.query.explain.parts import Case
from upwell.query.explain.shapes import Against, ChangeLead, ChangeSplit, Explanation
from upwell.query.explain.sides import is_rate
from upwell.query.explain.spread import SCALE, Pair
from upwell.query.question import Answer, Question, Value

Days = tuple[dt.date, dt.date]
Totals = tuple[int | None, int | None]
NOTHING = "One of the two spans has no value to compare with."
APART = "Each currency stands apart here: choose one to see what its change is made of."


class Explain:
    """Explains changes, from the desk and under its rules of who may see what."""

    def __init__(self, desk: Desk, clock: Callable[[], dt.datetime]) -> None:
        self._desk, self._clock = desk, clock

    def explain(
        self, question: Question, viewer: Viewer, against: Days | None = None
    ) -> Explanation:
        """What the parts of a metric have of its change, from an earlier span to the question's.

        `against`: the local days compared with, instead of the question's `compare` (the span
        before, where it has none). Rejected where the question cannot be answered, or where the
        days compared with are not earlier.
        """
        now = self._clock()
        compare = None if against else question.compare or "previous"
        question = msgspec.structs.replace(question, by=None, compare=compare)
        spans = self._spans(question, viewer, now, against)
        answer, totals = self._whole(question, viewer, now, against)
        unit = parts.step(spans.now, totals)
        before, after = (None if one is None else half_even(one, unit) * unit for one in totals)
        splits: tuple[ChangeSplit, ...] = ()
        change, note = None, answer.note or (APART if len(answer.series) > 1 else NOTHING)
        if before is not None and after is not None:
            change, note = after - before, ""
            case = Case(self._desk, spans, Pair(before, after), unit)
            splits = self._splits(case, question, viewer, now)
        ledger = change is not None and moves.attributable(spans.now)
        shown = [None if one is None else parts.shown(spans.now, one) for one in (before, after)]
        return Explanation(
            question=answer.question,
            against=_against(spans),
            unit=spans.now.metric.unit,
            currency=answer.currency,
            policy=answer.policy,
            position=answer.position,
            as_of=answer.as_of,
            before=shown[0],
            after=shown[1],
            change=None if change is None else parts.shown(spans.now, change),
            complete=spans.now.zone.opens(spans.now.end) <= spans.now.seen,
            splits=splits,
            customers=moves.customers(self._desk, spans) if ledger else (),
            lead=self._lead(spans, splits, change) if change and ledger else None,
            note=note,
            unconverted=answer.unconverted,
        )

    def _spans(
        self, question: Question, viewer: Viewer, now: dt.datetime, against: Days | None
    ) -> Spans:
        asked = self._desk.plan(question, viewer, now)
        if question.compare is not None:
            return Spans(asked, *self._desk.before(asked, question.compare))
        assert against is not None
        start, end = map(to_day, against)
        if not start < end < asked.end:
            raise Rejected(
                "bad_comparison",
                f"{against[0]} to {against[1]} is no span that ends before {to_date(asked.end)}.",
                fix="Compare with earlier days, as compare=2026-01-01..2026-02-01; the second day "
                "is not one of them.",
                where="compare",
            )
        return Spans(asked, asked.moved(start, end), None)

    def _whole(
        self, question: Question, viewer: Viewer, now: dt.datetime, against: Days | None
    ) -> tuple[Answer, Totals]:
        """The metric before and after, as pages show it; None where it has no one value."""
        answer = self._desk.answer(question, viewer, now)
        if len(answer.series) != 1:
            return answer, (None, None)
        (line,) = answer.series
        if against is None:
            return answer, (_fine(line.compare.total if line.compare else None), _fine(line.total))
        earlier = msgspec.structs.replace(question, start=against[0], end=against[1])
        others = self._desk.answer(earlier, viewer, now).series
        return answer, (_fine(others[0].total if len(others) == 1 else None), _fine(line.total))

    def _splits(
        self, case: Case, question: Question, viewer: Viewer, now: dt.datetime
    ) -> tuple[ChangeSplit, ...]:
        """The change by each dimension of the metric, but for those that a filter has settled."""
        spans, metric = case.spans, case.spans.now.metric
        dimensions = dict.fromkeys(("product", *metric.dimensions))
        if len(spans.now.products) == 1:
            del dimensions["product"]
        found = [parts.movements(case)] if metric.name in moves.STOCKS else []
        split = parts.dividing if is_rate(spans.now) else parts.adding
        for by in dimensions:
            if len(question.where.get(by, ())) == 1:
                continue
            of = msgspec.structs.replace(question, by=by)
            try:
                plan = self._desk.plan(of, viewer, now)
                then = plan.moved(spans.then.start, spans.then.end)
                found.append(split(case, by, Spans(plan, then, spans.until)))
            except Rejected as error:
                found.append(ChangeSplit(by=by, parts=(), note=error.problem.message))
        return tuple(one for one in found if one.parts or one.note)

    def _lead(
        self, spans: Spans, splits: tuple[ChangeSplit, ...], change: int
    ) -> ChangeLead | None:
        """What the product that moved most did most, in the direction of the whole change."""
        if spans.now.metric.name not in moves.STOCKS:
            return None
        products = next((split.parts for split in splits if split.by == "product"), ())
        same = [one.key for one in products if (Decimal(str(one.change)) < 0) == (change < 0)]
        product = next(iter(same), "") if products else ""
        return moves.lead(self._desk, spans, product, falls=change < 0)


def _against(spans: Spans) -> Against:
    return Against(
        start=to_date(spans.then.start),
        end=to_date(spans.then.end),
        until=None if spans.until is None else to_instant(spans.until),
    )


def _fine(value: Value) -> int | None:
    """A value of an answer in billionths."""
    return None if value is None else round(Decimal(str(value)) * SCALE)
