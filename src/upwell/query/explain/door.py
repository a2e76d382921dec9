"""The question why a number changed, and its answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import msgspec

from upwell.access import Viewer
from upwell.errors import Rejected
from upwell.metrics.catalog import Ledger
from upwell.metrics.revenue.display import half_even
from upwell.period import to_date, to_instant
from upwell.query.desk import Desk
from upwell.query.explain import moves, parts
from upwell.query.explain.moves import Spans
from upwell.query.explain.parts import Case
from upwell.query.explain.shapes import Against, ChangeLead, ChangeSplit, Explanation
from upwell.query.explain.sides import is_rate
from upwell.query.explain.spread import SCALE, Pair
from upwell.query.plan import Plan
from upwell.query.question import Answer, Question, Value
from upwell.query.revenue.apart import only, separate

Totals = tuple[int | None, int | None]
NOTHING = "One of the two spans has no value to compare with."
APART = "Each currency stands apart here: choose one ({}) to see what its change is made of."


class Explain:
    """Explains changes, from the desk and under its rules of who may see what."""

    def __init__(self, desk: Desk, clock: Callable[[], dt.datetime]) -> None:
        self._desk, self._clock = desk, clock

    def explain(self, question: Question, viewer: Viewer) -> Explanation:
        """What the parts of a metric have of its change since the span compared with.

        That is the span before where the question names none. Where nothing is converted it is
        about the currency that the question names, or the only one there is. Rejected where the
        question cannot be answered.
        """
        return self._explain(question, viewer, self._clock())

    def _explain(self, question: Question, viewer: Viewer, now: dt.datetime) -> Explanation:
        compare = question.compare or "previous"
        question = msgspec.structs.replace(question, by=None, compare=compare)
        asked = self._desk.plan(question, viewer, now)
        answer = self._desk.answer(question, viewer, now)
        currency = None
        if self._separate(asked):
            currency = _meant(question, answer)
            asked = asked if currency is None else _alone(asked, currency)
        elif question.currency == "native" and len(answer.series) == 1 and answer.series[0].key:
            # Of one currency it is the same in that currency.
            same = msgspec.structs.replace(question, currency=answer.series[0].key)
            found = self._explain(same, viewer, now)
            return msgspec.structs.replace(found, question=answer.question)
        spans = Spans(asked, *self._desk.before(asked, compare))
        totals = _totals(answer, currency)
        unit = parts.step(spans.now, totals)
        before, after = (None if one is None else half_even(one, unit) * unit for one in totals)
        blank = _blank(spans, answer)
        if asked.only is not None and asked.metric.unit == "money":
            blank = msgspec.structs.replace(blank, currency=asked.only)
        if before is None or after is None:
            return blank
        case = Case(self._desk, spans, Pair(before, after), unit)
        splits = self._splits(case, question, viewer, now, currency)
        ledger, change = moves.attributable(spans.now), after - before
        return msgspec.structs.replace(
            blank,
            before=case.show(before),
            after=case.show(after),
            change=case.show(change),
            splits=splits,
            customers=moves.customers(self._desk, spans) if ledger else (),
            lead=self._lead(spans, splits, change) if change and ledger else None,
            note="",
        )

    def _separate(self, asked: Plan) -> bool:
        ledgers = self._desk.ledgers
        return isinstance(asked.metric.rule, Ledger) and separate(asked, ledgers)

    def _splits(
        self,
        case: Case,
        question: Question,
        viewer: Viewer,
        now: dt.datetime,
        currency: str | None,
    ) -> tuple[ChangeSplit, ...]:
        """The change by each dimension of the metric, but for those that a filter has settled."""
        spans, metric = case.spans, case.spans.now.metric
        dimensions = dict.fromkeys(("product", *metric.dimensions))
        if len(spans.now.products) == 1:
            del dimensions["product"]
        found = [parts.movements(case)] if metric.name in moves.STOCKS else []
        split = parts.dividing if is_rate(spans.now) else parts.adding
        for by in dimensions:
            if len(question.where.get(by, ())) == 1 or (currency and by == "currency"):
                continue
            of = msgspec.structs.replace(question, by=by)
            try:
                plan = self._desk.plan(of, viewer, now)
                if currency is not None:
                    plan = _alone(plan, currency)
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


def _blank(spans: Spans, answer: Answer) -> Explanation:
    """The answer where there is nothing to explain, with the reason."""
    return Explanation(
        question=answer.question,
        against=Against(
            start=to_date(spans.then.start),
            end=to_date(spans.then.end),
            until=None if spans.until is None else to_instant(spans.until),
        ),
        unit=spans.now.metric.unit,
        currency=answer.currency,
        policy=answer.policy,
        position=answer.position,
        as_of=answer.as_of,
        before=None,
        after=None,
        change=None,
        complete=spans.now.zone.opens(spans.now.end) <= spans.now.seen,
        splits=(),
        customers=(),
        lead=None,
        note=answer.note or _why(answer),
        unconverted=answer.unconverted,
    )


def _meant(question: Question, answer: Answer) -> str | None:
    """The currency that the question names, or the only one there is."""
    codes = [line.key for line in answer.series]
    named = (question.currency or "").upper()
    return named if named in codes else codes[0] if len(codes) == 1 else None


def _alone(plan: Plan, currency: str) -> Plan:
    return replace(only(plan, currency), currency=currency)


def _why(answer: Answer) -> str:
    """Why there is nothing to take apart."""
    codes = ", ".join(line.key for line in answer.series)
    return APART.format(codes) if len(answer.series) > 1 else NOTHING


def _totals(answer: Answer, currency: str | None) -> Totals:
    """The metric before and after, as pages show it; None where it has no one value."""
    lines = [line for line in answer.series if currency is None or line.key == currency]
    if len(lines) != 1:
        return None, None
    (line,) = lines
    return _fine(line.compare.total if line.compare else None), _fine(line.total)


def _fine(value: Value) -> int | None:
    """A value of an answer in billionths."""
    return None if value is None else round(Decimal(str(value)) * SCALE)
