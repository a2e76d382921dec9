"""Laws of timelines: whatever came, was taken back or left out, they hold what stands, in order."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_corrections import restore, retract
from tests.laws.test_sums import LISTS, RULES, cut, examples, keyed
from tests.laws.world import NOW, PRODUCTS, World, batch, config, world
from tests.oracle.plain import Counted, Event, Rules
from upwell.warehouse.slices import NOBODY
from upwell.warehouse.timelines import Timelines

EVER = (0, 2**62 // 1000)
Row = tuple[str, int, str, str | None, str | None]  # user, micros, kind, plan, seats


def rows_of(house: World, lines: Timelines, product: str, span: tuple[int, int]) -> list[Row]:
    """Everything that the timelines hold of a product, in their order."""
    names = dict(house.projection.reader().execute("select no, actor from actors").fetchall())
    found = lines.reading([product], None, span, ("plan", "seats")).take()
    plan, seats = (
        [None if code < 0 else column.values[code] for code in column.codes.tolist()]
        for column in (found.properties["plan"], found.properties["seats"])
    )
    people, times = found.person.tolist(), found.ts.tolist()
    assert list(zip(people, times, strict=True)) == sorted(zip(people, times, strict=True))
    return [
        (names[who], ts, found.kinds[kind], *more)
        for who, ts, kind, *more in zip(
            people, times, found.kind.tolist(), plan, seats, strict=True
        )
    ]


def expected(counted: Counted, product: str, span: tuple[int, int]) -> list[Row]:
    """The same from a plain list of events."""
    return [
        (event.actor, event.at, _kind(event), _text(event, "plan"), _text(event, "seats"))
        for event in counted.events
        if event.product == product
        and event.actor is not None
        and event.type not in NOBODY
        and span[0] <= event.at < span[1]
    ]


def _kind(event: Event) -> str:
    if event.type != "engagement":
        return event.type
    return f"engagement:{event.metadata.get('name') or ''}"


def _text(event: Event, name: str) -> str | None:
    value = event.metadata.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def same(house: World, lines: Timelines, events: Sequence[Event], rules: Rules) -> None:
    """Assert that the timelines hold these events and no others."""
    lines.refresh(repr(sorted(rules.exclude)))
    counted = Counted([(NOW, event) for event in events], rules)
    times = sorted(event.at for event in counted.events) or [0]
    for product in PRODUCTS:
        for span in (EVER, (times[len(times) // 2], times[-1]), (times[0], times[0] + 1)):
            found = rows_of(house, lines, product, span)
            assert sorted(found, key=repr) == sorted(expected(counted, product, span), key=repr)


@examples(12)
@given(LISTS, RULES, RULES, st.data())
def test_timelines_hold_what_stands(
    found: list[Event], before: Rules, after: Rules, data: st.DataObject
) -> None:
    """Batches, runs written after any of them, retractions, another exclusion, a new start."""
    events = keyed(found)
    most = data.draw(st.sampled_from((0, 3, 1000)))
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as house:
        reader = house.projection.reader
        lines = Timelines(Path(folder) / "timelines", reader, fresh=most)
        house.take(config(before))
        standing, parts = list[Event](), cut(events, data)
        for part in parts:
            (seq,) = house.take(batch(part))
            standing += part
            same(house, lines, standing, before)
            if data.draw(st.integers(0, 3)) == 0:
                house.take(retract(seq))
                gone = [event for event in standing if event not in part]
                same(house, lines, gone, before)
                if data.draw(st.booleans()):
                    house.take(restore(house.journal.newest))
                    gone = standing
                    same(house, lines, gone, before)
                standing = gone
        house.take(config(after))
        same(house, lines, standing, after)
        again = Timelines(Path(folder) / "timelines", reader, fresh=most)
        same(house, again, standing, after)


def test_a_damaged_folder_is_filled_again(tmp_path: Path) -> None:
    """A run that is not as long as it should be, and a manifest that cannot be read."""
    events = [Event("mail", "signup", NOW + n, actor=f"u{n % 3}", key=f"k{n}") for n in range(9)]
    with world(tmp_path) as house:
        house.take(config(Rules()), batch(events))
        folder = tmp_path / "timelines"
        for damage in ("*.ts.npy", "*.json", "*.npy", "manifest.json"):
            same(house, Timelines(folder, house.projection.reader, fresh=0), events, Rules())
            for path in folder.glob(damage):
                path.write_bytes(path.read_bytes()[:-3])
            same(house, Timelines(folder, house.projection.reader, fresh=0), events, Rules())


def test_people_who_are_one_have_one_line(tmp_path: Path) -> None:
    """Two users mapped to one person: their events stand in one order of time."""
    events = [
        Event("mail", "signup", NOW + n, actor=f"u{n % 2}", key=f"k{n}") for n in (3, 1, 4, 2, 6)
    ]
    with world(tmp_path) as house:
        house.take(config(Rules()), batch(events[:3]), batch(events[3:]))
        lines = Timelines(tmp_path / "timelines", house.projection.reader)
        lines.refresh("")
        one = np.zeros(3, dtype=np.int64)
        found = lines.reading(["mail"], ["signup"], EVER, person=one).take()
        assert found.ts.tolist() == sorted(event.at for event in events)
        assert set(found.person.tolist()) == {0}


def test_runs_are_joined_when_there_are_many(tmp_path: Path) -> None:
    """However many small runs a month was written in, few files are left."""
    with world(tmp_path) as house:
        house.take(config(Rules()))
        lines = Timelines(tmp_path / "timelines", house.projection.reader, fresh=0)
        events: list[Event] = []
        for n in range(12):
            events.append(Event("mail", "signup", NOW - n, actor="ann", key=f"k{n}"))
            house.take(batch(events[-1:]))
            same(house, lines, events, Rules())
        assert len(list((tmp_path / "timelines").glob("*.ts.npy"))) <= 5


def facts(db: duckdb.DuckDBPyConnection) -> list[Any]:
    """Every stored row, to see that asking changes none."""
    return db.execute("select * from events order by seq, idx").fetchall()


def test_asking_changes_no_stored_event(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(Rules()), batch([Event("mail", "signup", NOW, actor="ann")]))
        before = facts(house.projection.reader())
        lines = Timelines(tmp_path / "timelines", house.projection.reader, fresh=0)
        lines.refresh("")
        lines.reading(["mail"], ["signup"], EVER, ("plan",)).take()
        assert facts(house.projection.reader()) == before


def test_what_is_read_stands_as_it_was_taken_in(tmp_path: Path) -> None:
    """A retraction between taking in and reading: events and their properties go together."""
    first = [Event("mail", "signup", NOW, actor="ann", key="a", metadata={"plan": "team"})]
    second = [Event("mail", "signup", NOW - 1, actor="bob", key="b", metadata={"plan": "solo"})]
    with world(tmp_path) as house:
        (seq,) = house.take(config(Rules()), batch(first))[1:]
        house.take(batch(second))
        lines = Timelines(tmp_path / "timelines", house.projection.reader, fresh=0)
        lines.refresh("[]")
        house.take(retract(seq))
        both = sorted(rows_of(house, lines, "mail", EVER), key=repr)
        assert [(who, plan) for who, _, _, plan, _ in both] == [("ann", "team"), ("bob", "solo")]
        same(house, lines, second, Rules())
