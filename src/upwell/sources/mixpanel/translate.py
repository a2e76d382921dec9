"""From lines of the export to events. Pure: the same bytes, the same events.

A line is `{"event": name, "properties": {…}}`. An event is known by its name, user, time and
`$insert_id`, as Mixpanel itself advises, because the export repeats events. The user is the id that
it was sent for: once Mixpanel knows who that was the export shows another, and both are one person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import xxhash

from upwell.billing import Origin
from upwell.event import LATEST, SECONDS_BELOW, UNASSIGNED, DeadLetter, Delivery, Translated
from upwell.period import MICROS, Zone
from upwell.sources.columns import to_utc
from upwell.sources.mixpanel.words import BOOKKEEPING, DEVICE, SAYS_WHO, Link
from upwell.sources.named import Maps, Named, Rows, Unusable, event_of

if TYPE_CHECKING:
    from upwell.sources.mixpanel.usual import Usual

NO_TIME = 0
QUICK = 64 * 1024  # bytes of a body from which it is worth to begin reading columns


class Line(msgspec.Struct, gc=False):
    """One line of the export."""

    event: str
    properties: dict[str, Any]


_LINE = msgspec.json.Decoder(Line)
_ENCODE = msgspec.json.Encoder(order="sorted")


def translate(
    delivery: Delivery, origin: Origin, products: frozenset[str], *, quick: int = QUICK
) -> Translated:
    """The events of a delivery of lines; each that cannot be used becomes a dead letter.

    From `quick` bytes on, lines of the usual form are read as columns; nothing else differs.
    """
    reading = _Reading(delivery, origin, products)
    name = origin.given.get("timezone", "UTC")
    zone = None if name == "UTC" else Zone(name)
    usual = _usual(delivery.body, reading, zone) if len(delivery.body) >= quick else None
    pieces = _pieces(delivery.body) if usual is None else usual.pieces
    lines = reading.lines(pieces)
    reading.anonymous = _devices(lines) | (usual.devices() if usual else frozenset())
    times = [_micros(line.properties.pop("time", None)) for _, line in lines]
    moments = times if zone is None else _utc(times, zone)
    odd: Iterator[_Odd | Link] = (
        _Odd(idx, line, told, ts)
        for (idx, line), told, ts in zip(lines, times, moments, strict=True)
    )
    links = iter(()) if usual is None else usual.links(reading.anonymous)
    for one in merge(odd, links, key=attrgetter("row")):
        if isinstance(one, Link):
            reading.linked(one)
        else:
            reading.judge(one)
    dead = sorted(reading.dead, key=lambda one: one.idx)
    return Translated(
        reading.finish(usual.count if usual else len(pieces), usual),
        tuple(dead),
        unknown=reading.unknown,
    )


class _Odd(NamedTuple):
    """A line that is read by itself; `told` is its time as it came, by which it is known."""

    row: int
    line: Line
    told: int
    ts: int


def _usual(body: bytes, reading: _Reading, zone: Zone | None) -> Usual | None:
    """The lines of the usual form, where the source is one product's."""
    from upwell.sources.mixpanel.usual import Usual, is_text

    if reading.product is None or not is_text(body):
        return None
    return Usual(body, reading.maps, zone)


def _pieces(body: bytes) -> list[tuple[int, bytes]]:
    pieces = body.split(b"\n")
    return list(enumerate(pieces if pieces[-1] else pieces[:-1]))


def _micros(time: Any) -> int:
    """Microseconds of a time in seconds or milliseconds; `NO_TIME` where it is none."""
    if not isinstance(time, (int, float)) or isinstance(time, bool):
        return NO_TIME
    micros = time * (MICROS if abs(time) < SECONDS_BELOW else 1_000)
    return round(micros) if 0 < micros <= LATEST else NO_TIME  # those of 1e308 are infinite


def _utc(times: Sequence[int], zone: Zone) -> list[int]:
    """Times of a project of before 2023: what its clocks showed, as if that were UTC."""
    local = np.array(times, dtype=np.int64)
    found: list[int] = np.where(local == NO_TIME, NO_TIME, to_utc(local, zone)).tolist()
    return found


