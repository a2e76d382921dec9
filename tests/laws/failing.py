"""A connection to the projection's file that fails, or dies, at a chosen statement."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import duckdb

from upwell.projection import Projection

COUNTED = ("execute", "executemany", "sql", "register", "from_arrow")


Hook = Callable[[int, str], None]  # given how many statements there were, and this one


class Failing:
    """Stands in for the writing connection of a projection.

    Told of each statement before it runs and after, either hook may raise: a statement that was
    refused, or a commit whose answer got lost.
    """

    def __init__(
        self,
        projection: Projection,
        before: Hook = lambda _count, _statement: None,
        after: Hook = lambda _count, _statement: None,
    ) -> None:
        self.count = 0
        self._real = projection._db
        self._before, self._after = before, after
        projection._db = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in COUNTED:
            return real

        def counted(*args: Any, **more: Any) -> Any:
            self.count += 1
            self._before(self.count, str(args[0]))
            result = real(*args, **more)
            self._after(self.count, str(args[0]))
            return result

        return counted


def broken(*_: Any) -> None:
    """What a failing disk makes of a statement."""
    raise duckdb.IOException("IO Error: Could not write file: No space left on device")


def die(*_: Any) -> None:
    """The end of this process, at once."""
    os.kill(os.getpid(), signal.SIGKILL)
