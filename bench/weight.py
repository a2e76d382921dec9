"""What it takes to keep: bytes an event, memory, and how soon a server stands again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bench.figures import NONE, Section, Table, mb
from bench.history import History
from bench.house import Server
from bench.overview import more, questions

DISK_TARGET, READY_TARGET = 90, 5.0


def run(work: Path, quick: bool) -> Section:
    """Start, ask, stop and kill a house with a year of history."""
    history = History(work, quick)
    found = measure(history)
    events = history.events
    journal, projection = history.sizes()
    kept = [
        ("Journal: the bytes as they came, compressed", journal),
        ("Projection: events, keys, sums", projection),
        ("Both", journal + projection),
    ]
    return Section(
        name="weight",
        title="Size, memory, start",
        tables=(
            Table(
                title=f"On disk, {events:,} events",
                columns=("", "size", "bytes an event", "target"),
                rows=tuple(
                    (what, mb(size), f"{size / events:.0f}",
                     str(DISK_TARGET) if what == "Both" else NONE)
                    for what, size in kept
                ),
            ),
            Table(
                title="Memory of the server",
                columns=("", "size", "bytes an event beyond that"),
                rows=tuple(
                    (what, mb(found[name]), _each(found[name] - found["empty"], events))
                    for what, name in (
                        ("Without any event", "empty"),
                        ("After the start", "rss_started"),
                        ("After the overview and 40,000 more events", "rss_used"),
                        ("At the most", "rss_most"),
                    )
                ),
            ),
            Table(
                title="From the start of the process to the first answer",
                columns=("", "time", "target"),
                rows=(
                    ("Without any event", f"{found['start_empty']:.1f} s", NONE),
                    ("After it was stopped", f"{found['start_stopped']:.1f} s", NONE),
                    ("After kill -9 under load", f"{found['start_killed']:.1f} s",
                     f"{READY_TARGET:.0f} s"),
                    ("… and every acknowledged event in the numbers",
                     f"{found['caught_up']:.1f} s", NONE),
                ),
            ),
        ),
        notes=(
            f"A body as it came: {found['body']:.0f} bytes of JSON an event.",
            f"After the kill {found['lost']} of the acknowledged events were missing.",
        ),
        figures={**found, "journal": journal, "projection": projection, "events": events},
    )  # fmt: skip


def _each(size: int, events: int) -> str:
    return f"{size / events:.0f}" if size else NONE


def measure(history: History) -> dict[str, Any]:
    """Seconds of starts and bytes of memory, on a copy of the history."""
    found: dict[str, Any] = {}
    empty = history.work / "empty"
    shutil.rmtree(empty, ignore_errors=True)
    with Server(empty, history.config) as server:
        found["start_empty"], found["empty"] = server.started_in, server.memory()[0]
    shutil.rmtree(empty)
    data = history.work / "weight"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(history.data, data)
    with Server(data, history.config) as server:
        server.caught_up()
        found["start_stopped"], found["rss_started"] = server.started_in, server.memory()[0]
        asked = {"questions": questions(history.until.date())}
        before = _page_views(server, history)
        bodies = more(history)
        text, expected = bodies.json.read_bytes(), 0
        for place, (start, end) in enumerate(bodies.places()):
            status, _ = server.call("POST", "/v1/events", text[start:end])
            if status != 200:
                raise RuntimeError(f"events were answered with {status}")
            if place % 10 == 0:
                server.json("POST", "/v1/query", asked)
        expected = before + bodies.about["types"]["page_view"]
        found["rss_used"], found["rss_most"] = server.memory()
        found["body"] = len(text) / bodies.about["events"]
        server.kill()
    bodies.remove()
    with Server(data, history.config) as server:
        found["start_killed"] = server.started_in
        found["caught_up"] = server.started_in + server.caught_up()
        found["lost"] = expected - _page_views(server, history)
    shutil.rmtree(data)
    return found


def _page_views(server: Server, history: History) -> int:
    asked = questions(history.until.date())[0]["from"]
    answer = server.json("GET", f"/v1/query?metric=page_views&from={asked}&grain=year")
    return sum(int(point["value"] or 0) for point in answer["series"][0]["points"])
