"""Answers that are still true, kept for who asks the same again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

Found = TypeVar("Found")


class Known:
    """What was found last, by all that it depends on; bounded."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found = OrderedDict[tuple[object, ...], Any]()
        self._lock = Lock()

    def once(self, marker: tuple[object, ...], read: Callable[[], Found]) -> Found:
        """What is known under the marker, or what `read` finds now."""
        with self._lock:
            if marker in self._found:
                self._found.move_to_end(marker)
                known: Found = self._found[marker]
                return known
        made = read()
        with self._lock:
            self._found[marker] = made
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return made
