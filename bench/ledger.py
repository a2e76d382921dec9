"""From states to movements: how long the whole ledger of a company takes to fold."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from bench.figures import NONE, Section, Table, rate
from upwell.billing import Discount, Item, Price, SubscriptionState
from upwell.metrics.policy import PRESETS
from upwell.metrics.revenue import mrr
from upwell.metrics.revenue.coding import Coding
from upwell.metrics.revenue.ledger import Steps, fold
from upwell.period import DAY_MICROS, Zone

SUBSCRIPTIONS, STATES, PRODUCTS, YEARS = 200_000, 10, 12, 5
TARGET = 60.0
BEGIN = 1_609_459_200_000_000  # 2021-01-01
PLANS = (("solo", "900"), ("team", "4900"), ("business", "19900"), ("year", "49000"))
DECODER = msgspec.msgpack.Decoder(list[SubscriptionState])


def run(work: Path, quick: bool) -> Section:  # noqa: ARG001
    """Decode, level and fold the states of a company, under each preset."""
    count = SUBSCRIPTIONS // 20 if quick else SUBSCRIPTIONS
    rows, figures = [], {}
    for name in PRESETS:
        found = measure(count, name)
        figures[name] = found
        rows.append(
            (
                name,
                f"{found['levels']:.1f} s",
                f"{found['fold']:.1f} s",
                f"{found['levels'] + found['fold']:.1f} s",
                rate(count * STATES / (found["levels"] + found["fold"])),
                f"{found['rows']:,.0f}",
                f"{TARGET:.0f} s" if not quick else NONE,
            )
        )
    return Section(
        name="ledger",
        title="Folding the ledger",
        tables=(
            Table(
                title=f"{count * STATES:,} states of {count:,} subscriptions, {PRODUCTS} products, "
                f"{YEARS} years",
                columns=(
                    "counting rules",
                    "states to levels",
                    "levels to rows",
                    "both",
                    "states",
                    "rows",
                    "target",
                ),
                rows=tuple(rows),
            ),
        ),
        notes=(
            "One thread. States come decoded, each with its own items; decoding them took "
            f"{figures['upwell']['decode']:.1f} s and is not part of the figures.",
            "Half of the customers have subscriptions of several products; one in ten states has a "
            "discount.",
        ),
        figures=figures,
    )


def measure(subscriptions: int, preset: str) -> dict[str, float]:
    """Seconds for each part, under one preset."""
    policy, zone, coding = PRESETS[preset], Zone("America/New_York"), Coding()
    until = BEGIN + YEARS * 365 * DAY_MICROS
    decode = levels = 0.0
    for first, body in bodies(subscriptions):
        began = time.perf_counter()
        states = DECODER.decode(body)
        decoded = time.perf_counter()
        for place in range(0, len(states), STATES):
            mine = states[place : place + STATES]
            coding.add(mine[0].customer, "acct", mrr.levels(mine, policy, until), first + place)
        decode += decoded - began
        levels += time.perf_counter() - decoded
    began = time.perf_counter()
    steps: Steps = coding.steps(zone)
    moves = fold(steps, policy, lambda currency, _day: np.where(currency == 0, 1.0, 1.08))
    return {
        "decode": decode,
        "levels": levels,
        "fold": time.perf_counter() - began,
        "steps": len(steps.at),
        "rows": len(moves.delta),
    }


def bodies(subscriptions: int) -> Iterator[tuple[int, bytes]]:
    """The states of some thousand subscriptions at a time, as they are kept."""
    chance = random.Random(7)
    at_once = 5000
    for first in range(0, subscriptions, at_once):
        states = [
            state
            for number in range(first, min(first + at_once, subscriptions))
            for state in _life(number, chance)
        ]
        yield first * STATES, msgspec.msgpack.encode(states)


def _life(number: int, chance: random.Random) -> list[SubscriptionState]:
    moments = sorted(chance.randrange(YEARS * 365 * 86_400) for _ in range(STATES))
    product = f"product-{number % PRODUCTS}"
    currency = "EUR" if number % 5 == 0 else "USD"
    seats, plan = chance.randint(1, 20), chance.randrange(len(PLANS))
    found = []
    for place, second in enumerate(moments):
        if chance.random() < 0.6:
            seats = max(1, seats + chance.randint(-2, 3))
        elif chance.random() < 0.3:
            plan = chance.randrange(len(PLANS))
        last = place == STATES - 1 and chance.random() < 0.5
        found.append(
            SubscriptionState(
                source="acct",
                id=f"sub_{number:07d}",
                customer=f"cus_{number * 2 // 3:07d}",
                at=BEGIN + second * 1_000_000,
                order=f"evt_{place}",
                status="canceled" if last else "active",
                currency=currency,
                items=(_item(number, product, plan, seats, currency),),
                discounts=_discounts(chance),
            )
        )
    return found


def _item(number: int, product: str, plan: int, seats: int, currency: str) -> Item:
    name, unit = PLANS[plan]
    return Item(
        id=f"si_{number:07d}",
        product=product,
        quantity=Decimal(seats),
        price=Price(
            id=f"price_{product}_{name}_{currency}",
            plan=name,
            currency=currency,
            interval="year" if name == "year" else "month",
            unit=Decimal(unit),
        ),
    )


def _discounts(chance: random.Random) -> tuple[Discount, ...]:
    if chance.random() >= 0.1:
        return ()
    end = BEGIN + chance.randrange(YEARS * 365) * DAY_MICROS
    return (Discount(id="di", percent=Decimal(20), duration="repeating", end=end),)
