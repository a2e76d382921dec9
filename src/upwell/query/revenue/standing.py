"""The rows of one scope in order, what they came to, and how both move on with a few customers.

Everything asked of a part adds up over customers. So a sum that was worked out once over many rows
stays: when some customers' rows have changed, their old share is taken off and their new one added.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.projection.book import Rows
from upwell.query.revenue.part import Part
from upwell.query.revenue.sums import I64, ranges

Arrays = tuple[NDArray[Any], ...]
Work = Callable[[Part], Arrays]
MOST_SUMS = 400  # of each part
MOST_STEPS = 8  # that a sum may be behind, before it is worked out anew
MOST_DAYS = 4  # whose rows are kept at hand: today, and where spans compared with it end
FEW = 2_000  # people between whose rows the others are copied as they lie


class Held(NamedTuple):
    """The rows of one scope at a moment, and what is known of one sum of them.

    `found` is what they came to at move `at` (-1: never), `moves` are the last ones up to `moved`.
    """

    part: Part
    moved: int
    at: int
    found: Arrays
    moves: tuple[tuple[Part, Part], ...]

    def sum(self, work: Work) -> Arrays:
        """What `work` makes of the rows."""
        behind = self.moved - self.at
        if self.at < 0 or behind > len(self.moves):
            return work(self.part)
        found = self.found
        for before, after in self.moves[len(self.moves) - behind :]:
            found = combined(found, work(before), work(after))
        return found


class Standing:
    """The rows of one scope as they stood at a step of the shelf, and what they came to."""

    def __init__(self, part: Part, step: int) -> None:
        self.part, self.step = part, step
        self._moves: deque[tuple[Part, Part]] = deque(maxlen=MOST_STEPS)
        self._moved = 0
        self._sums: OrderedDict[Hashable, tuple[int, Arrays]] = OrderedDict()
        self._days: dict[int, Part] = {}
        self._apart: tuple[Rows, Part, Part] | None = None

    def held(self, key: Hashable) -> Held:
        """What the sum of this key can be worked out from, whatever becomes of the rows."""
        at, found = self._sums.get(key, (-1, ()))
        return Held(self.part, self._moved, at, found, tuple(self._moves))

    def on(self, day: int) -> Part:
        """The rows of a local day."""
        if day not in self._days:
            while len(self._days) >= MOST_DAYS:
                self._days.pop(next(iter(self._days)))
            self._days[day] = self.part.take(np.flatnonzero(self.part.day == day))
        return self._days[day]

    def apart(
        self, rows: Rows, people: NDArray[np.int32], now: Callable[[], Part]
    ) -> tuple[Part, Part]:
        """What these people had here, and have `now`: found once for each state of the book."""
        if self._apart is None or self._apart[0] is not rows:
            self._apart = rows, of_people(self.part, people), now()
        return self._apart[1:]

    def keep(self, key: Hashable, moved: int, found: Arrays) -> None:
        """Keep what the rows came to at a move, unless a later one is known."""
        if moved >= self._sums.get(key, (-1, ()))[0]:
            self._sums[key] = (moved, found)
            self._sums.move_to_end(key)
        while len(self._sums) > MOST_SUMS:
            self._sums.popitem(last=False)

    def move(self, people: NDArray[np.int32], fresh: Part, step: int) -> None:
        """Put the rows that these people have at a step in place of those they had."""
        self._moves.append((of_people(self.part, people), fresh))
        self._moved += 1
        self._days, self._apart = {}, None
        self.part, self.step = with_people(self.part, people, fresh), step


def of_people(part: Part, people: NDArray[np.int32]) -> Part:
    """The rows of some people, of a part that is by customer."""
    low = np.searchsorted(part.person, people, "left")
    return part.take(ranges(low, np.searchsorted(part.person, people, "right")))


def with_people(part: Part, people: NDArray[np.int32], fresh: Part) -> Part:
    """The part with other rows of these people."""
    splice = Splice(part.person, people, fresh.person)
    columns: Iterable[tuple[NDArray[Any], NDArray[Any]]] = zip(part, fresh, strict=True)
    return Part._make(splice.column(old, new) for old, new in columns)


class Splice:
    """How columns of rows become those with `fresh` rows in place of all of some people.

    `person` and `fresh` are the customers of sorted rows; the fresh rows are of these people, who
    are `few` or more.
    """

    def __init__(
        self,
        person: NDArray[np.int32],
        people: NDArray[np.int32],
        fresh: NDArray[np.int32],
        few: int = FEW,
    ) -> None:
        self._low = np.searchsorted(person, people, "left")
        self._high = np.searchsorted(person, people, "right")
        self._starts = np.searchsorted(fresh, people, "left")
        self._ends = np.searchsorted(fresh, people, "right")
        self._index = None if len(people) <= few else self._places(person, fresh)

    def column(self, old: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
        """One column of all rows, from that of the old ones and that of the fresh ones."""
        if self._index is not None:
            whole: NDArray[Any] = np.concatenate([old, fresh])[self._index]
            return whole
        # What lies between few people is copied as it is: a quarter of the work.
        pieces, at = list[NDArray[Any]](), 0
        seams = (self._low, self._high, self._starts, self._ends)
        for low, high, start, end in zip(*(seam.tolist() for seam in seams), strict=True):
            pieces += (old[at:low], fresh[start:end])
            at = high
        return np.concatenate([*pieces, old[at:]])

    def _places(self, person: NDArray[np.int32], fresh: NDArray[np.int32]) -> I64:
        """Where each row is taken from; the indexes of fresh rows follow on the others."""
        gone = ranges(self._low, self._high)
        kept = np.delete(np.arange(len(person), dtype=np.int64), gone)
        at = np.searchsorted(person, fresh, "left")
        at -= np.searchsorted(gone, at, "left")
        found: I64 = np.insert(kept, at, np.arange(len(person), len(person) + len(fresh)))
        return found


def combined(total: Arrays, before: Arrays, after: Arrays) -> Arrays:
    """Totals with the old share of some people taken off and their new one added.

    Names come to a book: where an array has fewer of them, the others are 0 in it.
    """
    return tuple(_combined(*arrays) for arrays in zip(total, before, after, strict=True))


def _combined(*arrays: NDArray[Any]) -> NDArray[Any]:
    shape = np.max([array.shape for array in arrays], axis=0)
    total, before, after = (
        array
        if array.shape == tuple(shape)
        else np.pad(array, [(0, n - own) for own, n in zip(array.shape, shape, strict=True)])
        for array in arrays
    )
    found: NDArray[Any] = total - before + after
    return found
