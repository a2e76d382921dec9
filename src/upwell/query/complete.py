"""Up to when all is here of what a number is made of: the sources behind it, and which are late.

A source that is read is complete through some moment. A bucket that ends later is not final; one
that begins later, of a source that should be further by its own promise, says nothing at all yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from upwell.period import Zone, to_instant
from upwell.query.lines import Line, Number
from upwell.query.plan import Plan
from upwell.query.question import Lateness, ReadSource


class Through(NamedTuple):
    """A source that is read: all until `to` (UTC micros) is here, None while nothing is."""

    source: str
    to: int | None
    late: Lateness = ""


Behind = Callable[[str, frozenset[str]], Sequence[Through]]
"""The sources that are read and stand behind these event types of a product."""


def nothing_read(_: str, __: frozenset[str]) -> Sequence[Through]:
    """Where no source is read, all that came is all there is."""
    return ()


def stands(found: Iterable[Through]) -> tuple[ReadSource, ...]:
    """The sources as answers name them, by id."""
    return tuple(
        ReadSource(
            source=one.source, through=None if one.to is None else written(one.to), late=one.late
        )
        for one in sorted(set(found))
    )


def written(micros: int) -> str:
    """A moment as answers carry it."""
    return to_instant(micros).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cut(found: Iterable[Through]) -> int | None:
    """Until when (UTC micros) everything of all of them is here; None: no source limits it."""
    return min((one.to or 0 for one in found), default=None)


class Limits:
    """Of one question: the sources behind each product, and what they limit."""

    def __init__(self, asked: Plan, behind: Behind) -> None:
        then = asked.known_at is not None  # what was known then is not waited for
        self._asked = asked
        self._found = {
            product: () if then else tuple(behind(product, asked.metric.reads))
            for product in asked.products
        }

    def sources(self) -> tuple[Through, ...]:
        """All of them, each once."""
        return tuple({one for found in self._found.values() for one in found})

    def cut(self, products: Iterable[str]) -> int | None:
        """Until when everything of these products is here; None: no source limits it."""
        return cut(one for product in products for one in self._found[product])

    def stamp(self) -> tuple[object, ...]:
        """What of it an answer depends on: nothing where all is here that was asked for."""
        until = self._until()
        return tuple(
            (product, min(limit, until), tuple(sorted(one.late for one in self._found[product])))
            for product in self._asked.products
            if (limit := self.cut([product])) is not None
        )

    def groups(self) -> dict[int | None, tuple[str, ...]]:
        """Products by how far they are complete; None: through all that was asked."""
        until, found = self._until(), dict[int | None, list[str]]()
        for product in self._asked.products:
            limit = self.cut([product])
            key = None if limit is None or limit >= until else limit
            found.setdefault(key, []).append(product)
        return {limit: tuple(products) for limit, products in found.items()}

    def _until(self) -> int:
        return min(self._asked.seen, self._asked.zone.opens(self._asked.end))

    def hide(self, line: Line, products: Iterable[str]) -> None:
        """Let a line say nothing, rather than 0, where it waits for a late source."""
        asked, own = self._asked, tuple(products)
        late = [one for product in own for one in self._found[product] if one.late]
        limit = cut(late)
        if limit is None:
            return
        line.values = [
            None if not value and bucket.opens >= limit else value
            for value, bucket in zip(line.values, asked.buckets, strict=True)
        ]
        if not line.total and asked.zone.opens(asked.start) >= limit:
            line.total = None

    def why(self) -> str:
        """Why nothing is known: the late source, and since when its numbers stand still."""
        return why(self.sources(), self._asked.zone)


def why(found: Iterable[Through], zone: Zone) -> str:
    """Which of these sources are late, and since when their numbers stand still; '' for none."""
    return " ".join(_said(one, zone) for one in sorted(set(found)) if one.late)


def _said(one: Through, zone: Zone) -> str:
    word = {"late": "is late", "failed": "cannot be read", "paused": "is paused", "": ""}[one.late]
    if one.to is None:
        return f"{one.source} {word}: nothing of it was read yet."
    local = zone.local(one.to)
    return f"{one.source} {word} since {local.day} {local:%b %H:%M}."


def until_of(asked: Plan, before: Plan, limit: int | None) -> int | None:
    """Up to which instant an earlier span is compared with one of which not all is here yet.

    None where all of it is. `limit`: until when everything is here.
    """
    if asked.today < asked.start:
        return None
    here = asked.seen if limit is None else min(asked.seen, limit)
    opens, closes = asked.zone.opens(asked.start), asked.zone.opens(asked.end)
    if here >= closes:
        return None
    start, end = before.zone.opens(before.start), before.zone.opens(before.end)
    return min(start + max(0, here - opens), end)


def compared(
    asked: Plan,
    before: Plan,
    limits: Limits,
    totals: Callable[[Plan, int | None], dict[str, Number]],
) -> dict[str, Number] | None:
    """The totals of the span compared with over the same elapsed time; None where that is whole.

    Where products are complete through different moments, each is compared up to its own; what
    cannot be added over products is compared up to now.
    """
    groups = limits.groups()
    if len(groups) == 1 or not asked.additive:
        until = until_of(asked, before, next(iter(groups)) if len(groups) == 1 else None)
        return None if until is None else totals(before, until)
    found: dict[str, Number] = {}
    for limit, products in groups.items():
        part = replace(before, products=products)
        for key, total in totals(part, until_of(asked, before, limit)).items():
            known = found.get(key)
            found[key] = total if known is None else known + (total or 0)
    return found
