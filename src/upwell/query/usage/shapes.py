"""What is answered about use; shares are of 1, None where nothing can be said."""

from __future__ import annotations

import msgspec

from upwell.metrics.funnel.sums import Histogram


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    pass


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


class FunnelFlow(Shape, frozen=True):
    """The routes people took; every person is in one link, or one end, of each node passed."""

    nodes: tuple[FlowNode, ...]
    links: tuple[FlowLink, ...]


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
    """What became of the entries of one bucket; complete once nobody of it is open."""

    start: str
    complete: bool
    entered: int
    converted: int
    open: int
    conversion: float | None
    matured_conversion: float | None


class FunnelAnswer(Shape, frozen=True):
    """A funnel, the routes through it, its parts and its trend."""

    steps: tuple[FunnelStep, ...]
    whole: FunnelWhole
    flow: FunnelFlow
    parts: tuple[FunnelPart, ...]
    trend: tuple[FunnelPoint, ...]
    rule: str
    position: str
