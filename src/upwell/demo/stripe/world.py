"""The state of one fake account: what it remembers, what it has sent, and what falls due.

Objects are plain dicts in the shapes of Stripe's API reference. A value inside one is replaced,
never changed in place, so that a snapshot and `previous_attributes` tell the truth.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]

DAY = 86_400
HOUR = 3_600
MEMORY = 30 * DAY  # https://docs.stripe.com/api/events: events are accessible for 30 days
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [_ALPHABET[i // 62 % 62] + _ALPHABET[i % 62] for i in range(4096)]
_STRIDE = 0x5DEECE66D9  # ids of events do not tell their order
_SHORT = {"cus": 14, "prod": 14, "si": 14}
NOTHING: list[Any] = []  # shared, because nothing is changed in place
_encode = msgspec.json.Encoder().encode

Hears = Callable[[str, Json, Json | None], bool]
"""Of a type, an object as it stands and what it was before: whether the event is written down."""


class Refused(ValueError):
    """Something that Stripe would not do: the object is not in a state for it."""


class Event(NamedTuple):
    """One event as it happened: `body` is the object's JSON at that moment."""

    number: int  # 0, 1, 2 … in the order they happened; Stripe does not show it
    id: str
    type: str
    created: int
    body: bytes
    previous: bytes | None  # `previous_attributes`, where it tells of a change

    @property
    def object(self) -> Json:
        """The object as it stood then."""
        found: Json = msgspec.json.decode(self.body)
        return found


class Table:
    """Objects of one kind in the order they were created."""

    def __init__(self) -> None:
        self.rows: dict[str, Json] = {}
        self.ids: list[str] = []
        self.place: dict[str, int] = {}

    def add(self, row: Json) -> None:
        identity = row["id"]
        self.place[identity] = len(self.ids)
        self.ids.append(identity)
        self.rows[identity] = row

    def drop(self, gone: Collection[str]) -> None:
        """Let these be as if they had never been."""
        if gone:
            self.rows = {name: row for name, row in self.rows.items() if name not in gone}
            self.ids = list(self.rows)
            self.place = {name: place for place, name in enumerate(self.ids)}


