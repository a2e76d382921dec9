"""The overview: 12 products x 10 metrics x 365 days in one request, over millions of events."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import shutil
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.figures import NONE, Section, Table, mb, ms, percentile, ratio
from bench.history import DAYS, History
from bench.house import Server
from bench.load import Bodies
from bench.peers.clickhouse import NAME as CLICKHOUSE
from bench.peers.clickhouse import RAW, SUMMED, ClickHouse
from bench.peers.postgres import NAME as POSTGRES
from bench.peers.postgres import VIEWS, Postgres
from bench.rows import PRODUCTS, Spec

METRICS = (
    "revenue", "gross_revenue", "refunds", "cancellations", "signups", "activations",
    "page_views", "sessions", "actors", "visitors",
)  # fmt: skip
TARGET = 0.020  # p95 of the server's time, at 100 M events
COMMITS = 40
ROUTE = 'route="/v1/query"'


def run(work: Path, quick: bool) -> Section:
    """Ask us and the peers for the same year, from sums and from raw events."""
    history = History(work, quick)
    ours = measure_ours(history)
    peers = [_postgres(history, ours), _clickhouse(history, ours)]
    history.forget_rows()
    del ours["totals"]  # every number of the year: compared, not kept
    raw = [p["raw"] for p in peers]
    # From new events to an answer that contains them.
    shown = _median(ours["commit"]) + _median(ours["fresh"])
    theirs = [p["commit"] + _median(p["fresh"]) for p in peers]
    table = Table(
        title=f"{len(PRODUCTS)} products x {len(METRICS)} metrics x {DAYS} days, "
        f"{history.events:,} events",
        columns=("", "Upwell p50", "p95", *(x for p in peers for x in (f"{p['name']} p50", "p95"))),
        rows=(
            _row("From kept sums, asked again", ours["warm"], *(p["views"] for p in peers)),
            _row("From kept sums, another span each time", ours["cold"], [], []),
            _row("After each new commit of 1,000 events", ours["fresh"],
                 *(p["fresh"] for p in peers)),
            _row("Same answer from raw events", [], *raw),
            _row("The first one after a start", ours["first"], [], []),
            _row("As the client sees it, answer read", ours["trip"], [], []),
        ),
    )  # fmt: skip
    kept = Table(
        title="Keeping it",
        columns=("", "Upwell", *(p["name"] for p in peers)),
        rows=(
            ("Filled with all events", f"{history.about['seconds']:.0f} s",
             *(f"{p['loaded']:.0f} s" if p["loaded"] else "kept from before" for p in peers)),
            ("1,000 more events in every sum, p50", ms(_median(ours["commit"])),
             *(ms(p["commit"]) for p in peers)),
            ("… and the whole overview after it, p50", ms(shown), *map(ms, theirs)),
            ("Ours against theirs", "1.0x", *(ratio(each, shown) for each in theirs)),
            ("On disk", mb(sum(history.sizes())), *(mb(p["disk"]) for p in peers)),
        ),
    )  # fmt: skip
    return Section(
        name="overview",
        title="Overview query",
        tables=(table, kept),
        notes=(
            "Upwell: one POST /v1/query with ten questions, each by product and day, answered with "
            f"{ours['points']:,} points ({mb(ours['bytes'])} of JSON), totals over the year "
            "(different users exactly), money in one currency at each day's rate. Times are the "
            "server's own, from a request's arrival to the end of its answer "
            "(`upwell_request_seconds`).",
            f"No event was scanned: every answer says `scanned: false`, and {ours['proof']}.",
            "Peers: two queries, sums by product, day, type and currency and unique users by "
            "product and day, timed at the client without HTTP or JSON; no totals of unique users "
            "over the year, no conversion of money. PostgreSQL's views are refreshed to take "
            "new rows in, and that is the time given for 1,000 more; ClickHouse's are kept at each "
            "insert.",
            f"Agreed with both peers on: {ours['agreed']}.",
        ),
        figures={"ours": ours, "peers": peers, "target_p95": TARGET},
    )


def _row(what: str, *groups: list[float]) -> tuple[str, ...]:
    cells = [what]
    for group in groups:
        cells += [ms(_median(group)), ms(percentile(group, 0.95))] if group else [NONE, NONE]
    return tuple(cells)


def _median(values: list[float]) -> float:
    return percentile(values, 0.5)


def questions(end: dt.date, back: int = 0) -> list[dict[str, Any]]:
    """The ten questions over the year that ends the day before `end`, or `back` days earlier."""
    until = end - dt.timedelta(days=back)
    start = until - dt.timedelta(days=DAYS)
    return [
        {"metric": name, "from": start.isoformat(), "to": until.isoformat(), "by": "product"}
        for name in METRICS
    ]


def measure_ours(history: History) -> dict[str, Any]:
    """Time the overview on a copy of the history, while it rests and while events arrive."""
    data = history.work / "overview"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(history.data, data)
    end = history.until.date() + dt.timedelta(days=1)
    body = json.dumps({"questions": questions(end)}).encode()
    ours: dict[str, Any] = {}
    with Server(data, history.config) as server:
        server.caught_up()
        ours["started"] = server.started_in
        first, answer = _asked(server, body)
        ours["first"] = [first]
        told = json.loads(answer)["answers"]
        ours["bytes"] = len(answer)
        ours["points"] = sum(len(s["points"]) for a in told for s in a["series"])
        if any(one["scanned"] for one in told):
            raise RuntimeError("an answer of the overview scanned events")
        began = time.perf_counter()
        ours["warm"] = [_asked(server, body)[0] for _ in range(50)]
        ours["trip"] = []
        for _ in range(20):
            began = time.perf_counter()
            server.json("POST", "/v1/query", {"questions": questions(end)})
            ours["trip"].append(time.perf_counter() - began)
        ours["cold"] = [
            _asked(server, json.dumps({"questions": questions(end, back)}).encode())[0]
            for back in range(1, 21)
        ]
        ours["fresh"], ours["commit"] = _with_commits(history, server, body)
        ours["memory"] = server.memory()
        ours["totals"] = {
            question["metric"]: {s["key"]: s["points"] for s in one["series"]}
            for question, one in zip(questions(end), told, strict=True)
        }
    ours["proof"] = _without_events(history, data, end)
    shutil.rmtree(data)
    return ours


def _asked(server: Server, body: bytes) -> tuple[float, bytes]:
    """The server's own seconds for one overview, and the answer."""
    before = server.meter("upwell_request_seconds_sum", ROUTE)
    status, answer = server.call("POST", "/v1/query", body)
    if status != 200:
        raise RuntimeError(f"overview: {status} {answer[:300]!r}")
    # The meter is written after the last byte has left.
    while (after := server.meter("upwell_request_seconds_sum", ROUTE)) == before:
        time.sleep(0.001)
    return after - before, answer


