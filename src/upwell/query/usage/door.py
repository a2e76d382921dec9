"""The door for questions about use: who asks, what is read, what is remembered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import msgspec
import numpy as np

from upwell.access import Viewer
from upwell.event import EVENT_TYPES
from upwell.metrics import retention
from upwell.metrics.funnel import run
from upwell.money import Rates, ecb_rates
from upwell.projection import Projection
from upwell.query import complete
from upwell.query.plan import may_read, scope
from upwell.query.usage import funnels, here, lifecycles, pathways, people, retentions, shapes
from upwell.query.usage.asked import (
    ActivityAsked,
    Behind,
    FunnelAsked,
    LifecycleAsked,
    PathsAsked,
    PeopleAsked,
    RetentionAsked,
    Scoped,
    StickinessAsked,
)
from upwell.query.usage.courses import doings_of
from upwell.query.usage.ground import I64, Ground, ground
from upwell.query.usage.keeping import NewSegment, Segment, Segments
from upwell.query.usage.known import Known
from upwell.query.usage.properties import properties
from upwell.query.usage.questions import Doors, Questions, answered
from upwell.query.usage.segments import Saved
from upwell.query.usage.turns import Turns
from upwell.query.usage.walk import Walks, walk
from upwell.state.db import State
from upwell.warehouse import reading
from upwell.warehouse.order import by_person
from upwell.warehouse.timelines import Timelines

Answer = TypeVar("Answer", bound=shapes.Answered)

Found = TypeVar("Found")

REMEMBERED = 200  # answers
REMEMBERED_PEOPLE = 8  # lists of people, which may be millions
MINUTE = 60_000_000
LONG = 20_000_000  # events of a question that waits for its turn, because it takes seconds


class Usage:
    """A third door, beside the desk and under its rules of who may see what."""

    def __init__(
        self,
        projection: Projection,
        lines: Timelines,
        state: State,
        clock: Callable[[], dt.datetime],
        rates: Callable[[], Rates] = ecb_rates,
        long: int = LONG,
        behind: complete.Behind = complete.nothing_read,
    ) -> None:
        self.projection, self.lines, self.clock, self._rates = projection, lines, clock, rates
        self._feeds = behind
        self.saved, self.questions = Saved(state), Questions(state, self.by_name, clock)
        self._answers, self._people = Known(REMEMBERED), Known(REMEMBERED_PEOPLE)
        self._long, self._turns = long, Turns()

    def funnel(self, asked: FunnelAsked, viewer: Viewer) -> shapes.FunnelAnswer:
        """Who got how far, by which route; Rejected where it cannot be asked like this."""
        of = self._ground(asked, viewer)

        def read(of: Ground) -> shapes.FunnelAnswer:
            return funnels.answer(self._walked(asked, of), asked, of)

        return self._known(asked, of, read)

    def retention(self, asked: RetentionAsked, viewer: Viewer) -> shapes.RetentionAnswer:
        """Who came back; Rejected where it cannot be asked like this."""
        of = self._ground(asked, viewer)

        def read(of: Ground) -> shapes.RetentionAnswer:
            self._refresh()
            table = retentions.read(asked, of, self.lines, self._rates)
            return retentions.answer(asked, of, table)

        return self._known(asked, of, read)

    def lifecycle(self, asked: LifecycleAsked, viewer: Viewer) -> shapes.LifecycleAnswer:
        """Who is new, stays, comes back and goes quiet."""
        of = self._ground(asked, viewer)

        def read(of: Ground) -> shapes.LifecycleAnswer:
            self._refresh_for(asked)
            return lifecycles.lifecycle(asked, of, self.lines)

        return self._known(asked, of, read)

    def stickiness(self, asked: StickinessAsked, viewer: Viewer) -> shapes.StickinessAnswer:
        """How many came how often."""
        of = self._ground(asked, viewer)

        def read(of: Ground) -> shapes.StickinessAnswer:
            self._refresh_for(asked)
            return lifecycles.stickiness(asked, of, self.lines)

        return self._known(asked, of, read)

    def paths(self, asked: PathsAsked, viewer: Viewer) -> shapes.PathsAnswer:
        """The ways people take, and where they stop."""
        of = self._ground(asked, viewer)

        def read(of: Ground) -> shapes.PathsAnswer:
            self._refresh()
            return pathways.answer(asked, pathways.read(asked, of, self.lines))

        return self._known(asked, of, read)

    def people(self, asked: PeopleAsked, viewer: Viewer) -> shapes.PeopleAnswer:
        """The users behind a number, a page of them."""
        of = self._ground(asked.of.question, viewer)
        found = self._behind(asked.of, of)
        return people.listed(found, asked, of, self.lines)

    def properties(self, viewer: Viewer, event: str | None) -> shapes.Properties:
        """The properties of the newest events that the viewer may see."""
        may_read(viewer)
        products = scope((), self.projection.known_products(), viewer)
        return properties(self.projection, products, event)

    def segments(self, viewer: Viewer) -> Segments:
        """The segments that the viewer may use."""
        may_read(viewer)
        return Segments(segments=tuple(self.saved.every(viewer)))

    def add_segment(self, asked: NewSegment, viewer: Viewer) -> Segment:
        """Keep a segment that can be asked; Rejected otherwise."""
        self._behind(asked.of, self._ground(asked.of.question, viewer))
        return self.saved.add(asked, viewer, self.clock())

    def members(self, segment: str, viewer: Viewer) -> I64:
        """The people of a segment, found now; of one of another's users these first."""
        *inner, first = self.saved.chain(segment, viewer)
        found = self._behind(first.of, self._ground(first.of.question, viewer))
        for one in reversed(inner):
            found = self._behind(one.of, self._ground(one.of.question, viewer, found))
        return found

    def warm(self) -> None:
        """Compile what questions run, and put the events in order: before anybody asks.

        Takes seconds to minutes, from any thread.
        """
        run.warm()
        retention.warm()
        nobody = np.zeros(1, dtype=np.int64)
        by_person(nobody, nobody)
        reading.warm()
        self._refresh()

    def close(self) -> None:
        """Give up what is being answered for long."""
        self._turns.close()

    def by_name(self, kind: str, body: object, viewer: Viewer) -> shapes.Shape:
        """The answer to a question by its name and its body; Rejected where either is wrong."""
        doors: Doors = {
            "funnel": (FunnelAsked, self.funnel),
            "retention": (RetentionAsked, self.retention),
            "lifecycle": (LifecycleAsked, self.lifecycle),
            "stickiness": (StickinessAsked, self.stickiness),
            "paths": (PathsAsked, self.paths),
            "people": (PeopleAsked, self.people),
        }
        return answered(doors, kind, body, viewer)

    def _ground(self, asked: Scoped, viewer: Viewer, only: I64 | None = None) -> Ground:
        of = ground(asked, viewer, self.projection, self.clock())
        if only is None and asked.segment is not None:
            only = self.members(asked.segment, viewer)
        return replace(of, only=only, sources=here.found(asked, of, self._feeds))

    def _behind(self, behind: Behind, of: Ground) -> I64:
        """The people of a number, ascending."""

        def read(of: Ground) -> I64:
            self._refresh()
            return self._found(behind, of)

        return self._people.once(
            self._marker(behind, behind.question, of), lambda: self._in_turn(behind, of, read)
        )

    def _found(self, behind: Behind, of: Ground) -> I64:
        if (funnel := behind.funnel) is not None:
            return people.of_funnel(behind, funnel, of, self._walked(funnel, of))
        if (kept := behind.retention) is not None:
            table = retentions.read(kept, of, self.lines, self._rates)
            cell = (behind.cohort, behind.k, behind.stayed)
            return retentions.people(kept, of, table, cell, behind.part)
        if (lifecycle := behind.lifecycle) is not None:
            bar = (behind.kind, behind.start)
            return lifecycles.lifecycle_people(lifecycle, of, self.lines, bar)
        if (sticky := behind.stickiness) is not None:
            times = (behind.times, behind.or_more)
            return lifecycles.sticky_people(sticky, of, self.lines, times)
        if (paths := behind.paths) is not None:
            drawn = pathways.read(paths, of, self.lines)
            return pathways.people(drawn, behind.source, behind.target)
        assert behind.did is not None  # `question` has seen to it that there is one
        return people.of_doing(behind.did, of, self.lines)

    def _walked(self, asked: FunnelAsked, of: Ground) -> Walks:
        """The events of a funnel."""
        rule = funnels.rule_of(asked, of)
        self._refresh()
        steps, excluded = doings_of(asked)
        return walk(
            of,
            self.lines,
            [*steps, *excluded],
            asked.where,
            (rule.entry_from, min(rule.entry_to + rule.reach, rule.watermark) + 1),
            properties=(asked.by,),
            everything=asked.order == "strict" or asked.between > 0,
        )

    def _refresh_for(self, asked: ActivityAsked) -> None:
        """Let the timelines hold everything, where they are read: kept days answer the rest."""
        if asked.walked:
            self._refresh()

    def _known(self, asked: Scoped, of: Ground, read: Callable[[Ground], Answer]) -> Answer:
        """The answer with the position that it, or what it rests on, was read at."""

        def placed(of: Ground, read: Callable[[Ground], Answer]) -> Answer:
            position = str(self.projection.position)
            return here.placed(read(of), of, position)

        if self._is_long(of):
            return self._in_turn(asked, of, lambda of: placed(of, read))
        marker = self._marker(asked, asked, of)
        return placed(of, lambda of: self._answers.once(marker, lambda: read(of)))

    def _in_turn(self, what: msgspec.Struct, of: Ground, read: Callable[[Ground], Found]) -> Found:
        """What is read at once, or, of many events, when it is this question's turn."""
        if not self._is_long(of):
            return read(of)
        marker = (msgspec.json.encode(what), type(what), of.products, of.start, of.end)
        return self._turns.found(
            (
                *marker,
                self.projection.ground,
                None if of.only is None else of.only.tobytes(),
                of.waiting,
            ),
            of.now,
            lambda told: read(replace(of, told=told)),
        )

    def _is_long(self, of: Ground) -> bool:
        span = (of.opens, max(min(of.closes, of.now), of.opens) + 1)
        return self.lines.rows(of.products, span) > self._long

    def _refresh(self) -> None:
        """Let the timelines hold everything that is in the sums."""
        out = self.projection.ground.exclude
        self.lines.refresh(f"{self.projection.journal}\n{out}")

    def _marker(self, what: msgspec.Struct, asked: Scoped, of: Ground) -> tuple[object, ...]:
        """All that an answer depends on."""
        projection = self.projection
        # Who is in a segment may rest on other products than the question.
        read = of.products if asked.segment is None else projection.known_products()
        return (
            msgspec.json.encode(what),
            type(what),
            of.products,
            of.start,
            of.end,
            projection.persons_version,
            projection.ground,
            projection.changed(read, EVENT_TYPES),
            of.now // MINUTE,
            of.waiting,
        )
