"""The demo's billing system as a process: it tells its past, goes on, answers, and ends."""

from __future__ import annotations

import datetime as dt
import os
import queue
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.demo_bills import COMPANY
from upwell.demo.afar import Afar
from upwell.demo.rhythm import today_of
from upwell.demo.run import run_demo
from upwell.demo.told import TOLD
from upwell.demo.wire import ACCOUNTS, MAIN, Frame, Go, Live
from upwell.errors import Rejected
from upwell.sources.stripe import verify

SCALE = 0.03


class Heard:
    """Who takes webhooks: bodies with their signatures; the first few are refused."""

    def __init__(self, refuses: int) -> None:
        self.bodies: queue.Queue[tuple[str, bytes, str]] = queue.Queue()
        self.refuses = refuses

    def until_quiet(self) -> Iterator[dict[str, Any]]:
        """The events that come until none has come for some seconds."""
        while True:
            try:
                _, body, _ = self.bodies.get(timeout=4)
            except queue.Empty:
                return
            yield msgspec.json.decode(body)

    @contextmanager
    def listening(self) -> Iterator[int]:
        heard = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.refuses -= 1
                if heard.refuses < 0:
                    heard.bodies.put((self.path, body, self.headers["Stripe-Signature"]))
                self.send_response(200 if heard.refuses < 0 else 503)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def started(port: int, told: dt.datetime, **how: Any) -> Iterator[Afar]:
    afar = Afar(port)
    try:
        afar.start(
            seed=COMPANY.seed,
            today=today_of(COMPANY, told),
            told=int(told.timestamp()),
            scale=SCALE,
            **{"live": None, "burst": None, **how},
        )
        yield afar
    finally:
        afar.end()


def until(afar: Afar, kind: str) -> list[Frame]:
    """The frames up to the first of a kind."""
    found = []
    while (frame := afar.read()) is not None and frame.kind != kind:
        found.append(frame)
    assert frame is not None
    return found


def ask(afar: Afar, path: str) -> dict[str, Any]:
    address = f"http://{afar.private()[0]}{path}"
    request = urllib.request.Request(address, headers={"Authorization": "Bearer rk_live_demo"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = msgspec.json.decode(answer.read())
        return found


def test_it_tells_its_past_then_sends_signed_webhooks_until_they_are_taken() -> None:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    heard = Heard(refuses=2)
    with heard.listening() as port, started(port, now) as afar:
        assert until(afar, "open") == []
        assert len(ask(afar, "/v1/products?limit=100")["data"]) == len(COMPANY.products) - 1
        afar.ask(Go())
        pages = until(afar, "told")
        assert {page.source for page in pages} == set(ACCOUNTS)
        assert pages[-1].share == 1
        afar.ask(Live(now - dt.timedelta(seconds=120)))  # the burst is under way already
        path, body, signature = heard.bodies.get(timeout=30)
        assert path == f"/hooks/stripe/{MAIN}"
        secret = next(one.webhook_secret for one in afar.sources("rota") if one.id == MAIN)
        verify(body, signature, secret, int(time.time()))
        event = msgspec.json.decode(body)
        assert event["type"] == "customer.subscription.updated"
        assert event["data"]["object"]["cancellation_details"]["feedback"]
        listed = ask(afar, "/v1/events?limit=100&type=customer.subscription.updated")["data"]
        assert event["id"] in {one["id"] for one in listed}


def test_a_restart_goes_on_without_telling_again() -> None:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    told = now - dt.timedelta(days=2)
    heard = Heard(refuses=0)
    burst = told + dt.timedelta(minutes=5)
    live = int(now.timestamp()) - 6 * 3600
    with heard.listening() as port, started(port, told, live=live, burst=burst) as afar:
        assert until(afar, "open") == []
        assert until(afar, "told") == []
        afar.ask(Live(burst))
        ask(afar, "/v1/events?limit=1")
        found = list(heard.until_quiet())
        assert all(live < event["created"] <= now.timestamp() + 60 for event in found)
        at = int(burst.timestamp())
        kind = "type=customer.subscription.updated"
        clicks = ask(afar, f"/v1/events?limit=100&{kind}&created[gte]={at}&created[lt]={at + 300}")
        assert len(clicks["data"]) == 21  # they were, and nobody is told again


@pytest.mark.parametrize("when", ["at once", "while it tells"])
def test_it_ends_when_it_is_told_to_and_leaves_nothing(when: str) -> None:
    now = dt.datetime.now(dt.UTC)
    with started(9, now) as afar:
        process = afar.process
        assert process is not None
        if when == "while it tells":
            until(afar, "open")
            afar.ask(Go())
            assert afar.read() is not None
        began = time.monotonic()
        afar.end()
        assert time.monotonic() - began < 5
        assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    assert afar.read() is None


def test_what_another_version_told_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / TOLD).write_text('{"at":"2026-07-14T15:20:07Z","scale":1.0,"burst":true}')
    with pytest.raises(Rejected) as refused:
        run_demo(data=tmp_path, port=9, scale=SCALE)
    assert "--data" in refused.value.problem.fix
    assert [path.name for path in tmp_path.iterdir()] == [TOLD]
