"""Signing in and out, the first owner, tickets for sockets, and keys."""

from __future__ import annotations

import datetime as dt
from typing import Any

from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody

from upwell import __version__
from upwell.errors import Forbidden, SignedOut
from upwell.period import Zone, to_date, to_instant
from upwell.state.keys import Key
from upwell.web import shapes
from upwell.web.door import admit, check_change, check_origin, is_local_visit, set_cookie
from upwell.web.gate import Pass
from upwell.web.parts import Parts
from upwell.web.routes import OPEN, By, Call, Here, In, address, needs, run

_TAGS = ["Sign-in"]


@get("/v1/session", guards=OPEN, tags=_TAGS, summary="Who is here")
async def see(request: Call, parts: Here, threads: In) -> Response[shapes.Session]:
    """The viewer, or null; whether an owner is still to be made; the CSRF token; the workspace.

    In the demo this signs in by itself, on this machine only.
    """
    now = parts.clock()
    visitor, cookie = await _visitor(request, parts, now), ""
    if visitor is None and parts.house.demo and is_local_visit(request.scope, parts.house):
        check_origin(request.scope, parts.house)
        secret = await run(threads.asks, parts.gate.sign_in_demo, address(request, parts), now)
        visitor = await run(threads.asks, parts.gate.by_session, secret, now)
        cookie = set_cookie(request.scope, parts.house, secret)
    return _session(parts, visitor, now, cookie)


@post("/v1/session", status_code=200, guards=OPEN, tags=_TAGS, summary="Sign in")
async def sign_in(
    request: Call, data: JSONBody[shapes.SignIn], parts: Here, threads: In
) -> Response[shapes.Session]:
    """Opens a session by e-mail and password and sets its cookie.

    After five failures from one address for one e-mail within 15 minutes: 429 with Retry-After.
    """
    check_origin(request.scope, parts.house)
    now = parts.clock()
    secret = await run(
        threads.signing,
        parts.gate.sign_in,
        data.email,
        data.password,
        address(request, parts),
        now,
    )
    return await _enter(request, parts, threads, secret, now)


@delete("/v1/session", guards=OPEN, tags=_TAGS, summary="Sign out")
async def sign_out(request: Call, parts: Here, threads: In) -> Response[None]:
    """Ends the session on the server, so that its cookie opens nothing any more."""
    now = parts.clock()
    visitor = await admit(request.scope, parts.gate, parts.house, now)
    if visitor.via != "session":
        raise Forbidden("no_session", "A key has no session.", fix="Revoke the key instead.")
    check_change(request.scope, visitor, parts.house)
    await run(threads.asks, parts.gate.sign_out, visitor, address(request, parts), now)
    gone = {"Set-Cookie": set_cookie(request.scope, parts.house, "")}
    return Response(None, status_code=204, headers=gone)


@post("/v1/owner", status_code=200, guards=OPEN, tags=_TAGS, summary="Make the owner")
async def make_owner(
    request: Call, data: JSONBody[shapes.NewOwner], parts: Here, threads: In
) -> Response[shapes.Session]:
    """Makes the first owner with the one-time token that `upwell serve` prints, and signs in."""
    check_origin(request.scope, parts.house)
    now = parts.clock()
    secret = await run(
        threads.signing,
        parts.gate.make_owner,
        data.token,
        data.email,
        data.password,
        data.name,
        address(request, parts),
        now,
    )
    return await _enter(request, parts, threads, secret, now)


@post("/v1/tickets", status_code=200, guards=needs("read"), tags=_TAGS, summary="Socket ticket")
async def make_ticket(parts: Here, visitor: By) -> shapes.Ticket:
    """A ticket for `/v1/live?ticket=…`: used once, within 30 seconds."""
    return shapes.Ticket(ticket=parts.gate.ticket(visitor, parts.clock()))


@get("/v1/keys", guards=needs("admin"), tags=["Keys"], summary="List keys")
async def list_keys(parts: Here, threads: In) -> shapes.Keys:
    """Every key, newest first, the revoked ones too; secrets are not kept and never shown."""
    return shapes.Keys(keys=tuple(map(_key, await run(threads.asks, parts.gate.keys))))


@post("/v1/keys", status_code=201, guards=needs("admin"), tags=["Keys"], summary="Make a key")
async def make_key(
    data: JSONBody[shapes.NewKey], parts: Here, threads: In, visitor: By
) -> shapes.MadeKey:
    """Makes a key with scopes `ingest`, `read`, `admin`, for some products or all."""
    made = await run(
        threads.asks,
        parts.gate.create_key,
        name=data.name,
        scopes=data.scopes,
        products=data.products,
        by=visitor.viewer,
        now=parts.clock(),
        expires_at=data.expires_at,
    )
    return shapes.MadeKey(id=made.id, key=made.key)


@delete("/v1/keys/{key_id:str}", guards=needs("admin"), tags=["Keys"], summary="Revoke a key")
async def revoke_key(key_id: FromPath[str], parts: Here, threads: In, visitor: By) -> None:
    """Ends a key at once, for good."""
    await run(threads.asks, parts.gate.revoke_key, key_id, by=visitor.viewer, now=parts.clock())


async def _visitor(request: Call, parts: Parts, now: dt.datetime) -> Pass | None:
    """Who this is; None for nobody and for a session that ended; a wrong key is an error."""
    try:
        return await admit(request.scope, parts.gate, parts.house, now)
    except SignedOut:
        if request.headers.get("authorization"):
            raise
        return None


async def _enter(
    request: Call, parts: Parts, threads: In, secret: str, now: dt.datetime
) -> Response[shapes.Session]:
    visitor = await run(threads.asks, parts.gate.by_session, secret, now)
    return _session(parts, visitor, now, set_cookie(request.scope, parts.house, secret))


def _session(
    parts: Parts, visitor: Pass | None, now: dt.datetime, cookie: str
) -> Response[shapes.Session]:
    workspace = parts.settings.workspace
    viewer = None
    if visitor is not None:
        who = visitor.viewer
        viewer = shapes.Visitor(id=who.id, name=who.name, kind=who.kind)
    session = shapes.Session(
        viewer=viewer,
        setup=visitor is None and not parts.house.demo and parts.gate.needs_owner(),
        csrf=visitor.csrf if visitor else "",
        demo=parts.house.demo,
        workspace=shapes.Workspace(
            name=workspace.name,
            timezone=workspace.timezone,
            currency=workspace.currency,
            week_start=workspace.week_start,
            now=now,
            today=to_date(Zone(workspace.timezone).today(now)),
            first_day=parts.first_day() if visitor else None,
        ),
        version=__version__,
    )
    headers: dict[str, Any] = {"Set-Cookie": cookie} if cookie else {}
    return Response(session, headers=headers)


def _key(key: Key) -> shapes.Key:
    def at(micros: int | None) -> dt.datetime | None:
        return None if micros is None else to_instant(micros)

    return shapes.Key(
        id=key.id,
        prefix=f"uw_{key.prefix}_",
        name=key.name,
        scopes=key.scopes,
        products=key.products,
        created_at=to_instant(key.created_at),
        expires_at=at(key.expires_at),
        revoked_at=at(key.revoked_at),
    )


ROUTES = (see, sign_in, sign_out, make_owner, make_ticket, list_keys, make_key, revoke_key)
