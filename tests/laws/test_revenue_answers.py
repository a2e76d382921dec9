"""Revenue answers: bridges close, rows add up, what was known stays known, parts make the whole.

Ledgers grow delivery by delivery as a projection's would: rows that a new fact makes wrong are
superseded, not changed. Levels are the truth that everything is compared with.
"""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from upwell.access import SYSTEM
from upwell.metrics.catalog import CATALOG, Ledger
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import ledger
from upwell.metrics.revenue.fx import constant_weights
from upwell.money import Rates
from upwell.period import DAY_MICROS, to_date, to_day, to_instant
from upwell.projection import Projection
from upwell.projection.book import FOREVER, Book, Line, Rows, no_rows
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Answer, Desk, Question
from upwell.query.revenue import Ledgers
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.lineage import revenue_rows

PRODUCTS = ("mail", "docs", "pay")
PLANS = ("solo", "team")
CURRENCIES = ("USD", "EUR", "JPY")
FIRST = to_day(dt.date(2025, 10, 1))
LAST = to_day(dt.date(2026, 3, 1))
NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
RATES = Rates(
    {
        "USD": {dt.date(2024, 12, 31): Decimal("1.04"), dt.date(2026, 1, 5): Decimal("1.17")},
        "JPY": {dt.date(2024, 12, 31): Decimal("163"), dt.date(2026, 2, 5): Decimal("184.5")},
    }
)
WORLD = Ground(products=tuple(GroundProduct(id=name) for name in PRODUCTS))
HOUR = 3_600_000_000
NOT_MONEY = Decimal("0.00000001")  # what rounding each row may come to, of a few


class Level(NamedTuple):
    """From a day on a line is worth this much (whole minor units)."""

    person: int
    product: int
    plan: int
    currency: int
    day: int
    amount: int


levels = st.builds(
    Level,
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(0, 2),
    st.integers(FIRST, LAST - 1),
    st.sampled_from((0, 0, 1000, 2500, 999)),
)
deliveries = st.lists(st.lists(levels, min_size=1, max_size=5), min_size=1, max_size=4)
FREE = [[Level(0, 0, 0, 0, FIRST, 0)], [Level(0, 1, 0, 0, FIRST, 0)]]  # never paid


class Told:
    """A ledger that is told of levels, delivery by delivery, with a desk that is asked then."""

    def __init__(self, projection: Projection) -> None:
        self.book = Book()
        self.levels: list[Level] = []
        self.desk = Desk(projection, lambda: RATES, lambda _: self.book)
        self.revenue = Revenue(self.desk, lambda: NOW)

    def tell(self, fresh: Sequence[Level], seq: int) -> int:
        """Take a delivery; when it was recorded."""
        self.levels += fresh
        at = (LAST + seq) * DAY_MICROS
        weights = constant_weights(RATES, self.book.currencies, "USD")
        made = self._rows(ledger.fold(self._steps(), MetricPolicy(), weights), seq, at)
        old = self.book.rows
        standing = np.flatnonzero(old.superseded_at == FOREVER)
        known = {_facts(old, int(n)): int(n) for n in standing}
        wanted = {_facts(made, n): n for n in range(len(made.line))}
        added = np.array([n for key, n in wanted.items() if key not in known], dtype=np.int64)
        gone = np.array([n for key, n in known.items() if key not in wanted], dtype=np.int64)
        self.book.show(made.take(added), gone, np.full(len(gone), at))
        return at

    def _steps(self) -> ledger.Steps:
        last = {(one.person, one.product, one.plan, one.currency, one.day): one.amount
                for one in self.levels}  # fmt: skip
        numbers = []
        for person, product, plan, currency, _ in last:
            name = f"s{person}{product}{plan}{currency}"
            line = Line(
                name, PRODUCTS[product], PLANS[plan], "month", CURRENCIES[currency],
                f"c{person}", "stripe",
            )  # fmt: skip
            numbers.append(self.book.lines.number(line))
        self.book.code_lines()
        line_of = np.array(numbers, dtype=np.int32)
        owners = [self.book.people.number("stripe", f"c{key[0]}") for key in last]
        days = np.array([key[4] for key in last], dtype=np.int32)
        amounts = np.array(list(last.values()), dtype=np.int64) * 10**6
        return ledger.Steps(
            person=np.array(owners, dtype=np.int32),
            line=line_of,
            subscription=self.book.line_subscription[line_of],
            product=self.book.line_product[line_of],
            currency=self.book.line_currency[line_of],
            at=days.astype(np.int64) * DAY_MICROS + (days % 24).astype(np.int64) * HOUR,
            day=days,
            amount=amounts,
            cause=np.zeros(len(days), dtype=np.uint8),
            state=np.zeros(len(days), dtype=np.int32),
            alive=amounts > 0,
        )

    def _rows(self, moves: ledger.Moves, seq: int, at: int) -> Rows:
        rows = no_rows(len(moves.line))
        rows.seq[:], rows.recorded_at[:], rows.superseded_at[:] = seq, at, FOREVER
        shared = {name: getattr(moves, name) for name in moves._fields if hasattr(rows, name)}
        return rows._replace(**shared)

    def mrr(self, before: int, products: Sequence[str], plan: str | None = None) -> dict[str, int]:
        """What the levels say stood at the opening of a day, by currency in minor units."""
        latest: dict[tuple[int, ...], tuple[int, int]] = {}
        for one in self.levels:
            key = (one.person, one.product, one.plan, one.currency)
            if one.day < before and one.day >= latest.get(key, (-1, 0))[0]:
                latest[key] = (one.day, one.amount)
        found: defaultdict[str, int] = defaultdict(int)
        for (_, product, of, currency), (_, amount) in latest.items():
            if PRODUCTS[product] in products and plan in (None, PLANS[of]):
                found[CURRENCIES[currency]] += amount
        return {currency: amount for currency, amount in found.items() if amount}

    def ask(self, metric: str, **more: Any) -> Answer:
        question = Question(
            metric=metric,
            **{"start": to_date(FIRST), "end": to_date(LAST), "grain": "month", **more},
        )
        return self.desk.answer(question, SYSTEM, NOW)


