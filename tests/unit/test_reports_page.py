"""The page itself: charts run without a browser, text stays text, equal input gives equal bytes."""

from __future__ import annotations

import datetime as dt
import io
import re
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pypdf import PdfReader

from upwell.access import SYSTEM, Viewer
from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.metrics.catalog import CATALOG
from upwell.period import Zone, buckets, to_day
from upwell.query import Answer, Compared, Point, Question, Series, Value
from upwell.reports import Charts, Month, Report, make_report
from upwell.reports.charts import BUNDLE, shipped
from upwell.reports.pdf import FONTS, typeset
from upwell.settings.schema import Settings, Workspace

built = pytest.mark.skipif(
    not (BUNDLE / "charts.js").exists() or not FONTS.exists(),
    reason="the front end is not built: npm run build in ui/",
)
NEW_YORK = Zone("America/New_York")
NOW = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)
OCTOBER = Month(dt.date(2026, 10, 1))
SETTINGS = Settings(workspace=Workspace(name="Acme #[x] $y$", timezone="America/New_York"))
PRODUCTS = {
    "mail": "Mail *bold* #panic(1)",
    "docs": "<b>Docs</b> & \\u{0}",
    "new": "Begun in August",
}


def amount(metric: str, product: str, first: dt.date) -> Decimal:
    if metric == "visitors" or (product == "new" and first < dt.date(2026, 8, 1)):
        return Decimal(0)
    base = {"mail": 900, "docs": 400, "new": 50}[product]
    return Decimal(base + 10 * first.month + (300 if metric == "cancellations" else 0))


def ask(question: Question, _: Viewer, products: dict[str, str] = PRODUCTS) -> Answer:
    metric = CATALOG[question.metric]
    assert question.start is not None
    assert question.end is not None
    start, end = to_day(question.start), to_day(question.end)

    def line(names: list[str], low: int, high: int) -> tuple[Point, ...]:
        found = []
        for bucket in buckets(NEW_YORK, low, high, question.grain):
            first = dt.date.fromisoformat(bucket.label)
            value = sum((amount(metric.name, name, first) for name in names), Decimal(0))
            over = bucket.closes <= NOW.timestamp() * 1e6
            found.append(Point(start=bucket.label, value=written(value), complete=over))
        return tuple(found)

    def written(value: Decimal) -> Value:
        if metric.unit == "money":
            return f"{value:.2f}"
        return float(value / 2000) if metric.unit == "ratio" else int(value)

    def series(key: str, label: str, names: list[str]) -> Series:
        points = line(names, start, end)
        compare = None
        if question.compare is not None:
            earlier = line(names, start - (end - start), start)
            compare = Compared(points=earlier, total=total(earlier))
        return Series(key=key, label=label, points=points, total=total(points), compare=compare)

    def total(points: tuple[Point, ...]) -> Value:
        return written(sum((Decimal(str(point.value)) for point in points), Decimal(0)))

    every = [series(key, label, [key]) for key, label in products.items()]
    return Answer(
        question=question,
        series=tuple(every) if question.by else (series("", "", list(products)),),
        as_of={"mail-stripe": "2026-11-01T11:58:00.000Z"},
        policy="upwell",
        position="0-7",
        unit=metric.unit,
        currency="USD" if metric.unit == "money" else None,
    )


def made(
    month: Month = OCTOBER,
    now: dt.datetime = NOW,
    asking: Callable[[Question, Viewer], Answer] = ask,
) -> Report:
    return make_report(asking, month, SETTINGS, now, shipped())


def text_of(report: Report) -> str:
    pages = PdfReader(io.BytesIO(report.pdf)).pages
    return "\n".join(page.extract_text() for page in pages).replace("\xa0", " ")


@built
def test_the_page_shows_the_figures_and_where_they_come_from() -> None:
    text = text_of(made())
    assert "October 2026" in text
    assert "Net revenue rose" in text
    assert "$1,650.00" in text  # 900 + 400 + 50 and thrice 100
    assert "as known on 1 Nov 2026, 07:00" in text
    assert "mail-stripe as of 1 Nov, 06:58" in text
    assert "Counting rules: Upwell" in text
    assert "No data: Visitors." in text
    assert CATALOG["revenue"].definition.split(".")[0] in text.replace("\n", " ")
    inside = r"\b(actors?|cells?|grain|projection|incident|known_at|restatement|bucket)\b"
    assert not re.search(inside, text)


@built
def test_names_are_text_whatever_they_hold() -> None:
    text = text_of(made())
    assert "Acme #[x] $y$" in text
    for name in PRODUCTS.values():
        assert name in text


@built
def test_a_month_without_data_is_a_dash_and_never_a_zero() -> None:
    text = text_of(made(Month(dt.date(2026, 8, 1))))
    row = text[text.index("Begun in August") :][:120]
    assert "$130.00" in row
    assert "–" in row
    assert "$0.00" not in row


