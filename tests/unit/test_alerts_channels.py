"""Messages leave by real HTTP to a real receiver on this machine, through the guard."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from upwell.alerts.channels import LONGEST_WAIT, Channel, Notice, Sender, slack, standing, wait
from upwell.egress import Guard
from upwell.period import to_micros
from upwell.state import outbox
from upwell.state.db import State
from upwell.state.outbox import Message

NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)


class Receiver:
    """Answers each request with the next of `answers` (204 when they run out)."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.seen.append((dict(self.headers), body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keeps the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    found = State.open(tmp_path / "control.db")
    yield found
    found.close()


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


def notice(text: str = "Cancellations in Mail: 21 today.", id: str = "al_1.1") -> bytes:
    return msgspec.json.encode(
        Notice(
            type="alert.opened",
            id=id,
            created_at=NOW,
            title="Cancellations in Mail",
            text=text,
            url="https://upwell.acme.example/alerts/al_1",
            alert=msgspec.Raw(b'{"id":"al_1"}'),
        )
    )


def put(state: State, channel: str = "ops", key: str = "al_1.1", at: dt.datetime = NOW) -> None:
    with state.write() as connection:
        outbox.put(
            connection,
            [
                Message(
                    key=key,
                    channel=channel,
                    incident="al_1",
                    body=notice(id=key),
                    created_at=to_micros(at),
                    due_at=to_micros(at),
                )
            ],
        )


def kept(state: State) -> list[Message]:
    with state.read() as connection:
        return outbox.of_incidents(connection, ["al_1"])


def sender(state: State, clock: Clock, *channels: Channel, allow: str = "127.0.0.1") -> Sender:
    return Sender(state, channels, Guard(allow=(allow,)), clock)


def test_a_webhook_is_signed_and_carries_one_key(state: State, receiver: Receiver) -> None:
    channel = Channel(id="ops", kind="webhook", url=receiver.url, key="s3cret")
    put(state)
    assert sender(state, Clock(), channel).send_due(channel) is None
    ((headers, body),) = receiver.seen
    assert json.loads(body)["text"] == "Cancellations in Mail: 21 today."
    assert headers["Idempotency-Key"] == json.loads(body)["id"] == "al_1.1"
    stamp, signature = (part.split("=")[1] for part in headers["Upwell-Signature"].split(","))
    assert stamp == str(int(NOW.timestamp()))
    expected = hmac.new(b"s3cret", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert signature == expected
    (message,) = kept(state)
    assert (message.state, message.attempts, message.sent_at) == ("sent", 1, to_micros(NOW))


def test_a_receiver_that_is_down_is_tried_until_it_takes_it(
    state: State, receiver: Receiver
) -> None:
    channel = Channel(id="ops", kind="webhook", url=receiver.url, key="s3cret")
    clock, waits = Clock(), []
    receiver.answers = [500, 503, 404, 302, 429]
    put(state)
    out = sender(state, clock, channel)
    for _ in range(5):
        pause = out.send_due(channel)
        assert pause is not None
        waits.append(pause)
        assert out.send_due(channel) == pause  # not before its time
        clock.now += dt.timedelta(seconds=pause)
    assert waits == [1, 2, 4, 8, 16]
    assert "429" in kept(state)[0].error
    assert out.send_due(channel) is None
    assert {headers["Idempotency-Key"] for headers, _ in receiver.seen} == {"al_1.1"}
    assert len({body for _, body in receiver.seen}) == 1
    signatures = {headers["Upwell-Signature"] for headers, _ in receiver.seen}
    assert len(signatures) == 6  # each attempt is signed for its own time
    assert (kept(state)[0].state, kept(state)[0].error) == ("sent", "")


def test_a_receiver_may_ask_for_more_time(state: State, receiver: Receiver) -> None:
    channel = Channel(id="ops", kind="webhook", url=receiver.url)
    receiver.answers, receiver.headers = [429], {"Retry-After": "40"}
    put(state)
    assert sender(state, Clock(), channel).send_due(channel) == 40
    assert "Upwell-Signature" not in receiver.seen[0][0]  # a channel without a key signs nothing


def test_waits_double_up_to_five_minutes() -> None:
    assert [wait(n) for n in (1, 2, 3, 9)] == [1, 2, 4, 256]
    assert wait(10) == wait(1000) == LONGEST_WAIT


@pytest.mark.parametrize(
    ("url", "allow", "said"),
    [
        ("http://127.0.0.1:1/hook", "127.0.0.1", "was not reached"),
        ("http://127.0.0.1:1/hook", "elsewhere", "a private address"),
        ("http://nowhere.invalid/hook", "127.0.0.1", "is not found"),
        ("gopher://127.0.0.1/", "127.0.0.1", "not a scheme"),
    ],
)
def test_what_keeps_a_message_back_is_said(state: State, url: str, allow: str, said: str) -> None:
    channel = Channel(id="ops", kind="webhook", url=url)
    put(state)
    assert sender(state, Clock(), channel, allow=allow).send_due(channel) == 1
    (message,) = kept(state)
    assert said in message.error
    assert message.state == "waiting"


def test_a_redirect_is_no_delivery(state: State, receiver: Receiver) -> None:
    channel = Channel(id="ops", kind="webhook", url=receiver.url)
    receiver.answers, receiver.headers = [302], {"Location": receiver.url}
    put(state)
    sender(state, Clock(), channel).send_due(channel)
    assert len(receiver.seen) == 1
    assert "redirects" in kept(state)[0].error


def test_a_kind_that_cannot_be_sent_to_is_said(state: State) -> None:
    channel = Channel(id="ops", kind="pagerduty")
    put(state)
    sender(state, Clock(), channel).send_due(channel)
    assert "pagerduty" in kept(state)[0].error


def test_slack_gets_blocks_in_which_names_stay_text(state: State, receiver: Receiver) -> None:
    channel = Channel(id="ops", kind="slack", url=receiver.url)
    put(state)
    sender(state, Clock(), channel).send_due(channel)
    body = json.loads(receiver.seen[0][1])
    assert body["text"] == "Cancellations in Mail: 21 today."
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "actions"]
    hostile = msgspec.json.decode(notice("<!channel> & <https://evil.example|click>"), type=Notice)
    made = json.loads(slack(hostile))
    assert made["text"] == "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;"
    assert made["blocks"][1]["text"]["type"] == "plain_text"


