"""Pages of other sites: which may send here, and what their browsers must be told of it."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.types import Send

from upwell.web.door import header
from upwell.web.parts import Parts

Headers = tuple[tuple[bytes, bytes], ...]

# Another site's page runs it, or hears the answer.
SHARED: Headers = ((b"cross-origin-resource-policy", b"cross-origin"),)
_SCRIPT = "/upwell.js"


def shared(path: str) -> bool:
    """Whether pages of other sites may come to that address."""
    return path.startswith("/sdk/") or path in ("/v1/events", _SCRIPT)


async def crossing(scope: Any, parts: Parts) -> Headers:
    """What the answer tells a browser: that the page may read it, where a key is for its site."""
    origin = header(scope, b"origin")
    if not origin or scope["path"] == _SCRIPT:
        return SHARED
    now = parts.clock()
    allowed = parts.gate.known_origins(now)
    if allowed is None:
        allowed = await asyncio.to_thread(parts.gate.public_origins, now)
    if origin not in allowed:
        return (*SHARED, (b"vary", b"origin"))
    return (
        *SHARED,
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),  # which Mixpanel's client asks for
        (b"access-control-expose-headers", b"retry-after"),
        (b"vary", b"origin"),
    )


def asks_first(scope: Any) -> bool:
    """Whether a browser asks if a page may send at all."""
    return scope["method"] == "OPTIONS" and bool(header(scope, b"access-control-request-method"))


async def answer_first(send: Send) -> None:
    """The answer to that; who may is in the headers that every answer carries."""
    headers = [
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"authorization, content-type, content-encoding"),
        (b"access-control-max-age", b"3600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
