"""Customers of several accounts as one company: dated, reversible, and by hand, too."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.laws.world import NOW, batch
from tests.oracle.plain import Event
from upwell.access import SYSTEM, Viewer
from upwell.app.commands import Commands
from upwell.app.house import House
from upwell.app.identity import Identity, Linking
from upwell.errors import NotFound, Rejected, Unavailable
from upwell.period import to_instant, to_micros
from upwell.projection.book import FOREVER, Book
from upwell.projection.ground import Relinked
from upwell.projection.verify import differences
from upwell.query import Question
from upwell.query.revenue.door import Revenue
from upwell.query.usage.keeping import NewSegment
from upwell.settings import Product, Settings
from upwell.settings.schema import Identity as Rules
from upwell.state import people

DAY = 86_400_000_000
PRODUCTS = (Product(id="mail"), Product(id="docs"))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> dt.datetime:
        return to_instant(self.at)


def pays(who: str, product: str, amount: str, day: int, email: str = "") -> Event:
    return Event(
        product,
        "subscription",
        NOW - day * DAY,
        source=product,
        actor=who,
        key=f"{product}{who}{day}",
        value=Decimal(amount),
        currency="USD",
        metadata={"plan": "team", **({"email": email} if email else {})},
    )


STORY = (
    pays("m1", "mail", "30", 20, "ann@acme.example"),
    pays("d1", "docs", "50", 10, "ann@acme.example"),
    pays("d2", "docs", "70", 9, "bob@acme.example"),
    pays("m2", "mail", "10", 9),
    pays("m3", "mail", "10", 8),
    pays("m1", "mail", "0", 5),
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = opened(tmp_path, Clock())
    found.journal.append([batch(STORY, NOW - DAY)])
    assert found.caught_up(30)
    yield found
    found.close()


def opened(path: Path, clock: Clock, rules: Rules | None = None) -> House:
    return House(path, Settings(products=PRODUCTS, identity=rules or Rules()), clock)


def later(house: House, days: int = 1) -> Identity:
    assert isinstance(house.clock, Clock)
    house.clock.at += days * DAY
    return house.identity


def churned(house: House, known: int | None = None) -> Decimal:
    """What the company lost in the month of the story."""
    return asked(house, "churned_mrr", known)


def asked(house: House, metric: str, known: int | None = None, by: str | None = None) -> Decimal:
    day = to_instant(NOW).date()
    question = Question(
        metric=metric,
        start=day - dt.timedelta(days=30),
        end=day + dt.timedelta(days=1),
        grain="day",
        by=by,
        known_at=None if known is None else to_instant(known),
    )
    answer = house.answer(question, SYSTEM)
    return sum(
        (Decimal(value) for series in answer.series for _, value in points(series) if value),
        Decimal(0),
    )


def points(series: Any) -> list[tuple[Any, Any]]:
    return [(point.start, point.value) for point in series.points]


def other_rules(house: House) -> Book:
    """The book of rules that are not the workspace's, once it is counted."""
    until = time.monotonic() + 20
    while True:
        try:
            return house.projection.book("chartmogul")
        except Unavailable:
            assert time.monotonic() < until
            time.sleep(0.02)


def past(house: House, of: Book | None = None) -> list[tuple[Any, ...]]:
    """Every row there ever was, in words, with the time in which it stood."""
    book = of or house.projection.book()
    rows = book.rows
    columns = (
        rows.superseded_at, rows.recorded_at, rows.person, rows.line, rows.day, rows.delta,
        rows.by_subscription, rows.by_product, rows.by_company,
    )  # fmt: skip
    named = zip(*(column.tolist() for column in columns), strict=True)
    return sorted(
        (gone, at, book.persons[p].ids[0], book.lines[n], day, delta, *kinds)
        for gone, at, p, n, day, delta, *kinds in named
    )


def standing(house: House) -> set[tuple[Any, ...]]:
    """The rows that stand."""
    return {row[2:] for row in past(house) if row[0] == FOREVER}


def wrong(house: House) -> list[str]:
    """What a recount finds."""
    return [text for _, found, _ in differences(house.projection) for text in found]


def net(house: House) -> list[int]:
    rows = house.projection.book().rows
    rows = rows.take(rows.superseded_at == FOREVER)
    return [int(rows.delta[rows.product == code].sum()) for code in np.unique(rows.product)]


def test_rules_join_two_accounts_and_the_past_keeps_the_map_it_had(house: House) -> None:
    before, sums, known = standing(house), net(house), NOW
    assert later(house).refresh()
    assert house.projection.ground.merges == (("docs:d1", "mail:m1"),)
    assert standing(house) != before
    assert net(house) == sums  # of each product, and so of the company
    assert not wrong(house)
    count = house.journal.newest
    assert not later(house).refresh()  # the same map again is nothing to keep
    assert house.journal.newest == count
    assert churned(house, known) == 30
    assert churned(house) == 0  # mail was dropped, docs kept
    assert asked(house, "net_new_mrr") == asked(house, "net_new_mrr", known)


