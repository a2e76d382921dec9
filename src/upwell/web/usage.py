"""How products are used: funnels, retention, lifecycle, paths, and the users behind a number."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from upwell.query.usage.asked import (
    FunnelAsked,
    LifecycleAsked,
    PathsAsked,
    PeopleAsked,
    RetentionAsked,
    StickinessAsked,
)
from upwell.query.usage.keeping import (
    NewQuestion,
    NewSegment,
    SavedQuestion,
    SavedQuestions,
    Segment,
    Segments,
)
from upwell.query.usage.shapes import (
    FunnelAnswer,
    LifecycleAnswer,
    PathsAnswer,
    PeopleAnswer,
    Properties,
    RetentionAnswer,
    StickinessAnswer,
)
from upwell.web.numbers import said
from upwell.web.routes import Call, needs
from upwell.web.tabled import Form, shown

_USE: dict[str, Any] = {"guards": needs("read"), "tags": ["Use"]}
_ASKS: dict[str, Any] = {**_USE, "guards": needs("read", changes=False), "status_code": 200}
"""Of a question too long for an address: a POST that changes nothing."""


@post("/v1/funnel", summary="A funnel", **_ASKS)
async def see_funnel(
    request: Call, data: JSONBody[FunnelAsked], form: Form = None
) -> Response[FunnelAnswer]:
    """Who did the steps, in order, within a window; the routes they took and where they left.

    A step's event is an event type or an event's name; `any` gives alternatives.
    """
    funnel = request.parts.usage.funnel
    return await shown(request, form, "funnel", funnel, data, request.viewer)


@post("/v1/retention", summary="Retention", **_ASKS)
async def see_retention(
    request: Call, data: JSONBody[RetentionAsked], form: Form = None
) -> Response[RetentionAnswer]:
    """Of those who did `start` in each bucket, who did `return` how many buckets later."""
    retention = request.parts.usage.retention
    return await shown(request, form, "retention", retention, data, request.viewer)


@post("/v1/lifecycle", summary="Lifecycle", **_ASKS)
async def see_lifecycle(
    request: Call, data: JSONBody[LifecycleAsked], form: Form = None
) -> Response[LifecycleAnswer]:
    """New, returning, resurrecting and dormant users by bucket; without `event` by any activity."""
    lifecycle = request.parts.usage.lifecycle
    return await shown(request, form, "lifecycle", lifecycle, data, request.viewer)


@post("/v1/stickiness", summary="Stickiness", **_ASKS)
async def see_stickiness(
    request: Call, data: JSONBody[StickinessAsked], form: Form = None
) -> Response[StickinessAnswer]:
    """How many users were active in how many buckets of the range."""
    stickiness = request.parts.usage.stickiness
    return await shown(request, form, "stickiness", stickiness, data, request.viewer)


@post("/v1/paths", summary="Paths", **_ASKS)
async def see_paths(
    request: Call, data: JSONBody[PathsAsked], form: Form = None
) -> Response[PathsAnswer]:
    """What users do first, second, third, and where they stop; `by` takes a property's values."""
    paths = request.parts.usage.paths
    return await shown(request, form, "paths", paths, data, request.viewer)


@post("/v1/people", summary="Users behind a number", **_ASKS)
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


@get("/v1/segments", summary="Segments", **_USE)
async def see_segments(request: Call) -> Segments:
    """The saved segments; who is in one is found anew at each question."""
    return await request.run(request.parts.usage.segments, request.viewer)


@post("/v1/segments", status_code=201, summary="Save a segment", **_USE)
async def add_segment(request: Call, data: JSONBody[NewSegment]) -> Segment:
    """Saves the users behind a number under a name; other questions take it as `segment`."""
    made = await request.run(request.parts.usage.add_segment, data, request.viewer)
    await request.note("segment.add", made.id)
    return made


@delete("/v1/segments/{id:str}", summary="Delete a segment", **_USE)
async def drop_segment(request: Call, id: FromPath[str]) -> None:
    """Forgets a segment; nothing else changes."""
    await request.run(request.parts.usage.saved.drop, id, request.viewer)
    await request.note("segment.drop", id)


@get("/v1/saved", summary="Saved questions", **_USE)
async def see_saved(request: Call) -> SavedQuestions:
    """The questions that were saved, of products that may be seen."""
    return await request.run(request.parts.usage.questions.listed, request.viewer)


@post("/v1/saved", status_code=201, summary="Save a question", **_USE)
async def add_saved(request: Call, data: JSONBody[NewQuestion]) -> SavedQuestion:
    """Keeps a question under a name; what cannot be asked is refused as if it were asked."""
    made = await request.run(request.parts.usage.questions.add, data, request.viewer)
    await request.note("saved.add", made.id)
    return made


@put("/v1/saved/{id:str}", summary="Change a saved question", **_USE)
async def put_saved(request: Call, id: FromPath[str], data: JSONBody[NewQuestion]) -> SavedQuestion:
    """Another name, another question, or both, under the same id: links to it stay."""
    made = await request.run(request.parts.usage.questions.put, id, data, request.viewer)
    await request.note("saved.put", id)
    return made


@delete("/v1/saved/{id:str}", summary="Delete a saved question", **_USE)
async def drop_saved(request: Call, id: FromPath[str]) -> None:
    """Forgets a saved question; nothing else changes."""
    await request.run(request.parts.usage.questions.drop, id, request.viewer)
    await request.note("saved.drop", id)


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
    see_saved,
    add_saved,
    put_saved,
    drop_saved,
)
