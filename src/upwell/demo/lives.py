"""The people of one product: when they came, whether they stayed, what they bought, when they left.

Everything is drawn once, as columns over people, from a generator that belongs to the product; a
person is a row number, which is also the number in the actor id. Times are UTC seconds, `NEVER`
where a thing does not happen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from upwell.demo.cast import Company, Product
from upwell.demo.columns import Floats, Ints, pick
from upwell.demo.rhythm import (
    DAY,
    Calendar,
    index_of,
    outage_index,
    outage_span,
    quiet,
    season,
    seconds,
    tuesday,
    week,
)

NEVER = np.iinfo(np.int64).max // 4
MONTH = 30.44

REASONS = (
    ("price", 0.27),
    ("missing_feature", 0.21),
    ("unused", 0.20),
    ("switched", 0.16),
    ("closed_business", 0.05),
    ("payment_failed", 0.11),
)
PAYMENT_FAILED = len(REASONS) - 1

BURST_SIZE = 21
BURST_COUNTRIES = ("DE",) * 16 + ("NL", "DE", "FR", "US", "GB")
BURST_PLANS = (0,) * 18 + (1, 0, 1)
BURST_REASONS = (0,) * 14 + (3, 0, 0, 1, 0, 3, 2)  # positions in REASONS
ALWAYS_ON = 25
"""The first people of two products are cast, not drawn, so that they exist at every scale."""


@dataclass(frozen=True, slots=True)
class People:
    """Who ever used one product; arrays of one length."""

    born: Ints  # index of the day of signup; negative: before the story
    signup: Ints
    country: Ints  # position in product.countries
    channel: Ints  # position in product.channels
    activated: Ints
    trial: Ints
    stays_until: Ints  # index of the last day of a free habit; -1 where none came about
    subscriber: Ints  # row in Subscriptions, -1 where none

    def __len__(self) -> int:
        return len(self.born)


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What people bought; arrays of one length."""

    person: Ints
    start: Ints
    end: Ints  # the cancellation, not the end of what was paid for
    plan: Ints  # position in product.plans
    months: Ints  # 1 or 12 between payments
    seats: Floats
    growth: Floats  # of seats, a month
    currency: Ints  # position in `currencies(product)`
    reason: Ints  # position in REASONS
    turn: Ints  # the change to another plan
    turned: Ints  # that plan; where `turn` is NEVER the same one

    def __len__(self) -> int:
        return len(self.person)


def currencies(company: Company, product: Product) -> tuple[str, ...]:
    """The currencies a product is sold in, the company's own first."""
    return (company.currency, *(code for code, _ in product.plans[0].prices))


_CURRENCY_OF = {"DE": "EUR", "FR": "EUR", "NL": "EUR", "ES": "EUR", "GB": "GBP", "JP": "JPY"}


def populate(
    company: Company, product: Product, days: Calendar, rng: np.random.Generator, scale: float
) -> tuple[People, Subscriptions]:
    """Draws the people of one product and what they bought."""
    born, signup, country, channel = _come(company, product, days, rng, scale)
    count = len(born)
    activated = _activate(product, channel, signup, rng)
    bought = _subscribe(company, product, days, born, signup, activated, country, rng)
    subscriber = np.full(count, -1)
    subscriber[bought.person] = np.arange(len(bought))
    tries = (born >= 0) & (rng.random(count) < product.trial)
    if product.trial > 0:
        tries |= (born >= 0) & (subscriber >= 0)  # whoever came to pay has tried first
    stays = (activated < NEVER) & (rng.random(count) < product.stays)
    habit = born + 30 + rng.exponential(260, count).astype(np.int64)
    people = People(
        born=born,
        signup=signup,
        country=country,
        channel=channel,
        activated=activated,
        trial=np.where(tries, signup + 240, NEVER),
        stays_until=np.where(stays, habit, -1),
        subscriber=subscriber,
    )
    return people, bought


def _come(
    company: Company, product: Product, days: Calendar, rng: np.random.Generator, scale: float
) -> tuple[Ints, Ints, Ints, Ints]:
    """Index of the day, time, country and channel of everybody's signup."""
    before = _cast_size(company, product) + round(product.customers * scale)
    came = rng.poisson(signup_rate(company, product, days, rng) * scale)
    born = np.concatenate([np.full(before, -1), np.repeat(np.arange(days.length), came)])
    count = len(born)
    country = pick(rng, [share for _, share in product.countries], count)
    channel = pick(rng, [share for _, share in product.channels], count)
    codes = [code for code, _ in product.countries]
    if product.id == company.burst:
        country[:BURST_SIZE] = [codes.index(code) for code in BURST_COUNTRIES]
    opens = np.stack([days.opens[code] for code in codes])
    signup = opens[country, np.maximum(born, 0)] + seconds(rng, product.rhythm, count)
    kept = np.full(count, True)
    if product.id in company.outage.products:
        down, up = outage_span(company, days)
        kept = (signup < down) | (signup >= up) | (rng.random(count) > 0.7) | (born < 0)
    return born[kept], signup[kept], country[kept], channel[kept]


