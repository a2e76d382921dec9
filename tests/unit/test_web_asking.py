"""Questions as sent, before and after reading; and what is refused, with the word to change."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.errors import Rejected
from upwell.query import Question
from upwell.web import asking

DAY = dt.date


def read(query: str) -> Question:
    return asking.from_params(parse_qs(query, keep_blank_values=True))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("metric=signups", Question(metric="signups")),
        (
            "metric=revenue&product=mail,docs&from=2026-01-01&to=2026-02-01&grain=week&by=plan",
            Question(
                metric="revenue",
                product=("mail", "docs"),
                start=DAY(2026, 1, 1),
                end=DAY(2026, 2, 1),
                grain="week",
                by="plan",
            ),
        ),
        ("metric=a&product=mail&product=docs", Question(metric="a", product=("mail", "docs"))),
        ("metric=a&product= mail ,,mail", Question(metric="a", product=("mail",))),
        ("metric=a&product=", Question(metric="a")),
        ("metric=a&from=&to=&grain=&by=&compare=&known_at=", Question(metric="a")),
        ("metric=a&where=plan:team", Question(metric="a", where={"plan": ("team",)})),
        (
            "metric=a&where=plan:team,country:DE&where=plan:pro",
            Question(metric="a", where={"plan": ("team", "pro"), "country": ("DE",)}),
        ),
        ("metric=a&where=plan:a,b", Question(metric="a", where={"plan": ("a,b",)})),
        ("metric=a&where=url:https://x", Question(metric="a", where={"url": ("https://x",)})),
        ("metric=a&where=plan:", Question(metric="a", where={"plan": ("",)})),
        (
            "metric=a&known_at=2026-02-03T08:00:00%2B01:00",
            Question(metric="a", known_at=dt.datetime(2026, 2, 3, 7, tzinfo=dt.UTC)),
        ),
        (
            "metric=a&known_at=2026-02-03T08:00:00+01:00",
            Question(metric="a", known_at=dt.datetime(2026, 2, 3, 7, tzinfo=dt.UTC)),
        ),
        (
            "metric=a&compare=year&policy=stripe&currency=EUR",
            Question(metric="a", compare="year", policy="stripe", currency="EUR"),
        ),
        (
            "metric=a&compare=2026-01-01..2026-02-01",
            Question(metric="a", compare="2026-01-01..2026-02-01"),
        ),
    ],
)
def test_what_is_asked_is_read(query: str, expected: Question) -> None:
    assert read(query) == expected


@pytest.mark.parametrize(
    ("query", "code", "where", "word"),
    [
        ("", "missing_metric", "metric", "/v1/metrics"),
        ("metric=a&granularity=day", "unknown_parameter", "granularity", "Known"),
        ("metric=a&produkt=mail", "unknown_parameter", "produkt", "'product'"),
        ("metric=a&grain=daily", "unknown_grain", "grain", "'day'"),
        ("metric=a&compare=2026-01-01..2026-02-30", "bad_comparison", "compare", "2026-01-01"),
        ("metric=a&compare=2026-01-01..", "bad_comparison", "compare", "2026-01-01"),
        ("metric=a&compare=prev", "unknown_compare", "compare", "'previous'"),
        ("metric=a&from=2026-02-01&to=2026-02-01", "empty_range", "to", "exclusive"),
        ("metric=a&from=2026-02-02&to=2026-02-01", "empty_range", "to", "exclusive"),
        ("metric=a&from=01/02/2026", "bad_date", "from", "2026-01-31"),
        ("metric=a&from=2026-02-30", "bad_date", "from", "2026-01-31"),
        ("metric=a&to=20260201", "bad_date", "to", "2026-01-31"),
        ("metric=a&to=9999-12-31", "bad_date", "to", "1900"),
        ("metric=a&from=2026-W01-1", "bad_date", "from", "2026-01-31"),
        ("metric=a&known_at=2026-02-03", "bad_time", "known_at", "RFC 3339"),
        ("metric=a&known_at=2026-02-03T08:00:00", "bad_time", "known_at", "RFC 3339"),
        ("metric=a&known_at=0001-01-01T00:00:00%2B23:00", "bad_time", "known_at", "RFC 3339"),
        ("metric=a&where=plan", "bad_filter", "where", "plan:team"),
        ("metric=a&where=:team", "bad_filter", "where", "plan:team"),
        ("metric=a&metric=b", "repeated_parameter", "metric", "once"),
        ("metric=" + "a" * 2000, "bad_parameter", "metric", "text"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_send(
    query: str, code: str, where: str, word: str
) -> None:
    with pytest.raises(Rejected) as refused:
        read(query)
    problem = refused.value.problem
    assert (problem.code, problem.where) == (code, where)
    assert word in problem.fix


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"metric": "a", "product": "mail"}, Question(metric="a", product=("mail",))),
        ({"metric": "a", "product": ["mail"]}, Question(metric="a", product=("mail",))),
        (
            {"metric": "a", "where": {"plan": "team"}},
            Question(metric="a", where={"plan": ("team",)}),
        ),
        (
            {"metric": "a", "where": {"plan": ["team", "pro"]}},
            Question(metric="a", where={"plan": ("team", "pro")}),
        ),
        ({"metric": "a", "by": None, "from": None}, Question(metric="a")),
    ],
)
def test_json_is_read_like_the_address(value: dict[str, Any], expected: Question) -> None:
    assert asking.from_json(value, "questions[0]") == expected


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ([], "questions[3]"),
        ({"metric": 5}, "questions[3].metric"),
        ({"metric": "a", "product": 5}, "questions[3].product"),
        ({"metric": "a", "product": [5]}, "questions[3].product"),
        ({"metric": "a", "where": ["plan:team"]}, "questions[3].where"),
        ({"metric": "a", "where": {"plan": [1]}}, "questions[3].where"),
        ({"metric": "a", "from": 20260101}, "questions[3].from"),
        ({"metric": "a", "start": "2026-01-01"}, "questions[3].start"),
    ],
)
def test_json_that_is_wrong_names_the_question(value: Any, where: str) -> None:
    with pytest.raises(Rejected) as refused:
        asking.from_json(value, "questions[3]")
    assert refused.value.problem.where == where


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*asking.NAMES, "x"]), _JSON) | _JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    refused = None
    try:
        asking.from_json(value, "q")
    except Rejected as error:
        refused = error.problem
    assert refused is None or refused.where.startswith("q")
