"""How soon a posted event reaches people: the pixel of an open page, the receiver of an alert."""

from __future__ import annotations

import datetime as dt
import json
import queue
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from bench.figures import Section, Table, ms, percentile, rate
from bench.history import History
from bench.house import Server, until, write_config
from bench.load import Bodies, Sent, answer, head, post_all
from bench.rows import PRODUCTS, Spec

LOAD = 2_000  # events a second beside what is measured
SIZE = 100  # events a body of the load
PROBES, QUICK_PROBES = 400, 80
TEAMS, QUICK_TEAMS = 40, 8  # products that have a bad minute, each watched by a rule of its own
BURST = 25  # cancellations of the bad minute
PIXEL_TARGET, ALERT_TARGET = 0.250, 1.0
PROBED = "refund"  # an event that only the probes send
_DAY = dt.timedelta(days=1)


def run(work: Path, quick: bool) -> Section:
    """Probe an open page and a receiver of alerts while 2,000 events a second arrive."""
    history = History(work, quick)
    probes, teams = (QUICK_PROBES, QUICK_TEAMS) if quick else (PROBES, TEAMS)
    found = measure(history, probes, teams)
    pixel, alert = found["pixel"], found["alert"]
    return Section(
        name="reach",
        title="From a posted event to people",
        tables=(
            Table(
                title=f"With {rate(found['load'])} of other events arriving, "
                f"{history.events:,} events of history",
                columns=("", "p50", "p99", "worst", "samples", "target p99"),
                rows=(
                    (
                        "POST sent to the changed point at the page",
                        *_spread(pixel),
                        ms(PIXEL_TARGET),
                    ),
                    ("POST sent to its answer (on disk)", *_spread(found["answered"]), "–"),
                    (
                        "POST of a burst sent to the alert received",
                        *_spread(alert),
                        ms(ALERT_TARGET),
                    ),
                ),
            ),
        ),
        notes=(
            f"Pixel: {found['watches']} watches on one WebSocket, all moved by the load; the time "
            "is from before one event is posted to the frame whose point contains it.",
            f"Alert: {BURST} cancellations of one product in one body, {len(alert)} products one "
            "after another, each with a rule of its own; the time is to the webhook's arrival at "
            "the receiver. 60 days of about three cancellations a day stand before them.",
            f"The load: bodies of {SIZE} events, acknowledged p99 {ms(found['load_p99'])}.",
        ),
        figures=found,
    )


def _spread(values: list[float]) -> tuple[str, str, str, str]:
    worst = max(values, default=0.0)
    shown = (percentile(values, 0.5), percentile(values, 0.99), worst)
    return (*map(ms, shown), str(len(values)))  # type: ignore[return-value]


def measure(history: History, probes: int, teams: int) -> dict[str, Any]:
    """Delays in seconds of every probe and of every alert, under the load."""
    data = history.work / "reach"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(history.data, data)
    names = [f"team-{number:02d}" for number in range(teams)]
    # Two seconds an alert, a tenth a probe, and some to spare.
    seconds = 15 + probes * 0.2 + teams * 1.5
    bodies = _load(history, seconds)
    with receiver() as (url, arrived):
        config = write_config(history.work / "reach-config", (*PRODUCTS, *names), rules(names, url))
        with Server(data, config) as server:
            server.caught_up()
            post_past(server, names)
            server.caught_up()
            loading = Loading(bodies, server)
            time.sleep(3)
            pixel, answered, watches = _pixels(server, probes)
            time.sleep(max(0.0, loading.began + 13 - time.monotonic()))  # history must rest first
            alert = alerts(server, names, arrived)
            loading.end()
    bodies.remove()
    shutil.rmtree(data)
    return {
        "pixel": pixel, "answered": answered, "alert": alert, "watches": watches,
        "load": loading.sent.events / loading.sent.seconds,
        "load_p99": percentile(loading.sent.delays, 0.99),
    }  # fmt: skip


