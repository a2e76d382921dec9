"""From a revenue number to the movements behind it, each with the delivery that brought it.

The values of a metric's rows add up to it; of a rate, to what stands above its line.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import NamedTuple

import msgspec
import numpy as np

from upwell.access import Viewer
from upwell.errors import Rejected
from upwell.event import GrowthEvent, Scalar
from upwell.metrics.catalog import Ledger, Sum
from upwell.metrics.revenue.causes import CAUSES
from upwell.money import converted, from_nanos
from upwell.period import to_instant
from upwell.projection import Projection
from upwell.query.breakdown import Pair, is_other, largest
from upwell.query.lines import APART
from upwell.query.plan import Plan
from upwell.query.revenue.acquisition import SPEND, spend_of
from upwell.query.revenue.answers import read, unbilled
from upwell.query.revenue.apart import currencies_of, only, parted, separate
from upwell.query.revenue.beside import before
from upwell.query.revenue.cash import cash_rows
from upwell.query.revenue.clicks import clicks_of
from upwell.query.revenue.committed import key_of, settled
from upwell.query.revenue.exchange import Exchange, nanos_of, valued
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.measures import COUNTS, FLOWS
from upwell.query.revenue.part import (
    CAME,
    CHURN,
    CONTRACTION,
    EXPANSION,
    GONE,
    MOVEMENTS,
    NEW,
    NONE,
    REACTIVATION,
    Part,
)
from upwell.query.revenue.reading import Asked
from upwell.query.revenue.sums import I64, Mask
from upwell.query.revenue.table import coded, names_of, placed
from upwell.query.revenue.usage import usage_rows
from upwell.query.rows import MOST_ROWS, Original, Row, Rows, Source, rows

TELLING = {
    "trial_conversion_rate": Sum("trial", "count"),
    "recovery_rate": Sum("payment_failed", "count"),
    "cac_payback": SPEND,
}
"""The events that rates beside the ledger are made of."""
STOCKS = {
    "mrr_set_to_cancel": 1, "mrr": 1, "arr": 12, "arpa": 1, "ltv": 1, "nrr": 1, "grr": 1, "cmrr": 1,
}  # fmt: skip
ABOVE = {  # of a rate, the movements above its line, and their sign there
    "gross_mrr_churn_rate": ((CHURN, CONTRACTION), -1),
    "net_mrr_churn_rate": ((CHURN, CONTRACTION, EXPANSION, NONE), -1),
    "quick_ratio": ((NEW, EXPANSION, NONE), 1),
    "asp": ((NEW,), 1),
}

LEAVING = (CHURN, GONE)  # by which one is a customer no more

MOVES, EVENTS = "m", "e"  # how cursors begin
OWN = "own"


class Found(NamedTuple):
    """Rows behind a number, and what each is worth in it: nano-units of money, or customers."""

    part: Part
    values: I64
    currency: str | None  # None: no money; OWN: each row's own


def revenue_rows(
    plan: Plan,
    ledgers: Ledgers,
    projection: Projection,
    viewer: Viewer,
    original: Original,
    *,
    key: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Rows:
    """A page of what is behind the question's number, newest first, narrowed to one series.

    The events of products without a ledger follow the movements of those that have one.
    """
    rule = plan.metric.rule
    if isinstance(rule, Ledger) and rule.kind == "told" and plan.metric.name in TELLING:
        counts = msgspec.structs.replace(plan.metric, rule=TELLING[plan.metric.name])
        days = spend_of(plan, ledgers) if counts.rule == SPEND else plan
        asked = replace(days, metric=counts, how="scan")
        return rows(asked, projection, viewer, original, key=key, limit=limit, cursor=cursor)
    if plan.metric.name == "cash":
        return cash_rows(plan, projection, key, max(1, min(limit, MOST_ROWS)), cursor)
    if plan.metric.name == "usage_run_rate":
        return usage_rows(plan, ledgers, key, max(1, min(limit, MOST_ROWS)), cursor)
    rest = unbilled(plan, ledgers)
    found = Rows(rows=(), cursor=None)
    if cursor is None or cursor.startswith(MOVES):
        found = _moves(plan, ledgers, projection, key, max(1, min(limit, MOST_ROWS)), cursor)
        if found.cursor is not None or rest is None:
            return found
        limit, cursor = limit - len(found.rows), None
    if rest is None or limit < 1:
        return Rows(rows=found.rows, cursor=None if rest is None else EVENTS)
    start = cursor.removeprefix(EVENTS) if cursor else None
    more = rows(
        rest, projection, viewer, original, key=key, limit=limit, cursor=start or None,
        rates=ledgers.rates,
    )  # fmt: skip
    follows = None if more.cursor is None else f"{EVENTS}{more.cursor}"
    return Rows(rows=found.rows + more.rows, cursor=follows)


def _moves(
    plan: Plan,
    ledgers: Ledgers,
    projection: Projection,
    key: str | None,
    limit: int,
    cursor: str | None,
) -> Rows:
    asked = Asked(plan, ledgers)
    found = _of_currencies(plan, key, ledgers, projection)
    at, place = found.part.at, found.part.place
    order = np.lexsort((-place, -at))
    if cursor is not None:
        last_at, last_place = _read(cursor)
        order = order[
            (at[order] < last_at) | ((at[order] == last_at) & (place[order] < last_place))
        ]
    page = order[:limit]
    last = page[-1] if len(order) > limit else None
    return Rows(
        rows=tuple(_row(asked, found, int(n)) for n in page),
        cursor=None if last is None else f"{MOVES}{at[last]}.{place[last]}",
    )


def _of_currencies(plan: Plan, key: str | None, ledgers: Ledgers, projection: Projection) -> Found:
    """The rows behind a number; where each currency is by itself, each in its own."""
    asks = [(plan, key)]
    if separate(plan, ledgers):
        name, currency = parted(plan, key)
        wanted = currencies_of(plan, ledgers) if currency is None else [currency]
        asks = [(only(plan, one), name) for one in wanted] or asks
    each = []
    for one, name in asks:
        asked = Asked(one, ledgers)
        cancelled = plan.metric.name == "cancelling_mrr"
        each.append(
            _cancelled(asked, name, ledgers, projection)
            if cancelled
            else behind(asked, name, ledgers)
        )
    return reduce(_joined, each)


def _joined(one: Found, other: Found) -> Found:
    own = None if one.currency is None else OWN
    return Found(one.part.joined(other.part), np.concatenate([one.values, other.values]), own)


def behind(asked: Asked, key: str | None, ledgers: Ledgers) -> Found:
    """Every row that the question's number counts, with what it is worth in it."""
    name, plan = asked.plan.metric.name, asked.plan
    product, currency = _key_parts(asked, key)
    counts = plan.metric.unit == "count" or name == "customer_churn_rate"
    part = asked.shelf.part(asked.members if name == "customers" else asked.scope)
    inside, slot = placed(part, asked.cuts)
    wanted = inside & _of_key(asked, part, product, ledgers)
    if currency is not None:
        codes = asked.book.currencies
        wanted &= part.currency == (codes.index(currency) if currency in codes else -1)
    if name in COUNTS or name == "customer_churn_rate":
        kind = COUNTS.get(name, CHURN)
        wanted &= part.head & (slot > 0) & (part.kind == kind)
    elif name == "customers":
        wanted &= part.head & np.isin(part.kind, (NEW, REACTIVATION, CAME, *LEAVING))
    elif name == "mrr_set_to_cancel":
        wanted &= _set_to_end(asked, part, ledgers)
    elif name not in STOCKS:
        kinds, _ = FLOWS.get(name) or ABOVE[name]
        wanted &= (slot > 0) & np.isin(part.kind, kinds)
    part, slot = part.take(wanted), slot[wanted]
    if name == "cmrr":
        part = settled(asked, part, ledgers)
    if counts:
        leaves = np.isin(part.kind, LEAVING) & (name == "customers")
        return Found(part, np.where(leaves, -1, 1), None)
    shown = currency or plan.currency or ledgers.ground.currency
    exchange = ledgers.exchange(asked.policy, shown)
    return Found(part, _worth(asked, part, slot, exchange), shown)


