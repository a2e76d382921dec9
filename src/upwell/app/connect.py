"""Which accounts are read, and with what: from the file, or made on a page.

Keys made on a page lie in owner-only files under DATA/secrets; the control state says where.
What results depend on (product, assignments, names) is journaled as configuration.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from upwell.app.calls import Calls
from upwell.app.link import Link, agree, from_file, from_page, given_by, livemode, of_kind, table_of
from upwell.billing import Origin
from upwell.egress import Guard
from upwell.errors import NotFound, Rejected, nearest
from upwell.settings import Settings, StripeSource, secret
from upwell.sources.contract import Opening, Reader
from upwell.sources.kinds import kind_named, of_others
from upwell.sources.stripe import payers
from upwell.sources.stripe.catalogue import Catalogue
from upwell.state import sources
from upwell.state.db import State
from upwell.state.sources import Source

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Links:
    """Every account: the file's, and those made on a page."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        secrets: Path,
        env: Mapping[str, str],
        now: Callable[[], int],
        stand: Callable[[], None] = lambda: None,
        country: Callable[[str, str], str] = lambda *_: "",
    ) -> None:
        self._settings = settings
        self._state = state
        self._secrets = secrets
        self._folder = secrets.parent / "pulls"
        self._env = env
        self._now = now
        self._country = country
        self.stand = stand  # journals the configuration where it is another now
        self._guard = Guard(settings.server.allow_private_urls)
        self._lock = threading.RLock()  # who reads while another changes would keep what was
        self._known: list[Link] | None = None

    def every(self) -> list[Link]:
        """All of them, the file's first; read again after each change made here."""
        with self._lock:
            if self._known is None:
                self._known = self._read()
            return list(self._known)

    def _read(self) -> list[Link]:
        rows = {row.id: row for row in sources.every(self._state)}
        found = [
            from_file(source, rows.get(source.id), self._mode(source.api_key))
            if isinstance(source, StripeSource)
            else of_kind(source, rows.get(source.id))
            for source in self._settings.sources
        ]
        listed = {link.id for link in found}
        found += [from_page(row) for row in rows.values() if row.made and row.id not in listed]
        return found

    def _mode(self, pointer: str) -> bool | None:
        try:
            return livemode(secret(pointer, self._env))
        except Rejected:
            return None  # reading the account tells of it

    def opening(
        self, link: Link, stopping: Callable[[], bool], sleep: Callable[[float], None]
    ) -> Opening:
        """What the reader of a source is given; raises Rejected where its table is wrong."""
        if link.settings is None:
            row = self._row(link)
            table_of(row.kind, row.id, row.given)
        given_by(link.settings)
        return self._opening(
            link.settings, lambda pointer: secret(pointer, self._env), stopping, sleep
        )

    @contextmanager
    def trying_kind(self, kind: str, id_: str, given: Mapping[str, Any]) -> Iterator[Reader]:
        """The reader of a source that is not kept yet; its secrets stand in its table."""
        with (
            of_others(kind),
            closing(kind_named(kind).open(self.trial(kind, id_, given))) as reader,
        ):
            yield reader

    def trial(self, kind: str, id_: str, given: Mapping[str, Any]) -> Opening:
        """What a source that is not kept yet is opened with; raises Rejected for a wrong table."""
        return self._opening(table_of(kind, id_, given), str, lambda: False, lambda _: None)

    def _opening(
        self,
        table: Any,
        read: Callable[[str], str],
        stopping: Callable[[], bool],
        sleep: Callable[[float], None],
    ) -> Opening:
        folder = self._folder / table.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Opening(
            id=table.id,
            settings=table,
            secret=read,
            client=self._guard.client,
            reach=self._guard.reach,
            folder=folder,
            sleep=sleep,
            stopping=stopping,
        )

    def find(self, id_: str) -> Link:
        """The source of that id; raises NotFound."""
        every = self.every()
        for link in every:
            if link.id == id_:
                return link
        raise NotFound(
            "unknown_source",
            f"There is no source '{id_[:80]}' that is read.",
            fix=nearest(id_, [link.id for link in every]),
        )

    def account(self, id_: str) -> Link:
        """The Stripe account of that id; raises NotFound where there is none."""
        link = self.find(id_)
        if link.kind != "stripe":
            raise NotFound(
                "no_account",
                f"'{link.id}' is a source of kind {link.kind}, no Stripe account.",
                fix=nearest(id_, [one.id for one in self.every() if one.kind == "stripe"]),
            )
        return link

    def secret_of(self, id_: str) -> str:
        """The webhook secret of a source, or '' where it has none; raises NotFound."""
        pointer = self.account(id_).webhook_secret
        return secret(pointer, self._env) if pointer else ""

    def calls(self, link: Link, stopping: Callable[[], bool] = lambda: False) -> Calls:
        """The API of an account."""
        key = secret(link.api_key, self._env)
        return Calls(key, link.api_base, self._guard, stopping=stopping)

    @contextmanager
    def trying(self, api_key: str, api_base: str) -> Iterator[Calls]:
        """The API with a key that is not kept yet; a failure is told at once."""
        calls = Calls(api_key, api_base, self._guard, patience=5.0)
        try:
            yield calls
        finally:
            calls.close()

    def origins(self) -> tuple[Origin, ...]:
        """Every source as translation knows it."""
        return tuple(link.origin for link in self.every())

    def learned(self, id_: str, catalogue: Catalogue) -> Link:
        """Keep what prices and products are called, and which name their product themselves."""
        link = self.find(id_)
        agree(link.origin.livemode, catalogue)
        self._row(link)
        named = catalogue.assigned(link.origin.product_from)
        if self._change(id_, names=catalogue.names(), named=named):
            self.stand()
        return self.find(id_)

    def assign(self, id_: str, given: Mapping[str, str | None]) -> Link:
        """Say which product a price or product of Stripe's is; None takes it back."""
        link = self.find(id_)
        kept = {**self._row(link).assign, **given}
        assign = {name: product for name, product in kept.items() if product}
        if self._change(id_, assign=assign):
            self.stand()
        return self.find(id_)

    def judge_new(self, id_: str) -> None:
        """Raise Rejected where it is no id, or there is a source of that id."""
        if not NAME.fullmatch(id_):
            raise Rejected(
                "bad_id",
                f"'{id_[:80]}' cannot name a source.",
                fix="Use a-z, 0-9, - and _, beginning with a letter or digit.",
                where="id",
            )
        if any(link.id == id_ for link in self.every()):
            raise Rejected(
                "source_exists",
                f"There is a source '{id_}' already.",
                fix="Choose another id.",
                where="id",
            )

    def add(self, source: Source, api_key: str, webhook_secret: str) -> Link:
        """Keep a source made on a page, with its secrets in files of their own."""
        self.judge_new(source.id)
        kept = msgspec.structs.replace(
            source,
            made=True,
            api_key=self._keep_secret(f"{source.id}.api_key", api_key),
            webhook_secret=self._keep_secret(f"{source.id}.webhook_secret", webhook_secret)
            if webhook_secret
            else "",
        )
        self._add(kept)
        self.stand()
        return self.find(source.id)

    def add_kind(
        self,
        kind: str,
        id_: str,
        given: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        name: str = "",
        by: str = "",
    ) -> Link:
        """Keep a source of any kind made on a page: its table, and its secrets in files.

        Raises Rejected where the table is not one of that kind.
        """
        self.judge_new(id_)
        table_of(kind, id_, {**given, **secrets})  # before anything is kept
        kept = {field: self._keep_secret(f"{id_}.{field}", text) for field, text in secrets.items()}
        row = Source(
            id=id_,
            kind=kind,
            made=True,
            name=name or id_,
            product=given.get("product"),
            product_from=given.get("product_from"),
            given={**given, **kept},
            created_at=self._now(),
            created_by=by,
        )
        self._add(row)
        self.stand()
        return self.find(id_)

    def renew(self, id_: str, api_key: str | None, webhook_secret: str | None) -> Link:
        """Keep another key or webhook secret of a source made here; None leaves one as it is."""
        given = {"api_key": api_key, "webhook_secret": webhook_secret}
        kept = {
            name: self._keep_secret(f"{id_}.{name}", value) if value else ""
            for name, value in given.items()
            if value is not None
        }
        self._change(id_, **kept)
        with self._lock:
            self._known = None  # the pointer may be the same, what it points to is not
        return self.find(id_)

    def unsealed(
        self, row: Source, secrets: Collection[str], fresh: Mapping[str, str]
    ) -> dict[str, Any]:
        """The table of a source made here, with its secrets as they are and fresh ones over them.

        Raises Rejected where one that is to stay cannot be read.
        """
        kept = {
            name: secret(str(pointer), self._env)
            for name, pointer in row.given.items()
            if name in secrets and pointer and name not in fresh
        }
        return {**row.given, **kept, **fresh}

    def renew_kind(self, id_: str, fresh: Mapping[str, str]) -> Link:
        """Keep other secrets of a source of any kind made here."""
        with self._lock:
            row = self._row(self.find(id_))
            kept = {name: self._keep_secret(f"{id_}.{name}", text) for name, text in fresh.items()}
            self._change(id_, given={**row.given, **kept})
        return self.find(id_)

    def pause(self, id_: str, paused: bool) -> Link:
        """Stop reading a source, or go on."""
        self._row(self.find(id_))
        self._change(id_, paused=paused)
        return self.find(id_)

    def about(self, id_: str, bodies: Iterable[bytes | msgspec.Raw]) -> dict[str, Any]:
        """What is known here and not said in these events: countries of their customers."""
        known = {customer: self._country(id_, customer) for customer in payers(bodies)}
        countries = {customer: country for customer, country in known.items() if country}
        return {"countries": countries} if countries else {}

    def failed(self, id_: str, kind: str, message: str, fix: str = "") -> None:
        """Keep why a source cannot be read, what to do about it, and since when."""
        link = self.find(id_)
        known = self._row(link)
        since = known.failed_at if known.failed == kind and known.failed_at else self._now()
        self._change(id_, failed=kind, error=message[:500], fix=fix[:500], failed_at=since)

    def went_well(self, id_: str) -> None:
        """A source was read."""
        self._change(id_, failed="", error="", fix="", failed_at=None)

    def row(self, id_: str) -> Source | None:
        """What is kept of a source."""
        return sources.find(self._state, id_)

    def _add(self, source: Source) -> None:
        with self._lock:
            sources.add(self._state, source)
            self._known = None

    def _change(self, id_: str, **values: Any) -> bool:
        with self._lock:
            changed = sources.change(self._state, id_, **values)
            self._known = None
        return changed

    def _row(self, link: Link) -> Source:
        with self._lock:
            known = sources.find(self._state, link.id)
            if known is None:
                known = Source(id=link.id, kind=link.kind, name=link.name, created_at=self._now())
                sources.add(self._state, known)
        return known

    def _keep_secret(self, name: str, value: str) -> str:
        self._secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, fresh = self._secrets / name, self._secrets / f"{name}.new"
        handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)  # a crash leaves the old one or the new one
        return f"file:{path.absolute()}"


def kept_in_the_file(id_: str, kind: str) -> Rejected:
    """Why a source of the configuration is given no secrets elsewhere, and where it is."""
    keys = (
        "api_key, webhook_secret" if kind == "stripe" else "what `env:NAME` or `file:PATH` leads to"
    )
    return Rejected(
        "kept_in_the_file",
        f"The secrets of source '{id_}' stand in the configuration.",
        fix=f"Change them there ({keys}), and start the server again.",
        where="source",
    )
