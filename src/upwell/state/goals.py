"""Goals made on pages: which metric is to be where by when. Days: as numbers, times UTC micros."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from upwell.state.db import State
from upwell.state.tables import metadata

_goals = Table(
    "goals",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("metric", String(80), nullable=False),
    Column("product", String(80), nullable=False),  # "": the company
    Column("since", Integer, nullable=False),
    Column("by", Integer, nullable=False),
    Column("value", String(40), nullable=False),  # a decimal
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(320), nullable=False),
)


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A goal as stored: `value` is to be there at the end of the day `by`."""

    id: str
    metric: str
    product: str
    since: int
    by: int
    value: str
    created_at: int
    created_by: str


def _shaped(row: Row[Any]) -> Goal:
    # SQLAlchemy names columns by a kind of str of its own.
    return msgspec.convert({str(name): v for name, v in row._mapping.items()}, Goal)


def add(state: State, one: Goal) -> None:
    """Keeps a new one."""
    with state.write() as to:
        to.execute(insert(_goals).values(msgspec.to_builtins(one)))


def put(state: State, one: Goal) -> None:
    """Keeps it in place of the one of its id."""
    with state.write() as to:
        to.execute(update(_goals).where(_goals.c.id == one.id).values(msgspec.to_builtins(one)))


def every(state: State) -> list[Goal]:
    """All of them, the one to be reached first in front."""
    with state.read() as of:
        rows = of.execute(select(_goals).order_by(_goals.c.by, _goals.c.id)).all()
    return [_shaped(row) for row in rows]


def drop(state: State, id_: str) -> None:
    """Forgets it."""
    with state.write() as to:
        to.execute(delete(_goals).where(_goals.c.id == id_))
