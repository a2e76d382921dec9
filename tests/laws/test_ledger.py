"""Laws of the ledger: bridges close, order does not matter, parts add up, neighbours stay apart.

Random companies are folded and compared with a plain reading of the same states: MRR of each line
at the end of each day, one by one, and kinds by the four sentences of the definitions.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.revenue_book import (
    CHARTMOGUL,
    FAR,
    STRIPE,
    UPWELL,
    UTC,
    at,
    item,
    rules,
    steps,
)
from upwell.billing import Discount, Item, SubscriptionState
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import mrr
from upwell.metrics.revenue.baskets import Line
from upwell.metrics.revenue.bridge import bridge, cross
from upwell.metrics.revenue.display import half_even, rounded_parts
from upwell.metrics.revenue.ledger import (
    CHURN,
    CONTRACTION,
    EXPANSION,
    KINDS,
    NEW,
    NOTHING,
    REACTIVATION,
    Moves,
    Steps,
    classify,
    fold,
    months,
    movements,
    product_group,
)
from upwell.metrics.revenue.prices import MICRO, charge, net_of_items
from upwell.period import DAY_MICROS, first_of

START = at("2026-01-01")
DAYS = 100
FIRST = START // DAY_MICROS
POLICIES = [
    UPWELL,
    STRIPE,
    CHARTMOGUL,
    rules(reactivation_days=10),
    rules(churn_recognition="requested", past_due_days=7, discounts="all"),
    rules(churn_recognition="service_end", ignore_same_month_roundtrip=True),
    rules(granularity="event_window", event_window_minutes=5),
]
BY_MONTH = rules(granularity="period_net")

# Whole hours, so that changes meet on one day and in one window.
moments = st.integers(0, DAYS * 24 - 1).map(lambda hour: START + hour * 3_600_000_000)


@st.composite
def items(draw: st.DrawFn) -> Item:
    amount = draw(st.sampled_from(["0.00", "10.00", "33.33", "120.00"]))
    return item(
        draw(st.sampled_from(["solo", "team"])),
        amount,
        draw(st.sampled_from(["month", "month", "year", "week"])),
        quantity=draw(st.integers(0, 3)),
        product=draw(st.sampled_from(["mail", "docs", "chat"])),
    )


@st.composite
def discounts(draw: st.DrawFn) -> Discount:
    share = draw(st.booleans())
    return Discount(
        id=draw(st.sampled_from(["di_1", "di_2"])),
        percent=Decimal(draw(st.sampled_from([10, 50, 100]))) if share else None,
        amount=None if share else Decimal(draw(st.sampled_from([500, 5000]))),
        duration=draw(st.sampled_from(["once", "repeating", "forever"])),
        end=draw(st.none() | moments),
    )


few_discounts = st.lists(discounts(), max_size=1)


@st.composite
def states(draw: st.DrawFn, sub: str) -> SubscriptionState:
    return SubscriptionState(
        source="acct",
        id=sub,
        customer="cus",
        at=draw(moments),
        order=draw(st.sampled_from(["", "1", "2"])),
        status=draw(
            st.sampled_from(
                ["active", "active", "active", "trialing", "past_due", "paused", "canceled"]
            )
        ),
        items=tuple(draw(st.lists(items(), max_size=3))),
        discounts=tuple(draw(st.lists(discounts(), max_size=2))),
        trial_end=draw(st.none() | moments),
        cancel_at=draw(st.none() | st.none() | moments),
        period_end=draw(st.none() | moments),
        ended_at=draw(st.none() | moments),
        pause=draw(st.sampled_from([None, None, "void"])),
        pause_resumes=draw(st.none() | moments),
    )


def customer(name: str) -> st.SearchStrategy[list[SubscriptionState]]:
    subscriptions = st.sampled_from([f"{name}-1", f"{name}-2"])
    return st.lists(subscriptions.flatmap(lambda sub: states(sub)), max_size=7)


Company = dict[str, list[SubscriptionState]]
companies: st.SearchStrategy[Company] = st.tuples(*(customer(name) for name in "abc")).map(
    lambda known: dict(zip("abc", known, strict=True))
)
policies = st.sampled_from(POLICIES)
days = st.integers(FIRST - 1, FIRST + DAYS + 1)


# A plain reading


def values(company: Company, policy: MetricPolicy, before: int) -> dict[tuple[str, str, str], int]:
    """MRR of (customer, subscription, product) just before an instant, level by level."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    for name, known in company.items():
        for sub in {one.id for one in known}:
            mine = [one for one in known if one.id == sub]
            latest: dict[Line, int] = {}
            for level in mrr.levels(mine, policy, FAR):
                if level.at < before:
                    latest[level.line] = level.amount
            for line, amount in latest.items():
                found[name, sub, line.product] += amount
    return found


