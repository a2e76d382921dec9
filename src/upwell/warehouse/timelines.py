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

import hashlib
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np

from upwell.errors import Unavailable
from upwell.event import LATEST
from upwell.warehouse import slices
from upwell.warehouse.folder import Folder, Run
from upwell.warehouse.reading import SHARE, Owners, Reading, owners
from upwell.warehouse.slices import I64, Column, Part, Slice

FRESH = 250_000  # events that are read from the table at each question, before runs are written
PARTS = 4  # runs of one product and month, before they are made one
PATIENCE = 2.0  # seconds to wait for another thread that writes runs


class Timelines:
    """The runs of one data directory; any thread may ask."""

    def __init__(
        self,
        folder: Path,
        reader: Callable[[], duckdb.DuckDBPyConnection],
        fresh: int = FRESH,
        share: int = SHARE,
    ) -> None:
        self._folder, self._reader = Folder(folder), reader
        self._most, self._share = fresh, share
        self._lock = threading.RLock()
        self._manifest = self._folder.open()
        self._codes = {kind: code for code, kind in enumerate(self._manifest.kinds)}
        self._fresh: dict[str, tuple[Slice, Part]] = {}  # what came since, by product
        self._owners: Owners | None = None  # of the last question: the same until people change
        self.progress: tuple[int, int] | None = None  # events written of how many, while building

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
                "folding",
                f"The events are being put in order for such questions ({done:,} of {of:,}).",
                fix="Ask again in a few seconds; pages do it by themselves.",
            )
        try:
            db = self._reader()
            db.execute("begin")
            try:
                epoch += "\n" + slices.judged(db)
                if self._manifest.epoch != epoch:
                    self._forget(epoch)
                position = slices.position(db)
                self._mend(db, position)
                if slices.waiting(db, self._manifest.high, position) > self._most:
                    self._write(db, position)
                return position
            finally:
                db.execute("rollback")
        finally:
            self._lock.release()

    def reading(
        self,
        products: Sequence[str],
        kinds: Collection[str] | None,
        span: tuple[int, int],
        properties: Sequence[str] = (),
        person: I64 | None = None,
        told: Callable[[float], None] = lambda _: None,
    ) -> Reading:
        """Events of these products and kinds with `span[0] <= ts < span[1]`, ready to be read.

        A kind is an event type, or `engagement:` and the event's name; None stands for all kinds.
        `person[actor]`, never more than the actor, says whose an event is (without it each user is
        one); events of one instant stand in the order in which they were received. `told` hears
        how much of the properties asked for the first time was made ready.
        """
        with self._lock:
            runs = [(at, run) for at, name in enumerate(products) for run in self._runs(name, span)]
            parts = [(at, self._folder.columns(run)) for at, run in runs]
            tails = [(at, self._tail(name, properties)) for at, name in enumerate(products)]
            known, changed = tuple(self._manifest.kinds), self._manifest.changed
        found = []
        for done, ((at, run), (_, part)) in enumerate(zip(runs, parts, strict=True)):
            columns = {name: self._property(run, name, changed) for name in properties}
            found.append((at, part._replace(properties=columns)))
            if properties:
                told(done / len(runs))
        whose = None if person is None else self._whose(person)
        return Reading([*found, *tails], known, kinds, span, whose, self._share)

    def rows(self, products: Sequence[str], span: tuple[int, int]) -> int:
        """About how many events of these products there are within the months of the span."""
        with self._lock:
            return sum(run.rows for name in products for run in self._runs(name, span))

    def seen(self, products: Sequence[str], actors: I64) -> tuple[I64, I64, I64]:
        """Of ascending actors the first and last event (UTC micros), and how many there are.

        Those without any have no first and last that mean anything.
        """
        first = np.full(len(actors), np.iinfo(np.int64).max)
        last, count = np.zeros(len(actors), np.int64), np.zeros(len(actors), np.int64)
        with self._lock:
            parts = [
                self._folder.columns(run) for name in products for run in self._runs(name, _EVER)
            ]
            parts += [self._tail(name, ()) for name in products]
        wanted = actors.astype(np.uint32)  # as the columns are: they would be copied otherwise
        for part in parts:
            low, high = (np.searchsorted(part.actor, wanted, side) for side in _SIDES)
            has = high > low
            count += high - low
            first[has] = np.minimum(first[has], part.ts[low[has]])
            last[has] = np.maximum(last[has], part.ts[high[has] - 1])
        return first, last, count

    def _whose(self, person: I64) -> Owners:
        known = self._owners
        if known is None or known.person is not person:
            known = self._owners = owners(person)
        return known

    def _runs(self, product: str, span: tuple[int, int]) -> list[Run]:
        """The runs of a product in the months of the span, oldest first."""
        first, last = slices.month_of(span[0]), slices.month_of(span[1] - 1)
        own = [r for r in self._manifest.runs if r.product == product and first <= r.month <= last]
        return sorted(own, key=lambda run: (run.month, run.high))

    def _tail(self, product: str, properties: Sequence[str]) -> Part:
        """What came since runs were written."""
        db = self._reader()
        position = slices.position(db)
        of = Slice(product, None, self._manifest.high, position, position)
        if product not in self._fresh or self._fresh[product][0] != of:
            self._fresh[product] = (of, slices.fetch(db, of, self._code))
        part = self._fresh[product][1]
        for name in properties:
            if name not in part.properties:
                part.properties[name] = slices.extract(db, of, name)
        return part._replace(properties={name: part.properties[name] for name in properties})

    # -- runs ----------------------------------------------------------------------------------

    def _write(self, db: duckdb.DuckDBPyConnection, position: int) -> None:
        """Write everything that no run holds yet, a product's month at a time."""
        manifest = self._manifest
        months = db.execute(
            f"select product, {slices.MONTH} as month, count(*) from events"
            f" where {slices.COUNTS} and superseded_seq is null"
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
            self._folder.keep(manifest)
            self._folder.drop(gone)
            self._fresh.clear()
        finally:
            self.progress = None

    def _mend(self, db: duckdb.DuckDBPyConnection, position: int) -> None:
        """Make runs again that hold versions which others have taken the place of since."""
        manifest = self._manifest
        stale = set(
            db.execute(
                f"select distinct product, {slices.MONTH} from events"
                f" where superseded_seq > ? and superseded_seq <= ? and version_seq <= ?"
                f" and {slices.COUNTS}",
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
            self._folder.keep(manifest)
            self._folder.drop(gone)

    def _make(
        self,
        db: duckdb.DuckDBPyConnection,
        product: str,
        month: int,
        low: int,
        high: int,
        position: int,
    ) -> Run:
        part = slices.fetch(db, Slice(product, month, low, high, position), self._code)
        named = f"{product}\0{month}\0{low}\0{high}\0{position}"
        file = hashlib.sha256(named.encode()).hexdigest()[:24]
        self._folder.write(file, part)
        return Run(product, month, low, high, len(part.ts), file)

    def _property(self, run: Run, name: str, changed: int) -> Column:
        """A property of a run's events, from beside the run; made where it was never asked for.

        `changed` is the last delivery whose changes of older events are in the run.
        """
        known = self._folder.property(run, name)
        if known is not None:
            return known
        of = Slice(run.product, run.month, run.low, run.high, changed)
        made = slices.extract(self._reader(), of, name)
        if len(made.codes) != run.rows:
            raise Unavailable(
                "folding",
                "Who is left out was changed while this was read.",
                fix="Ask again in a moment; pages do it by themselves.",
            )
        self._folder.write_property(run, name, made)
        return made

    def _code(self, kind: str) -> int:
        code = self._codes.get(kind)
        if code is None:
            code = self._codes[kind] = len(self._manifest.kinds)
            self._manifest.kinds.append(kind)
        return code

    def _forget(self, epoch: str) -> None:
        self._manifest, self._codes = self._folder.emptied(epoch), {}
        self._fresh.clear()


_EVER = (0, LATEST)
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
