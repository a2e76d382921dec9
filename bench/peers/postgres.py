"""PostgreSQL with one table of events and two materialised views, in a cluster of its own.

Durability is PostgreSQL's default (fsync, synchronous_commit). It runs as the account `postgres`
where we are root, because it refuses to run as root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psycopg

from bench.house import free_port, until
from bench.load import Bodies

NAME = "PostgreSQL"
BIN = Path("/usr/lib/postgresql/15/bin")
ACCOUNT = "postgres"

EVENTS = """
create table if not exists events(
  product text, source text, type text, ts timestamptz, actor text, value numeric, currency text,
  key text, plan text, country text, channel text, reason text, name text, metadata text);
"""
UNIQUE = "create unique index events_key on events(product, source, key)"
DAYS = """
select product, (ts at time zone 'UTC')::date as day, type, currency, count(*) as n,
  sum(value) as value
from events group by 1, 2, 3, 4"""
PEOPLE = """
select product, (ts at time zone 'UTC')::date as day, count(distinct actor) as actors,
  count(distinct actor) filter (where type = 'page_view') as visitors
from events group by 1, 2"""
VIEWS = {"days": DAYS, "people": PEOPLE}
CONFLICT = "insert into events select * from staging on conflict do nothing"


class Postgres:
    """A running cluster; a context manager that stops it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._as = ACCOUNT if os.geteuid() == 0 else None
        if not (folder / "PG_VERSION").exists():
            folder.mkdir(parents=True, exist_ok=True)
            if self._as:
                shutil.chown(folder, self._as, self._as)
            folder.chmod(0o700)
            self._run("initdb", "-D", folder, "-A", "trust", "-U", "bench", "--locale=C",
                      "--encoding=UTF8")  # fmt: skip
        self._start()

    @staticmethod
    def there() -> bool:
        """Whether PostgreSQL 15 is installed."""
        return (BIN / "initdb").exists()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "-D", self.folder, "-m", "fast", "-w", "stop")

    def connect(self) -> psycopg.Connection[Any]:
        """A connection in UTC."""
        return psycopg.connect(
            f"host=127.0.0.1 port={self.port} user=bench dbname=postgres options='-c timezone=UTC'"
        )

    def prepare(self) -> None:
        """Begin with an empty table, its unique key and views."""
        with self.connect() as db:
            db.execute("drop table if exists events cascade")
            db.execute(EVENTS)
            db.execute(UNIQUE)
            self._make_views(db)

    def insert(
        self, bodies: Bodies, connections: int, which: Sequence[int] | None = None
    ) -> tuple[float, list[float]]:
        """Commit batch after batch; seconds in all and for each.

        The rows of a batch are copied into a temporary table and, where their key is new, inserted.
        """
        places = bodies.places("tab_sizes")
        waiting = iter([places[n] for n in (range(len(places)) if which is None else which)])
        data = bodies.tabs.read_bytes()
        lock, delays = threading.Lock(), list[float]()
        failures: list[psycopg.Error] = []

        def work() -> None:
            with self.connect() as db:
                db.execute("create temp table staging (like events) on commit delete rows")
                db.commit()
                while not failures:
                    with lock:
                        start, end = next(waiting, (0, 0))
                    if not end:
                        return
                    began = time.perf_counter()
                    with db.cursor() as cursor:
                        with cursor.copy("copy staging from stdin") as copy:
                            copy.write(data[start:end])
                        cursor.execute(CONFLICT)
                    db.commit()
                    delays.append(time.perf_counter() - began)

        def safely() -> None:
            try:
                work()
            except psycopg.Error as error:
                failures.append(error)

        began = time.perf_counter()
        threads = [threading.Thread(target=safely) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return time.perf_counter() - began, delays

    def load(self, files: Iterable[Path]) -> float:
        """Fill the table at once from files of tab-separated text, then index it; seconds."""
        began = time.perf_counter()
        with self.connect() as db:
            db.execute("drop table if exists events cascade")
            db.execute(EVENTS)
            with db.cursor() as cursor, cursor.copy("copy events from stdin (freeze)") as copy:
                for path in files:
                    with path.open("rb") as file:
                        while part := file.read(1 << 20):
                            copy.write(part)
            db.execute(UNIQUE)
            self._make_views(db)
            db.commit()
            db.autocommit = True
            db.execute("vacuum analyze")
        return time.perf_counter() - began

    def refresh(self) -> float:
        """Bring both views up to date; seconds."""
        began = time.perf_counter()
        with self.connect() as db:
            for name in VIEWS:
                db.execute(f"refresh materialized view {name}")
        return time.perf_counter() - began

    def count(self) -> int:
        """Rows in the table."""
        return int(self.ask("select count(*) from events")[0][0])

    def ask(self, sql: str) -> list[Any]:
        """The rows of a query."""
        with self.connect() as db:
            return list(db.execute(sql.encode()).fetchall())

    def size(self) -> int:
        """Bytes of the table, its index and the views on disk."""
        names = ["events", *VIEWS]
        return sum(int(self.ask(f"select pg_total_relation_size('{n}')")[0][0]) for n in names)

    def has(self, rows: int) -> bool:
        """Whether the table holds so many rows already."""
        with suppress(psycopg.Error):
            return self.count() == rows
        return False

    def _make_views(self, db: psycopg.Connection[Any]) -> None:
        for name, sql in VIEWS.items():
            db.execute(f"create materialized view {name} as {sql}".encode())

    def _start(self) -> None:
        settings = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
            " -c shared_buffers=1GB -c max_wal_size=4GB -c jit=off"
        )
        log = self.folder / "server.log"
        self._run("pg_ctl", "-D", self.folder, "-l", log, "-w", "-o", settings, "start")
        until(self._answers, 30, "PostgreSQL to answer")

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False

    def _run(self, program: str, *words: str | Path) -> None:
        done = subprocess.run(
            [str(BIN / program), *map(str, words)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
            user=self._as, group=self._as, cwd="/", extra_groups=[] if self._as else None,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")
