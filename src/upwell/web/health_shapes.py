"""What is told of the health of a source, and asked for when it is to be read again."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec


class DayCount(msgspec.Struct, frozen=True, kw_only=True):
    """Events that happened on a local day."""

    day: dt.date
    events: int


class EventCount(msgspec.Struct, frozen=True, kw_only=True):
    """An event type of a source, or the name of an engagement."""

    name: str
    type: str
    events: int
    first_seen: dt.date
    last_seen: dt.date


class FieldSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A field of an event: its type, when it was seen, and a value of it as JSON."""

    event: str
    field: str
    type: str
    first_seen: dt.datetime
    last_seen: dt.datetime
    example: str


DriftKind = Literal["new_field", "vanished_field", "changed_type", "volume", "silent"]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a source's events that is not as it was, until somebody has seen it.

    `id` is what to acknowledge; `text` says what changed, `example` is a value as JSON or ''.
    """

    id: str
    kind: DriftKind
    event: str
    field: str
    text: str
    since: dt.datetime
    example: str


class Unusable(msgspec.Struct, frozen=True, kw_only=True):
    """Records of a source that could not be used for one reason; the newest stands for them.

    `fix` is what to change; `record` is the raw record, cut at 4 KiB.
    """

    code: str
    reason: str
    fix: str
    records: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    seq: int
    idx: int
    record: str


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One source in detail: 90 days of events, which ones, their fields, and what is wrong."""

    source: str
    volumes: tuple[DayCount, ...]
    events: tuple[EventCount, ...]
    fields: tuple[FieldSeen, ...]
    drift: tuple[Drift, ...]
    unusable: tuple[Unusable, ...]


class Reset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first day that is read again."""

    to: str


class ReadAgain(msgspec.Struct, frozen=True, kw_only=True):
    """What is read again; `reading` False: it is paused, and will be."""

    source: str
    to: str
    listed: tuple[str, ...]
    reading: bool


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which records to try again; what is left out is not narrowed."""

    source: str | None = None
    code: str | None = None
    delivery: int | None = None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many records were tried, how many still cannot be used, how many events that added."""

    tried: int
    still_unusable: int
    added: int
