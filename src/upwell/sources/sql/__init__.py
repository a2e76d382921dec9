"""Databases: rows of queries become events; PostgreSQL, MySQL, MariaDB, SQLite and others."""

from __future__ import annotations

from upwell.settings import SqlSource, duration
from upwell.sources.contract import Kind, Opening, Promise, Reader
from upwell.sources.sql.plan import again, given_of
from upwell.sources.sql.translate import translate


def _open(opening: Opening) -> Reader:
    # SQLAlchemy takes long to import: only who reads a database waits for it.
    from upwell.sources.sql.reader import SqlReader

    return SqlReader(opening)


def _promise(settings: SqlSource) -> Promise:
    late = [duration(query.look_back).total_seconds() for query in settings.queries]
    return Promise(every=duration(settings.every).total_seconds(), late=max(late, default=0.0))


KIND = Kind(
    name="sql",
    title="Database",
    settings=SqlSource,
    open=_open,
    translate=translate,
    promise=_promise,
    again=again,
    given=given_of,
)