def signup_rate(
    company: Company, product: Product, days: Calendar, rng: np.random.Generator
) -> Floats:
    """Expected signups of each day: level, season, week, launches, and the luck of the weeks."""
    index = np.arange(days.length)
    progress = np.clip((index - days.started) / (days.today - days.started), 0, 1)
    first, last = product.signups
    rate = first * (last / first) ** progress
    rate = rate * season(product, days.days, use=False) * quiet(product, days.days)
    rhythm = week(product, days.days)
    # Signups follow the week less closely than use does.
    rate = rate * (0.35 + 0.65 * rhythm / rhythm.mean())
    luck = np.zeros(days.length)
    steps = rng.normal(0, 0.035, days.length)
    for i in range(1, days.length):
        luck[i] = 0.93 * luck[i - 1] + steps[i]
    rate = rate * np.exp(luck) * rng.gamma(50, 1 / 50, days.length)
    for launch in company.launches:
        if launch.product == product.id:
            day = tuesday(days, launch.days_ago)
            since, after = np.maximum(index - day, 0), index >= day
            jump = (launch.lift - 1) * np.exp(-since / launch.fades)
            stays = (launch.lasting - 1) * (1 - np.exp(-since / 45))
            rate = np.where(after, rate * (1 + jump + stays), rate)
    if product.born is not None:
        rate = np.where(index >= tuesday(days, product.born), rate, 0.0)
    return np.asarray(rate, dtype=np.float64)


def _activate(product: Product, channel: Ints, signup: Ints, rng: np.random.Generator) -> Ints:
    better = {"partner": 1.20, "referral": 1.12, "organic": 1.0, "paid": 0.82, "social": 0.78}
    of_channel = np.array([better[name] for name, _ in product.channels])
    count = len(signup)
    does = rng.random(count) < np.minimum(product.activation * of_channel[channel], 0.95)
    same_day = rng.random(count) < 0.62
    soon = rng.integers(180, 3 * 3600, count)
    later = np.ceil(rng.exponential(2.2, count)).astype(np.int64) * DAY
    later += rng.integers(-7200, 7200, count)
    return np.where(does, signup + np.where(same_day, soon, later), NEVER)


def _subscribe(
    company: Company,
    product: Product,
    days: Calendar,
    born: Ints,
    signup: Ints,
    activated: Ints,
    country: Ints,
    rng: np.random.Generator,
) -> Subscriptions:
    # Those who activate buy; a few buy without what we call activation.
    chance = np.where(
        activated < NEVER,
        0.94 * product.conversion / product.activation,
        0.06 * product.conversion,
    )
    person = np.flatnonzero((rng.random(len(born)) < chance) | (born < 0))
    n = len(person)
    if product.trial > 0:
        delay = 14 * DAY + rng.integers(0, 3 * 3600, n)
    else:
        delay = (rng.exponential(11, n) * DAY).astype(np.int64) + rng.integers(900, 7200, n)
    reached = np.where(activated[person] < NEVER, activated[person], signup[person])
    start = np.maximum(signup[person] + delay, reached + 600)
    old = born[person] < 0
    start[old] = _earlier(product, days, signup[person][old], rng)
    plan = pick(rng, [plan.share for plan in product.plans], n)
    yearly = rng.random(n) < np.array([plan.yearly for plan in product.plans])[plan]
    cast = slice(0, _cast_size(company, product))
    yearly[cast] = False
    if product.id == company.burst:
        plan[cast] = BURST_PLANS
    if product.id == company.always_on:
        plan[cast] = 1 + (np.arange(ALWAYS_ON) % 5 == 0)
    months = np.where(yearly, 12, 1)
    seats, growth = _seats(product, plan, rng)
    end = _ends(company, product, days, start, plan, months, rng)
    end = _at_their_hour(product, days, country[person], start, end, rng)
    reason = pick(rng, [share for _, share in REASONS], n)
    reason = np.where((reason == PAYMENT_FAILED) & (months == 12), 0, reason)
    if product.id == company.burst:
        end[cast] = days.home[days.today + 1]  # they leave when `burst` says so, today
        reason[cast] = BURST_REASONS
    if product.id == company.always_on:
        end[cast] = NEVER
    currency = _currency(company, product)[country[person]]
    turn, turned = _turns(product, start, plan, rng)
    turn[cast] = NEVER
    return Subscriptions(
        person, start, end, plan, months, seats, growth, currency, reason, turn, turned
    )


