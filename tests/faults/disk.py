"""A disk that is full, and one that fails: `python -m tests.faults.disk` prints what was lost.

*Full*: a small tmpfs holds everything; while a client posts it is filled, and emptied again. As
long as it is full nothing is acknowledged (503 with Retry-After), questions are answered, and
within 10 s of space returning events are taken and counted again. Needs root.

*Failing*: strace makes chosen calls of fdatasync fail with EIO, or kills the server at the K-th
call of fdatasync or pwrite64. Needs strace.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.harness import Client, Crashing, headers, judge

SIZE = 64 * 1024 * 1024
BACK_WITHIN = 10.0
MOST = 200  # calls at which the server is killed, one after the other


def can_mount() -> bool:
    """Whether this process may make a small disk."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


def can_trace() -> bool:
    """Whether system calls can be made to fail here."""
    line = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "true"]
    return shutil.which("strace") is not None and subprocess.run(line, check=False).returncode == 0


@contextlib.contextmanager
def small_disk(place: Path, size: int = SIZE) -> Iterator[Path]:
    """A directory on a disk of its own."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def full(place: Path, rounds: int = 2) -> tuple[str, bool]:
    """Fill the disk under load and empty it again; a sentence with the figures, and if all held."""
    problems: list[str] = []
    back: list[float] = []
    with small_disk(place / "disk") as disk:
        server = Crashing(disk / "house")
        server.log = place / "server.log"
        # At a pace that leaves room: what fills this disk is the filler, not the events.
        client = Client(server, 5, "full", waiting=0, pause=0.03)
        client.known.sent.add("probe")
        server.start()
        _wait(client, 60)
        for _ in range(rounds):
            _fill(disk / "filler")
            time.sleep(3)
            _fill(disk / "more")  # what was given back meanwhile
            time.sleep(2)
            if not server.alive():
                problems.append("the server ended")
                break
            (disk / "filler").unlink()
            (disk / "more").unlink()
            began = time.monotonic()
            client.first.clear()
            if not client.first.wait(BACK_WITHIN) or not _caught_up(server, BACK_WITHIN):
                problems.append(f"not back {BACK_WITHIN:.0f} s after space returned")
            back.append(time.monotonic() - began)
        client.stop()
        if server.alive():
            server.stop()
        verdict = judge(server, client.known)
        told = server.log.read_text().count("commit failed")
    waits = set(client.known.waits)
    if not client.known.answers["503"]:
        problems.append("not one refusal")
    if not all(wait.isdigit() and int(wait) > 0 for wait in waits):
        problems.append(f"answers without Retry-After: {waits}")
    if told > 40:
        problems.append(f"the log was flooded: {told} lines")
    strange = {s for s in client.known.answers if s.isdigit()} - {"200", "503"}
    if strange:
        problems.append(f"answers of {strange}")
    seconds = ", ".join(f"{each:.1f}" for each in back)
    said = f"disk full {rounds} times: back after {seconds} s; {verdict}; {told} lines in the log"
    return "; ".join([said, *problems]), verdict.good and not problems


def failing(place: Path, when: str = "20..200+9") -> tuple[str, bool]:
    """Let every ninth call of fdatasync fail with EIO, for a while, as a client posts."""
    server = Crashing(place / "house")
    client = Client(server, 9, "eio")
    server.start(_strace("fdatasync", f"error=EIO:when={when}"))
    _wait(client, 60)
    time.sleep(6)
    _wait(client, 20)
    client.stop()
    server.kill()
    verdict = judge(server, client.known)
    refused = client.known.answers["503"]
    said = f"fdatasync failed at calls {when}: {refused} refusals; {verdict}"
    return said, verdict.good and refused > 0


def calls(place: Path, count: int, syscall: str, first: int = 1) -> tuple[str, bool]:
    """Kill the server at its K-th call of `syscall`, for `count` values of K from `first` on."""
    server = Crashing(place / "house")
    client = Client(server, 13, syscall)
    died = 0
    for number in range(first, first + count):
        server.start(_strace(syscall, f"signal=SIGKILL:when={number}"))
        until = time.monotonic() + 60
        while server.alive() and time.monotonic() < until:
            time.sleep(0.02)
        died += not server.alive()
        server.kill()
    client.stop()
    verdict = judge(server, client.known)
    said = f"killed at {died} of {count} calls of {syscall}, from call {first} on: {verdict}"
    return said, verdict.good and died == count


def _strace(syscall: str, fault: str) -> list[str]:
    inject = ["-e", f"trace={syscall}", "-e", f"inject={syscall}:{fault}"]
    return ["strace", "-f", "-qq", "-o", "/dev/null", *inject]


def _wait(client: Client, seconds: float) -> None:
    client.first.clear()
    assert client.first.wait(seconds), f"nothing was acknowledged: {client.known.answers}"


def _fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 14, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def _caught_up(server: Crashing, seconds: float) -> bool:
    """Whether an event posted now is in the numbers within so many seconds."""
    probe = {"product_id": "mail", "event_type": "engagement", "timestamp": int(time.time())}
    body = json.dumps(probe | {"idempotency_key": "probe", "metadata": {"id": "probe"}})
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=seconds)
        with contextlib.closing(line), contextlib.suppress(OSError, http.client.HTTPException):
            line.request("POST", "/v1/events?wait=applied", body, headers(server.key))
            answer = line.getresponse()
            told = json.loads(answer.read())
            if answer.status == 200 and "a little later" not in told.get("note", ""):
                return True
        time.sleep(0.1)
    return False


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=MOST)
    asked = parser.parse_args()
    results: list[tuple[str, bool]] = []
    with tempfile.TemporaryDirectory(prefix="upwell-disk-") as name:
        place = Path(name)
        if can_mount():
            results.append(full(place / "full"))
        else:
            print("full disk: not run (needs root)")
        if can_trace():
            results.append(failing(place / "failing"))
            results += [
                calls(place / each, asked.calls, each) for each in ("fdatasync", "pwrite64")
            ]
        else:
            print("failing disk: not run (needs strace)")
    for said, _ in results:
        print(said)
    return 0 if all(good for _, good in results) else 1


if __name__ == "__main__":
    sys.exit(main())