def test_a_crash_after_sending_sends_again_with_the_same_key(
    state: State, receiver: Receiver
) -> None:
    channel = Channel(id="ops", kind="webhook", url=receiver.url)
    put(state)

    class Crashed(BaseException):
        pass

    class Crashing(Clock):
        calls = 0

        def __call__(self) -> dt.datetime:
            self.calls += 1
            if self.calls == 3:  # after the answer, before it is written down
                raise Crashed
            return self.now

    with pytest.raises(Crashed):
        sender(state, Crashing(), channel).send_due(channel)
    sender(state, Clock(), channel).send_due(channel)
    assert [headers["Idempotency-Key"] for headers, _ in receiver.seen] == ["al_1.1", "al_1.1"]
    assert kept(state)[0].state == "sent"


def test_the_same_message_is_not_put_twice(state: State) -> None:
    put(state)
    with pytest.raises(Exception, match="UNIQUE"):
        put(state)
    assert len(kept(state)) == 1


def test_a_cancelled_message_is_not_sent(state: State, receiver: Receiver) -> None:
    channel = Channel(id="ops", kind="webhook", url=receiver.url)
    put(state)
    with state.write() as connection:
        assert outbox.cancel(connection, "al_1") == 1
    assert sender(state, Clock(), channel).send_due(channel) is None
    assert receiver.seen == []


def test_people_read_how_a_message_stands() -> None:
    message = Message(
        key="k",
        channel="ops",
        incident="al_1",
        body=b"",
        created_at=to_micros(NOW),
        due_at=to_micros(NOW),
    )
    later = NOW + dt.timedelta(days=1, seconds=1)
    tried = msgspec.structs.replace(message, attempts=3)
    assert standing(message, NOW) == "waiting"
    assert standing(tried, NOW) == "retrying"
    assert standing(tried, later) == "undelivered"
    assert standing(msgspec.structs.replace(tried, state="sent"), later) == "sent"


def test_channels_do_not_wait_for_each_other(state: State, receiver: Receiver) -> None:
    """Threads: a receiver that never answers holds up only its own messages."""
    import socket

    silent = socket.create_server(("127.0.0.1", 0))
    slow = Channel(
        id="slow", kind="webhook", url=f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
    )
    good = Channel(id="good", kind="webhook", url=receiver.url)
    taken = threading.Event()
    out = Sender(
        state,
        (slow, good),
        Guard(allow=("127.0.0.1",)),
        lambda: dt.datetime.now(dt.UTC),
        taken.set,
    )
    out.start()
    put(state, "slow", at=dt.datetime.now(dt.UTC))
    put(state, "good", at=dt.datetime.now(dt.UTC))
    began = time.monotonic()
    out.wake()
    assert taken.wait(5)
    assert time.monotonic() - began < 5
    assert len(receiver.seen) == 1
    silent.close()  # the silent one hangs up
    out.stop()
    assert {m.channel: m.state for m in kept(state)} == {"slow": "waiting", "good": "sent"}