def _facts(rows: Rows, n: int) -> tuple[int, ...]:
    names = ("person", "line", "day", "delta", "by_subscription", "by_product", "by_company")
    return tuple(int(getattr(rows, name)[n]) for name in names)


@pytest.fixture(scope="module")
def projection() -> Iterator[Projection]:
    with tempfile.TemporaryDirectory() as folder:
        found = Projection(Path(folder), memory="128MB")
        found.set_ground(WORLD, 1, 1)
        yield found
        found.close()


spans = st.tuples(st.integers(FIRST, LAST - 1), st.integers(1, 150)).map(
    lambda span: (to_date(span[0]), to_date(min(LAST, span[0] + span[1])))
)
scopes = st.sampled_from(((), ("mail",), ("mail", "docs"), PRODUCTS))
wheres = st.sampled_from(({}, {"plan": ("solo",)}, {"currency": ("EUR", "JPY")}))
grains = st.sampled_from(("day", "week", "month", "quarter", "year"))
policies = st.sampled_from((None, "stripe", "chartmogul"))
law = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@law
@given(
    told=deliveries,
    span=spans,
    product=scopes,
    where=wheres,
    grain=grains,
    policy=policies,
    by=st.sampled_from((None, "plan", "product", "currency", "cohort")),
)
def test_every_bridge_closes(
    projection: Projection,
    told: list[list[Level]],
    span: tuple[dt.date, dt.date],
    product: tuple[str, ...],
    where: dict[str, tuple[str, ...]],
    grain: Any,
    policy: str | None,
    by: str | None,
) -> None:
    """Opening, movements, fx and restatement make the closing; buckets and parts make the whole."""
    house = Told(projection)
    more = {"product": product, "where": where, "grain": grain, "policy": policy}
    question = Question(metric="mrr", start=span[0], end=span[1], by=by, **more)
    for seq, fresh in enumerate(told, 1):
        house.tell(fresh, seq)
        answer = house.revenue.bridge(question, SYSTEM)
        bars = [
            answer.bridge,
            *(b.bridge for b in answer.buckets),
            *(p.bridge for p in answer.parts),
        ]
        for one in bars:
            assert _closes(one)
        assert answer.buckets[0].bridge.opening == answer.bridge.opening
        for earlier, later in zip(answer.buckets, answer.buckets[1:], strict=False):
            assert earlier.bridge.closing == later.bridge.opening
        if by is not None:
            for name in ("opening", "closing"):
                parts = sum(Decimal(getattr(part.bridge, name)) for part in answer.parts)
                assert abs(parts - Decimal(getattr(answer.bridge, name))) < NOT_MONEY
        if by is not None:
            for name in ("new", "expansion", "contraction", "churn", "reactivation", "fx"):
                parts = sum(Decimal(getattr(part.bridge, name)) for part in answer.parts)
                assert parts == Decimal(getattr(answer.bridge, name)), name
        days = {"start": span[0], "end": span[1], **more}
        (line,) = house.ask("mrr", **days).series
        assert line.points[-1].value == answer.bridge.closing
        (net,) = house.ask("net_new_mrr", **days).series
        assert Decimal(str(net.total)) == _net(answer.bridge)


