"""The files of timelines: columns of runs, properties beside them, and the manifest of them all."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell.warehouse.slices import Column, Part

LAYOUT = 2
_MANIFEST = "manifest.json"


class Run(msgspec.Struct, frozen=True):
    """One file's worth: the versions of events that deliveries in (low, high] brought."""

    product: str
    month: int  # months since the year 0, of the event's time in UTC
    low: int
    high: int
    rows: int
    file: str


class Manifest(msgspec.Struct):
    """Which runs there are, what their codes mean, and up to where the table is in them."""

    layout: int = LAYOUT
    epoch: str = ""
    high: int = 0  # the last delivery whose events are in runs
    changed: int = 0  # the last delivery whose changes of older events are
    kinds: list[str] = []  # code -> event type, or `engagement:` and its name
    runs: list[Run] = []


class Folder:
    """Where runs lie; what is there can be thrown away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: dict[str, Part] = {}  # of runs that were read, by their files
        self._columns: dict[tuple[str, str], Column] = {}  # and their properties

    def open(self) -> Manifest:
        """The manifest, where every run is as it says; otherwise the folder is emptied."""
        try:
            known = msgspec.json.decode((self._path / _MANIFEST).read_bytes(), type=Manifest)
            if known.layout != LAYOUT:
                raise ValueError(known.layout)
            for run in known.runs:
                if any(len(column) != run.rows for column in self.columns(run)[:3]):
                    raise ValueError(run.file)
        except (OSError, ValueError, EOFError):
            return self.emptied("")
        mine = {run.file for run in known.runs}
        for path in self._path.glob("*.*"):  # of a run that was begun and never entered
            if path.name.partition(".")[0] not in mine and path.name != _MANIFEST:
                path.unlink(missing_ok=True)
        return known

    def emptied(self, epoch: str) -> Manifest:
        """An empty folder, and the manifest of it."""
        self._parts, self._columns = {}, {}
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Manifest(epoch=epoch)

    def keep(self, manifest: Manifest) -> None:
        """Write which runs there are."""
        _replace(self._path / _MANIFEST, msgspec.json.encode(manifest))

    def write(self, file: str, part: Part) -> None:
        """Write the columns of a run."""
        for name, values in (("actor", part.actor), ("ts", part.ts), ("kind", part.kind)):
            np.save(self._place(file, name), values)

    def columns(self, run: Run) -> Part:
        """A run's columns, in files that are mapped: nothing is read before it is looked at."""
        if run.file not in self._parts:
            actor, ts, kind = (_mapped(self._place(run.file, n)) for n in ("actor", "ts", "kind"))
            self._parts[run.file] = Part(actor, ts, kind, {})
        return self._parts[run.file]

    def property(self, run: Run, name: str) -> Column | None:
        """A property of a run's events; None where it was never written, or damaged since."""
        if (run.file, name) in self._columns:
            return self._columns[run.file, name]
        codes, values = self._beside(run, name)
        try:
            known = msgspec.json.decode(values.read_bytes(), type=list[str])
            column = Column(_mapped(codes), known)
        except (OSError, ValueError, EOFError):
            return None
        if len(column.codes) != run.rows:
            return None
        self._columns[run.file, name] = column
        return column

    def write_property(self, run: Run, name: str, column: Column) -> None:
        """Keep a property beside its run; two threads may do so at once."""
        codes, values = self._beside(run, name)
        part = _aside(codes)
        with open(part, "wb") as file:
            np.save(file, column.codes)
        os.replace(part, codes)
        _replace(values, msgspec.json.encode(column.values))

    def drop(self, runs: Sequence[Run]) -> None:
        """Remove runs. Who has a file mapped keeps what it reads: the name goes, not the bytes."""
        gone = {run.file for run in runs}
        for file in gone:
            self._parts.pop(file, None)
        for key in list(self._columns):  # a list: others may add to them meanwhile
            if key[0] in gone:
                del self._columns[key]
        for run in runs:
            for path in self._path.glob(f"{run.file}.*"):
                path.unlink(missing_ok=True)

    def _beside(self, run: Run, name: str) -> tuple[Path, Path]:
        key = hashlib.sha256(name.encode()).hexdigest()[:16]
        return self._place(run.file, key), self._place(run.file, key, "json")

    def _place(self, file: str, name: str, ending: str = "npy") -> Path:
        return self._path / f"{file}.{name}.{ending}"


def _mapped(path: Path) -> NDArray[Any]:
    found: NDArray[Any] = np.asarray(np.load(path, mmap_mode="r"))
    return found


def _replace(path: Path, body: bytes) -> None:
    part = _aside(path)
    part.write_bytes(body)
    os.replace(part, path)


def _aside(path: Path) -> Path:
    return path.with_suffix(f".{threading.get_ident()}.part")
