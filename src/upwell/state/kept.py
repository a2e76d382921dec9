"""What people keep under a name: segments, questions about use, boards. Times: UTC microseconds."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from upwell.state.db import State
from upwell.state.tables import metadata


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Users by what they do; `of` is JSON that `query` reads: a number about use."""

    id: str
    name: str
    of: dict[str, Any]
    created_at: int
    created_by: str


class Question(Segment, frozen=True, kw_only=True):
    """A question; `of` is JSON that `query` reads, `address` the page that asks it."""

    address: str


class Board(Segment, frozen=True, kw_only=True):
    """Tiles on a grid, JSON that `query` reads; `shared` ones are everybody's to see."""

    owner: str
    shared: bool


Kept = TypeVar("Kept", bound=Segment)


class Shelf(Generic[Kept]):
    """One table of things with a name."""

    def __init__(self, name: str, shape: type[Kept], *more: Column[Any]) -> None:
        self._shape = shape
        self._table = Table(
            name,
            metadata,
            Column("id", String(40), primary_key=True),
            Column("name", String(100), nullable=False),
            Column("of", JSON, nullable=False),
            *more,
            Column("created_at", BigInteger, nullable=False),
            Column("created_by", String(40), nullable=False),
        )

    def add(self, state: State, one: Kept) -> None:
        """Keeps a new one."""
        with state.write() as at:
            at.execute(insert(self._table).values(msgspec.to_builtins(one)))

    def put(self, state: State, one: Kept) -> bool:
        """Keeps it in place of the one of its id; whether there was one."""
        mine = self._table.c.id == one.id
        with state.write() as at:
            new = update(self._table).where(mine).values(msgspec.to_builtins(one))
            return at.execute(new).rowcount > 0

    def every(self, state: State) -> list[Kept]:
        """All of them, by name."""
        c = self._table.c
        with state.read() as at:
            rows = at.execute(select(self._table).order_by(c.name, c.id)).all()
        return [
            msgspec.convert({str(name): value for name, value in row._mapping.items()}, self._shape)
            for row in rows
        ]

    def drop(self, state: State, id_: str) -> bool:
        """Forgets one; whether there was one of that id."""
        with state.write() as at:
            return at.execute(delete(self._table).where(self._table.c.id == id_)).rowcount > 0


SEGMENTS = Shelf("segments", Segment)
QUESTIONS = Shelf("questions", Question, Column("address", Text, nullable=False))
BOARDS = Shelf(
    "boards",
    Board,
    Column("owner", String(320), nullable=False),
    Column("shared", Boolean, nullable=False),
)
