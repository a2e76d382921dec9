"""What the people of one product do: they arrive, and on some days they come back."""

from __future__ import annotations

import numpy as np

from upwell.demo.cast import Company, Product
from upwell.demo.columns import (
    FREE,
    PLANS_FROM,
    TRIAL,
    Columns,
    Floats,
    Ints,
    columns,
    pick,
    several,
)
from upwell.demo.lives import ALWAYS_ON, NEVER, People, Subscriptions
from upwell.demo.rhythm import (
    DAY,
    Calendar,
    index_of,
    outage_span,
    quiet,
    season,
    seconds,
    week,
)

_VIEWS = (0.40, 0.24, 0.17, 0.12, 0.07)  # shares of a product's paths


def arrivals(people: People) -> list[Columns]:
    """Signups and activations."""
    new = np.flatnonzero(people.born >= 0)
    plan = np.where(people.trial < NEVER, TRIAL, FREE)
    done = np.flatnonzero((people.activated < NEVER) & (people.born >= 0))
    return [
        columns("signup", people.signup[new], new, plan=plan[new]),
        columns("activation", people.activated[done], done, plan=plan[done]),
    ]


def visits(
    company: Company,
    product: Product,
    days: Calendar,
    people: People,
    bought: Subscriptions,
    rng: np.random.Generator,
) -> list[Columns]:
    """Sessions of the whole story, and page views and actions since the SDK reports them."""
    actor, index, plan = _active_days(company, product, days, people, bought, rng)
    opens = np.stack([days.opens[code] for code, _ in product.countries])
    local = opens[people.country[actor], index]
    at = local + seconds(rng, product.rhythm, len(actor))
    first = index == people.born[actor]
    at = np.where(first, people.signup[actor], at)
    if product.id == company.always_on:
        machines = actor < ALWAYS_ON
        at = np.where(machines, days.home[index] + rng.integers(0, 60, len(at)), at)
    back = at + rng.integers(2 * 3600, 7 * 3600, len(at))
    again = np.flatnonzero((rng.random(len(at)) < 0.06) & (back < local + DAY))
    day = days.days[index]
    at, n = np.concatenate([at, back[again]]), np.concatenate([day * 2, day[again] * 2 + 1])
    actor, index, plan = (np.concatenate([x, x[again]]) for x in (actor, index, plan))
    if product.id in company.outage.products:
        down, up = outage_span(company, days)
        kept = ~((at >= down) & (at < up) & (rng.random(len(at)) < 0.94))
        at, n, actor, index, plan = (x[kept] for x in (at, n, actor, index, plan))
    tracked = np.flatnonzero(index >= days.index(product.tracked))
    rows, step = several(tracked, 1 + rng.poisson(2.1, len(tracked)))
    views = columns(
        "page_view",
        at[rows] + step * 25 + rng.integers(0, 20 + 50 * step),
        actor[rows],
        n[rows] * 64 + step,
        plan=plan[rows],
        detail=pick(rng, _VIEWS, len(rows)),
    )
    rows, step = several(tracked, rng.poisson(0.85, len(tracked)))
    actions = columns(
        "engagement",
        at[rows] + rng.integers(40, 1500, len(rows)),
        actor[rows],
        n[rows] * 64 + step,
        plan=plan[rows],
        detail=pick(rng, [share for _, share in product.actions], len(rows)),
    )
    return [columns("session", at, actor, n, plan=plan), views, actions]


def _active_days(
    company: Company,
    product: Product,
    days: Calendar,
    people: People,
    bought: Subscriptions,
    rng: np.random.Generator,
) -> tuple[Ints, Ints, Ints]:
    """Who was active on which day, on what plan; each (actor, day) once."""
    level = week(product, days.days) * season(product, days.days, use=True)
    level = level * quiet(product, days.days) * rng.gamma(900, 1 / 900, days.length)
    keen = rng.gamma(3.0, 1 / 3.0, len(people))  # people differ
    paid_from = np.full(len(people), days.length)
    paid_from[bought.person] = index_of(days, bought.start)

    new = np.flatnonzero(people.born >= 0)
    found = [(new, people.born[new])]
    idle = np.flatnonzero((people.born >= 0) & (people.activated == NEVER))
    found.append(_by_age(idle, people.born, 0.16 * np.exp(-np.arange(9) / 2.5), keen, level, rng))
    user = np.flatnonzero((people.born >= 0) & (people.activated < NEVER))
    curve = product.free_use * 1.5 * (1 + np.arange(160) / 6.0) ** -1.15
    found.append(_by_age(user, people.born, curve, keen, level, rng))
    habit = np.flatnonzero(people.stays_until >= 0)
    found.append(
        _by_day(
            habit,
            people.born[habit],
            people.stays_until[habit],
            0.6 * product.paid_use,
            keen,
            level,
            rng,
        )
    )
    actor, index = (np.concatenate(part) for part in zip(*found, strict=True))
    free = index < paid_from[actor]
    actor, index = actor[free], index[free]
    distinct = np.unique(actor * days.length + index)
    actor, index = distinct // days.length, distinct % days.length
    plan = np.where((people.trial[actor] < NEVER) & (index - people.born[actor] <= 14), TRIAL, FREE)

    until = np.where(bought.end < NEVER, index_of(days, bought.end) + 4, days.length)
    who, when = _by_day(
        bought.person, paid_from[bought.person], until, product.paid_use, keen, level, rng
    )
    if product.id == company.always_on:
        machines = np.repeat(np.arange(ALWAYS_ON), days.length)
        person = who >= ALWAYS_ON
        every = np.tile(np.arange(days.length), ALWAYS_ON)
        who = np.concatenate([machines, who[person]])
        when = np.concatenate([every, when[person]])
    row = people.subscriber[who]
    turned = when >= index_of(days, bought.turn)[row]
    theirs = np.where(turned, bought.turned[row], bought.plan[row]) + PLANS_FROM
    return (
        np.concatenate([actor, who]),
        np.concatenate([index, when]),
        np.concatenate([plan, theirs]),
    )


def _by_age(
    who: Ints, born: Ints, curve: Floats, keen: Floats, level: Floats, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Active days of people whose use depends on the days since they came."""
    ages = np.arange(1, len(curve))
    index = born[who][:, None] + ages
    inside = index < len(level)
    chance = curve[1:] * keen[who][:, None] * level[np.minimum(index, len(level) - 1)]
    row, column = np.nonzero((rng.random(chance.shape) < chance) & inside)
    return who[row], index[row, column]


def _by_day(
    who: Ints,
    since: Ints,
    until: Ints,
    use: float,
    keen: Floats,
    level: Floats,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Active days of people with a steady habit between two days."""
    # Few use a product every day: chances saturate instead of passing 1.
    odds = use * keen[who] ** 0.6
    chance = 1 - np.exp(-odds[:, None] * level * 1.25)
    index = np.arange(len(level))
    inside = (index >= since[:, None]) & (index < until[:, None])
    row, column = np.nonzero((rng.random(chance.shape) < chance) & inside)
    return who[row], column
