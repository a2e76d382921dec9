"""What recurring money is worth in the currency shown: R8 of the definitions.

The headline is worth what it is at the end of its bucket. Movements are worth, by the policy's
rule: `constant` the rate fixed before the fiscal year, `period_end` that of the bucket's end,
`tx_date` that of the day on which the time began that they are for (`service`). What the headline
changed by beyond them is the fx line. Under `none` each currency is asked for by itself (`apart`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.revenue.fx import constant_rate
from upwell.money import Quote, Rates, converted, digits
from upwell.period import to_date
from upwell.query.revenue.cuts import fiscal_year


@dataclass(frozen=True, slots=True)
class Exchange:
    """Rates from any currency to the one shown.

    `own` is the workspace's currency; `fixed` are constant rates given by hand: what one unit of a
    currency is worth in it. Currencies without any rate have no quote.
    """

    rates: Rates
    target: str
    own: str
    rule: str
    fiscal_start: int = 1
    fixed: Mapping[str, Decimal] = field(default_factory=dict)
    _constant: dict[tuple[str, int], Quote | None] = field(default_factory=dict)

    def closing(self, currency: str, day: int) -> Quote | None:
        """The rate at the end of a local day; provisional where it is not published yet."""
        return self.rates.quote(currency, self.target, to_date(day))

    def constant(self, currency: str, day: int) -> Quote | None:
        """The rate that is fixed for the fiscal year of the day."""
        key = (currency, fiscal_year(day, self.fiscal_start))
        if key not in self._constant:
            self._constant[key] = self._fixed_for(currency, key[1])
        return self._constant[key]

    def moving(self, currency: str, day: int, end: int) -> Quote | None:
        """The rate of a movement of the local `day`, in a bucket whose last day is `end`."""
        if self.rule == "period_end":
            return self.closing(currency, end)
        if self.rule == "tx_date":  # the amounts are in the currency shown already (`service`)
            last = self.closing(currency, end)
            return last and last._replace(rate=Decimal(1), scaled=ONE)
        return self.constant(currency, day)

    def _fixed_for(self, currency: str, first: int) -> Quote | None:
        given = self.fixed if self.target == self.own else None
        rate = constant_rate(self.rates, currency, self.target, first, self.fiscal_start, given)
        return None if rate is None else Quote.of(rate)


def nanos_of(fine: int, currency: str) -> int:
    """Millionths of a minor unit as nano-units of the currency."""
    places = digits(currency)
    return fine * int(10 ** (3 - places)) if places <= 3 else fine // int(10 ** (places - 3))


def worth(fine: int, currency: str, quote: Quote) -> int:
    """Millionths of a minor unit of a currency at a rate, in nano-units of the other."""
    own = nanos_of(fine, currency)
    return own if quote.scaled == ONE else converted(own, quote)


def worths(fines: Sequence[int], currency: str, quotes: Sequence[Quote]) -> list[int]:
    """`worth` of many amounts of a currency, each at a rate of its own."""
    places = digits(currency)
    if places > 3:
        return [worth(fine, currency, quote) for fine, quote in zip(fines, quotes, strict=True)]
    unit = int(10 ** (3 - places))
    return [
        fine * unit if quote.scaled == ONE else converted(fine * unit, quote)
        for fine, quote in zip(fines, quotes, strict=True)
    ]


def valued(fine: NDArray[np.int64], currency: str, quote: Quote) -> NDArray[np.int64]:
    """`worth` of a whole column; where the rate is not 1 to about 15 digits."""
    places = 10.0 ** (3 - digits(currency))
    if quote.scaled == ONE and places >= 1:
        return fine * int(places)
    found: NDArray[np.int64] = np.rint(fine * (places * float(quote.rate))).astype(np.int64)
    return found


SAME = Quote.of(Decimal(1))  # from a currency to itself
ONE = SAME.scaled


def factors(
    exchange: Exchange, currencies: Sequence[str], day: int, missing: float = 0.0
) -> NDArray[np.float64]:
    """For each currency what its minor unit is worth in minor units of the one shown.

    At the rates fixed for the fiscal year of the day; `missing` where there is none.
    """
    found = []
    for currency in currencies:
        quote = exchange.constant(currency, day)
        places = digits(exchange.target) - digits(currency)
        found.append(missing if quote is None else float(quote.rate) * 10.0**places)
    return np.array(found, dtype=np.float64)
