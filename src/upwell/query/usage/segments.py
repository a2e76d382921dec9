"""Segments as questions use them: kept by the control state, seen by who sees their products."""

from __future__ import annotations

import datetime as dt

import msgspec

from upwell.access import Viewer, mint_id
from upwell.errors import NotFound, Rejected, nearest
from upwell.period import to_instant, to_micros
from upwell.query.usage import shapes
from upwell.query.usage.asked import Behind, NewSegment
from upwell.state import segments as stored
from upwell.state.db import State

LONGEST = 100  # characters of a name
MOST = 500


class Saved:
    """The segments of a workspace."""

    def __init__(self, state: State) -> None:
        self._state = state

    def every(self, viewer: Viewer) -> list[shapes.Segment]:
        """Those whose products the viewer may see, by name."""
        found = [
            shapes.Segment(
                id=one.id,
                name=one.name,
                of=msgspec.convert(one.of, Behind),
                created_at=to_instant(one.created_at),
                created_by=one.created_by,
            )
            for one in stored.every(self._state)
        ]
        return [one for one in found if all(map(viewer.sees, one.of.question.products))]

    def find(self, id_: str, viewer: Viewer) -> shapes.Segment:
        """One of them; Rejected where the viewer has none of that id."""
        known = {one.id: one for one in self.every(viewer)}
        if id_ not in known:
            names = [f"{one.id} ({one.name})" for one in known.values()]
            raise Rejected(
                "unknown_segment",
                f"There is no segment '{id_[:40]}'.",
                fix=nearest(id_, names),
                where="segment",
            )
        return known[id_]

    def add(self, asked: NewSegment, viewer: Viewer, now: dt.datetime) -> shapes.Segment:
        """Keep a new one; Rejected where its name does not do, or there are too many."""
        name = asked.name.strip()
        if not 1 <= len(name) <= LONGEST:
            raise Rejected(
                "bad_name",
                f"A segment cannot be called '{name[:LONGEST]}'.",
                fix=f"Give it a name of 1 to {LONGEST} characters.",
                where="name",
            )
        if len(stored.every(self._state)) >= MOST:
            raise Rejected("too_many_segments", f"There are {MOST} segments.", fix="Delete some.")
        made = stored.Segment(
            id=mint_id("seg"),
            name=name,
            of=msgspec.to_builtins(asked.of),
            created_at=to_micros(now),
            created_by=viewer.id,
        )
        stored.add(self._state, made)
        return self.find(made.id, viewer)

    def drop(self, id_: str, viewer: Viewer) -> None:
        """Forget one; NotFound where the viewer has none of that id."""
        if all(one.id != id_ for one in self.every(viewer)):
            raise NotFound("unknown_segment", f"There is no segment '{id_[:40]}'.", where="id")
        stored.drop(self._state, id_)
