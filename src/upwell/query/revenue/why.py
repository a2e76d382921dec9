"""Why the MRR of a month differs by other counting rules: choice by choice, to the last digit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from upwell.billing import SubscriptionState
from upwell.metrics.policy import CHOICES, MetricPolicy
from upwell.metrics.revenue.mrr import levels
from upwell.money import major
from upwell.projection import Projection
from upwell.projection.book import Book
from upwell.query.plan import Plan
from upwell.query.revenue.exchange import Exchange, worth
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import alive
from upwell.query.revenue.payers import discounted
from upwell.query.revenue.proofs import Why, WhyCause
from upwell.query.revenue.reading import Asked
from upwell.query.revenue.sums import added

FINE = 10**6  # of a minor unit
ROUNDING = "rounding"
_LAST = ("currencies", "Rates and rounding of the sum.")
_STATE = msgspec.json.Decoder(SubscriptionState)
Amounts = dict[tuple[str, str, str], int]  # source, subscription, currency


def why(plan: Plan, ledgers: Ledgers, projection: Projection, other: str) -> Why:
    """MRR at the end of the plan's days by the workspace's rules and by others.

    Subscriptions that differ are counted again with one choice after the other as the others make
    it, in the order of the page of counting rules; what each step changes is its share.
    """
    asked = Asked(plan, ledgers)
    mine, theirs = ledgers.policy(None), ledgers.policy(other)
    books = ledgers.book(None), ledgers.book(other)
    own, its = (_amounts(book, plan) for book in books)
    exchange, day = asked.exchange, min(plan.end, plan.last) - 1
    ours, others = (_total(amounts, exchange, day) for amounts in (own, its))
    causes = _causes(own, its, mine, theirs, projection, plan)
    found = [
        WhyCause(
            cause=name,
            sentence=sentence(name, mine, theirs),
            amount=major(amount, exchange.target),
            customers=customers,
        )
        for name, amounts, customers in causes
        if (amount := _total(amounts, exchange, day)) or customers
    ]
    rest = others - ours - sum(_total(amounts, exchange, day) for _, amounts, _ in causes)
    if rest:
        name, text = _LAST
        shown = major(rest, exchange.target)
        found.append(WhyCause(cause=name, sentence=text, amount=shown, customers=0))
    return Why(
        currency=exchange.target,
        ours=major(ours, exchange.target),
        theirs=major(others, exchange.target),
        difference=major(others - ours, exchange.target),
        causes=tuple(found),
    )


def sentence(name: str, mine: MetricPolicy, theirs: MetricPolicy) -> str:
    """What a choice is, and how the two sets of rules make it."""
    choice = next(choice for choice in CHOICES if choice.name == name)
    return (
        f"{choice.title}: {_said(getattr(mine, name))} by {mine.title}, "
        f"{_said(getattr(theirs, name))} by {theirs.title}."
    )


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value) or "none"
    return "without limit" if value is None else str(value).replace("_", " ")


def _amounts(book: Book, plan: Plan) -> Amounts:
    """The MRR of every subscription at the end of the plan's days."""
    rows = book.rows
    there = alive(rows, plan.known_at) & (rows.day < plan.last) & (rows.at <= plan.seen)
    lines = added(rows.line[there], rows.delta[there], len(book.lines))
    wanted = set(plan.products)
    found: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for number in np.flatnonzero(lines).tolist():
        line = book.lines[number]
        if line.product in wanted:
            found[line.source, line.subscription, line.currency] += int(lines[number])
    return found


def _total(amounts: Amounts, exchange: Exchange, day: int) -> int:
    sums: defaultdict[str, int] = defaultdict(int)
    for (_, _, currency), fine in amounts.items():
        sums[currency] += fine
    total = 0
    for currency, fine in sums.items():
        quote = exchange.closing(currency, day)
        total += worth(fine, currency, quote) if quote else 0
    return total


def _causes(
    own: Amounts,
    its: Amounts,
    mine: MetricPolicy,
    theirs: MetricPolicy,
    projection: Projection,
    plan: Plan,
) -> list[tuple[str, Amounts, int]]:
    """For each choice that differs, what it changes by subscription, and of how many."""
    names = [c.name for c in CHOICES if getattr(mine, c.name) != getattr(theirs, c.name)]
    steps = [name for name in names if name != ROUNDING]
    found: dict[str, Amounts] = {name: {} for name in names}
    again: set[tuple[str, str]] = set()
    for key in own.keys() | its.keys():
        change = its.get(key, 0) - own.get(key, 0)
        if not change:
            continue
        if ROUNDING in names and abs(change) < FINE:  # less than the smallest coin
            found[ROUNDING][key] = change
        else:
            again.add(key[:2])
    until = min(plan.seen, plan.zone.opens(plan.last) - 1)
    for (source, subscription), states in _known(projection, again, plan).items():
        policy, before = mine, _at(states, mine, until, plan)
        for name in (*steps, *(n for n in names if n == ROUNDING)):
            policy = msgspec.structs.replace(policy, **{name: getattr(theirs, name)})
            after = _at(states, policy, until, plan)
            for currency in before.keys() | after.keys():
                change = after.get(currency, 0) - before.get(currency, 0)
                if change:
                    found[name][source, subscription, currency] = change
            before = after
    return [(name, found[name], len(found[name])) for name in names]


def _known(
    projection: Projection, wanted: Iterable[tuple[str, str]], plan: Plan
) -> dict[tuple[str, str], list[SubscriptionState]]:
    """The states of these subscriptions, as they stand in the plan's knowledge."""
    keys = sorted(f"{source}\n{subscription}" for source, subscription in wanted)
    if not keys:
        return {}
    db, known = (
        projection.reader(),
        "recorded_at <= ? and (superseded_at is null or superseded_at > ?)",
    )
    rows = db.execute(
        f"""select source, id, body from billing
        where kind = 'sub' and source || chr(10) || id in (select unnest(?::varchar[]))
          and {known}
        order by ts, ord, no""",
        [keys, plan.seen, plan.seen],
    )
    found: defaultdict[tuple[str, str], list[SubscriptionState]] = defaultdict(list)
    for source, id_, body in rows.fetchall():
        found[source, id_].append(_STATE.decode(body))
    return discounted(db, found, known, [plan.seen, plan.seen])


def _at(
    states: Sequence[SubscriptionState], policy: MetricPolicy, until: int, plan: Plan
) -> dict[str, int]:
    """What a subscription brings in at an instant, by currency."""
    lines: dict[object, tuple[str, int]] = {}
    for level in levels(states, policy, until):
        if level.product in plan.products:
            lines[level.line] = (level.currency, level.amount)
    found: defaultdict[str, int] = defaultdict(int)
    for currency, amount in lines.values():
        found[currency] += amount
    return found