def _set_to_end(asked: Asked, part: Part, ledgers: Ledgers) -> Mask:
    """The rows of lines that have a date to end, at the end of the days."""
    plan, until = asked.plan, min(asked.plan.seen + 1, asked.plan.zone.opens(asked.plan.last))
    ending = {
        (notice.source, notice.id, *level.line): level.amount
        for notice in ledgers.notices(plan)
        for level in notice.ending
        if level.at < until
    }
    numbers = [
        number
        for number in np.unique(part.line).tolist()
        for line in [asked.book.lines[number]]
        if ending.get(key_of(line))
    ]
    found: Mask = np.isin(part.line, numbers)
    return found


def _cancelled(asked: Asked, key: str | None, ledgers: Ledgers, projection: Projection) -> Found:
    """What the cancelled subscriptions had come to: their movements before each click."""
    part = asked.shelf.part(asked.scope)
    places = {place: n for n, place in enumerate(part.place.tolist())}
    index, values = [], []
    clicks = [c for c in clicks_of(asked.plan, projection) if key in (None, "", c.product)]
    for click, own in before(asked.plan, ledgers, clicks):
        for place in own:
            if (n := places.get(place)) is None:
                continue
            currency = asked.book.currencies[int(part.currency[n])]
            quote = asked.exchange.closing(currency, click.day)
            index.append(n)
            units = nanos_of(int(part.delta[n]), currency)
            values.append(0 if quote is None else converted(units, quote))
    found = part.take(np.array(index, dtype=np.int64))
    return Found(found, np.array(values, dtype=np.int64), asked.exchange.target)


