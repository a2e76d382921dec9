"""One look at one series: measure, decide, explain, and write what follows in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import Connection

from upwell.access import SYSTEM
from upwell.alerts import inbox
from upwell.alerts.channels import Notice, NoticeType
from upwell.alerts.decide import decide
from upwell.alerts.due import Known
from upwell.alerts.explain import Rows, explain
from upwell.alerts.incident import (
    AGAIN,
    TELLS,
    WHOLE,
    Incident,
    Reading,
    Reason,
    Rule,
    Why,
    belongs,
)
from upwell.alerts.measure import (
    Hours,
    Measured,
    adds_over_hours,
    judged_by,
    measure,
    measure_whole,
    past_hours,
)
from upwell.errors import UpwellError
from upwell.metrics.catalog import CATALOG, Metric, metric_named
from upwell.period import to_day, to_micros
from upwell.query import Ask
from upwell.query.complete import Behind, cut, nothing_read
from upwell.state import incidents, outbox
from upwell.state.db import State
from upwell.state.outbox import Message

log = structlog.get_logger(__name__)

WHY = dt.timedelta(seconds=10)  # between two explanations of an alert that nobody is told of

_TYPES: Mapping[Reason, NoticeType] = {
    Reason.OPENED: "alert.opened",
    Reason.REOPENED: "alert.opened",
    Reason.RESOLVED: "alert.resolved",
}
_OPENINGS: Mapping[Reason, str] = {
    Reason.REOPENED: "Again: ",
    Reason.WORSENED: "Worse: ",
    Reason.SPREAD: "More products: ",
    Reason.MUTE_ENDED: "Still not over: ",
}


class Watched(msgspec.Struct, frozen=True):
    """A product as alerting sees it; `first_day` is the first with data, None before any."""

    id: str
    name: str
    first_day: dt.date | None


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The seams of alerting; `app` chooses them.

    `rows` gives time and customer of the newest events behind a question, `filling` the products
    whose history is being filled just now (None: all of them), `wake` tells the sender of news,
    `behind` how far the sources are that are read.
    """

    state: State
    ask: Ask
    rows: Rows
    products: Callable[[], Sequence[Watched]]
    clock: Callable[[], dt.datetime]
    zone: ZoneInfo
    rules: tuple[Rule, ...]
    channels: tuple[str, ...] = ()
    currency: str = "USD"
    public_url: str = ""
    wake: Callable[[], None] = lambda: None
    filling: Callable[[], frozenset[str] | None] = frozenset
    catalogue: Mapping[str, Metric] = msgspec.field(default_factory=lambda: CATALOG)
    behind: Behind = nothing_read


