"""How products are used: funnels, retention, lifecycle."""

from __future__ import annotations

from typing import Any

from litestar import post
from litestar.params import JSONBody

from upwell.query.usage.asked import (
    FunnelAsked,
    LifecycleAsked,
    RetentionAsked,
    StickinessAsked,
)
from upwell.query.usage.shapes import (
    FunnelAnswer,
    LifecycleAnswer,
    RetentionAnswer,
    StickinessAnswer,
)
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


ROUTES: tuple[Any, ...] = (see_funnel, see_retention, see_lifecycle, see_stickiness)
