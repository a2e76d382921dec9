"""Laws of taking back: what is retracted never was, what is brought back was never gone."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.laws.world import NOW, World, agree, batch, changes, config, held, right, world
from tests.oracle.plain import Counted, Event, Rules
from upwell.access import SYSTEM
from upwell.event import Delivery, Translated
from upwell.flow import translate
from upwell.period import to_date, to_instant
from upwell.projection import Staged
from upwell.query import Desk, Question

DAY = 86_400_000_000


def sale(number: int, amount: str, at: int = NOW, **more: Any) -> Event:
    own = {"key": f"in_{number}", "value": Decimal(amount), "currency": "USD", **more}
    return Event("mail", "revenue", at, actor=f"u{number % 3}", **own)


FIRST = [
    sale(1, "10.00"),
    sale(2, "20.00", NOW - 3 * DAY),
    Event("mail", "signup", NOW - 5 * DAY, actor="u9", key="s9"),
    Event("docs", "page_view", NOW - DAY, actor="u1", key="p1"),
]
SECOND = [
    sale(3, "7.50", metadata={"plan": "team"}),
    Event("mail", "activation", NOW - DAY, actor="u9", key="a9"),
    Event("docs", "page_view", NOW - DAY + 40 * 60_000_000, actor="u1", key="p2"),
    Event("mail", "churn", NOW, actor="u2"),
]


def retract(*seqs: int, at: int = NOW) -> Delivery:
    about = {"deliveries": list(seqs), "import_id": None}
    return Delivery(kind="retract", source="upwell", received_at=at, about=about)


def restore(order: int, at: int = NOW) -> Delivery:
    about = {"retraction": order}
    return Delivery(kind="restore", source="upwell", received_at=at, about=about)


def reread(at: int = NOW, **about: Any) -> Delivery:
    return Delivery(kind="retranslate", source="upwell", received_at=at, about=about)


def counted(*events: Event) -> Counted:
    return Counted([(NOW, event) for event in events], Rules())


def sums(house: World) -> dict[str, Any]:
    """All sums, but when things were seen and how actors' names first came."""
    found = held(house.projection)
    del found["seen"]
    return found


def test_what_is_retracted_never_was(tmp_path: Path) -> None:
    with world(tmp_path / "a") as house, world(tmp_path / "b") as never:
        house.take(config(Rules()), batch(FIRST))
        gone = house.take(batch(SECOND))
        house.take(retract(*gone))
        never.take(config(Rules()), batch(FIRST))
        assert held(house.projection) == held(never.projection)
        agree(house.projection, counted(*FIRST))
        right(house.projection)


def test_a_retraction_taken_back_never_was(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(Rules()), batch(FIRST))
        second = house.take(batch(SECOND))
        before = held(house.projection)
        for step in range(2):
            order = house.take(retract(*second, at=NOW + step * DAY))[0]
            house.take(restore(order, NOW + step * DAY))
            house.take(restore(order, NOW + step * DAY))  # bringing back twice is bringing back
        after = held(house.projection)
        del before["seen"], after["seen"]
        assert after == before
        right(house.projection)
        house.take(batch([event for event in SECOND if event.key]))  # keys are known again
        assert sums(house) == before


def test_a_corrected_file_takes_the_place_of_the_wrong_one(tmp_path: Path) -> None:
    wrong = [sale(1, "1000.00"), sale(2, "2000.00")]
    corrected = [sale(1, "10.00"), sale(3, "30.00")]
    with world(tmp_path) as house:
        house.take(config(Rules()))
        first = house.take(batch(wrong))
        order = house.take(retract(*first))[0]
        house.take(batch(corrected))
        agree(house.projection, counted(*corrected))
        # Brought back, a wrong record still does not stand beside the right one of its key.
        house.take(restore(order))
        agree(house.projection, counted(*corrected, wrong[1]))
        right(house.projection)


def test_reading_again_does_not_bring_back_what_was_retracted(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(Rules()), batch(FIRST))
        second = house.take(batch(SECOND))
        order = house.take(retract(*second))[0]
        for again in (reread(source="app", since=0), reread(deliveries=second)):
            house.take(again)
            agree(house.projection, counted(*FIRST))
        house.take(restore(order), reread(source="app", since=0))
        agree(house.projection, counted(*FIRST, *SECOND))
        right(house.projection)


