"""What billing systems said beyond the ledger: trials, and cancellations that are set for later.

Worked out for each subscription once, and again when something new was said of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from upwell.metrics.policy import MetricPolicy
from upwell.projection import Projection
from upwell.query.among import Among
from upwell.query.revenue.ladders import MOST_BESIDE
from upwell.query.revenue.notices import Kept, Notices, Said, Subscription, made
from upwell.query.revenue.past import AT_ONCE, Past, heard_of, since, stored


class Told:
    """The notices of every subscription that has any, under one set of counting rules.

    A past of more than `at_once` records is read in a thread; what commits have told since is taken
    in by whoever asks; `beside` is how much of that may lie beside what is in order.
    """

    def __init__(
        self,
        projection: Projection,
        policy: MetricPolicy,
        at_once: int = AT_ONCE,
        beside: int = MOST_BESIDE,
    ) -> None:
        self._projection, self._policy, self._at_once = projection, policy, at_once
        self._beside = beside
        self._lock = Lock()
        self._generation = -1
        self._next = 0  # the first version that was not taken in
        self._past: Past | None = None  # while it is being read
        self._of: dict[Subscription, Notices] = {}
        self._kept = Kept(policy, beside)
        self._said: Said | None = None  # until something new is told

    def said(self, seen: int, known_at: int | None, among: Among | None = None) -> Said:
        """The notices at an instant as columns, as known now or at another time (UTC micros).

        Of all customers, or of some. Raises Unavailable (folding) while a long past is being read.
        """
        if known_at is not None or among is not None:
            some = Kept(self._policy)
            for one in self.notices(seen, known_at, among):
                some.take(one, None)
            return some.read()
        with self._lock:
            self._read_on(seen)
            if self._said is None:
                self._said = self._kept.read()
            return self._said

    def notices(self, seen: int, known_at: int | None, among: Among | None = None) -> list[Notices]:
        """Those there are at an instant, as known now or at another time (UTC micros).

        Of all customers, or of some. Raises Unavailable (folding) while a long past is being read.
        """
        found = self._all(seen, known_at)
        if among is None:
            return found
        return [one for one in found if (one.source, one.customer) in among.accounts]

    def _all(self, seen: int, known_at: int | None) -> list[Notices]:
        if known_at is not None:
            then = "recorded_at <= ? and (superseded_at is null or superseded_at > ?)"
            states = stored(
                self._projection.reader(), then, [known_at, known_at], policy=self._policy
            )
            return [made(own, self._policy, seen) for own in states.values()]
        with self._lock:
            self._read_on(seen)
            return list(self._of.values())

    def prepare(self, seen: int) -> bool:
        """Begin to read the past where nobody did; whether it was read."""
        with self._lock:
            return self._has_past(seen, awaited=False)

    def stop(self) -> None:
        """Let nothing be read any more."""
        with self._lock:
            if self._past is not None:
                self._past.stop()

    def _read_on(self, seen: int) -> None:
        """Take in what was said since the last time."""
        if not self._has_past(seen, awaited=True):
            assert self._past is not None
            raise self._past.progress()
        recent = self._projection.books.recent
        if recent.next <= self._next:
            return
        heard = recent.since(self._next) or [since(self._projection, self._next)]
        states = heard_of(heard, self._policy)
        dated = {key: made(own, self._policy, seen) for key, own in states.items() if own}
        undated = (key for key in states.keys() - dated.keys() if key in self._of)
        self._take(dated | {key: Notices(*key) for key in undated})
        self._next = heard[-1].next

    def _has_past(self, seen: int, *, awaited: bool) -> bool:
        """Whether all was taken in that was said before this generation of the projection."""
        if self._generation == self._projection.generation:
            return True
        if self._past is None or self._past.lost:
            self._past = Past(self._projection, self._policy, seen, self._at_once)
        past = self._past
        if not past.found(awaited=awaited):
            return False
        self._of, self._kept, self._past = {}, Kept(self._policy, self._beside), None
        self._generation, self._next = past.generation, past.next
        self._take(past.notices)
        return True

    def _take(self, fresh: Mapping[Subscription, Notices]) -> None:
        self._said = None
        for key, one in fresh.items():
            self._kept.take(one, self._of.get(key))
            if one.trials or one.ending or one.later:
                self._of[key] = one
            else:
                self._of.pop(key, None)
