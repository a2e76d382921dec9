"""What is asked for and told when a source of any kind is connected."""

from __future__ import annotations

from typing import Any

import msgspec

from upwell.errors import Problem
from upwell.event import GrowthEvent
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


class NewPreview(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source of kind sql with one query; its mapping may lack what is not chosen yet."""

    settings: dict[str, Any]


class PreviewColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a query, with the type that its database names."""

    name: str
    type: str


class PreviewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What a row would become; `row` counts from 0."""

    row: int
    event: GrowthEvent


class PreviewRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Why a row would not be counted; `row` counts from 0."""

    row: int
    code: str
    reason: str


class SqlPreview(msgspec.Struct, frozen=True, kw_only=True):
    """The first rows of a query, and what they would become; nothing was kept.

    `way`: cursor, snapshot or gauge. `guessed` are columns that the fields of the mapping would
    likely name. `problem`: what to change before the query can be read; its events are not known.
    """

    server: str
    way: str
    columns: tuple[PreviewColumn, ...]
    guessed: dict[str, str]
    rows: tuple[tuple[str | None, ...], ...]
    events: tuple[PreviewEvent, ...]
    refused: tuple[PreviewRefused, ...]
    problem: Problem | None = None
