"""The door for questions about use: who asks, what is read, what is remembered."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

import msgspec

from upwell.access import Viewer
from upwell.event import EVENT_TYPES
from upwell.projection import Projection
from upwell.query.usage import funnels, shapes
from upwell.query.usage.asked import FunnelAsked
from upwell.query.usage.walk import Ground, ground, walk
from upwell.warehouse.timelines import Timelines

Answer = TypeVar("Answer")

REMEMBERED = 200  # answers
MINUTE = 60_000_000


class Usage:
    """A third door, beside the desk and under its rules of who may see what."""

    def __init__(
        self, projection: Projection, lines: Timelines, clock: Callable[[], dt.datetime]
    ) -> None:
        self.projection, self.lines, self.clock = projection, lines, clock
        self._remembered = OrderedDict[tuple[object, ...], Any]()
        self._lock = Lock()

    def funnel(self, asked: FunnelAsked, viewer: Viewer) -> shapes.FunnelAnswer:
        """Who got how far, by which route; Rejected where it cannot be asked like this."""
        of = ground(asked, viewer, self.projection, self.clock())
        rule = funnels.rule_of(asked, of)
        position = str(self.projection.position)

        def read() -> shapes.FunnelAnswer:
            self._refresh()
            steps, excluded = funnels.doings_of(asked)
            found = walk(
                of,
                self.lines,
                [*steps, *excluded],
                asked.where,
                (rule.entry_from, min(rule.entry_to + rule.reach, rule.watermark) + 1),
                by=asked.by,
                everything=asked.order == "strict",
            )
            return funnels.answer(found, asked, of, position)

        known = self._once(asked, of, read)
        return msgspec.structs.replace(known, position=position)

    def _refresh(self) -> None:
        """Let the timelines hold everything that is in the sums."""
        out = self.projection.ground.exclude
        self.lines.refresh(f"{self.projection.journal}\n{out}")

    def _once(self, asked: msgspec.Struct, of: Ground, read: Callable[[], Answer]) -> Answer:
        """An answer that is still true, or what `read` finds now."""
        projection = self.projection
        marker = (
            msgspec.json.encode(asked),
            type(asked),
            of.products,
            of.start,
            of.end,
            projection.generation,
            projection.ground,
            projection.changed(of.products, EVENT_TYPES),
            of.now // MINUTE,
        )
        with self._lock:
            if marker in self._remembered:
                self._remembered.move_to_end(marker)
                found: Answer = self._remembered[marker]
                return found
        made = read()
        with self._lock:
            self._remembered[marker] = made
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return made
