"""A server as people run it: a process of its own on a free port, ended when the test is over."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

UPWELL = (sys.executable, "-m", "upwell.cli")
CONFIG = """\
[workspace]
name = "Acme"

[[products]]
id = "mail"
name = "Mail"

[[products]]
id = "docs"
name = "Docs"
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Served:
    """`upwell serve` or `upwell demo` on a data directory; a context manager that stops it.

    `command` is how `upwell` is called; all that the server says lands in `log`.
    """

    def __init__(
        self,
        data: Path,
        *words: str,
        config: Path | None = None,
        command: tuple[str, ...] = UPWELL,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.data = data
        self.config = config
        self.command = command
        self.port = port or free_port()
        self.log = data.parent / f"{data.name}.log"
        self._env = {**os.environ, **(env or {})}
        self._env.pop("UPWELL_CONFIG", None)
        line = [*command, *(words or ("serve",)), "--data", str(data), "--port", str(self.port)]
        if config is not None:
            line += ["--config", str(config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(line, env=self._env, stdout=log, stderr=log)
        self.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Where it is served, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self, seconds: float) -> None:
        """Until it answers; what it said is in the error where it does not."""
        until = time.monotonic() + seconds
        while True:
            try:
                if self.get("/healthz")[0] == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > until:
                code = self.process.poll()
                self.kill()
                raise AssertionError(
                    f"The server did not start (it ended with {code}):\n{self.log.read_text()}"
                )
            time.sleep(0.05)

    def call(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request: its status, headers (names in lower case) and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """A GET, as `call`."""
        return self.call("GET", path, None, **headers)

    def run(self, *words: str) -> Any:
        """A command beside the server, on the same data: what it prints as JSON."""
        line = [*self.command, *words, "--data", str(self.data), "--json"]
        if self.config is not None:
            line += ["--config", str(self.config)]
        done = subprocess.run(
            line, env=self._env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"upwell {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout)

    def stop(self) -> int:
        """End it as Ctrl-C does, and give its exit code; killed after half a minute."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                return self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"It did not stop:\n{self.log.read_text()}") from None
        return self.process.wait()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.wait()
