"""A company in a list: events by minute, and the one door answering from them by plain counting."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from upwell.access import SYSTEM, Viewer
from upwell.alerts import inbox
from upwell.alerts.dispatch import Dispatch
from upwell.alerts.inbox import AlertShown
from upwell.alerts.incident import Rule
from upwell.alerts.look import Parts, Watched
from upwell.event import Change, Position, Touched
from upwell.metrics.catalog import Net, Sum, metric_named
from upwell.period import to_day
from upwell.query import Answer, Point, Question, Series
from upwell.query.complete import Behind, nothing_read
from upwell.state import outbox
from upwell.state.db import State

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)  # a Friday
DAILY = (6, 9, 10, 13, 15, 20)  # six cancellations a day, three by noon


class Event:
    """One event with the dimensions that split it."""

    def __init__(
        self,
        at: dt.datetime,
        product: str,
        type: str = "churn",
        value: float = 1.0,
        actor: str | None = None,
        dimensions: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.at, self.product, self.type, self.value = at, product, type, value
        self.actor, self.dimensions = actor, dimensions
        self._local: dict[str, dt.datetime] = {}

    def local(self, zone: ZoneInfo) -> dt.datetime:
        """When it was there."""
        if zone.key not in self._local:
            self._local[zone.key] = self.at.astimezone(zone)
        return self._local[zone.key]


class Company:
    """Events, a clock that a test moves, and the seams that alerting asks through."""

    def __init__(self, zone: ZoneInfo = UTC, now: dt.datetime = NOON) -> None:
        self.zone, self.now = zone, now
        self.events: list[Event] = []
        self.seq = 0
        self.asked = 0
        self.broken = ""  # a product whose numbers cannot be read
        self.filling: frozenset[str] | None = frozenset()
        self.behind: Behind = nothing_read

    def history(
        self, product: str, hours: tuple[int, ...], days: int = 60, type: str = "churn", **dims: str
    ) -> None:
        """One event at half past each of these local hours, on each of the days before today."""
        today = self.now.astimezone(self.zone).date()
        for back in range(1, days + 1):
            date = today - dt.timedelta(days=back)
            for hour in hours:
                local = dt.datetime.combine(date, dt.time(hour, 30), tzinfo=self.zone)
                self.events.append(Event(local.astimezone(dt.UTC), product, type, dimensions=dims))

    def happen(
        self, *events: Event, quiet: bool = False, refolded: bool = False, seq: int | None = None
    ) -> Change:
        """The events arrive in one commit; the change that the loop would publish."""
        self.events.extend(events)
        self.seq += 1
        return Change(
            position=Position(0, seq or self.seq),
            recorded_at=0,
            touched=frozenset(Touched(e.product, e.type, self.day(e.at)) for e in events),
            events=len(events),
            quiet=quiet,
            refolded=refolded,
        )

    def burst(self, product: str, count: int, quiet: bool = False, **dims: str) -> Change:
        """So many cancellations within the last minutes."""
        return self.happen(
            *(
                Event(
                    self.now - dt.timedelta(seconds=2 * n),
                    product,
                    actor=f"cus_{product}_{len(self.events)}_{n}",
                    dimensions={"plan": "Starter", "country": "DE", "reason": "payment_failed"}
                    | dims,
                )
                for n in range(count)
            ),
            quiet=quiet,
        )

    def day(self, at: dt.datetime) -> int:
        return to_day(at.astimezone(self.zone).date())

    def clock(self) -> dt.datetime:
        return self.now

    def passes(self, **span: float) -> None:
        self.now += dt.timedelta(**span)

    def ask(self, question: Question, viewer: Viewer) -> Answer:
        assert viewer.id == "system"
        self.asked += 1
        if self.broken in question.product:
            raise RuntimeError("the numbers of this product cannot be read")
        metric = metric_named(question.metric)
        sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for event in self._of(question):
            local = event.local(self.zone)
            if question.grain == "hour":
                start = local.replace(minute=0, second=0, microsecond=0).isoformat()
            else:
                start = local.date().isoformat()
            key = ""
            if question.by == "product":
                key = event.product
            elif question.by:
                key = event.dimensions.get(question.by, "")
            rule = metric.rule
            minus = isinstance(rule, Net) and event.type == rule.minus.type
            counted = isinstance(rule, Sum) and rule.of == "count"
            sums[key][start] += 1 if counted else -event.value if minus else event.value
        if not question.by:
            _ = sums[""]  # one line always, also where nothing happened
        assert question.end is not None
        today = self.now.astimezone(self.zone).date()
        return Answer(
            question=question,
            series=tuple(
                Series(
                    key=key,
                    total=sum(points.values()),
                    points=tuple(
                        Point(
                            start=start,
                            value=value if metric.unit == "count" else f"{value:.2f}",
                            complete=start[:10] < today.isoformat(),
                        )
                        for start, value in sorted(points.items())
                    ),
                )
                for key, points in sorted(sums.items())
            ),
            as_of={},
            policy="upwell",
            position="0-0",
            unit=metric.unit,
            currency="USD" if metric.unit == "money" else None,
        )

    def rows(self, question: Question, limit: int) -> list[tuple[dt.datetime, str | None]]:
        found = [(event.at, event.actor) for event in self._of(question)]
        return sorted(found, key=lambda row: row[0], reverse=True)[:limit]

    def products(self) -> list[Watched]:
        first: dict[str, dt.date] = {}
        for event in self.events:
            date = event.local(self.zone).date()
            first[event.product] = min(first.get(event.product, date), date)
        return [Watched(id, id.capitalize(), first[id]) for id in sorted(first)]

    def dispatch(
        self,
        state: State,
        rules: tuple[Rule, ...] = (Rule(metric="cancellations"),),
        channels: tuple[str, ...] = ("ops",),
    ) -> Dispatch:
        """Alerting on this company."""
        return Dispatch(
            Parts(
                state=state,
                ask=self.ask,
                rows=self.rows,
                products=self.products,
                clock=self.clock,
                zone=self.zone,
                rules=rules,
                channels=channels,
                public_url="https://upwell.acme.example/",
                filling=lambda: self.filling,
                behind=lambda product, types: self.behind(product, types),
            )
        )

    def _of(self, question: Question) -> list[Event]:
        assert question.start is not None
        assert question.end is not None
        reads = metric_named(question.metric).reads
        return [
            event
            for event in self.events
            if event.type in reads
            and (not question.product or event.product in question.product)
            and question.start <= event.local(self.zone).date() < question.end
        ]


def opened(path: Path) -> State:
    """A control state of its own."""
    return State.open(path / "control.db")


def usual() -> Company:
    """Two products with a history of six cancellations a day."""
    acme = Company()
    for product in ("mail", "drive"):
        acme.history(product, DAILY, plan="Team", country="US", reason="too_expensive")
    return acme


def live(company: Company, dispatch: Dispatch) -> None:
    """A usual day: an event of each product, so that both are live."""
    for product in ("mail", "drive"):
        dispatch.consider(company.burst(product, 1, plan="Team"))
    dispatch.step()
    company.passes(seconds=1)


def sent(state: State) -> list[dict[str, Any]]:
    """The messages that wait for their channel."""
    with state.read() as connection:
        bodies = [message.body for message in outbox.due(connection, "ops", 2**62)]
    return [msgspec.json.decode(body) for body in bodies]


def alerts(state: State, company: Company) -> list[AlertShown]:
    """What the inbox shows to those who may see everything."""
    return inbox.listed(state, SYSTEM, str.capitalize, company.now)
