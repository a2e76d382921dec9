"""Where things stand in lines of the usual form: a walk over their bytes. Compiled.

The usual form is how the export writes most lines: compact, `event` before `properties`, in these
no lists or objects, no key twice, texts and numbers written as they would be written again. What is
taken of such a line is the same to the byte as what reading it value by value gives. A line of any
other form is only said to be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.event import MAX_METADATA_BYTES, MAX_METADATA_KEYS
from upwell.metrics.compiled import compiled
from upwell.sources.mixpanel.tokens import (
    MINUS,
    NINE,
    QUOTE,
    U8,
    ZERO,
    copied,
    digits,
    number_end,
    same,
    stands,
    text_end,
)

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]

ABSENT, NULL = -1, 0  # instead of where a text begins
SLOTS = 1024
MOST = MAX_METADATA_KEYS - 3  # properties; three more are added
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # Knuth, The Art of Computer Programming 3, 6.4

# Properties by number: those up to DEVICE are not kept, DROPPED are many.
DROPPED, TIME, SHOWN, BEFORE, INSERT, USER, DEVICE, NAME = range(8)
PLAN, COUNTRY, CHANNEL, REASON = range(8, 12)
OTHERS = 12  # those that stand for a country or a channel, in their order

_COMMA, _COLON, _OPEN, _CLOSE = (ord(one) for one in ",:{}")
_WORDS = tuple(np.frombuffer(word, np.uint8) for word in (b"null", b"true", b"false"))
_NULL_WORD, _TRUE, _FALSE = _WORDS
_HEAD = np.frombuffer(b'{"event":"', np.uint8)
_MIDDLE = np.frombuffer(b',"properties":{', np.uint8)
_NAMED = np.frombuffer(b'"name":"', np.uint8)
_IN_COUNTRY = np.frombuffer(b'","country":"', np.uint8)
_IN_CHANNEL = np.frombuffer(b'","channel":"', np.uint8)


class Names(NamedTuple):
    """Properties with a meaning: their texts one after another, and where to look for each."""

    text: U8
    starts: I64
    field: I64
    slots: I64
    factor: int
    countries: tuple[int, int]  # of OTHERS, those that stand for one: from, to
    channels: tuple[int, int]


class Found(NamedTuple):
    """What the walk fills, a row a line: `spans` by property, and the event's name at the end."""

    spans: I32
    times: I64
    usual: NDArray[np.bool_]
    text: U8  # metadata of all usual lines, one after another
    ends: I32  # of each in it, behind a 0


def names_of(fields: Sequence[tuple[str, int]], countries: int, channels: int) -> Names:
    """The properties of these names and numbers; so many of OTHERS stand for a country."""
    parts = [name.encode() for name, _ in fields]
    text = np.frombuffer(b"".join(parts) + b'"', np.uint8)
    starts = np.cumsum([0, *map(len, parts)])
    marks = [_mark(text, int(a), int(b)) for a, b in pairwise(starts)]
    factor = _GOLDEN
    while len({_slot(mark, factor) for mark in marks}) < len(marks):
        factor += 2
    slots = np.full(SLOTS, -1, np.int64)
    for number, mark in enumerate(marks):
        slots[_slot(mark, factor)] = number
    between = OTHERS + countries
    field = np.array([number for _, number in fields])
    return Names(
        text, starts, field, slots, factor, (OTHERS, between), (between, between + channels)
    )


@compiled
def walk(body: U8, ends: I64, names: Names, found: Found) -> int:
    """Fill `found` for the lines that end before `ends`; how many bytes of `text` are used."""
    used = start = 0
    marks = np.empty((MOST, 3), np.int64)
    found.ends[0] = 0
    for line in range(len(ends)):
        end = ends[line]
        done = _line(body, start, end, names, found, line, used, marks)
        found.usual[line] = done >= 0
        if done >= 0:
            used = done
        found.ends[line + 1] = used
        start = end + 1
    return used


@compiled
def gather(body: U8, low: I64, high: I64, ends: I32, out: U8) -> None:
    """Copy pieces of the body one behind another; `ends` gets where each ends, behind a 0."""
    at = 0
    ends[0] = 0
    for row in range(len(low)):
        at = copied(body, low[row], high[row], out, at)
        ends[row + 1] = at


