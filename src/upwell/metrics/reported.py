"""Reports that somebody else computed: which there are, and how their numbers are named and kept.

A row of a report becomes one `report` event for each of its numbers. The event's name holds what is
measured and by which report (`users by channel`), so that sums by name never mix two reports. A
report was read for a day when there is an event named `read by channel` for it, whose value says
what to know about its numbers (`PARTIAL` …); a day without one is not known, which is not 0.
"""

from __future__ import annotations

from upwell.event import DIMENSIONS

MEASURES = ("sessions", "users", "new_users", "page_views", "conversions", "revenue")
REPORTS: dict[str, str | None] = {
    "day": None,
    "channel": "channel",
    "country": "country",
    "device": "device",
    "landing_page": "landing_page",
    "source_medium": "source_medium",
}
"""Each report by its name, with the one dimension that it divides days by."""

OTHER_ROW, THRESHOLDED, SAMPLED, WITHHELD = 1, 2, 4, 8
"""What may be true of a report's numbers: bits of the value of its `read by` event.

`WITHHELD`: whoever asked may not see money, so that the revenue in it means nothing.
"""


def name_of(measure: str, report: str) -> str:
    """The name of the events that hold one measure as one report says it."""
    return f"{measure} by {report}"


def read_by(report: str) -> str:
    """The name of the events that say for which days the report was read."""
    return name_of("read", report)


def column_of(dimension: str) -> str:
    """Where sums keep the value of a report's dimension: none has a `reason` of its own."""
    return dimension if dimension in DIMENSIONS else "reason"
