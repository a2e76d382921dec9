"""What a query is, where reading it has come to, and how its times are written; pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa

from upwell.errors import Rejected, nearest
from upwell.event import EVENT_TYPES
from upwell.money import currencies
from upwell.period import MICROS, Zone, to_instant
from upwell.settings import Names, Settings, SqlQuery, SqlSource, mistakes
from upwell.sources.columns import Faults, instants
from upwell.sources.contract import BadQuery, Cursor

Way = Literal["cursor", "gauge", "snapshot"]
BINDS = ("cursor_time", "cursor_id")

# What a `;` or a word may stand in without meaning anything: texts, quoted names, comments.
_QUIET = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$""", re.DOTALL
)
_BIND = re.compile(r":(?!cursor_time\b|cursor_id\b)")
_OWN_LIMIT = re.compile(r"\b(limit|fetch|top)\b", re.IGNORECASE)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:([ T])(\d\d:\d\d(?::\d\d)?)(\.\d+)?(.*))?")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A query that is fit to be read; `columns` are those that its mapping names."""

    name: str
    way: Way
    sql: str  # without a `;` at its end; other colons than those of the cursor are escaped
    limited: bool  # it holds back rows by itself
    timestamp: str
    key: str
    columns: tuple[str, ...]


def query_of(given: SqlQuery, product_from: str | None = None) -> Query:
    """Judge a query; raises BadQuery with what to change."""
    sql = one_select(given.name, given.sql)
    way = _way(given, binds_of(given.sql), f"queries.{given.name}.sql")
    for field in ("timestamp", "key") if way != "gauge" else ():
        if not getattr(given, field):
            raise BadQuery(
                "unmapped",
                f"The query '{given.name}' does not say which column is its {field}.",
                fix=f'Add: {field} = "COLUMN".',
                where=f"queries.{given.name}.{field}",
            )
    return Query(
        name=given.name,
        way=way,
        sql=sql,
        limited=bool(_OWN_LIMIT.search(_QUIET.sub(" ", sql))),
        timestamp=given.timestamp,
        key=given.key,
        columns=mapped(msgspec.to_builtins(given), product_from),
    )


def one_select(name: str, sql: str) -> str:
    """The text of a query, ready to stand in another one; raises BadQuery for anything else."""
    sql = sql.strip()
    while (bare := _QUIET.sub(_blank, sql).rstrip()).endswith(";"):
        sql = sql[: len(bare) - 1]
    if ";" in bare or not re.match(r"\s*(select|with)\b", bare, re.IGNORECASE):
        raise BadQuery(
            "not_a_select",
            f"The query '{name}' is not one select.",
            fix="Write a single `select …` or `with … select …`; nothing else is run.",
            where=f"queries.{name}.sql",
        )
    return _BIND.sub(r"\:", sql) + "\n"


def binds_of(sql: str) -> list[str]:
    """Which parts of the cursor a query names."""
    bare = _QUIET.sub(" ", sql)
    return [bind for bind in BINDS if re.search(rf":{bind}\b", bare)]


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _way(given: SqlQuery, bound: list[str], where: str) -> Way:
    if len(bound) == len(BINDS) and not given.snapshot:
        return "cursor"
    time, key = given.timestamp or "created_at", given.key or "id"
    if given.snapshot and bound:
        raise BadQuery(
            "snapshot_cursor",
            f"The query '{given.name}' is a snapshot and has a cursor.",
            fix=f"A snapshot reads all rows at each look: take :{bound[0]} out of it, or "
            "`snapshot = true`.",
            where=where,
        )
    if given.snapshot:
        return "snapshot"
    if given.event_type == "kpi" and not bound:
        return "gauge"
    raise BadQuery(
        "no_cursor",
        f"The query '{given.name}' would read everything at each look.",
        fix=f"Add: where ({time}, {key}) > (:cursor_time, :cursor_id). Or set `snapshot = true` "
        "for a small table whose rows change.",
        where=where,
    )


def mapped(mapping: Mapping[str, Any], product_from: str | None) -> tuple[str, ...]:
    """The columns that a query's mapping names, each once."""
    single = [mapping.get(field) for field in ("key", "timestamp", "actor_id", "value")]
    currency = mapping.get("currency")
    single.append(None if currency in currencies() else currency)
    single.append(mapping.get("product") or (product_from or "").rpartition(".")[2])
    named = [*single, *mapping.get("metadata", ())]
    return tuple(dict.fromkeys(name for name in named if name))


