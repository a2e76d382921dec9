"""Why the MRR of a month differs by other counting rules: choice by choice, to the last digit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from upwell.billing import Refund, SubscriptionState
from upwell.metrics.choices import CHOICES, Choice
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.mrr import levels
from upwell.metrics.revenue.refunds import refunded
from upwell.money import major
from upwell.projection import Projection
from upwell.projection.book import Book
from upwell.query.plan import Plan
from upwell.query.revenue.exchange import Exchange, worth
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import alive
from upwell.query.revenue.payers import discounted, refunds_of
from upwell.query.revenue.proofs import Why, WhyCause
from upwell.query.revenue.reading import Asked
from upwell.query.revenue.sums import added

FINE = 10**6  # of a minor unit
ROUNDING = "rounding"
UNEXPLAINED = "unexplained"
_NO_RULE = ("Unexplained", "No single rule says why: upwell verify counts everything again.")
_STATE = msgspec.json.Decoder(SubscriptionState)
Key = tuple[str, str, str]  # source, subscription, currency
Amounts = dict[Key, int]
KNOWN = "recorded_at <= ? and (superseded_at is null or superseded_at > ?)"


class Then(msgspec.Struct, frozen=True):
    """Which instant MRR is compared at, with what was known by which; UTC microseconds."""

    until: int
    seen: int
    known_at: int | None  # None: what is known now


def why(plan: Plan, ledgers: Ledgers, projection: Projection, other: str) -> Why:
    """MRR at the end of the plan's days by the workspace's rules and by others.

    Subscriptions that differ are counted again with one choice after the other as the others make
    it, in the order of the page of counting rules; what each step changes is its share.
    """
    asked, then = Asked(plan, ledgers), _then(plan, ledgers)
    mine, theirs = ledgers.policy(None), ledgers.policy(other)
    people: dict[Key, int] = {}
    books = ledgers.book(None), ledgers.book(other)
    own, its = (_amounts(book, plan, then, people) for book in books)
    shares = _shares(own, its, mine, theirs, projection, plan, then)
    exchange, day = asked.exchange, min(plan.end, plan.last) - 1
    standing = _by_currency(own)
    ours = before = _total(standing, exchange, day)
    found, same = [], []
    for name, amounts in shares.items():
        for (_, _, currency), change in amounts.items():
            standing[currency] += change
        after = _total(standing, exchange, day)
        said, customers = sentence(name, mine, theirs), {people.get(k, k[:2]) for k in amounts}
        if after != before or customers:
            shown = major(after - before, exchange.target)
            found.append(_cause(name, _choice(name).title, said, shown, len(customers)))
        else:
            same.append(said)
        before = after
    others = _total(_by_currency(its), exchange, day)
    if others != before:
        shown = major(others - before, exchange.target)
        found.append(_cause(UNEXPLAINED, *_NO_RULE, shown, 0))
    return Why(
        currency=exchange.target,
        ours=major(ours, exchange.target),
        theirs=major(others, exchange.target),
        difference=major(others - ours, exchange.target),
        causes=tuple(found),
        same=tuple(same),
    )


def _cause(name: str, title: str, said: str, amount: str, customers: int) -> WhyCause:
    return WhyCause(cause=name, title=title, sentence=said, amount=amount, customers=customers)


def sentence(name: str, mine: MetricPolicy, theirs: MetricPolicy) -> str:
    """What a choice is, and how the two sets of rules make it."""
    choice = _choice(name)
    ways = (f"{p.title}: {choice.said(getattr(p, name))}." for p in (mine, theirs))
    return " ".join([f"{choice.title}.", *ways, choice.about]).strip()


def _choice(name: str) -> Choice:
    return next(choice for choice in CHOICES if choice.name == name)


def _then(plan: Plan, ledgers: Ledgers) -> Then:
    """The end of the plan's days; a month that is kept as it was closed, as it was known then."""
    known_at = plan.known_at
    for piece in ledgers.pieces(plan):
        if piece.day < plan.last:
            known_at = piece.known_at
    seen = plan.seen if known_at is None else min(known_at, plan.seen)
    return Then(min(plan.seen, plan.zone.opens(plan.last) - 1), seen, known_at)


def _amounts(book: Book, plan: Plan, then: Then, people: dict[Key, int]) -> Amounts:
    """The MRR of every subscription at the end of the plan's days; `people` learns who pays."""
    rows = book.rows
    there = alive(rows, then.known_at) & (rows.day < plan.last) & (rows.at <= then.until)
    lines = added(rows.line[there], rows.delta[there], len(book.lines))
    payer = np.zeros(len(book.lines), dtype=np.int64)
    payer[rows.line[there]] = rows.person[there]
    wanted = set(plan.products)
    found: defaultdict[Key, int] = defaultdict(int)
    for number in np.flatnonzero(lines).tolist():
        line = book.lines[number]
        if line.product in wanted and plan.only in (None, line.currency):
            key = line.source, line.subscription, line.currency
            found[key] += int(lines[number])
            people[key] = int(payer[number])
    return found


