"""How products are used: funnels, retention, lifecycle, paths, and the users behind a number."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from upwell.query.usage.asked import (
    FunnelAsked,
    LifecycleAsked,
    NewSegment,
    PathsAsked,
    PeopleAsked,
    RetentionAsked,
    StickinessAsked,
)
from upwell.query.usage.shapes import (
    FunnelAnswer,
    LifecycleAnswer,
    PathsAnswer,
    PeopleAnswer,
    Properties,
    RetentionAnswer,
    Segment,
    Segments,
    StickinessAnswer,
)
from upwell.web.numbers import said
from upwell.web.routes import Call, needs

_TAGS = ["Use"]


@post(
    "/v1/funnel",
    status_code=200,
    guards=needs("read", changes=False),
    tags=_TAGS,
    summary="A funnel",
)
async def see_funnel(request: Call, data: JSONBody[FunnelAsked]) -> FunnelAnswer:
    """Who did the steps, in order, within a window; the routes they took and where they left.

    A step's event is an event type or an event's name; `any` gives alternatives.
    """
    return await request.run(request.parts.usage.funnel, data, request.viewer)


@post(
    "/v1/retention",
    status_code=200,
    guards=needs("read", changes=False),
    tags=_TAGS,
    summary="Retention",
)
async def see_retention(request: Call, data: JSONBody[RetentionAsked]) -> RetentionAnswer:
    """Of those who did `start` in each bucket, who did `return` how many buckets later."""
    return await request.run(request.parts.usage.retention, data, request.viewer)


@post(
    "/v1/lifecycle",
    status_code=200,
    guards=needs("read", changes=False),
    tags=_TAGS,
    summary="Lifecycle",
)
async def see_lifecycle(request: Call, data: JSONBody[LifecycleAsked]) -> LifecycleAnswer:
    """New, returning, resurrecting and dormant users by bucket; without `event` by any activity."""
    return await request.run(request.parts.usage.lifecycle, data, request.viewer)


@post(
    "/v1/stickiness",
    status_code=200,
    guards=needs("read", changes=False),
    tags=_TAGS,
    summary="Stickiness",
)
async def see_stickiness(request: Call, data: JSONBody[StickinessAsked]) -> StickinessAnswer:
    """How many users were active in how many buckets of the range."""
    return await request.run(request.parts.usage.stickiness, data, request.viewer)


@post(
    "/v1/paths",
    status_code=200,
    guards=needs("read", changes=False),
    tags=_TAGS,
    summary="Paths",
)
async def see_paths(request: Call, data: JSONBody[PathsAsked]) -> PathsAnswer:
    """What users do first, second, third, and where they stop; `by` takes a property's values."""
    return await request.run(request.parts.usage.paths, data, request.viewer)


@post(
    "/v1/people",
    status_code=200,
    guards=needs("read", changes=False),
    tags=_TAGS,
    summary="Users behind a number",
)
async def see_people(request: Call, data: JSONBody[PeopleAsked]) -> PeopleAnswer:
    """The users whom a number of a funnel, a table, a bar or a path counts; as many as it says."""
    return await request.run(request.parts.usage.people, data, request.viewer)


@get("/v1/properties", guards=needs("read"), tags=["What there is"], summary="Properties")
async def see_properties(
    request: Call,
    event: Annotated[str | None, said("event", "A type or a name; all when left out.")] = None,
) -> Properties:
    """What the newest events have in their metadata, how often, and with which values."""
    return await request.run(request.parts.usage.properties, request.viewer, event)


@get("/v1/segments", guards=needs("read"), tags=_TAGS, summary="Segments")
async def see_segments(request: Call) -> Segments:
    """The saved segments; who is in one is found anew at each question."""
    return await request.run(request.parts.usage.segments, request.viewer)


@post("/v1/segments", status_code=201, guards=needs("read"), tags=_TAGS, summary="Save a segment")
async def add_segment(request: Call, data: JSONBody[NewSegment]) -> Segment:
    """Saves the users behind a number under a name; other questions take it as `segment`."""
    made = await request.run(request.parts.usage.add_segment, data, request.viewer)
    await request.note("segment.add", made.id)
    return made


@delete("/v1/segments/{id:str}", guards=needs("read"), tags=_TAGS, summary="Delete a segment")
async def drop_segment(request: Call, id: FromPath[str]) -> None:
    """Forgets a segment; nothing else changes."""
    await request.run(request.parts.usage.saved.drop, id, request.viewer)
    await request.note("segment.drop", id)


ROUTES: tuple[Any, ...] = (
    see_funnel,
    see_retention,
    see_lifecycle,
    see_stickiness,
    see_paths,
    see_people,
    see_properties,
    see_segments,
    add_segment,
    drop_segment,
)
