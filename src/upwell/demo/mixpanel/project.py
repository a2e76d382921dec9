"""What a project holds: events that were sent to it one by one, or as many as one likes by a rule.

Lines are as the export writes them, with times in milliseconds. A day is a number since 1970 in the
project's zone; moments are epoch seconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import msgspec

DAY_MS = 86_400_000


class Project(Protocol):
    """Where lines come from."""

    def lines(self, day: int, now: float) -> Iterator[bytes]:
        """The lines of a day that had arrived by then, without their newline."""
        ...


class Event(NamedTuple):
    """An event that was sent: what it says, when it arrived (epoch seconds)."""

    name: str
    properties: dict[str, Any]
    arrived: float


class Recorded:
    """A project that keeps what it is sent.

    `zone`: that of projects made before 2023, whose times are what a clock there shows, written as
    if it were UTC.
    """

    def __init__(self, zone: str = "UTC") -> None:
        self._zone = ZoneInfo(zone)
        self._days: dict[int, list[Event]] = {}
        self._ids: dict[str, str] = {}

    def send(
        self, name: str, properties: Mapping[str, Any], at: float, arrived: float | None = None
    ) -> None:
        """Take an event of that moment; `arrived`: when it came, where that was later."""
        local = dt.datetime.fromtimestamp(at, self._zone).replace(tzinfo=dt.UTC)
        time = round(local.timestamp() * 1_000)
        came = at if arrived is None else arrived
        kept = {"time": time, **properties, "mp_processing_time_ms": round(came * 1_000)}
        self._days.setdefault(time // DAY_MS, []).append(Event(name, kept, came))

    def identify(self, anonymous: str, user: str) -> None:
        """From now on events of an anonymous id are shown as this user's, with the id they had."""
        self._ids[anonymous] = user

    def lines(self, day: int, now: float) -> Iterator[bytes]:
        """The lines of a day that had arrived by then."""
        for event in self._days.get(day, ()):
            if event.arrived <= now:
                yield self._line(event)

    def _line(self, event: Event) -> bytes:
        shown = event.properties
        who = shown.get("distinct_id", "")
        if who in self._ids:
            before = {"$distinct_id_before_identity": who}
            shown = {**shown, "distinct_id": self._ids[who], **before}
        return msgspec.json.encode({"event": event.name, "properties": shown})


class Generated:
    """A project of any size, by a rule: `per_day` events on each of some days, by `users`.

    Every `late`-th event comes from a phone, up to five days late; every `repeated`-th stands twice
    in the export, as events do that were sent twice.
    """

    def __init__(
        self,
        first: int,
        last: int,
        per_day: int,
        users: int = 5_000,
        late: int = 50,
        repeated: int = 200,
    ) -> None:
        self.first, self.last, self.per_day = first, last, per_day
        self._users, self._late, self._repeated = users, late, repeated

    def lines(self, day: int, now: float) -> Iterator[bytes]:
        """The lines of a day that had arrived by then."""
        until = now * 1_000
        for came, line in self.events(day):
            if came <= until:
                yield line

    def events(self, day: int) -> Iterator[tuple[int, bytes]]:
        """All lines of a day, each with when it arrives (epoch milliseconds)."""
        if not self.first <= day <= self.last:
            return
        begins, step = day * DAY_MS, DAY_MS / self.per_day
        for number in range(self.per_day):
            time = begins + int(number * step)
            came = time + 2_000
            if number % self._late == 0:
                came += (number * 7_919 + day) % 5 * DAY_MS
            line = self._line(day, number, time, came)
            yield came, line
            if number % self._repeated == 1:
                yield came, line

    def _line(self, day: int, number: int, time: int, came: int) -> bytes:
        user = (number * 2_654_435_761 + day * 40_503) % self._users
        known = user % 3
        who = f"user-{user}" if known else f"$device:{user:032x}"
        name, country = _NAMES[number % len(_NAMES)], _COUNTRIES[user % len(_COUNTRIES)]
        return (
            f'{{"event":"{name}","properties":{{"time":{time},"distinct_id":"{who}",'
            f'"$browser":"Chrome","$browser_version":126,"$city":"Berlin",'
            f'"$current_url":"https://app.acme.example/reports/{number % 97}",'
            f'"$device_id":"{user:032x}","$insert_id":"{day:x}{number:012x}","$os":"Mac OS X",'
            f'"$screen_height":1080,"$screen_width":1920,'
            + (f'"$user_id":"{who}",' if known else "")
            + f'"mp_country_code":"{country}","mp_lib":"web","mp_processing_time_ms":{came},'
            f'"plan":"{_PLANS[user % 3]}","utm_source":"{_SOURCES[user % 4]}"}}}}'
        ).encode()


_NAMES = (
    "$mp_web_page_view", "Report Viewed", "$mp_web_page_view", "Report Shared", "Search",
    "$mp_web_page_view", "Chart Made", "Invite Sent", "$mp_web_page_view", "Export",
)  # fmt: skip
_COUNTRIES = ("DE", "US", "FR", "GB", "IN", "US", "BR")
_PLANS = ("free", "team", "business")
_SOURCES = ("google", "newsletter", "direct", "partner")