def _seats(product: Product, plan: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Seats bought at the start, and how they grow a month."""
    mean = np.array([plan.seats for plan in product.plans])[plan]
    drawn = np.maximum(2, np.round(mean * rng.lognormal(-0.18, 0.6, len(plan))))
    growth = np.clip(rng.normal(0.006, 0.009, len(plan)), -0.01, 0.03)
    return np.where(mean > 1, drawn, 1.0), np.where(mean > 1, growth, 0.0)


def _turns(
    product: Product, start: Ints, plan: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """When customers change to another plan, mostly the next larger one, and which."""
    last = len(product.plans) - 1
    up = rng.exponential(1 / 0.0055, len(plan))  # months
    down = rng.exponential(1 / 0.0018, len(plan))
    up[plan == last] = down[plan == 0] = 1e6
    months = np.minimum(up, down)
    turned = np.where(up < down, np.minimum(plan + 1, last), np.maximum(plan - 1, 0))
    turn = start + ((2 + months) * MONTH * DAY).astype(np.int64)
    return np.where(months < 1e5, turn, NEVER), turned


def _currency(company: Company, product: Product) -> Ints:
    """Position of the currency that each of the product's countries pays in."""
    codes = currencies(company, product)
    theirs = [_CURRENCY_OF.get(country) for country, _ in product.countries]
    return np.array([codes.index(code) if code in codes else 0 for code in theirs])


def _at_their_hour(
    product: Product,
    days: Calendar,
    country: Ints,
    start: Ints,
    end: Ints,
    rng: np.random.Generator,
) -> Ints:
    """The same days of leaving, at the hours at which people of each country do things."""
    ended = np.flatnonzero(end < NEVER)
    opens = np.stack([days.opens[code] for code, _ in product.countries])
    index = np.clip(index_of(days, end[ended]), 0, days.length - 1)
    at = opens[country[ended], index] + seconds(rng, product.rhythm, len(ended))
    moved = end.copy()
    moved[ended] = np.maximum(at, start[ended] + DAY)
    return moved


def _earlier(product: Product, days: Calendar, at: Ints, rng: np.random.Generator) -> Ints:
    """Start of a subscription that is older than the story, at the time of day of `at`."""
    ages = np.arange(1, 1096)
    weight = np.exp(-ages / 420.0) * season(product, days.first - ages, use=False)
    drawn = pick(rng, weight.tolist(), len(at))
    return at - ages[drawn] * DAY


def _ends(
    company: Company,
    product: Product,
    days: Calendar,
    start: Ints,
    plan: Ints,
    months: Ints,
    rng: np.random.Generator,
) -> Ints:
    """When each subscription is cancelled; NEVER beyond the horizon."""
    n = len(start)
    hazard = (
        np.array([plan.churn for plan in product.plans])[plan] * 1.2 * rng.lognormal(-0.03, 0.25, n)
    )
    risk = np.cumsum(_churn_level(company, product, days)) / MONTH
    index = np.clip((start - int(days.home[0])) // DAY, 0, days.length - 1)
    target = risk[index] + rng.exponential(1.0, n) / hazard
    at = np.searchsorted(risk, target)
    monthly = np.where(
        at < days.length, days.home[np.minimum(at, days.length - 1)] + DAY // 2, NEVER
    )
    # A yearly customer leaves at a renewal, and says so in the weeks before it.
    yearly_hazard = np.clip(12 * hazard * 0.85, 0.02, 0.9)
    renewals = rng.geometric(1 - np.exp(-yearly_hazard))
    passed = np.maximum(int(days.home[0]) - start, 0) // int(365.25 * DAY)
    renewal = start + ((renewals + passed) * 365.25 * DAY).astype(np.int64)
    yearly = renewal - rng.integers(2 * DAY, 24 * DAY, n)
    yearly = np.where((yearly < days.home[-1]) & (yearly >= days.home[0]), yearly, NEVER)
    return np.where(months == 12, yearly, monthly).astype(np.int64)


def _churn_level(company: Company, product: Product, days: Calendar) -> Floats:
    index = np.arange(days.length)
    progress = np.clip((index - days.started) / (days.today - days.started), 0, 1)
    level = 1 + (product.fading - 1) * progress
    for launch in company.launches:
        if launch.product == product.id and launch.churn != 1:
            since = index - tuesday(days, launch.days_ago)
            level = np.where((since >= 0) & (since < 30), level * launch.churn, level)
    if product.id in company.outage.products:
        since = index - outage_index(company, days)
        level = np.where((since >= 0) & (since < 6), level * 1.5, level)
    # People cancel on working days.
    rhythm = week(product, days.days)
    return np.asarray(level * (0.4 + 0.6 * rhythm / rhythm.mean()), dtype=np.float64)


def _cast_size(company: Company, product: Product) -> int:
    if product.id == company.burst:
        return BURST_SIZE
    return ALWAYS_ON if product.id == company.always_on else 0
