"""Deliveries as they came: durable, numbered, in order, changed only by an erasure.

One thread writes. Whatever waits when it wakes goes to disk in one transaction (group commit), so
a busy door costs one fsync for many requests. `submit` returns only after that fsync.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import apsw
import msgspec
import zstandard

from upwell.errors import Rejected, Unavailable
from upwell.event import Delivery, DeliveryKind
from upwell.period import to_instant

FORMAT = 1
GROUP_BYTES = 32 * 1024 * 1024
TAIL_BYTES = 96 * 1024 * 1024
RETRY_SECONDS = 5

_SCHEMA = """
create table if not exists meta(key text primary key, value text not null) without rowid;
create table if not exists deliveries(
  seq integer primary key,
  kind text not null,
  source text not null,
  received_at integer not null,  -- UTC microseconds, never decreasing
  about blob not null,           -- JSON: what the door decided
  size integer not null,         -- bytes before compression
  digest blob not null,          -- BLAKE2b-128 of kind, source, time, about and body
  body blob not null             -- zstd
);
create index if not exists by_kind on deliveries(kind, seq) where kind not in ('events', 'import');
create table if not exists seals(
  month text primary key, first_seq integer not null, last_seq integer not null,
  digest blob not null, sealed_at integer not null
) without rowid;
create table if not exists erasures(
  seq integer not null, erased_at integer not null, before blob not null, after blob not null
);
"""


class Damage(msgspec.Struct, frozen=True):
    """One thing `verify` found wrong in the journal."""

    where: str
    what: str


class Journal:
    """The file of deliveries and the one thread that writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write = _connect(path)
        self._read = _connect(path, readonly=True)
        self._read_lock = threading.Lock()
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._arrived = threading.Condition()
        self._tail: OrderedDict[int, tuple[Delivery, Any]] = OrderedDict()
        self._tail_bytes = 0
        row: Any = self._write.execute(
            "select seq, received_at from deliveries order by seq desc limit 1"
        ).fetchone()
        self._newest: int = row[0] if row else 0
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
        if self._closed:
            raise Unavailable("stopping", "The server is stopping.", fix="Send it again shortly.")
        waiting = _Waiting(delivery, carry, Future())
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
        last = self._slice_end(after, limit_bytes, upto or 2**62)
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

    def every(self, kind: DeliveryKind) -> list[Delivery]:
        """All deliveries of a kind that is a command, oldest first."""
        return list(self._rows("kind = ? and kind not in ('events', 'import')", kind))

    def wait(self, after: int, timeout: float) -> bool:
        """Whether something newer than `after` is there; waits until then, `wake`, or `timeout`."""
        with self._arrived:
            if self._newest <= after and not self._closed:
                self._arrived.wait(timeout)
            return self._newest > after

    def wake(self) -> None:
        """Wake whoever waits, to look at something else than the journal."""
        with self._arrived:
            self._arrived.notify_all()

    def rewrite(self, seq: int, body: bytes, erased_at: int) -> None:
        """Replace one body (an erasure), and seal its month again with a record of the change."""
        delivery = self.get(seq)
        if delivery is None:
            raise Rejected("unknown_delivery", f"There is no delivery {seq}.", where="delivery")
        before = _digest(delivery)
        after = msgspec.structs.replace(delivery, body=body)
        with self._read_lock, self._write:
            self._write.execute(
                "update deliveries set body = ?, size = ?, digest = ? where seq = ?",
                (self._compressor.compress(body), len(body), _digest(after), seq),
            )
            self._write.execute(
                "insert into erasures values (?, ?, ?, ?)", (seq, erased_at, before, _digest(after))
            )
            month = _month(delivery.received_at)
            if self._write.execute("select 1 from seals where month = ?", (month,)).fetchone():
                self._seal(month, erased_at)
        with self._arrived:
            self._tail.clear()
            self._tail_bytes = 0

    def verify(self) -> Iterator[Damage]:
        """Everything that does not match its digest or seal; reads the whole journal once."""
        expected: int | None = None
        with self._read_lock:
            rows = self._read.execute(f"select {_COLUMNS}, digest from deliveries order by seq")
            for *row, digest in rows:
                seq = row[0]
                if expected is not None and seq != expected:
                    yield Damage(f"delivery {expected}", f"missing: the next one is {seq}")
                expected = seq + 1
                try:
                    delivery = _delivery(row)
                except (zstandard.ZstdError, msgspec.DecodeError) as error:
                    yield Damage(f"delivery {seq}", f"cannot be read: {error}")
                    continue
                if _digest(delivery) != digest:
                    yield Damage(f"delivery {seq}", "its bytes are not those that were received")
            seals: list[tuple[Any, ...]] = self._read.execute(
                "select month, digest from seals order by month"
            ).fetchall()
            for month, digest in seals:
                if _seal_digest(self._read, month)[2] != digest:
                    yield Damage(f"month {month}", "its deliveries do not match the seal")

    def sources(self) -> list[tuple[str, int, int, int]]:
        """For every source: its name, deliveries, bytes, and when it last delivered (micros)."""
        with self._read_lock:
            rows: list[tuple[Any, ...]] = self._read.execute(
                "select source, count(*), sum(size), max(received_at) from deliveries"
                " where kind in ('events', 'import') group by source order by source"
            ).fetchall()
        return [(source, count, size, last) for source, count, size, last in rows]

    def close(self) -> None:
        """Finish what is queued, then close the file."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join(timeout=30)
        self.wake()
        with self._read_lock:
            self._read.close()
        self._write.close()

    def _slice_end(self, after: int, limit_bytes: int, upto: int) -> int:
        with self._read_lock:
            sizes: list[tuple[Any, ...]] = self._read.execute(
                "select seq, size from deliveries where seq > ? and seq <= ?"
                " order by seq limit 2000",
                (after, upto),
            ).fetchall()
        last, total = after, 0
        for seq, size in sizes:
            last, total = seq, total + size
            if total >= limit_bytes:
                break
        return last

    def _rows(self, clause: str, *values: int | str) -> Iterator[Delivery]:
        with self._read_lock:
            rows = self._read.execute(
                f"select {_COLUMNS} from deliveries where {clause} order by seq", values
            ).fetchall()
        return (_delivery(row) for row in rows)

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
            stamped = self._store(group)
        except apsw.Error as error:
            refused = _refusal(error)
            for waiting in group:
                waiting.done.set_exception(refused)
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
                _digest(delivery),
                self._compressor.compress(delivery.body),
            )
            for delivery in stamped
        ]
        with self._write:
            self._write.executemany("insert into deliveries values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            month = _month(stamped[-1].received_at)
            if self._last_time and month != _month(self._last_time):
                self._seal(_month(self._last_time), stamped[-1].received_at)
        return stamped

    def _seal(self, month: str, now: int) -> None:
        first, last, digest = _seal_digest(self._write, month)
        self._write.execute(
            "insert or replace into seals values (?, ?, ?, ?, ?)", (month, first, last, digest, now)
        )


_COLUMNS = "seq, kind, source, received_at, about, body"


def _delivery(row: Sequence[Any]) -> Delivery:
    return Delivery(
        seq=row[0],
        kind=row[1],
        source=row[2],
        received_at=row[3],
        about=msgspec.json.decode(row[4]),
        body=zstandard.decompress(row[5]),
    )


class _Waiting(msgspec.Struct):
    delivery: Delivery
    carry: Any
    done: Future[Delivery]


def _connect(path: Path, readonly: bool = False) -> apsw.Connection:
    new = not path.exists()
    try:
        flags = apsw.SQLITE_OPEN_READWRITE | (0 if readonly else apsw.SQLITE_OPEN_CREATE)
        connection = apsw.Connection(str(path), flags=flags)
        if new:
            os.chmod(path, 0o600)
            connection.execute("pragma page_size = 16384")
        connection.set_busy_timeout(10_000)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma wal_autocheckpoint = 4000")
        if readonly:
            connection.execute("pragma query_only = on")
        else:
            connection.execute(_SCHEMA)
            _check_format(connection)
    except apsw.Error as error:
        raise _refusal(error) from error
    return connection


def _check_format(connection: apsw.Connection) -> None:
    connection.execute("insert or ignore into meta values ('format', ?)", (str(FORMAT),))
    row: Any = connection.execute("select value from meta where key = 'format'").fetchone()
    found = int(row[0])
    if found > FORMAT:
        raise Rejected(
            "newer_data",
            f"The data directory was written by a newer Upwell (journal format {found}; "
            f"this one reads up to {FORMAT}).",
            fix="Install the newer version, or use another data directory.",
        )


def _refusal(error: apsw.Error) -> Unavailable:
    if isinstance(error, apsw.FullError):
        return Unavailable(
            "disk_full",
            "The disk is full: nothing was taken.",
            fix="Free some space; then send it again.",
            retry_after=RETRY_SECONDS,
        )
    return Unavailable(
        "journal_unavailable",
        f"The journal could not be written: {error}. Nothing was taken.",
        fix="Check the disk that holds the data directory; then send it again.",
        retry_after=RETRY_SECONDS,
    )


def _digest(delivery: Delivery) -> bytes:
    mark = hashlib.blake2b(digest_size=16)
    about = msgspec.json.encode(delivery.about, order="sorted")
    for part in (delivery.kind, delivery.source, str(delivery.received_at)):
        mark.update(part.encode() + b"\0")
    mark.update(about + b"\0")
    mark.update(delivery.body)
    return mark.digest()


def _month(micros: int) -> str:
    return to_instant(micros).strftime("%Y-%m")


def _seal_digest(connection: apsw.Connection, month: str) -> tuple[int, int, bytes]:
    mark = hashlib.sha256()
    first = last = 0
    year, number = int(month[:4]), int(month[5:])
    opens = _micros(year, number)
    closes = _micros(year + number // 12, number % 12 + 1)
    rows: Any = connection.execute(
        "select seq, digest from deliveries where received_at >= ? and received_at < ?"
        " order by seq",
        (opens, closes),
    )
    for seq, digest in rows:
        first, last = first or seq, seq
        mark.update(seq.to_bytes(8, "big") + digest)
    return first, last, mark.digest()


def _micros(year: int, month: int) -> int:
    return int(dt.datetime(year, month, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[Journal]:
    """A journal that is closed at the end of the block."""
    journal = Journal.open(directory)
    try:
        yield journal
    finally:
        journal.close()
