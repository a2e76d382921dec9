"""A whole small house for the routes' tests: real gate, state and journal, plain lists behind."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec

from upwell.access import SYSTEM, Viewer, mint_id
from upwell.alerts.inbox import AlertShown
from upwell.alerts.incident import Moment
from upwell.errors import NotFound
from upwell.event import DeadLetter, Delivery, GrowthEvent
from upwell.journal import Journal
from upwell.metrics.catalog import CATALOG, metric_named
from upwell.period import GRAINS
from upwell.projection import Projection
from upwell.projection.book import Book
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Answer, Desk, Point, Question, Series
from upwell.query.boards import Boards
from upwell.query.explain import Explain
from upwell.query.goals import Goals
from upwell.query.marks import Marks
from upwell.query.overlaps import Overlaps
from upwell.query.revenue.door import Revenue
from upwell.query.rows import Row, Rows, Source
from upwell.query.usage.door import Usage
from upwell.settings.schema import Product, Server, Settings, Workspace
from upwell.state.db import State
from upwell.warehouse.timelines import Timelines
from upwell.web import shapes
from upwell.web.door import House
from upwell.web.gate import Gate
from upwell.web.health_shapes import ReadAgain, Replayed, SourceHealth
from upwell.web.kind_shapes import Connected, SourceKinds, SqlPreview
from upwell.web.meters import Meters
from upwell.web.parts import Accounts, Company, Linking, Months, Parts, Sources
from upwell.web.site import Site, site

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
PASSWORD = "four walls and a roof"
WEBHOOK_SECRET = "whsec_test"
EVENT = {
    "product_id": "mail",
    "event_type": "signup",
    "actor_id": "u1",
    "timestamp": "2026-11-22T08:00:00Z",
    "idempotency_key": "k1",
}


def account_of(source: str) -> shapes.Account:
    """An account that sells nothing yet."""
    return shapes.Account(
        source=source,
        account="acct_1",
        livemode=False,
        permissions=(),
        products=(),
        webhook="",
        made=True,
    )


def closed(month: str = "", reopen: bool = False, by: str = "") -> shapes.Closes:
    """One month closed, or none."""
    one = shapes.Close(month=month, closed_at=NOON, by=by, itself=False)
    return shapes.Closes(
        closes=(one,) if month and not reopen else (),
        next="2026-10",
        kept=False,
        after_days=None,
        position="3",
    )


def linked(names: Sequence[str]) -> shapes.Linked:
    """What is named is one, once anybody knows it."""
    if "nobody" in names or not all(re.fullmatch(r"\w+:?\w+", name) for name in names):
        raise NotFound("unknown_customer", f"There is no customer '{names[0]}'.")
    return shapes.Linked(accounts=tuple(names), changed=True, position="0-1")


def sources_of_house() -> Sources:
    """One source, `mail-stripe`, of which nothing changed and nothing could not be used."""

    def known(id_: str) -> str:
        if id_ != "mail-stripe":
            raise NotFound("unknown_source", f"There is no source '{id_}'.", where="source")
        return id_

    def done(id_: str, _: str = "") -> None:
        known(id_)

    return Sources(
        detail=lambda id_: SourceHealth(
            source=known(id_), volumes=(), events=(), fields=(), drift=(), unusable=()
        ),
        seen=done,
        reset=lambda id_, to: ReadAgain(source=known(id_), to=to, listed=(), reading=True),
        read_now=done,
        replay=lambda _: Replayed(tried=2, still_unusable=1, added=1),
    )


def company() -> Company:
    """Takes what it is told, of the products there are."""

    def changed(id_: str, asked: shapes.ProductChange) -> shapes.Product:
        known = {product.id: product for product in _PRODUCTS}
        if id_ not in known:
            raise NotFound("unknown_product", f"Unknown product '{id_}'.", where="product")
        return msgspec.structs.replace(known[id_], name=asked.name or known[id_].name)

    return Company(
        in_file=False,
        named=lambda: True,
        workspace=lambda _: None,
        add=lambda asked: msgspec.structs.replace(_PRODUCTS[0], id=asked.id, name=asked.name),
        change=changed,
    )


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += dt.timedelta(**span)


class Built:
    """The site with what a test wants to look at."""

    def __init__(self, folder: Path, *, demo: bool = False, server: Server | None = None) -> None:
        self.clock = Clock()
        self.state = State.open(folder / "state.db")
        self.gate = Gate(self.state)
        self.journal = Journal.open(folder)
        self.failure: Exception | None = None
        self.asked: list[tuple[Question, Viewer]] = []
        self.heard: list[Delivery] = []
        self.paused: dict[str, bool] = {}
        self.projection = Projection(folder, memory="128MB")
        products = (GroundProduct(id="mail", name="Mail"), GroundProduct(id="docs", name="Docs"))
        self.projection.set_ground(Ground(products=products), 1, 1)
        self.book = Book()
        self.desk = Desk(self.projection, books=lambda _: self.book)
        self.alert = _alert()
        server = server or Server()
        settings = Settings(
            workspace=Workspace(name="Acme"),
            server=server,
            products=(Product(id="mail", name="Mail"), Product(id="docs", name="Docs")),
        )
        self.parts = Parts(
            settings=lambda: settings,
            house=House.of(server, "127.0.0.1", demo),
            clock=self.clock,
            state=self.state,
            gate=self.gate,
            meters=Meters(),
            submit=self._submit,
            applied_to=self._applied_to,
            backlog=lambda: (3, 5),
            original=self.journal.get,
            ready=lambda: "",
            ask=self._ask,
            rows=self._rows,
            explain=Explain(self.desk, self.clock).explain,
            revenue=Revenue(self.desk, self.clock),
            usage=Usage(
                self.projection,
                Timelines(folder / "timelines", self.projection.reader),
                self.state,
                self.clock,
            ),
            marks=Marks(self.projection, self.state, self.clock),
            goals=Goals(self.projection, self.state, self._ask, self.clock),
            boards=Boards(self.projection, self.state, self.clock),
            products=lambda viewer: [p for p in _PRODUCTS if viewer.sees(p.id)],
            event_names=lambda _: [],
            metrics=_metrics,
            sources=lambda _: _SOURCES,
            overlaps=lambda _: Overlaps(overlaps=()),
            company=company(),
            accounts=self._accounts,
            health=sources_of_house(),
            kinds=lambda: SourceKinds(kinds=()),
            connect=lambda asked, _: Connected(source=asked.id, found=()),
            renew=lambda source, _: Connected(
                source=sources_of_house().detail(source).source, found=()
            ),
            preview=lambda _: SqlPreview(
                server="", way="", columns=(), guessed={}, rows=(), events=(), refused=()
            ),
            linking=Linking(merge=linked, unmerge=linked),
            months=Months(closes=closed, close=closed),
            dead_letters=lambda limit: _LETTERS[:limit],
            first_day=lambda: dt.date(2024, 11, 22),
            alerts=lambda _: [self.alert],
            act_on_alert=self._act,
            make_report=self._report,
            pages=folder / "pages",
        )
        self.site = site(self.parts)

    @property
    def _accounts(self) -> Accounts:
        def known(source: str) -> str:
            if source != "mail-stripe":
                raise NotFound("unknown_source", f"There is no source '{source}'.")
            return source

        return Accounts(
            about=lambda _, __: {},
            secret=lambda source: WEBHOOK_SECRET if known(source) else "",
            heard=self.heard.append,
            add=lambda asked, _: account_of(asked.id),
            look=lambda source: account_of(known(source)),
            assign=lambda source, _: shapes.Assigned(source=known(source), position="0-1"),
            renew=lambda source, _: account_of(known(source)),
            pause=lambda source, paused: self.paused.update({known(source): paused}),
        )

    def close(self) -> None:
        self.site.api.state.threads.close()
        self.projection.close()
        self.journal.close()
        self.state.close()

    def with_(self, **changes: Any) -> Site:
        """The same house with other parts."""
        return site(replace(self.parts, **changes))

    def client(
        self,
        *,
        site: Site | None = None,
        host: str = "localhost:8000",
        peer: str = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.AsyncClient:
        """A client whose socket comes from `peer`; errors inside come out as answers."""
        transport = httpx.ASGITransport(
            site or self.site, raise_app_exceptions=False, client=(peer, 5000)
        )
        return httpx.AsyncClient(
            transport=transport, base_url=f"http://{host}", headers=headers or {}
        )

    def key(self, *scopes: str, products: tuple[str, ...] | None = None) -> dict[str, str]:
        """The header of a fresh key."""
        made = self.gate.create_key(
            name="test", scopes=scopes, products=products, by=SYSTEM, now=self.clock.now
        )
        return {"Authorization": f"Bearer {made.key}"}

    def owner(self) -> tuple[str, str]:
        """Makes the owner; the session's secret and its CSRF token."""
        token = self.gate.owner_token(self.clock.now)
        assert token
        secret = self.gate.make_owner(
            token, "ada@acme.example", PASSWORD, "Ada", "127.0.0.1", self.clock.now
        )
        return secret, self.gate.by_session(secret, self.clock.now).csrf

    async def _submit(self, delivery: Delivery, carry: Any) -> int:
        if self.failure:
            raise self.failure
        return await self.journal.submit(delivery, carry)

    async def _applied_to(self, seq: int, seconds: float) -> bool:
        return seq < 100 and seconds > 0

    def _ask(self, question: Question, viewer: Viewer) -> Answer:
        if self.failure:
            raise self.failure
        metric = metric_named(question.metric)
        for product in question.product:
            if product not in ("mail", "docs") or not viewer.sees(product):
                raise NotFound("unknown_product", f"Unknown product '{product}'.", where="product")
        self.asked.append((question, viewer))
        point = Point(start="2026-11-21", value=3, complete=True)
        return Answer(
            question=question,
            series=(Series(key="", points=(point,), total=3),),
            as_of={},
            policy="upwell",
            position="0-3",
            unit=metric.unit,
        )

    def _rows(self, asked: shapes.RowsAsked, viewer: Viewer) -> Rows:
        self._ask(asked.question, viewer)
        event = GrowthEvent(product_id="mail", event_type="signup", timestamp=NOON)
        source = Source(seq=1, source="s", received_at=5)
        return Rows(rows=(Row(event=event, delivery=source),), cursor=asked.key)

    def _act(self, id_: str, act: str, _: Viewer, until: dt.datetime | None) -> AlertShown:
        if id_ != self.alert.id:
            raise NotFound("unknown_alert", f"There is no alert '{id_}'.")
        states = {"ack": "acknowledged", "mute": "muted", "resolve": "resolved"}
        told = (*self.alert.timeline, Moment(self.clock.now, act))
        self.alert = msgspec.structs.replace(
            self.alert, state=states[act], timeline=told, muted_until=until
        )
        return self.alert

    def _report(self, month: str, viewer: Viewer, now: dt.datetime) -> shapes.Report:
        from upwell.state import reports

        made = reports.add(
            self.state,
            id_=mint_id("rep"),
            month=month,
            created_at=1,
            created_by=viewer.id,
            answers=b"[]",
            files={"pdf": b"%PDF-1.7"},
        )
        return shapes.Report(id=made.id, month=month, created_at=now, formats=made.formats)


