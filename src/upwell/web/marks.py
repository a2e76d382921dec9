"""Annotations: what people write beside time series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from upwell.query.marks import Annotation, Annotations, NewAnnotation
from upwell.web import asking
from upwell.web.numbers import TakesQuestion
from upwell.web.routes import PARAMETERS, Call, needs

_OF: dict[str, Any] = {"guards": needs("read"), "tags": ["Annotations"]}
_NAMES = {name: asking.NAMES[name] for name in ("product", "from", "to")}


class _TakesDays(TakesQuestion):
    names: ClassVar[Mapping[str, str]] = _NAMES


@get(
    "/v1/annotations",
    opt={PARAMETERS: _NAMES},
    operation_class=_TakesDays,
    summary="Annotations",
    **_OF,
)
async def see_annotations(request: Call) -> Annotations:
    """What was written beside the time series of these products and days, the newest first."""
    asked = asking.from_params({"metric": ["mrr"], **request.query_params.dict()})
    return await request.run(
        request.parts.marks.listed, request.viewer, asked.product, asked.start, asked.end
    )


@post("/v1/annotations", status_code=201, summary="Annotate", **_OF)
async def add_annotation(request: Call, data: JSONBody[NewAnnotation]) -> Annotation:
    """Writes down a release, a launch or a note; a deploy script may do it with a key."""
    made = await request.run(request.parts.marks.add, data, request.viewer)
    await request.note("annotation.add", made.id)
    return made


@put("/v1/annotations/{id:str}", summary="Change an annotation", **_OF)
async def put_annotation(
    request: Call, id: FromPath[str], data: JSONBody[NewAnnotation]
) -> Annotation:
    """Another text, time or kind under the same id; its time stays where none is given."""
    made = await request.run(request.parts.marks.put, id, data, request.viewer)
    await request.note("annotation.put", id)
    return made


@delete("/v1/annotations/{id:str}", summary="Delete an annotation", **_OF)
async def drop_annotation(request: Call, id: FromPath[str]) -> None:
    """Forgets it; no number changes."""
    await request.run(request.parts.marks.drop, id, request.viewer)
    await request.note("annotation.drop", id)


ROUTES: tuple[Any, ...] = (see_annotations, add_annotation, put_annotation, drop_annotation)