def _net(bar: Any) -> Decimal:
    gains = Decimal(bar.new) + Decimal(bar.expansion) + Decimal(bar.reactivation)
    return gains - Decimal(bar.contraction) - Decimal(bar.churn)


def _closes(bar: Any) -> bool:
    change = _net(bar) + Decimal(bar.fx) + Decimal(bar.restatement)
    return Decimal(bar.opening) + change == Decimal(bar.closing)


@law
@given(told=deliveries, product=scopes, grain=grains)
def test_mrr_is_what_the_levels_say(
    projection: Projection, told: list[list[Level]], product: tuple[str, ...], grain: Any
) -> None:
    """In each currency, at the end of every bucket; customers come and go as they are counted."""
    house = Told(projection)
    for seq, fresh in enumerate(told, 1):
        house.tell(fresh, seq)
        answer = house.ask("mrr", product=product, grain=grain, currency="native")
        found: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
        for line in answer.series:
            for point in line.points:
                found[point.start][line.key] = Decimal(str(point.value))
        points = house.ask("customers", grain=grain).series[0].points
        starts = [to_day(dt.date.fromisoformat(point.start)) for point in points]
        for start, end in zip(starts, [*starts[1:], LAST], strict=True):
            model = house.mrr(end, product or PRODUCTS)
            shown = {c: v for c, v in found[to_date(start).isoformat()].items() if v}
            places = {c: Decimal(1) if c == "JPY" else Decimal("0.01") for c in shown}
            assert shown == {c: amount * places.get(c, 1) for c, amount in model.items()}
        there = house.ask("customers", product=product, grain=grain).series[0].points
        moved = {
            name: house.ask(f"{name}_customers", product=product, grain=grain).series[0].points
            for name in ("new", "reactivated", "churned")
        }
        count = 0
        for n, point in enumerate(there):
            new, back, gone = (int(str(one[n].value)) for one in moved.values())
            count += new + back - gone
            assert point.value == count


MONEY = (
    "mrr", "arr", "new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr",
    "reactivation_mrr", "net_new_mrr",
)  # fmt: skip
HEADS = ("customers", "new_customers", "churned_customers", "reactivated_customers")


@law
@given(
    told=deliveries,
    metric=st.sampled_from(MONEY + HEADS),
    product=scopes,
    where=wheres,
    span=spans,
    by=st.sampled_from((None, "plan", "product", "currency")),
)
def test_rows_add_up_to_the_number(
    projection: Projection,
    told: list[list[Level]],
    metric: str,
    product: tuple[str, ...],
    where: dict[str, tuple[str, ...]],
    span: tuple[dt.date, dt.date],
    by: str | None,
) -> None:
    """Of every series, in every currency; and each row names its delivery."""
    house = Told(projection)
    for seq, fresh in enumerate(told, 1):
        house.tell(fresh, seq)
    question = Question(
        metric=metric, product=product, where=where, start=span[0], end=span[1],
        grain="month", by=by,
    )  # fmt: skip
    answer = house.desk.answer(question, SYSTEM, NOW)
    plan = house.desk.plan(question, SYSTEM, NOW)
    for line in answer.series:
        total, cursor = Decimal(0), None
        while True:
            page = revenue_rows(
                plan, house.desk.ledgers, projection, SYSTEM, lambda _: None,
                key=line.key if by else None, limit=7, cursor=cursor,
            )  # fmt: skip
            total += sum(row.event.value for row in page.rows)
            assert all(1 <= row.delivery.seq <= len(told) for row in page.rows)
            cursor = page.cursor
            if cursor is None:
                break
        assert abs(total - Decimal(str(line.total))) < NOT_MONEY


