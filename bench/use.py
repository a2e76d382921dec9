"""Questions about use: funnels, retention, active users, paths, people; how they grow with events.

Beside ClickHouse's engine with its own `windowFunnel` and exact uniques, on the same rows kept in
the order that suits it best. What one size gave is kept beside its data, so that sizes can be
measured one by one: `python -m bench.use 1000000 10000000` before `python -m bench use`, which
measures those that this commit has no figures for.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.figures import NONE, Machine, Section, Table, mb, ms, percentile
from bench.peers.clickhouse import NAME as CLICKHOUSE
from bench.peers.clickhouse import ClickHouse
from bench.used import DAYS, PRODUCTS, SINCE, UNTIL, exported, fill

SIZES = (1_000_000, 10_000_000, 100_000_000)
QUICK = (100_000, 1_000_000)
TIMES = 5
MEMORY_TARGET = "2 GB"
STEPS = ("signup", "activation", "session", "e1", "page_view")
WINDOW = 14  # days
END = dt.datetime.fromtimestamp(UNTIL / 1e6, dt.UTC).date()
START = dt.datetime.fromtimestamp(SINCE / 1e6, dt.UTC).date()
TARGETS = {
    "Funnel of five steps, one product, 30 days": "300 ms",
    "… 400 days": "1 s",
    "… all products, 400 days": "10 s",
    "Retention, 12 x 12 months, one product": "200 ms",
    "Monthly active users on each of 365 days": "10 ms",
    "Lifecycle, 400 days": "20 ms",
    "Paths, one product, 30 days": "1 s",
    "People of a funnel's drop": "300 ms",
}


def run(work: Path, quick: bool) -> Section:
    """Ask each size the same, in a process of its own, and the peer the same of the same rows."""
    sizes = QUICK if quick else SIZES
    found = [measured(work, events) for events in sizes]
    ours, peers = [one["ours"] for one in found], [one["peer"] for one in found]
    head = [f"{events / 1e6:g} M events" for events in sizes]
    rows = []
    for name, target in TARGETS.items():
        cells = [name]
        for own, peer in zip(ours, peers, strict=True):
            theirs = peer["times"].get(name)
            cells += [_pair(own["times"][name]), ms(theirs) if theirs else NONE]
        rows.append((*cells, target))
    kept = [
        ("Opened", *(f"{own['opened']:.1f} s" for own in ours), NONE),
        ("Put in order for such questions, once", *(_seconds(own["built"]) for own in ours), NONE),
        ("On disk, bytes an event", *(f"{own['stored']:.1f}" for own in ours), NONE),
        ("… and in order", *(f"{own['bytes']:.1f}" for own in ours), NONE),
        ("First question after that", *(ms(own["first"]) for own in ours), NONE),
        ("Memory when it stands open", *(mb(own["open"]) for own in ours), NONE),
        ("Memory at the most", *(mb(own["memory"]) for own in ours), MEMORY_TARGET),
        (f"{CLICKHOUSE} loaded and in order", *(_seconds(one["loaded"]) for one in peers), NONE),
    ]
    return Section(
        name="use",
        title="Questions about use",
        tables=(
            Table(
                title=f"{len(PRODUCTS)} products, {DAYS} days; p50 (p95) of {TIMES}",
                columns=("", *(x for h in head for x in (h, CLICKHOUSE)), "target at 100 M"),
                rows=tuple(rows),
            ),
            Table(
                title="What it takes",
                columns=("", *head, "target at 100 M"),
                rows=tuple(kept),
            ),
        ),
        notes=(
            "Upwell: the answer to the question as the server gives it, without HTTP, never one "
            "remembered from before; users of 20 events each, spread evenly over the products.",
            "ClickHouse: a MergeTree in the order product, user, time, without HTTP; "
            "`windowFunnel` for funnels (counts by step alone: no times, routes or open attempts), "
            "exact unique counts for the rest.",
            "Both counted the same: "
            + "; ".join(f"{own['compared']:,} numbers" for own in ours)
            + " (steps of three funnels, cells of the retention table, monthly users by day).",
            "Memory: what the process holds for itself, sampled as it opens and answers. What is "
            "looked up by event (keys, active days, the order) lies in files besides, of which the "
            "system keeps what it has room for.",
        ),
        figures={"ours": ours, "peers": peers},
    )


def measured(work: Path, events: int) -> dict[str, Any]:
    """What one size gives, here and at the peer; kept beside its data for the same commit."""
    data, commit = work / f"use-{events}", Machine.here().commit
    kept = data / f"measured-{commit}.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    print(f"  {events:,} events …", flush=True)
    fill(data, events)
    own = _in_process(data)
    print("  … and at the peer", flush=True)
    peer = _clickhouse(data, events)
    _agree(own, peer)
    found = {"ours": _plain(own), "peer": _plain(peer)}
    kept.write_text(json.dumps(found))
    return found


def _seconds(found: float) -> str:
    return f"{found:.1f} s" if found else NONE


def _pair(times: list[float]) -> str:
    return f"{ms(percentile(times, 0.5))} ({ms(percentile(times, 0.95))})"


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "numbers"}


def _in_process(data: Path) -> dict[str, Any]:
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_measure, args=(data, there))
    process.start()
    there.close()
    try:
        found: dict[str, Any] = here.recv()
    except EOFError:
        raise RuntimeError("asking about use ended in an error") from None
    finally:
        process.join()
    return found


def _measure(data: Path, pipe: Connection) -> None:
    import msgspec

    from upwell.access import SYSTEM
    from upwell.errors import Unavailable
    from upwell.projection import Projection
    from upwell.query import Desk, Question
    from upwell.query.usage.door import Usage
    from upwell.state.db import State
    from upwell.warehouse.timelines import Timelines

    now = dt.datetime.fromtimestamp(UNTIL / 1e6, dt.UTC)
    found: dict[str, Any] = {"times": {}, "numbers": {}}
    memory = _Memory()
    began = time.perf_counter()
    projection, state = Projection(data), State.open(data / "state.sqlite")
    found["opened"], found["open"] = time.perf_counter() - began, _Memory.now()
    print(f"  open after {found['opened']:.0f} s", flush=True)
    shutil.rmtree(data / "timelines", ignore_errors=True)  # to see what it takes to make them
    lines = Timelines(data / "timelines", projection.reader)

    def ask(kind: str, body: dict[str, Any]) -> Any:
        usage = Usage(projection, lines, state, lambda: now)  # a new door remembers nothing
        while True:
            try:
                return usage.by_name(kind, body, SYSTEM)
            except Unavailable as error:  # a page asks again, too
                print(f"    {error.problem.message}", flush=True)

    def mau() -> Any:
        asked = {"metric": "mau", "product": PRODUCTS[:1], "from": _back(365), "to": str(END)}
        question = msgspec.convert(asked, Question)
        return Desk(projection).answer(question, SYSTEM, now)

    began = time.perf_counter()
    Usage(projection, lines, state, lambda: now).warm()
    found["built"] = time.perf_counter() - began
    print(f"  in order after {found['built']:.0f} s", flush=True)
    events = projection.reader().execute("select count(*) from events").fetchall()[0][0]
    found["bytes"] = sum(path.stat().st_size for path in (data / "timelines").iterdir()) / events
    found["stored"] = (data / "projection.duckdb").stat().st_size / events
    month, year, company = _funnel(30), _funnel(DAYS), _funnel(DAYS, PRODUCTS)
    drop = {"of": {"funnel": month, "step": 2, "state": "dropped"}}
    questions: dict[str, Callable[[], Any]] = {
        "Funnel of five steps, one product, 30 days": lambda: ask("funnel", month),
        "… 400 days": lambda: ask("funnel", year),
        "… all products, 400 days": lambda: ask("funnel", company),
        "Retention, 12 x 12 months, one product": lambda: ask("retention", _retention()),
        "Monthly active users on each of 365 days": mau,
        "Lifecycle, 400 days": lambda: ask("lifecycle", _days(DAYS)),
        "Paths, one product, 30 days": lambda: ask("paths", _days(30)),
        "People of a funnel's drop": lambda: ask("people", drop),
    }
    began = time.perf_counter()
    ask("funnel", month)
    found["first"] = time.perf_counter() - began
    for name, question in questions.items():
        found["times"][name] = times = list[float]()
        for _ in range(TIMES):
            began = time.perf_counter()
            answer = question()
            times.append(time.perf_counter() - began)
        print(f"    {name}: {_pair(times)}", flush=True)
        if name.startswith(("Funnel", "…")):
            found["numbers"][name] = [step.count for step in answer.steps]
        elif name.startswith("Retention"):
            found["numbers"][name] = [list(c.values) for c in answer.cohorts]
        elif name.startswith("Monthly"):
            found["numbers"][name] = [point.value for point in answer.series[0].points]
    found["memory"] = memory.most
    pipe.send(found)
    projection.close()
    state.close()


class _Memory:
    """What this process holds that is in no file, at the most since it was made."""

    def __init__(self) -> None:
        self.most = 0
        threading.Thread(target=self._watch, daemon=True).start()

    @staticmethod
    def now() -> int:
        """Bytes."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

    def _watch(self) -> None:
        while True:
            self.most = max(self.most, self.now())
            time.sleep(0.05)


