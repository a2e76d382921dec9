"""Events of the same instant, put in step order (P4). Compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.compiled import compiled

MIXED = 1  # in a tie of different events, where clearing and exclusions are skipped
OPENS = 2  # the first place of its tie
FEW = 32


@compiled
def step_rank(hits: np.uint64, masks: NDArray[np.uint64]) -> int:
    """Lower for events of earlier steps; of two that begin alike, the one that ends earlier."""
    steps = len(masks)
    low = steps
    high = steps
    for k in range(steps):
        if hits & masks[k]:
            if low == steps:
                low = k
            high = k
    return low * (steps + 1) + high


@compiled
def settle(
    bounds: NDArray[np.int64],
    ts: NDArray[np.int64],
    hits: NDArray[np.uint64],
    drops: NDArray[np.uint64],
    masks: NDArray[np.uint64],
    tolerance: int,
    order: NDArray[np.int64],
    flags: NDArray[np.uint8],
) -> bool:
    """Fill `order` (row at each place) and `flags` for users between `bounds`; False: not sorted.

    A tie holds the events up to `tolerance` after its first one.
    """
    for user in range(len(bounds) - 1):
        first = bounds[user]
        end = bounds[user + 1]
        while first < end:
            last = first + 1
            alike = True
            while last < end and ts[last] - ts[first] <= tolerance:
                if ts[last] < ts[last - 1]:
                    return False
                alike &= hits[last] == hits[first] and drops[last] == drops[first]
                last += 1
            for place in range(first, last):
                order[place] = place
                flags[place] = 0 if alike else MIXED
            flags[first] |= OPENS
            if not alike:
                _by_step(order[first:last], hits, masks)
            first = last
    return True


@compiled
def _by_step(
    places: NDArray[np.int64], hits: NDArray[np.uint64], masks: NDArray[np.uint64]
) -> None:
    count = len(places)
    ranks = np.empty(count, dtype=np.int64)
    for i in range(count):
        ranks[i] = step_rank(hits[places[i]], masks)
    if count > FEW:
        places[:] = places[np.argsort(ranks, kind="mergesort")]
        return
    for i in range(1, count):
        rank = ranks[i]
        row = places[i]
        j = i
        while j > 0 and ranks[j - 1] > rank:
            ranks[j] = ranks[j - 1]
            places[j] = places[j - 1]
            j -= 1
        ranks[j] = rank
        places[j] = row
