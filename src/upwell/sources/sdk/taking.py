"""What all of these doors share: records one by one, each taken or set aside, and who is who."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
import xxhash

from upwell.billing import Origin
from upwell.errors import Rejected
from upwell.event import MAX_ID, PUBLIC_TYPES, DeadLetter, Delivery, Scalar, Translated
from upwell.period import MICROS, to_micros
from upwell.sources.named import Maps, Named, Rows, Unusable
from upwell.sources.wire import micros_of

T = TypeVar("T")

BROKEN = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What decoding raises where bytes are no JSON of that shape."""

_DAY = 86_400 * MICROS
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODE = msgspec.json.Encoder()


class Taking:
    """One delivery being read: `take` what can be counted, `refuse` what cannot."""

    def __init__(self, delivery: Delivery, origin: Origin) -> None:
        self.at = delivery.received_at
        self.maps = Maps.of(origin.given)
        self.product: str = delivery.about["product"]
        self._delivery = delivery
        self._public = bool(delivery.about.get("public"))
        self._rows = Rows(delivery.source, delivery.received_at)
        self._dead: list[DeadLetter] = []
        self._unknown: Counter[str] = Counter()
        self._said: set[str] = set()

    def take(
        self,
        idx: int,
        ts: int | None,
        actor: str | None,
        key: str | None,
        event: Named,
        *,
        corrected: bool = False,
    ) -> None:
        """One event; without a time it happened when it arrived. Raises Unusable."""
        if self._public and event.type not in PUBLIC_TYPES:
            raise Unusable(
                "not_public",
                f"A {event.type} cannot be sent with a public key: send it from a server.",
            )
        if key is not None and len(key) > MAX_ID:
            key = fingerprint(key)
        moment = self.at if ts is None else ts
        self._rows.add(idx, self.product, moment, actor, key, event, corrected or ts is None)

    def link(self, idx: int, ts: int | None, actor: str, traits: dict[str, Scalar]) -> None:
        """Who an actor is, as events say it again and again: kept once a day."""
        day = (self.at if ts is None else ts) // _DAY * _DAY
        key = f"{day // _DAY}:{fingerprint([actor, traits])}"
        if key not in self._said:
            self._said.add(key)
            self.take(idx, day, actor, key, Named("identify", None, None, traits))

    def count_unknown(self, what: str) -> None:
        """Something that no number needs; it stays in the journal."""
        self._unknown[what] += 1

    def refuse(self, idx: int, code: str, reason: str) -> None:
        """Set one record aside."""
        self._dead.append(
            DeadLetter(
                seq=self._delivery.seq,
                idx=idx,
                source=self._delivery.source,
                code=code,
                reason=reason,
                recorded_at=self.at,
            )
        )

    def each(
        self, body: bytes, many: msgspec.json.Decoder[list[T]], one: msgspec.json.Decoder[T]
    ) -> Iterator[tuple[int, T]]:
        """The records of an array, or the only one; those of another shape are set aside."""
        lone = body.lstrip()[:1] == b"{"
        try:
            records = [one.decode(body)] if lone else many.decode(body)
        except BROKEN:
            yield from self._one_by_one([msgspec.Raw(body)] if lone else self._pieces(body), one)
        else:
            yield from enumerate(records)

    def try_(self, idx: int, work: Callable[[], None]) -> None:
        """Do what takes one record, and set it aside where that cannot be."""
        try:
            work()
        except Unusable as error:
            self.refuse(idx, error.code, error.reason)
        except OverflowError:  # JSON knows numbers that no column holds
            self.refuse(idx, "bad_number", "A number in it has more than 64 bits.")
        except RecursionError:  # what was just deep enough to be read is too deep to be written
            self.refuse(idx, "too_deep", "Its values are nested too deep; send them flat.")

    def done(self) -> Translated:
        """All that was taken, and what was not."""
        return Translated(self._rows.table(), tuple(self._dead), unknown=dict(self._unknown))

    def _pieces(self, body: bytes) -> list[msgspec.Raw]:
        try:
            return _RAWS.decode(body)
        except BROKEN as error:  # nested too deep even for that: it is set aside as a whole
            self.refuse(-1, "bad_record", f"{error}.")
            return []

    def _one_by_one(
        self, pieces: list[msgspec.Raw], one: msgspec.json.Decoder[T]
    ) -> Iterator[tuple[int, T]]:
        for index, raw in enumerate(pieces):
            try:
                record = one.decode(raw)
            except BROKEN as error:
                self.refuse(index, "bad_record", f"{error}.")
            else:
                yield index, record


def fingerprint(of: Any) -> str:
    """A short name of some content: the same for the same."""
    return xxhash.xxh3_128_hexdigest(_ENCODE.encode(of))


def text_of(value: object) -> str | None:
    """An id as text; None where there is none."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    return str(value).strip() or None


def moment_of(value: object) -> int | None:
    """UTC microseconds of epoch seconds, milliseconds or an ISO time; None where none is given.

    A time without a zone is taken as UTC, as the vendors take it. Raises Unusable.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
            moment = dt.datetime.fromisoformat(value)
            return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return micros_of(float(value) if isinstance(value, str) else value)
    except (ValueError, OverflowError, Rejected) as error:
        raise Unusable("bad_time", f"{str(value)[:80]} is not a time.") from error
    raise Unusable("bad_time", f"{str(value)[:80]} is not a time.")
