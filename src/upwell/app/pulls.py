"""Sources that are read: a thread for each, so that a slow or broken one hurts no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import structlog

from upwell.app import account, pulled
from upwell.app.account import Account
from upwell.app.connect import Link, Links
from upwell.app.house import House
from upwell.app.progress import Progress
from upwell.app.pulled import Pulled
from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.event import Delivery
from upwell.journal import Journal
from upwell.sources.contract import Clock, QuotaGone, SignIn, state_of
from upwell.sources.kinds import kind_named
from upwell.sources.stripe.fetch import Cursor

log = structlog.get_logger()

PATIENCE = 24 * 3600.0  # seconds that a sync waits for a server that reads the past
AGAIN = 300.0  # seconds until a source that was refused is tried again
UNREACHED = 60.0  # seconds until one that did not answer is, at most
FULL = 4  # deliveries that may wait to be counted before the past is read on

Backlog = Callable[[], tuple[int, int]]
"""The applied sequence and the newest one."""


class Stop:
    """A request to end, which cuts every wait short."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def __call__(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        """End soon."""
        self._asked.set()

    def sleep(self, seconds: float) -> None:
        """Wait, until it is to end at the most."""
        self._asked.wait(seconds)


def opened(
    link: Link, links: Links, journal: Journal, clock: Clock, backlog: Backlog, stop: Stop
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
        self._running: dict[str, _Runner] = {}
        self._stopped = False

    def start(self) -> None:
        """Read every source that is not paused."""
        for link in self._links.every():
            self.begin(link)

    def begin(self, link: Link) -> None:
        """Read a source from now on, with its newest settings."""
        self.end(link.id)
        if link.paused:
            return
        with self._lock:
            if not self._stopped:
                self._running[link.id] = _Runner(link, self._links, self._open)

    def _open(self, link: Link, stop: Stop) -> Account | Pulled:
        return opened(link, self._links, self._journal, self._clock, self._backlog, stop)

    def end(self, id_: str) -> None:
        """Read a source no more."""
        with self._lock:
            runner = self._running.pop(id_, None)
        if runner is not None:
            runner.stop()

    def again(self, link: Link, since: int) -> bool:
        """List a source again, as `again` says, and go on reading it."""
        with self._lock:
            runner = self._running.get(link.id)
        if runner is not None and not runner.stop():
            raise Unavailable(
                "still_reading",
                f"Source '{link.id}' waits for an answer.",
                fix="Try again in a minute.",
            )
        try:
            return again(self._journal, link, since, self._clock)
        finally:
            self.begin(link)

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
        for runner in runners:
            runner.stop()


class _Runner:
    def __init__(
        self, link: Link, links: Links, open_: Callable[[Link, Stop], Account | Pulled]
    ) -> None:
        self._link, self._links, self._open = link, links, open_
        self._stop = Stop()
        self._woken = threading.Condition()
        self._due = True
        self._looks = 0
        self.pull: Account | Pulled | None = None
        self._waiting: list[Delivery] = []
        self._thread = threading.Thread(target=self._run, name=f"pull {link.id}", daemon=True)
        self._thread.start()

    def heard(self, delivery: Delivery) -> None:
        with self._woken:
            if self.pull is None:
                self._waiting.append(delivery)
            elif self.pull.heard(delivery):
                self._due = True
                self._woken.notify_all()

    def sync(self, timeout: float) -> Iterator[Progress]:
        with self._woken:
            looks = self._looks
            self._due = True
            self._woken.notify_all()
        waited = 0.0
        while waited < timeout and not self._stop():
            with self._woken:
                if self._woken.wait_for(lambda: self._looks > looks, 0.5):
                    return
            waited += 0.5
            if self.pull is not None and self.pull.progress is not None:
                yield self.pull.progress

    def ask_to_stop(self) -> None:
        self._stop.ask()
        with self._woken:
            self._woken.notify_all()

    def stop(self) -> bool:
        """End the thread; whether it has ended."""
        self.ask_to_stop()
        self._thread.join(timeout=10)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop():
            pause = UNREACHED
            try:
                self._look()
                if self.pull is not None:
                    pause = self.pull.every
                self._links.went_well(self._link.id)
            except (Rejected, UpwellError) as error:
                if isinstance(error, SignIn):
                    self._close()  # where the key is kept may hold another one by then
                pause = _pause_after(error, pause)
                self._links.failed(self._link.id, state_of(error), error.problem.message)
            except Exception as error:  # noqa: BLE001 - one source hurts no other; it is tried again
                _failed_inside(self._links, self._link.id, error)
            with self._woken:
                self._looks += 1
                self._woken.notify_all()
                self._woken.wait_for(lambda: self._due or self._stop(), pause)
                self._due = False
        self._close()

    def _close(self) -> None:
        if self.pull is not None:
            self.pull.close()
        self.pull = None

    def _look(self) -> None:
        if self.pull is None:
            pull = self._open(self._link, self._stop)
            with self._woken:
                self.pull = pull
                for delivery in self._waiting:
                    pull.heard(delivery)
                self._waiting.clear()
        for number, _ in enumerate(self.pull.read()):
            if not number:  # the past may take hours, and nothing is wrong with it any more
                self._links.went_well(self._link.id)
            if self._stop():
                return


def _failed_inside(links: Links, id_: str, error: Exception) -> None:
    """Note a fault of the program, or of a package that adds a kind."""
    log.error("source not read", source=id_, error=repr(error))
    links.failed(id_, "inside", f"{type(error).__name__}: {error}")


def _pause_after(error: UpwellError, usual: float) -> float:
    """Seconds until a source that failed is tried again."""
    if isinstance(error, QuotaGone):
        return max(1.0, error.after)
    return AGAIN if isinstance(error, Rejected) else usual


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
        house.links.went_well(link.id)
    except UpwellError as error:
        house.links.failed(link.id, state_of(error), error.problem.message)
    except Exception as error:  # noqa: BLE001 - one source hurts no other
        _failed_inside(house.links, link.id, error)
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
