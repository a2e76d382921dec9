"""`WS /v1/live`: a socket let in, its messages read strictly, its frames sent, its end made sure.

Who comes from another site or without a good key is refused before the socket opens. A browser
whose session has ended is told so on the socket (close code 4401), because a page cannot read the
status of a refused one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import structlog
from litestar import asgi
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from upwell.errors import Forbidden, Problem, Rejected, SignedOut, UpwellError
from upwell.live import Connection, Hub, Watch
from upwell.live.frames import error_frame
from upwell.web import asking
from upwell.web.door import House, admit, check_host, check_origin, header
from upwell.web.failures import decode_json, encode
from upwell.web.gate import Gate, Pass

log = structlog.get_logger(__name__)

MAX_WATCHES = 200
MAX_MESSAGE = 256 * 1024
PATIENCE = 10.0  # seconds that a reader may leave a frame untaken
RECHECK = 3.0  # seconds between two looks at whether the visitor is still let in
BREATH = 0.05  # seconds between two messages of one client
FAREWELL = 2.0  # seconds for the last bytes, then the socket is cut

SIGNED_OUT, TOO_LARGE = 4401, 1009


class WantedWatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question, under the name that its frames will carry."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
    question: dict[str, Any]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends: all it watches now; `since` its newest position, to resume from.

    `batch`: frames come as arrays, many in one message.
    """

    watch: list[WantedWatch]
    since: str | None = None
    feed: bool = False
    batch: bool = False


class LiveProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket whose end is the end: a peer that stopped reading is cut off.

    Closing waits for what is still buffered, which such a peer never takes.
    """

    def keepalive_timeout(self) -> None:
        """End a socket whose peer has not answered a ping, and say so in the log."""
        log.warning("live_reader_silent", seconds=self.ping_timeout)
        super().keepalive_timeout()

    async def run_asgi(self) -> None:
        """Serve the socket, then give the last bytes a moment."""
        await super().run_asgi()
        self.loop.call_later(FAREWELL, self.transport.abort)


def live_route(
    hub: Hub,
    gate: Gate,
    house: House,
    clock: Callable[[], dt.datetime],
    *,
    patience: float = PATIENCE,
    recheck: float = RECHECK,
) -> ASGIRouteHandler:
    """The route of the live socket; the server runs it with `ws=LiveProtocol`."""

    @asgi("/v1/live", copy_scope=False, opt={"exclude_from_auth": True})
    async def live(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.WEBSOCKET:
            await _refuse_http(send)
            return
        await receive()  # websocket.connect
        try:
            check_host(scope, house)
            visitor = await admit(scope, gate, house, clock())
            if not visitor.viewer.may("read"):
                raise Forbidden(
                    "wrong_scope",
                    "This key has no 'read' scope.",
                    fix="Use a key that has it: `upwell key create --name N --scope read`.",
                    where="Authorization",
                )
        except UpwellError as error:
            await _refuse(scope, send, house, error)
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})

        async def still() -> bool:
            return await asyncio.to_thread(gate.still, visitor, clock())

        await _converse(hub, visitor, receive, send, still, patience, recheck)

    return live


async def _converse(
    hub: Hub,
    visitor: Pass,
    receive: Receive,
    send: Send,
    still: Callable[[], Any],
    patience: float,
    recheck: float,
) -> None:
    """Listen, tell and look after the visitor's right to be here, until one of them ends."""
    connection = hub.join(visitor.viewer)
    tasks = [
        asyncio.create_task(_listen(hub, connection, receive)),
        asyncio.create_task(_speak(connection, send, patience)),
        asyncio.create_task(_recheck(still, recheck)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.leave(connection)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if (farewell := task.result()) is not None:
            await _close(send, *farewell)


Farewell = tuple[int, Problem]


async def _listen(hub: Hub, connection: Connection, receive: Receive) -> Farewell | None:
    """Take the client's lists of watches until it leaves, or sends too much."""
    while True:
        message: Any = await receive()
        if message["type"] == "websocket.disconnect":
            return None
        body = message.get("bytes") or (message.get("text") or "").encode()
        if len(body) > MAX_MESSAGE:
            return TOO_LARGE, Problem(
                code="too_large",
                message=f"A message of {len(body):,} bytes.",
                fix=f"Send at most {MAX_MESSAGE // 1024} KiB.",
            )
        try:
            _take(hub, connection, body)
        except UpwellError as error:
            connection.fail(error.problem)
        await asyncio.sleep(BREATH)


def _take(hub: Hub, connection: Connection, body: bytes) -> None:
    """One message; a bad question hurts its own watch only, a bad message changes nothing."""
    try:
        wanted = msgspec.convert(decode_json(body), Wanted)
    except msgspec.ValidationError as error:
        raise Rejected(
            "bad_message",
            f"The message is not understood: {error}.",
            fix='Send {"watch": [{"id": "a", "question": {"metric": "signups"}}], "since": null}.',
        ) from error
    if len(wanted.watch) > MAX_WATCHES:
        raise Rejected(
            "too_many_watches",
            f"{len(wanted.watch)} watches on one socket.",
            fix=f"Watch at most {MAX_WATCHES}.",
            where="watch",
        )
    if len({watch.id for watch in wanted.watch}) < len(wanted.watch):
        raise Rejected(
            "repeated_id", "Two watches have the same id.", fix="Name each once.", where="watch"
        )
    watches, problems = [], []
    for number, watch in enumerate(wanted.watch):
        try:
            question = asking.from_json(watch.question, f"watch[{number}].question")
        except UpwellError as error:
            problems.append((error.problem, watch.id))
        else:
            watches.append(Watch(watch.id, question))
    hub.watch(connection, watches, since=wanted.since, feed=wanted.feed, batch=wanted.batch)
    for problem, id_ in problems:
        connection.fail(problem, id_)


async def _speak(connection: Connection, send: Send, patience: float) -> Farewell | None:
    """Send what the reader has not been sent yet; ends when it does not take it in time."""
    try:
        async for group in connection.messages():
            async with asyncio.timeout(patience):
                for text in group:
                    await send({"type": "websocket.send", "text": text, "bytes": None})
    except TimeoutError:  # its frames would only grow stale: the page opens another
        log.warning("live_reader_slow", seconds=patience, waiting=connection.waiting)
    except OSError:
        pass  # gone
    return None


async def _recheck(still: Callable[[], Any], seconds: float) -> Farewell:
    """Ends when the session or key that opened the socket is no longer good."""
    while True:
        await asyncio.sleep(seconds)
        try:
            if not await still():
                return SIGNED_OUT, Problem(
                    code="signed_out", message="You are signed out.", fix="Sign in again."
                )
        except UpwellError:
            continue  # the control state cannot be read just now; asked again in a moment


async def _close(send: Send, code: int, problem: Problem) -> None:
    try:
        async with asyncio.timeout(FAREWELL):
            await send({"type": "websocket.send", "text": error_frame(problem), "bytes": None})
            await send({"type": "websocket.close", "code": code, "reason": problem.code})
    except OSError:
        pass  # it does not read, or is gone: there is nobody to tell


async def _refuse(scope: Any, send: Send, house: House, error: UpwellError) -> None:
    if isinstance(error, SignedOut) and _is_our_page(scope, house):
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        await _close(send, SIGNED_OUT, error.problem)
        return
    await _answer(send, "websocket.http.response", error)


async def _refuse_http(send: Send) -> None:
    error = Rejected(
        "websocket_only",
        "This address speaks WebSocket.",
        fix="Open it as a WebSocket; GET /v1/query answers over HTTP.",
        status=426,
    )
    await _answer(send, "http.response", error)


async def _answer(send: Any, kind: str, error: UpwellError) -> None:
    status, body, extra = encode(error)
    headers = {"content-type": "application/json", "content-length": str(len(body)), **extra}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": f"{kind}.start", "status": status, "headers": pairs})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})


def _is_our_page(scope: Any, house: House) -> bool:
    if header(scope, b"authorization") or not header(scope, b"origin"):
        return False
    try:
        check_origin(scope, house)
    except Forbidden:
        return False
    return True
