"""Retention from a question: who began when, who came back, the table and its means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell import money
from upwell.metrics import retention as engine
from upwell.metrics.engagement import distinct
from upwell.metrics.retention import Frame, Returns, Starts
from upwell.metrics.revenue.ledger import begins
from upwell.money import Rates
from upwell.query.question import Unconverted
from upwell.query.usage import frames, shapes
from upwell.query.usage.amounts import amounts
from upwell.query.usage.asked import Doing, PartAsked, RetentionAsked
from upwell.query.usage.frames import refuse
from upwell.query.usage.ground import Ground
from upwell.query.usage.walk import Walk, Walks, walk
from upwell.warehouse.slices import CURRENCY, VALUE
from upwell.warehouse.timelines import Timelines

I64 = NDArray[np.int64]


class Table(NamedTuple):
    """What the engine takes: who began and came back, the cells, and the values of a breakdown.

    `keys` are by code; `other` is the code that gathers the rarest values, if there is one.
    """

    starts: Starts
    returns: Returns
    frame: Frame
    keys: list[str | None]
    other: int | None
    unconverted: dict[str, int]  # nano-units by currency


def read(asked: RetentionAsked, of: Ground, lines: Timelines, rates: Callable[[], Rates]) -> Table:
    """The events of the question, as the engine takes them."""
    frame = frames.frame_of(asked, of)
    calendar, exact = of.calendar(asked.grain), asked.buckets == "exact_24h"
    last = frame.first + len(frame.reach) - 1
    beyond = int(frame.ends[-1]) + 1
    until = calendar.opens(last + beyond)
    if exact:
        until = of.closes + beyond * frame.width
    if asked.counting == "on_or_after":  # also beyond the last column
        until = of.now + 1
    worth = asked.measure == "revenue"
    back = walk(
        of,
        lines,
        asked.back.alternatives(),
        asked.where,
        (of.opens, min(until, of.now + 1)),
        properties=(VALUE, CURRENCY) if worth else (),
    )
    early = calendar.at(of.opens)
    edges = frames.edges(asked, calendar, early, min(until, of.now + 1))
    began, begun, returns, lost = _begin(asked, of, lines), [], [], dict[str, int]()
    values = list[str]()
    for share in back.shares():
        starts, values = _began(asked, of, began.take(share))
        begun.append(starts)
        if edges is not None:
            who, at = back.buckets(edges, share)
            returns.append(Returns(who, at + early))
            continue
        own, missing = _returned(asked, of, back.take(share), frame, rates)
        returns.append(own)
        for currency, amount in missing.items():
            lost[currency] = lost.get(currency, 0) + amount
    starts, keys, other = Starts(*_joined(begun)), list[str | None]([None]), None
    if asked.by is not None:
        starts, keys, other = _shown(starts, values, asked.top)
    who, at, *brought = _joined([one if worth else one[:2] for one in returns])
    return Table(starts, Returns(who, at, *brought), frame, keys, other, lost)


def _joined(parts: Sequence[Sequence[I64 | None]]) -> list[I64]:
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _returned(
    asked: RetentionAsked, of: Ground, back: Walk, frame: Frame, rates: Callable[[], Rates]
) -> tuple[Returns, dict[str, int]]:
    """Who came back when, and with how much; and the money that has no rate."""
    rows = np.flatnonzero(back.does_any(asked.back.alternatives()))
    exact = asked.buckets == "exact_24h"
    who, ts = back.found.person[rows], back.found.ts[rows]
    at = ts if exact else of.calendar(asked.grain).of(ts)
    if asked.measure == "revenue":
        amount, lost = amounts(back, rows, of, rates())
        return Returns(who, at, amount), lost
    # How often somebody came matters only where it is asked for.
    return Returns(who, at) if frame.at_least > 1 else Returns(*distinct(who, at)), {}


def _plain(asked: RetentionAsked) -> list[Doing]:
    """What begins it: for the first time ever whatever its properties."""
    doings = asked.begin.alternatives()
    if asked.cohort != "first_ever":
        return list(doings)
    return [msgspec.structs.replace(doing, where={}) for doing in doings]


def _begin(asked: RetentionAsked, of: Ground, lines: Timelines) -> Walks:
    """The events that may begin it: of all time, where the first counts."""
    return walk(
        of,
        lines,
        _plain(asked),
        asked.where,
        (of.opens if asked.cohort == "recurring" else 0, min(of.closes, of.now + 1)),
        properties=(
            asked.by,
            *(name for doing in asked.begin.alternatives() for name in doing.where),
        ),
        filtered=asked.cohort != "first_ever",
    )


def _began(asked: RetentionAsked, of: Ground, found: Walk) -> tuple[Starts, list[str]]:
    """Who began in range, and the values of the breakdown; codes count them from 1, 0: none."""
    ever, recurring = asked.cohort == "first_ever", asked.cohort == "recurring"
    rows = np.flatnonzero(found.does_any(_plain(asked)))
    matches = _matches(found, asked.begin.alternatives(), asked)[rows] if ever else None
    person, ts = found.found.person[rows], found.found.ts[rows]
    code, values = np.zeros(len(rows), dtype=np.int64), list[str]()
    if asked.by is not None:
        own, values = found.values(asked.by)
        code = own[rows].astype(np.int64) + 1
    bucket = of.calendar(asked.grain).of(ts)
    # The origin stands for the row until it is known which rows count.
    made = engine.began(asked.cohort, Starts(person, bucket, np.arange(len(rows)), code), matches)
    at = made.origin[ts[made.origin] >= of.opens]
    if recurring:
        at = _once(person, bucket, code, at)
    origin = ts[at] if asked.buckets == "exact_24h" else bucket[at]
    return Starts(person[at], bucket[at], origin, code[at]), values


def _matches(found: Walk, doings: tuple[Doing, ...], asked: RetentionAsked) -> NDArray[np.bool_]:
    """Which of the events are as asked, the filters included."""
    return found.does_any(doings) & found.passes(asked.where)


def _once(person: I64, bucket: I64, code: I64, at: I64) -> I64:
    """Of rows in order, the first of each person, bucket and value."""
    order = np.lexsort((at, code[at], bucket[at], person[at]))
    first = begins(person[at][order], bucket[at][order], code[at][order])
    return np.sort(at[order[first]])


def _shown(
    starts: Starts, values: list[str], top: int
) -> tuple[Starts, list[str | None], int | None]:
    """The starts with values numbered by how many began with them; the rarest are one."""
    counts = np.bincount(starts.code, minlength=len(values) + 1)  # the first: no value
    ranked = np.argsort(-counts, kind="stable")
    ranked = ranked[counts[ranked] > 0]
    shown, beyond = ranked[:top], ranked[top:]
    table = np.zeros(len(counts), dtype=np.int64)
    table[shown] = np.arange(len(shown))
    table[beyond] = len(shown)
    keys: list[str | None] = [None if place == 0 else values[place - 1] for place in shown]
    other = len(shown) if len(beyond) else None
    coded = starts._replace(code=table[starts.code])
    return coded, [*keys, None] if len(beyond) else keys, other


def answer(asked: RetentionAsked, of: Ground, table: Table) -> shapes.RetentionAnswer:
    """The whole answer; of a breakdown every value's table beside that of all."""
    together = table.starts
    if asked.by is not None and asked.cohort == "recurring":
        at = _once(
            together.actor,
            together.bucket,
            np.zeros_like(together.code),
            np.arange(len(together.actor)),
        )
        together = Starts(*(column[at] for column in together))
    together = together._replace(code=np.zeros_like(together.code))
    found = engine.retention(together, table.returns, table.frame, asked.counting)
    parts = tuple[shapes.RetentionPart, ...]()
    if asked.by is not None:
        apart = engine.retention(
            table.starts, table.returns, table.frame, asked.counting, max(1, len(table.keys))
        )
        parts = tuple(
            shapes.RetentionPart(
                key=key,
                other=code == table.other,
                cohorts=_cohorts(asked, of, apart, code),
                mean=_means(asked, apart, code),
            )
            for code, key in enumerate(table.keys)
        )
    return shapes.RetentionAnswer(
        cohorts=_cohorts(asked, of, found, 0),
        mean=_means(asked, found, 0),
        columns=frames.labels(table.frame),
        parts=parts,
        currency=of.currency if asked.measure == "revenue" else None,
        unconverted=tuple(
            Unconverted(currency=currency, total=money.major(amount, currency))
            for currency, amount in sorted(table.unconverted.items())
        ),
        rule=frames.words(asked),
        position="",
    )