@built
@pytest.mark.parametrize("lines", [0, 1])
def test_an_empty_workspace_gets_a_page_too(lines: int) -> None:
    def nothing(question: Question, viewer: Viewer) -> Answer:
        answer = ask(question, viewer, {})
        if question.by or not lines:
            return msgspec.structs.replace(answer, series=())
        series = answer.series[0]
        points = tuple(msgspec.structs.replace(point, value=None) for point in series.points)
        return msgspec.structs.replace(
            answer, series=(msgspec.structs.replace(series, points=points, total=None),)
        )

    text = text_of(made(asking=nothing))
    assert "No revenue is known for October 2026" in text
    assert "Nothing is known of October 2026 yet." in text


@built
def test_a_running_month_is_not_compared_with_whole_ones() -> None:
    text = text_of(made(Month(dt.date(2026, 11, 1)), NOW + dt.timedelta(days=3)))
    assert "Net revenue of $1,680 so far" in text
    assert "The month is still running" in text
    assert (
        "%" not in text.split("The products")[0].replace("Activation rate", "").split("Change")[0]
    )


def test_a_month_to_come_is_refused() -> None:
    with pytest.raises(Rejected, match="December 2026 has not begun"):
        make_report(ask, Month(dt.date(2026, 12, 1)), SETTINGS, NOW, Charts(""))


@built
def test_equal_answers_give_equal_bytes() -> None:
    one, two = made(), made()
    assert one.pdf == two.pdf
    assert one.id == two.id
    assert made(now=NOW + dt.timedelta(minutes=1)).pdf != one.pdf


@built
def test_the_answers_are_kept_with_the_time_they_were_known_at() -> None:
    report = made()
    stored = msgspec.json.decode(report.answers)
    assert stored["known_at"] == "2026-11-01T12:00:00Z"
    assert len(stored["answers"]) == len(stored["questions"]) == len(report.questions)
    assert {question.known_at for question in report.questions} == {NOW}
    again = [msgspec.structs.replace(question, known_at=None) for question in report.questions]
    assert msgspec.json.encode(
        [ask(question, SYSTEM) for question in again]
    ) == msgspec.json.encode(msgspec.convert(stored["answers"], list[Answer]))


@built
def test_the_page_is_tagged_and_in_our_face() -> None:
    reader = PdfReader(io.BytesIO(made().pdf))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert reader.metadata is not None
    assert reader.metadata.title == "Acme #[x] $y$: board report October 2026"
    resources: list[Any] = [page["/Resources"] for page in reader.pages]
    fonts = {
        str(font.get_object()["/BaseFont"]).partition("+")[2]
        for resource in resources
        for font in resource["/Font"].values()
    }
    assert fonts <= {"Inter-Regular", "Inter-SemiBold"}


@built
def test_a_script_that_our_face_lacks_does_not_cost_the_report() -> None:
    names = {"mail": "日本語", "docs": "Docs 📈", "new": "Жар"}
    text = text_of(made(asking=lambda question, viewer: ask(question, viewer, names)))
    assert "Жар" in text
    assert "$1,000.00" in text


def test_a_missing_face_fails_the_page_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="not built"):
        typeset("board.typ", {}, NOW, tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    data = {
        "company": "A", "month": "B", "title": "C", "headline": "D", "prepared": "E",
        "before": "F", "findings": [], "kpis": [], "charts": [], "columns": [], "widths": [],
        "products_label": "", "products": [], "notes": [], "definitions": [],
    }  # fmt: skip
    with pytest.raises(UpwellError, match="unknown font family"):
        typeset("board.typ", data, NOW, tmp_path)


def test_a_script_draws_and_its_failures_are_told() -> None:
    charts = Charts(
        "var UpwellCharts = {render: (name, props) => {"
        " if (name === 'Loop') for (;;) {} "
        " if (name === 'Bad') throw new Error('no such chart');"
        " return '<svg>' + JSON.parse(props).label + '</svg>'; }};",
        seconds=0.2,
    )
    assert charts.draw("Line", {"label": "ä"}) == "<svg>ä</svg>"
    with pytest.raises(UpwellError, match="no such chart"):
        charts.draw("Bad", {})
    with pytest.raises(UpwellError, match="interrupted"):
        charts.draw("Loop", {})
    assert charts.draw("Line", {"label": "after"}) == "<svg>after</svg>"


def test_every_thread_draws_with_an_engine_of_its_own() -> None:
    charts = Charts("var n = 0, UpwellCharts = {render: () => String(++n)}")
    drawn: list[str] = []
    threads = [
        threading.Thread(target=lambda: drawn.extend([charts.draw("x", {}), charts.draw("x", {})]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == ["1", "1", "1", "2", "2", "2"]


@built
def test_the_shipped_charts_are_those_of_the_pages() -> None:
    points = [{"start": "2026-10-01", "value": "5.00", "complete": True},
              {"start": "2026-11-01", "value": None, "complete": False}]  # fmt: skip
    svg = shipped().draw(
        "TimeSeries",
        {
            "series": [{"key": "", "label": "Net <revenue>", "points": points}],
            "unit": "money", "currency": "USD", "grain": "month", "width": 300, "height": 120,
        },
    )  # fmt: skip
    assert svg.startswith("<svg")
    assert "Net &lt;revenue>" in svg or "Net &lt;revenue&gt;" in svg
