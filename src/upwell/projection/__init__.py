"""What fresh events change: keys, stored events, days, histories, sums; one transaction a commit.

`Projection.apply` is the whole story of a commit. Its file is DuckDB; what must be looked up for
every event (keys, actors, active days) and what every page reads (sums) is also held in memory,
loaded from the file at start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from upwell.billing import SubscriptionState
from upwell.event import DeadLetter, Delivery, Position, Touched
from upwell.metrics.policy import MetricPolicy
from upwell.period import Zone
from upwell.projection import (
    billing,
    closes,
    corrections,
    doubts,
    readings,
    restated,
    staff,
    store,
)
from upwell.projection.book import Book
from upwell.projection.books import Books, Entry
from upwell.projection.closes import Close
from upwell.projection.commit import Memory, Plan, Seen, fold, write_dead
from upwell.projection.corrections import Stage
from upwell.projection.epochs import counts_like, epoch_of, merges_only, rules
from upwell.projection.folding import Folding
from upwell.projection.ground import GROUND, Ground, Relinked
from upwell.projection.keys import Hashes, ends_before, hash_keys, only_new
from upwell.projection.ledger import Moment
from upwell.projection.refold import (
    goals,
    load,
    own_metrics,
    refold,
    relocate,
    weighs_otherwise,
)
from upwell.projection.room import Room
from upwell.projection.staged import Staged, alone, facts_of, restating_of, stacked, told_of
from upwell.projection.sums import Sums

__all__ = ["Outcome", "Projection", "Staged"]

log = structlog.get_logger()

LOOSE = 300_000  # rows of sums that may wait to be added up


class Outcome(NamedTuple):
    """What a commit stored, dropped as repeats, could not use, and which sums it changed."""

    stored: int
    repeats: int
    dead: tuple[DeadLetter, ...]
    touched: frozenset[Touched]
    refolded: bool = False  # any sum may have changed
    taken: int = 0  # of the deliveries given


class Projection:
    """The stored events and their sums; one writer, any number of readers."""

    def __init__(self, directory: Path, memory: str = "1GB") -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / "projection.duckdb"
        self._limit = memory
        self._readers = threading.local()
        self._cursors = WeakSet[duckdb.DuckDBPyConnection]()
        self._opened = 0  # counts connections: a reader of an earlier one gets another
        self.ground = Ground()
        self.zone = Zone("UTC")
        self.applied = 0
        self.closes: tuple[Close, ...] = ()  # every close of a month there ever was
        self.generation = 0  # counts how often all sums were replaced
        self._memory = Memory()
        self._books = Books()
        self._foldings: dict[MetricPolicy, Folding] = {}
        self._writing = threading.RLock()  # held during a commit
        self._asked = threading.Lock()  # held while a folding is begun
        self._merged = self._loose = 0
        self._ahead = False  # memory holds what the file has not, or not yet
        self._unusable = False  # the connection must be opened again
        self._db = self._open()

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

    def book(self, policy: str | None = None) -> Book:
        """The ledger of recurring revenue, under the workspace's rules or others by their name.

        Raises Rejected for rules that do not exist, and Unavailable (folding) while those that
        nobody has asked for are being counted.
        """
        own, wanted = self.ground.counting(), self.ground.counting(policy)
        if (key := rules(wanted)) == rules(own):
            return self._books.main
        found = self._books.others.get(key)
        if found is not None:
            return found
        with self._asked:
            folding = self._foldings.get(key)
            if folding is None or folding.ended:
                folding = Folding(self._books, wanted, self._db.cursor(), self._writing)
                self._foldings[key] = folding
        raise folding.progress()

    def persons(self) -> NDArray[np.int64]:
        """By number of the actor the number of its person, for all there are and many to come.

        As known now: whom an event is of follows what is said later. Read only.
        """
        return self._memory.people.array(self._memory.actors.count)

    @property
    def persons_version(self) -> tuple[int, int]:
        """Another one whenever any actor may be another person than before."""
        return self.generation, self._memory.people.version

    def entered(self, rule: str, actors: NDArray[np.int64], before: int) -> NDArray[np.bool_]:
        """Which of these actors, in order, entered a cohort rule before an instant (UTC micros)."""
        return self._memory.cohorts[rule].entered(actors, before)

    @property
    def books(self) -> Books:
        """The ledgers with what stands behind them."""
        return self._books

    def states(
        self, source: str, subscription: str
    ) -> list[tuple[SubscriptionState, int, int, int | None]]:
        """Every version of a subscription's states, in the order of their time.

        With each: the delivery that brought it, when it was recorded, and superseded if it was.
        """
        return billing.history(self.reader(), source, subscription)

    def reader(self) -> duckdb.DuckDBPyConnection:
        """A connection of the calling thread's own; it sees whole commits only."""
        own: tuple[int, duckdb.DuckDBPyConnection] | None = getattr(self._readers, "own", None)
        if own is None or own[0] != self._opened:
            own = self._readers.own = (self._opened, self._db.cursor())
            self._cursors.add(own[1])
        return own[1]

    def apply(self, staged: Sequence[Staged], remote: bool = False) -> Outcome:
        """Store what is new, change the sums by it, move the position: all of it or nothing.

        Of deliveries that restate each other's events only the first are taken; `taken` says how
        many. `remote` also queues the fresh events for a warehouse that takes them from here.
        """
        staged = alone(staged)
        columns = stacked(staged)
        hashes, restating = hash_keys(columns), restating_of(staged)
        if restating and (end := ends_before(columns, hashes, restating)) is not None:
            return self.apply([one for one in staged if one.delivery.seq < end], remote)
        newest = staged[-1].delivery.seq
        dead = [letter for entry in staged for letter in entry.translated.dead]
        fresh, plan, repeats = columns, Plan(), 0
        told, entry, gone = told_of(staged), Entry(), None

        flipped = False

        def show() -> None:
            if flipped:
                self._load()
                return
            plan.show(self._memory, newest)
            entry.show(self._memory, newest)

        with self._commit(newest, show) as db:
            if len(columns):
                keys = self._memory.keys
                part = only_new(keys, db, columns, hashes, facts_of(staged), restating)
                fresh = columns.filter(pa.array(part.fresh))
                repeats = part.repeats
                dead += part.conflicts
                own = Hashes(hashes.high[part.fresh], hashes.low[part.fresh])
                gone = restated.take_place(db, keys, own, fresh, part.known[part.fresh])
            if len(fresh):
                fresh = fresh.append_column("key_high", pa.array(own.high))
                fresh = fresh.append_column("key_low", pa.array(own.low))
                fresh = staff.located(db, self.ground, self.zone, fresh)
                plan = fold(db, fresh, self.ground, self.zone, self._memory, gone)
            if remote:
                _queue_outgoing(db, fresh)
            if any(kind == "subscription" for _, kind, _ in plan.touched):
                told += billing.from_events(db, [delivery.seq for delivery, _ in staged])
            if gone is not None and corrections.of_ledger(gone):
                stage = self._stage(db)
                entry, flipped = corrections.retold(stage, staged[-1].delivery, gone, told)
                dead += entry.dead
            elif told:
                entry = self._books.take(db, told, self.ground, self.zone)
                dead += entry.dead
                repeats += entry.repeats
                flipped = staff.follow(db, self.ground, self.zone, entry.other)
            if plan.moved:
                refold(db, self.ground, self.zone)
                flipped = True
            write_dead(db, dead)
            doubts.write(db, staged)
        self._loose += plan.rows
        touched = frozenset(Touched(*key) for key in (*plan.touched, *entry.touched))
        return Outcome(len(fresh), repeats, tuple(dead), touched, flipped, len(staged))

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

    def settle(self, seq: int, dead: Sequence[DeadLetter] = ()) -> None:
        """Move the position over a delivery that changes nothing here, or cannot."""
        with self._commit(seq) as db:
            write_dead(db, dead)

    def close_month(self, delivery: Delivery) -> bool:
        """Close a month and all before it, or open it and all after it; False if that is so."""
        known = closes.after(self.closes, delivery)
        changed = known != self.closes

        def show() -> None:
            self.closes = known

        with self._commit(delivery.seq, show) as db:
            if changed:
                closes.write(db, known)
        return changed

    def set_ground(self, ground: Ground, seq: int, at: int, change: Relinked | None = None) -> bool:
        """Stand on another configuration from `at` on; returns whether any number may be another.

        `change` is what is kept of it where only those who belong together are others.
        """
        zone = Zone(ground.timezone)
        again = recounts = False
        shown = (ground.currency, zone.name) != (self.ground.currency, self.zone.name)
        relinked: Callable[[], None] | None = None

        def stand() -> None:
            if again:
                self._load()
            elif relinked is not None:
                self._stop_folding()
                relinked()
            elif recounts:
                self._load_books(ground)
            self.ground, self.zone = ground, zone
            self._books.main.policy = ground.policy

        with self._commit(seq, stand) as db:
            db.execute("delete from meta where key = 'ground'")
            text = msgspec.json.encode(ground).decode()
            db.execute("insert into meta values ('ground', ?)", [text])
            stored = db.execute("select count(*) from events").fetchone()
            own_metrics(db, ground)
            goals(db, ground)
            other = ground.authorities != self.ground.authorities
            weighs = other and weighs_otherwise(db, ground)
            folds = bool(stored and stored[0]) and not ground.folds_like(self.ground)
            again = folds or weighs
            if weighs:
                store.judge_anew(db)
            if again:
                relocate(db, self._db.cursor(), partial(staff.located, db, ground, zone))
                refold(db, ground, zone)
            recounts = not counts_like(ground, self.ground)
            if recounts:
                kept = text if change is None else msgspec.json.encode(change).decode()
                db.execute("insert into grounds values (?, ?, ?)", [seq, at, kept])
                old = self._db.cursor()
                before, after = (epoch_of(one, Zone(one.timezone)) for one in (self.ground, ground))
                if merges_only(self.ground, ground):
                    relinked = self._books.relink(db, old, before, after, Moment(seq, at))
                else:
                    self._books.recount(db, old, before, after, Moment(seq, at))
                if zone.name != self.zone.name:
                    billing.relocate_money(db, zone)
        return again or shown or (recounts and bool(len(self._books.main.rows.line)))

    def relink(self, change: Relinked, seq: int, at: int) -> bool:
        """Let other customers be one from `at` on; returns whether any number may have changed."""
        return self.set_ground(change.of(self.ground), seq, at, change)

    def rebuild(self) -> None:
        """Drop every sum and fold the stored events again.

        Where those cannot be read the file is put aside, and the journal fills an empty one.
        """
        try:
            with self._commit(self.applied, self._load) as db:
                refold(db, self.ground, self.zone)
                self._books.rebuild(db, self._db.cursor(), self.zone)
        except duckdb.Error as error:
            if not store.corrupt(error):
                raise
            self.renew(str(error))

    def renew(self, why: str) -> None:
        """Put the file aside and begin with an empty one, at the journal's start."""
        log.warning("projection put aside", why=why.splitlines()[0], kept_beside=str(self.path))
        self._shut()
        store.put_aside(self.path)
        self._db = self._open()

    @property
    def journal(self) -> str:
        """The journal whose deliveries were applied here; '' before the first was."""
        row = self.reader().execute("select value from meta where key = 'journal'").fetchone()
        return str(row[0]) if row else ""

    @journal.setter
    def journal(self, identity: str) -> None:
        with self._commit(self.applied) as db:
            db.execute("delete from meta where key = 'journal'")
            db.execute("insert into meta values ('journal', ?)", [identity])

    def supersede(self, delivery: Delivery, seqs: Sequence[int]) -> int:
        """Take all events of the deliveries `seqs` out of the sums, keeping them; returns how many.

        The sums are folded again: a history without some of its events may differ anywhere.
        """
        with self._commit(delivery.seq, self._load) as db:
            return corrections.supersede(self._stage(db), delivery, seqs)

    def restore(self, delivery: Delivery, retraction: int) -> int:
        """Bring back, as new versions, what a retraction took out; keys taken since then stay."""
        with self._commit(delivery.seq, self._load) as db:
            return corrections.restore(self._stage(db), delivery, retraction)

    def retranslate(self, delivery: Delivery, staged: Sequence[Staged]) -> tuple[int, int]:
        """Let a new reading of old deliveries take the place of the stored one where they differ.

        Returns how many stored events were superseded and how many versions were added.
        """
        with self._commit(delivery.seq, self._load) as db:
            return corrections.retranslate(self._stage(db), delivery, staged)

    def _stage(self, db: duckdb.DuckDBPyConnection) -> Stage:
        return Stage(db, self._books, self.ground, self.zone)

    def holds(self, hashes: Hashes) -> NDArray[np.int64]:
        """The place (see `places`) of the stored event of each key, or -1."""
        return self._memory.keys.find(hashes.high, hashes.low)

    def close(self) -> None:
        """Write everything to the file and close it."""
        with suppress(duckdb.Error):  # a full disk: the log beside the file holds the same
            self._db.execute("checkpoint")
        self._shut()

    def recover(self) -> None:
        """Read memory again from the file where a failed commit has left it ahead.

        Raises duckdb.Error as long as the file cannot be written.
        """
        if not self._ahead:
            return
        if not self._unusable:
            try:
                self._db.execute("update meta set value = value where key = 'applied'")
                self._load()
            except duckdb.Error as error:
                self._judge(error)
                raise
        else:
            self._shut()
            self._db = self._open()
            self._unusable = False

    @contextmanager
    def _commit(
        self, seq: int, show: Callable[[], None] = lambda: None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        self.recover()
        with self._writing:
            self._ahead = True  # until the file has it too
            try:
                self._db.execute("begin")
                yield self._db
                self._db.execute("update meta set value = ? where key = 'applied'", [str(seq)])
                self._db.execute("commit")
            except BaseException as failure:
                try:
                    self._db.execute("rollback")
                except duckdb.TransactionException:
                    pass  # a commit that failed has ended the transaction itself
                except duckdb.Error:
                    self._unusable = True
                self._judge(failure)
                raise
            show()
            self.applied = seq  # last: whoever waits for it finds the sums changed
            self._ahead = False

    def _judge(self, failure: BaseException) -> None:
        """Take note where DuckDB will refuse everything until the file is opened again."""
        fatal = isinstance(failure, duckdb.FatalException) or "invalidated" in str(failure)
        self._unusable = self._unusable or fatal

    def _open(self) -> duckdb.DuckDBPyConnection:
        """The file, opened and loaded; one that cannot be read is put aside, never deleted."""
        try:
            return self._opened_file()
        except duckdb.Error as error:
            if not store.damaged(error):
                raise store.unavailable(error) from error
            log.warning("projection put aside", why=str(error).splitlines()[0], path=str(self.path))
        store.put_aside(self.path)
        return self._opened_file()

    def _opened_file(self) -> duckdb.DuckDBPyConnection:
        self._db = store.connect(self.path, self._limit)
        self._opened += 1
        try:
            readings.begin(self._db)
            self._load()
        except BaseException:
            self._shut()
            raise
        return self._db

    def _shut(self) -> None:
        """Close the file, and the connections of all readers: while one is open it stays open."""
        for folding in list(self._foldings.values()):
            folding.close()
        for cursor in (*self._cursors, self._db):
            with suppress(duckdb.Error):
                cursor.interrupt()  # a long answer would outlive its process, which aborts then
                cursor.close()
        self._cursors.clear()

    def _load(self) -> None:
        found = dict(self._db.execute("select key, value from meta").fetchall())
        applied, text = int(found["applied"]), found.get("ground")
        ground = GROUND.decode(text) if text else Ground()
        room = Room(self.path.parent / "exchange")
        memory = load(self._db, ground, room) if applied else Memory(room)  # nothing came yet
        self._count_rows(self._db)
        self.closes = closes.load(self._db)
        self.ground, self.zone, self._memory = ground, Zone(ground.timezone), memory
        self.generation += 1
        self._load_books(ground)
        self.applied = applied
        self._ahead = False

    def _load_books(self, ground: Ground) -> None:
        """Read the ledger again; those under other rules are counted when next asked for."""
        books = Books(ground.policy)
        books.load(self._db, ground)
        self._stop_folding()
        for key, seen in books.seen.items():
            self._memory.seen[key] = seen.joined(self._memory.seen.get(key))
        books.main.version += self._books.main.version + 1
        self._books = books

    def _stop_folding(self) -> None:
        """Let nobody finish a book of what is no more; it is begun again when asked for."""
        with self._asked:
            for folding in self._foldings.values():
                folding.stop()

    def _count_rows(self, db: duckdb.DuckDBPyConnection) -> None:
        """Take note of how many rows the sums have now, to know when they have grown."""
        row = db.execute("select (select count(*) from cells) + (select count(*) from hours)")
        self._merged, self._loose = int(row.fetchall()[0][0]), 0


def _queue_outgoing(db: duckdb.DuckDBPyConnection, fresh: pa.Table) -> None:
    with store.given(db, "leaving", fresh):
        db.execute("insert into outgoing select seq, idx, version_seq from leaving")
