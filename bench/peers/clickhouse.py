"""ClickHouse's engine inside a process (chdb): a MergeTree and two aggregating materialised views.

It runs in a process of its own, which ends with it. By default it acknowledges before the disk has
the rows; `fsync_after_insert` is set where durability is compared.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self, cast

from bench.load import Bodies

NAME = "ClickHouse (chdb)"
_COLUMNS = """product LowCardinality(String), source LowCardinality(String),
  type LowCardinality(String), ts DateTime64(3, 'UTC'), actor String, value Decimal(18, 4),
  currency LowCardinality(String), key String, plan LowCardinality(String),
  country LowCardinality(String), channel LowCardinality(String), reason LowCardinality(String),
  name LowCardinality(String), metadata String"""
_DAYS = """select product, toDate(ts) as day, type, currency, {n} as n, {value} as value
from events group by product, day, type, currency"""
_PEOPLE = """select product, toDate(ts) as day, {actors}(actor) as actors,
  {visitors}(actor, type = 'page_view') as visitors from events group by product, day"""
RAW = {
    "days": _DAYS.format(n="count()", value="sum(value)"),
    "people": _PEOPLE.format(actors="uniqExact", visitors="uniqExactIf"),
}
SUMMED = {
    "days": "select product, day, type, currency, sum(n) as n, sum(value) as value from days"
    " group by product, day, type, currency",
    "people": "select product, day, uniqExactMerge(actors) as actors,"
    " uniqExactIfMerge(visitors) as visitors from people group by product, day",
}
_MAKE = (
    "create table events ({columns}) engine = MergeTree order by (product, type, ts){durable}",
    """create materialized view days engine = SummingMergeTree
order by (product, day, type, currency) as """ + _DAYS.format(n="count()", value="sum(value)"),
    """create materialized view people engine = AggregatingMergeTree order by (product, day) as """
    + _PEOPLE.format(actors="uniqExactState", visitors="uniqExactIfState"),
)  # fmt: skip


class ClickHouse:
    """The engine in a process of its own; a context manager that ends it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._here, there = multiprocessing.get_context("spawn").Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_engine, args=(str(folder), there)
        )
        self._process.start()
        there.close()

    @staticmethod
    def there() -> bool:
        """Whether chdb is installed."""
        return importlib.util.find_spec("chdb") is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._here.send(("stop",))
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()

    def version(self) -> str:
        """The engine's version."""
        return str(self.ask("select version()")[0][0])

    def prepare(self, durable: bool) -> None:
        """Begin with an empty table and its views; `durable`: an insert waits for the disk."""
        self._call("prepare", durable)

    def insert(
        self, bodies: Bodies, per_insert: int, which: Sequence[int] | None = None
    ) -> tuple[float, list[float]]:
        """Insert batches, `per_insert` of them at a time; seconds in all and for each insert."""
        places = bodies.places("tab_sizes")
        chosen = [places[n] for n in (range(len(places)) if which is None else which)]
        found: tuple[float, list[float]] = self._call(
            "insert", str(bodies.tabs), chosen, per_insert
        )
        return found

    def load(self, files: Sequence[Path]) -> float:
        """Fill an empty table from files of tab-separated text; seconds."""
        began = time.perf_counter()
        self.prepare(durable=False)
        for path in files:
            self.run(
                f"insert into events select * from file('{path}', TabSeparated, $${_COLUMNS}$$)"
            )
        return time.perf_counter() - began

    def run(self, sql: str) -> None:
        """A statement without an answer."""
        self._call("ask", sql)

    def ask(self, sql: str) -> list[Any]:
        """The rows of a query."""
        found: list[Any] = self._call("ask", sql)[0]
        return found

    def time(self, queries: Sequence[str], times: int) -> list[float]:
        """Seconds that all the queries together took, each time, inside the engine's process."""
        found: list[float] = self._call("time", list(queries), times)
        return found

    def count(self) -> int:
        """Rows in the table."""
        return int(self.ask("select count() from events")[0][0])

    def size(self) -> int:
        """Bytes of all active parts on disk."""
        sql = "select sum(bytes_on_disk) from system.parts where active and database = 'bench'"
        return int(self.ask(sql)[0][0])

    def has(self, rows: int) -> bool:
        """Whether the table holds so many rows already."""
        exists = self.ask(
            "select count() from system.tables where database = 'bench' and name = 'events'"
        )
        return bool(exists[0][0]) and self.count() == rows

    def _call(self, *words: Any) -> Any:
        self._here.send(words)
        try:
            good, found = self._here.recv()
        except EOFError:
            raise RuntimeError("the ClickHouse process ended") from None
        if not good:
            raise RuntimeError(found)
        return found


def _engine(folder: str, pipe: Connection) -> None:
    # It draws a progress bar on the terminal, whatever it is told.
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    from chdb import session

    own: Any = cast(Any, session).Session(folder)
    own.query("create database if not exists bench")
    own.query("use bench")
    commands: dict[str, Callable[..., Any]] = {
        "prepare": _prepare,
        "insert": _insert,
        "ask": _ask,
        "time": _time,
    }
    while True:
        name, *words = pipe.recv()
        if name == "stop":
            own.close()
            return
        try:
            pipe.send((True, commands[name](own, *words)))
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is told
            pipe.send((False, f"{name}: {error}"))


def _prepare(own: Any, durable: bool) -> None:
    for name in ("days", "people", "events"):
        own.query(f"drop table if exists bench.{name} sync")
    settings = " settings fsync_after_insert = 1, fsync_part_directory = 1" if durable else ""
    for sql in _MAKE:
        own.query(sql.replace("{columns}", _COLUMNS).replace("{durable}", settings))


def _insert(
    own: Any, path: str, places: list[tuple[int, int]], per_insert: int
) -> tuple[float, list[float]]:
    data = Path(path).read_bytes()
    texts = [data[start:end] for start, end in places]
    groups = [
        "insert into bench.events format TabSeparated\n"
        + b"".join(texts[at : at + per_insert]).decode()
        for at in range(0, len(texts), per_insert)
    ]
    delays = []
    began = time.perf_counter()
    for group in groups:
        start = time.perf_counter()
        own.query(group)
        delays.append(time.perf_counter() - start)
    return time.perf_counter() - began, delays


def _ask(own: Any, sql: str) -> list[Any]:
    found = own.query(sql, "JSONCompactEachRow")
    text = found.bytes().decode() if found is not None else ""
    return [[json.loads(line) for line in text.splitlines()]]


def _time(own: Any, queries: list[str], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        for sql in queries:
            own.query(sql, "JSONCompactEachRow").bytes()
        taken.append(time.perf_counter() - began)
    return taken