def _load(history: History, seconds: float) -> Bodies:
    now = dt.datetime.now(dt.UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spec = Spec(
        events=int(seconds * LOAD), until=now, days=(now - midnight) / _DAY, seed=17, size=SIZE,
        without=(PROBED, "churn"),
    )  # fmt: skip
    return Bodies(history.work / "load", spec)


class Loading:
    """The load, posted beside what is measured; `end` waits until it is over."""

    def __init__(self, bodies: Bodies, server: Server) -> None:
        self.began = time.monotonic()
        self._found: list[Sent] = []
        self._thread = threading.Thread(target=self._post, args=(bodies, server))
        self._thread.start()

    def _post(self, bodies: Bodies, server: Server) -> None:
        self._found.append(
            post_all(bodies, server.port, server.key, connections=2, per_second=LOAD / SIZE)
        )

    def end(self) -> None:
        """Wait for the last body; RuntimeError where the load had failed."""
        self._thread.join()
        if not self._found:
            raise RuntimeError("the load ended in an error")

    @property
    def sent(self) -> Sent:
        """What was sent."""
        return self._found[0]


# -- pixels --------------------------------------------------------------------------------------


def _pixels(server: Server, probes: int) -> tuple[list[float], list[float], int]:
    today = dt.datetime.now(dt.UTC).date()
    span = {"from": (today - 27 * _DAY).isoformat(), "to": (today + _DAY).isoformat()}
    watch = [
        {"id": f"{metric} {product}", "question": {"metric": metric, "product": product, **span}}
        for product in PRODUCTS[:10]
        for metric in ("page_views", "sessions", "signups", "actors")
    ]
    probe = {"metric": "refunds", "product": "mail", **span}
    watch.append({"id": "probe", "question": probe})
    seen: queue.SimpleQueue[tuple[float, float]] = queue.SimpleQueue()
    delays, answered = [], []
    uri = f"ws://127.0.0.1:{server.port}/v1/live"
    told = {"Authorization": f"Bearer {server.key}"}
    with (
        connect(uri, additional_headers=told, compression=None, max_size=None) as page,
        socket.create_connection(("127.0.0.1", server.port)) as door,
    ):
        page.send(json.dumps({"watch": watch}))
        reading = threading.Thread(target=_read, args=(page, today.isoformat(), seen))
        reading.start()
        _, value = seen.get(timeout=30)
        spread = random.Random(5)
        for number in range(probes):
            body = _event("mail", PROBED, f"probe-{number}-{time.time_ns()}", value="1.00")
            sent = time.perf_counter()
            door.sendall(head(server.port, server.key, len(body)) + body)
            answer(door)
            answered.append(time.perf_counter() - sent)
            value += 1
            at, shown = seen.get(timeout=30)
            while shown < value:
                at, shown = seen.get(timeout=30)
            delays.append(at - sent)
            time.sleep(spread.uniform(0.02, 0.12))
        page.close()
        reading.join()
    return delays, answered, len(watch)


def _read(page: ClientConnection, today: str, seen: queue.SimpleQueue[tuple[float, float]]) -> None:
    """Note when each frame of the probe's watch arrived, and today's value in it."""
    try:
        for text in page:
            at = time.perf_counter()
            frame = json.loads(text)
            if frame.get("id") != "probe":
                continue
            points = frame.get("points")
            if points is None:
                points = frame["answer"]["series"][0]["points"]
            for point in points:
                if point["start"] == today:
                    seen.put((at, float(point["value"] or 0)))
    except ConnectionClosed:
        return


def _event(product: str, kind: str, key: str, **more: Any) -> bytes:
    return json.dumps([_made(product, kind, key, dt.datetime.now(dt.UTC), **more)]).encode()


def _made(product: str, kind: str, key: str, at: dt.datetime, **more: Any) -> dict[str, Any]:
    money = {"currency": "USD"} if "value" in more else {}
    return {
        "product_id": product, "event_type": kind, "timestamp": at.isoformat(),
        "actor_id": f"cus_{key}", "idempotency_key": key, **money, **more,
    }  # fmt: skip


# -- alerts --------------------------------------------------------------------------------------


def rules(products: list[str], url: str) -> str:
    """Configuration: a webhook, and for each product a rule of its own for cancellations."""
    host = url.partition("://")[2].partition("/")[0]
    parts = [
        f'[server]\nallow_private_urls = ["{host}"]\n',
        f'[[channels]]\nid = "hook"\nkind = "webhook"\nurl = "{url}"\n',
    ]
    parts += [
        f'[[alerts]]\nmetric = "cancellations"\nproducts = ["{one}"]\nto = ["hook"]\n'
        for one in products
    ]
    return "\n".join(parts)


Arrived = queue.SimpleQueue[tuple[float, dict[str, Any]]]


@contextmanager
def receiver() -> Iterator[tuple[str, Arrived]]:
    """A webhook's address, and what arrives there with its time (`time.perf_counter`)."""
    arrived: Arrived = queue.SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.perf_counter()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.put((at, json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", arrived
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post_past(server: Server, products: list[str]) -> None:
    """Sixty quiet days of cancellations for each product, and one of today."""
    now = dt.datetime.now(dt.UTC)
    draw = random.Random(3)
    events = [
        _made(product, "churn", f"past-{product}-{back}-{number}",
              now - back * _DAY - dt.timedelta(hours=draw.uniform(-10, 10)),
              metadata={"plan": "team", "country": "DE", "reason": "price"})
        for product in products
        for back in range(60, 1, -1)
        for number in range(draw.randint(2, 4))
    ]  # fmt: skip
    events += [_made(product, "churn", f"today-{product}", now) for product in products]
    for at in range(0, len(events), 1000):
        server.json("POST", "/v1/events", events[at : at + 1000])


def alerts(
    server: Server, products: list[str], arrived: Arrived, burst_of: int = BURST
) -> list[float]:
    """A burst in one product after another; seconds until each was heard of at the receiver."""
    delays = []
    for product in products:
        now = dt.datetime.now(dt.UTC)
        burst = [
            _made(product, "churn", f"burst-{product}-{number}", now,
                  metadata={"plan": "starter", "country": "US", "reason": "payment_failed"})
            for number in range(burst_of)
        ]  # fmt: skip
        body = json.dumps(burst).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as door:
            sent = time.perf_counter()
            door.sendall(head(server.port, server.key, len(body)) + body)
            answer(door)
        delays.append(_heard(product, arrived) - sent)
    return delays


def _heard(product: str, arrived: Arrived) -> float:
    """When the alert of this product arrived; TimeoutError after half a minute."""
    found: list[float] = []

    def here() -> bool:
        try:
            at, message = arrived.get(timeout=0.2)
        except queue.Empty:
            return False
        if message["type"] == "alert.opened" and message["alert"]["product"] == product:
            found.append(at)
        return bool(found)

    until(here, 30, f"the alert of {product}", every=0)
    return found[0]
