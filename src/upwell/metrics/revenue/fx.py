"""Currencies in the ledger (R8): which rate is constant, and what is the rate's own doing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.revenue.ledger import Weights, months
from upwell.money import Rates, digits
from upwell.period import to_date


class Split(NamedTuple):
    """A change of converted MRR: what customers did, and what the rates did."""

    operational: Fraction
    fx: Fraction


def split(
    opening: int | Decimal,
    closing: int | Decimal,
    opening_rate: Decimal,
    closing_rate: Decimal,
    movement_rate: Decimal | None = None,
) -> Split:
    """The change of MRR in one currency, seen from another.

    Movements are worth `movement_rate`, by default the closing one; the fx line is the change of
    the headline less the movements.
    """
    first, last = Fraction(opening), Fraction(closing)
    moved = (last - first) * Fraction(movement_rate or closing_rate)
    return Split(moved, last * Fraction(closing_rate) - first * Fraction(opening_rate) - moved)


def fiscal_year(day: int, first_month: int = 1) -> dt.date:
    """First day of the fiscal year that holds a day."""
    date = to_date(day)
    year = date.year if date.month >= first_month else date.year - 1
    return dt.date(year, first_month, 1)


def constant_rate(
    rates: Rates,
    source: str,
    target: str,
    day: int,
    first_month: int = 1,
    given: Mapping[str, Decimal] | None = None,
) -> Decimal | None:
    """The rate fixed for the fiscal year of a day: the last one before it began, or one given.

    `given` says what one unit of a currency is worth in `target`. A currency without any rate then
    takes the first day's that has one; None where there is none at all.
    """
    if source == target:
        return Decimal(1)
    if given and source in given:
        return given[source]
    before = fiscal_year(day, first_month) - dt.timedelta(days=1)
    return rates.rate(source, target, before) or rates.rate(source, target, to_date(day))


def constant_weights(
    rates: Rates,
    currencies: Sequence[str],
    target: str,
    first_month: int = 1,
    given: Mapping[str, Decimal] | None = None,
) -> Weights:
    """What one minor unit of each coded currency is worth in minor units of `target`.

    For `ledger.fold`, which compares with it; a currency without a rate weighs as its number says.
    """

    def weights(currency: NDArray[np.int16], day: NDArray[np.int32]) -> NDArray[np.float64]:
        year = (months(day) - (first_month - 1)) // 12
        keys = currency.astype(np.int64) * 10_000 + year
        _, where, of = np.unique(keys, return_index=True, return_inverse=True)
        found = []
        for i in where:
            code = currencies[currency[i]]
            rate = constant_rate(rates, code, target, int(day[i]), first_month, given)
            places = digits(target) - digits(code)
            found.append(float(rate or 1) * 10.0**places)
        each = np.array(found, dtype=np.float64)
        weighed: NDArray[np.float64] = each[of.reshape(-1)]
        return weighed

    return weights
