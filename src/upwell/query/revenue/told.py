"""What billing systems said beyond the ledger: trials, and cancellations that are set for later.

Worked out for each subscription once, and again when something new was said of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import NamedTuple

import msgspec

from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.cancellations import set_for_later, set_to_cancel
from upwell.metrics.revenue.mrr import Level
from upwell.metrics.revenue.trials import Trial, trials
from upwell.period import DAY_MICROS
from upwell.projection import Projection
from upwell.query.revenue.payers import discounted

AHEAD = 400 * DAY_MICROS  # how far levels are looked ahead, so that what is kept stays true
_STATE = msgspec.json.Decoder(SubscriptionState)
Subscription = tuple[str, str]  # source and id


class Notices(NamedTuple):
    """Of one subscription: its trials, levels of the MRR that has a date to end, and of what is
    set for later: by how much MRR will be another."""

    source: str
    id: str
    product: str
    trials: tuple[Trial, ...]
    ending: tuple[Level, ...]
    later: tuple[Level, ...]


class Told:
    """The notices of every subscription that has any, under one set of counting rules."""

    def __init__(self, projection: Projection, policy: MetricPolicy) -> None:
        self._projection, self._policy = projection, policy
        self._lock = Lock()
        self._generation = self._read = -1
        self._of: dict[Subscription, Notices] = {}

    def notices(self, seen: int, known_at: int | None) -> list[Notices]:
        """All there are at an instant, as known now or at another time (UTC micros)."""
        if known_at is not None:
            then = "recorded_at <= ? and (superseded_at is null or superseded_at > ?)"
            states = self._states(then, "", [known_at, known_at])
            return [self._made(own, seen) for own in states.values()]
        with self._lock:
            if self._generation != self._projection.generation:
                self._generation, self._read = self._projection.generation, -1
                self._of.clear()
            db = self._projection.reader()
            row = db.execute("select coalesce(max(no), -1) from billing").fetchone()
            newest = int(row[0]) if row else -1
            if newest > self._read:
                states = self._states(
                    "superseded_seq is null",
                    " and ((source, id) in (select (source, id) from billing where no > $1)"
                    " or (source, customer) in (select (source, id) from billing where no > $1))",
                    [],
                    [self._read],
                )
                for key, own in states.items():
                    self._of[key] = self._made(own, seen)
                self._read = newest
            return list(self._of.values())

    def _states(
        self, known: str, wanted: str, values: Sequence[int], more: Sequence[int] = ()
    ) -> dict[Subscription, list[SubscriptionState]]:
        """The states of the subscriptions that ever had a date ahead: of a trial, a discount, …"""
        db = self._projection.reader()
        rows = db.execute(
            f"""with chosen as (select source, id, customer, body, ts, ord, no from billing
              where kind = 'sub' and {known}{wanted})
            select source, id, body from chosen where (source, id) in (
              select (source, id) from chosen
              where body like '%"status":"trialing"%' or body like '%"cancel_at":%'
                or body like '%"pause_resumes":%' or body like '%"duration":"repeating"%'
                or (source, customer) in (select (source, id) from billing
                  where kind = 'cus' and body like '%"duration":"repeating"%'))
            order by ts, ord, no""",
            [*values, *more],
        )
        found: defaultdict[Subscription, list[SubscriptionState]] = defaultdict(list)
        while page := rows.fetchmany(10_000):
            for source, id_, body in page:
                found[source, id_].append(_STATE.decode(body))
        return discounted(db, found, known, values)

    def _made(self, states: Sequence[SubscriptionState], seen: int) -> Notices:
        until = seen + AHEAD
        product = next((i.product for s in reversed(states) for i in s.items), "")
        return Notices(
            source=states[-1].source,
            id=states[-1].id,
            product=product,
            trials=tuple(trials(states, self._policy, until)),
            ending=tuple(_ending(states, self._policy, until)),
            later=tuple(set_for_later(states, self._policy, until)),
        )


def _ending(
    states: Sequence[SubscriptionState], policy: MetricPolicy, until: int
) -> Iterable[Level]:
    if all(state.cancel_at is None for state in states):
        return ()
    return set_to_cancel(states, policy, until)
