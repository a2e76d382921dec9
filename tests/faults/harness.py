"""A server under load that is killed again and again, and a client that writes down what it knows.

`Client` posts batches of events with keys, remembers which were answered with 200, and repeats what
had no answer, as a careful client does. `judge` opens what is left on the disk and compares: every
acknowledged event is stored once, none is stored twice, none came from nowhere.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import duckdb

from tests.served import CONFIG, free_port

FULL = os.environ.get("UPWELL_FAULTS") == "full"  # `make faults`; else the part in `make test`
UPWELL = (sys.executable, "-m", "upwell.cli")


class Process(Protocol):
    """A running server, as `subprocess` has it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float = ...) -> int: ...
    def terminate(self) -> None: ...


class Crashing:
    """A data directory with a server that is started and killed at will."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.data = directory / "data"
        self.config = directory / "upwell.toml"
        self.config.write_text(CONFIG)
        self.log = directory / "server.log"
        self.port = free_port()
        self.process: Process | None = None
        self.env = dict(os.environ)
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, not at each start
        made = self.run("key", "create", "--name", "load", "--scope", "ingest", "--json")
        self.key: str = json.loads(made)["key"]

    def start(self, wrapped: Sequence[str] = ()) -> None:
        """Start the server, without waiting; `wrapped` stands before its command line."""
        line = [*wrapped, *UPWELL, "serve", "--port", str(self.port), *self._where()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                line, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, to it and to what wraps it."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)

    def run(self, *words: str, timeout: float = 300) -> str:
        """A command on the same data: what it prints."""
        line = [*UPWELL, *words, "--data", str(self.data)]
        if words[0] != "key":
            line += ["--config", str(self.config)]
        done = subprocess.run(
            line, env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def _where(self) -> list[str]:
        return ["--data", str(self.data), "--config", str(self.config)]


@dataclass
class Known:
    """What the client knows, by the ids of events: sent, and answered with 200."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)  # by status, or how it failed
    waits: list[str] = field(default_factory=list)  # Retry-After of answers that refused


class Client:
    """Posts until told to stop, one batch after the other, on one connection while it holds."""

    def __init__(
        self, server: Crashing, seed: int, name: str, waiting: float = 0.1, pause: float = 0.0
    ) -> None:
        self.known = Known()
        self.first = threading.Event()  # set at each acknowledgement; cleared by who waits for it
        self._server = server
        self._dice = random.Random(seed)
        self._name = name
        self._waiting = waiting  # share of posts that wait until they are in the numbers
        self._pause = pause  # seconds between two posts
        self._numbers = 0
        self._open: list[list[dict[str, Any]]] = []  # batches without an answer
        self._line: http.client.HTTPConnection | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the request at hand."""
        self._stopping.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._line is not None:
            self._line.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._post(self._next())

    def _next(self) -> list[dict[str, Any]]:
        if self._open and self._dice.random() < 0.5:
            return self._open.pop(0)
        return [self._event() for _ in range(self._dice.choice((1, 5, 40, 200)))]

    def _event(self) -> dict[str, Any]:
        self._numbers += 1
        identity = f"{self._name}-{self._numbers}"
        kind = self._dice.choice(("revenue", "signup", "activation", "page_view", "churn"))
        event: dict[str, Any] = {
            "product_id": self._dice.choice(("mail", "docs")),
            "event_type": kind,
            "timestamp": time.time_ns() // 1_000_000 - self._dice.randrange(10**10),
            "actor_id": f"u{self._dice.randrange(500)}",
            "idempotency_key": identity,
            "metadata": {"id": identity, "plan": self._dice.choice(("free", "team"))},
        }
        if kind == "revenue":
            event |= {"value": f"{self._dice.randrange(100_00) / 100:.2f}", "currency": "USD"}
        return event

    def _post(self, batch: list[dict[str, Any]]) -> None:
        ids = {event["idempotency_key"] for event in batch}
        self.known.sent |= ids
        path = "/v1/events" + ("?wait=applied" if self._dice.random() < self._waiting else "")
        try:
            if self._line is None:
                self._line = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
            self._line.request("POST", path, json.dumps(batch).encode(), headers(self._server.key))
            answer = self._line.getresponse()
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.known.answers[type(error).__name__] += 1
            if self._line is not None:
                self._line.close()
            self._line = None
            self._open.append(batch)
            time.sleep(0.02)
            return
        self.known.answers[str(answer.status)] += 1
        if answer.status == 200:
            assert told["accepted"] == len(batch), told
            self.known.acknowledged |= ids
            self.first.set()
            time.sleep(self._pause)
        else:
            self.known.waits.append(answer.headers.get("Retry-After", ""))
            self._open.append(batch)
            time.sleep(0.05)


def headers(key: str) -> dict[str, str]:
    """What a request with this key carries."""
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Verdict:
    """What was found on the disk in the end."""

    acknowledged: int
    stored: int
    lost: int  # acknowledged, and not stored
    doubled: int  # stored more than once
    strange: int  # stored, and never sent
    verified: bool
    said: str

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.strange) and self.verified

    def __str__(self) -> str:
        word = "ok" if self.verified else self.said
        return (
            f"{self.acknowledged:,} events acknowledged, {self.stored:,} stored: "
            f"{self.lost} lost, {self.doubled} doubled, {self.strange} from nowhere; verify: {word}"
        )


def judge(server: Crashing, known: Known) -> Verdict:
    """Let the house catch up and check itself, then compare its events with what is known."""
    said = server.run("verify", "--json")
    stored = stored_ids(server.data)
    return Verdict(
        acknowledged=len(known.acknowledged),
        stored=sum(stored.values()),
        lost=len(known.acknowledged - stored.keys()),
        doubled=sum(count > 1 for count in stored.values()),
        strange=len(stored.keys() - known.sent),
        verified=bool(said) and json.loads(said)["ok"],
        said=said,
    )


def stored_ids(data: Path) -> Counter[str]:
    """How often each event is stored, by the id that its sender gave it."""
    with duckdb.connect(str(data / "projection.duckdb"), read_only=True) as db:
        rows = db.execute("select metadata from events where superseded_at is null").fetchall()
    return Counter(json.loads(text)["id"] for (text,) in rows)
