"""Which rows were kept already: 64 bits of the key and of the row, in a file that may be lost.

Lost means that rows are kept once more, which count once. What a whole look has seen takes the
place of what was known before, so that it does not grow with the years.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
MOST = 2_000_000  # rows known at the most: 32 MB

_HEAD = 2  # the round, and the rows kept so far


class Known:
    """The rows of one query; `kept` is the cursor's count: a file ahead of it is not used."""

    def __init__(self, path: Path, round_: int, kept: int) -> None:
        self._path, self._round = path, round_
        self._keys = self._rows = np.array([], dtype=np.uint64)
        self._seen: list[tuple[U64, U64]] = []
        self._ends: list[int | None] = []  # the time of the last row of each
        self._coming: tuple[U64, U64, NDArray[np.bool_]] | None = None
        found = _read(path)
        if found is None or int(found[0]) != round_ or int(found[1]) > kept:
            path.unlink(missing_ok=True)
        else:
            pairs = found[_HEAD:]
            self._learn(pairs[0::2][::-1], pairs[1::2][::-1])  # what was written last is true

    def begin(self) -> None:
        """A look begins; what another saw that did not come to its end is known."""
        if self._seen:
            newest = self._seen[::-1]
            keys = np.concatenate([keys for keys, _ in newest] + [self._keys])
            rows = np.concatenate([rows for _, rows in newest] + [self._rows])
            self._learn(keys, rows)
        self._seen, self._ends, self._coming = [], [], None

    def fresh(self, keys: U64, rows: U64) -> NDArray[np.bool_]:
        """Which of a page's rows are new or other than they were."""
        new = np.ones(len(keys), dtype=np.bool_)
        if len(self._keys):
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            new = (self._keys[place] != keys) | (self._rows[place] != rows)
        self._coming = (keys, rows, new)
        return new

    @property
    def seen(self) -> int:
        """Rows of this look."""
        return sum(len(keys) for keys, _ in self._seen)

    def save(self, kept: int, at: int | None = None, before: int | None = None) -> None:
        """The page was taken; those of this look that end before a moment are forgotten."""
        if self._coming is None:
            return
        keys, rows, new = self._coming
        self._coming = None
        self._seen.append((keys, rows))
        self._ends.append(at)
        if before is not None:
            while (first := self._ends[0]) is not None and first < before:
                del self._seen[0], self._ends[0]
        if new.any():
            pairs = np.column_stack((keys[new], rows[new])).ravel()
            fresh = not self._path.exists()
            with self._path.open("wb" if fresh else "r+b") as file:
                if fresh:
                    file.write(self._head(0))
                file.seek(0, os.SEEK_END)
                file.write(pairs.tobytes())
                file.seek(0)
                file.write(self._head(kept))

    def end(self, kept: int) -> None:
        """The look came to its end: what it saw is what is known."""
        before = len(self._keys)
        grown = self._path.stat().st_size // 16 - 1 if self._path.exists() else 0
        empty = np.array([], dtype=np.uint64)
        newest = self._seen[::-1]
        self._learn(
            np.concatenate([empty, *(keys for keys, _ in newest)]),
            np.concatenate([empty, *(rows for _, rows in newest)]),
        )
        self._seen, self._ends = [], []
        if grown != len(self._keys) or before != len(self._keys):
            pairs = np.column_stack((self._keys, self._rows)).ravel()
            made = self._path.with_suffix(".new")
            made.write_bytes(self._head(kept) + pairs.tobytes())
            made.replace(self._path)

    def _head(self, kept: int) -> bytes:
        return np.array([self._round, kept], dtype=np.uint64).tobytes()

    def _learn(self, keys: U64, rows: U64) -> None:
        """The first of each key stays."""
        self._keys, first = np.unique(keys[:MOST], return_index=True)
        self._rows = rows[:MOST][first]


def _read(path: Path) -> U64 | None:
    """Whole pairs behind the head; None where there are none."""
    try:
        found = np.frombuffer(path.read_bytes()[: path.stat().st_size // 16 * 16], dtype=np.uint64)
    except OSError:
        return None
    return found if len(found) >= _HEAD else None
