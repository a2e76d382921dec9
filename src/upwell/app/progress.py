"""How far reading the past of a source has come."""

from __future__ import annotations

import msgspec


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Slice `done` of `total`, what it holds (`label`), rows so far, and seconds left if known.

    `rate` is in rows a second, `share` how much of everything was read, 0 to 1.
    """

    source: str
    label: str
    done: int
    total: int
    rows: int
    rate: float = 0.0
    share: float = 0.0
    seconds_left: float | None = None
