"""Under which rules and configurations a ledger is counted, and at which moments an account is."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import cast

import duckdb
import msgspec

from upwell.metrics.policy import MetricPolicy
from upwell.period import Zone
from upwell.projection.billing import MOVING, Version
from upwell.projection.ground import GROUND, RELINKED, Ground
from upwell.projection.kin import of_customer
from upwell.projection.ledger import Epoch, Moment

_ASIDE = {  # choices that are made when a question is answered: the rows are the same
    name: getattr(MetricPolicy(), name)
    for name in (
        "name", "title", "version", "fx", "customer_churn", "net_churn_with_reactivation",
        "quick_ratio_with_reactivation", "retention_months", "ltv_churn_months", "cac_lag_days",
        "trial_conversion", "trial_days", "recovery_days", "closed_months",
    )
}  # fmt: skip


def rules(policy: MetricPolicy) -> MetricPolicy:
    """The choices that rows depend on: policies that agree in them have one book."""
    return msgspec.structs.replace(policy, **_ASIDE)


def merges_only(one: Ground, other: Ground) -> bool:
    """Whether two configurations differ, for a ledger, at most in who belongs together."""
    return counts_like(one, msgspec.structs.replace(other, merges=one.merges))


def counts_like(one: Ground, other: Ground) -> bool:
    """Whether a ledger counted on one configuration is the ledger of the other."""
    policies = [rules(ground.counting()) for ground in (one, other)]
    return policies[0] == policies[1] and one.counts_like(other)


def epoch_of(ground: Ground, zone: Zone, policy: MetricPolicy | None = None) -> Epoch:
    """What customers are counted under."""
    return Epoch(rules(policy or ground.counting()), ground, zone, ground.same)


def epochs(db: duckdb.DuckDBPyConnection) -> list[tuple[int, int, Ground]]:
    """The configurations that ledgers were counted under: from which delivery, from when."""
    rows = db.execute("select seq, recorded_at, body from grounds order by seq").fetchall()
    found, ground = [(0, 0, Ground())], Ground()
    for seq, at, body in rows:
        if body.startswith('{"type":"identity"'):
            ground = RELINKED.decode(body).of(ground)
        else:
            ground = GROUND.decode(body)
        found.append((seq, at, ground))
    return found


class Times:
    """The moments of all configurations, and which of them an account is counted at."""

    def __init__(self, moments: Sequence[Moment], grounds: Sequence[Ground]) -> None:
        self.moments = moments
        self.starts = [moment.seq for moment in moments]
        self._all: list[int] = [0]  # those that everybody is counted at
        self._own: defaultdict[int, list[int]] = defaultdict(list)  # by subject
        for number, (before, after) in enumerate(pairwise(grounds), 1):
            if not merges_only(before, after):
                self._all.append(number)
                continue
            differ = before.same.items() ^ after.same.items()
            for subject in {of_customer(*member) for pair in differ for member in pair}:
                self._own[subject].append(number)

    def of(self, versions: Sequence[Version]) -> Iterator[Moment]:
        """When the configuration of an account changed."""
        subjects = {version.subject for version in versions} if self._own else ()
        own = {number for one in subjects for number in self._own.get(one, ())}
        for number in (*self._all, *own):
            yield self.moments[number]


def moments_of(versions: Sequence[Version], times: Times, judged: bool) -> list[Moment]:
    """When an account was counted: at each delivery that changed it, and at each configuration."""
    found: dict[int, int] = {}
    judged = judged or any(version.gives for version in versions)
    for version in versions:
        if version.kind in MOVING or judged:
            found[version.version_seq] = version.recorded_at
            if version.superseded_seq is not None:
                found[version.superseded_seq] = cast(int, version.superseded_at)
    if not found:
        return []
    first = min(found)
    found.update({time.seq: time.at for time in times.of(versions) if time.seq > first})
    return [Moment(seq, found[seq], bisect_right(times.starts, seq) - 1) for seq in sorted(found)]
