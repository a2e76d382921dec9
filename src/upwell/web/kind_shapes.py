"""What is asked for and told when a source of any kind is connected."""

from __future__ import annotations

from typing import Any

import msgspec

from upwell.settings import TableKey


class SourceKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of source that is read, and the keys of its table."""

    name: str
    title: str
    keys: tuple[TableKey, ...]


class SourceKinds(msgspec.Struct, frozen=True, kw_only=True):
    """Every kind that can be connected, those of other packages among them."""

    kinds: tuple[SourceKind, ...]


class NewSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source of any kind: `settings` are the keys of its table, secrets as they are."""

    id: str
    kind: str
    settings: dict[str, Any]
    name: str = ""


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """A source that is kept and being read, and what there is to read, a line each."""

    source: str
    found: tuple[str, ...]
