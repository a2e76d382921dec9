"""API keys: rows by their public prefix. Times: UTC microseconds."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row, insert, select, update

from upwell.state.db import State
from upwell.state.tables import keys


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as stored: `digest` is the SHA-256 of the secret, which nobody keeps."""

    id: str
    prefix: str
    digest: str
    name: str
    scopes: tuple[str, ...]
    products: tuple[str, ...] | None = None  # None: every product
    origins: tuple[str, ...] | None = None  # of a public key: the sites whose pages hold it
    created_at: int
    created_by: str
    expires_at: int | None = None
    revoked_at: int | None = None


def add(state: State, key: Key) -> None:
    """Keeps a new key."""
    with state.write() as at:
        at.execute(insert(keys).values(msgspec.to_builtins(key)))


def by_prefix(state: State, prefix: str) -> Key | None:
    """The key with that public prefix, revoked or not."""
    with state.read() as at:
        row = at.execute(select(keys).where(keys.c.prefix == prefix)).first()
    return None if row is None else _key(row)


def every(state: State) -> list[Key]:
    """All keys, newest first, the revoked ones too."""
    with state.read() as at:
        rows = at.execute(select(keys).order_by(keys.c.created_at.desc(), keys.c.id)).all()
    return [_key(row) for row in rows]


def origins(state: State, now: int) -> frozenset[str]:
    """The sites that public keys are bound to which work at that moment."""
    live = keys.c.origins.is_not(None) & keys.c.revoked_at.is_(None)
    ends = keys.c.expires_at.is_(None) | (keys.c.expires_at > now)
    with state.read() as at:
        rows = at.execute(select(keys.c.origins).where(live & ends)).scalars().all()
    return frozenset(origin for row in rows for origin in row)


def revoke(state: State, id_: str, now: int) -> bool:
    """Ends a key for good; whether there was a live one of that id."""
    live = (keys.c.id == id_) & keys.c.revoked_at.is_(None)
    with state.write() as at:
        return at.execute(update(keys).where(live).values(revoked_at=now)).rowcount > 0


def _key(row: Row[Any]) -> Key:
    # The columns' names are a subclass of str, which msgspec does not take as keys.
    return msgspec.convert({str(name): value for name, value in row._mapping.items()}, Key)
