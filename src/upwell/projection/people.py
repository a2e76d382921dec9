"""Whom every actor is, for those who read events one by one."""

from __future__ import annotations

import threading

import duckdb
import numpy as np

from upwell.projection.runs import I64

AHEAD = 1 << 20  # actors that may come while somebody reads with the array at hand


class PeopleMap:
    """Whom every actor is, as readers see it: that of whole commits."""

    def __init__(self) -> None:
        self.version = 0  # changes with every change
        self._lock = threading.Lock()
        self._news: list[tuple[I64, I64]] = []
        self._person = np.zeros(0, np.int64)

    def load(self, db: duckdb.DuckDBPyConnection) -> None:
        """Take all that the file has."""
        found = db.execute("select actor, person from persons").fetchnumpy()
        if len(found["actor"]):
            self.change(np.asarray(found["actor"]), np.asarray(found["person"]))

    def change(self, actors: I64, persons: I64) -> None:
        """Let these actors be these persons from now on."""
        with self._lock:
            self._news.append((actors, persons))
            self.version += 1

    def array(self, count: int) -> I64:
        """By number of the actor the number of its person; for `count` actors and many more.

        The array is never changed: who asks again may be given another.
        """
        with self._lock:
            if count >= len(self._person):
                larger = np.arange(count + count // 4 + AHEAD)
                larger[: len(self._person)] = self._person
                self._person = larger
            if self._news:
                self._person = self._person.copy()
                for actors, persons in self._news:
                    self._person[actors] = persons
                self._news = []
            return self._person
