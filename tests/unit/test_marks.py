"""Annotations: kept, changed and forgotten; seen by who sees what they are about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.access import SYSTEM, Viewer
from upwell.errors import Forbidden, NotFound, Rejected
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query.marks import Annotation, Marks, NewAnnotation
from upwell.state.db import State

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
DOCS = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))
PRODUCTS = ("mail", "docs", "pay")


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marks]:
    folder: Path = tmp_path_factory.mktemp("marks")
    projection, state = Projection(folder), State.open(folder / "state.sqlite")
    products = tuple(GroundProduct(id=name) for name in PRODUCTS)
    projection.set_ground(Ground(products=products, timezone="America/New_York"), 1, 1)
    yield Marks(projection, state, lambda: NOON)
    projection.close()
    state.close()


@pytest.fixture(autouse=True)
def none_yet(marks: Marks) -> None:
    for one in marks.listed(SYSTEM).annotations:
        marks.drop(one.id, SYSTEM)


def add(marks: Marks, viewer: Viewer = SYSTEM, **of: Any) -> Annotation:
    return marks.add(msgspec.convert({"title": "Release 4", **of}, NewAnnotation), viewer)


def titles(marks: Marks, viewer: Viewer = SYSTEM, *of: Any) -> list[str]:
    return [one.title for one in marks.listed(viewer, *of).annotations]


@pytest.mark.parametrize(
    ("at", "instant", "day"),
    [
        (None, "2026-11-22T12:00:00+00:00", "2026-11-22"),
        ("2026-11-03", "2026-11-03T05:00:00+00:00", "2026-11-03"),  # local midnight
        ("2026-11-03T02:30:00Z", "2026-11-03T02:30:00+00:00", "2026-11-02"),
        ("2026-11-03T09:30:00+02:00", "2026-11-03T07:30:00+00:00", "2026-11-03"),
    ],
)
def test_it_stands_at_its_instant_and_on_its_local_day(
    marks: Marks, at: str | None, instant: str, day: str
) -> None:
    made = add(marks, at=at, kind="release", text=" To everybody. ", products=["mail"])
    assert (made.at.isoformat(), made.day) == (instant, day)
    assert (made.kind, made.text, made.created_by) == ("release", "To everybody.", "Upwell")
    assert marks.listed(SYSTEM).annotations == (made,)
    date = dt.date.fromisoformat(day)
    assert titles(marks, SYSTEM, (), date, date + dt.timedelta(days=1)) == ["Release 4"]
    assert titles(marks, SYSTEM, (), date + dt.timedelta(days=1)) == []
    assert titles(marks, SYSTEM, (), None, date) == []


def test_it_is_changed_under_its_id_and_keeps_its_time(marks: Marks) -> None:
    made = add(marks, at="2026-11-03", products=["mail"])
    changed = marks.put(made.id, NewAnnotation(title="Release 5", kind="launch"), SYSTEM)
    assert (changed.id, changed.at, changed.created_at) == (made.id, made.at, made.created_at)
    assert (changed.title, changed.kind, changed.products) == ("Release 5", "launch", ())
    marks.drop(made.id, SYSTEM)
    with pytest.raises(NotFound):
        marks.put(made.id, NewAnnotation(title="Gone"), SYSTEM)


def test_who_sees_some_products_sees_and_writes_about_those(marks: Marks) -> None:
    everybody = add(marks, title="All")
    both = add(marks, title="Both", products=["mail", "docs"])
    mail = add(marks, title="Mail", products=["mail"])
    assert titles(marks, DOCS) == ["All", "Both"] or titles(marks, DOCS) == ["Both", "All"]
    (seen,) = [one for one in marks.listed(DOCS).annotations if one.id == both.id]
    assert seen.products == ("docs",)
    assert set(titles(marks, SYSTEM, ("mail",))) == {"All", "Both", "Mail"}
    for one in (everybody, both):  # they are about more than this viewer sees
        with pytest.raises(Forbidden):
            marks.drop(one.id, DOCS)
    with pytest.raises(NotFound):
        marks.drop(mail.id, DOCS)
    with pytest.raises(Forbidden):
        add(marks, DOCS)
    own = add(marks, DOCS, title="Docs", products=["docs"])
    marks.drop(own.id, DOCS)
    with pytest.raises(Forbidden):
        marks.listed(Viewer(id="i", scopes=frozenset({"ingest"})))


@pytest.mark.parametrize(
    ("wrong", "where", "fix"),
    [
        ({"title": "  "}, "title", "Say in 1 to 100"),
        ({"title": "x" * 101}, "title", "Say in 1 to 100"),
        ({"text": "x" * 2_001}, "text", "2,000"),
        ({"at": "yesterday"}, "at", "2026-11-03T14:00:00Z"),
        ({"at": "2026-11-03T14:00:00"}, "at", "2026-11-03T14:00:00Z"),
        ({"at": "0001-01-01"}, "at", "1900-01-01"),
        ({"at": "9999-12-31T23:59:59-12:00"}, "at", ""),
        ({"products": ["mial"]}, "product", "mail"),
    ],
)
def test_what_cannot_be_kept_says_what_to_change(
    marks: Marks, wrong: dict[str, Any], where: str, fix: str
) -> None:
    with pytest.raises(Rejected) as refused:
        add(marks, **wrong)
    assert refused.value.problem.where == where
    assert fix in (refused.value.problem.fix or "")
    assert titles(marks) == []


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sets(st.sampled_from(PRODUCTS)), st.sampled_from("abc")),
        max_size=8,
    ),
    st.sets(st.sampled_from(PRODUCTS)),
    st.integers(0, 40),
    st.integers(1, 20),
)
def test_a_span_of_some_products_has_those_that_a_plain_list_has(
    marks: Marks,
    wanted: list[tuple[int, set[str], str]],
    asked: set[str],
    first: int,
    days: int,
) -> None:
    for one in marks.listed(SYSTEM).annotations:
        marks.drop(one.id, SYSTEM)
    start = dt.date(2026, 10, 15)  # over the end of daylight saving time

    def day(n: int) -> dt.date:
        return start + dt.timedelta(days=n)

    for n, products, title in wanted:
        add(marks, title=title, at=str(day(n)), products=sorted(products))
    found = titles(marks, SYSTEM, tuple(asked), day(first), day(first + days))
    plain = [
        title
        for n, products, title in wanted
        if first <= n < first + days and (not products or not asked or products & asked)
    ]
    assert sorted(found) == sorted(plain)
