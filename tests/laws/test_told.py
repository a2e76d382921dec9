"""Notices followed commit by commit are those that are made anew: trials, ends, what is set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_book import DAY, cuts, fresh, records, sent
from tests.laws.test_sums import examples
from tests.laws.world import NOW
from upwell.billing import Customer, Discount, Record
from upwell.errors import Unavailable
from upwell.metrics.policy import policy_named
from upwell.projection import Projection
from upwell.projection.recent import Recent
from upwell.query.revenue.told import Told

POLICY = policy_named("upwell")
SEEN = NOW + 30 * DAY
COUPON = Discount(
    id="coupon", percent=Decimal(20), duration="repeating", start=NOW - 50 * DAY, end=NOW + 9 * DAY
)


def made_anew(projection: Projection) -> list[Any]:
    return shown(Told(projection, POLICY))


def shown(told: Told) -> list[Any]:
    """Its notices and their columns, in an order that does not depend on when they came."""
    said, until = None, time.monotonic() + 30
    while said is None:
        try:
            said = told.said(SEEN, None)
        except Unavailable:
            assert time.monotonic() < until
            time.sleep(0.001)
    tried = zip(*(column.tolist() for column in said.trials), strict=True)
    slips = [
        sorted(
            (said.products[product], said.currencies[currency], at, change)
            for product, currency, at, change in zip(*(c.tolist() for c in of), strict=True)
        )
        for of in (said.ending, said.later)
    ]
    return [sorted(told.notices(SEEN, None), key=lambda one: one[:2]), sorted(tried), *slips]


def with_coupons(found: Sequence[Record], which: Sequence[bool]) -> list[Record]:
    """Some of the customers have a discount for everything they pay."""
    return [
        msgspec.structs.replace(one, discounts=(COUPON,))
        if has and isinstance(one, Customer)
        else one
        for one, has in zip(found, which, strict=True)
    ]


@given(records(), st.data())
@examples(60)
def test_what_commits_hand_over_is_what_is_stored(found: list[Record], data: st.DataObject) -> None:
    flags = data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    parts = data.draw(cuts(with_coupons(found, flags)))
    asked = data.draw(st.lists(st.booleans(), min_size=len(parts), max_size=len(parts)))
    with fresh() as projection:
        told, seldom = Told(projection, POLICY), Told(projection, POLICY)
        shown(seldom)
        for one, now in zip(sent(parts), asked, strict=True):
            projection.apply([one.staged])
            if now:
                assert shown(told) == made_anew(projection)
        assert shown(told) == shown(seldom) == made_anew(projection)


@given(records(most=20), st.data())
@examples(25)
def test_what_was_told_too_long_ago_is_read_from_the_file(
    found: list[Record], data: st.DataObject
) -> None:
    parts = data.draw(cuts(found))
    with fresh() as projection:
        told = Told(projection, POLICY)
        shown(told)
        for one in sent(parts):
            projection.apply([one.staged])
        projection.books.recent = Recent(projection.books.recent.next)
        assert shown(told) == made_anew(projection)


@given(records(most=20), st.data())
@examples(15)
def test_a_past_read_beside_is_the_one_read_at_once(
    found: list[Record], data: st.DataObject
) -> None:
    parts = data.draw(cuts(found))
    half = len(parts) // 2
    with fresh() as projection:
        everything = sent(parts)
        for one in everything[:half]:
            projection.apply([one.staged])
        told = Told(projection, POLICY, at_once=-1)
        told.prepare(SEEN)
        for one in everything[half:]:
            projection.apply([one.staged])
        assert shown(told) == made_anew(projection)
        told.stop()
