"""The guard of every outgoing address: Upwell calls public hosts, and private ones only by name.

A URL that a person typed must not make the server talk to itself, to its network or to a cloud's
metadata service. `Guard.check` judges a URL when it is configured; `Guard.client` gives an httpx
client that judges again at every connection and connects to the very address it judged, so that a
name that changes its answer in between gains nothing. Redirects are not followed and proxies from
the environment are not used: both would go around the guard.

`allow` (setting `server.allow_private_urls`) holds `host` or `host:port` of the own network.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import httpcore
import httpx
import msgspec

from upwell.errors import Rejected, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Addresses that count as public on paper but belong to the machine's own provider or carry
# another address inside (IPv4-compatible, translated, 6to4, Teredo, site-local).
_REFUSED = tuple(
    ipaddress.ip_network(net)
    for net in (
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fec0::/10",
    )
)


class Target(msgspec.Struct, frozen=True):
    """Where a judged URL leads: the host as it is spelled on the wire, its port and addresses."""

    host: str
    port: int
    addresses: tuple[str, ...]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system gives them; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Judges outgoing addresses; one for the whole process."""

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve = resolve) -> None:
        self._allow = frozenset(entry.strip().lower().rstrip("/") for entry in allow)
        self._resolve = resolve

    def check(self, url: str | httpx.URL) -> Target:
        """Where the URL leads.

        Raises Rejected("unsafe_url") where it may not be called, Unavailable("unknown_host") where
        its name is not found just now.
        """
        parsed = _parsed(url)
        host = _host(parsed)
        port = parsed.port or _PORTS[parsed.scheme]
        return self.reach(host, port)

    def reach(self, host: str, port: int) -> Target:
        """As `check`, for a host and port of another protocol (databases, mail)."""
        if f"{host}:{port}" in self._allow or host in self._allow:
            return Target(host, port, tuple(self._addresses(host, port)))
        _spelled_plainly(host)
        addresses = self._addresses(host, port)
        for address in addresses:
            # One private address among public ones is refused too: the next answer may order
            # them differently.
            if not public(address):
                refuse(
                    f"'{host}' leads to {address}, a private address.",
                    "Use a public host, or list it in [server] allow_private_urls.",
                )
        return Target(host, port, tuple(addresses))

    def client(self, timeout: float = 10.0) -> httpx.Client:
        """An httpx client whose every request passes this guard."""
        return httpx.Client(
            transport=_Guarded(self), timeout=timeout, follow_redirects=False, trust_env=False
        )

    def _addresses(self, host: str, port: int) -> list[str]:
        literal = _literal(host)
        if literal is not None:
            return [str(literal)]
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Unavailable("unknown_host", f"The host '{host}' is not found.") from error
        if not found:
            raise Unavailable("unknown_host", f"The host '{host}' has no address.")
        return found


def public(address: str) -> bool:
    """Whether an address belongs to the open internet."""
    ip: Address = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
    if ip.is_multicast or ip.is_reserved or ip.is_unspecified or not ip.is_global:
        return False
    return not any(ip in net for net in _REFUSED)


def refuse(message: str, fix: str) -> NoReturn:
    """Raises the one error of this module."""
    raise Rejected("unsafe_url", message, fix=fix, where="url")


class _Guarded(httpx.BaseTransport):
    """Judges a request's URL and sends it to the judged address, under the host's own name."""

    def __init__(self, guard: Guard, inner: httpx.BaseTransport | None = None) -> None:
        self._guard = guard
        # A connection kept alive for one host could serve another on the same address without
        # its certificate being looked at.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = inner or _patient(httpx.HTTPTransport(trust_env=False, limits=limits))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        target = self._guard.check(request.url)
        failure: httpx.ConnectError | httpx.ConnectTimeout | None = None
        for address in target.addresses:
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # Host stays what the person wrote
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": target.host},
            )
            try:
                return self._inner.handle_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    def close(self) -> None:
        self._inner.close()


SLOWEST = 10_000
"""Bytes a second that who answers must come to, once the time-out of silence is used up."""


def _patient(transport: httpx.HTTPTransport) -> httpx.HTTPTransport:
    """Ends connections that drip: a time-out of httpx begins anew with each byte."""
    # httpx hands its pool no other way to connections; the test of a slow host holds this.
    transport._pool._network_backend = _Backend()
    return transport


class _Backend(httpcore.SyncBackend):
    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Patient(super().connect_tcp(*args, **kwargs))


class _Patient(httpcore.NetworkStream):
    """A connection that is waited for no longer than a time-out, and a second for each piece.

    Only what is spent waiting counts: who reads slowly, because there is no room, may.
    """

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._waited, self._got = 0.0, 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if timeout is None:
            return self._inner.read(max_bytes, timeout)
        left = timeout + self._got / SLOWEST - self._waited
        if left <= 0:
            raise httpcore.ReadTimeout("the answer comes too slowly")
        began = time.monotonic()
        try:
            found = self._inner.read(max_bytes, min(timeout, left))
        finally:
            self._waited += time.monotonic() - began
        self._got += len(found)
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Patient(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _parsed(url: str | httpx.URL) -> httpx.URL:
    if isinstance(url, str) and (url != url.strip() or "\\" in url):
        refuse("The URL holds blanks or backslashes.", "Write it as https://host/path.")
    try:
        parsed = httpx.URL(url)
        named = parsed.host  # decoding an international name may fail
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise Rejected(
            "unsafe_url",
            f"This is not a usable URL: {error}",
            fix="Write it as https://host/path.",
            where="url",
        ) from error
    if parsed.scheme not in _PORTS:
        refuse(
            f"'{parsed.scheme}' is not a scheme that is called.",
            "Use a URL that begins with https:// or http://.",
        )
    if not named:
        refuse("The URL names no host.", "Write it as https://host/path.")
    if parsed.userinfo:
        refuse(
            "The URL holds a user name or password.",
            "Leave out what stands before the @; secrets go into their own setting.",
        )
    if parsed.port is not None and not 0 < parsed.port < 65536:
        refuse(f"There is no port {parsed.port}.", "Use a port from 1 to 65535.")
    return parsed


def _host(url: httpx.URL) -> str:
    """The host as it goes out on the wire: lower case, names in their IDNA form."""
    host = url.raw_host.decode("ascii").lower()
    if not url.host.isascii() and _literal(host) is not None:
        refuse(f"'{url.host}' hides the address {host}.", "Write the host's name.")
    return host


def _spelled_plainly(host: str) -> None:
    """Refuses hosts that other programs could read as another host than we do."""
    if _literal(host) is not None:
        return
    labels = host.removesuffix(".").split(".")
    if any(_LABEL.fullmatch(label) is None for label in labels):
        refuse(f"'{host}' is not a host name.", "Write the host's name as its owner does.")
    if _NUMBER.fullmatch(labels[-1]):
        refuse(
            f"'{host}' is a number, not a name.",
            "Write the host's name, or an address as four plain numbers.",
        )
    try:
        _ = httpx.URL(scheme="http", host=host).host  # decodes and checks international labels
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Rejected(
            "unsafe_url",
            f"'{host}' is not a valid international name: {error}",
            fix="Write the host's name as its owner does.",
            where="url",
        ) from error


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
