"""No test may leave a process behind: at the end of a run those that live are named, and it fails.

Orphans are adopted (Linux only), so that a server whose parent has gone is found as well.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
OURS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver", "multiprocessing.spawn")
PATIENCE = 5.0  # seconds for those that are ending already


def adopt() -> None:
    """From now on, whoever loses its parent below us becomes our child."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def left(patience: float = PATIENCE) -> list[str]:
    """The processes below us that still live, as `command (started in test)`; they are killed."""
    until = time.monotonic() + patience
    while (alive := [pid for pid in _below(os.getpid()) if _counts(pid)]) and (
        time.monotonic() < until
    ):
        time.sleep(0.1)
    said = [f"{_command(pid)[:120]} (started in {_test(pid)})" for pid in alive]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    return said


def _below(pid: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = tasks.read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield child
            yield from _below(child)


def _counts(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX" and not any(name in _command(pid) for name in OURS)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def _test(pid: int) -> str:
    """The test that was running when the process was started, from its environment."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return "?"
    for entry in entries:
        if entry.startswith(b"PYTEST_CURRENT_TEST="):
            return entry.partition(b"=")[2].decode()
    return "no test"
