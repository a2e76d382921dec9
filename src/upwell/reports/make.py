"""The board report, start to end: ask, put in rows, say what changed, draw, set the page."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from upwell.access import SYSTEM, Viewer
from upwell.errors import Rejected
from upwell.metrics.catalog import CATALOG
from upwell.query import Answer, Ask, Question
from upwell.reports import narrate
from upwell.reports.board import Month, Outline, outline
from upwell.reports.charts import Charts
from upwell.reports.figures import NONE, Change, Figure, company, figures, known, number, shown
from upwell.reports.pdf import typeset
from upwell.settings.schema import Settings

CHART = {"width": 320, "height": 150}  # px of 1/96 inch, as wide as on paper
SPARK = {"width": 80, "height": 16}
WIDTHS = {"money": 25, "count": 12}  # mm of a product's figure
RULES = {"upwell": "Upwell", "stripe": "Stripe", "chartmogul": "ChartMogul"}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A finished report: its page, and the answers behind every figure on it.

    `answers` is JSON of `{"known_at", "questions", "answers"}`; each question carries `known_at`,
    so that asking it again gives what the page shows.
    """

    id: str
    month: str
    known_at: dt.datetime
    questions: tuple[Question, ...]
    answers: bytes
    pdf: bytes


class Rows(NamedTuple):
    """The figures of the page."""

    company: dict[str, Figure]
    products: dict[str, tuple[Figure, ...]]


def make_report(
    ask: Ask,
    month: Month,
    settings: Settings,
    now: dt.datetime,
    engine: Charts,
    viewer: Viewer = SYSTEM,
) -> Report:
    """Ask everything once, freeze it as known at `now`, and set the page.

    Raises Rejected for a month that has not begun.
    """
    here = now.astimezone(ZoneInfo(settings.workspace.timezone))
    if here.date() < month.first:
        raise Rejected(
            "month_to_come",
            f"{month.title} has not begun.",
            fix=f"The newest month to report on is {Month(here.date().replace(day=1))}.",
            where="month",
        )
    asked = outline(month)
    answers = {key_of(question): ask(question, viewer) for question in asked.questions}
    page = page_of(asked, answers, month, settings, here, engine)
    frozen = tuple(msgspec.structs.replace(q, known_at=now) for q in asked.questions)
    stored = msgspec.json.encode(
        {
            "known_at": now,
            "questions": frozen,
            "answers": [answers[key_of(question)] for question in asked.questions],
        }
    )
    return Report(
        id=f"rep_{hashlib.sha256(stored).hexdigest()[:16]}",
        month=str(month),
        known_at=now,
        questions=frozen,
        answers=stored,
        pdf=typeset("board.typ", page, now),
    )


def key_of(question: Question) -> bytes:
    """A question as a key: its filters cannot be hashed as they are."""
    return msgspec.json.encode(question)


def page_of(
    asked: Outline,
    answers: dict[bytes, Answer],
    month: Month,
    settings: Settings,
    here: dt.datetime,
    engine: Charts,
) -> dict[str, Any]:
    """Everything on the page as text, numbers as they are printed, and pictures as SVG."""
    running = here.date() < month.end
    rows = rows_of(asked, answers, running)
    headlines = [line for line in rows.company.values() if any(v is not None for v in line.values)]
    absent = [CATALOG[name].title for name, line in rows.company.items() if line not in headlines]
    ids = [line.key for line in rows.products["revenue"]]
    return {
        "company": settings.workspace.name,
        "month": month.title,
        "title": f"{settings.workspace.name}: board report {month.title}",
        "headline": narrate.headline(rows.company, month),
        "prepared": f"{here:%-d %B %Y, %H:%M} ({settings.workspace.timezone})",
        "before": month.back(1).name,
        "findings": [
            sentence._asdict() for sentence in narrate.findings(headlines, rows.products, month)
        ],
        "kpis": [_kpi(line, engine) for line in headlines],
        "charts": [
            chart
            for chart in (
                _revenue_chart(rows.company["revenue"], asked, answers, month, engine),
                _days_chart(rows.company["cancellations"], asked, answers, month, engine),
            )
            if chart is not None
        ],
        "products_label": "" if running else f"Changes against {month.back(1).name}",
        "widths": [WIDTHS.get(CATALOG[question.metric].unit, 14) for question in asked.products],
        "columns": [CATALOG[question.metric].title for question in asked.products],
        "products": [_product_row(id_, rows, engine) for id_ in ids],
        "notes": notes(headlines, absent, list(answers.values()), running, here),
        "definitions": [[line.metric.title, line.metric.definition] for line in headlines],
    }


def rows_of(asked: Outline, answers: dict[bytes, Answer], running: bool) -> Rows:
    """The answers by metric, with what was not known yet left open."""
    lines = [
        company(CATALOG[question.metric], answers[key_of(question)], running)
        for question in asked.headlines
    ]
    by_metric = {line.metric.name: line for line in known(lines)}
    by_product: dict[str, list[Figure]] = {}
    for question in asked.products:
        for line in figures(CATALOG[question.metric], answers[key_of(question)], running):
            by_product.setdefault(line.key, []).append(line)
    products: dict[str, tuple[Figure, ...]] = {question.metric: () for question in asked.products}
    for own in by_product.values():
        for line in known(own):
            products[line.metric.name] += (line,)
    return Rows(by_metric, products)


