"""A loaded server killed again and again, and what its clients were told compared with what it has.

`python -m tests.faults.kills 1000` prints the figures; the tests run it with fewer.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from tests.served import CONFIG, free_port

from upwell.app import Commands, House
from upwell.app.house import now
from upwell.control import run
from upwell.projection.keys import hash_text

CLIENTS = 3
BATCH = 40
TYPES = ("signup", "page_view", "engagement", "revenue")


@dataclass
class Report:
    """What many kills have cost; the first three must be 0."""

    kills: int
    lost: int  # acknowledged and not stored
    doubled: int  # stored more than once
    damaged: int  # checks of `upwell verify` that failed
    acknowledged: int
    sent: int
    stored: int
    retried: int  # batches whose answer the kill swallowed, sent again with the same keys
    seconds: float
    restart_ms: float  # from a start to the first acknowledgement, median

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.seconds:.0f} s under {CLIENTS} clients: "
            f"{self.lost} lost, {self.doubled} doubled, {self.damaged} checks failed; "
            f"{self.acknowledged:,} events acknowledged, {self.stored:,} stored, "
            f"{self.retried} unanswered batches sent again; "
            f"restart to first acknowledgement {self.restart_ms:.0f} ms (median)"
        )


@dataclass
class _Client:
    """Sends batches until stopped; repeats a batch with its keys until it is acknowledged."""

    name: str
    port: int
    key: str
    stop: threading.Event
    acknowledged: list[str] = field(default_factory=list)
    sent: int = 0
    retried: int = 0
    first_after: list[float] = field(default_factory=list)

    def work(self) -> None:
        number = 0
        while not self.stop.is_set():
            keys = [f"{self.name}-{number}-{i}" for i in range(BATCH)]
            body = json.dumps([_event(key, at) for at, key in enumerate(keys)]).encode()
            self.sent += BATCH
            while not self._post(body):
                self.retried += 1
                time.sleep(0.01)
            self.first_after.append(time.monotonic())
            self.acknowledged += keys
            number += 1

    def _post(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(
                "POST",
                "/v1/events",
                body,
                {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
            return response.status == 200 and answer["accepted"] == BATCH
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()


def _event(key: str, at: int) -> dict[str, object]:
    kind = TYPES[at % len(TYPES)]
    event: dict[str, object] = {
        "product_id": "mail" if at % 3 else "docs",
        "event_type": kind,
        "timestamp": f"2026-11-{1 + at % 20:02d}T{at % 24:02d}:15:00Z",
        "actor_id": f"u{hash(key) % 500}",
        "idempotency_key": key,
        "metadata": {"plan": "team"},
    }
    if kind == "revenue":
        event |= {"value": "9.50", "currency": "USD"}
    return event


def kill_again_and_again(kills: int, directory: Path, seed: int = 1) -> Report:
    """Serve, load, kill at a random moment, serve again; then compare every key."""
    began = time.monotonic()
    data, config, port = directory / "data", directory / "upwell.toml", free_port()
    config.write_text(CONFIG)
    with _opened(data, config) as key:
        pass
    chance = random.Random(seed)
    stop = threading.Event()
    clients = [_Client(f"c{n}", port, key.secret, stop) for n in range(CLIENTS)]
    threads = [threading.Thread(target=client.work, daemon=True) for client in clients]
    restarts: list[float] = []
    log = (directory / "server.log").open("w")
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery", str(data), str(config), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    try:
        for round_ in range(kills + 1):
            nursery.stdin.write("go\n")
            nursery.stdin.flush()
            child = int(nursery.stdout.readline())
            started = time.monotonic()
            if round_ == 0:
                for thread in threads:
                    thread.start()
            _wait_for_news(clients, started)
            news = [at for c in clients for at in c.first_after[-3:] if at > started]
            restarts.append(min(news) - started)
            if round_ == kills:
                break
            time.sleep(chance.expovariate(1 / 0.08))
            _kill(child)
        stop.set()
        for thread in threads:
            thread.join(30)
        os.kill(child, signal.SIGTERM)
        _wait_for_end(data)
    finally:
        nursery.stdin.close()
        nursery.terminate()
        nursery.wait(10)
        log.close()
    return _compare(data, clients, kills, time.monotonic() - began, restarts)


@dataclass
class _opened:  # noqa: N801 - reads as a word where it is used
    data: Path
    config: Path
    secret: str = ""

    def __enter__(self) -> _opened:
        from upwell.app.house import house

        with house(self.data, self.config) as commands:
            assert isinstance(commands, Commands)
            self.secret = commands.key_create("kills", ["ingest"])["key"]
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _kill(process: int, patience: float = 30.0) -> None:
    """Kill at once, and wait until the system has taken the process down."""
    os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + patience
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(process, 0)
            time.sleep(0.001)


def _wait_for_news(clients: list[_Client], since: float, patience: float = 60.0) -> None:
    while not any(c.first_after and c.first_after[-1] > since for c in clients):
        if time.monotonic() - since > patience:
            raise AssertionError("the server took no events for a minute after a restart")
        time.sleep(0.005)


def _wait_for_end(data: Path, patience: float = 60.0) -> None:
    from upwell.control import own
    from upwell.errors import Unavailable

    deadline = time.monotonic() + patience
    while True:
        try:
            with own(data, "kills"):
                return
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _compare(
    data: Path,
    clients: list[_Client],
    kills: int,
    seconds: float,
    restarts: list[float],
) -> Report:
    house = House(data, None, now)
    try:
        assert house.caught_up(60)
        acknowledged = [key for client in clients for key in client.acknowledged]
        held = house.projection.holds(hash_text(pa.chunked_array([_identities(acknowledged)])))
        stored, distinct = (
            house.projection.reader()
            .execute("select count(*), count(distinct (key_high, key_low)) from events")
            .fetchall()[0]
        )
        verified = run({"verify": Commands(house).verify}, "verify", {})
        failed = [check for check in verified["checks"] if not check["ok"]]
        for check in failed:
            print(check)
        # What the numbers say must be what is stored: no event may be in the sums twice either.
        counted = sum(
            cell[0]
            for (_, kind, _), days in house.projection.sums.days.items()
            if not kind.startswith("@")
            for cell in days.values()
        )
    finally:
        house.close()
    return Report(
        kills=kills,
        lost=int((held < 0).sum()),
        doubled=(stored - distinct) + abs(counted - stored),
        damaged=len(failed),
        acknowledged=len(acknowledged),
        sent=sum(client.sent for client in clients),
        stored=stored,
        retried=sum(client.retried for client in clients),
        seconds=seconds,
        restart_ms=sorted(restarts)[len(restarts) // 2] * 1000,
    )


def _identities(keys: list[str]) -> pa.Array:
    """The text whose hash is an event's identity: product, source, key."""
    return pa.array(
        [f"{'mail' if int(key.rsplit('-', 1)[1]) % 3 else 'docs'}\0kills\0k{key}" for key in keys]
    )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as made:
        report = kill_again_and_again(count, Path(made), seed=int(time.time()))
    print(report)
    sys.exit(bool(report.lost or report.doubled or report.damaged))
