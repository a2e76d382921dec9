"""Goals: their pace, those of pages and of the file, and who sees which."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_ask_revenue import Desked, move
from tests.unit.web_house import Built
from upwell.access import SYSTEM, Viewer
from upwell.errors import Forbidden, NotFound, Rejected
from upwell.metrics.goals import Pace, pace
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Answer, Question
from upwell.query.goals import Goals, NewGoal, in_settings
from upwell.query.progress import Goal
from upwell.settings.schema import Goal as InFile
from upwell.state.db import State

DOCS = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))
numbers = st.fractions(-1000, 1000, max_denominator=100)
times = st.integers(0, 1000)


@settings(deadline=None, max_examples=200)
@given(
    start=numbers, target=numbers, value=numbers, since=times, long=st.integers(1, 500), now=times
)
def test_the_line_goes_from_start_to_target_and_judges_both_ways(
    start: Fraction, target: Fraction, value: Fraction, since: int, long: int, now: int
) -> None:
    until = since + long
    found = pace(start, target, value, since, until, now)
    low, high = sorted((start, target))
    assert low <= found.expected <= high
    assert pace(start, target, value, since, until, since).expected == start
    assert pace(start, target, value, since, until, until).expected == target
    assert found.gap >= 0
    assert (found.gap > 0) == (found.state in ("behind", "missed"))
    if found.state == "behind":
        closer = value + found.gap if target >= start else value - found.gap
        assert pace(start, target, closer, since, until, now).state in ("on_pace", "reached")
    if now >= until:
        assert found.state in ("reached", "missed")
    if target != start:  # turned round, everything is the same
        other = pace(-start, -target, -value, since, until, now)
        assert (other.state, other.gap) == (found.state, found.gap)


def test_a_pace_by_hand() -> None:
    """From 100 to 200 in ten days: after four, 140 is on pace, and 130 is 10 behind."""
    start, target = Fraction(100), Fraction(200)
    assert pace(start, target, Fraction(140), 0, 10, 4) == Pace(
        "on_pace", Fraction(140), Fraction(0), Fraction(7, 10)
    )
    assert pace(start, target, Fraction(130), 0, 10, 4) == Pace(
        "behind", Fraction(140), Fraction(10), Fraction(13, 20)
    )
    assert pace(start, target, None, 0, 10, 4).state == "unknown"
    assert pace(start, target, Fraction(199), 0, 10, 10) == Pace(
        "missed", Fraction(200), Fraction(1), Fraction(199, 200)
    )
    assert pace(Fraction(8), Fraction(5), Fraction(7), 0, 3, 1) == Pace(
        "on_pace", Fraction(7), Fraction(0), None
    )


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Desked, State]]:
    projection = Projection(tmp_path / "p", memory="128MB")
    products = (GroundProduct(id="mail", name="Mail"), GroundProduct(id="docs", name="Docs"))
    projection.set_ground(Ground(products=products), 1, 1)
    desked = Desked(projection)
    desked.hold(
        [
            move("a", "01-05", 100, "new", product="mail"),
            move("b", "03-05", 50, "new", product="mail"),
            move("c", "03-06", 20, "new", product="docs"),
        ]
    )
    state = State.open(tmp_path / "state.sqlite")
    yield desked, state
    state.close()
    projection.close()


def goals(kept: tuple[Desked, State], *in_file: InFile) -> Goals:
    desked, state = kept

    def ask(question: Question, viewer: Viewer) -> Answer:
        return desked.desk.answer(question, viewer, desked.now)

    return Goals(desked.projection, state, ask, lambda: desked.now, in_file)


def new(**of: Any) -> NewGoal:
    return msgspec.convert({"metric": "mrr", "by": "2026-03-31", "value": "200", **of}, NewGoal)


def told(one: Goal) -> tuple[Any, ...]:
    return one.state, one.start, one.now, one.expected, one.gap


def test_money_in_no_one_currency_is_written_as_it_was_said(kept: tuple[Desked, State]) -> None:
    desked, state = kept
    asked = goals(kept)
    kept_goal = asked.add(new(value="200.5"), SYSTEM)

    def apart(question: Question, viewer: Viewer) -> Answer:
        answer = desked.desk.answer(question, viewer, desked.now)
        return msgspec.structs.replace(answer, series=(), currency=None)

    (one,) = Goals(desked.projection, state, apart, lambda: desked.now, ()).listed(SYSTEM).goals
    assert (one.id, one.value, one.now, one.currency) == (kept_goal.id, "200.500000", None, None)


def test_how_far_a_goal_is_and_whether_on_pace(kept: tuple[Desked, State]) -> None:
    """It is noon of 15 March: 14.5 of the 31 days from the 1st to the 31st are over."""
    made = goals(kept)
    one = made.add(new(since="2026-03-01", product="mail"), SYSTEM)
    # 100 + 100 x 14.5 / 31
    assert told(one) == ("on_pace", "100.00", "150.00", "146.774193548", "0.00")
    assert (one.share, one.unit, one.currency) == (0.75, "money", "USD")
    one = made.put(one.id, new(product="mail", value=300), SYSTEM)
    assert told(one) == ("behind", "100.00", "150.00", "193.548387097", "43.548387097")
    assert (one.since, one.created_by) == (dt.date(2026, 3, 1), "Upwell")
    one = made.put(one.id, new(product="mail", value=150), SYSTEM)
    assert one.state == "reached"
    one = made.put(one.id, new(product="mail", by="2026-03-10"), SYSTEM)
    assert told(one) == ("missed", "100.00", "150.00", "200.00", "50.00")
    (found,) = made.listed(SYSTEM).goals
    assert found == one
    # What adds up begins at nothing on the day it was set.
    one = made.add(new(metric="new_mrr", since="2026-03-06", value=100), SYSTEM)
    assert told(one)[:3] == ("behind", "0.00", "20.00")
    assert [found.metric for found in made.listed(SYSTEM, (), "new_mrr").goals] == ["new_mrr"]
    assert [found.product for found in made.listed(SYSTEM, ("mail",)).goals] == ["mail"]


def test_the_configuration_says_goals_of_pages_too(kept: tuple[Desked, State]) -> None:
    made = goals(kept).add(new(product="mail", since="2026-03-01", value="0.5"), SYSTEM)
    assert in_settings(kept[1]) == (
        InFile(
            id=made.id,
            metric="mrr",
            product="mail",
            since=dt.date(2026, 3, 1),
            by=dt.date(2026, 3, 31),
            value=Decimal("0.5"),
        ),
    )


def test_goals_of_the_file_stand_beside_and_are_not_changed(kept: tuple[Desked, State]) -> None:
    fixed = InFile(metric="mrr", by=dt.date(2026, 12, 31), value=Decimal(500), product="mail")
    made = goals(kept, fixed)
    (one,) = made.listed(SYSTEM).goals
    assert (one.id, one.since, one.in_file) == ("mrr-mail-2026-12-31", dt.date(2026, 1, 1), True)
    assert one.state == "on_pace"
    for change in (lambda: made.put(one.id, new(), SYSTEM), lambda: made.drop(one.id, SYSTEM)):
        with pytest.raises(Rejected, match="stands in the configuration"):
            change()
    with pytest.raises(Rejected, match="There is a goal 'mrr-mail-2026-12-31' already"):
        made.add(new(id=one.id), SYSTEM)
    made.add(new(id="mine"), SYSTEM)
    with pytest.raises(Rejected, match="'mine' stands in the configuration, and was made on a"):
        goals(kept, InFile(metric="mrr", by=dt.date(2026, 12, 31), value=Decimal(5), id="mine"))


@pytest.mark.parametrize(
    ("asked", "code", "fix"),
    [
        ({"metric": "mmr"}, "unknown_metric", "Did you mean 'mrr'?"),
        ({"product": "mial"}, "unknown_product", "Did you mean 'mail'?"),
        ({"value": "lots"}, "bad_value", "Write 120000"),
        ({"value": "nan"}, "bad_value", "Write 120000"),
        ({"by": "2026-03-14"}, "bad_day", "later day"),
        ({"id": "a b"}, "bad_id", "leave it out"),
    ],
)
def test_what_is_wrong_is_said(
    kept: tuple[Desked, State], asked: dict[str, Any], code: str, fix: str
) -> None:
    with pytest.raises(Rejected) as found:
        goals(kept).add(new(**asked), SYSTEM)
    assert found.value.problem.code == code
    assert fix in found.value.problem.fix


def test_goals_are_seen_by_who_sees_what_they_are_about(kept: tuple[Desked, State]) -> None:
    made = goals(kept)
    ours, mail = made.add(new(), SYSTEM), made.add(new(product="mail"), SYSTEM)
    docs = made.add(new(product="docs"), DOCS)
    assert made.listed(DOCS).goals == (docs,)
    assert docs.now == "20.00"
    for hidden in (ours, mail):
        with pytest.raises(NotFound, match="There is no goal"):
            made.drop(hidden.id, DOCS)
    with pytest.raises(Forbidden, match="products that you do not see"):
        made.add(new(), DOCS)
    with pytest.raises(Rejected, match="Unknown product 'mail'"):
        made.listed(DOCS, ("mail",))
    made.drop(docs.id, DOCS)
    assert made.listed(DOCS).goals == ()


@pytest.mark.anyio
async def test_the_routes(tmp_path: Path) -> None:
    built = Built(tmp_path)
    async with built.client(headers=built.key("read")) as client:
        body = {"metric": "signups", "product": "mail", "by": "2026-12-31", "value": 100}
        said = await client.post("/v1/goals", json=body)
        assert said.status_code == 201, said.text
        made = said.json()
        assert (made["since"], made["in_file"]) == ("2026-11-22", False)
        said = await client.put(f"/v1/goals/{made['id']}", json={**body, "value": "120"})
        assert said.json()["value"] == 120
        assert len((await client.get("/v1/goals?product=mail")).json()["goals"]) == 1
        assert (await client.get("/v1/goals?product=docs")).json()["goals"] == []
        assert (await client.post("/v1/goals", json={**body, "until": 1})).status_code == 400
        assert (await client.delete(f"/v1/goals/{made['id']}")).status_code == 204
        assert (await client.delete(f"/v1/goals/{made['id']}")).status_code == 404
    built.close()
