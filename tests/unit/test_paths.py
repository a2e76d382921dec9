"""Paths' worked example, anchors at either end, and the node of what is rare."""

from __future__ import annotations

import numpy as np
import pytest

from upwell.metrics.paths import BETWEEN, OTHER, Graph, Walks, draw, fold, followers, walks
from upwell.period import MICROS

Timeline = list[tuple[str, int]]
EXAMPLE: list[Timeline] = [
    [("/", 0), ("price", 60), ("price", 90), ("signup", 200)],
    [("/", 0), ("docs", 30), ("/", 3000), ("price", 3060)],
    [("/", 0), ("price", 1800)],
]


def walked(
    people: list[Timeline], start: str | None = None, end: str | None = None, depth: int = 5
) -> tuple[Walks, list[str]]:
    items = sorted({item for events in people for item, _ in events})
    rows = [(who, at, items.index(i)) for who, events in enumerate(people) for i, at in events]
    actor, at, item = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    first = None if start is None else items.index(start)
    last = None if end is None else items.index(end)
    return walks(actor, at * MICROS, item, start=first, end=last, depth=depth), items


def name(items: list[str], step: int, item: int) -> str:
    return f"{step}_{ {OTHER: 'other', BETWEEN: '...'}.get(item) or items[item] }"


def edges(graph: Graph, items: list[str]) -> dict[str, tuple[int, int, float]]:
    found = zip(*(column.tolist() for column in graph.edges), strict=True)
    return {
        f"{name(items, step, source)} > {name(items, step + 1, target)}": (count, people, seconds)
        for (step, source, target, count, people, _), seconds in zip(
            found, graph.edges.mean_seconds(), strict=True
        )
    }


def lines(people: list[Timeline], start: str | None, end: str | None, depth: int) -> list[str]:
    of, items = walked(people, start, end, depth)
    found: list[str] = []
    for step, item in zip(of.step, of.item, strict=True):
        word = name(items, step, item)
        found = [*found, word] if step == 1 else [*found[:-1], f"{found[-1]} {word}"]
    return found


def test_the_worked_example() -> None:
    of, items = walked(EXAMPLE)
    graph = draw(of)
    assert edges(graph, items) == {
        "1_/ > 2_price": (2, 2, 75.0),
        "2_price > 3_signup": (1, 1, 110.0),
        "1_/ > 2_docs": (1, 1, 30.0),
    }
    nodes = zip(*(column.tolist() for column in graph.nodes), strict=True)
    ends = {name(items, step, item): n for step, item, _, n in nodes if n}
    assert ends == {"3_signup": 1, "2_docs": 1, "2_price": 1, "1_/": 1, "1_price": 1}


def test_people_of_an_edge_and_of_an_end() -> None:
    of, items = walked(EXAMPLE)
    root, docs, price = (items.index(item) for item in ("/", "docs", "price"))
    assert followers(of, 1, root, price).tolist() == [0, 1]
    assert followers(of, 1, root, docs).tolist() == [1]
    assert followers(of, 2, price, None).tolist() == [1]
    assert followers(of, 1, price, None).tolist() == [2]


LONG: list[Timeline] = [[(item, at) for at, item in enumerate("abcdefgxh")], [("x", 0), ("a", 5)]]


@pytest.mark.parametrize(
    ("start", "end", "depth", "expected"),
    [
        (None, None, 3, ["1_a 2_b 3_c", "1_x 2_a"]),
        ("c", None, 3, ["1_c 2_d 3_e"]),
        ("a", None, 2, ["1_a 2_b", "1_a"]),
        (None, "x", 3, ["1_f 2_g 3_x", "1_x"]),
        ("b", "x", 5, ["1_b 2_c 3_... 4_g 5_x"]),
        ("e", "x", 5, ["1_e 2_f 3_g 4_x"]),
        ("x", "a", 5, ["1_x 2_a"]),
    ],
)
def test_anchors(start: str | None, end: str | None, depth: int, expected: list[str]) -> None:
    assert lines(LONG, start, end, depth) == expected


def test_from_an_item_back_to_itself() -> None:
    assert lines([[("a", 0), ("b", 1), ("a", 2), ("c", 3)]], "a", "a", 5) == ["1_a 2_b 3_a"]


def test_time_of_what_was_left_out_lies_within_it() -> None:
    timeline = [("a", 0), ("b", 10), ("c", 100), ("d", 400), ("e", 500), ("f", 530)]
    of, items = walked([timeline], "a", "f", 4)
    assert edges(draw(of), items) == {
        "1_a > 2_b": (1, 1, 10.0),
        "2_b > 3_...": (1, 1, 90.0),
        "3_... > 4_e": (1, 1, 100.0),
        "4_e > 5_f": (1, 1, 30.0),
    }


def test_what_is_rare_goes_through_other() -> None:
    often: list[Timeline] = [[("/", 0), ("price", 10), ("signup", 20)]] * 5
    rare: list[Timeline] = [[("/", 0), (f"page {n}", 20), ("signup", 30)] for n in range(4)]
    of, items = walked([*often, *rare])
    folded = fold(of, 2)
    assert edges(draw(folded), items) == {
        "1_/ > 2_price": (5, 5, 10.0),
        "2_price > 3_signup": (5, 5, 10.0),
        "1_/ > 2_other": (4, 4, 20.0),
        "2_other > 3_signup": (4, 4, 10.0),
    }
    assert followers(folded, 1, items.index("/"), OTHER).tolist() == [5, 6, 7, 8]


def test_no_events_no_paths() -> None:
    nothing = np.empty(0, dtype=np.int64)
    for anchors in ({}, {"start": 0}, {"end": 0}, {"start": 0, "end": 0}):
        of = fold(walks(nothing, nothing, nothing, **anchors))
        assert [len(column) for table in draw(of) for column in table] == [0] * 10
        assert followers(of, 1, 0, None).tolist() == []
