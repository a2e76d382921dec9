"""The engines of use agree with brute force for every option, and their identities hold."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.oracle import engagement as plain
from tests.oracle import paths as plain_paths
from tests.oracle import retention as plain_retention
from tests.oracle.retention import Asked, Event, bucket_of
from upwell.metrics.engagement import (
    Gaps,
    Kind,
    Pairs,
    coarser,
    coming,
    distinct,
    gaps_of,
    lifecycle,
    lifecycle_people,
    rolling,
    stickiness,
    sticky_people,
    turnout,
    within,
)
from upwell.metrics.paths import BETWEEN, OTHER, Graph, Walks, draw, fold, followers, walks
from upwell.metrics.retention import (
    Counting,
    Frame,
    Returns,
    Rule,
    Starts,
    began,
    calendar,
    exact,
    people,
    retention,
)
from upwell.period import DAY_MICROS, HOUR_MICROS, Grain, Zone, numbers
from upwell.projection.sums import Sums

Ints = NDArray[np.int64]
law = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
RULES: tuple[Rule, ...] = ("first_time", "recurring", "first_ever")
COUNTING: tuple[Counting, ...] = ("on", "on_or_after")
PLANS = ["solo", "team"]
BERLIN = Zone("Europe/Berlin")
SPRING = BERLIN.opens(19_800)  # 18 March 2024, two weeks before the clocks change
ENDS = st.one_of(
    st.integers(1, 7).map(lambda columns: tuple(range(columns))),
    st.lists(st.integers(1, 9), unique=True, max_size=4).map(lambda ends: (0, *sorted(ends))),
)
GRAINS: dict[Grain, int] = {"day": 8, "week": 35, "month": 200}  # and the days that events span


class Timelines(NamedTuple):
    """People and, for the engine, their events as columns sorted by person and time."""

    people: dict[int, list[Event]]
    actor: Ints
    events: list[Event]

    def micros(self) -> Ints:
        return np.array([event.at for event in self.events], dtype=np.int64)

    def named(self, name: str) -> NDArray[np.bool_]:
        return np.array([event.name == name for event in self.events], dtype=np.bool_)

    def codes(self) -> Ints:
        return np.array([PLANS.index(event.plan) for event in self.events], dtype=np.int64)


@st.composite
def timelines(draw_one: st.DrawFn, days: int) -> Timelines:
    event = st.builds(
        Event,
        st.integers(0, days * 24 * 4).map(lambda n: SPRING + n * HOUR_MICROS // 4),
        st.sampled_from(["start", "return", "other"]),
        st.sampled_from(PLANS),
        st.sampled_from([0, 3, 10, -2]),
    )
    someone = st.lists(event, max_size=9)
    found = {
        who * 3 + 1: events for who, events in enumerate(draw_one(st.lists(someone, max_size=6)))
    }
    rows = [
        (who, event) for who in found for event in sorted(found[who], key=lambda event: event.at)
    ]
    actor = np.array([who for who, _ in rows], dtype=np.int64)
    return Timelines(found, actor, [event for _, event in rows])


def starts_of(of: Timelines, asked: Asked, bucket: Ints, *, hours: bool) -> Starts:
    """What a store gives: rows of starts, distinct by actor, bucket and value, in their order."""
    chosen = of.named("start")
    fits = np.array([asked.plan in (None, event.plan) for event in of.events], dtype=np.bool_)
    if asked.rule != "first_ever":
        chosen &= fits
    code = of.codes() if asked.by_plan else np.zeros_like(bucket)
    origin = of.micros() if hours else bucket
    rows = Starts(*(column[chosen] for column in (of.actor, bucket, origin, code)))
    found = began(asked.rule, rows, fits[chosen] if asked.rule == "first_ever" else None)  # type: ignore[arg-type]
    keys = list(zip(*(c.tolist() for c in (found.actor, found.bucket, found.code)), strict=True))
    fresh = [key not in keys[:at] for at, key in enumerate(keys)]
    return Starts(*(column[np.array(fresh, dtype=np.bool_)] for column in found))


def returns_of(of: Timelines, asked: Asked, at: Ints) -> Returns:
    if asked.money:
        amount = np.array([event.amount for event in of.events], dtype=np.int64)
        return Returns(of.actor, at, amount)
    back = of.named("return")
    return Returns(of.actor[back], at[back])


def share_of(part: int | None, whole: int | None) -> float:
    return part / whole if part is not None and whole else math.nan


def agree(
    expected: dict[tuple[str, int], plain_retention.Cohort],
    starts: Starts,
    returns: Returns,
    frame: Frame,
    asked: Asked,
) -> None:
    counting: Counting = asked.counting  # type: ignore[assignment]
    values = PLANS if asked.by_plan else [""]
    found = retention(starts, returns, frame, counting, len(values))
    for code, value in enumerate(values):
        for row, cells in enumerate(found.rows(code)):
            cohort = expected.get((value, frame.first + row))
            if cohort is None:
                assert found.sizes[code, row] == 0
                assert {cell for cell in cells if cell is not None} <= {0}
                continue
            assert cells == cohort.cells
            below = [cohort.cells[0], *cohort.cells[:-1]]
            first = [share_of(cell, cohort.cells[0]) for cell in cohort.cells]
            np.testing.assert_equal(found.shares(code)[row], first)
            previous = list(map(share_of, cohort.cells, below))
            np.testing.assert_equal(found.shares(code, "previous")[row], previous)
            assert found.sizes[code, row] == cohort.size
            for k, stayed in product(range(frame.columns), (True, False)):
                if asked.money:
                    break
                who = people(
                    starts, returns, frame, frame.first + row, k, counting, stayed=stayed, code=code
                )
                back = cohort.who[k]
                assert who.tolist() == sorted(back if stayed else cohort.members - back)


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("counting", COUNTING)
@pytest.mark.parametrize("rule", RULES)
@law
@given(data=st.data())
def test_retention_is_that_of_brute_force(
    rule: Rule, counting: Counting, grain: Grain, data: st.DataObject
) -> None:
    of = data.draw(timelines(GRAINS[grain]))
    week_start = data.draw(st.sampled_from([0, 6]))
    bucket = numbers(BERLIN.days(of.micros()), grain, week_start)
    zero = int(numbers(BERLIN.days(np.array([SPRING])), grain, week_start)[0])
    first = zero + data.draw(st.integers(-1, 3))
    end = first + data.draw(st.integers(0, 5))
    last = zero + data.draw(st.integers(-2, 9))
    columns, at_least = data.draw(ENDS), data.draw(st.sampled_from([1, 1, 2, 3]))
    plan = data.draw(st.sampled_from([None, "team"]))
    by_plan, money = data.draw(st.booleans()), data.draw(st.booleans())
    asked = Asked(rule, counting, first, end, last, columns, plan, by_plan, money, at_least)
    starts = starts_of(of, asked, bucket, hours=False)
    shift = zero - bucket_of(SPRING, "Europe/Berlin", grain, week_start)  # both count from anywhere

    @cache
    def told(at: int) -> int:
        return bucket_of(at, "Europe/Berlin", grain, week_start) + shift

    expected = plain_retention.retention(of.people, asked, told)
    frame = calendar(first, end, np.array(columns), last, at_least)
    agree(expected, starts, returns_of(of, asked, bucket), frame, asked)


@pytest.mark.parametrize("counting", COUNTING)
@pytest.mark.parametrize("rule", RULES)
@law
@given(data=st.data())
def test_retention_by_hours_is_that_of_brute_force(
    rule: Rule, counting: Counting, data: st.DataObject
) -> None:
    of = data.draw(timelines(8))
    bucket = numbers(BERLIN.days(of.micros()), "day")
    first = 19_800 + data.draw(st.integers(-1, 3))
    end, columns = first + data.draw(st.integers(0, 5)), data.draw(ENDS)
    at_least = data.draw(st.sampled_from([1, 1, 2, 3]))
    watermark = SPRING + data.draw(st.integers(-30, 300)) * HOUR_MICROS
    plan = data.draw(st.sampled_from([None, "team"]))
    asked = Asked(rule, counting, first, end, 0, columns, plan, at_least=at_least)
    found = plain_retention.by_hours(
        of.people,
        asked,
        cache(lambda at: bucket_of(at, "Europe/Berlin", "day", 0)),
        lambda day: BERLIN.opens(day + 1),
        watermark,
    )
    closes = [BERLIN.opens(day + 1) for day in range(first, end)]
    frame = exact(first, closes, np.array(columns), DAY_MICROS, watermark, at_least)
    starts = starts_of(of, asked, bucket, hours=True)
    returns = returns_of(of, asked, of.micros())
    agree({("", day): cohort for day, cohort in found.items()}, starts, returns, frame, asked)


@pytest.mark.parametrize("rule", RULES)
@law
@given(of=timelines(8), last=st.integers(19_799, 19_810), ends=ENDS)
def test_who_came_on_or_after_a_day_only_becomes_less(
    rule: Rule, of: Timelines, last: int, ends: tuple[int, ...]
) -> None:
    bucket = numbers(BERLIN.days(of.micros()), "day")
    asked = Asked(rule, "on_or_after", 19_800, 19_808, last, ends)
    frame = calendar(asked.first, asked.end, np.array(ends), last)
    starts, returns = starts_of(of, asked, bucket, hours=False), returns_of(of, asked, bucket)
    after, on = (retention(starts, returns, frame, counting) for counting in ("on_or_after", "on"))
    for row, exactly in zip(after.rows(), on.rows(), strict=True):
        cells = [cell for cell in row if cell is not None]
        assert all(one >= other for one, other in pairwise(cells))
        assert all(one >= (other or 0) for one, other in zip(cells, exactly, strict=False))


active_days = st.dictionaries(
    st.integers(0, 40), st.sets(st.integers(0, 45), min_size=1, max_size=12), max_size=8
)


def pairs_of(people: dict[int, set[int]]) -> Pairs:
    rows = sorted((who, day) for who, days in people.items() for day in days)
    return Pairs(*np.array(rows, dtype=np.int64).reshape(-1, 2).T)


KINDS: tuple[Kind, ...] = ("new", "returning", "resurrecting", "dormant")


@law
@given(active_days, st.integers(0, 40), st.integers(0, 12), st.integers(0, 50))
def test_the_lifecycle_is_that_of_brute_force(
    people: dict[int, set[int]], first: int, length: int, last: int
) -> None:
    pairs, end = pairs_of(people), first + length
    found = lifecycle(gaps_of(pairs), first, end, last)
    for at, bucket in enumerate(range(first, end)):
        expected = plain.lifecycle(people, bucket)
        for kind in KINDS:
            assert getattr(found, kind)[at] == len(expected[kind])
            assert lifecycle_people(pairs, kind, bucket).tolist() == sorted(expected[kind])
        assert found.active[at] == len(plain.active(people, bucket))
        assert found.complete[at] == (bucket <= last)
    before = len(plain.active(people, first - 1))
    for new, returning, back, dormant, active, _ in zip(*found, strict=True):
        assert active == new + returning + back == before - dormant + new + back
        before = active


@pytest.mark.parametrize("grain", ["week", "month"])
@law
@given(people=active_days, moved=st.integers(0, 400), week_start=st.sampled_from([0, 3, 6]))
def test_gaps_of_days_give_those_of_weeks_and_months(
    grain: Grain, people: dict[int, set[int]], moved: int, week_start: int
) -> None:
    days = pairs_of({who: {day + moved for day in found} for who, found in people.items()})
    coarse = distinct(days.actor, numbers(days.bucket, grain, week_start))
    found, expected = coarser(gaps_of(days), grain, week_start), gaps_of(coarse)
    assert [c.tolist() for c in found] == [c.tolist() for c in expected]


@law
@given(active_days, st.integers(1, 35), st.integers(0, 50), st.integers(0, 40))
def test_people_of_the_last_days_are_those_of_brute_force(
    people: dict[int, set[int]], width: int, first: int, length: int
) -> None:
    found = rolling(gaps_of(pairs_of(people)), width, first, first + length)
    assert found.tolist() == [
        plain.trailing(people, width, day) for day in range(first, first + length)
    ]


@law
@given(active_days, st.integers(0, 40), st.integers(1, 12))
def test_stickiness_is_that_of_brute_force(
    people: dict[int, set[int]], first: int, length: int
) -> None:
    pairs, end = pairs_of(people), first + length
    found, expected = stickiness(pairs, first, end), plain.frequency(people, first, end)
    assert found.people == len(expected)
    assert found.active.tolist() == [len(plain.active(people, b)) for b in range(first, end)]
    for times in range(1, length + 1):
        exactly = sorted(who for who, n in expected.items() if n == times)
        more = sorted(who for who, n in expected.items() if n >= times)
        assert (found.exact[times - 1], found.cumulative[times - 1]) == (len(exactly), len(more))
        assert sticky_people(pairs, first, end, times).tolist() == exactly
        assert sticky_people(pairs, first, end, times, or_more=True).tolist() == more


ITEMS = "abcde"
clicks = st.lists(
    st.tuples(st.sampled_from([0, 1, 70, 1799, 1800, 4000]), st.sampled_from(ITEMS)), max_size=14
)


class Clicks(NamedTuple):
    """Some people's events by brute force and as columns."""

    people: dict[int, list[tuple[int, str]]]
    actor: Ints
    at: Ints
    item: Ints

    def walked(self, start: str | None, end: str | None, depth: int) -> Walks:
        first, last = (None if one is None else ITEMS.index(one) for one in (start, end))
        return walks(self.actor, self.at, self.item, start=first, end=last, depth=depth)