@compiled
def _line(
    body: U8, start: int, end: int, names: Names, found: Found, line: int, at_out: int, marks: I64
) -> int:
    """Take one line; where its metadata ends, or -1 where it is not of the usual form."""
    spans, out = found.spans[line], found.text
    spans[:, 0] = ABSENT
    if not stands(body, start, end, _HEAD):
        return -1
    name = start + len(_HEAD)
    at, plain = text_end(body, name, end)
    if at < 0 or not plain or not stands(body, at + 1, end, _MIDDLE):
        return -1
    spans[-1, 0], spans[-1, 1] = name, at
    at += 1 + len(_MIDDLE)
    out[at_out] = _OPEN
    put, run, count, others = at_out + 1, -1, 0, 0
    while True:
        key = at
        if body[at] != QUOTE or count >= MOST:
            return -1
        at, plain = text_end(body, key + 1, end)
        if at < 0 or not plain or body[at + 1] != _COLON:
            return -1
        field = _field(body, key + 1, at, names)
        if field == NAME or (field < 0 and _again(body, key + 1, at, marks, others)):
            return -1
        count, others = count + 1, others + int(field < 0)
        value = at + 2
        at = _value(body, value, end, field, spans)
        if at < 0:
            return -1
        if field == TIME:
            found.times[line] = digits(body, value, at)
        if DROPPED <= field <= DEVICE:
            if run >= 0:  # what is kept before it, with its comma
                put = copied(body, run, key, out, put)
                run = -1
        elif run < 0:
            run = key
        if body[at] != _COMMA:
            break
        at += 1
    if body[at] != _CLOSE or body[at + 1] != _CLOSE or at + 2 != end:
        return -1
    if run >= 0:
        put = copied(body, run, at, out, put)
        out[put] = _COMMA
        put += 1
    put = _added(body, names, spans, out, put)
    return put if put - at_out <= MAX_METADATA_BYTES else -1


@compiled
def _added(body: U8, names: Names, spans: I32, out: U8, put: int) -> int:
    """Write the event's name, and country and channel where others stand for them."""
    put = copied(_NAMED, 0, len(_NAMED), out, put)
    put = copied(body, spans[-1, 0], spans[-1, 1], out, put)
    for own, among, words in (
        (COUNTRY, names.countries, _IN_COUNTRY),
        (CHANNEL, names.channels, _IN_CHANNEL),
    ):
        other = among[0]
        while spans[own, 0] == ABSENT and other < among[1]:
            if spans[other, 0] > NULL and spans[other, 1] > spans[other, 0]:
                spans[own, 0], spans[own, 1] = spans[other, 0], spans[other, 1]
                put = copied(words, 0, len(words), out, put)
                put = copied(body, spans[own, 0], spans[own, 1], out, put)
            other += 1
    out[put], out[put + 1] = QUOTE, _CLOSE
    return put + 2


@compiled
def _value(body: U8, at: int, end: int, field: int, spans: I32) -> int:
    """Where a value ends, or -1; that of a property with a meaning is noted."""
    first = body[at]
    low = high = NULL
    if first == QUOTE:
        stop, plain = text_end(body, at + 1, end)
        if stop < 0 or (field > DROPPED and (field == TIME or not plain)):
            return -1
        low, high, stop = at + 1, stop, stop + 1
    elif first == MINUS or ZERO <= first <= NINE:
        stop = number_end(body, at)
        if field > DROPPED and field != TIME:
            return -1
    elif stands(body, at, end, _NULL_WORD):
        stop = at + len(_NULL_WORD)
        if field == TIME:
            return -1
    else:
        if field > DROPPED:
            return -1
        if stands(body, at, end, _TRUE):
            return at + len(_TRUE)
        return at + len(_FALSE) if stands(body, at, end, _FALSE) else -1
    if field > DROPPED:
        if spans[field, 0] != ABSENT:
            return -1
        spans[field, 0], spans[field, 1] = low, high
    return stop


@compiled
def _field(body: U8, low: int, high: int, names: Names) -> int:
    """The number of a property with a meaning; -1 for any other."""
    known = names.slots[_slot(_mark(body, low, high), names.factor)]
    if known < 0:
        return -1
    start, end = names.starts[known], names.starts[known + 1]
    return names.field[known] if same(body, low, high, names.text, start, end) else -1


@compiled
def _again(body: U8, low: int, high: int, marks: I64, count: int) -> bool:
    """Whether the line had this key before; it is noted."""
    mark = _mark(body, low, high)
    for at in range(count):
        if marks[at, 0] == mark and same(body, low, high, body, marks[at, 1], marks[at, 2]):
            return True
    marks[count, 0], marks[count, 1], marks[count, 2] = mark, low, high
    return False


@compiled
def _mark(text: U8, low: int, high: int) -> int:
    """A number that most other keys do not share, of the length and some of the characters."""
    long = high - low
    mark = long & 0xFFFF
    for part in range(5):
        mark = (mark << 8) | int(text[low + (long - 1) * part // 4])
    return mark


@compiled
def _slot(mark: int, factor: int) -> int:
    return ((mark * factor) >> 54) & (SLOTS - 1)
