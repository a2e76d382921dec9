"""Saved questions: kept by the control state, seen by who sees all the products they name."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from upwell.access import Viewer, mint_id
from upwell.errors import NotFound, Rejected, nearest
from upwell.period import to_instant, to_micros
from upwell.query.plan import may_read
from upwell.query.usage import shapes
from upwell.query.usage.asked import OneAsked
from upwell.query.usage.keeping import NewQuestion, SavedQuestion, SavedQuestions, mentioned
from upwell.query.usage.segments import checked_name, room
from upwell.state import kept
from upwell.state.db import State

LONGEST = 4_000  # characters of an address

Doors = Mapping[str, tuple[type[Any], Callable[[Any, Viewer], shapes.Shape]]]
"""By the name of a question the shape of its body, and who answers it."""


def answered(doors: Doors, kind: str, body: object, viewer: Viewer) -> shapes.Shape:
    """The answer to a question by its name and its body; Rejected where either is wrong."""
    if kind not in doors:
        raise Rejected(
            "unknown_question", f"Nothing answers '{kind}'.", nearest(kind, doors), "kind"
        )
    shape, door = doors[kind]
    try:
        asked = msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise Rejected(
            "bad_question",
            f"The question is not a {kind}: {error}.",
            fix="The reference of POST /v1/" + kind + " has every field.",
        ) from error
    return door(asked, viewer)


class Questions:
    """The saved questions of a workspace."""

    def __init__(
        self,
        state: State,
        ask: Callable[[str, object, Viewer], shapes.Shape],
        clock: Callable[[], dt.datetime],
    ) -> None:
        """`ask` answers a question by its name and body, and refuses what cannot be asked."""
        self._state, self._ask, self._clock = state, ask, clock

    def listed(self, viewer: Viewer) -> SavedQuestions:
        """Those that the viewer may open."""
        may_read(viewer)
        return SavedQuestions(questions=tuple(self.every(viewer)))

    def every(self, viewer: Viewer) -> list[SavedQuestion]:
        """Those all of whose products the viewer may see, by name."""
        found = [
            SavedQuestion(
                id=one.id,
                name=one.name,
                of=msgspec.convert(one.of, OneAsked),
                address=one.address,
                created_at=to_instant(one.created_at),
                created_by=one.created_by,
            )
            for one in kept.QUESTIONS.every(self._state)
        ]
        return [one for one in found if all(map(viewer.sees, mentioned(one.of.question)))]

    def find(self, id_: str, viewer: Viewer) -> SavedQuestion:
        """One of them; NotFound where the viewer has none of that id."""
        for one in self.every(viewer):
            if one.id == id_:
                return one
        raise NotFound("unknown_question", f"There is no saved question '{id_[:40]}'.", where="id")

    def add(self, asked: NewQuestion, viewer: Viewer) -> SavedQuestion:
        """Keep a new one; Rejected where it cannot be asked, named or opened, or none has room."""
        room(len(kept.QUESTIONS.every(self._state)), "saved questions")
        made = self._made(asked, viewer, mint_id("sav"), to_micros(self._clock()), viewer.id)
        kept.QUESTIONS.add(self._state, made)
        return self.find(made.id, viewer)

    def put(self, id_: str, asked: NewQuestion, viewer: Viewer) -> SavedQuestion:
        """Keep it in place of one that was saved; NotFound where the viewer has none."""
        had = self.find(id_, viewer)
        made = self._made(asked, viewer, id_, to_micros(had.created_at), had.created_by)
        kept.QUESTIONS.put(self._state, made)
        return self.find(id_, viewer)

    def drop(self, id_: str, viewer: Viewer) -> None:
        """Forget one; NotFound where the viewer has none of that id."""
        self.find(id_, viewer)
        kept.QUESTIONS.drop(self._state, id_)

    def _made(
        self, asked: NewQuestion, viewer: Viewer, id_: str, at: int, by: str
    ) -> kept.Question:
        # It is a link on other people's pages: nothing but a page of ours.
        if not re.fullmatch(r"/usage(/[a-z]+)?(\?[!-~]*)?", asked.address[: LONGEST + 1]) or (
            len(asked.address) > LONGEST
        ):
            raise Rejected(
                "bad_address",
                "The address is not that of a page about use.",
                fix=f"Send its path and what follows, such as /usage/paths?range=90d,"
                f" of {LONGEST:,} characters at most.",
                where="address",
            )
        self._ask(asked.of.asks, msgspec.to_builtins(asked.of.question), viewer)
        return kept.Question(
            id=id_,
            name=checked_name(asked.name, "question"),
            of=msgspec.to_builtins(asked.of),
            address=asked.address,
            created_at=at,
            created_by=by,
        )
