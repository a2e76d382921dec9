"""A Mixpanel project read to its beginning, and one day of it looked at every five minutes.

`python -m bench mixpanel`; `python -m bench.mixpanel --events 1000000` for a size of one's own.
"""

from __future__ import annotations

import argparse
import datetime as dt
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from bench.figures import Section, Table, rate
from upwell.app.pulled import Pulled
from upwell.billing import Origin
from upwell.demo.mixpanel import FakeMixpanel, Generated, Packed, serve
from upwell.event import Delivery
from upwell.flow import Flow
from upwell.journal import Journal
from upwell.period import to_day, to_micros
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.settings import MixpanelSource
from upwell.sources.contract import Opening
from upwell.sources.mixpanel import KIND

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
TODAY = to_day(NOON.date())
EVERY = 300  # seconds between two looks at the day
DAYS = 40  # that the events of the past are spread over
FULL = 4  # deliveries that may wait to be counted before the past is read on
MB = 1024 * 1024
SIZES = {False: (10_000_000, 1_000_000), True: (200_000, 50_000)}  # of the past, of the day


class Clock:
    """A clock that reader and fake share, over two processes."""

    def __init__(self, now: dt.datetime, shared: Any) -> None:
        self._shared = shared
        shared.value = now.timestamp()

    def __call__(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._shared.value, dt.UTC)

    def later(self, seconds: float) -> None:
        """Nobody waits: the time moves."""
        self._shared.value += seconds


class Sample(NamedTuple):
    """How far reading was at some second, and the memory that it took by then.

    Bytes: `own` nobody else can have; of `files` what is mapped goes when another wants the room.
    """

    second: float
    events: int
    own: int
    files: int


def run(work: Path, quick: bool) -> Section:
    """Read a project of ten million events from the fake; look at a day of a million."""
    return measured(work, *SIZES[quick])


