"""What was passed on of the last days, so that a look at them passes on only what changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from upwell.sources.ga4.reports import Row, width

_Key = tuple[str, ...]  # of a row: the day, and the value of the dimension


class _File(msgspec.Struct, kw_only=True):
    looked: int = 0  # the look that the rows are of
    rows: dict[str, list[Row]] = {}
    flags: dict[str, dict[str, int]] = {}


class Known:
    """The rows of each report that were passed on, kept in a file that may be lost."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _File()
        with suppress(OSError, msgspec.DecodeError, msgspec.ValidationError):
            self._file = msgspec.json.decode(path.read_bytes(), type=_File)
        self._rows = {
            report: {_key(report, row): row for row in rows}
            for report, rows in self._file.rows.items()
        }
        self._coming: dict[str, set[_Key]] = {}

    def changed(self, report: str, offset: int, rows: Sequence[Row], looked: int) -> list[Row]:
        """Those of a piece of a report that are new or other.

        All of them where the file is not of the last look (`looked`, epoch seconds).
        """
        if not offset:
            self._coming[report] = set()
        if report in self._coming:  # else its first rows came before a restart
            self._coming[report].update(_key(report, row) for row in rows)
        if looked != self._file.looked:
            return list(rows)
        kept = self._rows.get(report, {})
        return [row for row in rows if kept.get(_key(report, row)) != row]

    def gone(self, report: str, days: Sequence[str]) -> list[Row]:
        """The days and values of rows that the report had, and has no more."""
        coming = self._coming.get(report)
        if coming is None:
            return []
        named = {day.replace("-", "") for day in days}
        kept = self._rows.get(report, {})
        return [list(key) for key in kept if key[0] in named and key not in coming]

    def unmarked(self, report: str, days: Sequence[str], flags: int, looked: int) -> list[str]:
        """The days of which it was not said yet that the report was read, with these flags."""
        if looked != self._file.looked:
            return list(days)
        kept = self._file.flags.get(report, {})
        return [day for day in days if kept.get(day) != flags]

    def learn(self, report: str, rows: Sequence[Row], gone: Sequence[Row]) -> None:
        """These were passed on."""
        kept = self._rows.setdefault(report, {})
        for row in gone:
            kept.pop(_key(report, row), None)
        kept.update((_key(report, row), row) for row in rows)

    def mark(self, report: str, days: Sequence[str], flags: int) -> None:
        """Of these days it was said that the report was read."""
        self._file.flags.setdefault(report, {}).update(dict.fromkeys(days, flags))

    def keep(self, looked: int, start: str) -> None:
        """Write down what was passed on by the end of a look; days before `start` are forgotten."""
        first = start.replace("-", "")
        self._rows = {
            report: {key: row for key, row in rows.items() if key[0] >= first}
            for report, rows in self._rows.items()
        }
        self._file = _File(
            looked=looked,
            rows={report: list(rows.values()) for report, rows in self._rows.items()},
            flags={
                report: {day: flags for day, flags in marks.items() if day >= start}
                for report, marks in self._file.flags.items()
            },
        )
        self._coming.clear()
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self._file))
        fresh.replace(self._path)


def _key(report: str, row: Row) -> _Key:
    return tuple(row[: width(report)])
