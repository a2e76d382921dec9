"""Which months are closed, since when, and until when they were (R15).

A close is a delivery like everything else. Closing a month closes all before it, too; opening one
again opens all after it. So what is closed is always everything before some day, in pieces that
were closed at different times.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import NamedTuple

import duckdb

from upwell.period import add_months, to_day


class Close(NamedTuple):
    """A month ("2026-01") with all before it, closed by a delivery; times in UTC micros.

    `reopened_at` is None while it stands.
    """

    month: str
    seq: int
    at: int
    reopened_at: int | None = None

    @property
    def end(self) -> int:
        """The first local day that is not closed by it."""
        return to_day(add_months(first_of(self.month), 1))


def first_of(month: str) -> dt.date:
    """The first day of a month such as "2026-01"; ValueError where it is none."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", month):
        raise ValueError(f"'{month[:40]}' is not a month")
    return dt.date(int(month[:4]), int(month[5:]), 1)


def standing(closes: Iterable[Close], at: int | None = None) -> list[Close]:
    """Those that stand, or stood at an instant, by month."""
    return sorted(
        close
        for close in closes
        if (
            close.reopened_at is None
            if at is None
            else close.at <= at and (close.reopened_at is None or close.reopened_at > at)
        )
    )


def load(db: duckdb.DuckDBPyConnection) -> tuple[Close, ...]:
    """All there ever were."""
    rows = db.execute(
        'select "month", seq, closed_at, reopened_at from closes order by closed_at, seq, "month"'
    ).fetchall()
    return tuple(Close(*row) for row in rows)


def close(db: duckdb.DuckDBPyConnection, month: str, seq: int, at: int) -> bool:
    """Close a month; False where it is closed already."""
    first_of(month)
    if any(one.month >= month for one in standing(load(db))):
        return False
    db.execute("insert into closes values (?, ?, ?, null)", [month, seq, at])
    return True


def reopen(db: duckdb.DuckDBPyConnection, month: str, at: int) -> bool:
    """Open a month and those after it again; False where it is open already."""
    before = add_months(first_of(month), -1).strftime("%Y-%m")
    stood = standing(load(db))
    ended = [one for one in stood if one.month >= month]
    if not ended:
        return False
    db.execute(
        'update closes set reopened_at = ? where reopened_at is null and "month" >= ?', [at, month]
    )
    if all(one.month != before for one in stood):
        # What the first of them had closed before this month stays as it was closed then.
        first = ended[0]
        db.execute("insert into closes values (?, ?, ?, null)", [before, first.seq, first.at])
    return True
