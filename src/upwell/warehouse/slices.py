"""What the table of events holds for timelines: one product's events by user and time, as columns.

Runs are written from these slices, and what came since is read as one; the same order everywhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from upwell.event import DIMENSIONS, pointer
from upwell.metrics.authority import REPORTED_TYPES
from upwell.period import MICROS

U32 = NDArray[np.uint32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

# Types that are nobody's doing, or counted where another source tells of it.
NOBODY = ("report", "identify", "merge", "unmerge", *REPORTED_TYPES)
VALUE, CURRENCY = "@value", "@currency"  # what an event is worth, asked for like a property
MISSING = -1  # the code of an event without the property

COUNTS = (
    "actor is not null and not excluded"
    f" and type not in ({', '.join(repr(kind) for kind in NOBODY)})"
)
MONTH = "(year(make_timestamp(ts)) * 12 + month(make_timestamp(ts)) - 1)::integer"
_OWN = {VALUE: "value::varchar", CURRENCY: "currency"}
_KIND = "case when type = 'engagement' then 'engagement:' || coalesce(name, '') else type end"
_ORDER = "order by actor, ts, recorded_at, key_high, key_low, version_seq, seq, idx"


class Column(NamedTuple):
    """A property of events: for each the place of its value in `values`, or MISSING."""

    codes: I32
    values: list[str]


class Part(NamedTuple):
    """Columns of one slice, by user and time; read only."""

    actor: U32
    ts: I64
    kind: NDArray[Any]
    properties: dict[str, Column]


class Slice(NamedTuple):
    """Versions of events of one product that deliveries in (low, high] brought, as of `at`."""

    product: str
    month: int | None  # None: of all months
    low: int
    high: int
    at: int  # the last delivery whose changes are seen

    @property
    def where(self) -> str:
        """The SQL of its rows."""
        month = "" if self.month is None else " and ts >= ? and ts < ?"
        stands = "(superseded_seq is null or superseded_seq > ?)"
        came = "version_seq > ? and version_seq <= ?"
        return f"{COUNTS} and {stands} and product = ? and {came}{month}"

    @property
    def values(self) -> list[Any]:
        """What that binds."""
        given: list[Any] = [self.at, self.product, self.low, self.high]
        if self.month is not None:
            given += [_opens(self.month), _opens(self.month + 1)]
        return given


def fetch(db: duckdb.DuckDBPyConnection, of: Slice, code: Callable[[str], int]) -> Part:
    """Who did what when; `code` numbers the kinds of events."""
    rows = db.sql(
        f"select actor::uinteger as actor, ts, {_KIND} as kind from events"
        f" where {of.where} {_ORDER}",
        params=of.values,
    ).to_arrow_table()
    coded = rows["kind"].combine_chunks().dictionary_encode()
    own = np.array([code(kind) for kind in coded.dictionary.to_pylist()], np.uint32)
    kind = own[coded.indices.to_numpy()] if len(own) else np.zeros(0, np.uint32)
    smallest = np.promote_types(np.uint16, np.min_scalar_type(int(own.max(initial=0))))
    columns = rows["actor"].to_numpy(), rows["ts"].to_numpy(), kind.astype(smallest)
    for column in columns:
        column.setflags(write=False)
    return Part(*columns, {})


def extract(db: duckdb.DuckDBPyConnection, of: Slice, name: str) -> Column:
    """One property of the same rows in the same order."""
    own = name if name in DIMENSIONS else _OWN.get(name)
    column = own or "json_extract_string(metadata, ?)"
    bound = [] if own else [pointer(name)]
    rows = db.sql(
        f"select {column} as value from events where {of.where} {_ORDER}",
        params=[*bound, *of.values],
    )
    coded = rows.to_arrow_table()["value"].combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(MISSING).to_numpy(zero_copy_only=False).astype(np.int32)
    codes.setflags(write=False)
    return Column(codes, coded.dictionary.to_pylist())


def position(db: duckdb.DuckDBPyConnection) -> int:
    """The last delivery whose events are in the table."""
    rows = db.execute("select value from meta where key = 'applied'").fetchall()
    return int(rows[0][0])


def judged(db: duckdb.DuckDBPyConnection) -> str:
    """Which judgement of who is left out the stored events carry; '' for that of their arrival."""
    rows = db.execute("select value from meta where key = 'judged'").fetchall()
    return str(rows[0][0]) if rows else ""


def waiting(db: duckdb.DuckDBPyConnection, high: int, until: int) -> int:
    """How many versions of events deliveries in (high, until] brought."""
    rows = db.execute(
        "select count(*) from events where version_seq > ? and version_seq <= ?", [high, until]
    ).fetchall()
    return int(rows[0][0])


def month_of(ts: int) -> int:
    """The month of an instant in UTC, counted since the year 0."""
    at = dt.datetime.fromtimestamp(ts // MICROS, dt.UTC)
    return at.year * 12 + at.month - 1


def _opens(month: int) -> int:
    """The first microsecond of a month in UTC."""
    first = dt.datetime(month // 12, month % 12 + 1, 1, tzinfo=dt.UTC)
    return int(first.timestamp()) * MICROS
