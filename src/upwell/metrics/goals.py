"""Whether a goal will be reached: how far it is, and how far it should be by now. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, NamedTuple

State = Literal["reached", "on_pace", "behind", "missed", "unknown"]


class Pace(NamedTuple):
    """Where a goal stands; `gap` is by how much it is behind, or was missed, else 0.

    `share` is the value over the target, where the target is above where it began.
    """

    state: State
    expected: Fraction
    gap: Fraction
    share: Fraction | None


def pace(
    start: Fraction, target: Fraction, value: Fraction | None, since: int, until: int, now: int
) -> Pace:
    """The pace of a goal: a straight line from `start` at `since` to `target` at `until`.

    Times in any one unit, `since` before `until`. A target below the start is to be gone down to.
    A value on the line or beyond it is on pace; one at the target has reached it, also before its
    time; at its time anything else has missed it.
    """
    done = min(max(Fraction(now - since, until - since), Fraction(0)), Fraction(1))
    expected = start + (target - start) * done
    if value is None:
        return Pace("unknown", expected, Fraction(0), None)
    up = target >= start
    share = value / target if up and target > 0 else None
    if (value >= target) if up else (value <= target):
        return Pace("reached", expected, Fraction(0), share)
    if now >= until:
        return Pace("missed", expected, abs(target - value), share)
    if (value >= expected) if up else (value <= expected):
        return Pace("on_pace", expected, Fraction(0), share)
    return Pace("behind", expected, abs(expected - value), share)
