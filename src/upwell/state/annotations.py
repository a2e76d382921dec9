"""Annotations: what people write beside time series. Times: UTC microseconds."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from upwell.state.db import State
from upwell.state.tables import metadata

_annotations = Table(
    "annotations",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("title", String(100), nullable=False),
    Column("text", Text, nullable=False),
    Column("products", JSON, nullable=False),  # []: the whole company
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(320), nullable=False),
    Index("ix_annotations_at", "at"),
)


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """An annotation as stored; of no products it is about the whole company."""

    id: str
    at: int
    kind: str
    title: str
    text: str
    products: list[str]
    created_at: int
    created_by: str


def _shaped(row: Row[Any]) -> Annotation:
    # SQLAlchemy names columns by a kind of str of its own.
    return msgspec.convert({str(name): v for name, v in row._mapping.items()}, Annotation)


def add(state: State, one: Annotation) -> None:
    """Keeps a new one."""
    with state.write() as to:
        to.execute(insert(_annotations).values(msgspec.to_builtins(one)))


def put(state: State, one: Annotation) -> None:
    """Keeps it in place of the one of its id."""
    with state.write() as to:
        to.execute(
            update(_annotations).where(_annotations.c.id == one.id).values(msgspec.to_builtins(one))
        )


def between(state: State, since: int, until: int) -> list[Annotation]:
    """Those of since <= at < until, the newest first."""
    at = _annotations.c.at
    asked = select(_annotations).where(at >= since, at < until)
    with state.read() as of:
        rows = of.execute(asked.order_by(at.desc(), _annotations.c.id)).all()
    return [_shaped(row) for row in rows]


def find(state: State, id_: str) -> Annotation | None:
    """The one of that id."""
    with state.read() as of:
        row = of.execute(select(_annotations).where(_annotations.c.id == id_)).one_or_none()
    return None if row is None else _shaped(row)


def drop(state: State, id_: str) -> None:
    """Forgets it."""
    with state.write() as to:
        to.execute(delete(_annotations).where(_annotations.c.id == id_))


def count(state: State) -> int:
    """How many there are."""
    with state.read() as of:
        return of.execute(select(func.count()).select_from(_annotations)).scalar_one()