def judge(source: SqlSource) -> None:
    """Raise BadQuery where a zone, a span of time, an event type or a name is wrong."""
    alone = msgspec.structs.replace(source, product=None)  # whose products are known elsewhere
    names = Names(event_types=frozenset(EVENT_TYPES))
    for path, code, message, fix in mistakes(Settings(sources=(alone,)), names):
        raise BadQuery(code, message, fix=fix, where=".".join(map(str, path[2:])))


def given_of(source: SqlSource) -> dict[str, Any]:
    """What of a source's table its events depend on."""
    queries = {}
    for query in source.queries:
        mapping = msgspec.to_builtins(query)
        for name in ("name", "sql", "look_back"):
            del mapping[name]
        queries[query.name] = {name: value for name, value in mapping.items() if value}
    return {"timezone": source.timezone, "queries": queries}


def fits(query: Query, names: Sequence[str]) -> None:
    """Raise BadQuery where the mapping names a column that the query does not give."""
    for column in query.columns:
        if column not in names:
            raise BadQuery(
                "no_column",
                f"The query '{query.name}' gives no column '{column}'.",
                fix=f"{nearest(column, names)} The query gives: {', '.join(names)}.",
                where=f"queries.{query.name}",
            )


class Spot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where one query has come to; `time` and `id` as the database is asked for them."""

    time: Any = None
    id: Any = None
    types: tuple[str, str] | None = None
    live: bool = False  # its past was read
    looked: int = 0  # when the last whole look began, epoch seconds
    first: int = 0  # time of the first row, UTC microseconds
    since: int = 0  # where to begin again, epoch seconds; `time` shows how it is written
    kept: int = 0  # rows so far


class State(msgspec.Struct, kw_only=True):
    """The cursor: `round` is when all was begun anew (epoch seconds)."""

    round: int
    spots: dict[str, Spot] = {}

    def cursor(self) -> Cursor:
        """As it stands beside a page."""
        found: Cursor = msgspec.to_builtins(self)
        return found

    def spot(self, name: str) -> Spot:
        """Where a query has come to."""
        return self.spots.setdefault(name, Spot())


def again(cursor: Cursor, since: int, now: int) -> Cursor:
    """The cursor from which all since then (epoch seconds; 0: everything) is read once more."""
    state = msgspec.convert(cursor, State)
    round_ = max(now, state.round + 1)
    spots = {
        name: Spot(time=spot.time, since=since) if since else Spot()
        for name, spot in state.spots.items()
    }
    return State(round=round_, spots=spots).cursor()


def micros_of(value: Any, zone: Zone) -> int | None:
    """UTC microseconds of a time as the database gives it; None where it is none."""
    if value is None:
        return None
    faults = Faults(1)
    found = int(instants(pa.array([str(value)], pa.string()), None, zone, faults)[0])
    return None if faults.bad[0] else found


def written(micros: int, like: Any, zone: Zone) -> Any:
    """A moment in the form of another value of its column; raises Rejected for an unknown form."""
    if isinstance(like, bool) or like is None:
        raise _unknown(like)
    if isinstance(like, int):
        return micros // MICROS if abs(like) < 100_000_000_000 else micros // 1_000
    if isinstance(like, float):
        return micros / MICROS
    if isinstance(like, dt.datetime):
        return to_instant(micros) if like.tzinfo else _local(micros, zone)
    found = _TIME.fullmatch(str(like))
    if found is None:
        raise _unknown(like)
    _, gap, time, fraction, suffix = found.groups()
    if time is None:
        return str(_local(micros, zone).date())
    offset = _offset(suffix)
    moment = (
        _local(micros, zone) if offset is None else to_instant(micros).replace(tzinfo=None) + offset
    )
    digits = f".{moment.microsecond:06d}"[: len(fraction)] if fraction else ""
    clock = moment.strftime("%H:%M:%S" if time.count(":") == 2 else "%H:%M")
    return f"{moment.date()}{gap}{clock}{digits}{suffix}"


def _local(micros: int, zone: Zone) -> dt.datetime:
    return to_instant(micros).astimezone(zone.info).replace(tzinfo=None)


def _offset(suffix: str) -> dt.timedelta | None:
    """How far a time's own zone is ahead of UTC; None where it names none."""
    if not suffix:
        return None
    moment = dt.datetime.fromisoformat(f"2000-01-01T00:00:00{suffix.strip()}")
    return moment.utcoffset()


def _unknown(like: Any) -> Rejected:
    return BadQuery(
        "bad_time",
        f"'{str(like)[:40]}' is no time that a cursor can stand on.",
        fix="Let the query give the time as a timestamp, a date, or seconds since 1970.",
        where="timestamp",
    )
