"""The worked examples of funnels: times, histograms, routes and breakdowns."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.unit.test_funnel import MINUTE, TABLE, lines, rule
from upwell.metrics.funnel.rule import Step
from upwell.metrics.funnel.run import run
from upwell.metrics.funnel.split import NO_VALUE, OTHER, apart, at_step, each_value, parts, touches
from upwell.metrics.funnel.sums import Link, Node, flow, histogram, step_sums, whole

CHROME, FIREFOX = 0, 1


def test_times_keep_zeros() -> None:
    asked = rule(3)
    outcome = run(lines(TABLE, "ABC"), asked)
    full = whole(outcome)
    assert full.mean_seconds == 24.75 * 60
    assert full.median_seconds == 25 * 60
    second = step_sums(outcome, asked)[1]
    assert second.mean_seconds == pytest.approx(122 / 7 * 60)
    assert second.median_seconds == 10 * 60


def test_histogram() -> None:
    seconds = np.array([10, 20, 30, 40, 50, 60, 70, 600], dtype=np.int64)
    found = histogram(seconds * 1_000_000)
    assert (found.low, found.width, found.counts) == (10, 295, (7, 0, 1))
    assert [seconds.mean(), np.median(seconds)] == [110, 45]


@pytest.mark.parametrize(("many", "bins"), [(1, 1), (27, 3), (28, 4), (1000, 10), (300_000, 60)])
def test_bins_by_count(many: int, bins: int) -> None:
    assert len(histogram(np.arange(many, dtype=np.int64) * 1_000_000).counts) == bins + 1


def test_histogram_of_one_duration_and_of_chosen_bins() -> None:
    same = np.full(5, 2_500_000, dtype=np.int64)
    assert histogram(same).counts == (5, 0, 0)
    assert histogram(np.zeros(5, dtype=np.int64)).width == 60
    assert len(histogram(same, bins=200).counts) == 91


def test_branching_flow() -> None:
    asked = rule((Step(), Step(alternatives=2), Step()))
    users = ["A0 B1 C2", "A0 D1 C2", "A0 D1", "A0", "A0 B1 D2 C3"]
    outcome = run(lines(users, ["A", "BD", "C"]), asked)
    assert [step.count for step in step_sums(outcome, asked)] == [5, 4, 3]
    found = flow(outcome)
    assert found.nodes == (
        Node(1, 0, 5, 1, 0),
        Node(2, 1, 2, 0, 0),
        Node(2, 2, 2, 1, 0),
        Node(3, 3, 3, 0, 0),
    )
    assert found.links == (
        Link((1, 0), (2, 1), 2, 60.0),
        Link((1, 0), (2, 2), 2, 60.0),
        Link((2, 1), (3, 3), 2, 90.0),
        Link((2, 2), (3, 3), 1, 60.0),
    )


def test_a_skip_is_a_link() -> None:
    asked = rule((Step(), Step(optional=True), Step()))
    found = flow(run(lines(["A0 B1 C2", "A0 C2", "A0 B1"], "ABC"), asked))
    assert [(link.source, link.target, link.count) for link in found.links] == [
        ((1, 0), (2, 1), 2),
        ((1, 0), (3, 2), 1),
        ((2, 1), (3, 2), 1),
    ]
    assert [node.dropped for node in found.nodes] == [0, 1, 0]


def test_values_of_all_steps_and_of_touches() -> None:
    told = lines(["A0 A1 B2 C3 C4"], "ABC")
    value = np.array([CHROME, FIREFOX, CHROME, CHROME, FIREFOX], dtype=np.int32)
    asked = rule(3)
    outcome = run(told, asked)
    split = {
        part.value: part.outcome.depth.tolist() for part in apart(*each_value(told, asked, value))
    }
    assert split == {CHROME: [3], FIREFOX: [1]}
    first = parts(outcome, touches(told, asked, outcome, value, "first"))
    assert [(part.value, part.outcome.depth.tolist()) for part in first] == [(CHROME, [3])]


def test_first_last_and_step_two() -> None:
    told = lines(["A0 B1", "A0", "X0 A1 B2"], "AB")
    value = np.array([CHROME, FIREFOX, CHROME, FIREFOX, NO_VALUE, NO_VALUE], dtype=np.int32)
    asked = rule(2)
    outcome = run(told, asked)
    assert touches(told, asked, outcome, value, "first").tolist() == [CHROME, CHROME, NO_VALUE]
    assert touches(told, asked, outcome, value, "last").tolist() == [FIREFOX, CHROME, NO_VALUE]
    second = at_step(outcome, asked, value, 2)
    assert second.tolist() == [FIREFOX, NO_VALUE, NO_VALUE]
    shown = parts(outcome, second, without=False)
    assert [(part.value, len(part.outcome.actor)) for part in shown] == [(FIREFOX, 1)]


def test_the_value_of_a_step_done_in_any_order() -> None:
    """Step 2 is B, also where it was done first."""
    told = lines(["B0 A1", "A0 B1", "A0"], "AB")
    asked = msgspec.structs.replace(rule(2), order="any")
    value = np.array([CHROME, FIREFOX, CHROME, FIREFOX, CHROME], dtype=np.int32)
    found = at_step(run(told, asked), asked, value, 2)
    assert found.tolist() == [CHROME, FIREFOX, NO_VALUE]


def test_values_beyond_the_cap() -> None:
    users = ["A0 B1"] * 6 + ["A0"]
    told = lines(users, "AB")
    asked = rule(2)
    value = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, NO_VALUE], dtype=np.int32)
    outcome = run(told, asked)
    split = parts(outcome, touches(told, asked, outcome, value, "first"), cap=2)
    assert [(part.value, len(part.outcome.actor)) for part in split] == [
        (0, 2),
        (1, 2),
        (OTHER, 2),
        (NO_VALUE, 1),
    ]


def test_a_user_is_in_other_once() -> None:
    told = lines(["A0 A1 B2", "A0 B1"], "AB")
    value = np.array([5, 6, 6, 4, 4], dtype=np.int32)
    split = apart(*each_value(told, rule(2), value), cap=1)
    assert [(part.value, part.outcome.depth.tolist()) for part in split] == [(4, [2]), (OTHER, [2])]
    assert split[1].outcome.actor.tolist() == [0]
    assert told.ts[split[1].outcome.rows[0]].tolist() == [MINUTE, 2 * MINUTE]
