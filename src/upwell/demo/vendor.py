"""The process that is the demo company's billing system: `python -m upwell.demo.vendor`.

It simulates both accounts from the beginning of the history, hands their past over as pages, and
goes on with the clock: an API on a port of this machine, webhooks signed and sent. It ends when its
input ends, so that it never outlives the server.
"""

from __future__ import annotations

import gc
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, TypeVar

import httpx
import msgspec

from upwell.demo import company
from upwell.demo.feed import ENDPOINT, Ear, Page, Teller
from upwell.demo.sales import burst
from upwell.demo.stage import Stage
from upwell.demo.stripe import Event, FakeStripe, serve
from upwell.demo.stripe.world import DAY, MEMORY, Json
from upwell.demo.wire import Command, Door, Frame, Go, Live, Order, write

STEP = 7 * DAY  # of the past at once
FORGETS = 8 * STEP  # of the past, after which memory is cleared
EVERY = 0.25  # seconds between two looks at the clock
AGAIN = 2.0  # seconds until a webhook that was refused is sent again

C = TypeVar("C", Go, Live)

_commands = msgspec.json.Decoder(Command)


def main() -> None:
    """Read the order, tell, and go on until the input ends."""
    out = os.fdopen(os.dup(1), "wb")
    sys.stdout = sys.stderr
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    asked: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    gc.disable()  # nothing here goes round in circles, and there is much of it
    stage = Stage(company(order.seed), order.today, order.scale)
    with ExitStack() as opened:
        for door in order.doors:
            listening = socket.socket(fileno=door.listening)
            opened.enter_context(serve(stage.accounts[door.source], listening=listening))
        if order.live is None:
            write(out, Frame(kind="open"))
            _expect(asked, Go)
            for frame in past(stage, order.told):
                write(out, frame)
        else:
            if order.burst is not None:
                stage.add(burst(stage.company, order.today, order.burst, order.scale))
            _catch_up(stage, order.live)
            write(out, Frame(kind="open"))
        write(out, Frame(kind="told", share=1.0))
        begin = _expect(asked, Live)
        if order.burst is None:
            stage.add(burst(stage.company, order.today, begin.burst, order.scale))
        _go_on(stage, order.doors)


def past(stage: Stage, until: int) -> Iterable[Frame]:
    """The accounts' past as pages."""
    begins = stage.now
    tellers = {source: Teller(account, source) for source, account in stage.accounts.items()}
    for source, teller in tellers.items():
        stage.accounts[source].world.hears = Ear()
        for page in teller.opening(begins):
            yield _frame(source, page, 0.0)
    for end in _steps(begins, until, STEP):
        stage.run(end)
        share = (end - begins) / (until - begins)
        whole = end == until or (end - begins) % FORGETS == 0
        for source, teller in tellers.items():
            for page in teller.told(whole=whole):
                yield _frame(source, page, share)
        if whole:
            stage.forget()


def _steps(since: int, until: int, step: int) -> Iterator[int]:
    """The ends of steps, the last one at `until`."""
    yield from range(since + step, until, step)
    yield until


def _frame(source: str, page: Page, share: float) -> Frame:
    return Frame(
        kind="page",
        source=source,
        body=page.body,
        rows=page.rows,
        countries=page.countries,
        share=share,
    )


def _catch_up(stage: Stage, until: int) -> None:
    """The same past again, which was told before."""
    with ExitStack() as held:
        for account in stage.accounts.values():
            held.enter_context(account.lock)  # who asks meanwhile waits
            account.world.hears = _deaf
        for end in _steps(stage.now, until - MEMORY, FORGETS):
            stage.run(end)
            stage.forget()
        for account in stage.accounts.values():
            account.world.hears = None
        stage.run(until)


def _deaf(_kind: str, _row: Json, _before: Json | None) -> bool:
    return False


def _go_on(stage: Stage, doors: Iterable[Door]) -> None:
    """With the clock, from now on."""
    posts = [Post(stage.accounts[door.source], door) for door in doors]
    for account in stage.accounts.values():
        account.world.hears = None
    while True:
        stage.run(max(stage.now, _clock()))
        taken = [post.send() for post in posts]
        time.sleep(EVERY if all(taken) else AGAIN)


def _clock() -> int:
    """Epoch seconds: this process stands for another company's, which has its own clock."""
    return int(time.time())  # noqa: TID251


class Post:
    """The webhooks of one account: each event once it was taken, in order."""

    def __init__(self, account: FakeStripe, door: Door) -> None:
        self._account = account
        self._door = door
        self._client = httpx.Client(timeout=30, trust_env=False)
        self._waiting: list[Event] = []
        self._last = account.newest

    def send(self) -> bool:
        """Send what is new and what was refused; whether all of it was taken."""
        fresh = self._account.after(self._last)
        if fresh:
            self._last = fresh[-1].number
        self._waiting += [event for event in fresh if event.type in ENDPOINT]
        while self._waiting:
            if not self._sent(self._waiting[0]):
                return False
            del self._waiting[0]
        return True

    def _sent(self, event: Event) -> bool:
        body = self._account.payload(event)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": self._account.sign(body, self._door.secret, _clock()),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            answer = self._client.post(self._door.hook, content=body, headers=headers)
        except httpx.TransportError:
            return False
        return answer.is_success


def _expect(asked: queue.SimpleQueue[Command], kind: type[C]) -> C:
    """Wait for a command; no other one can come then."""
    command = asked.get()
    assert isinstance(command, kind)
    return command


def _listen(asked: queue.SimpleQueue[Command]) -> None:
    source: IO[bytes] = sys.stdin.buffer
    for line in source:
        asked.put(_commands.decode(line))
    os._exit(0)  # whoever started this is gone, or wants it gone


if __name__ == "__main__":
    main()
