"""What each user did, in order: stored events once more, by user and time, as plain columns.

A funnel or a path walks every user's events in the order of time; the table of events stands in
the order of arrival. So each product's events of a month are kept a second time as *runs*: sorted
columns in files, 14 bytes an event. Runs are made from the table by one statement and hold nothing
else; they are taken in when a question comes, cost commits nothing, and can be thrown away.

What came since the last run was written is read from the table at each question. A property of
the events is made into a column beside its run when it is first asked for, by the same statement,
so that its rows stand in the same order.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected, Unavailable
from upwell.event import DIMENSIONS, LATEST, pointer
from upwell.period import MICROS
from upwell.warehouse.order import by_person

U32 = NDArray[np.uint32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

FRESH = 250_000  # events that are read from the table at each question, before runs are written
PARTS = 4  # runs of one product and month, before they are made one
MOST = 30_000_000  # events of one question: they are in memory while it is answered
LAYOUT = 1
PATIENCE = 10.0  # seconds to wait for another thread that writes runs
NOBODY = ("report", "identify", "merge", "unmerge")  # types that are nobody's doing
VALUE, CURRENCY = "@value", "@currency"  # what an event is worth, asked for like a property
MISSING = -1  # the code of an event without the property


class Run(msgspec.Struct, frozen=True):
    """One file's worth: the versions of events that deliveries in (low, high] brought."""

    product: str
    month: int  # months since the year 0, of the event's time in UTC
    low: int
    high: int
    rows: int
    file: str


class Manifest(msgspec.Struct):
    """Which runs there are, what their codes mean, and up to where the table is in them."""

    layout: int = LAYOUT
    epoch: str = ""
    high: int = 0  # the last delivery whose events are in runs
    changed: int = 0  # the last delivery whose changes of older events are
    kinds: list[str] = []  # code -> event type, or `engagement:` and its name
    runs: list[Run] = []


class Column(NamedTuple):
    """A property of selected events: for each the place of its value in `values`, or MISSING."""

    codes: I32
    values: list[str]


class Selection(NamedTuple):
    """Events by person, then time: equal-length columns.

    `ts` is UTC micros; `kind` indexes `kinds`, `product` the products asked for; `person` is a
    user's number, or what the caller's map makes of it.
    """

    person: I64
    ts: I64
    kind: I32
    product: NDArray[np.int16]
    kinds: tuple[str, ...]
    properties: dict[str, Column]


