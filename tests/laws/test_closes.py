"""Closed months: what was known at a close stays, the rest is a restatement, bridges close."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_revenue_answers import (
    LAST,
    WORLD,
    Level,
    Told,
    _closes,
    deliveries,
    law,
    scopes,
)
from upwell.access import SYSTEM
from upwell.period import DAY_MICROS, add_months, to_date, to_day
from upwell.projection import Projection, closes
from upwell.query import Question

WORLD_PRODUCTS = tuple(one.id for one in WORLD.products)
MONTHS = ("2025-10", "2025-11", "2025-12", "2026-01", "2026-02")
ENDS = {month: to_day(add_months(closes.first_of(month), 1)) for month in MONTHS}


class Command(NamedTuple):
    """A month to close, or to open again."""

    month: str
    reopen: bool


commands = st.lists(
    st.lists(st.builds(Command, st.sampled_from(MONTHS), st.booleans()), max_size=2),
    min_size=4,
    max_size=4,
)


@pytest.fixture(scope="module")
def projection() -> Iterator[Projection]:
    with tempfile.TemporaryDirectory() as folder:
        found = Projection(Path(folder), memory="128MB")
        found.set_ground(msgspec.structs.replace(WORLD, closed_months="adjust"), 1, 1)
        yield found
        found.close()


@law
@given(
    told=deliveries,
    ordered=commands,
    product=scopes,
    where=st.sampled_from(({}, {"plan": ("solo",)})),
    by=st.sampled_from((None, "plan", "product")),
)
def test_closed_months_stay_and_bridges_close(
    projection: Projection,
    told: list[list[Level]],
    ordered: list[list[Command]],
    product: tuple[str, ...],
    where: dict[str, tuple[str, ...]],
    by: str | None,
) -> None:
    house = Told(projection)
    known: tuple[closes.Close, ...] = ()
    projection.closes = known
    kept: dict[str, Decimal] = {}  # what MRR at the end of closed months was, when they closed
    asked = where | {"currency": ("USD",)}
    question = Question(
        metric="mrr", start=dt.date(2025, 10, 1), end=to_date(LAST), grain="month",
        product=product, where=asked, by=by,
    )  # fmt: skip
    plan = where.get("plan", (None,))[0]
    for seq, (fresh, wanted) in enumerate(zip(told, ordered, strict=False), 1):
        at = house.tell(fresh, seq)
        truth = {
            month: Decimal(house.mrr(end, product or WORLD_PRODUCTS, plan).get("USD", 0)) / 100
            for month, end in ENDS.items()
        }
        for n, command in enumerate(wanted, 1):
            if command.reopen:
                known = closes.reopened(known, command.month, at + n * (DAY_MICROS // 4))
                kept = {month: mrr for month, mrr in kept.items() if month < command.month}
            else:
                known = closes.closed(known, command.month, seq, at + n * (DAY_MICROS // 4))
                new = {m: mrr for m, mrr in truth.items() if m <= command.month and m not in kept}
                kept |= new
            projection.closes = known
        answer = house.revenue.bridge(question, SYSTEM)
        every = [answer.bridge, *(bucket.bridge for bucket in answer.buckets)]
        for bar in (*every, *(part.bridge for part in answer.parts)):
            assert _closes(bar)
            assert Decimal(bar.fx) == 0
        shown = {b.start[:7]: Decimal(b.bridge.closing) for b in answer.buckets}
        assert shown == truth | kept
        still = {b.start[:7]: Decimal(b.bridge.restatement) for b in answer.buckets}
        opened = [month for month in MONTHS if month not in kept]
        late = truth[max(kept)] - kept[max(kept)] if kept else Decimal(0)
        if opened:
            assert still[opened[0]] == late
        series = house.ask("mrr", product=product, where=asked).series[0].points
        assert [Decimal(str(point.value)) for point in series] == list(shown.values())


LEVELS = ("mrr", "arr", "customers", "arpa")
KEPT = (
    *LEVELS, "new_mrr", "churned_mrr", "new_customers", "churned_customers", "nrr", "grr",
    "customer_churn_rate", "gross_mrr_churn_rate", "quick_ratio", "asp", "ltv",
)  # fmt: skip


@law
@given(
    told=deliveries,
    ordered=commands,
    metrics=st.permutations(KEPT).map(lambda all_of: all_of[:3]),
    product=scopes,
    by=st.sampled_from((None, "plan", "product")),
)
def test_every_metric_of_the_ledger_stays_in_closed_months(
    projection: Projection,
    told: list[list[Level]],
    ordered: list[list[Command]],
    metrics: list[str],
    product: tuple[str, ...],
    by: str | None,
) -> None:
    """And levels of the months that are open are those as known now.

    A line that is nothing in any month is not listed: none is as good as nothing.
    """
    house = Told(projection)
    known: tuple[closes.Close, ...] = ()
    kept: dict[tuple[str, str, str], object] = {}  # metric, key, month

    def values() -> dict[tuple[str, str, str], object]:
        projection.closes = known
        return {
            (metric, line.key, point.start[:7]): point.value
            for metric in metrics
            for line in house.ask(metric, product=product, by=by, currency="native").series
            for point in line.points
        }

    for seq, (fresh, wanted) in enumerate(zip(told, ordered, strict=False), 1):
        at = house.tell(fresh, seq)
        for n, command in enumerate(wanted, 1):
            when = at + n * (DAY_MICROS // 4)
            if command.reopen:
                known = closes.reopened(known, command.month, when)
            else:
                known = closes.closed(known, command.month, seq, when)
            closed = max((one.month for one in closes.standing(known)), default="")
            now = values()
            kept = {of: value for of, value in kept.items() if of[2] <= closed}
            kept |= {of: value for of, value in now.items() if of[2] <= closed and of not in kept}
        now = values()
        for of, value in kept.items():
            assert _same(value, now.get(of))
        closed = max((one.month for one in closes.standing(known)), default="")
        known, before = (), known
        plain = values()
        known = before
        for of, value in now.items():
            if of[0] in LEVELS and of[2] > closed:
                assert _same(value, plain.get(of))


def _same(one: object, other: object) -> bool:
    return one == other or not (Decimal(str(one or 0)) or Decimal(str(other or 0)))
