"""What is asked about use: the bodies of questions, as programs and pages send them."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from upwell.errors import Rejected
from upwell.metrics.funnel.rule import Entry, Mode, Order, Scope
from upwell.period import Grain

DayGrain = Literal["day", "week", "month", "quarter", "year"]
Scalar = str | int | float | bool


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter on one property; all that is given must hold. Numbers compare as numbers."""

    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = msgspec.field(default=None, name="in")
    contains: str | None = None
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None
    exists: bool | None = None


Where = dict[str, Scalar | tuple[Scalar, ...] | Condition]
"""By property: a value, several of which one must hold, or a condition."""


class Doing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event: its type, or of `engagement` its name; with filters, of some of the products."""

    event: str
    where: Where = {}
    product: str | tuple[str, ...] = ()


class StepAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step: one event, or any of several; `label` is what people call it."""

    event: str | None = None
    where: Where = {}
    product: str | tuple[str, ...] = ()
    any: tuple[Doing, ...] = ()
    optional: bool = False
    label: str = ""

    def alternatives(self) -> tuple[Doing, ...]:
        """The events that do the step."""
        if self.event is None:
            return self.any
        return (Doing(event=self.event, where=self.where, product=self.product), *self.any)


class Excluded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event that must not come between two steps, which are counted from 1."""

    event: str
    where: Where = {}
    between: tuple[int, int] | None = None
    mode: Mode = "end_attempt"


class Scoped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Products (none: all that may be seen), local days, and filters that hold for every event.

    `segment` is the id of one: only its users are looked at.
    """

    product: str | tuple[str, ...] = ()
    start: dt.date | None = msgspec.field(default=None, name="from")
    end: dt.date | None = msgspec.field(default=None, name="to")
    where: Where = {}
    segment: str | None = None

    @property
    def products(self) -> tuple[str, ...]:
        """The products by name."""
        return named(self.product)


class FunnelAsked(Scoped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/funnel`."""

    steps: tuple[StepAsked, ...]
    window: str = "14d"
    order: Order = "ordered"
    entry: Entry = "latest"
    exclude: tuple[Excluded, ...] = ()
    window_scope: Scope = "first"
    order_tolerance_ms: int = 0
    by: str | None = None
    attribution: str = "first_touch"
    trend: Grain | None = None


class RetentionAsked(Scoped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/retention`; `columns` counts column 0."""

    begin: StepAsked = msgspec.field(name="start")
    back: StepAsked = msgspec.field(name="return")
    grain: Grain = "day"
    cohort: Literal["first_time", "recurring", "first_ever"] = "first_time"
    counting: Literal["on", "on_or_after"] = "on"
    buckets: Literal["calendar", "exact_24h"] = "calendar"
    measure: Literal["actors", "revenue"] = "actors"
    by: str | None = None
    columns: int | None = None


class ActivityAsked(Scoped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Activity by bucket; without an event: what counts as active."""

    grain: DayGrain = "day"
    event: str | None = None


class LifecycleAsked(ActivityAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/lifecycle`."""


class StickinessAsked(ActivityAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/stickiness`."""


class PathsAsked(Scoped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/paths`: by the names of events, or by a property of an event (`by`).

    Anchored at a start, an end, or both.
    """

    begin: str | None = msgspec.field(default=None, name="start")
    finish: str | None = msgspec.field(default=None, name="end")
    depth: int = 5
    event: str | None = None
    by: str | None = None
    edges: int = 50


class DidAsked(Scoped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whoever did an event (without one: anything) so many times in the range."""

    event: str | None = None
    at_least: int = 1


class PartAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value of the breakdown, as the answer wrote it."""

    key: str | None = None
    other: bool = False


class Behind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number: the question it answers, and where it stands in the answer.

    `funnel`: a `step` (from 1) and a `state`: who reached it, or stands there and dropped or may go
    on; `converted` is of the last; or a `node` of the flow, or the link from it to `target`.
    `retention`: the start of a `cohort`, the column `k`, and who `stayed`, or did not. `lifecycle`:
    the `kind` of a bar, and the `start` of its bucket. `stickiness`: active in so many buckets
    (`times`), or in more. `paths`: the edge from `source` to `target`; without one who ended there.
    `did`: whoever did something.
    """

    funnel: FunnelAsked | None = None
    step: int | None = None
    state: Literal["reached", "converted", "dropped", "open"] = "reached"
    node: str | None = None
    retention: RetentionAsked | None = None
    cohort: str = ""
    k: int = 0
    stayed: bool = True
    lifecycle: LifecycleAsked | None = None
    kind: Literal["new", "returning", "resurrecting", "dormant"] = "new"
    start: str = ""
    stickiness: StickinessAsked | None = None
    times: int = 1
    or_more: bool = False
    paths: PathsAsked | None = None
    source: str = ""
    target: str | None = None
    did: DidAsked | None = None
    part: PartAsked | None = None

    @property
    def question(self) -> Scoped:
        """The one question asked; Rejected where there is none, or more than one."""
        own = (
            self.funnel,
            self.retention,
            self.lifecycle,
            self.stickiness,
            self.paths,
            self.did,
        )
        given = [one for one in own if one is not None]
        if len(given) != 1:
            raise Rejected(
                "bad_people",
                f"{len(given)} questions say whose people are meant; it takes one.",
                fix="Send one of funnel, retention, lifecycle, stickiness, paths and did.",
                where="of",
            )
        return given[0]


class PeopleAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/people`: the users behind a number, page by page."""

    of: Behind
    limit: int = 100
    cursor: str | None = None


class NewSegment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/segments`: users by what they do, to be looked at in other questions."""

    name: str
    of: Behind


def named(product: str | tuple[str, ...]) -> tuple[str, ...]:
    """One product, or several, as several."""
    return (product,) if isinstance(product, str) else product
