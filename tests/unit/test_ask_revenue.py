"""Revenue through the one door, on ledgers made by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from upwell.access import SYSTEM
from upwell.errors import Rejected
from upwell.money import Rates
from upwell.period import to_day
from upwell.projection import Projection
from upwell.projection.book import Book, Move
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Answer, Desk, Question
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.shapes import Bridge, BridgeAnswer, Cross

RATES = Rates(
    {
        "USD": {
            dt.date(2025, 12, 31): Decimal("1.08"),
            dt.date(2026, 1, 30): Decimal("1.10"),
            dt.date(2026, 2, 27): Decimal("1.05"),
        }
    }
)
NOW = dt.datetime(2026, 3, 15, 12, tzinfo=dt.UTC)
CENT = 10**6


def day(text: str) -> int:
    return to_day(dt.date.fromisoformat(f"2026-{text}"))


def move(
    customer: str, on: str, amount: float, kind: str, company: str | None = None, **more: Any
) -> Move:
    """A movement of whole dollars (or euros), with its kind in the product and in the company."""
    return Move(customer, day(on), int(amount * 100) * CENT, kind, None, company, **more)


class Desked:
    """A desk on a book made by hand."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.now = NOW
        self.book = Book()
        self.desk = Desk(projection, lambda: RATES, lambda _: self.book)

    def hold(self, moves: Sequence[Move], **more: Any) -> None:
        self.book = Book.of(moves, **more)

    def ask(self, metric: str, start: str, end: str, **more: Any) -> Answer:
        question = Question(
            metric=metric,
            start=dt.date.fromisoformat(f"2026-{start}"),
            end=dt.date.fromisoformat(f"2026-{end}"),
            **{"grain": "month", **more},
        )
        return self.desk.answer(question, SYSTEM, self.now)

    def values(self, metric: str, start: str, end: str, **more: Any) -> list[Any]:
        (line,) = self.ask(metric, start, end, **more).series
        return [point.value for point in line.points]

    def bridges(self, start: str, end: str, **more: Any) -> BridgeAnswer:
        question = Question(
            metric="mrr",
            start=dt.date.fromisoformat(f"2026-{start}"),
            end=dt.date.fromisoformat(f"2026-{end}"),
            **{"grain": "month", **more},
        )
        return Revenue(self.desk, lambda: self.now).bridge(question, SYSTEM)

    def bridge(self, start: str, end: str, **more: Any) -> Bridge:
        return self.bridges(start, end, **more).bridge

    def lines(self, metric: str, start: str, end: str, **more: Any) -> dict[str, list[Any]]:
        answer = self.ask(metric, start, end, **more)
        return {line.key: [point.value for point in line.points] for line in answer.series}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desked]:
    projection = Projection(tmp_path, memory="256MB")
    products = (GroundProduct(id="mail", name="Mail"), GroundProduct(id="docs", name="Docs"))
    projection.set_ground(Ground(products=products), 1, 1)
    try:
        yield Desked(projection)
    finally:
        projection.close()


def test_mrr_is_the_running_sum_and_a_flow_is_of_its_bucket(desk: Desked) -> None:
    desk.hold(
        [
            move("a", "01-05", 100, "new"),
            move("b", "01-20", 50, "new", subscription="sub_2"),
            move("a", "02-10", 30, "expansion", cause="quantity"),
            move("b", "02-20", -50, "churn", subscription="sub_2", cause="cancel"),
        ]
    )
    assert desk.values("mrr", "01-01", "03-01") == ["150.00", "130.00"]
    assert desk.values("arr", "01-01", "03-01") == ["1800.00", "1560.00"]
    assert desk.values("new_mrr", "01-01", "03-01") == ["150.00", "0.00"]
    assert desk.values("expansion_mrr", "01-01", "03-01") == ["0.00", "30.00"]
    assert desk.values("churned_mrr", "01-01", "03-01") == ["0.00", "50.00"]
    assert desk.values("net_new_mrr", "01-01", "03-01") == ["150.00", "-20.00"]
    assert desk.values("customers", "01-01", "03-01") == [2, 1]
    assert desk.values("churned_customers", "01-01", "03-01") == [0, 1]
    assert desk.values("gross_mrr_churn_rate", "01-01", "03-01") == [None, 50 / 150]
    assert desk.values("customer_churn_rate", "01-01", "03-01") == [None, 0.5]
    assert desk.values("arpa", "01-01", "03-01") == ["75.00", "130.00"]


def test_two_currencies_one_year_apart_in_rates(desk: Desked) -> None:
    """R8: 100 euros become 120; movements at the year's rate, the headline at the month's end."""
    desk.hold(
        [
            move("a", "01-05", 100, "new", currency="EUR"),
            move("a", "02-10", 20, "expansion", currency="EUR"),
        ]
    )
    assert desk.values("mrr", "01-01", "03-01") == ["110.00", "126.00"]
    assert desk.values("expansion_mrr", "01-01", "03-01") == ["0.00", "21.60"]
    assert desk.values("expansion_mrr", "01-01", "03-01", policy="stripe") == ["0.00", "21.00"]
    bridge = desk.bridge("02-01", "03-01")
    assert (bridge.opening, bridge.closing) == ("110.00", "126.00")
    assert (bridge.expansion, bridge.fx) == ("21.60", "-5.60")
    other = desk.bridge("02-01", "03-01", policy="stripe")
    assert (other.expansion, other.fx) == ("21.00", "-5.00")


def test_products_that_one_customer_changes_between(desk: Desked) -> None:
    """R5: each product sees an end and a beginning, the company an expansion."""
    desk.hold(
        [
            move("x", "01-05", 100, "new"),
            move("x", "02-10", -100, "churn", "expansion", cause="product_drop"),
            move("x", "02-10", 150, "new", "expansion", product="docs", subscription="s2"),
        ]
    )
    apart = desk.lines("net_new_mrr", "02-01", "03-01", by="product")
    assert apart == {"mail": ["-100.00"], "docs": ["150.00"]}
    assert desk.lines("churned_mrr", "02-01", "03-01", by="product")["mail"] == ["100.00"]
    assert desk.values("expansion_mrr", "02-01", "03-01") == ["50.00"]
    assert desk.values("churned_mrr", "02-01", "03-01", product=("mail",)) == ["100.00"]
    answer = desk.bridges("02-01", "03-01", by="product")
    assert answer.bridge.expansion == "50.00"
    assert answer.cross == Cross(cross_sell="150.00", product_drop="-100.00")
    assert {part.key: part.bridge.closing for part in answer.parts} == {
        "mail": "0.00",
        "docs": "150.00",
    }
    # A bar that is split shows where it came from: 50 more is 100 less here and 150 more there.
    assert {part.key: part.bridge.expansion for part in answer.parts} == {
        "mail": "-100.00",
        "docs": "150.00",
    }
    by_plan = desk.bridges("02-01", "03-01", by="plan")
    assert by_plan.parts[0].bridge == by_plan.bridge


def test_unknown_split_is_refused(desk: Desked) -> None:
    with pytest.raises(Rejected, match="cannot be split by 'reason'"):
        desk.ask("mrr", "01-01", "03-01", by="reason")
