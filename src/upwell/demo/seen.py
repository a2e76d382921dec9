"""What others saw of the story: Mixpanel of one product, Google Analytics of another.

Both are read by Upwell as a company's own would be. Mixpanel has every event of its product. Google
sees visits of people who let it, and says what it counted by day.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from upwell.demo.cast import Company
from upwell.demo.ga4.table import DEVICES, Atom, Table
from upwell.demo.rhythm import DAY, today_of
from upwell.demo.story import tell
from upwell.demo.stream import live
from upwell.event import GrowthEvent
from upwell.period import to_day, to_instant, to_micros

MIXPANEL = "lessons"
"""The product whose use Mixpanel tracks, and Upwell reads from there."""

ANALYTICS = "forms"
"""The product whose site Google Analytics measures."""

NAMES = {
    "signup": "Sign Up",
    "activation": "Activated",
    "session": "$ae_session",
    "page_view": "$mp_web_page_view",
}
LETS_IT = 0.83  # of people, in whose browsers Google may measure
SOURCES = {
    "organic": ("Organic Search", "google / organic"),
    "paid": ("Paid Search", "google / cpc"),
    "referral": ("Referral", "news.example / referral"),
    "partner": ("Referral", "partners.example / referral"),
    "social": ("Organic Social", "social.example / referral"),
}
PAGES = ("/", "/templates", "/pricing", "/guides/first-form", "/customers")

_decode = msgspec.json.Decoder(GrowthEvent).decode


class Sent:
    """The project's events: those of the story, and from when it was told on what the SDK adds."""

    def __init__(self, company: Company, told: dt.datetime, scale: float) -> None:
        self._company, self._told, self._scale = company, told, scale
        self._story = tell(company, today_of(company, told), scale).only(MIXPANEL)
        self._added: dict[int, list[tuple[float, bytes]]] = {}
        self._until = told

    def lines(self, day: int, now: float) -> Iterator[bytes]:
        """The lines of a UTC day that had happened by then."""
        since, until = day * DAY, min((day + 1) * DAY, int(now) + 1)
        for _, line in self._story.lines(since, until):
            yield _line(_decode(line))
        self._go_on(to_instant(int(now * 1_000_000)))
        for at, written in self._added.get(day, ()):
            if at <= now:
                yield written

    def _go_on(self, now: dt.datetime) -> None:
        if now <= self._until:
            return
        happened = live(self._company, self._until, now, told=self._told, scale=self._scale)
        self._until = now
        for at, event in happened:
            # Of the story itself the lines above have told.
            if event.product_id == MIXPANEL and str(event.idempotency_key).startswith("lv-"):
                day = to_micros(at) // 1_000_000 // DAY
                self._added.setdefault(day, []).append((at.timestamp(), _line(event)))


def _line(event: GrowthEvent) -> bytes:
    said = dict(event.metadata)
    name = NAMES.get(event.event_type) or str(said.pop("name"))
    properties: dict[str, Any] = {
        "time": to_micros(event.timestamp) // 1_000,
        "distinct_id": event.actor_id,
        "$insert_id": event.idempotency_key,
        "mp_country_code": said.pop("country", None),
        **said,
    }
    return msgspec.json.encode({"event": name, "properties": properties})


class Measured(Table):
    """The property's days, as Google would have measured them."""

    def __init__(self, company: Company, told: dt.datetime, scale: float) -> None:
        super().__init__()
        story = tell(company, today_of(company, told), scale).only(ANALYTICS)
        self._days, (self._part,) = story.days, story.parts

    def _day(self, date: dt.date) -> tuple[Atom, ...]:
        index = to_day(date) - int(self._days.days[0])
        if not 0 <= index < len(self._days.home) - 1:
            return ()
        since, until = int(self._days.home[index]), int(self._days.home[index + 1])
        visits = self._visits("session", since, until)
        fresh = self._visits("signup", since, until)
        signed = self._visits("activation", since, until)
        return tuple(
            Atom(*kind, count, min(count, fresh[kind]), count * 3, signed[kind], 0)
            for kind, count in sorted(visits.items())
        )

    def _visits(self, type: str, since: int, until: int) -> Counter[tuple[str, str, str, str, str]]:
        """How many by channel, country, device, landing page and source."""
        table, say = self._part.table(type), self._part.say
        low, high = np.searchsorted(table.at, [since, until])
        found: Counter[tuple[str, str, str, str, str]] = Counter()
        for person in table.actor[low:high].tolist():
            drawn = np.random.default_rng([7, person]).random(3)
            if drawn[0] < LETS_IT:
                channel, source = SOURCES[say.channels[person]]
                device = DEVICES[0 if drawn[1] < 0.55 else 1 if drawn[1] < 0.94 else 2]
                page = PAGES[min(int(drawn[2] ** 2 * len(PAGES)), len(PAGES) - 1)]
                found[channel, say.countries[person], device, page, source] += 1
        return found
