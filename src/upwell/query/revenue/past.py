"""Which states notices are made of: those of now or then, those just told, and a whole past.

Only subscriptions that ever had a date ahead (of a trial, a discount, a cancellation, a pause) have
any notices; the others are left out before their states are read.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import duckdb
import msgspec
import structlog

from upwell.billing import Customer, Refund, Schedule, SubscriptionState
from upwell.errors import Unavailable
from upwell.metrics.policy import MetricPolicy
from upwell.projection import Projection, billing
from upwell.projection.billing import Version
from upwell.projection.recent import Heard
from upwell.query.revenue.notices import Notices, Subscription, made
from upwell.query.revenue.payers import (
    discounted,
    giving_back,
    inheriting,
    planned,
    refunds_of,
    schedules_of,
)

log = structlog.get_logger()

AT_ONCE = 20_000  # records that are read while the question waits
PAGE = 500  # records that are decoded in one go
WORK, REST, HURRY = 0.01, 0.03, 0.002  # seconds: others come first until somebody waits
DATED = ('"status":"trialing"', '"cancel_at":', '"pause_resumes":')
REPEATING = '"duration":"repeating"'

States = Mapping[Subscription, Sequence[SubscriptionState]]
_STATE = msgspec.json.Decoder(SubscriptionState)
_SCHEDULED = (
    "select (source, json_extract_string(body, '$.subscription')) from billing where kind = 'sch'"
)
_AHEAD = " or ".join(f"body like '%{mark}%'" for mark in (*DATED, REPEATING))


def stored(
    db: duckdb.DuckDBPyConnection,
    known: str,
    values: Sequence[int] = (),
    subjects: Iterable[int] | None = None,
    policy: MetricPolicy | None = None,
    breathe: Callable[[], None] = lambda: None,
) -> States:
    """The states by subscription, of all subjects or some; `known` says which versions.

    `policy` says what refunds do to them; None: nothing. `breathe` is called again and again.
    """
    wanted = "" if subjects is None else " and subject in (select unnest($1::ubigint[]))"
    more = [] if subjects is None else [sorted(subjects)]
    rows = db.execute(
        f"""with chosen as (select source, id, customer, body, ts, ord, no from billing
          where kind = 'sub' and {known}{wanted})
        select source, id, body from chosen where (source, id) in (
          select (source, id) from chosen where {_AHEAD}
            or (source, id) in ({_SCHEDULED} and {known})
            or (source, customer) in (select (source, id) from billing
              where kind = 'cus' and body like '%{REPEATING}%'))
        order by ts, ord, no""",
        [*values, *more, *values],
    )
    found: defaultdict[Subscription, list[SubscriptionState]] = defaultdict(list)
    while page := rows.fetchmany(PAGE):
        for source, id_, body in page:
            found[source, id_].append(_STATE.decode(body))
        breathe()
    states = planned(discounted(db, found, known, values), schedules_of(db, known, values))
    if policy is None or not policy.reads_refunds:
        return states
    return giving_back(states, refunds_of(db, states, known, values), policy)


def heard_of(commits: Iterable[Heard], policy: MetricPolicy) -> States:
    """The states of the subscriptions that some commits told of, as the last of these left them.

    None of a subscription without any date.
    """
    found: dict[Subscription, Sequence[SubscriptionState]] = {}
    for commit in commits:
        own: defaultdict[Subscription, list[Version]] = defaultdict(list)
        payers: defaultdict[Subscription, list[Customer]] = defaultdict(list)
        repeating = set[Subscription]()
        refunds: defaultdict[Subscription, list[Refund]] = defaultdict(list)
        schedules: defaultdict[Subscription, list[Schedule]] = defaultdict(list)
        for version in sorted(commit.versions, key=lambda v: (v.ts, v.ord, v.no)):
            key = (version.source, version.id)
            if version.kind == "sub":
                own[key].append(version)
                continue
            if version.kind == "ref":
                refund = cast(Refund, version.record)
                refunds[refund.source, refund.subscription].append(refund)
                continue
            if version.kind == "sch":
                schedule = cast(Schedule, version.record)
                schedules[schedule.source, schedule.subscription].append(schedule)
                continue
            payers[key].append(cast(Customer, version.record))
            if REPEATING in version.body:
                repeating.add(key)
        dated = {
            key: [cast(SubscriptionState, version.record) for version in versions]
            for key, versions in own.items()
            if key in schedules or any(_dated(version, repeating) for version in versions)
        }
        found.update(dict.fromkeys(own, ()))
        found.update(giving_back(planned(inheriting(dated, payers), schedules), refunds, policy))
    return found


def _dated(version: Version, repeating: set[Subscription]) -> bool:
    body, payer = version.body, (version.source, version.customer or "")
    return REPEATING in body or payer in repeating or any(mark in body for mark in DATED)


def since(projection: Projection, number: int) -> Heard:
    """What version `number` and later ones told of, from the file, as if in one commit."""
    db = projection.reader()
    after = _next(db)
    rows = db.execute(
        "select distinct subject from billing where no >= ?"
        " and kind in ('sub', 'cus', 'ref', 'sch')",
        [number],
    ).fetchall()
    subjects = projection.books.together(int(subject) for (subject,) in rows)
    return Heard.of(number, after, billing.fetch(db, subjects))


STANDING = "superseded_seq is null"


def _next(db: duckdb.DuckDBPyConnection) -> int:
    return int(db.execute("select coalesce(max(no) + 1, 0) from billing").fetchall()[0][0])


class Past:
    """All notices there are, read in a thread of its own where there are over `at_once` records.

    `next` is the first version that may be missing.
    """

    def __init__(
        self, projection: Projection, policy: MetricPolicy, seen: int, at_once: int
    ) -> None:
        self._projection, self._policy, self._seen = projection, policy, seen
        self.generation = projection.generation
        self.notices: dict[Subscription, Notices] = {}
        self._stopped = threading.Event()
        self._awaited = False
        self._share = 0.0
        self._ready = False
        self._thread: threading.Thread | None = None
        self._began = 0.0  # when it last went on
        db = projection.reader()
        self.next = _next(db)
        count = db.execute("select count(*) from billing where kind in ('sub', 'cus')").fetchall()
        if count[0][0] > at_once:
            self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
            self._thread.start()
        else:
            self._take(stored(db, STANDING, policy=policy))
            self._ready = True

    @property
    def lost(self) -> bool:
        """Whether it has to be begun again."""
        ended = self._thread is not None and not self._thread.is_alive() and not self._ready
        return ended or self.generation != self._projection.generation

    def found(self, *, awaited: bool) -> bool:
        """Whether everything is there; where somebody waits for it, it is made quicker."""
        self._awaited |= awaited
        return self._ready

    def progress(self) -> Unavailable:
        """How far it is, as people are told."""
        return Unavailable(
            "folding",
            f"Trials and cancellations are being read: {self._share:.0%} done.",
            fix="Ask again in a few seconds.",
            retry_after=2,
        )

    def stop(self) -> None:
        """Give up, and wait until nothing is read any more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=60)

    def _run(self) -> None:
        try:
            self._ready = self._read()
        except duckdb.Error as error:
            log.warning("notices not read", error=repr(error))

    def _read(self) -> bool:
        db = self._projection.reader()
        rows = db.execute(
            f"""select distinct subject from billing
            where kind = 'sch' or kind = 'sub' and ({_AHEAD}
              or (source, customer) in (select (source, id) from billing
                where kind = 'cus' and body like '%{REPEATING}%'))"""
        ).fetchall()
        parts = list(self._projection.books.parts(int(subject) for (subject,) in rows))
        for number, part in enumerate(parts):
            self._began = time.perf_counter()
            self._take(stored(db, STANDING, subjects=part, policy=self._policy, breathe=self._rest))
            self._share = (number + 1) / len(parts)
            if self._stopped.is_set() or self.lost:
                return False
        return True

    def _take(self, states: States) -> None:
        for key, own in states.items():
            self.notices[key] = made(own, self._policy, self._seen)
            if self._thread is not None:
                self._rest()
            if self._stopped.is_set():
                return

    def _rest(self) -> None:
        """After a little work give way to commits and to questions, for longer than it took."""
        worked = time.perf_counter() - self._began
        if worked >= WORK:
            self._stopped.wait(HURRY if self._awaited else max(REST, 2 * worked))
            self._began = time.perf_counter()
