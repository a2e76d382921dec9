"""Room for long columns: files without a name, of which the system keeps in memory what is used.

What is looked up for every event (keys, active days) grows with all events there ever were. Long
columns of it lie in mapped files of the data directory, which vanish with the process; the table
they are made from is the truth.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 2_000_000  # values of a column that is kept in a file
PIECE = 2_000_000  # rows that are sorted, or merged, at a time

Columns = tuple[NDArray[Any], ...]
Batches = Iterable[Columns]


class Room:
    """Makes columns: in files of the folder where they are long, in memory without a folder."""

    def __init__(self, folder: Path | None = None, large: int = LARGE, piece: int = PIECE) -> None:
        self._folder, self._large, self._piece = folder, large, piece

    def column(self, length: int, kind: np.dtype[Any]) -> NDArray[Any]:
        """A column of any content, to be written to."""
        if self._folder is None or length < self._large:
            return np.empty(length, kind)
        size = length * kind.itemsize
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is told now, not later
                mapped = mmap.mmap(file.fileno(), size)
        except OSError:
            return np.empty(length, kind)
        _advise(mapped, "MADV_RANDOM")  # look-ups go anywhere: nothing is read ahead
        return np.frombuffer(mapped, kind)

    def merged(self, one: Columns, other: Columns) -> Columns:
        """Both as one; each is sorted by its first column."""
        left, right = one[0], other[0]
        cuts = np.sort(np.concatenate([c[self._piece :: self._piece] for c in (left, right)]))
        edges = [
            (int(a), int(b))
            for a, b in zip(np.searchsorted(left, cuts), np.searchsorted(right, cuts), strict=True)
        ]
        made = tuple(self.column(len(left) + len(right), column.dtype) for column in one)
        at = 0
        for (a, b), (c, d) in pairwise([(0, 0), *edges, (len(left), len(right))]):
            first = np.concatenate([left[a:c], right[b:d]])
            order = np.argsort(first, kind="stable")  # two sorted halves: one merge
            for whole, mine, yours in zip(made, one, other, strict=True):
                whole[at : at + len(order)] = np.concatenate([mine[a:c], yours[b:d]])[order]
            at += len(order)
        self._rest(made)
        return made

    def sorted(self, read: Callable[[], Batches], top: int, *, once: bool = False) -> Columns:
        """Batches of columns as one, sorted by the first, whose values are 0 to `top`.

        `once`: of a value that comes again one row stays. Read twice: how much lies where is
        counted before it is put there, so that little is in memory at a time.
        """
        count, kinds = 0, list[np.dtype[Any]]()
        for batch in read():
            count, kinds = count + len(batch[0]), [column.dtype for column in batch]
        if not kinds:
            return ()
        made = tuple(self.column(count, kind) for kind in kinds)
        starts = self._scattered(read, made, count, top)
        at = 0
        for low, high in pairwise(starts.tolist()):
            pieces = _in_order([column[low:high] for column in made])
            if once and high > low:
                first = np.append(True, pieces[0][1:] != pieces[0][:-1])
                pieces = [piece[first] for piece in pieces]
            for whole, piece in zip(made, pieces, strict=True):
                whole[at : at + len(piece)] = piece
            at += len(pieces[0])
        self._rest(made)
        return tuple(column[:at] for column in made)

    def _scattered(
        self, read: Callable[[], Batches], made: Columns, count: int, top: int
    ) -> NDArray[np.int64]:
        """Put all rows into pieces by their first column; where each piece begins, and the end."""
        pieces = count // self._piece + 1
        width = top // pieces + 1
        sizes = np.zeros(pieces, np.int64)
        for first, *_ in read():
            sizes += np.bincount(_piece_of(first, width, pieces), minlength=pieces)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        following = starts[:-1].copy()
        for batch in read():
            piece = _piece_of(batch[0], width, pieces)
            order = np.argsort(piece, kind="stable")
            bounds = np.searchsorted(piece[order], np.arange(pieces + 1))
            columns = [column[order] for column in batch]
            for n in np.flatnonzero(np.diff(bounds)).tolist():
                low, high = int(bounds[n]), int(bounds[n + 1])
                to = int(following[n])
                for whole, column in zip(made, columns, strict=True):
                    whole[to : to + high - low] = column[low:high]
                following[n] += high - low
        return starts

    def _rest(self, columns: Columns) -> None:
        """Let go of what was written: it is read again where it is looked up."""
        for column in columns:
            below: object = column.base
            if isinstance(below, memoryview):
                _advise(below.obj, "MADV_DONTNEED")


def _in_order(columns: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Rows by their first column; a column alone is sorted as it is, in a tenth of the time."""
    if len(columns) == 1:
        return [np.sort(columns[0])]
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]


def _advise(mapped: object, how: str) -> None:
    """Tell the system how a file is used, where it can be told."""
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, how):
        mapped.madvise(getattr(mmap, how))


def _piece_of(values: NDArray[Any], width: int, pieces: int) -> NDArray[np.int16]:
    if pieces == 1:
        return np.zeros(len(values), np.int16)
    found: NDArray[np.int16] = (values // values.dtype.type(width)).astype(np.int16)
    return found
