"""What happened on a site, day by day: a pure function of a seed, a day and how old the day is.

Visits are made of atoms, one for each combination of channel, country, device, landing page and
source that occurred, and every report groups the same atoms. Users of two rows overlap, so that the
sum over rows is larger than the day's own. A day grows while it runs and is corrected for three
days, as Google does.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

CHANNELS = {
    "Organic Search": ("google / organic", "bing / organic"),
    "Direct": ("(direct) / (none)",),
    "Paid Search": ("google / cpc",),
    "Referral": ("news.example / referral", "github.example / referral"),
    "Email": ("newsletter / email",),
}
COUNTRIES = ("US", "DE", "GB", "FR", "IN", "NZ", "(not set)")
DEVICES = ("desktop", "mobile", "tablet")
_SETTLES = (0.90, 0.96, 0.99)  # the share that is known on the days after


class Atom(NamedTuple):
    """Visits that have everything in common, as they are in the end."""

    channel: str
    country: str
    device: str
    page: str
    source: str
    sessions: int
    fresh: int
    views: int
    events: int
    cents: int


class Table:
    """A site: `pages` landing pages, about `sessions` a day in `atoms` kinds of visit."""

    def __init__(self, seed: int = 7, pages: int = 20, atoms: int = 40, sessions: int = 900):
        self.seed, self.pages, self.atoms, self.sessions = seed, pages, atoms, sessions
        self.day = lru_cache(maxsize=500)(self._day)

    @cached_property
    def _paths(self) -> list[str]:
        return ["/", *(f"/guides/{n}" for n in range(1, self.pages))]

    def _day(self, date: dt.date) -> tuple[Atom, ...]:
        rng = random.Random(f"{self.seed} {date}")
        week = 1.0 if date.weekday() < 5 else 0.6
        found = []
        for _ in range(self.atoms):
            channel = rng.choice(tuple(CHANNELS))
            sessions = 1 + int(rng.expovariate(1.0) * self.sessions * week / self.atoms)
            found.append(
                Atom(
                    channel,
                    rng.choice(COUNTRIES),
                    rng.choice(DEVICES),
                    self._paths[min(int(rng.expovariate(4 / self.pages)), self.pages - 1)],
                    rng.choice(CHANNELS[channel]),
                    sessions,
                    int(sessions * rng.uniform(0.2, 0.7)),
                    int(sessions * rng.uniform(1.0, 4.0)),
                    int(sessions * rng.uniform(0.0, 0.1)),
                    int(sessions * rng.uniform(0.0, 90.0)),
                )
            )
        return tuple(found)

    def rows(
        self, date: dt.date, by: Sequence[str], age: float
    ) -> dict[tuple[str, ...], tuple[float, ...]]:
        """The day grouped by fields of an atom, as known `age` days after it began.

        Of each group sessions, users, new users, views, key events and revenue.
        """
        known = _known(age)
        sums: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0] * 6)
        for atom in self.day(date) if known else ():
            key = tuple(str(getattr(atom, field)) for field in by)
            row = sums[key]
            for place, amount in enumerate(
                (atom.sessions, 0, atom.fresh, atom.views, atom.events, atom.cents)
            ):
                row[place] += int(amount * known)
        for row in sums.values():
            row[1] = -(-row[0] * 4 // 5)
            row[5] /= 100
        return {key: tuple(row) for key, row in sorted(sums.items()) if row[0]}


def _known(age: float) -> float:
    """The share of a day's visits that is known so long after it began."""
    if age < 1:
        return max(0.0, age) * _SETTLES[0]
    return _SETTLES[min(int(age) - 1, 2)] if age < 4 else 1.0
