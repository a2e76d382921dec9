"""The site: one ASGI app of host check, headers and timing around Litestar and the pages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.types import Message, Send

from upwell.errors import UpwellError
from upwell.web import (
    boards,
    company,
    connect,
    events,
    explain,
    goals,
    health,
    hooks,
    inbox,
    kinds,
    marks,
    numbers,
    pulse,
    revenue,
    schema,
    sdk,
    signin,
    start,
    usage,
)
from upwell.web.crossing import Headers, answer_first, asks_first, crossing, shared
from upwell.web.door import check_host
from upwell.web.failures import HANDLERS, encode
from upwell.web.packed import packing
from upwell.web.pages import Pages
from upwell.web.parts import Parts
from upwell.web.routes import Call, Threads

__all__ = ["Parts", "Site", "site"]

_API = ("v1", "schema", "healthz", "readyz", "metrics", "hooks", "sdk")
_CSP = (
    "default-src 'self'; img-src 'self' data:; font-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SECURITY = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_OURS = ((b"cross-origin-resource-policy", b"same-origin"),)
_BODY_LIMIT = 1024 * 1024  # of every route but the events' own


def site(parts: Parts) -> Site:
    """The whole site as one ASGI app."""
    return Site(parts, _api(parts))


class Site:
    """Host check, security headers and timing for every answer; then the API or the pages."""

    def __init__(self, parts: Parts, api: Litestar) -> None:
        self.api = api
        self._parts = parts
        self._pages = Pages(parts.pages)
        https = ((b"strict-transport-security", b"max-age=31536000"),)
        self._abroad = _SECURITY + (https if parts.house.https else ())
        self._headers = (*self._abroad, *_OURS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection."""
        if scope["type"] == "lifespan":
            await self.api(scope, receive, send)
            return
        first = scope["path"].split("/", 2)[1:2]
        is_api = bool(first) and first[0] in _API
        try:
            check_host(scope, self._parts.house)
        except UpwellError as error:
            await _refuse(scope, self._guarded(send, is_api, [0], self._headers), error)
            return
        if scope["type"] == "websocket":
            await self.api(scope, receive, send)
            return
        started, status, headers = time.perf_counter(), [0], self._headers
        if abroad := shared(scope["path"]):
            headers = (*self._abroad, *await crossing(scope, self._parts))
        out = self._guarded(send, is_api, status, headers)
        if abroad and asks_first(scope):
            await answer_first(out)
        elif is_api:
            await self.api(scope, receive, packing(scope, out))
        else:
            await self._pages(scope, receive, out)
        route = str(scope.get("path_template") or ("unknown" if is_api else "pages"))
        self._parts.meters.requests.labels(scope["method"], route, str(status[0])).observe(
            time.perf_counter() - started
        )

    def _guarded(self, send: Send, is_api: bool, status: list[int], headers: Headers) -> Send:
        """Adds the security headers, and keeps answers of the API out of every cache."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                extra = (*headers, (b"cache-control", b"no-store")) if is_api else headers
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        return guarded


def _api(parts: Parts) -> Litestar:
    threads = Threads()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        yield
        threads.close()

    return Litestar(
        route_handlers=[
            *signin.ROUTES,
            *start.ROUTES,
            *events.ROUTES,
            *numbers.ROUTES,
            *explain.ROUTES,
            *revenue.ROUTES,
            *usage.ROUTES,
            *boards.ROUTES,
            *goals.ROUTES,
            *marks.ROUTES,
            *company.ROUTES,
            *kinds.ROUTES,
            *connect.ROUTES,
            *health.ROUTES,
            *hooks.ROUTES,
            *sdk.ROUTES,
            *inbox.ROUTES,
            *pulse.ROUTES,
            *parts.live,
        ],
        exception_handlers=HANDLERS,
        request_class=Call,
        request_max_body_size=_BODY_LIMIT,
        state=State({"parts": parts, "threads": threads}),
        lifespan=[lifespan],
        openapi_config=schema.config(),
        logging_config=None,
        debug=False,
    )


async def _refuse(scope: Any, send: Send, error: UpwellError) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4403, "reason": error.problem.message})
        return
    status, body, headers = encode(error)
    pairs = [(b"content-type", b"application/json")]
    pairs += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
