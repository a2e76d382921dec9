"""From levels to movements: new, expansion, contraction, churn, reactivation, at three grains (R5).

A movement row is the change of one line on one local day, with the kind of movement of its group
at each grain: the subscription, the customer in the product, the customer in the company. So a
bridge is a group-by, and splitting a bar by plan or country attributes what was classified already
(an expansion of 50 may be -100 of one plan and +150 of another).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.policy import MetricPolicy
from upwell.period import DAY_MICROS, MICROS

KINDS = ("none", "new", "expansion", "contraction", "churn", "reactivation")
NOTHING, NEW, EXPANSION, CONTRACTION, CHURN, REACTIVATION = range(6)

Ints = NDArray[np.int64]
Weights = Callable[[NDArray[np.int16], NDArray[np.int32]], NDArray[np.float64]]


class Steps(NamedTuple):
    """Levels as columns of one length, in any order; names are coded by whoever holds them."""

    person: NDArray[np.int32]
    line: NDArray[np.int32]
    subscription: NDArray[np.int32]
    product: NDArray[np.int16]
    currency: NDArray[np.int16]
    at: NDArray[np.int64]  # UTC microseconds
    day: NDArray[np.int32]  # local day of `at`
    amount: NDArray[np.int64]  # 1e-6 minor units a month, from `at` on
    cause: NDArray[np.uint8]  # index in causes.CAUSES
    state: NDArray[np.int32]
    alive: NDArray[np.bool_]


class Moves(NamedTuple):
    """Movement rows as columns of one length, by person, line and instant.

    `alive` is +1 where the line began, -1 where it ended, else 0. A row's kind at a grain is that
    of its group's whole movement, so the rows of an expansion may be negative.
    """

    person: NDArray[np.int32]
    line: NDArray[np.int32]
    subscription: NDArray[np.int32]
    product: NDArray[np.int16]
    currency: NDArray[np.int16]
    day: NDArray[np.int32]
    at: NDArray[np.int64]  # last instant of the change
    delta: NDArray[np.int64]  # 1e-6 minor units a month
    by_subscription: NDArray[np.uint8]  # index in KINDS
    by_product: NDArray[np.uint8]
    by_company: NDArray[np.uint8]
    cause: NDArray[np.uint8]
    state: NDArray[np.int32]
    alive: NDArray[np.int8]


def fold(steps: Steps, policy: MetricPolicy, weights: Weights | None = None) -> Moves:
    """The movement rows of whole persons; the order of the steps does not matter.

    `weights(currency, day)` gives what one minor unit of each is worth at constant rates: it
    decides between expansion and contraction where a customer pays in several currencies, and
    matters nowhere else. A day that comes back to where it was gives no row.
    """
    rows = _changes(steps, by_day=policy.granularity != "event_window")
    worth = worth_of(rows.person, rows.currency, rows.day, rows.delta, weights)
    if policy.ignore_same_month_roundtrip:
        kept = ~_came_and_went(rows, policy, worth)
        rows, worth = Moves._make(column[kept] for column in rows), worth[kept]
    person = rows.person.astype(np.int64)

    def kinds(group: Ints) -> NDArray[np.uint8]:
        return classify(
            group, rows.day, rows.delta, policy, at=rows.at, alive=rows.alive, worth=worth
        )

    return rows._replace(
        by_subscription=kinds(rows.subscription.astype(np.int64)),
        by_product=kinds(product_group(rows.person, rows.product)),
        by_company=kinds(person),
    )


def product_group(person: NDArray[np.int32], product: NDArray[np.int16]) -> Ints:
    """The group of each row at the grain customer x product."""
    return person.astype(np.int64) * (1 << 16) + product


def worth_of(
    person: NDArray[np.int32],
    currency: NDArray[np.int16],
    day: NDArray[np.int32],
    delta: Ints,
    weights: Weights | None,
) -> NDArray[np.float64] | Ints:
    """Deltas that may be compared within a customer: weighed where one has several currencies.

    Elsewhere they stay exact.
    """
    if weights is None or not len(delta):
        return delta
    order = np.argsort(person, kind="stable")
    starts = np.flatnonzero(begins(person[order]))
    lowest = np.minimum.reduceat(currency[order], starts)
    highest = np.maximum.reduceat(currency[order], starts)
    several = np.empty(len(delta), dtype=np.bool_)
    several[order] = np.repeat(lowest != highest, np.diff(np.append(starts, len(delta))))
    found = delta.astype(np.float64)
    found[several] *= weights(currency[several], day[several])
    return found


def classify(
    group: Ints,
    day: NDArray[np.int32],
    delta: Ints,
    policy: MetricPolicy,
    *,
    at: Ints | None = None,
    alive: NDArray[np.int8] | None = None,
    worth: NDArray[np.float64] | Ints | None = None,
) -> NDArray[np.uint8]:
    """The kind of movement of each row (index in KINDS), from the rows of its group alone.

    Rows in any order, but all of the chosen lines from the beginning on: whether a customer is new
    depends on what came before. `at` is needed for event windows, `alive` where the policy keeps
    customers at 0, `worth` (see `worth_of`) where a group has several currencies.
    """
    moved = movements(group, day, delta, policy, at=at, alive=alive, worth=worth)
    found = np.empty(len(delta), dtype=np.uint8)
    found[moved.order] = moved.kind[moved.of]
    return found


def roundtrips(steps: Steps) -> int:
    """How many days of customers began and ended at 0 with something between (no row tells)."""
    if not len(steps.at):
        return 0
    rows = _changes(steps, by_day=False)
    order = np.lexsort((rows.at, rows.person))
    person, day, delta = rows.person[order], rows.day[order], rows.delta[order]
    after = running(delta, begins(person))
    starts = np.flatnonzero(begins(person, day))
    ends = np.append(starts[1:], len(person)) - 1
    began = after[starts] - delta[starts]
    most = np.maximum.reduceat(after, starts)
    return int(np.sum((began == 0) & (after[ends] == 0) & (most > 0)))


def _changes(steps: Steps, by_day: bool) -> Moves:
    """Rows without kinds: one for each line and day that moved, or one for each step that did."""
    order = np.lexsort((steps.at, steps.line, steps.person))
    line, day, at = steps.line[order], steps.day[order], steps.at[order]
    person = steps.person[order]
    first = begins(person, line, day) if by_day else begins(person, line, at)
    starts = np.flatnonzero(first)
    last = np.append(starts[1:], len(order))[: len(starts)] - 1
    chosen = order[last]  # where a line's steps share a day (or an instant) the last one holds
    opens = begins(person[last], line[last])
    delta = _since(steps.amount[chosen], opens)
    alive = _since(steps.alive[chosen].astype(np.int64), opens)
    from_nothing = delta == steps.amount[chosen]
    cause = np.where(from_nothing, steps.cause[order[starts]], steps.cause[chosen])
    kept = (delta != 0) | (alive != 0)
    none = np.zeros(int(kept.sum()), dtype=np.uint8)
    chosen = chosen[kept]
    return Moves(
        person=steps.person[chosen],
        line=steps.line[chosen],
        subscription=steps.subscription[chosen],
        product=steps.product[chosen],
        currency=steps.currency[chosen],
        day=steps.day[chosen],
        at=steps.at[chosen],
        delta=delta[kept],
        by_subscription=none,
        by_product=none,
        by_company=none,
        cause=cause[kept].astype(np.uint8),
        state=steps.state[chosen],
        alive=alive[kept].astype(np.int8),
    )


class Movements(NamedTuple):
    """What one group did in one day, window or month: by group, and in it by time.

    `order` puts the rows that were given in this order, and `of` is the movement of each then.
    """

    group: Ints
    day: NDArray[np.int32]  # the first
    net: Ints  # in the currency shown, where `worth` was given
    kind: NDArray[np.uint8]
    order: NDArray[np.intp]
    of: NDArray[np.intp]


def movements(
    group: Ints,
    day: NDArray[np.int32],
    delta: Ints,
    policy: MetricPolicy,
    *,
    at: Ints | None = None,
    alive: NDArray[np.int8] | None = None,
    worth: NDArray[np.float64] | Ints | None = None,
) -> Movements:
    """The movements that the rows make up; arguments as for `classify`."""
    if not len(delta):
        empty = np.zeros(0, dtype=np.int64)
        none = empty.astype(np.intp)
        return Movements(empty, day, empty, empty.astype(np.uint8), none, none)
    instants = day.astype(np.int64) * DAY_MICROS if at is None else at
    order = np.lexsort((instants, day, group))
    groups, days = group[order], day[order]
    if policy.granularity == "event_window":
        first = _windows(groups, instants[order], policy.event_window_minutes)
    elif policy.granularity == "period_net":
        first = begins(groups, months(days))
    else:
        first = begins(groups, days)
    starts = np.flatnonzero(first)
    opens = begins(groups[starts])
    net = np.add.reduceat(delta[order], starts)
    lives = None
    if alive is not None and policy.zero_price == "active":
        lives = running(np.add.reduceat(alive[order].astype(np.int64), starts), opens)
    on = _is_on(running(net, opens), lives, opens)
    if worth is not None:
        net = np.rint(np.add.reduceat(worth[order], starts)).astype(np.int64)
    kinds = _kinds(on, net, opens, days[starts], policy.reactivation_days)
    return Movements(groups[starts], days[starts], net, kinds, order, np.cumsum(first) - 1)


def _is_on(value: Ints, lives: Ints | None, opens: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the group is a customer after each unit.

    With `lives` who has paid stays one at 0 until nothing is alive any more.
    """
    on = value > 0
    if lives is None:
        return on
    known = on | (lives <= 0) | opens
    filled: NDArray[np.bool_] = on[last_true(known)]
    return filled


