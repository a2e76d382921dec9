"""One truth per number: which measures a source may be the authority for, and what others say.

An event of a measure that comes from another source than the authority is kept under a type of its
own, `reported_` and the type that was sent. Nothing else reads such types, so that it is counted
nowhere but in what is asked for as reported. Pure.
"""

from __future__ import annotations

MEASURES: dict[str, tuple[str, ...]] = {
    "revenue": ("revenue", "refund", "fee"),
    "signups": ("signup",),
    "activations": ("activation",),
    "sessions": ("session",),
    "page_views": ("page_view",),
    "engagement": ("engagement",),
}
"""The event types of each measure."""

MEASURE_OF = {kind: measure for measure, kinds in MEASURES.items() for kind in kinds}
REPORTED = "reported_"
REPORTED_TYPES = tuple(REPORTED + kind for kind in MEASURE_OF)
SAID = f"case when starts_with(type, '{REPORTED}') then type[{len(REPORTED) + 1}:] else type end"
"""The SQL of the type under which an event was sent."""


def sent_as(kind: str) -> str:
    """The type under which an event was sent."""
    return kind.removeprefix(REPORTED) if kind in REPORTED_TYPES else kind
