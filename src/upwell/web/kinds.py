"""Connecting a source of any kind: what it asks for, and keeping it once it answers."""

from __future__ import annotations

from litestar import get, post, put
from litestar.params import FromPath, JSONBody

from upwell.web.kind_shapes import Connected, NewPreview, NewSource, SourceKinds, SqlPreview
from upwell.web.routes import Call, needs, whole_company

_TAGS = ["What there is"]


@get(
    "/v1/sources/kinds",
    guards=needs("admin"),
    tags=_TAGS,
    summary="Kinds of source that can be connected",
)
async def kinds(request: Call) -> SourceKinds:
    """Each kind with the keys of its table; those of packages that were added are among them."""
    return await request.run(request.parts.kinds)


@post(
    "/v1/sources",
    status_code=201,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Connect a source of any kind",
)
async def add(request: Call, data: JSONBody[NewSource]) -> Connected:
    """Tries the credentials, keeps them in files of their own, and begins to read."""
    whole_company(request.visitor)
    made = await request.run(request.parts.connect, data, request.viewer)
    await request.note("source_added", data.id)
    return made


@put(
    "/v1/sources/{source:str}/credentials",
    guards=needs("admin"),
    tags=_TAGS,
    summary="Replace secrets of a source that is no Stripe account",
)
async def renew(request: Call, source: FromPath[str], data: JSONBody[dict[str, str]]) -> Connected:
    """`{"secret": "…"}` by the keys of its table; what its vendor refuses changes nothing."""
    whole_company(request.visitor)
    done = await request.run(request.parts.renew, source, data)
    await request.note("source_secrets_renewed", source)
    return done


@post(
    "/v1/sources/sql/preview",
    status_code=200,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Try a query of a database",
)
async def preview(request: Call, data: JSONBody[NewPreview]) -> SqlPreview:
    """Its columns, its first rows, the events they would become, and why others would not."""
    whole_company(request.visitor)
    return await request.run(request.parts.preview, data)


ROUTES = (kinds, add, renew, preview)
