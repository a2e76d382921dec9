"""A fake account on a port of this machine, for the official SDK and for anything else."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from upwell.demo.port import Port, answering
from upwell.demo.stripe.fake import FakeStripe


class _Server(Port):
    fake: FakeStripe

    def __init__(self, fake: FakeStripe, port: int, listening: socket.socket | None) -> None:
        super().__init__(_Handler, port, listening)
        self.fake = fake


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length:
            self.rfile.read(length)
        path, _, query = self.path.partition("?")
        fake = self.server.fake
        with fake.lock:
            answer = fake.api.answer(self.command, path, query, self.headers.get("Authorization"))
        if answer.status == 0:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are kept in `fake.api.requests`, not printed."""


@contextlib.contextmanager
def serve(
    fake: FakeStripe, port: int = 0, *, listening: socket.socket | None = None
) -> Iterator[str]:
    """Answer as `api.stripe.com` would; -> the address, for `StripeClient(base_addresses=…)`.

    On a port of this machine, or where somebody is `listening` already.
    """
    with answering(_Server(fake, port, listening)) as address:
        yield address
