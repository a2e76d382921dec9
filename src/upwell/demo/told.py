"""What a data directory remembers of the demo, so that a restart goes on with the same story."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

TOLD = "demo-told.json"


class Told(msgspec.Struct):
    """What a restart must know: the story's instant, whether history is in, when the burst is."""

    at: dt.datetime
    scale: float
    filled: bool = False
    burst: dt.datetime | None = None
    live: dt.datetime | None = None


def recall(data: Path, scale: float, at: dt.datetime) -> Told:
    """What is remembered; where nothing is, a story told at `at` from now on."""
    try:
        return msgspec.json.decode((data / TOLD).read_bytes(), type=Told)
    except OSError:
        told = Told(at=at, scale=scale)
        remember(data, told)
        return told


def remember(data: Path, told: Told) -> None:
    """Keep it, whole or not at all."""
    path = data / TOLD
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(told))
    fresh.replace(path)
