"""What is to be read next, and how many calls are left for it. Pure.

Days are numbers since 1970 in the zone of the project's dates, moments are epoch seconds. A day is
*open* while phones may still bring events of it, five days after it ended, and until it was read
once more after that.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from upwell.period import to_date, to_day
from upwell.sources.contract import Cursor

HOUR, DAY = 3_600, 86_400
CALLS, WINDOW = 60, HOUR + 1.0  # calls an hour, and
BURST, MOMENT = 3, 1.05  # a second: the limits of the export, a little stricter
LATE = 5  # days that a phone keeps events
EMPTY = 183  # days without events before which nothing is expected
FLOOR = to_day(dt.date(2011, 7, 10))  # the export has nothing older
SPAN = 31  # most days of the past in one call
AIM = 200_000  # events that one call of the past is to bring

Ends = Callable[[int], float]
"""When a day is over."""


class Slice(NamedTuple):
    """Days that one call asks for, both inclusive."""

    first: int
    last: int

    @property
    def label(self) -> str:
        """The days as people and the export write them."""
        first, last = to_date(self.first).isoformat(), to_date(self.last).isoformat()
        return first if first == last else f"{first} to {last}"

    @property
    def name(self) -> str:
        """The name of the file that knows its lines."""
        return f"{to_date(self.first)}_{self.last - self.first + 1}"


class Plan(msgspec.Struct, omit_defaults=True):
    """Where reading stands; the cursor of the source.

    `settled`: the last day that needs no look any more, but for the ranges (last, first day) of
    `past`, newest first, where a first day of None means as far as there are events. `days`: when
    an open day was last read whole. `calls`: of the last hour. `known`: how many numbers of a file
    hold. `span` days are asked for at once; `empty` days in a row had no events. `since` is the
    first day that is wanted (None: as far as there are events).
    """

    settled: int
    past: list[tuple[int, int | None]]
    since: int | None = None
    days: dict[int, float] = {}
    calls: list[float] = []
    known: dict[str, int] = {}
    span: int = 1
    empty: int = 0
    read: int = 0
    met: bool = False  # today was read before, so what comes now has just happened

    @classmethod
    def begin(cls, today: int, since: int | None) -> Plan:
        """The plan of a source that nothing was read of."""
        settled = today - LATE - 1
        if since is not None and since > settled:
            return cls(settled=since - 1, past=[], since=since)
        return cls(settled=settled, past=[(settled, since)], since=since)

    @classmethod
    def of(cls, cursor: Cursor) -> Plan:
        """The plan that a cursor holds."""
        return msgspec.convert(cursor, cls, strict=False, str_keys=True)

    def cursor(self) -> Cursor:
        """The plan as JSON can say it."""
        found: Cursor = msgspec.to_builtins(self, str_keys=True)
        return found

    # -- open days -------------------------------------------------------------------------------

    def due(self, today: int, now: float, every: float, ends: Ends) -> int | None:
        """The newest open day that is to be read now."""
        for day in range(today, self.settled, -1):
            if self.next_look(day, today, every, ends) <= now:
                return day
        return None

    def next_look(self, day: int, today: int, every: float, ends: Ends) -> float:
        """When an open day is to be read again; today every so often, yesterday hourly."""
        at = self.days.get(day)
        if at is None:
            return 0.0
        if today - day > LATE:
            return 0.0 if at < ends(day + LATE) else math.inf
        return at + (every if day == today else HOUR if day == today - 1 else DAY)

    def news(self, day: int, today: int) -> bool:
        """Whether what an open day brings has just happened, or was only not read before."""
        return self.met and (day == today or day in self.days)

    def looked(self, day: int, at: float, today: int, ends: Ends) -> None:
        """An open day was read whole by a call made at that moment."""
        self.days[day] = at
        self.met = self.met or day == today
        while self.days.get(self.settled + 1, 0.0) >= ends(self.settled + 1 + LATE):
            self.settled += 1
            del self.days[self.settled]
            self.known.pop(Slice(self.settled, self.settled).name, None)

    def complete_to(self, today: int, ends: Ends) -> float | None:
        """The moment up to which nothing is missing but what is late; None: nothing is read yet."""
        found: float | None = None
        for day in range(self.settled + 1, today + 1):
            at = self.days.get(day)
            if at is None:
                return found
            found = at
            if at < ends(day):
                return found
        return found

    # -- the past --------------------------------------------------------------------------------

    def next_past(self) -> Slice | None:
        """The next days of the past; None where all of it is read."""
        if not self.past:
            return None
        last, first = self.past[0]
        return Slice(max(last - self.span + 1, FLOOR if first is None else first), last)

    def passed(self, part: Slice, events: int) -> None:
        """Those days of the past were read, and had so many events."""
        days = part.last - part.first + 1
        self.read += days
        self.empty = 0 if events else self.empty + days
        self.span = max(1, min(SPAN, self.span * 4, days * AIM // max(1, events)))
        _, first = self.past.pop(0)
        over = part.first <= (FLOOR if first is None else first)
        if not over and not (first is None and self.empty >= EMPTY):
            self.past.insert(0, (part.first - 1, first))
        self.known.pop(part.name, None)

    def left(self) -> int:
        """How many days of the past are still to be read; at least, without a first day."""
        open_ended = EMPTY - self.empty
        return sum(last + 1 - low if low is not None else open_ended for last, low in self.past)

    def again(self, since: int, now: int) -> None:
        """Read everything since then (epoch seconds) once more, and what was left of the past."""
        # A day more at both ends: the project's dates may be another zone's.
        first = max(since // DAY - 1, FLOOR if self.since is None else self.since)
        if first <= self.settled:
            self.settled = min(self.settled, now // DAY - LATE - 2)
            older = [(min(last, first - 1), low) for last, low in self.past]
            whole = self.since if since == 0 else first
            self.past = [(self.settled, whole)] if whole is None or whole <= self.settled else []
            if since:
                self.past += [(last, low) for last, low in older if low is None or low <= last]
        self.days, self.known, self.empty, self.read, self.span = {}, {}, 0, 0, 1

    # -- calls -----------------------------------------------------------------------------------

    def wait(self, now: float, spare: int = 0) -> float:
        """Seconds until a call may be made that leaves `spare` of the hour's to others."""
        self.calls = [at for at in self.calls if now - WINDOW < at <= now]
        most = max(1, CALLS - spare)
        waits = [0.0]
        if len(self.calls) >= most:
            waits.append(self.calls[-most] + WINDOW - now)
        if len(self.calls) >= BURST:
            waits.append(self.calls[-BURST] + MOMENT - now)
        return max(waits)

    def called(self, now: float) -> None:
        """A call is made."""
        self.calls.append(round(now, 3))

    def answered(self, now: float) -> None:
        """The last call is answered: Mixpanel may have counted it only now."""
        self.calls[-1] = round(now, 3)


def again(cursor: Cursor, since: int, now: int) -> dict[str, Any]:
    """The cursor from which all since then is read once more."""
    plan = Plan.of(cursor)
    plan.again(since, now)
    return plan.cursor()
