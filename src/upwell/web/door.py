"""From a connection to a visitor: address, host, origin, cookie, bearer, ticket, CSRF.

Everything here reads the ASGI scope and the gate; routes only name the scope they need.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from upwell.access import SESSION_LIFE, same
from upwell.errors import Forbidden, Rejected, SignedOut
from upwell.settings.schema import Server
from upwell.web.gate import Gate, Pass

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class House(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server stands: the address it is bound to, its public one, and whom it believes."""

    bound: str
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    demo: bool = False

    @classmethod
    def of(cls, server: Server, bound: str, demo: bool = False) -> House:
        """From the settings and the address of the listening socket."""
        return cls(
            bound=bound,
            public_url=server.public_url,
            trusted_proxies=server.trusted_proxies,
            demo=demo,
        )

    @property
    def https(self) -> bool:
        """Whether people reach it by https."""
        return self.public_url.startswith("https://")


def header(scope: Any, name: bytes) -> str:
    """A request header, or ''."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


def address_of(scope: Any, house: House) -> str:
    """The visitor's address: the socket's, or what a trusted proxy says it was."""
    client = scope.get("client")
    address = str(client[0]) if client else ""
    hops = [hop.strip() for hop in header(scope, b"x-forwarded-for").split(",") if hop.strip()]
    while hops and _is_in(address, house.trusted_proxies):
        address = hops.pop()
    return address[:64]


def check_host(scope: Any, house: House) -> None:
    """Raises Rejected(421) where a name that is not ours leads to a loopback server.

    A page of another site can point its own name at 127.0.0.1 (DNS rebinding); the Host header
    then still carries that name.
    """
    if not is_loopback(house.bound):
        return
    name = _host_name(header(scope, b"host"))
    public = urlsplit(house.public_url).hostname if house.public_url else None
    if name not in _HERE and name != public:
        raise Rejected(
            "unknown_host",
            f"This server does not answer to the name '{name[:100]}'.",
            fix="Open it as localhost, or set [server] public_url to the address you use.",
            where="Host",
            status=421,
        )


def check_origin(scope: Any, house: House) -> None:
    """Raises Forbidden where a browser says that another site sent this request."""
    site = header(scope, b"sec-fetch-site")
    origin = header(scope, b"origin")
    if origin:
        ours = _same_origin(origin, header(scope, b"host"), house)
    elif scope["type"] == "websocket":  # a browser always names the origin of a socket
        ours = False
    else:
        ours = site in ("", "same-origin", "none")
    if not ours:
        raise Forbidden(
            "foreign_origin",
            "This request came from another site.",
            fix="Open Upwell at its own address; behind a proxy, set [server] public_url.",
            where="Origin",
        )


def is_local_visit(scope: Any, house: House) -> bool:
    """Whether socket, bound address and Host are this machine's, with no proxy between."""
    client = scope.get("client")
    forwarded = (b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip", b"x-forwarded-host")
    return (
        is_loopback(house.bound)
        and bool(client)
        and is_loopback(str(client[0]))
        and _host_name(header(scope, b"host")) in _HERE
        and not any(header(scope, name) for name in forwarded)
    )


def cookie_name(scope: Any, house: House) -> str:
    """The session cookie's name; by port on plain http, where a browser shares them over ports."""
    if house.https:
        return "__Host-upwell"
    port = header(scope, b"host").rpartition(":")[2]
    return f"upwell_{port}" if port.isdigit() else "upwell"


def set_cookie(scope: Any, house: House, secret: str) -> str:
    """The Set-Cookie header of a session; an empty secret deletes it."""
    age = int(SESSION_LIFE.total_seconds()) if secret else 0
    secure = "; Secure" if house.https else ""
    name = cookie_name(scope, house)
    return f"{name}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"


def session_secret(scope: Any, house: House) -> str:
    """The session that the cookie carries, or ''."""
    # By hand: the standard library's parser drops every cookie after one that it does not like,
    # and other programs on this machine share their cookies with us.
    wanted = cookie_name(scope, house)
    for pair in header(scope, b"cookie").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value
    return ""


async def admit(scope: Any, gate: Gate, house: House, now: dt.datetime) -> Pass:
    """Who this is, by Authorization, one-use ticket (sockets only) or cookie; else SignedOut.

    A cookie on a socket counts only with our own Origin, a public key only from its own sites.
    """
    authorization = header(scope, b"authorization")
    if authorization:
        word, _, secret = authorization.partition(" ")
        if word.lower() != "bearer" or not secret.strip():
            raise SignedOut(
                "bad_authorization",
                "The Authorization header is not understood.",
                fix="Send `Authorization: Bearer uw_…`.",
                where="Authorization",
            )
        return await by_key(scope, secret.strip(), gate, house, now)
    if scope["type"] == "websocket" and (ticket := _parameter(scope, "ticket")):
        return gate.by_ticket(ticket, now)
    cookie = session_secret(scope, house)
    if not cookie:
        raise SignedOut(
            "signed_out",
            "You are not signed in.",
            fix="Sign in, or send `Authorization: Bearer uw_…` with a key.",
        )
    if scope["type"] == "websocket":
        check_origin(scope, house)
    return await _ask(gate, gate.by_session, cookie, now)


async def by_key(scope: Any, secret: str, gate: Gate, house: House, now: dt.datetime) -> Pass:
    """Who holds a key, wherever the request names it; raises SignedOut, Forbidden or TooFast."""
    visitor = await _ask(gate, gate.by_key, secret, now)
    gate.check_page(visitor, header(scope, b"origin"), address_of(scope, house), now)
    return visitor


async def by_public_key(scope: Any, gate: Gate, house: House, now: dt.datetime) -> Pass | None:
    """Who holds the public key `?key=`, for what a page sends as it closes; None without one."""
    secret = _parameter(scope, "key")
    if not secret:
        return None
    visitor = await by_key(scope, secret, gate, house, now)
    if visitor.origins is None:
        raise Forbidden(
            "secret_in_address",
            "Only a public key may stand in an address: logs keep addresses.",
            fix="Send `Authorization: Bearer uw_…`, and make a new key in place of this one.",
            where="key",
        )
    return visitor


def check_change(scope: Any, visitor: Pass, house: House) -> None:
    """Raises Forbidden where a cookie's request to change something lacks its CSRF token."""
    if visitor.via != "session" or scope["method"] in _SAFE:
        return
    check_origin(scope, house)
    sent = header(scope, b"x-csrf-token")
    if not same(sent, visitor.csrf):
        raise Forbidden(
            "bad_csrf",
            "The X-CSRF-Token header is missing or not this session's.",
            fix="Send `csrf` from GET /v1/session, or reload the page.",
            where="X-CSRF-Token",
        )


def is_loopback(address: str) -> bool:
    """Whether an address or name is this machine."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


async def _ask(
    gate: Gate, read: Callable[[str, dt.datetime], Pass], secret: str, now: dt.datetime
) -> Pass:
    # Nearly always known: then no thread, no database.
    if gate.known(secret, now) is not None:
        return read(secret, now)
    return await asyncio.to_thread(read, secret, now)


def _parameter(scope: Any, wanted: str) -> str:
    for pair in scope["query_string"].decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if name == wanted:
            return str(value)
    return ""


def _same_origin(origin: str, host: str, house: House) -> bool:
    there = urlsplit(origin)
    if house.public_url:
        ours = urlsplit(house.public_url)
        if (there.scheme, there.netloc.lower()) == (ours.scheme, ours.netloc.lower()):
            return True
    return there.scheme in ("http", "https") and there.netloc.lower() == host.lower() != ""


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_in(address: str, networks: tuple[str, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
        return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False
