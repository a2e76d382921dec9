"""What a watched question shows, and what must move on it when events arrive. Pure.

The picture of a question is the answer that was last sent. A commit touches some (product, type,
day); from these follow the points that may differ (`span_touched`), the smaller question that asks
only for them (`narrowed`), the whole answer with the new points in place (`spliced`), and what has
to be sent (`difference`).
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from upwell.event import Change
from upwell.metrics.catalog import (
    Cohort,
    Latest,
    Ledger,
    Metric,
    Net,
    Ratio,
    Sessions,
    Sum,
    Trailing,
)
from upwell.money import major, nanos
from upwell.period import to_date, to_day
from upwell.query import Answer, Point, Question, Series, Value

Touches = dict[str, dict[str, set[int]]]
"""Days by event type and product."""

EVER = 10**6  # days: further than any range


class Span(NamedTuple):
    """Days `low` to `high` (inclusive) of a question that may differ from its picture."""

    low: int
    high: int

    def joined(self, other: Span | None) -> Span:
        """The span that covers both."""
        if other is None:
            return self
        return Span(min(self.low, other.low), max(self.high, other.high))


WHOLE = Span(-EVER, EVER)


class Moved(msgspec.Struct, frozen=True):
    """Points and totals that differ from the picture, by (series key, bucket start)."""

    points: dict[tuple[str, str], Point]
    totals: dict[str, Value]
    as_of: dict[str, str]

    def then(self, later: Moved) -> Moved:
        """Both movements as one; the later value of a point wins."""
        return Moved(
            self.points | later.points, self.totals | later.totals, self.as_of | later.as_of
        )


def touches(changes: Iterable[Change]) -> Touches:
    """What several commits touched, grouped so that a question finds its own quickly."""
    found: Touches = {}
    for change in changes:
        for touched in change.touched:
            found.setdefault(touched.type, {}).setdefault(touched.product, set()).add(touched.day)
    return found


def span_touched(
    question: Question, metric: Metric, products: frozenset[str] | None, touched: Touches
) -> Span | None:
    """The days of the question that the touches may have changed; None where they change nothing.

    `products` are those that the question covers, None for every product.
    """
    if question.known_at is not None:
        return None  # the past as it was known does not move
    if question.segment is not None:
        return WHOLE if touched else None  # anything may change who is in it
    back, on = reach(metric)
    # What a compared span holds lies before the range (or inside it): it moves the picture too.
    opens = to_day(question.start) if question.start and not question.compare else -EVER
    closes = to_day(question.end) if question.end else EVER
    low, high = EVER, -EVER
    for type_ in metric.reads & touched.keys():
        by_product = touched[type_]
        names = by_product.keys() if products is None else products & by_product.keys()
        for name in names:
            for day in by_product[name]:
                if day + on >= opens and day - back < closes:
                    low, high = min(low, day - back), max(high, day + on)
    return Span(low, high) if low <= high else None


def reach(metric: Metric) -> tuple[int, int]:
    """How many days before and after an event's own day its arrival may change the metric."""
    match metric.rule:
        case Sessions():
            return 0, 1  # a view before midnight may join the session that began after it
        case Trailing(days=days):
            return 0, days - 1  # a day's users count on it and until the last day that looks back
        case Cohort(window_days=window):
            return window, EVER  # an earlier first signup takes the user out of a later bucket
        case Ledger(kind="flow"):
            return 0, 0
        case Latest() | Ratio():
            return 0, EVER  # the newest value stands until there is another
        case Ledger():
            return 0, EVER  # what moved once stands in every bucket after it
        case _:
            return 0, 0


def adds(metric: Metric) -> bool:
    """Whether the metric's total is the sum of its points, so that a part can be asked alone."""
    return isinstance(metric.rule, Sum | Net | Sessions)


