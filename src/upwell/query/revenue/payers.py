"""States as they count: with the discounts of the customers who pay for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import duckdb
import msgspec

from upwell.billing import Customer, SubscriptionState
from upwell.metrics.revenue.inherited import inherited

_CUSTOMER = msgspec.json.Decoder(Customer)
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
