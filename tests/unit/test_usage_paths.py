"""Paths as they are asked, by the worked example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.laws.world import batch
from tests.oracle.plain import Event
from tests.unit.usage_house import START, WAYS, Asking, opened
from upwell.errors import Rejected

STREAMS = {
    "u1": "/ 0, price 60, price 90, signup 200",
    "u2": "/ 0, docs 30, / 3000, price 3060",
    "u3": "/ 0, price 1800",
}


@pytest.fixture(params=WAYS)
def asking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    with opened(tmp_path, request.param) as house:
        yield house


def viewed(kind: str = "engagement", **more: Any) -> list[Event]:
    """The example: names of events, or (page views) paths in their metadata."""
    return [
        Event(
            "mail",
            kind,
            START + int(second) * 1_000_000,
            actor=who,
            key=f"{kind}-{who}-{second}",
            metadata={"name" if kind == "engagement" else "path": item, **more},
        )
        for who, text in STREAMS.items()
        for item, second in (part.split() for part in text.split(", "))
    ]


def body(**more: Any) -> dict[str, Any]:
    return {"product": "mail", "from": "2026-06-01", "to": "2026-06-02", **more}


@pytest.mark.parametrize("how", [{}, {"event": "page_view", "by": "path"}])
def test_the_worked_example(asking: Asking, how: dict[str, Any]) -> None:
    asking.house.take(batch([*viewed(), *viewed("page_view")] if how else viewed()))
    found = asking.paths(body(**how))
    assert {
        (e.source, e.target): (e.transitions, e.actors, e.mean_seconds) for e in found.edges
    } == {
        ("1_/", "2_price"): (2, 2, 75.0),
        ("2_price", "3_signup"): (1, 1, 110.0),
        ("1_/", "2_docs"): (1, 1, 30.0),
    }
    ends = {"3_signup": 1, "2_docs": 1, "2_price": 1, "1_/": 1, "1_price": 1}
    assert {node.id: node.ends for node in found.nodes if node.ends} == ends


def test_what_enters_a_node_leaves_it_or_ends(asking: Asking) -> None:
    """Also what is called as the rest is."""
    other = Event("mail", "engagement", START, actor="o", key="o", metadata={"name": "other"})
    asking.house.take(batch([*viewed(), other]))
    for edges in (1, 2, 50):
        found = asking.paths(body(edges=edges))
        for node in found.nodes:
            left = sum(e.transitions for e in found.edges if e.source == node.id)
            came = sum(e.transitions for e in found.edges if e.target == node.id)
            assert node.visits == left + node.ends
            assert node.step == 1 or node.visits == came
    assert any(node.other for node in asking.paths(body(edges=1)).nodes)


def test_anchors(asking: Asking) -> None:
    asking.house.take(batch(viewed()))
    found = asking.paths(body(start="price"))
    assert [(e.source, e.target) for e in found.edges] == [("1_price", "2_signup")]
    ended = asking.paths(body(end="signup"))
    assert {node.id for node in ended.nodes} == {"1_/", "2_price", "3_signup"}


def test_people_of_edges_and_ends(asking: Asking) -> None:
    asking.house.take(batch(viewed()))
    found = asking.paths(body())
    for edge in found.edges:
        people = asking.people({"paths": body(), "source": edge.source, "target": edge.target})
        assert people.total == edge.actors
    assert asking.who({"paths": body(), "source": "2_price", "target": "3_signup"}) == ["u1"]
    assert asking.who({"paths": body(), "source": "2_docs"}) == ["u2"]


@pytest.mark.parametrize(
    ("change", "where", "fix"),
    [
        ({"depth": 1}, "depth", "2 to 20"),
        ({"edges": 0}, "edges", "1 to 500"),
        ({"start": "pricing"}, "start", "'price'"),
        ({"by": "pth"}, "where", "'path'"),
        ({"event": "sign_up"}, "event", "'signup'"),
    ],
)
def test_what_cannot_be_asked_says_what_to_change(
    asking: Asking, change: dict[str, Any], where: str, fix: str
) -> None:
    asking.house.take(batch([*viewed(), *viewed("page_view")]))
    with pytest.raises(Rejected) as caught:
        asking.paths(body(**change))
    assert caught.value.problem.where == where
    assert fix in caught.value.problem.fix
