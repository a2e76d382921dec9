"""Which events are new: identity by (product, source, key), exact over all time.

A repeat with the same content is dropped; one with other content is a conflict, and the first one
stays. Keys are 128-bit hashes (XXH3): among a billion keys a false match has odds of 1 in 10^21.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from upwell.event import DeadLetter
from upwell.projection import store
from upwell.projection.runs import I64, U64, KeyIndex

IDX_BITS = 20  # a delivery holds fewer than a million events
FACT = ("type", "value", "currency", "actor")
COMPARED = ("type", "ts", "value", "currency", "actor", "metadata")


class Hashes(NamedTuple):
    """The two halves of each row's 128-bit hash."""

    high: U64
    low: U64


def hash_text(column: pa.ChunkedArray) -> Hashes:
    """Hash each text of a column without nulls."""
    digest = xxhash.xxh3_128_digest
    texts = column.cast(pa.binary()).to_pylist()
    halves = np.frombuffer(b"".join([digest(text) for text in texts]), dtype=">u8")
    pairs = halves.reshape(-1, 2).astype(np.uint64)
    return Hashes(pairs[:, 0].copy(), pairs[:, 1].copy())


def hash_keys(columns: pa.Table) -> Hashes:
    """The identity of each event; one without a key is known by its delivery and index."""
    place = pc.binary_join_element_wise(
        columns["seq"].cast(pa.string()), columns["idx"].cast(pa.string()), "."
    )
    named = pc.if_else(
        pc.is_null(columns["key"]),
        pc.binary_join_element_wise("d", place, ""),
        pc.binary_join_element_wise("k", columns["key"], "", null_handling="replace"),
    )
    return hash_text(
        pc.binary_join_element_wise(columns["product"], columns["source"], named, "\0")
    )


def places(columns: pa.Table) -> I64:
    """Delivery and index of each row in one integer."""
    seq: I64 = columns["seq"].to_numpy().astype(np.int64)
    idx: I64 = columns["idx"].to_numpy().astype(np.int64)
    return (seq << IDX_BITS) | idx


class Sorted(NamedTuple):
    """Rows that are new, and what became of the others."""

    fresh: NDArray[np.bool_]
    conflicts: list[DeadLetter]
    repeats: int


def only_new(
    index: KeyIndex,
    db: duckdb.DuckDBPyConnection,
    columns: pa.Table,
    hashes: Hashes,
    facts: Collection[int] = (),
) -> Sorted:
    """Part rows into new ones, honest repeats and conflicts; the earliest of equal keys stays.

    The keys of the deliveries `facts` were made by us, one for each fact: what is told of it
    beside (a plan's name, a reason) may be told in other words the next time.
    """
    known = index.find(hashes.high, hashes.low)
    first = _first_rows(hashes)
    repeated = (known >= 0) | (first >= 0)
    if not repeated.any():
        return Sorted(~repeated, [], 0)
    rows = np.flatnonzero(repeated)
    later = columns.take(pa.array(rows)).to_pylist()
    stored = _stored(db, [int(place) for place in known[rows] if place >= 0])
    earlier_rows = columns.take(pa.array(np.maximum(first[rows], 0))).to_pylist()
    conflicts = []
    for row, event, batch_mate in zip(rows.tolist(), later, earlier_rows, strict=True):
        original = stored.get(int(known[row])) if known[row] >= 0 else batch_mate
        compared = FACT if event["seq"] in facts else COMPARED
        if original is not None and not _same(event, original, compared):
            conflicts.append(
                DeadLetter(
                    seq=event["seq"],
                    idx=event["idx"],
                    source=event["source"],
                    code="conflicting_duplicate",
                    reason=f"Key '{event['key']}' was used before for another event; "
                    "the first one counts.",
                    recorded_at=event["recorded_at"],
                )
            )
    return Sorted(~repeated, conflicts, len(rows) - len(conflicts))


def _first_rows(hashes: Hashes) -> I64:
    """For each row the earlier row of this batch with the same key, or -1."""
    first = np.full(len(hashes.high), -1, dtype=np.int64)
    order = np.lexsort((hashes.low, hashes.high))
    high, low = hashes.high[order], hashes.low[order]
    same = np.concatenate([[False], (high[1:] == high[:-1]) & (low[1:] == low[:-1])])
    if same.any():
        # lexsort is stable: within a group the earliest row stands first.
        heads = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
        first[order[same]] = order[heads[same]]
    return first


def _stored(db: duckdb.DuckDBPyConnection, at: list[int]) -> dict[int, dict[str, Any]]:
    if not at:
        return {}
    wanted = pa.table({"place": pa.array(at, pa.int64())})
    with store.given(db, "wanted", wanted):
        found: pa.Table = db.sql(
            f"""select (e.seq << {IDX_BITS}) | e.idx as place, e.type, e.ts, e.value, e.currency,
              a.actor, e.metadata, e.corrected
            from events e left join actors a on a.no = e.actor
            where e.superseded_at is null
              and e.seq between {min(at) >> IDX_BITS} and {max(at) >> IDX_BITS}
              and ((e.seq << {IDX_BITS}) | e.idx) in (select place from wanted)"""
        ).to_arrow_table()
        rows: list[dict[str, Any]] = found.to_pylist()
    return {row["place"]: row for row in rows}


def _same(one: dict[str, Any], other: dict[str, Any], compared: tuple[str, ...]) -> bool:
    for name in compared:
        if one[name] == other[name]:
            continue
        if name == "ts" and (one["corrected"] or other["corrected"]):
            continue  # a clock was corrected, and may be by another amount this time
        if name == "metadata" and _same_json(one[name], other[name]):
            continue
        return False
    return True


def _same_json(one: str | None, other: str | None) -> bool:
    return bool(one and other and msgspec.json.decode(one) == msgspec.json.decode(other))
