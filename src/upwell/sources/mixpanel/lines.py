"""Bytes of an answer become whole lines, whatever the places at which they were cut. Pure.

The export breaks off in two ways: the connection ends, or a last line says `terminated early` under
a status of 200. It also splits a record over lines now and then; such pieces are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from upwell.sources.contract import TooLarge, Truncated

LONGEST = 4 * 1024 * 1024  # bytes of a record; Mixpanel takes 1 MB
PIECES = 1_000  # that a record may be split into
ENDED = b"terminated early"

Unsure = Callable[[Sequence[bytes]], Sequence[bytes]]


class _Any(msgspec.Struct, gc=False):
    """An object, its content left unread."""


class _Event(msgspec.Struct, gc=False):
    event: str
    properties: _Any


_EVENT = msgspec.json.Decoder(_Event)
_OBJECT = msgspec.json.Decoder(_Any)


def _is(decoder: msgspec.json.Decoder[_Event] | msgspec.json.Decoder[_Any], text: bytes) -> bool:
    try:
        decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


class Lines:
    """Takes an answer block by block and gives its lines, those that are whole."""

    def __init__(self, unsure: Unsure = list) -> None:
        """`unsure` leaves out lines that are known to be whole, since they were taken before."""
        self._unsure = unsure
        self._rest = b""  # behind the last newline
        self._broken: list[bytes] = []  # pieces that are no object so far
        self._size = 0

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that this block completes; blank ones are left out.

        Raises TooLarge where a line goes on past what an event can be.
        """
        text = self._rest + block
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        if len(self._rest) > LONGEST:
            raise TooLarge(
                "endless_line",
                f"Mixpanel's export has a line of more than {LONGEST // 1024 // 1024} MB, which no "
                "event has.",
                fix="Look at `api_base`: this is not Mixpanel's export. Nothing of the line was "
                "kept.",
                where="api_base",
            )
        if not end:
            return []
        pieces = [piece for piece in text[:end].split(b"\n") if piece]
        if not self._broken and _all_events(self._unsure(pieces)):
            return pieces
        return [line for piece in pieces if piece.strip() for line in self._taken(piece)]

    def finish(self) -> list[bytes]:
        """The last lines, once the answer has ended; raises Truncated where it broke off."""
        rest, self._rest = self._rest, b""
        found = self._taken(rest) if rest.strip() else []
        told = b"".join(self._broken).rstrip(b" \t\r\n]\"'.}").lower()
        if self._broken and (rest.strip() or told.endswith(ENDED)):
            raise broken_off()
        return found + self._given_up()

    def _taken(self, piece: bytes) -> list[bytes]:
        if _is(_EVENT, piece):
            return [*self._given_up(), piece]
        if not self._broken and ENDED not in piece and _is(_OBJECT, piece):
            return [piece]
        self._broken.append(piece)
        self._size += len(piece)
        if len(self._broken) > 1 and _is(_EVENT, joined := b"".join(self._broken)):
            self._broken, self._size = [], 0
            return [joined]
        if self._size > LONGEST or len(self._broken) > PIECES:
            return self._given_up()
        return []

    def _given_up(self) -> list[bytes]:
        """Pieces that belong to no record; they are told as lines that cannot be used."""
        pieces, self._broken, self._size = self._broken, [], 0
        return pieces


def _all_events(lines: Sequence[bytes]) -> bool:
    try:
        return len(_EVENT.decode_lines(b"\n".join(lines))) == len(lines)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def broken_off() -> Truncated:
    """The error of an answer that ended in the middle."""
    return Truncated(
        "truncated",
        "Mixpanel's export broke off in the middle; it is read again.",
        fix="Nothing is to be done, unless it goes on: then give fewer days with `since`.",
    )
