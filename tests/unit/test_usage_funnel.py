"""Funnels as they are asked: from events posted to the answer, by the worked examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.laws.world import batch
from tests.oracle.plain import Event
from tests.unit.usage_house import MINUTE, START, WAYS, Asking, happened, opened
from upwell.access import Viewer
from upwell.errors import Rejected
from upwell.query.usage.shapes import FunnelAnswer

STREAMS = {
    "u1": "A0 B10 C20",
    "u2": "A0 X10 B20 C30",
    "u3": "B0 A10 C20",
    "u4": "A0 A30 B45 C75",
    "u5": "A0 B10 C61",
    "u6": "A0 B60",
    "u7": "B5 A5 C9",
    "u8": "A0 A0 B7",
}


def body(names: str, **more: Any) -> dict[str, Any]:
    """A question by the names of its steps."""
    days = {"product": "mail", "from": "2026-06-01", "to": "2026-06-02", "window": "60m"}
    return {"steps": [{"event": name} for name in names], **days, **more}


@pytest.fixture(params=WAYS)
def asking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    with opened(tmp_path, request.param) as house:
        yield house


def counts(found: FunnelAnswer) -> list[int]:
    return [step.count for step in found.steps]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [8, 7, 4]),
        ({"entry": "first"}, [8, 7, 3]),
        ({"order": "strict"}, [8, 6, 3]),
        ({"order": "any"}, [8, 8, 5]),
    ],
)
def test_the_worked_example(asking: Asking, more: dict[str, Any], expected: list[int]) -> None:
    asking.house.take(batch(happened(STREAMS)))
    assert counts(asking.funnel(body("ABC", **more))) == expected


def test_times_keep_zeros(asking: Asking) -> None:
    asking.house.take(batch(happened(STREAMS)))
    found = asking.funnel(body("ABC"))
    assert found.whole.mean_seconds == 24.75 * 60
    assert found.whole.median_seconds == 25 * 60
    assert found.steps[1].median_seconds == 10 * 60
    assert found.rule.startswith("Steps in this order, within 60 minutes of the first step")


def test_exclusions(asking: Asking) -> None:
    asking.house.take(
        batch(happened({"e1": "A0 X5 B10", "e2": "A0 B5", "e3": "A0 X5 A20 B25", "e4": "A0 X5"}))
    )
    out = {"exclude": [{"event": "X", "between": [1, 2]}]}
    assert counts(asking.funnel(body("AB", **out))) == [4, 2]
    out["exclude"][0]["mode"] = "drop_actor"
    assert counts(asking.funnel(body("AB", **out))) == [2, 2]
    # In any order B begins an attempt too, so that e1 comes back; only e4 is left out.
    assert counts(asking.funnel(body("AB", **out, order="any"))) == [3, 2]
    out["exclude"][0]["mode"] = "end_attempt"
    assert counts(asking.funnel(body("AB", **out, order="any"))) == [4, 2]
    with pytest.raises(Rejected, match="holds for the whole funnel") as caught:
        asking.funnel(body("ABX", **out, order="any"))
    assert "[1, 3]" in caught.value.problem.fix


def test_a_branching_flow_conserves_every_person(asking: Asking) -> None:
    streams = {"p": "A0 B1 C5", "q": "A0 D1 C5", "r": "A0 D1", "s": "A0", "t": "A0 B1 D2 C5"}
    asking.house.take(batch(happened(streams)))
    steps = [{"event": "A"}, {"any": [{"event": "B"}, {"event": "D"}]}, {"event": "C"}]
    found = asking.funnel(body("", steps=steps))
    assert counts(found) == [5, 4, 3]
    nodes = {node.label: node for node in found.flow.nodes}
    assert {label: node.count for label, node in nodes.items()} == {"A": 5, "B": 2, "D": 2, "C": 3}
    names = {node.id: node.label for node in found.flow.nodes}
    links = {(names[link.source], names[link.target]): link.count for link in found.flow.links}
    assert links == {("A", "B"): 2, ("A", "D"): 2, ("B", "C"): 2, ("D", "C"): 1}
    assert (nodes["A"].dropped, nodes["D"].dropped) == (1, 1)


def test_what_happens_between_steps(asking: Asking) -> None:
    """Runs count once; whoever did nothing else went directly; the rarest are put together."""
    streams = {
        "p": "A0 X1 X2 Y3 X4 B5",
        "q": "A0 B5",
        "r": "A0 Z1 X2 B5 Y6",
        "s": "X0 A1 A2 B5",
        "t": "A0 X1",
    }
    asking.house.take(batch(happened(streams)))
    assert asking.funnel(body("AB")).flow.between == ()
    (link,) = asking.funnel(body("AB", between=2, entry="first")).flow.between
    assert (link.source, link.target, link.direct) == ("1.0", "2.1", 1)
    assert [(one.label, one.users, one.times, one.other) for one in link.events] == [
        ("X", 2, 3, False),
        ("A", 1, 1, False),
        ("other", 2, 2, True),
    ]
    (latest,) = asking.funnel(body("AB", between=9)).flow.between
    assert (latest.direct, [one.label for one in latest.events]) == (2, ["X", "Y", "Z"])
    only = body("AB", between=9, where={"name": {"in": ["A", "B", "Z"]}})
    assert [one.label for one in asking.funnel(only).flow.between[0].events] == ["Z"]


def test_bins_of_the_times(asking: Asking) -> None:
    asking.house.take(batch(happened(STREAMS)))
    few, many = (asking.funnel(body("ABC", bins=bins)).whole.histogram for bins in (1, 90))
    assert few is not None
    assert (few.low, few.width, few.counts) == (240, 2460, (3, 1))
    assert many is not None
    assert len(many.counts) == 91


def test_who_may_still_come_is_open(asking: Asking) -> None:
    """Entries whose window has not passed at the moment of asking are neither lost nor won."""
    late = [
        Event("mail", "engagement", START + 47 * 60 * MINUTE, actor="late", metadata={"name": "A"})
    ]
    asking.house.take(batch([*happened({"a": "A0 B10", "b": "A0"}), *late]))
    found = asking.funnel(body("AB", to="2026-06-03", window="2h"))
    assert counts(found) == [3, 1]
    assert (found.steps[0].open, found.steps[0].dropped) == (1, 1)
    assert found.whole.conversion == 1 / 3
    assert found.whole.matured_conversion == 1 / 2


def test_filters_and_breakdowns(asking: Asking) -> None:
    team = happened({"a": "A0 B5", "b": "A0"}, plan="team", seats=3)
    solo = happened({"c": "A0 B5"}, plan="solo", seats=1)
    nobody = happened({"d": "A0"})
    asking.house.take(batch([*team, *solo, *nobody]))
    for where, expected in (
        ({"plan": "team"}, [2, 1]),
        ({"plan": ["team", "solo"]}, [3, 2]),
        ({"seats": {"gte": 2}}, [2, 1]),
        ({"seats": 1}, [1, 1]),
        ({"plan": {"contains": "TEA"}}, [2, 1]),
        ({"plan": {"exists": False}}, [1, 0]),
        ({"seats": {"gt": 0, "lt": 3}}, [1, 1]),
    ):
        assert counts(asking.funnel(body("AB", where=where))) == expected, where
    found = asking.funnel(body("AB", by="plan"))
    assert [(part.key, counts_of(part)) for part in found.parts] == [
        ("team", [2, 1]),
        ("solo", [1, 1]),
        (None, [1, 0]),
    ]
    few = asking.funnel(body("AB", by="plan", top=1, attribution="all_steps"))
    assert [(part.key, part.other) for part in few.parts] == [("team", False), (None, True)]
    assert "users can appear in more than one row" in few.rule
    step = {"event": "A", "where": {"plan": "solo"}}
    assert counts(asking.funnel(body("", steps=[step, {"event": "B"}]))) == [1, 1]


def counts_of(part: Any) -> list[int]:
    return [step.count for step in part.steps]


def test_a_trend_counts_each_bucket_by_itself(asking: Asking) -> None:
    day = 24 * 60
    streams = {
        "x": f"A{int(0.2 * day)} B{int(1.5 * day)}",
        "y": f"A{int(0.1 * day)} A{int(1.2 * day)} B{int(1.6 * day)}",
        "z": f"A{int(1.3 * day)}",
    }
    asking.house.take(batch(happened(streams)))
    found = asking.funnel(body("AB", to="2026-06-03", window="2d", trend="day"))
    assert [(p.start, p.entered, p.converted) for p in found.trend] == [
        ("2026-06-01", 2, 2),
        ("2026-06-02", 2, 1),
    ]
    assert [p.complete for p in found.trend] == [False, False]
    asked = body("AB", to="2026-06-03", window="2d", trend="day")
    for bucket, state, who in (
        ("2026-06-01", "reached", ["x", "y"]),
        ("2026-06-01", "converted", ["x", "y"]),
        ("2026-06-02", "reached", ["y", "z"]),
        ("2026-06-02", "converted", ["y"]),
        ("2026-06-02", "open", ["z"]),
        ("2026-06-02", "dropped", []),
    ):
        assert asking.who({"funnel": asked, "bucket": bucket, "state": state}) == who
    assert asking.who({"funnel": asked, "bucket": "2026-06-02", "step": 2}) == ["y"]
    for more, fix in (
        ({"bucket": "2026-06-07"}, "'2026-06-02'"),
        ({"bucket": "2026-06-01", "part": {"key": "a"}}, "Ask it with 'by'."),
    ):
        with pytest.raises(Rejected) as caught:
            asking.people({"funnel": asked, **more})
        assert fix in caught.value.problem.fix


def test_steps_over_several_products(asking: Asking) -> None:
    """A step may name its own product; a user of another product is another person as yet."""
    asking.house.take(batch([*happened({"a": "A0 B5"}), *happened({"b": "A0 B5"}, product="docs")]))
    both = body("AB", product=["mail", "docs"])
    assert counts(asking.funnel(both)) == [2, 2]
    both["steps"][1]["product"] = "docs"
    assert counts(asking.funnel(both)) == [2, 1]


def test_answers_follow_new_events(asking: Asking) -> None:
    asking.house.take(batch(happened({"a": "A0", "b": "B0"})))
    assert counts(asking.funnel(body("AB"))) == [1, 0]
    asking.house.take(batch(happened({"a": "B5"})))
    assert counts(asking.funnel(body("AB"))) == [1, 1]


@pytest.mark.parametrize(
    ("change", "where", "fix"),
    [
        ({"steps": [{"event": "A"}, {"event": "Z"}]}, "event", "Known: "),
        ({"steps": [{"event": "signu"}, {"event": "A"}]}, "event", "'signup'"),
        ({"steps": [{"event": "A"}]}, "steps", "Add a step."),
        ({"window": "soon"}, "window", "14d"),
        ({"by": "plan", "top": 0}, "top", "1 to 200"),
        ({"between": 51}, "between", "at most 50"),
        ({"bins": 0}, "bins", "1 to 90"),
        ({"trend": "hour", "from": "2026-01-01"}, "grain", "coarser"),
        ({"window": "0d"}, "window", "'14d'"),
        ({"product": "mial"}, "product", "'mail'"),
        ({"where": {"plan": []}}, "where", "Name a value"),
        ({"from": "2026-06-02"}, "from", "'from' is included"),
        ({"by": "plan", "attribution": "step:9"}, "attribution", "step:2"),
    ],
)
def test_what_cannot_be_asked_says_what_to_change(
    asking: Asking, change: dict[str, Any], where: str, fix: str
) -> None:
    asking.house.take(batch(happened({"a": "A0 B5"})))
    with pytest.raises(Rejected) as caught:
        asking.funnel(body("AB", **change))
    assert caught.value.problem.where == where
    assert fix in caught.value.problem.fix


def test_a_product_out_of_sight_is_unknown(asking: Asking) -> None:
    asking.house.take(batch(happened({"a": "A0 B5"})))
    docs = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))
    with pytest.raises(Rejected, match="Unknown product"):
        asking.funnel(body("AB"), docs)
