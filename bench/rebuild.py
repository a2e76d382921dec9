"""Folding again: the sums from the stored events, and everything from the raw bytes."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.figures import Section, Table, rate
from bench.history import History
from bench.house import upwell

REPLAYED_FOR = 60.0  # seconds of replay that are timed; the rest is worked out
HUNDRED_MILLION = 100_000_000


def run(work: Path, quick: bool) -> Section:
    """`upwell rebuild` and `upwell verify` on a copy, then the journal read into a new one."""
    del quick  # folding costs the same an event in a larger one, and verify reads everything twice
    history = History(work, quick=True)
    data = work / "rebuild"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(history.data, data)
    began = time.perf_counter()
    upwell("rebuild", "--data", data)
    rebuilt = time.perf_counter() - began
    began = time.perf_counter()
    checks = upwell("verify", "--data", data)["checks"]
    verified = time.perf_counter() - began
    if wrong := [one for one in checks if not one["ok"]]:
        raise RuntimeError(f"verify after rebuild: {wrong}")
    replayed = _replay(data)
    shutil.rmtree(data)
    events = history.events
    whole = replayed["events"] >= events
    rows = (
        ("Sums from stored events (upwell rebuild)", events, rebuilt, "10 min"),
        ("Everything from the raw bytes" + ("" if whole else ", a part of them"),
         replayed["events"], replayed["seconds"], "30 min"),
        ("upwell verify", events, verified, "–"),
    )  # fmt: skip
    return Section(
        name="rebuild",
        title="Rebuild",
        tables=(
            Table(
                title=f"A year of {events:,} events",
                columns=("", "events", "time", "events/s", "100 M at that pace", "target"),
                rows=tuple(
                    (what, f"{count:,}", f"{seconds:.1f} s", rate(count / seconds),
                     f"{HUNDRED_MILLION / count * seconds / 60:.0f} min", target)
                    for what, count, seconds, target in rows
                ),
            ),
        ),
        notes=(
            "Times are those of the whole command, the opening of the data directory included; "
            "the replay is the loop alone.",
            f"After the rebuild `upwell verify` found all {len(checks)} checks in order.",
        ),
        figures={"rebuild": rebuilt, "verify": verified, "replay": replayed, "events": events},
    )  # fmt: skip


def _replay(data: Path) -> dict[str, Any]:
    for part in data.glob("projection.duckdb*"):
        part.unlink()
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_read, args=(str(data), there))
    process.start()
    there.close()
    try:
        events, seconds = here.recv()
    except EOFError:
        raise RuntimeError("the replay ended in an error") from None
    finally:
        process.join()
    return {"events": events, "seconds": seconds}


def _read(data: str, pipe: Connection) -> None:
    from upwell.flow import replay
    from upwell.journal import Journal
    from upwell.projection import Projection

    journal, projection = Journal.open(Path(data)), Projection(Path(data))
    began = time.perf_counter()
    for _ in replay(journal, projection):
        if time.perf_counter() - began > REPLAYED_FOR:
            break
    seconds = time.perf_counter() - began
    events = sum(seen.events for seen in projection.seen().values())
    journal.close()
    projection.close()
    pipe.send((events, seconds))
