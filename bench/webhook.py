"""How soon a webhook of Stripe's moves the MRR of an open page, behind it a whole company."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import queue
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from bench.book import memory, staged
from bench.figures import NONE, Section, Table, ms, percentile, rate
from bench.house import Server, until, write_config
from bench.ledger import DECODER, PRODUCTS, STATES, SUBSCRIPTIONS, bodies
from bench.load import Bodies, answer
from bench.reach import LOAD, SIZE, Loading
from bench.rows import PRODUCTS as OTHERS
from bench.rows import Spec
from upwell.demo.stripe import FakeStripe, serve
from upwell.demo.stripe.world import Json
from upwell.projection import Projection

PROBES, QUICK_PROBES = 200, 40
TARGET = 0.250
SECRET = "whsec_bench"
AT_ONCE = 20_000  # states of one commit of the company's past
MONTHS = 24
_SOURCE = """\
[server]
allow_private_urls = ["{host}"]

[[sources]]
id = "acct"
kind = "stripe"
product = "product-0"
api_key = "rk_live_bench"
webhook_secret = "{secret}"
api_base = "http://{host}"
"""


def run(work: Path, quick: bool) -> Section:
    """Fill a house once, then post webhooks with and without other events beside them."""
    count = SUBSCRIPTIONS // 20 if quick else SUBSCRIPTIONS
    found = measure(work, count, QUICK_PROBES if quick else PROBES)
    rows = tuple(
        (what, *_spread(found[name]), NONE if quick or "answered" in name else ms(TARGET))
        for what, name in (
            ("to the page, right after a start", "started"),
            ("to its answer, right after a start", "started answered"),
            ("to the page, nothing else going on", "quiet"),
            ("to its answer (on disk), nothing else going on", "quiet answered"),
            (f"to the page, {rate(found['load'])} of other events", "loaded"),
            (f"to its answer, {rate(found['load'])} of other events", "loaded answered"),
        )
    )
    return Section(
        name="webhook",
        title="From a webhook to new MRR on the page",
        tables=(
            Table(
                title=f"{count:,} subscriptions with {STATES} states each behind it",
                columns=("POST sent …", "p50", "p99", "worst", "samples", "target p99"),
                rows=rows,
            ),
        ),
        notes=(
            "From before a signed `customer.subscription.updated` is posted until the frame on "
            f"`/v1/live` whose MRR holds it arrives. The page watches MRR by day, and by month of "
            f"{MONTHS} months for each of {PRODUCTS} products.",
            "Each webhook raises the quantity of another subscription; the next follows 0.1 to "
            "0.9 s after the frame. Right after a start the server still reads what trials and "
            "cancellations were told of; then the bench waits until it has.",
        ),
        figures=found,
    )


def _spread(values: list[float]) -> tuple[str, str, str, str]:
    return (
        ms(percentile(values, 0.5)),
        ms(percentile(values, 0.99)),
        ms(max(values, default=0.0)),
        str(len(values)),
    )


def measure(work: Path, count: int, probes: int) -> dict[str, Any]:
    """Delays in seconds of every probe, quiet and under load."""
    data, past = work / "webhook", work / f"webhook-{count}"
    fake = FakeStripe(now=int(time.time()) - 86_400, seed=3)
    found: dict[str, Any] = {}
    with serve(fake) as url:
        source = _SOURCE.format(host=url.removeprefix("http://"), secret=SECRET)
        names = (*OTHERS, *(f"product-{n}" for n in range(PRODUCTS)))
        config = write_config(work / "webhook-config", names, source)
        if not (past / "filled").exists():
            found["fill"] = fill(past, config, count)
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(past, data)
        load = _load(work, probes)
        with Server(data, config) as server:
            server.caught_up()
            watched = Watched(server)
            hooks = webhooks(count)
            found["started"], found["started answered"] = watched.probe(hooks, probes // 4)
            prepared(server)
            found["quiet"], found["quiet answered"] = watched.probe(hooks, probes)
            loading = Loading(load, server)
            time.sleep(3)
            found["loaded"], found["loaded answered"] = watched.probe(hooks, probes)
            loading.end()
            watched.close()
            found["rss"] = server.memory()
    load.remove()
    shutil.rmtree(data)
    found["load"] = loading.sent.events / loading.sent.seconds
    return found


def prepared(server: Server, seconds: float = 300) -> None:
    """Wait until the server has read what trials and cancellations were told of."""
    asked = "/v1/query?metric=trial_conversion_rate"
    until(lambda: server.call("GET", asked)[0] == 200, seconds, "trials to be read", every=1)


def _load(work: Path, probes: int) -> Bodies:
    now = dt.datetime.now(dt.UTC)
    spec = Spec(events=int((10 + probes * 0.9) * LOAD), until=now, days=0.1, seed=17, size=SIZE)
    return Bodies(work / "load", spec)


# -- the company ---------------------------------------------------------------------------------


def fill(data: Path, config: Path, count: int) -> list[tuple[int, float]]:
    """A house with this configuration and the company's past in it, as if one delivery held it.

    Returns the megabytes in memory after each tenth, with the states that were in then.
    """
    shutil.rmtree(data, ignore_errors=True)
    with Server(data, config) as server:
        server.caught_up()
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_fill, args=(data, count, there))
    process.start()
    there.close()
    try:
        found: list[tuple[int, float]] = here.recv()
    except EOFError:
        raise RuntimeError("filling ended in an error") from None
    finally:
        process.join()
    (data / "filled").touch()
    return found


def _fill(data: Path, count: int, pipe: Any) -> None:
    projection = Projection(data)
    seq, taken = projection.applied, 0
    found: list[tuple[int, float]] = []
    for _, body in bodies(count):
        states = DECODER.decode(body)
        for place in range(0, len(states), AT_ONCE):
            projection.apply([staged(seq, states[place : place + AT_ONCE])])
        taken += len(states)
        if taken * 10 // (count * STATES) > len(found):
            found.append((taken, memory()))
    projection.close()
    pipe.send(found)


def webhooks(count: int) -> Iterator[Json]:
    """Subscriptions as Stripe tells of them, each with other seats."""
    fake = FakeStripe(now=int(time.time()) - 86_400, seed=4)
    price = fake.create_price(fake.create_product("Mail"), 4_900, nickname="team")
    made = fake.subscribe(fake.create_customer("ann", "ann@a.example", "DE"), price)
    text = msgspec.json.encode(made)
    dice = random.Random(11)
    while True:
        number = dice.randrange(count)
        one: Json = msgspec.json.decode(text)
        one |= {"id": f"sub_{number:07d}", "customer": f"cus_{number * 2 // 3:07d}"}
        item = one["items"]["data"][0]
        item |= {"id": f"si_{number:07d}", "quantity": dice.randint(30, 90)}
        yield one


# -- the page ------------------------------------------------------------------------------------


class Watched:
    """An open page, and webhooks that move it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._seen: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self._today = dt.datetime.now(dt.UTC).date()
        told = {"Authorization": f"Bearer {server.key}"}
        uri = f"ws://127.0.0.1:{server.port}/v1/live"
        self._page: ClientConnection = connect(
            uri, additional_headers=told, compression=None, max_size=None
        )
        self._page.send(json.dumps({"watch": self._watches()}))
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        _, self._value = self._next(60)

    def _watches(self) -> list[Json]:
        end = (self._today + dt.timedelta(days=1)).isoformat()
        days = {"from": (self._today - dt.timedelta(days=27)).isoformat(), "to": end}
        first = self._today.replace(year=self._today.year - MONTHS // 12, day=1).isoformat()
        months = {"from": first, "to": end, "grain": "month"}
        watches: list[Json] = [{"id": "probe", "question": {"metric": "mrr", **days}}]
        watches += [
            {"id": f"mrr {n}", "question": {"metric": "mrr", "product": f"product-{n}", **months}}
            for n in range(PRODUCTS)
        ]
        return watches

    def probe(self, hooks: Iterator[Json], probes: int) -> tuple[list[float], list[float]]:
        """Post webhooks one after another; seconds to the frame and to the answer of each."""
        delays, answered = [], []
        spread = random.Random(5)
        for number in range(probes):
            body = _event(next(hooks), number)
            with socket.create_connection(("127.0.0.1", self._server.port)) as door:
                sent = time.perf_counter()
                door.sendall(_head(self._server.port, body) + body)
                answer(door)
            answered.append(time.perf_counter() - sent)
            at, value = self._next()
            while value == self._value:
                at, value = self._next()
            self._value = value
            delays.append(at - sent)
            time.sleep(spread.uniform(0.1, 0.9))
        return delays, answered

    def _next(self, seconds: float = 30) -> tuple[float, str]:
        """The next frame's time and value; RuntimeError where none comes, saying why."""
        try:
            at, value = self._seen.get(timeout=seconds)
        except queue.Empty:
            ended = self._server.process.poll()
            raise RuntimeError(f"no frame in {seconds:.0f} s; server ended: {ended}") from None
        if not value:
            raise RuntimeError(f"the page's socket was closed: {self._page.protocol.close_exc}")
        return at, value

    def close(self) -> None:
        """Close the page."""
        self._page.close()
        self._reading.join()

    def _read(self) -> None:
        """Note when each frame of the probe's watch arrived, and today's MRR in it."""
        try:
            for text in self._page:
                at = time.perf_counter()
                frame = json.loads(text)
                if frame.get("id") != "probe":
                    continue
                points = frame.get("points")
                if points is None:
                    points = frame["answer"]["series"][0]["points"]
                for point in points:
                    if point["start"] == self._today.isoformat():
                        self._seen.put((at, str(point["value"])))
        except ConnectionClosed:
            pass
        self._seen.put((time.perf_counter(), ""))


def _event(of: Json, number: int) -> bytes:
    return msgspec.json.encode(
        {
            "id": f"evt_{time.time_ns()}_{number}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "type": "customer.subscription.updated",
            "livemode": True,
            "data": {"object": of},
        }
    )


def _head(port: int, body: bytes) -> bytes:
    signed = FakeStripe.sign(body, SECRET, int(time.time()))
    return (
        f"POST /hooks/stripe/acct HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Stripe-Signature: {signed}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
