"""The worked examples of funnels: order, ties, exclusions, optional steps, windows, refusals."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from upwell.errors import Rejected
from upwell.metrics.funnel.rule import Exclusion, FunnelRule, Order, Step
from upwell.metrics.funnel.run import Outcome, Timelines, run, trend
from upwell.metrics.funnel.sums import step_sums, trend_sums

MINUTE = 60_000_000
TABLE = (
    "A0 B10 C20",
    "A0 X10 B20 C30",
    "B0 A10 C20",
    "A0 A30 B45 C75",
    "A0 B10 C61",
    "A0 B60",
    "B5 A5 C9",
    "A0 B7",  # a second A0 with the same id is dropped at the door
)


def rule(steps: int | tuple[Step, ...], **options: Any) -> FunnelRule:
    """Steps with a window of an hour, entered from 0 to 1000 minutes, all of it known."""
    given: dict[str, Any] = {
        "steps": (Step(),) * steps if isinstance(steps, int) else steps,
        "window": 60 * MINUTE,
        "entry_from": 0,
        "entry_to": 1000 * MINUTE,
        "watermark": 10_000 * MINUTE,
    }
    return FunnelRule(**given | options)


def lines(users: Sequence[str], steps: Sequence[str], drops: Sequence[str] = ()) -> Timelines:
    """Users as `A0 B1 X2.5`, in minutes; a step is the names of its alternatives: `A`, `BD`."""
    names = "".join(steps)
    rows = []
    for user, told in enumerate(users):
        events = [re.fullmatch(r"(\D+)([\d.]+)", word) for word in told.split()]
        for event in sorted((float(e[2]), i, e[1]) for i, e in enumerate(events) if e):
            hits = sum(1 << i for i, name in enumerate(names) if name == event[2])
            out = sum(1 << i for i, name in enumerate(drops) if name == event[2])
            rows.append((user, int(event[0] * MINUTE), hits, out))
    table = np.array(rows, dtype=np.int64).T
    return Timelines(table[0], table[1], table[2].astype(np.uint64), table[3].astype(np.uint64))


def counts(outcome: Outcome, asked: FunnelRule) -> list[int]:
    return [step.count for step in step_sums(outcome, asked)]


@pytest.mark.parametrize(
    ("options", "depths", "sums"),
    [
        ({}, [3, 3, 1, 3, 2, 2, 3, 2], [8, 7, 4]),
        ({"entry": "first"}, [3, 3, 1, 2, 2, 2, 3, 2], [8, 7, 3]),
        ({"order": "strict"}, [3, 1, 1, 3, 2, 2, 3, 2], [8, 6, 3]),
        ({"order": "any"}, [3, 3, 3, 3, 2, 2, 3, 2], [8, 8, 5]),
    ],
)
def test_the_table(options: dict[str, Any], depths: list[int], sums: list[int]) -> None:
    asked = rule(3, **options)
    outcome = run(lines(TABLE, "ABC"), asked)
    assert outcome.depth.tolist() == depths
    assert counts(outcome, asked) == sums


def test_a_step_twice_needs_two_events() -> None:
    asked = rule(2)
    told = lines(["A0", "A0 A5"], ["A", "A"])
    assert run(told, asked).depth.tolist() == [1, 2]


def test_strict_repeats_and_strangers() -> None:
    told = lines(["A0 A1 B2", "A0 X1 B2", "A5 X5 B6"], "AB")
    assert run(told, rule(2, order="strict")).depth.tolist() == [2, 1, 2]


def test_any_order_matches_truly() -> None:
    # D fills either step; taking it greedily for the first would leave A without a place.
    told = Timelines(
        np.zeros(2, dtype=np.int64),
        np.array([0, 1], dtype=np.int64),
        np.array([3, 1], dtype=np.uint64),
        np.zeros(2, dtype=np.uint64),
    )
    outcome = run(told, rule(2, order="any"))
    assert outcome.depth.tolist() == [2]
    assert outcome.alternatives.tolist() == [[1, 0]]


def test_within_the_tolerance_order_does_not_matter() -> None:
    told = lines(["B0 A0.02", "B0 A0.05"], "AB")
    outcome = run(told, rule(2, tolerance=2_000_000))
    assert outcome.depth.tolist() == [2, 1]
    assert outcome.times[0].tolist() == [1_200_000, 1_200_000]  # no time passes backwards


EXCLUDED = ("A0 X5 B10", "A0 B5", "A0 X5 A20 B25", "A0 X5")


@pytest.mark.parametrize("entry", ["latest", "first"])
@pytest.mark.parametrize(("mode", "sums"), [("drop_actor", [2, 2]), ("end_attempt", [4, 2])])
def test_exclusions(mode: Any, sums: list[int], entry: str) -> None:
    asked = rule(2, exclusions=(Exclusion(after=1, before=2, mode=mode),), entry=entry)
    outcome = run(lines(EXCLUDED, "AB", "X"), asked)
    assert counts(outcome, asked) == sums


def test_an_ended_attempt_needs_its_first_step_again() -> None:
    asked = rule(3, exclusions=(Exclusion(after=2, before=3),))
    told = lines(["A0 B5 X6 B7 C8", "A0 B5 X6 A7 B8 C9", "A0 X1 B5 C6"], "ABC", "X")
    assert run(told, asked).depth.tolist() == [2, 3, 3]


@pytest.mark.parametrize("order", ["ordered", "strict", "any"])
def test_who_is_hidden_by_exclusions_of_both_modes(order: Order) -> None:
    ends = Exclusion(after=1, before=2)
    hides = Exclusion(after=1, before=2, mode="drop_actor")
    asked = rule(2, order=order, exclusions=(ends, hides))
    # An attempt that was ended stays counted; one that was tainted stays hidden.
    told = lines(["A0 E2 X4", "A0 X2 E4", "A0 E2 A3 X4", "A0 X2 A3 E4"], "AB", "EX")
    assert run(told, asked).depth.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(("mode", "sums"), [("drop_actor", [1, 1]), ("end_attempt", [2, 1])])
def test_any_order_collects_anew_after_an_exclusion(mode: Any, sums: list[int]) -> None:
    asked = rule(2, order="any", exclusions=(Exclusion(after=1, before=2, mode=mode),))
    outcome = run(lines(["A0 X5 B10 A11", "B0 X5"], "AB", "X"), asked)
    assert counts(outcome, asked) == sums


def test_optional_steps() -> None:
    asked = rule((Step(), Step(optional=True), Step()))
    outcome = run(lines(["A0 B1 C2", "A0 C2", "A0 B1", "A0", "B0 C1"], "ABC"), asked)
    assert outcome.depth.tolist() == [2, 2, 1, 1, 0]
    sums = step_sums(outcome, asked)
    assert [step.count for step in sums] == [4, 2, 2]
    assert [step.step_conversion for step in sums] == [1.0, 0.5, 0.5]


def test_windows_between_steps() -> None:
    told = lines(["A0 B60 C120", "A0 B61", "A0 B10 B50 C100"], "ABC")
    assert run(told, rule(3, window_scope="step")).depth.tolist() == [3, 1, 3]
    assert run(told, rule(3)).depth.tolist() == [2, 1, 2]


def test_entries_of_the_range_are_followed_beyond_it() -> None:
    asked = rule(2, entry_from=10 * MINUTE, entry_to=20 * MINUTE, watermark=75 * MINUTE)
    told = lines(["A15 B70", "A15 B76", "A9 B11", "A20 B21", "A10", "A19"], "AB")
    outcome = run(told, asked)
    assert outcome.depth.tolist() == [2, 1, 0, 0, 1, 1]
    # 15 + 60 is the watermark: that window is over; 19 + 60 is not.
    assert outcome.state.tolist() == [1, 2, 0, 0, 2, 3]
    sums = step_sums(outcome, asked)
    assert sums[1].conversion == 1 / 4
    assert sums[1].matured_conversion == 1 / 3
    assert [(step.open, step.dropped) for step in sums] == [(1, 2), (0, 0)]


def test_trend_by_bucket_of_entry() -> None:
    day = 24 * 60 * MINUTE
    asked = rule(2, window=2 * day, entry_to=9 * day, watermark=9 * day)
    told = lines(["A1.2 B2.5", "A1.1 A2.2 B2.6", "A2.3"], "AB")
    told = told._replace(ts=told.ts * 24 * 60)
    edges = np.arange(10, dtype=np.int64) * day
    bucket, outcome = trend(told, asked, edges)
    sums = trend_sums(bucket, outcome, 9)
    assert sums.entered.tolist()[:4] == [0, 2, 2, 0]
    assert sums.converted.tolist()[:4] == [0, 2, 1, 0]
    assert sums.dropped.tolist()[:4] == [0, 0, 1, 0]


@pytest.mark.parametrize("order", ["ordered", "any"])
def test_nobody(order: Order) -> None:
    none = Timelines(
        np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint64)
    )
    asked = rule(2, order=order)
    outcome = run(none, asked)
    assert outcome.rows.shape == (0, 2)
    assert step_sums(outcome, asked)[1].conversion is None
    assert len(trend(none, asked, np.array([0, 1])).bucket) == 0


def test_many_events_of_one_instant() -> None:
    told = lines(["C0 " * 30 + "B0 " * 30 + "A0"], "ABC")
    assert run(told, rule(3)).depth.tolist() == [3]


def test_the_last_alternative_of_all() -> None:
    asked = rule((Step(alternatives=63), Step()))
    told = lines(["A0 B1"], "AB")._replace(hits=np.array([1 << 62, 1 << 63], dtype=np.uint64))
    assert run(told, asked).alternatives.tolist() == [[62, 63]]


def test_threads_and_one_thread_agree() -> None:
    told = lines(TABLE * 50, "ABC")
    one, many = run(told, rule(3)), run(told, rule(3), threads=3)
    assert [column.tolist() for column in one] == [column.tolist() for column in many]


@pytest.mark.parametrize("column", ["actor", "ts"])
def test_unsorted_timelines_are_no_answer(column: str) -> None:
    told = lines(["A0 B1", "A0 B1"], "AB")
    turned = told._replace(**{column: -getattr(told, column)})
    with pytest.raises(ValueError, match="not sorted"):
        run(turned, rule(2))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"steps": (Step(),)}, "steps"),
        ({"steps": (Step(),) * 21}, "steps"),
        ({"steps": (Step(alternatives=40),) * 2}, "steps"),
        ({"steps": (Step(alternatives=0), Step())}, "steps"),
        ({"steps": (Step(optional=True), Step())}, "steps"),
        ({"steps": (Step(), Step(optional=True))}, "steps"),
        ({"steps": (Step(), Step(optional=True), Step()), "order": "any"}, "steps"),
        ({"window": 0}, "window"),
        ({"window": 2**60}, "window"),
        ({"tolerance": -1}, "order_tolerance_ms"),
        ({"entry_to": 0}, "from"),
        ({"order": "any", "window_scope": "step"}, "window_scope"),
        ({"exclusions": (Exclusion(after=2, before=2),)}, "exclude"),
        ({"exclusions": (Exclusion(after=1, before=3),)}, "exclude"),
        ({"exclusions": (Exclusion(after=1, before=2),) * 21}, "exclude"),
        (
            {
                "steps": (Step(),) * 3,
                "order": "any",
                "exclusions": (Exclusion(after=1, before=2),),
            },
            "exclude",
        ),
    ],
)
def test_refusals_say_what_to_change(change: dict[str, Any], where: str) -> None:
    with pytest.raises(Rejected) as caught:
        run(lines(["A0"], "AB"), msgspec.structs.replace(rule(2), **change))
    assert caught.value.problem.where == where
    assert caught.value.problem.fix


def test_commands_do_not_load_the_compiler() -> None:
    names = "upwell.cli, upwell.metrics.funnel.run, upwell.metrics.funnel.split"
    script = f"import sys, {names}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
