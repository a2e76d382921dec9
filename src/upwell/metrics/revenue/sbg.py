"""How long contracts last: the shifted-beta-geometric model (R11).

Source: Fader and Hardie, "How to Project Customer Retention" (2007) and "Customer-Base Valuation in
a Contractual Setting" (2010). Each customer has an own, unknown chance to leave at each renewal;
these chances are spread as Beta(a, b), so those who stay are more and more the loyal ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

STEPS = 200
ENOUGH = 1e-10
LOWEST, HIGHEST = math.log(1e-4), math.log(1e6)


class Model(NamedTuple):
    """The spread of the chances to leave."""

    a: float
    b: float

    def renewal(self, period: int) -> float:
        """Share of those left that renew at the end of a period, from 1."""
        return (self.b + period - 1) / (self.a + self.b + period - 1)

    def survival(self, periods: int) -> list[float]:
        """Share still there after 1, 2, … periods."""
        found, left = [], 1.0
        for period in range(1, periods + 1):
            left *= self.renewal(period)
            found.append(left)
        return found

    def residual_lifetime(self, stayed: int, discount: float) -> float | None:
        """Discounted periods to come of a customer who stayed so many and may renew now.

        `discount` is a rate a period (0.1); None where it is not above 0: the sum may not end.
        """
        if discount <= 0:
            return None
        total, left, period = 0.0, 1.0, stayed + 1
        while left > ENOUGH:
            left *= self.renewal(period)
            total += left
            left /= 1 + discount
            period += 1
        return total


def fit(survival: Sequence[float]) -> Model | None:
    """The most likely model behind the shares still there after 1, 2, … periods.

    None where nothing can be learnt: fewer than two periods, nobody left, nobody stayed, or shares
    that rise, which is no contract.
    """
    whole = [1.0, *survival]
    if len(survival) < 2 or survival[-1] >= 1 or survival[0] <= 0:
        return None
    if any(later > earlier for earlier, later in pairwise(whole)):
        return None
    x, y = 0.0, 0.0  # logarithms of a and b
    best = _likelihood(whole, x, y)
    for _ in range(STEPS):
        dx, dy = _step(whole, x, y)
        size = 1.0
        while size > ENOUGH:
            tried = _within(x + size * dx), _within(y + size * dy)
            found = _likelihood(whole, *tried)
            if found > best:
                break
            size /= 2
        else:
            break
        (x, y), gain, best = tried, found - best, found
        if gain < ENOUGH * ENOUGH:
            break
    return Model(math.exp(x), math.exp(y))


def _within(value: float) -> float:
    return min(max(value, LOWEST), HIGHEST)


def _likelihood(whole: Sequence[float], x: float, y: float) -> float:
    a, b = math.exp(x), math.exp(y)
    return math.fsum(
        stayed * math.log(b + t) + (before - stayed) * x - before * math.log(a + b + t)
        for t, (before, stayed) in enumerate(pairwise(whole))
    )


def _step(whole: Sequence[float], x: float, y: float) -> tuple[float, float]:
    """Newton's step in log a and log b, or the slope where the surface is not a hill there."""
    a, b = math.exp(x), math.exp(y)
    da = db = daa = dbb = dab = 0.0
    for t, (before, stayed) in enumerate(pairwise(whole)):
        all_, kept = a + b + t, b + t
        da += (before - stayed) / a - before / all_
        db += stayed / kept - before / all_
        dab += before / all_**2
        daa += before / all_**2 - (before - stayed) / a**2
        dbb += before / all_**2 - stayed / kept**2
    gx, gy = a * da, b * db
    hxx, hyy, hxy = a * a * daa + gx, b * b * dbb + gy, a * b * dab
    scale = hxx * hyy - hxy * hxy
    if hxx >= 0 or scale <= 0:
        return gx, gy
    return (hxy * gy - hyy * gx) / scale, (hxy * gx - hxx * gy) / scale