def _back(days: int) -> str:
    return str(END - dt.timedelta(days=days))


def _days(days: int, products: tuple[str, ...] = PRODUCTS[:1]) -> dict[str, Any]:
    return {"product": list(products), "from": _back(days), "to": str(END)}


def _funnel(days: int, products: tuple[str, ...] = PRODUCTS[:1]) -> dict[str, Any]:
    steps = [{"event": name} for name in STEPS]
    return {"steps": steps, "window": f"{WINDOW}d", **_days(days, products)}


def _retention() -> dict[str, Any]:
    first = dt.date(END.year - 1, END.month, 1)
    return {
        "product": PRODUCTS[0],
        "from": str(first),
        "to": str(dt.date(END.year, END.month, 1)),
        "start": {"event": "signup"},
        "return": {"event": "engagement"},
        "grain": "month",
        "columns": 12,
    }


def _clickhouse(data: Path, events: int) -> dict[str, Any]:
    """The peer's times for the same questions, and its numbers."""
    found: dict[str, Any] = {"times": {}, "numbers": {}, "loaded": 0.0}
    if not ClickHouse.there():
        return found
    with ClickHouse(data / "clickhouse") as peer:
        began = time.perf_counter()
        peer.run("drop table if exists bench.uses sync")
        peer.run(
            "create table bench.uses (product LowCardinality(String), kind LowCardinality(String),"
            " ts UInt64, actor UInt32) engine = MergeTree order by (product, actor, ts)"
        )
        peer.run(f"insert into bench.uses select * from file('{exported(data)}')")
        peer.run("optimize table bench.uses final")
        found["loaded"] = time.perf_counter() - began
        if int(peer.ask("select count() from bench.uses")[0][0]) != events:
            raise RuntimeError("the peer holds another number of events")
        for name, sql in _queries().items():
            found["times"][name] = percentile(peer.time([sql], TIMES), 0.5)
            found["numbers"][name] = peer.ask(sql)
    return found


