"""Rates of revenue and money a customer, by key and bucket."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import rates
from upwell.metrics.revenue.rates import Movement, Turnover
from upwell.period import add_months, first_of, to_date, to_day
from upwell.query.lines import Number, Reading
from upwell.query.revenue import measures
from upwell.query.revenue.cuts import between
from upwell.query.revenue.exchange import factors
from upwell.query.revenue.kept import Kept, kept
from upwell.query.revenue.measures import Amounts, Quotes, by_bucket, customers
from upwell.query.revenue.part import CHURN, CONTRACTION, EXPANSION, NEW, NONE, REACTIVATION, Scope
from upwell.query.revenue.reading import Asked
from upwell.query.revenue.sums import I64
from upwell.query.revenue.table import Table

T = TypeVar("T")
MONEY_PER_HEAD = ("arpa", "asp", "ltv")
Spans = Sequence[tuple[int, int]]


def read(asked: Asked) -> Reading:
    """The lines of a rate, or of money a customer."""
    name = asked.plan.metric.name
    if name in MONEY_PER_HEAD:
        return _per_head(asked, name)
    if name in ("nrr", "grr"):
        return _retention(asked, name)
    if name == "customer_churn_rate":
        return _customer_churn(asked)
    return _mrr_rates(asked, name)


def sides(asked: Asked) -> dict[str, rates.Sides] | None:
    """What is divided by what over the whole span, by key; None for what is no such rate.

    Money is in one unit on both sides, of which only the ratio means anything.
    """
    name, spans = asked.plan.metric.name, spans_of(asked)[-1:]
    if name in MONEY_PER_HEAD:
        return None
    if not spans:
        return {}
    if name in ("nrr", "grr"):
        kept = kept_of(asked, [(back(spans[0][1], asked.months_back), spans[0][1])])
        pairs = zip(
            (kept.kept if name == "nrr" else kept.least)[:, 0], kept.opening[:, 0], strict=True
        )
        found = [(int(above), int(below)) for above, below in pairs]
        return _named(asked, asked.table(asked.members), found)
    if name != "customer_churn_rate":
        table = asked.table()
        moved = _movements(asked, table, 0, asked.cuts.slots)
        return _named(asked, table, [_of_movement(name, one, asked) for one in moved])
    if asked.policy.customer_churn == "standard":
        kept = kept_of(asked, spans)
        lost = [
            (int(of[0]), int(all_of[0])) for of, all_of in zip(kept.lost, kept.payers, strict=True)
        ]
        return _named(asked, asked.table(asked.members), lost)
    turned = [rates.customer_churn_sides(row[0], asked.policy) for row in _turnovers(asked, spans)]
    if None in turned:
        return None
    return _named(asked, asked.table(asked.members), [one for one in turned if one is not None])


def _firsts(above: I64, below: I64) -> list[rates.Sides]:
    return [(int(a), int(b)) for a, b in zip(above[:, 0], below[:, 0], strict=True)]


def _named(asked: Asked, table: Table, found: Sequence[rates.Sides]) -> dict[str, rates.Sides]:
    return {
        name: (0, 0) if number is None or number >= len(found) else found[number]
        for number, name in asked.keys(table)
    }


def _ratios(asked: Asked, table: Table, found: Sequence[Sequence[Fraction | None]]) -> Reading:
    """Lines of rates: one list a key, of the buckets and last the whole span."""

    def value(of: Fraction | None) -> Number:
        return None if of is None else float(of)

    nothing = [None] * (len(asked.cuts.spans) + 1)
    reading = asked.counts(
        table,
        lambda key: [value(one) for one in _of(found, key, nothing)[:-1]],
        lambda key: value(_of(found, key, nothing)[-1]),
    )
    missing = {name for number, name in asked.keys(table) if number is None}
    for line in reading.lines:
        if line.key in missing:
            line.values, line.total = [None] * len(line.values), None
    return reading


def _of(found: Sequence[Sequence[T]], key: int, nothing: Sequence[T]) -> Sequence[T]:
    """What was found of a key; a cohort that is younger than all it was found in has nothing."""
    return found[key] if key < len(found) else nothing


def spans_of(asked: Asked) -> list[tuple[int, int]]:
    """The days of each bucket that has begun, and last of all of them."""
    plan = asked.plan
    found = [(b.first, min(b.end, plan.last)) for b in plan.buckets[: plan.begun]]
    return [*found, (plan.start, plan.last)] if found else []


def _mrr_rates(asked: Asked, name: str) -> Reading:
    table = asked.table()
    spans = [*asked.cuts.spans, (0, asked.cuts.slots)] if asked.cuts.spans else []
    each = [_movements(asked, table, low, high) for low, high in spans]
    found = [
        [rates.ratio(*_of_movement(name, movements[key], asked)) for movements in each]
        for key in range(len(table.opening))
    ]
    return _ratios(asked, table, found)


def _of_movement(name: str, of: Movement, asked: Asked) -> rates.Sides:
    if name == "gross_mrr_churn_rate":
        return rates.gross_mrr_churn_sides(of)
    if name == "net_mrr_churn_rate":
        return rates.net_mrr_churn_sides(of, asked.policy)
    return rates.quick_ratio_sides(of, asked.policy)


def _movements(asked: Asked, table: Table, low: int, high: int) -> list[Movement]:
    """The bridge of each key over slots [low, high), all at constant rates.

    The start is worth what the last of these movements are: a rate compares like with like.
    """
    currencies, days = asked.book.currencies, asked.cuts.days
    flow = table.flow[:, : len(currencies)]  # an empty ledger has a column, and no currency
    opening = table.opening[:, : len(currencies)] + flow[:, :, :low].sum(axis=(2, 3))
    at_end = factors(asked.exchange, currencies, days[high - 1])
    start = np.rint(opening @ at_end).astype(np.int64)
    each = np.stack([factors(asked.exchange, currencies, day) for day in days[low:high]])
    moved = np.einsum("kcsm,sc->km", flow[:, :, low:high].astype(np.float64), each)
    return [
        Movement(
            start=int(begun),
            new=int(of[NEW]),
            expansion=int(of[EXPANSION] + of[NONE]),
            reactivation=int(of[REACTIVATION]),
            contraction=-int(of[CONTRACTION]),
            churn=-int(of[CHURN]),
        )
        for begun, of in zip(start, np.rint(moved).astype(np.int64), strict=True)
    ]


def kept_of(asked: Asked, pairs: Spans, scope: Scope | None = None) -> Kept:
    """Who paid at one moment and what they pay at the other, at the rates of its fiscal year."""
    book, by, exchange = asked.book, asked.by, asked.exchange
    at = [factors(exchange, book.currencies, now - 1) for _, now in pairs]
    rows = np.array(at, dtype=np.float64).reshape(len(pairs), len(book.currencies))
    key = ("kept", by, asked.stamp(by), tuple(pairs), exchange.target)
    found = asked.shelf.sum(
        scope or asked.members, key, lambda part: kept(part, book, by, pairs, rows)
    )
    return Kept._make(found)


def _retention(asked: Asked, name: str) -> Reading:
    months = asked.months_back
    pairs = [(back(end, months), end) for _, end in spans_of(asked)]
    found = kept_of(asked, pairs)
    top = found.kept if name == "nrr" else found.least
    shares = [
        [rates.ratio(int(a), int(b)) for a, b in zip(above, below, strict=True)]
        for above, below in zip(top, found.opening, strict=True)
    ]
    return _ratios(asked, asked.table(asked.members), shares)


@lru_cache(maxsize=4_096)
def back(end: int, months: int) -> int:
    """The day so many months before the day after a bucket's last."""
    return to_day(add_months(to_date(end), -months))


