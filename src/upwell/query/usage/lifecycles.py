"""Lifecycle and stickiness from a question: from kept gaps, days of activity, or timelines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected
from upwell.metrics import engagement as engine
from upwell.metrics.engagement import Kind, Pairs
from upwell.period import first_of_number, numbers
from upwell.query import scan
from upwell.query.once import once
from upwell.query.usage import shapes
from upwell.query.usage.asked import ActivityAsked, Doing, LifecycleAsked, StickinessAsked
from upwell.query.usage.ground import Ground
from upwell.query.usage.walk import walk
from upwell.warehouse.order import by_person
from upwell.warehouse.timelines import Timelines

I64 = NDArray[np.int64]

ACTIVE = "active"
MOST = {"day": 3_700}  # buckets, by grain; others are as few as the days they are made of
STICKY = 400
MOST_TIMES = 1_000  # events in a bucket


def lifecycle(asked: LifecycleAsked, of: Ground, lines: Timelines) -> shapes.LifecycleAnswer:
    """New, returning, resurrecting and dormant people of each bucket."""
    first, end, last = span(asked, of)
    counts = _kept(asked, of, first, end)
    if counts is None:
        gaps = engine.gaps_of(_pairs(asked, of, lines, (0, end)))
        counts = engine.within(engine.turnout(gaps), first - 1, end)
    found, calendar = engine.lifecycle_of(counts, first, last), of.calendar(asked.grain)
    columns = (column.tolist() for column in found)
    return shapes.LifecycleAnswer(
        points=tuple(
            _point(calendar.label(number), row, hidden=not row[4] and of.waits(opens))
            for number, row in enumerate(zip(*columns, strict=True), first)
            for opens in [calendar.opens(number)]
        ),
        rule=_words(asked) + " New is the first time ever; who goes quiet counts once, in the"
        f" first {asked.grain} without activity.",
        position="",
    )


def _point(
    start: str, row: tuple[int, int, int, int, int, bool], *, hidden: bool
) -> shapes.LifecyclePoint:
    """One bucket as it is answered."""
    *counts, complete = row
    new, returning, resurrecting, dormant, active = [None] * 5 if hidden else counts
    return shapes.LifecyclePoint(
        start=start,
        new=new,
        returning=returning,
        resurrecting=resurrecting,
        dormant=dormant,
        active=active,
        complete=complete,
    )


def lifecycle_people(
    asked: LifecycleAsked,
    of: Ground,
    lines: Timelines,
    bar: tuple[Kind, str],
) -> I64:
    """The people of one bar: its kind, and the start of its bucket."""
    kind, start = bar
    first, end, _ = span(asked, of)
    bucket = of.calendar(asked.grain).read(start)
    if not first <= bucket < end:
        raise Rejected(
            "bad_bucket",
            f"{start} is no {asked.grain} of the question.",
            fix="Send the start of a point of its answer.",
            where="of",
        )
    pairs = _pairs(asked, of, lines, (0, bucket + 1), near=bucket - 1)
    return engine.lifecycle_people(pairs, kind, bucket)


def stickiness(asked: StickinessAsked, of: Ground, lines: Timelines) -> shapes.StickinessAnswer:
    """In how many buckets of the range people were active."""
    first, end, last = _sticky(asked, of)
    found = engine.stickiness(_pairs(asked, of, lines, (first, end)), first, end)
    mean, share, calendar = found.mean_active(), found.share(), of.calendar(asked.grain)
    return shapes.StickinessAnswer(
        exact=tuple(found.exact.tolist()),
        cumulative=tuple(found.cumulative.tolist()),
        active=tuple(
            users or (None if of.waits(calendar.opens(number)) else 0)
            for number, users in enumerate(found.active.tolist(), first)
        ),
        complete=max(0, min(last + 1, end) - first),
        people=found.people,
        mean_active=None if mean is None else float(mean),
        share=None if share is None else float(share),
        rule=_words(asked),
        position="",
    )


def sticky_people(
    asked: StickinessAsked,
    of: Ground,
    lines: Timelines,
    bar: tuple[int, bool],
) -> I64:
    """The people active in so many buckets, or (the second) in so many or more."""
    first, end, _ = _sticky(asked, of)
    pairs = _pairs(asked, of, lines, (first, end))
    return engine.sticky_people(pairs, first, end, bar[0], or_more=bar[1])


def span(asked: ActivityAsked, of: Ground) -> tuple[int, int, int]:
    """The first bucket, the one after the last begun, and the last of which all is here."""
    calendar = of.calendar(asked.grain)
    first, now = calendar.at(of.opens), calendar.at(of.now)
    end = min(calendar.at(of.closes - 1), now) + 1
    if end - first > MOST.get(asked.grain, 37_000):
        raise _too_long(end - first, asked.grain, MOST["day"])
    return first, end, calendar.at(of.here) - 1


def _sticky(asked: StickinessAsked, of: Ground) -> tuple[int, int, int]:
    first, end, last = span(asked, of)
    if end - first > STICKY:
        raise _too_long(end - first, asked.grain, STICKY)
    if not 1 <= asked.at_least <= MOST_TIMES:
        raise Rejected(
            "bad_stickiness",
            f"{asked.at_least:,} events are no rule for what counts as active.",
            fix=f"Ask for 1 to {MOST_TIMES:,}.",
            where="at_least",
        )
    return first, end, last


def _too_long(found: int, grain: str, most: int) -> Rejected:
    return Rejected(
        "long_range",
        f"{found:,} buckets by {grain} are too many.",
        fix=f"Ask for at most {most:,}, or for a coarser grain.",
        where="grain",
    )


def _kept(asked: ActivityAsked, of: Ground, first: int, end: int) -> I64 | None:
    """What is kept of all activity by bucket, from the one before `first` on.

    None where that does not answer: for one event, or some of the people.
    """
    if asked.walked or of.only is not None:
        return None
    way = once(of.projection, of.products, ACTIVE)
    with of.projection.sums.lock:
        return way.turnout(asked.grain, of.week_start, first - 1, end)


def _pairs(
    asked: ActivityAsked,
    of: Ground,
    lines: Timelines,
    within: tuple[int, int],
    near: int | None = None,
) -> Pairs:
    """Who was active in which of the buckets [within); not before `near` apart from each other.

    What lies before the bucket `near` is put together in the one before it, where only whether
    there was something matters.
    """
    if asked.walked:
        return _walked(asked, of, lines, within)
    first, end = (
        max(0, first_of_number(number, asked.grain, of.week_start)) if number else 0
        for number in within
    )
    day, bound = "day", list[int]()
    if near is not None:
        day, bound = "greatest(day, ?)", [first_of_number(near, asked.grain, of.week_start) - 1]
    db = of.projection.reader()
    with scan.bounded(db):
        rows = db.sql(
            f"""select actor, {day} as day from actor_days where members = ? and day >= ?
            and day < ? and product in (select unnest(?::varchar[])) group by all""",
            params=[*bound, ACTIVE, first, end, list(of.products)],
        ).to_arrow_table()
    person = of.person[rows["actor"].to_numpy()]
    days = rows["day"].to_numpy().astype(np.int64)
    return _sorted(of, person, numbers(days, asked.grain, of.week_start))


def _walked(
    asked: ActivityAsked,
    of: Ground,
    lines: Timelines,
    within: tuple[int, int],
) -> Pairs:
    """The same from the events themselves."""
    calendar = of.calendar(asked.grain)
    doings = [Doing(event=asked.event)] if asked.event else active(of)
    opens = calendar.opens(within[0]) if within[0] else 0
    found = walk(
        of, lines, doings, asked.where, (opens, min(calendar.opens(within[1]), of.now + 1))
    )
    at_least = asked.at_least if isinstance(asked, StickinessAsked) else 1
    made = []
    for part in found:
        rows = np.flatnonzero(part.does_any(doings))
        bucket = calendar.of(part.found.ts[rows])
        made.append(engine.distinct(part.found.person[rows], bucket, at_least))
    return Pairs(*map(np.concatenate, zip(*made, strict=True)))


def active(of: Ground) -> list[Doing]:
    """What counts as active in each product."""
    return [
        Doing(event=kind, product=product)
        for product in of.products
        for kind in sorted(of.projection.ground.members(ACTIVE, product))
    ]


def _sorted(of: Ground, person: I64, bucket: I64) -> Pairs:
    if of.only is not None:
        kept = of.among(person)
        person, bucket = person[kept], bucket[kept]
    order = by_person(person, bucket)
    return engine.distinct(person[order], bucket[order])


def _words(asked: ActivityAsked) -> str:
    what = f"with the event '{asked.event}'" if asked.event else "with any activity"
    times = ""
    if isinstance(asked, StickinessAsked) and asked.at_least > 1:
        times = f" {asked.at_least} times or more"
    return f"Users {what}{times} in a {asked.grain}."
