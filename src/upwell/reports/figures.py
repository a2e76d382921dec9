"""Answers as figures a page can show: values by month, their changes, and both as text. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal, NamedTuple

from babel.numbers import format_currency, format_decimal, format_percent

from upwell.metrics.catalog import Direction, Metric, Unit
from upwell.query import Answer, Series, Value

LOCALE = "en_US"
NONE = "–"  # no data, and never 0
MINUS = "−"

Tone = Literal["good", "bad", "none"]


class Change(NamedTuple):
    """How a figure moved: by what, shown how, and whether that is good."""

    delta: Decimal
    share: Decimal | None  # of the value before; None where that was 0 or a loss
    text: str
    tone: Tone


class Figure(NamedTuple):
    """One line of the report: a metric, for the company or a product, over thirteen months."""

    metric: Metric
    key: str
    label: str
    currency: str | None
    values: tuple[Decimal | None, ...]  # oldest first; None: nothing was known of that month
    complete: bool
    provisional: bool
    running: bool = False  # the month is not over: no whole month compares with it

    @property
    def now(self) -> Decimal | None:
        """The month's own value."""
        return self.values[-1]

    @property
    def before(self) -> Decimal | None:
        """The value of the month before."""
        return self.values[-2]

    @property
    def year_before(self) -> Decimal | None:
        """The value of the same month a year earlier; None where it had not begun by then."""
        begun = any(self.values[:2]) or self.metric.direction != "up"
        return self.values[0] if begun else None

    def shown(self, value: Decimal | None) -> str:
        """A value of this figure as text."""
        return shown(value, self.metric.unit, self.currency)

    @property
    def change(self) -> Change | None:
        """Against the month before; None where either is not known, or this one is running."""
        if self.running:
            return None
        return change(self.now, self.before, self.metric, self.currency)


def figures(metric: Metric, answer: Answer, running: bool = False) -> tuple[Figure, ...]:
    """The lines of an answer by month, with nothing taken as known yet that may not be."""
    return tuple(
        Figure(
            metric=metric,
            key=series.key,
            label=series.label or series.key,
            currency=answer.currency,
            values=tuple(number(point.value) for point in series.points),
            complete=bool(series.points) and series.points[-1].complete,
            provisional=any(point.provisional for point in series.points),
            running=running,
        )
        for series in answer.series
    )


def company(metric: Metric, answer: Answer, running: bool = False) -> Figure:
    """The one line of an answer that is not split; without any values where it has none."""
    lines = figures(metric, answer, running)
    if lines:
        return lines[0]
    return Figure(metric, "", "", answer.currency, (None,) * 13, True, False, running)


def known(lines: Sequence[Figure]) -> tuple[Figure, ...]:
    """The lines about one thing, without the zeros that stand for "nothing was connected yet".

    A month before the first in which anything at all happened is not known. A metric that should
    rise and never left zero has no source; one that should fall may well be none at all.
    """
    opened = min((_first(line.values) for line in lines), default=0)
    found = []
    for line in lines:
        values = tuple(v if at >= opened else None for at, v in enumerate(line.values))
        if line.metric.direction == "up" and not any(values):
            values = (None,) * len(values)
        found.append(line._replace(values=values))
    return tuple(found)


def _first(values: Sequence[Decimal | None]) -> int:
    return next((at for at, value in enumerate(values) if value), len(values))


def number(value: Value) -> Decimal | None:
    """A value as it stands in an answer, as a number."""
    return None if value is None else Decimal(str(value))


def total(series: Series) -> Decimal | None:
    """The total of a series."""
    return number(series.total)


def change(
    now: Decimal | None, before: Decimal | None, metric: Metric, currency: str | None
) -> Change | None:
    """From one value to another; None where either is not known."""
    if now is None or before is None:
        return None
    delta = now - before
    share = delta / before if before > 0 else None
    return Change(
        delta,
        share,
        _change_text(delta, share, metric.unit, currency),
        _tone(delta, metric.direction),
    )


def _tone(delta: Decimal, direction: Direction) -> Tone:
    if delta == 0 or direction == "none":
        return "none"
    return "good" if (delta > 0) == (direction == "up") else "bad"


def _change_text(delta: Decimal, share: Decimal | None, unit: Unit, currency: str | None) -> str:
    if unit == "ratio":
        return f"{signed(delta * 100, places=1)} pp"
    if delta == 0:
        return "0%"
    if share is None:
        return ("+" if delta > 0 else "") + shown(delta, unit, currency)
    return percent(share, signed=True)


def shown(value: Decimal | None, unit: Unit, currency: str | None = None) -> str:
    """A value in full; money to the minor unit of its currency."""
    if value is None:
        return NONE
    match unit:
        case "money" if currency is not None:
            text = _spaced(format_currency(value, currency, locale=LOCALE))
        case "ratio":
            text = format_percent(value, format="#,##0.0%", locale=LOCALE)
        case "seconds":
            text = f"{_decimal(value, 1)} s"
        case _:
            whole = value == value.to_integral_value()
            text = _decimal(value, 0 if whole or abs(value) >= 100 else 1)
    return text.replace("-", MINUS)


def brief(value: Decimal | None, unit: Unit, currency: str | None = None) -> str:
    """A value for a sentence: money without minor units where there is plenty of it."""
    if value is not None and unit == "money" and currency is not None and abs(value) >= 1000:
        text = format_currency(
            value, currency, format="¤#,##0", currency_digits=False, locale=LOCALE
        )
        return _spaced(text).replace("-", MINUS)
    return shown(value, unit, currency)


def _spaced(text: str) -> str:
    """A code such as KWD stands apart from its number; a sign such as $ does not."""
    return re.sub(r"([A-Za-z])(\d)", "\\1\N{NO-BREAK SPACE}\\2", text)


def percent(share: Decimal, signed: bool = False) -> str:
    """A share as a percentage with one place, fewer where it is large."""
    places = "0" if abs(share) >= 10 else "0.0"
    text = format_percent(abs(share), format=f"#,##{places}%", locale=LOCALE)
    if signed:
        return ("+" if share > 0 else MINUS) + text
    return text if share >= 0 else MINUS + text


def signed(value: Decimal, places: int) -> str:
    """A number with its sign; nothing before a zero."""
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else ""
    return sign + _decimal(abs(rounded), places)


def _decimal(value: Decimal, places: int) -> str:
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return format_decimal(value, format=pattern, locale=LOCALE)
