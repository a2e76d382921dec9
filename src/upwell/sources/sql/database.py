"""A connection to a database that only reads: one select at a time, in pieces, not for long."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    NoSuchModuleError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from upwell.errors import Rejected, UpwellError
from upwell.settings import SqlSource, duration
from upwell.sources.contract import BadQuery, Opening
from upwell.sources.sql.refusals import refusal
from upwell.sources.sql.vendors import VENDORS, Vendor


class Got(NamedTuple):
    """An answer: the names and types of its columns, and its rows in pieces."""

    names: list[str]
    types: dict[str, str]
    pieces: Iterator[Sequence[Sequence[Any]]]


class Database:
    """One database; used by one thread, which opens it when it reads and closes it then."""

    def __init__(
        self, url: str, key: str, seconds: float, reach: Callable[[str, int], Any], own: Path
    ) -> None:
        """`key`: credentials beside the URL. `own`: Upwell's own files, which are no source."""
        self._seconds, self._key = seconds, key
        self._url, self.vendor = _parsed(url)
        self._raised: tuple[type[Exception], ...] = (
            SQLAlchemyError, OSError, *self.vendor.raises,
        )  # fmt: skip
        self.version = ""
        self._reach: Callable[[str, int], Any] | None = None
        if self.vendor.title == "SQLite":
            path = _file_of(self._url, own)
            self._connect: dict[str, Any] = {"creator": lambda: self._sqlite(path)}
            self._url = make_url("sqlite://")
        else:
            self._connect = {}
            self._reach = reach
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._running: sqlite3.Connection | None = None

    @classmethod
    def of(cls, opening: Opening) -> Database:
        """The one that a source's table names."""
        given: SqlSource = opening.settings
        return cls(
            opening.secret(given.url),
            opening.secret(given.credentials) if given.credentials else "",
            duration(given.timeout).total_seconds(),
            opening.reach,
            opening.folder.parent.parent,
        )

    def close(self) -> None:
        """End the connection, also in the middle of an answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError, OSError):
                connection.invalidate()  # the rest of an answer is not waited for
            with suppress(SQLAlchemyError, OSError):
                connection.close()
        self.vendor.close()

    @contextmanager
    def read(
        self,
        sql: str,
        given: Mapping[str, Any],
        order: Sequence[str],
        most: int | None,
        piece: int,
        where: str = "",
    ) -> Iterator[Got]:
        """Rows of a query, ordered by some of its columns, `most` at the most, in pieces.

        In a transaction of its own. Raises SignIn, NotAllowed, BadQuery or Unavailable.
        """
        text = sa.text(sql).columns(*(sa.column(name) for name in order)).subquery("upwell_rows")
        statement: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(text)
        statement = statement.order_by(*(text.c[name] for name in order)).limit(most)
        values, options = self.vendor.probing(given) if most == 0 else (dict(given), {})
        options["stream_results"] = True
        whole, result = False, None
        try:
            connection = self._open()
            with self._limited():
                result = connection.execute(statement, values, execution_options=options)
            names = list(result.keys())
            types = {
                column[0]: self.vendor.type_of(column[1])
                for column in (result.cursor.description if result.cursor else ())
            }
            yield Got(names, types, self._pieces(result, piece, where))
            whole = True
        except self._raised as error:
            raise self._told(error, where) from error
        finally:
            cursor = None if result is None else result.cursor
            if not whole or self._connection is None:
                self.close()
                if cursor is not None:
                    self.vendor.abandon(cursor)
            with suppress(Exception):  # whatever a driver says of a line that is gone
                if cursor is not None:
                    cursor.close()
                if self._connection is not None:
                    self._connection.rollback()

    def _pieces(self, result: Any, piece: int, where: str) -> Iterator[Sequence[Sequence[Any]]]:
        try:
            while True:
                with self._limited():
                    rows = result.fetchmany(piece)
                if not rows:
                    return
                yield rows
        except self._raised as error:
            raise self._told(error, where) from error

    def _open(self) -> Connection:
        if self._connection is None:
            self._judge()
            if self._engine is None:
                url = self.vendor.addressed(self._url)
                self._engine = sa.create_engine(url, poolclass=NullPool, **self._connect)
            self._connection = self._engine.connect()
            self.vendor.prepare(self._connection.connection.driver_connection)
            dialect: Any = self._connection.dialect
            self.version = ".".join(map(str, dialect.server_version_info or ()))
            if getattr(dialect, "is_mariadb", False):
                self.version += " MariaDB"
        for line in self.vendor.begin(self._seconds, self.version):
            self._connection.exec_driver_sql(line)
        return self._connection

    def _judge(self) -> None:
        """Judge the host, and connect to the address that was judged."""
        reached = self.vendor.reached(self._url)
        if self._reach is None or reached is None:
            return  # a file
        addresses = tuple(getattr(self._reach(*reached), "addresses", ()))
        arguments = self.vendor.arguments(self._url, self._key, self._seconds, addresses)
        self._connect = {"connect_args": arguments} if arguments else {}
        self._engine = None

    def _sqlite(self, path: Path) -> sqlite3.Connection:
        """A file, which is neither made nor changed; a query that takes long is interrupted."""
        mode = f"file:{quote(str(path))}?mode=ro"
        found = sqlite3.connect(mode, uri=True, isolation_level=None, check_same_thread=False)
        self._running = found
        return found

    def _told(self, error: Exception, where: str) -> UpwellError:
        driver = error.orig if isinstance(error, DBAPIError) and error.orig else error
        if told := self.vendor.told(driver, where, self._seconds):
            return told
        codes = [str(getattr(driver, "sqlstate", "") or "")]
        if driver.args and isinstance(driver.args[0], int):
            codes.append(str(driver.args[0]))
        said = str(driver.args[-1]) if driver.args else str(driver)
        title = "MariaDB" if "MariaDB" in self.version else self.vendor.title
        asked = isinstance(error, (ProgrammingError, DataError, NotSupportedError))
        return refusal(title, tuple(filter(None, codes)), said, where, self._seconds, asked=asked)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """SQLite knows no time-out of its own: another thread interrupts what takes too long."""
        timer = None
        if self._running is not None:
            timer = threading.Timer(self._seconds, self._running.interrupt)
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()


def _parsed(url: str) -> tuple[URL, Vendor]:
    try:
        found = make_url(url.strip())
        name = found.get_backend_name()
        vendor = VENDORS.get(name, Vendor)()
        if vendor.driver:
            found = found.set(drivername=vendor.driver)
        if name != "sqlite" and found.host is None:
            raise ArgumentError("no host")
        found.get_dialect()
    except NoSuchModuleError:
        raise Rejected(
            "no_driver",
            f"There is no driver for '{url.partition(':')[0][:40]}' here.",
            fix="postgresql://, mysql://, mariadb:// and sqlite:/// are known; for others install "
            "the SQLAlchemy dialect of that database beside Upwell.",
            where="url",
        ) from None
    except (ArgumentError, ValueError, ImportError):
        raise Rejected(
            "bad_url",
            "That is no address of a database.",
            fix="Write postgresql://USER:PASSWORD@HOST:5432/DATABASE, mysql://…, mariadb://… or "
            "sqlite:////PATH/TO/FILE.db, bigquery://PROJECT.",
            where="url",
        ) from None
    if vendor.allowed is not None:
        for option in found.query:
            if option not in vendor.allowed:
                raise Rejected(
                    "bad_url",
                    f"`url` has an option '{option[:40]}' that is not taken.",
                    fix=f"Leave it out; these are: {', '.join(sorted(vendor.allowed))}.",
                    where="url",
                )
    return found, vendor


def _file_of(url: URL, own: Path) -> Path:
    """The file of a SQLite URL; raises where there is none, or where it is Upwell's own."""
    path = Path(url.database or "").resolve()
    if not url.database or url.database == ":memory:" or not path.is_file():
        raise BadQuery(
            "no_file",
            f"There is no SQLite file at '{url.database or ''}'.",
            fix="Give its whole path, with four strokes: sqlite:////var/lib/app/app.db.",
            where="url",
        )
    if own.resolve() in path.parents:
        raise Rejected(
            "own_file",
            "That file is one of Upwell's own.",
            fix="Give the file of a product's database.",
            where="url",
        )
    return path
