"""Revenue metrics from tables of movements: stocks, flows and rates, by key and bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from upwell.projection.book import KINDS
from upwell.query.revenue.cuts import Cuts
from upwell.query.revenue.exchange import Exchange, nanos_of, worth
from upwell.query.revenue.part import CHURN, CONTRACTION, EXPANSION, NEW, NONE, REACTIVATION
from upwell.query.revenue.sums import I64
from upwell.query.revenue.table import Table

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
COUNTS = {"new_customers": NEW, "churned_customers": CHURN, "reactivated_customers": REACTIVATION}


@dataclass(slots=True)
class Amounts:
    """Money of one key by bucket, in nano-units of the currency shown.

    `lost` is what no rate could convert, by currency, in nano-units of it; a bucket that holds
    nothing else is None.
    """

    values: list[int | None]
    provisional: set[int] = field(default_factory=set)
    lost: dict[str, int] = field(default_factory=dict)


def flow(
    table: Table,
    key: int,
    kinds: Sequence[int],
    sign: int,
    cuts: Cuts,
    currencies: Sequence[str],
    exchange: Exchange,
) -> Amounts:
    """What movements of these kinds came to, each slot at the rate of movements."""
    found = Amounts([0] * len(cuts.spans))
    missing = set[int]()
    moved = table.flow[key][:, :, list(kinds)].sum(axis=-1) * sign
    bucket_of = [n for n, (low, high) in enumerate(cuts.spans) for _ in range(low, high)]
    for code, slot in np.argwhere(moved).tolist():
        currency, bucket, fine = currencies[code], bucket_of[slot], int(moved[code, slot])
        quote = exchange.moving(currency, cuts.days[slot], cuts.ends[slot])
        if quote is None:
            found.lost[currency] = found.lost.get(currency, 0) + nanos_of(fine, currency)
            missing.add(bucket)
            continue
        found.values[bucket] = (found.values[bucket] or 0) + worth(fine, currency, quote)
        if quote.provisional:
            found.provisional.add(bucket)
    for bucket in missing:
        if found.values[bucket] == 0:
            found.values[bucket] = None
    return found


def levels(table: Table, cuts: Cuts) -> I64:
    """MRR at each bucket's end, as [key, currency, bucket], in its own currency."""
    total = table.opening[:, :, None] + np.cumsum(table.flow.sum(axis=-1), axis=-1)
    last = [high - 1 for _, high in cuts.spans]
    found: I64 = total[:, :, last]
    return found


def stock(level: I64, cuts: Cuts, currencies: Sequence[str], exchange: Exchange) -> Amounts:
    """MRR at each bucket's end ([currency, bucket] of one key), at the rate of that day."""
    found = Amounts([0] * len(cuts.spans))
    for bucket, (_, high) in enumerate(cuts.spans):
        day, amount, missing = cuts.ends[high - 1], 0, False
        for code in np.flatnonzero(level[:, bucket]).tolist():
            currency, fine = currencies[code], int(level[code, bucket])
            quote = exchange.closing(currency, day)
            if quote is None:
                found.lost[currency] = nanos_of(fine, currency)
                missing = True
                continue
            amount += worth(fine, currency, quote)
            if quote.provisional:
                found.provisional.add(bucket)
        found.values[bucket] = None if missing and not amount else amount
    return found


def customers(table: Table) -> I64:
    """Who pays at the end of each slot, as [key, slot]."""
    change = table.moved[:, :, NEW] + table.moved[:, :, REACTIVATION] - table.moved[:, :, CHURN]
    found: I64 = table.customers[:, None] + np.cumsum(change, axis=-1)
    return found


def by_bucket(slots: I64, cuts: Cuts) -> list[int]:
    """Sums of a key's slots by bucket."""
    return [int(slots[low:high].sum()) for low, high in cuts.spans]
