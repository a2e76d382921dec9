"""Revenue metrics from tables of movements: stocks, flows and rates, by key and bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from upwell.money import Quote
from upwell.projection.book import KINDS
from upwell.query.revenue.cuts import Cuts
from upwell.query.revenue.exchange import Exchange, nanos_of, worths
from upwell.query.revenue.part import CHURN, CONTRACTION, EXPANSION, NEW, NONE, REACTIVATION
from upwell.query.revenue.sums import I64
from upwell.query.revenue.table import Table, comings

ALL = tuple(range(len(KINDS)))
# A change of plan at the same price moves MRR between plans: neither new nor lost, it stands with
# the expansions, where it is 0 in all.
FLOWS: dict[str, tuple[tuple[int, ...], int]] = {
    "new_mrr": ((NEW,), 1),
    "expansion_mrr": ((EXPANSION, NONE), 1),
    "contraction_mrr": ((CONTRACTION,), -1),
    "churned_mrr": ((CHURN,), -1),
    "reactivation_mrr": ((REACTIVATION,), 1),
    "net_new_mrr": (ALL, 1),
}
BARS = tuple(kinds for name, (kinds, _) in FLOWS.items() if name != "net_new_mrr")
MOST_VALUES = 100_000  # that are kept of amounts at one set of rates
COUNTS = {"new_customers": NEW, "churned_customers": CHURN, "reactivated_customers": REACTIVATION}


@dataclass(slots=True)
class Amounts:
    """Money of one key by bucket, in nano-units of the currency shown; nobody changes it.

    `lost` is what no rate could convert, by currency, in nano-units of it; a bucket that holds
    nothing else is None. `total` is that of the whole span where it is neither the sum of the
    buckets nor the last one.
    """

    values: list[int | None]
    provisional: set[int] = field(default_factory=set)
    lost: dict[str, int] = field(default_factory=dict)
    total: int | None = None


class Quotes:
    """The rates of a question's slots into one currency, looked up once for all keys.

    `closing` [currency][bucket] are those of buckets' ends, `moving` [currency][slot] those of
    movements. With `only` the money of one currency alone is valued.
    """

    def __init__(
        self, cuts: Cuts, currencies: Sequence[str], exchange: Exchange, only: int | None = None
    ) -> None:
        self.cuts, self.currencies = cuts, list(currencies)
        self._only = only
        self._exchange = exchange
        self._valued: dict[tuple[bool, bytes], Amounts] = {}
        self.bucket_of = [n for n, (low, high) in enumerate(cuts.spans) for _ in range(low, high)]

    def at(self, exchange: Exchange) -> bool:
        """Whether these are the rates of the exchange, too, of the same rule and currencies."""
        own = self._exchange
        return own.rates is exchange.rates and own.fixed == exchange.fixed

    def valued(self, level: bool, amounts: I64, made: Callable[[], Amounts]) -> Amounts:
        """What levels or movements of one key are worth: after a commit those of few are others."""
        key = level, amounts.tobytes()
        found = self._valued.get(key)
        if found is None:
            found = made()
            if len(self._valued) * amounts.size > MOST_VALUES:
                self._valued.clear()
            self._valued[key] = found
        return found

    def places(self, amounts: I64) -> Iterator[tuple[int, list[int]]]:
        """Where a table of [currency, place] holds money that is to be valued, by currency."""
        codes = range(len(amounts)) if self._only is None else (self._only,)
        for code in codes:
            if places := np.flatnonzero(amounts[code]).tolist():
                yield code, places

    @cached_property
    def closing(self) -> list[list[Quote | None]]:
        """Rates of the last day of each bucket."""
        days = [self.cuts.ends[high - 1] for _, high in self.cuts.spans]
        return [[self._exchange.closing(c, day) for day in days] for c in self.currencies]

    @cached_property
    def moving(self) -> list[list[Quote | None]]:
        """Rates of the movements of each slot."""
        days = list(zip(self.cuts.days, self.cuts.ends, strict=True))
        return [[self._exchange.moving(c, *day) for day in days] for c in self.currencies]


def flow(moved: I64, quotes: Quotes) -> Amounts:
    """What movements of one key ([currency, slot]) came to, each slot at the rate of movements."""
    return quotes.valued(
        False, moved, lambda: _worth(moved, quotes, quotes.moving, quotes.bucket_of)
    )


def _worth(
    amounts: I64, quotes: Quotes, rates: list[list[Quote | None]], bucket_of: Sequence[int]
) -> Amounts:
    """Amounts of one key ([currency, place]) by bucket, each at the rate of its place."""
    values, missing = [0] * len(quotes.cuts.spans), set[int]()
    found = Amounts([])
    for code, places in quotes.places(amounts):
        currency, fines = quotes.currencies[code], amounts[code, places].tolist()
        known = [(quote, n) for n, place in enumerate(places) if (quote := rates[code][place])]
        own = worths([fines[n] for _, n in known], currency, [quote for quote, _ in known])
        for value, (quote, n) in zip(own, known, strict=True):
            bucket = bucket_of[places[n]]
            values[bucket] += value
            if quote.provisional:
                found.provisional.add(bucket)
        if len(known) < len(places):
            lost = [n for n, place in enumerate(places) if rates[code][place] is None]
            missing.update(bucket_of[places[n]] for n in lost)
            found.lost[currency] = sum(nanos_of(fines[n], currency) for n in lost)
    found.values = [None if n in missing and not value else value for n, value in enumerate(values)]
    return found


def together(parts: Sequence[Amounts]) -> Amounts:
    """Several flows as one, each valued by itself: what a bridge shows adds up to it."""
    found = Amounts([])
    for values in zip(*(part.values for part in parts), strict=True):
        total = sum(value or 0 for value in values)
        found.values.append(None if None in values and not total else total)
    for part in parts:
        found.provisional |= part.provisional
        for currency, units in part.lost.items():
            found.lost[currency] = found.lost.get(currency, 0) + units
    return found


def of_kinds(table: Table, kinds: Sequence[int], sign: int) -> I64:
    """Movements of these kinds, as [key, currency, slot]."""
    flow = table.flow if table.worth is None else table.worth
    found: I64 = flow[:, :, :, list(kinds)].sum(axis=-1) * sign
    return found


def levels(table: Table, cuts: Cuts) -> I64:
    """MRR at each bucket's end, as [key, currency, bucket], in its own currency."""
    total = table.opening[:, :, None] + np.cumsum(table.flow.sum(axis=-1), axis=-1)
    last = [high - 1 for _, high in cuts.spans]
    found: I64 = total[:, :, last]
    return found


def stock(level: I64, quotes: Quotes) -> Amounts:
    """MRR of one key at each bucket's end ([currency, bucket]), at the rate of that day."""
    return quotes.valued(True, level, lambda: _stock(level, quotes))


def _stock(level: I64, quotes: Quotes) -> Amounts:
    found = _worth(level, quotes, quotes.closing, range(level.shape[1]))
    for currency in found.lost:  # not what each bucket's end lacks, but what the last of them does
        code = quotes.currencies.index(currency)
        bare = [n for n in np.flatnonzero(level[code]) if quotes.closing[code][n] is None]
        found.lost[currency] = nanos_of(int(level[code, bare[-1]]), currency)
    return found


def customers(table: Table) -> I64:
    """Who pays at the end of each slot, as [key, slot]."""
    found: I64 = table.customers[:, None] + np.cumsum(comings(table.moved), axis=-1)
    return found


def by_bucket(slots: I64, cuts: Cuts) -> list[int]:
    """Sums of a key's slots by bucket."""
    return [int(slots[low:high].sum()) for low, high in cuts.spans]
