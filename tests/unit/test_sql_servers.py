"""Whatever a database does, the events are its rows: each once, none lost."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.databases import SERVERS, Server, missing, shared
from upwell.billing import Origin
from upwell.egress import Guard
from upwell.errors import Unavailable, UpwellError
from upwell.event import Delivery, Translated
from upwell.period import to_micros
from upwell.settings import SqlQuery, SqlSource
from upwell.sources.contract import (
    BadQuery,
    Cursor,
    NotAllowed,
    Opening,
    Page,
    Reader,
    SignIn,
    state_of,
)
from upwell.sources.kinds import kind_named
from upwell.sources.sql.reader import SqlReader

KIND = kind_named("sql")
PRODUCTS = frozenset({"mail", "drive"})
BEGIN = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)
SELECT = (
    "select id, owner, plan, amount, made from orders where (made, id) > "
    "(:cursor_time, :cursor_id) order by made, id"
)
TABLES = {
    "postgresql": "create table orders (id int, owner text, plan text, amount numeric(12, 2), "
    "made timestamptz)",
    "mariadb": "create table orders (id int, owner varchar(80), plan varchar(80), "
    "amount decimal(12, 2), made datetime(6))",
    "sqlite": "create table orders (id integer, owner text, plan text, amount numeric, made text)",
}
ORDERS = SqlQuery(
    name="orders", sql=SELECT, event_type="revenue", timestamp="made", key="id", actor_id="owner",
    value="amount", currency="EUR", metadata=("plan",),
)  # fmt: skip


@pytest.fixture(params=sorted(SERVERS))
def orders(request: pytest.FixtureRequest) -> Server:
    """A database with an empty table of orders."""
    if reason := missing(request.param):
        pytest.skip(reason)
    server = shared(request.param)
    server.run(TABLES[server.name])
    return server


class Reading:
    """A source beside a database: what it was given, kept as the journal does."""

    def __init__(self, server: Server, folder: Path, *queries: SqlQuery, **given: Any) -> None:
        self._server, self._folder = server, folder / "pulls" / "db"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.settings = SqlSource(
            id="db", product="mail", queries=queries, **{"url": server.url, **given}
        )
        self.now = BEGIN
        self.cursor: Cursor | None = None
        self.pages: list[Page] = []
        self.kept: list[Delivery] = []

    def opened(self) -> Reader:
        return SqlReader(
            Opening(
                id="db",
                settings=self.settings,
                secret=str,
                client=Guard().client,
                reach=Guard([f"127.0.0.1:{self._server.port}"]).reach,
                folder=self._folder,
                sleep=lambda _: None,
            ),
            piece=7,
            stretch=20,
        )

    def look(self, pages: int = 1_000_000) -> int:
        """Read all that is due, or so many pages; how many rows were kept."""
        before = sum(page.rows for page in self.pages)
        with closing(self.opened()) as reader:
            self.read(reader, pages)
        return sum(page.rows for page in self.pages) - before

    def read(self, reader: Reader, pages: int = 1_000_000) -> None:
        for page in reader.read(self.cursor, lambda: self.now):
            self.take(page)
            pages -= 1
            if not pages:
                return

    def take(self, page: Page) -> None:
        self.pages.append(page)
        self.cursor = page.cursor
        if page.body:
            self.kept.append(
                Delivery(
                    seq=len(self.kept) + 1, kind="pull", source="db", body=page.body,
                    received_at=to_micros(self.now), about=dict(page.about),
                )
            )  # fmt: skip

    def translated(self) -> list[Translated]:
        given = dict(KIND.given(self.settings))
        origin = Origin(id="db", kind="sql", product="mail", given=given)
        return [KIND.translate(one, origin, PRODUCTS) for one in self.kept]

    def events(self) -> dict[str, dict[str, Any]]:
        """What is counted: of each key the first, or what restates it."""
        found: dict[str, dict[str, Any]] = {}
        restating = any(page.restates for page in self.pages)
        for one in self.translated():
            for row in one.events.to_pylist():
                if restating or row["key"] not in found:
                    found[row["key"]] = row
        return found


def told(reading: Reading) -> Counter[tuple[Any, ...]]:
    return Counter(
        (row["actor"], row["value"], row["ts"], row["plan"]) for row in reading.events().values()
    )


def truth(rows: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (owner, Decimal(amount).quantize(Decimal("1e-9")), to_micros(made), plan)
        for _, owner, plan, amount, made in rows
    )


def some(
    random_: random.Random, first: int, count: int, around: dt.datetime
) -> list[tuple[Any, ...]]:
    """Orders of which many have the same time."""
    return [
        (
            first + at,
            f"u{random_.randrange(9)}",
            random_.choice(["team", "solo", "größe"]),
            f"{random_.randrange(100_000) / 100:.2f}",
            around + dt.timedelta(seconds=random_.randrange(-200, 200) // 20 * 20),
        )
        for at in range(count)
    ]


def put(server: Server, rows: list[tuple[Any, ...]]) -> None:
    plain = server.name == "postgresql"
    if rows:
        server.run(
            "insert into orders values (?, ?, ?, ?, ?)",
            rows=[(*row[:4], row[4] if plain else row[4].replace(tzinfo=None)) for row in rows],
        )


@pytest.mark.parametrize("seed", range(3))
def test_events_are_the_rows_whatever_ends_when(orders: Server, tmp_path: Path, seed: int) -> None:
    """Ties, late commits, a reader killed after any page, a database stopped in between."""
    random_ = random.Random(seed)
    reading = Reading(orders, tmp_path, ORDERS)
    rows: list[tuple[Any, ...]] = []
    for _ in range(6):
        fresh = some(random_, len(rows), random_.randrange(40), reading.now)
        put(orders, fresh)
        rows += fresh
        if random_.random() < 0.3:
            orders.stop()
            with pytest.raises(UpwellError):
                reading.look()
            orders.start()
        reading.look(pages=random_.choice([1, 2, 99]))
        reading.now += dt.timedelta(seconds=random_.choice([0, 30, 60, 7200]))
    reading.look()
    assert told(reading) == truth(rows)
    assert reading.look() == 0


def test_a_row_committed_late_is_found_and_known_rows_are_not_kept_again(
    orders: Server, tmp_path: Path
) -> None:
    reading = Reading(orders, tmp_path, ORDERS)
    rows = some(random.Random(1), 0, 30, BEGIN)
    put(orders, rows)
    assert reading.look() == 30
    late = (99, "late", "team", "5.00", BEGIN - dt.timedelta(minutes=5))
    put(orders, [late])
    reading.now += dt.timedelta(minutes=1)
    assert reading.look() == 1
    assert told(reading) == truth([*rows, late])


def test_a_database_that_goes_away_says_so_and_reading_goes_on(
    orders: Server, tmp_path: Path
) -> None:
    reading = Reading(orders, tmp_path, ORDERS)
    put(orders, some(random.Random(2), 0, 5, BEGIN))
    orders.stop()
    with pytest.raises(UpwellError) as failed:
        reading.look()
    orders.start()
    if orders.name != "sqlite":
        assert isinstance(failed.value, Unavailable)
        assert state_of(failed.value) == "unreachable"
    assert reading.look() == 5


def test_a_row_without_a_key_is_set_aside_with_its_reason(orders: Server, tmp_path: Path) -> None:
    reading = Reading(orders, tmp_path, ORDERS)
    put(orders, [(1, "a", "team", "5.00", BEGIN), (None, "b", "team", "5.00", BEGIN)])
    reading.look()
    (done,) = reading.translated()
    assert done.events["actor"].to_pylist() == ["a"]
    (dead,) = done.dead
    assert "empty" in dead.reason
    assert "orders" in dead.reason
    assert "--" not in dead.reason


def test_a_gauge_is_read_each_time_under_its_minute(orders: Server, tmp_path: Path) -> None:
    gauge = SqlQuery(
        name="seats", sql="select count(*) as seats from orders", event_type="kpi", value="seats"
    )
    reading = Reading(orders, tmp_path, gauge)
    for count in (3, 4):
        put(orders, some(random.Random(3), 0, count, BEGIN))
        reading.look()
        reading.now += dt.timedelta(minutes=1)
    found = reading.events()
    assert [int(row["value"]) for row in found.values()] == [3, 7]
    assert {row["type"] for row in found.values()} == {"kpi"}
    assert [row["ts"] for row in found.values()] == [
        to_micros(BEGIN), to_micros(BEGIN + dt.timedelta(minutes=1)),
    ]  # fmt: skip


def test_a_snapshot_keeps_what_changed_and_restates_it(orders: Server, tmp_path: Path) -> None:
    whole = SqlQuery(
        name="orders", sql="select id, owner, plan, amount, made from orders", event_type="revenue",
        timestamp="made", key="id", actor_id="owner", value="amount", currency="EUR",
        metadata=("plan",), snapshot=True,
    )  # fmt: skip
    reading = Reading(orders, tmp_path, whole)
    rows = some(random.Random(4), 0, 20, BEGIN)
    put(orders, rows)
    assert reading.look() == 20
    orders.run("update orders set amount = 7 where id = 3")
    reading.now += dt.timedelta(minutes=1)
    assert reading.look() == 1
    assert reading.pages[-1].restates or reading.pages[-2].restates
    rows[3] = (*rows[3][:3], "7", rows[3][4])
    assert told(reading) == truth(rows)


@pytest.mark.parametrize(
    ("sql", "error", "says"),
    [
        ("select * from orders", BadQuery, "cursor"),
        ("delete from orders", BadQuery, "select"),
        ("select 1; drop table orders", BadQuery, "select"),
        (SELECT.replace("from orders", "from odrers"), BadQuery, "odrers"),
        (SELECT.replace("plan, amount", "amount"), BadQuery, "plan"),
        (SELECT.replace("plan,", "plam,"), BadQuery, "plam"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_read_says_why(
    orders: Server, tmp_path: Path, sql: str, error: type[UpwellError], says: str
) -> None:
    query = SqlQuery(
        name="orders", sql=sql, event_type="revenue", timestamp="made", key="id", actor_id="owner",
        value="amount", currency="EUR", metadata=("plan",),
    )  # fmt: skip
    put(orders, [(1, "a", "team", "5.00", BEGIN)])
    with pytest.raises(error) as failed:
        Reading(orders, tmp_path, query).look()
    problem = failed.value.problem
    assert says in f"{problem.message} {problem.fix}"
    assert problem.fix
    assert state_of(failed.value) == "query"


def test_a_wrong_password_and_a_private_host_are_told_apart(orders: Server, tmp_path: Path) -> None:
    if orders.name == "sqlite":
        pytest.skip("a file has neither password nor host")
    wrong = orders.url.replace("cret", "wrong")
    with pytest.raises(SignIn):
        Reading(orders, tmp_path, ORDERS, url=wrong).look()
    with pytest.raises(UpwellError) as failed:
        Reading(orders, tmp_path, ORDERS, url=orders.url.replace("127.0.0.1", "127.0.0.2")).look()
    assert failed.value.problem.code == "unsafe_url"


def test_a_table_that_may_not_be_read_is_a_permission(orders: Server, tmp_path: Path) -> None:
    if orders.name != "postgresql":
        pytest.skip("rights on a table are tried on PostgreSQL")
    orders.run("revoke select on orders from reader")
    with pytest.raises(NotAllowed):
        Reading(orders, tmp_path, ORDERS).look()


def test_a_query_that_takes_too_long_is_stopped(orders: Server, tmp_path: Path) -> None:
    slow = {
        "postgresql": "select 1 as n from pg_sleep(5)",
        "mariadb": "select sleep(5) as n",
        "sqlite": "with recursive c(n) as (select 1 union all select n + 1 from c "
        "where n < 300000000) select count(*) as n from c",
    }[orders.name]
    query = SqlQuery(name="slow", sql=slow, event_type="kpi", value="n")
    with pytest.raises(BadQuery) as failed:
        Reading(orders, tmp_path, query, timeout="1s").look()
    assert "1 s" in failed.value.problem.message


def test_it_can_be_read_once_more_from_a_day_on(orders: Server, tmp_path: Path) -> None:
    reading = Reading(orders, tmp_path, ORDERS)
    old = some(random.Random(5), 0, 25, BEGIN - dt.timedelta(days=9))
    new = some(random.Random(6), 100, 15, BEGIN)
    put(orders, old + new)
    assert reading.look() == 40
    since = int((BEGIN - dt.timedelta(days=1)).timestamp())
    assert reading.cursor is not None
    reading.cursor = KIND.again(reading.cursor, since, int(BEGIN.timestamp()) + 1)
    assert reading.look() == 15
    reading.cursor = KIND.again(reading.cursor, 0, int(BEGIN.timestamp()) + 2)
    assert reading.look() == 40
    assert told(reading) == truth(old + new)


def test_a_row_of_the_future_hides_none_that_come_before_it(orders: Server, tmp_path: Path) -> None:
    reading = Reading(orders, tmp_path, ORDERS)
    put(orders, [(1, "a", "team", "5.00", BEGIN + dt.timedelta(days=99))])
    assert reading.look() == 1
    for number in range(2, 5):
        reading.now += dt.timedelta(minutes=30)
        put(orders, [(number, "b", "team", "5.00", reading.now - dt.timedelta(minutes=1))])
        assert reading.look() == 1


def test_a_column_that_changes_its_type_is_named(orders: Server, tmp_path: Path) -> None:
    if orders.name == "sqlite":
        pytest.skip("a column of SQLite has no type")
    reading = Reading(orders, tmp_path, ORDERS)
    put(orders, [(1, "a", "team", "5.00", BEGIN)])
    reading.look()
    to = {"postgresql": "alter column id type text", "mariadb": "modify id varchar(20)"}
    orders.run(f"alter table orders {to[orders.name]}")
    with pytest.raises(BadQuery) as failed:
        reading.look()
    problem = failed.value.problem
    assert problem.code == "changed_type"
    assert "'id' of 'orders' was" in problem.message
    reading.cursor = KIND.again(reading.cursor or {}, int(BEGIN.timestamp()) - 60, 0)
    assert reading.look() == 1


def test_one_wrong_query_holds_up_no_other(orders: Server, tmp_path: Path) -> None:
    wrong = msgspec.structs.replace(ORDERS, name="wrong", sql=SELECT.replace("orders", "gone"))
    put(orders, [(1, "a", "team", "5.00", BEGIN)])
    reading = Reading(orders, tmp_path, wrong, ORDERS)
    with pytest.raises(BadQuery):
        reading.look()
    assert sum(page.rows for page in reading.pages) == 1
    assert reading.pages[-1].complete_to is None


@pytest.mark.parametrize(
    ("given", "says"),
    [({"timezone": "Mars"}, "time zone"), ({"every": "soon"}, "span"), ({"queries": ()}, "read")],
)
def test_settings_that_are_wrong_are_said_before_anything_is_asked(
    orders: Server, tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    reading = Reading(orders, tmp_path, ORDERS)
    reading.settings = msgspec.structs.replace(reading.settings, **given)
    with pytest.raises(BadQuery) as failed:
        reading.look()
    assert says in failed.value.problem.message


def test_the_past_may_rest_for_days_while_rows_are_committed_late(
    orders: Server, tmp_path: Path
) -> None:
    reading = Reading(orders, tmp_path, ORDERS)
    rows = [(n, "a", "team", "5.00", BEGIN - dt.timedelta(seconds=30 - n)) for n in range(30)]
    put(orders, rows)
    reading.look(pages=3)
    late = (99, "late", "team", "5.00", BEGIN - dt.timedelta(seconds=29))
    put(orders, [late])
    reading.now += dt.timedelta(days=2)
    newer = [(n, "b", "solo", "5.00", reading.now - dt.timedelta(hours=1)) for n in range(200, 230)]
    put(orders, newer)
    reading.look()
    reading.look()
    assert told(reading) == truth([*rows, late, *newer])
