"""What the customers of one product do about money, second by second: deeds, drawn ahead.

The columns say who buys what, when, and why they leave; here that becomes what a customer does at
the billing system: subscribe, buy seats, change plan, let a card expire, ask for money back, click
on cancel. What follows from it (invoices, retries, the end of a period) is the billing system's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from upwell.demo.cast import Company, Product
from upwell.demo.columns import Columns, Floats, Ints, columns, pick, several
from upwell.demo.dues import grown, invoices
from upwell.demo.lives import (
    ALWAYS_ON,
    BURST_SIZE,
    MONTH,
    NEVER,
    PAYMENT_FAILED,
    People,
    Subscriptions,
)
from upwell.demo.rhythm import DAY, Calendar, index_of, outage_index, tuesday

TRIAL = 14 * DAY
BEFORE = 120  # seconds before a renewal at which a card stops being good
COUPONS = (("launch", 0.035), ("friends", 0.025), ("welcome", 0.02))  # shares of new customers
LAUNCHED = 60  # days after a product's own launch in which a third come with its coupon


class Deed(NamedTuple):
    """Something a customer does at a second; what `amount` and `word` mean depends on `what`."""

    at: int
    what: str
    product: int  # number of the product
    person: int
    amount: float = 0.0
    word: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """How each subscription stands with the billing system; arrays as long as `Subscriptions`."""

    begins: int  # the second at which the history opens
    ends: int  # and at which the story ends
    kept: Ints  # rows that are still there when the history opens
    carried: Ints  # those of them that were there before
    joined: Ints  # the second of subscribing, on trial or not
    anchor: Ints  # from when periods are counted
    tries: Ints  # 1 where it begins with a trial


def terms(days: Calendar, people: People, bought: Subscriptions) -> Terms:
    """Who is on trial, who was there before, who left before the history opens."""
    begins, ends = int(days.home[days.started]), int(days.home[-1])
    trial = people.trial[bought.person]
    tries = (trial < NEVER) & (trial >= begins)
    joined = np.where(tries, trial, bought.start)
    kept = (bought.end >= begins) & (joined < ends)
    return Terms(
        begins=begins,
        ends=ends,
        kept=np.flatnonzero(kept),
        carried=np.flatnonzero(kept & (joined < begins)),
        joined=joined,
        anchor=np.where(tries, trial + TRIAL, bought.start),
        tries=tries.astype(np.int64),
    )


def gauges(days: Calendar, bought: Subscriptions) -> Columns:
    """Seats paid for, read on Monday mornings; the reading stands in `amount`, in hundredths."""
    mondays = np.flatnonzero((days.days + 3) % 7 == 0)
    at = days.home[mondays] + 9 * 3600
    runs = (bought.start <= at[:, None]) & (bought.end > at[:, None])
    seats = np.round((runs * bought.seats).sum(axis=1)).astype(np.int64)
    return columns("kpi", at, np.full(len(at), -1), days.days[mondays], amount=seats * 100)


def deeds(
    company: Company,
    number: int,
    days: Calendar,
    people: People,
    bought: Subscriptions,
    rng: np.random.Generator,
) -> list[Deed]:
    """All deeds of the customers of product `number`, in no order."""
    draw = _Draw(company, number, days, people, bought, rng)
    found: list[Deed] = []
    for part in (
        draw.joining,
        draw.trying,
        draw.seats,
        draw.turning,
        draw.paying,
        draw.pausing,
        draw.leaving,
        draw.repriced,
    ):
        found.extend(part())
    return found


class _Draw:
    """One product's deeds, each kind from the columns and the dice."""

    def __init__(
        self,
        company: Company,
        number: int,
        days: Calendar,
        people: People,
        bought: Subscriptions,
        rng: np.random.Generator,
    ) -> None:
        self.company, self.number, self.days = company, number, days
        self.product: Product = company.products[number]
        self.people, self.bought, self.rng = people, bought, rng
        self.terms = terms(days, people, bought)
        cast = BURST_SIZE if self.product.id == company.burst else 0
        cast = ALWAYS_ON if self.product.id == company.always_on else cast
        # The first people are cast: what happens to them is told elsewhere.
        self.drawn = self.terms.kept[self.terms.kept >= cast]

    def _deed(self, what: str, rows: Ints, at: Ints, amount: Floats | Ints) -> Iterator[Deed]:
        """One deed for each row, where it lies within the story."""
        inside = (at >= self.terms.begins) & (at < self.terms.ends)
        person = self.bought.person[rows[inside]].tolist()
        for second, who, how in zip(
            at[inside].tolist(), person, amount[inside].tolist(), strict=True
        ):
            yield Deed(second, what, self.number, who, how)

    # -- coming

    def joining(self) -> Iterator[Deed]:
        """Who was there before, at the second they came; then everybody who comes."""
        told, bought = self.terms, self.bought
        months = (told.begins - bought.start[told.carried]) / (MONTH * DAY)
        seats = grown(bought.seats[told.carried], bought.growth[told.carried], months)
        for row, count in zip(told.carried.tolist(), seats.tolist(), strict=True):
            at, who = int(bought.start[row]), int(bought.person[row])
            yield Deed(at, "carried", self.number, who, count)
        new = np.setdiff1d(told.kept, told.carried)
        coupon = pick(self.rng, [*(share for _, share in COUPONS), 1 - sum(_SHARES)], len(new))
        names = (*(name for name, _ in COUPONS), "")
        fresh = np.zeros(len(new), dtype=np.bool_)
        if self.product.born is not None:
            age = index_of(self.days, told.joined[new]) - tuesday(self.days, self.product.born)
            fresh = (age < LAUNCHED) & (self.rng.random(len(new)) < 0.35)
        for row, number, early in zip(new.tolist(), coupon.tolist(), fresh.tolist(), strict=True):
            yield Deed(
                int(told.joined[row]),
                "trial" if told.tries[row] else "joined",
                self.number,
                int(bought.person[row]),
                float(bought.seats[row]),
                "launch" if early else names[number],
            )

    def trying(self) -> Iterator[Deed]:
        """Some who gave a card for the trial and left before it was charged."""
        people, rng = self.people, self.rng
        able = np.flatnonzero((people.trial < NEVER) & (people.subscriber < 0))
        wanted = 0.75 * int(self.terms.tries.sum())
        able = able[rng.random(len(able)) < wanted / max(len(able), 1)]
        waits = rng.integers(DAY, TRIAL - 3600, len(able))
        forgets = rng.random(len(able)) < 0.12
        reason = pick(rng, _TRIAL_REASONS, len(able)).tolist()
        rows = zip(able.tolist(), people.trial[able].tolist(), forgets.tolist(), strict=True)
        for place, (person, at, forgetful) in enumerate(rows):
            if not self.terms.begins <= at < self.terms.ends:
                continue
            word = "cardless" if forgetful else ""
            yield Deed(at, "tried", self.number, person, 0.0, word)
            if not forgetful:
                yield Deed(
                    at + int(waits[place]), "left", self.number, person, float(reason[place])
                )

    # -- growing

    def seats(self) -> Iterator[Deed]:
        """Now and then somebody counts the seats anew: mostly more of them, sometimes fewer."""
        bought, told, rng = self.bought, self.terms, self.rng
        rows = self.drawn[bought.seats[self.drawn] > 1]
        until = np.minimum(np.minimum(bought.end[rows], bought.turn[rows]), told.ends)
        counts = np.maximum((until - told.anchor[rows]) // int(MONTH * DAY), 0)
        row, month = several(rows, counts)
        elapsed = month + 1 + rng.uniform(-0.4, 0.4, len(row))
        at = told.anchor[row] + (elapsed * MONTH * DAY).astype(np.int64)
        wanted = grown(bought.seats[row], bought.growth[row], elapsed)
        wanted = np.maximum(np.round(wanted * rng.lognormal(0.0, 0.05, len(row))), 1)
        some = (rng.random(len(row)) < 0.35) & (at < np.repeat(until, counts))
        yield from self._deed("seats", row[some], at[some], wanted[some])

    def turning(self) -> Iterator[Deed]:
        """Another plan, and with some a year at once instead of months."""
        bought, rng = self.bought, self.rng
        rows = self.drawn[bought.turn[self.drawn] < bought.end[self.drawn]]
        mean = np.array([plan.seats for plan in self.product.plans])[bought.turned[rows]]
        old = np.array([plan.price for plan in self.product.plans])[bought.plan[rows]]
        new = np.array([plan.price for plan in self.product.plans])[bought.turned[rows]]
        now = np.where(bought.seats[rows] > 1, bought.seats[rows], old / new)
        seats = np.maximum(np.round(now * rng.uniform(1.2, 2.0, len(rows))), 2)
        yield from self._deed("plan", rows, bought.turn[rows], np.where(mean > 1, seats, 1.0))
        open_to = np.array([plan.yearly > 0 for plan in self.product.plans])[
            bought.plan[self.drawn]
        ]
        rows = self.drawn[open_to & (bought.months[self.drawn] == 1)]
        at = self.terms.anchor[rows] + (rng.exponential(400, len(rows)) * MONTH * DAY).astype(int)
        able = (at < bought.end[rows]) & (at < bought.turn[rows])
        yield from self._deed("yearly", rows[able], at[able], np.zeros(int(able.sum())))

    def repriced(self) -> Iterator[Deed]:
        """On the morning of a price rise everybody moves to the new prices."""
        for launch in self.company.launches:
            if launch.product == self.product.id and launch.prices:
                opens = int(self.days.home[tuesday(self.days, launch.days_ago)])
                rows = self.terms.kept[self.terms.joined[self.terms.kept] < opens]
                rows = rows[self.bought.end[rows] > opens]
                at = opens + 9 * 3600 + 11 * np.arange(len(rows))
                yield from self._deed("repriced", rows, at, np.zeros(len(rows)))

    # -- paying

    def paying(self) -> Iterator[Deed]:
        """Cards that fail for a while at a renewal or for good, refunds and disputes."""
        bought, rng, days = self.bought, self.rng, self.days
        row, k, due = invoices(days, self.terms.anchor, bought.months)
        fits = np.isin(row, self.drawn) & (due >= self.terms.begins) & (due <= bought.end[row])
        row, k, due = row[fits], k[fits], due[fits]
        fails = (rng.random(len(row)) < 0.016) & (k > 0)
        if self.product.id in self.company.outage.products:
            day = index_of(days, due) == outage_index(self.company, days)
            fails |= day & (k > 0) & (rng.random(len(row)) < 0.7)
        slow = np.where(rng.random(len(row)) < 0.12, 4.2, 0.0)
        delay = ((slow + rng.uniform(0.7, 2.8, len(row))) * DAY).astype(np.int64)
        none = np.zeros(len(row))
        yield from self._deed("card_fails", row[fails], due[fails] - BEFORE, none[fails])
        yield from self._deed("card_works", row[fails], (due + delay)[fails], none[fails])
        gone = self.drawn[bought.reason[self.drawn] == PAYMENT_FAILED]
        gone = gone[bought.end[gone] < NEVER]
        yield from self._deed("card_fails", gone, bought.end[gone], np.zeros(len(gone)))
        back = ~fails & (rng.random(len(row)) < 0.014)
        after = 7200 + (rng.exponential(3.0, len(row)) * DAY).astype(np.int64)
        part = np.where(rng.random(len(row)) < 0.75, 1.0, 0.5)
        yield from self._deed("refund", row[back], (due + after)[back], part[back])
        disputed = ~fails & ~back & (rng.random(len(row)) < 0.0009)
        after = rng.integers(4 * DAY, 25 * DAY, len(row))
        won = (rng.random(len(row)) < 0.4).astype(np.float64)
        yield from self._deed("dispute", row[disputed], (due + after)[disputed], won[disputed])

    # -- leaving

    def pausing(self) -> Iterator[Deed]:
        """A few stop paying for a month or three, and go on."""
        bought, rng = self.bought, self.rng
        rows = self.drawn[rng.random(len(self.drawn)) < 0.014]
        months = rng.integers(1, 4, len(rows))
        end = np.minimum(bought.end[rows], self.terms.ends)
        since = np.maximum(self.terms.joined[rows], self.terms.begins) + 45 * DAY
        at = since + (rng.random(len(rows)) * np.maximum(end - since, 0)).astype(np.int64)
        able = at + months * 31 * DAY < end
        yield from self._deed("pause", rows[able], at[able], months[able])

    def leaving(self) -> Iterator[Deed]:
        """Clicks on cancel; some are taken back, some customers return months later."""
        bought, rng = self.bought, self.rng
        rows = self.drawn[bought.reason[self.drawn] != PAYMENT_FAILED]
        rows = rows[bought.end[rows] < NEVER]
        now = rng.random(len(rows)) < 0.06
        for what, some in (("left", rows[~now]), ("left_now", rows[now])):
            yield from self._deed(what, some, bought.end[some], bought.reason[some])
        returns = rng.random(len(rows)) < 0.07
        at = bought.end[rows] + rng.integers(40 * DAY, 230 * DAY, len(rows))
        yield from self._deed("returned", rows[returns], at[returns], bought.seats[rows][returns])
        stays = self.drawn[(bought.end[self.drawn] == NEVER) & (bought.months[self.drawn] == 1)]
        stays = stays[rng.random(len(stays)) < 0.03]
        since = np.maximum(self.terms.anchor[stays], self.terms.begins)
        at = since + (rng.random(len(stays)) * (self.terms.ends - since)).astype(np.int64)
        thinks = rng.integers(3600, 6 * DAY, len(stays))
        yield from self._deed("left", stays, at, bought.reason[stays])
        yield from self._deed("kept", stays, at + thinks, np.zeros(len(stays)))


_SHARES = [share for _, share in COUPONS]
_TRIAL_REASONS = (0.22, 0.30, 0.34, 0.14)  # of the first reasons, where a trial came to nothing
