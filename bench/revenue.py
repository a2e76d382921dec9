"""Revenue questions over 24 months right after a commit has touched the ledger, and asked again."""

from __future__ import annotations

import datetime as dt
import random
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench.billed import NOW, deliveries, webhook
from bench.figures import NONE, Section, Table, ms, percentile
from bench.rows import PRODUCTS
from upwell.access import SYSTEM
from upwell.errors import Unavailable
from upwell.metrics.catalog import CATALOG, Ledger
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Desk, Question
from upwell.query.revenue.door import Revenue

SUBSCRIPTIONS = 200_000
ASKS, AGAIN = 20, 3
SPAN: dict[str, Any] = {
    "start": dt.date(2024, 12, 1),
    "end": dt.date(2026, 12, 1),
    "grain": "month",
}
TARGETS = {"bridge": 0.05, "why": 2.0}
TARGET = 0.02
Work = Callable[[], object]


class Company:
    """A ledger that goes on: `commit` is one webhook, three seconds after the one before."""

    def __init__(self, data: Path, subscriptions: int) -> None:
        self._subscriptions, self._dice = subscriptions, random.Random(1)
        self.now = NOW
        if not (data / "filled").exists():
            _fill(data, subscriptions)
        began = time.perf_counter()
        self.projection = Projection(data)
        self.opened = time.perf_counter() - began
        self.desk = Desk(self.projection)
        self.revenue = Revenue(self.desk, lambda: self.now)

    def commit(self) -> None:
        """One subscription changes."""
        self.now += dt.timedelta(seconds=3)
        seq = self.projection.applied + 1
        self.projection.apply([webhook(seq, seq, self._dice.randrange(self._subscriptions))])

    def works(self) -> Iterator[tuple[str, Work]]:
        """Every metric of the ledger, whole and by product, and what is asked beside them."""
        for metric in CATALOG.values():
            if isinstance(metric.rule, Ledger):
                yield metric.name, partial(self._ask, metric.name)
                yield f"{metric.name} by product", partial(self._ask, metric.name, by="product")
        for by in ("plan", "country", "interval", "currency", "cohort"):
            yield f"mrr by {by}", partial(self._ask, "mrr", by=by)
        yield "mrr, with the 24 months before", partial(self._ask, "mrr", compare="previous")
        yield "mrr by day", partial(self._ask, "mrr", grain="day")
        yield "mrr of three products", partial(self._ask, "mrr", product=PRODUCTS[:3])
        year = Question(metric="mrr", by="plan", **SPAN)
        yield "bridge by plan", lambda: self.revenue.bridge(year, SYSTEM)
        yield "cohorts of customers", lambda: self.revenue.cohorts(year, SYSTEM, "customers")
        month = msgspec.structs.replace(year, start=dt.date(2026, 11, 1))
        yield "why, beside the rules of Stripe", lambda: self._why(month)

    def _ask(self, metric: str, **more: Any) -> object:
        return self.desk.answer(Question(metric=metric, **{**SPAN, **more}), SYSTEM, self.now)

    def _why(self, month: Question) -> object:
        return self.revenue.why(month, SYSTEM, "stripe")


def run(work: Path, quick: bool) -> Section:
    """Ask everything after each of some commits."""
    count = SUBSCRIPTIONS // 10 if quick else SUBSCRIPTIONS
    asks = ASKS // 4 if quick else ASKS
    company = Company(work / f"revenue-{count}", count)
    rows, figures = [], dict[str, Any]()
    for name, ask in company.works():
        found = figures[name] = _measured(company, ask, asks)
        target = TARGETS.get(name.split()[0].strip(","), TARGET)
        shown = [ms(found[key]) for key in ("first", "p50", "p95", "cpu", "again")]
        rows.append((name, *shown, NONE if quick else ms(target)))
    lines, moves = len(company.projection.book().lines), len(company.projection.book().rows.line)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    company.projection.close()
    return Section(
        name="revenue",
        title="Revenue questions",
        tables=(
            Table(
                title=f"24 months of {count:,} subscriptions: {moves:,} movements of {lines:,} "
                f"lines, {len(PRODUCTS)} products",
                columns=(
                    "", "first", "after a commit, p50", "p95", "its CPU, p95", "a minute later",
                    "target p95",
                ),
                rows=tuple(rows),
            ),
        ),
        notes=(
            "First: the first time it is asked after a start; what it shares with questions above "
            f"it is there already. Opening the directory took {company.opened:.1f} s before that.",
            "After a commit: one webhook has changed a subscription, then the question is asked "
            f"once; {asks} times. CPU is the asking thread's own.",
            "A minute later: without a commit, but what lies ahead today has moved on.",
            f"At the most {most / 1e6:,.0f} MB of memory, with everything kept that was asked.",
        ),
        figures=figures,
    )  # fmt: skip


def _measured(company: Company, ask: Work, asks: int) -> dict[str, float]:
    began = time.perf_counter()
    while True:
        try:
            ask()
            break
        except Unavailable:
            time.sleep(0.2)  # other rules are being counted, or trials read
    first = time.perf_counter() - began
    wall, own, again = [], [], []
    for _ in range(asks):
        company.commit()
        began, cpu = time.perf_counter(), time.thread_time()
        ask()
        wall.append(time.perf_counter() - began)
        own.append(time.thread_time() - cpu)
    for _ in range(AGAIN):
        company.now += dt.timedelta(seconds=61)
        began = time.perf_counter()
        ask()
        again.append(time.perf_counter() - began)
    return {
        "first": first,
        "p50": percentile(wall, 0.5),
        "p95": percentile(wall, 0.95),
        "cpu": percentile(own, 0.95),
        "again": percentile(again, 0.5),
    }


def _fill(data: Path, subscriptions: int) -> None:
    data.mkdir(parents=True, exist_ok=True)
    projection = Projection(data)
    products = tuple(GroundProduct(id=name) for name in PRODUCTS)
    projection.set_ground(Ground(products=products), 1, 1)
    for staged in deliveries(subscriptions, first=2):
        projection.apply([staged])
    projection.close()
    (data / "filled").touch()
