"""The server: one process that owns a data directory, until it is told to stop."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn

from upwell.app.commands import Commands
from upwell.app.house import House, now, read_settings
from upwell.app.joined import Joined
from upwell.app.warming import Warming
from upwell.control import handlers, own, serve_control
from upwell.projection import readings
from upwell.settings import Settings
from upwell.web.live import LiveProtocol
from upwell.web.site import site

Beside = Callable[[House], Awaitable[None]]
"""Something that runs on the server's loop while it serves (the demo company)."""

TURN = 0.001  # seconds until a thread that computes lets another one have its turn


class Running:
    """A house with its joined parts, served at `host:port`."""

    def __init__(self, house: House, host: str, port: int, demo: bool = False) -> None:
        self.house = house
        self.joined = Joined(house, host, demo)
        self.warming = Warming(house)
        self.address = f"http://{'localhost' if host in ('127.0.0.1', '::1') else host}:{port}"
        self.server = uvicorn.Server(
            uvicorn.Config(
                site(self.joined.parts),
                host=host,
                port=port,
                http="httptools",
                loop="uvloop",
                ws=LiveProtocol,
                ws_max_size=256 * 1024,
                log_level="warning",
                access_log=False,
                server_header=False,
                ws_per_message_deflate=False,  # frames are small and many; compressing costs more
                proxy_headers=False,  # web.door believes the configured proxies only
                timeout_graceful_shutdown=5,
                lifespan="on",
            )
        )

    @asynccontextmanager
    async def _alive(self) -> AsyncIterator[None]:
        await self.joined.hub.start()
        self.joined.start()
        self.warming.start()
        try:
            yield
        finally:
            await self.joined.hub.stop()
            await asyncio.to_thread(self.warming.stop)
            await asyncio.to_thread(self.joined.stop)

    async def serve(self, beside: Beside | None = None) -> None:
        """Serve until a signal says stop; `beside` runs on the same loop meanwhile."""
        async with self._alive():
            tasks: list[asyncio.Task[Any]] = []
            if beside is not None:
                tasks.append(asyncio.ensure_future(beside(self.house)))
            try:
                await self.server.serve()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def serve(*, data: Path, config: Path | None, host: str, port: int) -> None:
    """Serve a data directory under a configuration, and say on the terminal where."""
    settings = read_settings(config)
    run(data, settings, host, port, greet=_greet)


def run(
    data: Path,
    settings: Settings | None,
    host: str,
    port: int,
    *,
    demo: bool = False,
    prepare: Callable[[House], None] = lambda _: None,
    beside: Beside | None = None,
    greet: Callable[[Running], None] = lambda _: None,
) -> None:
    """Own the directory, open the house, serve it, and close everything in order.

    `prepare` is called with the open house before anything runs.
    """
    import uvloop

    with suppress(OSError, ValueError):  # where nothing can be written to
        faulthandler.enable()  # a crash in compiled code says where
    # A commit gives its turn away at each statement: it must not wait 5 ms for the next every time.
    sys.setswitchinterval(TURN)
    with own(data, "upwell demo" if demo else "upwell serve"):
        house = House(data, settings, now)
        try:
            prepare(house)
            running = Running(house, host, port, demo)
            commands = handlers(Commands(house, running.joined.gate, running.joined.pulls))
            with serve_control(data, commands):
                greet(running)
                uvloop.run(running.serve(beside))
        finally:
            house.close()


def _greet(running: Running) -> None:
    say = sys.stderr.write
    say(f"Upwell serves {running.house.ground.name} at {running.address}\n")
    token = running.joined.gate.owner_token(running.house.clock())
    if token is not None:
        say(
            "Nobody owns this workspace yet. Open this link once, within 24 hours, to do so:\n"
            f"  {running.address}/setup?token={token}\n"
        )
    house = running.house
    for source in readings.outdated(house.projection.reader(), house.journal.every("retranslate")):
        say(
            f"'{source}' was read by an earlier Upwell, which kept less of what came. To have all "
            f"of it, at a quiet time: upwell retranslate --source {source}\n"
        )
    applied, newest = house.flow.backlog()
    if newest > applied:
        say(f"{newest - applied:,} deliveries are still being read; numbers fill meanwhile.\n")
    sys.stderr.flush()