class Watcher:
    """Looks at series; keeps what is usual for a while, so that a look asks for one day only."""

    def __init__(self, parts: Parts, note: Callable[[Connection], None]) -> None:
        self._parts = parts
        self._note = note  # writes alerting's position, in the transaction given
        self._past: dict[tuple[str, str], tuple[int, Hours]] = {}
        self._explained: dict[str, dt.datetime] = {}

    def forget(self, metric: str | None, product: str = WHOLE) -> None:
        """What is usual for a series changed; with no metric, for all of them."""
        if metric is None:
            self._past.clear()
        else:
            self._past.pop((metric, product), None)

    def look(self, rule: Rule, product: str, day: int | None, known: Known) -> Reason | None:
        """One look; the decision's reason, or None where there is nothing to judge.

        `known` is updated where history alone makes today stand out.
        """
        now = self._parts.clock()
        products = {one.id: one for one in self._parts.products()}
        if product != WHOLE and product not in products:
            return None  # a rule may name a product that nothing is known of yet
        found = self._measured(rule, product, day, now, known, products)
        if found is not None and found.reading.expected.z < 0:
            by = judged_by(found, self._all_here(rule, product, products), now, self._parts.zone)
            if by is None:
                return Reason.WAITING
            if by < now:
                found = self._measured(rule, product, None, by, known, products)
        if found is None or found.reading.value is None:
            return None
        if not known.live:
            if known.day == found.day:
                odd = found.reading.expected.severity is not None
                known.imported = found.reading.value if odd else 0.0
            found = replace(found, reading=replace(found.reading, quiet=True))
        with self._parts.state.read() as connection:
            before, reason, after = self._decided(connection, rule, found.reading, now)
        why = None if after is None else self._why(rule, before, after, found, reason, now)
        if after == before and why is None:
            return reason
        with self._parts.state.write() as connection:
            # A person may have done something meanwhile: decided again, on what is there now.
            before, reason, after = self._decided(connection, rule, found.reading, now)
            if after is not None:
                after = after if why is None else replace(after, why=why)
                inbox.save(connection, after)
                if reason in TELLS:
                    self._tell(connection, rule, after, reason, now, products)
            elif before is not None:
                incidents.forget(connection, before.id)
            self._note(connection)
        log.info("alert", reason=reason.name.lower(), metric=rule.metric, product=product)
        if reason in TELLS:
            self._parts.wake()
        return reason

    def _measured(
        self,
        rule: Rule,
        product: str,
        day: int | None,
        now: dt.datetime,
        known: Known,
        products: Mapping[str, Watched],
    ) -> Measured | None:
        metric, ask = metric_named(rule.metric, self._parts.catalogue), self._parts.ask
        today = to_day(now.astimezone(self._parts.zone).date())
        first_day = _first_day(products, product)
        found: Measured | None
        if adds_over_hours(metric):
            judged = today if day is None else day
            found = measure(
                ask,
                metric,
                product,
                day=judged,
                now=now,
                zone=self._parts.zone,
                first_day=first_day,
                past=self._usual(rule.metric, product, judged),
                limits=rule.limits,
                imported=known.imported if known.live and known.day == judged else 0.0,
            )
        else:
            found = measure_whole(
                ask, metric, product, today=today, first_day=first_day, limits=rule.limits
            )
        if found is None:
            return None
        return replace(found, reading=replace(found.reading, name=_name(products, product)))

    def _all_here(self, rule: Rule, product: str, products: Iterable[str]) -> int | None:
        """Until when (UTC micros) all is here that a series is made of; None: nothing limits it."""
        types = metric_named(rule.metric, self._parts.catalogue).reads
        own = products if product == WHOLE else (product,)
        return cut(one for name in own for one in self._parts.behind(name, types))

    def _usual(self, metric: str, product: str, day: int) -> Hours:
        kept = self._past.get((metric, product))
        if kept is None or kept[0] != day:
            kept = (day, past_hours(self._parts.ask, metric, product, day))
            self._past[metric, product] = kept
        return kept[1]

    def _decided(
        self, connection: Connection, rule: Rule, reading: Reading, now: dt.datetime
    ) -> tuple[Incident | None, Reason, Incident | None]:
        bodies = incidents.near(connection, rule.id, to_micros(now - AGAIN))
        before = belongs(reading, [inbox.decoded(body) for body in bodies], now)
        return before, *decide(rule, before, reading, now)

    def _why(
        self,
        rule: Rule,
        before: Incident | None,
        after: Incident,
        found: Measured,
        reason: Reason,
        now: dt.datetime,
    ) -> Why | None:
        """A new explanation where one is needed; None keeps the one there is."""
        if after.product != found.reading.product or found.reading.expected.severity is None:
            return None
        explained = self._explained.get(after.id)
        renamed = before is not None and before.product != after.product
        moved = before is not None and before.reading.value != found.reading.value
        due = moved and (explained is None or now - explained >= WHY)
        if reason not in TELLS and not renamed and not due:
            return None
        self._explained[after.id] = now
        parts = self._parts
        try:
            metric = metric_named(rule.metric, parts.catalogue)
            return explain(parts.ask, parts.rows, metric, found, parts.zone)
        except UpwellError as error:
            # That something is wrong is worth telling even where the reason cannot be found.
            log.error("alert not explained", error=repr(error), metric=rule.metric)
            return None

    def _tell(
        self,
        connection: Connection,
        rule: Rule,
        incident: Incident,
        reason: Reason,
        now: dt.datetime,
        products: Mapping[str, Watched],
    ) -> None:
        """A message for each channel of the rule."""

        def name_of(product: str) -> str:
            return _name(products, product)

        assert incident.told is not None
        key = f"{incident.id}.{incident.told.times}"
        shown = inbox.shown(
            incident,
            SYSTEM,
            name_of,
            self._parts.currency,
            now,
            people=rule.people,
            catalogue=self._parts.catalogue,
        )
        text = _OPENINGS.get(reason, "") + shown.sentence
        if reason is Reason.RESOLVED:
            text = f"Over: {shown.title}: {incident.reading.text}."
        base = self._parts.public_url.rstrip("/")
        notice = Notice(
            type=_TYPES.get(reason, "alert.changed"),
            id=key,
            created_at=now,
            title=shown.title,
            text=text,
            url=f"{base}/alerts/{incident.id}" if base else "",
            alert=msgspec.Raw(msgspec.json.encode(shown)),
        )
        body, at = msgspec.json.encode(notice), to_micros(now)
        channels = self._parts.channels if rule.to is None else rule.to
        outbox.put(
            connection,
            [
                Message(
                    key=key,
                    channel=channel,
                    incident=incident.id,
                    body=body,
                    created_at=at,
                    due_at=at,
                )
                for channel in channels
            ],
        )


def _name(products: Mapping[str, Watched], product: str) -> str:
    if product == WHOLE:
        return "all products"
    return products[product].name if product in products else product


def _first_day(products: Mapping[str, Watched], product: str) -> int | None:
    days = [
        to_day(one.first_day)
        for one in products.values()
        if one.first_day is not None and product in (WHOLE, one.id)
    ]
    return min(days, default=None)
