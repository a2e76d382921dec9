"""`upwell alerts backtest`: what the baseline would have said of any daily series, day by day."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import math
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from upwell.detect import HISTORY, Kind, zscore_30
from upwell.errors import Rejected

COLUMNS = ("series", "date", "value", "kind", "holiday")


class Observed(msgspec.Struct, frozen=True):
    """One day of one series; `value` None where it is not known."""

    series: str
    date: dt.date
    value: float | None
    kind: Kind


class Score(msgspec.Struct, frozen=True):
    """What was expected of a day from the days before it; score is a signed z, 0 while silent."""

    series: str
    date: dt.date
    score: float
    expected: float | None
    low: float | None
    high: float | None


def scores(days: Iterable[Observed]) -> Iterator[Score]:
    """A score for every day, in the order given; the days of a series come in date order."""
    earlier: dict[str, deque[float | None]] = {}
    for day in days:
        window = earlier.setdefault(day.series, deque(maxlen=2 * HISTORY))
        found = zscore_30(tuple(window), day.value, kind=day.kind, direction="none")
        yield Score(day.series, day.date, found.z, found.mean, found.low, found.high)
        window.append(day.value)


def read(path: Path) -> Iterator[Observed]:
    """The days of a CSV (or CSV.gz) of `series,date,value,kind,holiday`.

    Raises Rejected, naming the line, for missing columns, a date, value or kind that cannot be
    read, and days of a series that are repeated or out of order.
    """
    last: dict[str, dt.date] = {}
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
            rows = csv.DictReader(text)
            missing = [c for c in COLUMNS[:4] if c not in (rows.fieldnames or ())]
            if missing:
                raise Rejected(
                    "bad_series",
                    f"The file has no column {', '.join(missing)}.",
                    fix=f"The first line must be: {','.join(COLUMNS)}",
                    where=f"{path.name}:1",
                )
            for row in rows:
                day = _observed(row, f"{path.name}:{rows.line_num}")
                if day.series in last and day.date <= last[day.series]:
                    raise Rejected(
                        "bad_series",
                        f"{day.date} of series '{day.series}' comes after {last[day.series]}.",
                        fix="Sort the days of each series by date, one line a day.",
                        where=f"{path.name}:{rows.line_num}",
                    )
                last[day.series] = day.date
                yield day
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise Rejected(
            "bad_series",
            f"The file cannot be read: {error}",
            fix="Give the path of a CSV file in UTF-8, or of one packed with gzip.",
            where=str(path),
        ) from error


def run(series: Path, out: Path) -> int:
    """Writes a JSON line for every day of the file and returns how many."""
    encode = msgspec.json.encode
    count = 0
    with out.open("wb") as sink:
        for score in scores(read(series)):
            sink.write(encode(score) + b"\n")
            count += 1
    return count


def _observed(row: dict[str, str | None], where: str) -> Observed:
    text = (row["value"] or "").strip()
    try:
        date = dt.date.fromisoformat(row["date"] or "")
        value = float(text) if text else None
    except ValueError as error:
        raise Rejected(
            "bad_series",
            f"'{row['date']}' or '{text}' is not a date and a number.",
            fix="Dates as 2026-11-22, values as plain numbers, empty where nothing is known.",
            where=where,
        ) from error
    kind = row["kind"] or ""
    if kind not in ("count", "amount"):
        raise Rejected(
            "bad_series", f"Unknown kind '{kind}'.", fix="Use count or amount.", where=where
        )
    if value is not None and not math.isfinite(value):
        value = None
    return Observed(row["series"] or "", date, value, "count" if kind == "count" else "amount")
