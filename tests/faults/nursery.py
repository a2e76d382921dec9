"""Servers by fork: a process that has loaded everything starts one in milliseconds.

`python -m tests.faults.nursery DATA CONFIG PORT` reads lines: for each it forks a server, and
prints its process id. A killed child is a killed server; only the loading of code is saved.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, Self

import httpx
from litestar import Litestar

from tests.faults.harness import Crashing
from upwell.app.server import serve


class Forked(NamedTuple):
    """A server that is somebody else's child; it leaves nothing behind to be waited for."""

    pid: int

    def poll(self) -> int | None:
        """None while it lives, as of a process of one's own."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self, timeout: float = 60) -> int:
        """Until it has ended."""
        until = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < until, "It does not end."
            time.sleep(0.002)
        return 0

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)


class Nursery:
    """Where the servers of one data directory come from, as long as the block lasts."""

    def __init__(self, server: Crashing) -> None:
        self._server = server
        where = (str(server.data), str(server.config), str(server.port))
        with server.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.nursery", *where],
                env=server.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def start(self) -> None:
        """Start the server, without waiting."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        self._server.process = Forked(int(self._process.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # which ends what it reads


def main(data: Path, config: Path, port: int) -> None:
    """Fork a server for each line that is read, until there are no more."""
    Litestar([])  # what it loads when the first app is made
    httpx.HTTPTransport().close()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)  # the ids alone go there
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(data=data, config=config, host="127.0.0.1", port=port)
            os._exit(0)
        os.setpgid(child, child)  # killed as a group, like a server that is started alone
        print(child, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
