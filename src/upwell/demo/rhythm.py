"""When things happen: the days of the story, and the curves of a year, a week and a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from upwell.demo.cast import Company, Product, Rhythm, Season
from upwell.demo.columns import Floats, Ints
from upwell.period import add_months, to_date, to_day, to_micros

HISTORY_MONTHS = 24
WARM_UP = 90  # days before the history: its first users already have a past
HORIZON = 45  # days after now that live events know of
DAY = 86_400

ZONES = {
    "US": "America/Chicago",
    "CA": "America/Toronto",
    "GB": "Europe/London",
    "DE": "Europe/Berlin",
    "FR": "Europe/Paris",
    "NL": "Europe/Amsterdam",
    "ES": "Europe/Madrid",
    "JP": "Asia/Tokyo",
    "IN": "Asia/Kolkata",
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
}

# Monday to Sunday, as a share of the best day.
_WEEK: dict[Rhythm, tuple[float, ...]] = {
    "office": (0.97, 1.00, 0.99, 0.96, 0.84, 0.22, 0.19),
    "desk": (0.98, 1.00, 0.99, 0.97, 0.86, 0.08, 0.06),
    "shifts": (0.92, 0.90, 0.92, 1.00, 0.98, 0.70, 0.58),
    "home": (0.80, 0.76, 0.75, 0.76, 0.80, 0.97, 1.00),
    "school": (0.98, 1.00, 0.98, 0.94, 0.70, 0.26, 0.58),
    "machine": (1.00, 1.00, 1.00, 1.00, 0.97, 0.72, 0.70),
}
# Midnight to 23:00 on the user's own clock, as relative weights.
# fmt: off
_HOURS: dict[Rhythm, tuple[float, ...]] = {
    "office": (
        2, 1, 1, 1, 2, 6, 18, 45, 85, 105, 108, 98,
        76, 86, 98, 94, 80, 52, 30, 22, 18, 14, 9, 5,
    ),
    "desk": (
        1, 1, 1, 1, 1, 4, 16, 55, 105, 115, 112, 100,
        80, 95, 108, 104, 84, 42, 15, 8, 6, 5, 3, 2,
    ),
    "shifts": (
        12, 7, 4, 4, 8, 22, 48, 62, 66, 70, 74, 70,
        62, 64, 68, 66, 62, 60, 58, 56, 54, 46, 34, 22,
    ),
    "home": (
        14, 7, 4, 3, 4, 9, 22, 36, 40, 40, 42, 46,
        52, 48, 44, 44, 48, 58, 74, 92, 100, 88, 58, 30,
    ),
    "school": (
        2, 1, 1, 1, 3, 14, 52, 78, 62, 58, 56, 54,
        52, 54, 62, 70, 62, 50, 54, 70, 74, 52, 22, 7,
    ),
    "machine": (
        46, 42, 40, 40, 41, 44, 50, 58, 68, 76, 80, 80,
        76, 78, 82, 82, 78, 72, 66, 62, 60, 58, 54, 50,
    ),
}
# fmt: on
# January to December: (signups, use).
_YEAR: dict[Season, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "office": (
        (1.10, 1.06, 1.05, 1.01, 1.00, 0.96, 0.89, 0.87, 1.06, 1.08, 1.02, 0.84),
        (1.01, 1.03, 1.03, 1.01, 1.00, 0.98, 0.91, 0.89, 1.01, 1.03, 1.01, 0.92),
    ),
    "january": (
        (4.40, 1.70, 1.15, 0.95, 0.58, 0.50, 0.50, 0.52, 0.62, 0.70, 0.85, 1.40),
        (1.55, 1.30, 1.30, 1.20, 0.92, 0.86, 0.84, 0.82, 0.90, 0.94, 0.94, 1.08),
    ),
    "school": (
        (1.22, 1.05, 0.96, 0.86, 0.64, 0.34, 0.36, 1.55, 2.05, 1.22, 0.98, 0.60),
        (1.08, 1.12, 1.10, 1.02, 0.90, 0.44, 0.24, 0.66, 1.18, 1.22, 1.12, 0.66),
    ),
    "new_year": (
        (1.95, 1.22, 1.02, 0.98, 0.90, 0.84, 0.82, 0.86, 0.96, 0.92, 0.90, 0.96),
        (1.22, 1.10, 1.02, 1.00, 0.97, 0.93, 0.90, 0.92, 0.99, 0.99, 0.98, 0.99),
    ),
    "none": ((1.0,) * 12, (1.0,) * 12),
}


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of the story, indexed from the first day of the warm-up.

    `opens[country][i]` is the UTC second at which day i begins there; `started` and `today` are
    indexes; `first` is the day number of index 0.
    """

    first: int
    started: int
    today: int
    days: Ints
    opens: dict[str, Ints]
    home: Ints  # the same for the workspace's own zone

    @property
    def length(self) -> int:
        """Number of days, warm-up and horizon included."""
        return len(self.days)

    def index(self, days_ago: int) -> int:
        """Index of the day so many days before now."""
        return self.today - days_ago