def groups(moves: Moves) -> dict[str, NDArray[np.int64]]:
    return {
        "by_subscription": moves.subscription.astype(np.int64),
        "by_product": product_group(moves.person, moves.product),
        "by_company": moves.person.astype(np.int64),
    }


def rows(moves: Moves) -> list[tuple[int, ...]]:
    """What the rows say, but for the place of their states in a list."""
    told = moves._replace(state=np.zeros_like(moves.state))
    return sorted(zip(*(column.tolist() for column in told), strict=True))


# Laws


@given(companies, policies, days, days)
def test_every_bridge_closes(company: Company, policy: MetricPolicy, one: int, other: int) -> None:
    first, end = min(one, other), max(one, other)
    moves = fold(steps(company, policy), policy)
    if policy.ignore_same_month_roundtrip:  # those days are left out of MRR, too
        opening, closing = (int(moves.delta[moves.day < day].sum()) for day in (first, end))
    else:
        opening, closing = (
            sum(values(company, policy, day * DAY_MICROS).values()) for day in (first, end)
        )
    for grain in groups(moves):
        found = bridge(moves.day, moves.delta, getattr(moves, grain), first, end)
        assert (found.opening, found.closing) == (opening, closing), grain
        assert min(found.new, found.reactivation, found.contraction, found.churn) >= 0
        assert found.expansion >= 0


@given(companies, policies, days, days, st.sets(st.integers(0, 2)))
def test_every_bridge_of_a_filter_closes(
    company: Company, policy: MetricPolicy, one: int, other: int, products: set[int]
) -> None:
    first, end = min(one, other), max(one, other)
    moves = fold(steps(company, policy), policy)
    kept = Moves._make(column[np.isin(moves.product, list(products))] for column in moves)
    for group in groups(kept).values():
        kinds = classify(group, kept.day, kept.delta, policy, at=kept.at, alive=kept.alive)
        found = bridge(kept.day, kept.delta, kinds, first, end)
        assert found.closing == int(kept.delta[kept.day < end].sum())
        assert min(found.new, found.expansion, found.contraction, found.churn) >= 0


@given(companies, st.integers(0, 3), st.integers(0, 3))
def test_bridges_of_whole_months_close_where_months_are_netted(
    company: Company, one: int, other: int
) -> None:
    moves = fold(steps(company, BY_MONTH), BY_MONTH)
    first, end = (first_of(FIRST + 31 * n, "month") for n in (min(one, other), max(one, other) + 1))
    closing = sum(values(company, BY_MONTH, end * DAY_MICROS).values())
    for grain in groups(moves):
        found = bridge(moves.day, moves.delta, getattr(moves, grain), first, end)
        assert found.closing == closing


@given(companies, st.sampled_from([UPWELL, STRIPE, rules(reactivation_days=10), BY_MONTH]))
def test_kinds_are_those_of_the_four_sentences(company: Company, policy: MetricPolicy) -> None:
    moves = fold(steps(company, policy), policy)
    unit = months(moves.day) if policy.granularity == "period_net" else moves.day
    for grain, group in groups(moves).items():
        kinds = getattr(moves, grain)
        for one in set(group.tolist()):
            mine = np.flatnonzero(group == one)
            value, left = 0, None
            for when in sorted(set(unit[mine].tolist())):
                chosen = mine[unit[mine] == when]
                now = value + int(moves.delta[chosen].sum())
                first = int(moves.day[chosen].min())
                wanted = _kind(value, now, first, left, policy.reactivation_days)
                assert {KINDS[kinds[i]] for i in chosen} == {KINDS[wanted]}
                left = first if wanted == CHURN else left
                value = now


def _kind(value: int, now: int, day: int, left: int | None, window: int | None) -> int:
    if value == 0 and now > 0:
        known = left is not None and (window is None or day - left <= window)
        return REACTIVATION if known else NEW
    if value > 0 and now == 0:
        return CHURN
    if now == value:
        return NOTHING
    return EXPANSION if now > value else CONTRACTION


