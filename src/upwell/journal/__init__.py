"""Deliveries as they came: durable, numbered, in order, changed only by an erasure.

One thread writes. Whatever waits when it wakes goes to disk in one transaction (group commit), so
a busy door costs one fsync for many requests. `submit` returns only after that fsync.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
import zstandard

from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.event import Delivery, DeliveryKind
from upwell.journal.file import connect, identity, told
from upwell.journal.seals import (
    COLUMNS,
    DAMAGED,
    delivery_of,
    digest_of,
    ended_months,
    month_of,
    months,
    seal,
    seal_of,
    stored_seals,
)

GROUP_BYTES = 32 * 1024 * 1024
TAIL_BYTES = 96 * 1024 * 1024

__all__ = ["DAMAGED", "Damage", "Journal", "opened"]


class Damage(msgspec.Struct, frozen=True):
    """One thing `verify` found wrong in the journal."""

    where: str
    what: str


class Arrived(NamedTuple):
    """What a source delivered: how often, when last (UTC micros), and as which kind the newest.

    Of what clients of others send the kind is `sdk.` and whose they are.
    """

    source: str
    deliveries: int
    last: int
    kind: str
    seq: int  # of the newest


class Journal:
    """The file of deliveries and the one thread that writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write = connect(path)
        self._read = connect(path, readonly=True)
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._arrived = threading.Condition()
        self._woken = False  # since the last wait
        self._tail: OrderedDict[int, tuple[Delivery, Any]] = OrderedDict()
        self._tail_bytes = 0
        with told("opened"):
            row: Any = self._write.execute(
                "select seq, received_at from deliveries order by seq desc limit 1"
            ).fetchone()
            self.id: str = identity(self._write)
        self._newest: int = row[0] if row else 0
        self._counted = 0  # up to this one `sources` has counted
        self._arrived_of: dict[str, Arrived] = {}
        self._last_time: int = row[1] if row else 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, directory: Path) -> Journal:
        """The journal of a data directory, made when absent; Rejected for a newer format."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(directory / "journal.sqlite")

    @property
    def newest(self) -> int:
        """Sequence of the newest durable delivery; 0 where there is none."""
        return self._newest

    def hand_over(self, delivery: Delivery, carry: Any = None) -> Future[Delivery]:
        """Queue a delivery; the future holds it, numbered and stamped, once it is on disk.

        `carry` is what the door already made of it (parsed columns); the reader of the tail gets
        it back and need not parse again. It is never written.
        """
        waiting = _Waiting(delivery, carry, Future())
        # From here on it cannot be called back: a caller that gives up must not stop the writer.
        waiting.done.set_running_or_notify_cancel()
        with self._arrived:
            if self._closed:
                raise Unavailable(
                    "stopping", "The server is stopping.", fix="Send it again shortly."
                )
            self._queue.put(waiting)
        return waiting.done

    async def submit(self, delivery: Delivery, carry: Any = None) -> int:
        """Sequence of the delivery, after it is durable; Unavailable where the disk refuses."""
        stamped = await asyncio.wrap_future(self.hand_over(delivery, carry))
        return stamped.seq

    def append(self, deliveries: Sequence[Delivery]) -> list[int]:
        """Sequences of the deliveries, after all of them are durable, in the given order."""
        waiting = [self.hand_over(delivery) for delivery in deliveries]
        return [future.result().seq for future in waiting]

    def read(
        self, after: int, limit_bytes: int = GROUP_BYTES, upto: int | None = None
    ) -> list[tuple[Delivery, Any]]:
        """The deliveries that follow `after`, in order, about `limit_bytes` of bodies at a time."""
        with self._arrived:
            if after + 1 in self._tail:
                return self._read_tail(after, limit_bytes)
        last = self._slice_end(after, limit_bytes, 2**62 if upto is None else upto)
        return [(found, None) for found in self._rows("seq > ? and seq <= ?", after, last)]

    def get(self, seq: int) -> Delivery | None:
        """One delivery, or None where that number was never given."""
        return next(self._rows("seq = ?", seq), None)

    def last(self, kind: DeliveryKind) -> Delivery | None:
        """The newest delivery of a kind, or None."""
        found = list(
            self._rows(
                "seq = (select max(seq) from deliveries where kind = ?"
                " and kind not in ('events', 'import'))",
                kind,
            )
        )
        return found[0] if found else None

    def pulled(self, source: str) -> Delivery | None:
        """The newest delivery of a source that says where reading it has come to, or None."""
        found = self._rows(
            "seq = (select seq from deliveries where kind in ('stripe', 'pull') and source = ?"
            " and instr(about, cast('\"pull\":' as blob)) order by seq desc limit 1)",
            source,
        )
        return next(found, None)

    def every(self, kind: DeliveryKind) -> list[Delivery]:
        """All deliveries of a kind that is a command, oldest first."""
        return list(self._rows("kind = ? and kind not in ('events', 'import')", kind))

    def wait(self, after: int, timeout: float) -> bool:
        """Whether something newer than `after` is there; waits until then, `wake`, or `timeout`."""
        with self._arrived:
            if self._newest <= after and not self._closed and not self._woken:
                self._arrived.wait(timeout)
            self._woken = False
            return self._newest > after

    def wake(self) -> None:
        """Wake whoever waits, to look at something else than the journal.

        Where nobody does, the next wait returns at once: its caller may have looked just before.
        """
        with self._arrived:
            self._woken = True
            self._arrived.notify_all()

    def resume_after(self, seq: int) -> None:
        """Give no number up to `seq` again: those deliveries were here once, and are lost.

        `verify` names them.
        """
        with self._write_lock, self._arrived:
            self._newest = max(self._newest, seq)

    def rewrite(self, seq: int, body: bytes, erased_at: int) -> None:
        """Replace one body (an erasure), and seal its month again with a record of the change.

        The former bytes are overwritten in the file, not only given up.
        """
        delivery = self.get(seq)
        if delivery is None:
            raise Rejected("unknown_delivery", f"There is no delivery {seq}.", where="delivery")
        before = digest_of(delivery)
        after = msgspec.structs.replace(delivery, body=body)
        with told("written"), self._transaction() as db:
            db.execute(
                "update deliveries set body = ?, size = ?, digest = ? where seq = ?",
                (zstandard.compress(body, 1), len(body), digest_of(after), seq),
            )
            db.execute(
                "insert into erasures values (?, ?, ?, ?)",
                (seq, erased_at, before, digest_of(after)),
            )
            month = month_of(delivery.received_at)
            if db.execute("select 1 from seals where month = ?", (month,)).fetchone():
                seal(db, month, erased_at)
        with told("written"), self._read_lock, self._write_lock:
            self._write.execute("pragma wal_checkpoint(truncate)")
        with self._arrived:
            self._tail.clear()
            self._tail_bytes = 0

    def verify(self) -> Iterator[Damage]:
        """Everything that does not match its digest or seal; reads the whole journal once."""
        try:
            yield from self._missing_or_changed()
            yield from self._unsealed()
        except (apsw.Error, UpwellError, OverflowError) as error:
            yield Damage("the file", f"cannot be read: {error}")

    def _missing_or_changed(self) -> Iterator[Damage]:
        seq, newest = 0, self._newest
        while seq < newest:
            last = self._slice_end(seq, GROUP_BYTES, newest)
            rows = self._select("seq > ? and seq <= ?", seq, last)
            found = [row[0] for row in rows]
            expected = iter(range(seq + 1, (found[-1] if found else newest) + 1))
            for row in rows:
                for number in expected:
                    if number == row[0]:
                        break
                    yield Damage(f"delivery {number}", "missing")
                if reason := delivery_of(row).about.get(DAMAGED):
                    yield Damage(f"delivery {row[0]}", reason)
            for number in expected:
                yield Damage(f"delivery {number}", "missing")
            seq = found[-1] if found else newest

    def _unsealed(self) -> Iterator[Damage]:
        with self._read_lock:
            seals, ended = stored_seals(self._read), ended_months(self._read)
        for month in sorted({*ended, *seals}):
            with self._read_lock:
                first, _, digest = seal_of(self._read, month)
            if month in seals and digest != seals[month]:
                yield Damage(f"month {month}", "its deliveries do not match the seal")
            elif month not in seals and first:
                yield Damage(f"month {month}", "its seal is missing")

    def sources(self) -> list[Arrived]:
        """Every source that delivered, by name; only what is new since the last call is read."""
        with told("read"), self._read_lock:
            newest = self._newest
            rows: list[tuple[Any, ...]] = self._read.execute(
                "select source, case kind when 'sdk' then kind || coalesce("
                "'.' || json_extract(cast(about as text), '$.door'), '') else kind end as came,"
                " count(*), max(received_at), max(seq) from deliveries"
                " where seq > ? and seq <= ? and kind in ('events', 'import', 'sdk', 'stripe',"
                " 'pull') group by source, came",
                (self._counted, newest),
            ).fetchall()
            for source, kind, count, last, seq in rows:
                known = self._arrived_of.get(source, Arrived(source, 0, 0, kind, 0))
                self._arrived_of[source] = Arrived(
                    source,
                    known.deliveries + count,
                    max(known.last, last),
                    ".".join(kind.split(".")[:2]) if seq > known.seq else known.kind,
                    max(seq, known.seq),
                )
            self._counted = newest
            return sorted(self._arrived_of.values())

    def close(self) -> None:
        """Finish what is queued, then close the file."""
        with self._arrived:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)  # the last: whatever was handed over before it is written
        self._thread.join(timeout=30)
        self.wake()
        with self._read_lock:
            self._read.close()
        self._write.close()

    def _slice_end(self, after: int, limit_bytes: int, upto: int) -> int:
        with told("read"), self._read_lock:
            sizes: list[tuple[Any, ...]] = self._read.execute(
                "select seq, size from deliveries where seq > ? and seq <= ?"
                " order by seq limit 2000",
                (after, upto),
            ).fetchall()
        last, total = after, 0
        for seq, size in sizes:
            last, total = seq, total + (size if isinstance(size, int) else 0)  # it may be damaged
            if total >= limit_bytes:
                break
        return last

    def _rows(self, clause: str, *values: int | str) -> Iterator[Delivery]:
        with told("read"):
            rows = self._select(clause, *values)
        return (delivery_of(row) for row in rows)

    def _select(self, clause: str, *values: int | str) -> list[tuple[Any, ...]]:
        with self._read_lock:
            rows: list[tuple[Any, ...]] = self._read.execute(
                f"select {COLUMNS} from deliveries where {clause} order by seq", values
            ).fetchall()
        return rows

    def _read_tail(self, after: int, limit_bytes: int) -> list[tuple[Delivery, Any]]:
        found: list[tuple[Delivery, Any]] = []
        size, seq = 0, after + 1
        while size < limit_bytes and (entry := self._tail.get(seq)) is not None:
            found.append(entry)
            size += len(entry[0].body)
            seq += 1
        # What the follower has passed is not read again from here.
        for done in list(self._tail):
            if done > after:
                break
            self._tail_bytes -= len(self._tail.pop(done)[0].body)
        return found

    def _run(self) -> None:
        stop = False
        while not stop:
            group: list[_Waiting] = []
            size = 0
            first = self._queue.get()
            while True:
                if first is None:
                    stop = True
                    break
                group.append(first)
                size += len(first.delivery.body)
                if size >= GROUP_BYTES:
                    break
                try:
                    first = self._queue.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._commit(group)

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            with told("written"):
                stamped = self._store(group)
        except Exception as error:  # noqa: BLE001 - raised again where it was handed over
            for waiting in group:
                waiting.done.set_exception(error)
            return
        with self._arrived:
            for waiting, delivery in zip(group, stamped, strict=True):
                self._tail[delivery.seq] = (delivery, waiting.carry)
                self._tail_bytes += len(delivery.body)
            while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
                self._tail_bytes -= len(self._tail.popitem(last=False)[1][0].body)
            self._newest = stamped[-1].seq
            self._last_time = stamped[-1].received_at
            self._arrived.notify_all()
        for waiting, delivery in zip(group, stamped, strict=True):
            waiting.done.set_result(delivery)

    def _store(self, group: list[_Waiting]) -> list[Delivery]:
        stamped = []
        seq, time = self._newest, self._last_time
        for waiting in group:
            seq += 1
            # Time never runs backwards here, so that "as known at" follows the order of arrival.
            time = max(time, waiting.delivery.received_at)
            stamped.append(msgspec.structs.replace(waiting.delivery, seq=seq, received_at=time))
        rows = [
            (
                delivery.seq,
                delivery.kind,
                delivery.source,
                delivery.received_at,
                msgspec.json.encode(delivery.about),
                len(delivery.body),
                digest_of(delivery),
                self._compressor.compress(delivery.body),
            )
            for delivery in stamped
        ]
        times = (self._last_time or stamped[0].received_at, stamped[-1].received_at)
        with self._transaction() as db:
            db.executemany("insert into deliveries values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            for month in list(months(*times))[:-1]:
                seal(db, month, stamped[-1].received_at)
        return stamped

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        """All of the block on disk, or nothing of it."""
        db = self._write
        with self._write_lock:
            if db.in_transaction:  # an earlier rollback was refused too
                db.execute("rollback")
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            except BaseException:
                with contextlib.suppress(apsw.Error):
                    if db.in_transaction:
                        db.execute("rollback")
                raise


class _Waiting(msgspec.Struct):
    delivery: Delivery
    carry: Any
    done: Future[Delivery]


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[Journal]:
    """A journal that is closed at the end of the block."""
    journal = Journal.open(directory)
    try:
        yield journal
    finally:
        journal.close()
