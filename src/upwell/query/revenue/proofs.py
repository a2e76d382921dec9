"""What is answered where numbers differ: by rules, by what was known when, from the accounts' own.

Money is a decimal string in major units.
"""

from __future__ import annotations

import datetime as dt

from upwell.query.revenue.shapes import Shape


class WhyCause(Shape, frozen=True):
    """What one choice of the counting rules makes of the difference."""

    cause: str
    title: str
    sentence: str
    amount: str
    customers: int


class Why(Shape, frozen=True):
    """MRR at the end of a month by two sets of rules; the causes add up to the difference.

    `same` are choices that differ and do not change this number; `apart` says the same of other
    currencies, where nothing is converted.
    """

    currency: str
    ours: str
    theirs: str
    difference: str
    causes: tuple[WhyCause, ...]
    same: tuple[str, ...]
    apart: tuple[Why, ...] = ()


class Change(Shape, frozen=True):
    """What became known of past days: of whom, how much, by which delivery (null: taken back).

    `id` is the customer's, `customer` the name; both are empty for the many small ones together.
    """

    amount: str
    cause: str
    id: str
    customer: str
    product: str
    plan: str
    source: str
    delivery: int | None
    recorded_at: dt.datetime


class Changes(Shape, frozen=True):
    """A metric of past days as known at two moments; the changes add up to the difference.

    `before` is null where no source had told of anything yet; `apart` are those of other
    currencies, where nothing is converted.
    """

    metric: str
    before: str | None
    after: str
    currency: str
    changes: tuple[Change, ...]
    apart: tuple[Changes, ...] = ()


class CashObject(Shape, frozen=True):
    """One object that the two sides see differently; `delivery` is what told of it."""

    id: str
    kind: str
    ours: str
    stripe: str
    delivery: int


class CashMonth(Shape, frozen=True):
    """One account, currency and month: what we counted, what Stripe booked."""

    account: str
    currency: str
    month: str
    ours: str
    stripe: str
    difference: str
    objects: tuple[CashObject, ...]


class Reconciliation(Shape, frozen=True):
    """Cash of the ledger against the accounts' balance transactions."""

    rows: tuple[CashMonth, ...]
