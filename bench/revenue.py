"""Revenue questions over a large ledger: 200,000 subscriptions, 2 M movement rows, 12 products.

    python -m bench.revenue [--people 100000] [--asks 20]

Prints for each question how long the first answer took, answers after commits (p50 and p95), and
how long the first one over everything took.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import percentile
from bench.rows import PRODUCTS
from upwell.access import SYSTEM
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import ledger
from upwell.period import DAY_MICROS, to_day
from upwell.projection import Projection
from upwell.projection.book import Book, Line, Person, no_rows
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Desk, Question
from upwell.query.revenue.directory import Filters
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.people import Page

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
YEARS = 5
PLANS = 5
CURRENCIES = ("USD", "EUR", "GBP", "JPY")
COUNTRIES = ("US", "DE", "GB", "JP", "FR", "CA", "NL", "SE", "ES", "IT")
CHANGES = 16  # levels of a subscription, a tenth of them the same as before
MONTHS = {"from": dt.date(2024, 11, 1), "to": dt.date(2026, 11, 1)}


def steps(book: Book, people: int, seed: int = 7) -> ledger.Steps:
    """Levels of two subscriptions a customer: prices go up and down, some end, some come back."""
    draw = np.random.default_rng(seed)
    count = people * 2
    today = to_day(NOW.date())
    person = np.repeat(np.arange(people, dtype=np.int32), 2)
    product = draw.integers(0, len(PRODUCTS), count)
    plan = draw.integers(0, PLANS, count)
    currency = draw.choice(len(CURRENCIES), people, p=(0.7, 0.2, 0.07, 0.03))[person]
    lines = [
        book.lines.number(
            Line(
                f"sub_{n}",
                PRODUCTS[product[n]],
                f"{PRODUCTS[product[n]]} {plan[n]}",
                "year" if n % 5 == 0 else "month",
                CURRENCIES[currency[n]],
                f"cus_{person[n]}",
                "stripe",
            )
        )
        for n in range(count)
    ]
    book.code_lines()
    line = np.array(lines, dtype=np.int32)
    began = draw.integers(today - 365 * YEARS, today - 30, count)
    each = np.sort(draw.integers(0, 365 * YEARS, (count, CHANGES)), axis=1)
    day = (began[:, None] + each - each[:, :1]).clip(max=today).astype(np.int32)
    amount = draw.integers(5, 500, (count, CHANGES)) * 100_000_000
    amount[draw.random((count, CHANGES)) < 0.12] = 0
    shape = (count, CHANGES)
    wide = [np.broadcast_to(one[:, None], shape).ravel() for one in (person, line)]
    return ledger.Steps(
        person=wide[0].astype(np.int32),
        line=wide[1].astype(np.int32),
        subscription=book.line_subscription[wide[1]],
        product=book.line_product[wide[1]],
        currency=book.line_currency[wide[1]],
        at=day.ravel().astype(np.int64) * DAY_MICROS + DAY_MICROS // 2,
        day=day.ravel(),
        amount=amount.ravel().astype(np.int64),
        cause=np.zeros(count * CHANGES, dtype=np.uint8),
        state=np.zeros(count * CHANGES, dtype=np.int32),
        alive=amount.ravel() > 0,
    )


def filled(people: int) -> Book:
    """The ledger of that many customers."""
    book = Book()
    draw = np.random.default_rng(3)
    for n in range(people):
        key = ("stripe", f"cus_{n}")
        country = COUNTRIES[int(draw.integers(0, len(COUNTRIES)))]
        book.people.all.append(Person((key,), f"Customer {n}", f"c{n}@x.example", country))
        book.people.numbers[key] = n
    moves = ledger.fold(steps(book, people), MetricPolicy())
    rows = no_rows(len(moves.line))
    shared = {name: getattr(moves, name) for name in moves._fields if hasattr(rows, name)}
    rows = rows._replace(**shared, recorded_at=moves.at, seq=np.arange(len(moves.line)))
    rows.superseded_at[:] = 2**62
    none = np.zeros(0, dtype=np.int64)
    book.show(rows, none, none)
    return book


def commit(book: Book, n: int) -> None:
    """What one webhook changes: a customer's last row is taken back and another one comes."""
    rows = book.rows
    last = int(np.flatnonzero(rows.superseded_at == 2**62)[-(n * 997 + 1)])
    fresh = rows.take(np.array([last]))
    at = fresh.at + 1
    fresh = fresh._replace(at=at, delta=fresh.delta + 1_000_000, recorded_at=at)
    book.show(fresh, np.array([last]), np.array([int(at[0])]))


