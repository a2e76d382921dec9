"""The house on one data directory: journal, loop, sums, the desk that answers, control state.

DATA/journal.sqlite      deliveries as they came
DATA/projection.duckdb   stored events and sums; can be made again from the journal
DATA/timelines/          events once more, by user and time; made when first asked for
DATA/state.sqlite        people, keys, alerts, reports
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock, RLock

import msgspec
import structlog

from upwell import settings as config
from upwell.access import Viewer
from upwell.app.complete import Standings
from upwell.app.connect import Links
from upwell.app.identity import Identity
from upwell.app.made import kept
from upwell.app.owned import activation_of, names, own_of
from upwell.event import DeadLetter, Delivery, Translated
from upwell.flow import Flow, translate
from upwell.journal import DAMAGED, Journal
from upwell.metrics.catalog import DEFAULT_ACTIVE
from upwell.metrics.own import Activation
from upwell.period import to_date, to_micros
from upwell.projection import Projection
from upwell.projection.ground import GROUND, Ground, GroundProduct
from upwell.query import Answer, Desk, Question
from upwell.query.revenue.lineage import revenue_rows
from upwell.query.rows import Rows, rows
from upwell.query.usage.door import Usage
from upwell.settings import Settings
from upwell.state.db import State
from upwell.warehouse.timelines import Timelines
from upwell.web.shapes import Reading

log = structlog.get_logger()

REREAD = 64  # deliveries kept translated, for whoever pages through rows


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """History on its way in: what it is, from which source, how many events of how many."""

    label: str
    source: str
    done: int
    total: int


class House:
    """Everything that one data directory needs, opened; `close` it."""

    def __init__(self, data: Path, settings: Settings | None, clock: Callable[[], dt.datetime]):
        self.data = data
        self.clock = clock
        self.settings = settings or Settings()
        self.env = dict(os.environ)
        self.filling: Filling | None = None
        self.reading: Callable[[str], Reading | None] = lambda _: None
        self._read: OrderedDict[int, tuple[Delivery, Translated]] = OrderedDict()
        self._lock = Lock()
        self._standing = RLock()
        with ExitStack() as opened:  # where one part cannot be opened, those before it are closed
            self.journal = Journal.open(data)
            opened.callback(self.journal.close)
            self.projection = _projection(data, self.journal)
            opened.callback(self.projection.close)
            self.state = State.open(data / "state.sqlite")
            opened.callback(self.state.close)
            self.links = Links(
                self.settings,
                self.state,
                data / "secrets",
                self.env,
                lambda: to_micros(self.clock()),
                self.stand_on_sources,
                self.country_of,
            )
            self.standings = Standings(
                self.links,
                self.journal,
                self.projection,
                lambda: to_micros(self.clock()),
                data / "pulls" / "reached.json",
            )
            lines = Timelines(data / "timelines", self.projection.reader)
            behind = self.standings.behind
            self.usage = Usage(self.projection, lines, self.state, clock, behind=behind)
            opened.callback(self.usage.close)
            self.desk = Desk(self.projection, members=self.usage.members, behind=behind)
            remote = settings is not None and settings.warehouse.url != "duckdb"
            self.flow = Flow(self.journal, self.projection, remote)
            self.identity = Identity(self.flow, self.clock)
            self.flow.start()
            opened.callback(self.flow.stop)
            if settings is not None:
                ground = msgspec.structs.replace(ground_of(settings), sources=self.links.origins())
                self.stand_otherwise(lambda last: kept(ground, last))
            self._opened = opened.pop_all()

    def stand_on(self, ground: Ground) -> int:
        """Journal the configuration that changes results, where it is another than the last.

        The number of the delivery that says it.
        """
        last = self.journal.last("config")
        body = msgspec.json.encode(ground)
        if last is not None and last.body == body:
            return last.seq
        delivery = Delivery(
            kind="config", source="upwell", received_at=to_micros(self.clock()), body=body
        )
        return self.journal.append([delivery])[0]

    def stand_otherwise(self, change: Callable[[Ground], Ground]) -> int:
        """The same with something changed in what holds now; one change at a time."""
        with self._standing:
            return self.stand_on(change(self.ground))

    def country_of(self, source: str, customer: str) -> str:
        """Where a customer is, as far as the source has said; '' where it has not."""
        people = self.projection.books.people
        number = people.numbers.get((source, customer))
        return "" if number is None else people.all[number].country

    def name_of(self, source: str, customer: str) -> str:
        """What a customer is called, where the source has said; otherwise the id."""
        people = self.projection.books.people
        number = people.numbers.get((source, customer))
        return (number is not None and people.all[number].name) or customer

    def stand_on_sources(self) -> None:
        """The same where only the sources are others: connected, assigned, with other names."""
        self.stand_otherwise(
            lambda ground: msgspec.structs.replace(ground, sources=self.links.origins())
        )

    @property
    def ground(self) -> Ground:
        """The configuration in force: the newest one delivered, even where the loop is behind."""
        last = self.journal.last("config")
        if last is None or DAMAGED in last.about:
            return self.projection.ground
        return GROUND.decode(last.body)

    def presented(self) -> Settings:
        """The settings with the workspace that the journal holds: what pages and reports show."""
        ground = self.ground
        workspace = msgspec.structs.replace(
            self.settings.workspace,
            name=ground.name,
            timezone=ground.timezone,
            currency=ground.currency,
            week_start=config.schema.WEEKDAYS[ground.week_start],
        )
        known = {product.id: product for product in self.settings.products}
        products = tuple(
            known.get(product.id)
            or config.Product(
                id=product.id, name=product.name, active=product.active, retired=product.retired
            )
            for product in ground.products
        )
        return msgspec.structs.replace(self.settings, workspace=workspace, products=products)

    def products(self) -> frozenset[str]:
        """The ids that events may be sent for."""
        return frozenset(product.id for product in self.ground.products)

    def answer(self, question: Question, viewer: Viewer) -> Answer:
        """The one door, at this moment."""
        return self.desk.answer(question, viewer, self.clock())

    def rows(
        self,
        question: Question,
        viewer: Viewer,
        *,
        key: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Rows:
        """The events behind an answer."""
        asked = self.desk.behind(self.desk.plan(question, viewer, self.clock()))
        if asked.how == "ledger":
            return revenue_rows(
                asked,
                self.desk.ledgers,
                self.projection,
                viewer,
                self.original,
                key=key,
                limit=limit,
                cursor=cursor,
            )
        return rows(
            asked,
            self.projection,
            viewer,
            self.original,
            key=key,
            limit=limit,
            cursor=cursor,
        )

    def original(self, seq: int) -> tuple[Delivery, Translated] | None:
        """A delivery with what its bytes say, read again; the last few are remembered."""
        with self._lock:
            if (known := self._read.get(seq)) is not None:
                self._read.move_to_end(seq)
                return known
        delivery = self.journal.get(seq)
        if delivery is None:
            return None
        origin = self.projection.ground.origin_of(delivery)
        found = (delivery, translate(delivery, self.projection.products, origin=origin))
        with self._lock:
            self._read[seq] = found
            while len(self._read) > REREAD:
                self._read.popitem(last=False)
        return found

    def dead_letters(
        self, limit: int, source: str | None = None, seq: int | None = None
    ) -> Sequence[DeadLetter]:
        """What could not be used and was not settled since, newest first."""
        found = self.projection.reader().execute(
            """select seq, idx, source, code, reason, recorded_at from dead_letters
            where settled_seq is null and (? is null or source = ?) and (? is null or seq = ?)
            order by seq desc, idx desc limit ?""",
            [source, source, seq, seq, limit],
        )
        return [
            DeadLetter(seq=s, idx=i, source=name, code=code, reason=reason, recorded_at=at)
            for s, i, name, code, reason, at in found.fetchall()
        ]

    def first_day(self) -> dt.date | None:
        """The first local day with an event, or None."""
        seen = self.projection.seen().values()
        if not seen:
            return None
        return to_date(self.projection.zone.day_of(min(entry.first for entry in seen)))

    def caught_up(self, timeout: float = 3600.0) -> bool:
        """Whether everything in the journal is in the numbers; waits while there is hope."""
        newest, until = self.journal.newest, time.monotonic() + timeout
        while not self.flow.wait(newest, min(timeout, 1.0)):
            if self.flow.trouble or time.monotonic() > until:
                return False
        return True

    def close(self) -> None:
        """Finish what is under way and close every file."""
        self._opened.close()


def ground_of(settings: Settings) -> Ground:
    """The part of the configuration that changes results."""
    workspace = settings.workspace
    return Ground(
        name=workspace.name,
        currency=workspace.currency,
        week_start=workspace.week_start_index,
        timezone=workspace.timezone,
        active=tuple(sorted(workspace.active or DEFAULT_ACTIVE)),
        exclude=workspace.exclude,
        products=tuple(
            GroundProduct(
                id=p.id,
                name=p.title,
                active=p.active,
                retired=p.retired,
                activation=activation_of(p.activation),
                authority=tuple(sorted(p.authority.items())),
                named=p.named,
            )
            for p in settings.products
        ),
        activation=activation_of(workspace.activation) or Activation(),
        metrics=tuple(map(own_of, settings.metrics)),
        policy=workspace.policy,
        rules=settings.identity.rules,
        fiscal_year_start=workspace.fiscal_year_start,
        gross_margin=workspace.gross_margin,
        closed_months=workspace.closed_months,
        churn_recognition=workspace.churn_recognition,
        refunded_invoices=workspace.refunded_invoices,
        refund_with_cancel=workspace.refund_with_cancel,
        fx=workspace.fx,
    )


def read_settings(path: Path | None) -> Settings | None:
    """The configuration of a file and the environment; None where there is no file."""
    read = config.load(path, os.environ, names())
    return read if path is not None else None


def now() -> dt.datetime:
    """What time it is; everything below is told."""
    return dt.datetime.now(dt.UTC)


@contextmanager
def house(data: Path, config: Path | None) -> Iterator[object]:
    """The commands on a directory that this process owns, caught up with its journal."""
    from upwell.app.commands import Commands

    opened = House(data, read_settings(config), now)
    try:
        opened.caught_up()
        yield Commands(opened)
    finally:
        opened.close()


def _projection(data: Path, journal: Journal) -> Projection:
    found = Projection(data)
    if journal.id and found.journal not in ("", journal.id):
        found.renew("it was made from another journal")
    if found.applied > journal.newest:
        # Its newest deliveries are gone. What was read from them is still in the sums: it is kept,
        # and their numbers are not given again, so that `verify` misses them.
        log.error("journal lost its end", newest=journal.newest, known=found.applied)
        journal.resume_after(found.applied)
    if journal.id and not found.journal:
        found.journal = journal.id
    return found