def _worth(asked: Asked, part: Part, slot: I64, exchange: Exchange) -> I64:
    name, cuts, currencies = asked.plan.metric.name, asked.cuts, asked.book.currencies
    found = np.zeros(len(part.delta), dtype=np.int64)
    if not cuts.spans:
        return found
    if name in STOCKS:
        for code in np.unique(part.currency).tolist():
            own = part.currency == code
            quote = exchange.closing(currencies[code], cuts.ends[-1])
            if quote is not None:
                fine = part.delta[own] * STOCKS[name]
                found[own] = valued(fine, currencies[code], quote)
        return found
    _, sign = FLOWS.get(name) or ABOVE[name]
    delta = asked.at_service(part, cuts).delta
    pairs = np.unique(np.stack([part.currency.astype(np.int64), slot - 1]), axis=1).T
    for code, at in pairs.tolist():
        own = (part.currency == code) & (slot - 1 == at)
        quote = exchange.moving(currencies[code], cuts.days[at], cuts.ends[at])
        if quote is not None:
            found[own] = valued(delta[own] * sign, currencies[code], quote)
    return found


def _key_parts(asked: Asked, key: str | None) -> tuple[str | None, str | None]:
    """The value of the dimension and the currency that a series' key stands for."""
    return parted(asked.plan, key) if asked.plan.native else (key, None)


def _of_key(asked: Asked, part: Part, key: str | None, ledgers: Ledgers) -> Mask:
    """The rows of one key of the split; of the rest of a long one, all that are not shown."""
    if asked.by is None or key is None:
        return np.ones(len(part.line), dtype=np.bool_)
    codes, count = coded(part, asked.book, asked.by)
    names = names_of(asked.book, asked.by, count)
    if is_other(key) and key not in names:
        lines: list[Pair] = [(line, None) for line in read(asked.plan, ledgers).lines]
        shown, _ = largest(asked.plan, lines)
        listed = {line.key.partition(APART)[0] for line, _ in shown}
        left = [n for n, name in enumerate(names) if name not in listed]
        rest: Mask = np.isin(codes, left)
        return rest
    found: Mask = codes == (names.index(key) if key in names else -1)
    return found


def _row(asked: Asked, found: Found, n: int) -> Row:
    part, book = found.part, asked.book
    line, place = book.lines[int(part.line[n])], int(part.place[n])
    value, shown = int(found.values[n]), found.currency
    if shown == OWN:
        shown = line.currency
    own = from_nanos(nanos_of(int(part.delta[n]), line.currency))
    about: dict[str, Scalar] = {
        "movement": MOVEMENTS[int(part.kind[n])],
        "cause": CAUSES[int(part.cause[n])],
        "plan": line.plan,
        "interval": line.interval,
        "subscription_id": line.subscription,
        "amount": f"{own.normalize():f}",
        "currency": line.currency,
    }
    if name := book.persons[int(part.person[n])].name:
        about["customer"] = name
    event = GrowthEvent(
        product_id=line.product,
        event_type="subscription",
        timestamp=to_instant(int(part.at[n])),
        value=from_nanos(value) if shown else Decimal(value),
        currency=shown,
        source=line.source,
        actor_id=line.customer,
        metadata=about,
    )
    brought = Source(
        seq=int(book.rows.seq[place]),
        source=line.source,
        received_at=int(book.rows.recorded_at[place]),
    )
    return Row(event=event, delivery=brought)


def _read(cursor: str) -> tuple[int, int]:
    try:
        at, place = cursor.removeprefix(MOVES).split(".")
        return int(at), int(place)
    except ValueError as error:
        raise Rejected(
            "bad_cursor",
            "This cursor was not made here.",
            fix="Use the cursor of the page before, unchanged.",
            where="cursor",
        ) from error
