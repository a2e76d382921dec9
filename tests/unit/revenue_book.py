"""Subscriptions, states and ledgers in few words, for the worked examples of the definitions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from upwell.billing import Discount, Item, Price, SubscriptionState
from upwell.metrics.policy import PRESETS, MetricPolicy
from upwell.metrics.revenue import mrr
from upwell.metrics.revenue.baskets import Line
from upwell.metrics.revenue.bridge import Bridge, bridge
from upwell.metrics.revenue.coding import Coding
from upwell.metrics.revenue.ledger import KINDS, Moves, Steps, fold
from upwell.period import Zone, to_date, to_day, to_micros

UPWELL, STRIPE, CHARTMOGUL = (PRESETS[name] for name in ("upwell", "stripe", "chartmogul"))
UTC = Zone("UTC")


def rules(base: MetricPolicy = UPWELL, **changes: Any) -> MetricPolicy:
    """Counting rules that differ in some fields."""
    return replace(base, **changes)


def at(text: str) -> int:
    """UTC microseconds of "2026-01-05" or "2026-01-05 14:40"."""
    return to_micros(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))


def day(text: str) -> int:
    """The number of a day."""
    return to_day(dt.date.fromisoformat(text))


FAR = at("2040-01-01")


def item(
    plan: str,
    amount: str | None,
    every: str = "month",
    count: int = 1,
    quantity: int | str = 1,
    product: str = "mail",
    currency: str = "USD",
    *,
    tax: str = "0",
    discounts: tuple[Discount, ...] = (),
    **price: Any,
) -> Item:
    """An item of so many of a plan; `amount` is in dollars."""
    return Item(
        id=f"si_{plan}",
        product=product,
        price=Price(
            id=f"price_{plan}_{amount}_{every}",
            plan=plan,
            currency=currency,
            interval=None if every == "once" else every,  # type: ignore[arg-type]
            interval_count=count,
            unit=None if amount is None else Decimal(amount) * 100,
            **price,
        ),
        quantity=Decimal(quantity),
        inclusive_tax=Decimal(tax),
        discounts=discounts,
    )


def off(
    what: str, duration: str = "forever", start: str | None = None, end: str | None = None
) -> Discount:
    """A discount: "50%" or "10.00" dollars."""
    percent = Decimal(what[:-1]) if what.endswith("%") else None
    return Discount(
        id=f"di_{what}",
        percent=percent,
        amount=None if percent is not None else Decimal(what) * 100,
        currency=None if percent is not None else "USD",
        duration=duration,  # type: ignore[arg-type]
        start=None if start is None else at(start),
        end=None if end is None else at(end),
    )


def state(when: str, *items: Item, sub: str = "sub_1", **fields: Any) -> SubscriptionState:
    """A state from an instant on; times among the fields are given as text."""
    for name in (
        "created", "trial_start", "trial_end", "period_start", "period_end", "cancel_at",
        "canceled_at", "ended_at", "pause_resumes",
    ):  # fmt: skip
        if isinstance(fields.get(name), str):
            fields[name] = at(fields[name])
    return SubscriptionState(
        source="acct", id=sub, customer="cus", at=at(when), items=items, **fields
    )


def dollars(amount: int) -> str:
    """Millionths of a cent in dollars, with cents at least, and as exact as needed."""
    value = Decimal(amount).scaleb(-8)
    return str(value.quantize(Decimal("0.01")) if value == round(value, 2) else value.normalize())


def cents(amount: int) -> str:
    """Millionths of a cent in dollars, rounded to the cent as on a page."""
    return str(Decimal(amount).scaleb(-8).quantize(Decimal("0.01")))


def mrr_at(states: Sequence[SubscriptionState], when: str, policy: MetricPolicy = UPWELL) -> str:
    """MRR of one subscription at an instant, in dollars."""
    value: dict[Line, int] = {}
    for level in mrr.levels(states, policy, at(when)):
        if level.at <= at(when):
            value[level.line] = level.amount
    return cents(sum(value.values()))


def history(
    states: Sequence[SubscriptionState], policy: MetricPolicy = UPWELL, until: str = "2040-01-01"
) -> list[tuple[str, str, str]]:
    """The levels of one subscription: (instant, dollars, cause)."""
    found = mrr.levels(states, policy, at(until))
    return [(_text(level.at), cents(level.amount), level.cause) for level in found]


def _text(micros: int) -> str:
    instant = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=micros)
    return instant.strftime("%Y-%m-%d" if instant.time() == dt.time() else "%Y-%m-%d %H:%M")


def steps(
    customers: Mapping[str, Iterable[SubscriptionState]] | Sequence[SubscriptionState],
    policy: MetricPolicy = UPWELL,
    zone: Zone = UTC,
    until: int = FAR,
) -> Steps:
    """The levels of whole customers as columns; a plain list of states is one customer's."""
    if not isinstance(customers, Mapping):
        customers = {"cus": customers}
    coding, base = Coding(), 0
    for customer, states in customers.items():
        coding.persons[customer]  # numbered in the order given, also who has nothing
        subscriptions: dict[str, list[SubscriptionState]] = {}
        for one in states:
            subscriptions.setdefault(one.id, []).append(one)
        for mine in subscriptions.values():
            coding.add(customer, "acct", mrr.levels(mine, policy, until), base)
            base += len(mine)
    return coding.steps(zone)


def ledger(
    customers: Mapping[str, Iterable[SubscriptionState]] | Sequence[SubscriptionState],
    policy: MetricPolicy = UPWELL,
    zone: Zone = UTC,
) -> Moves:
    """The movement rows of whole customers."""
    return fold(steps(customers, policy, zone), policy)


GRAINS = {"subscription": "by_subscription", "product": "by_product", "company": "by_company"}


def movements(moves: Moves, grain: str = "company") -> list[tuple[str, str, str]]:
    """Net movements by day and kind: (day, kind, dollars), a loss being negative."""
    sums: dict[tuple[int, int], int] = {}
    order: list[tuple[int, int]] = []
    kinds = getattr(moves, GRAINS[grain])
    for when, kind, delta in sorted(
        zip(moves.day.tolist(), kinds.tolist(), moves.delta.tolist(), strict=True)
    ):
        if (when, kind) not in sums:
            order.append((when, kind))
        sums[when, kind] = sums.get((when, kind), 0) + delta
    return [
        (to_date(when).isoformat(), KINDS[kind], cents(sums[when, kind])) for when, kind in order
    ]


def bridged(moves: Moves, first: str, end: str, grain: str = "company") -> dict[str, str]:
    """The parts of a bridge that are not 0, in dollars."""
    found: Bridge = bridge(
        moves.day, moves.delta, getattr(moves, GRAINS[grain]), day(first), day(end)
    )
    parts = {name: amount for name, amount in found._asdict().items() if amount}
    return {name: cents(amount) for name, amount in parts.items()}
