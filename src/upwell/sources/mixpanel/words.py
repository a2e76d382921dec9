"""Names of the export that have a meaning of their own, and what lines say of ids."""

from __future__ import annotations

from typing import NamedTuple

BOOKKEEPING = (
    "mp_processing_time_ms", "mp_api_timestamp_ms", "$mp_api_timestamp_ms", "mp_api_endpoint",
    "$mp_api_endpoint", "mp_sent_by_lib_version", "token",
)  # fmt: skip
"""Properties that say how an event reached Mixpanel; one sent twice may differ in them."""
DEVICE = "$device:"  # before the id of a device where that stands for a user
SAYS_WHO = frozenset(("$identify", "$create_alias", "$merge"))
"""Events that tell of ids only."""


class Link(NamedTuple):
    """A line that says of whom its event is, the first of those that say the same."""

    row: int
    ts: int
    shown: str
    actor: str
    user: str | None
    device: str | None  # where it is said to be the user's
