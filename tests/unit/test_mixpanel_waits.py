"""How long Mixpanel asks to wait, in either way that an answer may say it."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.sources.contract import QuotaGone
from upwell.sources.mixpanel.refusals import PAUSE, refusal

MOMENTS = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2090, 1, 1))


def _waits(**headers: str) -> float:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    found = refusal(429, b"Too many", httpx.Headers(given), account=True)
    assert isinstance(found, QuotaGone)
    return found.after


@given(MOMENTS, st.integers(1, 3_600))
def test_a_date_and_a_count_of_seconds_say_the_same(now: dt.datetime, seconds: int) -> None:
    """Whatever our own clock says: both moments are the vendor's."""
    now = now.replace(microsecond=0, tzinfo=dt.UTC)
    until = format_datetime(now + dt.timedelta(seconds=seconds), usegmt=True)
    assert _waits(date=format_datetime(now, usegmt=True), retry_after=until) == seconds
    assert _waits(retry_after=str(seconds)) == seconds


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ("Mon, 23 Nov 2026 11:00:00 GMT", 1.0),  # over already
        ("Wed, 25 Nov 2026 11:00:00 GMT", 3_600.0),  # looked at within the hour all the same
        ("Monday, 23-Nov-26 12:05:00 GMT", 300.0),
        ("Mon, 99 Nov 99999 12:05:00 GMT", PAUSE),
        ("soon", PAUSE),
        ("nan", PAUSE),
        ("1e999", PAUSE),
        ("-5", 1.0),
    ],
)
def test_what_is_no_time_waits_as_usual(said: str, waits: float) -> None:
    assert _waits(date="Mon, 23 Nov 2026 12:00:00 GMT", retry_after=said) == waits
    assert _waits(retry_after="Mon, 23 Nov 2026 12:00:00 GMT") == PAUSE  # the vendor has no clock
