"""Figures as text and what changed as sentences: before and after, side by side."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from upwell.errors import Rejected
from upwell.metrics.catalog import CATALOG
from upwell.reports import narrate
from upwell.reports.board import Month, outline
from upwell.reports.figures import Figure, brief, known, percent, shown

OCTOBER = Month(dt.date(2026, 10, 1))


def figure(
    metric: str,
    before: str | None,
    now: str | None,
    *,
    label: str = "",
    year_before: str | None = None,
    running: bool = False,
) -> Figure:
    values = [None if v is None else Decimal(v) for v in (year_before, *[None] * 10, before, now)]
    entry = CATALOG[metric]
    return Figure(
        metric=entry,
        key=label,
        label=label,
        currency="USD" if entry.unit == "money" else None,
        values=tuple(values),
        complete=True,
        provisional=False,
        running=running,
    )


@pytest.mark.parametrize(
    ("metric", "before", "now", "sentence", "tone"),
    [
        ("revenue", "399190.92", "414251.31",
         "Net revenue rose 3.8% to $414,251, from $399,191 in September.", "good"),
        ("revenue", "200", "150.5",
         "Net revenue fell 24.8% to $150.50, from $200.00 in September.", "bad"),
        ("cancellations", "47", "12",
         "Cancellations fell 74.5% to 12, from 47 in September.", "good"),
        ("cancellations", "12", "47",
         "Cancellations rose 291.7% to 47, from 12 in September.", "bad"),
        ("signups", "0", "5", "Signups rose to 5, from none in September.", "good"),
        ("signups", "5", "0", "Signups fell to none, from 5 in September.", "bad"),
        ("signups", "5", "5", "Signups stayed at 5.", "none"),
        ("signups", None, "5", "Signups were 5; there is no September to compare it with.", "none"),
        ("signups", "5", None, "No data on signups in October 2026.", "none"),
        ("activation_rate", "0.390", "0.414",
         "Activation rate rose 2.4 points to 41.4%, from 39.0% in September.", "good"),
        ("revenue", "-50", "25",
         "Net revenue rose $75.00 to $25.00, from −$50.00 in September.", "good"),
    ],
)  # fmt: skip
def test_a_movement_is_told(
    metric: str, before: str | None, now: str | None, sentence: str, tone: str
) -> None:
    assert narrate.movement(figure(metric, before, now), OCTOBER) == (sentence, tone)


def test_a_running_month_is_compared_with_nothing() -> None:
    running = figure("revenue", "1000", "10", running=True)
    assert narrate.movement(running, OCTOBER).text == "Net revenue: $10.00 so far."
    assert narrate.headline({"revenue": running}, OCTOBER) == "Net revenue of $10.00 so far"
    assert running.change is None


def test_what_had_not_begun_a_year_before_has_no_value_then() -> None:
    assert figure("mrr", "10", "12", year_before="0").year_before is None
    assert figure("mrr", "10", "12", year_before="6").year_before == 6
    assert figure("cancellations", "10", "12", year_before="0").year_before == 0


def test_the_year_before_is_named_where_it_is_known() -> None:
    told = narrate.movement(figure("signups", "10", "12", year_before="6"), OCTOBER)
    assert told.text == "Signups rose 20.0% to 12, from 10 in September and 6 in October 2025."


@pytest.mark.parametrize(
    ("revenue", "left", "headline"),
    [
        (("100", "110"), ("50", "52"), "Net revenue rose 10.0% to $110.00"),
        (("100", "110"), ("50", "70"),
         "Net revenue rose 10.0% to $110.00, while cancellations rose 40.0%"),
        (("100", "90"), ("50", "70"),
         "Net revenue fell 10.0% to $90.00, and cancellations rose 40.0%"),
        ((None, "90"), (None, "7"), "Net revenue was $90.00"),
        (("90", None), ("5", "7"), "No revenue is known for October 2026"),
    ],
)  # fmt: skip
def test_the_headline_names_revenue_and_what_else_is_news(
    revenue: tuple[str | None, str | None], left: tuple[str | None, str | None], headline: str
) -> None:
    company = {
        "revenue": figure("revenue", *revenue),
        "cancellations": figure("cancellations", *left),
    }
    assert narrate.headline(company, OCTOBER) == headline


@pytest.mark.parametrize(
    ("moves", "told"),
    [
        ({"Mail": (10, 40), "Docs": (10, 20)}, "Mail accounts for 30 of the 40 more."),
        ({"Mail": (40, 10), "Docs": (20, 10)}, "Mail accounts for 30 of the 40 fewer."),
        ({"Mail": (10, 50), "Docs": (10, 10)}, "Mail accounts for nearly all of it."),
        ({"Mail": (10, 60), "Docs": (20, 10)},
         "Mail alone accounts for 50 more; others made up for part of it."),
        ({"Mail": (10, 90), "Docs": (90, 20)}, None),  # they cancel out
        ({"Mail": (10, 20)}, None),  # the only product is no finding
        ({"A": (0, 10), "B": (0, 10), "C": (0, 10), "D": (0, 10)}, None),  # nobody stands out
        ({"Mail": (10, 10), "Docs": (5, 5)}, None),
    ],
)  # fmt: skip
def test_a_product_is_named_where_it_made_the_difference(
    moves: dict[str, tuple[int, int]], told: str | None
) -> None:
    before, now = (str(sum(move[at] for move in moves.values())) for at in (0, 1))
    products = [
        figure("cancellations", str(was), str(is_), label=name)
        for name, (was, is_) in moves.items()
    ]
    assert narrate.contributor(figure("cancellations", before, now), products) == told


def test_a_chart_says_what_it_shows() -> None:
    up = figure("revenue", "100", "110", year_before="80")
    assert (
        narrate.over_a_year(up, OCTOBER) == "Net revenue up 10.0% on September, 37.5% on last year"
    )
    mixed = figure("revenue", "100", "110", year_before="220")
    assert (
        narrate.over_a_year(mixed, OCTOBER)
        == "Net revenue up 10.0% on September, down 50.0% on last year"
    )
    loss = figure("revenue", "-100", "110", year_before="-220")
    assert narrate.over_a_year(loss, OCTOBER) == "Net revenue $110.00"  # no share of a loss
    first = figure("revenue", None, "110")
    assert narrate.over_a_year(first, OCTOBER) == "Net revenue $110.00"
    days = [("1 Oct", Decimal(2)), ("2 Oct", Decimal(9)), ("3 Oct", None)]
    left = figure("cancellations", "5", "11")
    assert narrate.over_days(left, days) == "Cancellations: 11, most on 2 Oct (9)"
    assert narrate.over_days(left, [("1 Oct", Decimal(2))] * 2) == "Cancellations: 11"


@pytest.mark.parametrize(
    ("value", "unit", "currency", "text"),
    [
        ("1234567.891", "money", "USD", "$1,234,567.89"),
        ("-5", "money", "EUR", "−€5.00"),
        ("1200", "money", "JPY", "¥1,200"),
        ("1.2345", "money", "KWD", "KWD 1.234"),
        ("0.085", "ratio", None, "8.5%"),
        ("1234", "count", None, "1,234"),
        ("32.71", "count", None, "32.7"),
        ("1234.5", "count", None, "1,234"),
        (None, "money", "USD", "–"),
    ],
)
def test_values_are_written_in_full(
    value: str | None, unit: str, currency: str | None, text: str
) -> None:
    number = None if value is None else Decimal(value)
    assert shown(number, unit, currency).replace("\xa0", " ") == text  # type: ignore[arg-type]


def test_sentences_leave_out_cents_where_there_is_plenty() -> None:
    assert brief(Decimal("999.99"), "money", "USD") == "$999.99"
    assert brief(Decimal("1000.49"), "money", "USD") == "$1,000"
    assert percent(Decimal("0.0004")) == "0.0%"
    assert percent(Decimal("12.4")) == "1,240%"


def line(metric: str, *values: int) -> Figure:
    return figure(metric, None, None)._replace(values=tuple(Decimal(v) for v in values))


def test_months_before_anything_happened_are_not_zero() -> None:
    sold, left, visits = known(
        [
            line("revenue", 0, 0, 5, 0, 7),
            line("cancellations", 0, 0, 0, 0, 0),
            line("visitors", 0, 0, 0, 0, 0),
        ]
    )
    assert list(sold.values) == [None, None, *map(Decimal, (5, 0, 7))]
    assert list(left.values) == [None, None, *[Decimal(0)] * 3]  # nobody left: that is known
    assert list(visits.values) == [None] * 5  # no page views are collected


@pytest.mark.parametrize(
    "text", ["2026-13", "2026", "26-10", "2026-1", "october", "", "2026-10-01"]
)
def test_a_month_is_written_one_way(text: str) -> None:
    with pytest.raises(Rejected, match="is not a month"):
        Month.parse(text)


def test_the_outline_covers_the_month_and_the_year_before_it() -> None:
    asked = outline(Month.parse("2026-01"))
    assert {(q.start, q.end) for q in asked.headlines + asked.products} == {
        (dt.date(2025, 1, 1), dt.date(2026, 2, 1))
    }
    assert (asked.days.start, asked.days.end) == (dt.date(2026, 1, 1), dt.date(2026, 2, 1))
    assert all(question.by == "product" for question in asked.products)
    assert asked.questions[0].metric == "revenue"
