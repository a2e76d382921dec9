"""A fake account on a port of this machine, for the official SDK and for anything else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from upwell.demo.stripe.fake import FakeStripe


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeStripe

    def __init__(self, fake: FakeStripe, port: int, listening: socket.socket | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler, bind_and_activate=listening is None)
        if listening is not None:
            self.socket.close()
            self.socket = listening
            self.server_address = listening.getsockname()
        self.fake = fake
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close connections that clients keep open."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is no news."""


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
    server = _Server(fake, port, listening)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.hang_up()
        server.server_close()
        thread.join()
