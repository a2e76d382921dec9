"""Trials counted by bucket, kept while more is told of them (R12).

What became of nearly all of them is settled whatever the time: these are looked up. Those that may
still turn out otherwise, or were told of lately, are gone through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import trials
from upwell.metrics.revenue.trials import NEVER, Columns
from upwell.period import DAY_MICROS
from upwell.query.revenue.ladders import MOST_BESIDE, Ladder
from upwell.query.revenue.sums import I64, firsts

PRODUCT, SIGN = 0, 5  # of the columns of a trial; between them those of `Columns`


class Tried(NamedTuple):
    """All trials: as ladders by product, as rows by their start, and those told of lately.

    `rows` [column, trial] have the columns product, those of `Columns`, and a sign: -1 where a
    trial is no more. `converted` are the places of those that converted, by that instant.
    """

    policy: MetricPolicy
    rows: I64
    converted: I64
    above: Ladder
    below: Ladder
    beside: I64

    def counts(self, keys: Sequence[int], many: int, edges: I64, now: int) -> tuple[I64, I64]:
        """Trials that converted and those they are a share of, as [key, bucket] (see `outcomes`).

        `keys` says which of the `many` keys a product is (-1: none); a bucket lies between two
        edges.
        """
        found = np.zeros((2, many, max(0, len(edges) - 1)), dtype=np.int64)
        for into, ladder in zip(found, (self.above, self.below), strict=True):
            for place, product in enumerate(ladder.groups.tolist()):
                if keys[product] >= 0:
                    into[keys[product]] += np.diff(ladder.before(place, edges))
        self._add(found, self.beside, keys, edges, now, settled=False)
        if self.policy.trial_conversion != "ended":
            self._add(found, self._open(now), keys, edges, now, settled=True)
        return found[0], found[1]

    def _open(self, now: int) -> I64:
        """The rows in order of which it depends on the time what they count as."""
        ahead = np.searchsorted(self.rows[3][self.converted], now, side="right")
        young = now - self.policy.trial_days * DAY_MICROS
        since = int(np.searchsorted(self.rows[1], young, side="right"))
        places = np.union1d(self.converted[ahead:], np.arange(since, self.rows.shape[1]))
        return self.rows[:, places]

    def _add(
        self, into: I64, rows: I64, keys: Sequence[int], edges: I64, now: int, *, settled: bool
    ) -> None:
        """Add what rows count as now; less what the ladders have of them, where `settled`."""
        key, of, sign = np.array([*keys, -1])[rows[PRODUCT]], Columns(*rows[1:SIGN]), rows[SIGN]
        if self.policy.trial_conversion == "ended":
            sides = [(of.converted, sign), (of.ended, sign)]
        else:
            converted, pending = trials.outcomes(of, self.policy, now)
            above, below = converted.astype(np.int64), (~pending).astype(np.int64)
            if settled:
                above, below = above - _settled(of, self.policy), below - 1
            sides = [(of.started, above * sign), (of.started, below * sign)]
        for found, (at, amount) in zip(into, sides, strict=True):
            slot = np.searchsorted(edges, at, side="right") - 1
            own = (key >= 0) & (slot >= 0) & (slot < found.shape[1])
            np.add.at(found, (key[own], slot[own]), amount[own])


class Trials:
    """The trials of all subscriptions under one set of counting rules.

    Where more than `beside` changed, they are put in order with the rest.
    """

    def __init__(self, policy: MetricPolicy, beside: int = MOST_BESIDE) -> None:
        self._policy, self._most = policy, beside
        self._beside: list[Sequence[int]] = []
        self._whole = self._ordered(np.zeros((SIGN + 1, 0), dtype=np.int64))

    def add(self, rows: Iterable[Sequence[int]]) -> None:
        """Add trials: product, the columns of `Columns`, and 1; -1 takes one back."""
        self._beside += rows

    def read(self) -> Tried:
        """All of them as they stand."""
        fresh = np.array(self._beside, dtype=np.int64).reshape(-1, SIGN + 1).T
        if fresh.shape[1] > self._most:
            self._whole = self._ordered(np.concatenate([self._whole.rows, fresh], axis=1))
            self._beside, fresh = [], fresh[:, :0]
        return self._whole._replace(beside=fresh)

    def _ordered(self, rows: I64) -> Tried:
        """Rows in order, without those that were taken back."""
        rows = rows[:, np.lexsort(rows[:SIGN])]
        first = np.flatnonzero(firsts(*rows[:SIGN]))
        signs = np.add.reduceat(rows[SIGN], first) if len(first) else rows[SIGN]
        rows = np.vstack([rows[:SIGN, first], signs])[:, signs != 0]
        rows = rows[:, np.argsort(rows[1], kind="stable")]
        product, started, ended, converted, _, sign = rows
        at = (converted, ended), (started, started)
        if self._policy.trial_conversion == "ended":
            above, below = (Ladder.of(product, one, sign) for one in at[0])
        else:
            kept = sign * _settled(Columns(*rows[1:SIGN]), self._policy)
            above, below = Ladder.of(product, started, kept), Ladder.of(product, started, sign)
        there = np.flatnonzero(converted < NEVER)
        order = there[np.argsort(converted[there], kind="stable")]
        return Tried(self._policy, rows, order, above, below, rows[:, :0])


def _settled(of: Columns, policy: MetricPolicy) -> NDArray[np.bool_]:
    """Which trials count as converted once all the time they have has passed."""
    return trials.outcomes(of, policy, NEVER - 1)[0]
