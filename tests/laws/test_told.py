"""Notices followed commit by commit are those that are made anew: trials, ends, what is set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_book import DAY, cuts, fresh, records, sent
from tests.laws.test_sums import examples
from tests.laws.world import NOW
from upwell.billing import Customer, Discount, Record
from upwell.errors import Unavailable
from upwell.metrics.policy import MetricPolicy, policy_named
from upwell.metrics.revenue.mrr import Level
from upwell.metrics.revenue.rates import ratio
from upwell.metrics.revenue.trials import by_end, by_start
from upwell.projection import Projection
from upwell.projection.recent import Recent
from upwell.query.revenue.notices import Notices, Said, Slips, amounts
from upwell.query.revenue.told import Told

POLICY = policy_named("upwell")
WAYS = [msgspec.structs.replace(POLICY, trial_conversion=way) for way in ("ended", "ever")]
SEEN = NOW + 30 * DAY
MOMENTS = [*range(NOW - 120 * DAY, NOW + 60 * DAY, 13 * DAY + 1), SEEN + 300 * DAY]
COUPON = Discount(
    id="coupon", percent=Decimal(20), duration="repeating", start=NOW - 50 * DAY, end=NOW + 9 * DAY
)


def made_anew(projection: Projection, policy: MetricPolicy = POLICY) -> list[Any]:
    return shown(Told(projection, policy))


def shown(told: Told) -> list[Any]:
    """Its notices, and what they come to at some moments."""
    said, until = None, time.monotonic() + 30
    while said is None:
        try:
            said = told.said(SEEN, None)
        except Unavailable:
            assert time.monotonic() < until
            time.sleep(0.001)
    notices = sorted(told.notices(SEEN, None), key=lambda one: one[:2])
    names = sorted({one.product for one in notices})
    assert [amounts_of(said, slips) for slips in (said.ending, said.later)] == [
        added_up(levels)
        for levels in (
            [one.ending for one in notices],
            [one.later for one in notices],
        )
    ]
    for now in MOMENTS[::4]:
        assert tried_of(said, names, now) == [
            one_by_one(notices, name, said.trials.policy, now) for name in names
        ]
    return notices


def amounts_of(said: Said, slips: Slips) -> dict[tuple[str, str], list[int]]:
    shape = len(said.products), len(said.currencies)
    found = amounts(slips, range(shape[0]), range(shape[1]), shape, np.array(MOMENTS))
    return {
        (said.products[product], said.currencies[code]): of
        for product, row in enumerate(found.tolist())
        for code, of in enumerate(row)
        if any(of)
    }


def added_up(levels: Sequence[Sequence[Level]]) -> dict[tuple[str, str], list[int]]:
    """By product and currency what the last levels before each moment add up to."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, moment in enumerate(MOMENTS):
        for own in levels:
            stand = {level.line: level for level in own if level.at < moment}
            for level in stand.values():
                into = found.setdefault((level.product, level.currency), [0] * len(MOMENTS))
                into[place] += level.amount
    return {key: of for key, of in found.items() if any(of)}


def tried_of(said: Said, names: Sequence[str], now: int) -> list[list[Fraction | None]]:
    keys = [names.index(name) if name in names else -1 for name in said.products]
    found = said.trials.counts(keys, len(names), np.array(MOMENTS), now)
    return [
        [ratio(int(above), int(below)) for above, below in zip(*row, strict=True)]
        for row in zip(*found, strict=True)
    ]


def one_by_one(
    notices: Sequence[Notices], product: str, policy: MetricPolicy, now: int
) -> list[Fraction | None]:
    """The rate of each bucket from the trials themselves."""
    tried = [trial for one in notices if one.product == product for trial in one.trials]
    spans = list(pairwise(MOMENTS))
    if policy.trial_conversion == "ended":
        return [by_end(tried, *span) for span in spans]
    found = [by_start(tried, policy, *span, now) for span in spans]
    raw = policy.trial_conversion == "ever"
    return [one.raw if raw else one.rate for one in found]


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
        for way in WAYS:
            made_anew(projection, way)


@given(records(most=20), st.data())
@examples(15)
def test_what_changed_is_put_in_order_with_the_rest(
    found: list[Record], data: st.DataObject
) -> None:
    parts = data.draw(cuts(found))
    with fresh() as projection:
        orderly = [Told(projection, way, beside=0) for way in (POLICY, *WAYS)]
        for one in sent(parts):
            projection.apply([one.staged])
            for told in orderly:
                shown(told)
        assert shown(orderly[0]) == made_anew(projection)


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