class Timelines:
    """The runs of one data directory; any thread may ask."""

    def __init__(
        self,
        folder: Path,
        reader: Callable[[], duckdb.DuckDBPyConnection],
        fresh: int = FRESH,
    ) -> None:
        self._folder, self._reader, self._most = folder, reader, fresh
        self._lock = threading.RLock()
        self._manifest = Manifest()
        self._codes: dict[str, int] = {}
        self._fresh: dict[str, tuple[_Slice, _Part]] = {}  # what came since, by product
        self.progress: tuple[int, int] | None = None  # events written of how many, while building
        self._open()

    def kinds(self, products: Sequence[str]) -> tuple[str, ...]:
        """Every kind of event that has come, of these products at the latest."""
        with self._lock:
            for product in products:
                self._tail(product, ())
            return tuple(self._manifest.kinds)

    def refresh(self, epoch: str) -> int:
        """Take in what was stored since; returns the position of what can be asked.

        `epoch` names everything outside the table that decides which events count (who is left
        out); under another one all runs are made again. Unavailable while another thread builds.
        """
        if not self._lock.acquire(timeout=PATIENCE):
            done, of = self.progress or (0, 0)
            raise Unavailable(
                "preparing",
                f"The events are being put in order for such questions ({done:,} of {of:,}).",
                fix="Ask again in a few seconds; pages do it by themselves.",
            )
        try:
            db = self._reader()
            db.execute("begin")
            try:
                epoch += "\n" + _judged(db)
                if self._manifest.epoch != epoch:
                    self._forget(epoch)
                position = _position(db)
                self._mend(db, position)
                if _waiting(db, self._manifest.high, position) > self._most:
                    self._write(db, position)
                return position
            finally:
                db.execute("rollback")
        finally:
            self._lock.release()

    def read(
        self,
        products: Sequence[str],
        kinds: Collection[str] | None,
        span: tuple[int, int],
        properties: Sequence[str] = (),
        person: I64 | None = None,
        most: int = MOST,
    ) -> Selection:
        """Events of these products and kinds with `span[0] <= ts < span[1]`, by person and time.

        A kind is an event type, or `engagement:` and the event's name; None stands for all kinds.
        `person[actor]` says whose an event is (without it each user is one); events of one
        instant stand in the order in which they were received. Rejected where more than `most` fit.
        """
        actors, times, codes, owners = [], [], [], []
        columns: dict[str, list[Column]] = {name: [] for name in properties}
        with self._lock:
            parts = [
                (place, part)
                for place, name in enumerate(products)
                for part in self._parts(name, span, properties)
            ]
            known = tuple(self._manifest.kinds)
        wanted = np.array([kinds is None or kind in kinds for kind in known], dtype=np.bool_)
        found = 0
        for place, part in parts:
            rows = _selected(part, span, wanted)
            found += len(rows)
            if found > most:
                raise _too_many(most)
            owners.append(np.full(len(rows), place, np.int16))
            actors.append(part.actor[rows])
            times.append(part.ts[rows])
            codes.append(part.kind[rows])
            for name in properties:
                column = part.properties[name]
                columns[name].append(Column(column.codes[rows], column.values))
        actor = np.concatenate([np.zeros(0, np.uint32), *actors])
        ts = np.concatenate([np.zeros(0, np.int64), *times])
        kind = np.concatenate([np.zeros(0, np.int32), *codes])
        product = np.concatenate([np.zeros(0, np.int16), *owners])
        owner = actor.astype(np.int64) if person is None else person[actor]
        order = by_person(owner, ts)
        return Selection(
            owner[order],
            ts[order],
            kind[order].astype(np.int32),
            product[order],
            known,
            {name: _joined(own, order) for name, own in columns.items()},
        )

    def seen(self, products: Sequence[str], actors: I64) -> tuple[I64, I64, I64]:
        """Of ascending actors the first and last event (UTC micros), and how many there are.

        Those without any have no first and last that mean anything.
        """
        first = np.full(len(actors), np.iinfo(np.int64).max)
        last, count = np.zeros(len(actors), np.int64), np.zeros(len(actors), np.int64)
        with self._lock:
            parts = [part for name in products for part in self._parts(name, _EVER, ())]
        wanted = actors.astype(np.uint32)  # as the columns are: they would be copied otherwise
        for part in parts:
            low, high = (np.searchsorted(part.actor, wanted, side) for side in _SIDES)
            has = high > low
            count += high - low
            first[has] = np.minimum(first[has], part.ts[low[has]])
            last[has] = np.maximum(last[has], part.ts[high[has] - 1])
        return first, last, count

    def _parts(
        self, product: str, span: tuple[int, int], properties: Sequence[str]
    ) -> Iterator[_Part]:
        """The runs of the span, oldest first, then what came since they were written."""
        first, end = _month_of(span[0]), _month_of(span[1] - 1)
        own = [r for r in self._manifest.runs if r.product == product and first <= r.month <= end]
        for run in sorted(own, key=lambda each: (each.month, each.high)):
            columns = {name: self._property(run, name) for name in properties}
            yield self._columns(run)._replace(properties=columns)
        yield self._tail(product, properties)

    def _tail(self, product: str, properties: Sequence[str]) -> _Part:
        db = self._reader()
        position = _position(db)
        of = _Slice(product, None, self._manifest.high, position, position)
        if product not in self._fresh or self._fresh[product][0] != of:
            self._fresh[product] = (of, self._fetch(db, of))
        part = self._fresh[product][1]
        for name in properties:
            if name not in part.properties:
                part.properties[name] = self._extract(of, name)
        return part

    # -- runs ----------------------------------------------------------------------------------

    def _write(self, db: duckdb.DuckDBPyConnection, position: int) -> None:
        """Write everything that no run holds yet, a product's month at a time."""
        manifest = self._manifest
        months = db.execute(
            f"select product, {_MONTH} as month, count(*) from events"
            f" where {_COUNTS} and superseded_seq is null"
            " and version_seq > ? and version_seq <= ? group by all order by all",
            [manifest.high, position],
        ).fetchall()
        self.progress = (0, sum(n for _, _, n in months))
        try:
            runs, gone = list(manifest.runs), list[Run]()
            for product, month, n in months:
                elder = [r for r in runs if (r.product, r.month) == (product, month)]
                low = manifest.high
                if len(elder) >= PARTS:  # all of them, and what is new, in one
                    runs = [run for run in runs if run not in elder]
                    gone, low = [*gone, *elder], -1
                runs.append(self._make(db, product, month, low, position, position))
                self.progress = (self.progress[0] + n, self.progress[1])
            manifest.runs, manifest.high = runs, position
            self._keep()
            self._drop(gone)
            self._fresh.clear()
        finally:
            self.progress = None

    def _mend(self, db: duckdb.DuckDBPyConnection, position: int) -> None:
        """Make runs again that hold versions which others have taken the place of since."""
        manifest = self._manifest
        stale = set(
            db.execute(
                f"select distinct product, {_MONTH} from events"
                " where superseded_seq > ? and superseded_seq <= ? and version_seq <= ?",
                [manifest.changed, position, manifest.high],
            ).fetchall()
        )
        manifest.changed = position
        gone = [run for run in manifest.runs if (run.product, run.month) in stale]
        if gone:
            manifest.runs = [
                self._make(db, run.product, run.month, run.low, run.high, position)
                if run in gone
                else run
                for run in manifest.runs
            ]
            self._keep()
            self._drop(gone)

    def _make(
        self,
        db: duckdb.DuckDBPyConnection,
        product: str,
        month: int,
        low: int,
        high: int,
        position: int,
    ) -> Run:
        part = self._fetch(db, _Slice(product, month, low, high, position))
        named = f"{product}\0{month}\0{low}\0{high}\0{position}"
        file = hashlib.sha256(named.encode()).hexdigest()[:24]
        for name, values in (("actor", part.actor), ("ts", part.ts), ("kind", part.kind)):
            np.save(self._path(file, name), values)
        return Run(product, month, low, high, len(part.ts), file)

    def _columns(self, run: Run) -> _Part:
        actor, ts, kind = (
            np.load(self._path(run.file, name), mmap_mode="r") for name in ("actor", "ts", "kind")
        )
        return _Part(actor, ts, kind, {})

    def _property(self, run: Run, name: str) -> Column:
        """A property of a run's events, from beside the run; made where it was never asked for."""
        key = hashlib.sha256(name.encode()).hexdigest()[:16]
        codes, values = self._path(run.file, key), self._path(run.file, key, "json")
        try:
            known = msgspec.json.decode(values.read_bytes(), type=list[str])
            column = Column(np.load(codes, mmap_mode="r"), known)
            if len(column.codes) == run.rows:
                return column
        except (OSError, ValueError, EOFError):  # never made, or damaged since
            pass
        now = self._manifest.changed  # since then nothing of the run was superseded
        made = self._extract(_Slice(run.product, run.month, run.low, run.high, now), name)
        if len(made.codes) != run.rows:
            raise Unavailable(
                "changing",
                "Who is left out was changed while this was read.",
                fix="Ask again in a moment; pages do it by themselves.",
            )
        np.save(codes, made.codes)
        _replace(values, msgspec.json.encode(made.values))
        return made

    # -- the table -----------------------------------------------------------------------------

    def _fetch(self, db: duckdb.DuckDBPyConnection, of: _Slice) -> _Part:
        """Who did what when, of one slice of the table, in the order of runs."""
        rows = db.sql(
            f"select actor, ts, {_KIND} as kind from events where {of.where} {_ORDER}",
            params=of.values,
        ).to_arrow_table()
        coded = rows["kind"].combine_chunks().dictionary_encode()
        own = np.array([self._code(kind) for kind in coded.dictionary.to_pylist()], np.uint32)
        kind = own[coded.indices.to_numpy()] if len(own) else np.zeros(0, np.uint32)
        smallest = np.min_scalar_type(max(len(self._codes) - 1, 0))
        return _Part(
            rows["actor"].to_numpy().astype(np.uint32),
            rows["ts"].to_numpy().astype(np.int64),
            kind.astype(smallest),
            {},
        )

    def _extract(self, of: _Slice, name: str) -> Column:
        """One property of the same rows in the same order."""
        own = name if name in DIMENSIONS else _OWN.get(name)
        column = own or "json_extract_string(metadata, ?)"
        bound = [] if own else [pointer(name)]
        rows = self._reader().sql(
            f"select {column} as value from events where {of.where} {_ORDER}",
            params=[*bound, *of.values],
        )
        coded = rows.to_arrow_table()["value"].combine_chunks().dictionary_encode()
        codes = coded.indices.fill_null(MISSING).to_numpy(zero_copy_only=False)
        return Column(codes.astype(np.int32), coded.dictionary.to_pylist())

    def _code(self, kind: str) -> int:
        code = self._codes.get(kind)
        if code is None:
            code = self._codes[kind] = len(self._manifest.kinds)
            self._manifest.kinds.append(kind)
        return code

    # -- the folder ----------------------------------------------------------------------------

    def _open(self) -> None:
        """Read the manifest; a folder that does not fit it is emptied."""
        try:
            known = msgspec.json.decode((self._folder / _MANIFEST).read_bytes(), type=Manifest)
            if known.layout != LAYOUT:
                raise ValueError(known.layout)
            for run in known.runs:
                if any(len(column) != run.rows for column in self._columns(run)[:3]):
                    raise ValueError(run.file)
        except (OSError, ValueError, EOFError):
            self._forget("")
            return
        self._manifest = known
        self._codes = {kind: code for code, kind in enumerate(known.kinds)}
        mine = {run.file for run in known.runs}
        for path in self._folder.glob("*.*"):  # of a run that was begun and never entered
            if path.name.partition(".")[0] not in mine and path.name != _MANIFEST:
                path.unlink(missing_ok=True)

    def _forget(self, epoch: str) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._manifest, self._codes = Manifest(epoch=epoch), {}
        self._fresh.clear()

    def _keep(self) -> None:
        _replace(self._folder / _MANIFEST, msgspec.json.encode(self._manifest))

    def _drop(self, runs: Sequence[Run]) -> None:
        # A reader that has a file mapped keeps what it reads: the name goes, not the bytes.
        for run in runs:
            for path in self._folder.glob(f"{run.file}.*"):
                path.unlink(missing_ok=True)

    def _path(self, file: str, name: str, ending: str = "npy") -> Path:
        return self._folder / f"{file}.{name}.{ending}"