def churn_rates(asked: Asked, spans: Spans) -> list[list[Fraction | None]]:
    """The customer churn rate of each key over each span of days, by the policy's formula."""
    if asked.policy.customer_churn == "standard":
        found = kept_of(asked, spans)
        return [
            [rates.ratio(int(lost), int(start)) for lost, start in zip(*row, strict=True)]
            for row in zip(found.lost, found.payers, strict=True)
        ]
    return [
        [rates.customer_churn_rate(turnover, asked.policy) for turnover in row]
        for row in _turnovers(asked, spans)
    ]


def _turnovers(asked: Asked, spans: Spans) -> list[list[Turnover]]:
    daily = asked.policy.customer_churn == "daily"
    bounds = sorted({day for span in spans for day in span})
    if daily:
        bounds = list(range(bounds[0], bounds[-1] + 1))
    at = between(bounds)
    table = asked.table(asked.members, at)
    there = customers(table)
    place = {day: n for n, day in enumerate(bounds)}
    found = []
    for key in range(len(table.customers)):
        before = [int(table.customers[key]), *there[key].tolist()]
        moved = table.moved[key]
        row = []
        for start, end in spans:
            low, high = place[start], place[end]
            inside = moved[low:high]
            row.append(
                Turnover(
                    start=before[low],
                    new=int(inside[:, NEW].sum()),
                    churned=int(inside[:, CHURN].sum()),
                    returned=int(inside[:, REACTIVATION].sum()),
                    days=[(int(moved[n, CHURN]), before[n]) for n in range(low, high)],
                )
            )
        found.append(row)
    return found


