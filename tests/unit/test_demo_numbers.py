"""The demo company as a growth lead would read it: curves, ratios and what happened when."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from statistics import mean, stdev

import msgspec
import pytest

from upwell.demo import burst, company, history, live, marks, total_events
from upwell.event import GrowthEvent
from upwell.period import Zone, to_date, to_micros

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
        self.paid: dict[tuple[str, str, str], Decimal] = {}
        self.payers: dict[tuple[str, str, str], set[str | None]] = {}
        self.left: Counter[tuple[str, str, str]] = Counter()
        self.money: list[GrowthEvent] = []
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
        month = to_date(day).strftime("%Y-%m")
        plan = str(event.metadata.get("plan"))
        if event.event_type == "revenue":
            self.payers.setdefault((product, plan, month), set()).add(event.actor_id)
        if event.event_type == "churn":
            self.left[product, plan, month] += 1
        if event.event_type in ("revenue", "refund"):
            self.money.append(event)

    def dau(self, product: str, days: Iterable[int]) -> float:
        return mean(len(self.active.get((product, day), ())) for day in days)

    def count(self, product: str | None, type: str, days: Iterable[int]) -> int:
        ids = [product] if product else [p.id for p in COMPANY.products]
        return sum(self.events[id, type, day] for day in days for id in ids)

    def revenue(self, product: str | None, first: int, end: int) -> Decimal:
        rough = {"USD": Decimal(1), "EUR": Decimal("1.1"), "GBP": Decimal("1.3")}
        return sum(
            (
                event.value * rough.get(str(event.currency), Decimal("0.0066"))
                for event in self.money
                if event.event_type == "revenue"
                and product in (None, event.product_id)
                and first <= ZONE.day_of(to_micros(event.timestamp)) < end
            ),
            Decimal(0),
        )


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


def test_revenue_grows_but_not_beyond_belief(seen: Seen) -> None:
    before = seen.revenue(None, FIRST + 30, FIRST + 120)
    after = seen.revenue(None, TODAY - 90, TODAY)
    assert Decimal("1.2") < after / before < Decimal("2.2")


def test_churn_a_month_is_two_to_six_percent_and_falls_with_the_plan(seen: Seen) -> None:
    months = [f"{year}-{month:02d}" for year in (2025, 2026) for month in range(1, 13)][:18]

    def rate(plans: tuple[str, ...]) -> float:
        left = payers = 0
        for product in COMPANY.products:
            if product.id == "books":  # yearly: nobody pays in most months
                continue
            for plan in plans:
                for month in months:
                    left += seen.left[product.id, plan, month]
                    payers += len(seen.payers.get((product.id, plan, month), ()))
        return left / payers

    starter, team, large = (
        rate(("starter", "plus")),
        rate(("team", "family")),
        rate(("enterprise",)),
    )
    assert 0.06 > starter > team > 0.02
    assert team > large > 0.004
    all_plans = rate(("starter", "plus", "team", "family", "enterprise"))
    assert 0.02 < all_plans < 0.06


def test_signups_activate_and_a_few_come_to_pay(seen: Seen) -> None:
    last_year = range(TODAY - 365, TODAY - 20)
    for product in COMPANY.products:
        signups = seen.count(product.id, "signup", last_year)
        activated = seen.count(product.id, "activation", last_year) / signups
        assert 0.3 < activated < 0.65
    actors: dict[str, set[str | None]] = {"signup": set(), "revenue": set()}
    for (id, _, _), payers in seen.payers.items():
        if id in ("forms", "desk"):
            actors.setdefault(id, set()).update(payers)
    forms = len(actors["forms"]) / seen.count("forms", "signup", range(FIRST, TODAY))
    desk = len(actors["desk"]) / seen.count("desk", "signup", range(FIRST, TODAY))
    assert forms < 0.03  # nearly everybody is free
    assert desk > 0.08


def test_money_is_in_whole_prices_and_refunds_are_rare(seen: Seen) -> None:
    currencies = Counter(event.currency for event in seen.money if event.product_id == "rota")
    assert set(currencies) == {"EUR", "GBP", "JPY"}
    paid = [event for event in seen.money if event.event_type == "revenue"]
    refunds = [event for event in seen.money if event.event_type == "refund"]
    assert all(event.value == int(event.value) and event.value > 0 for event in paid)
    assert 0.008 < len(refunds) / len(paid) < 0.02
    failed = seen.count(None, "payment_failed", range(FIRST, TODAY)) / len(paid)
    assert 0.01 < failed < 0.04


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
    assert seen.revenue("books", january[0], january[-1]) > 2 * seen.revenue(
        "books", may[0], may[-1]
    )
    assert seen.dau("lessons", month(2025, 9)) > 3 * seen.dau("lessons", month(2025, 7))
    assert seen.count("purse", "signup", january) > 1.3 * seen.count("purse", "signup", may)
    assert seen.dau("mail", days(*_ends(month(2025, 12)))) < seen.dau("mail", month(2025, 11))


def _ends(span: range) -> tuple[int, int]:
    return span[14], span[-1]


def test_products_keep_their_characters(seen: Seen) -> None:
    early, late = (FIRST + 10, FIRST + 100), (TODAY - 90, TODAY)

    def growth(product: str) -> float:
        return float(seen.revenue(product, *late) / seen.revenue(product, *early))

    assert growth("chat") < 0.85
    assert 0.85 < growth("mail") < 1.6
    assert growth("docs") > 1.4
    assert growth("sign") > 1.4
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


def test_the_outage_shows_in_use_and_in_failed_payments(seen: Seen) -> None:
    day = day_of(COMPANY.outage.title)
    same_weekday = [day - 14, day - 7, day + 7, day + 14]
    for id in COMPANY.outage.products:
        assert seen.dau(id, [day]) < 0.8 * seen.dau(id, same_weekday)
        views = mean(seen.events[id, "page_view", other] for other in same_weekday)
        assert seen.events[id, "page_view", day] < 0.75 * views
    assert seen.dau("relay", [day]) > 0.8 * seen.dau("relay", same_weekday)
    failed = seen.count(None, "payment_failed", [day])
    assert failed > 4 * seen.count(None, "payment_failed", range(day - 30, day)) / 30
    assert TODAY - day > 30  # outside the baseline of what happens now


def test_the_burst_is_unlike_the_last_thirty_days(seen: Seen) -> None:
    usual = [seen.events["mail", "churn", day] for day in range(TODAY - 30, TODAY)]
    assert mean(usual) < 1.5
    found = len(burst(COMPANY, NOW, told=NOW))
    assert (found - mean(usual)) / max(stdev(usual), 1) > 8


def test_the_running_day_ends_like_other_days(seen: Seen) -> None:
    end = dt.datetime.fromtimestamp(ZONE.opens(TODAY + 1) / 1e6, dt.UTC)
    rest = [event for _, event in live(COMPANY, NOW, end, told=NOW)]
    same_weekday = [TODAY - 7 * k for k in range(1, 5)]
    for type in ("session", "page_view", "signup", "revenue"):
        whole = seen.count(None, type, [TODAY]) + sum(event.event_type == type for event in rest)
        usual = seen.count(None, type, same_weekday) / 4
        assert 0.65 * usual < whole < 1.5 * usual
    active = set().union(*(seen.active.get((p.id, TODAY), set()) for p in COMPANY.products))
    active |= {event.actor_id for event in rest if event.event_type in ACTIVE}
    usual_active = sum(seen.dau(p.id, same_weekday) for p in COMPANY.products)
    assert 0.8 * usual_active < len(active) < 1.2 * usual_active
