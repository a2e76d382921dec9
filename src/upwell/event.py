"""The event, the delivery that brought it, and the columns that events travel in.

`GrowthEvent` is the public form (docs/reference/event.md). Inside, events move as Arrow tables of
`SCHEMA`: a delivery of a thousand events is one table, never a thousand objects.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec
import pyarrow as pa

from upwell.billing import Record

EventType = Literal[
    "revenue",
    "refund",
    "fee",
    "subscription",
    "trial",
    "payment_failed",
    "payment_recovered",
    "churn",
    "signup",
    "activation",
    "session",
    "page_view",
    "engagement",
    "kpi",
    "report",
    "spend",
    "identify",
    "merge",
    "unmerge",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
MONEY_TYPES = frozenset({"revenue", "refund", "fee", "spend", "subscription"})
NOT_ACTIVITY = frozenset({"report", "identify", "merge", "unmerge"})  # no use by a person
NEEDS_ACTOR = frozenset(
    {"signup", "activation", "churn", "subscription", "trial", "identify", "merge", "unmerge"}
)
# What a key that anybody can read may send: anybody could make up the rest.
PUBLIC_TYPES = frozenset(
    {"signup", "activation", "session", "page_view", "engagement", "identify", "merge"}
)
UNASSIGNED = "unassigned"  # the built-in product of pulled rows that map to none

DIMENSIONS = ("plan", "country", "channel", "reason", "name")
"""Metadata keys that every sum is kept by; other keys are answered by a bounded scan."""

MAX_ID = 1024
# 1970 to 2200: outside, the unit was mistaken. The first day is left out: in no zone is a day
# negative then, and a time of 0 is one that was never set.
EARLIEST, LATEST = 86_400_000_000, 7_258_118_400_000_000
SECONDS_BELOW = 100_000_000_000  # epoch numbers from here on are milliseconds
MAX_METADATA_KEYS = 255
MAX_METADATA_BYTES = 32 * 1024
MAX_BODY = 20 * 1024 * 1024
FUTURE = dt.timedelta(hours=1)

Scalar = str | int | float | bool | None


class GrowthEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to one product; value is exact, times are UTC."""

    product_id: str
    event_type: str
    timestamp: dt.datetime
    value: Decimal = Decimal(1)
    currency: str | None = None
    source: str | None = None
    actor_id: str | None = None
    idempotency_key: str | None = None
    metadata: dict[str, Scalar] = {}


DeliveryKind = Literal[
    "events", "import", "sdk", "stripe", "pull", "config", "identity",
    "retract", "restore", "retranslate", "erasure", "close",
]  # fmt: skip


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes as they came: what the journal keeps and `translate` reads.

    `seq` is 0 until the journal has numbered it; `received_at` is UTC microseconds; `about` holds
    what the door already decided (rejected indexes, the import's mapping), never the events.
    """

    seq: int = 0
    kind: DeliveryKind = "events"
    source: str
    received_at: int
    about: dict[str, Any] = {}
    body: bytes = b""


SCHEMA = pa.schema(
    [
        pa.field("idx", pa.int32(), nullable=False),
        pa.field("product", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("ts", pa.int64(), nullable=False),  # UTC microseconds
        pa.field("actor", pa.string()),
        pa.field("value", pa.decimal128(38, 9), nullable=False),
        pa.field("currency", pa.string()),
        pa.field(
            "key", pa.string()
        ),  # null: none was given; the loop names it by delivery and index
        pa.field("metadata", pa.string()),  # the flat JSON object as it came, or null
        *(pa.field(name, pa.string()) for name in DIMENSIONS),
        pa.field(
            "corrected", pa.bool_(), nullable=False
        ),  # time shifted by clock, or from the future
    ]
)


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a request that was not taken, and what to change."""

    index: int
    code: str
    message: str
    fix: str


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was kept but could not be used; shown with its reason and replayable."""

    seq: int
    idx: int
    source: str
    code: str
    reason: str
    recorded_at: int


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is counted though something about it is not known; `object` is its own id."""

    seq: int
    idx: int
    source: str
    code: str
    reason: str
    object: str
    recorded_at: int


@dataclass(frozen=True, slots=True)
class Translated:
    """What `translate(delivery)` yields: columns of events, and what could not be used.

    `records` are what billing sources say beyond events: states of subscriptions, customers, cash.
    `doubts` name what of it is counted though something is not known; `unknown` counts what no
    number needs.
    """

    events: pa.Table
    dead: tuple[DeadLetter, ...] = ()
    records: tuple[Record, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()


class Position(msgspec.Struct, frozen=True, order=True):
    """How far a reader of the journal has come: shard and sequence; opaque to clients."""

    shard: int
    seq: int

    def __str__(self) -> str:
        return f"{self.shard}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position written by `str`; raises ValueError for anything else."""
        shard, _, seq = text.partition("-")
        return cls(int(shard), int(seq))


class Touched(msgspec.Struct, frozen=True):
    """One (product, event type, local day) whose sums a commit changed."""

    product: str
    type: str
    day: int


class Change(msgspec.Struct, frozen=True):
    """What one commit of the loop changed; published after the commit, never before.

    `quiet` marks history (imports, back-fills, rebuilds): pages move, alerts stay silent.
    """

    position: Position
    recorded_at: int
    touched: frozenset[Touched]
    sample: tuple[dict[str, Any], ...] = ()  # newest few events of the commit, for the Live page
    events: int = 0
    quiet: bool = False
    refolded: bool = False  # any number may have changed, not only those touched


def pointer(key: str) -> str:
    """The JSON pointer of a metadata key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
