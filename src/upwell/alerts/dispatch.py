"""From what a commit changed to a message on its way; in a thread of its own.

`consider` is called by the loop after each commit and only marks series as due. The thread looks
at each at most every 200 ms (every 2 s where its alert is open and was told), and at all of them
every half minute, because silence is news too and alerts must end. An alert, its messages and
alerting's own position are one transaction: a crash loses none and doubles none. What history
alone moved is never told.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy import Connection

from upwell.alerts.due import CALMLY, Due, Known, Series
from upwell.alerts.incident import WHOLE, Reason
from upwell.alerts.look import Parts, Watcher
from upwell.errors import UpwellError
from upwell.event import Change, Position
from upwell.period import to_day
from upwell.state import incidents

log = structlog.get_logger(__name__)

TICK = dt.timedelta(seconds=30)
KNOWN = frozenset({Reason.STILL_OPEN, Reason.MUTED, Reason.DISMISSED, Reason.CALMING})
REST = dt.timedelta(seconds=5)  # between two notes of the position where nothing else is written


class Dispatch:
    """Watches the series of the rules; `step` is one round, `start` a thread of rounds."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rules = {rule.id: rule for rule in parts.rules}
        with parts.state.read() as connection:
            found = incidents.position(connection)
        position = None if found is None else found[0]
        known = () if found is None else msgspec.json.decode(found[1], type=tuple[Known, ...])
        self._due = Due(parts.rules, position, known, parts.catalogue)
        self._watcher = Watcher(parts, self._note)
        self._noted: tuple[Position | None, dt.datetime] = (position, parts.clock())
        self._ticked: dt.datetime | None = None
        self._listeners: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None

    def stand_on(self, zone: ZoneInfo, currency: str) -> None:
        """Goes on with other days, and with money in another currency."""
        self._parts = msgspec.structs.replace(self._parts, zone=zone, currency=currency)
        self._watcher = Watcher(self._parts, self._note)

    def consider(self, change: Change) -> None:
        """Takes note of a commit; for `flow.subscribe`."""
        now = self._parts.clock()
        self._due.mark(change, self._today(now), now)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has `listener` called, from any thread, when the inbox changed; answers how to end it."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def announce(self) -> None:
        """Tells the listeners that the inbox changed; a person may have changed it, too."""
        for listener in list(self._listeners):
            listener()

    def start(self) -> None:
        """Looks at every series, which finds what a crash left out; then waits for news."""
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the look under way, and notes the position."""
        self._due.close()
        if self._thread is not None:
            self._thread.join(30)
        with self._parts.state.write() as connection:
            self._note(connection)

    def step(self) -> dt.timedelta:
        """Takes every look that may be taken now; answers how long there will be none."""
        now = self._parts.clock()
        if self._ticked is None or not dt.timedelta(0) <= now - self._ticked < TICK:
            self._ticked = now
            self._due.tick(self._every_series(), self._today(now))
        self._forget()
        looks, pause = self._due.ready(now, self._parts.filling())
        changed = False
        for look, touches in looks:
            try:
                reason = self._look(look.series, look.day)
            except Exception as error:
                # One series that cannot be read must not keep the others from being watched.
                log.exception("alert not judged", error=repr(error), series=look.series)
                self._due.postponed(look, now + REST)
                continue
            if reason is Reason.WAITING and look.day is not None:
                self._due.postponed(look, now + TICK)  # a day that is over is marked once only
                continue
            self._due.taken(look, touches, now + CALMLY if reason in KNOWN else None)
            changed |= reason is not None and reason.changes
        if changed:
            self.announce()
        self._rest(now)
        return min(pause, self._ticked + TICK - now)

    def _look(self, series: Series, day: int | None) -> Reason | None:
        known = self._due.known(series)
        return self._watcher.look(self._rules[series.rule], series.product, day, known)

    def _run(self) -> None:
        while True:
            try:
                pause = self.step()
            except UpwellError as error:
                log.error("alerts wait", error=repr(error))
                pause = REST
            if not self._due.wait(pause):
                return

    def _today(self, now: dt.datetime) -> int:
        return to_day(now.astimezone(self._parts.zone).date())

    def _every_series(self) -> list[Series]:
        products = [product.id for product in self._parts.products()]
        return [
            Series(rule.id, product)
            for rule in self._rules.values()
            for product in (rule.products or (*products, WHOLE))
        ]

    def _forget(self) -> None:
        outdated = self._due.outdated()
        if outdated is None:
            self._watcher.forget(None)
            return
        for series in outdated:
            self._watcher.forget(self._rules[series.rule].metric, series.product)

    def _rest(self, now: dt.datetime) -> None:
        """Notes the position where nothing else was written for a while."""
        position, at = self._noted
        moved = self._due.position() != position
        if self._due.changed() or (moved and not dt.timedelta(0) <= now - at < REST):
            with self._parts.state.write() as connection:
                self._note(connection)

    def _note(self, connection: Connection) -> None:
        position = self._due.position()
        if position is not None:
            known = msgspec.json.encode(self._due.everything_known())
            incidents.move(connection, position, known)
            self._noted = (position, self._parts.clock())
