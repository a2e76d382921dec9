"""Which series are to be looked at, and when: touched ones soon, all of them now and then.

A series is *live* once a live event has arrived for it; history (imports, back-fills, rebuilds)
puts it to sleep again until the next one, and must rest before anything is judged by it.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping

import msgspec

from upwell.alerts.incident import WHOLE, Rule
from upwell.detect import HISTORY, WEEKS
from upwell.event import Change, Position
from upwell.metrics.catalog import CATALOG, Metric, metric_named

EVERY = dt.timedelta(milliseconds=200)  # between two looks at a series that keeps moving
SETTLE = dt.timedelta(seconds=10)  # how long history must rest
FILLING = dt.timedelta(seconds=1)  # until it is asked again whether a back-fill is over
CALMLY = dt.timedelta(seconds=2)  # the same of one whose alert is open and was told
LONG = dt.timedelta(seconds=30)
FEW = 8  # looks that nothing but the timer asked for, in one round
REACH = max(7 * WEEKS + 1, 2 * HISTORY)  # days back that anything is judged by, for yesterday


class Series(msgspec.Struct, frozen=True, order=True):
    """A rule's metric of one product, or of the company."""

    rule: str
    product: str


class Look(msgspec.Struct, frozen=True):
    """A look to take: `day` None is today, whenever that is."""

    series: Series
    day: int | None = None


class Known(msgspec.Struct, kw_only=True):
    """What is kept of a series between two looks, and over a restart.

    `imported` is what history alone brought on `day` where that stood out by itself; `closed` the
    last day that was judged as a whole.
    """

    series: Series
    live: bool = False
    history_at: dt.datetime | None = None
    day: int | None = None
    imported: float = 0.0
    closed: int = 0


class Mark(msgspec.Struct):
    """Since which position a look is due (None: the timer asked), and how often it was touched."""

    since: Position | None
    touches: int = 0