@given(companies, policies, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(
    company: Company, policy: MetricPolicy, chance: object
) -> None:
    shuffle = chance.shuffle  # type: ignore[attr-defined]
    wanted = {name: _levels(known, policy) for name, known in company.items()}
    for name, known in company.items():
        again = [*known, *known[:2]]
        shuffle(again)
        assert _levels(again, policy) == wanted[name]
    made = steps(company, policy)
    order = list(range(len(made.at)))
    shuffle(order)
    mixed = Steps._make(column[np.array(order, dtype=np.intp)] for column in made)
    assert rows(fold(mixed, policy)) == rows(fold(made, policy))


def _levels(known: list[SubscriptionState], policy: MetricPolicy) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for sub in sorted({one.id for one in known}):
        mine = [one for one in known if one.id == sub]
        known_levels = mrr.levels(mine, policy, FAR)
        found += [(*one._replace(state=0), mine[one.state]) for one in known_levels]
    return found


@st.composite
def retold(draw: st.DrawFn) -> SubscriptionState:
    """A state whose price may be called otherwise, or that is pieced together from invoices."""
    invoiced = draw(st.booleans())
    sold = item("solo", "10.00", quantity=draw(st.integers(1, 2)))
    off = [msgspec.structs.replace(one, start=draw(moments)) for one in draw(few_discounts)]
    named = msgspec.structs.replace(
        sold,
        price=msgspec.structs.replace(sold.price, plan=draw(st.sampled_from(["solo", "single"]))),
        until=draw(st.none() | moments) if invoiced else None,
    )
    return SubscriptionState(
        source="acct",
        id="a-1",
        customer="cus",
        at=draw(moments),
        items=(named,) if draw(st.integers(0, 3)) else (),
        discounts=tuple(off),
        reconstructed=invoiced,
        partial=invoiced and draw(st.booleans()),
    )


@given(
    st.lists(states("a-1"), max_size=8) | st.lists(retold(), min_size=2, max_size=8),
    policies,
    st.lists(st.integers(1, 3), max_size=8),
    st.booleans(),
)
def test_levels_told_step_by_step_are_those_of_all_states_told(
    known: list[SubscriptionState], policy: MetricPolicy, steps: list[int], in_order: bool
) -> None:
    if in_order:
        known = sorted(known, key=lambda state: (state.at, state.order))
    course = mrr.Course(policy, FAR)
    count = 0
    for step in (*steps, len(known)):
        count = min(count + step, len(known))
        assert course.levels(known[:count]) == mrr.levels(known[:count], policy, FAR)
    assert course.levels(known[1:]) == mrr.levels(known[1:], policy, FAR)


@given(companies, policies, days, days)
def test_products_add_up_to_the_company(
    company: Company, policy: MetricPolicy, one: int, other: int
) -> None:
    first, end = min(one, other), max(one, other)
    moves = fold(steps(company, policy), policy)
    whole = bridge(moves.day, moves.delta, moves.by_company, first, end)
    parts = [
        bridge(moves.day[of], moves.delta[of], moves.by_product[of], first, end)
        for of in (moves.product == product for product in range(3))
    ]
    assert sum(part.net_new for part in parts) == whole.net_new
    assert sum(part.closing for part in parts) == whole.closing


@given(companies, policies)
def test_cross_sell_and_product_drop_explain_who_stayed(
    company: Company, policy: MetricPolicy
) -> None:
    moves = fold(steps(company, policy), policy)
    found = cross(moves.delta, moves.by_product, moves.by_company)
    stayed = np.isin(moves.by_company, (NOTHING, EXPANSION, CONTRACTION))
    assert sum(found) == int(moves.delta[stayed].sum())
    assert found.cross_sell >= 0 >= found.product_drop


@given(companies, policies, st.sampled_from(["line", "product", "cause", "subscription"]))
def test_parts_of_a_bar_add_up_to_it(company: Company, policy: MetricPolicy, by: str) -> None:
    moves = fold(steps(company, policy), policy)
    parts = getattr(moves, by)
    for kind in range(len(KINDS)):
        bar = moves.by_company == kind
        split = [int(moves.delta[bar & (parts == part)].sum()) for part in set(parts.tolist())]
        assert sum(split) == int(moves.delta[bar].sum())


@given(companies, policies, states("a-1"))
def test_one_more_state_changes_only_its_customer(
    company: Company, policy: MetricPolicy, late: SubscriptionState
) -> None:
    before = fold(steps(company, policy), policy)
    after = fold(steps({**company, "a": [*company["a"], late]}, policy), policy)
    assert _others(before) == _others(after)


def _others(moves: Moves) -> list[tuple[int, ...]]:
    """The rows of all but the first customer, without what depends on the coding of names."""
    none = np.zeros_like(moves.line)
    kept = moves._replace(
        line=none,
        subscription=none,
        product=none.astype(np.int16),
        currency=none.astype(np.int16),
        state=none,
    )
    of = np.flatnonzero(moves.person != 0)
    return sorted(zip(*(column[of].tolist() for column in kept), strict=True))


@given(companies, policies)
def test_who_came_less_who_left_is_who_is_there(company: Company, policy: MetricPolicy) -> None:
    moves = fold(steps(company, policy), policy)
    moved = movements(
        moves.person.astype(np.int64),
        moves.day,
        moves.delta,
        policy,
        at=moves.at,
        alive=moves.alive,
    )
    came = int(np.isin(moved.kind, (NEW, REACTIVATION)).sum())
    left = int((moved.kind == CHURN).sum())
    if policy.zero_price == "active":
        assert came - left >= 0
        return
    value = np.zeros(3, dtype=np.int64)
    np.add.at(value, moves.person, moves.delta)
    assert came - left == int((value > 0).sum())


@settings(max_examples=30)
@given(companies)
def test_mrr_of_a_day_is_the_sum_of_the_rows_until_then(company: Company) -> None:
    made = steps(company, UPWELL)
    moves = fold(made, UPWELL)
    for day in range(FIRST, FIRST + DAYS, 9):
        plain = values(company, UPWELL, UTC.opens(day + 1))
        by_product: dict[str, int] = defaultdict(int)
        for (_, _, product), amount in plain.items():
            by_product[product] += amount
        assert sum(by_product.values()) == int(moves.delta[moves.day <= day].sum())


# Levels and prices


plain_states = st.builds(
    lambda when, order, status, bought: SubscriptionState(
        source="acct", id="s", customer="c", at=when, order=order, status=status, items=bought
    ),
    moments,
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from(["active", "past_due", "unpaid", "paused", "canceled", "incomplete"]),
    st.lists(items(), max_size=3).map(tuple),
)


@given(st.lists(plain_states, max_size=8, unique_by=lambda one: (one.at, one.order)), moments)
def test_mrr_is_that_of_the_last_state(known: list[SubscriptionState], when: int) -> None:
    last = max(
        (one for one in known if one.at <= when), key=lambda o: (o.at, o.order), default=None
    )
    wanted = 0
    if last is not None and last.status in ("active", "past_due"):
        wanted = sum(mrr.item_mrr(one, UPWELL, when) for one in last.items)
    value: dict[Line, int] = {}
    for level in mrr.levels(known, UPWELL, FAR):
        if level.at <= when:
            value[level.line] = level.amount
    assert sum(value.values()) == wanted


@given(st.lists(items(), min_size=1, max_size=4), st.lists(discounts(), max_size=3))
def test_a_discount_takes_what_it_says_or_all_there_is(
    bought: list[Item], off: list[Discount]
) -> None:
    monthly = [
        msgspec.structs.replace(one, price=msgspec.structs.replace(one.price, interval="month"))
        for one in bought
    ]
    total = sum((charge(one.price, one.quantity) for one in monthly), Fraction(0))
    for one in off:
        if one.percent is not None:
            total *= 1 - Fraction(one.percent) / 100
        else:
            total = max(Fraction(0), total - Fraction(one.amount or 0))
    net = net_of_items(monthly, off, [()] * len(monthly), UPWELL)
    assert min(net) >= 0
    assert abs(sum(net) - total * MICRO) <= len(net)  # each is rounded once


@given(st.lists(st.integers(-(10**15), 10**15), max_size=8), st.sampled_from([10**6, 10**8, 7]))
def test_rounded_parts_add_up_and_are_near(parts: list[int], unit: int) -> None:
    shown = rounded_parts(parts, unit)
    assert sum(shown) == half_even(sum(parts), unit)
    assert all(abs(one * unit - part) < unit for one, part in zip(shown, parts, strict=True))
