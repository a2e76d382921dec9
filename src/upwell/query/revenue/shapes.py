"""What is answered about revenue beyond series; money is a decimal string in major units."""

from __future__ import annotations

import msgspec

from upwell.query.question import Unconverted


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Bridge(_Shape, frozen=True):
    """Closing = opening + new + expansion + reactivation - contraction - churn + fx + restatement.

    Decimal strings in major units; contraction and churn are positive and taken off.
    """

    opening: str
    new: str
    expansion: str
    reactivation: str
    contraction: str
    churn: str
    fx: str
    restatement: str
    closing: str


class Cause(_Shape, frozen=True):
    """How much of a movement has one cause, and of how many customers."""

    movement: str
    cause: str
    amount: str
    customers: int


class Cross(_Shape, frozen=True):
    """What customers who stayed began and left, by product: parts of expansion and contraction."""

    cross_sell: str
    product_drop: str


class BridgePart(_Shape, frozen=True):
    """The bridge of one value of the split."""

    key: str
    label: str
    bridge: Bridge


class BridgeBucket(_Shape, frozen=True):
    """The bridge of one bucket."""

    start: str
    complete: bool
    bridge: Bridge


class BridgeAnswer(_Shape, frozen=True):
    """A bridge with what it rests on.

    `parts` attribute what was classified for the whole; by product each product is classified on
    its own, so that only their net movements add up, not their kinds.
    """

    currency: str
    policy: str
    as_of: dict[str, str]
    position: str
    complete: bool
    provisional: bool
    bridge: Bridge
    causes: tuple[Cause, ...]
    cross: Cross | None
    parts: tuple[BridgePart, ...]
    buckets: tuple[BridgeBucket, ...]
    unconverted: tuple[Unconverted, ...] = ()
