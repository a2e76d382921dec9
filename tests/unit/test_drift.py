"""Fields that are new, gone, or of another type; laws on shapes of events, and a whole house."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.world import NOW, PRODUCTS, batch
from tests.oracle.plain import Event
from upwell.app.drifting import Drifting
from upwell.app.house import House
from upwell.errors import NotFound
from upwell.period import to_instant
from upwell.query.complete import Through
from upwell.settings import Product, Settings
from upwell.sources.shape import KNOWN, Sample, Shape, changes, learned, seen

DAY = 86_400_000_000
values = st.one_of(st.text(max_size=3), st.integers(-9, 9), st.booleans(), st.none())
events = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


def samples(found: list[dict[str, Any]], first: int = 0) -> list[Sample]:
    return [Sample(first + n, 0, (first + n) * 1_000, one) for n, one in enumerate(found)]


def told(shape: Shape | None) -> list[tuple[str, str]]:
    assert shape is not None
    return [(one.kind, one.field) for one in changes(shape)]


@given(st.lists(events, min_size=1, max_size=40), st.integers(0, 40))
def test_looking_in_two_parts_is_looking_once(found: list[dict[str, Any]], at: int) -> None:
    whole = learned(None, samples(found))
    parts = learned(learned(None, samples(found[:at])), samples(found[at:], len(found[:at])))
    assert parts == whole
    assert whole is not None
    assert whole.seen == len(found)
    for name, field in whole.fields.items():
        having = [n for n, one in enumerate(found) if one.get(name) is not None]
        assert (field.seen, field.first, field.last) == (
            len(having),
            having[0] * 1_000,
            having[-1] * 1_000,
        )
        assert field.missed == len(found) - 1 - having[-1]
        assert field.of + field.missed == len(found) - having[0]


@given(st.lists(events, min_size=1, max_size=60))
def test_what_is_not_yet_known_has_not_changed(found: list[dict[str, Any]]) -> None:
    assert told(learned(None, samples(found))) == []


@given(st.integers(0, 3), st.sampled_from(["new", 7, True, [1], {"a": 1}]))
def test_a_new_field_is_told_until_somebody_has_seen_it(more: int, value: object) -> None:
    shape = learned(None, samples([{"a": "x"}] * (KNOWN + more)))
    assert told(shape) == []
    shape = learned(shape, samples([{"a": "x", "b": value}], KNOWN + more))
    assert told(shape) == [("new_field", "b")]
    assert shape is not None
    assert told(seen(shape, "new_field", "b")) == []
    assert told(learned(seen(shape, "new_field", "b"), samples([{"a": "x", "b": value}]))) == []


def test_a_type_that_changes_is_told_once() -> None:
    shape = learned(None, samples([{"a": 1}] * KNOWN))
    shape = learned(shape, samples([{"a": "1"}, {"a": 2}], KNOWN))
    assert shape is not None
    (change,) = changes(shape)
    assert change.text == "'a' was number, and is text now."
    assert change.seq == KNOWN  # the event that brought it
    shape = seen(shape, "changed_type", "a")
    assert told(learned(shape, samples([{"a": "3"}, {"a": 4}]))) == []


@pytest.mark.parametrize("every", [2, 7, 20])
def test_a_field_is_gone_when_it_should_have_come_twenty_times(every: int) -> None:
    usual = [{"a": 1, **({"b": 1} if n % every == 0 else {})} for n in range(KNOWN * every)]
    shape = learned(None, samples(usual))
    assert told(shape) == []
    without = learned(shape, samples([{"a": 1}] * (18 * every)))
    assert told(without) == []
    without = learned(without, samples([{"a": 1}] * (3 * every)))
    assert told(without) == [("vanished_field", "b")]
    assert told(learned(without, samples([{"a": 1, "b": 1}]))) == []  # it came again
    assert without is not None
    assert told(seen(without, "vanished_field", "b")) == []


class Town:
    """A house into which a source sends some events an hour, for weeks."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        products = tuple(Product(id=name) for name in PRODUCTS)
        self.house = House(folder, Settings(products=products), lambda: to_instant(self.now))
        self.drifting = Drifting(self.house.projection, self.house.state, lambda: self.now)
        self.number = 0

    def send(self, count: int, *days: int, name: str = "shared", **metadata: Any) -> None:
        found = []
        for day in days or (0,):
            for _ in range(count):
                self.number += 1
                at = self.now - day * DAY
                own = {"name": name, **metadata}
                key = f"e{self.number}"
                found.append(Event("mail", "engagement", at, actor="u1", key=key, metadata=own))
        self.house.journal.append([batch(found, self.now)])
        assert self.house.caught_up(30)

    @property
    def source(self) -> str:
        return self.house.journal.sources()[0][0]

    def told(self, through: Through | None = None) -> list[tuple[str, str]]:
        found = self.drifting.drift(self.source, through)
        return [(one.kind, one.field or one.event) for one in found]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    found = Town(tmp_path)
    yield found
    found.house.close()


def test_stored_events_are_looked_at_once_and_changes_go_away(town: Town) -> None:
    for _ in range(3):  # a look takes some of what came
        town.send(60, plan="team")
        assert town.drifting.look() == 50
    assert town.drifting.look() == 0
    town.send(1, plan=7, region="eu")
    town.drifting.look()
    changed, new = sorted(town.drifting.drift(town.source), key=lambda one: one.kind)
    assert (changed.kind, changed.text) == (
        "changed_type",
        "'plan' was text, and is number now.",
    )
    assert (new.kind, new.field, new.example) == ("new_field", "region", '"eu"')
    fields = {one.field: one for one in town.drifting.fields(town.source)}
    assert fields["region"].type == "text"
    assert fields["name"].example == '"shared"'
    for one in (changed, new):
        town.drifting.seen(town.source, one.id)
    assert town.drifting.drift(town.source) == []
    with pytest.raises(NotFound):
        town.drifting.seen(town.source, new.id)


def test_a_day_far_from_usual_is_told_once_it_is_all_here(town: Town) -> None:
    town.send(40, *range(2, 45))
    town.send(40, *range(1, 45), name="opened")
    assert town.told() == [("silent", "shared")]
    yesterday = town.house.projection.zone.day_of(town.now) - 1
    opens = town.house.projection.zone.opens(yesterday)
    assert town.told(Through("x", opens + DAY // 2)) == []  # its source is late
    assert town.told(Through("x", opens + DAY)) == [("silent", "shared")]
    town.send(400, 1)
    assert town.told() == [("volume", "shared")]
    town.drifting.seen(town.source, "volume:shared")
    assert town.told() == []
