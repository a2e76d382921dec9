"""What billing systems said beyond the ledger: trials, and cancellations that are set for later.

Worked out for each subscription once, and again when something new was said of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import msgspec
import numpy as np

from upwell.billing import SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.cancellations import set_for_later, set_to_cancel
from upwell.metrics.revenue.mrr import Level
from upwell.metrics.revenue.trials import Columns, Trial, row, trials
from upwell.period import DAY_MICROS
from upwell.projection import Projection
from upwell.projection.names import Names
from upwell.query.revenue.columns import Rows
from upwell.query.revenue.payers import discounted
from upwell.query.revenue.sums import I64, added

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


class Slips(NamedTuple):
    """Changes of an amount of MRR, as columns; `change` is in millionths of minor units."""

    product: I64
    currency: I64
    at: I64
    change: I64


class Said(NamedTuple):
    """All notices at once, as columns whose products and currencies are numbers of the names."""

    products: list[str]
    currencies: list[str]
    product: I64  # of each trial
    trials: Columns
    ending: Slips
    later: Slips


class _Kept:
    """Notices as columns, of which a subscription's own are replaced together."""

    def __init__(self) -> None:
        self._products, self._currencies = Names(), Names()
        self._trials, self._ending, self._later = Rows(5), Rows(4), Rows(4)

    def take(self, fresh: Mapping[Subscription, Notices]) -> None:
        """Put what was said of these subscriptions in place of what was said before."""
        self._trials.replace(
            {
                key: [(self._products.number(one.product), *row(trial)) for trial in one.trials]
                for key, one in fresh.items()
            }
        )
        self._ending.replace({key: self._changes(one.ending) for key, one in fresh.items()})
        self._later.replace({key: self._changes(one.later) for key, one in fresh.items()})

    def _changes(self, levels: Iterable[Level]) -> list[tuple[int, ...]]:
        shown: dict[object, int] = {}
        found = list[tuple[int, ...]]()
        for level in levels:
            names = self._products.number(level.product), self._currencies.number(level.currency)
            found.append((*names, level.at, level.amount - shown.get(level.line, 0)))
            shown[level.line] = level.amount
        return found

    def read(self) -> Said:
        """All of them as they stand."""
        product, *trials = self._trials.read()
        return Said(
            list(self._products.all),
            list(self._currencies.all),
            product,
            Columns(*trials),
            Slips(*self._ending.read()),
            Slips(*self._later.read()),
        )


def amounts(
    slips: Slips, keys: Sequence[int], codes: Sequence[int], shape: tuple[int, int], closes: I64
) -> I64:
    """What slips come to before each of some instants, as [key, currency, instant].

    `keys` and `codes` say which ones of `shape` a slip's product and currency are; -1: none.
    """
    key, code = np.array([*keys, -1])[slips.product], np.array([*codes, -1])[slips.currency]
    slot = np.searchsorted(closes, slips.at, side="right")
    own = (key >= 0) & (code >= 0) & (slot < len(closes))
    place = ((key * shape[1] + code) * len(closes) + slot)[own]
    cells = added(place, slips.change[own], shape[0] * shape[1] * len(closes))
    found: I64 = np.cumsum(cells.reshape(*shape, len(closes)), axis=-1)
    return found


class Told:
    """The notices of every subscription that has any, under one set of counting rules."""

    def __init__(self, projection: Projection, policy: MetricPolicy) -> None:
        self._projection, self._policy = projection, policy
        self._lock = Lock()
        self._generation = self._read = -1
        self._of: dict[Subscription, Notices] = {}
        self._kept = _Kept()
        self._said: Said | None = None  # until something new is told

    def said(self, seen: int, known_at: int | None) -> Said:
        """The notices at an instant as columns, as known now or at another time (UTC micros)."""
        if known_at is not None:
            then = _Kept()
            found = self.notices(seen, known_at)
            then.take({(one.source, one.id): one for one in found})
            return then.read()
        with self._lock:
            self._read_on(seen)
            if self._said is None:
                self._said = self._kept.read()
            return self._said

    def notices(self, seen: int, known_at: int | None) -> list[Notices]:
        """All there are at an instant, as known now or at another time (UTC micros)."""
        if known_at is not None:
            then = "recorded_at <= ? and (superseded_at is null or superseded_at > ?)"
            states = self._states(then, "", [known_at, known_at])
            return [self._made(own, seen) for own in states.values()]
        with self._lock:
            self._read_on(seen)
            return list(self._of.values())

    def _read_on(self, seen: int) -> None:
        """Take in what was said since the last time."""
        if self._generation != self._projection.generation:
            self._generation, self._read = self._projection.generation, -1
            self._of.clear()
            self._kept, self._said = _Kept(), None
        db = self._projection.reader()
        row = db.execute("select coalesce(max(no), -1) from billing").fetchone()
        newest = int(row[0]) if row else -1
        if newest <= self._read:
            return
        wanted, more = "", list[Sequence[int]]()
        if self._read >= 0:
            subjects = db.execute(
                "select distinct subject from billing where no > ? and kind in ('sub', 'cus')",
                [self._read],
            ).fetchall()
            wanted = " and subject in (select unnest($1::ubigint[]))"
            more = [[int(subject) for (subject,) in subjects]]
        states = self._states("superseded_seq is null", wanted, [], more)
        fresh = {key: self._made(own, seen) for key, own in states.items()}
        self._of.update(fresh)
        self._kept.take(fresh)
        self._read, self._said = newest, None

    def _states(
        self, known: str, wanted: str, values: Sequence[int], more: Sequence[Sequence[int]] = ()
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
