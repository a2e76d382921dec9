"""Alerts in people's words: numbers, ranges, titles and the sentence that says it all. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.numbers import format_currency, format_decimal, format_percent

from upwell.alerts.incident import WHOLE, Incident, Part
from upwell.detect import Expected
from upwell.metrics.catalog import Metric

NAMELESS = ("", "(none)", "other")  # keys that say nothing about a part
MOST = 0.4  # share of the difference from which a part is worth a word
NAMED = 10  # customers named in a sentence
_LOCALE = "en_US"

NameOf = Callable[[str], str]


def amount(metric: Metric, value: float | None, currency: str | None) -> str:
    """The number as people write it: 1,204 or $1,134 or 12.3%; an en dash where there is none."""
    if value is None:
        return "–"
    if metric.unit == "money" and currency:
        exact = Decimal(str(value))
        whole = abs(value) >= 1000
        text = format_currency(
            exact.quantize(Decimal(1)) if whole else exact,
            currency,
            locale=_LOCALE,
            currency_digits=not whole,
            format="¤#,##0" if whole else None,
        )
    elif metric.unit == "ratio":
        text = format_percent(Decimal(str(value)), format="#,##0.#%", locale=_LOCALE)
    else:
        text = format_decimal(Decimal(str(round(value, 1))), locale=_LOCALE)
    return str(text).replace("-", "−")


def reading(
    metric: Metric,
    value: float | None,
    expected: Expected,
    when: dt.datetime | dt.date,
    currency: str | None,
) -> str:
    """`21 today by 14:05, expected 2–7`; a date instead of a time means a whole day."""
    at = f"today by {when:%H:%M}" if isinstance(when, dt.datetime) else f"on {when.day} {when:%b}"
    text = f"{amount(metric, value, currency)} {at}"
    if expected.low is None or expected.high is None:
        return text
    inner = (expected.low, expected.high)
    if metric.unit == "count":  # whole ones: the lowest and the highest that is no news
        inner = (math.ceil(expected.low), max(math.floor(expected.high), 0))
    low, high = (amount(metric, bound, currency) for bound in inner)
    return f"{text}, expected {low if low == high else f'{low}–{high}'}"


def title(metric: Metric, products: tuple[str, ...], name_of: NameOf) -> str:
    """`Cancellations in Mail`, with how many more products, or the whole company."""
    lead, *more = products
    if lead == WHOLE:
        return f"{metric.title} in all products"
    rest = f" and {len(more)} more" if more else ""
    return f"{metric.title} in {name_of(lead)}{rest}"


def sentence(
    metric: Metric,
    incident: Incident,
    name_of: NameOf,
    currency: str | None,
    *,
    people: bool,
    sees: Callable[[str], bool] = lambda _: True,
) -> str:
    """What is wrong, what it is made of, where else, and who: for those who see these products."""
    why = incident.why
    lead = incident.reading
    said = [f"{title(metric, (incident.product,), name_of)}: {lead.text}."]
    largest = [_part(metric, part, name_of, currency) for part in _largest(why.parts)]
    if why.since:
        largest.append(f"{amount(metric, why.since_value, currency)} since {why.since}")
    cause = next((p.key for p in why.parts if p.by == "reason" and _tells(p)), "")
    if largest or cause:
        text = "; ".join(filter(None, [", ".join(largest), f"reason {cause}" if cause else ""]))
        said.append(f"{text[0].upper()}{text[1:]}.")
    also = [
        f"{name_of(other.product)} ({other.text})"
        for other in incident.readings
        if other.product not in (WHOLE, incident.product)
        and other.expected.severity is not None
        and sees(other.product)
    ]
    if also:
        said.append(f"Also in {', '.join(also)}.")
    if why.customer_count:
        said.append(_customers(why.customers, why.customer_count, people))
    return " ".join(said)


def _customers(names: tuple[str, ...], count: int, people: bool) -> str:
    if not people:
        return f"{count} {'customer is' if count == 1 else 'customers are'} named in Upwell."
    shown = names[:NAMED]
    rest = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"Customers: {', '.join(shown)}{rest}."


def _tells(part: Part) -> bool:
    return part.share >= MOST and part.key not in NAMELESS


def _largest(parts: tuple[Part, ...]) -> list[Part]:
    """The part of each kind that makes most of the difference, where one does."""
    found: dict[str, Part] = {}
    for part in parts:
        if part.by != "reason" and _tells(part):
            best = found.get(part.by)
            if best is None or part.share > best.share:
                found[part.by] = part
    return list(found.values())


def _part(metric: Metric, part: Part, name_of: NameOf, currency: str | None) -> str:
    # Above what was expected people count what came; below it, what is missing.
    number = amount(metric, part.value if part.delta > 0 else part.delta, currency)
    match part.by:
        case "product":
            return f"{number} in {name_of(part.key)}"
        case "plan":
            return f"{number} on plan {part.key}"
        case "country":
            return f"{number} in {country(part.key)}"
        case "channel":
            return f"{number} through {part.key}"
        case other:
            return f"{number} with {other} {part.key}"


@lru_cache(maxsize=512)
def country(code: str) -> str:
    """The country's English name, or the code as it came."""
    return str(Locale("en").territories.get(code.upper(), code))
