"""What Mixpanel says when it does not answer, as errors that say what to change. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import msgspec

from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.sources.contract import BadQuery, NotAllowed, QuotaGone, SignIn

PAUSE = 600.0  # seconds after a 429 that does not say how long


def refusal(status: int, body: bytes, headers: Mapping[str, str], account: bool) -> UpwellError:
    """The error of an answer that is not 200; `account`: a service account signed in."""
    said = _said(body)
    told = f"Mixpanel answers {status}: {said}" if said else f"Mixpanel answers {status}."
    if status == 401:
        return SignIn("sign_in", told, fix=_WHO if account else _SECRET, where="secret")
    if status == 402:
        return NotAllowed(
            "no_export",
            told,
            fix="The project's plan has no raw data export; Mixpanel's billing page adds it.",
        )
    if status == 403:
        return NotAllowed("no_access", told, fix=_ROLE, where="username")
    if status == 429:
        return QuotaGone(
            told,
            _seconds(headers),
            fix="It waits and goes on. If another program exports this project too, give it fewer "
            "calls: both share 60 an hour.",
        )
    if status == 400:
        return BadQuery("bad_request", told, fix=_ASKED, where="project_id")
    if status == 408 or status >= 500:
        return Unavailable("vendor_down", told, fix="It is tried again by itself.")
    return Rejected(
        "refused", told, fix="Look at `api_base` and `region`, and at the project's id."
    )


_WHO = (
    "Look at the service account's user name and secret, and whether it has expired: "
    "Organization settings, Service accounts."
)
_SECRET = (
    "Give the project's API secret of Project settings, or a service account's user name and "
    "secret; and the `region` where the project's data live."
)
_ROLE = (
    "Give the service account a role in this project (Analyst is enough): Project settings, "
    "Service accounts."
)
_ASKED = (
    "Look at `project_id`; where a date is refused, set `timezone` to the project's time zone as "
    "its settings have it."
)


def _said(body: bytes) -> str:
    """The vendor's own words."""
    try:
        found: Any = msgspec.json.decode(body)
        if isinstance(found, dict):
            found = found.get("error") or found.get("message") or ""
        text = str(found)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        text = "" if body.lstrip().startswith(b"<") else body.decode(errors="replace")
    return " ".join(text.split())[:300]


def date_of(headers: Mapping[str, str], name: str = "Date") -> dt.datetime | None:
    """The moment that a header names, UTC; None where it names none."""
    try:
        found = parsedate_to_datetime(headers.get(name, ""))
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or dt.UTC)


def _seconds(headers: Mapping[str, str]) -> float:
    """How long an answer asks to wait: in seconds, or until a date by the vendor's own clock."""
    now, until = date_of(headers), date_of(headers, "Retry-After")
    if until is not None and now is not None:
        found = (until - now).total_seconds()
    else:
        try:
            found = float(headers.get("Retry-After", ""))
        except ValueError:
            return PAUSE
    return min(3_600.0, max(1.0, found)) if isfinite(found) else PAUSE
