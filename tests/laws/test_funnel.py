"""The compiled funnel agrees with brute force, for every combination of options."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle import funnel as oracle
from tests.oracle.funnel import Event
from upwell.metrics.funnel.between import OTHER as REST
from upwell.metrics.funnel.between import Everything, between
from upwell.metrics.funnel.rule import Entry, Exclusion, FunnelRule, Mode, Order, Scope, Step
from upwell.metrics.funnel.run import CONVERTED, Timelines, run, trend
from upwell.metrics.funnel.sums import flow, step_sums

law = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

STATES = ("none", "converted", "dropped", "open", "hidden")
COMBINATIONS: list[tuple[Order, Entry, Scope]] = [
    ("ordered", "latest", "first"),
    ("ordered", "latest", "step"),
    ("ordered", "first", "first"),
    ("ordered", "first", "step"),
    ("strict", "latest", "first"),
    ("strict", "latest", "step"),
    ("strict", "first", "first"),
    ("strict", "first", "step"),
    ("any", "latest", "first"),
    ("any", "first", "first"),
]
USERS = 8


def pack(users: list[list[Event]]) -> Timelines:
    """Timelines of these users, numbered from 0."""
    events = [(user, event) for user, line in enumerate(users) for event in line]
    return Timelines(
        np.array([user for user, _ in events], dtype=np.int64),
        np.array([event.t for _, event in events], dtype=np.int64),
        np.array([sum(1 << hit for hit in event.hits) for _, event in events], dtype=np.uint64),
        np.array([sum(1 << x for x in event.drops) for _, event in events], dtype=np.uint64),
    )


def found(users: list[list[Event]], rule: FunnelRule) -> list[tuple[list[int | None], str]]:
    """Each user's winning chain, as numbers of their events, and state."""
    outcome = run(pack(users), rule)
    first = np.cumsum([0, *(len(line) for line in users)])
    answers: list[tuple[list[int | None], str]] = [([], "none") for _ in users]
    for i, user in enumerate(outcome.actor):
        rows = outcome.rows[i, : outcome.reached[i]]
        chain = [None if row < 0 else int(row - first[user]) for row in rows]
        answers[user] = chain, STATES[outcome.state[i]]
    return answers


@st.composite
def rules(
    draw: st.DrawFn,
    order: Order,
    entry: Entry,
    scope: Scope,
    *,
    optional: bool = True,
    modes: tuple[Mode, ...] = ("end_attempt", "drop_actor"),
) -> FunnelRule:
    count = draw(st.integers(2, 4))
    steps = tuple(
        Step(
            alternatives=draw(st.integers(1, 2)),
            optional=optional and order != "any" and 0 < k < count - 1 and draw(st.booleans()),
        )
        for k in range(count)
    )
    exclusions = []
    for _ in range(draw(st.integers(0, 2)) if modes else 0):
        after = 1 if order == "any" else draw(st.integers(1, count - 1))
        before = count if order == "any" else draw(st.integers(after + 1, count))
        exclusions.append(Exclusion(after=after, before=before, mode=draw(st.sampled_from(modes))))
    entry_from = draw(st.integers(0, 6))
    return FunnelRule(
        steps=steps,
        window=draw(st.integers(2, 20)),
        entry_from=entry_from,
        entry_to=draw(st.integers(entry_from + 1, 40)),
        watermark=draw(st.integers(5, 45)),
        order=order,
        entry=entry,
        exclusions=tuple(exclusions),
        window_scope=scope,
        tolerance=draw(st.sampled_from((0, 0, 2))),
    )


@st.composite
def timelines(draw: st.DrawFn, rule: FunnelRule, most: int) -> list[Event]:
    total = sum(step.alternatives for step in rule.steps)
    few = st.frozensets(st.integers(0, total - 1), max_size=2)
    one = st.integers(0, total - 1).map(lambda hit: frozenset((hit,)))
    drops: st.SearchStrategy[frozenset[int]] = st.just(frozenset())
    if rule.exclusions:
        x = st.integers(0, len(rule.exclusions) - 1).map(lambda x: frozenset((x,)))
        drops = st.one_of(drops, drops, drops, x)
    events = st.builds(Event, st.integers(0, 40), st.one_of(one, one, few), drops)
    return sorted(draw(st.lists(events, max_size=most)), key=lambda event: event.t)


@pytest.mark.parametrize(("order", "entry", "scope"), COMBINATIONS[:-2])
@law
@given(data=st.data())
def test_as_the_page_says(order: Order, entry: Entry, scope: Scope, data: st.DataObject) -> None:
    rule = data.draw(rules(order, entry, scope))
    users = data.draw(st.lists(timelines(rule, 24), min_size=1, max_size=USERS))
    expected = [oracle.table(line, rule) for line in users]
    assert found(users, rule) == [(answer.chain, answer.state) for answer in expected]