def more(history: History) -> Bodies:
    """Batches of today, to arrive while the overview is watched."""
    now = dt.datetime.now(dt.UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spec = Spec(
        events=COMMITS * 1000, until=now, days=(now - midnight) / dt.timedelta(days=1), seed=13
    )
    return Bodies(history.work / "more", spec)


def _with_commits(history: History, server: Server, body: bytes) -> tuple[list[float], list[float]]:
    """After each commit of 1,000 events: the overview's time, and how long the commit took."""
    bodies = more(history)
    data = bodies.json.read_bytes()
    asked, committed = [], []
    for start, end in bodies.places():
        began = time.perf_counter()
        status, said = server.call("POST", "/v1/events?wait=applied", data[start:end])
        if status != 200:
            raise RuntimeError(f"events: {status} {said[:300]!r}")
        committed.append(time.perf_counter() - began)
        asked.append(_asked(server, body)[0])
    bodies.remove()
    return asked, committed


def _without_events(history: History, data: Path, end: dt.date) -> str:
    """Ask again with the table of events taken away; RuntimeError where it was needed."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_taken_away, args=(str(data), str(history.config), end, there)
    )
    process.start()
    there.close()
    try:
        same, refused = here.recv()
    except EOFError:
        raise RuntimeError("asking without the events ended in an error") from None
    finally:
        process.join()
    if not same or not refused:
        raise RuntimeError(f"without events: same answers {same}, a scan refused {refused}")
    return (
        "with the table of events renamed away all ten answers came out the same, "
        "while a question that must scan failed"
    )


def _taken_away(data: str, config: str, end: dt.date, pipe: Connection) -> None:
    import duckdb

    from upwell.access import SYSTEM
    from upwell.app.house import House, now, read_settings
    from upwell.query import Desk
    from upwell.web import asking

    house = House(Path(data), read_settings(Path(config)), now)
    house.caught_up()
    asked = [asking.from_json(question, "") for question in questions(end)]
    at = now()
    with_events = [Desk(house.projection).answer(one, SYSTEM, at).series for one in asked]
    # In a transaction of this thread's own reader, undone at the end.
    reader = house.projection.reader()
    reader.execute("begin")
    reader.execute("alter table events rename to events_taken_away")
    without = [Desk(house.projection).answer(one, SYSTEM, at).series for one in asked]
    scan = asking.from_json({"metric": "page_views", "where": {"device": ["phone"]}}, "")
    try:
        Desk(house.projection).answer(scan, SYSTEM, at)
        refused = False
    except duckdb.CatalogException:
        refused = True
    reader.execute("rollback")
    house.close()
    pipe.send((with_events == without, refused))


def _agree(ours: dict[str, Any], name: str, days: list[Any], people: list[Any]) -> None:
    """Compare counts and users of every product and day; RuntimeError where they differ."""
    kinds = {"signup": "signups", "activation": "activations", "churn": "cancellations",
             "page_view": "page_views", "session": "sessions"}  # fmt: skip
    theirs: dict[tuple[str, str, str], int] = {}
    for product, day, kind, _, n, _ in days:
        if kind in kinds:
            theirs[kinds[kind], str(product), str(day)] = int(n)
    for product, day, actors, visitors in people:
        theirs["actors", str(product), str(day)] = int(actors)
        theirs["visitors", str(product), str(day)] = int(visitors)
    compared = 0
    for metric in {metric for metric, _, _ in theirs}:
        for product, points in ours["totals"][metric].items():
            for point in points:
                expected = theirs.get((metric, product, point["start"]), 0)
                compared += 1
                if (point["value"] or 0) != expected:
                    raise RuntimeError(
                        f"{metric} of {product} on {point['start']}: "
                        f"{point['value']} here, {expected} in {name}"
                    )
    ours["agreed"] = f"{compared:,} numbers (counts and different users by product and day)"


def _postgres(history: History, ours: dict[str, Any]) -> dict[str, Any]:
    if not Postgres.there():
        return _absent(POSTGRES)
    with Postgres(history.folder / "postgres") as peer:
        loaded = 0.0 if peer.has(history.events) else peer.load([history.rows()])
        asked = [f"select * from {name}" for name in VIEWS]
        views = [_timed(peer, asked) for _ in range(20)]
        _agree(ours, POSTGRES, peer.ask(asked[0]), peer.ask(asked[1]))
        raw = [_timed(peer, list(VIEWS.values()))]
        refresh = peer.refresh()
        fresh = [_timed(peer, asked)]
        return {
            "name": POSTGRES, "loaded": loaded, "views": views, "raw": raw, "fresh": fresh,
            "commit": refresh, "disk": peer.size(),
        }  # fmt: skip


def _timed(peer: Postgres, queries: list[str]) -> float:
    with peer.connect() as db:
        began = time.perf_counter()
        for sql in queries:
            db.execute(sql.encode()).fetchall()
        return time.perf_counter() - began


def _clickhouse(history: History, ours: dict[str, Any]) -> dict[str, Any]:
    if not ClickHouse.there():
        return _absent(CLICKHOUSE)
    with ClickHouse(history.folder / "clickhouse") as peer:
        loaded = 0.0 if peer.has(history.events) else peer.load([history.rows()])
        asked = list(SUMMED.values())
        views = peer.time(asked, 20)
        _agree(ours, CLICKHOUSE, peer.ask(asked[0]), peer.ask(asked[1]))
        raw = peer.time(list(RAW.values()), 3)
        disk = peer.size()
        # The rows of one commit, taken out again so that the table can be kept.
        copied = "insert into events select * replace ('again' as source) from events limit 1000"
        fresh, commit = [], []
        for _ in range(10):
            commit += peer.time([copied], 1)
            fresh += peer.time(asked, 1)
        return {
            "name": CLICKHOUSE, "loaded": loaded, "views": views, "raw": raw, "fresh": fresh,
            "commit": percentile(commit, 0.5), "disk": disk,
        }  # fmt: skip


def _absent(name: str) -> dict[str, Any]:
    return {
        "name": f"{name} (not installed)", "loaded": 0.0, "views": [], "raw": [], "fresh": [],
        "commit": 0.0, "disk": 0,
    }  # fmt: skip