def _cohorts(
    asked: RetentionAsked, of: Ground, found: engine.Retention, code: int
) -> tuple[shapes.UseCohort, ...]:
    calendar, worth = of.calendar(asked.grain), asked.measure == "revenue"
    return tuple(
        shapes.UseCohort(
            start=calendar.label(found.first + place),
            size=int(found.sizes[code, place]),
            values=tuple(
                money.major(value, of.currency) if worth and value is not None else value
                for value in row
            ),
            shares=tuple(None if math.isnan(share) else share for share in shares),
        )
        for place, (row, shares) in enumerate(
            zip(found.rows(code), found.shares(code, asked.reference).tolist(), strict=True)
        )
    )


def _means(asked: RetentionAsked, found: engine.Retention, code: int) -> tuple[float | None, ...]:
    return tuple(
        None if mean is None else float(mean) for mean in found.means(code, asked.reference)
    )


def people(
    asked: RetentionAsked,
    of: Ground,
    table: Table,
    cell: tuple[str, int, bool],
    part: PartAsked | None = None,
) -> I64:
    """The people of a cell, by the cohort's start, the column, and whether they came back.

    Those who brought money count as having come back, whatever it was.
    """
    start, k, stayed = cell
    cohort, frame = of.calendar(asked.grain).read(start), table.frame
    if not 0 <= cohort - frame.first < len(frame.reach):
        raise refuse("of", f"No cohort of the question begins on {start}.", "Take one of it.")
    reach = frame.reach[cohort - frame.first]
    if not 0 <= k < frame.columns or (k > 0 and frame.ends[k] > reach):
        raise refuse(
            "of", f"Column {k} of that cohort is not known.", "Take a column that has a number."
        )
    starts = table.starts
    if part is None:
        starts = starts._replace(code=np.zeros_like(starts.code))
    code = 0 if part is None else _code(table, part)
    found = engine.people(
        starts, table.returns, frame, cohort, k, asked.counting, stayed=stayed, code=code
    )
    return np.unique(found)


def _code(table: Table, part: PartAsked) -> int:
    for code, key in enumerate(table.keys):
        if (key, code == table.other) == (part.key, part.other):
            return code
    raise refuse("of", f"No part of the table is '{part.key}'.", "Send one as the answer wrote it.")
