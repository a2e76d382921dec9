"""Texts, numbers and words in the bytes of a line. Compiled.

Behind every line stands its newline, which no loop walks over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled

U8 = NDArray[np.uint8]

DIGITS = 15  # that any number keeps
QUOTE = ord('"')
ZERO, NINE, MINUS, POINT = (ord(one) for one in "09-.")
_ESCAPE = ord("\\")
_FIRST_PRINTED = 32
_ESCAPED = np.isin(np.arange(256), list(b'"\\bfnrt'))


@compiled
def text_end(body: U8, at: int, end: int) -> tuple[int, bool]:
    """The closing quote of a text, or -1, and whether nothing in it is escaped."""
    plain = True
    while at < end:
        one = body[at]
        if one == QUOTE:
            return at, plain
        if one < _FIRST_PRINTED:
            return -1, False
        if one == _ESCAPE:
            plain = False
            at += 1
            if not _ESCAPED[body[at]]:
                return -1, False
        at += 1
    return -1, False


@compiled
def number_end(body: U8, at: int) -> int:
    """Behind a number that would be written again just so, or -1."""
    begins = at + int(body[at] == MINUS)
    at = begins
    while ZERO <= body[at] <= NINE:
        at += 1
    whole, small = at - begins, body[begins] == ZERO
    if whole == 0 or whole > DIGITS or (small and whole > 1):
        return -1
    if body[at] != POINT:
        return -1 if small and body[begins - 1] == MINUS else at
    at += 1
    point = at
    while ZERO <= body[at] <= NINE:
        at += 1
    part = at - point
    if part == 0 or whole + part > DIGITS or (part > 1 and body[at - 1] == ZERO):
        return -1
    return -1 if small and part > 4 else at  # smaller ones may be written with an exponent


@compiled
def digits(body: U8, at: int, end: int) -> int:
    """A number of digits only, or -1."""
    number = 0
    while at < end:
        if not ZERO <= body[at] <= NINE:
            return -1
        number = number * 10 + int(body[at]) - ZERO
        at += 1
    return number


@compiled
def same(one: U8, low: int, high: int, other: U8, start: int, end: int) -> bool:
    """Whether two pieces have the same bytes."""
    if high - low != end - start:
        return False
    for at in range(high - low):  # noqa: SIM110 - a loop is compiled as it stands
        if one[low + at] != other[start + at]:
            return False
    return True


@compiled
def stands(body: U8, at: int, end: int, words: U8) -> bool:
    """Whether these words stand there, before the end."""
    return end - at > len(words) and same(body, at, at + len(words), words, 0, len(words))


@compiled
def copied(source: U8, low: int, high: int, out: U8, put: int) -> int:
    """Copy a piece; where it ends in `out`."""
    for at in range(low, high):
        out[put + at - low] = source[at]
    return put + high - low
