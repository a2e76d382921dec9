"""Questions as people send them, read strictly: nothing unknown, nothing guessed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from upwell.errors import Rejected, nearest
from upwell.period import GRAINS
from upwell.query import Question
from upwell.query.question import COMPARES, days_compared

NAMES = {
    "metric": "A metric's name; /v1/metrics lists them.",
    "product": "Product ids, by commas or repeated; all that you may see when left out.",
    "from": "First day, inclusive, as 2026-01-31, in the workspace's time zone.",
    "to": "The day after the last: exclusive.",
    "grain": "hour, day, week, month, quarter or year; day when left out.",
    "by": "A dimension to split by, or `product`.",
    "where": "`plan:team`; repeat it, or separate by commas.",
    "compare": "previous, week, year, or earlier days as 2026-01-01..2026-02-01, "
    "the second exclusive.",
    "known_at": "As known at this time, RFC 3339 with its zone.",
    "policy": "Counting rules instead of the workspace's own.",
    "currency": "The currency to show money in (ISO 4217).",
    "segment": "The id of a segment: only its users, or the customers they are linked to.",
    "over": "How far `nrr` and `grr` look back, as 3m; 12m when left out.",
}
MAX_QUESTIONS = 500


def from_params(params: Mapping[str, Sequence[str]]) -> Question:
    """A question of query parameters; `product` and `where` may repeat, others may not.

    Raises Rejected naming the parameter.
    """
    fields: dict[str, Any] = {}
    for name, values in params.items():
        if name == "product":
            fields[name] = [part for value in values for part in value.split(",")]
        elif name == "where":
            fields[name] = _filters(values)
        elif len(values) > 1:
            raise Rejected(
                "repeated_parameter",
                f"'{name}' is given {len(values)} times.",
                fix="Give it once.",
                where=name,
            )
        else:
            fields[name] = values[0]
    return _question(fields, "")


def from_json(value: Any, where: str) -> Question:
    """A question of a JSON object; raises Rejected whose `where` begins with the given one."""
    if not isinstance(value, dict):
        raise Rejected(
            "bad_question", "A question is an object.", fix='{"metric": "signups"}', where=where
        )
    fields = {name: given for name, given in value.items() if given is not None}
    return _question(fields, f"{where}.")


def day(text: str, name: str) -> dt.date:
    """A day on the calendar; raises Rejected naming the parameter."""
    found = _date({name: text}, name, "")
    if found is None:
        raise _missing(name)
    return found


def instant(text: str, name: str) -> dt.datetime:
    """A time with its zone; raises Rejected naming the parameter."""
    found = _instant({name: text}, name, "")
    if found is None:
        raise _missing(name)
    return found


def _missing(name: str) -> Rejected:
    return Rejected("missing_parameter", f"'{name}' is empty.", fix="Give it.", where=name)


def _question(fields: Mapping[str, Any], at: str) -> Question:
    for name in fields:
        if name not in NAMES:
            raise Rejected(
                "unknown_parameter",
                f"Unknown parameter '{name}'.",
                fix=nearest(name, NAMES),
                where=f"{at}{name}",
            )
    metric = _text(fields, "metric", at)
    if metric is None:
        raise Rejected(
            "missing_metric",
            "No metric is named.",
            fix="Add metric=signups; /v1/metrics lists them all.",
            where=f"{at}metric",
        )
    start, end = _date(fields, "from", at), _date(fields, "to", at)
    if start is not None and end is not None and start >= end:
        raise Rejected(
            "empty_range",
            f"'from' {start} is not before 'to' {end}.",
            fix="'from' is inclusive, 'to' exclusive: one day is from=2026-01-31&to=2026-02-01.",
            where=f"{at}to",
        )
    return Question(
        metric=metric,
        product=_products(fields.get("product", ()), at),
        start=start,
        end=end,
        grain=_one_of(fields, "grain", GRAINS, at) or "day",  # type: ignore[arg-type]
        by=_text(fields, "by", at),
        where=_where(fields.get("where", {}), at),
        compare=_compare(fields, at),
        known_at=_instant(fields, "known_at", at),
        policy=_text(fields, "policy", at),
        currency=_text(fields, "currency", at),
        segment=_text(fields, "segment", at),
        over=_months(fields, at),
    )


def _compare(fields: Mapping[str, Any], at: str) -> str | None:
    value = _text(fields, "compare", at)
    if value is None or ".." not in value:
        return _one_of(fields, "compare", COMPARES, at)
    try:
        known = days_compared(value)
    except ValueError:
        known = None
    if known is None:
        raise Rejected(
            "bad_comparison",
            f"'{value[:40]}' are no days to compare with.",
            fix="Send two days, as compare=2026-01-01..2026-02-01; the second is not included.",
            where=f"{at}compare",
        )
    return value


def _months(fields: Mapping[str, Any], at: str) -> int | None:
    value = fields.get("over")
    if isinstance(value, int) and 1 <= value <= 120:
        return value
    text = _text(fields, "over", at)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,3}m?", text) and 1 <= int(text.rstrip("m")) <= 120:
        return int(text.rstrip("m"))
    raise Rejected(
        "bad_span",
        f"'{text[:40]}' is not a span of months.",
        fix="Send over=3m, up to 120m.",
        where=f"{at}over",
    )


def _text(fields: Mapping[str, Any], name: str, at: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 1024:
        raise Rejected(
            "bad_parameter", f"'{name}' is not a short text.", fix="Send text.", where=f"{at}{name}"
        )
    return value


def _one_of(fields: Mapping[str, Any], name: str, known: Iterable[str], at: str) -> str | None:
    value = _text(fields, name, at)
    if value is not None and value not in known:
        raise Rejected(
            f"unknown_{name}",
            f"Unknown {name} '{value}'.",
            fix=nearest(value, known),
            where=f"{at}{name}",
        )
    return value


def _date(fields: Mapping[str, Any], name: str, at: str) -> dt.date | None:
    value = _text(fields, name, at)
    if value is None:
        return None
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            date = dt.date.fromisoformat(value)
            if 1900 <= date.year <= 2199:
                return date
    except ValueError:
        pass
    raise Rejected(
        "bad_date",
        f"'{value}' is not a day on the calendar.",
        fix="Send a day between 1900 and 2199 as 2026-01-31; the workspace's time zone applies.",
        where=f"{at}{name}",
    )


def _instant(fields: Mapping[str, Any], name: str, at: str) -> dt.datetime | None:
    value = _text(fields, name, at)
    if value is None:
        return None
    try:
        # In a URL an unescaped "+" of the offset arrives as a space.
        instant = dt.datetime.fromisoformat(re.sub(r" (\d\d:\d\d)$", r"+\1", value))
        if instant.tzinfo is not None and 1900 <= instant.year <= 2199:
            return instant.astimezone(dt.UTC)
    except ValueError:
        pass
    raise Rejected(
        "bad_time",
        f"'{value}' is not a time with its zone.",
        fix="Send RFC 3339 such as 2026-02-03T08:00:00Z.",
        where=f"{at}{name}",
    )


def _products(value: Any, at: str) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise Rejected(
            "bad_parameter",
            "'product' is not a list of product ids.",
            fix='Send "mail" or ["mail", "docs"].',
            where=f"{at}product",
        )
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _where(value: Any, at: str) -> dict[str, tuple[str, ...]]:
    if isinstance(value, dict):
        found = {
            name: (given,) if isinstance(given, str) else given for name, given in value.items()
        }
        if all(
            isinstance(given, list | tuple) and all(isinstance(one, str) for one in given)
            for given in found.values()
        ):
            return {name: tuple(dict.fromkeys(given)) for name, given in found.items()}
    raise Rejected(
        "bad_filter",
        "'where' is not a filter.",
        fix='Send where=plan:team in the address, {"plan": ["team"]} in JSON.',
        where=f"{at}where",
    )


def _filters(values: Iterable[str]) -> dict[str, list[str]]:
    """`plan:team,country:DE` and repeats of it, by key; a comma splits only before a key."""
    found: dict[str, list[str]] = {}
    for value in values:
        for part in re.split(r",(?=[A-Za-z_][\w.$-]*:)", value):
            key, colon, wanted = part.partition(":")
            if not (key and colon):
                raise Rejected(
                    "bad_filter",
                    f"'{part[:100]}' is not a filter.",
                    fix="Send where=plan:team; repeat it for more.",
                    where="where",
                )
            found.setdefault(key, []).append(wanted)
    return found
