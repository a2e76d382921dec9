"""The lines of a breakdown: beside the span compared with, the largest first, the rest as one."""

from __future__ import annotations

from collections import defaultdict

from upwell.query.lines import APART, OTHER, Line, Number, Reading, added, empty
from upwell.query.plan import Plan

MOST_LINES = 200  # beyond these, the smallest lines of a breakdown are added up as "other"

Pair = tuple[Line, Line | None]  # a line, and the same of the span compared with


def beside(asked: Plan, reading: Reading, earlier: tuple[Plan, Reading] | None) -> list[Pair]:
    """Each line with its earlier one; what there was only then, or is only now, beside nothing."""
    if earlier is None:
        return [(line, None) for line in reading.lines]
    before, compared = earlier
    then = {line.key: line for line in compared.lines}
    pairs: list[Pair] = [
        (line, then.pop(line.key, None) or empty(before, line)) for line in reading.lines
    ]
    return pairs + [(empty(asked, line), line) for line in then.values()]


def largest(asked: Plan, pairs: list[Pair]) -> tuple[list[Pair], str]:
    """The largest lines first, of a long breakdown the rest together; and what to know about it.

    Different people of the rest do not add up: they are left out, and the note says so.
    """
    if asked.question.by in (None, "product"):
        return pairs, ""
    ordered = sorted(pairs, key=_size)
    if len(ordered) <= MOST_LINES:
        return ordered, ""
    named = [pair for pair in ordered if not is_other(pair[0].key)]
    kept = named[: MOST_LINES - 1]
    if not asked.parts_add:
        note = f"The {len(kept):,} largest of {len(named):,}: people of the others do not add up."
        return kept, note
    names = {pair[0].key for pair in kept}
    rest: dict[str | None, list[Pair]] = defaultdict(list)
    for pair in ordered:
        if pair[0].key not in names:
            rest[pair[0].currency].append(pair)
    return kept + [_together(asked, together) for together in rest.values()], ""


def is_other(key: str) -> bool:
    """Whether the key names the rest of a long breakdown."""
    return key == OTHER or key.startswith(OTHER + APART)


def _size(pair: Pair) -> tuple[Number, Number, str]:
    now, then = pair
    return -_weight(now), -(_weight(then) if then else 0), now.key


def _weight(line: Line) -> int | float:
    """How large a line is: its total, or its largest point where it has none."""
    return line.total or max((value for value in line.values if value is not None), default=0)


def _together(asked: Plan, pairs: list[Pair]) -> Pair:
    currency = pairs[0][0].currency
    key = f"{OTHER}{APART}{currency}" if asked.native else OTHER
    now = _sum([line for line, _ in pairs], key)
    then = [line for _, line in pairs if line is not None]
    return now, _sum(then, key) if then else None


def _sum(lines: list[Line], key: str) -> Line:
    values = [added(column) for column in zip(*(line.values for line in lines), strict=True)]
    marks = set[int]().union(*(line.provisional for line in lines))
    return Line(key, values, added(line.total for line in lines), lines[0].currency, marks)
