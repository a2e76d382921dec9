"""What takes stored events out, brings them back or reads them anew; in the caller's transaction.

Nothing is deleted: what no longer stands is marked, and what is read anew is another version. The
sums are folded again afterwards, and memory is to be loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from upwell.event import DIMENSIONS, Delivery
from upwell.period import Zone
from upwell.projection import billing, doubts, restated, staff, store
from upwell.projection.billing import Told
from upwell.projection.books import Books, Entry, unreadable
from upwell.projection.commit import fold, write_dead
from upwell.projection.ground import Ground
from upwell.projection.keys import Hashes, hash_keys, only_new, standing
from upwell.projection.refold import load, refold
from upwell.projection.staged import Staged, facts_of, restating_of, stacked, told_of


class Stage(NamedTuple):
    """An open transaction, the ledgers, and the configuration that things are counted under."""

    db: duckdb.DuckDBPyConnection
    books: Books
    ground: Ground
    zone: Zone


def supersede(stage: Stage, delivery: Delivery, seqs: Sequence[int]) -> int:
    """Take all events of the deliveries `seqs` out; returns how many.

    Where they had taken the place of others, those stand again.
    """
    db, books, ground, zone = stage
    out = frozenset(seqs)
    db.execute(
        "insert into retracted select seq, ? from (select unnest(?::bigint[]) as seq)"
        " where seq not in (select seq from retracted)",
        [delivery.seq, list(seqs)],
    )
    taken = _count(
        db.execute(
            """update events set superseded_at = ?, superseded_seq = ?
            where superseded_at is null and seq in (select unnest(?::bigint[]))""",
            [delivery.received_at, delivery.seq, list(seqs)],
        )
    )
    settled = restated.settle(db, delivery, _ENDED_BY, delivery.seq)
    _settle(db, delivery.seq, seqs)
    books.command(
        db,
        delivery,
        ground,
        zone,
        seqs=[*seqs, *(seq for seq, _ in settled.came)],
        takes=lambda version: version.seq in out,
        brings=lambda version: (version.seq, version.idx) in settled.came,
    )
    staff.mark(db, ground, staff.told_of(db, seqs))
    refold(db, ground, zone)
    return taken


def restore(stage: Stage, delivery: Delivery, retraction: int) -> int:
    """Bring back what a retraction took out; returns how many events."""
    db, books, ground, zone = stage
    db.execute(f"create or replace temp table back as {_BACK}", [retraction])
    db.execute("delete from retracted where by_seq = ?", [retraction])
    settled = restated.settle(db, delivery, "from back")
    for table in _NAMED:
        db.execute(f"update {table} set settled_seq = null where settled_seq = ?", [retraction])
    lost = frozenset(db.execute(_STILL_OUT, [retraction]).fetchall())
    books.command(
        db,
        delivery,
        ground,
        zone,
        seqs=[retraction, *(seq for seq, _ in settled.ended | settled.came)],
        takes=lambda v: (v.seq, v.idx) in settled.ended,
        brings=lambda v: v.out_seq == retraction and (v.seq, v.idx) not in lost,
    )
    staff.mark(db, ground, staff.told_of(db, [retraction, delivery.seq]))
    refold(db, ground, zone)
    return settled.events


def retranslate(stage: Stage, delivery: Delivery, staged: Sequence[Staged]) -> tuple[int, int]:
    """Let a new reading of old deliveries take the stored one's place; returns what went and came.

    Of what they restate the last stands, as when they came.
    """
    db, books, ground, zone = stage
    seqs = [entry.delivery.seq for entry in staged]
    restating = restating_of(staged)
    columns = stacked(staged)
    columns = columns.filter(pa.array(standing(columns, hash_keys(columns), restating)))
    hashes = hash_keys(columns)
    columns = columns.append_column("key_high", pa.array(hashes.high))
    columns = columns.append_column("key_low", pa.array(hashes.low))
    columns = staff.located(db, ground, zone, columns)
    db.execute("insert into rereading values (?)", [delivery.seq])
    with store.given(db, "reading", columns), store.given(db, "reread", pa.table({"seq": seqs})):
        gone = _count(db.execute(_SUPERSEDE, [delivery.received_at, delivery.seq]))
    for name, value in (("recorded_at", delivery.received_at), ("version_seq", delivery.seq)):
        column = pa.array([value] * len(columns), pa.int64())
        columns = columns.set_column(columns.column_names.index(name), name, column)
    _settle(db, delivery.seq, seqs)
    memory = load(db, stage.ground)
    part = only_new(memory.keys, db, columns, hashes, facts_of(staged), restating)
    fresh = columns.filter(pa.array(part.fresh))
    displaced: pa.Table | None = None
    if len(fresh):
        own = Hashes(hashes.high[part.fresh], hashes.low[part.fresh])
        displaced = restated.take_place(db, memory.keys, own, fresh, part.known[part.fresh])
        fold(db, _as_late(fresh), ground, zone, memory)
    settled = restated.settle(db, delivery, _ENDED_BY, delivery.seq)
    reading = [*told_of(staged), *billing.from_events(db, seqs)]
    same = {billing.said(one) for one in reading}
    again, out = frozenset(seqs), _told(displaced)
    books.command(
        db,
        delivery,
        ground,
        zone,
        seqs=[*seqs, *(seq for seq, _ in out | settled.came)],
        takes=lambda version: (
            (version.seq in again and version.said not in same) or (version.seq, version.idx) in out
        ),
        brings=lambda version: (version.seq, version.idx) in settled.came,
        reading=reading,
    )
    still_dead = [letter for entry in staged for letter in entry.translated.dead]
    write_dead(db, [*still_dead, *part.conflicts, *unreadable(reading)])
    doubts.write(db, staged)
    staff.mark(db, ground, staff.told_of(db, seqs))
    refold(db, ground, zone)
    return gone, len(fresh)


def of_ledger(gone: pa.Table) -> bool:
    """Whether events that others took the place of are what the ledger is made of."""
    return "subscription" in set(gone["type"].unique().to_pylist())


def retold(
    stage: Stage, delivery: Delivery, gone: pa.Table, reading: Sequence[Told]
) -> tuple[Entry, bool]:
    """Let what a delivery tells of subscriptions take the place of what it restates.

    Returns what to show, and whether memory is to be loaded afterwards instead.
    """
    db, books, ground, zone = stage
    out = _told(gone)
    entry = books.command(
        db,
        delivery,
        ground,
        zone,
        seqs=[seq for seq, _ in out],
        takes=lambda version: (version.seq, version.idx) in out,
        reading=reading,
    )
    flipped = staff.follow(db, ground, zone, staff.told_of(db, [delivery.seq]))
    return entry._replace(dead=tuple(unreadable(reading))), flipped or entry.loads


def _told(gone: pa.Table | None) -> frozenset[tuple[int, int]]:
    """The places of the events that the ledger is made of."""
    if gone is None:
        return frozenset()
    own = gone.filter(pc.equal(gone["type"], "subscription"))
    return frozenset(zip(own["seq"].to_pylist(), own["idx"].to_pylist(), strict=True))


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


_ENDED_BY = "select distinct key_high, key_low from events where superseded_seq = ?"
_BACK = (
    "select distinct key_high, key_low from events where superseded_seq = $1"
    " or seq in (select seq from retracted where by_seq = $1)"
)
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