class _Slice(NamedTuple):
    """Versions of events of one product that deliveries in (low, high] brought, as of `at`."""

    product: str
    month: int | None  # None: of all months
    low: int
    high: int
    at: int  # the last delivery whose changes are seen

    @property
    def where(self) -> str:
        month = "" if self.month is None else " and ts >= ? and ts < ?"
        stands = "(superseded_seq is null or superseded_seq > ?)"
        came = "version_seq > ? and version_seq <= ?"
        return f"{_COUNTS} and {stands} and product = ? and {came}{month}"

    @property
    def values(self) -> list[Any]:
        given: list[Any] = [self.at, self.product, self.low, self.high]
        if self.month is not None:
            given += [_opens(self.month), _opens(self.month + 1)]
        return given


class _Part(NamedTuple):
    """Columns of one slice, in the order of runs."""

    actor: U32
    ts: I64
    kind: NDArray[Any]
    properties: dict[str, Column]


_EVER = (0, LATEST)
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
_MANIFEST = "manifest.json"
_OWN = {VALUE: "value::varchar", CURRENCY: "currency"}
_COUNTS = (
    "actor is not null and not excluded"
    f" and type not in ({', '.join(repr(kind) for kind in NOBODY)})"
)
_KIND = "case when type = 'engagement' then 'engagement:' || coalesce(name, '') else type end"
_MONTH = "(year(make_timestamp(ts)) * 12 + month(make_timestamp(ts)) - 1)::integer"
_ORDER = "order by actor, ts, recorded_at, key_high, key_low, version_seq, seq, idx"


