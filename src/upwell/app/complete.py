"""How far each source that is read has come, and which numbers wait for it.

A source stands behind the event types that it has delivered for a product, and before it has
delivered any, behind those that its kind is for. One that fails or is paused stands still.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from upwell.app import reached
from upwell.app.connect import Links
from upwell.app.link import Link
from upwell.journal import Journal
from upwell.metrics.catalog import MRR
from upwell.period import DAY_MICROS, Zone
from upwell.projection import Projection
from upwell.query.complete import Through
from upwell.query.question import Lateness
from upwell.sources.contract import Promise
from upwell.sources.kinds import kind_named

KEPT = 0.5  # seconds that what is known of the sources is good for
TYPES_KEPT = 60.0  # the same of which types they deliver
SAVED = 60.0  # seconds after which how far they are is written down again, where it is asked for
SLACK = 120.0  # seconds that a source may be behind its promise, at least
STRIPE = Promise(every=60.0)
BILLING = frozenset(
    {"revenue", "refund", "fee", "subscription", "trial", "churn", MRR}
    | {"payment_failed", "payment_recovered"}
)
FOR: Mapping[str, frozenset[str]] = {
    "stripe": BILLING,
    "ga4": frozenset({"report"}),
    "mixpanel": frozenset({"engagement", "page_view", "session", "signup", "activation"}),
}


class Standings:
    """The sources of a house and how complete they are; asked from any thread.

    `read_to` says up to when (UTC micros) a source was read; None while nobody can tell. What is
    known is good for `kept` seconds.
    """

    kept = KEPT

    def __init__(
        self,
        links: Links,
        journal: Journal,
        projection: Projection,
        now: Callable[[], int],
        remembered: Path,
    ) -> None:
        """`remembered` is the file of how far sources were when the program last ran."""
        self._links, self._journal, self._projection, self._now = links, journal, projection, now
        self._remembered, self._saved = remembered, time.monotonic()
        self.read_to: Callable[[str], int | None] | None = None
        self._lock = Lock()
        self._reached = reached.load(remembered, journal)
        self._every: tuple[float, list[Link], dict[str, tuple[Link, Through]]] = (0.0, [], {})
        self._types: tuple[float, object, dict[tuple[str, str], frozenset[str]]] = (0.0, None, {})

    def behind(self, product: str, types: frozenset[str]) -> tuple[Through, ...]:
        """The sources that are read and stand behind these event types of a product."""
        every = self.every()
        if not every:
            return ()
        delivered = self._delivered()
        return tuple(
            through
            for link, through in every.values()
            if _feeds(link, product, types, delivered.get((product, link.id)))
        )

    def of(self, id_: str) -> Through | None:
        """How far a source is; None where it is not read, or says nothing of it."""
        found = self.every().get(id_)
        return found and found[1]

    def every(self) -> dict[str, tuple[Link, Through]]:
        """Every source that says how far it is, by id."""
        if self.read_to is None:
            return {}
        links = self._links.every()
        with self._lock:
            at, of, known = self._every
            if of != links or time.monotonic() - at > self.kept:
                known = {
                    link.id: (link, found)
                    for link in links
                    if (found := self._through(link)) is not None
                }
                self._every = (time.monotonic(), links, known)
                if known and time.monotonic() - self._saved > SAVED:
                    self._saved = time.monotonic()
                    reached.save(self._remembered, self._journal, self._reached)
            return known

    def keep(self) -> None:
        """Remember how far every source is, for the time after a restart."""
        with self._lock:
            self._every, self._saved = (-inf, [], {}), -inf
        self.every()

    def _through(self, link: Link) -> Through | None:
        row = self._links.row(link.id)
        late: Lateness = "paused" if link.paused else "failed" if row and row.failed else ""
        to = self._reached.get(link.id)
        if to is None or not late:  # one that stands still need not be asked again
            assert self.read_to is not None
            found = self.read_to(link.id)
            if found is None and to is None and self._journal.pulled(link.id) is not None:
                return None  # read, by a kind that does not say how far
            to = max((one for one in (found, to) if one is not None), default=None)
        if to is None:
            return Through(link.id, None, late)
        self._reached[link.id] = to
        if not late and self._now() - to > allowed(promise_of(link)):
            late = "late"
        return Through(link.id, to, late)

    def _delivered(self) -> dict[tuple[str, str], frozenset[str]]:
        """Which types came of each (product, source)."""
        seen = self._projection.seen()
        stamp = (self._projection.generation, frozenset(seen))
        with self._lock:
            at, known, found = self._types
            if known == stamp and time.monotonic() - at < TYPES_KEPT:
                return found
        rows = self._projection.reader().execute(
            "select product, source, list(distinct type) from cells where n > 0 group by all"
        )
        found = {(product, source): frozenset(types) for product, source, types in rows.fetchall()}
        found = {key: found.get(key, frozenset()) for key in {*found, *seen}}
        with self._lock:
            self._types = (time.monotonic(), stamp, found)
        return found


def promise_of(link: Link) -> Promise:
    """What a source promises, in seconds."""
    if link.kind == "stripe" or link.settings is None:
        return STRIPE
    try:
        return kind_named(link.kind).promise(link.settings)
    except Exception:  # noqa: BLE001 - its kind is gone or broken: reading it says so
        return STRIPE


def allowed(promise: Promise) -> int:
    """How far (micros) a source may be behind the clock without being late.

    Its promise and three looks; one that is a day late or more speaks of whole days only.
    """
    seconds = promise.late + max(SLACK, 3 * promise.every)
    return int(seconds * 1_000_000) + (DAY_MICROS if promise.late >= 86_400 else 0)


def _feeds(
    link: Link, product: str, types: frozenset[str], delivered: frozenset[str] | None
) -> bool:
    """Whether a source stands behind any of these types of a product."""
    if delivered is None and link.origin.product != product:
        return False
    feeds = (delivered or frozenset()) | (types_for(link) if link.kind == "stripe" else frozenset())
    return not types.isdisjoint(feeds or types_for(link))


def types_for(link: Link) -> frozenset[str]:
    """The event types that a source is for, as its kind and its table say."""
    queries: Any = getattr(link.settings, "queries", ())
    said = {str(msgspec.structs.asdict(query).get("event_type", "")) for query in queries}
    return FOR.get(link.kind, frozenset()) | frozenset(said - {""})


def read_to(through: Through, zone: Zone) -> str:
    """How far a source was read, in words, in local time."""
    if through.to is None:
        return "of which nothing was read yet"
    local = zone.local(through.to)
    return f"read up to {local.day} {local:%b %H:%M}"
