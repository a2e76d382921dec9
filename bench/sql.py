"""A table of PostgreSQL read through to the sums: rows a second, and memory."""

from __future__ import annotations

import datetime as dt
import resource
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.figures import NONE, Section, Table, rate
from bench.peers.postgres import Postgres
from upwell.billing import Origin
from upwell.event import Delivery
from upwell.flow import Flow
from upwell.journal import Journal
from upwell.period import to_micros
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.settings import SqlQuery, SqlSource
from upwell.sources.contract import Cursor, Opening, Reader
from upwell.sources.sql import KIND

NOW = dt.datetime(2026, 11, 2, 9, 30, tzinfo=dt.UTC)
ROWS = 1_000_000
TARGET = 60.0  # seconds for a million rows

# 200 orders a moment at the most: pages end among rows of one time.
FILL = """
create table orders as
select n as id, 'u' || n % 50000 as owner, (array['team', 'solo', 'free'])[1 + n % 3] as plan,
  (n % 9900)::numeric / 100 as amount,
  timestamptz '2026-01-01' + (n / 200) * interval '80 seconds' * {step} as made
from generate_series(1, {rows}) n;
create index on orders (made, id);
analyze orders
"""
ORDERS = SqlQuery(
    name="orders",
    sql="select id, owner, plan, amount, made from orders "
    "where (made, id) > (:cursor_time, :cursor_id) order by made, id",
    event_type="revenue",
    timestamp="made",
    key="id",
    actor_id="owner",
    value="amount",
    currency="EUR",
    metadata=("plan",),
)


class Read(NamedTuple):
    """What reading the table took."""

    rows: int
    pages: int
    events: int
    wall: float
    cpu: float
    kept: int  # bytes in the journal
    rss: int


def run(work: Path, quick: bool) -> Section:
    """Read a table from its first row to its last, then look once more."""
    rows = ROWS // 20 if quick else ROWS
    folder = work / "sql"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pulls" / "shop").mkdir(parents=True)
    notes = [
        "PostgreSQL 15 on this machine, read in read-only transactions by the cursor (time, key), "
        "translated, journaled and counted in one process, one after the other.",
        "The second look finds nothing new: it reads what may have been committed late.",
        "Wall time is that of whatever else ran on the machine; CPU is this process alone, "
        "without PostgreSQL's.",
    ]
    found = [(name, *_row(read)) for name, read in _measured(folder, work, rows)]
    return Section(
        name="sql",
        title="A table of a database, through to the sums",
        notes=tuple(notes),
        tables=(
            Table(
                title=f"{rows:,} orders",
                columns=(
                    "look", "rows", "pages", "events", "rows/s", "wall", "CPU here", "journal",
                    "memory at the most", "target",
                ),
                rows=tuple(found),
            ),
        ),
    )  # fmt: skip


def _row(read: Read) -> tuple[str, ...]:
    million = f"1 M in {TARGET:.0f} s: {ROWS / max(1, read.rows) * read.wall:.0f} s"
    return (
        f"{read.rows:,}", f"{read.pages:,}", f"{read.events:,}", rate(read.rows / read.wall),
        f"{read.wall:.1f} s", f"{read.cpu:.1f} s", f"{read.kept / 1e6:.1f} MB",
        f"{read.rss / 1e6:.0f} MB", million if read.events else NONE,
    )  # fmt: skip


def _measured(folder: Path, work: Path, rows: int) -> list[tuple[str, Read]]:
    with Postgres(work / "sql-postgres") as server:
        with server.connect() as db:
            db.execute("drop table if exists orders")
            for statement in FILL.format(rows=rows, step=ROWS / rows).split(";"):
                db.execute(statement.encode())
        url = f"postgresql://bench@127.0.0.1:{server.port}/postgres"
        source = SqlSource(id="shop", product="mail", url=url, queries=(ORDERS,))
        journal, projection = Journal.open(folder), Projection(folder, memory="512MB")
        flow = Flow(journal, projection)
        opening = Opening(
            id="shop", settings=source, secret=str, client=_no_client, reach=_anywhere,
            folder=folder / "pulls" / "shop", sleep=lambda _: None,
        )  # fmt: skip
        reader = KIND.open(opening)
        try:
            journal.append([_stands(source)])
            while flow.follow():
                pass
            first, cursor = _read(reader, None, NOW, journal, flow)
            again, _ = _read(reader, cursor, NOW + dt.timedelta(minutes=1), journal, flow)
            return [("from the first row", first), ("a minute later", again)]
        finally:
            reader.close()
            projection.close()
            journal.close()


def _stands(source: SqlSource) -> Delivery:
    origin = Origin(id="shop", kind="sql", product="mail", given=dict(KIND.given(source)))
    ground = Ground(products=(GroundProduct(id="mail"),), sources=(origin,))
    body = msgspec.json.encode(ground)
    return Delivery(kind="config", source="upwell", received_at=to_micros(NOW), body=body)


def _read(
    reader: Reader, cursor: Cursor | None, now: dt.datetime, journal: Journal, flow: Flow
) -> tuple[Read, Cursor | None]:
    before = sum(seen.events for seen in flow.projection.seen().values())
    began, used = time.perf_counter(), time.process_time()
    rows = pages = kept = 0
    for page in reader.read(cursor, lambda: now):
        cursor, rows, kept, pages = page.cursor, rows + page.read, kept + len(page.body), pages + 1
        about: dict[str, Any] = {**page.about, "of": "sql", "pull": cursor}
        about |= {name: True for name in ("history", "restates") if getattr(page, name)}
        at = to_micros(now)
        if page.keep or page.body:
            journal.append(
                [Delivery(kind="pull", source="shop", received_at=at, about=about, body=page.body)]
            )
        while flow.follow():
            pass
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    events = sum(seen.events for seen in flow.projection.seen().values()) - before
    return Read(
        rows,
        pages,
        events,
        wall,
        cpu,
        kept,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    ), cursor


def _no_client(timeout: float) -> Any:
    raise AssertionError(timeout)


def _anywhere(host: str, port: int) -> None:
    """The database is on this machine."""
