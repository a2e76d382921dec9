"""Lines become pages; and what a first look at an answer tells. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from upwell.errors import Rejected
from upwell.period import MICROS
from upwell.sources.contract import Page
from upwell.sources.mixpanel.lines import ENDED
from upwell.sources.mixpanel.plan import Plan

ROWS, BYTES = 10_000, 4 * 1024 * 1024  # of a page, about
TRIED = 1_000  # lines that a check asks for
HEAD = 200  # bytes by which an answer is judged


class Gathered:
    """The lines of a page, until they are enough."""

    def __init__(self, label: str, history: bool) -> None:
        self._label, self._history = label, history
        self._lines: list[bytes] = []
        self._size = self._read = 0
        self._pages = 0

    @property
    def full(self) -> bool:
        """Whether they are enough."""
        return len(self._lines) >= ROWS or self._size >= BYTES

    def add(self, read: int, fresh: list[bytes]) -> None:
        """Take lines that are new, of so many that were read."""
        self._read += read
        self._lines += fresh
        self._size += sum(map(len, fresh))

    def taken(self, plan: Plan, complete_to: float | None = None) -> Page:
        """A page of them all; the next one begins empty."""
        lines, read = self._lines, self._read
        self._lines, self._size, self._read = [], 0, 0
        self._pages += 1
        left = plan.left()
        return Page(
            cursor=plan.cursor(),
            body=b"\n".join(lines) + b"\n" if lines else b"",
            rows=len(lines),
            read=read,
            history=self._history,
            # A look that found nothing is not kept; one of the past moves on.
            keep=bool(lines) or self._history or self._pages > 1,
            complete_to=None if complete_to is None else int(complete_to * MICROS),
            label=self._label,
            done=plan.read if left else 0,
            total=plan.read + left if left else 0,
        )


def is_export(head: bytes, whole: bool) -> None:
    """Raises Rejected where an answer of 200 is no export at all; `whole`: there is no more."""
    if head.startswith(b'{"error"'):
        raise Rejected(
            "refused",
            f"Mixpanel answers: {head[:HEAD].decode(errors='replace')}",
            fix="Look at what it says, and at `api_base` and `region`.",
        )
    if head and not head.startswith(b"{") and (whole or len(head) == HEAD):
        if ENDED in head.lower():
            return
        raise Rejected(
            "not_an_export",
            "What answers is not Mixpanel's export.",
            fix="Look at `api_base`; leave it out to ask Mixpanel itself.",
            where="api_base",
        )


class _Name(msgspec.Struct):
    event: str = ""


_NAME = msgspec.json.Decoder(_Name)


def _name(line: bytes) -> str:
    try:
        return _NAME.decode(line).event
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""  # reading sets such a line aside, with the reason


def counted(lines: Sequence[bytes]) -> str:
    """What the newest events are, in words."""
    if not lines:
        return "no events yesterday or today."
    names = Counter(name for line in lines if (name := _name(line))).most_common(5)
    many = f"{TRIED:,} or more" if len(lines) >= TRIED else f"{len(lines):,}"
    most = ", ".join(name for name, _ in names)
    return f"{many} events since yesterday: {most}." if most else f"{many} events since yesterday."
