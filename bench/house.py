"""A house of our own to measure: its configuration, its process, its keys, its threads' time."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.figures import ROOT
from bench.rows import PRODUCTS

TICKS = os.sysconf("SC_CLK_TCK")
STAGES = ("receive", "journal", "fold", "other")


def write_config(folder: Path, products: Iterable[str] = PRODUCTS, more: str = "") -> Path:
    """A configuration file with these products, and what else is given as TOML."""
    path = folder / "upwell.toml"
    parts = ['[workspace]\nname = "Bench"\ntimezone = "UTC"\ncurrency = "USD"\n', more]
    parts += [f'[[products]]\nid = "{one}"\nname = "{one.title()}"\n' for one in products]
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts))
    return path


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def upwell(*words: str | Path, timeout: float = 1200) -> Any:
    """What a command of ours prints as JSON."""
    command = [sys.executable, "-m", "upwell.cli", *map(str, words), "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=_env(), capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode:
        raise RuntimeError(f"upwell {' '.join(map(str, words))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}


@dataclass
class Server:
    """`upwell serve` (or `demo`) as a process; a context manager that stops it."""

    data: Path
    config: Path | None = None
    demo: bool = False
    port: int = field(default_factory=free_port)
    started_in: float = 0.0  # seconds from the start of the process to the first answer
    key: str = ""

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        words = ["demo" if self.demo else "serve", "--data", str(self.data)]
        words += ["--port", str(self.port)]
        if self.config:
            words += ["--config", str(self.config)]
        began = time.perf_counter()
        self._log = (self.data.parent / f"{self.data.name}.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.serve", *words],
            cwd=ROOT, env=_env(), stdout=self._log, stderr=self._log,
        )  # fmt: skip
        try:
            until(lambda: self._answers(), 300, f"{words[0]} on {self.data} to answer")
            self.started_in = time.perf_counter() - began
            self.key = self._key()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it as a person would; killed after a minute and a half."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()

    def kill(self) -> None:
        """End it as a power cut would, but for what the system has yet to write."""
        self.process.kill()
        self.process.wait()
        self._log.close()

    def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            told = {"Authorization": f"Bearer {self.key}"} if self.key else {}
            connection.request(method, path, body or None, {**told, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """One request that must be answered well."""
        sent = b"" if body is None else json.dumps(body).encode()
        status, answer = self.call(method, path, sent, **{"Content-Type": "application/json"})
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {answer[:500]!r}")
        return json.loads(answer)

    def query(self, metric: str, **asked: str) -> Any:
        """`upwell query` on the running server."""
        words = [w for name, value in asked.items() for w in (f"--{name}", value)]
        return upwell("query", metric, *words, "--data", self.data)

    def meter(self, name: str, labels: str = "") -> float:
        """A figure of /metrics; 0 where it is absent."""
        _, text = self.call("GET", "/metrics")
        for line in text.decode().splitlines():
            if line.startswith(name) and labels in line:
                return float(line.rpartition(" ")[2])
        return 0.0

    def behind(self) -> int:
        """Deliveries that are durable and not in the numbers yet."""
        return int(self.meter("upwell_backlog_deliveries"))

    def caught_up(self, seconds: float = 1200) -> float:
        """Wait until everything acknowledged is in the numbers; seconds that it took."""
        began = time.perf_counter()
        until(lambda: self.behind() == 0, seconds, "the numbers to catch up", every=0.02)
        return time.perf_counter() - began

    def memory(self) -> tuple[int, int]:
        """Bytes in memory now, and at the most so far."""
        found = {}
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in ("VmRSS", "VmHWM"):
                found[name] = int(rest.split()[0]) * 1024
        return found["VmRSS"], found["VmHWM"]

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by what they were spent on; see `stage_of`."""
        spent = dict.fromkeys(STAGES, 0.0)
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                name = (task / "comm").read_text().strip()
                fields = (task / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # the thread has just ended
            seconds = (int(fields[11]) + int(fields[12])) / TICKS
            spent[stage_of(name, int(task.name) == self.process.pid)] += seconds
        return spent

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            log = Path(self._log.name).read_text()[-2000:]
            raise RuntimeError(f"the server ended with {self.process.returncode}:\n{log}")
        try:
            return self.call("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def _key(self) -> str:
        said = upwell("key", "create", "--name", "bench", "--scope", "ingest", "--scope", "read",
                      "--data", self.data)  # fmt: skip
        found: str = said["key"]
        return found


def stage_of(thread: str, main: bool) -> str:
    """What a thread is for: the loop and its parsers receive, the follower folds."""
    if main or thread.startswith("parse"):
        return "receive"
    if thread == "journal":
        return "journal"
    # DuckDB's own workers are named after the thread that opened it, and work for the fold.
    if thread == "flow" or thread.startswith("python"):
        return "fold"
    return "other"


def until(true: Callable[[], bool], seconds: float, what: str, every: float = 0.01) -> None:
    """Wait until it is so; TimeoutError naming what was waited for."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)


def size_of(path: Path) -> int:
    """Bytes on disk of a file, with what stands beside it under its name."""
    return sum(part.stat().st_size for part in path.parent.glob(path.name + "*"))
