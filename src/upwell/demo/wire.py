"""What the demo company's server and its billing system's process say to each other.

The billing system is a process of its own, as Stripe's is elsewhere: an `Order` goes in as the
first line, commands follow line by line, `Frame`s come out. Webhooks and API go over HTTP.
"""

from __future__ import annotations

import datetime as dt
import struct
from typing import IO, Literal

import msgspec

MAIN, APART = "stripe", "stripe-eu"
ACCOUNTS = (MAIN, APART)
"""The accounts by their sources' names: all products but one, and that one."""

_LENGTH = struct.Struct(">I")


class Door(msgspec.Struct, frozen=True):
    """Where an account's API listens (an inherited socket), and where its webhooks go."""

    source: str
    listening: int  # file descriptor
    hook: str
    secret: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to tell: the story of a seed at an instant.

    With `live` (epoch seconds) it is a restart: everything up to then was told before, the burst
    that was to begin after `burst` perhaps too.
    """

    seed: int
    today: dt.date
    told: int
    scale: float
    doors: tuple[Door, ...]
    live: int | None = None
    burst: dt.datetime | None = None


class Go(msgspec.Struct, frozen=True, tag="go"):
    """Tell the past."""


class Live(msgspec.Struct, frozen=True, tag="live"):
    """Go on with the clock; a minute and a half after `burst` the bad minute begins."""

    burst: dt.datetime


Command = Go | Live


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that comes back: the doors are open, a page of the past, all of it was told.

    `countries` are those of customers in the page, by their ids; `share` is how much of the past
    was told, 0 to 1.
    """

    kind: Literal["open", "page", "told"]
    source: str = ""
    body: bytes = b""
    rows: int = 0
    countries: dict[str, str] = {}
    share: float = 0.0


_decode = msgspec.msgpack.Decoder(Frame).decode


def write(to: IO[bytes], frame: Frame) -> None:
    """Send a frame."""
    packed = msgspec.msgpack.encode(frame)
    to.write(_LENGTH.pack(len(packed)) + packed)
    to.flush()


def read(from_: IO[bytes]) -> Frame | None:
    """The next frame, or None where nothing comes any more."""
    head = from_.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    packed = from_.read(length)
    return _decode(packed) if len(packed) == length else None