def test_parting_gives_the_numbers_back_exactly(house: House) -> None:
    before = standing(house)
    later(house).refresh()
    joined = standing(house)
    done = later(house).unmerge(["docs:d1"])
    assert done.changed
    assert done.accounts == ("docs:d1",)
    assert standing(house) == before
    assert not later(house).unmerge(["docs:d1"]).changed
    assert not later(house).refresh()  # no rule joins them again
    assert later(house).merge(["mail:m1", "docs:d1"]).changed
    assert standing(house) == joined
    assert not wrong(house)


def test_people_join_whom_no_rule_joins(house: House) -> None:
    before = standing(house)
    done = later(house).merge(["m2", "mail:m3", "docs:d2"])
    assert sorted(done.accounts) == ["docs:d2", "mail:m2", "mail:m3"]
    assert not later(house).merge(["mail:m3", "mail:m2"]).changed
    assert sorted(later(house).unmerge(["mail:m2"]).accounts) == ["mail:m2"]
    later(house).unmerge(["mail:m3", "docs:d1"])
    assert house.projection.ground.merges == ()
    assert standing(house) == before
    for names, error in ((["m2", "mail:m2"], Rejected), (["m2", "nobody"], NotFound)):
        with pytest.raises(error):
            house.identity.merge(names)


def test_the_profile_shows_every_account_and_why(house: House) -> None:
    later(house).refresh()
    later(house).merge(["mail:m1", "mail:m2"])
    revenue = Revenue(house.desk, house.clock)
    for name in ("mail:m1", "docs:d1", "m2"):
        facts = revenue.customer(name, SYSTEM).customer
        assert {(one.source, one.id, one.rule) for one in facts.sources} == {
            ("mail", "m1", "by hand"),
            ("docs", "d1", "email"),
            ("mail", "m2", "by hand"),
        }
        assert facts.mrr == "60.00"
    alone = revenue.customer("docs:d2", SYSTEM).customer
    assert [one.rule for one in alone.sources] == [None]


def test_the_profile_shows_what_a_lost_customer_used_before(house: House) -> None:
    """By the address a user was identified by, on every device; not what others did."""

    def did(product: str, actor: str, day: int, **data: str) -> Event:
        kind = "identify" if "email" in data or "anonymous_id" in data else "engagement"
        return Event(product, kind, NOW - day * DAY, actor=actor, metadata=data)

    revenue = Revenue(house.desk, house.clock)
    assert revenue.customer("mail:m1", SYSTEM).use is None
    house.journal.append(
        [
            batch(
                [
                    did("mail", "web-1", 130, name="report_shared"),
                    did("mail", "web-1", 40, name="report_shared"),
                    did("mail", "phone", 30, name="report_shared"),
                    did("mail", "phone", 30, name="export"),
                    did("docs", "u7", 30, name="note"),
                    did("mail", "u9", 2, name="export"),
                    did("mail", "web-1", 20, email="Ann@acme.example", anonymous_id="phone"),
                    did("docs", "u7", 20, email="ann@acme.example"),
                    did("mail", "u9", 20, email="bob@acme.example"),
                ],
                NOW,
            )
        ]
    )
    assert house.caught_up(30)
    use = revenue.customer("mail:m1", SYSTEM).use
    assert use is not None
    assert (use.users, use.active_days) == (1, 3)
    assert use.last_active == to_instant(NOW - 30 * DAY)
    assert [(one.product, one.name, one.count) for one in use.events] == [
        ("mail", "report_shared", 2),
        ("docs", "note", 1),
        ("mail", "export", 1),
    ]
    sees_mail = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"mail"}))
    only = revenue.customer("mail:m1", sees_mail).use
    assert only is not None
    assert {one.product for one in only.events} == {"mail"}
    house.journal.append([batch([Event("mail", "unmerge", NOW - DAY, actor="web-1")], NOW)])
    assert house.caught_up(30)
    left = revenue.customer("mail:m1", SYSTEM).use
    assert left is not None
    assert [one.name for one in left.events] == ["note"]


def test_commands_are_narrowed_to_a_segment(house: House) -> None:
    """The customer whom the segment's only user is linked to, and the event behind the number."""
    own = {"email": "bob@acme.example"}
    said = Event("mail", "identify", NOW - DAY, actor="u9", metadata=own)
    mark = Event("mail", "engagement", NOW - DAY, actor="u9", metadata={"name": "export"})
    house.journal.append([batch([said, mark], NOW)])
    assert house.caught_up(30)
    later(house)
    asked_for = {"name": "Exporters", "of": {"did": {"event": "export"}}}
    made = house.usage.add_segment(msgspec.convert(asked_for, NewSegment), SYSTEM)
    commands = Commands(house)
    assert commands.query({"metric": "mrr"}).series[0].total == "140.00"
    assert commands.query({"metric": "mrr", "segment": made.id}).series[0].total == "70.00"
    found = commands.query({"metric": "actors", "segment": made.id})
    assert (found.series[0].total, found.scanned) == (1, True)
    (row,) = commands.rows({"metric": "actors", "segment": made.id}).rows
    assert row.event.actor_id == "u9"
    with pytest.raises(Rejected, match="no segment"):
        commands.query({"metric": "mrr", "segment": "seg_gone"})


