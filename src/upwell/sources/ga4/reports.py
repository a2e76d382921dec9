"""The reports as Google names them, and the form in which their rows are kept in the journal."""

from __future__ import annotations

import datetime as dt

import msgspec

from upwell.metrics.reported import MEASURES, REPORTS

DIMENSIONS = {
    "channel": "sessionDefaultChannelGroup",
    "country": "countryId",
    "device": "deviceCategory",
    "landing_page": "landingPage",
    "source_medium": "sessionSourceMedium",
}
METRICS = dict(
    zip(
        MEASURES,
        ("sessions", "totalUsers", "newUsers", "screenPageViews", "keyEvents", "totalRevenue"),
        strict=True,
    )
)

Row = list[str]  # 20261122, the value of the report's dimension if it has one, then each metric


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows of one report: those that are new, and `gone`: days and values that have no row now.

    `days` (2026-11-22) were read to their end; `flags` is what to know about the numbers.
    """

    report: str
    zone: str
    currency: str = ""
    flags: int = 0
    days: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    gone: tuple[Row, ...] = ()


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery holds: what one request brought."""

    property: str
    parts: tuple[Part, ...]


def dimensions_of(report: str) -> tuple[str, ...]:
    """What Google is asked to divide a report by, the day first."""
    by = REPORTS[report]
    return ("date",) if by is None else ("date", DIMENSIONS[by])


def width(report: str) -> int:
    """How many cells of a row say what it is about."""
    return len(dimensions_of(report))


def days(start: str, end: str) -> tuple[str, ...]:
    """Every day from the first to the last, both included."""
    first, last = map(dt.date.fromisoformat, (start, end))
    return tuple(str(first + dt.timedelta(days=n)) for n in range((last - first).days + 1))
