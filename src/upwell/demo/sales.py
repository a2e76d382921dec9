"""Who buys from the company: customers with names, across products, and all that they will do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from upwell.demo import names
from upwell.demo.billing import Deed, Terms, deeds, terms
from upwell.demo.cast import Company
from upwell.demo.lives import BURST_SIZE, NEVER, People, Subscriptions, currencies
from upwell.demo.rhythm import DAY, calendar
from upwell.demo.story import cast_of

BURST_AFTER, BURST_LASTS = 90.0, 80.0  # seconds
CROSS = 0.11  # share of the buyers of a product who are customers of another one already

Who = tuple[int, int]
"""The number of a product and of a person there."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer as a bill names them."""

    name: str
    email: str
    country: str
    channel: str


@dataclass(frozen=True, slots=True)
class Sale:
    """What one person buys of one product: position of the plan, months, currency."""

    plan: int
    months: int
    currency: str
    turned: int


@dataclass(frozen=True, slots=True)
class Sales:
    """Everything that is sold in the story."""

    begins: int  # the second at which the history opens
    buyers: Mapping[Who, Buyer]
    sales: Mapping[Who, Sale]
    same: Mapping[Who, Who]  # who was a customer of another product before
    deeds: tuple[Deed, ...]  # in order of time; of those of before, when they came


def sales(company: Company, today: dt.date, scale: float) -> Sales:
    """All customers of the story as told on the company's date `today`, and what they do."""
    days = calendar(company, today)
    buyers: dict[Who, Buyer] = {}
    sold: dict[Who, Sale] = {}
    told: list[tuple[People, Subscriptions, Terms]] = []
    found: list[Deed] = []
    for number in range(len(company.products)):
        people, bought, _ = cast_of(company, number, days, scale)
        rng = np.random.default_rng([company.seed, number, 2])
        mine = deeds(company, number, days, people, bought, rng)
        found += mine
        told.append((people, bought, terms(days, people, bought)))
        others = sorted({deed.person for deed in mine if deed.what == "tried"})
        buyers |= _buyers(company, number, people, bought, others)
        sold |= _sold(company, number, people, bought, others)
    found.sort(key=lambda deed: deed[:4])
    begins = int(days.home[days.started])
    return Sales(begins, buyers, sold, _crossed(company, told), tuple(found))


def burst(company: Company, today: dt.date, start: dt.datetime, scale: float) -> list[Deed]:
    """Twenty-one cancellations in the calmest product, from 90 s after `start`, within 80 s.

    Most are on one plan, in one country, for one reason; all of them paid until today.
    """
    ids = [product.id for product in company.products]
    number = ids.index(company.burst)
    _, bought, _ = cast_of(company, number, calendar(company, today), scale)
    rng = np.random.default_rng([company.seed, 2])
    order = rng.permutation(BURST_SIZE).tolist()
    # Slowly at first, then all at once, then the rest.
    offsets = BURST_AFTER + BURST_LASTS * np.sort(rng.beta(2.0, 2.6, BURST_SIZE))
    return [
        Deed(
            int(start.timestamp() + wait),
            "left",
            number,
            int(bought.person[row]),
            float(bought.reason[row]),
        )
        for row, wait in zip(order, offsets.tolist(), strict=True)
    ]


def _buyers(
    company: Company, number: int, people: People, bought: Subscriptions, others: list[int]
) -> dict[Who, Buyer]:
    """The names of one product's customers, and of those who only tried it."""
    product = company.products[number]
    codes = [code for code, _ in product.countries]
    channels = [name for name, _ in product.channels]
    found: dict[Who, Buyer] = {}
    # From generators of their own, drawn in order of persons, so that the first persons, who are
    # the same at every scale, have the same names at every scale.
    for which, persons in ((1, sorted(bought.person.tolist())), (5, others)):
        rng = np.random.default_rng([company.seed, number, which])
        countries = [codes[i] for i in people.country[persons].tolist()]
        if product.people:
            called = names.persons(rng, len(persons))
        else:
            called = names.companies(rng, countries)
        for person, name, country in zip(persons, called, countries, strict=True):
            address = names.email(name, country, product.people, person)
            channel = channels[int(people.channel[person])]
            found[number, person] = Buyer(name, address, country, channel)
    return found


def _sold(
    company: Company, number: int, people: People, bought: Subscriptions, others: list[int]
) -> dict[Who, Sale]:
    product = company.products[number]
    codes = currencies(company, product)
    found = {
        (number, person): Sale(plan, months, codes[currency], turned)
        for person, plan, months, currency, turned in zip(
            bought.person.tolist(),
            bought.plan.tolist(),
            bought.months.tolist(),
            bought.currency.tolist(),
            bought.turned.tolist(),
            strict=True,
        )
    }
    of_country = dict(
        zip(people.country[bought.person].tolist(), bought.currency.tolist(), strict=True)
    )
    for person in others:
        code = codes[of_country.get(int(people.country[person]), 0)]
        found[number, person] = Sale(0, 1, code, 0)
    return found


def _crossed(company: Company, told: list[tuple[People, Subscriptions, Terms]]) -> dict[Who, Who]:
    """Companies that come to a product as customers of another one, a month or more after."""
    rng = np.random.default_rng([company.seed, 4])
    able = [
        number
        for number, product in enumerate(company.products)
        if not product.people and product.id != company.apart
    ]
    found: dict[Who, Who] = {}
    taken: set[Who] = set()
    for number in able:
        people, bought, own = told[number]
        fresh = np.setdiff1d(own.kept, own.carried)
        fresh = fresh[rng.random(len(fresh)) < CROSS]
        elsewhere = rng.choice([other for other in able if other != number], len(fresh))
        for row, other in zip(fresh.tolist(), elsewhere.tolist(), strict=True):
            theirs, sold, terms_there = told[other]
            code = company.products[number].countries[int(people.country[bought.person[row]])][0]
            codes = [name for name, _ in company.products[other].countries]
            if code not in codes:
                continue
            rows = terms_there.kept
            at = own.joined[row]
            fits = (
                (theirs.country[sold.person[rows]] == codes.index(code))
                & (terms_there.joined[rows] < at - 30 * DAY)
                & ((sold.end[rows] > at + 30 * DAY) | (sold.end[rows] == NEVER))
                & (rows >= BURST_SIZE)
            )
            rows = rows[fits]
            if not len(rows):
                continue
            first = (other, int(sold.person[rows[int(rng.integers(len(rows)))]]))
            who = (number, int(bought.person[row]))
            if first in found or who in taken or first in taken:
                continue
            found[who] = first
            taken |= {who, first}
    return found
