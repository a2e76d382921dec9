"""The commands of the terminal, on an open house: the same with and without a running server."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import msgspec

from upwell import __version__
from upwell import settings as config
from upwell.access import SYSTEM
from upwell.alerts import inbox
from upwell.alerts.rules import rules
from upwell.app import checks
from upwell.app.accounts import Accounts
from upwell.app.alerted import alerts_of
from upwell.app.closing import close_month
from upwell.app.connecting import Connecting, typed
from upwell.app.health import Health, went
from upwell.app.house import Filling, House, ground_of, read_settings
from upwell.app.mending import Mending, day_of, listed_again, record_of
from upwell.app.pulls import Pulls, syncing
from upwell.app.reporting import write_report
from upwell.errors import Problem, Rejected, Unavailable, nearest
from upwell.event import DeadLetter, Delivery
from upwell.flow import retraction
from upwell.period import add_months, to_instant, to_micros
from upwell.projection.doubts import listed
from upwell.query import Answer, Question
from upwell.query.explain import Explain, Explanation
from upwell.query.goals import in_settings
from upwell.query.revenue.compare import compare
from upwell.query.revenue.compare import figures as sheet_figures
from upwell.query.rows import Rows
from upwell.sources import files
from upwell.state.sources import Source
from upwell.web import asking, shapes
from upwell.web.gate import Gate
from upwell.web.health_shapes import Replay, SourceHealth
from upwell.web.kind_shapes import Connected, NewPreview, NewSource, SqlPreview

Step = dict[str, Any]
COUNTING = 300.0  # seconds that a question waits for rules to be counted by


class Commands:
    """Each public method is a command; a generator yields progress and returns the result."""

    def __init__(self, house: House, gate: Gate | None = None, pulls: Pulls | None = None) -> None:
        self._house = house
        self._gate = gate or Gate(house.state)
        self._pulls = pulls  # of the running server; None: sources are read here
        if pulls is None and house.standings.read_to is None:
            here = Pulls(house.links, house.journal, house.clock, house.flow.backlog)
            house.standings.read_to = here.complete_to

    def about(self) -> dict[str, Any]:
        """Which version holds the directory, and how much is in it."""
        applied, newest = self._house.flow.backlog()
        return {
            "held_by": f"upwell {__version__}",
            "deliveries": newest,
            "waiting": max(0, newest - applied),
            "events": _stored(self._house),
        }

    # Asking

    def query(self, question: dict[str, Any]) -> Answer:
        """One answer; by rules that nobody has asked for yet, once they are counted."""
        return self._answer(asking.from_json(question, ""))

    def explain(self, question: dict[str, Any]) -> Explanation:
        """Why a number changed since the time before, or what the question compares with."""
        asked = asking.from_json(question, "")
        return Explain(self._house.desk, self._house.clock).explain(asked, SYSTEM)

    def _answer(self, question: Question) -> Answer:
        until = time.monotonic() + COUNTING
        while True:
            try:
                return self._house.answer(question, SYSTEM)
            except Unavailable as error:
                if error.problem.code != "folding" or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def rows(self, request: dict[str, Any]) -> Rows:
        """The events behind a number."""
        own = {k: v for k, v in request.items() if k not in ("key", "limit", "cursor")}
        return self._house.rows(
            asking.from_json(own, ""),
            SYSTEM,
            key=request.get("key"),
            limit=request.get("limit", 100),
            cursor=request.get("cursor"),
        )

    def usage(self, kind: str, body: dict[str, Any]) -> Any:
        """One answer about how products are used: a funnel, retention, …."""
        return self._house.usage.by_name(kind, body, SYSTEM)

    def compare(self, figures: list[dict[str, str]]) -> Generator[Step, None, dict[str, Any]]:
        """A sheet's figures (month, metric, value, product) beside ours, and why they differ."""
        cells, found = sheet_figures(figures), []
        for one in compare(cells, self._answer, self._house.projection.zone):
            found.append(one)
            yield {"label": "compare", "done": len(found), "total": len(cells)}
        return {"figures": found}

    def sources(self) -> dict[str, Any]:
        """How every source is doing."""
        return {"sources": Health(self._house).listed()}

    def source_show(self, id: str) -> dict[str, Any]:
        """One source: how it is doing, and in detail."""
        health = Health(self._house)
        detail: SourceHealth = health.detail(id)
        found = next(one for one in health.listed() if one["id"] == id)
        return {"source": found, "health": detail}

    def alerts_list(self, every: bool = False) -> dict[str, Any]:
        """The alert inbox."""
        found = alerts_of(self._house, SYSTEM)
        return {"alerts": [a for a in found if every or a.state != "resolved"]}

    def alerts_act(self, id: str, action: Literal["ack", "mute", "resolve"]) -> inbox.AlertShown:
        """Acknowledge, mute or resolve an alert."""
        house = self._house
        return inbox.act(
            house.state,
            id,
            action,
            SYSTEM,
            house.projection.product_name,
            house.clock(),
            catalogue=house.ground.catalogue,
        )

    def report(
        self, out: str, month: str | None = None, formats: list[str] | None = None
    ) -> dict[str, Any]:
        """Write the board report of a month into a directory."""
        house = self._house
        chosen = month or add_months(house.clock().date(), -1).strftime("%Y-%m")
        return {
            "files": write_report(house, house.presented(), chosen, formats or ["pdf"], Path(out))
        }

    # Keeping

    def import_file(
        self, path: str, options: dict[str, Any], preview: bool = False
    ) -> Generator[Step, None, Any]:
        """Read a file into the journal, and wait until it is in the numbers."""
        house = self._house
        house.caught_up()
        zone = {"zone": house.ground.timezone}
        chosen = msgspec.convert(zone | options, files.Options)
        planned = files.plan(Path(path), chosen, house.products())
        if preview:
            return planned.preview
        before = _stored(house)
        last: files.Progress | None = None
        for delivery, _, progress in files.deliveries(planned, to_micros(house.clock())):
            seq = house.journal.append([delivery])[0]
            house.filling = Filling(
                label=f"importing {Path(path).name}",
                source=chosen.source,
                done=progress.done,
                total=progress.total,
            )
            last = progress
            yield {"label": "import", "done": progress.done, "total": progress.total}
        house.filling = None
        if last is None:
            return {"usable": 0, "refused_rows": 0, "refused": [], "import_id": "", "stored": 0}
        while not house.flow.wait(seq, timeout=0.5):
            applied, newest = house.flow.backlog()
            yield {"label": "applying", "done": applied, "total": newest}
        stored = _stored(house) - before
        return msgspec.to_builtins(last) | {"stored": stored, "repeats": last.usable - stored}

    def sync(
        self, sources: list[str] | None = None, since: str | None = None
    ) -> Generator[Step, None, dict[str, Any]]:
        """Read sources now, all that is new and what of the past is missing."""
        house = self._house
        links = [house.links.find(name) for name in sources or ()] or house.links.every()
        start = None if since is None else day_of(house, since, "--since")
        before = _stored(house)
        found: dict[str, Source | None] = {}
        for link in links:
            yield from syncing(house, link, self._pulls, start)
            found[link.id] = house.links.row(link.id)
        house.caught_up()
        doubts = [
            f"{one.source}: {one.records:,} counted with a doubt. {one.reason} "
            f"The newest is {one.object}, in delivery {one.seq}."
            for one in listed(house.projection.reader())
            if one.source in found
        ]
        if self._pulls is None:  # no server finds who belongs together
            house.identity.refresh()
        return {
            "sources": [went(name, row) for name, row in found.items()],
            "listed": []
            if since is None
            else list(dict.fromkeys(x for link in links for x in listed_again(link, since))),
            "doubts": doubts,
            "stored": _stored(house) - before,
        }

    def customers_merge(self, customers: list[str]) -> shapes.Linked:
        """Several accounts are one customer."""
        self._house.caught_up()
        done = self._house.identity.merge(customers)
        self._note("customers_merged", customers)
        return done

    def customers_unmerge(self, customers: list[str]) -> shapes.Linked:
        """These accounts are customers of their own."""
        self._house.caught_up()
        done = self._house.identity.unmerge(customers)
        self._note("customer_unmerged", customers)
        return done

    def _note(self, action: str, about: list[str]) -> None:
        self._gate.note(SYSTEM, action, " ".join(about)[:320], "", self._house.clock())

    def source_add(self, asked: dict[str, Any]) -> shapes.Account:
        """Try a key, keep the source, begin to read it where a server runs."""
        made = self._accounts.add(msgspec.convert(asked, shapes.NewStripe), SYSTEM)
        self._note("source_added", [made.source])
        return made

    def source_connect(self, asked: dict[str, Any]) -> Connected:
        """The same for every other kind; what was typed becomes what its table holds."""
        told = msgspec.convert(asked, NewSource)
        given = typed(told.kind, told.settings)
        made = self._connecting().add(msgspec.structs.replace(told, settings=given), SYSTEM)
        self._note("source_added", [made.source])
        return made

    def source_preview(self, settings: dict[str, Any]) -> SqlPreview:
        """The first rows of a database's query, and what they would become; nothing is kept."""
        return self._connecting().preview(NewPreview(settings=typed("sql", settings)))

    def _connecting(self) -> Connecting:
        house = self._house
        return Connecting(house.links, house.products, self._pulls, house.clock)

    def source_assign(self, id: str, products: dict[str, str | None]) -> shapes.Assigned:
        """Say whose products of Stripe's they are; null takes it back."""
        done = self._accounts.assign(id, products)
        self._note("source_assigned", [id])
        return done

    def source_renew(self, id: str, asked: dict[str, Any]) -> shapes.Account:
        """Replace the key or the webhook secret of a source; reading goes on where it was."""
        done = self._accounts.renew(id, msgspec.convert(asked, shapes.NewSecrets))
        self._note("source_secrets_renewed", [id])
        return done

    def source_secrets(self, id: str, secrets: dict[str, str]) -> Connected:
        """Replace secrets of a source that is no Stripe account; reading goes on where it was."""
        done = self._connecting().renew(id, secrets)
        self._note("source_secrets_renewed", [id])
        return done

    def source_reset(self, id: str, to: str) -> dict[str, Any]:
        """Read a source again from a day on; what is here already is not counted twice."""
        done = Mending(self._house, self._pulls).reset(id, to, "--to")
        self._note("source_reset", [id, to])
        return {
            "id": id,
            "to": to,
            "listed": done.listed,
            "paused": self._house.links.find(id).paused,
            "reading": done.reading,
        }

    @property
    def _accounts(self) -> Accounts:
        house = self._house
        return Accounts(
            house.links,
            house.journal,
            house.products,
            lambda: to_micros(house.clock()),
            self._pulls,
            house.settings.server.public_url,
        )

    def source_pause(self, id: str, paused: bool) -> dict[str, Any]:
        """Stop reading a source, or go on."""
        link = self._house.links.pause(id, paused)
        if self._pulls is not None:
            self._pulls.begin(link)
        return {"id": id, "paused": link.paused}

    def retract(
        self, delivery: int | None = None, import_id: str | None = None, undo: bool = False
    ) -> dict[str, Any]:
        """Take a delivery or an import out of every number, or bring it back."""
        house = self._house
        now = to_micros(house.clock())
        if undo:
            return self._restore(delivery, import_id, now)
        order = retraction(house.journal, delivery=delivery, import_id=import_id, now=now)
        done = house.flow.command(order)
        return {**done.result, "deliveries": len(order.about["deliveries"]), "position": done.seq}

    def _restore(self, delivery: int | None, import_id: str | None, now: int) -> dict[str, Any]:
        house = self._house
        found = [
            order.seq
            for order in house.journal.every("retract")
            if (import_id is not None and order.about.get("import_id") == import_id)
            or (delivery is not None and order.about["deliveries"] == [delivery])
        ]
        if not found:
            raise Rejected("not_retracted", "That was not retracted.", fix="Nothing is to be done.")
        about = {"retraction": found[-1]}
        done = house.flow.command(
            Delivery(kind="restore", source="upwell", received_at=now, about=about)
        )
        return {**done.result, "position": done.seq}

    def close(self, month: str, reopen: bool = False) -> dict[str, Any]:
        """Close a month and all before it, or open it and all after it again."""
        done = close_month(self._house, month, reopen=reopen)
        return {"month": month, "closed": not reopen, "position": done.seq}

    def rebuild(self) -> dict[str, Any]:
        """Fold the stored events again."""
        house = self._house
        started = house.clock()
        house.flow.perform(house.projection.rebuild)
        seconds = (house.clock() - started).total_seconds()
        return {"events": _stored(house), "seconds": round(seconds, 3)}

    def retranslate(self, source: str, since: str | None = None) -> dict[str, Any]:
        """Read a source's raw bytes again with today's parser."""
        house = self._house
        known = {name for name, *_ in house.journal.sources()}
        if source not in known:
            raise Rejected(
                "unknown_source",
                f"Unknown source '{source}'.",
                fix=f"Known: {', '.join(sorted(known)) or 'none yet'}.",
                where="--source",
            )
        about = {"source": source, "since": _since(since)}
        return self._reread(about)

    def replay(self, seq: int | None = None, source: str | None = None) -> dict[str, Any]:
        """Try dead letters again."""
        asked = Replay(source=source, delivery=seq)
        found: dict[str, Any] = msgspec.to_builtins(Mending(self._house, self._pulls).replay(asked))
        return found

    def _reread(self, about: dict[str, Any]) -> dict[str, Any]:
        now = to_micros(self._house.clock())
        order = Delivery(kind="retranslate", source="upwell", received_at=now, about=about)
        done = self._house.flow.command(order)
        return {"superseded": 0, "added": 0, **done.result, "position": done.seq}

    def verify(self) -> Generator[Step, None, dict[str, Any]]:
        """Check that journal, events and sums agree."""
        found = []
        for check in checks.verify(self._house):
            found.append(check)
            yield {"label": check["name"], "done": len(found), "total": checks.COUNT}
        return {"ok": all(check["ok"] for check in found), "checks": found}

    def dead_letters(
        self,
        source: str | None = None,
        limit: int = 50,
        seq: int | None = None,
        idx: int | None = None,
    ) -> dict[str, Any]:
        """What could not be used; with `seq`, the record as it came."""
        found = [
            letter
            for letter in self._house.dead_letters(limit, source, seq)
            if idx is None or letter.idx == idx
        ]
        return {"dead_letters": [self._shown(letter, seq is not None) for letter in found]}

    def _shown(self, letter: DeadLetter, whole: bool) -> dict[str, Any]:
        shown: dict[str, Any] = msgspec.to_builtins(letter) | {
            "recorded_at": to_instant(letter.recorded_at).isoformat(timespec="seconds")
        }
        if whole:
            delivery = self._house.journal.get(letter.seq)
            shown["text"] = record_of(delivery, letter.idx, 64 * 1024) if delivery else ""
        return shown

    # Keys

    def key_create(
        self,
        name: str,
        scopes: list[str],
        products: list[str] | None = None,
        origins: list[str] | None = None,
    ) -> dict[str, Any]:
        """A new key, shown this once; with `origins` it is public, for pages of these sites."""
        known = self._house.products()
        for product in products or ():
            if product not in known:
                raise Rejected(
                    "unknown_product",
                    f"Unknown product '{product}'.",
                    fix=nearest(product, known),
                    where="--product",
                )
        made = self._gate.create_key(
            name=name,
            scopes=tuple(scopes),
            products=None if products is None else tuple(products),
            origins=tuple(origins or ()),
            by=SYSTEM,
            now=self._house.clock(),
        )
        return {"id": made.id, "key": made.key}

    def key_list(self) -> dict[str, Any]:
        """All keys, without their secrets."""
        return {
            "keys": [
                {
                    "id": key.id,
                    "name": key.name,
                    "scopes": key.scopes,
                    "products": key.products,
                    "origins": key.origins,
                    "created_at": _time(key.created_at),
                    "revoked_at": _time(key.revoked_at),
                }
                for key in self._gate.keys()  # noqa: SIM118 - a method, no mapping
            ]
        }

    def key_revoke(self, id: str) -> dict[str, Any]:
        """End a key for good."""
        self._gate.revoke_key(id, by=SYSTEM, now=self._house.clock())
        return {"id": id, "revoked": True}

    # The configuration

    def check(self, config: str | None = None) -> dict[str, Any]:
        """Try what a configuration names: its alerts, channels and products."""
        read = read_settings(Path(config)) if config else None
        chosen = read or self._house.settings
        problems: list[Problem] = list(checks.problems(chosen, self._house))
        try:
            rules(chosen.alerts, len(chosen.products), ground_of(chosen).catalogue)
        except Rejected as error:
            problems.append(error.problem)
        return {"problems": problems, "warnings": list(checks.warnings(self._house))}

    def config_export(self) -> dict[str, Any]:
        """The configuration that holds now, as TOML."""
        said = self._house.presented()
        goals = (*said.goals, *in_settings(self._house.state))
        return {"toml": config.export(msgspec.structs.replace(said, goals=goals))}


def _stored(house: House) -> int:
    row = house.projection.reader().execute("select count(*) from events").fetchone()
    return int(row[0]) if row else 0


def _since(text: str | None) -> int:
    if text is None:
        return 0
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Rejected(
            "bad_time",
            f"'{text}' is not a time.",
            fix="Write 2026-11-22T08:00:00Z.",
            where="--from",
        ) from error
    return to_micros(at if at.tzinfo else at.replace(tzinfo=dt.UTC))


def _time(micros: int | None) -> str | None:
    return None if micros is None else to_instant(micros).isoformat(timespec="seconds")