def test_the_profile_says_since_when_and_who_was_taken_apart(house: House) -> None:
    revenue = Revenue(house.desk, house.clock)

    def since(name: str) -> dict[str, int | None]:
        found = revenue.customer(name, SYSTEM).customer.sources
        return {one.id: None if one.since is None else days(one.since) for one in found}

    def apart(name: str) -> list[tuple[str, int]]:
        found = revenue.customer(name, SYSTEM).customer.apart
        return [(f"{one.source}:{one.id}", days(one.at)) for one in found]

    def days(at: dt.datetime) -> int:
        return (to_micros(at) - NOW) // DAY

    assert since("m1") == {"m1": None}
    later(house).refresh()
    assert since("m1") == {"m1": 1, "d1": 1}
    later(house).merge(["mail:m1", "mail:m2"])
    assert since("m1") == since("m2") == {"m1": 1, "d1": 1, "m2": 2}
    assert apart("m1") == []
    later(house).unmerge(["docs:d1"])
    assert since("m1") == {"m1": 2, "m2": 2}
    assert since("docs:d1") == {"d1": None}
    assert apart("m1") == [("docs:d1", 3)]
    assert apart("docs:d1") == [("mail:m1", 3)]
    later(house).unmerge(["mail:m2"])
    assert apart("m1") == [("mail:m2", 4), ("docs:d1", 3)]
    assert apart("m3") == []
    ((back, _),) = apart("docs:d1")
    later(house).merge(["docs:d1", back])  # taken back
    assert apart("docs:d1") == [("mail:m2", 4)]
    assert since("m1") == {"m1": 5, "d1": 5}
    sees_mail = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"mail"}))
    assert revenue.customer("m1", sees_mail).customer.apart == ()


def test_it_is_found_again_from_journal_and_file(house: House, tmp_path: Path) -> None:
    later(house).refresh()
    later(house).merge(["mail:m2", "mail:m3"])
    later(house).unmerge(["docs:d1"])
    told, ground = past(house), house.projection.ground
    assert not wrong(house)
    house.flow.perform(house.projection.rebuild)
    assert past(house) == told
    house.close()
    (tmp_path / "projection.duckdb").unlink()
    for path in tmp_path.glob("projection.duckdb.*"):
        path.unlink()
    again = opened(tmp_path, Clock())
    assert again.caught_up(30)
    assert past(again) == told
    assert again.projection.ground == ground
    assert not wrong(again)
    again.close()


def test_only_those_who_are_linked_otherwise_are_counted_again(house: House) -> None:
    own, other = house.projection.book(), other_rules(house)
    later(house).refresh()
    later(house).merge(["mail:m2", "mail:m3"])
    later(house).unmerge(["docs:d1"])
    assert house.projection.book() is own  # changed where it stands, not read anew
    assert other_rules(house) is other
    people = {person.ids for person in own.persons if len(person.ids) > 1}
    assert people == {(("mail", "m2"), ("mail", "m3"))}
    untouched = past(house, other)
    rows, shown = past(house), list(own.persons)
    house.flow.perform(house.projection.rebuild)
    assert other_rules(house) is not other
    assert past(house, other_rules(house)) == untouched
    assert past(house) == rows
    assert sorted(house.projection.book().persons) == sorted(shown)


def test_other_rules_in_the_file_are_another_map(tmp_path: Path) -> None:
    first = opened(tmp_path, Clock())
    first.journal.append([batch(STORY, NOW - DAY)])
    assert first.caught_up(30)
    first.identity.refresh()
    first.close()
    second = opened(tmp_path, Clock(), Rules(rules=("domain",)))
    assert second.caught_up(30)
    linking = Linking(second.identity, second.flow)
    linking.start()
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20)
    while len(second.projection.ground.merges[0]) < 3:
        assert dt.datetime.now(dt.UTC) < deadline
        second.flow.wait(second.journal.newest + 1, 0.2)
    linking.stop()
    last = second.journal.last("identity")
    assert last is not None
    change = msgspec.json.decode(last.body, type=Relinked)
    assert [len(group) for group in (*change.gone, *change.come)] == [2, 3]
    second.close()


def test_who_is_left_out_joins_nobody(tmp_path: Path) -> None:
    settings = Settings(products=PRODUCTS)
    workspace = msgspec.structs.replace(settings.workspace, exclude=("ann@acme.example",))
    found = House(tmp_path, msgspec.structs.replace(settings, workspace=workspace), Clock())
    found.journal.append([batch(STORY, NOW - DAY)])
    assert found.caught_up(30)
    assert not found.identity.refresh()
    found.close()


def test_the_commands_say_what_is_one_and_note_it(house: House) -> None:
    commands = Commands(house)
    done = commands.customers_merge(["mail:m2", "mail:m3"])
    assert (done.accounts, done.changed) == (("mail:m2", "mail:m3"), True)
    assert commands.customers_unmerge(["mail:m3"]).accounts == ("mail:m3",)
    noted = [(entry.action, entry.about) for entry in people.trail(house.state)]
    assert ("customers_merged", "mail:m2 mail:m3") in noted
    assert ("customer_unmerged", "mail:m3") in noted
