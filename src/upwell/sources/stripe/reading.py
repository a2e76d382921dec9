"""What one delivery is read with and into: the source's maps, facts found, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
from msgspec.structs import replace

from upwell.billing import Origin, Payment, Record
from upwell.event import (
    DIMENSIONS,
    EARLIEST,
    FUTURE,
    LATEST,
    SCHEMA,
    UNASSIGNED,
    DeadLetter,
    Doubt,
    Scalar,
    Translated,
)
from upwell.money import LIMIT
from upwell.period import MICROS
from upwell.sources.stripe.doubts import DOUBTS
from upwell.sources.stripe.shapes import NO_EXTRA, Extra, Metadata
from upwell.sources.wire import ENCODE


class Unusable(Exception):
    """An object cannot be used, and why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Want(NamedTuple):
    """Something that a body only points to and that must be read: its kind, id, and whose it is."""

    kind: str  # price, discount, coupon, invoice (of a charge), charge, …
    id: str
    of: str = ""


class Waits(Exception):
    """An object is put off until something it points to was read."""

    def __init__(self, wants: frozenset[Want]) -> None:
        super().__init__(", ".join(f"{want.kind} {want.id}" for want in sorted(wants)))
        self.wants = wants


class Moment(NamedTuple):
    """When a body speaks of: UTC microseconds, and the order among those of one second.

    `event` is what it says happened ('' for a list), `previous` what stood there before.
    """

    at: int
    order: str = ""
    event: str = ""
    previous: Mapping[str, Any] = MappingProxyType({})

    def first(self, since: int | None, name: str) -> bool:
        """Whether this body is the one that tells of a field set at `since` (epoch seconds)."""
        if since is None or not self.event:
            return since is not None
        if self.previous:
            return name in self.previous
        return since >= self.at // MICROS


@dataclass(slots=True)
class Reading:
    """One delivery on its way through translation."""

    origin: Origin
    source: str
    received_at: int
    seq: int = 0
    extra: Extra = NO_EXTRA
    countries: Mapping[str, str] = field(default_factory=dict)  # by customer, as the door knew them
    idx: int = 0  # of the object at hand
    rows: list[dict[str, Any]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)  # what no number needs
    doubts: list[Doubt] = field(default_factory=list)
    wants: set[Want] = field(default_factory=set)

    def add(
        self,
        kind: str,
        key: str,
        at: int,
        *,
        product: str,
        value: Decimal = Decimal(1),
        currency: str | None = None,
        actor: str | None = None,
        **metadata: Scalar,
    ) -> None:
        """One event; `at` in epoch seconds, `value` in major units."""
        ts = at * MICROS
        if not EARLIEST <= ts <= LATEST:
            raise Unusable("bad_time", f"Its time, {at}, is outside 1970 to 2200.")
        least = -LIMIT if kind == "refund" else 0  # one that failed is taken back
        if not least <= value <= LIMIT:
            raise Unusable("bad_value", f"The amount {value} of {key} cannot be right.")
        ahead = ts > self.received_at + int(FUTURE.total_seconds()) * MICROS
        said = {name: told for name, told in metadata.items() if told not in (None, "")}
        self.rows.append(
            {
                "idx": len(self.rows),
                "product": product,
                "source": self.source,
                "type": kind,
                "ts": self.received_at if ahead else ts,
                "actor": actor or None,
                "value": value,
                "currency": currency,
                "key": key,
                "metadata": ENCODE.encode(said).decode() if said else None,
                **{name: _text(said.get(name)) for name in DIMENSIONS},
                "corrected": ahead,
            }
        )

    def clamp(self, since: int) -> None:
        """Let records from index `since` on that are dated ahead of the clock count from now on.

        What is planned for later (periods of invoices that begin then) keeps its date.
        """
        latest = self.received_at + int(FUTURE.total_seconds()) * MICROS
        for place in range(since, len(self.records)):
            record = self.records[place]
            paid_at = record.paid_at if isinstance(record, Payment) else None
            ahead = record.at > latest or (paid_at or 0) > latest
            if not ahead or getattr(record, "reconstructed", False):
                continue
            now = min(record.at, self.received_at)
            if isinstance(record, Payment):
                paid_at = min(paid_at, self.received_at) if paid_at else None
                self.records[place] = replace(record, at=now, paid_at=paid_at)
            else:
                self.records[place] = replace(record, at=now)
            self.doubt("future_clamped", record.id)

    def refuse(self, code: str, reason: str) -> None:
        """The object at hand cannot be used."""
        self.dead.append(
            DeadLetter(
                seq=self.seq,
                idx=self.idx,
                source=self.source,
                code=code,
                reason=reason,
                recorded_at=self.received_at,
            )
        )

    def doubt(self, code: str, object_: str) -> None:
        """What the object at hand says is counted, and something about it is not known."""
        one = Doubt(
            seq=self.seq,
            idx=self.idx,
            source=self.source,
            code=code,
            reason=DOUBTS[code],
            object=object_,
            recorded_at=self.received_at,
        )
        if one not in self.doubts[-8:]:  # a state may be read more than once
            self.doubts.append(one)

    def product(self, ids: tuple[str, ...], *metadata: Metadata) -> str:
        """The company's product behind vendor ids, or named by an object's metadata."""
        for id_ in ids:
            if id_ and (found := self.origin.assign.get(id_)):
                return found
        if self.origin.product:
            return self.origin.product
        place, _, key = (self.origin.product_from or "").partition(".")
        if place == "metadata" and key:
            for each in metadata:
                if each and each.get(key):
                    return each[key]
        return UNASSIGNED

    def plan(self, price: str, product: str, nickname: str | None = None) -> str:
        """What people call a price: by its own name, its product's, or its id."""
        names = self.origin.names
        return names.get(price) or nickname or names.get(product) or price or product

    @property
    def many(self) -> bool:
        """Whether the account serves several products, so that money must be traced to its own."""
        return self.origin.product is None or bool(self.origin.assign)

    def done(self) -> Translated:
        """Everything found, as the loop takes it."""
        return Translated(
            pa.Table.from_pylist(self.rows, schema=SCHEMA) if self.rows else SCHEMA.empty_table(),
            dead=tuple(self.dead),
            records=tuple(self.records),
            unknown=dict(self.unknown),
            doubts=tuple(self.doubts),
        )


def _text(value: Scalar) -> str | None:
    return value if value is None or isinstance(value, str) else ENCODE.encode(value).decode()


def micros(seconds: int | None) -> int | None:
    """Epoch seconds as UTC microseconds."""
    return None if seconds is None else seconds * MICROS
