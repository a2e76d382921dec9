"""An open page over a real socket: let in, shown, moved, turned away, cut off."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from litestar import Litestar
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from upwell.access import SYSTEM, Viewer
from upwell.event import Change, Position, Touched
from upwell.live import Hub, Pace
from upwell.query import Answer, Point, Question, Series
from upwell.state.db import State
from upwell.web.door import House
from upwell.web.gate import Gate
from upwell.web.live import MAX_MESSAGE, LiveProtocol, live_route

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
DAY = dt.date(2026, 11, 22)
QUESTION = {"metric": "signups", "from": "2026-11-01", "to": "2026-12-01"}


@dataclass
class Running:
    """A server with one counter behind its questions."""

    gate: Gate
    port: int
    hub: Hub
    padding: str = ""
    count: int = 0

    def ask(self, question: Question, _: Viewer) -> Answer:
        assert question.start is not None
        assert question.end is not None
        days = [
            question.start + dt.timedelta(n) for n in range((question.end - question.start).days)
        ]
        points = tuple(
            Point(start=day.isoformat(), value=self.count if day == DAY else 0, complete=day < DAY)
            for day in days
        )
        return Answer(
            question=question,
            series=(Series(key="", points=points, total=self.count),),
            as_of={"api": str(self.count)},
            policy="upwell",
            position=f"0-{self.count}",
            unit="count",
            note=self.padding,
        )

    def arrive(self) -> None:
        self.count += 1
        day = (DAY - dt.date(1970, 1, 1)).days
        touched = frozenset({Touched("mail", "signup", day)})
        self.hub.publish(Change(Position(0, self.count), 0, touched, events=1))

    def key(self, *scopes: str) -> tuple[str, str]:
        made = self.gate.create_key(
            name="test", scopes=scopes or ("read",), products=None, by=SYSTEM, now=NOW
        )
        return made.id, made.key

    def open(self, key: str = "", **headers: str) -> ClientConnection:
        sent = {"Authorization": f"Bearer {key}"} if key else {}
        return connect(
            f"ws://127.0.0.1:{self.port}/v1/live",
            additional_headers={**sent, **headers},
            compression=None,
            max_size=None,
            close_timeout=1,
        )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    state = State.open(tmp_path / "state.db")
    gate = Gate(state)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server_ready = threading.Event()
    box: list[Running] = []
    holder: list[Any] = []

    async def serve() -> None:
        hub = Hub(lambda question, viewer: box[0].ask(question, viewer), pace=Pace(frame=0.01))
        box.append(Running(gate, port, hub))
        await hub.start()
        route = live_route(
            hub, gate, House(bound="127.0.0.1"), lambda: NOW, patience=0.5, recheck=0.1
        )
        app = Litestar([route], openapi_config=None)
        config = uvicorn.Config(
            app, port=port, ws=LiveProtocol, ws_per_message_deflate=False, log_level="error"
        )
        server = uvicorn.Server(config)
        holder.append(server)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        server_ready.set()
        await task
        await hub.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert server_ready.wait(20)
    yield box[0]
    holder[0].should_exit = True
    thread.join(20)
    state.close()


def say(socket: ClientConnection, *ids: str, since: str | None = None, **more: Any) -> None:
    watch = [{"id": id_, "question": QUESTION} for id_ in ids]
    socket.send(json.dumps({"watch": watch, "since": since, **more}))


def hear(socket: ClientConnection) -> Any:
    """The next frame that is no status."""
    while "status" in (frame := json.loads(socket.recv(timeout=5))):
        pass
    return frame


def test_a_page_moves_when_an_event_arrives(running: Running) -> None:
    with running.open(running.key()[1]) as page:
        say(page, "a")
        first = hear(page)
        assert first["id"] == "a"
        assert first["answer"]["question"]["from"] == "2026-11-01"
        running.arrive()
        moved = hear(page)
        assert moved["points"] == [
            {"key": "", "start": "2026-11-22", "value": 1, "complete": False}
        ]
        position = moved["position"]
    with running.open(running.key()[1]) as page:
        say(page, "a", since=position)
        time.sleep(0.2)  # nothing moved: nothing is sent
        running.arrive()
        assert hear(page)["totals"] == {"": 2}


def test_who_may_not_come_in_is_told_before_the_socket_opens(running: Running) -> None:
    cases: list[tuple[str, dict[str, str], int]] = [
        ("", {}, 401),
        ("uw_00000000_wrong", {}, 401),
        (running.key("ingest")[1], {}, 403),
        ("", {"Origin": "https://evil.example", "Cookie": f"upwell_{running.port}=x"}, 403),
        ("", {"Origin": "https://evil.example"}, 401),
    ]
    for key, headers, status in cases:
        with pytest.raises(InvalidStatus) as refused:
            running.open(key, **headers)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["error"]["code"]


def test_a_page_whose_session_ended_is_told_on_the_socket(running: Running) -> None:
    with running.open(Origin=f"http://127.0.0.1:{running.port}") as page:
        assert json.loads(page.recv())["error"]["code"] == "signed_out"
        with pytest.raises(ConnectionClosed) as closed:
            page.recv(timeout=5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_a_revoked_key_closes_its_open_socket(running: Running) -> None:
    id_, key = running.key()
    with running.open(key) as page:
        say(page, "a")
        hear(page)
        running.gate.revoke_key(id_, by=SYSTEM, now=NOW)
        assert hear(page)["error"]["code"] == "signed_out"
        with pytest.raises(ConnectionClosed) as closed:
            page.recv(timeout=5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("{", "not_json"),
        ("[]", "bad_message"),
        ('{"watch": [], "sinse": null}', "bad_message"),
        ('{"watch": [{"id": "", "question": {}}]}', "bad_message"),
        ('{"watch": [{"id": "a", "question": {"x": 1}}]}', "unknown_parameter"),
        ('{"watch": [{"id": "a", "question": {"metric": "sinups"}}]}', "unknown_metric"),
        (json.dumps({"watch": [{"id": "a", "question": QUESTION}] * 2}), "repeated_id"),
        (
            json.dumps({"watch": [{"id": str(n), "question": QUESTION} for n in range(201)]}),
            "too_many_watches",
        ),
    ],
)  # fmt: skip
def test_a_wrong_message_is_named_and_the_socket_lives(
    running: Running, sent: str, code: str
) -> None:
    with running.open(running.key()[1]) as page:
        page.send(sent)
        assert hear(page)["error"]["code"] == code
        say(page, "b")
        assert hear(page)["id"] == "b"


def test_a_bad_question_hurts_its_own_watch_only(running: Running) -> None:
    with running.open(running.key()[1]) as page:
        bad = {"id": "bad", "question": {"metric": "signups", "from": "tomorrow"}}
        page.send(json.dumps({"watch": [bad, {"id": "good", "question": QUESTION}]}))
        frames = [hear(page), hear(page)]
        assert {frame.get("id") or frame["error"]["id"] for frame in frames} == {"bad", "good"}


def test_a_message_too_large_ends_the_socket(running: Running) -> None:
    with running.open(running.key()[1]) as page:
        page.send(" " * (MAX_MESSAGE + 1))
        assert hear(page)["error"]["code"] == "too_large"
        with pytest.raises(ConnectionClosed) as closed:
            page.recv(timeout=5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_who_does_not_read_is_cut_off_and_hurts_nobody(running: Running) -> None:
    running.padding = "x" * 2_000_000  # whole pictures of 2 MB: more than any buffer holds
    slow = socket.create_connection(("127.0.0.1", running.port))
    _shake_hands(slow, running)
    with running.open(running.key()[1]) as quick:
        say(quick, "a")
        assert "answer" in hear(quick)
        assert len(running.hub.connections) == 2
        waits = []
        for _ in range(50):
            began = time.monotonic()
            running.arrive()
            hear(quick)
            waits.append(time.monotonic() - began)
            if len(running.hub.connections) == 1:
                break
            time.sleep(0.05)
        assert len(running.hub.connections) == 1
        assert sorted(waits)[len(waits) // 2] < 0.25
    time.sleep(2.5)  # after its farewell the peer's socket is cut, not left to linger
    assert _is_cut(slow)
    slow.close()


def _is_cut(peer: socket.socket) -> bool:
    try:
        for _ in range(100):
            peer.sendall(b"\x89\x80\x00\x00\x00\x00")  # a ping
            time.sleep(0.01)
    except OSError:
        return True
    return False


def _shake_hands(peer: socket.socket, running: Running) -> None:
    """A WebSocket client that asks for pictures and never reads them."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.sendall(
        f"GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {running.key()[1]}\r\n\r\n".encode()
    )
    assert b"101" in peer.recv(12)
    body = json.dumps(
        {"watch": [{"id": str(n), "question": QUESTION} for n in range(20)], "since": None}
    ).encode()
    peer.sendall(b"\x81\xfe" + len(body).to_bytes(2, "big") + b"\x00\x00\x00\x00" + body)


def test_http_is_told_that_this_address_speaks_websocket(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as plain:
        plain.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: plain.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 426")
    assert b"websocket_only" in answer