@pytest.mark.parametrize("order", ["ordered", "strict"])
@pytest.mark.parametrize("scope", ["first", "step"])
@law
@given(data=st.data())
def test_no_chain_is_longer(order: Order, scope: Scope, data: st.DataObject) -> None:
    rule = data.draw(rules(order, "latest", scope, optional=False, modes=()))
    users = data.draw(st.lists(timelines(rule, 10), min_size=1, max_size=USERS))
    assert [chain for chain, _ in found(users, rule)] == [
        oracle.chains(line, rule) for line in users
    ]


@pytest.mark.parametrize("entry", ["latest", "first"])
@law
@given(data=st.data())
def test_each_entry_by_itself(entry: Entry, data: st.DataObject) -> None:
    rule = data.draw(rules("ordered", entry, "first", optional=False))
    users = data.draw(st.lists(timelines(rule, 24), min_size=1, max_size=USERS))
    assert [chain if state != "hidden" else [] for chain, state in found(users, rule)] == [
        oracle.walks(line, rule) for line in users
    ]


@pytest.mark.parametrize("entry", ["latest", "first"])
def test_an_ended_attempt_is_not_tainted_later(entry: Entry) -> None:
    rule = FunnelRule(
        steps=(Step(alternatives=2),) * 3,
        window=7,
        entry_from=1,
        entry_to=25,
        watermark=18,
        entry=entry,
        exclusions=(Exclusion(after=1, before=3, mode="drop_actor"), Exclusion(after=1, before=3)),
    )
    enters, hides, ends = frozenset((0,)), frozenset((0,)), frozenset((1,))
    line = [
        Event(6, enters, hides),
        Event(7, drops=ends),
        Event(9, drops=hides),
        Event(10, enters, hides),
        Event(18, enters, ends),
    ]
    assert oracle.walks(line, rule) == oracle.table(line, rule).chain == [0]
    assert found([line], rule) == [([0], "open")]


@pytest.mark.parametrize(
    ("entry", "until", "chain"),
    [("latest", 18, [0, 1]), ("first", 18, [0, 1]), ("latest", 40, [2, 1]), ("first", 40, [2, 1])],
)
def test_a_tie_may_lie_across_the_end_of_a_window(
    entry: Entry, until: int, chain: list[int | None]
) -> None:
    rule = FunnelRule(
        steps=(Step(alternatives=2), Step()),
        window=20,
        entry_from=6,
        entry_to=until,
        watermark=43,
        entry=entry,
        tolerance=2,
    )
    line = [Event(10, frozenset((0,))), Event(30, frozenset((2,))), Event(31, frozenset((0,)))]
    assert oracle.walks(line, rule) == oracle.table(line, rule).chain == chain
    assert found([line], rule) == [(chain, "converted")]


@pytest.mark.parametrize("entry", ["latest", "first"])
@law
@given(data=st.data())
def test_any_order_is_a_true_matching(entry: Entry, data: st.DataObject) -> None:
    rule = data.draw(rules("any", entry, "first"))
    users = data.draw(st.lists(timelines(rule, 10), min_size=1, max_size=3))
    assert [chain if state != "hidden" else [] for chain, state in found(users, rule)] == [
        oracle.sets(line, rule) for line in users
    ]


@pytest.mark.parametrize(("order", "entry", "scope"), COMBINATIONS)
@law
@given(data=st.data())
def test_the_flow_conserves_everybody(
    order: Order, entry: Entry, scope: Scope, data: st.DataObject
) -> None:
    rule = data.draw(rules(order, entry, scope))
    users = data.draw(st.lists(timelines(rule, 16), min_size=1, max_size=USERS))
    outcome = run(pack(users), rule)
    found = flow(outcome)
    sums = step_sums(outcome, rule)
    last = len(rule.steps)
    goes: Counter[tuple[int, int]] = Counter()
    comes: Counter[tuple[int, int]] = Counter()
    for link in found.links:
        goes[link.source] += link.count
        comes[link.target] += link.count
    for node in found.nodes:
        here = (node.step, node.alternative)
        arrived = node.count if node.step == last else 0
        assert goes[here] + node.dropped + node.open + arrived == node.count
        assert comes[here] == (node.count if node.step > 1 else 0)
    passed = np.zeros(last, dtype=np.int64)  # who passed over an optional step
    for k, step in enumerate(sums):
        passed[k] = int(((outcome.rows[:, k] < 0) & (outcome.reached > k)).sum())
        assert sum(node.count for node in found.nodes if node.step == k + 1) == step.count
        assert passed[k] == 0 or rule.steps[k].optional
    assert sum(n.dropped + n.open for n in found.nodes) + int(
        (outcome.state == CONVERTED).sum()
    ) == int((outcome.reached > 0).sum())