def measured(work: Path, past: int, day: int) -> Section:
    """The section, for so many events of the past and of a day."""
    samples, spent, counted = _back_fill(_fresh(work), past)
    looks = _polled(_fresh(work), day)
    last = samples[-1]
    shown = [samples[len(samples) * part // 4] for part in range(4)] + [last]
    return Section(
        name="mixpanel",
        title="A project of Mixpanel",
        tables=(
            Table(
                title=f"The past of {past:,} events, read, journaled and counted",
                columns=("events", "wall", "events/s", "CPU", "CPU an event", "target"),
                rows=(
                    (
                        f"{counted:,}", f"{last.second:.1f} s", rate(counted / last.second),
                        f"{spent:.1f} s", f"{spent / counted * 1e6:.1f} µs", "50,000/s",
                    ),
                ),
            ),
            Table(
                title="Memory while it is read",
                columns=("after", "events read", "memory of its own", "mapped files"),
                rows=tuple(
                    (
                        f"{one.second:.1f} s", f"{one.events:,}",
                        f"{one.own / MB:.0f} MB", f"{one.files / MB:.0f} MB",
                    )
                    for one in shown
                ),
            ),
            Table(
                title=f"A day of {day:,} events, looked at every five minutes",
                columns=("", "bytes", "of the day's own", "target"),
                rows=tuple(
                    (what, f"{size / MB:.1f} MB", f"{size / looks['day']:.3f}", target)
                    for what, size, target in (
                        ("the day's lines", looks["day"], ""),
                        ("bodies in the journal", looks["bodies"], "1.2"),
                        ("with what is noted beside them", looks["kept"], "1.2"),
                        ("sent by the fake for it, unpacked", looks["read"], ""),
                    )
                ),
            ),
        ),
        notes=(
            "The fake answers over HTTP, from days packed in files, in a process of its own on "
            "this machine, without quotas; reader, journal, translation and sums share one "
            "process, with the clock standing still while it waits.",
            f"The day took {looks['calls']} calls and {looks['cpu']:.1f} s of CPU of the reader: "
            f"{looks['cpu'] / looks['lines'] * 1e6:.2f} µs for each of {looks['lines']:,} lines, "
            f"nearly all of which were known. "
            f"On disk its journal is {looks['disk'] / looks['once']:.3f} of what the day takes "
            "when it is read once.",
        ),
        figures={
            "events": counted, "seconds": last.second, "cpu": spent, "looks": looks,
            "memory": [tuple(one) for one in samples],
        },
    )  # fmt: skip


def _fresh(work: Path) -> Path:
    folder = work / "mixpanel"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# -- the fake, apart -----------------------------------------------------------------------------


def _packed(folder: Path, project: Generated, every: int) -> Packed:
    files = folder / "packed"
    files.mkdir()
    packed = Packed(project, files, every)
    packed.prepare()
    return packed


@contextmanager
def _project(project: Packed, now: dt.datetime) -> Iterator[tuple[str, Clock]]:
    """The project in a process of its own: its address, and the clock that it goes by."""
    spawn = multiprocessing.get_context("spawn")
    shared = spawn.Value("d", now.timestamp(), lock=False)
    here, there = spawn.Pipe()
    process = spawn.Process(target=_answer, args=(project, shared, there))
    process.start()
    there.close()
    try:
        yield here.recv(), Clock(now, shared)
    finally:
        here.close()
        process.join()


def _answer(project: Packed, shared: Any, pipe: Connection) -> None:
    fake = FakeMixpanel(project, lambda: shared.value, limits=False)
    with serve(fake) as address:
        pipe.send(address)
        try:
            pipe.recv()
        except EOFError:
            return


def _pulled(
    folder: Path, address: str, clock: Clock, journal: Journal, flow: Flow | None, first: dt.date
) -> Pulled:
    table = MixpanelSource(
        id="mp", product="mail", secret="project-secret", api_base=address, since=first
    )
    known = folder / "mp"
    known.mkdir()
    opening = Opening(
        id="mp", settings=table, secret=str, folder=known, sleep=clock.later,
        client=lambda timeout: httpx.Client(timeout=timeout, trust_env=False),
        reach=lambda _host, _port: None,
    )  # fmt: skip

    def room() -> None:
        while flow is not None and flow.backlog()[1] - flow.backlog()[0] > FULL:
            time.sleep(0.002)

    return Pulled("mp", KIND, float(EVERY), KIND.open(opening), journal, clock, room)


# -- the past ------------------------------------------------------------------------------------


def _back_fill(folder: Path, events: int) -> tuple[list[Sample], float, int]:
    """Samples over time, seconds of CPU, and the events that were counted."""
    first_day = TODAY - DAYS - 6
    project = _packed(folder, Generated(first_day, TODAY - 7, events // DAYS), 86_400)
    journal, projection = Journal.open(folder), Projection(folder, memory="512MB")
    flow = Flow(journal, projection)
    journal.append([_ground()])
    flow.start()
    first = dt.date(1970, 1, 1) + dt.timedelta(days=first_day)
    samples, read, due = [], 0, 0.0
    try:
        with _project(project, NOON) as (address, clock):
            pulled = _pulled(folder, address, clock, journal, flow, first)
            began, used = time.perf_counter(), time.process_time()
            for told in pulled.read():
                read = told.rows
                if (second := time.perf_counter() - began) >= due:
                    samples.append(Sample(second, read, *_memory()))
                    due = second + 0.5
            flow.wait(journal.newest, 600)
            samples.append(Sample(time.perf_counter() - began, read, *_memory()))
            spent = time.process_time() - used
            pulled.close()
        counted = sum(seen.events for seen in projection.seen().values())
    finally:
        flow.stop()
        projection.close()
        journal.close()
    return samples, spent, counted


def _ground() -> Delivery:
    origin = Origin(id="mp", kind="mixpanel", product="mail")
    ground = Ground(products=(GroundProduct(id="mail"),), sources=(origin,))
    at = to_micros(NOON - dt.timedelta(days=1))
    return Delivery(
        kind="config", source="upwell", received_at=at, body=msgspec.json.encode(ground)
    )


def _memory() -> tuple[int, int]:
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, shared, files = (
        int(said[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem", "RssFile")
    )
    return own + shared, files


# -- a day ---------------------------------------------------------------------------------------


def _polled(folder: Path, events: int) -> dict[str, Any]:
    """Bytes of the day, and of the journal that followed it."""
    project = _packed(folder, Generated(TODAY, TODAY, events), EVERY)
    morning = NOON - dt.timedelta(hours=12)
    looked = folder / "looked"
    looked.mkdir()
    journal = Journal.open(looked)
    found: dict[str, Any] = {"calls": 0, "read": 0, "lines": 0}
    with _project(project, morning) as (address, clock):
        pulled = _pulled(looked, address, clock, journal, None, NOON.date())
        used = time.process_time()
        while clock() < morning + dt.timedelta(days=1):
            for _ in pulled.read():
                pass
            found["calls"] += 1
            found["lines"] += project.count(TODAY, clock().timestamp())
            clock.later(EVERY)
        found["cpu"] = time.process_time() - used
        pulled.close()
        bodies, about, rows = _kept(journal)
        journal.close()
        once = folder / "once"
        once.mkdir()
        straight = Journal.open(once)
        pulled = _pulled(once, address, clock, straight, None, NOON.date())
        list(pulled.read())
        pulled.close()
        whole, _, all_rows = _kept(straight)
        straight.close()
    if rows > all_rows:
        raise RuntimeError(f"{rows:,} lines were kept of a day of {all_rows:,}")
    step = whole / all_rows
    return {
        **found, "day": whole, "bodies": bodies, "kept": bodies + about,
        "read": int(step * found["lines"]),
        "disk": _size(looked), "once": _size(once),
    }  # fmt: skip


def _kept(journal: Journal) -> tuple[int, int, int]:
    """Bytes of bodies, bytes of what is noted beside them, and lines of all deliveries."""
    bodies = about = rows = 0
    after = 0
    while found := journal.read(after):
        for delivery, _ in found:
            bodies += len(delivery.body)
            about += len(msgspec.json.encode(delivery.about))
            rows += delivery.body.count(b"\n")
            after = delivery.seq
    return bodies, about, rows


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("journal.sqlite*"))


def main() -> None:
    """Measure at a size of one's own; nothing is written to the page of figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=SIZES[True][0])
    arguments.add_argument("--day", type=int, default=SIZES[True][1])
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(measured(Path(folder), chosen.events, chosen.day).text())


if __name__ == "__main__":
    main()