@law
@given(
    told=deliveries,
    metric=st.sampled_from(MONEY),
    product=scopes,
    start=st.integers(FIRST, LAST - 60),
    days=st.integers(1, 60),
)
def test_changes_add_up_from_what_was_known_to_what_is(
    projection: Projection,
    told: list[list[Level]],
    metric: str,
    product: tuple[str, ...],
    start: int,
    days: int,
) -> None:
    """Between any two deliveries; each change names a customer and something that came between."""
    house = Told(projection)
    known = [to_instant(house.tell(fresh, seq)) for seq, fresh in enumerate(told, 1)]
    more: dict[str, Any] = {
        "product": product,
        "start": to_date(start),
        "end": to_date(start + days),
    }
    question = Question(metric=metric, grain="day", **more)
    for since, until in itertools.combinations(known, 2):
        found = house.revenue.changes(question, SYSTEM, since, until)
        for at, value in ((since, found.before), (until, found.after)):
            (line,) = house.ask(metric, known_at=at, grain="year", **more).series
            if line.total is not None:  # of no product was anything known
                assert abs(Decimal(value or 0) - Decimal(str(line.total))) < NOT_MONEY
        amounts = [Decimal(one.amount) for one in found.changes]
        assert sum(amounts) == Decimal(found.after) - Decimal(found.before or 0)
        for one in found.changes:
            assert one.id.startswith("stripe:c")
            assert since < one.recorded_at <= until


@law
@given(
    told=deliveries,
    metric=st.sampled_from((*MONEY, *HEADS, "nrr", "grr", "customer_churn_rate", "arpa", "ltv")),
    product=scopes,
    where=wheres,
    by=st.sampled_from((None, "plan", "product", "cohort")),
)
@example(told=FREE, metric="arpa", product=(), where={}, by="product")
@example(told=FREE, metric="ltv", product=(), where={}, by="product")
def test_what_was_known_stays_known(
    projection: Projection,
    told: list[list[Level]],
    metric: str,
    product: tuple[str, ...],
    where: dict[str, tuple[str, ...]],
    by: str | None,
) -> None:
    """An answer as known at a time is the one given then, whatever came later; and a desk that has
    answered all along says the same as one that is new."""
    house = Told(projection)
    given_then: list[tuple[dt.datetime, Any]] = []
    more = {"product": product, "where": where, "by": by}
    for seq, fresh in enumerate(told, 1):
        at = to_instant(house.tell(fresh, seq))
        series = house.ask(metric, **more).series
        other = Desk(projection, lambda: RATES, lambda _: house.book)
        question = house.ask(metric, **more).question
        assert other.answer(question, SYSTEM, NOW).series == series
        given_then.append((at, _values(series)))
        for then, known in given_then:
            again = house.ask(metric, known_at=then, **more).series
            assert _values(again) == known


MOVED = tuple(
    metric.name
    for metric in CATALOG.values()
    if isinstance(metric.rule, Ledger) and metric.rule.kind != "told"
)


@law
@given(
    told=st.lists(st.lists(levels, min_size=1, max_size=5), min_size=2, max_size=8),
    metric=st.sampled_from(MOVED),
    product=scopes,
    where=st.sampled_from(({}, {"country": ("DE",)}, {"plan": ("solo",)})),
    by=st.sampled_from((None, "plan", "product", "country", "currency", "cohort")),
    compare=st.sampled_from((None, "previous")),
    hours=st.integers(24 * FIRST + 1, 24 * LAST),
    patience=st.sampled_from((0, 1, 2, 400)),
    moves=st.sets(st.integers(0, 7)),
)
def test_what_is_kept_moves_on_to_what_is_counted_anew(
    projection: Projection,
    told: list[list[Level]],
    metric: str,
    product: tuple[str, ...],
    where: dict[str, tuple[str, ...]],
    by: str | None,
    compare: Any,
    hours: int,
    patience: int,
    moves: set[int],
) -> None:
    """A desk that has answered after each delivery says what one says that reads the ledger first
    then; also in the middle of a day, with rows ahead, and when customers have gone elsewhere."""
    house = Told(projection)
    house.desk.ledgers = Ledgers(lambda _: house.book, projection, lambda: RATES, patience)
    question = Question(
        metric=metric, product=product, where=where, by=by, compare=compare,
        start=to_date(FIRST), end=to_date(LAST), grain="month",
    )  # fmt: skip
    now = to_instant(hours * HOUR)
    for seq, fresh in enumerate(told, 1):
        house.tell(fresh, seq)
        if seq in moves:
            first = house.book.people.all[0]
            house.book.people.all[0] = first._replace(country="FR" if first.country else "DE")
            house.book.moved([0])
        anew = Desk(projection, lambda: RATES, lambda _: house.book)
        assert house.desk.answer(question, SYSTEM, now) == anew.answer(question, SYSTEM, now)


def _values(series: Sequence[Any]) -> Any:
    """Lines with something in them: one of nothing may be null where nothing was known of it."""
    return {
        line.key: ([point.value for point in line.points], line.total)
        for line in series
        if any(point.value not in (None, 0, "0.00") for point in line.points)
    }
