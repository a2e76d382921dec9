"""What is answered about use; shares are of 1, None where nothing can be said."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from upwell.metrics.funnel.sums import Histogram
from upwell.query.question import ReadSource, Unconverted


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Answered(Shape, frozen=True):
    """What every answer has: how it was counted, in words, and the position it holds at.

    `behind` are the sources that are read for it, and `note` says which of them are late.
    """

    rule: str
    position: str
    behind: tuple[ReadSource, ...] = ()
    note: str = ""


class FunnelStep(Shape, frozen=True):
    """One step: users who did it, and of those before it, and how long it took them.

    `conversion` is of those who entered; `matured_conversion` leaves out whoever may still come;
    `open` are users who stand here and may, `dropped` who stand here and may not.
    """

    label: str
    count: int
    conversion: float | None
    step_conversion: float | None
    matured_conversion: float | None
    mean_seconds: float | None
    median_seconds: float | None
    open: int
    dropped: int


class FlowNode(Shape, frozen=True):
    """Users at one alternative of a step: those who went on, dropped and may go on make them all.

    `id` is `step.alternative`; `step` counts from 1.
    """

    id: str
    step: int
    label: str
    count: int
    dropped: int
    open: int


class FlowLink(Shape, frozen=True):
    """Users who went from one node to another."""

    source: str
    target: str
    count: int
    median_seconds: float


class BetweenEvent(Shape, frozen=True):
    """What users of a link also did on the way, and how often; `other` gathers the rarest.

    Of a run of the same event one counts.
    """

    label: str
    users: int
    times: int
    other: bool


class LinkBetween(Shape, frozen=True):
    """The way along one link: its most frequent events, and who did nothing else (`direct`)."""

    source: str
    target: str
    direct: int
    events: tuple[BetweenEvent, ...]


class FunnelFlow(Shape, frozen=True):
    """The routes people took; every person is in one link, or one end, of each node passed.

    `between` is filled where it was asked for.
    """

    nodes: tuple[FlowNode, ...]
    links: tuple[FlowLink, ...]
    between: tuple[LinkBetween, ...]


class FunnelWhole(Shape, frozen=True):
    """From the first step to the last."""

    entered: int
    converted: int
    conversion: float | None
    matured_conversion: float | None
    mean_seconds: float | None
    median_seconds: float | None
    histogram: Histogram | None


class FunnelPart(Shape, frozen=True):
    """The funnel of one value of the breakdown; `other` gathers the rarest values."""

    key: str | None
    other: bool
    steps: tuple[FunnelStep, ...]


class FunnelPoint(Shape, frozen=True):
    """What became of the entries of one bucket; complete once nobody of it can be open."""

    start: str
    complete: bool
    entered: int
    converted: int
    open: int
    conversion: float | None
    matured_conversion: float | None


class FunnelAnswer(Answered, frozen=True, kw_only=True):
    """A funnel, the routes through it, its parts and its trend."""

    steps: tuple[FunnelStep, ...]
    whole: FunnelWhole
    flow: FunnelFlow
    parts: tuple[FunnelPart, ...]
    trend: tuple[FunnelPoint, ...]


class UseCohort(Shape, frozen=True):
    """Those who began in one bucket: `size` of them, and what became of them by distance.

    `values[0]` is the size, or the money of that bucket as a decimal; None: not over yet. `shares`
    are of column 0, or of the column before, as asked; None too where that is nothing.
    """

    start: str
    size: int
    values: tuple[int | str | None, ...]
    shares: tuple[float | None, ...]


class RetentionPart(Shape, frozen=True):
    """The table of one value of the breakdown; `other` gathers the rarest values."""

    key: str | None
    other: bool
    cohorts: tuple[UseCohort, ...]
    mean: tuple[float | None, ...]


class RetentionAnswer(Answered, frozen=True, kw_only=True):
    """Who came back; `mean` pools the cohorts that are old enough for each column.

    `columns` are the distances, in buckets: "0", "1", or of a bracket "2–7".
    `currency` is that of the values, where they are money; `unconverted` has no rate.
    """

    cohorts: tuple[UseCohort, ...]
    mean: tuple[float | None, ...]
    columns: tuple[str, ...]
    parts: tuple[RetentionPart, ...]
    currency: str | None
    unconverted: tuple[Unconverted, ...]


class LifecyclePoint(Shape, frozen=True):
    """People of one bucket; `active` are new, returning and resurrecting.

    Not `complete`: the bucket runs on, or not all of it is here, and `dormant` may shrink. None:
    nothing of it came yet from a source that is late.
    """

    start: str
    new: int | None
    returning: int | None
    resurrecting: int | None
    dormant: int | None
    active: int | None
    complete: bool


class LifecycleAnswer(Answered, frozen=True, kw_only=True):
    """Who is new, stays, comes back and goes quiet."""

    points: tuple[LifecyclePoint, ...]


class StickinessAnswer(Answered, frozen=True, kw_only=True):
    """How often people come: `exact[k - 1]` in k buckets of the range, `cumulative` in k or more.

    `active` are people by bucket, None where nothing came yet from a source that is late; of the
    first `complete` buckets all is here. `people` are those of the range; `share` is the mean of
    the first over the second.
    """

    exact: tuple[int, ...]
    cumulative: tuple[int, ...]
    active: tuple[int | None, ...]
    complete: int
    people: int
    mean_active: float | None
    share: float | None


class PathNode(Shape, frozen=True):
    """A place in the order and what was done there; `visits` = `ends` + transitions out.

    `id` is the place and the item: "1_signup". `other` ("1*") gathers what is too rare for a name;
    `between` stands for what was left out between a start and an end.
    """

    id: str
    step: int
    label: str
    visits: int
    ends: int
    other: bool
    between: bool


class PathEdge(Shape, frozen=True):
    """From one node to the next: how many times, by how many users, after how long on average."""

    source: str
    target: str
    transitions: int
    actors: int
    mean_seconds: float


class PathsAnswer(Answered, frozen=True, kw_only=True):
    """The ways people take; what enters a node leaves it or ends there."""

    nodes: tuple[PathNode, ...]
    edges: tuple[PathEdge, ...]


class Person(Shape, frozen=True):
    """A user, in the product where they were seen first, with all of their events."""

    id: str
    product: str
    first_seen: dt.datetime
    last_seen: dt.datetime
    events: int


class PeopleAnswer(Shape, frozen=True):
    """The users behind a number, a page of them; `total` is the number."""

    people: tuple[Person, ...]
    cursor: str | None
    total: int


PropertyKind = Literal["text", "number", "boolean"]


class PropertyValue(Shape, frozen=True):
    """One value, and on how many events of the sample it was."""

    value: str
    events: int


class Property(Shape, frozen=True):
    """A property of events: on how many of the sample, and its most frequent values.

    `distinct` values were seen in all.
    """

    name: str
    events: int
    share: float
    kind: PropertyKind
    values: tuple[PropertyValue, ...]
    distinct: int


class Properties(Shape, frozen=True):
    """The properties of the newest events, of which `sample` were looked at."""

    properties: tuple[Property, ...]
    sample: int