def _customer_churn(asked: Asked) -> Reading:
    table = asked.table(asked.members)
    return _ratios(asked, table, churn_rates(asked, spans_of(asked)))


def _per_head(asked: Asked, name: str) -> Reading:
    members = asked.table(asked.members)
    heads = _heads(asked, members, name)
    table = asked.table()
    levels = measures.levels(table, asked.cuts)
    churn, margin = _past_churn(asked) if name == "ltv" else None, Fraction(asked.margin)
    sold = measures.of_kinds(table, (NEW,), 1)

    def work(key: int, quotes: Quotes) -> Amounts:
        if name == "asp":
            sums = measures.flow(sold[key], quotes)
        else:
            sums = measures.stock(levels[key], quotes)
        shares = None if churn is None else _of(churn, key, [None] * len(heads[key]))
        values: list[int | None] = []
        for n, amount in enumerate(sums.values):
            each = None if amount is None else rates.ratio(amount, heads[key][n])
            if shares is not None:
                each = rates.ltv(each, shares[n], margin)
            values.append(None if each is None else round(each))
        whole = None
        if name == "asp":
            whole = rates.ratio(sum(value or 0 for value in sums.values), sum(heads[key]))
        total = None if whole is None else round(whole)
        return Amounts(values, sums.provisional, sums.lost, total)

    return asked.money(table, work, nothing=None)  # there is nobody whom it is a mean of


def _heads(asked: Asked, members: Table, name: str) -> list[list[int]]:
    if name == "asp":
        return [by_bucket(slots, asked.cuts) for slots in members.moved[:, :, NEW]]
    last = [high - 1 for _, high in asked.cuts.spans]
    return [row[last].tolist() for row in customers(members)]


def _past_churn(asked: Asked) -> list[list[Fraction | None]]:
    """For each key and bucket the mean churn rate of the months before the bucket's last one."""
    months = asked.policy.ltv_churn_months
    lasts = [first_of(asked.cuts.ends[high - 1], "month") for _, high in asked.cuts.spans]
    wanted = sorted({back(last, n) for last in lasts for n in range(months + 1)})
    spans = list(pairwise(wanted))
    place = {day: n for n, day in enumerate(wanted)}
    windows = tuple((place[back(last, months)], place[last]) for last in lasts)
    return [_means(tuple(row), windows, asked.policy) for row in churn_rates(asked, spans)]


@lru_cache(maxsize=1_024)
def _means(
    row: Sequence[Fraction | None], windows: Spans, policy: MetricPolicy
) -> list[Fraction | None]:
    """The mean rate of each window: after a commit those of most keys are known."""
    return [rates.mean_churn(row[low:high], policy) for low, high in windows]
