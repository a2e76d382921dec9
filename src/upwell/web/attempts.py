"""How often somebody may try: tries counted per name over fifteen minutes, in memory."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque

from upwell.errors import Rejected

WINDOW = dt.timedelta(minutes=15)


class Attempts:
    """Tries by name (an address, an e-mail, both); bounded, forgotten on restart."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._tries: dict[str, deque[dt.datetime]] = {}
        self._lock = threading.Lock()

    def take(self, now: dt.datetime, *limits: tuple[str, int]) -> None:
        """Counts a try for each name, before its outcome is known; forget it after a success.

        Raises TooMany where one of the names has had its number of tries, and counts nothing.
        """
        with self._lock:
            for name, limit in limits:
                tries = self._recent(name, now)
                if len(tries) >= limit:
                    raise TooMany(int((tries[0] + WINDOW - now).total_seconds()) + 1)
            if len(self._tries) + len(limits) > self._most:
                self._shrink(now, len(limits))
            for name, _ in limits:
                self._tries.setdefault(name, deque(maxlen=100)).append(now)

    def forget(self, name: str) -> None:
        """Clears a name after a success."""
        with self._lock:
            self._tries.pop(name, None)

    def _recent(self, name: str, now: dt.datetime) -> deque[dt.datetime]:
        tries = self._tries.get(name, deque())
        while tries and tries[0] + WINDOW <= now:
            tries.popleft()
        return tries

    def _shrink(self, now: dt.datetime, room: int) -> None:
        for name in [name for name in self._tries if not self._recent(name, now)]:
            del self._tries[name]
        while len(self._tries) + room > self._most:
            del self._tries[next(iter(self._tries))]


class TooMany(Rejected):
    """Too many failed tries; `retry_after` seconds until the next is heard."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        minutes = -(-retry_after // 60)
        super().__init__(
            "too_many_attempts",
            "Too many failed attempts.",
            fix=f"Wait {minutes} minute{'s' if minutes > 1 else ''} and try again.",
        )
        self.retry_after = retry_after
