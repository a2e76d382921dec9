"""Answers that are still true, kept for who asks the same again; bounded by their points."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from upwell.query.question import Answer

MOST_POINTS = 1_000_000  # about 200 MB at the worst
LARGEST = MOST_POINTS // 20  # of one answer
Marker = tuple[object, ...]


class Remembered:
    """The answers asked for last, by all that they depend on."""

    def __init__(self, most: int = MOST_POINTS, largest: int = LARGEST) -> None:
        self._most, self._largest = most, largest
        self._answers: OrderedDict[Marker, tuple[Answer, int]] = OrderedDict()
        self._points = 0
        self._lock = Lock()

    def get(self, marker: Marker) -> Answer | None:
        """The answer of that marker, if it is still here."""
        with self._lock:
            if (found := self._answers.get(marker)) is None:
                return None
            self._answers.move_to_end(marker)
            return found[0]

    def keep(self, marker: Marker, answer: Answer) -> None:
        """Remember an answer, unless it is very large; the oldest ones give way."""
        size = sum(
            len(line.points) + (len(line.compare.points) if line.compare else 0) + 5
            for line in answer.series
        )
        if size > self._largest:
            return
        with self._lock:
            self._points += size - self._answers.pop(marker, (answer, 0))[1]
            self._answers[marker] = (answer, size)
            while self._points > self._most:
                self._points -= self._answers.popitem(last=False)[1][1]
