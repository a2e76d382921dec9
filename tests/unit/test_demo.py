"""The demo company as a generator: same bytes, whole, and live where the history stopped."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import msgspec

from upwell.demo import company, history, live, marks, total_events
from upwell.demo.story import tell
from upwell.event import GrowthEvent
from upwell.period import Zone, to_date, to_micros

NOW = dt.datetime(2026, 7, 14, 15, 20, 7, 250_000, tzinfo=dt.UTC)
SMALL = 0.03
COMPANY = company()
ZONE = Zone(COMPANY.timezone)
USED = {"session", "page_view", "engagement", "signup", "activation", "kpi"}

_decoder = msgspec.json.Decoder(GrowthEvent)


def events(now: dt.datetime, scale: float = SMALL) -> list[GrowthEvent]:
    return [event for body in history(COMPANY, now, scale) for event in _decoder.decode_lines(body)]


def digest(seed: int) -> str:
    found = hashlib.sha256()
    for body in history(company(seed), NOW, SMALL):
        found.update(body)
    return found.hexdigest()


def of_story(found: list[tuple[dt.datetime, GrowthEvent]]) -> list[GrowthEvent]:
    """Without the further actions that only the live stream reports."""
    return [event for _, event in found if not str(event.idempotency_key).startswith("lv-")]


def test_the_same_seed_and_now_give_the_same_bytes_in_another_process() -> None:
    program = (
        "import hashlib, datetime as dt\n"
        "from upwell.demo import company, history\n"
        f"now = dt.datetime.fromisoformat({NOW.isoformat()!r})\n"
        f"body = b''.join(history(company(), now, {SMALL}))\n"
        "print(hashlib.sha256(body).hexdigest())\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    tell.cache_clear()
    assert digest(COMPANY.seed) == other
    assert digest(COMPANY.seed + 1) != other


def test_the_history_is_as_long_as_announced_and_each_event_is_usable_and_once() -> None:
    found = events(NOW)
    products = {product.id for product in COMPANY.products}
    start = ZONE.opens(ZONE.today(NOW.replace(year=2024)))
    assert len(found) == total_events(COMPANY, NOW, SMALL)
    assert len({(event.product_id, event.idempotency_key) for event in found}) == len(found)
    for event in found:
        assert event.product_id in products
        assert event.event_type in USED  # money comes from the billing system
        assert event.idempotency_key
        assert start <= to_micros(event.timestamp) < to_micros(NOW)
        assert event.currency is None
        assert (event.actor_id is None) == (event.event_type == "kpi")


def test_bodies_are_small_and_the_last_sixty_days_come_first() -> None:
    bodies = [
        [ZONE.day_of(to_micros(event.timestamp)) for event in _decoder.decode_lines(body)]
        for body in history(COMPANY, NOW, 0.1)
    ]
    today = ZONE.today(NOW)
    assert max(map(len, bodies)) <= 5_000
    assert min(bodies[0]) >= today - 6
    recent = [min(days) >= today - 60 for days in bodies]
    assert recent == sorted(recent, reverse=True)
    assert any(recent)
    older = [(to_date(min(days)).year, to_date(min(days)).month) for days in bodies[sum(recent) :]]
    assert older == sorted(older, reverse=True)


def test_live_goes_on_where_the_history_stopped() -> None:
    later = NOW + dt.timedelta(hours=5)
    before = Counter(msgspec.json.encode(event) for event in events(NOW))
    after = Counter(msgspec.json.encode(event) for event in events(later))
    between = of_story(live(COMPANY, NOW, later, told=NOW, scale=SMALL))
    assert len(between) > 5
    assert after - before == Counter(msgspec.json.encode(event) for event in between)
    assert not before - after


def test_live_spans_that_meet_give_what_one_span_gives() -> None:
    cuts = [NOW + dt.timedelta(seconds=s) for s in (0, 0.4, 1, 59.75, 60, 61, 200)]
    whole = live(COMPANY, cuts[0], cuts[-1], told=NOW)
    parts = [live(COMPANY, a, b, told=NOW) for a, b in pairwise(cuts)]
    assert [pair for part in parts for pair in part] == whole
    assert all(cuts[0] <= at < cuts[-1] for at, _ in whole)
    assert all(at == event.timestamp for at, event in whole)
    assert len({(event.product_id, event.idempotency_key) for _, event in whole}) == len(whole)


def test_live_is_lively_by_day_and_calmer_by_night() -> None:
    def rate(hour: int) -> float:
        since = NOW.replace(hour=hour, minute=0, second=0, microsecond=0)
        return len(live(COMPANY, since, since + dt.timedelta(minutes=20), told=NOW)) / 1200

    day, night = rate(18), rate(5)  # 14:00 and 01:00 in New York
    assert 3 <= night < day <= 8


def test_live_actions_come_from_people_already_active_that_day() -> None:
    midnight = ZONE.opens(ZONE.today(NOW)) // 1_000_000
    opens = dt.datetime.fromtimestamp(midnight, dt.UTC)
    seen: set[str | None] = set()
    further = 0
    for _, event in live(COMPANY, opens, opens + dt.timedelta(hours=5), told=NOW):
        if event.event_type == "session":
            seen.add(event.actor_id)
        elif str(event.idempotency_key).startswith("lv-"):
            further += 1
            assert event.actor_id in seen
    assert further > 40_000


def test_the_story_ends_after_its_horizon() -> None:
    end = NOW + dt.timedelta(days=46)
    assert live(COMPANY, end, end + dt.timedelta(hours=1), told=NOW, scale=SMALL) == []


def test_marks_are_dated_on_working_days_within_the_history() -> None:
    found = marks(COMPANY, NOW)
    assert {mark.title for mark in found} >= {launch.title for launch in COMPANY.launches}
    today = to_date(ZONE.today(NOW))
    assert all(dt.timedelta(0) < today - mark.date < dt.timedelta(days=730) for mark in found)
    dated = {launch.title for launch in COMPANY.launches} | {COMPANY.outage.title}
    assert {mark.date.weekday() for mark in found if mark.title in dated} == {1}
