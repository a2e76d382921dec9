"""A generated project whose days lie packed in files, so that answering costs next to nothing."""

from __future__ import annotations

import multiprocessing
import zlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from upwell.demo.mixpanel.project import Generated

PIECE = 256 * 1024
HELD = 1_000  # lines that are packed at a time
PROCESSES = 2


class Part(NamedTuple):
    """What had arrived of a day by some moment (epoch ms): so many bytes packed, so many lines."""

    until: int
    size: int
    lines: int


class Packed:
    """Such a project; what arrives within `every` seconds appears at their end, all at once."""

    def __init__(self, project: Generated, folder: Path, every: int) -> None:
        self._project, self._folder, self._every = project, folder, every
        self._parts: dict[int, list[Part]] = {}

    def prepare(self) -> None:
        """Write all days; more than one with two processes."""
        days = range(self._project.first, self._project.last + 1)
        if len(days) == 1:
            self._parts = {days[0]: self._write(days[0])}
            return
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            self._parts = dict(zip(days, pool.map(self._write, days, chunksize=1), strict=True))

    def lines(self, day: int, now: float) -> Iterator[bytes]:
        """The lines of a day that had arrived by then, made anew."""
        return self._project.lines(day, now)

    def count(self, day: int, now: float) -> int:
        """How many lines `packed` has of a day."""
        found = self._by(day, now)
        return found.lines if found else 0

    def packed(self, first: int, last: int, now: float) -> Iterator[bytes]:
        """The lines of some days that had arrived by then, packed with gzip."""
        for day in range(first, last + 1):
            left = found.size if (found := self._by(day, now)) else 0
            if not left:
                continue
            with self._file(day).open("rb") as file:
                while left and (piece := file.read(min(left, PIECE))):
                    left -= len(piece)
                    yield piece

    def _by(self, day: int, now: float) -> Part | None:
        parts = self._parts.get(day, [])
        at = bisect_right(parts, now * 1_000, key=lambda one: one.until)
        return parts[at - 1] if at else None

    def _file(self, day: int) -> Path:
        return self._folder / f"{day}.gz"

    def _write(self, day: int) -> list[Part]:
        step = self._every * 1_000
        packing: defaultdict[int, _Member] = defaultdict(_Member)
        for came, line in self._project.events(day):
            packing[came // step].add(line)
        found, size, lines = [], 0, 0
        with self._file(day).open("wb") as file:
            for number in sorted(packing):
                body = packing[number].finish()
                file.write(body)
                size, lines = size + len(body), lines + packing[number].count
                found.append(Part((number + 1) * step, size, lines))
        return found


class _Member:
    """One member of a file; lines are packed some at a time."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(1, wbits=31)
        self._held: list[bytes] = []
        self._done: list[bytes] = []
        self.count = 0

    def add(self, line: bytes) -> None:
        """Take one line."""
        self._held.append(line)
        self.count += 1
        if len(self._held) >= HELD:
            self._flush()

    def finish(self) -> bytes:
        """All that was taken, packed."""
        self._flush()
        return b"".join([*self._done, self._pack.flush()])

    def _flush(self) -> None:
        self._done.append(self._pack.compress(b"".join(line + b"\n" for line in self._held)))
        self._held.clear()
