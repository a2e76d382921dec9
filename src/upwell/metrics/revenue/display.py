"""Rounding for people: parts that still add up to their sum (R1)."""

from __future__ import annotations

from collections.abc import Sequence


def half_even(amount: int, unit: int) -> int:
    """The amount in whole units, a half going to the even one."""
    whole, rest = divmod(amount, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2 == 1))


def rounded_parts(parts: Sequence[int], unit: int) -> list[int]:
    """Parts in whole units that add up to their rounded sum, by largest remainder.

    Of equal remainders the earlier part is rounded up.
    """
    total = half_even(sum(parts), unit)
    found = [part // unit for part in parts]
    rests = sorted(range(len(parts)), key=lambda i: (-(parts[i] % unit), i))
    for i in rests[: total - sum(found)]:
        found[i] += 1
    return found
