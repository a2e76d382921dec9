"""Columns as lines of JSON: the public form of an event, joined by hand because it is many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from upwell.demo.cast import Product
from upwell.demo.columns import Columns
from upwell.demo.lives import People
from upwell.demo.rhythm import DAY
from upwell.period import to_date

_SHORT = {
    "session": "se",
    "page_view": "pv",
    "engagement": "en",
    "signup": "su",
    "activation": "ac",
    "kpi": "kp",
}
"""How the idempotency key of each type begins."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the numbers in a product's columns stand for, as pieces of JSON."""

    product: str
    plans: tuple[str, ...]
    countries: list[str]  # by actor
    channels: list[str]  # by actor
    paths: tuple[str, ...]
    actions: tuple[str, ...]


def words(product: Product, people: People) -> Words:
    """The words of one product."""
    countries = [code for code, _ in product.countries]
    channels = [name for name, _ in product.channels]
    return Words(
        product=product.id,
        plans=("free", "trial", *(plan.name for plan in product.plans)),
        countries=[countries[i] for i in people.country.tolist()],
        channels=[channels[i] for i in people.channel.tolist()],
        paths=product.paths,
        actions=tuple(name for name, _ in product.actions),
    )


def lines(events: Columns, say: Words) -> list[str]:
    """One line of JSON for each event, without line ends."""
    write = _WRITERS.get(events.type, _arrival)
    return write(events, say)


def when(at: list[int]) -> list[str]:
    """UTC seconds as RFC 3339."""
    clock, date = _clock(), _date
    return [date(t // DAY) + clock[t % DAY] for t in at]


def _head(events: Columns, say: Words) -> str:
    return f'{{"product_id":"{say.product}","event_type":"{events.type}",'


def _visit(events: Columns, say: Words) -> list[str]:
    head, short = _head(events, say), _SHORT[events.type]
    actor, plans, countries = say.product + "_u_", say.plans, say.countries
    return [
        f'{head}"timestamp":"{t}","actor_id":"{actor}{a:05d}","idempotency_key":"{short}-{a}-{n}",'
        f'"metadata":{{"plan":"{plans[p]}","country":"{countries[a]}"}}}}'
        for t, a, n, p in zip(
            when(events.at.tolist()),
            events.actor.tolist(),
            events.n.tolist(),
            events.plan.tolist(),
            strict=True,
        )
    ]


def _detailed(events: Columns, say: Words) -> list[str]:
    head, short = _head(events, say), _SHORT[events.type]
    actor, plans, countries = say.product + "_u_", say.plans, say.countries
    key, details = ("path", say.paths) if events.type == "page_view" else ("name", say.actions)
    return [
        f'{head}"timestamp":"{t}","actor_id":"{actor}{a:05d}","idempotency_key":"{short}-{a}-{n}",'
        f'"metadata":{{"{key}":"{details[d]}","plan":"{plans[p]}","country":"{countries[a]}"}}}}'
        for t, a, n, p, d in zip(
            when(events.at.tolist()),
            events.actor.tolist(),
            events.n.tolist(),
            events.plan.tolist(),
            events.detail.tolist(),
            strict=True,
        )
    ]


def _arrival(events: Columns, say: Words) -> list[str]:
    head, short = _head(events, say), _SHORT[events.type]
    return [
        f'{head}"timestamp":"{t}","actor_id":"{say.product}_u_{a:05d}",'
        f'"idempotency_key":"{short}-{a}","metadata":{{"plan":"{say.plans[p]}",'
        f'"country":"{say.countries[a]}","channel":"{say.channels[a]}"}}}}'
        for t, a, p in zip(
            when(events.at.tolist()), events.actor.tolist(), events.plan.tolist(), strict=True
        )
    ]


def _gauge(events: Columns, say: Words) -> list[str]:
    head = _head(events, say)
    return [
        f'{head}"value":"{amount // 100}","timestamp":"{t}","idempotency_key":"kp-seats-{n}",'
        f'"metadata":{{"name":"seats_paid"}}}}'
        for t, n, amount in zip(
            when(events.at.tolist()), events.n.tolist(), events.amount.tolist(), strict=True
        )
    ]


_WRITERS = {
    "session": _visit,
    "page_view": _detailed,
    "engagement": _detailed,
    "kpi": _gauge,
}


@lru_cache(maxsize=1)
def _clock() -> list[str]:
    return [f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}Z" for s in range(DAY)]


@lru_cache(maxsize=2000)
def _date(day: int) -> str:
    return to_date(day).isoformat()
