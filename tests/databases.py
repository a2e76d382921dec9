"""Real database servers for tests, each on its own port and folder.

The folders do not lie among pytest's, which the accounts of servers may not enter.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
import sqlite3
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psycopg
import pymysql

_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_WAIT = 20.0  # seconds for a server to answer


class Server(Protocol):
    """A database that tests write to by `run`, and read by `url`."""

    name: str
    port: int

    @property
    def url(self) -> str:
        """Where it is read, with a user that may only read."""
        ...

    def run(self, *statements: str, rows: Sequence[Sequence[Any]] = ()) -> None:
        """Execute statements and commit; with rows the last one once for each."""
        ...

    def clear(self) -> None:
        """Take all tables away."""
        ...

    def start(self) -> None:
        """Let it answer."""
        ...

    def stop(self) -> None:
        """End it as a crash does."""
        ...


def missing(name: str) -> str:
    """Why a server cannot be started here; '' where it can."""
    if name == "postgresql" and not _POSTGRES:
        return "PostgreSQL is not installed: make postgresql"
    if name == "mariadb" and not _mariadbd():
        return "MariaDB is not installed: make mariadb"
    return ""


def _mariadbd() -> str:
    return shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin") or ""


@contextmanager
def serving(name: str) -> Iterator[Server]:
    """A server of that name, until the end."""
    with TemporaryDirectory(prefix="upwell-db-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        server = SERVERS[name](Path(folder) / name)
        server.start()
        try:
            yield server
        finally:
            server.stop()


_RUNNING: dict[str, Server] = {}
_ENDING = ExitStack()


def shared(name: str) -> Server:
    """A server of that name that tests share, with no table in it; `end` ends it."""
    if name not in _RUNNING:
        _RUNNING[name] = _ENDING.enter_context(serving(name))
    server = _RUNNING[name]
    server.clear()
    return server


def end() -> None:
    """End the servers that tests share."""
    _RUNNING.clear()
    _ENDING.close()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port: int = found.getsockname()[1]
        return port


class _Process(ABC):
    """A server process that is started and ended; as another user where this one is root."""

    account = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, self.account, self.account)
            folder.chmod(0o700)
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Make its files."""

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def answers(self) -> None:
        """Raises while it does not."""

    def start(self) -> None:
        """Let it answer."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd="/", **self._as()
            )
        ends = time.monotonic() + _WAIT
        while True:
            try:
                self.answers()
            except (psycopg.Error, pymysql.Error, OSError):
                if time.monotonic() > ends or self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2_000:]) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(self.signal)
            process.wait(timeout=_WAIT)

    signal = 3  # SIGQUIT

    def _as(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        return {"user": self.account, "group": self.account, "extra_groups": []}

    def _call(self, *words: str) -> None:
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", check=False,
            **self._as(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stdout.decode(errors="replace")[-2_000:])


class Postgres(_Process):
    """PostgreSQL, in UTC, with a user that may only read: `reader`, password `se:cret@1`."""

    name, account = "postgresql", "postgres"

    @property
    def url(self) -> str:
        return f"postgresql://reader:se%3Acret%401@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        data = str(self.folder / "data")
        self._call(
            str(_POSTGRES[-1] / "initdb"), "-D", data, "-A", "scram-sha-256", "-U", "owner",
            "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync", f"--pwfile={self._password()}",
        )  # fmt: skip

    def _password(self) -> Path:
        path = self.folder / "password"
        path.write_text("owner")
        path.chmod(0o644)
        return path

    def command(self) -> list[str]:
        return [
            str(_POSTGRES[-1] / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
            "-c", "max_connections=20", "-c", "shared_buffers=32MB",
        ]  # fmt: skip

    def answers(self) -> None:
        with self._connect() as found:
            found.execute(
                "do $$ begin create role reader login password 'se:cret@1'; "
                "alter default privileges grant select on tables to reader; "
                "exception when duplicate_object then null; end $$"
            )

    def run(self, *statements: str, rows: Sequence[Sequence[Any]] = ()) -> None:
        with self._connect() as found, found.cursor() as cursor:
            for statement in statements[: len(statements) - bool(rows)]:
                cursor.execute(statement.encode())
            if rows:
                cursor.executemany(statements[-1].replace("?", "%s").encode(), rows)

    def clear(self) -> None:
        self.run(
            "drop schema public cascade",
            "create schema public",
            "grant usage on schema public to reader",
        )

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            f"host=127.0.0.1 port={self.port} user=owner password=owner dbname=postgres"
            " connect_timeout=5"
        )


class Maria(_Process):
    """MariaDB, with the database `shop` and a user that may only read it."""

    name, account, signal = "mariadb", "mysql", 9

    @property
    def url(self) -> str:
        return f"mariadb://reader:se%3Acret%401@127.0.0.1:{self.port}/shop"

    def prepare(self) -> None:
        self._call(
            "mariadb-install-db", "--no-defaults", f"--datadir={self.folder / 'data'}",
            "--skip-test-db", "--auth-root-authentication-method=normal", "--skip-name-resolve",
        )  # fmt: skip

    def command(self) -> list[str]:
        return [
            _mariadbd(), "--no-defaults", f"--datadir={self.folder / 'data'}",
            f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
            f"--socket={self.folder / 'socket'}", f"--pid-file={self.folder / 'pid'}",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M",
            "--default-time-zone=+03:00",
        ]  # fmt: skip

    def answers(self) -> None:
        with closing(self._connect(None)) as found, found.cursor() as cursor:
            cursor.execute("create database if not exists shop character set utf8mb4")
            cursor.execute("create user if not exists reader@'%' identified by 'se:cret@1'")
            cursor.execute("grant select on shop.* to reader@'%'")

    def run(self, *statements: str, rows: Sequence[Sequence[Any]] = ()) -> None:
        with closing(self._connect("shop")) as found, found.cursor() as cursor:
            cursor.execute("set session time_zone = '+00:00'")
            for statement in statements[: len(statements) - bool(rows)]:
                cursor.execute(statement)
            if rows:
                cursor.executemany(statements[-1].replace("?", "%s"), rows)
            found.commit()

    def clear(self) -> None:
        with closing(self._connect(None)) as found, found.cursor() as cursor:
            cursor.execute("drop database shop")
            cursor.execute("create database shop character set utf8mb4")

    def _connect(self, database: str | None) -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, connect_timeout=5
        )


class Sqlite:
    """A file of SQLite; `stop` takes it away, `start` brings it back."""

    name, port = "sqlite", 0

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "app file.db"
        sqlite3.connect(self._path).close()
        self._path.touch()
        self.url = f"sqlite:///{self._path}"

    def clear(self) -> None:
        self._path.write_bytes(b"")

    def start(self) -> None:
        with suppress(FileNotFoundError):
            self._path.with_suffix(".away").rename(self._path)

    def stop(self) -> None:
        self._path.rename(self._path.with_suffix(".away"))

    def run(self, *statements: str, rows: Sequence[Sequence[Any]] = ()) -> None:
        with closing(sqlite3.connect(self._path)) as found, found:
            for statement in statements[: len(statements) - bool(rows)]:
                found.execute(statement)
            if rows:
                found.executemany(statements[-1], [list(map(_sqlite, row)) for row in rows])


def _sqlite(cell: Any) -> Any:
    return str(cell) if isinstance(cell, (dt.date, Decimal)) else cell


SERVERS: dict[str, Callable[[Path], Server]] = {
    "postgresql": Postgres,
    "mariadb": Maria,
    "sqlite": Sqlite,
}
