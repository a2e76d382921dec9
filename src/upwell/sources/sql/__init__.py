"""Databases: rows of queries become events; PostgreSQL, MySQL, MariaDB, SQLite and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from upwell.settings import SqlSource, duration
from upwell.sources.contract import Kind, Opening, Promise, Reader
from upwell.sources.sql.plan import again
from upwell.sources.sql.translate import translate


def _open(opening: Opening) -> Reader:
    # SQLAlchemy takes long to import: only who reads a database waits for it.
    from upwell.sources.sql.reader import SqlReader

    return SqlReader(opening)


def _promise(settings: SqlSource) -> Promise:
    late = [duration(query.look_back).total_seconds() for query in settings.queries]
    return Promise(every=duration(settings.every).total_seconds(), late=max(late, default=0.0))


def _given(settings: SqlSource) -> Mapping[str, Any]:
    queries = {}
    for query in settings.queries:
        mapping = msgspec.to_builtins(query)
        for name in ("name", "sql", "look_back"):
            del mapping[name]
        queries[query.name] = {name: value for name, value in mapping.items() if value}
    return {"timezone": settings.timezone, "queries": queries}


KIND = Kind(
    name="sql",
    title="Database",
    settings=SqlSource,
    open=_open,
    translate=translate,
    promise=_promise,
    again=again,
    given=_given,
)
