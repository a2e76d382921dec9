"""Which lines were kept already, by a number of 64 bits for each; in files that may be lost.

A file grows by what pages have brought, after they were kept; the cursor says how many of its
numbers are true. So a file that is newer than the cursor is cut, and one that is older or gone only
means that lines are kept twice, which count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

U64 = NDArray[np.uint64]


def numbers(lines: Sequence[bytes]) -> U64:
    """The number of each line."""
    found = map(xxhash.xxh3_64_intdigest, lines)
    return np.fromiter(found, dtype=np.uint64, count=len(lines))


class Known:
    """The lines of some days; sorted runs of which each is at least twice as long as the next."""

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._pending: list[U64] = []
        self._runs: list[U64] = []
        self._last: tuple[Sequence[bytes], U64, NDArray[np.bool_]] | None = None
        self.count = count
        size = path.stat().st_size // 8 * 8 if path.exists() else 0
        if size > count * 8:
            with path.open("r+b") as file:
                file.truncate(count * 8)
        if size and count:
            self._push(np.sort(np.fromfile(path, dtype=np.uint64, count=min(count, size // 8))))

    def unsure(self, lines: Sequence[bytes]) -> list[bytes]:
        """Those lines that are not known; nothing is noted of them."""
        new = ~self._looked(lines)[1]
        return list(lines) if new.all() else [lines[at] for at in np.flatnonzero(new).tolist()]

    def fresh(self, lines: Sequence[bytes]) -> list[bytes]:
        """Those lines that were not known, each once; from now on they are."""
        values, known = self._looked(lines)
        new = np.flatnonzero(~known)
        if not len(new):
            return []
        run, first = np.unique(values[new], return_index=True)
        self._push(run)
        self._pending.append(run)
        self.count += len(run)
        if len(run) == len(lines):
            return list(lines)
        return [lines[at] for at in new[np.sort(first)].tolist()]

    def _looked(self, lines: Sequence[bytes]) -> tuple[U64, NDArray[np.bool_]]:
        """The number of each line, and whether it is known; the last ones are asked for twice."""
        if self._last is not None and self._last[0] is lines:
            return self._last[1:]
        values = numbers(lines)
        order = np.argsort(values)  # so that each look-up begins near the last
        ordered = values[order]
        found = np.zeros(len(values), dtype=np.bool_)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, ordered), len(run) - 1)
            found[order] |= run[place] == ordered
        self._last = (lines, values, found)
        return values, found

    def save(self) -> None:
        """The lines given since the last time are kept elsewhere: write their numbers down."""
        if self._pending:
            with self._path.open("ab") as file:
                file.write(np.concatenate(self._pending).tobytes())
            self._pending.clear()

    def _push(self, run: U64) -> None:
        self._last = None
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            both = np.concatenate([self._runs.pop(), self._runs.pop()])
            both.sort(kind="stable")
            self._runs.append(both)
