"""400 days of six reports of a Google Analytics property, within its quotas, then asked for."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.figures import NONE, Section, Table, ms, percentile, rate
from upwell.access import SYSTEM
from upwell.billing import Origin
from upwell.demo.ga4.fake import FakeGa4
from upwell.demo.ga4.served import serve
from upwell.demo.ga4.table import Table as Days
from upwell.event import Delivery
from upwell.flow import Flow
from upwell.journal import Journal
from upwell.period import to_micros
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Desk, Question
from upwell.settings import Ga4Source
from upwell.sources.contract import Cursor, Opening
from upwell.sources.ga4 import KIND

NOW = dt.datetime(2026, 11, 2, 9, 30, tzinfo=dt.UTC)
SITES = {  # landing pages of the site, kinds of visit a day, sessions a day
    "a small site": (30, 60, 900),
    "a large site": (400, 900, 40_000),
}
ASKS = 15


class Read(NamedTuple):
    """What reading a property took."""

    requests: int
    tokens: int
    rows: int
    events: int
    hours: int
    wall: float
    cpu: float
    kept: int  # bytes in the journal


def run(work: Path, quick: bool) -> Section:
    """Read properties of two sizes with Google's client from the fake, and ask what came of it."""
    sites = dict(list(SITES.items())[: 1 if quick else 2])
    reading, asking = [], []
    for name, size in sites.items():
        folder = work / "ga4"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        found, asked = _measured(folder, Days(7, *size))
        reading.append(
            (
                name, f"{found.requests:,}", f"{found.tokens:,}", f"{found.hours}",
                f"{found.rows:,}", f"{found.events:,}", rate(found.events / found.wall),
                f"{found.wall:.1f} s", f"{found.cpu:.1f} s", f"{found.kept / 1e6:.1f} MB",
            )
        )  # fmt: skip
        asking += [(f"{name}: {what}", *spread) for what, *spread in asked]
    return Section(
        name="ga4",
        title="A property of Google Analytics: 400 days, six reports",
        notes=(
            "Read by Google's own client from a fake of the Data API on this machine, with the "
            "quotas of a standard property (14,000 tokens an hour for one project); translated, "
            "journaled and counted. The fake and the reader share the processor.",
            "Tokens are the fake's: a few for each report, more for long spans and many rows. "
            "Google says what it takes only once it was asked; reading obeys what it says.",
        ),
        tables=(
            Table(
                title="Read to the end",
                columns=(
                    "property", "requests", "tokens", "hours of quota", "rows", "events",
                    "events/s", "wall", "CPU", "journal",
                ),
                rows=tuple(reading),
            ),
            Table(
                title="Asked for 90 days",
                columns=("question", "median", "p95", "target"),
                rows=tuple(asking),
            ),
        ),
    )  # fmt: skip


def _measured(folder: Path, days: Days) -> tuple[Read, list[tuple[str, str, str, str]]]:
    clock = [NOW]
    fake = FakeGa4(lambda: clock[0], days)
    for ago in range(400):  # the table is made before anything is measured
        fake.rows((), NOW.date() - dt.timedelta(days=ago))
    journal, projection = Journal.open(folder), Projection(folder, memory="512MB")
    flow = Flow(journal, projection)
    try:
        journal.append([_stands()])
        while flow.follow():
            pass
        with serve(fake) as base:
            found = _read(fake, base, folder, clock, journal, flow)
        return found, _asked(projection)
    finally:
        projection.close()
        journal.close()


def _stands() -> Delivery:
    ground = Ground(
        products=(GroundProduct(id="mail"),),
        sources=(Origin(id="site", kind="ga4", product="mail"),),
    )
    body = msgspec.json.encode(ground)
    return Delivery(kind="config", source="upwell", received_at=to_micros(NOW), body=body)


def _read(
    fake: FakeGa4,
    base: str,
    folder: Path,
    clock: list[dt.datetime],
    journal: Journal,
    flow: Flow,
) -> Read:
    settings = Ga4Source(id="site", property=fake.property, credentials="", api_base=base)
    opening = Opening(
        id="site", settings=settings, secret=str, client=_no_client, reach=_anywhere,
        folder=folder, sleep=lambda _: None,
    )  # fmt: skip
    reader = KIND.open(opening)
    began, used = time.perf_counter(), time.process_time()
    cursor: Cursor | None = None
    rows = kept = 0
    hours = 1
    while True:
        for page in reader.read(cursor, lambda: clock[0]):
            cursor, rows, kept = page.cursor, rows + page.read, kept + len(page.body)
            about: dict[str, Any] = {"of": "ga4", "pull": cursor}
            about |= {name: True for name in ("history", "restates") if getattr(page, name)}
            at = to_micros(clock[0])
            journal.append(
                [Delivery(kind="pull", source="site", received_at=at, about=about, body=page.body)]
            )
            while flow.follow():
                pass
        if cursor is not None and cursor["upto"] <= cursor["floor"]:
            break
        clock[0] += dt.timedelta(hours=1)
        hours += 1
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    reader.close()
    events = sum(seen.events for seen in flow.projection.seen().values())
    return Read(len(fake.requests), fake.tokens, rows, events, hours, wall, cpu, kept)


def _no_client(timeout: float) -> Any:
    raise AssertionError(timeout)


def _anywhere(host: str, port: int) -> None:
    """The fake is on this machine."""


def _asked(projection: Projection) -> list[tuple[str, str, str, str]]:
    questions = {
        "sessions": Question(metric="ga4_sessions"),
        "users": Question(metric="ga4_users"),
        "conversions by channel": Question(metric="ga4_conversions", by="channel"),
        "sessions by country, with the 90 days before": Question(
            metric="ga4_sessions", by="country", compare="previous"
        ),
        "page views by landing page": Question(metric="ga4_page_views", by="landing_page"),
    }
    found = []
    for what, question in questions.items():
        times = []
        for turn in range(ASKS):
            end = NOW.date() - dt.timedelta(days=turn)
            asked = msgspec.structs.replace(question, start=end - dt.timedelta(days=90), end=end)
            began = time.perf_counter()
            Desk(projection).answer(asked, SYSTEM, NOW)
            times.append(time.perf_counter() - began)
        found.append((what, ms(percentile(times, 0.5)), ms(percentile(times, 0.95)), NONE))
    return found
