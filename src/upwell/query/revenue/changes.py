"""What became known of past days between two moments, customer by customer (R15).

Asked of the ledger as it was known at both: where what a customer adds to the number differs, that
is a change. Whatever closed months show, this is what was learned of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from upwell.errors import Rejected
from upwell.metrics.revenue.causes import CAUSES
from upwell.money import major
from upwell.period import to_instant
from upwell.query.plan import Plan
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.lineage import Found, behind
from upwell.query.revenue.measures import FLOWS
from upwell.query.revenue.people import name_of
from upwell.query.revenue.proofs import Change, Changes
from upwell.query.revenue.reading import Asked

METRICS = ("mrr", "arr", *FLOWS)
MOST = 1_000  # changes listed one by one; the smallest beyond them are one


class _Of(NamedTuple):
    """What a change is of: one line of a customer."""

    person: int
    line: int


class _Told(NamedTuple):
    """When a change became known, by which delivery (None: something was taken back), and why."""

    at: int
    delivery: int | None
    cause: int


def changes(plan: Plan, ledgers: Ledgers, since: int, until: int) -> Changes:
    """One of METRICS over the plan's days as known at two instants (UTC micros).

    The changes add up to the difference. Rejected for other metrics.
    """
    name = plan.metric.name
    if name not in METRICS:
        raise Rejected(
            "unknown_metric",
            f"Changes are not kept of '{name}'.",
            fix=f"One of {', '.join(METRICS)}.",
            where="metric",
        )
    asked = Asked(plan, ledgers)
    then, now = (_known(plan, ledgers, at) for at in (since, until))
    amounts = _amounts(now)
    for of, units in _amounts(then).items():
        amounts[of] -= units
    largest = sorted((of for of in amounts if amounts[of]), key=lambda of: -abs(amounts[of]))
    unknown = not (asked.book.rows.recorded_at <= since).any()
    told, currency = _told(asked, since, until), asked.exchange.target
    found = [
        # A movement may be another one because something was learned of another line.
        _change(asked, of, amounts[of], told.get(of) or told[of.person])
        for of in largest[:MOST]
    ]
    rest = sum(amounts[of] for of in largest[MOST:])
    if rest:
        found.append(
            Change(
                amount=major(rest, currency),
                cause="other",
                id="",
                customer="",
                product="",
                plan="",
                source="",
                delivery=None,
                recorded_at=to_instant(until),
            )
        )
    return Changes(
        metric=name,
        before=None if unknown else major(int(then.values.sum()), currency),
        after=major(int(now.values.sum()), currency),
        currency=currency,
        changes=tuple(found),
    )


def _known(plan: Plan, ledgers: Ledgers, at: int) -> Found:
    """What the metric is made of: the days as they lie now, the ledger as known at an instant."""
    asked = Asked(plan, ledgers)
    asked.plan, asked.pieces = replace(plan, known_at=at), ()
    return behind(asked, None, ledgers)


def _amounts(found: Found) -> defaultdict[_Of, int]:
    amounts: defaultdict[_Of, int] = defaultdict(int)
    columns = (found.part.person, found.part.line, found.values)
    for person, line, units in zip(*(column.tolist() for column in columns), strict=True):
        amounts[_Of(person, line)] += units
    return amounts


def _told(asked: Asked, since: int, until: int) -> dict[_Of | int, _Told]:
    """The newest that was learned of each line, and of each customer, up to the days' end."""
    rows = asked.book.rows
    inside = rows.day < asked.plan.end
    came, went = rows.recorded_at, rows.superseded_at
    found: dict[_Of | int, _Told] = {}
    # What came in the place of something else says more than that this went.
    for at in (went, came):
        index = np.flatnonzero(inside & (at > since) & (at <= until))
        for n in index[np.argsort(at[index], kind="stable")].tolist():
            seq = int(rows.seq[n]) if at is came else None
            told = _Told(int(at[n]), seq, int(rows.cause[n]))
            found[_Of(int(rows.person[n]), int(rows.line[n]))] = found[int(rows.person[n])] = told
    return found


def _change(asked: Asked, of: _Of, units: int, told: _Told) -> Change:
    book = asked.book
    line, person = book.lines[of.line], book.persons[of.person]
    return Change(
        amount=major(units, asked.exchange.target),
        cause=CAUSES[told.cause],
        id=name_of(book, of.person),
        customer=person.name or name_of(book, of.person),
        product=line.product,
        plan=line.plan,
        source=line.source,
        delivery=told.delivery,
        recorded_at=to_instant(told.at),
    )
