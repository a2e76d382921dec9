"""What every reader is told beside its watches: what is arriving, how far behind, open alerts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import msgspec

from upwell.access import Viewer
from upwell.event import Change
from upwell.live import frames
from upwell.live.connection import Connection
from upwell.live.frames import Status
from upwell.live.watch import sight
from upwell.period import to_instant

RATE_WINDOW = 5.0  # seconds
SHOWN = 50  # events


class Notices:
    """Feed, status and alerts for a set of readers; on the event loop, asking in `pool`."""

    def __init__(
        self,
        connections: set[Connection],
        pool: Executor,
        status: Callable[[], Status],
        alerts: Callable[[Viewer], Any] | None,
    ) -> None:
        self._connections = connections
        self._pool = pool
        self._status = status
        self._alerts = alerts
        self._fresh: deque[dict[str, Any]] = deque(maxlen=SHOWN)
        self._latest: deque[dict[str, Any]] = deque(maxlen=SHOWN)
        self._counts: deque[tuple[float, int]] = deque()
        self._rate = 0.0
        self._last: Status | None = None

    def hear(self, changes: list[Change], now: float) -> None:
        """Take in what commits brought; history (`quiet`) is not news."""
        for change in changes:
            if not change.quiet:
                events = [_shown(event) for event in change.sample]
                self._fresh.extend(events)
                self._latest.extend(events)
                self._counts.append((now, change.events))

    def greet(self, connection: Connection) -> None:
        """What a new reader is told at once."""
        if self._last is not None:
            connection.note("status", _status_text(self._last, connection.viewer))

    def show_feed(self, connection: Connection) -> None:
        """The newest events, to a reader who begins to follow the feed."""
        _feed([connection], list(self._latest), self._rate)

    async def tell_feed(self) -> None:
        """What arrived since the last time, to those who follow the feed."""
        now = asyncio.get_running_loop().time()
        while self._counts and self._counts[0][0] <= now - RATE_WINDOW:
            self._counts.popleft()
        rate = round(sum(events for _, events in self._counts) / RATE_WINDOW, 1)
        events = list(self._fresh)
        self._fresh.clear()
        if not events and rate == self._rate:
            return
        self._rate = rate
        groups: dict[frozenset[str] | None, list[Connection]] = {}
        for connection in self._connections:
            if connection.feed:
                groups.setdefault(connection.viewer.products, []).append(connection)
        for readers in groups.values():
            _feed(readers, events, rate)

    async def tell_status(self) -> None:
        """The backlog and the back-fill, when they changed."""
        if not self._connections:
            return
        loop = asyncio.get_running_loop()
        status = await loop.run_in_executor(self._pool, self._status)
        last, self._last = self._last, status
        if last is not None and (last.backlog, last.backfill) == (status.backlog, status.backfill):
            return
        for connection in self._connections:
            connection.note("status", _status_text(status, connection.viewer))

    async def tell_alerts(self, only: Connection | None = None) -> None:
        """Open alerts as each viewer may see them, to one reader or to all."""
        if self._alerts is None:
            return
        groups: dict[object, list[Connection]] = {}
        for connection in list(self._connections) if only is None else [only]:
            groups.setdefault(sight(connection.viewer), []).append(connection)
        loop = asyncio.get_running_loop()
        for readers in groups.values():
            content = await loop.run_in_executor(self._pool, self._alerts, readers[0].viewer)
            text = frames.notice("alerts", content)
            for connection in readers:
                connection.note("alerts", text)


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    at = event.get("at")
    return {**event, "at": to_instant(at)} if isinstance(at, int) else event


def _feed(readers: list[Connection], events: list[dict[str, Any]], rate: float) -> None:
    products = readers[0].viewer.products
    seen = [event for event in events if products is None or event.get("product") in products]
    if products is not None and not seen:
        return
    # The rate counts every product, so only those who may see them all are told.
    content = {"events": seen, "per_second": rate if products is None else None}
    text = frames.notice("feed", content)
    for connection in readers:
        connection.note("feed", text)


def _status_text(status: Status, viewer: Viewer) -> str:
    if viewer.products is not None and status.backfill is not None:
        # What is being read may be named after a product outside this viewer's sight.
        backfill = msgspec.structs.replace(status.backfill, label="")
        status = msgspec.structs.replace(status, backfill=backfill)
    return frames.notice("status", status)
