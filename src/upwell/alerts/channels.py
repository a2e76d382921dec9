"""Where alerts go: a signed webhook or Slack, from the outbox, tried again until taken.

A webhook gets a POST of JSON, `{"type", "id", "created_at", "text", "url", "alert"}`, with

- `Idempotency-Key`: the message's key, the same at every attempt; also its `id`
- `Upwell-Signature: t=TIMESTAMP,v1=HEX`: HMAC-SHA256 with the channel's key over
  `TIMESTAMP.BODY`, TIMESTAMP being the attempt's Unix seconds; absent where the channel has no key

and takes it by any answer of 2xx. Redirects are not followed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterable
from typing import Literal

import httpx
import msgspec

from upwell.egress import Guard
from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.period import to_instant, to_micros
from upwell.state import outbox
from upwell.state.db import State
from upwell.state.outbox import Message

FIRST_WAIT = 1.0  # seconds until the second attempt; then twice as long each time
LONGEST_WAIT = 300.0
TIMEOUT = 10.0
UNDELIVERED = dt.timedelta(days=1)  # after which the page says so; it is still tried


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver; `key` signs a webhook's body."""

    id: str
    kind: Literal["slack", "email", "webhook", "pagerduty"]
    url: str = ""
    key: str = ""


NoticeType = Literal["alert.opened", "alert.changed", "alert.resolved"]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says: the body of a webhook, and what Slack's is made from."""

    type: NoticeType
    id: str
    created_at: dt.datetime
    title: str
    text: str
    url: str
    alert: msgspec.Raw


class Post(msgspec.Struct, frozen=True):
    """A request ready to be sent."""

    url: str
    headers: dict[str, str]
    body: bytes


def post(channel: Channel, message: Message, now: dt.datetime) -> Post:
    """The request that brings a message to a channel; raises Rejected for kinds not known yet."""
    headers = {"Content-Type": "application/json", "User-Agent": "Upwell"}
    headers["Idempotency-Key"] = message.key
    if channel.kind == "slack":
        notice = msgspec.json.decode(message.body, type=Notice)
        return Post(channel.url, headers, slack(notice))
    if channel.kind == "webhook":
        if channel.key:
            stamp = str(int(now.timestamp()))
            headers["Upwell-Signature"] = f"t={stamp},v1={sign(channel.key, stamp, message.body)}"
        return Post(channel.url, headers, message.body)
    raise Rejected(
        "channel_kind",
        f"Alerts cannot be sent to a channel of kind {channel.kind} yet.",
        fix="Use a channel of kind webhook or slack.",
        where=f"channels.{channel.id}.kind",
    )


def sign(key: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 of `stamp.body` in hex."""
    return hmac.new(key.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def slack(notice: Notice) -> bytes:
    """The same message in Slack's blocks; what people and customers wrote stays plain text."""
    blocks: list[dict[str, object]] = [
        {"type": "header", "text": {"type": "plain_text", "text": notice.title[:150]}},
        {"type": "section", "text": {"type": "plain_text", "text": notice.text[:3000]}},
    ]
    if notice.url:
        button = {
            "type": "button",
            "text": {"type": "plain_text", "text": "Open in Upwell"},
            "url": notice.url,
        }
        blocks.append({"type": "actions", "elements": [button]})
    plain = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"text": plain, "blocks": blocks})


def wait(attempts: int) -> float:
    """Seconds until the next attempt, after so many that failed."""
    return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 20)))


def standing(message: Message, now: dt.datetime) -> str:
    """A message's state in people's words: sent, waiting, retrying, undelivered or cancelled."""
    if message.state != "waiting":
        return message.state
    if now - to_instant(message.created_at) > UNDELIVERED:
        return "undelivered"
    return "retrying" if message.attempts else "waiting"


class Sender:
    """Takes messages out of the outbox; a thread for each channel, so that none waits for another.

    Each message is sent at least once: it is marked only after the receiver has answered, and a
    repeat carries the same key.
    """

    def __init__(
        self,
        state: State,
        channels: Iterable[Channel],
        guard: Guard,
        clock: Callable[[], dt.datetime],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._state = state
        self._channels = {channel.id: channel for channel in channels}
        self._client = guard.client(timeout=TIMEOUT)
        self._clock = clock
        self._changed = changed
        self._stopping = threading.Event()
        self._wakes = {id: threading.Event() for id in self._channels}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins with what an earlier run left."""
        for channel in self._channels.values():
            thread = threading.Thread(
                target=self._run, args=(channel,), name=f"send-{channel.id}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        """There is something new to send."""
        for event in self._wakes.values():
            event.set()

    def stop(self) -> None:
        """Lets attempts that are under way end; what waits stays in the outbox."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(TIMEOUT + 5)
        self._client.close()

    def send_due(self, channel: Channel) -> float | None:
        """One attempt at each message that is due; seconds until the next one, None for none."""
        with self._state.read() as connection:
            messages = outbox.due(connection, channel.id, to_micros(self._clock()))
        for message in messages:
            if self._stopping.is_set():
                return 0.0
            problem, after = self._attempt(channel, message)
            now = to_micros(self._clock())
            with self._state.write() as connection:
                if problem:
                    due_at = now + int(after * 1_000_000)
                    outbox.failed(connection, message, due_at, problem)
                else:
                    outbox.taken(connection, message, now)
            self._changed()
        with self._state.read() as connection:
            next_due = outbox.next_due(connection, channel.id)
        if next_due is None:
            return None
        return max(0.0, (next_due - to_micros(self._clock())) / 1_000_000)

    def _attempt(self, channel: Channel, message: Message) -> tuple[str, float]:
        """Why the channel did not take it ('' where it did), and when to try again."""
        after = wait(message.attempts + 1)
        try:
            made = post(channel, message, self._clock())
            with self._client.stream(
                "POST", made.url, content=made.body, headers=made.headers
            ) as response:
                if response.is_success:
                    return "", 0.0
                after = max(after, _asked_to_wait(response))
                if response.is_redirect:
                    return "The receiver redirects; enter the address it redirects to.", after
                return f"The receiver answered {response.status_code}.", after
        except UpwellError as error:
            return f"{error.problem.message} {error.problem.fix}".strip(), after
        except httpx.TimeoutException:
            return f"The receiver did not answer within {TIMEOUT:g} seconds.", after
        except httpx.HTTPError as error:
            return f"The receiver was not reached ({type(error).__name__}).", after

    def _run(self, channel: Channel) -> None:
        wake = self._wakes[channel.id]
        while not self._stopping.is_set():
            wake.clear()
            try:
                pause = self.send_due(channel)
            except Unavailable as error:  # the control state is busy or its disk is full
                pause = float(error.retry_after)
            if pause != 0:
                wake.wait(pause)


def _asked_to_wait(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
