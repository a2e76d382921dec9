"""Saved questions: kept with their page, changed under one id, seen by who sees their products."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.world import batch
from tests.unit.usage_house import Asking, happened, opened
from upwell.access import SYSTEM, Viewer
from upwell.errors import NotFound, Rejected
from upwell.query.usage.asked import FunnelAsked
from upwell.query.usage.keeping import NewQuestion, SavedQuestion, mentioned

ASKED = {"product": "mail", "from": "2026-06-01", "to": "2026-06-03"}
FUNNEL = {**ASKED, "steps": [{"event": "A"}, {"event": "B"}], "window": "60m"}
PAGE = "/usage?steps=A%7EB&range=7d"
DOCS = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    with opened(tmp_path, 1_000) as house:
        house.house.take(batch(happened({"u": "A0 B10", "v": "A5"})))
        yield house


def save(
    asking: Asking, of: dict[str, Any], name: str = "Sign-up", address: str = PAGE
) -> SavedQuestion:
    asked = msgspec.convert({"name": name, "of": of, "address": address}, NewQuestion)
    return asking.door.questions.add(asked, SYSTEM)


def names(asking: Asking, viewer: Viewer = SYSTEM) -> list[str]:
    return [one.name for one in asking.door.questions.listed(viewer).questions]


def test_a_question_is_kept_as_asked_with_the_page_that_asks_it(asking: Asking) -> None:
    made = save(asking, {"funnel": FUNNEL}, "  Sign-up ")
    (found,) = asking.door.questions.listed(SYSTEM).questions
    assert found == made
    assert (found.name, found.address, found.created_by) == ("Sign-up", PAGE, SYSTEM.id)
    assert found.of.asks == "funnel"
    assert found.of.funnel is not None
    counts = [step.count for step in asking.door.funnel(found.of.funnel, SYSTEM).steps]
    assert counts == [2, 1]


def test_it_is_renamed_changed_and_forgotten_under_one_id(asking: Asking) -> None:
    made, other = save(asking, {"funnel": FUNNEL}), save(asking, {"paths": ASKED}, "A walk")
    assert names(asking) == ["A walk", "Sign-up"]
    new = NewQuestion(name="Zeal", of=other.of, address="/usage/paths")
    changed = asking.door.questions.put(made.id, new, SYSTEM)
    assert (changed.id, changed.created_at) == (made.id, made.created_at)
    assert (changed.of.asks, changed.address) == ("paths", "/usage/paths")
    assert names(asking) == ["A walk", "Zeal"]
    asking.door.questions.drop(other.id, SYSTEM)
    assert names(asking) == ["Zeal"]
    for act in (
        lambda: asking.door.questions.drop(other.id, SYSTEM),
        lambda: asking.door.questions.put(other.id, new, SYSTEM),
    ):
        with pytest.raises(NotFound):
            act()


def test_it_is_seen_by_who_sees_every_product_that_it_names(asking: Asking) -> None:
    mine = save(asking, {"lifecycle": ASKED}, "Mail")
    save(asking, {"lifecycle": {"from": "2026-06-01", "to": "2026-06-03"}}, "Whatever I see")
    step = {"steps": [{"event": "A", "product": "mail"}, {"event": "B"}]}
    save(asking, {"funnel": {"from": "2026-06-01", "to": "2026-06-03", **step}}, "A step in mail")
    assert names(asking) == ["A step in mail", "Mail", "Whatever I see"]
    assert names(asking, DOCS) == ["Whatever I see"]
    with pytest.raises(NotFound):
        asking.door.questions.drop(mine.id, DOCS)


products = st.lists(st.sampled_from(["mail", "docs"]), max_size=2, unique=True)


@given(products, st.lists(products, min_size=2, max_size=3), products)
@settings(max_examples=30, deadline=None)
def test_all_that_is_named_is_found(
    whole: list[str], steps: list[list[str]], other: list[str]
) -> None:
    body = {
        "product": whole,
        "steps": [
            {"event": "A", "product": own, "any": [{"event": "B", "product": other}]}
            for own in steps
        ],
    }
    asked = msgspec.convert(body, FunnelAsked)
    assert mentioned(asked) == {*whole, *other, *(one for own in steps for one in own)}


@pytest.mark.parametrize(
    ("of", "name", "address", "code"),
    [
        ({"funnel": FUNNEL}, " ", PAGE, "bad_name"),
        ({"funnel": FUNNEL}, "x" * 101, PAGE, "bad_name"),
        ({"funnel": FUNNEL}, "N", "https://elsewhere.example/usage", "bad_address"),
        ({"funnel": FUNNEL}, "N", "//elsewhere.example/usage", "bad_address"),
        ({"funnel": FUNNEL}, "N", "/usage?a=b\n/", "bad_address"),
        ({"funnel": FUNNEL}, "N", "/usage?" + "x" * 4_000, "bad_address"),
        ({}, "N", PAGE, "bad_people"),
        ({"funnel": FUNNEL, "paths": ASKED}, "N", PAGE, "bad_people"),
        ({"funnel": {**FUNNEL, "window": "0d"}}, "N", PAGE, "bad_funnel"),
        ({"funnel": {**FUNNEL, "steps": [{"event": "A"}, {"event": "Q"}]}}, "N", PAGE, None),
    ],
)
def test_what_cannot_be_asked_or_opened_is_not_kept(
    asking: Asking, of: dict[str, Any], name: str, address: str, code: str | None
) -> None:
    with pytest.raises(Rejected) as refused:
        save(asking, of, name, address)
    assert refused.value.problem.fix
    assert code in (None, refused.value.problem.code)
    assert names(asking) == []
