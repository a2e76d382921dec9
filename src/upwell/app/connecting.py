"""Connecting a source of any kind from a page or the terminal: try it, keep it, read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from upwell.access import Viewer
from upwell.app.connect import Links, kept_in_the_file
from upwell.app.pulls import Pulls
from upwell.errors import Rejected, nearest
from upwell.period import to_micros
from upwell.settings import keys_of
from upwell.sources import kinds
from upwell.sources.contract import Clock, Kind
from upwell.web.kind_shapes import (
    Connected,
    NewPreview,
    NewSource,
    PreviewColumn,
    PreviewEvent,
    PreviewRefused,
    SourceKind,
    SourceKinds,
    SqlPreview,
)

COMMON = ("id",)  # asked for by itself


def known() -> SourceKinds:
    """Every kind there is, with the keys that are asked for."""
    return SourceKinds(kinds=tuple(map(_asked, kinds.every())))


def _asked(kind: Kind) -> SourceKind:
    keys = tuple(key for key in keys_of(kind.settings) if key.name not in COMMON)
    return SourceKind(name=kind.name, title=kind.title, keys=keys)


def secrets_of(kind: str) -> tuple[str, ...]:
    """The keys of a kind's table that hold secrets; raises NotFound where there is no such kind."""
    return tuple(key.name for key in keys_of(kinds.kind_named(kind).settings) if key.secret)


def typed(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody typed as its table holds it: numbers, yes or no, lists and tables as JSON."""
    types = {key.name: key.type for key in keys_of(kinds.kind_named(kind).settings)}
    found = {}
    for name, value in given.items():
        if name not in types:
            raise Rejected(
                "unknown_key",
                f"A source of kind {kind} has no key '{name[:80]}'.",
                fix=nearest(name, types),
                where=name,
            )
        found[name] = _typed(name, types[name], value) if isinstance(value, str) else value
    return found


def _typed(name: str, type_: str, text: str) -> Any:
    if type_ in ("text", "choice"):
        return text
    if type_ == "list" and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Rejected(
            "bad_value",
            f"'{text[:80]}' is no value for '{name}'.",
            fix={
                "bool": "Write true or false.",
                "number": "Write a number.",
                "list": "Write its parts with commas between them.",
            }.get(type_, 'Write it as JSON: {"Sign Up": "signup"}.'),
            where=name,
        ) from None


_UNMAPPED = {"name": "query", "sql": "", "event_type": ""}
"""What a query lacks while somebody still writes it."""


class Connecting:
    """Sources of every kind that is not an account of Stripe's."""

    def __init__(
        self,
        links: Links,
        products: Callable[[], frozenset[str]],
        pulls: Pulls | None,
        clock: Clock,
    ) -> None:
        self._links = links
        self._clock = clock
        self._products = products
        self._pulls = pulls  # of the running server; None: nothing is read here

    def add(self, asked: NewSource, by: Viewer) -> Connected:
        """Try the credentials, keep the source, begin to read it."""
        self._links.judge_new(asked.id)
        product = asked.settings.get("product")
        if product is not None and product not in self._products():
            raise Rejected(
                "unknown_product",
                f"Unknown product '{str(product)[:80]}'.",
                fix=nearest(str(product), self._products()),
                where="product",
            )
        kind = kinds.kind_named(asked.kind)
        with self._links.trying_kind(kind.name, asked.id, asked.settings) as reader:
            found = tuple(reader.check())
        secret = secrets_of(kind.name)
        given: dict[str, Any] = {}
        secrets: dict[str, str] = {}
        for name, value in asked.settings.items():
            if name in secret and value:
                secrets[name] = str(value)
            else:
                given[name] = value
        link = self._links.add_kind(
            kind.name, asked.id, given, secrets, name=asked.name.strip()[:200], by=by.id
        )
        if self._pulls is not None:
            self._pulls.begin(link)
        return Connected(source=link.id, found=found)

    def renew(self, id_: str, given: Mapping[str, str]) -> Connected:
        """Keep other secrets of a source, once its vendor takes them; reading goes on where it was.

        Those that are not given stay. Raises Rejected where the source stands in the file, where
        one of them is no secret of its kind, and what reading raises where they are not taken.
        """
        link = self._links.find(id_)
        row = self._links.row(id_)
        if not link.made or row is None:
            raise kept_in_the_file(id_, link.kind)
        if link.kind == "stripe":
            raise Rejected(
                "no_such_secrets",
                f"'{id_}' is a Stripe account: its key is replaced together with what it sells.",
                fix=f"Put api_key or webhook_secret to /v1/sources/{id_}/secrets.",
                where="source",
            )
        known = secrets_of(link.kind)
        for name in given:
            if name not in known:
                raise Rejected(
                    "unknown_key",
                    f"A source of kind {link.kind} has no secret '{name[:80]}'.",
                    fix=nearest(name, known),
                    where=name[:80],
                )
        fresh = {name: text.strip() for name, text in given.items() if text.strip()}
        if not fresh:
            raise Rejected(
                "no_secret",
                "No secret was given.",
                fix=f"Give one of: {', '.join(known)}.",
                where="body",
            )
        with self._links.trying_kind(
            link.kind, id_, self._links.unsealed(row, known, fresh)
        ) as reader:
            found = tuple(reader.check())
        link = self._links.renew_kind(id_, fresh)
        if self._pulls is not None:
            self._pulls.begin(link)
        return Connected(source=id_, found=found)

    def preview(self, asked: NewPreview) -> SqlPreview:
        """The first rows of a database's query, and what they would become; nothing is kept."""
        # SQLAlchemy takes long to import: only who looks at a database waits for it.
        from upwell.sources.sql.preview import tried

        queries = asked.settings.get("queries")
        first = queries[0] if isinstance(queries, list | tuple) and queries else {}
        if not isinstance(first, dict) or not first.get("sql"):
            raise Rejected(
                "no_query",
                "There is no query to try.",
                fix='Send settings.queries = [{"sql": "select …"}].',
                where="settings.queries",
            )
        given = {**asked.settings, "queries": [_UNMAPPED | first]}
        found = tried(self._links.trial("sql", "preview", given), to_micros(self._clock()))
        return SqlPreview(
            server=found.server,
            way=found.way,
            columns=tuple(PreviewColumn(name=name, type=type_) for name, type_ in found.columns),
            guessed=dict(found.guessed),
            rows=tuple(map(tuple, found.rows)),
            events=tuple(PreviewEvent(row=row, event=event) for row, event in found.events),
            refused=tuple(
                PreviewRefused(row=row, code=code, reason=reason)
                for row, code, reason in found.refused
            ),
            problem=found.problem,
        )