def _queries() -> dict[str, str]:
    named = {
        "Funnel of five steps, one product, 30 days": (30, "product = 'p0'"),
        "… 400 days": (DAYS, "product = 'p0'"),
        "… all products, 400 days": (DAYS, "1"),
    }
    conditions = ", ".join(f"kind = '{name}'" for name in STEPS)
    kinds = ", ".join(f"'{name}'" for name in STEPS)
    found = {
        name: f"""select level, count() from (
          select windowFunnel({WINDOW * 86_400_000})(ts, {conditions}) as level from bench.uses
          where {where} and ts >= {(UNTIL // 1000) - days * 86_400_000} and kind in ({kinds})
          group by product, actor) group by level order by level"""
        for name, (days, where) in named.items()
    }
    month = "toStartOfMonth(fromUnixTimestamp64Milli(ts::Int64, 'UTC'))"
    found["Retention, 12 x 12 months, one product"] = f"""
      with firsts as (
        select actor, min({month}) as began from bench.uses
        where product = 'p0' and kind = 'signup' group by actor),
      backs as (
        select distinct actor, {month} as back from bench.uses
        where product = 'p0' and kind like 'e%')
      select toString(began), dateDiff('month', began, back) as k, count()
      from firsts join backs using actor where k > 0 group by 1, 2 order by 1, 2"""
    found["Monthly active users on each of 365 days"] = """
      select toString(day), uniqExactMerge(users) over (
        order by day rows between 29 preceding and current row) from (
        select toDate(fromUnixTimestamp64Milli(ts::Int64, 'UTC')) as day,
          uniqExactState(actor) as users
        from bench.uses where product = 'p0' group by day) order by day"""
    return found


def _agree(ours: dict[str, Any], peer: dict[str, Any]) -> None:
    """Compare every number that both gave; RuntimeError where one differs."""
    ours["compared"] = 0
    for name, theirs in peer["numbers"].items():
        own = ours["numbers"][name]
        if name.startswith(("Funnel", "…")):
            reached = {int(level): int(n) for level, n in theirs}
            expected: list[Any] = [
                sum(n for level, n in reached.items() if level > step) for step in range(len(own))
            ]
        elif name.startswith("Monthly"):
            expected = [int(n) for _, n in theirs][-365:]
        else:
            expected, own = _cells(theirs, own)
        if own != expected:
            raise RuntimeError(f"{name}: {own} here, {expected} there")
        ours["compared"] += len(own)


def _cells(theirs: list[Any], own: list[list[Any]]) -> tuple[list[Any], list[Any]]:
    """Both retention tables as lists of cells: of the cohorts asked for, without column 0."""
    first = dt.date(END.year - 1, END.month, 1)
    counted = {
        (int(began[:4]) * 12 + int(began[5:7]) - first.year * 12 - first.month, int(k)): int(n)
        for began, k, n in theirs
    }
    cells = [
        (row, k, value)
        for row, values in enumerate(own)
        for k, value in enumerate(values)
        if k and value is not None
    ]
    return [counted.get((row, k), 0) for row, k, _ in cells], [value for *_, value in cells]


def main() -> None:
    """Measure some sizes and keep what they gave, for `python -m bench use` to show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="+", type=int, metavar="EVENTS")
    work = Path(tempfile.gettempdir()) / "upwell-bench"
    parser.add_argument("--work", type=Path, default=work, metavar="DIR", help="[%(default)s]")
    chosen = parser.parse_args()
    for events in chosen.sizes:
        print(json.dumps(measured(chosen.work, events), indent=1))


if __name__ == "__main__":
    main()
