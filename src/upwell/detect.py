"""What a point was expected to be, from earlier days only, and how far it is from that. Pure.

Two detectors, both on the scale of the founding story's z (medium above 2.5, high above 3.5):

- `zscore_30`: a whole day against the mean and standard deviation of the 30 whole days before it;
  the named baseline, with a floor on the deviation so that a metric that never moved can alarm
- `so_far`: a day in progress against the same weekdays at the same local time of day, so that a
  day that has only begun is never compared with whole days

Days are numbers as in `upwell.period`; a value that is None or not finite is a day not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeGuard

import msgspec
import numpy as np
from numpy.typing import NDArray

Kind = Literal["count", "amount"]  # counts have a Poisson floor; amounts a relative one
Direction = Literal["up", "down", "none"]  # which way is good
Severity = Literal["high", "medium"]

HISTORY = 30  # days known before anything is judged
WEEKS = 8  # how far back the same weekdays are looked up
LIMIT = 40.0  # z is capped: beyond it nothing is decided differently
RELATIVE_FLOOR = 0.02  # an amount that never moved is taken to move by 2 %
RARE = 0.1  # a count not seen by this time is taken as one in ten days
FADE = 0.7  # weight of a week against the one after it
ODD = 12.0  # squared distance, in units of the usual one, from which a past day is odd
ODD_WEIGHT = 0.25  # an odd day may still be the first of a new level
LOOKS = 1.25  # a day in progress is looked at all day long; tests/laws/test_false_alarms.py


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """From which z on a point is news."""

    medium: float = 2.5
    high: float = 3.5


USUAL = Limits()


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """The range a point was expected in; outside it on the bad side there is a severity.

    `mean`, `low`, `high` are None and `enough` False where history is too short to say. `z` has
    the sign of the deviation; `excess` is z towards the bad side, where there is one.
    """

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    z: float = 0.0
    excess: float = 0.0
    severity: Severity | None = None
    enough: bool = False
    reason: str


def zscore_30(
    earlier: Sequence[float | None],
    value: float | None,
    *,
    kind: Kind,
    direction: Direction,
    limits: Limits = USUAL,
) -> Expected:
    """A whole day against the 30 known whole days before it, oldest first in `earlier`."""
    known = [day for day in earlier if _known(day)][-HISTORY:]
    if len(known) < HISTORY:
        return _too_short(len(known))
    if not _known(value):
        return Expected(enough=True, reason="nothing is known of this day")
    mean = math.fsum(known) / HISTORY
    std = math.sqrt(math.fsum((day - mean) ** 2 for day in known) / (HISTORY - 1))
    sd = max(std, _floor(kind, mean))
    reach = limits.medium * sd
    low = max(0.0, mean - reach) if min(known) >= 0 else mean - reach
    return _judged(_ratio(value - mean, sd), mean, low, mean + reach, direction, limits)


def so_far(
    earlier: Mapping[int, float | None],
    day: int,
    value: float | None,
    *,
    kind: Kind,
    direction: Direction,
    limits: Limits = USUAL,
) -> Expected:
    """What has come in by now against earlier days at this time of day.

    `earlier` maps days to what had come in by the same local time; days from `day` on are not
    looked at. The mean is that of the same weekday, newer weeks first; the spread is that of all
    days around their weekday's mean, never under Poisson's for counts.
    """
    known = _window(earlier, day)
    if len(known) < HISTORY:
        return _too_short(len(known))
    weight = weights(earlier, day, kind)
    if len(weight) < 3:
        return _too_short(len(known))
    if not _known(value):
        return Expected(enough=True, reason="nothing is known of this day")
    mean = math.fsum(known[d] * w for d, w in weight.items())
    # The mean itself is uncertain: it rests on few days.
    wider = 1 + math.fsum(w * w for w in weight.values())
    spread = _spread(known, kind)
    if kind == "count":
        centre = max(mean, RARE)
        variance = max(1.0, spread) * centre * wider

        def z_of(x: float) -> float:
            return _tail_z(x, centre, variance) / LOOKS

        low, high = _count_range(z_of, centre, limits.medium)
    else:
        sd = max(math.sqrt(spread * wider), RELATIVE_FLOOR) * abs(mean)

        def z_of(x: float) -> float:
            return _ratio(x - mean, sd) / LOOKS

        reach = limits.medium * sd * LOOKS
        low, high = mean - reach, mean + reach
        if min(known.values()) >= 0:
            low = max(0.0, low)
    return _judged(z_of(value), mean, low, high, direction, limits)


def weights(earlier: Mapping[int, float | None], day: int, kind: Kind) -> dict[int, float]:
    """How much each earlier day counts for the expected mean of `day`; they add to 1.

    Only the same weekday counts. The mean is linear in the days, so the expected values of the
    parts of a sum (plans, countries) add exactly to that of the sum.
    """
    known = _window(earlier, day)
    squares = _squares(known, kind)
    ceiling = _ceiling(squares, kind)
    raw = {
        d: FADE ** ((day - d) // 7 - 1) * (ODD_WEIGHT if squares.get(d, 0) > ceiling else 1.0)
        for d in known
        if (day - d) % 7 == 0
    }
    total = math.fsum(raw.values())
    return {d: w / total for d, w in raw.items()}


def by_now(hours: NDArray[np.float64], elapsed: float) -> NDArray[np.float64]:
    """What had come in by `elapsed` hours of local time, for each day.

    `hours` has a row for each day and 24 columns; the hour then running counts in part.
    """
    whole = min(int(elapsed), 24)
    found: NDArray[np.float64] = hours[:, :whole].sum(axis=1)
    if whole < 24:
        found = found + hours[:, whole] * (elapsed - whole)
    return found


def surprise(count: float, mean: float) -> float:
    """How surprising a count is where `mean` is usual, as an equivalent z (Poisson)."""
    centre = max(mean, RARE)
    return _tail_z(count, centre, centre)


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _window(earlier: Mapping[int, float | None], day: int) -> dict[int, float]:
    first = day - 7 * WEEKS
    return {
        d: float(v)
        for d, v in sorted(earlier.items())
        if first <= d < day and v is not None and math.isfinite(v)
    }


def _too_short(days: int) -> Expected:
    return Expected(reason=f"needs {HISTORY} days of history, has {days}")


def _floor(kind: Kind, mean: float) -> float:
    # Half an event more than Poisson's, so that the first ever event is not yet news.
    return math.sqrt(max(mean, 0.0) + 0.5) if kind == "count" else RELATIVE_FLOOR * abs(mean)


def _ratio(difference: float, sd: float) -> float:
    if difference == 0:
        return 0.0
    return difference / sd if sd > abs(difference) / LIMIT else math.copysign(LIMIT, difference)


def _judged(
    z: float, mean: float, low: float, high: float, direction: Direction, limits: Limits
) -> Expected:
    z = max(-LIMIT, min(LIMIT, z))
    excess = {"up": -z, "down": z, "none": abs(z)}[direction]
    severity: Severity | None = None
    if excess > limits.high:
        severity = "high"
    elif excess > limits.medium:
        severity = "medium"
    if severity is not None:
        reason = "above what was expected" if z > 0 else "below what was expected"
    elif abs(z) > limits.medium:
        reason = "outside the expected range, on the good side"
    else:
        reason = "within the expected range"
    return Expected(
        mean=mean,
        low=low,
        high=high,
        z=z,
        excess=excess,
        severity=severity,
        enough=True,
        reason=reason,
    )


def _squares(known: Mapping[int, float], kind: Kind) -> dict[int, float]:
    """Each day's squared distance from its weekday's median, in units of what is usual there.

    The unit is the median itself for counts (Poisson), its square for amounts; medians, so that
    one catastrophe does not make itself usual.
    """
    groups: dict[int, list[float]] = {}
    for day, value in known.items():
        groups.setdefault(day % 7, []).append(value)
    medians = {weekday: _median(values) for weekday, values in groups.items()}
    units = {w: max(m, 0.5) if kind == "count" else m * m for w, m in medians.items()}
    return {
        day: (value - medians[day % 7]) ** 2 / units[day % 7]
        for day, value in known.items()
        if units[day % 7]
    }


def _ceiling(squares: Mapping[int, float], kind: Kind) -> float:
    usual = 1.0 if kind == "count" else RELATIVE_FLOOR**2
    return ODD * max(_median(list(squares.values())), usual)


def _spread(known: Mapping[int, float], kind: Kind) -> float:
    """Variance over mean for counts, over the squared mean for amounts; odd days are cut off."""
    squares = _squares(known, kind)
    freedom = len(squares) - len({day % 7 for day in squares})
    if freedom < 1:
        return 0.0
    ceiling = _ceiling(squares, kind)
    return math.fsum(min(square, ceiling) for square in squares.values()) / freedom


def _median(values: list[float]) -> float:
    if not values:
        return 0.0
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def _tail_z(count: float, mean: float, variance: float) -> float:
    """The z whose normal tail is about that of a negative binomial (Poisson at variance = mean).

    Signed root of the deviance with a continuity correction: a closed form, within 0.3 of the
    exact tail and on its careful side for the counts met here.
    """
    if abs(count - mean) <= 0.5:
        return 0.0
    y = max(count - 0.5, 0.0) if count > mean else count + 0.5
    own = y * math.log(y / mean) if y > 0 else 0.0
    if variance > mean * (1 + 1e-9):
        shape = mean * mean / (variance - mean)
        deviance = own - (y + shape) * math.log((y + shape) / (mean + shape))
    else:
        deviance = own - (y - mean)
    return math.copysign(math.sqrt(2 * max(deviance, 0.0)), count - mean)


def _count_range(z_of: Callable[[float], float], mean: float, limit: float) -> tuple[float, float]:
    """The whole counts, lowest and highest, that are no news; found by halving."""
    low, far = math.floor(mean), max(1, math.ceil(mean))
    while z_of(far) <= limit and far < 1 << 50:
        far *= 2
    near = low
    while far - near > 1:
        middle = (near + far) // 2
        near, far = (middle, far) if z_of(middle) <= limit else (near, middle)
    if z_of(0) >= -limit:
        return 0.0, float(near)
    under = 0
    while low - under > 1:
        middle = (under + low) // 2
        under, low = (middle, low) if z_of(middle) < -limit else (under, middle)
    return float(low), float(near)
