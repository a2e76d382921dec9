"""Alerts as they stand, and how far alerting has come; bodies are JSON that `alerts` reads.

The columns beside a body are what rows are found by. Times are UTC microseconds.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    insert,
    or_,
    select,
    update,
)

from upwell.event import Position
from upwell.state.tables import metadata

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("rule", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Column("body", LargeBinary, nullable=False),
    Index("ix_incidents_rule", "rule", "resolved_at"),
    Index("ix_incidents_opened_at", "opened_at"),
)

alert_positions = Table(
    "alert_positions",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("awake", LargeBinary, nullable=False),  # JSON: what live events arrived for
)


class Kept(msgspec.Struct, frozen=True):
    """One row: the columns that find it, and its body."""

    id: str
    rule: str
    state: str
    opened_at: int
    resolved_at: int | None
    body: bytes


def save(connection: Connection, kept: Kept) -> None:
    """Writes the row, new or changed."""
    values = msgspec.structs.asdict(kept)
    changed = connection.execute(update(incidents).where(incidents.c.id == kept.id).values(values))
    if not changed.rowcount:
        connection.execute(insert(incidents).values(values))


def forget(connection: Connection, id: str) -> None:
    """Removes a row that nobody was told of."""
    connection.execute(delete(incidents).where(incidents.c.id == id))


def body(connection: Connection, id: str) -> bytes | None:
    """The body of one row, or None where there is none."""
    found = connection.execute(select(incidents.c.body).where(incidents.c.id == id)).scalar()
    return None if found is None else bytes(found)


def near(connection: Connection, rule: str, since: int) -> list[bytes]:
    """Bodies of a rule's rows that are not over, or were over at `since` or later; newest first."""
    query = (
        select(incidents.c.body)
        .where(
            incidents.c.rule == rule,
            or_(incidents.c.resolved_at.is_(None), incidents.c.resolved_at >= since),
        )
        .order_by(incidents.c.opened_at.desc(), incidents.c.id)
    )
    return [bytes(found) for found in connection.execute(query).scalars()]


def newest(connection: Connection, limit: int) -> list[bytes]:
    """Bodies of the newest rows that people may see: what is not over first."""
    query = (
        select(incidents.c.body)
        .where(incidents.c.state != "pending")
        .order_by(incidents.c.resolved_at.is_not(None), incidents.c.opened_at.desc())
        .limit(limit)
    )
    return [bytes(found) for found in connection.execute(query).scalars()]


def position(connection: Connection, shard: int = 0) -> tuple[Position, bytes] | None:
    """How far alerting has come and its notes, or None before it ever ran."""
    query = select(alert_positions).where(alert_positions.c.shard == shard)
    row = connection.execute(query).first()
    return None if row is None else (Position(row.shard, row.seq), bytes(row.awake))


def move(connection: Connection, at: Position, awake: bytes) -> None:
    """Sets how far alerting has come; belongs in the transaction of what it led to."""
    values = {"shard": at.shard, "seq": at.seq, "awake": awake}
    of_shard = alert_positions.c.shard == at.shard
    changed = connection.execute(update(alert_positions).where(of_shard).values(values))
    if not changed.rowcount:
        connection.execute(insert(alert_positions).values(values))
