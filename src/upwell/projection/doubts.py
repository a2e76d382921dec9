"""What is counted though something about it is not known: kept by delivery, shown by source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from upwell.projection.staged import Staged


class Doubts(NamedTuple):
    """The records of one source that share a reason: how many, and the newest of them."""

    source: str
    code: str
    reason: str
    records: int
    last_seen: int
    seq: int
    object: str


def write(db: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    """Keep what was said of some deliveries."""
    found = [one for entry in staged for one in entry.translated.doubts]
    if found:
        table = pa.Table.from_pylist(msgspec.to_builtins(found), schema=_SCHEMA)
        db.from_arrow(table).insert_into("doubts")


def listed(db: duckdb.DuckDBPyConnection) -> Iterable[Doubts]:
    """Every source's, those of most records first; each record counts once, however often told."""
    rows = db.execute(
        """select source, code, arg_max(reason, (seq, idx)), count(distinct object) as n,
          max(recorded_at), max(seq), arg_max(object, (seq, idx))
        from doubts where settled_seq is null group by source, code order by source, n desc, code"""
    )
    return [Doubts(*row) for row in rows.fetchall()]


_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()), ("idx", pa.int32()), ("source", pa.string()), ("code", pa.string()),
        ("reason", pa.string()), ("object", pa.string()), ("recorded_at", pa.int64()),
        ("settled_seq", pa.int64()),
    ]
)  # fmt: skip
