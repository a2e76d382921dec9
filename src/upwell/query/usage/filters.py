"""Filters on properties of events, judged once for each value and then looked up for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected
from upwell.query.usage.asked import Condition, Scalar, Where
from upwell.warehouse.slices import Column

Mask = NDArray[np.bool_]


def keeps(where: Where, properties: Mapping[str, Column], rows: int) -> Mask:
    """Which of the rows every filter lets pass."""
    kept = np.ones(rows, dtype=np.bool_)
    for name, asked in where.items():
        column, condition = properties[name], condition_of(name, asked)
        _fits(name, condition, column.values)
        # The last place is what the code of a missing value, -1, points at.
        table = [_holds(condition, value) for value in (*column.values, None)]
        kept &= np.array(table, dtype=np.bool_)[column.codes]
    return kept


def condition_of(name: str, asked: Scalar | tuple[Scalar, ...] | Condition) -> Condition:
    """The filter in one form; Rejected where it lets nothing pass whatever comes."""
    if isinstance(asked, tuple):
        asked = Condition(one_of=asked)
    elif not isinstance(asked, Condition):
        asked = Condition(equals=asked)
    if asked.one_of == () or asked == Condition():
        raise Rejected(
            "bad_filter",
            f"The filter on '{name}' asks for nothing.",
            fix='Name a value, such as {"plan": "team"}, or {"seats": {"gte": 3}}.',
            where="where",
        )
    return asked


def _fits(name: str, asked: Condition, values: Sequence[str]) -> None:
    """Rejected where numbers are asked for, and only words have come."""
    bounds = (asked.gt, asked.gte, asked.lt, asked.lte, asked.equals, *(asked.one_of or ()))
    given = [one for one in bounds if one is not None]
    numeric = bool(given) and all(isinstance(one, int | float) for one in given)
    if not numeric or any(isinstance(one, bool) for one in given) or not values:
        return
    if all(_number(value) is None for value in values):
        raise Rejected(
            "bad_filter",
            f"The property '{name}' holds words, such as '{values[0][:40]}', and no numbers.",
            fix='Compare words with "equals", "in" or "contains".',
            where="where",
        )


def _holds(asked: Condition, value: str | None) -> bool:
    if asked.exists is not None and asked.exists != (value is not None):
        return False
    if asked == Condition(exists=asked.exists):
        return True
    if value is None:
        return False
    if asked.equals is not None and not _same(asked.equals, value):
        return False
    if asked.one_of is not None and not any(_same(one, value) for one in asked.one_of):
        return False
    if asked.contains is not None and asked.contains.casefold() not in value.casefold():
        return False
    return _compares(asked, value)


def _compares(asked: Condition, value: str) -> bool:
    if asked.gt is asked.gte is asked.lt is asked.lte is None:
        return True
    number = _number(value)
    if number is None:  # words are neither more nor less than a number
        return False
    return (
        (asked.gt is None or number > asked.gt)
        and (asked.gte is None or number >= asked.gte)
        and (asked.lt is None or number < asked.lt)
        and (asked.lte is None or number <= asked.lte)
    )


def _same(asked: Scalar, value: str) -> bool:
    if isinstance(asked, bool):
        return value == ("true" if asked else "false")
    if isinstance(asked, str):
        return asked == value
    return str(asked) == value or _number(value) == asked  # the text: longer than a float holds


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