def today_of(company: Company, now: dt.datetime) -> dt.date:
    """The company's calendar date at `now`."""
    return now.astimezone(ZoneInfo(company.timezone)).date()


def calendar(company: Company, today: dt.date) -> Calendar:
    """The days of the story as told on `today`."""
    start = to_day(add_months(today, -HISTORY_MONTHS))
    first, end = start - WARM_UP, to_day(today) + HORIZON + 1
    days = np.arange(first, end, dtype=np.int64)
    zones = {country for product in company.products for country, _ in product.countries}
    return Calendar(
        first=first,
        started=start - first,
        today=to_day(today) - first,
        days=days,
        opens={country: _opens(ZONES[country], first, end) for country in sorted(zones)},
        home=_opens(company.timezone, first, end),
    )


def _opens(zone: str, first: int, end: int) -> Ints:
    # One day more than asked, so that a day's end is the next one's beginning.
    info = ZoneInfo(zone)
    found = []
    for day in range(first, end + 1):
        date = to_date(day)
        midnight = dt.datetime(date.year, date.month, date.day, tzinfo=info)
        found.append(to_micros(midnight.astimezone(dt.UTC)) // 1_000_000)
    return np.array(found, dtype=np.int64)


def index_of(days: Calendar, at: Ints) -> Ints:
    """Index of the workspace's day at each UTC second; -1 before the story."""
    found: Ints = np.searchsorted(days.home, at, side="right").astype(np.int64) - 1
    return found


def tuesday(days: Calendar, days_ago: int) -> int:
    """Index of the Tuesday on or before the day so many days before now, clear of Christmas.

    Companies release, and break things, on working days.
    """
    index = days.index(days_ago)
    index -= (int(days.days[index]) + 2) % 7
    date = to_date(int(days.days[index]))
    if (date.month, date.day) >= (12, 20):
        return index - 14
    return index - 21 if (date.month, date.day) <= (1, 3) else index


def outage_index(company: Company, days: Calendar) -> int:
    """Index of the day of the outage."""
    return tuesday(days, company.outage.days_ago)


def outage_span(company: Company, days: Calendar) -> tuple[int, int]:
    """UTC seconds at which the outage began and ended."""
    opens = int(days.home[outage_index(company, days)])
    return opens + company.outage.opens, opens + company.outage.closes


def week(product: Product, days: Ints) -> Floats:
    """Factor of each day by its weekday."""
    return np.array(_WEEK[product.rhythm])[(days + 3) % 7]


def season(product: Product, days: Ints, use: bool) -> Floats:
    """Factor of each day by the time of year, for signups or for `use`; smooth between months."""
    monthly = np.array(_YEAR[product.season][int(use)])
    dates = days.astype("datetime64[D]")
    of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64) / 30.44 - 0.5
    found: Floats = np.interp(of_year, np.arange(12), monthly, period=12.0)
    return found


def quiet(product: Product, days: Ints) -> Floats:
    """Factor of each day for public holidays: offices close, homes hardly notice."""
    if product.rhythm in ("home", "machine", "shifts"):
        depth = 0.85
    else:
        depth = 0.30
    found = np.ones(len(days))
    for i, day in enumerate(days.tolist()):
        date = to_date(day)
        if (date.month, date.day) in {(12, 24), (12, 25), (12, 26), (12, 31), (1, 1)}:
            found[i] = depth
        elif date.month == 12 and date.day > 26:
            found[i] = (1 + depth) / 2
        elif _thanksgiving(date) or (date.month, date.day) == (7, 4):
            found[i] = (1 + 2 * depth) / 3
    return found


def _thanksgiving(date: dt.date) -> bool:
    # The fourth Thursday of November and the Friday after it, where many users live.
    return (date.month == 11 and date.weekday() == 3 and 22 <= date.day <= 28) or (
        date.month == 11 and date.weekday() == 4 and 23 <= date.day <= 29
    )


def seconds(rng: np.random.Generator, rhythm: Rhythm, count: int) -> Ints:
    """Seconds after the user's own midnight, drawn from the rhythm of a day."""
    hours = np.cumsum(np.array(_HOURS[rhythm], dtype=np.float64))
    hour = np.searchsorted(hours / hours[-1], rng.random(count), side="right")
    return (hour * 3600 + rng.integers(0, 3600, count)).astype(np.int64)
