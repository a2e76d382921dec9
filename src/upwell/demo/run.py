"""The demo company served: history through the real doors, then live events, then a bad minute."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from pathlib import Path

import msgspec

from upwell import app, demo
from upwell.app import House, Running
from upwell.app.house import Filling, house
from upwell.app.server import serve
from upwell.demo.cast import Company
from upwell.event import GrowthEvent
from upwell.period import to_micros
from upwell.settings import Product, Settings, Workspace
from upwell.sources import http

__all__ = ["Parts", "play", "run_demo"]

SOURCE = "demo"
TOLD = "demo-told.json"  # when the story was told: a restart goes on with the same one
AHEAD = 12  # bodies that may wait for the loop while history is written
BURST_AFTER = dt.timedelta(seconds=5)  # the story itself waits another minute and a half


class Told(msgspec.Struct):
    """What a restart must know: the story's instant, whether history and the burst are in."""

    at: dt.datetime
    scale: float
    filled: bool = False
    burst: bool = False
    live: dt.datetime | None = None


def settings_of(company: Company) -> Settings:
    """The demo company's configuration."""
    return Settings(
        workspace=Workspace(
            name=company.name, timezone=company.timezone, currency=company.currency
        ),
        products=tuple(
            Product(id=p.id, name=p.name, countries=tuple(code for code, _ in p.countries))
            for p in company.products
        ),
    )


def run_demo(*, data: Path, port: int, scale: float) -> None:
    """Serve the demo company until told to stop."""
    company = demo.company()

    async def beside(opened: House) -> None:
        await play(opened, company, scale)

    app.run(
        data,
        settings_of(company),
        "127.0.0.1",
        port,
        demo=True,
        beside=beside,
        greet=_greet,
    )


async def play(opened: House, company: Company, scale: float) -> None:
    """Fill in history, then go on live; every event passes the door that clients use."""
    told = _recall(opened.data, scale, opened.clock())
    if not told.filled:
        await _fill(opened, company, told)
        told.filled = True
        told.live = told.at
        _remember(opened.data, told)
    await _live(opened, company, told)


async def _fill(opened: House, company: Company, told: Told) -> None:
    loop = asyncio.get_running_loop()
    total = await loop.run_in_executor(None, demo.total_events, company, told.at, told.scale)
    bodies = demo.history(company, told.at, told.scale)
    done = 0
    seq = 0
    opened.filling = Filling(label="two years of history", source=SOURCE, done=0, total=total)
    try:
        while True:
            body = await loop.run_in_executor(None, next, bodies, None)
            if body is None:
                break
            taken, seq = await _send(opened, body, history=True)
            while seq - opened.flow.applied.seq > AHEAD:
                await asyncio.sleep(0.02)
            done += taken
            opened.filling = Filling(
                label="two years of history", source=SOURCE, done=done, total=total
            )
        await opened.flow.applied_to(seq, 600)
    finally:
        opened.filling = None


async def _live(opened: House, company: Company, told: Told) -> None:
    loop = asyncio.get_running_loop()
    began = opened.clock()
    since = told.live or told.at
    surprises: list[tuple[dt.datetime, GrowthEvent]] = []
    if not told.burst:
        surprises = await loop.run_in_executor(
            None, lambda: demo.burst(company, began + BURST_AFTER, told=told.at, scale=told.scale)
        )
        told.burst = True
    while True:
        until = opened.clock()
        happened = await loop.run_in_executor(
            None,
            lambda since=since, until=until: demo.live(  # type: ignore[misc]
                company, since, until, told=told.at, scale=told.scale
            ),
        )
        now_due = [event for at, event in surprises if at <= until]
        surprises = [entry for entry in surprises if entry[0] > until]
        events = [event for _, event in happened] + now_due
        if events:
            await _send(opened, msgspec.json.encode(events), history=False)
        since = told.live = until
        if not surprises:
            _remember(opened.data, told)
        await asyncio.sleep(0.4)


async def _send(opened: House, body: bytes, *, history: bool) -> tuple[int, int]:
    """One body through the events door: judged, journaled, applied by the loop."""
    received = await asyncio.to_thread(
        http.receive,
        body,
        "application/json" if body[:1] == b"[" else "application/x-ndjson",
        source=SOURCE,
        products=opened.products(),
        received_at=to_micros(opened.clock()),
    )
    if received.delivery is None:
        return 0, 0
    delivery = received.delivery
    if history:
        about = delivery.about | {"history": True}
        delivery = msgspec.structs.replace(delivery, about=about)
    return received.accepted, await opened.journal.submit(delivery, received.batch)


def _recall(data: Path, scale: float, at: dt.datetime) -> Told:
    try:
        return msgspec.json.decode((data / TOLD).read_bytes(), type=Told)
    except OSError:
        told = Told(at=at, scale=scale)
        _remember(data, told)
        return told


def _remember(data: Path, told: Told) -> None:
    path = data / TOLD
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(told))
    fresh.replace(path)


def _greet(running: Running) -> None:
    sys.stderr.write(
        f"The demo company is at {running.address} (it signs you in by itself).\n"
        "Two years of history arrive now; within two minutes one product has a bad minute.\n"
        "Stop with Ctrl-C; start again with the same --data to go on.\n"
    )
    sys.stderr.flush()


class Parts:
    """What the terminal works on: the house and its server, and the demo company above them."""

    house = staticmethod(house)
    serve = staticmethod(serve)
    demo = staticmethod(run_demo)
