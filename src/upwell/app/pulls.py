"""Sources that are read: a thread for each, so that a slow or broken one hurts no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from upwell.app import account, pulled
from upwell.app.account import Account
from upwell.app.connect import Links
from upwell.app.house import House
from upwell.app.link import Link
from upwell.app.progress import Progress
from upwell.app.pulled import Pages, Pulled
from upwell.app.runner import LEAVING, Keeping, Runner, Stop, told
from upwell.event import Delivery
from upwell.journal import Journal
from upwell.sources.contract import Clock
from upwell.sources.kinds import kind_named
from upwell.sources.stripe.fetch import Cursor

PATIENCE = 24 * 3600.0  # seconds that a sync waits for a server that reads the past
FULL = 4  # deliveries that may wait to be counted before the past is read on

Backlog = Callable[[], tuple[int, int]]
"""The applied sequence and the newest one."""


def opened(
    link: Link, links: Links, journal: Pages, clock: Clock, backlog: Backlog, stop: Stop
) -> Account | Pulled:
    """A source, ready to be read from where it was left."""
    if link.kind == "stripe":
        return Account(link, links, links.calls(link, stop), journal, clock)
    kind = kind_named(link.kind)

    def room() -> None:
        while not stop():
            applied, newest = backlog()
            if newest - applied <= FULL:
                return
            stop.sleep(0.02)

    reader = kind.open(links.opening(link, stop, stop.sleep))
    return Pulled(link.id, kind, kind.promise(link.settings).every, reader, journal, clock, room)


class Pulls:
    """A thread for each source; `heard` and `wake` may be called from any other."""

    def __init__(self, links: Links, journal: Journal, clock: Clock, backlog: Backlog) -> None:
        self._links = links
        self._journal = journal
        self._clock = clock
        self._backlog = backlog
        self._lock = threading.Lock()
        self._running: dict[str, Runner] = {}
        self._stopped = False

    def start(self) -> None:
        """Read every source that is not paused."""
        for link in self._links.every():
            self.begin(link)

    def begin(self, link: Link) -> None:
        """Read a source from now on as it stands: with its newest settings, or not at all."""
        with self._lock:
            self._end(link.id)
            self._begin(link.id)

    def again(self, link: Link, since: int) -> bool:
        """List a source again, as `again` says, and go on reading it."""
        with self._lock:
            self._end(link.id)
            try:
                return again(self._journal, link, since, self._clock)
            finally:
                self._begin(link.id)

    def _begin(self, id_: str) -> None:
        link = self._links.find(id_)  # whoever changed it last may not be who comes last
        if not self._stopped and not link.paused:
            self._running[id_] = Runner(link, self._links, self._open)

    def _open(self, link: Link, stop: Stop) -> Account | Pulled:
        journal = Keeping(self._journal, stop)
        return opened(link, self._links, journal, self._clock, self._backlog, stop)

    def _end(self, id_: str) -> None:
        runner = self._running.pop(id_, None)
        if runner is not None:
            runner.stop()

    def heard(self, delivery: Delivery) -> None:
        """A webhook was journaled."""
        runner = self._running.get(delivery.source)
        if runner is not None:
            runner.heard(delivery)

    def progress(self, id_: str) -> Progress | None:
        """How far the past of a source was read; None where it is whole."""
        runner = self._running.get(id_)
        return runner.pull.progress if runner is not None and runner.pull else None

    def complete_to(self, id_: str) -> int | None:
        """The moment (UTC microseconds) up to which all of a source is here; None: not known."""
        runner = self._running.get(id_)
        if runner is not None and runner.pull is not None:
            return runner.pull.complete_to
        last = self._journal.pulled(id_)
        if last is None:
            return None
        if last.kind == "stripe":
            cursor = msgspec.convert(last.about["pull"], Cursor)
            return cursor.seen_at * 1_000_000 if cursor.following else None
        found: int | None = last.about.get("complete_to")
        return found

    def sync(self, id_: str, timeout: float) -> Iterator[Progress]:
        """Look now, and tell how it goes until everything is read."""
        runner = self._running.get(id_)
        if runner is not None:
            yield from runner.sync(timeout)

    def stop(self) -> None:
        """End all of them."""
        with self._lock:
            self._stopped = True
            runners = list(self._running.values())
            self._running.clear()
        for runner in runners:
            runner.ask_to_stop()
        until = time.monotonic() + LEAVING
        for runner in runners:
            runner.stop(max(0.0, until - time.monotonic()))


def again(journal: Journal, link: Link, since: int, clock: Clock) -> bool:
    """Read a source once more at the next look, from `since` (epoch seconds, 0: the beginning) on.

    Whether anything of it was read before.
    """
    if link.kind == "stripe":
        return account.again(journal, link, since, clock())
    return pulled.again(journal, link.id, kind_named(link.kind), since, clock())


def syncing(
    house: House, link: Link, pulls: Pulls | None, since: int | None
) -> Iterator[dict[str, Any]]:
    """Read one source until everything is here, a step of progress a page.

    `since` (epoch seconds; None: where it left off) lists it again, as `again` says. Where a
    server reads it already, that one is asked to look now.
    """
    if since is not None and pulls is None:
        again(house.journal, link, since, house.clock)
    elif since is not None and pulls is not None:
        pulls.again(link, since)
    if pulls is not None:
        for one in pulls.sync(link.id, PATIENCE):
            yield _step(one)
        return
    found: Account | Pulled | None = None
    try:
        found = opened(link, house.links, house.journal, house.clock, house.flow.backlog, Stop())
        for one in found.read():
            yield _step(one)
        told(house.links, link.id, None)
    except Exception as error:  # noqa: BLE001 - one source hurts no other
        told(house.links, link.id, error)
    finally:
        if found is not None:
            found.close()


def _step(one: Progress) -> dict[str, Any]:
    left = "" if one.seconds_left is None else f", about {clock_words(one.seconds_left)} left"
    label = f"{one.source}: {one.label} ({one.done} of {one.total}{left})"
    return {"label": label, "done": int(one.share * 100), "total": 100, "of": "share"}


def clock_words(seconds: float) -> str:
    """A span of time as people say it."""
    minutes = round(seconds / 60)
    return f"{round(seconds)} s" if minutes < 1 else f"{minutes} min"
