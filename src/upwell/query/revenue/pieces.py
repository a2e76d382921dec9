"""MRR with closed months kept as they were (R15): pieces of the past, each as known at its close.

What two neighbouring pieces know differently of the days before the later one stands on that one's
first day, as a restatement: so MRR at any day is what was known of it, and rows still add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from upwell.period import Zone
from upwell.projection.book import FOREVER, Rows
from upwell.projection.closes import Close, standing
from upwell.query.revenue.part import (
    CAME,
    CHURN,
    GONE,
    NEW,
    REACTIVATION,
    RESTATEMENT,
    Part,
    Piece,
)
from upwell.query.revenue.sums import I64, firsts

BEGINNING = -(2**31)


def pieces_of(closes: Iterable[Close], zone: Zone, known_at: int | None) -> tuple[Piece, ...]:
    """The past in pieces, up to what is open; empty where no month is closed.

    `known_at` is the past time that is asked for (UTC micros), None for now.
    """
    found: list[Piece] = []
    day = BEGINNING
    for close in standing(closes, known_at):
        found.append(Piece(day, zone.opens(day) if found else 0, close.at))
        day = close.end
    return (*found, Piece(day, zone.opens(day), known_at)) if found else ()


def late(rows: Rows, pieces: Sequence[Piece]) -> NDArray[np.int32]:
    """The customers of whom something was learned of a piece's days after its close."""
    starts = [piece.day for piece in pieces]
    knows = [FOREVER if piece.known_at is None else piece.known_at for piece in pieces]
    known = np.array(knows, dtype=np.int64)[np.searchsorted(starts, rows.day, side="right") - 1]
    ends = rows.superseded_at
    after = (rows.recorded_at > known) | ((ends > known) & (ends < FOREVER))
    return np.unique(rows.person[after])


def adjusted(pieces: Sequence[Piece], known: Callable[[int | None], Part]) -> Part:
    """The rows of all pieces by group and time; `known` gives those known at an instant."""
    found: list[Part] = []
    before: Part | None = None
    for n, piece in enumerate(pieces):
        part = known(piece.known_at)
        if before is not None:
            found.append(_restatement(before, part, piece))
        own = part.day >= piece.day
        if n + 1 < len(pieces):
            own &= part.day < pieces[n + 1].day
        found.append(part.take(own))
        before = part
    whole = reduce(Part.joined, found)
    return whole.take(np.lexsort((whole.at, whole.group)))


def _restatement(before: Part, part: Part, piece: Piece) -> Part:
    """What became known between two parts of the days before a piece, booked on its first day."""
    both = _only(before, part, piece, -1).joined(_only(part, before, piece, 1))
    both = both.take(np.argsort(both.group, kind="stable"))
    both.head[:] = firsts(both.group)
    then, now = _there(before, piece.day), _there(part, piece.day)
    for kind, groups in ((CAME, np.setdiff1d(now, then)), (GONE, np.setdiff1d(then, now))):
        both.kind[both.head & np.isin(both.group, groups)] = kind
    return both


def _there(part: Part, day: int) -> I64:
    """The groups that pay at the opening of a day."""
    rows = np.flatnonzero(part.head & (part.day < day))
    kind, group = part.kind[rows], part.group[rows]
    change = np.isin(kind, (NEW, REACTIVATION)).astype(np.int64) - (kind == CHURN)
    names, own = np.unique(group, return_inverse=True)
    found: I64 = names[np.bincount(own, weights=change, minlength=len(names)) > 0]
    return found


def _only(part: Part, other: Part, piece: Piece, sign: int) -> Part:
    """The rows before a piece that only one of two parts has, on the piece's first day."""
    only = part.take((part.day < piece.day) & ~np.isin(part.place, other.place))
    return only._replace(
        day=np.full_like(only.day, piece.day),
        at=np.full_like(only.at, piece.at),
        delta=only.delta * sign,
        kind=np.full_like(only.kind, RESTATEMENT),
        head=np.zeros_like(only.head),
    )
