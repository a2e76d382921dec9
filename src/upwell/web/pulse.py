"""Whether the server lives, is ready, and how it is doing: for probes and Prometheus."""

from __future__ import annotations

from litestar import Response, get

from upwell.access import Viewer
from upwell.errors import Forbidden
from upwell.web import shapes
from upwell.web.door import admit, is_local_visit
from upwell.web.routes import OPEN, Call

_TAGS = ["Server"]


@get("/healthz", guards=OPEN, tags=_TAGS, summary="Alive")
async def alive() -> shapes.Health:
    """Answers as long as the process does."""
    return shapes.Health(status="ok")


@get("/readyz", guards=OPEN, tags=_TAGS, summary="Ready")
async def ready(request: Call) -> Response[shapes.Health]:
    """200 when questions are answered, 503 with what is missing until then."""
    missing = request.parts.ready()
    headers = {"Retry-After": "2"} if missing else {}
    answer = shapes.Health(status=missing or "ok")
    return Response(answer, status_code=503 if missing else 200, headers=headers)


@get("/metrics", guards=OPEN, tags=_TAGS, summary="Prometheus", media_type="text/plain")
async def metrics(request: Call) -> Response[bytes]:
    """Counters in Prometheus' text format: free on this machine, elsewhere with a `read` key."""
    if not is_local_visit(request.scope, request.house):
        visitor = await admit(request.scope, request.gate, request.house, request.now())
        _may_watch(visitor.viewer)
    kind = "text/plain; version=0.0.4; charset=utf-8"
    return Response(request.parts.meters.text(), media_type=kind)


def _may_watch(viewer: Viewer) -> None:
    if not viewer.may("read") or viewer.products is not None:
        raise Forbidden(
            "wrong_scope",
            "The server's figures are for viewers of the whole company.",
            fix="Use a key with scope read that is not bound to products.",
        )


ROUTES = (alive, ready, metrics)