def placed(waits: list[list[tuple[int, str]]]) -> Clicks:
    people: dict[int, list[tuple[int, str]]] = {}
    for who, events in enumerate(waits):
        clock, people[who] = 0, []
        for wait, item in events:
            clock += wait * 1_000_000
            people[who].append((clock, item))
    rows = [(who, at, ITEMS.index(item)) for who in people for at, item in people[who]]
    return Clicks(people, *np.array(rows, dtype=np.int64).reshape(-1, 3).T)


maybe = st.none() | st.sampled_from(ITEMS)


def label(code: int) -> str:
    return plain_paths.BETWEEN if code == BETWEEN else "other" if code == OTHER else ITEMS[code]


@settings(law, max_examples=400)
@given(st.lists(clicks, max_size=5).map(placed), maybe, maybe, st.integers(2, 6))
def test_paths_are_those_of_brute_force(
    of: Clicks, start: str | None, end: str | None, depth: int
) -> None:
    walked = of.walked(start, end, depth)
    expected, found = plain_paths.paths(of.people, start, end, depth), draw(walked)
    seen = {}
    for step, source, target, *numbers_of in zip(*(c.tolist() for c in found.edges), strict=True):
        seen[step, label(source), label(target)] = tuple(numbers_of)
        who = followers(walked, step, source, target).tolist()
        assert who == sorted(expected.edges[step, label(source), label(target)].actors)
    assert seen == {
        key: (edge.transitions, len(edge.actors), edge.micros)
        for key, edge in expected.edges.items()
    }
    nodes = list(zip(*(c.tolist() for c in found.nodes), strict=True))
    assert {(step, label(item)): n for step, item, n, _ in nodes} == dict(expected.visits)
    assert {(step, label(item)): n for step, item, _, n in nodes if n} == dict(expected.stops)
    for step, item, _, _ in nodes:
        who = followers(walked, step, item, None).tolist()
        assert who == sorted(expected.ends[step, label(item)])


