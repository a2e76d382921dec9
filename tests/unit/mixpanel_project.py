"""A fake Mixpanel project, a clock that nobody waits for, and somebody who keeps what is read."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from upwell.billing import Origin
from upwell.demo.mixpanel import FakeMixpanel, Project, Recorded
from upwell.event import Delivery
from upwell.period import to_micros
from upwell.settings.schema import MixpanelSource
from upwell.sources.contract import Cursor, Opening, Page, Reader
from upwell.sources.mixpanel import KIND

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
TODAY = (NOON.date() - dt.date(1970, 1, 1)).days
AT = NOON.timestamp()
DAY = 86_400.0


class Wire(httpx.BaseTransport):
    """Answers of a fake without a socket, in pieces of any size; packed or as they are."""

    def __init__(self, fake: FakeMixpanel, piece: int = 4_096, packed: bool = True) -> None:
        self.fake, self.piece, self.packed = fake, piece, packed
        self.silent = False  # a connection that ends looks like an answer that does
        self.hosts: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.hosts.append(request.url.host)
        answer = self.fake.answer(
            request.url.path, request.url.query.decode(), request.headers.get("Authorization")
        )
        body: Iterator[bytes] = answer.body
        headers = {**answer.headers}
        if self.packed and answer.status == 200:
            headers["Content-Encoding"] = "gzip"
            body = _packed(body, whole=not answer.broken)
        return httpx.Response(
            answer.status,
            headers=headers,
            stream=_Pieces(body, self.piece, answer.broken and not self.silent),
        )


def _packed(body: Iterator[bytes], whole: bool) -> Iterator[bytes]:
    pack = zlib.compressobj(1, wbits=31)
    for piece in body:
        yield pack.compress(piece)
    yield pack.flush() if whole else pack.flush(zlib.Z_SYNC_FLUSH)


class _Pieces(httpx.SyncByteStream):
    def __init__(self, body: Iterator[bytes], size: int, broken: bool) -> None:
        self._body, self._size, self._broken = body, size, broken

    def __iter__(self) -> Iterator[bytes]:
        for block in self._body:
            for place in range(0, len(block), self._size):
                yield block[place : place + self._size]
        if self._broken:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete body")


class Reading:
    """A source that reads the fake, and the journal that its pages come to."""

    def __init__(
        self,
        folder: Path,
        project: Project,
        now: dt.datetime = NOON,
        zone: str = "UTC",
        client: Callable[[FakeMixpanel], httpx.Client] | None = None,
        **settings: Any,
    ) -> None:
        self.now = now
        self.fake = FakeMixpanel(project, lambda: self.now.timestamp(), zone=zone)
        given = {
            "project_id": self.fake.project_id,
            "username": self.fake.account[0],
            "secret": self.fake.account[1],
            "timezone": zone,
            **settings,
        }
        self.table = MixpanelSource(id="mp", product="mail", **given)
        self.wire = Wire(self.fake)
        self._client = client
        self._folder = folder
        self.pages: list[Page] = []
        self.cursor: Cursor | None = None
        self.stopped = False
        self._reader: Reader | None = None

    def opening(self) -> Opening:
        def connect(timeout: float) -> httpx.Client:
            if self._client is not None:
                return self._client(self.fake)
            return httpx.Client(transport=self.wire, timeout=timeout)

        return Opening(
            id="mp",
            settings=self.table,
            secret=lambda text: text,
            client=connect,
            reach=lambda _host, _port: None,
            folder=self._folder,
            sleep=self.later,
            stopping=lambda: self.stopped,
        )

    def later(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)

    def look(self, most: int | None = None) -> list[Page]:
        """Read what is due; left off after so many pages, where that is given."""
        if self._reader is None:
            self._reader = KIND.open(self.opening())
        found: list[Page] = []
        for page in self._reader.read(self.cursor, lambda: self.now):
            found.append(page)
            self.take(page)
            if most is not None and len(found) >= most:
                break
        return found

    def take(self, page: Page) -> None:
        """Keep a page as the app does: the cursor goes through JSON."""
        self.cursor = msgspec.json.decode(msgspec.json.encode(page.cursor))
        if page.keep or page.body:
            self.pages.append(page)

    def restart(self) -> None:
        """The process ends and begins again with what was kept."""
        self.close()
        self.cursor = self.pages[-1].cursor if self.pages else None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def counted(self) -> dict[str, dict[str, Any]]:
        """What all kept pages come to, each event once, by its key; lines that failed raise."""
        origin = Origin(
            id="mp", kind="mixpanel", product="mail", given=dict(KIND.given(self.table))
        )
        found: dict[str, dict[str, Any]] = {}
        for page in self.pages:
            at = to_micros(self.now)
            delivery = Delivery(kind="pull", source="mp", received_at=at, body=page.body)
            told = KIND.translate(delivery, origin, frozenset({"mail"}))
            assert not told.dead, told.dead[:3]
            for row in told.events.to_pylist():
                found.setdefault(row["key"], row)
        return found

    def numbers(self) -> list[int]:
        """The property `n` of all events counted, in order."""
        rows = (row for row in self.counted().values() if row["type"] not in ("identify", "merge"))
        return sorted(msgspec.json.decode(row["metadata"])["n"] for row in rows)


class Sender:
    """Sends numbered events to a project."""

    def __init__(self, project: Recorded) -> None:
        self.project = project
        self.sent = 0

    def send(self, at: float, arrived: float | None = None, **properties: Any) -> None:
        given = {"distinct_id": f"u{self.sent % 7}", "$insert_id": f"i{self.sent}", **properties}
        self.project.send("A", {**given, "n": self.sent}, at, arrived)
        self.sent += 1

    @property
    def all(self) -> list[int]:
        return list(range(self.sent))
