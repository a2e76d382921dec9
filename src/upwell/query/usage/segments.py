"""Segments as questions use them: kept by the control state, seen by who sees their products."""

from __future__ import annotations

import datetime as dt

import msgspec

from upwell.access import Viewer, mint_id
from upwell.errors import NotFound, Rejected, nearest
from upwell.period import to_instant, to_micros
from upwell.query.usage.asked import Behind
from upwell.query.usage.keeping import NewSegment, Segment, mentioned
from upwell.state import kept
from upwell.state.db import State

LONGEST = 100  # characters of a name
MOST = 500
DEEPEST = 8  # segments of segments: each is found before the next


class Saved:
    """The segments of a workspace."""

    def __init__(self, state: State) -> None:
        self._state = state

    def every(self, viewer: Viewer) -> list[Segment]:
        """Those whose products the viewer may see, by name."""
        found = [
            Segment(
                id=one.id,
                name=one.name,
                of=msgspec.convert(one.of, Behind),
                created_at=to_instant(one.created_at),
                created_by=one.created_by,
            )
            for one in kept.SEGMENTS.every(self._state)
        ]
        return [one for one in found if all(map(viewer.sees, mentioned(one.of.question)))]

    def find(self, id_: str, viewer: Viewer) -> Segment:
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

    def chain(self, id_: str, viewer: Viewer, deepest: int = DEEPEST) -> list[Segment]:
        """A segment, the one whose users it is of, and so on; Rejected where it does not soon end.

        Rejected, too, where the viewer has none of that id.
        """
        known = {one.id: one for one in self.every(viewer)}
        found = list[Segment]()
        within: str | None = id_
        while within is not None:
            found.append(known[within] if within in known else self.find(within, viewer))
            if len(found) > deepest:
                raise Rejected(
                    "deep_segment",
                    f"The segment '{found[0].name}' is of the users of another, and so on: more "
                    f"than {DEEPEST} in all.",
                    fix="Make a segment of all users that asks for the same, and use that one.",
                    where="segment",
                )
            within = found[-1].of.question.segment
        return found

    def add(self, asked: NewSegment, viewer: Viewer, now: dt.datetime) -> Segment:
        """Keep a new one; Rejected where its name does not do, it is too deep, or they are many."""
        room(len(kept.SEGMENTS.every(self._state)), "segments")
        if (within := asked.of.question.segment) is not None:
            self.chain(within, viewer, DEEPEST - 1)
        made = kept.Segment(
            id=mint_id("seg"),
            name=checked_name(asked.name, "segment"),
            of=msgspec.to_builtins(asked.of),
            created_at=to_micros(now),
            created_by=viewer.id,
        )
        kept.SEGMENTS.add(self._state, made)
        return self.find(made.id, viewer)

    def drop(self, id_: str, viewer: Viewer) -> None:
        """Forget one; NotFound where the viewer has none of that id."""
        if all(one.id != id_ for one in self.every(viewer)):
            raise NotFound("unknown_segment", f"There is no segment '{id_[:40]}'.", where="id")
        kept.SEGMENTS.drop(self._state, id_)


def checked_name(name: str, noun: str) -> str:
    """The name without blanks around it; Rejected where nothing can be called that."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST:
        raise Rejected(
            "bad_name",
            f"A {noun} cannot be called '{name[:LONGEST]}'.",
            fix=f"Give it a name of 1 to {LONGEST} characters.",
            where="name",
        )
    return name


def room(had: int, nouns: str) -> None:
    """Rejected where there are too many to keep one more."""
    if had >= MOST:
        raise Rejected(
            f"too_many_{nouns.split()[-1]}", f"There are {MOST} {nouns}.", fix="Delete some."
        )
