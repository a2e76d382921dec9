"""Parts of a change that add up to it, rounded so that they still do. Pure, on integers.

Values are integers in billionths of a unit (money: nano-units), so that sums are exact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from upwell.metrics.revenue.display import half_even, rounded_parts

SCALE = 10**9
MOST = 10  # parts of a split; the smaller ones are added up


class Pair(NamedTuple):
    """A value before and after."""

    before: int
    after: int

    @property
    def change(self) -> int:
        """After less before."""
        return self.after - self.before


class Drawn(NamedTuple):
    """One part, in the unit's own steps times that step; `keys` are those it stands for."""

    keys: tuple[str, ...]
    before: int
    after: int


class Effect(NamedTuple):
    """What a part has of a rate's change: by its own rate, and by its share of the whole."""

    change: Fraction
    rate: Fraction

    @property
    def mix(self) -> Fraction:
        """What its share of the whole did."""
        return self.change - self.rate


def largest(changes: Mapping[str, float], most: int, rest: Collection[str] = ()) -> list[str]:
    """The keys of the largest changes either way, the largest first; those in `rest` are none."""
    found = sorted(changes.keys() - set(rest), key=lambda key: (-abs(changes[key]), key))
    return found[:most]


def settled(parts: Sequence[int], target: int, unit: int) -> list[int]:
    """The parts in whole units that add up to `target` units; what they lack the largest takes."""
    if not parts:
        return []
    at = max(range(len(parts)), key=lambda n: abs(parts[n]))
    own = list(parts)
    own[at] += target * unit - sum(own)
    return rounded_parts(own, unit)


def additive(
    whole: Pair, parts: Mapping[str, Pair], unit: int, rest: Collection[str] = (), most: int = MOST
) -> tuple[list[Drawn], Pair]:
    """The parts rounded to units, largest change first and the rest as one; and what they lack.

    What did not change is in the rest. Befores add up to the whole's, afters too, with what is
    lacking; less than a unit of it is rounding, and the largest part takes it.
    """
    there = {key: pair for key, pair in parts.items() if any(pair)}
    moved = {key: pair.change for key, pair in there.items() if pair.change}
    named = largest(moved, most, rest)
    others = tuple(key for key in there if key not in named)
    groups = [*((key,) for key in named), *([others] if others else [])]
    sums = [Pair(*(sum(there[key][n] for key in keys) for n in (0, 1))) for keys in groups]
    lack = Pair(*(whole[n] - sum(pair[n] for pair in sums) for n in (0, 1)))
    if all(abs(missing) < unit for missing in lack):
        lack = Pair(0, 0)
    all_of_them = [*sums, lack]
    target = half_even(whole.after, unit) - half_even(whole.before, unit)
    # What did not change shows no change: an earlier value is what the rounded ones leave.
    changes = settled([pair.change for pair in all_of_them], target, unit)
    afters = settled([pair.after for pair in all_of_them], half_even(whole.after, unit), unit)
    pairs = [
        Pair((after - change) * unit, after * unit)
        for after, change in zip(afters, changes, strict=True)
    ]
    return [Drawn(keys, *pair) for keys, pair in zip(groups, pairs, strict=False)], pairs[-1]


def effects(
    whole: tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]],
    parts: Mapping[str, tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]]],
) -> dict[str, Effect]:
    """What each part has of the change of a rate N/D; ((n, d) before, (n, d) after) of each.

    With R and D at the mean of both spans, a part has ((n1 - n0) - R (d1 - d0)) / D: these add up
    to R1 - R0 where the n and d add up to N and D. Of it its own rate makes d (r1 - r0) / D, d at
    the mean of both spans; the rest is its share of the whole, at how far its rate is from R.
    Both denominators of the whole must be other than 0. Source: T. L. Bennet, The Theory of
    Measurement of Changes in Cost of Living, Journal of the Royal Statistical Society 83 (1920):
    the symmetric split of the difference of a product.
    """
    (n0, d0), (n1, d1) = whole
    mean, size = (n0 / d0 + n1 / d1) / 2, (d0 + d1) / 2
    found = {}
    for key, ((a0, b0), (a1, b1)) in parts.items():
        change = ((a1 - a0) - mean * (b1 - b0)) / size
        own = (b0 + b1) / 2 * (a1 / b1 - a0 / b0) / size if b0 and b1 else Fraction(0)
        found[key] = Effect(change, own)
    return found
