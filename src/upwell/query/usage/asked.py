"""What is asked about use: the bodies of questions, as programs and pages send them."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Literal

import msgspec

from upwell.errors import Rejected
from upwell.metrics.funnel.rule import Entry, Mode, Order, Scope
from upwell.metrics.retention import Counting, Reference, Rule
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
    product: str | tuple[str, ...] = ()
    between: tuple[int, int] | None = None
    mode: Mode = "end_attempt"

    @property
    def doing(self) -> Doing:
        """The event."""
        return Doing(event=self.event, where=self.where, product=self.product)


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


MOST_VALUES = 200  # of a breakdown, apart


def check_top(top: int) -> None:
    """Nothing, or Rejected where so many values of a breakdown cannot stand apart."""
    if not 1 <= top <= MOST_VALUES:
        raise Rejected(
            "bad_top",
            f"{top:,} values cannot stand apart.",
            fix=f"Ask for 1 to {MOST_VALUES}; the rest stand together as other.",
            where="top",
        )


class FunnelAsked(Scoped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/funnel`; `bins` of the histogram of times, by default as many as suit the count.

    `top` values of the breakdown `by` stand apart, the rest together as other.
    `between`: so many of the other events on each link of the flow are named; 0: none are read.
    """

    steps: tuple[StepAsked, ...]
    window: str = "14d"
    order: Order = "ordered"
    entry: Entry = "latest"
    exclude: tuple[Excluded, ...] = ()
    window_scope: Scope = "first"
    order_tolerance_ms: int = 0
    by: str | None = None
    attribution: str = "first_touch"
    top: int = 25
    trend: Grain | None = None
    bins: int | None = None
    between: int = 0


class RetentionAsked(Scoped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/retention`; `columns` counts column 0.

    `top` values of the breakdown `by` stand apart, the rest together as other.
    `brackets` are the last distances of columns that hold several: [1, 7, 30] gives 0, 1, 2 to 7
    and 8 to 30. A bucket counts as one of return with `at_least` so many returns. Shares and means
    are of column 0, or of the `previous` column.
    """

    begin: StepAsked = msgspec.field(name="start")
    back: StepAsked = msgspec.field(name="return")
    grain: Grain = "day"
    cohort: Rule = "first_time"
    counting: Counting = "on"
    buckets: Literal["calendar", "exact_24h"] = "calendar"
    measure: Literal["actors", "revenue"] = "actors"
    by: str | None = None
    top: int = 25
    columns: int | None = None
    brackets: tuple[int, ...] = ()
    at_least: int = 1
    reference: Reference = "first"


class ActivityAsked(Scoped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Activity by bucket; without an event: what counts as active."""

    grain: DayGrain = "day"
    event: str | None = None

    @property
    def walked(self) -> bool:
        """Whether it takes the events: of days only is kept who was active at all."""
        return bool(self.event or self.where)


class LifecycleAsked(ActivityAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/lifecycle`."""


class StickinessAsked(ActivityAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/stickiness`: a bucket counts with `at_least` so many events."""

    at_least: int = 1

    @property
    def walked(self) -> bool:
        """Whether it takes the events: how often is not kept either."""
        return super().walked or self.at_least > 1


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


class OneAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question about use, under the name of its route."""

    MAY: ClassVar[tuple[str, ...]] = ("funnel", "retention", "lifecycle", "stickiness", "paths")

    funnel: FunnelAsked | None = None
    retention: RetentionAsked | None = None
    lifecycle: LifecycleAsked | None = None
    stickiness: StickinessAsked | None = None
    paths: PathsAsked | None = None

    @property
    def asks(self) -> str:
        """The name of the one question asked; Rejected where there is none, or more than one."""
        given = [name for name in self.MAY if getattr(self, name) is not None]
        if len(given) != 1:
            raise Rejected(
                "bad_people",
                f"{len(given)} questions are asked where it takes one.",
                fix=f"Send one of {', '.join(self.MAY[:-1])} and {self.MAY[-1]}.",
                where="of",
            )
        return given[0]

    @property
    def question(self) -> Scoped:
        """What is asked; Rejected as `asks`."""
        found: Scoped = getattr(self, self.asks)
        return found


class Behind(OneAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number: the question it answers, and where it stands in the answer.

    `funnel`: a `step` (from 1) and a `state`: who reached it, or stands there and dropped or may go
    on; `converted` is of the last; or a `node` of the flow, or the link from it to `target`; in a
    `bucket` of its trend, by its start: without a step, dropped and open are at any. With a `part`
    those of one value. On a link `between` is an event that was also done on the way, by its label;
    `other` ones; or, without a key, nothing else: the question is asked with `between`, too.
    `retention`: the start of a `cohort`, the column `k`, and who `stayed`, or did not. `lifecycle`:
    the `kind` of a bar, and the `start` of its bucket. `stickiness`: active in so many buckets
    (`times`), or in more. `paths`: the edge from `source` to `target`; without one who ended there.
    `did`: whoever did something.
    """

    MAY = (*OneAsked.MAY, "did")

    step: int | None = None
    state: Literal["reached", "converted", "dropped", "open"] = "reached"
    node: str | None = None
    bucket: str | None = None
    cohort: str = ""
    k: int = 0
    stayed: bool = True
    kind: Literal["new", "returning", "resurrecting", "dormant"] = "new"
    start: str = ""
    times: int = 1
    or_more: bool = False
    source: str = ""
    target: str | None = None
    did: DidAsked | None = None
    part: PartAsked | None = None
    between: PartAsked | None = None


class PeopleAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/people`: the users behind a number, page by page."""

    of: Behind
    limit: int = 100
    cursor: str | None = None


def named(product: str | tuple[str, ...]) -> tuple[str, ...]:
    """One product, or several, as several."""
    return (product,) if isinstance(product, str) else product
