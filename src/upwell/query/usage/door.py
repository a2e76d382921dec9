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
from upwell.money import Rates, ecb_rates
from upwell.projection import Projection
from upwell.query.usage import funnels, lifecycles, retentions, shapes
from upwell.query.usage.asked import (
    ActivityAsked,
    FunnelAsked,
    LifecycleAsked,
    RetentionAsked,
    Scoped,
    StickinessAsked,
)
from upwell.query.usage.walk import Ground, Walk, ground, walk
from upwell.warehouse.timelines import Timelines

Answer = TypeVar("Answer", bound=shapes.Answered)

REMEMBERED = 200  # answers
MINUTE = 60_000_000


class Usage:
    """A third door, beside the desk and under its rules of who may see what."""

    def __init__(
        self,
        projection: Projection,
        lines: Timelines,
        clock: Callable[[], dt.datetime],
        rates: Callable[[], Rates] = ecb_rates,
    ) -> None:
        self.projection, self.lines, self.clock, self._rates = projection, lines, clock, rates
        self._remembered = OrderedDict[tuple[object, ...], Any]()
        self._lock = Lock()

    def funnel(self, asked: FunnelAsked, viewer: Viewer) -> shapes.FunnelAnswer:
        """Who got how far, by which route; Rejected where it cannot be asked like this."""
        of = self._ground(asked, viewer)

        def read() -> shapes.FunnelAnswer:
            return funnels.answer(self._walked(asked, of), asked, of)

        return self._known(asked, of, read)

    def retention(self, asked: RetentionAsked, viewer: Viewer) -> shapes.RetentionAnswer:
        """Who came back; Rejected where it cannot be asked like this."""
        of = self._ground(asked, viewer)

        def read() -> shapes.RetentionAnswer:
            self._refresh()
            table = retentions.read(asked, of, self.lines, self._rates)
            return retentions.answer(asked, of, table)

        return self._known(asked, of, read)

    def lifecycle(self, asked: LifecycleAsked, viewer: Viewer) -> shapes.LifecycleAnswer:
        """Who is new, stays, comes back and goes quiet."""
        of = self._ground(asked, viewer)

        def read() -> shapes.LifecycleAnswer:
            self._refresh_for(asked)
            return lifecycles.lifecycle(asked, of, self.projection, self.lines)

        return self._known(asked, of, read)

    def stickiness(self, asked: StickinessAsked, viewer: Viewer) -> shapes.StickinessAnswer:
        """How many came how often."""
        of = self._ground(asked, viewer)

        def read() -> shapes.StickinessAnswer:
            self._refresh_for(asked)
            return lifecycles.stickiness(asked, of, self.projection, self.lines)

        return self._known(asked, of, read)

    def _ground(self, asked: Scoped, viewer: Viewer) -> Ground:
        return ground(asked, viewer, self.projection, self.clock())

    def _walked(self, asked: FunnelAsked, of: Ground) -> Walk:
        """The events of a funnel."""
        rule = funnels.rule_of(asked, of)
        self._refresh()
        steps, excluded = funnels.doings_of(asked)
        return walk(
            of,
            self.lines,
            [*steps, *excluded],
            asked.where,
            (rule.entry_from, min(rule.entry_to + rule.reach, rule.watermark) + 1),
            properties=(asked.by,),
            everything=asked.order == "strict",
        )

    def _refresh_for(self, asked: ActivityAsked) -> None:
        """Let the timelines hold everything, where they are read: kept days answer the rest."""
        if asked.event or asked.where:
            self._refresh()

    def _known(self, asked: Scoped, of: Ground, read: Callable[[], Answer]) -> Answer:
        """The answer with the position that it, or what it rests on, was read at."""
        position = str(self.projection.position)
        return msgspec.structs.replace(self._once(asked, of, read), position=position)

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
