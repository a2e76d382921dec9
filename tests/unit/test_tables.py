"""Answers as files: what is read back is what was answered, and nothing in it is a formula."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.web_house import Built
from upwell.query import Answer, Compared, Point, Question, Series, tables
from upwell.query.revenue.shapes import (
    Bridge,
    BridgeAnswer,
    BridgeBucket,
    BridgePart,
    Cohort,
    Cohorts,
)
from upwell.query.usage import shapes as usage

MONEY = st.decimals(-(10**15), 10**15, places=9).map(lambda value: f"{value:f}")
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def answered(unit: str, *series: Series) -> Answer:
    return Answer(
        question=Question(metric="mrr"),
        series=series,
        as_of={},
        policy="upwell",
        position="0-1",
        unit=unit,
    )


def line(key: str, *values: Any, compare: tuple[Any, ...] | None = None) -> Series:
    return Series(
        key=key,
        points=points(*values),
        total=None,
        compare=None if compare is None else Compared(points=points(*compare), total=None),
    )


def points(*values: Any) -> tuple[Point, ...]:
    return tuple(
        Point(start=f"2026-01-{day:02d}", value=value, complete=day < 3)
        for day, value in enumerate(values, 1)
    )


def from_csv(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def from_parquet(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(pa.BufferReader(body)).to_pylist()
    return found


@given(KEYS, st.lists(MONEY | st.none(), max_size=4))
def test_money_is_read_back_exactly_and_no_key_starts_a_formula(
    key: str, values: list[str | None]
) -> None:
    made = tables.table(answered("money", line(key, *values)))
    header, *rows = from_csv(tables.as_csv(made))
    assert header == ["start", "key", "value", "complete"]
    assert [row[2] for row in rows] == ["" if value is None else value for value in values]
    for row in rows:
        assert row[1] in (key, f"'{key}")
        assert not row[1].startswith(tables.FORMULA)
    read = from_parquet(tables.as_parquet(made))
    assert [row["key"] for row in read] == [key] * len(values)
    wanted = [None if value is None else Decimal(value) for value in values]
    assert [row["value"] for row in read] == wanted


@given(st.lists(st.integers(0, 2**52) | st.floats(allow_nan=False) | st.none(), max_size=5))
def test_numbers_are_read_back_exactly(values: list[float | None]) -> None:
    made = tables.table(answered("count", line("", *values)))
    written = [row[2] for row in from_csv(tables.as_csv(made))[1:]]
    assert [float(cell) if cell else None for cell in written] == values
    assert [row["value"] for row in from_parquet(tables.as_parquet(made))] == values


def test_rows_end_as_rfc_4180_says_and_the_span_compared_stands_beside() -> None:
    made = tables.table(answered("count", line("a,b", 1, 2, compare=(5,)), line("", None)))
    assert tables.as_csv(made) == (
        b"start,key,value,complete,before_start,before\r\n"
        b'2026-01-01,"a,b",1,true,2026-01-01,5\r\n'
        b'2026-01-02,"a,b",2,true,,\r\n'
        b"2026-01-01,,,true,,\r\n"
    )


BRIDGE = Bridge(
    opening="100.00",
    new="10.00",
    expansion="0.00",
    reactivation="0.00",
    contraction="0.00",
    churn="5.50",
    fx="0.00",
    restatement="0.00",
    closing="104.50",
)
STEP = usage.FunnelStep(
    label="signup",
    count=4,
    conversion=1.0,
    step_conversion=None,
    matured_conversion=1.0,
    mean_seconds=None,
    median_seconds=None,
    open=1,
    dropped=1,
)
ANSWERS: list[tuple[Any, int, dict[str, Any]]] = [
    (
        BridgeAnswer(
            currency="USD",
            policy="upwell",
            as_of={},
            position="",
            complete=True,
            provisional=False,
            bridge=BRIDGE,
            causes=(),
            cross=None,
            parts=(BridgePart(key="pro", label="Pro", bridge=BRIDGE),),
            buckets=(BridgeBucket(start="2026-01-01", complete=True, bridge=BRIDGE),),
        ),
        3,
        {"of": "whole", "key": "", "churn": Decimal("5.5"), "closing": Decimal("104.5")},
    ),
    (
        Cohorts(
            grain="month",
            currency="USD",
            cohorts=(Cohort(start=dt.date(2026, 1, 1), size="9.90", values=(1.0, 0.5, None)),),
            mean=(),
        ),
        3,
        {"start": "2026-01-01", "size": Decimal("9.9"), "age": 0, "share": 1.0},
    ),
    (
        usage.RetentionAnswer(
            rule="",
            position="",
            cohorts=(
                usage.UseCohort(start="2026-01-01", size=9, values=(9, 3), shares=(1.0, 1 / 3)),
            ),
            mean=(),
            columns=("0", "1"),
            parts=(
                usage.RetentionPart(
                    key=None,
                    other=False,
                    cohorts=(
                        usage.UseCohort(start="2026-01-01", size=1, values=(1,), shares=(1.0,)),
                    ),
                    mean=(),
                ),
            ),
            currency=None,
            unconverted=(),
        ),
        3,
        {"of": "all", "start": "2026-01-01", "size": 9, "after": "0", "value": 9, "share": 1.0},
    ),
    (
        usage.LifecycleAnswer(
            rule="",
            position="",
            points=(
                usage.LifecyclePoint(
                    start="2026-01-01",
                    new=1,
                    returning=2,
                    resurrecting=3,
                    dormant=4,
                    active=6,
                    complete=False,
                ),
            ),
        ),
        1,
        {"start": "2026-01-01", "new": 1, "dormant": 4, "active": 6, "complete": False},
    ),
    (
        usage.StickinessAnswer(
            rule="",
            position="",
            exact=(3, 1),
            cumulative=(4, 1),
            active=(2, 3),
            complete=2,
            people=4,
            mean_active=2.5,
            share=0.625,
        ),
        2,
        {"times": 1, "users": 3, "or_more": 4},
    ),
    (
        usage.FunnelAnswer(
            rule="",
            position="",
            steps=(STEP, STEP),
            whole=usage.FunnelWhole(
                entered=4,
                converted=2,
                conversion=0.5,
                matured_conversion=None,
                mean_seconds=None,
                median_seconds=None,
                histogram=None,
            ),
            flow=usage.FunnelFlow(
                nodes=(
                    usage.FlowNode(id="1.0", step=1, label="a", count=4, dropped=1, open=1),
                    usage.FlowNode(id="2.0", step=2, label="b", count=2, dropped=0, open=0),
                ),
                links=(usage.FlowLink(source="1.0", target="2.0", count=2, median_seconds=60.0),),
                between=(),
            ),
            parts=(usage.FunnelPart(key="DE", other=False, steps=(STEP,)),),
            trend=(),
        ),
        4,
        {"of": "all", "step": 1, "label": "signup", "count": 4, "median_seconds": None},
    ),
    (
        usage.PathsAnswer(
            rule="",
            position="",
            nodes=(
                usage.PathNode(
                    id="1_a", step=1, label="a", visits=3, ends=1, other=False, between=False
                ),
                usage.PathNode(
                    id="2_b", step=2, label="b", visits=2, ends=2, other=False, between=False
                ),
            ),
            edges=(
                usage.PathEdge(
                    source="1_a", target="2_b", transitions=2, actors=2, mean_seconds=5.0
                ),
            ),
        ),
        3,
        {"source": "1_a", "target_label": "b", "times": 2, "users": 2, "mean_seconds": 5.0},
    ),
]


@pytest.mark.parametrize(
    ("answer", "rows", "first"), ANSWERS, ids=[type(one[0]).__name__ for one in ANSWERS]
)
def test_every_answer_has_its_table(answer: Any, rows: int, first: dict[str, Any]) -> None:
    made = tables.table(answer)
    read = from_parquet(tables.as_parquet(made))
    assert len(read) == rows
    assert {name: read[0][name] for name in first} == first
    written = from_csv(tables.as_csv(made))
    assert written[0] == list(read[0])
    assert len(written) == rows + 1
    assert len({len(line) for line in written}) == 1


def test_a_route_between_steps_is_a_row_of_its_own() -> None:
    (answer,) = (one for one, _, _ in ANSWERS if isinstance(one, usage.FunnelAnswer))
    route = from_parquet(tables.as_parquet(tables.table(answer)))[-1]
    assert (route["of"], route["key"], route["label"]) == ("route", "1.0>2.0", "a → b")
    assert (route["count"], route["median_seconds"], route["conversion"]) == (2, 60.0, None)


def test_what_has_no_table_says_so() -> None:
    with pytest.raises(TypeError, match="no table"):
        tables.table(Question(metric="mrr"))


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    house = Built(tmp_path)
    yield house
    house.close()


WAYS = [
    ("format=csv", "*/*", "text/csv"),
    ("", "text/csv;q=0.9, */*", "text/csv"),
    ("format=parquet", "application/json", "application/vnd.apache.parquet"),
    ("", "application/vnd.apache.parquet", "application/vnd.apache.parquet"),
    ("format=json", "text/csv", "application/json"),
    ("", "*/*", "application/json"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("format_", "accept", "wanted"), WAYS)
async def test_the_door_answers_in_the_form_asked_for(
    built: Built, format_: str, accept: str, wanted: str
) -> None:
    headers = {**built.key("read"), "Accept": accept}
    async with built.client(headers=headers) as client:
        answer = await client.get(f"/v1/query?metric=signups&{format_}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == wanted
    if wanted == "application/json":
        assert answer.json()["series"][0]["total"] == 3
        return
    assert answer.headers["content-disposition"].startswith('attachment; filename="signups.')
    if wanted == "text/csv":
        assert from_csv(answer.content)[1:] == [["2026-11-21", "", "3", "true"]]
    else:
        assert [row["value"] for row in from_parquet(answer.content)] == [3.0]


@pytest.mark.anyio
async def test_what_may_not_be_seen_is_not_in_a_file_either(built: Built) -> None:
    async with built.client(headers=built.key("read", products=("docs",))) as client:
        hidden = await client.get("/v1/query?metric=signups&product=mail&format=parquet")
        assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "unknown_product")
        unknown = await client.get("/v1/query?metric=signups&format=xls")
    assert unknown.status_code == 400
    problem = unknown.json()["error"]
    assert (problem["code"], problem["where"]) == ("unknown_format", "format")
    assert "csv" in problem["fix"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("verb", "path", "body", "columns"),
    [
        ("GET", "/v1/bridge", None, "currency,of,key,opening,"),
        ("POST", "/v1/cohorts", {"measure": "mrr"}, "currency,start,size,age,share"),
        ("POST", "/v1/lifecycle", {"grain": "day"}, "start,new,returning,"),
        ("POST", "/v1/stickiness", {"grain": "day"}, "times,users,or_more"),
        ("POST", "/v1/paths", {}, "source,source_label,"),
        (
            "POST",
            "/v1/funnel",
            {"steps": [{"event": "signup"}, {"event": "activation"}], "window": "14d"},
            "of,key,step,label,",
        ),
        (
            "POST",
            "/v1/retention",
            {"start": {"event": "signup"}, "return": {"event": "session"}},
            "of,key,start,size,",
        ),
    ],
)
async def test_other_questions_have_their_files(
    built: Built, verb: str, path: str, body: Any, columns: str
) -> None:
    sent = None if body is None else msgspec.json.encode(body)
    async with built.client(headers=built.key("read")) as client:
        answer = await client.request(verb, f"{path}?format=csv", content=sent)
        assert answer.status_code == 200, answer.text
        assert answer.text.startswith(columns)
        answer = await client.request(verb, f"{path}?format=parquet", content=sent)
        assert ",".join(pq.read_table(pa.BufferReader(answer.content)).column_names).startswith(
            columns.rstrip(",")
        )
