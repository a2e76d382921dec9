"""People, their invitations and sessions, and the audit of who did what.

Times are UTC microseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from upwell.state.db import State
from upwell.state.tables import audit, invitations, people, sessions


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who signs in; `password` is an argon2id hash, or "!" where none is set."""

    id: str
    email: str
    name: str
    password: str
    role: str
    created_at: int


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One browser's stay; found by the digest of its cookie."""

    digest: str
    person: str
    created_at: int
    seen_at: int
    expires_at: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit."""

    at: int
    who: str
    action: str
    about: str = ""
    address: str = ""


Invited = Literal["made", "unknown", "used", "expired", "taken"]


def has_owner(state: State) -> bool:
    """Whether somebody owns this workspace."""
    with state.read() as at:
        return _owners(at) > 0


def invite(state: State, digest: str, *, role: str, now: int, expires_at: int) -> None:
    """Keeps a one-time invitation; earlier ones of the role stop working."""
    with state.write() as at:
        at.execute(delete(invitations).where(invitations.c.role == role))
        row = {"digest": digest, "role": role, "created_at": now, "expires_at": expires_at}
        at.execute(insert(invitations).values(row))


def accept(state: State, digest: str, person: Person, now: int) -> Invited:
    """Makes the owner if the invitation stands, once; says why not otherwise."""
    with state.write() as at:
        if _owners(at):
            return "taken"
        row = at.execute(select(invitations).where(invitations.c.digest == digest)).first()
        if row is None or row.role != person.role:
            return "unknown"
        if row.expires_at <= now:
            return "expired"
        spent = at.execute(
            update(invitations)
            .where(invitations.c.digest == digest, invitations.c.used_at.is_(None))
            .values(used_at=now)
        )
        if spent.rowcount != 1:
            return "used"
        at.execute(insert(people).values(msgspec.structs.asdict(person)))
        return "made"


def add(state: State, person: Person) -> None:
    """Adds a person unless that id is there."""
    with state.write() as at:
        if at.execute(select(people.c.id).where(people.c.id == person.id)).first() is None:
            at.execute(insert(people).values(msgspec.structs.asdict(person)))


def by_email(state: State, email: str) -> Person | None:
    """The person with that address in lower case."""
    with state.read() as at:
        row = at.execute(select(people).where(people.c.email == email)).first()
    return None if row is None else Person(**row._mapping)


def set_password(state: State, person: str, password: str) -> None:
    """Stores a new hash."""
    with state.write() as at:
        at.execute(update(people).where(people.c.id == person).values(password=password))


def open_session(state: State, session: Session) -> None:
    """Keeps a new session and forgets the expired ones."""
    with state.write() as at:
        at.execute(delete(sessions).where(sessions.c.expires_at <= session.created_at))
        at.execute(insert(sessions).values(msgspec.structs.asdict(session)))


def find_session(state: State, digest: str) -> tuple[Session, Person] | None:
    """The session of that digest, however old, and whose it is."""
    joined = select(sessions, people).join(people, people.c.id == sessions.c.person)
    with state.read() as at:
        row = at.execute(joined.where(sessions.c.digest == digest)).first()
    if row is None:
        return None
    values = row._mapping
    return (
        Session(**{column.name: values[column] for column in sessions.c}),
        Person(**{column.name: values[column] for column in people.c}),
    )


def touch_session(state: State, digest: str, now: int) -> None:
    """Notes that the session was used."""
    with state.write() as at:
        at.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=now))


def close_session(state: State, digest: str) -> bool:
    """Ends a session; whether there was one."""
    with state.write() as at:
        return at.execute(delete(sessions).where(sessions.c.digest == digest)).rowcount > 0


def record(state: State, entry: Entry) -> None:
    """Adds a line to the audit; over-long words are cut."""
    row = msgspec.structs.asdict(entry) | {"who": entry.who[:320], "about": entry.about[:320]}
    with state.write() as at:
        at.execute(insert(audit).values(row))


def trail(state: State, limit: int = 200) -> list[Entry]:
    """The newest lines of the audit, newest first."""
    columns = audit.c.at, audit.c.who, audit.c.action, audit.c.about, audit.c.address
    with state.read() as at:
        rows = at.execute(select(*columns).order_by(audit.c.id.desc()).limit(limit)).all()
    return [Entry(**row._mapping) for row in rows]


def _owners(at: Connection) -> int:
    found = at.execute(select(func.count()).where(people.c.role == "owner")).scalar()
    return int(found or 0)
