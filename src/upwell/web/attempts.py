"""How often somebody may try, and how fast somebody may send; counted by name, in memory."""

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


class Paces:
    """Requests by name: so many a second, and so many at once; bounded, forgotten on restart."""

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._left: dict[str, tuple[float, dt.datetime]] = {}
        self._lock = threading.Lock()

    def take(self, now: dt.datetime, *limits: tuple[str, int, int]) -> None:
        """Counts one request for each (name, a second, at once); raises TooFast, counting none."""
        with self._lock:
            left = []
            for name, rate, burst in limits:
                had, at = self._left.get(name, (float(burst), now))
                room = min(float(burst), had + max(0.0, (now - at).total_seconds()) * rate)
                if room < 1:
                    raise TooFast(int((1 - room) / rate) + 1)
                left.append((name, (room - 1, now)))
            if len(self._left) + len(left) > self._most:
                self._left.clear()
            self._left.update(left)


class TooFast(Rejected):
    """More than a key may send; `retry_after` seconds until the next is heard."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "too_fast",
            "This key sends more than a public key may.",
            fix="Send several events in one request, or send from a server.",
        )
        self.retry_after = retry_after


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
