"""A fake property on a port of this machine, for Google's own client and anything else."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from upwell.demo.ga4.fake import FakeGa4
from upwell.demo.port import Port, answering


class _Server(Port):
    fake: FakeGa4


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.fake.answer(self.command, self.path.partition("?")[0], body)
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.sent])
        self.wfile.flush()
        self.close_connection = answer.sent < len(answer.body)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are kept in `fake.requests`, not printed."""


@contextlib.contextmanager
def serve(fake: FakeGa4, port: int = 0, *, listening: socket.socket | None = None) -> Iterator[str]:
    """Answer as the Data API would; -> the address, for `api_base`."""
    server = _Server(_Handler, port, listening)
    server.fake = fake
    with answering(server) as address:
        yield address
