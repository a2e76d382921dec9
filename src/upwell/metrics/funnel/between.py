"""What users did between two steps of a funnel: the other events on the links of its flow (P10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell.metrics.funnel.run import Outcome
from upwell.metrics.funnel.sums import Moves, moves
from upwell.metrics.revenue.ledger import begins

Ints = NDArray[np.int64]

OTHER = -1


class Everything(NamedTuple):
    """All events of the users of a funnel, sorted by user and time; `item` codes what each is.

    `place` says for each row of the funnel's timelines which of these events it is.
    """

    place: Ints
    ts: Ints
    item: Ints


class Passed(msgspec.Struct, frozen=True):
    """Users of a link who did an item between, and how often; OTHER gathers what came seldom."""

    item: int
    users: int
    times: int


class Between(msgspec.Struct, frozen=True):
    """One link, as (step, alternative) twice: what was done on it, and who did nothing else."""

    source: tuple[int, int]
    target: tuple[int, int]
    direct: int
    passed: tuple[Passed, ...]


def between(outcome: Outcome, every: Everything, top: int) -> tuple[Between, ...]:
    """What lies strictly between the times of both ends of each link: at most `top` items a link.

    Of a run of the same item one counts. Items are in the order of their users, then their times;
    what is beyond `top` is OTHER, in which each user counts once.
    """
    made = []
    for k in range(1, outcome.rows.shape[1]):
        made += list(_into(outcome, k, every, top))
    return tuple(made)


def passers(
    outcome: Outcome,
    every: Everything,
    top: int,
    link: tuple[tuple[int, int], tuple[int, int]],
    item: int | None,
) -> Ints:
    """The users of a link, as rows of the outcome, who did an item of `between`; None: no other."""
    k = link[1][0] - 1
    gone = moves(outcome, k)
    move, done = _inside(outcome, k, gone, every)
    for source, target, mine in gone.links(k):
        if (source, target) != link:
            continue
        own = mine[move]
        if item is None:
            alone = mine.copy()
            alone[move[own]] = False
            return gone.users[alone]
        ranks = _ranks(move[own], done[own])
        wanted = ranks.items[ranks.order[top:]] if item == OTHER else [item]
        return gone.users[np.unique(move[own][np.isin(done[own], wanted)])]
    return np.zeros(0, dtype=np.int64)


def _into(outcome: Outcome, k: int, every: Everything, top: int) -> Iterator[Between]:
    gone = moves(outcome, k)
    move, item = _inside(outcome, k, gone, every)
    for source, target, mine in gone.links(k):
        own = mine[move]
        yield Between(
            source=source,
            target=target,
            direct=int(mine.sum()) - len(np.unique(move[own])),
            passed=tuple(_passed(move[own], item[own], top)),
        )


def _inside(outcome: Outcome, k: int, gone: Moves, every: Everything) -> tuple[Ints, Ints]:
    """Of all events between, runs made one: on whose move each is, and its item."""
    users, came = gone.users, gone.came
    low = every.place[outcome.rows[users, came]] + 1
    high = every.place[outcome.rows[users, k]]
    length = np.maximum(high - low, 0)  # within the tolerance the later step may stand first
    move = np.repeat(np.arange(len(users)), length)
    place = np.arange(len(move)) + np.repeat(low - np.cumsum(length) + length, length)
    since, until = outcome.times[users, came], outcome.times[users, k]
    inside = (every.ts[place] > since[move]) & (every.ts[place] < until[move])
    move, item = move[inside], every.item[place[inside]]
    fresh = begins(move, item)
    return move[fresh], item[fresh]


class _Ranks(NamedTuple):
    """Items with their users and times, and the places of these by users, the most first."""

    items: Ints
    users: Ints
    times: Ints
    order: Ints


def _ranks(move: Ints, item: Ints) -> _Ranks:
    items, code = np.unique(item, return_inverse=True)
    many = len(items)
    times = np.bincount(code, minlength=many)
    users = np.bincount(np.unique(move * max(1, many) + code) % max(1, many), minlength=many)
    return _Ranks(items, users, times, np.lexsort((items, -times, -users)))


def _passed(move: Ints, item: Ints, top: int) -> Iterator[Passed]:
    """Items by users, the most first, and what is beyond `top`; a user is on a link once."""
    items, users, times, order = _ranks(move, item)
    for place in order[:top].tolist():
        yield Passed(int(items[place]), int(users[place]), int(times[place]))
    if len(beyond := order[top:]):
        others = len(np.unique(move[np.isin(item, items[beyond])]))
        yield Passed(OTHER, others, int(times[beyond].sum()))
