"""Hosts that mean harm or are broken: each kind says so, keeps its secret, and hurts no other."""

from __future__ import annotations

import datetime as dt
import resource
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import Talk, answer, hostile
from upwell.app.calls import Calls
from upwell.app.commands import Commands
from upwell.app.house import House
from upwell.demo.mixpanel import FakeMixpanel, Generated, serve
from upwell.egress import Guard
from upwell.period import to_instant
from upwell.settings import (
    Ga4Source,
    MixpanelSource,
    Product,
    Settings,
    StripeSource,
    Workspace,
)
from upwell.settings.schema import Server
from upwell.sources.answers import MOST, whole

NOW = to_instant(1_795_435_200_000_000)
SECRET = "the-secret-of-this-source"
KINDS = ("mixpanel", "ga4", "stripe")
Read = Callable[[Talk], dict[str, Any]]


def table(kind: str, base: str) -> Any:
    """A source of a kind, called as it, read at an address."""
    if kind == "mixpanel":
        since = NOW.date()
        return MixpanelSource(
            id=kind, product="mail", secret="env:SECRET", api_base=base, since=since
        )
    if kind == "ga4":
        return Ga4Source(
            id=kind, product="mail", property="1234", credentials="env:SECRET", api_base=base
        )
    return StripeSource(id=kind, product="mail", api_key="env:SECRET", api_base=base)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind that speaks HTTP, one after the other."""
    name: str = request.param
    return name


@pytest.fixture
def read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    """Reads one from a host that talks so, beside a good project; what is shown of it then."""
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setitem(Calls.__init__.__kwdefaults__ or {}, "patience", 0.5)
    for module, name in (
        ("app.calls", "TIMEOUT"),
        ("sources.mixpanel.reader", "TIMEOUT"),
        ("sources.ga4.reader", "TIMEOUT"),
    ):
        monkeypatch.setattr(f"upwell.{module}.{name}", 0.6)
    with ExitStack() as opened:

        def reading(talk: Talk) -> dict[str, Any]:
            host = opened.enter_context(hostile(talk))
            day = (NOW.date() - dt.date(1970, 1, 1)).days
            fake = FakeMixpanel(Generated(day, day, per_day=20), NOW.timestamp, secret=SECRET)
            good = opened.enter_context(serve(fake))
            settings = Settings(
                workspace=Workspace(timezone="UTC"),
                server=Server(allow_private_urls=("127.0.0.1",)),
                products=(Product(id="mail"),),
                sources=(
                    table(kind, host.base),
                    MixpanelSource(
                        id="good",
                        product="mail",
                        secret="env:SECRET",
                        api_base=good,
                        since=NOW.date(),
                    ),
                ),
            )
            house = House(tmp_path / "data", settings, lambda: NOW)
            opened.callback(house.close)
            commands = Commands(house)
            steps = commands.sync()
            while True:
                try:
                    next(steps)
                except StopIteration as done:
                    went = {one["id"]: one for one in done.value["sources"]}
                    break
            assert went["good"]["ok"], "another source was affected"
            found: dict[str, Any] = commands.source_show(kind)["source"]
            found["asked"] = host.asked
            assert (found["state"], bool(found["fix"])) == ("failed", True), found
            assert house.journal.pulled(kind) is None, "something of it was kept"
            return found

        yield reading


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_secret_is_sent_to_no_other_host(read: Read, status: int) -> None:
    with hostile(always=answer(200, b"{}")) as other:
        there = answer(status, b"", "text/plain", f"Location: {other.base}/elsewhere")
        found = read(lambda caller, _: caller.sendall(there))
        assert other.asked == []
        assert found["failed"] == "moved"
        assert f"sends to 127.0.0.1:{other.port}" in found["error"]
        assert "`api_base`" in found["fix"]


def test_a_circle_of_redirects_is_not_walked(read: Read) -> None:
    circle = answer(302, b"", "text/plain", "Location: /again")
    found = read(lambda caller, _: caller.sendall(circle))
    assert len(found["asked"]) == 1
    assert found["failed"] == "moved"


DRIPS: dict[str, tuple[bytes, bytes]] = {
    "nothing": (b"", b""),
    "head": (b"HTTP/1.1 200 O", b"K"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"{"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
    "refusal": (b"HTTP/1.1 401 No\r\nContent-Length: 100000\r\n\r\n", b"x"),
}


@pytest.mark.parametrize("what", DRIPS)
def test_who_drips_is_not_waited_for(read: Read, what: str) -> None:
    head, drop = DRIPS[what]

    def talk(caller: socket.socket, _: bytes) -> None:
        until = time.monotonic() + 60
        caller.sendall(head)
        while time.monotonic() < until:
            caller.sendall(drop)
            time.sleep(0.05)

    began = time.monotonic()
    found = read(talk)
    assert time.monotonic() - began < 20
    expected = {"truncated", "unreachable"} | ({"sign-in"} if what == "refusal" else set())
    assert found["failed"] in expected, found


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
PACKED = PLAIN.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection")


def _bomb() -> bytes:
    """A gigabyte in a megabyte, of a beginning that could be an answer."""
    pack = zlib.compressobj(9, wbits=31)
    found = [pack.compress(b'{"reports": ["')]
    found += [pack.compress(b"x" * 1024 * 1024) for _ in range(1024)]
    return b"".join([*found, pack.flush()])


BOMB = _bomb()


@pytest.mark.parametrize("packed", [False, True], ids=["endless", "gzip bomb"])
def test_an_answer_without_end_is_left(read: Read, packed: bool) -> None:
    def talk(caller: socket.socket, _: bytes) -> None:
        if packed:
            caller.sendall(PACKED + BOMB)
            return
        caller.sendall(PLAIN + b'{"reports": ["')
        until = time.monotonic() + 60
        while time.monotonic() < until:
            caller.sendall(b"x" * 262_144)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    found = read(talk)
    assert time.monotonic() - began < 30
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 3 * MOST / 1024 / 1024, f"{grown:.0f} MB"
    assert found["failed"] == "too-large", found
    assert "`api_base`" in found["fix"]


def test_who_is_slow_and_goes_on_is_waited_for() -> None:
    """A large answer over a slow line takes longer than any time-out of silence."""
    body = b"x" * 20_000

    def talk(caller: socket.socket, _: bytes) -> None:
        caller.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) * 8}\r\n\r\n".encode())
        for _piece in range(8):
            time.sleep(0.2)
            caller.sendall(body)

    with hostile(talk) as host, Guard(("127.0.0.1",)).client(0.5) as client:
        began = time.monotonic()
        found = whole(client, client.build_request("GET", host.base), "Acme")
        assert time.monotonic() - began > 1.0
        assert found.body == body * 8