def conserved(graph: Graph) -> None:
    came = dict.fromkeys(zip(graph.nodes.step, graph.nodes.item, strict=True), 0)
    went = dict(came)
    for step, source, target, n, _, _ in zip(*graph.edges, strict=True):
        went[step, source] += n
        came[step + 1, target] += n
    for step, item, visits, ends in zip(*graph.nodes, strict=True):
        assert visits == went[step, item] + ends
        assert step == 1 or visits == came[step, item]


@settings(law, max_examples=400)
@given(
    st.lists(clicks, max_size=8).map(placed),
    maybe,
    maybe,
    st.integers(2, 6),
    st.integers(0, 12),
)
def test_whatever_enters_a_node_leaves_it_or_ends_there(
    of: Clicks, start: str | None, end: str | None, depth: int, top: int
) -> None:
    walked = of.walked(start, end, depth)
    folded = fold(walked, top)
    whole, found = draw(walked), draw(folded)
    conserved(whole)
    conserved(found)
    assert found.edges.transitions.sum() == whole.edges.transitions.sum()
    assert found.edges.micros.sum() == whole.edges.micros.sum()
    exactly = set(zip(*(c.tolist() for c in whole.edges), strict=True))
    named = [
        edge
        for edge in zip(*(c.tolist() for c in found.edges), strict=True)
        if OTHER not in edge[1:3]
    ]
    assert set(named) <= exactly  # an edge between named nodes keeps its numbers
    assert len(named) <= top
    if len(exactly) <= top:
        assert set(named) == exactly
    for step, source, target, n, actors, _ in zip(*(c.tolist() for c in found.edges), strict=True):
        assert len(followers(folded, step, source, target)) == actors <= n


gaps_added = st.lists(
    st.tuples(st.integers(1, 90), st.integers(1, 60), st.integers(-3, 9), st.integers(1, 400)),
    max_size=6,
)


@law
@given(st.lists(st.tuples(gaps_added, st.booleans()), max_size=6))
def test_what_is_kept_of_gaps_moves_on_with_them(
    batches: list[tuple[list[tuple[int, int, int, int]], bool]],
) -> None:
    """Asked in between or not, and however many were added since, it is that of all of them."""
    works = {
        "month": lambda *gaps: coming(Gaps(*gaps), 30),
        "weeks": lambda *gaps: turnout(coarser(Gaps(*gaps), "week")),
    }

    def asked(of: Sums) -> list[list[int]]:
        made = (of.table("mail", "active", name, work) for name, work in works.items())
        return [within(table, 0, 150).tolist() for table in made]

    sums, rows = Sums(), list[tuple[int, int, int]]()
    for added, ask in batches:
        new = [(d, max(-1, d - back), n) for d, back, n, often in added for _ in range(often)]
        sums.add_gaps("mail", "active", new)
        rows += new
        if ask:
            asked(sums)
    whole = Sums()
    whole.add_gaps("mail", "active", rows)
    assert asked(sums) == asked(whole)
