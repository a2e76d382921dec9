"""The first alert, with nothing faked: journal, loop, sums, desk, alerting, HTTP to a receiver."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from upwell.access import SYSTEM
from upwell.alerts import inbox
from upwell.alerts.channels import Channel, Sender
from upwell.alerts.dispatch import Dispatch
from upwell.alerts.incident import Rule
from upwell.alerts.look import Parts, Watched
from upwell.egress import Guard
from upwell.event import Delivery
from upwell.flow import Flow
from upwell.journal import Journal
from upwell.period import to_date, to_micros
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Desk, Question
from upwell.query.rows import rows
from upwell.sources.http import receive
from upwell.state.db import State

PRODUCTS = ("mail", "drive")


class Town:
    """All parts on one directory, joined as `app` joins them; `now` runs from a given moment."""

    def __init__(self, path: Path, url: str, start: dt.datetime) -> None:
        self._offset = start - dt.datetime.now(dt.UTC)
        self.journal = Journal.open(path)
        self.projection = Projection(path)
        self.flow = Flow(self.journal, self.projection)
        self.state = State.open(path / "state.sqlite")
        self.desk = Desk(self.projection)
        channel = Channel(id="ops", kind="webhook", url=url, key="s3cret")
        self.sender = Sender(self.state, (channel,), Guard(allow=("127.0.0.1",)), self.now)
        self.dispatch = Dispatch(
            Parts(
                state=self.state,
                ask=lambda question, viewer: self.desk.answer(question, viewer, self.now()),
                rows=self.rows,
                products=self.products,
                clock=self.now,
                zone=ZoneInfo("UTC"),
                rules=(Rule(metric="cancellations", people=True),),
                channels=("ops",),
                wake=self.sender.wake,
            )
        )
        self.flow.subscribe(self.dispatch.consider)
        self.flow.start()
        if self.journal.newest == 0:
            ground = Ground(products=tuple(GroundProduct(id=p, name=p.title()) for p in PRODUCTS))
            self.journal.append(
                [
                    Delivery(
                        kind="config",
                        source="upwell",
                        received_at=to_micros(self.now()),
                        body=msgspec.json.encode(ground),
                    )
                ]
            )
        self.dispatch.start()
        self.sender.start()

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self._offset

    def rows(self, question: Question, limit: int) -> list[tuple[dt.datetime, str | None]]:
        asked = self.desk.plan(question, SYSTEM, self.now())
        found = rows(asked, self.projection, SYSTEM, lambda _: None, limit=limit)
        return [(row.event.timestamp, row.event.actor_id) for row in found.rows]

    def products(self) -> list[Watched]:
        first: dict[str, int] = {}
        for (product, _), seen in self.projection.seen().items():
            first[product] = min(first.get(product, seen.first), seen.first)
        zone = self.projection.zone
        return [
            Watched(
                id,
                self.projection.product_name(id),
                to_date(zone.day_of(first[id])) if id in first else None,
            )
            for id in self.projection.known_products()
        ]

    def post(self, events: list[dict[str, Any]], *, history: bool = False) -> None:
        """Events through the door, acknowledged when they are in the numbers."""
        received = receive(
            json.dumps(events).encode(),
            "application/json",
            source="api",
            products=frozenset(PRODUCTS),
            received_at=to_micros(self.now()),
        )
        assert received.delivery is not None
        assert received.rejected == []
        delivery = received.delivery
        if history:
            about = {**delivery.about, "history": True}
            delivery = msgspec.structs.replace(delivery, about=about)
        (seq,) = self.journal.append([delivery])
        assert self.flow.wait(seq, 30)

    def leave(self, product: str, count: int, **more: Any) -> None:
        """Customers cancel, now."""
        self.post([cancellation(product, self.now(), n, **more) for n in range(count)])

    def alerts(self) -> list[inbox.AlertShown]:
        return inbox.listed(self.state, SYSTEM, self.projection.product_name, self.now())

    def close(self) -> None:
        self.dispatch.stop()
        self.sender.stop()
        self.flow.stop()
        self.journal.close()
        self.projection.close()
        self.state.close()


def cancellation(
    product: str, at: dt.datetime, n: int, plan: str = "starter", country: str = "DE"
) -> dict[str, Any]:
    return {
        "product_id": product,
        "event_type": "churn",
        "timestamp": at.isoformat(),
        "actor_id": f"cus_{at:%m%d%H%M%S%f}_{n}",
        "idempotency_key": f"{product}-{at.isoformat()}-{n}",
        "metadata": {"plan": plan, "country": country, "reason": "payment_failed"},
    }


def eventually(check: Callable[[], bool], seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while not check():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_from_a_posted_event_to_the_team_s_channel(
    tmp_path: Path, receiver: tuple[str, list[dict[str, Any]]]
) -> None:
    url, taken = receiver
    noon = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
    town = Town(tmp_path, url, noon)
    history = [
        cancellation(product, noon - dt.timedelta(days=back, hours=hours), 0, "team", "US")
        for product in PRODUCTS
        for back in range(60, 0, -1)
        for hours in (1, 3, 5, -2, -6)
    ]
    town.post(history, history=True)
    town.post(history, history=True)  # the same again, as imports are
    assert town.alerts() == []

    town.leave("mail", 1)
    town.leave("drive", 1)
    time.sleep(0.5)
    assert town.alerts() == []  # history rests first
    town._offset += dt.timedelta(seconds=11)
    town.leave("mail", 19)
    town.leave("mail", 5, plan="team", country="FR")
    assert eventually(lambda: len(taken) == 1)
    assert taken[0]["type"] == "alert.opened"
    assert taken[0]["title"] == "Cancellations in Mail"
    assert ", expected 0–" in taken[0]["text"]
    assert "on plan starter" in taken[0]["text"]
    assert "in Germany" in taken[0]["text"]
    assert "reason payment_failed" in taken[0]["text"]
    assert "Customers: cus_" in taken[0]["text"]

    assert eventually(lambda: [a.value for a in town.alerts()] == [25])
    (alert,) = town.alerts()
    assert (alert.state, alert.product) == ("open", "mail")
    for by in ("plan", "country", "channel", "reason"):
        parts = [round(part.delta * 100) for part in alert.why if part.by == by]
        assert parts, by
    assert eventually(lambda: town.alerts()[0].delivered[0].state == "sent")

    inbox.act(town.state, alert.id, "ack", SYSTEM, str, town.now())
    town.close()
    again = Town(tmp_path, url, noon + dt.timedelta(minutes=5))
    time.sleep(0.5)
    again.close()
    assert len(taken) == 1  # a restart tells nothing again
