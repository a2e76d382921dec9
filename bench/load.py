"""The client: a process of its own that posts ready-made bodies over several connections.

Bodies stand in one file, their sizes in another; a connection sends a body, waits for the answer,
sends the next. What is measured is the server: the client only copies bytes to a socket.
"""

from __future__ import annotations

import mmap
import multiprocessing
import socket
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.rows import Spec, Tally, batch


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What a client did: seconds from the first byte to the last answer, each answer's delay."""

    events: int
    began: float  # time.time() of the first byte
    seconds: float
    delays: list[float]
    cpu: float


class Bodies:
    """A file of bodies and of the peers' text, made once for a set of rows."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        self.spec = spec
        self.json = folder / f"{spec.name}.json.bin"
        self.tabs = folder / f"{spec.name}.tabs"
        self._about = folder / f"{spec.name}.about"
        if not self._about.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._make()
        self.about: dict[str, Any] = msgspec.json.decode(self._about.read_bytes())

    def _make(self) -> None:
        tally, sizes, tab_sizes = Tally(), [], []
        with (
            self.json.open("wb") as bodies,
            self.tabs.open("wb") as tabs,
            multiprocessing.get_context("spawn").Pool(2) as pool,
        ):
            jobs = ((self.spec, number) for number in range(self.spec.batches))
            for one in pool.imap(_made, jobs, chunksize=16):
                tally.add(one)
                sizes.append(bodies.write(one.json))
                tab_sizes.append(tabs.write(one.tabs))
        self._about.write_bytes(
            msgspec.json.encode({**tally.as_dict(), "sizes": sizes, "tab_sizes": tab_sizes})
        )

    def places(self, which: str = "sizes") -> list[tuple[int, int]]:
        """Start and end of each body in its file."""
        ends = np.cumsum(self.about[which]).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def remove(self) -> None:
        """Take the files away."""
        for path in (self.json, self.tabs, self._about):
            path.unlink(missing_ok=True)


def _made(job: tuple[Spec, int]) -> Any:
    return batch(*job)


def post_all(
    bodies: Bodies,
    port: int,
    key: str,
    *,
    which: Sequence[int] | None = None,
    connections: int = 4,
    per_second: float = 0.0,
) -> Sent:
    """Post bodies from a process of their own; `per_second` bodies at most where it is not 0."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    places = bodies.places()
    chosen = [places[n] for n in (range(len(places)) if which is None else which)]
    process = multiprocessing.get_context("spawn").Process(
        target=_client,
        args=(str(bodies.json), chosen, port, key, connections, per_second, there),
    )
    process.start()
    there.close()
    try:
        found = here.recv()
    except EOFError:
        raise RuntimeError("the client ended without an answer") from None
    finally:
        process.join()
    if isinstance(found, str):
        raise RuntimeError(found)
    return msgspec.convert(found, Sent)


def head(port: int, key: str, size: int, path: str = "/v1/events") -> bytes:
    """The head of a request that brings events."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


def answer(connection: socket.socket) -> bytes:
    """The whole of one answer; RuntimeError for anything but 200."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        if not part:
            raise RuntimeError("the server closed the connection")
        got += part
    top, _, body = got.partition(b"\r\n\r\n")
    lines = top.lower().split(b"\r\n")
    size = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
    while len(body) < size:
        body += connection.recv(65536)
    if b" 200 " not in lines[0]:
        raise RuntimeError(f"{lines[0]!r}: {body[:300]!r}")
    return body


def _client(
    path: str,
    places: list[tuple[int, int]],
    port: int,
    key: str,
    connections: int,
    per_second: float,
    pipe: Connection,
) -> None:
    delays: list[float] = []
    failures: list[str] = []
    accepted = 0
    waiting = iter(enumerate(places))
    lock = threading.Lock()
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as bodies:
        memory = memoryview(bodies)
        for place in range(0, len(bodies), 4096):
            memory[place]  # every page is in memory before the clock starts
        began, clock, spent = time.time(), time.perf_counter(), time.process_time()

        def work() -> None:
            nonlocal accepted
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not failures:
                    with lock:
                        number, (start, end) = next(waiting, (-1, (0, 0)))
                    if number < 0:
                        return
                    if per_second:
                        time.sleep(max(0.0, clock + number / per_second - time.perf_counter()))
                    sent = time.perf_counter()
                    connection.sendall(head(port, key, end - start))
                    connection.sendall(memory[start:end])
                    told = answer(connection)
                    delays.append(time.perf_counter() - sent)
                    taken = msgspec.json.decode(told)["accepted"]
                    with lock:
                        accepted += taken

        def safely() -> None:
            try:
                work()
            except (OSError, RuntimeError) as error:
                failures.append(repr(error))

        threads = [threading.Thread(target=safely) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - clock
        memory.release()
    if failures:
        pipe.send(failures[0])
        return
    sent = Sent(
        events=accepted,
        began=began,
        seconds=seconds,
        delays=delays,
        cpu=time.process_time() - spent,
    )
    pipe.send(msgspec.to_builtins(sent))
