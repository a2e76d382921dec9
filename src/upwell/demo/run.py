"""The demo company served: history through the real doors, then live events, then a bad minute.

Each source of it is read or heard as a company's own would be: Stripe, Mixpanel, Google Analytics,
clients of Segment and Mixpanel, and the events API.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import structlog

from upwell import app, demo
from upwell.app import House, Running
from upwell.app.house import Filling, house, now
from upwell.app.server import serve
from upwell.demo import tables
from upwell.demo.afar import Afar
from upwell.demo.cast import Company
from upwell.demo.clients import SEGMENT, TOKENED, TRACKED, Clients
from upwell.demo.rhythm import calendar, today_of
from upwell.demo.seen import MIXPANEL, NAMES
from upwell.demo.tables import DATABASE, HELD
from upwell.demo.told import Told, known, recall, remember
from upwell.demo.watched import Watched
from upwell.demo.wire import ACCOUNTS, Frame, Go, Live
from upwell.event import Delivery
from upwell.period import to_date, to_micros
from upwell.settings import Product, Server, Settings, Workspace
from upwell.sources import http
from upwell.sources.stripe import complete, fetch
from upwell.sources.stripe.catalogue import Catalogue

__all__ = ["Parts", "play", "run_demo"]

log = structlog.get_logger()

SOURCE = "demo"
TRACKED_TYPES = frozenset({"signup", "activation", "session", "page_view", "engagement"})
ELSEWHERE = {MIXPANEL: TRACKED_TYPES, DATABASE: HELD}
"""What is read from where it is tracked or kept."""

AHEAD = 12  # bodies that may wait for the loop while history is written
BURST_AFTER = dt.timedelta(seconds=5)  # the story itself waits another minute and a half
BILLED = 95_000  # about how many objects the billing system tells at scale 1
LABEL = "two years of history"


def settings_of(
    company: Company, afar: Afar, watched: Watched, folder: Path, today: dt.date
) -> Settings:
    """The demo company's configuration."""
    return Settings(
        workspace=Workspace(
            name=company.name, timezone=company.timezone, currency=company.currency
        ),
        server=Server(allow_private_urls=(*afar.private(), *watched.private())),
        products=tuple(
            Product(
                id=p.id,
                name=p.name,
                countries=tuple(code for code, _ in p.countries),
                **_NAMED.get(p.id, {}),
            )
            for p in company.products
        ),
        sources=(
            *afar.sources(company.apart),
            *watched.sources(_begins(company, today)),
            tables.source(folder),
        ),
    )


_NAMED: dict[str, dict[str, Any]] = {
    SEGMENT: {
        "signup_event": TRACKED["signup"],
        "activation_event": TRACKED["activation"],
        "events": {TRACKED["session"]: "session"},
    },
    TOKENED: {"signup_event": NAMES["signup"], "activation_event": NAMES["activation"]},
}
"""What the names of two products' clients mean."""


def _begins(company: Company, today: dt.date) -> dt.date:
    """The first day of the history."""
    days = calendar(company, today)
    return to_date(int(days.days[days.started]))


def run_demo(*, data: Path, port: int, scale: float) -> None:
    """Serve the demo company until told to stop; Rejected where another version told it."""
    before = known(data)
    company = demo.company()
    at = now() if before is None else before.at
    afar, watched = Afar(port), Watched()
    kept = TemporaryDirectory(prefix="upwell-demo-")  # a product's database is elsewhere, too
    folder = Path(kept.name)

    def prepare(opened: House) -> None:
        """Start the other companies for the story of this directory, before anything asks them."""
        told = recall(data, scale, at)
        _start(afar, company, told)
        tables.fill(folder, company, told.at, told.live or told.at, told.scale)
        watched.start(seed=company.seed, told=told.at, scale=told.scale)
        _follow_from(opened, told)

    async def beside(opened: House) -> None:
        await play(opened, company, afar, Clients(opened, port), folder)

    try:
        app.run(
            data,
            settings_of(company, afar, watched, folder, today_of(company, at)),
            "127.0.0.1",
            port,
            demo=True,
            prepare=prepare,
            beside=beside,
            greet=_greet,
        )
    finally:
        watched.end()
        kept.cleanup()
        afar.end()


async def play(opened: House, company: Company, afar: Afar, clients: Clients, folder: Path) -> None:
    """Fill in history, then go on live; every event passes the door that clients use."""
    told = recall(opened.data, 1.0, opened.clock())
    try:
        if not told.filled:
            await _fill(opened, company, told, afar)
            told.filled = True
            told.live = told.at
            remember(opened.data, told)
        await _live(opened, company, told, afar, clients, folder)
    except Exception as error:
        log.error("the demo has stopped telling", error=repr(error))
        raise
    finally:
        afar.end()
        await clients.close()


def _start(afar: Afar, company: Company, told: Told) -> None:
    live = told.live if told.filled else None
    afar.start(
        seed=company.seed,
        today=today_of(company, told.at),
        told=int(told.at.timestamp()),
        scale=told.scale,
        live=None if live is None else int(live.timestamp()),
        burst=None if live is None else told.burst,
    )


