"""The bridge from one MRR to another, and what products gave to and took from each other (R5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.revenue.ledger import (
    CHURN,
    CONTRACTION,
    EXPANSION,
    NEW,
    NOTHING,
    REACTIVATION,
    Ints,
)


class Bridge(NamedTuple):
    """Closing = opening + new + expansion + reactivation - contraction - churn + fx + restatement.

    Contraction and churn are positive numbers that are taken off. The unit is that of the deltas.
    """

    opening: int = 0
    new: int = 0
    expansion: int = 0
    reactivation: int = 0
    contraction: int = 0
    churn: int = 0
    fx: int = 0
    restatement: int = 0

    @property
    def closing(self) -> int:
        """MRR at the end."""
        return self.opening + self.net_new + self.fx + self.restatement

    @property
    def net_new(self) -> int:
        """What the movements come to."""
        return self.new + self.expansion + self.reactivation - self.contraction - self.churn


class Cross(NamedTuple):
    """What customers who stayed changed, apart by product: the three add to their net movement."""

    cross_sell: int  # products they began or came back to
    product_drop: int  # products they left, negative
    within: int  # more or less of the same product


def bridge(
    day: NDArray[np.int32], delta: Ints, kinds: NDArray[np.uint8], first: int, end: int
) -> Bridge:
    """The bridge over local days [first, end), from rows of one currency and one grain's kinds."""
    inside = (day >= first) & (day < end)
    sums = np.zeros(6, dtype=np.int64)
    np.add.at(sums, kinds[inside], delta[inside])
    return Bridge(
        opening=int(delta[day < first].sum()),
        new=int(sums[NEW]),
        expansion=int(sums[EXPANSION]),
        reactivation=int(sums[REACTIVATION]),
        contraction=-int(sums[CONTRACTION]),
        churn=-int(sums[CHURN]),
    )


def cross(delta: Ints, by_product: NDArray[np.uint8], by_company: NDArray[np.uint8]) -> Cross:
    """Cross-sell and product drop within customers who neither came nor left.

    Kinds may not be added over grains: product A's churn of 100 and B's new 150 are one expansion
    of 50 for the company. These three say the same money both ways.
    """
    stayed = np.isin(by_company, (NOTHING, EXPANSION, CONTRACTION))
    begun = stayed & np.isin(by_product, (NEW, REACTIVATION))
    dropped = stayed & (by_product == CHURN)
    rest = stayed & ~begun & ~dropped
    return Cross(int(delta[begun].sum()), int(delta[dropped].sum()), int(delta[rest].sum()))
