"""Ingest: the design day posted over HTTP, durable, once only, with every sum kept up to date."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.figures import NONE, Section, Table, mb, ms, percentile, rate, ratio
from bench.house import STAGES, Server, size_of, write_config
from bench.load import Bodies, Sent, post_all
from bench.peers.clickhouse import NAME as CLICKHOUSE
from bench.peers.clickhouse import ClickHouse
from bench.peers.postgres import NAME as POSTGRES
from bench.peers.postgres import Postgres
from bench.rows import Spec, repeats

DAY = 2_000_000
QUICK = 100_000
CONNECTIONS = 4
EVERY = 10  # one body in so many is sent again
TARGET = 100_000
FSYNCED = 400  # batches
COUNTED = {
    "signups": "signup",
    "activations": "activation",
    "cancellations": "churn",
    "page_views": "page_view",
    "sessions": "session",
}


def run(work: Path, quick: bool) -> Section:
    """Post the day to us and to each peer, send some of it again, and compare the counts."""
    bodies = day(work, quick)
    ours = measure_ours(work, bodies)
    peers = [_postgres(work, bodies), *_clickhouse(work, bodies)]
    events = bodies.about["events"]
    rows = [
        ["Events taken", f"{events:,}", *(f"{p['events']:,}" for p in peers)],
        ["Acknowledged", rate(ours["acknowledged"]), *(rate(p["acknowledged"]) for p in peers)],
        ["In every sum", rate(ours["applied"]), *(rate(p["applied"]) for p in peers)],
        ["Whole set in every sum", *(f"{x['seconds']:.1f} s" for x in (ours, *peers))],
        ["Ours against theirs, in every sum", "1.0x",
         *(ratio(ours["applied"], p["applied"]) for p in peers)],
        ["A batch acknowledged, p50", *(ms(x["p50"]) for x in (ours, *peers))],
        ["A batch acknowledged, p99", *(ms(x["p99"]) for x in (ours, *peers))],
        [f"1 in {EVERY} batches sent again", rate(ours["again"]),
         *(rate(p["again"]) if p["again"] else NONE for p in peers)],
        ["Counted twice after that", *(f"{x['twice']:,}" for x in (ours, *peers))],
        ["On disk when done", *(mb(x["disk"]) for x in (ours, *peers))],
    ]  # fmt: skip
    cpu = ours["cpu"]
    return Section(
        name="ingest",
        title="Ingest",
        tables=(
            Table(
                title=f"{events:,} events in batches of {bodies.spec.size:,}, all on this machine",
                columns=("", "Upwell", *(p["name"] for p in peers)),
                rows=tuple(tuple(row) for row in rows),
            ),
            Table(
                title="Where our time goes, per 1,000 events",
                columns=("stage", "CPU", "share"),
                rows=tuple(
                    (label, ms(cpu[stage] / events * 1000), f"{cpu[stage] / sum(cpu.values()):.0%}")
                    for stage, label in (
                        ("receive", "receive: HTTP, JSON, checks, columns"),
                        ("journal", "journal: compress, write, fsync"),
                        ("fold", "fold: keys, stored events, histories, sums"),
                        ("other", "other threads"),
                        ("client", "the client that posts"),
                    )
                ),
            ),
        ),
        notes=(
            "Upwell: JSON over HTTP from a client process on the same cores, "
            f"{CONNECTIONS} connections, each batch checked event by event and acknowledged after "
            "fsync; a repeat is found by its key whenever it comes; sums by hour and by day with "
            "their dimensions, unique users exactly, visits, activation cohorts.",
            "PostgreSQL: rows ready-made as text, not JSON to check; each batch COPYed into a "
            "temporary table and inserted where its key is new, committed with fsync. Its two "
            "materialised views (sums, unique users by product and day) are refreshed once at the "
            "end; until then they show nothing new.",
            "ClickHouse: rows ready-made as text, inside the process, no network. Its views are "
            "kept at each insert. It has no unique key: batches sent again count twice. With fsync "
            "on, a batch is on disk when it returns; in groups of 100 batches, as it wants to be "
            "fed, and without fsync, which is its default, a power cut loses what was returned.",
            f"Checked after each run by asking: {ours['checked']}.",
        ),
        figures={"ours": ours, "peers": peers, "target": TARGET},
    )


def day(work: Path, quick: bool) -> Bodies:
    """The design day up to now: the bodies and the peers' text, made once a day."""
    now = dt.datetime.now(dt.UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    # Whatever is older than today was made for another day: today's events are not late.
    kept = work / "day" / f"{now:%Y%m%d}"
    for old in (work / "day").glob("*"):
        if old != kept:
            shutil.rmtree(old)
    until = midnight + (now - midnight) * 0.98
    made = kept / ("quick.until" if quick else "full.until")
    if made.exists():
        until = dt.datetime.fromisoformat(made.read_text())
    spec = Spec(
        events=QUICK if quick else DAY, until=until, days=(until - midnight) / dt.timedelta(days=1)
    )
    bodies = Bodies(kept, spec)
    made.write_text(until.isoformat())
    return bodies


def measure_ours(work: Path, bodies: Bodies) -> dict[str, Any]:
    """Post the set to a new house, then a part of it again; compare what it answers."""
    data = work / "ingest"
    shutil.rmtree(data, ignore_errors=True)
    with Server(data, write_config(work / "config")) as server:
        before = server.cpu()
        sent = post_all(bodies, server.port, server.key, connections=CONNECTIONS)
        server.caught_up()
        seconds = time.time() - sent.began
        cpu = {stage: server.cpu()[stage] - before[stage] for stage in STAGES}
        which = repeats(bodies.spec.batches, EVERY)
        again = post_all(bodies, server.port, server.key, which=which, connections=CONNECTIONS)
        server.caught_up()
        again_seconds = time.time() - again.began
        checked, twice = check(server, bodies)
        memory = server.memory()
    return {
        "name": "Upwell",
        "events": sent.events,
        "acknowledged": sent.events / sent.seconds,
        "applied": sent.events / seconds,
        "seconds": seconds,
        **_percentiles(sent),
        "again": again.events / again_seconds,
        "twice": twice,
        "checked": checked,
        "cpu": {**cpu, "client": sent.cpu},
        "memory": memory[1],
        "disk": size_of(data / "journal.sqlite") + size_of(data / "projection.duckdb"),
    }


def check(server: Server, bodies: Bodies) -> tuple[str, int]:
    """Compare the answers of `upwell query` with what was counted as the rows were made.

    Returns what was compared and how many events were counted twice; RuntimeError where any are
    missing.
    """
    start = (bodies.spec.until - dt.timedelta(days=bodies.spec.days + 1)).date().isoformat()
    end = (bodies.spec.until.date() + dt.timedelta(days=1)).isoformat()
    asked = {"from": start, "to": end}
    twice, checked = 0, 0
    for metric, kind in COUNTED.items():
        expected = bodies.about["types"].get(kind, 0)
        got = server.query(metric, **asked)["series"][0]["total"]
        twice += _beyond(metric, got, expected)
        checked += expected
    for currency, cents in bodies.about["cents"].items():
        own = {"where": f"currency={currency}", "currency": currency}
        line = server.query("gross_revenue", **own, **asked)["series"][0]
        _beyond(f"revenue in {currency}", round(Decimal(line["total"]) * 100), cents)
    users = server.query("actors", by="product", **asked)
    _beyond("users", sum(one["total"] for one in users["series"]), bodies.about["actors"])
    return (
        f"{checked:,} events by type, {bodies.about['actors']:,} users by product, and revenue to "
        "the cent in each currency agree",
        twice,
    )


def _beyond(what: str, got: int, expected: int) -> int:
    if got < expected:
        raise RuntimeError(f"{what}: {got:,} answered, {expected:,} sent")
    return got - expected


def _percentiles(sent: Sent) -> dict[str, float]:
    return {"p50": percentile(sent.delays, 0.5), "p99": percentile(sent.delays, 0.99)}


def _postgres(work: Path, bodies: Bodies) -> dict[str, Any]:
    if not Postgres.there():
        return _absent(POSTGRES)
    events = bodies.about["events"]
    with Postgres(work / "postgres") as peer:
        peer.prepare()
        before = peer.size()
        taken, delays = peer.insert(bodies, CONNECTIONS)
        refreshed = peer.refresh()
        which = repeats(bodies.spec.batches, EVERY)
        again, _ = peer.insert(bodies, CONNECTIONS, which)
        return {
            "name": POSTGRES,
            "events": events,
            "acknowledged": events / taken,
            "applied": events / (taken + refreshed),
            "seconds": taken + refreshed,
            "p50": percentile(delays, 0.5),
            "p99": percentile(delays, 0.99),
            "again": len(which) * bodies.spec.size / again,
            "twice": peer.count() - events,
            "disk": peer.size() - before,
            "refresh": refreshed,
        }


def _clickhouse(work: Path, bodies: Bodies) -> list[dict[str, Any]]:
    if not ClickHouse.there():
        return [_absent(CLICKHOUSE)]
    found = []
    for durable, grouped, told in ((True, 1, "fsync"), (False, 100, "batches of 100,000")):
        # With fsync it is slow enough to be known by a part of the day.
        part = range(min(bodies.spec.batches, FSYNCED) if durable else bodies.spec.batches)
        which = repeats(len(part), EVERY)
        events = len(part) * bodies.spec.size
        with ClickHouse(work / "clickhouse-ingest") as peer:
            peer.prepare(durable)
            taken, delays = peer.insert(bodies, grouped, part)
            again, _ = peer.insert(bodies, grouped, which)
            found.append(
                {
                    "name": f"{CLICKHOUSE}, {told}",
                    "events": events,
                    "acknowledged": events / taken,
                    "applied": events / taken,
                    "seconds": taken,
                    "p50": percentile(delays, 0.5),
                    "p99": percentile(delays, 0.99),
                    "again": len(which) * bodies.spec.size / again,
                    "twice": peer.count() - events,
                    "disk": peer.size(),
                }
            )
    return found


def _absent(name: str) -> dict[str, Any]:
    zero = ("events", "acknowledged", "applied", "seconds", "p50", "p99", "again", "twice", "disk")
    return {"name": f"{name} (not installed)", **dict.fromkeys(zero, 0)}