def _by_currency(amounts: Amounts) -> defaultdict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for (_, _, currency), fine in amounts.items():
        sums[currency] += fine
    return sums


def _total(sums: Mapping[str, int], exchange: Exchange, day: int) -> int:
    """What the money of every currency is worth; that without a rate stays out, as in MRR."""
    total = 0
    for currency, fine in sums.items():
        quote = exchange.closing(currency, day)
        total += worth(fine, currency, quote) if quote else 0
    return total


def _shares(
    own: Amounts,
    its: Amounts,
    mine: MetricPolicy,
    theirs: MetricPolicy,
    projection: Projection,
    plan: Plan,
    then: Then,
) -> dict[str, Amounts]:
    """For each choice that differs, what it changes by subscription and currency."""
    names = differing(mine, theirs)
    found: dict[str, Amounts] = {name: {} for name in names}
    again: set[tuple[str, str]] = set()
    for key in own.keys() | its.keys():
        one, other = own.get(key, 0), its.get(key, 0)
        if ROUNDING in names and one and other and 0 < abs(other - one) < FINE:
            found[ROUNDING][key] = other - one  # less than the smallest coin
        elif other != one:
            again.add(key[:2])
    known = _known(projection, again, then.seen)
    refunds: Mapping[tuple[str, str], Sequence[Refund]] = {}
    if mine.reads_refunds or theirs.reads_refunds:
        refunds = refunds_of(projection.reader(), known, KNOWN, [then.seen, then.seen])
    for (source, subscription), states in known.items():
        given = refunds.get((source, subscription), ())
        for name, changes in steps(states, mine, theirs, then.until, plan.products, given):
            for currency, change in changes.items():
                if plan.only not in (None, currency):
                    continue
                found[name][source, subscription, currency] = change
    return found


def differing(mine: MetricPolicy, theirs: MetricPolicy) -> list[str]:
    """The choices that two sets of rules make differently, in order; rounding comes last."""
    names = [c.name for c in CHOICES if getattr(mine, c.name) != getattr(theirs, c.name)]
    return sorted(names, key=lambda name: name == ROUNDING)


def steps(
    states: Sequence[SubscriptionState],
    mine: MetricPolicy,
    theirs: MetricPolicy,
    until: int,
    products: Collection[str],
    refunds: Sequence[Refund] = (),
) -> Iterator[tuple[str, dict[str, int]]]:
    """What each choice changes of one subscription's MRR at an instant, by currency.

    Amounts are in 1e-6 minor units; one choice after the other becomes that of `theirs`, so that
    the changes add up to the whole difference.
    """
    policy, before = mine, _at(refunded(states, refunds, mine).states, mine, until, products)
    for name in differing(mine, theirs):
        policy = msgspec.structs.replace(policy, **{name: getattr(theirs, name)})
        after = _at(refunded(states, refunds, policy).states, policy, until, products)
        changes = {
            currency: change
            for currency in before.keys() | after.keys()
            if (change := after.get(currency, 0) - before.get(currency, 0))
        }
        if changes:
            yield name, changes
        before = after


def _known(
    projection: Projection, wanted: Iterable[tuple[str, str]], seen: int
) -> dict[tuple[str, str], list[SubscriptionState]]:
    """The states of these subscriptions, as they were known at an instant."""
    keys = sorted(f"{source}\n{subscription}" for source, subscription in wanted)
    if not keys:
        return {}
    db = projection.reader()
    rows = db.execute(
        f"""select source, id, body from billing
        where kind = 'sub' and source || chr(10) || id in (select unnest(?::varchar[]))
          and {KNOWN}
        order by ts, ord, no""",
        [keys, seen, seen],
    )
    found: defaultdict[tuple[str, str], list[SubscriptionState]] = defaultdict(list)
    for source, id_, body in rows.fetchall():
        found[source, id_].append(_STATE.decode(body))
    return discounted(db, found, KNOWN, [seen, seen])


def _at(
    states: Sequence[SubscriptionState],
    policy: MetricPolicy,
    until: int,
    products: Collection[str],
) -> dict[str, int]:
    """What a subscription brings in at an instant, by currency."""
    lines: dict[object, tuple[str, int]] = {}
    for level in levels(states, policy, until):
        if level.at <= until and level.product in products:
            lines[level.line] = (level.currency, level.amount)
    found: defaultdict[str, int] = defaultdict(int)
    for currency, amount in lines.values():
        found[currency] += amount
    return found
