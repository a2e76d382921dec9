"""A company's own month-end figures beside ours: what differs, and how much of it has a cause."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    product: str = ""  # '': the whole company
    where: str = ""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a difference and where it comes from."""

    cause: str
    sentence: str
    amount: Decimal


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One figure beside ours; the causes add up to the difference."""

    month: dt.date
    metric: str
    product: str
    sheet: Decimal
    ours: Decimal | None
    difference: Decimal | None
    causes: tuple[Share, ...]


def figures(cells: Sequence[Mapping[str, str]]) -> list[Figure]:
    """The cells of a sheet (month, metric, value, product); Rejected where one cannot be read.

    Numbers are read as 1234.50, 1,234.50, 1.234,50, $1,234.50 or 8.5 %. Where a number could be
    two, as 1.234, the other cells say which way the sheet writes them.
    """
    commas = any(_COMMA.fullmatch(_bare(cell.get("value", ""))) for cell in cells)
    return [
        _figure(cell, cell.get("where") or f"figures[{number}]", commas)
        for number, cell in enumerate(cells)
    ]


_COMMA = re.compile(r"-?(\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}|\d+,(\d{1,2}|\d{4,})|0,\d+)")
_POINT = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?|-?\.\d+")
_EITHER = re.compile(r"-?[1-9]\d{0,2}\.\d{3}")  # 1.234: a thousand here, one and a bit there
_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", "'": "", "\u2019": ""})


def _bare(text: str) -> str:
    """A number without its currency, percent sign, spaces and apostrophes; (12) is -12."""
    plain = "".join(text.translate(_SIGNS).split())
    if plain.startswith("(") and plain.endswith(")"):
        plain = f"-{plain[1:-1]}"
    return re.sub(r"^(-?)[^\d.,-]{1,3}(?=-?[\d.,])|[^\d.,]{1,3}$", r"\1", plain)


def _figure(cell: Mapping[str, str], where: str, commas: bool) -> Figure:
    text, month = cell.get("value", ""), cell.get("month", "").strip()
    bare = _bare(text)
    if _EITHER.fullmatch(bare) and not commas:
        plain = bare.replace(".", "")
        raise Rejected(
            "bad_figure",
            f"'{text[:40]}' may be {plain} or {bare}0.",
            fix=f"Write it as {plain} or as {bare}0.",
            where=where,
        )
    if commas and re.fullmatch(r"-?[\d.]*(,\d+)?", bare):
        bare = bare.replace(".", "").replace(",", ".")
    elif not _POINT.fullmatch(bare):
        raise Rejected(
            "bad_figure",
            f"'{text[:40]}' is no number.",
            fix="Write it as 1234.50, 1,234.50 or 1.234,50; leave a cell empty for none.",
            where=where,
        )
    value = Decimal(bare.replace(",", ""))
    return Figure(
        month=_month(month, where),
        metric=cell.get("metric", ""),
        product=(cell.get("product") or "").strip(),
        value=value / 100 if text.strip().endswith("%") else value,
        where=where,
    )


def _month(text: str, where: str) -> dt.date:
    try:
        found = dt.date.fromisoformat(text if len(text) > 7 else f"{text}-01")
        if 1970 <= found.year < 2200:
            return found.replace(day=1)
    except ValueError:
        pass
    raise Rejected(
        "bad_figure", f"'{text[:40]}' is no month.", fix="Write months as 2026-01.", where=where
    )


def compare(
    figures: Iterable[Figure], ask: Callable[[Question], Answer], zone: Zone
) -> Iterator[Difference]:
    """Every figure beside our number of that month; `ask` answers a question."""
    for figure in figures:
        try:
            yield _compared(figure, ask, zone)
        except Rejected as error:
            raise Rejected(
                error.problem.code, error.problem.message, error.problem.fix, figure.where
            ) from error


def _compared(figure: Figure, ask: Callable[[Question], Answer], zone: Zone) -> Difference:
    after = add_months(figure.month, 1)
    question = Question(
        metric=figure.metric,
        product=(figure.product,) if figure.product else (),
        start=figure.month,
        end=after,
        grain="month",
    )
    ours = _value(ask(question))
    causes: tuple[Share, ...] = ()
    if ours is not None and abs(ours - figure.value) >= NEAR:
        closed = to_instant(zone.opens(to_day(after)))
        causes = tuple(_causes(figure, question, ours, closed, ask))
    return Difference(
        month=figure.month,
        metric=figure.metric,
        product=figure.product,
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
