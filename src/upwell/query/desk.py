"""The desk: takes a question, decides what the viewer may know, reads, and writes the answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell import money
from upwell.access import Viewer
from upwell.errors import Rejected
from upwell.metrics.catalog import (
    Cohort,
    Distinct,
    Ledger,
    MeanOfDays,
    Ratio,
    Sessions,
    Trailing,
)
from upwell.metrics.undefined import UNDEFINED
from upwell.money import Rates
from upwell.projection import Projection
from upwell.projection.book import Book
from upwell.query import own
from upwell.query.among import BILLED, Among
from upwell.query.breakdown import beside, largest
from upwell.query.complete import Behind, Limits, compared, nothing_read, stands, until_of, written
from upwell.query.drawn import Drawn
from upwell.query.drawn import written as shown
from upwell.query.elapsed import elapsed_totals
from upwell.query.lines import APART, Line, Number, Reading, empty
from upwell.query.plan import Plan, by_events, compared_days, plan
from upwell.query.question import Answer, Compare, Compared, Point, Question, Series, Unconverted
from upwell.query.read import read
from upwell.query.remembered import Remembered
from upwell.query.revenue import Ledgers, elapsed, movements
from upwell.query.revenue.closed import note_of
from upwell.query.revenue.linked import among
from upwell.query.then import freshness, others_now, unknown_then

COUNTS_PEOPLE = Distinct | MeanOfDays | Trailing | Sessions | Cohort
PEOPLE_NOW = (
    "Who is one user is as known now: of some it was said later that they are one, or are not."
)
MINUTE, QUARTER = (
    60_000_000,
    900_000_000,
)  # micros: every zone's hours and days begin at a quarter of an hour


class Desk:
    """Answers questions from the projection; remembers answers whose sums have not moved."""

    def __init__(
        self,
        projection: Projection,
        rates: Callable[[], Rates] = money.ecb_rates,
        books: Callable[[str], Book] | None = None,
        members: Callable[[str, Viewer], NDArray[np.int64]] | None = None,
        behind: Behind = nothing_read,
    ) -> None:
        self.projection = projection
        self._rates, self._members, self._feeds = rates, members, behind
        self.ledgers = Ledgers(books or projection.book, projection, rates)
        self._remembered = Remembered()
        self._drawn = Drawn()

    def plan(self, question: Question, viewer: Viewer, now: dt.datetime) -> Plan:
        """What the question comes down to for this viewer; Rejected or Forbidden otherwise."""
        found = plan(
            question,
            viewer,
            self.projection.known_products(),
            self.projection.zone,
            now=now,
            currency=self.projection.ground.currency,
            week_start=self.projection.ground.week_start,
            billed=self.ledgers.billed(),
            catalogue=self.projection.ground.catalogue,
        )
        if question.segment is not None:
            found = replace(found, among=self._among(found, question.segment, viewer))
        ledger = isinstance(found.metric.rule, Ledger)
        if ledger and self.ledgers.policy(question.policy).fx == "none":
            return replace(found, currency=None)  # nothing is converted
        return found

    def _among(self, asked: Plan, segment: str, viewer: Viewer) -> Among:
        """The users of a segment, and their customers where the metric is about these."""
        if self._members is None:
            raise Rejected("unknown_segment", "No segments are kept here.", where="segment")
        metric, position = asked.metric, self.projection.position
        pays = isinstance(metric.rule, Ledger | Ratio) or asked.owned
        pays = pays or not metric.reads.isdisjoint(BILLED)
        people = self._members(segment, viewer)
        return among(people, position, self.projection, self.ledgers, customers=pays)

    def answer(self, question: Question, viewer: Viewer, now: dt.datetime) -> Answer:
        """The answer as of `now`; Rejected where the question cannot be answered as asked."""
        projection = self.projection
        # before the plan, which rests on it
        stood = (projection.generation, projection.ground, projection.closes)
        asked = self.plan(question, viewer, now)
        position = projection.position  # before reading: what is read is this or newer
        limits = Limits(asked, self._feeds)
        marker = (msgspec.json.encode(question), *stood, *limits.stamp(), *self._moving(asked))
        known = self._remembered.get(marker)
        if known is None:
            known = self._write(asked, limits)
            self._remembered.keep(marker, known)
        as_of = known.as_of if asked.known_at is not None else self.as_of(asked)
        return msgspec.structs.replace(
            known, as_of=as_of, behind=stands(limits.sources()), position=str(position)
        )

    def _moving(self, asked: Plan) -> tuple[object, ...]:
        """What an answer depends on besides the question and the configuration.

        The products seen, the sums, and time: of a span that holds the present the minute, of
        others the quarter of an hour (buckets end, cohorts ripen, rates come).
        """
        changed = self.projection.changed(asked.products, asked.metric.reads)
        live = asked.start <= asked.zone.day_of(asked.now) < asked.end
        rule, book = asked.metric.rule, 0
        if isinstance(rule, Ratio):
            return tuple(part for side in self.sides(asked) for part in self._moving(side))
        if isinstance(rule, Ledger):
            known = rule.kind != "told"  # what a billing system says may change no row of the book
            book = self.ledgers.version(asked.question.policy) if known else self.projection.applied
        return (
            asked.products,
            asked.start,
            asked.end,
            changed,
            book,
            asked.now // (MINUTE if live else QUARTER),
            None if asked.among is None else asked.among.stamp,
        )

    def _write(self, asked: Plan, limits: Limits) -> Answer:
        reading = self._read(asked)
        earlier = self._earlier(asked, limits)
        pairs = beside(asked, reading, earlier)
        pairs, note = largest(asked, pairs)
        note = f"{reading.note} {note}".strip()
        if asked.how == "ledger" and not note:
            note = note_of(asked, self.ledgers)
        for line in (line for line, _ in pairs if line is not None):
            limits.hide(line, _products_of(asked, line))
        if not note and all(line is None or line.total is None for line, _ in pairs):
            note = limits.why() or UNDEFINED.get(asked.metric.name, "")
        if unknown := self._unknown(asked):
            note = self._why_unknown(asked, unknown)
            for line in (line for pair in pairs for line in pair if line is not None):
                if unknown.issuperset(_products_of(asked, line)):
                    line.values, line.total = [None] * len(line.values), None
        if not unknown.issuperset(asked.products) and self._of_others_then(asked):
            note = f"{note} {PEOPLE_NOW}".strip()
        if asked.among is not None:
            note = f"{asked.among.linked} {note}".strip()
        return Answer(
            question=asked.question,
            series=tuple(
                self._series(asked, line, earlier and earlier[0], other, limits)
                for line, other in pairs
            ),
            as_of=self.as_of(asked),
            policy=asked.question.policy or self.projection.ground.policy,
            position=str(self.projection.position),
            unit=asked.metric.unit,
            currency=asked.currency,
            scanned=reading.scanned,
            unconverted=tuple(
                Unconverted(currency=currency, total=money.major(amount, currency))
                for currency, amount in sorted(reading.unconverted.items())
            ),
            unlinked=reading.unlinked,
            note=note,
        )

    def _read(self, asked: Plan) -> Reading:
        if isinstance(asked.metric.rule, Ledger):
            return movements(asked, self.ledgers, self.projection)
        if isinstance(asked.metric.rule, Ratio):
            above, below = self.sides(asked)
            return own.divided(asked, (above, self._read(above)), (below, self._read(below)))
        return read(asked, self.projection, self._rates)

    def _until(self, asked: Plan, until: int) -> dict[str, Number]:
        """The totals of a span up to an instant, by key."""
        if isinstance(asked.metric.rule, Ledger):
            return elapsed(asked, self.ledgers, self.projection, until)
        if isinstance(asked.metric.rule, Ratio):
            sides = [
                (side, Reading([Line(key, [], total) for key, total in found.items()]))
                for side in self.sides(asked)
                for found in [self._until(side, until)]
            ]
            return {line.key: line.total for line in own.divided(asked, *sides).lines}
        return elapsed_totals(asked, self.projection, self._rates, until)

    def behind(self, asked: Plan) -> Plan:
        """The question whose rows a number leads to: of a ratio those above its line."""
        return self.sides(asked)[0] if isinstance(asked.metric.rule, Ratio) else asked

    def totals(self, asked: Plan, until: int | None) -> dict[str, Number]:
        """The totals of a span by key, money in nano-units; only up to the instant `until`."""
        if until is not None:
            return self._until(asked, until)
        return {line.key: line.total for line in self._read(asked).lines}

    def sides(self, asked: Plan) -> tuple[Plan, Plan]:
        """The questions about what a ratio is made of."""
        rule, ground = asked.metric.rule, self.projection.ground
        assert isinstance(rule, Ratio)
        currency = asked.question.currency or ground.currency
        above, below = (
            asked.about(
                by_events(ground.catalogue[name], asked.products, self.ledgers.billed()),
                currency.upper(),
            )
            for name in (rule.numerator, rule.denominator)
        )
        return above, below

    def _earlier(self, asked: Plan, limits: Limits) -> tuple[Plan, Reading] | None:
        """The span compared with; of a running span the totals cover the same elapsed time."""
        if asked.question.compare is None:
            return None
        before = asked.moved(*compared_days(asked.question.compare, asked.start, asked.end))
        reading = self._read(before)
        totals = compared(asked, before, limits, self.totals)
        if totals is not None:
            for line in reading.lines:
                line.total = totals.get(line.key, empty(before, line).total)
        return before, reading

    def before(self, asked: Plan, compare: Compare) -> tuple[Plan, int | None]:
        """The span compared with; of one that runs, up to which instant (UTC micros) it counts."""
        before = asked.moved(*compared_days(compare, asked.start, asked.end))
        return before, until_of(asked, before, Limits(asked, self._feeds).cut(asked.products))

    def _points(self, asked: Plan, line: Line, limits: Limits) -> tuple[Point, ...]:
        subject = (
            msgspec.json.encode(asked.question),
            asked.zone.name,
            asked.week_start,
            asked.start,
            asked.end,
            line.key,
            line.currency,
        )
        return self._drawn.points(asked, line, subject, limits.cut(_products_of(asked, line)))

    def _series(
        self, asked: Plan, line: Line, before: Plan | None, other: Line | None, limits: Limits
    ) -> Series:
        label = ""
        if asked.question.by == "product":
            product, apart, currency = line.key.partition(APART)
            label = self.projection.product_name(product) + apart + currency
        return Series(
            key=line.key,
            label=label,
            points=self._points(asked, line, limits),
            total=shown(line.total, line),
            compare=None
            if before is None or other is None
            else Compared(
                points=self._points(before, other, limits), total=shown(other.total, other)
            ),
        )

    def _of_others_then(self, asked: Plan) -> bool:
        """Whether the past is told by people who were not yet known to be one, or apart."""
        if asked.known_at is None:
            return False
        if isinstance(asked.metric.rule, Ratio):
            return any(map(self._of_others_then, self.sides(asked)))
        return isinstance(asked.metric.rule, COUNTS_PEOPLE) and others_now(asked, self.projection)

    def _unknown(self, asked: Plan) -> frozenset[str]:
        """The products of which nothing was known at the past time asked for."""
        if isinstance(asked.metric.rule, Ledger):
            return self.ledgers.unknown_then(asked)
        return unknown_then(asked, self.projection)

    def _why_unknown(self, asked: Plan, unknown: frozenset[str]) -> str:
        if unknown.issuperset(asked.products):
            return "Nothing was known then: the first events of these products came later."
        names = ", ".join(self.projection.product_name(p) for p in asked.products if p in unknown)
        return f"Of {names} nothing was known then: the first events came later."

    def as_of(self, asked: Plan) -> dict[str, str]:
        return {
            source: written(micros) for source, micros in freshness(asked, self.projection).items()
        }


def _products_of(asked: Plan, line: Line) -> tuple[str, ...]:
    return (line.key.partition(APART)[0],) if asked.question.by == "product" else asked.products
