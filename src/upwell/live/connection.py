"""One reader: what it watches, and what it has not been sent yet, bounded and coalesced per watch.

However slowly it reads, at most one entry a watch waits: movements that pile up become one
movement, or the whole picture where one was due anyway.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from upwell.access import Viewer
from upwell.errors import Problem
from upwell.live import frames
from upwell.live.picture import Moved
from upwell.live.watch import Subject

NEVER = 1 << 62
GROUP = 64 * 1024  # characters handed over at once: what is not, may still be coalesced
BLOCKED = 0.01  # seconds; where sending has to wait, others' work is on this clock too


class Waiting:
    """What one watch has not been sent: its whole picture (`moved` None) or a movement."""

    __slots__ = ("body", "moved", "subject")

    def __init__(self, subject: Subject, moved: Moved | None, body: str) -> None:
        self.subject = subject
        self.moved = moved
        self.body = body  # the shared encoding; "" where it has to be made for this reader

    def add(self, moved: Moved | None) -> None:
        """Take a later movement in; None asks for the whole picture."""
        if self.moved is not None:
            self.moved = None if moved is None else self.moved.then(moved)
            self.body = ""

    def text(self) -> str:
        """The body to send now."""
        if self.moved is None:
            return self.subject.snapshot()
        return self.body or frames.moved_body(self.moved)


class Meter:
    """Seconds of this thread that telling has taken, over all readers."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def take(self) -> float:
        """The seconds since the last time."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds


class Connection:
    """A socket as the hub sees it; touched only from the event loop."""

    def __init__(self, number: int, viewer: Viewer, marks: frames.Marks, meter: Meter) -> None:
        self.number = number
        self.viewer = viewer
        self.feed = False
        self.batch = False
        self.watches: dict[str, Subject] = {}
        self.given: dict[str, tuple[bytes, int]] = {}  # whose picture each watch got, and when
        self._marks = marks
        self._meter = meter
        self._heads: dict[str, str] = {}
        self._waiting: dict[str, Waiting] = {}
        self._notices: dict[str, str] = {}
        self._awake = asyncio.Event()
        self._floor = NEVER  # the oldest movement that waits
        self._told = 0  # the newest movement that was put here

    def put(self, id_: str, subject: Subject, moved: Moved | None, body: str, tick: int) -> None:
        """A movement of a watch, or (`moved` None) its whole picture, made at `tick`."""
        waiting = self._waiting.get(id_)
        if waiting is None:
            self._waiting[id_] = Waiting(subject, moved, body)
        else:
            waiting.add(moved)
        if moved is None:
            self.given.setdefault(id_, (subject.key, tick))
        self._floor = min(self._floor, tick)
        self._told = max(self._told, tick)
        self._awake.set()

    def drop(self, id_: str) -> None:
        """Forget all of a watch that is not wanted any more."""
        self._waiting.pop(id_, None)
        self._notices.pop(f"error {id_}", None)
        self._heads.pop(id_, None)
        self.given.pop(id_, None)

    def note(self, kind: str, text: str) -> None:
        """A frame of no watch; a newer one of its kind takes the place of one that waits."""
        self._notices[kind] = text
        self._awake.set()

    def fail(self, problem: Problem, watch: str | None = None) -> None:
        """Tell what was not taken."""
        self.note(f"error {watch or ''}", frames.error_frame(problem, watch))

    @property
    def waiting(self) -> int:
        """How many frames wait to be sent."""
        return len(self._waiting) + len(self._notices)

    async def messages(self) -> AsyncIterator[list[str]]:
        """What to send, as it comes: one frame a message, or all in one array for batches."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            while self._waiting or self._notices:
                began = time.thread_time()
                group = self._group()
                yield ["[" + ",".join(group) + "]"] if self.batch else group
                self._meter.seconds += min(time.thread_time() - began, BLOCKED)

    def _group(self) -> list[str]:
        """The next frames, each marked with what this reader will know once it has it."""
        group = list(self._notices.values())
        self._notices.clear()
        size = 0
        while self._waiting and size < GROUP:
            id_ = next(iter(self._waiting))
            waiting = self._waiting.pop(id_)
            if self._waiting:
                known = self._floor - 1
            else:
                known, self._floor = self._told, NEVER
            head = self._heads.get(id_) or self._heads.setdefault(id_, frames.head(id_))
            position = waiting.subject.picture.position if waiting.subject.picture else ""
            mark = self._marks.write(position, self.number, known)
            text = f'{head}{mark}",{waiting.text()}'
            size += len(text)
            group.append(text)
        return group
