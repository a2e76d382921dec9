"""Lines of the usual form as columns, without an object for any of them. Pure.

`read` says which lines these are, and what each of them gives; it is the same that `translate`
makes of a line by itself. Where a body is short this is not worth its beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from upwell.event import (
    EARLIEST,
    LATEST,
    MAX_ID,
    MONEY_TYPES,
    NEEDS_ACTOR,
    SCHEMA,
    SECONDS_BELOW,
)
from upwell.period import MICROS, Zone
from upwell.sources.columns import to_utc
from upwell.sources.mixpanel import scan
from upwell.sources.mixpanel.words import BOOKKEEPING, DEVICE, SAYS_WHO, Link
from upwell.sources.named import CHANNELS, COUNTRIES, Maps, ones, timed

OTHERS = (*COUNTRIES, *CHANNELS)
_FIELDS = (
    *((name, scan.DROPPED) for name in BOOKKEEPING),
    ("time", scan.TIME),
    ("distinct_id", scan.SHOWN),
    ("$distinct_id_before_identity", scan.BEFORE),
    ("$insert_id", scan.INSERT),
    ("$user_id", scan.USER),
    ("$device_id", scan.DEVICE),
    ("name", scan.NAME),
    ("plan", scan.PLAN),
    ("country", scan.COUNTRY),
    ("channel", scan.CHANNEL),
    ("reason", scan.REASON),
    *((name, scan.OTHERS + number) for number, name in enumerate(OTHERS)),
)
_SPANS = scan.OTHERS + len(OTHERS) + 1
_NAMES = scan.names_of(_FIELDS, len(COUNTRIES), len(CHANNELS))
_ROOM = 64  # bytes of metadata more than twice a line's own

Mask = NDArray[np.bool_]


class Usual:
    """Lines of one body: `pieces` are the others, each with its number."""

    def __init__(self, body: bytes, maps: Maps, zone: Zone | None) -> None:
        """Times are local to `zone`, or UTC."""
        self._body = np.frombuffer(body, np.uint8)
        ends = np.flatnonzero(self._body == ord("\n")).astype(np.int64)
        self.count = len(ends)
        self._found = scan.Found(
            spans=np.empty((len(ends), _SPANS, 2), np.int32),
            times=np.zeros(len(ends), np.int64),
            usual=np.empty(len(ends), np.bool_),
            text=np.empty(2 * len(body) + _ROOM * len(ends), np.uint8),
            ends=np.empty(len(ends) + 1, np.int32),
        )
        self._used = scan.walk(self._body, ends, _NAMES, self._found)
        self._take_times(zone)
        self._take_ids()
        self._take_names(maps)
        starts = np.append(0, ends[:-1] + 1)
        odd = np.flatnonzero(~self.mask)
        self.pieces = [
            (row, body[low:high])
            for row, low, high in zip(
                odd.tolist(), starts[odd].tolist(), ends[odd].tolist(), strict=True
            )
        ]

    @property
    def mask(self) -> Mask:
        """Which lines are of the usual form."""
        return self._found.usual

    def devices(self) -> frozenset[str]:
        """The ids of devices that stand for a user."""
        own = self._shown.filter(pc.starts_with(self._shown, DEVICE))
        return frozenset(own.unique().to_pylist())

    def links(self, anonymous: Collection[object]) -> Iterator[Link]:
        """What the lines say of ids; devices that are `anonymous` are said to be their users'."""
        user, device = self._column(scan.USER), self._column(scan.DEVICE)
        told = pc.binary_join_element_wise(DEVICE, pc.fill_null(device, ""), "")
        theirs = pc.or_(
            pc.is_in(told, value_set=pa.array(sorted(map(str, anonymous)), pa.string())),
            pc.fill_null(pc.equal(self._types, "signup"), False),
        )
        device = pc.if_else(pc.and_(theirs, pc.is_valid(user)), device, None)
        others = (self._actor, user, device)
        says = [pc.fill_null(pc.not_equal(one, self._shown), False) for one in others]
        rows = pc.and_(pc.or_(pc.or_(*says[:2]), pc.is_valid(device)), pa.array(self.mask))
        rows = pc.and_(rows, pc.is_valid(self._shown))
        names = ["shown", "actor", "user", "device"]
        number = pa.array(np.arange(self.count))
        table = pa.table([number, self._shown, *others], names=["row", *names]).filter(rows)
        first = table.group_by(names, use_threads=False).aggregate([("row", "min")])
        for one in first.sort_by("row_min").to_pylist():
            row = one.pop("row_min")
            yield Link(row=row, ts=int(self._ts[row]), **one)

    def table(self, source: str, product: str, received_at: int) -> pa.Table:
        """The columns of their events."""
        rows = self.count
        times, future = timed(self._ts, received_at)
        text = self._found.text[: self._used]
        columns = {
            "idx": pa.array(np.arange(rows, dtype=np.int32)),
            "product": pa.repeat(pa.scalar(product, pa.string()), rows),
            "source": pa.repeat(pa.scalar(source, pa.string()), rows),
            "type": self._types,
            "ts": pa.array(times),
            "actor": self._actor,
            "value": ones(rows),
            "currency": pa.nulls(rows, pa.string()),
            "key": self._keys(),
            "metadata": _texts(self._found.ends, text, None),
            "plan": self._column(scan.PLAN),
            "country": self._column(scan.COUNTRY),
            "channel": self._column(scan.CHANNEL),
            "reason": self._column(scan.REASON),
            "name": self._events,
            "corrected": pa.array(future),
        }
        whole = pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
        return whole if self.mask.all() else whole.filter(pa.array(self.mask))

    # -- which are, in the end -------------------------------------------------------------------

    def _take_times(self, zone: Zone | None) -> None:
        given = self._found.times
        self.mask[(given <= 0) | (given > LATEST // 1_000)] = False
        given[~self.mask] = 0
        self._told = given * np.where(given < SECONDS_BELOW, MICROS, 1_000)
        self._ts = self._told if zone is None else to_utc(self._told, zone)
        self.mask[(self._ts < EARLIEST) | (self._ts > LATEST) | (self._told > LATEST)] = False

    def _take_ids(self) -> None:
        spans = self._found.spans
        for field in (scan.SHOWN, scan.BEFORE, scan.USER, scan.DEVICE):
            own = spans[:, field]
            own[own[:, 0] == own[:, 1], 0] = scan.NULL  # a text of no length says nobody
            if field in (scan.SHOWN, scan.BEFORE):
                self.mask[(own[:, 0] > scan.NULL) & (own[:, 1] - own[:, 0] > MAX_ID)] = False
        self.mask[spans[:, scan.INSERT, 0] <= scan.NULL] = False
        self._shown = self._column(scan.SHOWN)
        before = spans[:, scan.BEFORE]
        self._actor = self._shown
        if (before[:, 0] > scan.NULL).any():
            self._actor = pc.coalesce(self._column(scan.BEFORE), self._shown)

    def _take_names(self, maps: Maps) -> None:
        self._events = self._column(-1)
        coded = self._events.dictionary_encode()
        names = coded.dictionary.to_pylist()
        types = [maps.types.get(name, "engagement") for name in names]
        plain = [
            name not in SAYS_WHO and kind not in MONEY_TYPES and kind != "kpi"
            for name, kind in zip(names, types, strict=True)
        ]
        needs = [kind in NEEDS_ACTOR for kind in types]
        at = pc.fill_null(coded.indices, len(names)).to_numpy(zero_copy_only=False)
        nobody = pc.is_null(self._actor).to_numpy(zero_copy_only=False)
        self.mask[~np.array([*plain, False])[at]] = False
        self.mask[np.array([*needs, False])[at] & nobody] = False
        self._types = pc.fill_null(pa.array(types, pa.string()).take(coded.indices), "")

    # -- columns ---------------------------------------------------------------------------------

    def _column(self, field: int) -> pa.Array:
        spans = self._found.spans[:, field]
        valid = self.mask & (spans[:, 0] > scan.NULL)
        if not valid.any():
            return pa.nulls(self.count, pa.string())
        low = np.where(valid, spans[:, 0], 0).astype(np.int64)
        high = np.where(valid, spans[:, 1], 0).astype(np.int64)
        ends = np.empty(self.count + 1, np.int32)
        out = np.empty(int((high - low).sum()), np.uint8)
        scan.gather(self._body, low, high, ends, out)
        return _texts(ends, out, valid)

    def _keys(self) -> pa.Array:
        joined = pc.binary_join_element_wise(
            pc.fill_null(self._events, ""),
            pc.fill_null(self._actor, ""),
            pa.array(self._told).cast(pa.string()),
            pc.fill_null(self._column(scan.INSERT), ""),
            "\0",
        )
        digest = xxhash.xxh3_128_hexdigest
        found = [digest(one) for one in joined.cast(pa.binary()).to_pylist()]
        return pa.array(found, pa.string())


def is_text(body: bytes) -> bool:
    """Whether a body is whole lines of valid UTF-8."""
    if not body.endswith(b"\n"):
        return False
    ends = np.array([0, len(body)], np.int32)
    try:
        _texts(ends, np.frombuffer(body, np.uint8), None).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _texts(ends: NDArray[np.int32], text: NDArray[np.uint8], valid: Mask | None) -> pa.Array:
    known = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [known, pa.py_buffer(ends), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(ends) - 1, buffers)
