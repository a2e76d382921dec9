"""A server killed in the middle of a history that it reads: the vendor's own totals in the end."""

from __future__ import annotations

import datetime as dt
import json
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.faults.harness import FULL, Crashing
from tests.faults.nursery import Nursery
from upwell.demo.mixpanel import FakeMixpanel, Generated, serve

DAYS, PER_DAY, KILLS = (12, 40_000, 20) if FULL else (5, 12_000, 3)
LAST = 8  # days ago: of older days everything has arrived, so that totals stand
SOURCES = """
[server]
allow_private_urls = ["127.0.0.1"]

[[sources]]
id = "app"
kind = "mixpanel"
product = "mail"
project_id = "{project}"
username = "{user}"
secret = "file:{secret}"
api_base = "{address}"
since = {since}
every = "1h"

[[sources]]
id = "shop"
kind = "sql"
product = "docs"
url = "file:{url}"

[[sources.queries]]
name = "orders"
sql = '''select id, at, who from orders where (at, id) > (:cursor_time, :cursor_id)
order by at, id limit 2000'''
event_type = "signup"
timestamp = "at"
key = "id"
actor_id = "who"
"""


def _database(path: Path, rows: int) -> None:
    begins = dt.datetime(2026, 1, 1)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table orders (id integer primary key, at text, who text)")
        times = ((begins + dt.timedelta(seconds=n // 3)).isoformat(" ") for n in range(rows))
        db.executemany(
            "insert into orders values (?, ?, ?)",
            ((n, at, f"u{n % 700}") for n, at in enumerate(times)),
        )


def _journaled(server: Crashing) -> int:
    """How many pages are kept."""
    if not (server.data / "journal.sqlite").exists():
        return 0
    with closing(sqlite3.connect(f"file:{server.data / 'journal.sqlite'}?mode=ro", uri=True)) as db:
        try:
            found = db.execute("select count(*) from deliveries where kind = 'pull'").fetchone()
        except sqlite3.OperationalError:  # it is being made
            return 0
    return int(found[0])


def _counted(data: Path) -> dict[str, tuple[int, int]]:
    """By source: events, and their keys, each once."""
    with duckdb.connect(str(data / "projection.duckdb"), read_only=True) as db:
        rows = db.execute(
            """select product, count(*), count(distinct (key_low, key_high)) from events
            where superseded_at is null and type not in ('identify', 'merge') group by all"""
        ).fetchall()
    return {str(product): (count, keys) for product, count, keys in rows}


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_what_is_read_survives_every_kill(tmp_path: Path, tell: Callable[[str], None]) -> None:
    dice, rows = random.Random(39), DAYS * PER_DAY
    today = int(time.time() // 86_400)
    first = today - LAST - DAYS + 1
    fake = FakeMixpanel(Generated(first, today - LAST, PER_DAY), time.time)
    server = Crashing(tmp_path / "house")
    _database(tmp_path / "shop.db", rows)
    (tmp_path / "secret").write_text(fake.account[1])
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path / 'shop.db'}")
    with serve(fake) as address:
        given = SOURCES.format(
            project=fake.project_id,
            user=fake.account[0],
            secret=tmp_path / "secret",
            address=address,
            since=dt.date.fromordinal(dt.date(1970, 1, 1).toordinal() + first),
            url=tmp_path / "url",
        )
        server.config.write_text(server.config.read_text() + given)
        with Nursery(server) as nursery:
            for _ in range(KILLS):
                before, until = _journaled(server), time.monotonic() + 60
                nursery.start()
                while _journaled(server) == before:
                    assert server.alive(), server.log.read_text()[-3000:]
                    assert time.monotonic() < until, "It reads nothing."
                    time.sleep(0.01)
                time.sleep(dice.uniform(0, 0.3))
                server.kill()
        stood = _journaled(server)
        assert stood >= KILLS, "it was killed before it read"
        done = json.loads(server.run("sync", "--json", timeout=600))
        assert [one["ok"] for one in done["sources"]] == [True, True], done
        said = json.loads(server.run("verify", "--json"))
    counted = _counted(server.data)
    tell(
        f"{KILLS} kills while two histories of {rows:,} events were read ({stood} pages "
        f"kept till then): {counted}; verify: {'ok' if said['ok'] else said}"
    )
    assert counted == {"mail": (rows, rows), "docs": (rows, rows)}
    assert said["ok"], said
