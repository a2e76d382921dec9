"""How products are used: funnels."""

from __future__ import annotations

from typing import Any

from litestar import post
from litestar.params import JSONBody

from upwell.query.usage.asked import FunnelAsked
from upwell.query.usage.shapes import FunnelAnswer
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


ROUTES: tuple[Any, ...] = (see_funnel,)
