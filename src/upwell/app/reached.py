"""How far sources were read when the program last ran: a small file that may be lost.

A cursor is written into the journal when something new came, and else once an hour; that all is
here up to a minute ago would be forgotten with the process. What is kept holds only while the
newest delivery of the source is still the one it was learned beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from upwell.journal import Journal

Kept = dict[str, tuple[int, int]]  # by source: its newest delivery, and UTC micros


def load(path: Path, journal: Journal) -> dict[str, int]:
    """Up to when (UTC micros) each source was read, of those of whom it still holds."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return {}
    return {id_: to for id_, (seq, to) in kept.items() if _newest(journal, id_) == seq}


def save(path: Path, journal: Journal, reached: Mapping[str, int]) -> None:
    """Keep it; a crash leaves what was kept before, and a full disk nothing worse than that."""
    kept: Kept = {id_: (_newest(journal, id_), to) for id_, to in reached.items()}
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(msgspec.json.encode(kept))
        fresh.replace(path)
    except OSError:
        return


def _newest(journal: Journal, id_: str) -> int:
    last = journal.pulled(id_)
    return 0 if last is None else last.seq
