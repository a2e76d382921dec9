"""Servers by fork: a process that has loaded everything starts one in milliseconds.

`python -m tests.faults.nursery DATA CONFIG PORT` reads lines: for each it forks a server, and
prints its process id. A killed child is a killed server; only the loading of code is saved.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import httpx
from litestar import Litestar

from upwell.app.server import serve


def main(data: Path, config: Path, port: int) -> None:
    """Fork a server for each line that is read, until there are no more."""
    Litestar([])  # what it loads when the first app is made
    httpx.HTTPTransport().close()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(data=data, config=config, host="127.0.0.1", port=port)
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
