"""How sources are doing: one in detail, read again; what could not be used, tried again."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from upwell.web.health_shapes import ReadAgain, Replay, Replayed, Reset, SourceHealth
from upwell.web.routes import Call, needs, whole_company

_TAGS = ["What there is"]


@get(
    "/v1/sources/{source:str}/health",
    guards=needs("read"),
    tags=_TAGS,
    summary="A source in detail",
)
async def see(request: Call, source: FromPath[str]) -> SourceHealth:
    """Its events by day, their names and fields, what changed, and what could not be used."""
    whole_company(request.visitor)
    return await request.run(request.parts.health.detail, source)


@post(
    "/v1/sources/{source:str}/reset",
    status_code=200,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Read a source again from a day on",
)
async def reset(request: Call, source: FromPath[str], data: JSONBody[Reset]) -> ReadAgain:
    """`{"to": "2026-01-01"}`; what is here already is not counted twice."""
    whole_company(request.visitor)
    done = await request.run(request.parts.health.reset, source, data.to)
    await request.note("source_reset", f"{source} {data.to}")
    return done


@post(
    "/v1/sources/{source:str}/read",
    status_code=204,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Read a source now",
)
async def read(request: Call, source: FromPath[str]) -> Response[None]:
    """Looks now, rather than when it is due."""
    whole_company(request.visitor)
    await request.run(request.parts.health.read_now, source)
    return Response(None, status_code=204)


@post(
    "/v1/sources/{source:str}/drift/{drift:str}/seen",
    status_code=204,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Take note of a change",
)
async def seen(
    request: Call,
    source: FromPath[str],
    drift: FromPath[str],
) -> Response[None]:
    """What changed is usual from now on, and is not shown again."""
    whole_company(request.visitor)
    await request.run(request.parts.health.seen, source, drift)
    await request.note("drift_seen", f"{source} {drift}")
    return Response(None, status_code=204)


@post(
    "/v1/dead-letters/replay",
    status_code=200,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Try again what could not be used",
)
async def replay(request: Call, data: JSONBody[Replay]) -> Replayed:
    """Reads the deliveries of these records with what holds now; good ones are counted."""
    whole_company(request.visitor)
    done = await request.run(request.parts.health.replay, data)
    await request.note("dead_letters_replayed", data.source or "all")
    return done


ROUTES = (see, reset, read, seen, replay)
