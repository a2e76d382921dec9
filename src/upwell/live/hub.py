"""The hub: every open page's watches, asked again when the loop commits, told at a bounded pace.

`publish` may be called from any thread; everything else happens on the event loop, except the
asking, which runs in small pools: sums in one, what does not add in another, so that a slow count
of different people never holds up a sum, and first pictures of sums in a third, so that a page that
opens does not hold up what moves on the others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from traceback import format_exc, format_exception
from typing import Any, TypeVar

import msgspec
import structlog

from upwell.access import Viewer
from upwell.errors import Problem, UpwellError
from upwell.event import Change
from upwell.live import frames
from upwell.live.connection import Connection, Meter
from upwell.live.frames import Status
from upwell.live.notices import Notices
from upwell.live.picture import WHOLE, Span, touches
from upwell.live.watch import Subject, Told, Watch, ask_again, key_of
from upwell.metrics.catalog import CATALOG, Metric
from upwell.query import Ask

log = structlog.get_logger(__name__)
T = TypeVar("T")

BROKEN = Problem(
    code="internal",
    message="This could not be answered because of a mistake in Upwell.",
    fix="The server's log says more.",
)
MANY_TOUCHES = 2_000  # a commit of history touches years of days: grouped beside the event loop


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often things are told, in seconds, and how much of a core asking may take."""

    frame: float = 0.05  # 20 times a second
    asking: float = 0.4  # of one core, for sums
    telling: float = 0.3  # of one core
    dear_least: float = 0.25  # what does not add is asked again no sooner than this …
    dear_most: float = 5.0  # … and no later, however long it takes
    dear_rest: float = 20.0  # … in between, after this many times the time it took
    sweep: float = 60.0  # everything is asked again, for what the clock alone moves
    retry: float = 5.0  # after something was unavailable
    patience: float = 1.0  # with a sum, before the others are asked again without it
    linger: float = 60.0  # a picture nobody watches is kept for a reconnect
    feed: float = 0.25
    status: float = 0.5


