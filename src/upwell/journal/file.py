"""The journal's file: SQLite, its tables and format, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from upwell.errors import Rejected, Unavailable

FORMAT = 1
RETRY_SECONDS = 5

SCHEMA = """
create table if not exists meta(key text primary key, value text not null) without rowid;
create table if not exists deliveries(
  seq integer primary key,
  kind text not null,
  source text not null,
  received_at integer not null,  -- UTC microseconds, never decreasing
  about blob not null,           -- JSON: what the door decided
  size integer not null,         -- bytes before compression
  digest blob not null,          -- BLAKE2b-128 of kind, source, time, about and body
  body blob not null             -- zstd
);
create index if not exists by_kind on deliveries(kind, seq) where kind not in ('events', 'import');
create index if not exists by_pull on deliveries(source, seq) where kind in ('stripe', 'pull');
create table if not exists seals(
  month text primary key, first_seq integer not null, last_seq integer not null,
  digest blob not null, sealed_at integer not null
) without rowid;
create table if not exists erasures(
  seq integer not null, erased_at integer not null, before blob not null, after blob not null
);
"""


def connect(path: Path, readonly: bool = False) -> apsw.Connection:
    new = not path.exists()
    with told("opened"):
        flags = apsw.SQLITE_OPEN_READWRITE | (0 if readonly else apsw.SQLITE_OPEN_CREATE)
        connection = apsw.Connection(str(path), flags=flags)
        if new:
            os.chmod(path, 0o600)
            connection.execute("pragma page_size = 16384")
        connection.set_busy_timeout(10_000)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma wal_autocheckpoint = 4000")
        if readonly:
            connection.execute("pragma query_only = on")
        else:
            connection.execute("pragma secure_delete = on")  # an erased body leaves no bytes
            connection.execute(SCHEMA)
            _check_format(connection)
    return connection


def _check_format(connection: apsw.Connection) -> None:
    connection.execute("insert or ignore into meta values ('format', ?)", (str(FORMAT),))
    row: Any = connection.execute("select value from meta where key = 'format'").fetchone()
    found = int(row[0])
    if found > FORMAT:
        raise Rejected(
            "newer_data",
            f"The data directory was written by a newer Upwell (journal format {found}; "
            f"this one reads up to {FORMAT}).",
            fix="Install the newer version, or use another data directory.",
        )


def identity(connection: apsw.Connection) -> str:
    """The name of this journal, given once: sums made of another one do not belong here.

    '' where it is not known: a file with deliveries and without a name has lost it.
    """
    connection.execute(
        "insert or ignore into meta select 'id', ? where not exists (select 1 from deliveries)",
        (uuid.uuid4().hex,),
    )
    row: Any = connection.execute("select value from meta where key = 'id'").fetchone()
    return str(row[0]) if row else ""


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Says what an error of the file means, and what to do about it."""
    try:
        yield
    except apsw.FullError as error:
        raise Unavailable(
            "disk_full",
            f"The disk is full: the journal could not be {what}.",
            fix="Free some space; then send it again.",
            retry_after=RETRY_SECONDS,
        ) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise Rejected(
            "journal_damaged",
            f"The journal is damaged and cannot be {what}: {error}. Nothing was deleted.",
            fix="Keep the file, and put a back-up of the data directory in its place.",
            where="journal.sqlite",
            status=503,
        ) from error
    except apsw.Error as error:
        raise Unavailable(
            "journal_unavailable",
            f"The journal could not be {what}: {error}.",
            fix="Check the disk that holds the data directory; then send it again.",
            retry_after=RETRY_SECONDS,
        ) from error
