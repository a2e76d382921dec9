"""What subscriptions brought in whose cancellation was asked for, kept as the ledger moves on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from upwell.projection import Projection
from upwell.projection.book import Book
from upwell.query.lines import Amounts
from upwell.query.plan import Plan, versions
from upwell.query.revenue.exchange import nanos_of
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import Part
from upwell.query.revenue.reading import scope_of
from upwell.query.revenue.sums import I64, added, firsts, running


class Click(NamedTuple):
    """A cancellation that was asked for, with the delivery that told of it."""

    seq: int
    source: str
    product: str
    day: int
    at: int
    subscription: str


class Clicks(NamedTuple):
    """Clicks, and as columns the line, the slot and the instant of each; `slots` are in order."""

    all: list[Click]
    key: I64
    slot: I64
    at: I64
    slots: I64


def clicks_of(plan: Plan, projection: Projection) -> list[Click]:
    """The cancellations asked for within the days, of subscriptions that are known."""
    rows = projection.reader().execute(
        f"""select seq, source, product, day, ts,
          json_extract_string(metadata, '$.subscription_id') as subscription
        from events where type = 'churn' and not excluded and {versions(plan)}
          and day >= ? and day < ? and product in (select unnest(?::varchar[]))
          and subscription is not null order by ts desc, seq desc, idx desc""",
        [plan.start, plan.last, list(plan.products)],
    )
    return [Click(*row) for row in rows.fetchall()]


def amounts(plan: Plan, ledgers: Ledgers, projection: Projection) -> Amounts:
    """By line, currency and slot what the cancelled subscriptions brought in before each click."""
    shelf = ledgers.shelf(plan.question.policy)
    book, by_product = shelf.book, plan.question.by == "product"
    stood = (projection.generation, projection.changed(plan.products, ("churn",)))
    about = (plan.start, plan.last, plan.products, plan.known_at, plan.hourly, by_product)
    keys = list(plan.products) if by_product else [""]
    known = ledgers.remembered(
        (*about, *stood), lambda: _columns(plan, keys, clicks_of(plan, projection))
    )
    group = ledgers.remembered(
        (*about, *stood, id(book), len(book.subscriptions), len(book.products)),
        lambda: _groups(book, known.all),
    )
    scope, shape = scope_of(plan)._replace(apart=False), (len(keys), len(known.slots))
    (sums,) = shelf.sum(
        scope, ("clicks", about, stood), lambda part: (_worth(part, book, known, group, shape),)
    )
    wide: Amounts = {}
    for key, code, place in np.argwhere(sums).tolist():
        currency = book.currencies[code]
        units = nanos_of(int(sums[key, code, place]), currency)
        wide.setdefault(keys[key], {}).setdefault(currency, {})[int(known.slots[place])] = units
    return wide


def _columns(plan: Plan, keys: Sequence[str], found: list[Click]) -> Clicks:
    number = {name: n for n, name in enumerate(keys)}
    at = np.array([click.at for click in found], dtype=np.int64)
    days = np.array([click.day for click in found], dtype=np.int64)
    slots, slot = np.unique(plan.zone.hours(at) if plan.hourly else days, return_inverse=True)
    key = np.array([number.get(click.product, 0) for click in found], dtype=np.int64)
    return Clicks(found, key, slot.reshape(-1), at, slots)


def _groups(book: Book, found: Sequence[Click]) -> I64:
    """The subscription in a product that each click is of, as a number; below 0 without rows."""
    products = {name: n for n, name in enumerate(book.products)}
    lines = book.lines
    return np.array(
        [
            lines.subscription_number(click.source, click.subscription) << 16 | number
            if (number := products.get(click.product)) is not None
            else -1
            for click in found
        ],
        dtype=np.int64,
    )


def _worth(
    part: Part, book: Book, clicks: Clicks, clicked_group: I64, shape: tuple[int, int]
) -> I64:
    """What the part's rows before each click come to, as [line, currency, slot]."""
    group = book.line_subscription[part.line].astype(np.int64) << 16 | part.product
    clicked = np.flatnonzero(np.isin(group, clicked_group))
    own = np.flatnonzero(np.isin(clicked_group, group[clicked]))
    many = max(1, len(book.currencies))
    found = np.zeros((shape[0], many, shape[1]), dtype=np.int64)
    for code in np.unique(part.currency[clicked]).tolist():
        rows = clicked[part.currency[clicked] == code]
        groups = np.concatenate([clicked_group[own], group[rows]])
        at = np.concatenate([clicks.at[own], part.at[rows]])
        change = np.concatenate([np.zeros(len(own), dtype=np.int64), part.delta[rows]])
        order = np.lexsort((np.arange(len(at)) >= len(own), at, groups))
        worth = np.empty(len(at), dtype=np.int64)
        worth[order] = running(change[order], firsts(groups[order]))
        place = clicks.key[own] * shape[1] + clicks.slot[own]
        found[:, code] = added(place, worth[: len(own)], shape[0] * shape[1]).reshape(shape)
    return found
