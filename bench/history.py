"""A house with a year of history, built once and kept: what questions and start-ups are timed on.

The rows go through the door's own reading and the journal, as if each batch had arrived when its
newest event happened; no HTTP, no waiting for the disk between batches.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.house import size_of, write_config
from bench.rows import SOURCE, Batch, Spec, Tally, batch

FULL = 10_000_000
QUICK = 1_000_000
DAYS = 365
FORMAT = 1  # another one builds anew
KEPT = dt.timedelta(days=2)  # an older one does not reach to today


class History:
    """The kept house: its data directory, its counts, the peers' text.

    Peers keep what they loaded of it in `folder`, too, so that it goes when the history goes.
    """

    def __init__(self, work: Path, quick: bool) -> None:
        self.work = work
        events = QUICK if quick else FULL
        self.folder = work / f"history-{events}"
        self.data = self.folder / "data"
        self.tabs = self.folder / "rows.tabs"
        self._about = self.folder / "about.json"
        self.config = write_config(work / "config")
        if not self._kept():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self._build(_spec(events))
        self.about: dict[str, Any] = msgspec.json.decode(self._about.read_bytes())
        self.events: int = self.about["events"]
        self.until = dt.datetime.fromisoformat(self.about["until"])

    @property
    def spec(self) -> Spec:
        """The set of rows it was made from."""
        return _spec(self.about["events"], self.until)

    def rows(self) -> Path:
        """The same rows as tab-separated text for the peers; written again where it is gone."""
        if not self.tabs.exists():
            part = self.tabs.with_suffix(".part")
            with part.open("wb") as file:
                for one in _made(self.spec):
                    file.write(one.tabs)
            part.replace(self.tabs)
        return self.tabs

    def forget_rows(self) -> None:
        """Take the text away: it is large, and can be written again."""
        self.tabs.unlink(missing_ok=True)

    def sizes(self) -> tuple[int, int]:
        """Bytes of the journal and of the projection."""
        return size_of(self.data / "journal.sqlite"), size_of(self.data / "projection.duckdb")

    def _kept(self) -> bool:
        if not self._about.exists():
            return False
        about = msgspec.json.decode(self._about.read_bytes())
        age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(about["until"])
        return bool(about["format"] == FORMAT and age < KEPT)

    def _build(self, spec: Spec) -> None:
        # A process of its own: its memory goes when it is done.
        process = multiprocessing.get_context("spawn").Process(
            target=_fill, args=(str(self.folder), str(self.config), spec)
        )
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"building the history ended with {process.exitcode}")


def _spec(events: int, until: dt.datetime | None = None) -> Spec:
    return Spec(events=events, until=until or dt.datetime.now(dt.UTC), days=DAYS, seed=11)


def _made(spec: Spec) -> Iterator[Batch]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        jobs = ((spec, number) for number in range(spec.batches))
        yield from pool.imap(_one, jobs, chunksize=8)


def _one(job: tuple[Spec, int]) -> Batch:
    return batch(*job)


def _fill(place: str, config: str, spec: Spec) -> None:
    from upwell.app.house import House, read_settings
    from upwell.sources import http

    folder = Path(place)
    # Deliveries are never older than the one before, so the configuration comes first in time.
    start = spec.until - dt.timedelta(days=spec.days + 1)
    house = House(folder / "data", read_settings(Path(config)), lambda: start)
    house.caught_up()
    products, tally = house.products(), Tally()
    began = time.perf_counter()
    last = None
    tabs = (folder / "rows.tabs").open("wb")
    for one in _made(spec):
        tally.add(one)
        tabs.write(one.tabs)
        received = http.receive(
            one.json,
            "application/json",
            source=SOURCE,
            products=products,
            received_at=one.last + 1_000_000,
        )
        assert received.delivery is not None
        last = house.journal.hand_over(received.delivery, received.batch)
        while house.journal.newest - house.projection.applied > 100:
            time.sleep(0.005)
    if last is not None:
        last.result()
    house.caught_up()
    seconds = time.perf_counter() - began
    house.close()
    kept = {"format": FORMAT, "until": spec.until, "seconds": seconds, **tally.as_dict()}
    tabs.close()
    (folder / "about.json").write_bytes(msgspec.json.encode(kept))
