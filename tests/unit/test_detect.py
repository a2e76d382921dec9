from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.detect import (
    HISTORY,
    LIMIT,
    Limits,
    by_now,
    so_far,
    surprise,
    weights,
    zscore_30,
)

counts = st.lists(st.integers(0, 500), min_size=HISTORY, max_size=HISTORY)
amounts = st.lists(
    st.floats(1, 1e6, allow_nan=False), min_size=HISTORY, max_size=HISTORY, unique=True
)


# --- whole days: the named baseline -----------------------------------------------------------


def test_a_moving_metric_has_the_founding_z() -> None:
    days = [100.0 + 20 * (day % 3 - 1) for day in range(30)]  # mean 100, std 16.609
    found = zscore_30(days, 150.0, kind="count", direction="down")
    assert found.z == pytest.approx(50 / 16.6091, rel=1e-4)
    assert found.severity == "medium"
    assert zscore_30(days, 160.0, kind="count", direction="down").severity == "high"
    assert zscore_30(days, 140.0, kind="count", direction="down").severity is None


@pytest.mark.parametrize(
    ("constant", "value", "severity"),
    [(0, 1, None), (0, 2, "medium"), (0, 10, "high"), (5, 7, None), (5, 20, "high")],
)
def test_a_count_that_never_moved_alarms_when_it_does(
    constant: int, value: int, severity: str | None
) -> None:
    assert zscore_30([constant] * 30, value, kind="count", direction="down").severity == severity


def test_an_amount_that_never_moved_alarms_when_it_does() -> None:
    assert zscore_30([99.0] * 30, 50.0, kind="amount", direction="up").severity == "high"
    assert zscore_30([0.0] * 30, -3.0, kind="amount", direction="up").z == -LIMIT


@pytest.mark.parametrize(
    ("direction", "value", "alarms"),
    [("down", 90, True), ("down", 0, False), ("up", 0, True), ("up", 90, False)],
)
def test_only_the_bad_side_alarms(direction: str, value: int, alarms: bool) -> None:
    days = [40 + 3 * (day % 5) for day in range(30)]
    found = zscore_30(days, value, kind="count", direction=direction)  # type: ignore[arg-type]
    assert (found.severity is not None) is alarms
    neutral = zscore_30(days, value, kind="count", direction="none")
    assert neutral.severity is not None


def test_silent_before_thirty_known_days() -> None:
    short = zscore_30([5.0] * 29, 500, kind="count", direction="down")
    assert not short.enough
    assert short.severity is None
    assert short.reason == "needs 30 days of history, has 29"
    holes = [5.0] * 29 + [None, math.nan, math.inf]
    assert not zscore_30(holes, 500, kind="count", direction="down").enough


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_an_unknown_value_is_no_news(value: float | None) -> None:
    found = zscore_30([5.0] * 30, value, kind="count", direction="down")
    assert found.severity is None
    assert found.mean is None


@given(counts, st.integers(0, 2000), st.randoms())
def test_the_order_of_the_thirty_days_does_not_matter(
    days: list[int], value: int, random: object
) -> None:
    shuffled = list(days)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = zscore_30(days, value, kind="count", direction="down")
    other = zscore_30(shuffled, value, kind="count", direction="down")
    assert one.severity == other.severity
    assert one.z == pytest.approx(other.z)


@given(amounts, st.floats(1, 1e7), st.floats(1e-3, 1e3))
def test_amounts_do_not_depend_on_the_currency_unit(
    days: list[float], value: float, scale: float
) -> None:
    one = zscore_30(days, value, kind="amount", direction="none")
    other = zscore_30([day * scale for day in days], value * scale, kind="amount", direction="none")
    assert one.z == pytest.approx(other.z, rel=1e-6, abs=1e-6)


@given(st.integers(0, 100_000), st.sampled_from(["count", "amount"]))
def test_a_constant_never_alarms(level: int, kind: str) -> None:
    days = [float(level)] * 30
    found = zscore_30(days, float(level), kind=kind, direction="none")  # type: ignore[arg-type]
    assert (found.z, found.severity) == (0.0, None)


@given(counts, st.integers(0, 2000))
def test_an_alarm_is_outside_the_range_shown(days: list[int], value: int) -> None:
    found = zscore_30(days, value, kind="count", direction="none")
    assert found.low is not None
    assert found.high is not None
    if found.severity is not None:
        assert value > found.high or value < found.low
    else:
        assert found.low - 1e-6 <= value <= found.high + 1e-6


# --- a day in progress ------------------------------------------------------------------------

CURVE = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 0, 0]  # 20 a day


def by(elapsed: float, days: int = 56) -> dict[int, float]:
    """What had come in by then on each of the days, all like CURVE."""
    return dict(enumerate(by_now(np.array([CURVE] * days, dtype=np.float64), elapsed).tolist()))


def at(elapsed: float, value: float, day: int = 56) -> str | None:
    return so_far(by(elapsed), day, value, kind="count", direction="down").severity


def test_the_hour_in_progress_counts_in_part() -> None:
    day = np.zeros((1, 24))
    day[0, 9:12] = (4, 8, 99)
    assert by_now(day, 10.25).tolist() == [6.0]
    assert by_now(day, 0.0).tolist() == [0.0]
    assert by_now(day, 24.0).tolist() == [111.0]


