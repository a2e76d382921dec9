"""Messages on their way out: kept until their channel has taken them. Times are UTC microseconds.

A row is one message for one channel; its key is the same at every attempt, so that a receiver can
drop a repeat.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from upwell.state.tables import metadata

outbox = Table(
    "outbox",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("channel", String(80), primary_key=True),
    Column("incident", String(40), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(20), nullable=False),  # waiting, sent, cancelled
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("error", Text, nullable=False),
    Index("ix_outbox_channel", "channel", "state", "due_at"),
    Index("ix_outbox_incident", "incident"),
)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one channel."""

    key: str
    channel: str
    incident: str
    body: bytes
    created_at: int
    due_at: int
    state: str = "waiting"
    attempts: int = 0
    sent_at: int | None = None
    error: str = ""


def put(connection: Connection, messages: Iterable[Message]) -> None:
    """Adds messages; belongs in the transaction of what they tell."""
    rows = [msgspec.structs.asdict(message) for message in messages]
    if rows:
        connection.execute(insert(outbox), rows)


def due(connection: Connection, channel: str, now: int, limit: int = 50) -> list[Message]:
    """A channel's messages whose time has come, oldest first."""
    query = (
        select(outbox)
        .where(outbox.c.channel == channel, outbox.c.state == "waiting", outbox.c.due_at <= now)
        .order_by(outbox.c.created_at, outbox.c.key)
        .limit(limit)
    )
    return [_message(row) for row in connection.execute(query).mappings()]


def next_due(connection: Connection, channel: str) -> int | None:
    """When the channel's next message is due, or None where none waits."""
    query = select(func.min(outbox.c.due_at)).where(
        outbox.c.channel == channel, outbox.c.state == "waiting"
    )
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def taken(connection: Connection, message: Message, at: int) -> None:
    """The channel has taken the message."""
    _set(connection, message, state="sent", sent_at=at, error="")


def failed(connection: Connection, message: Message, due_at: int, error: str) -> None:
    """The channel has not taken it; it is tried again at `due_at`."""
    _set(connection, message, due_at=due_at, error=error)


def cancel(connection: Connection, incident: str) -> int:
    """A person gives up what still waits of an alert; answers how many messages that were."""
    query = update(outbox).where(outbox.c.incident == incident, outbox.c.state == "waiting")
    return connection.execute(query.values(state="cancelled")).rowcount


def of_incidents(connection: Connection, ids: Iterable[str]) -> list[Message]:
    """Every message of these alerts, oldest first."""
    query = select(outbox).where(outbox.c.incident.in_(list(ids))).order_by(outbox.c.created_at)
    return [_message(row) for row in connection.execute(query).mappings()]


def waiting(connection: Connection) -> int:
    """How many messages have not been taken yet."""
    query = select(func.count()).select_from(outbox).where(outbox.c.state == "waiting")
    return int(connection.execute(query).scalar_one())


def _set(connection: Connection, message: Message, **values: object) -> None:
    connection.execute(
        update(outbox)
        .where(
            outbox.c.key == message.key,
            outbox.c.channel == message.channel,
            outbox.c.state == "waiting",
        )
        .values(attempts=message.attempts + 1, **values)
    )


def _message(row: RowMapping) -> Message:
    return Message(**row)