def _kinds(
    on: NDArray[np.bool_],
    net: Ints,
    opens: NDArray[np.bool_],
    day: NDArray[np.int32],
    reactivation_days: int | None,
) -> NDArray[np.uint8]:
    was = np.append(False, on[:-1]) & ~opens
    churned = was & ~on
    left = last_true(churned)  # 0 where nobody has left yet: checked against the group's start
    returns = churned[left] & (left >= last_true(opens))
    if reactivation_days is not None:
        returns &= day - day[left] <= reactivation_days
    kinds = np.select(
        [on & ~was & returns, on & ~was, churned, on & (net > 0), on & (net < 0)],
        [REACTIVATION, NEW, CHURN, EXPANSION, CONTRACTION],
        NOTHING,
    )
    return kinds.astype(np.uint8)


def _came_and_went(
    rows: Moves, policy: MetricPolicy, worth: NDArray[np.float64] | Ints
) -> NDArray[np.bool_]:
    """Rows of customers between a beginning and an end in one month."""
    found = np.zeros(len(rows.delta), dtype=np.bool_)
    moved = movements(
        rows.person.astype(np.int64),
        rows.day,
        rows.delta,
        policy,
        at=rows.at,
        alive=rows.alive,
        worth=worth,
    )
    begun = last_true((moved.kind == NEW) | (moved.kind == REACTIVATION))
    month = months(moved.day)
    short = (moved.kind == CHURN) & (month == month[begun])
    edges = np.zeros(len(month) + 1, dtype=np.int64)
    edges[begun[short]] += 1
    edges[np.flatnonzero(short) + 1] -= 1
    found[moved.order] = (np.cumsum(edges)[:-1] > 0)[moved.of]
    return found


