"""Reading a source of any kind: each page and the cursor behind it in one delivery.

`Pulled` asks no clock but the one it is given; it can be stopped after any page, or killed in the
middle of one, and goes on from the journal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import structlog
import xxhash

from upwell.app.progress import Progress
from upwell.event import Delivery
from upwell.period import to_micros
from upwell.sources.contract import Clock, Cursor, Kind, Page, Reader
from upwell.sources.kinds import of_others

_log = structlog.get_logger()

QUIET = dt.timedelta(hours=1)  # after which a cursor is kept though nothing new came


class Pages(Protocol):
    """Where pages are kept: the journal, or what stands before it."""

    def pulled(self, source: str) -> Delivery | None:
        """The newest delivery of a source that holds a cursor."""
        ...

    def append(self, deliveries: Sequence[Delivery]) -> list[int]:
        """Keep them; their numbers."""
        ...


class Pulled:
    """One source being read; `room` waits while much of the past waits to be counted."""

    def __init__(
        self,
        id_: str,
        kind: Kind,
        every: float,
        reader: Reader,
        journal: Pages,
        clock: Clock,
        room: Callable[[], None],
    ) -> None:
        self._id, self._kind, self.every = id_, kind, every
        self._reader, self._journal, self._clock, self._room = reader, journal, clock, room
        last = journal.pulled(id_)
        self.cursor: Cursor | None = last.about["pull"] if last else None
        self.complete_to: int | None = last.about.get("complete_to") if last else None
        self._kept_at = last.received_at if last else 0
        self._from = 0.0  # the share that was read when this reading began
        self.progress: Progress | None = None

    def heard(self, _: Delivery) -> bool:
        """Nothing is sent to a source that is only read."""
        return False

    def read(self) -> Iterator[Progress]:
        """All that is due, the live part first; a step a page."""
        began, rows = self._clock(), 0
        try:
            for page in self._reader.read(self.cursor, self._clock):
                if page.history:
                    self._room()
                self._take(page)
                rows += page.read
                self.progress = self._told(page, rows, began)
                if self.progress is not None:
                    yield self.progress
        finally:
            self.progress = None

    def close(self) -> None:
        """Close its connections."""
        try:
            self._reader.close()
        except Exception as error:  # noqa: BLE001 - it is done with; what it read is kept
            _log.error("source not closed", source=self._id, error=repr(error))

    def _take(self, page: Page) -> None:
        now = to_micros(self._clock())
        if page.complete_to is not None:
            self.complete_to = max(page.complete_to, self.complete_to or 0)
        quiet = now - self._kept_at > QUIET.total_seconds() * 1_000_000
        if page.keep or page.body or quiet:
            self._journal.append([self._delivery(page, now)])
            self._kept_at = now
        self.cursor = page.cursor

    def _delivery(self, page: Page, now: int) -> Delivery:
        about: dict[str, Any] = {**page.about, "of": self._kind.name, "pull": page.cursor}
        about["manifest"] = {
            "label": page.label,
            "rows": page.read,
            "new": page.rows,
            "hash": xxhash.xxh3_128_hexdigest(page.body),
        }
        if self.complete_to is not None:
            about["complete_to"] = self.complete_to
        about |= {name: True for name in ("history", "restates") if getattr(page, name)}
        return Delivery(kind="pull", source=self._id, received_at=now, about=about, body=page.body)

    def _told(self, page: Page, rows: int, began: dt.datetime) -> Progress | None:
        if not page.total:
            return None
        share = min(1.0, page.done / page.total)
        before = self.progress
        if before is None:
            self._from = share
        elapsed, done = (self._clock() - began).total_seconds(), share - self._from
        return Progress(
            source=self._id,
            label=page.label,
            done=page.done,
            total=page.total,
            rows=rows,
            rate=rows / elapsed if elapsed > 0 else 0.0,
            share=max(share, before.share if before else 0.0),
            seconds_left=elapsed / done * (1 - share) if done > 0.01 and elapsed > 1 else None,
        )


def again(journal: Pages, id_: str, kind: Kind, since: int, now: dt.datetime) -> bool:
    """Let everything since then (epoch seconds; 0: all) be read once more; False if none was."""
    last = journal.pulled(id_)
    if last is None:
        return False
    with of_others(kind.name):
        cursor = kind.again(last.about["pull"], since, int(now.timestamp()))
    kept = {name: last.about[name] for name in ("complete_to",) if name in last.about}
    about = {"of": kind.name, "pull": cursor, **kept}
    journal.append([Delivery(kind="pull", source=id_, received_at=to_micros(now), about=about)])
    return True
