"""What a data directory remembers of the demo, so that a restart goes on with the same story."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from upwell.errors import Rejected

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
    found = known(data)
    if found is None:
        found = Told(at=at, scale=scale)
        remember(data, found)
    return found


def known(data: Path) -> Told | None:
    """What is remembered, or None; raises Rejected for what another version has written."""
    try:
        return msgspec.json.decode((data / TOLD).read_bytes(), type=Told)
    except OSError:
        return None
    except msgspec.MsgspecError as error:
        raise Rejected(
            "old_demo",
            f"The demo company in {data} was told by another version of Upwell.",
            fix="Choose another directory with --data, or remove this one.",
            where=str(data / TOLD),
        ) from error


def remember(data: Path, told: Told) -> None:
    """Keep it, whole or not at all."""
    path = data / TOLD
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(told))
    fresh.replace(path)
