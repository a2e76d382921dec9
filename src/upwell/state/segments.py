"""Segments: users by what they do, saved under a name. Times: UTC microseconds."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import JSON, BigInteger, Column, String, Table, delete, insert, select

from upwell.state.db import State
from upwell.state.tables import metadata

segments = Table(
    "segments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("of", JSON, nullable=False),  # whose people: a question, and where in its answer
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(40), nullable=False),
)


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as stored; `of` is JSON that `query` reads."""

    id: str
    name: str
    of: dict[str, Any]
    created_at: int
    created_by: str


def add(state: State, segment: Segment) -> None:
    """Keeps a new segment."""
    with state.write() as at:
        at.execute(insert(segments).values(msgspec.to_builtins(segment)))


def every(state: State) -> list[Segment]:
    """All of them, by name."""
    with state.read() as at:
        rows = at.execute(select(segments).order_by(segments.c.name, segments.c.id)).all()
    return [
        msgspec.convert({str(name): value for name, value in row._mapping.items()}, Segment)
        for row in rows
    ]


def drop(state: State, id_: str) -> bool:
    """Forgets a segment; whether there was one of that id."""
    with state.write() as at:
        return at.execute(delete(segments).where(segments.c.id == id_)).rowcount > 0