def months(day: NDArray[np.int32]) -> Ints:
    """Number of each day's month, from January 1970."""
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _windows(group: Ints, at: Ints, minutes: int) -> NDArray[np.bool_]:
    """Where a window opens: the first change of a group, or the first one after a window ended.

    A window may reach over midnight: its rows stay on their days, as one movement.
    """
    window = minutes * 60 * MICROS
    first = begins(group)
    first[1:] |= np.diff(at) > window  # whatever came before, it had ended
    segment = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    lasts = np.append(starts[1:], len(at)) - 1
    spans = at[lasts] - at[starts] + window + 1  # apart, so that no window reaches the next run
    place = (np.cumsum(spans) - spans - at[starts])[segment] + at
    follows = np.searchsorted(place, place + window, side="right")
    opens = starts
    while len(opens):
        first[opens] = True
        ahead = follows[opens]
        inside = ahead < len(at)
        ahead, opens = ahead[inside], opens[inside]
        opens = ahead[segment[ahead] == segment[opens]]
    return first


def begins(*columns: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where any of the columns differs from the row before; the first row does."""
    found = np.zeros(len(columns[0]), dtype=np.bool_)
    found[:1] = True
    for column in columns:
        found[1:] |= column[1:] != column[:-1]
    return found


def last_true(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Index of the last True at or before each place; 0 where there is none."""
    return np.maximum.accumulate(np.where(flags, np.arange(len(flags)), 0))


def running(values: Ints, opens: NDArray[np.bool_]) -> Ints:
    """Running sums that begin again wherever `opens` is True."""
    total = np.cumsum(values)
    return total - (total - values)[last_true(opens)]


def _since(values: Ints, opens: NDArray[np.bool_]) -> Ints:
    """Differences to the row before, or to 0 wherever `opens` is True."""
    earlier = np.append(np.zeros(1, dtype=values.dtype), values[:-1])[: len(values)]
    return values - np.where(opens, 0, earlier)
