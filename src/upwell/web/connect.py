"""Connecting an account from a page: its keys, its products, and whose they are here."""

from __future__ import annotations

from litestar import Response, get, post, put
from litestar.params import FromPath, JSONBody

from upwell.errors import NotFound
from upwell.web import shapes
from upwell.web.routes import Call, needs, whole_company

_TAGS = ["What there is"]


@post(
    "/v1/sources/stripe",
    status_code=201,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Connect a Stripe account",
)
async def add(request: Call, data: JSONBody[shapes.NewStripe]) -> shapes.Account:
    """Tries the key, keeps it, and begins to read; names permissions that are missing."""
    whole_company(request.visitor)
    made = await request.run(request.parts.accounts.add, data, request.viewer)
    await request.note("source_added", data.id)
    return made


@get(
    "/v1/sources/{source:str}/account",
    guards=needs("admin"),
    tags=_TAGS,
    summary="An account and what it sells",
)
async def look(request: Call, source: FromPath[str]) -> shapes.Account:
    """What Stripe says of the account now, and which product each of its products is."""
    whole_company(request.visitor)
    return await request.run(request.parts.accounts.look, source)


@put(
    "/v1/sources/{source:str}/assignments",
    guards=needs("admin"),
    tags=_TAGS,
    summary="Say whose a product of Stripe's is",
)
async def assign(
    request: Call, source: FromPath[str], data: JSONBody[dict[str, str | None]]
) -> shapes.Assigned:
    """`{"prod_…": "mail"}`, prices too; null takes it back. What came before is read again."""
    whole_company(request.visitor)
    done = await request.run(request.parts.accounts.assign, source, data)
    await request.note("source_assigned", source)
    return done


@put(
    "/v1/sources/{source:str}/secrets",
    guards=needs("admin"),
    tags=_TAGS,
    summary="Replace a key or a webhook secret",
)
async def renew(
    request: Call, source: FromPath[str], data: JSONBody[shapes.NewSecrets]
) -> shapes.Account:
    """Tries a new key, which must be of the same account; reading goes on where it was."""
    whole_company(request.visitor)
    done = await request.run(request.parts.accounts.renew, source, data)
    await request.note("source_secrets_renewed", source)
    return done


@post(
    "/v1/sources/{source:str}/{act:str}",
    status_code=204,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Pause or resume",
)
async def act(request: Call, source: FromPath[str], act: FromPath[str]) -> Response[None]:
    """`pause` stops reading a source, webhooks are still kept; `resume` goes on where it was."""
    whole_company(request.visitor)
    if act not in ("pause", "resume"):
        raise NotFound(
            "unknown_act", f"A source cannot be '{act[:40]}'.", fix="Post pause or resume."
        )
    await request.run(request.parts.accounts.pause, source, act == "pause")
    await request.note(f"source_{act}d", source)
    return Response(None, status_code=204)


ROUTES = (add, look, assign, renew, act)