def narrowed(question: Question, metric: Metric, picture: Answer, span: Span) -> Question | None:
    """The same question for only the buckets that meet the span; None where that is not exact.

    Splitting by a key ranks its values over the whole range (by product it names them all), and
    an open range moves with the clock: both are asked whole.
    """
    if (
        not adds(metric)
        or question.segment is not None
        or question.by not in (None, "product")
        or not picture.series
    ):
        return None
    if question.start is None or question.end is None or picture.unconverted or picture.note:
        return None
    if question.compare is not None and span.low < to_day(question.start):
        return None
    days = [_day(point) for point in picture.series[0].points]
    if not days or span.high < days[0] or span.low >= to_day(question.end):
        return None
    first = max(0, bisect_right(days, span.low) - 1)
    after = bisect_right(days, span.high)
    low = days[first]
    high = days[after] if after < len(days) else to_day(question.end)
    return msgspec.structs.replace(question, start=to_date(low), end=to_date(high), compare=None)


def spliced(picture: Answer, part: Answer) -> Answer | None:
    """The picture with the part's points in place and its totals moved by what they moved.

    None where that cannot be exact: other lines or buckets, a value that is not known, a currency
    apart.
    """
    if part.unconverted or part.note or len(part.series) != len(picture.series):
        return None
    lines = []
    for old, new in zip(picture.series, part.series, strict=True):
        line = _spliced(old, new, picture.currency) if old.key == new.key else None
        if line is None:
            return None
        lines.append(line)
    return msgspec.structs.replace(
        picture,
        series=tuple(lines),
        as_of=picture.as_of | part.as_of,
        behind=part.behind,
        position=part.position,
        scanned=part.scanned,
    )


def _spliced(old: Series, new: Series, currency: str | None) -> Series | None:
    starts = [point.start for point in old.points]
    if not new.points or new.points[0].start not in starts:
        return None
    first = starts.index(new.points[0].start)
    after = first + len(new.points)
    if starts[first:after] != [point.start for point in new.points]:
        return None
    total = _moved_total(old.total, old.points[first:after], new.points, currency)
    if total is None:
        return None
    points = old.points[:first] + new.points + old.points[after:]
    return msgspec.structs.replace(old, points=points, total=total)


def difference(old: Answer, new: Answer) -> Moved | None:
    """What to send so that `old` becomes `new`; None where only a fresh snapshot can say it.

    An empty movement (`points`, `totals` and `as_of` empty) says that nothing has to be sent.
    """
    if len(old.series) != len(new.series) or _frame(old) != _frame(new):
        return None
    points: dict[tuple[str, str], Point] = {}
    totals: dict[str, Value] = {}
    for before, after in zip(old.series, new.series, strict=True):
        if (
            before.key != after.key
            or before.label != after.label
            or before.compare != after.compare
            or len(before.points) != len(after.points)
        ):
            return None
        for was, now in zip(before.points, after.points, strict=True):
            if was is now:
                continue
            if was.start != now.start:
                return None
            if was != now:
                points[(after.key, now.start)] = now
        if before.total != after.total:
            totals[after.key] = after.total
    as_of = {name: at for name, at in new.as_of.items() if old.as_of.get(name) != at}
    return Moved(points, totals, as_of)


def _frame(answer: Answer) -> tuple[object, ...]:
    """Everything of an answer that points and totals cannot say."""
    return (
        answer.question,
        answer.policy,
        answer.unit,
        answer.currency,
        answer.scanned,
        answer.unconverted,
        answer.unlinked,
        answer.note,
        # What is on time moves with every look at its source; what is late stands still.
        tuple((one.source, one.late, one.late and one.through) for one in answer.behind),
    )


def _day(point: Point) -> int:
    return to_day(dt.date.fromisoformat(point.start[:10]))


def _moved_total(
    total: Value, old: tuple[Point, ...], new: tuple[Point, ...], currency: str | None
) -> Value:
    """The total after these points changed, in the form the total has; None: not known."""
    moved = Decimal(0)
    for was, now in zip(old, new, strict=True):
        if was.value == now.value:
            continue
        if was.value is None or now.value is None:
            return None
        moved += Decimal(str(now.value)) - Decimal(str(was.value))
    match total:
        case str() if currency is not None:
            # Nine places inside, and at least the currency's own outside, as every total has them.
            return major(nanos(Decimal(total) + moved), currency)
        case int():
            return total + int(moved)
        case _:
            return None
