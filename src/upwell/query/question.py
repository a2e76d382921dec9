"""What is asked of the desk and what it answers, as values."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Literal

import msgspec

from upwell.access import Viewer
from upwell.period import Grain

Value = str | int | float | None  # money is a decimal string; None: not defined or nothing known
Compare = str  # one of COMPARES, or earlier days: 2026-01-01..2026-02-01, the second exclusive
COMPARES = ("previous", "week", "year")
_DAYS = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, over local days: `from` inclusive, `to` exclusive."""

    metric: str
    product: tuple[str, ...] = ()  # empty: every product the viewer may see
    start: dt.date | None = msgspec.field(default=None, name="from")
    end: dt.date | None = msgspec.field(default=None, name="to")
    grain: Grain = "day"
    by: str | None = None
    where: dict[str, tuple[str, ...]] = {}
    compare: Compare | None = None
    known_at: dt.datetime | None = None
    policy: str | None = None
    currency: str | None = None
    segment: str | None = None  # the id of one: only its users, or the customers they are linked to
    over: int | None = None  # months that nrr and grr look back


class Point(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One bucket: its start (a date; a local time for hours), value, and whether it is final."""

    start: str
    value: Value = msgspec.field()
    complete: bool = msgspec.field()
    provisional: bool = False  # converted at the last known rate


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The same series over the span compared with; `total` covers the same elapsed time."""

    points: tuple[Point, ...]
    total: Value


class Series(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: `key` is '' or the value of the breakdown."""

    key: str = msgspec.field()
    points: tuple[Point, ...] = msgspec.field()
    total: Value = msgspec.field()
    label: str = ""
    compare: Compared | None = None


class Unconverted(msgspec.Struct, frozen=True, kw_only=True):
    """Money in a currency without any rate: shown apart, never as 0."""

    currency: str
    total: str


Lateness = Literal["", "late", "failed", "paused"]
"""Why a source is not as far as it promised to be; '' where it is."""


class ReadSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source behind an answer: everything until `through` is here; null: nothing was read yet."""

    source: str
    through: str | None
    late: Lateness


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Series with what they rest on: freshness by source, counting rules, position."""

    question: Question
    series: tuple[Series, ...]
    as_of: dict[str, str]
    policy: str
    position: str
    unit: str
    currency: str | None = None
    scanned: bool = False  # events were read: the question was not among the kept sums
    unconverted: tuple[Unconverted, ...] = ()
    unlinked: int | None = None  # company counts of people: how many are not linked over products
    note: str = ""  # why a value is null, in words for a person
    behind: tuple[
        ReadSource, ...
    ] = ()  # sources that are read, and up to when all of theirs is here


Ask = Callable[[Question, Viewer], Answer]


def days_compared(compare: Compare) -> tuple[dt.date, dt.date] | None:
    """The days that a comparison names, the second exclusive; None where it is a word or neither.

    Raises ValueError for a day that is on no calendar.
    """
    found = _DAYS.fullmatch(compare)
    if found is None:
        return None
    return dt.date.fromisoformat(found[1]), dt.date.fromisoformat(found[2])
