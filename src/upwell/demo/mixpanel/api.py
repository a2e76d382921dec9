"""The export as its contract has it: who may ask, for which days, how often; and its moods."""

from __future__ import annotations

import base64
import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import msgspec

from upwell.demo.mixpanel.packed import Packed
from upwell.demo.mixpanel.project import Project

PATH = "/api/2.0/export"
HOUR, CALLS, BURST = 3_600.0, 60, 3
_EPOCH = dt.date(1970, 1, 1)
FIRST = dt.date(2011, 7, 10)
MOST = 100_000
ENDED = b"export terminated early\n"
PLAINLY = {"from_date", "to_date", "time_in_ms"}  # asked for no more, days may come from files
PACKED = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}


@dataclass
class Whims:
    """What is to go wrong with the next answers.

    `down`: 503 for as long as it is set; `refuse`: status and message of all answers; `cut`: the
    next body ends after so many bytes, `how` "said" (under a 200, with the words that say so) or
    "hung up" (the connection ends); `split`: every so many-th record is split over two lines.
    """

    down: bool = False
    refuse: tuple[int, str] | None = None
    cut: int | None = None
    how: str = "said"
    split: int = 0
    retry_after: int | None = 120


class Answer(NamedTuple):
    """A status, and a body in pieces; `broken`: the connection ends behind it."""

    status: int
    body: Iterator[bytes]
    headers: Mapping[str, str] = {}
    broken: bool = False


class Call(NamedTuple):
    """A call that was answered: when (epoch seconds), for which days, with which status."""

    at: float
    first: str
    last: str
    status: int


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class FakeMixpanel:
    """A project behind its export; `clock` gives epoch seconds.

    One that is `Packed` is answered from its files, in milliseconds and without whims.
    `zone`: that of the dates, for projects made before 2023.
    """

    project: Project
    clock: Callable[[], float]
    zone: str = "UTC"
    project_id: str = "3141592"
    account: tuple[str, str] = ("reader.acme.mp-service-account", "account-secret")
    secret: str = "project-secret"
    limits: bool = True
    whims: Whims = field(default_factory=Whims)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def answer(self, path: str, query: str, authorization: str | None) -> Answer:
        """Answer one GET."""
        asked, now = dict(parse_qsl(query)), self.clock()
        with self._lock:
            refused = None
            try:
                days = self._judged(path, asked, authorization, now)
            except _Refused as error:
                refused = error
            status = refused.status if refused else 200
            self.calls.append(
                Call(now, asked.get("from_date", ""), asked.get("to_date", ""), status)
            )
            if refused:
                return self._refusal(refused)
            cut, self.whims.cut = self.whims.cut, None
        if isinstance(self.project, Packed) and asked.keys() == PLAINLY:
            return Answer(200, self.project.packed(*days, now), PACKED)
        lines = (
            line for day in range(days[0], days[1] + 1) for line in self.project.lines(day, now)
        )
        return self._given(_shown(lines, asked), cut)

    def _refusal(self, refused: _Refused) -> Answer:
        wait = self.whims.retry_after
        told = {"Retry-After": str(wait)} if refused.status == 429 and wait is not None else {}
        body = msgspec.json.encode({"error": refused.message, "status": "error"})
        return Answer(refused.status, iter([body]), {"Content-Type": "application/json", **told})

    def _given(self, lines: Iterator[bytes], cut: int | None) -> Answer:
        body: Iterator[bytes] = (line + b"\n" for line in lines)
        if self.whims.split:
            body = _split(body, self.whims.split)
        headers = {"Content-Type": "text/plain"}
        if cut is None:
            return Answer(200, body, headers)
        said = self.whims.how == "said"
        return Answer(200, _cut(body, cut, ENDED if said else b""), headers, broken=not said)

    def _judged(
        self, path: str, asked: dict[str, str], authorization: str | None, now: float
    ) -> tuple[int, int]:
        """The first and the last day that are asked for."""
        if self.whims.down:
            raise _Refused(503, "Service Unavailable")
        if path != PATH:
            raise _Refused(404, "Not found")
        self._sign_in(authorization, asked.get("project_id"))
        if self.whims.refuse:
            raise _Refused(*self.whims.refuse)
        self._within_limits(now)
        first, last = _day(asked, "from_date"), _day(asked, "to_date")
        today = dt.datetime.fromtimestamp(now, ZoneInfo(self.zone)).date()
        if first > last:
            raise _Refused(400, "from_date must be before to_date")
        if first < FIRST:
            raise _Refused(400, f"from_date cannot be before {FIRST}")
        if last > today:
            raise _Refused(400, f"to_date cannot be later than today: {last} > {today}")
        if int(asked.get("limit", "0")) > MOST:
            raise _Refused(400, f"limit cannot be greater than {MOST}")
        return (first - _EPOCH).days, (last - _EPOCH).days

    def _sign_in(self, authorization: str | None, project_id: str | None) -> None:
        kind, _, coded = (authorization or "").partition(" ")
        try:
            user, _, word = base64.b64decode(coded).decode().partition(":")
        except ValueError:
            user = word = ""
        if kind == "Basic" and (user, word) == (self.secret, ""):
            return
        if kind != "Basic" or (user, word) != self.account:
            raise _Refused(401, "Invalid credentials")
        if not project_id:
            raise _Refused(400, "project_id is required for service accounts")
        if project_id != self.project_id:
            raise _Refused(403, f"{user} is not a member of project {project_id}")

    def _within_limits(self, now: float) -> None:
        if not self.limits:
            return
        good = [call.at for call in self.calls if call.status == 200]
        if sum(now - at < 1.0 for at in good[-BURST:]) >= BURST:
            raise _Refused(429, "Query rate limit exceeded: 3 queries per second")
        if sum(now - at < HOUR for at in good[-CALLS:]) >= CALLS:
            raise _Refused(429, "Query rate limit exceeded: 60 queries per hour")


def _day(asked: dict[str, str], name: str) -> dt.date:
    if name not in asked:
        raise _Refused(400, f"Missing required parameter: {name}")
    try:
        return dt.datetime.strptime(asked[name], "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise _Refused(400, f"Invalid {name}: must be yyyy-mm-dd") from None


def _shown(lines: Iterator[bytes], asked: dict[str, str]) -> Iterator[bytes]:
    """The lines that were asked for; times are in seconds unless milliseconds are wanted."""
    limit = int(asked.get("limit", "0"))
    names = set(msgspec.json.decode(asked["event"])) if "event" in asked else None
    seconds = asked.get("time_in_ms", "false").lower() not in ("true", "1")
    for number, line in enumerate(lines):
        if limit and number >= limit:
            return
        if not seconds and names is None:
            yield line
            continue
        event: dict[str, Any] = msgspec.json.decode(line)
        if names is not None and event["event"] not in names:
            continue
        if seconds:
            event["properties"]["time"] //= 1_000
        yield msgspec.json.encode(event)


def _split(body: Iterator[bytes], every: int) -> Iterator[bytes]:
    for number, line in enumerate(body):
        middle = 1 + number * 31 % max(1, len(line) - 2)
        yield line[:middle] + b"\n" + line[middle:] if number % every == 0 else line


def _cut(body: Iterator[bytes], after: int, words: bytes) -> Iterator[bytes]:
    left = after
    for piece in body:
        if len(piece) > left:
            yield piece[:left]
            break
        left -= len(piece)
        yield piece
    yield words