class Due:
    """What is due; shared by the loop's thread, which marks, and alerting's, which looks."""

    def __init__(
        self,
        rules: Iterable[Rule],
        position: Position | None,
        known: Iterable[Known],
        catalogue: Mapping[str, Metric] = CATALOG,
    ) -> None:
        self._rules = tuple(rules)
        self._readers: dict[str, list[Rule]] = {}
        for rule in self._rules:
            for type in metric_named(rule.metric, catalogue).reads:
                self._readers.setdefault(type, []).append(rule)
        self._lock = threading.Condition()
        self._marks: dict[Look, Mark] = {}
        self._free_from: dict[Series, dt.datetime] = {}
        self._known = {one.series: one for one in known}
        self._outdated: set[Series] | None = set()  # None: all of them
        self._position = position
        self._changed = False  # a series woke or went to sleep
        self._news = False  # something was marked since `ready` was asked last
        self._closed = False

    def mark(self, change: Change, today: int, now: dt.datetime) -> None:
        """Takes in what a commit touched; called in the loop's thread, so it only marks."""
        touched = [
            (rule, one.product, one.day)
            for one in change.touched
            for rule in self._readers.get(one.type, ())
        ]
        with self._lock:
            again = self._position is not None and change.position <= self._position
            if not again:
                self._position = change.position
            if change.refolded:
                self._outdated = None
                for known in self._known.values():
                    known.live, known.history_at = False, now
                self._changed = True
            for rule, product, day in touched:
                for series in series_of(rule, product):
                    # A position seen before is a rebuild, whatever else is said of it.
                    if change.quiet or again:
                        self._history(series, day, today, now)
                    else:
                        self._live(series, day, today, change.position)
            if self._news:
                self._lock.notify_all()

    def tick(self, series: Iterable[Series], today: int) -> None:
        """Marks these series for a look, whether or not anything touched them.

        Once a day also for a look at the whole of the day before.
        """
        with self._lock:
            for one in series:
                self._marks.setdefault(Look(one), Mark(None))
                known = self._known.setdefault(one, Known(series=one))
                if known.closed < today - 1:
                    known.closed = today - 1
                    self._marks.setdefault(Look(one, today - 1), Mark(None))

    def ready(
        self, now: dt.datetime, filling: frozenset[str] | None
    ) -> tuple[list[tuple[Look, int]], dt.timedelta]:
        """Looks that may be taken now, each with its count of touches; and until the next may be.

        All that events touched, but only a few that the timer asked for: an event that comes
        meanwhile does not wait for all of them. `filling`: products whose history is being
        filled; None: all of them.
        """
        touched: list[tuple[Look, int]] = []
        timed: list[tuple[Look, int]] = []
        pause = LONG
        with self._lock:
            self._news = False
            for look, mark in self._marks.items():
                free = self._free(look.series, now, filling)
                if free > now:
                    pause = min(pause, free - now)
                elif mark.touches:
                    touched.append((look, mark.touches))
                else:
                    timed.append((look, 0))
            if len(timed) > FEW:
                pause = dt.timedelta(0)
            found = touched + timed[:FEW]
            for look, _ in found:
                self._free_from[look.series] = now + EVERY
        # Parts first: an alert is better named after a product than after the company.
        found.sort(key=lambda one: (one[0].series.product == WHOLE, one[0].series))
        return found, pause

    def taken(self, look: Look, touches: int, rests_until: dt.datetime | None = None) -> None:
        """The look was taken; it stays due where it was touched meanwhile.

        With `rests_until` its series is not looked at again before.
        """
        with self._lock:
            if rests_until is not None:
                self._free_from[look.series] = rests_until
            mark = self._marks.get(look)
            if mark is None:
                return
            if mark.touches == touches:
                del self._marks[look]
            else:
                self._news = True

    def postponed(self, look: Look, until: dt.datetime) -> None:
        """The look could not be taken; it stays due, and its series rests until then."""
        with self._lock:
            self._free_from[look.series] = until

    def known(self, series: Series) -> Known:
        """What is kept of the series."""
        with self._lock:
            return self._known.setdefault(series, Known(series=series))

    def everything_known(self) -> list[Known]:
        """What is kept of all series."""
        with self._lock:
            return [msgspec.structs.replace(known) for known in self._known.values()]

    def outdated(self) -> set[Series] | None:
        """Series whose past changed since this was asked last; None: all of them."""
        with self._lock:
            found, self._outdated = self._outdated, set()
            return found

    def changed(self) -> bool:
        """Whether a series woke or went to sleep since this was asked last."""
        with self._lock:
            found, self._changed = self._changed, False
            return found

    def position(self) -> Position | None:
        """Up to where everything that was touched has been looked at."""
        with self._lock:
            waiting = [mark.since for mark in self._marks.values() if mark.since is not None]
            if not waiting:
                return self._position
            first = min(waiting)
            return Position(first.shard, first.seq - 1)

    def wait(self, pause: dt.timedelta) -> bool:
        """Waits for that long or for something new; False when closed."""
        with self._lock:
            if not self._closed and not self._news:
                self._lock.wait(pause.total_seconds())
            return not self._closed

    def close(self) -> None:
        """Ends all waiting."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()

    # -- with the lock held ----------------------------------------------------------------------

    def _live(self, series: Series, day: int, today: int, position: Position) -> None:
        known = self._known.setdefault(series, Known(series=series))
        if day < today:
            self._outdate(series)
        if day < today - 1:
            return  # too late to be news
        if not known.live:
            known.live = self._changed = True
        look = Look(series, None if day >= today else day)
        mark = self._marks.setdefault(look, Mark(position))
        mark.touches += 1
        mark.since = mark.since or position
        self._news = True

    def _history(self, series: Series, day: int, today: int, now: dt.datetime) -> None:
        if day < today - REACH:
            return  # nothing is judged by days so long ago
        known = self._known.setdefault(series, Known(series=series))
        self._outdate(series)
        if known.live or known.history_at is None:
            self._changed = True
        known.live, known.history_at = False, now
        if day == today:  # looked at when it rests, to know what was there before live events
            known.day, known.imported = today, 0.0
            self._marks.setdefault(Look(series), Mark(None))

    def _outdate(self, series: Series) -> None:
        if self._outdated is not None:
            self._outdated.add(series)

    def _free(
        self, series: Series, now: dt.datetime, filling: frozenset[str] | None
    ) -> dt.datetime:
        """From when on the series may be looked at."""
        free = now
        rests = self._free_from.get(series, now)
        if rests - now <= LONG:  # a clock set back must not stop alerting
            free = max(free, rests)
        known = self._known.get(series)
        if known is not None and known.history_at is not None and known.history_at <= now:
            free = max(free, known.history_at + SETTLE)
        if filling is None or (filling if series.product == WHOLE else series.product in filling):
            free = max(free, now + FILLING)
        return free


def series_of(rule: Rule, product: str) -> tuple[Series, ...]:
    """The series of a rule that an event of a product moves."""
    if not rule.products:
        return (Series(rule.id, product), Series(rule.id, WHOLE))
    return (Series(rule.id, product),) if product in rule.products else ()
