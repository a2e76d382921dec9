"""What people keep under a name, segments and questions: as it is sent, and as it is shown."""

from __future__ import annotations

import datetime as dt

import msgspec

from upwell.query.usage.asked import (
    Behind,
    FunnelAsked,
    OneAsked,
    RetentionAsked,
    Scoped,
    StepAsked,
    named,
)
from upwell.query.usage.shapes import Shape


class NewSegment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/segments`: users by what they do, to be looked at in other questions."""

    name: str
    of: Behind


class NewQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/saved`: a question to be found again, and the page that asks it.

    `of` has the dates of the day it was saved; an `address` such as `/usage?range=28d` stays
    relative.
    """

    name: str
    of: OneAsked
    address: str


class Segment(Shape, frozen=True):
    """Users by what they do, saved: who is in it is found anew at each question."""

    id: str
    name: str
    of: Behind
    created_at: dt.datetime
    created_by: str


class Segments(Shape, frozen=True):
    """The segments there are, by name."""

    segments: tuple[Segment, ...]


class SavedQuestion(Shape, frozen=True):
    """A question under a name; `address` is the page that asks it, of the dates it says."""

    id: str
    name: str
    of: OneAsked
    address: str
    created_at: dt.datetime
    created_by: str


class SavedQuestions(Shape, frozen=True):
    """The saved questions there are, by name."""

    questions: tuple[SavedQuestion, ...]


def mentioned(asked: Scoped) -> set[str]:
    """Every product that a question names, those of its steps too."""
    steps: tuple[StepAsked, ...] = ()
    if isinstance(asked, FunnelAsked):
        steps = asked.steps
    elif isinstance(asked, RetentionAsked):
        steps = (asked.begin, asked.back)
    own = [doing.product for step in steps for doing in step.alternatives()]
    return {product for one in (asked.product, *own) for product in named(one)}