def notes(
    lines: Sequence[Figure],
    absent: Sequence[str],
    answers: Sequence[Answer],
    running: bool,
    here: dt.datetime,
) -> list[str]:
    """What a careful reader wants to know about the figures."""
    found = [
        f"Figures as known on {here:%-d %b %Y, %H:%M}; changes made to past months since then "
        "are not in them."
    ]
    as_of = {source: at for answer in answers for source, at in answer.as_of.items()}
    newest = sorted(as_of.items(), key=lambda pair: pair[1], reverse=True)
    if newest:
        told = [f"{source} as of {_local(at, here)}" for source, at in newest[:5]]
        more = f" and {len(newest) - 5} more" if len(newest) > 5 else ""
        found.append("Sources: " + ", ".join(told) + more + ".")
    rules = sorted({RULES.get(answer.policy, answer.policy) for answer in answers})
    found.append(f"Counting rules: {', '.join(rules)}. Days begin at midnight in {_zone(here)}.")
    if running:
        found.append("The month is still running, so it is not compared with whole months.")
    if any(not line.complete for line in lines) and not running:
        found.append(
            "† Not final: the time that users have to activate is not over for all of them."
        )
    if any(line.provisional for line in lines):
        found.append("≈ Some of this money is converted at the last known rate.")
    unlinked = max((answer.unlinked or 0 for answer in answers), default=0)
    if unlinked:
        found.append("People who use several products count once in each; they are not linked.")
    for answer in answers:
        for money in answer.unconverted:
            if answer.question.metric == "revenue" and answer.question.by is None:
                amount = shown(number(money.total), "money", money.currency)
                found.append(f"Not included, for want of a rate: {amount} in the months shown.")
    if absent:
        found.append(f"No data: {', '.join(absent)}.")
    return found


def _kpi(line: Figure, engine: Charts) -> dict[str, Any]:
    mark = "" if line.complete or line.running else "†"
    return {
        "title": line.metric.title,
        "now": line.shown(line.now) + mark,
        "before": line.shown(line.before),
        "year_before": line.shown(line.year_before),
        **_change(line.change),
        **_spark(line, engine),
    }


def _change(change: Change | None) -> dict[str, str]:
    if change is None:
        return {"change": NONE, "tone": "none", "arrow": ""}
    arrow = "" if change.delta == 0 else "↑" if change.delta > 0 else "↓"
    return {"change": change.text, "tone": change.tone, "arrow": arrow}


def _product_row(id_: str, rows: Rows, engine: Charts) -> dict[str, Any]:
    cells, label, spark = [], id_, {"spark": "", "alt": ""}
    for metric, lines in rows.products.items():
        line = next((line for line in lines if line.key == id_), None)
        if line is None:
            cells.append({"now": NONE, **_change(None)})
            continue
        label = line.label
        cells.append({"now": line.shown(line.now), **_change(line.change)})
        if metric == "revenue":
            spark = _spark(line, engine)
    return {"name": label, "cells": cells, **spark}


def _spark(line: Figure, engine: Charts) -> dict[str, str]:
    if all(value is None for value in line.values):
        return {"spark": "", "alt": ""}
    values = [None if value is None else float(value) for value in line.values]
    seen = [value for value in values if value is not None]
    low, high = min(seen), max(seen)
    # Its own scale with room below, so that a season shows and a ripple is not a cliff.
    props = {
        "values": values,
        "domain": [low - (high - low), high],
        "incompleteLast": line.running,
        **SPARK,
    }
    return {"spark": engine.draw("Sparkline", props), "alt": narrate.shape(line)}


def _revenue_chart(
    line: Figure, asked: Outline, answers: dict[bytes, Answer], month: Month, engine: Charts
) -> dict[str, str] | None:
    if line.now is None:
        return None
    question = next(q for q in asked.headlines if q.metric == "revenue")
    points = [
        {"start": point.start, "value": None if value is None else str(value), "complete": True}
        for point, value in zip(
            answers[key_of(question)].series[0].points, line.values, strict=True
        )
    ]
    points[-1]["complete"] = line.complete
    title = narrate.over_a_year(line, month)
    props = {
        "series": [{"key": "", "label": line.metric.title, "points": points}],
        "unit": line.metric.unit,
        "currency": line.currency,
        "grain": "month",
        "area": True,
        "summary": title,
        **CHART,
    }
    caption = f"By month, {month.back(12).title} to {month.title}"
    return {"title": title, "caption": caption, "svg": engine.draw("TimeSeries", props)}


def _days_chart(
    line: Figure, asked: Outline, answers: dict[bytes, Answer], month: Month, engine: Charts
) -> dict[str, str] | None:
    answer = answers[key_of(asked.days)]
    if line.now is None or not answer.series:
        return None
    series = answer.series[0]
    compare = series.compare
    before = None if compare is None or line.before is None else number(compare.total)
    days = [
        (f"{dt.date.fromisoformat(point.start):%-d %b}", number(point.value))
        for point in series.points
    ]
    title = narrate.over_days(line, days)
    drawn: dict[str, Any] = {
        "key": "",
        "label": line.metric.title,
        "points": msgspec.to_builtins(series.points),
    }
    if compare is not None and before is not None:
        drawn["compare"] = msgspec.to_builtins(compare.points)
    props = {
        "series": [drawn],
        "unit": line.metric.unit,
        "currency": line.currency,
        "grain": "day",
        "summary": title,
        **CHART,
    }
    caption = f"By day in {month.title}"
    if before is not None:
        caption += f"; dashed: the {len(days)} days before ({narrate.told(line, before)})"
    return {"title": title, "caption": caption, "svg": engine.draw("TimeSeries", props)}


def _local(text: str, here: dt.datetime) -> str:
    at = dt.datetime.fromisoformat(text).astimezone(here.tzinfo)
    return f"{at:%-d %b, %H:%M}"


def _zone(here: dt.datetime) -> str:
    return getattr(here.tzinfo, "key", "UTC")