class _Reading:
    def __init__(self, delivery: Delivery, origin: Origin, products: frozenset[str]) -> None:
        self._delivery, self._products = delivery, products
        self._assign, self.product = origin.assign, origin.product
        self._property = (origin.product_from or "").rpartition(".")[2]
        self.maps = Maps.of(origin.given)
        self._linked: set[tuple[str, str]] = set()
        self._links: list[tuple[str, int, str, str, Named, bool]] = []
        self.anonymous: frozenset[object] = frozenset()
        self.rows = Rows(delivery.source, delivery.received_at)
        self.dead: list[DeadLetter] = []
        self.unknown: dict[str, int] = {}

    def lines(self, pieces: Sequence[tuple[int, bytes]]) -> list[tuple[int, Line]]:
        """Those of the numbered lines that can be read."""
        try:
            found = _LINE.decode_lines(b"\n".join(piece for _, piece in pieces))
            if len(found) == len(pieces):
                return [(idx, line) for (idx, _), line in zip(pieces, found, strict=True)]
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass  # which line it is, is found line by line
        return list(self._one_by_one(pieces))

    def _one_by_one(self, pieces: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, Line]]:
        for idx, piece in pieces:
            try:
                if piece.strip():
                    yield idx, _LINE.decode(piece)
            except msgspec.ValidationError as error:
                self.refuse(idx, "not_an_event", f"It is no event of the export: {error}.")
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                self.refuse(idx, "not_json", f"It is no JSON: {error}.")

    def refuse(self, idx: int, code: str, reason: str) -> None:
        """Note a line that cannot be used."""
        self.dead.append(
            DeadLetter(
                seq=self._delivery.seq,
                idx=idx,
                source=self._delivery.source,
                code=code,
                reason=f"Line {idx + 1}: {reason}",
                recorded_at=self._delivery.received_at,
            )
        )

    def judge(self, odd: _Odd) -> None:
        """Take one line, or note why it cannot be used."""
        try:
            self._take(*odd)
        except Unusable as error:
            self.refuse(odd.row, error.code, error.reason)
        except RecursionError:  # what was just deep enough to be read is too deep to be written
            self.refuse(odd.row, "too_deep", "Its values are nested too deep; send them flat.")

    def linked(self, link: Link) -> None:
        """Take what a line that was read as columns says of ids."""
        for other in (link.actor, link.user, link.device and f"{DEVICE}{link.device}"):
            if other:
                self._same(self.product or UNASSIGNED, link.ts, link.shown, other)

    def _take(self, idx: int, line: Line, told: int, ts: int) -> None:
        properties = line.properties
        if ts == NO_TIME:
            raise Unusable("bad_time", "It has no `time`, or one outside 1970 to 2200.")
        shown = _id(properties.pop("distinct_id", None))
        actor = _id(properties.pop("$distinct_id_before_identity", None)) or shown
        insert = properties.pop("$insert_id", None)
        for name in BOOKKEEPING:
            properties.pop(name, None)
        if insert is None:
            insert = _ENCODE.encode(properties).decode()
        key = _key(line.event, actor or "", told, insert)
        user, device = _id(properties.pop("$user_id", None)), properties.pop("$device_id", None)
        product = self.product or self._product_of(properties)
        if line.event in SAYS_WHO:
            self._identity(idx, product, ts, key, line.event, actor, properties)
            return
        event = event_of(line.event, properties, self.maps)
        self.rows.add(idx, product, ts, actor, key, event)
        if actor is None or shown is None:
            return
        self._same(product, ts, shown, actor)
        if user:
            self._same(product, ts, shown, user)
            if device and (event.type == "signup" or f"{DEVICE}{device}" in self.anonymous):
                self._same(product, ts, shown, f"{DEVICE}{device}")

    def _product_of(self, properties: dict[str, Any]) -> str:
        named = str(properties.get(self._property) or "")
        product = self._assign.get(named, named)
        return product if product in self._products else UNASSIGNED

    def _same(self, product: str, ts: int, actor: str, other: str) -> None:
        """Note once in a delivery that an id is the same user as another."""
        if other == actor or (actor, other) in self._linked:
            return
        self._linked.add((actor, other))
        key = xxhash.xxh3_128_hexdigest(f"is\0{product}\0{actor}\0{other}".encode())
        link = Named("identify", None, None, {"anonymous_id": other})
        # Which event says it first depends on the order of reading: its time is not compared.
        self._links.append((product, ts, actor, key, link, True))

    def finish(self, count: int, usual: Usual | None) -> pa.Table:
        """The columns of all events; what they say of ids has numbers behind those of the lines."""
        for number, link in enumerate(self._links):
            with suppress(Unusable):  # an id that is too long; its event is told already
                self.rows.add(count + number, *link)
        own = self.rows.table()
        if usual is None:
            return own
        delivery = self._delivery
        read = usual.table(delivery.source, self.product or UNASSIGNED, delivery.received_at)
        return pa.concat_tables([read, own]).sort_by("idx") if len(own) else read

    def _identity(
        self,
        idx: int,
        product: str,
        ts: int,
        key: str,
        event: str,
        actor: str | None,
        properties: dict[str, Any],
    ) -> None:
        """What `$identify`, `$create_alias` and `$merge` say, or a count where they name nobody."""
        ids = _ids(event, actor, properties)
        if len(ids) < 2:
            self.unknown[event] = self.unknown.get(event, 0) + 1
            return
        kind, word = ("identify", "anonymous_id") if event == "$identify" else ("merge", "into")
        for number, other in enumerate(ids[1:]):
            named = Named(kind, None, None, {word: other})
            if number:
                self._links.append((product, ts, ids[0], f"{key}-{number}", named, False))
            else:
                self.rows.add(idx, product, ts, ids[0], key, named)


def _devices(lines: Sequence[tuple[int, Line]]) -> frozenset[object]:
    """Devices of which there are events without a user.

    Only these are said to be their users': an id without events would make somebody of several ids
    of every user, and all that is counted by person slow.
    """
    actors = (line.properties.get("distinct_id") for _, line in lines)
    return frozenset(one for one in actors if isinstance(one, str) and one.startswith(DEVICE))


def _ids(event: str, actor: str | None, properties: dict[str, Any]) -> list[str]:
    """The ids that are one user's, the one that stays first."""
    if event == "$merge":
        given = properties.get("$distinct_ids")
        found = [_id(one) for one in given] if isinstance(given, list) else []
    elif event == "$create_alias":
        found = [actor, _id(properties.get("alias"))]
    else:
        anonymous = properties.get("$anon_id") or properties.get("$anon_distinct_id")
        found = [_id(properties.get("$identified_id")) or actor, _id(anonymous)]
    if None in found[:1]:
        return []
    return list(dict.fromkeys(one for one in found if one))


def _id(value: Any) -> str | None:
    """An id as text; None where there is none."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def _key(event: str, user: str, time: int, insert: Any) -> str:
    return xxhash.xxh3_128_hexdigest(f"{event}\0{user}\0{time}\0{insert}".encode())
