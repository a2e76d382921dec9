"""What takes stored events out, brings them back or reads them anew; in the caller's transaction.

Nothing is deleted: what no longer stands is marked, and what is read anew is another version. The
sums are folded again afterwards, and memory is to be loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from upwell.event import DIMENSIONS, Delivery
from upwell.period import Zone
from upwell.projection import billing, doubts, staff, store
from upwell.projection.books import Books, unreadable
from upwell.projection.commit import fold, write_dead
from upwell.projection.ground import Ground
from upwell.projection.keys import hash_keys, only_new
from upwell.projection.refold import load, refold
from upwell.projection.staged import Staged, facts_of, stacked, told_of


class Stage(NamedTuple):
    """An open transaction, the ledgers, and the configuration that things are counted under."""

    db: duckdb.DuckDBPyConnection
    books: Books
    ground: Ground
    zone: Zone


def supersede(stage: Stage, delivery: Delivery, seqs: Sequence[int]) -> int:
    """Take all events of the deliveries `seqs` out; returns how many."""
    db, books, ground, zone = stage
    out = frozenset(seqs)
    taken = _count(
        db.execute(
            """update events set superseded_at = ?, superseded_seq = ?
            where superseded_at is null and seq in (select unnest(?::bigint[]))""",
            [delivery.received_at, delivery.seq, list(seqs)],
        )
    )
    _settle(db, delivery.seq, seqs)
    books.command(db, delivery, ground, zone, seqs=seqs, takes=lambda version: version.seq in out)
    staff.mark(db, ground, staff.told_of(db, seqs))
    refold(db, ground, zone)
    return taken


def restore(stage: Stage, delivery: Delivery, retraction: int) -> int:
    """Bring back what a retraction took out; returns how many events."""
    db, books, ground, zone = stage
    brought = _count(
        db.execute(
            """insert into events
            select * replace (?::bigint as recorded_at, ?::bigint as version_seq,
              true as late, null as superseded_at, null as superseded_seq)
            from events e where superseded_seq = ? and not exists (
              select 1 from events o where o.superseded_at is null
              and o.key_high = e.key_high and o.key_low = e.key_low)""",
            [delivery.received_at, delivery.seq, retraction],
        )
    )
    for table in _NAMED:
        db.execute(f"update {table} set settled_seq = null where settled_seq = ?", [retraction])
    lost = frozenset(db.execute(_STILL_OUT, [retraction]).fetchall())
    books.command(
        db,
        delivery,
        ground,
        zone,
        seqs=[retraction],
        brings=lambda v: v.out_seq == retraction and (v.seq, v.idx) not in lost,
    )
    staff.mark(db, ground, staff.told_of(db, [retraction, delivery.seq]))
    refold(db, ground, zone)
    return brought


def retranslate(stage: Stage, delivery: Delivery, staged: Sequence[Staged]) -> tuple[int, int]:
    """Let a new reading take the stored one's place; returns how many went and were added."""
    db, books, ground, zone = stage
    seqs = [entry.delivery.seq for entry in staged]
    columns = stacked(staged)
    hashes = hash_keys(columns)
    columns = columns.append_column("key_high", pa.array(hashes.high))
    columns = columns.append_column("key_low", pa.array(hashes.low))
    columns = staff.located(db, ground, zone, columns)
    with store.given(db, "reading", columns), store.given(db, "reread", pa.table({"seq": seqs})):
        gone = _count(db.execute(_SUPERSEDE, [delivery.received_at, delivery.seq]))
    for name, value in (("recorded_at", delivery.received_at), ("version_seq", delivery.seq)):
        column = pa.array([value] * len(columns), pa.int64())
        columns = columns.set_column(columns.column_names.index(name), name, column)
    _settle(db, delivery.seq, seqs)
    memory = load(db, stage.ground)
    part = only_new(memory.keys, db, columns, hashes, facts_of(staged))
    fresh = columns.filter(pa.array(part.fresh))
    if len(fresh):
        fold(db, _as_late(fresh), ground, zone, memory)
    reading = [*told_of(staged), *billing.from_events(db, seqs)]
    same = {billing.said(one) for one in reading}
    again = frozenset(seqs)
    books.command(
        db,
        delivery,
        ground,
        zone,
        seqs=seqs,
        takes=lambda version: version.seq in again and version.said not in same,
        reading=reading,
    )
    still_dead = [letter for entry in staged for letter in entry.translated.dead]
    write_dead(db, [*still_dead, *part.conflicts, *unreadable(reading)])
    doubts.write(db, staged)
    staff.mark(db, ground, staff.told_of(db, seqs))
    refold(db, ground, zone)
    return gone, len(fresh)


READ_THE_SAME = " and ".join(
    f"r.{name} is not distinct from e.{name}"
    for name in ("type", "ts", "value", "currency", "metadata", *DIMENSIONS)
)
_SUPERSEDE = f"""
update events set superseded_at = ?, superseded_seq = ?
where superseded_at is null and seq in (select seq from reread) and rowid not in (
  select e.rowid from events e join reading r
    on r.key_high = e.key_high and r.key_low = e.key_low
  left join actors a on a.no = e.actor
  where e.superseded_at is null and r.actor is not distinct from a.actor and {READ_THE_SAME})
"""


_NAMED = ("dead_letters", "doubts")
_STILL_OUT = """
select e.seq, e.idx from events e where e.superseded_seq = ? and e.type = 'subscription'
  and not exists (select 1 from events o where o.superseded_at is null
    and o.seq = e.seq and o.idx = e.idx)
"""


def _settle(db: duckdb.DuckDBPyConnection, by: int, seqs: Sequence[int]) -> None:
    """Take what these deliveries could not be used for, or only with a doubt, off the lists."""
    for table in _NAMED:
        db.execute(
            f"update {table} set settled_seq = ? where settled_seq is null"
            " and seq in (select unnest(?::bigint[]))",
            [by, list(seqs)],
        )


def _as_late(columns: pa.Table) -> pa.Table:
    """The same rows, all marked as recorded after their day had ended."""
    at = columns.column_names.index("late")
    return columns.set_column(at, "late", pa.array([True] * len(columns)))


def _count(result: duckdb.DuckDBPyConnection) -> int:
    row: Any = result.fetchone()
    return int(row[0]) if row else 0
