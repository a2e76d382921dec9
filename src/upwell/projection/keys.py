"""Which events are new: identity by (product, source, key), exact over all time.

A repeat with the same content is dropped; one with other content is a conflict, and the first one
stays. Where a delivery restates, its content takes the place of the one that is known. Keys are
128-bit hashes (XXH3): among a billion keys a false match has odds of 1 in 10^21.
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
from upwell.metrics.authority import sent_as
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
    """Rows that are new, and what became of the others.

    `known` is for each row the place of the stored event with its key, or -1: a fresh row takes
    the place of that one.
    """

    fresh: NDArray[np.bool_]
    conflicts: list[DeadLetter]
    repeats: int
    known: I64


def only_new(
    index: KeyIndex,
    db: duckdb.DuckDBPyConnection,
    columns: pa.Table,
    hashes: Hashes,
    facts: Collection[int] = (),
    restating: Collection[int] = (),
) -> Sorted:
    """Part rows into new ones, honest repeats and conflicts; the earliest of equal keys stays.

    The keys of the deliveries `facts` were made by us, one for each fact: what is told of it
    beside (a plan's name, a reason) may be told in other words the next time. Of those in
    `restating` the last row of a key counts, whatever is known; a key that stands in one of them
    stands in no other delivery of the batch.
    """
    known = index.find(hashes.high, hashes.low)
    first = _first_rows(hashes)
    repeated = (known >= 0) | (first >= 0)
    if not repeated.any():
        return Sorted(~repeated, [], 0, known)
    restates = _are_in(columns["seq"], restating)
    followed = restates & _followed(hashes)
    fresh = np.where(restates, (known < 0) & ~followed, ~repeated)
    rows = np.flatnonzero(~fresh & ~followed)
    later = columns.take(pa.array(rows)).to_pylist()
    stored = _stored(db, [int(place) for place in known[rows] if place >= 0])
    earlier_rows = columns.take(pa.array(np.maximum(first[rows], 0))).to_pylist()
    conflicts = []
    for row, event, batch_mate in zip(rows.tolist(), later, earlier_rows, strict=True):
        original = stored.get(int(known[row])) if known[row] >= 0 else batch_mate
        compared = FACT if event["seq"] in facts else COMPARED
        if original is None or _same(event, original, compared):
            continue
        later_stands = original["seq"] > event["seq"]  # when old deliveries are read anew
        if restates[row]:
            fresh[row] = not later_stands
        elif not (later_stands and original["restates"]):
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
    return Sorted(fresh, conflicts, int((~fresh).sum()) - len(conflicts), known)


def ends_before(columns: pa.Table, hashes: Hashes, restating: Collection[int]) -> int | None:
    """The delivery before which a batch must end, so that none restates another's event in it.

    What a delivery says was known until the next one restates it, so that both are stored.
    None: the batch may stay whole.
    """
    seqs: I64 = columns["seq"].to_numpy()
    restates = _are_in(columns["seq"], restating)
    first = _first_rows(hashes)
    rows = np.flatnonzero(first >= 0)
    rows = rows[(seqs[first[rows]] != seqs[rows]) & (restates[rows] | restates[first[rows]])]
    return int(seqs[rows].min()) if len(rows) else None


def standing(columns: pa.Table, hashes: Hashes, restating: Collection[int]) -> NDArray[np.bool_]:
    """Which rows of old deliveries, in order, are not restated by a later one of them."""
    row, first = np.arange(len(columns)), _first_rows(hashes)
    group = np.where(first < 0, row, first)
    restates = _are_in(columns["seq"], restating)
    last = np.full(len(columns), -1)
    np.maximum.at(last, group[restates], row[restates])
    found: NDArray[np.bool_] = row >= last[group]
    return found


def _are_in(column: pa.ChunkedArray, values: Collection[int]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.isin(column.to_numpy(), list(values))
    return found


def _followed(hashes: Hashes) -> NDArray[np.bool_]:
    """Which rows are followed by another one of the batch with the same key."""
    turned = _first_rows(Hashes(hashes.high[::-1], hashes.low[::-1]))
    return turned[::-1] >= 0


def _first_rows(hashes: Hashes) -> I64:
    """For each row the first row of this batch with the same key where that is another, or -1."""
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
              a.actor, e.metadata, e.corrected, e.seq,
              e.seq in (select seq from restating) as restates
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
        if name == "type" and sent_as(one[name]) == sent_as(other[name]):
            continue
        if name == "ts" and (one["corrected"] or other["corrected"]):
            continue  # a clock was corrected, and may be by another amount this time
        if name == "metadata" and _same_json(one[name], other[name]):
            continue
        return False
    return True


def _same_json(one: str | None, other: str | None) -> bool:
    return bool(one and other and msgspec.json.decode(one) == msgspec.json.decode(other))
