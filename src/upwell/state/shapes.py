"""What events of sources look like: JSON for each source and event; which changes were seen.

`position` is the last delivery whose events were looked at. Times are UTC microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, delete, insert, select

from upwell.state.db import State
from upwell.state.tables import metadata

source_shapes = Table(
    "source_shapes",
    metadata,
    Column("source", String(200), primary_key=True),
    Column("event", String(1100), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

drift_seen = Table(
    "drift_seen",
    metadata,
    Column("source", String(200), primary_key=True),
    Column("id", String(1200), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

Key = tuple[str, str]
_POSITION: Key = ("", "")  # no source has an empty name


def every(state: State, source: str | None = None) -> dict[Key, bytes]:
    """The bodies by source and event."""
    wanted = select(source_shapes).where(source_shapes.c.source != "")
    if source is not None:
        wanted = wanted.where(source_shapes.c.source == source)
    with state.read() as at:
        return {(row.source, row.event): row.body for row in at.execute(wanted)}


def position(state: State) -> int:
    """The last delivery that was looked at; 0 before any."""
    wanted = select(source_shapes.c.body).where(source_shapes.c.source == "")
    with state.read() as at:
        found = at.execute(wanted).scalar()
    return int(found) if found else 0


def keep(state: State, bodies: Mapping[Key, bytes], upto: int | None = None) -> None:
    """Keeps some bodies, and with `upto` how far was looked, in one transaction."""
    rows = dict(bodies)
    if upto is not None:
        rows[_POSITION] = str(upto).encode()
    with state.write() as at:
        for (source, event), body in rows.items():
            own = (source_shapes.c.source == source) & (source_shapes.c.event == event)
            at.execute(delete(source_shapes).where(own))
            at.execute(insert(source_shapes).values(source=source, event=event, body=body))


def noted(state: State, source: str) -> dict[str, int]:
    """When changes of a source were seen by somebody, by their id."""
    with state.read() as at:
        rows = at.execute(select(drift_seen).where(drift_seen.c.source == source))
        return {row.id: row.at for row in rows}


def note(state: State, source: str, id_: str, now: int) -> None:
    """Somebody has seen a change."""
    with state.write() as at:
        own = (drift_seen.c.source == source) & (drift_seen.c.id == id_)
        at.execute(delete(drift_seen).where(own))
        at.execute(insert(drift_seen).values(source=source, id=id_, at=now))
