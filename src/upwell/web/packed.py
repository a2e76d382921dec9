"""Answers of the API on their way out: packed with gzip where that is worth it."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

from litestar.types import Send

from upwell.web.door import header

LEAST = 1024  # bytes: less fits into one packet anyway
LEVEL = 1  # of gzip: an answer is sent once, so packing must cost less than sending
MUCH = 256 * 1024  # bytes that take so long that others should not wait for them
_PLAIN = (b"application/json", b"application/vnd.oai.openapi+json", b"text/")


def packing(scope: Any, send: Send) -> Send:
    """`send` for who takes gzip: whole bodies of text go packed, streams as they come."""
    if scope["method"] == "HEAD" or "gzip" not in header(scope, b"accept-encoding"):
        return send
    held: list[Any] = []

    async def packed(message: Any) -> None:
        if message["type"] == "http.response.start":
            held.append(message)
            return
        if not held:
            await send(message)
            return
        begun = held.pop()
        body = message.get("body", b"")
        if not message.get("more_body") and len(body) >= LEAST and _is_text(begun["headers"]):
            message["body"] = await _gzip(body)
            begun["headers"] = _with_length(begun["headers"], len(message["body"]))
        await send(begun)
        await send(message)

    return packed


async def _gzip(body: bytes) -> bytes:
    if len(body) > MUCH:
        return await asyncio.to_thread(gzip.compress, body, LEVEL, mtime=0)
    return gzip.compress(body, LEVEL, mtime=0)


def _is_text(headers: Any) -> bool:
    kept = {name.lower(): value for name, value in headers}
    return b"content-encoding" not in kept and kept.get(b"content-type", b"").startswith(_PLAIN)


def _with_length(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    return [
        *((name, value) for name, value in headers if name.lower() != b"content-length"),
        (b"content-length", str(length).encode()),
        (b"content-encoding", b"gzip"),
    ]
