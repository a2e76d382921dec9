"""A vendor's host that answers as a test says, byte by byte, and keeps what it was asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Talk = Callable[[socket.socket, bytes], None]
"""Answers one request (its head, and its body as far as it came) on its connection."""


class Host:
    """Listens on a port of its own; `asked` are the requests so far."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.asked: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def base(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        with caller, suppress(OSError):
            asked = caller.recv(65_536)
            if not asked:
                return
            while b"\r\n\r\n" not in asked and (more := caller.recv(65_536)):
                asked += more
            self.asked.append(asked)
            self.talk(caller, asked)
            caller.shutdown(socket.SHUT_WR)
            caller.settimeout(1.0)
            while caller.recv(65_536):  # what is left of the request: a reset would eat the answer
                pass


def answer(status: int, body: bytes = b"", kind: str = "application/json", *more: str) -> bytes:
    """A whole answer of HTTP; `more` are further headers."""
    head = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "Connection: close", *more, "", ""]).encode() + body


@contextmanager
def hostile(talk: Talk | None = None, *, always: bytes = b"") -> Iterator[Host]:
    """A host that talks so, or gives `always` the same answer."""
    host = Host(talk or (lambda caller, _: caller.sendall(always)))
    try:
        yield host
    finally:
        host.close()
