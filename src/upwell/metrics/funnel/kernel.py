"""What the compiled loops share: their inputs, and where they write."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEVER = -(2**62)


class Lines(NamedTuple):
    """Events in their settled order: `order[place]` is a row of the other three arrays."""

    order: NDArray[np.int64]
    flags: NDArray[np.uint8]
    ts: NDArray[np.int64]
    hits: NDArray[np.uint64]
    drops: NDArray[np.uint64]


class Plan(NamedTuple):
    """A rule in numbers: steps and exclusions counted from 0, exclusions as [after, before)."""

    masks: NDArray[np.uint64]  # the alternatives of each step
    back: NDArray[np.int64]  # the earliest step from which each step can be reached
    after: NDArray[np.int64]
    before: NDArray[np.int64]
    hides: NDArray[np.bool_]
    window: int
    tolerance: int
    watermark: int
    reach: int  # how long after an entry the last event of its attempt can be
    strict: bool
    first: bool
    by_step: bool


class Jobs(NamedTuple):
    """Timelines to follow: places `lo <= place < hi`, entries `since <= t < until`."""

    lo: NDArray[np.int64]
    hi: NDArray[np.int64]
    since: NDArray[np.int64]
    until: NDArray[np.int64]


class Found(NamedTuple):
    """One entry a job: the winning chain's row for each step (-1: none), and how it stands."""

    rows: NDArray[np.int64]
    taken: NDArray[np.int64]  # the step each row was matched to
    reached: NDArray[np.int64]  # the last step reached, from 1; 0: none
    alive: NDArray[np.int64]  # from when the window of the last attempt runs
    hidden: NDArray[np.bool_]
