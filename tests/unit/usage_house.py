"""A house with the door that answers questions about use, for tests; events as short streams."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.laws.world import World, config, world
from tests.oracle.plain import Event, Rules
from upwell.access import SYSTEM, Viewer
from upwell.query.usage.asked import (
    FunnelAsked,
    LifecycleAsked,
    PathsAsked,
    PeopleAsked,
    RetentionAsked,
    StickinessAsked,
)
from upwell.query.usage.door import Usage
from upwell.query.usage.shapes import (
    FunnelAnswer,
    LifecycleAnswer,
    PathsAnswer,
    PeopleAnswer,
    RetentionAnswer,
    StickinessAnswer,
)
from upwell.state.db import State
from upwell.warehouse.timelines import Timelines

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
START = 1_780_272_000_000_000  # 2026-06-01T00:00Z, a Monday
NOW = dt.datetime(2026, 6, 3, tzinfo=dt.UTC)
WAYS = [pytest.param(0, id="from runs"), pytest.param(1_000, id="from the table")]


def happened(streams: dict[str, str], product: str = "mail", **more: Any) -> list[Event]:
    """Streams such as 'A0 B10' as events: a name and the minute; the same twice is one event."""
    return [
        Event(
            product,
            "engagement",
            START + int(word[1:]) * MINUTE,
            actor=who,
            key=f"{who}-{word}",
            metadata={"name": word[0], **more},
        )
        for who, text in streams.items()
        for word in text.split()
    ]


def on_days(streams: dict[str, str], name: str, **more: Any) -> list[Event]:
    """Streams such as '0 2' as one event at noon of each of these days; the same twice is two."""
    product, money = more.pop("product", "mail"), more.pop("money", None)
    kind = "engagement" if money is None else "revenue"
    return [
        Event(
            product,
            kind,
            START + int(day) * DAY + 720 * MINUTE + place,
            actor=who,
            key=f"{name}-{who}-{day}-{place}",
            value=None if money is None else Decimal(money),
            currency=None if money is None else more.get("currency", "USD"),
            metadata={"name": name, **more} if money is None else {},
        )
        for who, text in streams.items()
        for place, day in enumerate(text.split())
    ]


class Asking:
    """A house with the door that answers; questions as they come over HTTP."""

    def __init__(self, house: World, folder: Path, fresh: int) -> None:
        self.house = house
        lines = Timelines(folder, house.projection.reader, fresh=fresh)
        self.now = NOW
        self.state = State.open(folder.parent / "state.sqlite")
        self.door = Usage(house.projection, lines, self.state, lambda: self.now)

    def funnel(self, asked: dict[str, Any], viewer: Viewer = SYSTEM) -> FunnelAnswer:
        """The answer to a body."""
        return self.door.funnel(msgspec.convert(asked, FunnelAsked), viewer)

    def retention(self, asked: dict[str, Any], viewer: Viewer = SYSTEM) -> RetentionAnswer:
        """The answer to a body."""
        return self.door.retention(msgspec.convert(asked, RetentionAsked), viewer)

    def lifecycle(self, asked: dict[str, Any], viewer: Viewer = SYSTEM) -> LifecycleAnswer:
        """The answer to a body."""
        return self.door.lifecycle(msgspec.convert(asked, LifecycleAsked), viewer)

    def stickiness(self, asked: dict[str, Any], viewer: Viewer = SYSTEM) -> StickinessAnswer:
        """The answer to a body."""
        return self.door.stickiness(msgspec.convert(asked, StickinessAsked), viewer)

    def paths(self, asked: dict[str, Any], viewer: Viewer = SYSTEM) -> PathsAnswer:
        """The answer to a body."""
        return self.door.paths(msgspec.convert(asked, PathsAsked), viewer)

    def people(self, of: dict[str, Any], viewer: Viewer = SYSTEM, **more: Any) -> PeopleAnswer:
        """The users behind a number."""
        return self.door.people(msgspec.convert({"of": of, **more}, PeopleAsked), viewer)

    def who(self, of: dict[str, Any]) -> list[str]:
        """Their names, in order; as many as are said to be in all."""
        found = self.people(of)
        assert found.total == len(found.people)
        return sorted(person.id for person in found.people)


@contextmanager
def opened(path: Path, fresh: int) -> Iterator[Asking]:
    """A house in UTC with the products mail, docs and x; up to `fresh` events are in no run."""
    with world(path) as house:
        house.take(config(Rules()))
        asking = Asking(house, path / "timelines", fresh)
        try:
            yield asking
        finally:
            asking.state.close()