def test_a_morning_is_not_compared_with_whole_days() -> None:
    quiet = {hour: at(hour, float(sum(CURVE[:hour]))) for hour in range(25)}
    assert set(quiet.values()) == {None}  # nothing wrong, at any hour
    # ... where the founding rule alarms: 0 so far against 20 a day
    assert zscore_30([20.0] * 30, 0.0, kind="count", direction="none").severity == "high"


def test_a_burst_is_seen_in_the_hour_it_happens() -> None:
    assert at(9.0, 4.0) is None  # the usual four by nine
    assert at(9.0, 14.0) == "medium"
    assert at(9.0, 20.0) == "high"
    assert at(24.0, 24.0) is None  # the same by midnight is a usual day


def test_silence_is_seen_while_the_day_is_still_running() -> None:
    earlier = by(15.0)
    revenue = so_far(earlier, 56, 2.0, kind="count", direction="up")
    assert revenue.severity is not None
    assert revenue.reason == "below what was expected"
    assert so_far(by(6.5), 56, 0, kind="count", direction="up").z == 0


def test_a_count_that_never_came_alarms_when_it_does() -> None:
    earlier = dict.fromkeys(range(56), 0.0)
    assert so_far(earlier, 56, 1, kind="count", direction="down").severity is None
    assert so_far(earlier, 56, 9, kind="count", direction="down").severity == "high"


def test_mondays_are_compared_with_mondays() -> None:
    busy = {day: 100.0 if day % 7 == 0 else 10.0 for day in range(56)}
    assert so_far(busy, 56, 100, kind="count", direction="none").severity is None
    assert so_far(busy, 57, 100, kind="count", direction="down").severity == "high"
    assert so_far(busy, 56, 10, kind="count", direction="up").severity == "high"


def test_silent_before_thirty_days_and_never_from_the_future() -> None:
    young = dict.fromkeys(range(29), 5.0)
    assert not so_far(young, 29, 90, kind="count", direction="down").enough
    later = young | dict.fromkeys(range(30, 90), 5.0)
    assert not so_far(later, 29, 90, kind="count", direction="down").enough
    assert so_far(dict.fromkeys(range(30), 5.0), 30, 90, kind="count", direction="down").enough


def test_yesterdays_catastrophe_does_not_hide_the_next_one() -> None:
    spoiled = dict.fromkeys(range(56), 8.0) | {49: 200.0}
    found = so_far(spoiled, 56, 60, kind="count", direction="down")
    assert found.severity == "high"
    assert weights(spoiled, 56, "count")[49] < 0.15


@given(st.dictionaries(st.integers(0, 55), st.integers(0, 300), min_size=40), st.integers(0, 900))
def test_so_far_does_not_depend_on_order_and_shows_its_range(
    earlier: dict[int, int], value: int
) -> None:
    one = so_far(earlier, 56, value, kind="count", direction="none")
    backwards = dict(sorted(earlier.items(), reverse=True))
    assert so_far(backwards, 56, value, kind="count", direction="none") == one
    if one.enough and one.low is not None and one.high is not None:
        assert (one.severity is not None) is not (one.low <= value <= one.high)


@given(
    st.dictionaries(st.integers(0, 55), st.floats(10, 1e5), min_size=40),
    st.floats(0, 1e6),
    st.floats(1e-3, 1e3),
)
def test_so_far_of_amounts_does_not_depend_on_the_unit(
    earlier: dict[int, float], value: float, scale: float
) -> None:
    one = so_far(earlier, 56, value, kind="amount", direction="none")
    scaled = {day: v * scale for day, v in earlier.items()}
    other = so_far(scaled, 56, value * scale, kind="amount", direction="none")
    assert one.z == pytest.approx(other.z, rel=1e-5, abs=1e-5)


@given(
    st.dictionaries(
        st.integers(0, 55), st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=40
    )
)
def test_what_was_expected_of_the_parts_adds_to_the_whole(
    parts: dict[int, tuple[int, int]],
) -> None:
    total: dict[int, float | None] = {day: float(a + b) for day, (a, b) in parts.items()}
    whole = so_far(total, 56, 3, kind="count", direction="down")
    if whole.mean is None:
        return
    weight = weights(total, 56, "count")
    assert math.fsum(weight.values()) == pytest.approx(1)
    assert sum((parts[d][0] + parts[d][1]) * w for d, w in weight.items()) == pytest.approx(
        whole.mean
    )


def test_limits_can_be_set() -> None:
    days = [100.0 + 20 * (day % 3 - 1) for day in range(30)]
    strict = Limits(medium=4, high=5)
    assert zscore_30(days, 150.0, kind="count", direction="down", limits=strict).severity is None


@pytest.mark.parametrize("mean", [0.1, 0.5, 2, 8, 40])
def test_a_surprise_is_about_the_exact_poisson_tail(mean: float) -> None:
    tail = 1.0
    for count in range(200):
        if 1e-9 < tail < 0.05:
            exact = -NormalDist().inv_cdf(tail)
            assert exact - 0.5 < surprise(count, mean) < exact + 0.2
        tail -= math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
