"""What is asked about use: the bodies of questions, as programs and pages send them."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

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
    """`POST /v1/paths`; anchored at an event, or both ends."""

    begin: str | None = msgspec.field(default=None, name="start")
    finish: str | None = msgspec.field(default=None, name="end")
    depth: int = 5
    by: str | None = None


def named(product: str | tuple[str, ...]) -> tuple[str, ...]:
    """One product, or several, as several."""
    return (product,) if isinstance(product, str) else product
