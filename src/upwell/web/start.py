"""What a page needs before it can ask anything, in one answer."""

from __future__ import annotations

from litestar import Response, get

from upwell.access import Viewer
from upwell.web import shapes
from upwell.web.parts import Parts
from upwell.web.routes import OPEN, Call
from upwell.web.signin import arrived, session_of


@get("/v1/start", guards=OPEN, tags=["What there is"], summary="What a page needs first")
async def start(request: Call) -> Response[shapes.Start]:
    """Who is here; for those who may read also all that the pages share.

    In the demo this signs in by itself, on this machine only.
    """
    visitor, headers = await arrived(request)
    session = await session_of(request, visitor)
    shared = None
    if visitor is not None and visitor.viewer.may("read"):
        shared = await request.run(_shared, request.parts, visitor.viewer)
    return Response(shapes.Start(session=session, shared=shared), headers=headers)


def _shared(parts: Parts, viewer: Viewer) -> shapes.Shared:
    return shapes.Shared(
        products=tuple(parts.products(viewer)),
        metrics=tuple(parts.metrics()),
        sources=parts.sources(viewer),
        alerts=tuple(parts.alerts(viewer)),
        annotations=parts.marks.listed(viewer).annotations,
        goals=parts.goals.listed(viewer).goals,
    )


ROUTES = (start,)
