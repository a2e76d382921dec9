"""What fresh events change: keys, stored events, days, histories, sums; one transaction a commit.

`Projection.apply` is the whole story of a commit. Its file is DuckDB; what must be looked up for
every event (keys, actors, active days) and what every page reads (sums) is also held in memory,
loaded from the file at start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from upwell.event import DeadLetter, Delivery, Position, Touched, Translated
from upwell.period import Zone
from upwell.projection import store
from upwell.projection.commit import Memory, Plan, Seen, fold, located, write_dead
from upwell.projection.ground import Ground
from upwell.projection.keys import Hashes, hash_keys, only_new, places
from upwell.projection.refold import load, refold, relocate
from upwell.projection.sums import Sums

LOOSE = 300_000  # rows of sums that may wait to be added up


class Staged(NamedTuple):
    """A delivery with what translation made of it."""

    delivery: Delivery
    translated: Translated


class Outcome(NamedTuple):
    """What a commit stored, dropped as repeats, could not use, and which sums it changed."""

    stored: int
    repeats: int
    dead: tuple[DeadLetter, ...]
    touched: frozenset[Touched]


class Projection:
    """The stored events and their sums; one writer, any number of readers."""

    def __init__(self, directory: Path, memory: str = "1GB") -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / "projection.duckdb"
        self._db = store.connect(self.path, memory)
        self._readers = threading.local()
        self.ground = Ground()
        self.zone = Zone("UTC")
        self.applied = 0
        self.generation = 0  # counts how often all sums were replaced
        self._memory = Memory()
        self._merged = self._loose = 0
        self._load()

    @property
    def sums(self) -> Sums:
        """The sums as readers see them: those of whole commits."""
        return self._memory.sums

    @property
    def position(self) -> Position:
        """The last delivery whose effects are in the sums."""
        return Position(0, self.applied)

    @property
    def products(self) -> frozenset[str]:
        """The ids of the products that exist here."""
        return frozenset(product.id for product in self.ground.products)

    def known_products(self) -> tuple[str, ...]:
        """Configured products in their order; `unassigned` last, once it has events."""
        ids = tuple(product.id for product in self.ground.products)
        seen = {product for product, _ in self._memory.seen}
        return ids + tuple(sorted(seen.difference(ids)))

    def product_name(self, product: str) -> str:
        """What people call the product."""
        names = {entry.id: entry.name for entry in self.ground.products}
        return names.get(product) or product

    def changed(self, products: Iterable[str], kinds: Iterable[str]) -> int:
        """The last delivery that changed any of these types in any of these products."""
        changed, own = self.sums.changed, tuple(products)
        return max((changed.get((p, kind), 0) for kind in kinds for p in own), default=0)

    def freshness(self, products: Iterable[str]) -> dict[str, int]:
        """For each source of these products, when it last brought an event (UTC micros)."""
        wanted, found = set(products), dict[str, int]()
        for (product, source), seen in list(self._memory.seen.items()):
            if product in wanted:
                found[source] = max(found.get(source, 0), seen.last_recorded)
        return dict(sorted(found.items()))

    def first_recorded(self, products: Iterable[str]) -> int | None:
        """When the first event of these products was recorded; None before there is any."""
        wanted = set(products)
        return min(
            (s.first_recorded for (p, _), s in list(self._memory.seen.items()) if p in wanted),
            default=None,
        )

    def seen(self) -> dict[tuple[str, str], Seen]:
        """For each product and source, how much was seen of it and when."""
        return dict(self._memory.seen)

    def reader(self) -> duckdb.DuckDBPyConnection:
        """A connection of the calling thread's own; it sees whole commits only."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._readers, "cursor", None)
        if cursor is None:
            cursor = self._readers.cursor = self._db.cursor()
        return cursor

    def apply(self, staged: Sequence[Staged], remote: bool = False) -> Outcome:
        """Store what is new, change the sums by it, move the position: all of it or nothing.

        `remote` also queues the fresh events for a warehouse that takes them from here.
        """
        newest = staged[-1].delivery.seq
        dead = [letter for entry in staged for letter in entry.translated.dead]
        columns = _stack(staged)
        fresh, plan, repeats, hashes = columns, Plan(), 0, hash_keys(columns)
        with self._commit(newest, lambda: plan.show(self._memory, newest)) as db:
            if len(columns):
                part = only_new(self._memory.keys, db, columns, hashes)
                fresh = columns.filter(pa.array(part.fresh))
                repeats = part.repeats
                dead += part.conflicts
                own = Hashes(hashes.high[part.fresh], hashes.low[part.fresh])
                self._memory.keys.add(own.high, own.low, places(fresh))
            if len(fresh):
                fresh = fresh.append_column("key_high", pa.array(own.high))
                fresh = fresh.append_column("key_low", pa.array(own.low))
                fresh = located(fresh, self.ground, self.zone)
                plan = fold(db, fresh, self.ground, self.zone, self._memory)
            if remote:
                _queue_outgoing(db, fresh)
            write_dead(db, dead)
        self._loose += plan.rows
        touched = frozenset(Touched(*entry) for entry in plan.touched)
        return Outcome(len(fresh), repeats, tuple(dead), touched)

    def tidy(self) -> bool:
        """Add up the rows that the last commits have left, where they are many; no answer changes.

        Sums grow by a row for each change; adding them up keeps the file small and start quick.
        """
        if self._loose < max(LOOSE, self._merged):
            return False
        with self._commit(self.applied) as db:
            store.merge(db)
            self._count_rows(db)
        return True

    def settle(self, seq: int) -> None:
        """Move the position over a delivery that changes nothing here."""
        with self._commit(seq):
            pass

    def set_ground(self, ground: Ground, seq: int) -> bool:
        """Stand on another configuration; returns whether the sums were folded again."""
        zone = Zone(ground.timezone)
        with self._commit(seq) as db:
            db.execute("delete from meta where key = 'ground'")
            text = msgspec.json.encode(ground).decode()
            db.execute("insert into meta values ('ground', ?)", [text])
            stored = db.execute("select count(*) from events").fetchone()
            again = bool(stored and stored[0]) and not ground.folds_like(self.ground)
            if again:
                relocate(db, self._db.cursor(), ground, zone)
                refold(db, ground, zone)
        self.ground, self.zone = ground, zone
        if again:
            self._load()
        return again

    def rebuild(self) -> None:
        """Drop every sum and fold the stored events again."""
        with self._commit(self.applied) as db:
            refold(db, self.ground, self.zone)
        self._load()

    def supersede(self, delivery: Delivery, seqs: Sequence[int]) -> int:
        """Take all events of the deliveries `seqs` out of the sums, keeping them; returns how many.

        The sums are folded again: a history without some of its events may differ anywhere.
        """
        with self._commit(delivery.seq) as db:
            taken = _count(
                db.execute(
                    """update events set superseded_at = ?, superseded_seq = ?
                    where superseded_at is null and seq in (select unnest(?::bigint[]))""",
                    [delivery.received_at, delivery.seq, list(seqs)],
                )
            )
            refold(db, self.ground, self.zone)
        self._load()
        return taken

    def restore(self, delivery: Delivery, retraction: int) -> int:
        """Bring back, as new versions, what a retraction took out; keys taken since then stay."""
        with self._commit(delivery.seq) as db:
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
            refold(db, self.ground, self.zone)
        self._load()
        return brought

    def retranslate(self, delivery: Delivery, staged: Sequence[Staged]) -> tuple[int, int]:
        """Let a new reading of old deliveries take the place of the stored one where they differ.

        Returns how many stored events were superseded and how many versions were added.
        """
        columns = _stack(staged)
        hashes = hash_keys(columns)
        columns = columns.append_column("key_high", pa.array(hashes.high))
        columns = columns.append_column("key_low", pa.array(hashes.low))
        columns = located(columns, self.ground, self.zone)
        with self._commit(delivery.seq) as db:
            reread = pa.table({"seq": [entry.delivery.seq for entry in staged]})
            with store.given(db, "reading", columns), store.given(db, "reread", reread):
                gone = _count(db.execute(_SUPERSEDE, [delivery.received_at, delivery.seq]))
            at = pa.array([delivery.received_at] * len(columns), pa.int64())
            by = pa.array([delivery.seq] * len(columns), pa.int64())
            for name, column in (("recorded_at", at), ("version_seq", by)):
                columns = columns.set_column(columns.column_names.index(name), name, column)
            db.execute(
                "update dead_letters set settled_seq = ? where settled_seq is null"
                " and seq in (select unnest(?::bigint[]))",
                [delivery.seq, [entry.delivery.seq for entry in staged]],
            )
            self._memory = load(db)
            part = only_new(self._memory.keys, db, columns, hashes)
            fresh = columns.filter(pa.array(part.fresh))
            if len(fresh):
                fold(db, _as_late(fresh), self.ground, self.zone, self._memory)
            still_dead = [letter for entry in staged for letter in entry.translated.dead]
            write_dead(db, [*still_dead, *part.conflicts])
            refold(db, self.ground, self.zone)
        self._load()
        return gone, len(fresh)

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of these keys belong to a stored event."""
        held: NDArray[np.bool_] = self._memory.keys.find(hashes.high, hashes.low) >= 0
        return held

    def close(self) -> None:
        """Write everything to the file and close it."""
        self._db.execute("checkpoint")
        self._db.close()

    @contextmanager
    def _commit(
        self, seq: int, show: Callable[[], None] = lambda: None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        self._db.execute("begin")
        try:
            yield self._db
            self._db.execute("update meta set value = ? where key = 'applied'", [str(seq)])
            self._db.execute("commit")
        except BaseException:
            self._db.execute("rollback")
            self._load()  # memory may be ahead of the file; the file is right
            raise
        show()
        self.applied = seq  # last: whoever waits for it finds the sums changed

    def _load(self) -> None:
        found = dict(self._db.execute("select key, value from meta").fetchall())
        self.applied = int(found["applied"])
        if text := found.get("ground"):
            self.ground = msgspec.json.decode(text, type=Ground)
            self.zone = Zone(self.ground.timezone)
        self._memory = load(self._db)
        self._count_rows(self._db)
        self.generation += 1

    def _count_rows(self, db: duckdb.DuckDBPyConnection) -> None:
        """Take note of how many rows the sums have now, to know when they have grown."""
        row = db.execute("select (select count(*) from cells) + (select count(*) from hours)")
        self._merged, self._loose = int(row.fetchall()[0][0]), 0


_SUPERSEDE = """
update events set superseded_at = ?, superseded_seq = ?
where superseded_at is null and seq in (select seq from reread) and not exists (
  select 1 from reading r left join actors a on a.product = r.product and a.actor = r.actor
  where r.key_high = events.key_high and r.key_low = events.key_low and r.type = events.type
    and r.ts = events.ts and r.value = events.value
    and r.currency is not distinct from events.currency
    and a.no is not distinct from events.actor
    and r.metadata is not distinct from events.metadata)
"""


def _as_late(columns: pa.Table) -> pa.Table:
    """The same rows, all marked as recorded after their day had ended."""
    at = columns.column_names.index("late")
    return columns.set_column(at, "late", pa.array([True] * len(columns)))


def placed(delivery: Delivery, events: pa.Table) -> pa.Table:
    """The events with the delivery that brought them, when, and by which this version came."""
    for name, value in (
        ("seq", delivery.seq),
        ("recorded_at", delivery.received_at),
        ("version_seq", delivery.seq),
    ):
        column = pa.repeat(pa.scalar(value, pa.int64()), len(events))
        events = events.append_column(name, column)
    return events


def _stack(staged: Sequence[Staged]) -> pa.Table:
    tables = [placed(delivery, translated.events) for delivery, translated in staged]
    return pa.concat_tables(tables).combine_chunks()


def _queue_outgoing(db: duckdb.DuckDBPyConnection, fresh: pa.Table) -> None:
    with store.given(db, "leaving", fresh):
        db.execute("insert into outgoing select seq, idx, version_seq from leaving")


def _count(result: duckdb.DuckDBPyConnection) -> int:
    row: Any = result.fetchone()
    return int(row[0]) if row else 0
