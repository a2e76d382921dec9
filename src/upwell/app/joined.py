"""The parts of a running server, joined: what each door calls, in the shapes it answers with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from upwell.access import SYSTEM, Viewer
from upwell.alerts import channels as sending
from upwell.alerts import inbox
from upwell.alerts.dispatch import Dispatch
from upwell.alerts.look import Parts as AlertParts
from upwell.alerts.look import Watched
from upwell.alerts.rules import rules
from upwell.app.accounts import Accounts
from upwell.app.alerted import alerts_of
from upwell.app.closing import Closing
from upwell.app.connecting import Connecting, known
from upwell.app.health import Health
from upwell.app.house import House
from upwell.app.identity import Linking
from upwell.app.made import in_file
from upwell.app.mending import Mending
from upwell.app.pulls import Pulls
from upwell.app.reporting import keep_report
from upwell.app.standing import Standing
from upwell.egress import Guard
from upwell.event import DeadLetter
from upwell.live import Hub
from upwell.live.frames import Backfill, Status
from upwell.period import GRAINS, to_date, to_instant, to_micros
from upwell.projection.ground import Ground
from upwell.query import Question
from upwell.query.boards import Boards
from upwell.query.explain import Explain
from upwell.query.goals import Goals
from upwell.query.marks import Marks
from upwell.query.overlaps import overlaps
from upwell.query.plan import adds, of_users
from upwell.query.revenue.door import Revenue
from upwell.query.rows import Row, Rows
from upwell.settings import secret
from upwell.web import door, shapes
from upwell.web.gate import Gate
from upwell.web.live import live_route
from upwell.web.meters import Meters
from upwell.web.parts import Accounts as Doors
from upwell.web.parts import Company, Parts
from upwell.web.parts import Linking as ByHand
from upwell.web.parts import Sources as SourceDoors


class Joined:
    """What runs beside the house while it serves: live pages, alerts, the parts of the site."""

    def __init__(self, house: House, bound: str, demo: bool = False) -> None:
        self.house = house
        self._started_with = house.journal.newest
        self.gate = Gate(house.state)
        self.standing = Standing(house, lambda: self._products(SYSTEM))
        self.hub = Hub(
            house.answer,
            status=self.status,
            alerts=self._news,
            catalogue=lambda: house.projection.ground.catalogue,
        )
        self.sender = sending.Sender(
            house.state,
            channels := _channels(house),
            Guard(house.settings.server.allow_private_urls),
            house.clock,
            lambda: self.dispatch.announce(),
        )
        self.dispatch = Dispatch(
            AlertParts(
                state=house.state,
                ask=house.answer,
                rows=self._happened,
                products=self._watched,
                clock=house.clock,
                zone=ZoneInfo(house.ground.timezone),
                rules=rules(
                    house.settings.alerts, len(house.ground.products), house.ground.catalogue
                ),
                channels=tuple(channel.id for channel in channels),
                currency=house.ground.currency,
                public_url=house.settings.server.public_url,
                wake=self.sender.wake,
                catalogue=house.ground.catalogue,
                filling=lambda: frozenset() if house.filling is None else None,
                behind=house.standings.behind,
            )
        )
        self.pulls = Pulls(house.links, house.journal, house.clock, house.flow.backlog)
        house.standings.read_to = self.pulls.complete_to
        self.health, mending = Health(house), Mending(house, self.pulls)
        self.closing = Closing(house)
        self.linking = Linking(house.identity, house.flow)
        house.reading = self._reading
        connecting = Connecting(house.links, house.products, self.pulls, house.clock)
        accounts = Accounts(
            house.links,
            house.journal,
            house.products,
            lambda: to_micros(house.clock()),
            self.pulls,
            house.settings.server.public_url,
        )
        stands = door.House.of(house.settings.server, bound, demo)
        meters = Meters()
        meters.follow(house.flow.backlog, lambda: len(self.hub.connections))
        self.parts = Parts(
            settings=self.standing.settings,
            house=stands,
            clock=house.clock,
            state=house.state,
            gate=self.gate,
            meters=meters,
            submit=house.journal.submit,
            applied_to=house.flow.applied_to,
            backlog=house.flow.backlog,
            original=house.journal.get,
            ready=self._missing,
            ask=house.answer,
            rows=self._rows,
            explain=Explain(house.desk, house.clock).explain,
            revenue=Revenue(house.desk, house.clock),
            usage=house.usage,
            boards=Boards(house.projection, house.state, house.clock),
            marks=Marks(house.projection, house.state, house.clock),
            goals=Goals(
                house.projection, house.state, house.answer, house.clock, house.settings.goals
            ),
            products=self._products,
            event_names=self._event_names,
            metrics=lambda: _metrics(house.projection.ground),
            sources=self._sources,
            overlaps=lambda viewer: overlaps(self.house.projection, viewer, self.house.clock()),
            company=Company(
                in_file=in_file(house.settings),
                named=lambda: in_file(house.settings) or house.projection.ground.chosen,
                workspace=self.standing.workspace,
                add=self.standing.add,
                change=self.standing.change,
            ),
            accounts=Doors(
                secret=house.links.secret_of,
                about=house.links.about,
                heard=self.pulls.heard,
                add=accounts.add,
                look=accounts.look,
                assign=accounts.assign,
                renew=accounts.renew,
                pause=accounts.pause,
            ),
            health=SourceDoors(
                detail=self.health.detail,
                seen=self.health.drifting.seen,
                reset=mending.reset,
                read_now=mending.read_now,
                replay=mending.replay,
            ),
            kinds=known,
            connect=connecting.add,
            renew=connecting.renew,
            preview=connecting.preview,
            linking=ByHand(merge=house.identity.merge, unmerge=house.identity.unmerge),
            months=self.closing.months(),
            dead_letters=self._dead_letters,
            first_day=house.first_day,
            alerts=self._alerts,
            act_on_alert=self._act,
            make_report=self._report,
            live=[live_route(self.hub, self.gate, stands, house.clock)],
        )
        self.standing.moved = lambda ground: self.dispatch.stand_on(
            ZoneInfo(ground.timezone), ground.currency
        )
        house.flow.subscribe(self.hub.publish)
        house.flow.subscribe(self.dispatch.consider)
        self.dispatch.subscribe(self.hub.alerts_changed)

    def start(self) -> None:
        """Begin to watch and to send."""
        self.sender.start()
        self.dispatch.start()
        self.pulls.start()
        self.linking.start()
        self.closing.start()
        self.health.drifting.start()

    def stop(self) -> None:
        """End the watching and sending; what waits stays in the outbox."""
        self.health.drifting.stop()
        self.closing.stop()
        self.linking.stop()
        self.house.standings.keep()
        self.pulls.stop()
        self.dispatch.stop()
        self.sender.stop()

    def status(self) -> Status:
        """How far behind the journal the pages are, and what history is on its way."""
        applied, newest = self.house.flow.backlog()
        return Status(
            backlog=max(0, newest - applied),
            backfill=self._filling(),
            position=str(self.house.flow.applied),
        )

    def _reading(self, source: str) -> shapes.Reading | None:
        """How far the past of a source was read."""
        found = self.pulls.progress(source)
        if found is None:
            return None
        return shapes.Reading(
            label=found.label,
            done=found.done,
            total=found.total,
            rows=found.rows,
            rate=found.rate,
            share=found.share,
            seconds_left=found.seconds_left,
        )

    def _filling(self) -> Backfill | None:
        """The history that is on its way in: a file's, or an account's in thousandths of it."""
        filling = self.house.filling
        if filling is not None:
            return Backfill(label=filling.label, done=filling.done, total=filling.total)
        for link in self.house.links.every():
            if (found := self._reading(link.id)) is not None:
                label = f"reading {link.name}: {found.label}"
                return Backfill(label=label, done=int(found.share * 1000), total=1000)
        return None

    def _missing(self) -> str:
        """What is not ready: deliveries that an earlier run took and that are not counted yet."""
        waiting = self._started_with - self.house.flow.applied.seq
        return f"{waiting:,} deliveries are still being counted" if waiting > 0 else ""

    def _rows(self, asked: shapes.RowsAsked, viewer: Viewer) -> Rows:
        return self.house.rows(
            asked.question, viewer, key=asked.key, limit=asked.limit, cursor=asked.cursor
        )

    def _products(self, viewer: Viewer) -> Sequence[shapes.Product]:
        projection, ground = self.house.projection, self.house.projection.ground
        retired = {product.id for product in ground.products if product.retired}
        made = {product.id for product in ground.products if product.made}
        found = []
        for product in projection.known_products():
            if not viewer.sees(product):
                continue
            seen = [entry for (p, _), entry in projection.seen().items() if p == product]
            first = min((entry.first for entry in seen), default=None)
            found.append(
                shapes.Product(
                    id=product,
                    name=projection.product_name(product),
                    events=sum(entry.events for entry in seen),
                    last_seen=to_instant(max(e.last_recorded for e in seen)) if seen else None,
                    first_day=None if first is None else to_date(projection.zone.day_of(first)),
                    retired=product in retired,
                    in_file=product not in made,
                )
            )
        return found

    def _event_names(self, viewer: Viewer) -> Sequence[shapes.EventName]:
        projection = self.house.projection
        visible = [p for p in projection.known_products() if viewer.sees(p)]
        rows = projection.reader().execute(
            """select coalesce(name, type), type, sum(n)::bigint, max(day) filter (n > 0) from cells
            where product in (select unnest(?::varchar[])) and type not like '%:%'
              and type <> 'report' and not starts_with(type, 'reported_')
            group by all having sum(n) > 0 order by 3 desc, 1 limit 1000""",
            [visible],
        )
        return [
            shapes.EventName(name=name, type=kind, events=count, last_seen=to_date(day))
            for name, kind, count, day in rows.fetchall()
        ]

    def _sources(self, viewer: Viewer) -> shapes.Sources:
        status = self.status()
        own = {source for (product, source) in self.house.projection.seen() if viewer.sees(product)}
        whole = viewer.products is None
        found = [
            shapes.Source(**(entry if whole else entry | _seen_by(viewer, entry["products"])))
            for entry in self.health.listed()
            if whole or entry["id"] in own
        ]
        return shapes.Sources(
            sources=tuple(found),
            backlog=status.backlog,
            backfill=status.backfill,
            position=status.position,
        )

    def _dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return self.house.dead_letters(limit)

    def _alerts(self, viewer: Viewer) -> Sequence[inbox.AlertShown]:
        return alerts_of(self.house, viewer)

    def _act(
        self, id_: str, what: inbox.Act, viewer: Viewer, until: dt.datetime | None
    ) -> inbox.AlertShown:
        house = self.house
        changed = inbox.act(
            house.state,
            id_,
            what,
            viewer,
            house.projection.product_name,
            house.clock(),
            until=until,
            currency=house.ground.currency,
            catalogue=house.ground.catalogue,
        )
        self.dispatch.announce()
        return changed

    def _news(self, viewer: Viewer) -> dict[str, object]:
        """What pages are told when the inbox changes."""
        found = self._alerts(viewer)
        unsettled = [alert for alert in found if alert.state == "open"]
        return {"open": len(unsettled), "latest": found[0] if found else None}

    def _report(self, month: str, viewer: Viewer, now: dt.datetime) -> shapes.Report:
        made = keep_report(self.house, self.standing.settings(), month, viewer, now)
        return shapes.Report(
            id=made.id,
            month=made.month,
            created_at=to_instant(made.created_at),
            formats=made.formats,
        )

    def _watched(self) -> Sequence[Watched]:
        first_days = {p.id: p.first_day for p in self._products(SYSTEM)}
        return [
            Watched(product.id, product.name or product.id, first_days.get(product.id))
            for product in self.house.projection.ground.products
            if not product.retired
        ]

    def _happened(self, question: Question, limit: int) -> Sequence[tuple[dt.datetime, str | None]]:
        """When each event behind a question happened, and to which customer."""
        found = self.house.rows(question, SYSTEM, limit=limit)
        return [(row.event.timestamp, self._called(row)) for row in found.rows]

    def _called(self, row: Row) -> str | None:
        """The customer behind an event, by name where one is known."""
        said, actor = row.event.metadata.get("customer"), row.event.actor_id
        if said or not actor:
            return str(said) if said else None
        return self.house.name_of(row.delivery.source, actor)


def _channels(house: House) -> tuple[sending.Channel, ...]:
    return tuple(
        sending.Channel(
            id=channel.id,
            kind=channel.kind,
            url=secret(channel.url, house.env) if channel.url else "",
            key=secret(channel.key, house.env) if channel.key else "",
        )
        for channel in house.settings.channels
    )


def _metrics(ground: Ground) -> Sequence[shapes.Metric]:
    return [
        shapes.Metric(
            name=metric.name,
            title=metric.title,
            unit=metric.unit,
            direction=metric.direction,
            definition=metric.definition,
            family=metric.family,
            dimensions=("product", *metric.dimensions),
            grains=tuple(grain for grain in GRAINS if metric.hourly or grain != "hour"),
            policy=ground.policy,
            segments=of_users(metric),
            adds=adds(metric),
        )
        for metric in ground.catalogue.values()
    ]


def _seen_by(viewer: Viewer, products: tuple[str, ...]) -> dict[str, object]:
    """What who sees only some products is told of a source that tells of others, too."""
    return {"products": tuple(filter(viewer.sees, products)), "doubts": ()}
