"""What was measured: tables of a section, kept as JSON and written as one page.

A section that is run again replaces only its own part of `figures.json`, so that a long run can be
done in pieces; `figures.md` is written from it.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
NONE = "–"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of text under a heading; the first column says what, the others how much."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self, numbers: bool = True) -> str:
        """The table as Markdown whose columns stand in line on a terminal, too.

        `numbers`: all columns but the first are set to the right.
        """
        rows = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.columns))]
        lines = [_line(row, widths, numbers) for row in rows]
        ends = ("-" if not place or not numbers else ":" for place in range(len(widths)))
        rule = (f"{'-' * (width + 1)}{end}" for width, end in zip(widths, ends, strict=True))
        return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int], numbers: bool) -> str:
    cells = (
        cell.rjust(width) if place and numbers else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "| " + " | ".join(cells) + " |"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement: its tables, and in sentences what they do and do not say.

    `figures` are the same numbers for programs.
    """

    name: str
    title: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    figures: dict[str, Any] = {}

    def text(self) -> str:
        """The section as Markdown, without its heading."""
        parts = [f"**{table.title}**\n\n{table.text()}" for table in self.tables]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it ran, and how busy that was before it began."""

    cpu: str
    cores: int
    ram_gb: int
    load: float
    python: str
    commit: str

    @classmethod
    def here(cls) -> Machine:
        """This one, now."""
        names = [
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return cls(
            cpu=names[0] if names else platform.processor() or "unknown",
            cores=os.cpu_count() or 1,
            ram_gb=round(ram / 2**30),
            load=round(os.getloadavg()[0], 2),
            python=platform.python_version(),
            commit=_commit(),
        )

    def __str__(self) -> str:
        return (
            f"{self.cores} cores ({self.cpu}), {self.ram_gb} GB, Python {self.python}, "
            f"load average at start {self.load:.2f}"
        )


def _commit() -> str:
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A section with when, where and how it was measured."""

    section: Section
    made_at: dt.datetime
    command: str
    machine: Machine
    seconds: float
    quick: bool


class Book:
    """All sections measured so far, in the order in which they are printed."""

    def __init__(self, folder: Path, name: str, title: str, order: Iterable[str]) -> None:
        self._json = folder / f"{name}.json"
        self._page = folder / f"{name}.md"
        self._title = title
        self._order = tuple(order)
        self.kept: dict[str, Kept] = {}
        if self._json.exists():
            self.kept = msgspec.json.decode(self._json.read_bytes(), type=dict[str, Kept])

    def keep(self, kept: Kept) -> None:
        """Put a section in place of its earlier one, and write both files."""
        self.kept[kept.section.name] = kept
        self._json.parent.mkdir(parents=True, exist_ok=True)
        pretty = msgspec.json.format(msgspec.json.encode(self.kept), indent=1)
        self._json.write_bytes(pretty + b"\n")
        self._page.write_text(self.text())

    def has(self, name: str, *, quick: bool, commit: str) -> bool:
        """Whether the section was measured at this size and this state of the code."""
        kept = self.kept.get(name)
        return kept is not None and kept.quick == quick and kept.machine.commit == commit

    def text(self) -> str:
        """The whole page."""
        parts = [f"# {self._title}\n"]
        for name in self._order:
            if (kept := self.kept.get(name)) is None:
                continue
            small = " Small sizes (`--quick`)." if kept.quick else ""
            parts.append(
                f"## {kept.section.title}\n\n"
                f"`{kept.command}`, {kept.made_at:%Y-%m-%d}, commit {kept.machine.commit}: "
                f"{kept.machine}.{small} Took {kept.seconds:.0f} s.\n\n{kept.section.text()}\n"
            )
        return "\n".join(parts)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed (nearest rank); 0 where there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def ms(seconds: float) -> str:
    """Seconds as milliseconds; nothing where nothing was measured."""
    if not seconds:
        return NONE
    value = seconds * 1000
    return f"{value:.2f} ms" if value < 10 else f"{value:,.0f} ms"


def rate(value: float) -> str:
    """A number a second; nothing where nothing was measured."""
    return f"{value:,.0f}/s" if value else NONE


def ratio(ours: float, theirs: float) -> str:
    """How many times theirs ours is."""
    return f"{ours / theirs:.1f}x" if theirs else NONE


def mb(size: float) -> str:
    """Bytes as megabytes."""
    return f"{size / 1e6:,.0f} MB"