@pytest.mark.parametrize(("order", "entry", "scope"), COMBINATIONS)
@law
@given(data=st.data())
def test_arrival_within_an_instant_does_not_matter(
    order: Order, entry: Entry, scope: Scope, data: st.DataObject
) -> None:
    rule = msgspec.structs.replace(data.draw(rules(order, entry, scope)), tolerance=0)
    line = [event for event in data.draw(timelines(rule, 24)) if len(event.hits) < 2]
    other = sorted(data.draw(st.permutations(line)), key=lambda event: event.t)
    one, two = run(pack([line]), rule), run(pack([other]), rule)
    assert one.depth.tolist() == two.depth.tolist()
    assert one.state.tolist() == two.state.tolist()
    assert one.times.tolist() == two.times.tolist()


@pytest.mark.parametrize(("order", "entry", "scope"), COMBINATIONS[:-2])
@law
@given(data=st.data())
def test_a_bucket_of_a_trend_is_a_funnel_of_its_entries(
    order: Order, entry: Entry, scope: Scope, data: st.DataObject
) -> None:
    rule = data.draw(rules(order, entry, scope))
    users = data.draw(st.lists(timelines(rule, 16), min_size=1, max_size=USERS))
    edges = np.array([3, 10, 11, 30], dtype=np.int64)
    buckets, outcome = trend(pack(users), rule, edges)
    told = {
        (int(user), int(bucket)): STATES[state]
        for user, bucket, state in zip(outcome.actor, buckets, outcome.state, strict=True)
    }
    for user, line in enumerate(users):
        for bucket in range(len(edges) - 1):
            since = max(int(edges[bucket]), rule.entry_from)
            until = min(int(edges[bucket + 1]), rule.entry_to)
            asked = msgspec.structs.replace(rule, entry_from=since, entry_to=until)
            state = oracle.table(line, asked).state if since < until else "none"
            assert told.get((user, bucket), "none") == state


NOISE = "xyz"
Link = tuple[tuple[int, int], tuple[int, int]]


@st.composite
def noisy(
    draw: st.DrawFn, rule: FunnelRule
) -> tuple[list[list[Event]], list[tuple[int, int, str, bool]]]:
    """Timelines, and all events of the users (who, when, what, whether the timelines have it)."""
    noise = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(NOISE)), max_size=8)
    users, every = [], list[tuple[int, int, str, bool]]()
    for who in range(draw(st.integers(1, USERS))):
        line = draw(timelines(rule, 12))
        users.append(line)
        named = [(event.t, f"s{min(event.hits, default=9)}", True) for event in line]
        more = [(t, name, False) for t, name in draw(noise)]
        every += [(who, *row) for row in sorted([*named, *more], key=lambda row: row[0])]
    return users, every


@pytest.mark.parametrize(("order", "entry", "scope"), COMBINATIONS)
@law
@given(data=st.data())
def test_what_happens_between_is_that_of_brute_force(
    order: Order, entry: Entry, scope: Scope, data: st.DataObject
) -> None:
    """Steps are items too; rare ones are put together without losing a time or a user."""
    rule = data.draw(rules(order, entry, scope))
    users, every = data.draw(noisy(rule))
    outcome = run(pack(users), rule)
    expected: dict[Link, oracle.Way] = {}
    for row, who in enumerate(outcome.actor.tolist()):
        stops = [k for k in range(len(rule.steps)) if outcome.rows[row, k] >= 0]
        ends = [(k + 1, int(outcome.alternatives[row, k])) for k in stops]
        times = [int(outcome.times[row, k]) for k in stops]
        moves = list(zip(pairwise(ends), times, times[1:], strict=False))
        own = [(at, name) for user, at, name, _ in every if user == who]
        oracle.between(who, own, moves, expected)
    labels, top = sorted({row[2] for row in every}), data.draw(st.integers(1, 6))
    place, ts, item = (
        np.array(column, dtype=np.int64)
        for column in (
            [i for i, row in enumerate(every) if row[3]],
            [row[1] for row in every],
            [labels.index(row[2]) for row in every],
        )
    )
    found = between(outcome, Everything(place, ts, item), top)
    assert {(one.source, one.target) for one in found} == set(expected)
    for one in found:
        way = expected[one.source, one.target]
        ranked = sorted(way.users, key=lambda name: (-len(way.users[name]), -way.times[name], name))
        shown, beyond = ranked[:top], ranked[top:]
        rows = [(labels[p.item] if p.item != REST else "", p.users, p.times) for p in one.passed]
        people = set[int]().union(*(way.users[name] for name in beyond))
        rest = [("", len(people), sum(way.times[name] for name in beyond))] if beyond else []
        assert one.direct == way.direct
        assert rows == [(name, len(way.users[name]), way.times[name]) for name in shown] + rest
