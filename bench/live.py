"""Live fan-out: browsers that watch the same tiles while every tile moves all the time.

    python bench/live.py --browsers 200 --tiles 40 --seconds 10

Clients run in a process of their own; the cost shown is the server's: CPU of one core, and the
delay from the commit to the frame at the client. `--ask-ms` is what one answer costs.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import multiprocessing
import resource
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop
from litestar import Litestar
from websockets.asyncio.client import connect

from upwell.access import SYSTEM, Viewer
from upwell.event import Change, Position, Touched
from upwell.live import Hub
from upwell.query import Answer, Point, Question, Series
from upwell.state.db import State
from upwell.web.door import House
from upwell.web.gate import Gate
from upwell.web.live import LiveProtocol, live_route

TODAY = dt.date(2026, 11, 22)
FIRST = TODAY - dt.timedelta(364)


class Desk:
    """Answers of a year by day whose last point is the time of asking, in microseconds."""

    def __init__(self, ask_ms: float) -> None:
        self.asked = 0
        self._seconds = ask_ms / 1000
        self._points = tuple(
            Point(start=(FIRST + dt.timedelta(n)).isoformat(), value=n, complete=True)
            for n in range(364)
        )

    def ask(self, question: Question, _: Viewer) -> Answer:
        self.asked += 1
        until = time.perf_counter() + self._seconds
        while time.perf_counter() < until:
            pass
        now = int(time.time() * 1e6)
        last = Point(start=TODAY.isoformat(), value=now, complete=False)
        whole = question.start == FIRST
        points = (*self._points, last) if whole else (last,)
        return Answer(
            question=question,
            series=(Series(key="", points=points, total=now if whole else 0),),
            as_of={"api": dt.datetime.now(dt.UTC).isoformat()},
            policy="upwell",
            position=f"0-{self.asked}",
            unit="count",
        )


def browse(port: int, key: str, arguments: argparse.Namespace, pipe: Connection) -> None:
    """All the browsers, in one process."""
    asyncio.run(_browse(port, key, arguments, pipe))


async def _browse(port: int, key: str, arguments: argparse.Namespace, pipe: Connection) -> None:
    watch = [
        {
            "id": f"tile-{number}",
            "question": {
                "metric": "signups",
                "from": FIRST.isoformat(),
                "to": (TODAY + dt.timedelta(1)).isoformat(),
                "where": {"plan": [str(number)]},
            },
        }
        for number in range(arguments.tiles)
    ]
    said = json.dumps({"watch": watch, "batch": arguments.batch})
    decode = msgspec.json.Decoder().decode
    delays: list[float] = []
    frames = messages = size = 0
    until = time.time() + arguments.seconds + 5

    async def one(number: int) -> None:
        nonlocal frames, messages, size
        uri = f"ws://127.0.0.1:{port}/v1/live"
        headers = {"Authorization": f"Bearer {key}"}
        async with connect(uri, additional_headers=headers, compression=None) as socket:
            await socket.send(said)
            while time.time() < until:
                try:
                    text = await asyncio.wait_for(socket.recv(decode=True), 1)
                except TimeoutError:
                    continue
                messages += 1
                size += len(text)
                if number % 20:  # a browser in twenty looks at the clock; all count
                    frames += text.count('"points"')
                    continue
                told: Any = decode(text)
                for frame in told if isinstance(told, list) else [told]:
                    if "totals" in frame:
                        frames += 1
                        delays.append(time.time() * 1e3 - frame["points"][-1]["value"] / 1e3)

    await asyncio.gather(*(one(number) for number in range(arguments.browsers)))
    delays.sort()
    pipe.send((frames, messages, size, delays))


async def measure(arguments: argparse.Namespace) -> None:
    """Serve, move every tile at the given rate, and print what it cost."""
    folder = tempfile.TemporaryDirectory()
    state = State.open(Path(folder.name) / "state.db")
    gate = Gate(state)
    now = dt.datetime.now(dt.UTC)
    key = gate.create_key(name="bench", scopes=("read",), products=None, by=SYSTEM, now=now).key
    desk = Desk(arguments.ask_ms)
    hub = Hub(desk.ask)
    await hub.start()
    route = live_route(hub, gate, House(bound="127.0.0.1"), lambda: dt.datetime.now(dt.UTC))
    config = uvicorn.Config(
        Litestar([route], openapi_config=None),
        port=0,
        ws=LiveProtocol,
        ws_per_message_deflate=False,
        log_level="warning",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    here, there = multiprocessing.get_context("spawn").Pipe()
    clients = multiprocessing.get_context("spawn").Process(
        target=browse, args=(port, key, arguments, there)
    )
    clients.start()
    while len(hub.connections) < arguments.browsers:
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)

    day = (TODAY - dt.date(1970, 1, 1)).days
    began, cpu, asked = time.perf_counter(), time.process_time(), desk.asked
    commits = 0
    while time.perf_counter() - began < arguments.seconds:
        commits += 1
        touched = frozenset({Touched("mail", "signup", day)})
        hub.publish(Change(Position(0, commits), 0, touched, events=arguments.events // 40))
        await asyncio.sleep(1 / 40)
    spent = time.process_time() - cpu
    took = time.perf_counter() - began
    asked = desk.asked - asked
    frames, messages, size, delays = await asyncio.to_thread(here.recv)
    print(f"browsers {arguments.browsers}, tiles {arguments.tiles}, batch {arguments.batch}")
    print(f"commits/s {commits / took:.0f}, asks/s {asked / took:.0f}")
    print(f"frames/s {frames / took:,.0f} in {messages / took:,.0f} messages/s, "
          f"{size / took / 1e6:.1f} MB/s")  # fmt: skip
    print(f"frames a second at one tile {frames / took / arguments.browsers / arguments.tiles:.1f}")
    print(f"server CPU {spent / took:.2f} of one core")
    if delays:
        middle, late = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
        print(f"asked to received: p50 {middle:.0f} ms, p99 {late:.0f} ms")
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    server.should_exit = True
    await serving
    await hub.stop()
    state.close()
    folder.cleanup()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browsers", type=int, default=200)
    parser.add_argument("--tiles", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--ask-ms", type=float, default=0.3)
    parser.add_argument("--batch", action="store_true")
    uvloop.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
