"""A fake project on a port of this machine, for any program that reads the export."""

from __future__ import annotations

import contextlib
import socket
import zlib
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

from upwell.demo.mixpanel.api import FakeMixpanel
from upwell.demo.port import Port, answering

PIECE = 256 * 1024
SMALL = 1_400  # bytes up to which a body is not compressed


class _Server(Port):
    fake: FakeMixpanel

    def __init__(self, fake: FakeMixpanel, port: int, listening: socket.socket | None) -> None:
        super().__init__(_Handler, port, listening)
        self.fake = fake


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer, in chunks: nothing is held but one piece."""
        path, _, query = self.path.partition("?")
        answer = self.server.fake.answer(path, query, self.headers.get("Authorization"))
        packed = "Content-Encoding" in answer.headers
        pieces = answer.body if packed else _gathered(answer.body)
        first = next(pieces, b"")
        takes = "gzip" in self.headers.get("Accept-Encoding", "")
        packs = takes and not packed and len(first) > SMALL
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if packs:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pack = zlib.compressobj(1, wbits=31)
        piece = first
        while piece:
            self._chunk(pack.compress(piece) if packs else piece)
            piece = next(pieces, b"")
        if answer.broken:
            if packs:
                self._chunk(pack.flush(zlib.Z_SYNC_FLUSH))
            self.close_connection = True
            return
        if packs:
            self._chunk(pack.flush())
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The fake's time, not this machine's."""
        return formatdate(self.server.fake.clock() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Calls are kept in `fake.calls`, not printed."""


def _gathered(lines: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


@contextlib.contextmanager
def serve(
    fake: FakeMixpanel, port: int = 0, *, listening: socket.socket | None = None
) -> Iterator[str]:
    """Answer as `data.mixpanel.com` would; -> the address, for `api_base`."""
    with answering(_Server(fake, port, listening)) as address:
        yield address
