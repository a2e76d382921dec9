"""`POST /v1/events`: read, judge, keep; answered only when the disk has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from litestar import Response, post
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)
from litestar.params import QueryParameter

from upwell.errors import Problem, Rejected
from upwell.event import MAX_BODY, PUBLIC_TYPES, Position, Reject
from upwell.period import to_micros
from upwell.sources import http
from upwell.sources.sdk.payload import FORM, payload
from upwell.sources.wire import KNOWN_TYPES
from upwell.web import shapes
from upwell.web.door import header
from upwell.web.routes import Call, needs, run

PUBLIC_BODY = 1024 * 1024  # of a key that anybody can read
SHORT = 16 * 1024  # a body that is parsed in less time than a thread takes to start on it
APPLIED_WITHIN = 30.0  # seconds that ?wait=applied waits


@dataclass
class _TakesEvents(Operation):
    """The body as OpenAPI describes it: the route itself reads bytes."""

    def __post_init__(self) -> None:
        event = Reference(ref="#/components/schemas/NewEvent")
        one_or_many = Schema(
            one_of=[event, Schema(type=OpenAPIType.ARRAY, items=event)],
            description="One event, or an array of events.",
        )
        lines = Schema(type=OpenAPIType.STRING, description="One event a line.")
        self.request_body = RequestBody(
            content={
                "application/json": OpenAPIMediaType(schema=one_or_many),
                "application/x-ndjson": OpenAPIMediaType(schema=lines),
            },
            description="At most 20 MB unpacked; `Content-Encoding: gzip` or `zstd` are allowed.",
            required=True,
        )


@post(
    "/v1/events",
    status_code=200,
    guards=needs("ingest", pages=True),
    request_max_body_size=MAX_BODY,
    operation_class=_TakesEvents,
    tags=["Events"],
    summary="Send events",
)
async def take(
    request: Call,
    wait: Annotated[
        str | None,
        QueryParameter(name="wait", description="`applied`: answer when they can be queried."),
    ] = None,
    key: Annotated[  # noqa: ARG001 - who comes in with it was asked before
        str | None,
        QueryParameter(name="key", description="A public key, for pages of its sites."),
    ] = None,
) -> Response[shapes.Accepted]:
    """Takes one event, an array, or one a line. Good events are kept where others are refused.

    Answers 200 when the accepted ones are on disk, 400 where none could be taken, each refusal
    with its index and what to change.
    """
    if wait not in (None, "applied"):
        raise Rejected(
            "unknown_wait", f"Unknown wait '{wait}'.", fix="Send wait=applied.", where="wait"
        )
    body = await request.body()
    encoding = header(request.scope, b"content-encoding")
    if len(body) > SHORT or encoding:
        received = await run(request.threads.parsing, _judge, body, encoding, request)
    else:
        received = _judge(body, encoding, request)
    for reject in received.rejected:
        request.parts.meters.rejected.labels(reject.code).inc()
    if received.delivery is None:
        return _refused(received.rejected)
    seq = await request.parts.submit(received.delivery, received.batch)
    request.parts.meters.accepted.inc(received.accepted)
    request.parts.meters.deliveries.inc()
    notes = []
    if received.keyless:
        events = f"{received.keyless} event{'s' if received.keyless > 1 else ''}"
        notes.append(f"Without an idempotency_key, {events} would count again if sent again.")
    if wait and not await request.parts.applied_to(seq, APPLIED_WITHIN):
        notes.append("They are stored, and will be in the numbers a little later.")
    answer = shapes.Accepted(
        accepted=received.accepted,
        rejected=received.rejected,
        position=str(Position(0, seq)),
        note=" ".join(notes),
    )
    return Response(answer)


def _judge(body: bytes, encoding: str, request: Call) -> http.Received:
    viewer, known = request.viewer, request.parts.settings().products
    kind, public = header(request.scope, b"content-type"), request.visitor.origins is not None
    body = http.unpack(body, encoding, PUBLIC_BODY if public else MAX_BODY)
    if body.startswith(b"data="):  # a form, as a page sends one that closes
        body, kind = payload(body, FORM, "").body, ""
    products = frozenset(product.id for product in known if viewer.sees(product.id))
    return http.receive(
        body,
        kind,
        source=viewer.name if viewer.kind == "key" else "browser",
        products=products,
        received_at=to_micros(request.now()),
        types=PUBLIC_TYPES if public else KNOWN_TYPES,
    )


def _refused(rejected: list[Reject]) -> Response[shapes.Accepted]:
    """Nothing was taken: 400 with every reason, and the first in the one error shape."""
    error = None
    if rejected:
        first = rejected[0]
        error = Problem(
            code=first.code,
            message=first.message,
            fix=first.fix,
            where=f"events[{first.index}]",
        )
    answer = shapes.Accepted(accepted=0, rejected=rejected, position=None, error=error)
    return Response(answer, status_code=400 if rejected else 200)


ROUTES = (take,)
