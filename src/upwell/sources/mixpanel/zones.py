"""Whether the times of a project are those of the zone that its settings name. Pure.

Mixpanel notes when it received an event (`mp_processing_time_ms`, always UTC). What happens now is
received now: events that most often lie ahead of that by the same span are another zone's.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell.event import SECONDS_BELOW
from upwell.period import MICROS, Zone
from upwell.sources.columns import to_utc

ENOUGH = 50  # events from which a conclusion is drawn
STEP = 15 * 60  # seconds; offsets of zones are multiples of it
NEAR = 5 * 60
MOST = 0.8


class _Times(msgspec.Struct):
    time: float
    mp_processing_time_ms: float


class _Line(msgspec.Struct):
    properties: _Times


_LINE = msgspec.json.Decoder(_Line)


def ahead(lines: Sequence[bytes], zone: Zone) -> int:
    """Seconds that these events lie ahead of when Mixpanel received them; 0: not by one span."""
    times, arrivals = _read(lines)
    if len(times) < ENOUGH:
        return 0
    local = (times * MICROS).astype(np.int64)
    early = to_utc(local, zone) / MICROS - arrivals
    span = round(float(np.median(early)) / STEP) * STEP
    return span if span > 0 and np.mean(np.abs(early - span) < NEAR) >= MOST else 0


def already_utc(lines: Sequence[bytes], zone: Zone) -> bool:
    """Whether the times are UTC as they stand, though the zone is another."""
    times, arrivals = _read(lines)
    if len(times) < ENOUGH:
        return False
    offsets = zone.offsets((times * MICROS).astype(np.int64)) / MICROS
    late = arrivals - times
    return bool(
        np.mean(np.abs(offsets) >= STEP) >= MOST and np.mean((late > -NEAR) & (late < NEAR)) >= MOST
    )


def _read(lines: Sequence[bytes]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = []
    for line in lines:
        try:
            found.append(_LINE.decode(line).properties)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    times = np.array([one.time for one in found], dtype=np.float64)
    arrivals = np.array([one.mp_processing_time_ms for one in found], dtype=np.float64) / 1_000
    good = (times > 0) & (times < SECONDS_BELOW * 100)
    times, arrivals = times[good], arrivals[good]
    return np.where(times < SECONDS_BELOW, times, times / 1_000), arrivals
