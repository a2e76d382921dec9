"""The database of one product: who signed up and who got going, as its own program keeps it."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from upwell.demo.cast import Company
from upwell.demo.rhythm import today_of
from upwell.demo.story import tell
from upwell.event import GrowthEvent
from upwell.period import to_micros
from upwell.settings import SqlQuery, SqlSource

DATABASE = "books"
"""The product whose database Upwell reads."""

HELD = frozenset({"signup", "activation"})
FILE = "books.sqlite"
_TABLES = """
create table if not exists accounts(
  id text primary key, created_at text not null, country text, channel text, plan text);
create index if not exists accounts_by_time on accounts(created_at, id);
create table if not exists openings(
  account_id text primary key, opened_at text not null, country text, channel text, plan text);
create index if not exists openings_by_time on openings(opened_at, account_id);
"""
_decode = msgspec.json.Decoder(GrowthEvent).decode


def source(folder: Path) -> SqlSource:
    """The source as the configuration has it."""
    return SqlSource(
        id="books-db",
        product=DATABASE,
        url=f"sqlite:///{(folder / FILE).absolute()}",
        queries=(
            SqlQuery(
                name="accounts",
                sql="select id, created_at, country, channel, plan from accounts"
                " where (created_at, id) > (:cursor_time, :cursor_id) order by created_at, id",
                event_type="signup",
                key="id",
                actor_id="id",
                timestamp="created_at",
                metadata=("country", "channel", "plan"),
            ),
            SqlQuery(
                name="openings",
                sql="select account_id, opened_at, country, channel, plan from openings"
                " where (opened_at, account_id) > (:cursor_time, :cursor_id)"
                " order by opened_at, account_id",
                event_type="activation",
                key="account_id",
                actor_id="account_id",
                timestamp="opened_at",
                metadata=("country", "channel", "plan"),
            ),
        ),
    )


def fill(
    folder: Path, company: Company, told: dt.datetime, until: dt.datetime, scale: float
) -> None:
    """Let the database hold what the story says until then; what it holds already stays."""
    story = tell(company, today_of(company, told), scale).only(DATABASE)
    rows = story.lines(story.begins, -(-to_micros(until) // 1_000_000))
    write(folder, (_decode(line) for _, line in rows))


def write(folder: Path, events: Iterable[GrowthEvent]) -> None:
    """Let the product's program write down what happened."""
    rows: dict[str, list[tuple[object, ...]]] = {kind: [] for kind in HELD}
    for event in events:
        if event.event_type in HELD:
            at, said = event.timestamp.strftime("%Y-%m-%d %H:%M:%S.%f"), event.metadata
            told = (said.get(name) for name in ("country", "channel", "plan"))
            rows[event.event_type].append((event.actor_id, at, *told))
    with closing(sqlite3.connect(folder / FILE)) as db, db:
        db.executescript(_TABLES)
        db.executemany("insert or ignore into accounts values (?, ?, ?, ?, ?)", rows["signup"])
        db.executemany("insert or ignore into openings values (?, ?, ?, ?, ?)", rows["activation"])
