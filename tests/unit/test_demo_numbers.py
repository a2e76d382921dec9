"""How the demo company's products are used, as a growth lead would read it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from statistics import mean

import msgspec
import pytest

from upwell.demo import company, history, live, marks, total_events
from upwell.event import GrowthEvent
from upwell.period import Zone, to_micros

COMPANY = company()
ZONE = Zone(COMPANY.timezone)
NOW = dt.datetime(2026, 7, 14, 15, 20, tzinfo=dt.UTC)
TODAY = ZONE.today(NOW)
FIRST = ZONE.today(NOW.replace(year=2024))
ACTIVE = {"session", "page_view", "engagement", "activation", "signup"}


class Seen:
    """What the pages would count, by product and local day."""

    def __init__(self, now: dt.datetime) -> None:
        self.events: Counter[tuple[str, str, int]] = Counter()
        self.active: dict[tuple[str, int], set[str | None]] = {}
        decoder = msgspec.json.Decoder(GrowthEvent)
        days: dict[int, int] = {}
        for body in history(COMPANY, now):
            for event in decoder.decode_lines(body):
                quarter = to_micros(event.timestamp) // 900_000_000
                if quarter not in days:
                    days[quarter] = ZONE.day_of(quarter * 900_000_000)
                self._add(event, days[quarter])

    def _add(self, event: GrowthEvent, day: int) -> None:
        product = event.product_id
        self.events[product, event.event_type, day] += 1
        if event.event_type in ACTIVE:
            self.active.setdefault((product, day), set()).add(event.actor_id)

    def dau(self, product: str, days: Iterable[int]) -> float:
        return mean(len(self.active.get((product, day), ())) for day in days)

    def count(self, product: str | None, type: str, days: Iterable[int]) -> int:
        ids = [product] if product else [p.id for p in COMPANY.products]
        return sum(self.events[id, type, day] for day in days for id in ids)


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen(NOW)


def day_of(title: str) -> int:
    date = next(mark.date for mark in marks(COMPANY, NOW) if mark.title == title)
    return (date - dt.date(1970, 1, 1)).days


def days(first: int, end: int, weekdays: Iterable[int] = range(7)) -> list[int]:
    kept = set(weekdays)
    return [day for day in range(first, end) if (day + 3) % 7 in kept]


def test_there_are_about_as_many_events_as_a_demo_can_take() -> None:
    assert 650_000 < total_events(COMPANY, NOW) < 850_000
    january = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
    assert 600_000 < total_events(COMPANY, january) < 850_000


def test_each_product_is_alive_on_every_day_of_the_last_sixty(seen: Seen) -> None:
    for product in COMPANY.products:
        for day in range(TODAY - 60, TODAY):
            assert seen.events[product.id, "session", day] > 0
            assert seen.events[product.id, "page_view", day] > 0


def test_signups_activate(seen: Seen) -> None:
    last_year = range(TODAY - 365, TODAY - 20)
    for product in COMPANY.products:
        signups = seen.count(product.id, "signup", last_year)
        activated = seen.count(product.id, "activation", last_year) / signups
        assert 0.3 < activated < 0.65


def test_weeks_look_like_the_products(seen: Seen) -> None:
    span = (TODAY - 140, TODAY - 50)
    for id in ("desk", "mail", "docs"):
        weekend = seen.dau(id, days(*span, weekdays=(5, 6)))
        assert weekend < 0.4 * seen.dau(id, days(*span, weekdays=range(4)))
    assert seen.dau("purse", days(*span, weekdays=(5, 6))) > 1.1 * seen.dau(
        "purse", days(*span, weekdays=range(4))
    )
    assert seen.dau("desk", days(*span, weekdays=(5, 6))) < 0.2 * seen.dau(
        "desk", days(*span, weekdays=range(4))
    )


def test_years_look_like_the_products(seen: Seen) -> None:
    def month(year: int, number: int) -> range:
        first = (dt.date(year, number, 1) - dt.date(1970, 1, 1)).days
        return range(first, first + 28)

    january, may = month(2026, 1), month(2026, 5)
    assert seen.count("books", "signup", january) > 2 * seen.count("books", "signup", may)
    assert seen.dau("lessons", month(2025, 9)) > 3 * seen.dau("lessons", month(2025, 7))
    assert seen.count("purse", "signup", january) > 1.3 * seen.count("purse", "signup", may)
    assert seen.dau("mail", days(*_ends(month(2025, 12)))) < seen.dau("mail", month(2025, 11))


def _ends(span: range) -> tuple[int, int]:
    return span[14], span[-1]


def test_products_keep_their_characters(seen: Seen) -> None:
    pulse = day_of("Pulse launched")
    # The day before, in New York, it is already launch day in Sydney.
    assert seen.count("pulse", "signup", range(FIRST, pulse - 1)) == 0
    assert seen.count("pulse", "signup", range(pulse, pulse + 14)) > 60


@pytest.mark.parametrize(
    ("product", "title", "lift"),
    [
        ("docs", "Docs 3 released", 1.6),
        ("sign", "Team signing in Sign", 1.5),
        ("forms", "Form templates", 1.25),
    ],
)
def test_launches_lift_signups(seen: Seen, product: str, title: str, lift: float) -> None:
    day = day_of(title)
    before = seen.count(product, "signup", range(day - 21, day)) / 21
    after = seen.count(product, "signup", range(day, day + 14)) / 14
    assert after > lift * before


def test_the_outage_shows_in_use(seen: Seen) -> None:
    day = day_of(COMPANY.outage.title)
    same_weekday = [day - 14, day - 7, day + 7, day + 14]
    for id in COMPANY.outage.products:
        assert seen.dau(id, [day]) < 0.8 * seen.dau(id, same_weekday)
        views = mean(seen.events[id, "page_view", other] for other in same_weekday)
        assert seen.events[id, "page_view", day] < 0.75 * views
    assert seen.dau("relay", [day]) > 0.8 * seen.dau("relay", same_weekday)
    assert TODAY - day > 30  # outside the baseline of what happens now


def test_the_running_day_ends_like_other_days(seen: Seen) -> None:
    end = dt.datetime.fromtimestamp(ZONE.opens(TODAY + 1) / 1e6, dt.UTC)
    rest = [event for _, event in live(COMPANY, NOW, end, told=NOW)]
    same_weekday = [TODAY - 7 * k for k in range(1, 5)]
    for type in ("session", "page_view", "signup"):
        whole = seen.count(None, type, [TODAY]) + sum(event.event_type == type for event in rest)
        usual = seen.count(None, type, same_weekday) / 4
        assert 0.65 * usual < whole < 1.5 * usual
    active = set().union(*(seen.active.get((p.id, TODAY), set()) for p in COMPANY.products))
    active |= {event.actor_id for event in rest if event.event_type in ACTIVE}
    usual_active = sum(seen.dau(p.id, same_weekday) for p in COMPANY.products)
    assert 0.8 * usual_active < len(active) < 1.2 * usual_active
