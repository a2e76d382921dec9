"""Large questions: answered a share of the people at a time, in turn, with a deadline."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.laws.world import batch
from tests.oracle.plain import Event
from tests.unit.usage_house import DAY, START, opened
from upwell.access import SYSTEM
from upwell.errors import Rejected, Unavailable
from upwell.query.usage import turns
from upwell.query.usage.door import Usage
from upwell.query.usage.turns import Turns
from upwell.warehouse.timelines import Timelines

ASKED = {"from": "2026-06-01", "to": "2026-06-07"}
FUNNEL = {
    **ASKED,
    "steps": [{"event": "A"}, {"any": [{"event": "B"}, {"event": "C"}]}, {"event": "D"}],
    "window": "2d",
}
RETENTION = {**ASKED, "start": {"event": "A"}, "return": {"event": "B"}, "columns": 4}
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("funnel", FUNNEL),
    ("funnel", {**FUNNEL, "trend": "day", "by": "plan", "exclude": [{"event": "C"}]}),
    ("funnel", {**FUNNEL, "order": "any", "by": "plan", "attribution": "all_steps"}),
    ("funnel", {**FUNNEL, "order": "strict", "by": "plan", "attribution": "step:2"}),
    ("retention", {**RETENTION, "by": "plan"}),
    ("retention", {**RETENTION, "cohort": "recurring", "buckets": "exact_24h", "by": "product"}),
    ("lifecycle", {**ASKED, "event": "A"}),
    ("stickiness", {**ASKED, "event": "B"}),
    ("paths", {**ASKED, "depth": 4}),
    ("people", {"of": {"funnel": FUNNEL, "step": 1, "state": "dropped"}}),
    ("people", {"of": {"funnel": {**FUNNEL, "trend": "day"}, "bucket": "2026-06-02"}}),
    ("people", {"of": {"retention": RETENTION, "cohort": "2026-06-01", "k": 1}}),
    ("people", {"of": {"did": {**ASKED, "event": "A", "at_least": 2}}}),
]


def company() -> list[Event]:
    """Two dozen users of two products, of whom some are one, each with some events."""
    found = [
        Event(
            ("mail", "docs")[who % 2],
            "engagement",
            START + ((who * 7 + n * 5) % 28) * DAY // 4 + n,
            actor=f"u{who}",
            key=f"{who}.{n}",
            metadata={"name": "ABCD"[(who + n * n) % 4], "plan": ("solo", "team")[who % 3 % 2]},
        )
        for who in range(24)
        for n in range(9)
    ]
    same = [
        Event(
            ("mail", "docs")[who % 2],
            "identify",
            START,
            actor=f"u{who}",
            key=f"i{who}",
            metadata={"email": f"{who % 5}@example.com"},
        )
        for who in range(0, 24, 2)
    ]
    return found + same


def test_shares_of_the_people_give_the_whole(tmp_path: Path) -> None:
    """However few events a share has, and whether or not the question waits for its turn."""
    with opened(tmp_path, 0) as house:
        house.house.take(batch(company()[:100]), batch(company()[100:]))
        whole = [house.door.by_name(kind, body, SYSTEM) for kind, body in QUESTIONS]
        reader = house.house.projection.reader
        for share, fresh, long in ((7, 0, 0), (50, 10_000, 10_000), (1, 0, 10_000)):
            lines = Timelines(tmp_path / f"t{share}", reader, fresh=fresh, share=share)
            door = Usage(house.house.projection, lines, house.state, lambda: house.now, long=long)
            for (kind, body), expected in zip(QUESTIONS, whole, strict=True):
                assert door.by_name(kind, body, SYSTEM) == expected


def test_a_long_question_says_how_far_it_is() -> None:
    """Whoever asks again goes on waiting; the answer is given while it is fresh."""
    held, asked = Turns(patience=0.01), threading.Event()
    told = threading.Event()

    def read(say: turns.Told) -> int:
        say(0.25)
        told.set()
        asked.wait(10)
        return 7

    with pytest.raises(Unavailable):
        held.found("q", 0, read)
    told.wait(10)
    with pytest.raises(Unavailable, match="25% done") as error:
        held.found("q", 1, read)
    assert error.value.problem.code == "folding"
    with pytest.raises(Unavailable, match="waiting for another"):
        held.found("other", 1, lambda _: 8)
    asked.set()
    waiting = Turns(patience=10)
    assert waiting.found("q", 1, lambda _: 9) == 9
    assert waiting.found("q", turns.LASTS, lambda _: 10) == 9
    assert waiting.found("q", turns.LASTS + 2, lambda _: 10) == 10


def test_a_question_that_takes_too_long_says_what_to_narrow() -> None:
    held = Turns(patience=10, deadline=0.01)

    def read(say: turns.Told) -> int:
        share = 0.0
        while True:
            share += 0.000_001
            say(share)

    with pytest.raises(Rejected, match="took longer") as error:
        held.found("q", 0, read)
    assert "fewer days" in error.value.problem.fix
    assert held.found("q", 0, lambda _: 1) == 1  # whoever asks next may have more luck


def test_closing_gives_up_what_is_under_way() -> None:
    held, begun = Turns(patience=0.01), threading.Event()

    def read(say: turns.Told) -> int:
        begun.set()
        while True:
            say(0.5)

    for question in ("one", "two"):
        with pytest.raises(Unavailable):
            held.found(question, 0, read)
    begun.wait(10)
    held.close()
    with pytest.raises(Rejected):
        held.found("one", 0, read)
