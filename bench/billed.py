"""A company with subscriptions as its billing system tells of them: for measuring the ledger.

Half of them begin on trial; seats and plans change, discounts end (some of them today), a third are
cancelled, most of these with notice and with the event of the click. Of the others three in a
hundred are past due and one is unpaid.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from bench.rows import PRODUCTS
from upwell.billing import Customer, Discount, Item, Price, Record, Status, SubscriptionState
from upwell.event import SCHEMA, Delivery, Translated
from upwell.period import DAY_MICROS, to_micros
from upwell.projection import Staged

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
YEARS, CHANGES = 5, 6
PLANS = (
    ("solo", "900"),
    ("team", "4900"),
    ("business", "19900"),
    ("scale", "49000"),
    ("year", "99000"),
)
CURRENCIES = ("USD", "EUR", "GBP", "JPY")
COUNTRIES = ("US", "DE", "GB", "JP", "FR", "CA", "NL", "SE", "ES", "IT")
PAGE = 5_000  # subscriptions of a delivery
_END = to_micros(NOW)
_SECONDS = YEARS * 365 * 86_400


def deliveries(subscriptions: int, first: int = 1) -> Iterator[Staged]:
    """The whole past, in order of the subscriptions; numbered from `first`."""
    chance = random.Random(7)
    for seq, place in enumerate(range(0, subscriptions, PAGE), first):
        lives = [_life(n, chance) for n in range(place, min(place + PAGE, subscriptions))]
        records: list[Record] = [_customer(n) for n in range(place // 2, (place + PAGE) // 2)]
        clicks = [click for life in lives for click in _clicks(life)]
        yield staged(seq, [*records, *(state for life in lives for state in life)], clicks)


def staged(
    seq: int, records: Sequence[Record], events: Sequence[dict[str, Any]] = (), after: int = 0
) -> Staged:
    """A delivery of the account, recorded `after` seconds from now."""
    numbered = [{**event, "idx": n} for n, event in enumerate(events)]
    table = pa.Table.from_pylist(numbered, schema=SCHEMA) if numbered else SCHEMA.empty_table()
    delivery = Delivery(seq=seq, kind="stripe", source="acct", received_at=_END + after * 1_000_000)
    return Staged(delivery, Translated(table, records=tuple(records)))


def webhook(seq: int, number: int, subscription: int) -> Staged:
    """One more state of a subscription: other seats, a moment ago."""
    state = _state(subscription, random.Random(seq), _END - 1_000_000 + number)
    return staged(seq, [msgspec.structs.replace(state, order=f"evt_{seq}")])


def _life(number: int, chance: random.Random) -> list[SubscriptionState]:
    begins = _END - chance.randrange(_SECONDS) * 1_000_000
    span = (_END - begins) // 1_000_000
    moments = sorted({begins + chance.randrange(span + 1) * 1_000_000 for _ in range(CHANGES)})
    found = [_state(number, chance, at) for at in (begins, *moments)]
    if chance.random() < 0.5:
        ends = begins + 14 * DAY_MICROS
        found[0] = msgspec.structs.replace(
            found[0], status="trialing", trial_start=begins, trial_end=ends
        )
    if chance.random() < 0.33 and len(found) > 2:
        asked, ended = found[-2].at, found[-1].at
        if chance.random() < 0.8:
            found[-2] = msgspec.structs.replace(
                found[-2], cancel_at=ended + DAY_MICROS, canceled_at=asked
            )
        if chance.random() < 0.8:
            found[-1] = msgspec.structs.replace(
                found[-1], status="canceled", canceled_at=asked, ended_at=ended
            )
    if found[-1].status == "active" and number % 100 < 4:
        status: Status = "past_due" if number % 100 < 3 else "unpaid"
        found[-1] = msgspec.structs.replace(found[-1], status=status)
    return [
        msgspec.structs.replace(state, order=f"evt_{place}") for place, state in enumerate(found)
    ]


def _state(number: int, chance: random.Random, at: int) -> SubscriptionState:
    product = PRODUCTS[number % len(PRODUCTS)]
    currency = CURRENCIES[min(3, int(random.Random(number).paretovariate(1.5)) - 1)]
    name, unit = PLANS[(number + (chance.random() < 0.2)) % len(PLANS)]
    price = Price(
        id=f"price_{product}_{name}_{currency}",
        plan=f"{product} {name}",
        currency=currency,
        interval="year" if name == "year" else "month",
        unit=Decimal(unit),
    )
    item = Item(
        id=f"si_{number}", product=product, quantity=Decimal(chance.randint(1, 20)), price=price
    )
    return SubscriptionState(
        source="acct",
        id=f"sub_{number}",
        customer=f"cus_{number // 2}",
        at=at,
        currency=currency,
        items=(item,),
        discounts=_discounts(chance),
    )


def _discounts(chance: random.Random) -> tuple[Discount, ...]:
    """One in ten states has one; of these one in a hundred ends within a day of now."""
    if chance.random() >= 0.1:
        return ()
    if chance.random() < 0.01:
        end = _END + chance.randrange(86_400) * 1_000_000
    else:
        end = _END + chance.randrange(-700, 200) * DAY_MICROS
    return (Discount(id="di", percent=Decimal(20), duration="repeating", end=end),)


def _customer(number: int) -> Customer:
    return Customer(
        source="acct",
        id=f"cus_{number}",
        at=_END - _SECONDS * 1_000_000,
        name=f"Customer {number}",
        email=f"c{number}@x.example",
        country=COUNTRIES[number % len(COUNTRIES)],
    )


def _clicks(life: Sequence[SubscriptionState]) -> Iterator[dict[str, Any]]:
    """The event of the cancellation, if there was one."""
    last = next((state for state in life if state.canceled_at is not None), None)
    if last is None:
        return
    yield {
        "product": last.items[0].product,
        "source": "acct",
        "type": "churn",
        "ts": last.canceled_at,
        "actor": last.customer,
        "value": Decimal(1),
        "key": f"{last.id}:cancel",
        "metadata": msgspec.json.encode({"subscription_id": last.id}).decode(),
        "reason": "unknown",
        "corrected": False,
    }
