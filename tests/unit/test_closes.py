"""Months that are closed: the worked example of late data, through journal, loop and answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.laws.test_book_crash import config
from tests.laws.test_corrections import restore, retract
from tests.laws.world import PRODUCTS, World, batch, right, world
from tests.oracle.plain import Event
from upwell.access import SYSTEM
from upwell.app import checks
from upwell.app.closing import Closing, close_month
from upwell.app.commands import Commands
from upwell.app.house import House
from upwell.errors import Rejected
from upwell.flow import closing
from upwell.money import Rates
from upwell.period import to_micros
from upwell.projection.closes import Close, standing
from upwell.query import Desk, Question
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.people import Page
from upwell.query.revenue.shapes import BridgeAnswer
from upwell.settings import Product, Settings, Workspace

JANUARY, FEBRUARY, MARCH = (dt.date(2026, month, 1) for month in (1, 2, 3))
APRIL = dt.date(2026, 4, 1)


def at(text: str) -> int:
    return to_micros(dt.datetime.fromisoformat(f"2026-{text}").replace(tzinfo=dt.UTC))


def pays(actor: str, amount: int, on: str) -> Event:
    """What a customer pays a month from a day on."""
    return Event(
        "mail", "subscription", at(on), actor=actor, key=f"{actor} {amount} {on}",
        value=Decimal(amount), currency="USD",
    )  # fmt: skip


class Books:
    """A world with questions about revenue; MRR is 100,000 on 31 January."""

    def __init__(self, house: World) -> None:
        self.house = house
        self.desk = Desk(house.projection, lambda: Rates({}))
        self.now = "03-20"
        house.take(batch([pays("old", 100_000, "01-05")], at("01-05")))

    def late(self) -> int:
        """A subscription of 28 January becomes known on 10 February."""
        (seq,) = self.house.take(batch([pays("late", 500, "01-28")], at("02-10")))
        return seq

    def close(self, month: str, on: str, *, reopen: bool = False) -> None:
        self.house.take(closing(month, at(on), reopen=reopen))

    def revenue(self) -> Revenue:
        return Revenue(self.desk, lambda: dt.datetime.fromisoformat(f"2026-{self.now}T12:00Z"))

    def bridge(self, **more: Any) -> BridgeAnswer:
        days = {"start": JANUARY, "end": APRIL, "grain": "month", **more}
        return self.revenue().bridge(Question(metric="mrr", **days), SYSTEM)

    def months(self, **more: Any) -> list[tuple[str, str, str, str]]:
        """Opening, new, restatement and closing of January, February and March, in dollars."""
        return [
            tuple(getattr(b.bridge, n)[:-3] for n in ("opening", "new", "restatement", "closing"))
            for b in self.bridge(**more).buckets
        ]


@pytest.fixture(params=["restate", "adjust"])
def books(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Books]:
    with world(tmp_path) as house:
        house.take(config(at("01-01"), closed_months=request.param))
        yield Books(house)


KEPT = [
    ("0", "100000", "0", "100000"),
    ("100000", "0", "500", "100500"),
    ("100500", "0", "0", "100500"),
]
RESTATED = [
    ("0", "100500", "0", "100500"),
    ("100500", "0", "0", "100500"),
    ("100500", "0", "0", "100500"),
]


def test_what_was_known_on_3_february_stays(books: Books) -> None:
    """R15: 100,000 as known on 3 February for ever, 100,500 now, and +500 with its reason."""
    books.close("2026-01", "02-03")
    seq = books.late()
    adjusts = books.house.projection.ground.closed_months == "adjust"
    assert books.months() == (KEPT if adjusts else RESTATED)
    then = dt.datetime(2026, 2, 3, 12, tzinfo=dt.UTC)
    assert books.bridge(end=FEBRUARY, known_at=then).bridge.closing == "100000.00"
    (month,) = books.bridge().closed
    assert (month.month, month.restated) == ("2026-01", "500.00")
    day = Question(metric="mrr", start=dt.date(2026, 1, 31), end=FEBRUARY)
    now = dt.datetime(2026, 2, 20, tzinfo=dt.UTC)
    changes = books.revenue().changes(day, SYSTEM, month.closed_at, now)
    assert (changes.before, changes.after) == ("100000.00", "100500.00")
    (change,) = changes.changes
    assert (change.amount, change.customer, change.source) == ("500.00", "app:late", "app")
    assert change.delivery == seq
    assert change.recorded_at == dt.datetime(2026, 2, 10, tzinfo=dt.UTC)
    right(books.house.projection)


def test_every_month_of_one_close_says_what_was_learned_of_it(books: Books) -> None:
    """Late for January, of what ended in February: neither is as it was known, March is."""
    books.close("2026-02", "03-03")
    books.house.take(batch([pays("late", 500, "01-28"), pays("late", 0, "02-20")], at("03-05")))
    books.house.take(batch([pays("more", 70, "02-03")], at("03-06")))
    books.close("2026-03", "04-02")
    books.now = "04-10"
    found = [(one.month, one.restated) for one in books.bridge().closed]
    assert found == [("2026-01", "500.00"), ("2026-02", "70.00"), ("2026-03", "0.00")]
    of_january = books.bridge(end=FEBRUARY).closed
    assert [(one.month, one.restated) for one in of_january] == found[:1]
    whole = Question(metric="mrr", start=JANUARY, end=APRIL)
    note = books.desk.answer(whole, SYSTEM, dt.datetime(2026, 4, 10, tzinfo=dt.UTC)).note
    assert "2026-01 by 500.00 USD, 2026-02 by 70.00 USD" in note


def test_a_restatement_leads_to_its_customers(books: Books) -> None:
    books.close("2026-01", "02-03")
    books.late()
    if books.house.projection.ground.closed_months == "restate":
        return
    span = Question(metric="mrr", start=FEBRUARY, end=MARCH, grain="month")
    found = books.revenue().moved(span, SYSTEM, "restatement", None, Page(50, None))
    assert [(one.id, one.amount) for one in found.customers] == [("app:late", "500.00")]
    (cause,) = books.bridge(start=FEBRUARY, end=MARCH).causes
    assert (cause.movement, cause.amount, cause.customers) == ("restatement", "500.00", 1)


def test_it_survives_a_rebuild_and_a_replay(books: Books) -> None:
    books.close("2026-01", "02-03")
    books.late()
    books.close("2026-02", "03-03")
    books.close("2026-02", "03-10", reopen=True)
    projection, before = books.house.projection, books.months()
    known = projection.closes
    assert standing(known) == [Close("2026-01", known[0].seq, at("02-03"))]
    projection.rebuild()
    assert (books.months(), projection.closes) == (before, known)
    projection.renew("a test")
    assert projection.closes == ()
    books.house.catch_up()
    assert (books.months(), projection.closes) == (before, known)
    right(projection)


def test_what_is_taken_back_is_restated_too(books: Books) -> None:
    adjusts = books.house.projection.ground.closed_months == "adjust"
    seq = books.late()
    books.close("2026-01", "02-11")
    assert books.months() == RESTATED
    (order,) = books.house.take(retract(seq, at=at("03-05")))
    gone = [("0", "100500", "0", "100500"), ("100500", "0", "-500", "100000"),
            ("100000", "0", "0", "100000")]  # fmt: skip
    plain = [("0", "100000", "0", "100000"), *[("100000", "0", "0", "100000")] * 2]
    assert books.months() == (gone if adjusts else plain)
    books.house.take(restore(order, at("03-06")))
    assert books.months() == RESTATED


def test_a_later_fact_goes_to_the_first_month_that_is_open(books: Books) -> None:
    books.close("2026-01", "02-03")
    books.close("2026-02", "03-03")
    books.house.take(batch([pays("late", 500, "01-28")], at("03-10")))
    kept = [("0", "100000", "0", "100000"), ("100000", "0", "0", "100000"),
            ("100000", "0", "500", "100500")]  # fmt: skip
    adjusts = books.house.projection.ground.closed_months == "adjust"
    assert books.months() == (kept if adjusts else RESTATED)
    books.close("2026-01", "03-12", reopen=True)
    assert books.months() == RESTATED
    assert books.bridge().closed == ()


def test_closing_a_month_closes_all_before_it(books: Books) -> None:
    books.close("2026-02", "03-03")
    books.close("2026-01", "03-04")  # nothing is left to close
    books.house.take(batch([pays("late", 500, "01-28")], at("03-10")))
    assert [one.month for one in standing(books.house.projection.closes)] == ["2026-02"]
    books.close("2026-02", "03-15", reopen=True)
    assert [one.month for one in standing(books.house.projection.closes)] == ["2026-01"]
    adjusts = books.house.projection.ground.closed_months == "adjust"
    assert books.months() == (KEPT if adjusts else RESTATED)  # January stays closed


def opened(path: Path, now: dict[str, str], **workspace: Any) -> House:
    products = tuple(Product(id=name) for name in PRODUCTS)
    settings = Settings(products=products, workspace=Workspace(**workspace))

    def clock() -> dt.datetime:
        return dt.datetime.fromisoformat(f"2026-{now['at']}T12:00Z")

    house = House(path, settings, clock)
    assert house.caught_up(30)
    return house


def test_by_a_person(tmp_path: Path) -> None:
    now = {"at": "02-03"}
    house = opened(tmp_path, now)
    try:
        commands = Commands(house)
        assert commands.close("2026-01")["closed"]
        for month, code in (("2026-01", "closed"), ("2026-02", "not_over"), ("soon", "bad_month")):
            with pytest.raises(Rejected) as refused:
                commands.close(month)
            assert refused.value.problem.code == code
        assert not commands.close("2026-01", reopen=True)["closed"]
        with pytest.raises(Rejected, match="not closed"):
            close_month(house, "2026-01", reopen=True)
    finally:
        house.close()


def test_who_closed_a_month_and_which_can_be(tmp_path: Path) -> None:
    now = {"at": "03-04"}
    house = opened(tmp_path, now, close_after_days=2, closed_months="adjust")
    try:
        house.journal.append([batch([pays("old", 100, "01-05")], at("02-03"))])
        clock = Closing(house)
        months = clock.months()
        before = months.closes()
        assert (before.closes, before.next) == ((), "2026-02")
        assert (before.kept, before.after_days) == (True, 2)
        (january,) = months.close("2026-01", False, "Ada").closes
        assert (january.month, january.by, january.itself) == ("2026-01", "Ada", False)
        assert january.closed_at == dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
        assert clock.look() == "2026-02"
        after = months.closes()
        assert [(one.month, one.by, one.itself) for one in after.closes] == [
            ("2026-01", "Ada", False),
            ("2026-02", "", True),
        ]
        assert after.next is None
        (left,) = months.close("2026-01", True, "Ada").closes
        assert left.month == "2025-12"  # what January's close had closed before it stays
    finally:
        house.close()


def test_by_itself_some_days_after_its_end(tmp_path: Path) -> None:
    now = {"at": "02-03"}
    house = opened(tmp_path, now, close_after_days=5)
    try:
        clock = Closing(house)
        now["at"] = "02-06"
        assert clock.look() is None  # there is nothing to close
        house.journal.append([batch([pays("old", 100, "01-05")], at("02-03"))])
        now["at"] = "02-05"
        assert clock.look() == "2025-12"
        assert clock.look() is None
        now["at"] = "02-06"
        assert clock.look() == "2026-01"
        assert clock.look() is None
        now["at"] = "04-20"
        assert clock.look() == "2026-03"  # and February with it
    finally:
        house.close()


def test_never_by_itself_unless_told(tmp_path: Path) -> None:
    house = opened(tmp_path, {"at": "02-20"})
    try:
        assert Closing(house).look() is None
    finally:
        house.close()


def test_verify_compares_closes_with_the_journal(tmp_path: Path) -> None:
    house = opened(tmp_path, {"at": "02-03"})
    try:
        commands = Commands(house)
        commands.close("2026-01")
        assert {c["name"]: c["ok"] for c in checks.verify(house)}["closes"]
        assert len(list(checks.verify(house))) == checks.COUNT
        house.projection.closes = ()
        assert not {c["name"]: c["ok"] for c in checks.verify(house)}["closes"]
    finally:
        house.close()
