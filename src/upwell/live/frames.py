"""What the server says over the live socket: each frame is one JSON object.

| frame | when |
|---|---|
| `{"id", "position", "answer"}` | a watch's picture: first, and when points cannot say it |
| `{"id", "position", "points", "totals", "as_of"}` | only what changed, to be laid over it |
| `{"feed": {"events", "per_second"}}` | what is arriving |
| `{"status": {"backlog", "backfill", "position"}}` | how far behind the journal the pages are |
| `{"alerts": …}` | alerts were opened, acknowledged or resolved |
| `{"error": {"code", "message", "fix", "where", "id"}}` | a watch or a message that was not taken |

The part of a frame that does not name the watch is encoded once and shared by all who watch.
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import msgspec

from upwell.errors import Problem
from upwell.live.picture import Moved
from upwell.query import Answer, Value

_encode = msgspec.json.Encoder(decimal_format="string").encode


class MovedPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One changed point with the series it belongs to."""

    key: str = msgspec.field()
    start: str = msgspec.field()
    value: Value = msgspec.field()
    complete: bool = msgspec.field()
    provisional: bool = False


class MovedBody(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of changed points, less its watch and position."""

    points: list[MovedPoint]
    totals: dict[str, Value]
    as_of: dict[str, str]


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """History that is being read: what, how much of how much."""

    label: str
    done: int
    total: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries wait to be applied, and the history that is being read."""

    backlog: int = 0
    backfill: Backfill | None = None
    position: str = ""


def moved_body(moved: Moved) -> str:
    """The changed points as JSON members, to stand after a frame's id and position."""
    points = [
        MovedPoint(
            key=key,
            start=point.start,
            value=point.value,
            complete=point.complete,
            provisional=point.provisional,
        )
        for (key, _), point in moved.points.items()
    ]
    body = MovedBody(points=points, totals=moved.totals, as_of=moved.as_of)
    return _encode(body).decode()[1:]


def answer_body(answer: Answer) -> str:
    """A whole answer as JSON members, to stand after a frame's id and position."""
    return '"answer":' + _encode(answer).decode() + "}"


def head(id_: str) -> str:
    """How every frame of a watch begins; its mark, a quote, a comma and a body follow."""
    return f'{{"id":{_encode(id_).decode()},"position":"'


def error_frame(problem: Problem, watch: str | None = None) -> str:
    """A failure in the one shape, with the watch it belongs to where there is one."""
    told = msgspec.structs.asdict(problem)
    return notice("error", told if watch is None else {**told, "id": watch})


def notice(kind: str, content: Any) -> str:
    """A frame that belongs to no watch."""
    return _encode({kind: content}).decode()


class Mark(NamedTuple):
    """What a reader knew: every movement up to `tick` of what the connection `number` watched."""

    number: int
    tick: int


class Marks:
    """Positions on the live socket: the answer's own, then who was told how much of this hub's.

    A client hands back the newest mark it saw, and whatever moved after it is sent again. Marks of
    another run of the server mean nothing, so each run has its own epoch.
    """

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(4)

    def write(self, position: str, number: int, tick: int) -> str:
        """The mark as clients see it; opaque to them."""
        return f"{position}@{self.epoch}.{number}.{tick}"

    def read(self, text: str | None) -> Mark | None:
        """The mark in a text of this run; None for any other text."""
        parts = (text or "").rpartition("@")[2].split(".")
        if len(parts) != 3 or parts[0] != self.epoch:
            return None
        if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts[1:]):
            return None
        return Mark(int(parts[1]), int(parts[2]))