def questions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every metric of 24 months, whole and by product, and some splits."""
    names = (
        "mrr", "arr", "new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr",
        "reactivation_mrr", "net_new_mrr", "customers", "new_customers", "churned_customers",
        "reactivated_customers", "customer_churn_rate", "gross_mrr_churn_rate",
        "net_mrr_churn_rate", "nrr", "grr", "quick_ratio", "arpa", "asp", "ltv",
    )  # fmt: skip
    for name in names:
        yield name, {}
        yield f"{name} by product", {"by": "product"}
    for by in ("plan", "country", "interval", "currency", "cohort"):
        yield f"mrr by {by}", {"by": by}
    yield "mrr of one product", {"product": ("mail",)}
    yield "mrr of three products", {"product": ("mail", "docs", "drive")}
    yield "mrr where plan", {"where": {"plan": ("mail 1", "docs 2")}}
    yield "mrr known a month ago", {"known_at": NOW - dt.timedelta(days=30)}
    yield "mrr by day", {"grain": "day"}


def main() -> None:
    """Measure and print."""
    given = argparse.ArgumentParser()
    given.add_argument("--people", type=int, default=100_000)
    given.add_argument("--asks", type=int, default=20)
    asked = given.parse_args()
    began = time.perf_counter()
    book = filled(asked.people)
    print(f"{len(book.lines):,} lines, {len(book.rows.line):,} rows in {_since(began)}")
    with tempfile.TemporaryDirectory() as folder:
        projection = Projection(Path(folder), memory="256MB")
        products = tuple(GroundProduct(id=name) for name in PRODUCTS)
        projection.set_ground(Ground(products=products), 1, 1)
        desk = Desk(projection, books=lambda _: book)
        revenue = Revenue(desk, lambda: NOW)
        for name, work in _works(desk, revenue):
            _measure(name, work, book, asked.asks)
        projection.close()


def _works(desk: Desk, revenue: Revenue) -> Iterator[tuple[str, Callable[[], object]]]:
    for name, more in questions():
        question = Question(
            metric=name.split()[0],
            start=MONTHS["from"],
            end=MONTHS["to"],
            **{"grain": "month", **more},
        )
        yield name, partial(desk.answer, question, SYSTEM, NOW)
    for by in (None, "plan", "country"):
        span = Question(
            metric="mrr", start=dt.date(2026, 10, 1), end=MONTHS["to"], grain="month", by=by
        )
        yield f"bridge of a month by {by}", partial(revenue.bridge, span, SYSTEM)
    year = Question(metric="mrr", start=MONTHS["from"], end=MONTHS["to"], grain="month", by="plan")
    yield "bridge of 24 months by plan", lambda: revenue.bridge(year, SYSTEM)
    yield "cohorts of customers", lambda: revenue.cohorts(year, SYSTEM, "customers")
    yield "customers", lambda: revenue.customers(SYSTEM, Filters(), Page())
    yield "customers found", lambda: revenue.customers(SYSTEM, Filters(q="c777"), Page())
    yield "a customer", lambda: revenue.customer("cus_77", SYSTEM)


def _measure(name: str, work: Callable[[], object], book: Book, asks: int) -> None:
    """Wall time, and the asking thread's own: the one that other work beside does not change."""
    began = time.perf_counter()
    work()
    first = time.perf_counter() - began
    wall, own = [], []
    for n in range(asks):
        commit(book, n)
        began, cpu = time.perf_counter(), time.thread_time()
        work()
        wall.append(time.perf_counter() - began)
        own.append(time.thread_time() - cpu)
    texts = [
        f"{what} p50 {percentile(took, 0.5) * 1e3:6.1f} p95 {percentile(took, 0.95) * 1e3:6.1f}"
        for what, took in (("wall", wall), ("cpu", own))
    ]
    print(f"{name:34} first {first * 1e3:7.0f} ms   {'   '.join(texts)} ms", flush=True)


def _since(began: float) -> str:
    return f"{time.perf_counter() - began:.1f} s"


if __name__ == "__main__":
    main()