class Hub:
    """Who watches what; `start` it on the event loop that serves the sockets."""

    def __init__(
        self,
        ask: Ask,
        *,
        status: Callable[[], Status] = Status,
        alerts: Callable[[Viewer], Any] | None = None,
        pace: Pace | None = None,
        catalogue: Callable[[], Mapping[str, Metric]] = lambda: CATALOG,
    ) -> None:
        self._catalogue = catalogue
        self.pace = pace or Pace()
        self.marks = frames.Marks()
        self.connections: set[Connection] = set()
        self.subjects: dict[bytes, Subject] = {}
        self._ask = ask
        self._tick = 0
        self._joined = 0
        self._given: dict[int, dict[str, tuple[bytes, int]]] = {}  # by connection's number
        self._left: dict[int, float] = {}  # when connections went away; oldest first
        self._arrived: list[Change] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._quick = ThreadPoolExecutor(2, "live-sums")
        self._first = ThreadPoolExecutor(1, "live-first")
        self._slow = ThreadPoolExecutor(1, "live-rest")
        self._asking = 0.0  # seconds spent on sums in this round
        self._telling = Meter()
        self._notices = Notices(self.connections, self._quick, status, alerts)

    async def start(self) -> None:
        """Begin to tell; once, on the loop that serves the sockets."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        self._spawn(self._rounds())
        self._spawn(self._every(self.pace.feed, self._notices.tell_feed))
        self._spawn(self._every(self.pace.status, self._notices.tell_status))

    async def stop(self) -> None:
        """Stop asking and telling; open sockets are the server's to close."""
        with self._lock:
            self._loop = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pool in (self._quick, self._first, self._slow):
            pool.shutdown(wait=False, cancel_futures=True)

    def publish(self, change: Change) -> None:
        """Hear of a commit; from any thread, quick."""
        with self._lock:
            self._arrived.append(change)
            if self._loop is not None and len(self._arrived) == 1:
                self._loop.call_soon_threadsafe(self._awake.set)

    def alerts_changed(self) -> None:
        """Hear that an alert was opened, changed or closed; from any thread, quick."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._tell_alerts)

    # Readers

    def join(self, viewer: Viewer) -> Connection:
        """A new reader; `leave` must follow."""
        self._joined += 1
        connection = Connection(self._joined, viewer, self.marks, self._telling)
        self.connections.add(connection)
        self._given[connection.number] = connection.given
        self._notices.greet(connection)
        self._tell_alerts(connection)
        return connection

    def leave(self, connection: Connection) -> None:
        """A reader went away; what it held is remembered for its return."""
        self.connections.discard(connection)
        self._given[connection.number] = dict(connection.given)
        self._left[connection.number] = self._now()
        for id_ in list(connection.watches):
            self._unwatch(connection, id_)

    def watch(
        self,
        connection: Connection,
        watches: Iterable[Watch],
        *,
        since: str | None = None,
        feed: bool = False,
        batch: bool = False,
    ) -> None:
        """Replace what a reader watches.

        With a mark in `since`, pictures that this reader (or the lost connection that the mark
        comes from) was shown and that have not moved since are not sent again; without one, all
        are.
        """
        wanted = {watch.id: watch.question for watch in watches}
        mark = self.marks.read(since)
        given = {} if mark is None else self._given.get(mark.number, {})
        connection.batch = batch
        if feed and not connection.feed:
            self._notices.show_feed(connection)
        connection.feed = feed
        for id_ in connection.watches.keys() - wanted.keys():
            self._unwatch(connection, id_)
        for id_, question in wanted.items():
            key = key_of(question, connection.viewer)
            held = connection.watches.get(id_)
            if held is not None and held.key == key:
                if mark is None and held.picture is not None:
                    self._show(connection, id_, held)
                continue
            if held is not None:
                self._unwatch(connection, id_)
            try:
                subject = self.subjects.get(key) or Subject.of(
                    question, connection.viewer, self._catalogue()
                )
            except UpwellError as error:
                connection.fail(error.problem, id_)
            else:
                of, at = given.get(id_, (b"", 0))
                seen = mark.tick if mark is not None and of == key and at <= mark.tick else None
                self._attach(connection, id_, subject, seen)

    def _attach(self, connection: Connection, id_: str, subject: Subject, seen: int | None) -> None:
        """Let a reader watch; `seen` is when it had this picture, None where it never had it."""
        self.subjects[subject.key] = subject
        subject.watchers.add((connection, id_))
        subject.left_at = None
        connection.watches[id_] = subject
        if subject.picture is None:
            if not subject.busy:
                self._start(subject, whole=True)
        elif seen is None or subject.tick > seen:
            self._show(connection, id_, subject)
        else:
            connection.given[id_] = (subject.key, seen)

    def _show(self, connection: Connection, id_: str, subject: Subject) -> None:
        """Send the whole picture, at a tick of its own: until it is taken no mark passes it."""
        self._tick += 1
        connection.put(id_, subject, None, "", self._tick)

    def _unwatch(self, connection: Connection, id_: str) -> None:
        connection.drop(id_)
        subject = connection.watches.pop(id_)
        subject.watchers.discard((connection, id_))
        if not subject.watchers:
            subject.left_at = self._now()
            if subject.picture is None:
                self.subjects.pop(subject.key, None)

    # Rounds: what was touched is asked again and told

    async def _rounds(self) -> None:
        patience = 0.0
        while True:
            try:
                async with asyncio.timeout(patience):
                    await self._awake.wait()
            except TimeoutError:
                pass  # nothing came: look after what the clock moves
            self._awake.clear()
            try:
                patience = await self._round(self._now())
            except Exception:  # noqa: BLE001 - whatever it is, pages hear of the next commit
                log.error("live_round_failed", trace=format_exc())
                patience = self.pace.retry
                for subject in self.subjects.values():
                    subject.fresh_until = 0.0  # what it had taken in is lost: everything is asked

    async def _round(self, started: float) -> float:
        """Ask what is due, rest, and say how long nothing else will be due."""
        self._asking = 0.0
        await self._absorb()
        sums, patience = self._start_due(started)
        looked = self._now() - started
        if sums:
            await asyncio.wait(sums, timeout=self.pace.patience)
        # Where nothing was touched no frame follows: the next commit is looked at almost at once.
        await self._rest(started, self.pace.frame if sums else looked / self.pace.telling)
        return patience

    async def _rest(self, started: float, least: float) -> None:
        """Asking and telling take their share of a core and no more: the dearer, the rarer."""
        telling = 0.0
        while True:
            telling += self._telling.take()
            dearest = max(self._asking / self.pace.asking, telling / self.pace.telling)
            rest = started + max(least, dearest) - self._now()
            if rest <= 0:
                return
            await asyncio.sleep(min(rest, self.pace.frame))

    async def _absorb(self) -> None:
        """Find the questions that the commits since the last round have touched."""
        with self._lock:
            changes, self._arrived = self._arrived, []
        if not changes:
            return
        self._notices.hear(changes, self._now())
        if sum(len(change.touched) for change in changes) > MANY_TOUCHES:
            touched = await self._in(self._quick, lambda: touches(changes))
        else:
            touched = touches(changes)
        everything = any(change.refolded for change in changes)
        for subject in list(self.subjects.values()):
            if subject.touch(touched, everything) and subject.left_at is not None:
                del self.subjects[subject.key]  # moved unseen: nobody can resume on it

    def _start_due(self, now: float) -> tuple[list[asyncio.Task[None]], float]:
        """Start asking what is due: the sums of this round, and the seconds until more is due."""
        sums: list[asyncio.Task[None]] = []
        rest = 1.0
        while self._left and now - next(iter(self._left.values())) > self.pace.linger:
            number = next(iter(self._left))
            del self._left[number], self._given[number]
        for subject in list(self.subjects.values()):
            if subject.left_at is not None:
                if now - subject.left_at > self.pace.linger:
                    del self.subjects[subject.key]
                continue
            stale = now >= subject.fresh_until
            if subject.busy or not (stale or subject.span):
                continue
            if now < subject.due:
                rest = min(rest, subject.due - now)
                continue
            asking = self._start(subject, whole=stale)
            if subject.cheap:
                sums.append(asking)
        return sums, rest

    def _start(self, subject: Subject, *, whole: bool) -> asyncio.Task[None]:
        return self._spawn(self._refresh(subject, subject.begin(whole)))

    async def _refresh(self, subject: Subject, span: Span) -> None:
        ask, old = self._ask, subject.picture
        pool = self._slow if not subject.cheap else self._quick if old else self._first
        try:
            told = await self._in(
                pool,
                lambda: ask_again(ask, subject.question, subject.viewer, subject.metric, old, span),
            )
        except Exception:  # noqa: BLE001 - a mistake in one question must not stop the others
            # Text, not exc_info: pretty tracebacks print local variables.
            log.error("live_question_failed", metric=subject.question.metric, trace=format_exc())
            told = Told(old, None, "", BROKEN)
        finally:
            subject.busy = False
        now = self._now()
        if subject.cheap:
            # A first picture was asked for by a reader: no round has to rest for it.
            self._asking += told.cpu if old is not None else 0.0
        else:
            rest = max(told.seconds * self.pace.dear_rest, self.pace.dear_least)
            subject.due = now + min(rest, self.pace.dear_most)
        if told.problem is not None:
            subject.fresh_until = now + self.pace.retry
        elif span == WHOLE:
            subject.fresh_until = now + self.pace.sweep
        if subject.span is not None:
            self._awake.set()  # touched while it was asked
        self._tell(subject, told)

    def _tell(self, subject: Subject, told: Told) -> None:
        """Hand the outcome to everyone who watches; encoded once, however many they are."""
        if told.problem is not None:
            self._tell_problem(subject, told.problem, told.final)
            return
        mended = subject.problem is not None
        subject.problem = None
        subject.picture = told.picture
        if told.nothing and not mended:
            return
        self._tick += 1
        subject.tick = self._tick
        moved = None if mended else told.moved  # after an error the picture itself is due
        began = time.thread_time()
        for connection, id_ in subject.watchers:
            connection.put(id_, subject, moved, told.body, self._tick)
        self._telling.seconds += time.thread_time() - began

    def _tell_problem(self, subject: Subject, problem: Problem, final: bool) -> None:
        if problem != subject.problem:
            for connection, id_ in subject.watchers:
                connection.fail(problem, id_)
        subject.problem = problem
        if final:  # asking again would change nothing
            for connection, id_ in list(subject.watchers):
                connection.watches.pop(id_)
            subject.watchers.clear()
            self.subjects.pop(subject.key, None)

    # Threads and timers

    def _tell_alerts(self, only: Connection | None = None) -> None:
        self._spawn(self._notices.tell_alerts(only))

    async def _every(self, seconds: float, tell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await tell()
            except Exception:  # noqa: BLE001 - logged; the next turn may succeed
                log.error("live_notice_failed", trace=format_exc())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("live_task_failed", trace="".join(format_exception(error)))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
