"""What is answered about a change; values are as in answers: money a decimal string."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from upwell.metrics.catalog import Unit
from upwell.query.question import Question, Unconverted, Value

Kind = Literal["part", "other", "overlap", "rest"]
"""A value of the split; the smallest ones together; what several values have in common and is
counted once; what no value accounts for."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ChangePart(Shape, frozen=True, omit_defaults=True):
    """What one value of a split has of the change; of `others`, so many together.

    `before` and `after` are its own values, where it has any. Of a rate `rate` is what its own
    rate did, `mix` what its share of the whole did: together they are the change.
    """

    key: str = msgspec.field()
    label: str = msgspec.field()
    change: Value = msgspec.field()
    kind: Kind = "part"
    before: Value = None
    after: Value = None
    rate: Value = None
    mix: Value = None
    others: int = 0


class ChangeSplit(Shape, frozen=True):
    """The parts of one dimension, the largest change first; they add up to the whole change.

    Without parts `note` says why there are none.
    """

    by: str
    parts: tuple[ChangePart, ...]
    note: str = ""


class ChangeCustomer(Shape, frozen=True):
    """A customer and by how much what they pay changed the number."""

    id: str
    name: str
    product: str
    plan: str
    country: str
    change: str


class ChangeLead(Shape, frozen=True):
    """The largest movement of the product that moved most: by how many customers, mostly where.

    `plan` and `country` are empty where no one of them has most of it.
    """

    product: str
    movement: str
    customers: int
    plan: str
    country: str


class Against(Shape, frozen=True):
    """The local days compared with; of a span that still runs, up to the instant `until`."""

    start: dt.date = msgspec.field(name="from")
    end: dt.date = msgspec.field(name="to")
    until: dt.datetime | None = None


class Explanation(Shape, frozen=True):
    """Why a metric changed from one span to another; `change` is after less before, as rounded.

    `note` says why there is nothing to explain, where there is nothing.
    """

    question: Question
    against: Against
    unit: Unit
    currency: str | None
    policy: str
    position: str
    as_of: dict[str, str]
    before: Value
    after: Value
    change: Value
    complete: bool
    splits: tuple[ChangeSplit, ...]
    customers: tuple[ChangeCustomer, ...]
    lead: ChangeLead | None
    note: str = ""
    unconverted: tuple[Unconverted, ...] = ()
