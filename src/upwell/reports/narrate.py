"""What changed, in sentences. Pure: figures in, text out; nothing known is said of what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from upwell.reports.board import Month
from upwell.reports.figures import Figure, Tone, brief, percent, signed

NEWS = Decimal("0.1")  # customers leaving this much more or less belongs into the headline


class Sentence(NamedTuple):
    """One finding, and whether it is good news."""

    text: str
    tone: Tone = "none"


def movement(figure: Figure, month: Month) -> Sentence:
    """How a figure moved against the month before: "Signups rose 4.2% to 1,204, from 1,155 …"."""
    name, before = figure.metric.title, month.back(1).name
    now, was, change = figure.now, figure.before, figure.change
    if now is None:
        return Sentence(f"No data on {lower(name)} in {month.title}.")
    value = told(figure, now)
    if figure.running:
        return Sentence(f"{name}: {value} so far.")
    if was is None or change is None:
        verb = "were" if _plural(figure) else "was"
        return Sentence(f"{name} {verb} {value}; there is no {before} to compare it with.")
    if change.delta == 0:
        return Sentence(f"{name} stayed at {value}.")
    verb = _verb(change.delta)
    if was == 0:
        return Sentence(f"{name} {verb} to {value}, from none in {before}.", change.tone)
    if now == 0:
        text = f"{name} fell to none, from {told(figure, was)} in {before}."
        return Sentence(text, change.tone)
    by = (
        f"{signed(abs(change.delta) * 100, places=1).lstrip('+')} points"
        if figure.metric.unit == "ratio"
        else percent(abs(change.share))
        if change.share is not None
        else told(figure, abs(change.delta))
    )
    text = f"{name} {verb} {by} to {value}, from {told(figure, was)} in {before}"
    if figure.year_before:
        text += f" and {told(figure, figure.year_before)} in {month.back(12).title}"
    return Sentence(f"{text}.", change.tone)


def contributor(company: Figure, products: Sequence[Figure]) -> str | None:
    """Which product did most of it; None where no product stands out or there is only one."""
    if company.change is None or company.change.delta == 0:
        return None
    moved = [(line, line.change.delta) for line in products if line.change is not None]
    same = [(line, d) for line, d in moved if d and (d > 0) == (company.change.delta > 0)]
    if len(moved) < 2 or not same:
        return None
    if sum(abs(d) for _, d in moved) > 2 * abs(company.change.delta):
        return None  # ups and downs that cancel out: no product is the cause
    line, delta = max(same, key=lambda pair: (abs(pair[1]), pair[0].label))
    share = delta / company.change.delta
    if share < Decimal("0.3"):
        return None
    more = "more" if delta > 0 else "less" if company.metric.unit == "money" else "fewer"
    amount = brief(abs(delta), company.metric.unit, company.currency)
    whole = brief(abs(company.change.delta), company.metric.unit, company.currency)
    if share > Decimal("1.05"):
        return f"{line.label} alone accounts for {amount} {more}; others made up for part of it."
    if share > Decimal("0.95"):
        return f"{line.label} accounts for nearly all of it."
    return f"{line.label} accounts for {amount} of the {whole} {more}."


def findings(
    headlines: Sequence[Figure], products: Mapping[str, Sequence[Figure]], month: Month
) -> tuple[Sentence, ...]:
    """The page's opening: the money, those who left, those who came, those who stayed."""
    told_of = {figure.metric.name: figure for figure in headlines}
    found = []
    for name in ("revenue", "cancellations", "signups", "dau"):
        figure = told_of.get(name)
        if figure is None or figure.now is None:
            continue
        sentence = movement(figure, month)
        because = contributor(figure, products.get(name, ()))
        found.append(
            sentence._replace(text=f"{sentence.text} {because}" if because else sentence.text)
        )
    if not found:
        return (Sentence(f"Nothing is known of {month.title} yet."),)
    return tuple(found)


def headline(company: Mapping[str, Figure], month: Month) -> str:
    """The page in a line: what became of revenue, and of customers where that is news."""
    revenue = company.get("revenue")
    if revenue is None or revenue.now is None:
        return f"No revenue is known for {month.title}"
    name, value, change = revenue.metric.title, told(revenue, revenue.now), revenue.change
    if revenue.running:
        return f"{name} of {value} so far"
    if change is None:
        text = f"{name} was {value}"
    elif change.delta == 0 or change.share is None:
        text = f"{name} came to {value}"
    else:
        text = f"{name} {_verb(change.delta)} {percent(abs(change.share))} to {value}"
    left = company.get("cancellations")
    news = left.change if left is not None else None
    if left is None or news is None or news.share is None or abs(news.share) < NEWS:
        return text
    link = "and" if change is not None and change.tone == news.tone else "while"
    return (
        f"{text}, {link} {lower(left.metric.title)} {_verb(news.delta)} {percent(abs(news.share))}"
    )


def over_a_year(figure: Figure, month: Month) -> str:
    """A chart's title: the month against the one before and the same one a year earlier."""
    if figure.now is None:
        return f"{figure.metric.title}: no data in {month.title}"
    if figure.running:
        return f"{figure.metric.title}: {told(figure, figure.now)} so far"
    parts: list[str] = []
    last = ""
    for earlier, name in ((figure.before, month.back(1).name), (figure.year_before, "last year")):
        if earlier and earlier > 0 and figure.now != earlier:
            way = "up" if figure.now > earlier else "down"
            share = percent(abs(figure.now - earlier) / earlier)
            parts.append(f"{'' if way == last else way + ' '}{share} on {name}")
            last = way
    return f"{figure.metric.title} {', '.join(parts) or told(figure, figure.now)}"


def over_days(figure: Figure, days: Sequence[tuple[str, Decimal | None]]) -> str:
    """A chart's title: the month's sum and its highest day."""
    counts = [(label, value) for label, value in days if value is not None]
    if not counts or figure.now is None:
        return f"{figure.metric.title}: no data"
    text = f"{figure.metric.title}: {told(figure, figure.now)}"
    label, most = max(counts, key=lambda pair: pair[1])
    if most > 0 and sum(value == most for _, value in counts) == 1:
        text += f", most on {label} ({told(figure, most)})"
    return text


def shape(figure: Figure) -> str:
    """What a small line shows, for those who cannot see it."""
    values = [value for value in figure.values if value is not None]
    if not values:
        return f"{figure.metric.title}: no data"
    low, high = (told(figure, value) for value in (min(values), max(values)))
    return f"{figure.metric.title} of {len(values)} months: between {low} and {high}"


def told(figure: Figure, value: Decimal) -> str:
    """A value of a figure for a sentence."""
    return brief(value, figure.metric.unit, figure.currency)


def lower(title: str) -> str:
    """A metric's title inside a sentence."""
    return title[:1].lower() + title[1:]


def _verb(delta: Decimal) -> str:
    return "rose" if delta > 0 else "fell"


def _plural(figure: Figure) -> bool:
    return figure.metric.unit == "count"