def _follow_from(opened: House, told: Told) -> None:
    """Let accounts be read from the story's instant on: their past is handed over as pages."""
    since = int(told.at.timestamp())
    cursor = fetch.Cursor(started=since, step="", seen_at=since, balance_at=since)
    for source in ACCOUNTS:
        if opened.journal.pulled(source) is None:
            opened.journal.append(
                [
                    Delivery(
                        kind="stripe",
                        source=source,
                        received_at=to_micros(opened.clock()),
                        about={"pull": msgspec.to_builtins(cursor)},
                        body=complete.body("events", [], read_at=since),
                    )
                ]
            )


def _learn(opened: House, afar: Afar) -> None:
    """Take over what the accounts' products and prices are called, and whose they are."""
    for source in ACCOUNTS:
        calls = opened.links.calls(opened.links.find(source), lambda: afar.ended)
        try:
            opened.links.learned(source, Catalogue.of(calls.get))
        finally:
            calls.close()


class _Progress:
    """What is on its way in, told to whoever looks: visits and bills in one number."""

    def __init__(self, opened: House, total: int, scale: float) -> None:
        self._opened = opened
        self._billed = round(BILLED * scale)
        self._total = total + self._billed
        self._used = self._share = 0.0
        self._tell()

    def used(self, events: int) -> None:
        self._used += events
        self._tell()

    def billed(self, share: float) -> None:
        self._share = share
        self._tell()

    def _tell(self) -> None:
        done = round(self._used + self._share * self._billed)
        self._opened.filling = Filling(label=LABEL, source=SOURCE, done=done, total=self._total)


async def _fill(opened: House, company: Company, told: Told, afar: Afar) -> None:
    loop = asyncio.get_running_loop()
    total = await loop.run_in_executor(
        None, demo.total_events, company, told.at, told.scale, ELSEWHERE
    )
    progress = _Progress(opened, total, told.scale)
    try:
        async with asyncio.TaskGroup() as both:
            used = both.create_task(_fill_used(opened, company, told, progress))
            billed = both.create_task(_fill_billed(opened, afar, progress))
        await opened.flow.applied_to(max(used.result(), billed.result()), 600)
    finally:
        opened.filling = None


async def _fill_used(opened: House, company: Company, told: Told, progress: _Progress) -> int:
    """Signups, sessions, views and actions, newest first; the last delivery."""
    loop = asyncio.get_running_loop()
    bodies = demo.history(company, told.at, told.scale, ELSEWHERE)
    seq = 0
    while (body := await loop.run_in_executor(None, next, bodies, None)) is not None:
        taken, seq = await _send(opened, body, history=True)
        progress.used(taken)
        await _room(opened, seq)
    return seq


async def _fill_billed(opened: House, afar: Afar, progress: _Progress) -> int:
    """The accounts' past, oldest first, as they tell it; the last delivery."""
    if await asyncio.to_thread(afar.read) is not None:
        await asyncio.to_thread(_learn, opened, afar)
    afar.ask(Go())
    seq = 0
    while (frame := await asyncio.to_thread(afar.read)) is not None and frame.kind == "page":
        seq = await _keep(opened, frame)
        progress.billed(frame.share)
        await _room(opened, seq)
    if frame is None:
        log.error("the demo company's billing system has ended")
    return seq


async def _keep(opened: House, frame: Frame) -> int:
    """One page of an account's past in the journal."""
    delivery = Delivery(
        kind="stripe",
        source=frame.source,
        received_at=to_micros(opened.clock()),
        about={"history": True, "countries": frame.countries},
        body=frame.body,
    )
    return await opened.journal.submit(delivery, None)


async def _room(opened: House, seq: int) -> None:
    """Wait while the loop is far behind."""
    while seq - opened.flow.applied.seq > AHEAD:
        await asyncio.sleep(0.02)


async def _live(
    opened: House, company: Company, told: Told, afar: Afar, clients: Clients, folder: Path
) -> None:
    loop = asyncio.get_running_loop()
    if told.burst is None:
        told.burst = opened.clock() + BURST_AFTER
        remember(opened.data, told)
    afar.ask(Live(told.burst))
    since = told.live or told.at
    while True:
        until = opened.clock()
        happened = await loop.run_in_executor(
            None,
            lambda since=since, until=until: demo.live(  # type: ignore[misc]
                company, since, until, told=told.at, scale=told.scale
            ),
        )
        heard = [
            event
            for _, event in happened
            if event.event_type not in ELSEWHERE.get(event.product_id, ())
        ]
        if kept := [event for _, event in happened if event.product_id == DATABASE]:
            await asyncio.to_thread(tables.write, folder, kept)
        if events := clients.took(heard):
            await _send(opened, msgspec.json.encode(events), history=False)
        await clients.send()
        since = told.live = until
        remember(opened.data, told)
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
