"""`verify` finds a planted fault of each kind, says where, and is silent on a right house."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.laws.world import NOW, PRODUCTS, batch
from tests.oracle.plain import Event
from upwell.app.checks import verify
from upwell.app.house import House
from upwell.event import Delivery
from upwell.period import to_instant
from upwell.projection.ground import Ground, GroundProduct
from upwell.settings import Product, Settings

DAY = 86_400_000_000
EVENTS = [
    Event("mail", "revenue", NOW, actor="u1", key="in_1", value=Decimal("9.50"), currency="USD"),
    Event("mail", "signup", NOW - DAY, actor="u1", key="s1", metadata={"plan": "team"}),
    Event("mail", "activation", NOW - DAY, actor="u1", key="a1"),
    Event("docs", "page_view", NOW, actor="u2", key="p1"),
    Event("docs", "kpi", NOW, value=Decimal(0)),
]


class Clock:
    """Time that stands until it is set."""

    def __init__(self) -> None:
        self.now = to_instant(NOW)

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Two months with all that may be missing with reason: repeats, conflicts, corrections."""
    settings = Settings(products=tuple(Product(id=name) for name in PRODUCTS))
    found = House(tmp_path, settings, Clock())
    other = Event(**{**vars(EVENTS[0]), "value": Decimal(1)})
    found.journal.append([batch(EVENTS), batch([other, *EVENTS]), batch(EVENTS[:1])])
    later = found.journal.append([batch([sale(n)], NOW + 40 * DAY) for n in range(3)])
    retract = {"deliveries": later[:2], "import_id": None}
    found.flow.command(Delivery(kind="retract", source="upwell", received_at=NOW, about=retract))
    found.journal.append([batch([sale(0)], NOW + 41 * DAY), batch([sale(1), sale(9)])])
    found.flow.command(
        Delivery(kind="retranslate", source="upwell", received_at=NOW, about={"source": "app"})
    )
    yield found
    found.close()


def sale(number: int) -> Event:
    return Event(
        "x", "revenue", NOW - number, actor="u", key=f"x{number}", value=Decimal(2), currency="EUR"
    )


def wrong(house: House) -> dict[str, str]:
    """The checks that fail, with what they say."""
    return {check["name"]: check["detail"] for check in verify(house) if not check["ok"]}


def plant(house: House, statement: str, *values: Any) -> None:
    """Change the projection's file behind its back."""
    house.flow.perform(lambda: house.projection.reader().execute(statement, list(values)))


def test_a_right_house_is_found_right(house: House) -> None:
    assert wrong(house) == {}
    house.flow.perform(house.projection.rebuild)
    assert wrong(house) == {}


def test_products_that_came_and_went_are_no_fault(house: House) -> None:
    house.stand_on(Ground(products=(GroundProduct(id="new"),)))
    assert wrong(house) == {}


@pytest.mark.parametrize(
    ("statement", "check", "says"),
    [
        ("update cells set n = n + 1 where type = 'signup'", "sums", "cells of mail signup"),
        ("update cells set value = 0 where type = 'revenue'", "sums", "cells of mail revenue"),
        ("update cells set plan = null where plan = 'team'", "sums", "cells of mail signup"),
        ("delete from cells where type = 'page_view'", "sums", "cells of docs page_view"),
        ("insert into cells select * from cells where type = 'kpi'", "sums", "cells of docs kpi"),
        ("update hours set hour = hour + 1 where type = 'signup'", "sums", "hours of mail signup"),
        ("delete from hours where type = '@visit'", "sums", "hours of docs @visit"),
        ("update hours set n = 2 where type like '@reached%'", "sums", "@reached:activation_rate"),
        ("delete from cell_changes where n < 0", "sums", "cell_changes of x revenue"),
        ("delete from actor_days where members = 'visitors'", "people", "1 visitors of docs"),
        ("update actor_days set day = day - 1", "people", "differ from the events"),
        ("delete from events where type = 'signup'", "events", "delivery 2, event 1: not stored"),
        ("insert into events select * from events where type = 'kpi'", "events", "share a key"),
        (
            "insert into events select * replace (999::bigint as seq, 5::ubigint as key_low)"
            " from events where type = 'kpi'",
            "events",
            "delivery 999, event 4: stored otherwise",
        ),
        (
            "insert into events select * replace (7::integer as idx, 5::ubigint as key_low)"
            " from events where type = 'kpi'",
            "events",
            "delivery 2, event 7: stored otherwise",
        ),
        ("update events set value = 1 where type = 'kpi'", "events", "delivery 2, event 4"),
        ("update events set ts = ts + 1 where type = 'page_view'", "events", "delivery 2, event 3"),
        ("update events set actor = null where type = 'signup'", "events", "delivery 2, event 1"),
        ("update events set superseded_at = null, superseded_seq = null", "events", "share a key"),
    ],
)
def test_a_planted_fault_is_found(house: House, statement: str, check: str, says: str) -> None:
    plant(house, statement)
    assert says in wrong(house)[check]


def test_a_fault_of_memory_alone_is_found(house: House) -> None:
    sums = house.projection.sums
    sums.days["mail", "signup", ""][(NOW - DAY) // DAY][0] += 1
    assert list(wrong(house)) == ["people"]
    sums.days["mail", "signup", ""][(NOW - DAY) // DAY][0] -= 1
    assert wrong(house) == {}
    day = next(iter(sums.gaps["docs", "visitors"]))
    del sums.gaps["docs", "visitors"][day]
    assert wrong(house) == {"people": "gaps in memory differ from those in the file"}


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("update deliveries set body = zeroblob(30) where seq = 3", "delivery 3"),
        ("update seals set digest = zeroblob(32)", "month 2026-11"),
        ("delete from deliveries where seq = 4", "delivery 4: missing"),
    ],
)
def test_a_changed_journal_is_found(
    house: House, tmp_path: Path, statement: str, says: str
) -> None:
    file = apsw.Connection(str(tmp_path / "journal.sqlite"))
    file.execute(statement)
    file.close()
    assert says in wrong(house)["journal"]


def test_a_rebuild_mends_sums_that_do_not_fit(house: House) -> None:
    plant(house, "delete from cells")
    plant(house, "delete from actor_days")
    assert set(wrong(house)) == {"sums", "people"}
    house.flow.perform(house.projection.rebuild)
    assert wrong(house) == {}