_PRODUCTS = tuple(
    shapes.Product(
        id=id_,
        name=id_.title(),
        events=1,
        last_seen=NOON,
        first_day=None,
        retired=False,
        in_file=True,
    )
    for id_ in ("mail", "docs")
)
_SOURCES = shapes.Sources(sources=(), backlog=0, backfill=None, position="0-0")
_LETTERS = (DeadLetter(seq=1, idx=0, source="s", code="c", reason="r", recorded_at=1),)


def _metrics() -> list[shapes.Metric]:
    return [
        shapes.Metric(
            name=m.name,
            title=m.title,
            unit=m.unit,
            direction=m.direction,
            definition=m.definition,
            family=m.family,
            dimensions=m.dimensions,
            grains=GRAINS,
            policy="upwell",
            segments=False,
            adds=False,
        )
        for m in CATALOG.values()
    ]


def _alert() -> AlertShown:
    return AlertShown(
        id="alr_1",
        state="open",
        severity="high",
        metric="cancellations",
        product="mail",
        title="Cancellations of Mail",
        sentence="9 instead of about 2.",
        opened_at=NOON,
        resolved_at=None,
        muted_until=None,
        value=9.0,
        expected=2.0,
        low=0.0,
        high=5.0,
        z=4.2,
        why=(),
        customers=(),
        timeline=(),
        delivered=(),
        day=NOON.date(),
    )
