"""Sources that are pulled: those made on a page, and what was learned of every one.

A row of a source that stands in the configuration file holds no settings (`made` False). Secrets
are not here: `api_key` and `webhook_secret` say where they are (`file:PATH`). Times: UTC
microseconds.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Row,
    String,
    Table,
    Text,
    insert,
    select,
    text,
    update,
)

from upwell.state.db import State
from upwell.state.tables import metadata

sources = Table(
    "sources",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("made", Boolean, nullable=False),
    Column("name", String(200), nullable=False),
    Column("product", String(80)),
    Column("product_from", String(200)),
    Column("api_base", String(500), nullable=False),
    Column("api_key", String(500), nullable=False),
    Column("webhook_secret", String(500), nullable=False),
    Column("account", String(80), nullable=False),
    Column("livemode", Boolean),
    Column("assign", JSON, nullable=False),  # vendor's price or product -> product
    Column("named", JSON, nullable=False),  # the same, as the vendor's metadata say it
    Column("names", JSON, nullable=False),  # vendor's price or product -> what people call it
    # The table of any other kind, secrets as pointers.
    Column("given", JSON, nullable=False, server_default=text("'{}'")),
    Column("paused", Boolean, nullable=False),
    Column("failed", String(40), nullable=False),  # sign-in, permissions, request; '' while well
    Column("error", Text, nullable=False),
    # What to do about it, in the vendor's case; '' where `failed` alone says it.
    Column("fix", Text, nullable=False, server_default=text("''")),
    Column("failed_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(40), nullable=False),
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A pulled source as stored."""

    id: str
    kind: str = "stripe"
    made: bool = False
    name: str = ""
    product: str | None = None
    product_from: str | None = None
    api_base: str = ""
    api_key: str = ""
    webhook_secret: str = ""
    account: str = ""
    livemode: bool | None = None
    assign: dict[str, str] = {}
    named: dict[str, str] = {}
    names: dict[str, str] = {}
    given: dict[str, Any] = {}
    paused: bool = False
    failed: str = ""
    error: str = ""
    fix: str = ""
    failed_at: int | None = None
    created_at: int
    created_by: str = ""


def every(state: State) -> list[Source]:
    """All of them, by id."""
    with state.read() as at:
        return [_source(row) for row in at.execute(select(sources).order_by(sources.c.id))]


def find(state: State, id_: str) -> Source | None:
    """The source of that id."""
    with state.read() as at:
        row = at.execute(select(sources).where(sources.c.id == id_)).first()
    return None if row is None else _source(row)


def add(state: State, source: Source) -> None:
    """Keeps a new one."""
    with state.write() as at:
        at.execute(insert(sources).values(msgspec.to_builtins(source)))


def change(state: State, id_: str, **values: Any) -> bool:
    """Sets some of its columns; whether there is such a source and anything changed."""
    with state.write() as at:
        row = at.execute(select(sources).where(sources.c.id == id_)).first()
        if row is None or all(row._mapping[name] == value for name, value in values.items()):
            return False
        at.execute(update(sources).where(sources.c.id == id_).values(**values))
    return True


def _source(row: Row[Any]) -> Source:
    return msgspec.convert({str(name): value for name, value in row._mapping.items()}, Source)
