"""Signing in and out, the first owner, tickets for sockets, and keys."""

from __future__ import annotations

import datetime as dt

from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody

from upwell import __version__
from upwell.errors import Forbidden, SignedOut
from upwell.period import Zone, to_date, to_instant
from upwell.state.keys import Key
from upwell.web import shapes
from upwell.web.door import admit, check_change, check_origin, is_local_visit, set_cookie
from upwell.web.gate import Pass
from upwell.web.routes import OPEN, Call, needs, run

_TAGS = ["Sign-in"]


@get("/v1/session", guards=OPEN, tags=_TAGS, summary="Who is here")
async def see(request: Call) -> Response[shapes.Session]:
    """The viewer, or null; whether an owner is still to be made; the CSRF token; the workspace.

    In the demo this signs in by itself, on this machine only.
    """
    visitor, headers = await arrived(request)
    return Response(await session_of(request, visitor), headers=headers)


@post("/v1/session", status_code=200, guards=OPEN, tags=_TAGS, summary="Sign in")
async def sign_in(
    request: Call,
    data: JSONBody[shapes.SignIn],
) -> Response[shapes.Session]:
    """Opens a session by e-mail and password and sets its cookie.

    After five failures from one address for one e-mail within 15 minutes: 429 with Retry-After.
    """
    check_origin(request.scope, request.house)
    now = request.now()
    secret = await run(
        request.threads.signing,
        request.gate.sign_in,
        data.email,
        data.password,
        request.address,
        now,
    )
    return await _enter(request, secret, now)


@delete("/v1/session", guards=OPEN, tags=_TAGS, summary="Sign out")
async def sign_out(request: Call) -> Response[None]:
    """Ends the session on the server, so that its cookie opens nothing any more."""
    now = request.now()
    visitor = await admit(request.scope, request.gate, request.house, now)
    if visitor.via != "session":
        raise Forbidden("no_session", "A key has no session.", fix="Revoke the key instead.")
    check_change(request.scope, visitor, request.house)
    await request.run(request.gate.sign_out, visitor, request.address, now)
    gone = {"Set-Cookie": set_cookie(request.scope, request.house, "")}
    return Response(None, status_code=204, headers=gone)


@post("/v1/owner", status_code=200, guards=OPEN, tags=_TAGS, summary="Make the owner")
async def make_owner(
    request: Call,
    data: JSONBody[shapes.NewOwner],
) -> Response[shapes.Session]:
    """Makes the first owner with the one-time token that `upwell serve` prints, and signs in."""
    check_origin(request.scope, request.house)
    now = request.now()
    secret = await run(
        request.threads.signing,
        request.gate.make_owner,
        data.token,
        data.email,
        data.password,
        data.name,
        request.address,
        now,
    )
    return await _enter(request, secret, now)


@post("/v1/tickets", status_code=200, guards=needs("read"), tags=_TAGS, summary="Socket ticket")
async def make_ticket(request: Call) -> shapes.Ticket:
    """A ticket for `/v1/live?ticket=…`: used once, within 30 seconds."""
    return shapes.Ticket(ticket=request.gate.ticket(request.visitor, request.now()))


@get("/v1/keys", guards=needs("admin"), tags=["Keys"], summary="List keys")
async def list_keys(request: Call) -> shapes.Keys:
    """Every key, newest first, the revoked ones too; secrets are not kept and never shown."""
    return shapes.Keys(keys=tuple(map(_key, await request.run(request.gate.keys))))


@post("/v1/keys", status_code=201, guards=needs("admin"), tags=["Keys"], summary="Make a key")
async def make_key(
    request: Call,
    data: JSONBody[shapes.NewKey],
) -> shapes.MadeKey:
    """Makes a key with scopes `ingest`, `read`, `admin`, for some products or all."""
    made = await request.run(
        request.gate.create_key,
        name=data.name,
        scopes=data.scopes,
        products=data.products,
        by=request.viewer,
        now=request.now(),
        expires_at=data.expires_at,
        origins=data.origins,
        known=frozenset(product.id for product in request.parts.settings().products),
    )
    return shapes.MadeKey(id=made.id, key=made.key)


@delete("/v1/keys/{key_id:str}", guards=needs("admin"), tags=["Keys"], summary="Revoke a key")
async def revoke_key(
    request: Call,
    key_id: FromPath[str],
) -> None:
    """Ends a key at once, for good."""
    await request.run(
        request.gate.revoke_key,
        key_id,
        by=request.viewer,
        now=request.now(),
    )


async def arrived(request: Call) -> tuple[Pass | None, dict[str, str]]:
    """Who this is, with the cookie's header where the demo has just signed them in by itself."""
    now = request.now()
    visitor = await _visitor(request, now)
    if visitor is None and request.house.demo and is_local_visit(request.scope, request.house):
        check_origin(request.scope, request.house)
        secret = await request.run(request.gate.sign_in_demo, request.address, now)
        visitor = await request.run(request.gate.by_session, secret, now)
        return visitor, {"Set-Cookie": set_cookie(request.scope, request.house, secret)}
    return visitor, {}


async def _visitor(request: Call, now: dt.datetime) -> Pass | None:
    """Who this is; None for nobody and for a session that ended; a wrong key is an error."""
    try:
        return await admit(request.scope, request.gate, request.house, now)
    except SignedOut:
        if request.headers.get("authorization"):
            raise
        return None


async def _enter(request: Call, secret: str, now: dt.datetime) -> Response[shapes.Session]:
    visitor = await request.run(request.gate.by_session, secret, now)
    cookie = {"Set-Cookie": set_cookie(request.scope, request.house, secret)}
    return Response(await session_of(request, visitor), headers=cookie)


async def session_of(request: Call, visitor: Pass | None) -> shapes.Session:
    """The session as pages are told of it."""
    now = request.now()
    workspace, demo = request.parts.settings().workspace, request.house.demo
    viewer, first_day, setup = None, None, False
    if visitor is not None:
        who = visitor.viewer
        viewer = shapes.Visitor(id=who.id, name=who.name, kind=who.kind)
        first_day = await request.run(request.parts.first_day)
    elif not demo:
        setup = await request.run(request.gate.needs_owner)
    return shapes.Session(
        viewer=viewer,
        setup=setup,
        csrf=visitor.csrf if visitor else "",
        demo=demo,
        workspace=shapes.Workspace(
            name=workspace.name,
            timezone=workspace.timezone,
            currency=workspace.currency,
            week_start=workspace.week_start,
            now=now,
            today=to_date(Zone(workspace.timezone).today(now)),
            first_day=first_day,
            in_file=request.parts.company.in_file,
            named=request.parts.company.named(),
        ),
        version=__version__,
    )


def _key(key: Key) -> shapes.Key:
    def at(micros: int | None) -> dt.datetime | None:
        return None if micros is None else to_instant(micros)

    return shapes.Key(
        id=key.id,
        prefix=f"uw_{key.prefix}_",
        name=key.name,
        scopes=key.scopes,
        products=key.products,
        origins=key.origins,
        created_at=to_instant(key.created_at),
        expires_at=at(key.expires_at),
        revoked_at=at(key.revoked_at),
    )


ROUTES = (see, sign_in, sign_out, make_owner, make_ticket, list_keys, make_key, revoke_key)
