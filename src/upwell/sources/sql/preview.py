"""A query tried before anything is kept: its columns, first rows, and what they would become."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from upwell.billing import Origin
from upwell.errors import Problem
from upwell.event import Delivery, GrowthEvent, Translated
from upwell.period import MICROS, to_instant
from upwell.settings import SqlQuery, SqlSource
from upwell.sources.contract import BadQuery, Opening
from upwell.sources.sql.asked import Asked
from upwell.sources.sql.database import Database
from upwell.sources.sql.plan import Spot, binds_of, given_of, judge, one_select
from upwell.sources.sql.rows import plain
from upwell.sources.sql.translate import translate

ROWS = 20  # that are shown

# What columns are often called, the likeliest first; the whole name or its end.
_CALLED: Mapping[str, tuple[str, ...]] = {
    "timestamp": ("created_at", "occurred_at", "paid_at", "inserted_at", "updated_at", "timestamp",
                  "created", "date", "time", "at"),
    "key": ("id", "uuid", "key"),
    "actor_id": ("user_id", "owner_id", "customer_id", "account_id", "member_id", "org_id",
                 "user", "owner", "customer", "email"),
    "value": ("amount", "total", "value", "price", "mrr", "revenue", "count", "n"),
    "currency": ("currency", "currency_code"),
    "product": ("product_id", "product"),
}  # fmt: skip


class Tried(NamedTuple):
    """What a query gives; `problem` is what is still to change before it can be read."""

    server: str
    way: str
    columns: Sequence[tuple[str, str]]  # name, type
    guessed: Mapping[str, str]  # field of the mapping → column
    rows: Sequence[Sequence[str | None]]
    events: Sequence[tuple[int, GrowthEvent]]
    refused: Sequence[tuple[int, str, str]]  # row, code, reason
    problem: Problem | None


def tried(opening: Opening, now: int) -> Tried:
    """Run the first query of a source; raises SignIn, NotAllowed, BadQuery or Unavailable.

    `now` is in UTC microseconds. A mapping that is not whole is no error: the columns and rows are
    shown, and `problem` says what is missing.
    """
    source: SqlSource = opening.settings
    query = source.queries[0]
    if query.event_type:
        judge(source)
    database = Database.of(opening)
    try:
        return _tried(database, source, query, now)
    finally:
        database.close()


def _tried(database: Database, source: SqlSource, query: SqlQuery, now: int) -> Tried:
    sql, bound = one_select(query.name, query.sql), binds_of(query.sql)
    none = dict.fromkeys(bound)
    where = f"queries.{query.name}.sql"
    with database.read(sql, none, [], 0, ROWS, where) as got:
        names, types = got.names, got.types
    server = f"{database.vendor.title} {database.version}".strip()
    guessed = guess(names, types)
    found = Tried(
        server, "", [(name, types.get(name, "")) for name in names], guessed, [], [], [], None
    )
    try:
        asked = _fit(query, source, database, names)
    except BadQuery as error:
        given = _lowest(database, types, guessed, query, bound)
        if given is None:
            return found._replace(problem=error.problem)
        with database.read(sql, given, [], ROWS, ROWS, where) as got:
            rows = [row for piece in got.pieces for row in piece]
        return found._replace(problem=error.problem, rows=_shown(rows))
    place = asked.begin(Spot(types=asked.types(types))) if asked.way == "cursor" else None
    with asked.read(place, ROWS) as got:
        rows = [row for piece in got.pieces for row in piece]
        lines = asked.lines(got, rows)
    about: dict[str, Any] = {"query": query.name}
    if asked.way == "gauge":
        about["read_at"] = now // (60 * MICROS) * 60 * MICROS
    done = _translated(source, query, lines, about, now)
    return found._replace(
        way=asked.way,
        rows=_shown(rows),
        events=list(_events(done)),
        refused=[(dead.idx, dead.code, dead.reason) for dead in done.dead],
    )


def _fit(query: SqlQuery, source: SqlSource, database: Database, names: list[str]) -> Asked:
    if not query.event_type:
        raise BadQuery(
            "unmapped",
            "Nothing says what each row is.",
            fix="Choose an event type: signup, activation, engagement, revenue, kpi …",
            where="event_type",
        )
    asked = Asked(query, source, database, ROWS)
    asked.fits(names)
    return asked


def _lowest(
    database: Database,
    types: Mapping[str, str],
    guessed: Mapping[str, str],
    query: SqlQuery,
    bound: Sequence[str],
) -> dict[str, Any] | None:
    """Values before every row for a cursor whose columns are not named yet; None: not known."""
    columns = {
        "cursor_time": query.timestamp or guessed.get("timestamp"),
        "cursor_id": query.key or guessed.get("key"),
    }
    found = {}
    for bind in bound:
        column = columns[bind]
        if column is None or column not in types:
            return None
        found[bind] = database.vendor.lowest(types[column])
    return found


def guess(names: Sequence[str], types: Mapping[str, str]) -> dict[str, str]:
    """The columns that a mapping would likely name, by what they are called."""
    found: dict[str, str] = {}
    for field, called in _CALLED.items():
        left = [name for name in names if name not in found.values()]
        named = [
            name
            for word in called
            for name in left
            if _words(name) == word or _words(name).endswith(f"_{word}")
        ]
        if field == "timestamp":
            timely = [name for name in left if re.search("time|date", types.get(name, ""), re.I)]
            named = [name for name in named if name in timely] or timely or named
        if named:
            found[field] = named[0]
    return found


def _words(name: str) -> str:
    """createdAt as created_at."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _shown(rows: Sequence[Sequence[Any]]) -> list[list[str | None]]:
    return [[None if cell is None else str(plain(cell))[:200] for cell in row] for row in rows]


def _translated(
    source: SqlSource, query: SqlQuery, lines: list[bytes], about: dict[str, Any], now: int
) -> Translated:
    origin = Origin(
        id=source.id,
        kind="sql",
        product=source.product,
        product_from=source.product_from,
        given=given_of(msgspec.structs.replace(source, queries=(query,))),
    )
    delivery = Delivery(
        kind="pull", source=source.id, received_at=now, about=about, body=b"\n".join(lines)
    )
    return translate(delivery, origin, frozenset({source.product} if source.product else ()))


def _events(done: Translated) -> Iterator[tuple[int, GrowthEvent]]:
    for row in done.events.to_pylist():
        yield (
            row["idx"],
            GrowthEvent(
                product_id=row["product"],
                event_type=row["type"],
                timestamp=to_instant(row["ts"]),
                value=row["value"].normalize(),
                currency=row["currency"],
                source=row["source"],
                actor_id=row["actor"],
                idempotency_key=row["key"],
                metadata=msgspec.json.decode(row["metadata"]) if row["metadata"] else {},
            ),
        )
