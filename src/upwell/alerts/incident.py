"""The nouns of alerting: a rule, a reading of one series at one moment, and an incident."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

import msgspec

from upwell.detect import USUAL, Expected, Limits, Severity

State = Literal["pending", "open", "acknowledged", "muted", "resolved"]

WHOLE = ""  # the product of a reading of the whole company
TOGETHER = dt.timedelta(minutes=10)  # products that go wrong within it have one cause
AGAIN = dt.timedelta(days=1)  # what comes back within it is the same incident


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Which series are watched, how strictly, and who is told.

    No products: every product and the company. `to` None: every channel; empty: the page only.
    """

    metric: str
    products: tuple[str, ...] = ()
    to: tuple[str, ...] | None = None
    hold: dt.timedelta = dt.timedelta(0)
    limits: Limits = USUAL
    people: bool = False  # whether messages name customers; the page always does

    @property
    def id(self) -> str:
        """The same for the same metric and products, over restarts and other settings."""
        return f"{self.metric}:{','.join(sorted(self.products)) or '*'}"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One series at one moment: what is, what was expected, and whether live events led to it."""

    product: str  # WHOLE: the company
    name: str = ""  # the product's, as people call it
    day: dt.date
    value: float | None
    expected: Expected
    text: str = ""  # "21 today by 14:05, expected 2–7"
    share: float = 1.0  # of a usual day that is over by now, by what comes in; 1: the whole day
    quiet: bool = False  # only history moved it: imports, back-fills, rebuilds


class Moment(msgspec.Struct, frozen=True):
    """What was known, or done, when; `of`: the product it tells of, if it tells of one."""

    at: dt.datetime
    text: str
    of: str | None = None


class Part(msgspec.Struct, frozen=True):
    """One part of the difference from expected; the parts of one `by` add exactly to it."""

    by: str
    key: str
    share: float
    delta: float
    value: float


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """What the difference is made of, since when, and who is behind it."""

    parts: tuple[Part, ...] = ()
    since: str = ""  # local time, 11:20
    since_value: float = 0.0
    customers: tuple[str, ...] = ()
    customer_count: int = 0


class Told(msgspec.Struct, frozen=True):
    """The last time people were told: when, how bad it was, and for which products."""

    at: dt.datetime
    severity: Severity
    products: tuple[str, ...]
    times: int


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: a metric of a product, of several at once, or of the company.

    `readings` holds the newest reading of each series that took part.
    """

    id: str
    rule: str
    metric: str
    product: str  # the one it is named after
    day: dt.date
    state: State
    opened_at: dt.datetime
    readings: tuple[Reading, ...]
    timeline: tuple[Moment, ...] = ()
    calm_since: dt.datetime | None = None
    resolved_at: dt.datetime | None = None
    muted_until: dt.datetime | None = None
    dismissed: bool = False  # resolved by a person while it lasted: silent until it was calm once
    told: Told | None = None
    worst: Severity = "medium"
    why: Why = Why()

    @property
    def products(self) -> tuple[str, ...]:
        """The products that take part, the one it is named after first; the company only alone."""
        named = [r.product for r in self.readings if r.product not in (WHOLE, self.product)]
        return (self.product, *named)

    @property
    def severity(self) -> Severity | None:
        """How bad it is now; None where every series is back in its range."""
        now = {reading.expected.severity for reading in self.readings}
        return "high" if "high" in now else "medium" if "medium" in now else None

    @property
    def reading(self) -> Reading:
        """The newest reading of the product it is named after."""
        return next(r for r in self.readings if r.product == self.product)


class Reason(StrEnum):
    """Why something was told, or not; the sentences are shown to people."""

    NORMAL = "within the expected range"
    TOO_SHORT_HISTORY = "history is too short to say what is usual"
    SILENT_HISTORY = "only history changed"
    EARLIER_DAY = "a newer day is already judged"
    WAITING = "waiting for a source before a drop is judged"
    PENDING = "held: it must last before it is told"
    PASSED = "over before it was told"
    OPENED = "new"
    SPREAD = "more products are affected"
    WORSENED = "worse than when it was told"
    STILL_OPEN = "told already, and not over"
    MUTED = "muted"
    MUTE_ENDED = "not over when the mute ended"
    DISMISSED = "resolved by a person, and not calm since"
    CALMING = "back in range, but not long enough to be over"
    RESOLVED = "over"
    REOPENED = "came back within a day"

    @property
    def changes(self) -> bool:
        """Whether it may change what the inbox shows."""
        return self not in (
            Reason.NORMAL,
            Reason.TOO_SHORT_HISTORY,
            Reason.SILENT_HISTORY,
            Reason.EARLIER_DAY,
            Reason.WAITING,
            Reason.PENDING,
            Reason.PASSED,
        )


TELLS = frozenset(
    {
        Reason.OPENED,
        Reason.SPREAD,
        Reason.WORSENED,
        Reason.MUTE_ENDED,
        Reason.RESOLVED,
        Reason.REOPENED,
    }
)
"""The reasons that people hear of."""


def name(rule: Rule, reading: Reading, now: dt.datetime) -> str:
    """An id that the same beginning always gets, so that a repeated decision adds nothing."""
    text = f"{rule.id}|{reading.product}|{now.isoformat()}"
    return "al_" + hashlib.sha256(text.encode()).hexdigest()[:16]


def belongs(reading: Reading, near: Iterable[Incident], now: dt.datetime) -> Incident | None:
    """The incident that a reading is part of: its own, the one of its parts, or of its cause.

    `near` are those of the same rule that are not over or were over less than a day ago, newest
    first. A product and the company are one; products that go wrong within minutes are one.
    """
    alive = [i for i in near if i.state != "resolved"]
    for incident in alive:
        if any(reading.product == other.product for other in incident.readings):
            return incident
    if reading.expected.severity is not None and not reading.quiet:
        for incident in alive:
            if WHOLE in (reading.product, incident.product):
                return incident
            if now - incident.opened_at <= TOGETHER and incident.day == reading.day:
                return incident
    for incident in near:
        if incident.resolved_at is None or now - incident.resolved_at > AGAIN:
            continue
        # What a person resolved while it lasted stays resolved for all that took part.
        if reading.product == incident.product or (
            incident.dismissed and reading.product in (WHOLE, *incident.products)
        ):
            return incident
    return None
