"""What differs between databases: how they are reached, kept from writing, and write their types.

Every value that is no number, text or bytes comes as the database itself writes it, so that nothing
is rounded and no time is too large for Python.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import pymysql.constants.FIELD_TYPE as MYSQL_TYPES
from psycopg.types.string import TextLoader
from pymysql.converters import conversions
from sqlalchemy.engine import URL

from upwell.errors import Rejected, UpwellError

CONNECT = 10  # seconds to connect


class Vendor:
    """A database of a kind that is not known well: whatever SQLAlchemy can do with it."""

    title = "The database"
    driver = ""
    port = 0
    allowed: frozenset[str] | None = None  # what may follow `?` in its URL; None: anything
    stretch = 50_000  # rows of a statement
    raises: tuple[type[Exception], ...] = ()  # of its driver, beside SQLAlchemy's errors

    def reached(self, url: URL) -> tuple[str, int] | None:
        """Host and port that are judged before they are called; None for a file."""
        return None if url.host is None else (url.host, url.port or self.port)

    def addressed(self, url: URL) -> URL:
        """The URL as SQLAlchemy is given it."""
        return url

    def arguments(
        self, url: URL, key: str, seconds: float, addresses: tuple[str, ...]
    ) -> dict[str, Any]:
        """What its driver is given beside the URL; `key` are the source's credentials."""
        del url, key, seconds, addresses
        return {}

    def close(self) -> None:
        """Let go of what `arguments` made."""

    def probing(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Values and execution options with which a query is asked for its columns only."""
        return dict(given), {}

    def told(self, error: BaseException, where: str, seconds: float) -> UpwellError | None:
        """What an error of its driver means; None: as its codes and words say."""
        del error, where, seconds
        return None

    def begin(self, seconds: float, version: str) -> tuple[str, ...]:
        """Statements that a transaction begins with: it may only read, and not for long."""
        del seconds, version
        return ()

    def prepare(self, connection: Any) -> None:
        """Let a fresh connection give values as the database writes them."""

    def abandon(self, cursor: Any) -> None:
        """Let a cursor forget the rest of its answer, whose connection is closed."""

    def type_of(self, code: Any) -> str:
        """The name of a column's type."""
        return str(code).upper()

    def lowest(self, type_: str) -> Any:
        """What stands before every value of a type."""
        if "INT" in type_ or "NUM" in type_ or "FLOAT" in type_ or "DEC" in type_:
            return -(2**53)
        if type_ == "DATE":
            return dt.date(1900, 1, 1)
        return dt.datetime(1900, 1, 1, tzinfo=dt.UTC) if "TIME" in type_ else ""

    def is_utc(self, type_: str) -> bool:
        """Whether times of a type are UTC though they do not say so."""
        del type_
        return False


_INTEGERS = {"int2": -(2**15), "int4": -(2**31), "int8": -(2**63), "oid": 0}
_AS_IS = frozenset(("bool", "bytea", "float4", "float8", "text", "varchar", "bpchar", "name"))


class _Cursor(psycopg.ServerCursor[Any]):
    """One that broke off is thrown away with its connection: there is nothing to warn of."""

    def __del__(self, *_: Any) -> None:
        """SQLAlchemy closes no cursor of a connection that is gone."""


class Postgres(Vendor):
    """PostgreSQL, and what speaks its language."""

    title = "PostgreSQL"
    driver = "postgresql+psycopg"
    port = 5432
    allowed = frozenset(
        (
            *("application_name", "channel_binding", "client_encoding", "target_session_attrs"),
            *("sslcert", "sslkey", "sslmode", "sslrootcert"),
        )
    )

    def arguments(
        self, url: URL, key: str, seconds: float, addresses: tuple[str, ...]
    ) -> dict[str, Any]:
        """Keepalives find a server that went away without a word."""
        del url, key
        given: dict[str, Any] = {
            "connect_timeout": CONNECT,
            "keepalives_idle": 20,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": int(seconds + 30) * 1000,
            "prepare_threshold": None,  # behind a pool another connection may answer
        }
        if addresses:
            given["hostaddr"] = addresses[0]  # the one that was judged
        return given

    def begin(self, seconds: float, version: str) -> tuple[str, ...]:
        """Of this transaction only: behind a pool others use the connection too."""
        del version
        return (
            "set transaction isolation level repeatable read, read only",
            f"set local statement_timeout = {int(seconds * 1000)}",
            "set local time zone 'UTC'",
            "set local datestyle = 'ISO'",
            "set local bytea_output = 'hex'",
        )

    def prepare(self, connection: Any) -> None:
        """Text for all but numbers that Python holds exactly."""
        connection.server_cursor_factory = _Cursor
        for info in psycopg.adapters.types:
            if info.name not in _AS_IS and info.name not in _INTEGERS:
                connection.adapters.register_loader(info.oid, TextLoader)

    def type_of(self, code: Any) -> str:
        """As `pg_type` names it."""
        info = psycopg.adapters.types.get(code)
        return info.name if info is not None else str(code)

    def lowest(self, type_: str) -> Any:
        """Minus infinity where there is one."""
        if type_ in _INTEGERS:
            return _INTEGERS[type_]
        return {
            "date": "-infinity",
            "timestamp": "-infinity",
            "timestamptz": "-infinity",
            "float4": float("-inf"),
            "float8": float("-inf"),
            "numeric": "-1e100",
            "uuid": "00000000-0000-0000-0000-000000000000",
            "bytea": b"",
            "bool": False,
        }.get(type_, "")


_MYSQL: dict[int, str] = {code: name for name, code in vars(MYSQL_TYPES).items() if name.isupper()}
_TEXTS = {"DATE", "DATETIME", "TIME", "TIMESTAMP", "DECIMAL", "NEWDECIMAL", "NEWDATE", "YEAR"}
_NUMBERS = {"TINY", "SHORT", "LONG", "LONGLONG", "INT24", "FLOAT", "DOUBLE", "NEWDECIMAL", "YEAR"}


class MySql(Vendor):
    """MySQL and MariaDB."""

    title = "MySQL"
    driver = "mysql+pymysql"
    port = 3306
    allowed = frozenset(
        ("charset", "ssl_ca", "ssl_cert", "ssl_key", "ssl_check_hostname", "ssl_verify_cert")
    )

    def arguments(
        self, url: URL, key: str, seconds: float, addresses: tuple[str, ...]
    ) -> dict[str, Any]:
        """A server that stops in the middle of an answer is not waited for longer than a query."""
        del url, key, addresses
        return {
            "connect_timeout": CONNECT,
            "read_timeout": int(seconds) + 30,
            "conv": {
                code: read
                for code, read in conversions.items()
                if not (isinstance(code, int) and _MYSQL.get(code) in _TEXTS)
            },
        }

    def begin(self, seconds: float, version: str) -> tuple[str, ...]:
        """Of this session: pymysql connections are not shared."""
        limit = (
            f"set session max_statement_time = {seconds:g}"
            if "mariadb" in version.lower()
            else f"set session max_execution_time = {int(seconds * 1000)}"
        )
        return (
            limit,
            "set session time_zone = '+00:00'",
            "set session transaction isolation level repeatable read",
            "start transaction read only",
        )

    def abandon(self, cursor: Any) -> None:
        """Else it would read the rest when it is thrown away."""
        result = getattr(cursor, "_result", None)
        if result is not None:
            result.unbuffered_active, result.connection = False, None
        cursor.connection = None

    def type_of(self, code: Any) -> str:
        """As the protocol names it."""
        return _MYSQL.get(code, str(code))

    def lowest(self, type_: str) -> Any:
        """The first that the type can hold."""
        if type_ in _NUMBERS:
            return -(2**63)
        times = {"TIMESTAMP": "1970-01-01 00:00:01", "DATE": "1000-01-01"}
        return times.get(type_, "1000-01-01 00:00:00" if type_ == "DATETIME" else "")

    def is_utc(self, type_: str) -> bool:
        """A TIMESTAMP comes in the session's zone."""
        return type_ == "TIMESTAMP"


class Sqlite(Vendor):
    """A file of SQLite."""

    title = "SQLite"
    driver = "sqlite"

    def begin(self, seconds: float, version: str) -> tuple[str, ...]:
        """The file is opened for reading only, beside this."""
        del seconds, version
        return ("pragma query_only = on", "begin")

    def lowest(self, type_: str) -> Any:
        """A number stands before every text."""
        del type_
        return -(2**63)


def _bigquery() -> Vendor:
    """Its packages are an extra, and take long to import."""
    try:
        from upwell.sources.sql.bigquery import BigQuery
    except ImportError:
        raise Rejected(
            "no_driver",
            "Google's packages for BigQuery are not installed here.",
            fix='Run: pip install "upwell[bigquery]".',
            where="url",
        ) from None
    return BigQuery()


VENDORS: Mapping[str, Callable[[], Vendor]] = {
    "postgresql": Postgres,
    "postgres": Postgres,
    "mysql": MySql,
    "mariadb": MySql,
    "sqlite": Sqlite,
    "bigquery": _bigquery,
}
