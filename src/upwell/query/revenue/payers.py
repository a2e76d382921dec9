"""States as they count: with the discounts of the customers who pay, and with refunds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import duckdb
import msgspec

from upwell.billing import Customer, Refund, Schedule, SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.inherited import inherited
from upwell.metrics.revenue.refunds import refunded
from upwell.metrics.revenue.scheduled import scheduled

_CUSTOMER = msgspec.json.Decoder(Customer)
_REFUND = msgspec.json.Decoder(Refund)
_SCHEDULE = msgspec.json.Decoder(Schedule)
Subscription = tuple[str, str]  # source and id


def discounted(
    db: duckdb.DuckDBPyConnection,
    found: Mapping[Subscription, list[SubscriptionState]],
    condition: str,
    values: Sequence[int],
) -> dict[Subscription, list[SubscriptionState]]:
    """States by subscription with their customers' discounts; `condition`: what is known."""
    rows = db.execute(
        f"""select source, id, body from billing where kind = 'cus' and {condition}
          and (source, id) in (
            select (source, id) from billing where kind = 'cus' and body like '%"discounts":%')
        order by ts, ord, no""",
        list(values),
    ).fetchall()
    payers: defaultdict[tuple[str, str], list[Customer]] = defaultdict(list)
    for source, id_, body in rows:
        payers[source, id_].append(_CUSTOMER.decode(body))
    return inheriting(found, payers)


def inheriting(
    found: Mapping[Subscription, list[SubscriptionState]],
    payers: Mapping[tuple[str, str], Sequence[Customer]],
) -> dict[Subscription, list[SubscriptionState]]:
    """States by subscription with the discounts of these customers, by source and id."""
    if not payers:
        return dict(found)
    return {
        key: inherited(states, payers.get((key[0], states[-1].customer), ())).states
        for key, states in found.items()
    }


def refunds_of(
    db: duckdb.DuckDBPyConnection,
    wanted: Iterable[Subscription],
    condition: str,
    values: Sequence[int],
) -> dict[Subscription, list[Refund]]:
    """The refunds of subscriptions; `condition`: what is known."""
    rows = db.execute(
        f"select body from billing where kind = 'ref' and {condition} order by ts, ord, no",
        list(values),
    ).fetchall()
    chosen, found = set(wanted), defaultdict[Subscription, list[Refund]](list)
    for (body,) in rows:
        refund = _REFUND.decode(body)
        if (key := (refund.source, refund.subscription)) in chosen:
            found[key].append(refund)
    return found


def giving_back(
    found: Mapping[Subscription, Sequence[SubscriptionState]],
    refunds: Mapping[Subscription, Sequence[Refund]],
    policy: MetricPolicy,
) -> dict[Subscription, Sequence[SubscriptionState]]:
    """States by subscription as the policy lets these refunds change them."""
    return {
        key: refunded(states, refunds[key], policy).states if key in refunds else states
        for key, states in found.items()
    }


def schedules_of(
    db: duckdb.DuckDBPyConnection, condition: str, values: Sequence[int]
) -> dict[Subscription, list[Schedule]]:
    """What was said of schedules, by subscription; `condition`: what is known."""
    rows = db.execute(
        f"select body from billing where kind = 'sch' and {condition} order by ts, ord, no",
        list(values),
    ).fetchall()
    found: defaultdict[Subscription, list[Schedule]] = defaultdict(list)
    for (body,) in rows:
        schedule = _SCHEDULE.decode(body)
        found[schedule.source, schedule.subscription].append(schedule)
    return found


def planned(
    found: Mapping[Subscription, Sequence[SubscriptionState]],
    schedules: Mapping[Subscription, Sequence[Schedule]],
) -> dict[Subscription, Sequence[SubscriptionState]]:
    """States by subscription with what these schedules set for later."""
    return {
        key: scheduled(states, schedules[key]) if key in schedules else states
        for key, states in found.items()
    }