def test_reading_the_same_bytes_again_changes_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(Rules()), batch(FIRST), batch([*SECOND, FIRST[0]]))
        before, recorded = held(house.projection), changes(house.projection)
        house.take(reread(NOW + DAY, source="app", since=0))
        assert held(house.projection) == before
        assert changes(house.projection) == recorded


def test_a_conflicting_record_counts_once_the_first_is_gone_and_it_is_tried_again(
    tmp_path: Path,
) -> None:
    other = sale(1, "99.00")
    with world(tmp_path) as house:
        first = house.take(config(Rules()), batch([FIRST[0]]))[1]
        second = house.take(batch([other, SECOND[0]]))[0]
        assert dead(house) == [(second, 0, "conflicting_duplicate")]
        house.take(reread(deliveries=[second]))
        assert dead(house) == [(second, 0, "conflicting_duplicate")]
        house.take(retract(first), reread(deliveries=[second]))
        assert dead(house) == []
        agree(house.projection, counted(other, SECOND[0]))


def test_what_a_retracted_delivery_could_not_be_used_for_is_off_the_list(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(Rules()), batch([FIRST[0]]))
        second = house.take(batch([sale(1, "99.00"), SECOND[0]]))[0]
        order = house.take(retract(second))[0]
        assert dead(house) == []
        house.take(restore(order))
        assert dead(house) == [(second, 0, "conflicting_duplicate")]


def dead(house: World) -> list[tuple[Any, ...]]:
    rows = house.projection.reader().execute(
        "select seq, idx, code from dead_letters where settled_seq is null order by all"
    )
    return rows.fetchall()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("value", Decimal("12.000000000")),
        ("actor", "never seen before"),
        ("actor", None),
        ("ts", NOW - 9 * DAY),
        ("plan", "team"),
        ("currency", "EUR"),
    ],
)
def test_a_better_reading_takes_the_place_of_the_stored_one(
    tmp_path: Path, column: str, value: Any
) -> None:
    """Whatever column a parser reads otherwise now; read back as before, nothing is left of it."""
    with world(tmp_path) as house:
        seq = house.take(config(Rules()), batch([FIRST[0], FIRST[1]]))[1]
        before = sums(house)
        original = house.journal.get(seq)
        assert original is not None
        events = read(original)
        better = events.set_column(
            events.column_names.index(column),
            events.schema.field(column),
            pa.array([value, *events[column].to_pylist()[1:]], events.schema.field(column).type),
        )
        order = Delivery(seq=seq + 1, kind="retranslate", source="upwell", received_at=NOW + DAY)
        found = house.projection.retranslate(order, [Staged(original, Translated(better))])
        assert found == (1, 1)
        assert sums(house) != before
        right(house.projection)
        back = Delivery(seq=seq + 2, kind="retranslate", source="upwell", received_at=NOW + DAY)
        house.projection.retranslate(back, [Staged(original, Translated(events))])
        assert sums(house) == before
        right(house.projection)


def read(delivery: Delivery) -> pa.Table:
    return translate(delivery, frozenset()).events


def test_known_at_tells_what_was_known(tmp_path: Path) -> None:
    """Revenue of three days ago, as known before and after each thing that changed it."""
    day = to_date((NOW - 3 * DAY) // DAY)
    late = sale(5, "5.00", NOW - 3 * DAY)
    with world(tmp_path) as house:
        house.take(
            config(Rules(), NOW - 4 * DAY), batch([sale(4, "4.00", NOW - 3 * DAY)], NOW - 3 * DAY)
        )
        house.take(batch([late], NOW))
        order = house.take(retract(3, at=NOW + DAY))[0]
        house.take(restore(order, NOW + 2 * DAY))
        house.take(config(Rules(exclude=("u2",)), NOW + 3 * DAY))  # u2 paid the 5.00
        desk = Desk(house.projection)

        def known(at: int | None) -> Any:
            question = Question(
                metric="revenue",
                product=("mail",),
                start=day,
                end=day + dt.timedelta(days=1),
                known_at=None if at is None else to_instant(at),
            )
            answer = desk.answer(question, SYSTEM, to_instant(NOW + 5 * DAY))
            return answer.series[0].total

        assert known(None) == "4.00"
        house.take(config(Rules(), NOW + 4 * DAY))
        assert known(None) == "9.00"
        assert known(NOW - 1) == "4.00"
        assert known(NOW) == "9.00"
        assert known(NOW + DAY) == "4.00"
        assert known(NOW + 2 * DAY - 1) == "4.00"
        assert known(NOW + 2 * DAY) == "9.00"