def _position(db: duckdb.DuckDBPyConnection) -> int:
    rows = db.execute("select value from meta where key = 'applied'").fetchall()
    return int(rows[0][0])


def _judged(db: duckdb.DuckDBPyConnection) -> str:
    """Which judgement of who is left out the stored events carry; '' for that of their arrival."""
    rows = db.execute("select value from meta where key = 'judged'").fetchall()
    return str(rows[0][0]) if rows else ""


def _waiting(db: duckdb.DuckDBPyConnection, high: int, position: int) -> int:
    """How many versions of events no run holds yet."""
    rows = db.execute(
        "select count(*) from events where version_seq > ? and version_seq <= ?", [high, position]
    ).fetchall()
    return int(rows[0][0])


def _opens(month: int) -> int:
    """The first microsecond of a month in UTC."""
    first = dt.datetime(month // 12, month % 12 + 1, 1, tzinfo=dt.UTC)
    return int(first.timestamp()) * MICROS


def _month_of(ts: int) -> int:
    at = dt.datetime.fromtimestamp(ts // MICROS, dt.UTC)
    return at.year * 12 + at.month - 1


def _selected(part: _Part, span: tuple[int, int], wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of the rows of the wanted kinds within the span."""
    keep = wanted[part.kind]
    keep &= (part.ts >= span[0]) & (part.ts < span[1])
    return np.flatnonzero(keep)


def _joined(columns: Sequence[Column], order: I64) -> Column:
    """Columns of several parts as one, in another order; their values numbered together."""
    values: dict[str, int] = {}
    parts = [np.zeros(0, np.int32)]
    for column in columns:
        own = [values.setdefault(value, len(values)) for value in column.values]
        # The last place is what MISSING, -1, points at.
        parts.append(np.array([*own, MISSING], np.int32)[column.codes])
    return Column(np.concatenate(parts)[order], list(values))


def _too_many(most: int) -> Rejected:
    return Rejected(
        "too_many_events",
        f"More than {most:,} events would have to be walked for this.",
        fix="Ask for fewer days, fewer products, or rarer events.",
        where="from",
    )


def _replace(path: Path, body: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(body)
    os.replace(part, path)