class World:
    """One account. `now` is in seconds and moves only by `run`."""

    def __init__(
        self, *, now: int, seed: int, livemode: bool, api_version: str, archive: bool
    ) -> None:
        self.now = now
        self.marks = False  # whether payments carry their subscription's metadata
        self.hears: Hears | None = None  # which events are written down; None: all
        self.livemode = livemode
        self.scrambled = False  # whether the list of events has no order within a second
        self.api_version = api_version
        self.random = random.Random(f"stripe-{seed}")
        self.account = "acct_1" + self._letters(16)
        self._middle = self.account[-10:]
        self._stamp = (-1, "")  # a second and how ids of that second begin
        self.tables: dict[str, Table] = {}
        self.handlers: dict[str, Callable[[str], None]] = {}
        self.cards: dict[str, str | None] = {}  # customer -> "ok", a decline code, or no card
        self.tiers: dict[str, list[Json]] = {}  # of a price; the API shows them on request only
        self.plans: dict[str, Json] = {}  # the legacy view of a price
        self.lines: dict[str, list[Json]] = {}  # of an invoice, all of them
        self.pending: dict[str, list[str]] = {}  # subscription or customer -> waiting invoice items
        self.drafts: dict[str, Any] = {}  # waiting invoice item -> the line it will be
        self.usage: dict[str, int] = {}  # metered item -> units used in its period
        self.payments: dict[str, str] = {}  # payment intent -> its invoice payment
        self.intents: dict[str, str] = {}  # invoice -> its payment intent
        self.paid_out: dict[str, str] = {}  # balance transaction -> payout
        self.invoices_of: dict[str, list[str]] = {}  # subscription -> its invoices
        self.deleted: dict[str, str] = {}  # id -> kind of what is gone
        self.log: list[Event] = []
        self._archive = archive
        self._unheard = 0
        self._offset = self.random.getrandbits(48)
        self._drop_at = 20_000
        self.sent = 0  # events so far
        self._agenda: list[tuple[int, int, int, str, str]] = []
        self._scheduled = 0

    def _letters(self, count: int) -> str:
        return _spelled(self.random.getrandbits(6 * count), count)

    def new_id(self, prefix: str) -> str:
        """An id as Stripe makes them; the same seed and actions give the same ids."""
        short = _SHORT.get(prefix)
        if short:
            return f"{prefix}_{self._letters(short)}"
        return f"{prefix}_1{self._when()}{self._letters(8)}"

    def _when(self) -> str:
        if self._stamp[0] != self.now:
            stamp, time = self._middle, self.now
            for _ in range(5):
                time, digit = divmod(time, 62)
                stamp = _ALPHABET[digit] + stamp
            self._stamp = (self.now, stamp)
        return self._stamp[1]

    def table(self, kind: str) -> Table:
        found = self.tables.get(kind)
        if found is None:
            found = self.tables[kind] = Table()
        return found

    def add(self, row: Json) -> Json:
        self.table(row["object"]).add(row)
        return row

    def get(self, kind: str, identity: str) -> Json:
        """The object with this id; KeyError where there is none."""
        return self.tables[kind].rows[identity]

    def open_of(self, subscription: str) -> list[Json]:
        """Invoices of a subscription that are neither paid nor given up."""
        rows = self.table("invoice").rows
        found = [rows[identity] for identity in self.invoices_of.get(subscription, ())]
        return [row for row in found if row["status"] in {"draft", "open"}]

    def forget(self, before: int) -> None:
        """Let go of settled invoices made before then, and of the money that moved for them."""
        invoices = {
            name
            for name, row in self.table("invoice").rows.items()
            if row["created"] < before and row["status"] in {"paid", "void", "uncollectible"}
        }
        intents = {self.intents.pop(name) for name in invoices if name in self.intents}
        charges = self._those("charge", "payment_intent", intents)
        back = self._those("refund", "charge", charges) | self._those("dispute", "charge", charges)
        gone = {
            "invoice": invoices,
            "payment_intent": intents,
            "invoice_payment": {self.payments.pop(name) for name in intents},
            "charge": charges,
            "refund": back,
            "dispute": back,
            "balance_transaction": self._those("balance_transaction", "source", charges | back),
        }
        for kind, names in gone.items():
            self.table(kind).drop(names)
        for name in invoices:
            del self.lines[name]
        for own in self.invoices_of.values():
            own[:] = [name for name in own if name not in invoices]

    def _those(self, kind: str, field: str, values: Collection[str]) -> set[str]:
        return {name for name, row in self.table(kind).rows.items() if row[field] in values}

    def emit(self, row: Json, *kinds: str, previous: Json | None = None) -> None:
        """Write down that something happened, with the object as it now stands."""
        heard: Sequence[str] = () if self.now < self._unheard else kinds
        if self.hears is not None:
            heard = [kind for kind in heard if self.hears(kind, row, previous)]
        if not heard:
            self.sent += len(kinds)
            return
        body = _encode(row)
        before = _encode(previous) if previous else None
        for kind in kinds:
            if kind not in heard:
                self.sent += 1
                continue
            scattered = (self.sent * _STRIDE + self._offset) & (1 << 48) - 1
            identity = f"evt_1{self._when()}{_spelled(scattered, 8)}"
            self.log.append(Event(self.sent, identity, kind, self.now, body, before))
            self.sent += 1
        if len(self.log) > self._drop_at and not self._archive:
            del self.log[: self.oldest()]
            self._drop_at = 2 * len(self.log) + 20_000

    def oldest(self) -> int:
        """Where in the log the events begin that Stripe still remembers."""
        return bisect_left(self.log, self.now - MEMORY, key=lambda event: event.created)

    def remembered(self) -> list[Event]:
        """All events of the log, in order; without an archive those of the last 30 days."""
        if not self._archive:
            del self.log[: self.oldest()]
        return self.log

    def change(self, row: Json, changes: Json, event: str | None = None) -> None:
        """Set new values; where that changes anything, `event` tells of it and what was before."""
        if event is None:
            row.update(changes)
            return
        if any(row.get(key) != new for key, new in changes.items()):
            before = difference(row, changes) if self.now >= self._unheard else None
            row.update(changes)
            self.emit(row, event, previous=before)

    def later(self, at: int, what: str, identity: str, rank: int = 5) -> None:
        """Put something on the agenda; of what falls due at once the lower rank goes first."""
        self._scheduled += 1
        heapq.heappush(self._agenda, (at, rank, self._scheduled, what, identity))

    def run(self, until: int) -> None:
        """Everything that falls due until then, in time order.

        Events that will be forgotten before anybody can ask for them are not written down.
        """
        agenda = self._agenda
        self._unheard = 0 if self._archive else until - MEMORY
        while agenda and agenda[0][0] <= until:
            at, _, _, what, identity = heapq.heappop(agenda)
            self.now = max(self.now, at)
            self.handlers[what](identity)
        self.now = until
        self._unheard = 0


def _spelled(bits: int, count: int) -> str:
    text = ""
    for _ in range(count // 2):
        text += _PAIRS[bits & 4095]
        bits >>= 12
    return text


def difference(row: Json, changes: Json) -> Json:
    """The old values of what changes: hashes key by key, arrays whole."""
    before: Json = {}
    for key, new in changes.items():
        old = row.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            before[key] = difference(old, {**dict.fromkeys(old), **new})
        else:
            before[key] = old
    return before
