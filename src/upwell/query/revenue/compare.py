"""A company's own month-end figures beside ours: what differs, and how much of it has a cause."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec

from upwell.errors import Rejected
from upwell.metrics.policy import PRESETS
from upwell.period import Zone, add_months, to_day, to_instant
from upwell.query.question import Answer, Question

NEAR = Decimal("0.005")  # half of the smallest coin that sheets are kept in


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of a sheet: what a metric was in a month."""

    month: dt.date
    metric: str
    value: Decimal


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a difference and where it comes from."""

    cause: str
    sentence: str
    amount: Decimal


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One figure beside ours; the causes add up to the difference."""

    month: dt.date
    metric: str
    sheet: Decimal
    ours: Decimal | None
    difference: Decimal | None
    causes: tuple[Share, ...]


def figure(cell: Mapping[str, str], where: str) -> Figure:
    """A cell as it stands in a sheet; Rejected where its month or its value cannot be read."""
    month, text = cell.get("month", ""), cell.get("value", "")
    try:
        year, number = month.strip()[:7].split("-")
        value = Decimal(text.replace(",", "").replace(" ", "").lstrip("$€£"))
        if value.is_finite():
            return Figure(
                month=dt.date(int(year), int(number), 1),
                metric=cell.get("metric", ""),
                value=value,
            )
    except (ValueError, ArithmeticError):
        pass
    raise Rejected(
        "bad_figure",
        f"'{text[:40]}' in '{month[:40]}' is no figure of a month.",
        fix="Write months as 2026-01 and numbers as 1234.50.",
        where=where,
    )


def compare(
    figures: Iterable[Figure], ask: Callable[[Question], Answer], zone: Zone
) -> list[Difference]:
    """Every figure beside our number of that month; `ask` answers a question."""
    return [_compared(figure, ask, zone) for figure in figures]


def _compared(figure: Figure, ask: Callable[[Question], Answer], zone: Zone) -> Difference:
    after = add_months(figure.month, 1)
    question = Question(metric=figure.metric, start=figure.month, end=after, grain="month")
    ours = _value(ask(question))
    causes: tuple[Share, ...] = ()
    if ours is not None and abs(ours - figure.value) >= NEAR:
        closed = to_instant(zone.opens(to_day(after)))
        causes = tuple(_causes(figure, question, ours, closed, ask))
    return Difference(
        month=figure.month,
        metric=figure.metric,
        sheet=figure.value,
        ours=ours,
        difference=None if ours is None else ours - figure.value,
        causes=causes,
    )


def _causes(
    figure: Figure,
    question: Question,
    ours: Decimal,
    closed: dt.datetime,
    ask: Callable[[Question], Answer],
) -> Iterable[Share]:
    """What of our number less theirs follows from other rules, or was not known when it closed."""
    left = ours - figure.value
    for policy in PRESETS.values():
        other = _value(ask(msgspec.structs.replace(question, policy=policy.name)))
        if other is not None and other != ours and abs(other - figure.value) < NEAR:
            sentence = f"The sheet counts by the rules of {policy.title}."
            yield Share(cause="rules", sentence=sentence, amount=left)
            return
    known = _value(ask(msgspec.structs.replace(question, known_at=closed)))
    if known is not None and known != ours:
        sentence = f"Became known after {closed.date()}, when the month closed."
        yield Share(cause="later", sentence=sentence, amount=ours - known)
        left -= ours - known
    if abs(left) >= NEAR:
        near = abs(left) < 1
        yield Share(
            cause="rounding" if near else "unknown",
            sentence="Rounding of single amounts." if near else "Nothing here says why.",
            amount=left,
        )


def _value(answer: Answer) -> Decimal | None:
    value = answer.series[0].points[0].value if answer.series else None
    return None if value is None else Decimal(str(value))
