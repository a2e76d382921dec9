"""Why a number changed: the parts of every split are the whole change, to the last digit shown."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laws.test_answers import as_question, histories, questions, town
from tests.laws.test_revenue_answers import (
    CURRENCIES,
    FIRST,
    NOW,
    WORLD,
    Level,
    Told,
    deliveries,
    policies,
    scopes,
    spans,
    wheres,
)
from upwell.access import SYSTEM
from upwell.period import to_date, to_instant
from upwell.projection import Projection
from upwell.query import Question, Value
from upwell.query.explain import Explain, Explanation
from upwell.query.explain.spread import Pair, additive, effects, settled

law = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
MRR = (
    "mrr", "arr", "new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr",
    "reactivation_mrr", "net_new_mrr",
)  # fmt: skip
HEADS = ("customers", "new_customers", "churned_customers", "reactivated_customers")
RATES = (
    "arpa", "asp", "nrr", "grr", "quick_ratio", "gross_mrr_churn_rate", "net_mrr_churn_rate",
    "customer_churn_rate", "ltv",
)  # fmt: skip
amounts = st.integers(-(10**13), 10**13)
pairs = st.builds(Pair, amounts, amounts)
keyed = st.dictionaries(st.sampled_from("abcdefghijklmnop"), pairs)


def exact(value: Value) -> Decimal:
    return Decimal(str(value))


def adds_up(found: Explanation) -> None:
    """Every split with parts makes the change; with values of its own before and after, too."""
    for split in found.splits:
        assert split.parts or split.note, split
        if not split.parts:
            continue
        assert sum(exact(part.change) for part in split.parts) == exact(found.change), split.by
        if all(part.before is not None and part.rate is None for part in split.parts):
            assert sum(exact(part.before) for part in split.parts) == exact(found.before)
            assert sum(exact(part.after) for part in split.parts) == exact(found.after)
        for part in split.parts:
            if part.rate is not None:
                assert abs(exact(part.rate) + exact(part.mix) - exact(part.change)) < Decimal(
                    "1e-9"
                )
    if found.change is not None:
        assert exact(found.after) - exact(found.before) == exact(found.change)


@law
@given(whole=pairs, parts=keyed, unit=st.sampled_from((1, 10**5, 10**7, 10**9)))
def test_parts_and_what_they_lack_are_the_whole(
    whole: Pair, parts: dict[str, Pair], unit: int
) -> None:
    drawn, lack = additive(whole, parts, unit, most=5)
    assert len(drawn) <= 6
    for n, total in enumerate(whole):
        shown = [Pair(one.before, one.after)[n] for one in drawn] + [lack[n]]
        assert all(value % unit == 0 for value in shown)
        assert abs(sum(shown) - total) <= unit / 2
    still = {key for key, pair in parts.items() if not pair.change}
    for one in drawn[1:]:  # the largest takes what rounding leaves
        if still.issuperset(one.keys):
            assert one.before == one.after


@law
@given(st.lists(amounts, min_size=1), st.integers(-100, 100), st.sampled_from((1, 10**7)))
def test_what_is_settled_is_the_target(parts: list[int], target: int, unit: int) -> None:
    assert sum(settled(parts, target, unit)) == target


sides = st.tuples(st.fractions(0, 1000), st.fractions(0, 1000))


@law
@given(st.dictionaries(st.sampled_from("abcd"), st.tuples(sides, sides), min_size=1))
def test_what_parts_do_to_a_rate_is_its_change(parts: dict[str, Any]) -> None:
    """And a part whose own rate stands still changes it by its share alone."""
    (n0, d0), (n1, d1) = (
        (sum(own[at][0] for own in parts.values()), sum(own[at][1] for own in parts.values()))
        for at in (0, 1)
    )
    if not (d0 and d1):
        return
    found = effects(((n0, d0), (n1, d1)), parts)
    assert sum(one.change for one in found.values()) == Fraction(n1) / d1 - Fraction(n0) / d0
    for key, ((a0, b0), (a1, b1)) in parts.items():
        assert found[key].rate + found[key].mix == found[key].change
        if b0 and b1 and a0 / b0 == a1 / b1:
            assert found[key].rate == 0
        if (a0, b0) == (a1, b1):
            assert found[key].change == 0


def test_a_rate_split_by_hand() -> None:
    """Half of 100 and a tenth of 100 become half of 50 and a tenth of 150: 30 % to 20 %.

    Nobody's own rate changed: all of it is the mix, and both have the same share of it.
    """
    parts = {
        "mail": ((Fraction(50), Fraction(100)), (Fraction(25), Fraction(50))),
        "docs": ((Fraction(10), Fraction(100)), (Fraction(15), Fraction(150))),
    }
    whole = (Fraction(60), Fraction(200)), (Fraction(40), Fraction(200))
    found = effects(whole, parts)
    assert {key: (one.change, one.rate) for key, one in found.items()} == {
        "mail": (Fraction(-25 + Fraction(50, 4)) / 200, Fraction(0)),
        "docs": (Fraction(5 - Fraction(50, 4)) / 200, Fraction(0)),
    }
    assert sum(one.change for one in found.values()) == Fraction(-1, 10)


@pytest.fixture(scope="module")
def projection() -> Iterator[Projection]:
    with tempfile.TemporaryDirectory() as folder:
        found = Projection(Path(folder), memory="128MB")
        found.set_ground(WORLD, 1, 1)
        yield found
        found.close()


@settings(law, max_examples=12)
@given(
    told=deliveries,
    metrics=st.permutations(MRR + HEADS + RATES).map(lambda names: names[:4]),
    product=scopes,
    where=wheres,
    span=spans,
    compare=st.sampled_from(("previous", "year", "own")),
    policy=policies,
    now=st.sampled_from((NOW, NOW - dt.timedelta(days=25, hours=7))),
)
def test_every_change_of_a_ledger_is_its_parts(
    projection: Projection,
    told: list[list[Level]],
    metrics: list[str],
    product: tuple[str, ...],
    where: dict[str, tuple[str, ...]],
    span: tuple[dt.date, dt.date],
    compare: Any,
    policy: str | None,
    now: dt.datetime,
) -> None:
    """In every dimension, over any two spans, also while the later one runs."""
    house = Told(projection)
    for seq, fresh in enumerate(told, 1):
        house.tell(fresh, seq)
    if compare == "own":
        began = min(to_date(FIRST), span[0] - dt.timedelta(days=1))
        compare = f"{began}..{span[0]}"
    for metric in metrics:
        question = Question(
            metric=metric, product=product, where=where, policy=policy, grain="month",
            start=span[0], end=span[1], compare=compare,
        )  # fmt: skip
        found = Explain(house.desk, lambda: now).explain(question, SYSTEM)
        adds_up(found)
        if metric in MRR:
            assert all(split.parts or not exact(found.change) for split in found.splits)
        if metric in ("mrr", "arr") and found.change is not None:
            customers = sum(Decimal(one.change) for one in found.customers)
            split = next((one for one in found.splits if one.by == "movement"), None)
            moved = {} if split is None else {one.key: exact(one.change) for one in split.parts}
            rates = moved.get("fx", Decimal(0))
            slip = Decimal("0.02") * (12 if metric == "arr" else 1)
            assert abs(customers + rates - exact(found.change)) <= slip


@pytest.fixture(scope="module")
def unconverted() -> Iterator[Projection]:
    with tempfile.TemporaryDirectory() as folder:
        found = Projection(Path(folder), memory="128MB")
        found.set_ground(msgspec.structs.replace(WORLD, fx="none"), 1, 1)
        yield found
        found.close()


@settings(law, max_examples=12)
@given(
    told=deliveries,
    metrics=st.permutations(MRR + HEADS + RATES).map(lambda names: names[:4]),
    product=scopes,
    span=spans,
    currency=st.sampled_from((None, *CURRENCIES)),
)
def test_where_nothing_is_converted_every_change_of_a_currency_is_its_parts(
    unconverted: Projection,
    told: list[list[Level]],
    metrics: list[str],
    product: tuple[str, ...],
    span: tuple[dt.date, dt.date],
    currency: str | None,
) -> None:
    """Of the one that is asked for, or the only one; of several none is taken for the whole."""
    house = Told(unconverted)
    for seq, fresh in enumerate(told, 1):
        house.tell(fresh, seq)
    for metric in metrics:
        question = Question(
            metric=metric, product=product, currency=currency, grain="month",
            start=span[0], end=span[1], compare="previous",
        )  # fmt: skip
        found = Explain(house.desk, lambda: NOW).explain(question, SYSTEM)
        adds_up(found)
        lines = {line.key: line for line in house.desk.answer(question, SYSTEM, NOW).series}
        meant = next(iter(lines.values())) if len(lines) == 1 else lines.get(currency or "")
        if meant is None or meant.total is None or meant.compare is None:
            assert found.change is None
            assert found.note
        elif meant.compare.total is not None:
            half = Decimal("0.5") if metric in RATES else 0  # a yen has no hundredths
            assert abs(exact(found.after) - exact(meant.total)) <= half
            assert abs(exact(found.before) - exact(meant.compare.total)) <= half
            if metric in MRR:
                assert all(split.parts or not exact(found.change) for split in found.splits)
                assert found.currency == meant.key


@settings(law, max_examples=4)
@given(st.data())
def test_every_change_of_events_is_its_parts(data: st.DataObject) -> None:
    """With several currencies, values that are missing, users of several products."""
    history = data.draw(histories())
    with town(history) as here:
        explain = Explain(here.desk, lambda: to_instant(here.house.now))
        for _ in range(3):
            asked = data.draw(questions(history, by=None, known_at=None))
            question = as_question(asked)
            adds_up(explain.explain(question, SYSTEM))
