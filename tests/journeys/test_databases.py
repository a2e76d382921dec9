"""The guide's own configuration, read from a real database to the numbers."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Server, missing, shared
from upwell.app.checks import verify
from upwell.app.commands import Commands
from upwell.app.house import House
from upwell.errors import Rejected
from upwell.settings import load

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "databases.md"
HEAD = """
[server]
allow_private_urls = ["127.0.0.1:{port}"]
[[products]]
id = "mail"
"""
TABLES = (
    "create table projects (id int, owner_id varchar(20), created_at {at})",
    "create table orders (id int, customer_id varchar(20), total numeric(12, 2), "
    "currency varchar(3), plan varchar(20), paid_at {at}, status varchar(20))",
    "create table seats (plan varchar(20), active boolean)",
    "create table deals (id int, customer_id varchar(20), amount numeric(12, 2), closed_at {at})",
)


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    """A database with the tables of the guide."""
    if reason := missing(request.param):
        pytest.skip(reason)
    found = shared(request.param)
    at = {"postgresql": "timestamptz", "mariadb": "datetime(6)"}[found.name]
    found.run(*(table.format(at=at) for table in TABLES))
    when = "2026-02-2{} 10:00:00"
    found.run(
        "insert into projects values (?, ?, ?)",
        rows=[(n, f"u{n}", when.format(n % 3)) for n in range(30)],
    )
    found.run(
        "insert into orders values (?, ?, ?, ?, ?, ?, ?)",
        rows=[
            (n, f"c{n % 5}", Decimal("9.99"), "USD" if n else "XXY", "team", when.format(n % 3), s)
            for n, s in enumerate(["paid"] * 21 + ["open"] * 9)
        ],
    )
    found.run("insert into seats values (?, ?)", rows=[("team", True)] * 7 + [("solo", False)])
    found.run(
        "insert into deals values (?, ?, ?, ?)",
        rows=[(1, "c1", 100, when.format(1)), (2, "c2", 5, None)],
    )
    return found


@pytest.fixture
def house(server: Server, tmp_path: Path) -> Iterator[House]:
    """The guide's configuration of a database; its chapter of BigQuery is tried by itself."""
    text, chapter, _ = GUIDE.read_text().partition("\n## Google Analytics through BigQuery\n")
    assert chapter
    parts = re.findall(r"^( *)```toml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    tables = "\n".join(re.sub(f"(?m)^{indent}", "", part) for indent, part in parts)
    path = tmp_path / "upwell.toml"
    path.write_text(HEAD.format(port=server.port) + tables)
    with closing(House(tmp_path / "data", load(path, {}), lambda: NOW)) as found:
        found.env["MAIL_DB_URL"] = server.url
        yield found


def _synced(house: House) -> dict[str, Any]:
    """What became of the first source."""
    steps = Commands(house).sync()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return dict(done.value["sources"][0])


def _sums(house: House) -> dict[tuple[str, str], tuple[int, Decimal]]:
    house.caught_up()
    rows = house.projection.reader().execute(
        "select type, name, count(*), sum(value) from events where superseded_at is null "
        "group by 1, 2"
    )
    return {(kind, name): (count, total) for kind, name, count, total in rows.fetchall()}


def test_the_guides_configuration_counts_what_is_in_the_tables(
    house: House, server: Server
) -> None:
    assert _synced(house)["ok"]
    expected = {
        ("activation", "projects"): (30, Decimal(30)),
        ("revenue", "orders"): (20, Decimal("199.80")),
        ("kpi", "paying_seats"): (1, Decimal(7)),
        ("revenue", "deals"): (1, Decimal(100)),
    }
    assert _sums(house) == expected
    (dead,) = house.dead_letters(10)
    assert "XXY" in dead.reason
    server.run("update deals set amount = 70 where id = 1")
    server.run("insert into projects values (99, 'u1', '2026-02-22 09:58:00')")
    assert _synced(house)["ok"]
    expected["revenue", "deals"] = (1, Decimal(70))
    expected["activation", "projects"] = (31, Decimal(31))
    assert _sums(house) == expected
    assert [check["detail"] for check in verify(house) if not check["ok"]] == []


def test_a_database_that_is_gone_is_told_and_comes_back(house: House, server: Server) -> None:
    server.stop()
    failed = _synced(house)
    server.start()
    assert not failed["ok"]
    assert "does not answer" in failed["error"]
    assert _synced(house)["ok"]
    assert _sums(house)["activation", "projects"][0] == 30


def test_a_query_is_tried_and_connected_by_a_person(
    house: House, server: Server, tmp_path: Path
) -> None:
    commands = Commands(house)
    query: dict[str, Any] = {"name": "tries", "sql": "select * from projects"}
    settings: dict[str, Any] = {"url": server.url, "product": "mail", "queries": [query]}
    first = commands.source_preview(settings)
    assert len(first.rows) == 20
    assert first.problem is not None
    query |= {**first.guessed, "event_type": "signup"}
    second = commands.source_preview(settings)
    assert second.problem is not None
    assert "where (created_at, id) >" in second.problem.fix
    query["sql"] += " where (created_at, id) > (:cursor_time, :cursor_id)"
    whole = commands.source_preview(settings)
    assert (whole.problem, whole.way, len(whole.events)) == (None, "cursor", 20)
    assert all(one.event.event_type == "signup" for one in whole.events)
    assert [link.id for link in house.links.every()] == ["mail-db"], "nothing was kept"
    asked = {"id": "tries", "kind": "sql", "settings": settings}
    with pytest.raises(Rejected):
        commands.source_connect(asked | {"settings": settings | {"timezone": "Mars"}})
    made = commands.source_connect(asked)
    assert made.found[1] == "tries: id, owner_id, created_at"
    url = server.url.encode()
    assert url not in (tmp_path / "data" / "state.sqlite").read_bytes()
    assert _synced(house)["ok"]
    assert _sums(house)["signup", "tries"] == (30, Decimal(30))
