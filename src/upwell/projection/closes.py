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

from upwell.event import Delivery
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


Closes = tuple[Close, ...]


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


def after(closes: Closes, delivery: Delivery) -> Closes:
    """The closes once a delivery of kind `close` is applied; the same where it changes nothing."""
    month, at = str(delivery.about["month"]), delivery.received_at
    if delivery.about.get("reopen"):
        return reopened(closes, month, at)
    return closed(closes, month, delivery.seq, at)


def closed(closes: Closes, month: str, seq: int, at: int) -> Closes:
    """With a month closed, unless it is."""
    first_of(month)
    if any(one.month >= month for one in standing(closes)):
        return closes
    return (*closes, Close(month, seq, at))


def reopened(closes: Closes, month: str, at: int) -> Closes:
    """With a month and those after it open again."""
    before = add_months(first_of(month), -1).strftime("%Y-%m")
    stood = standing(closes)
    ended = [one for one in stood if one.month >= month]
    if not ended:
        return closes
    found = tuple(
        one._replace(reopened_at=at) if one.reopened_at is None and one.month >= month else one
        for one in closes
    )
    if any(one.month == before for one in stood):
        return found
    # What the first of them had closed before this month stays as it was closed then.
    return (*found, Close(before, ended[0].seq, ended[0].at))


def load(db: duckdb.DuckDBPyConnection) -> Closes:
    """All there ever were, in their order."""
    rows = db.execute(
        'select "month", seq, closed_at, reopened_at from closes order by rowid'
    ).fetchall()
    return tuple(Close(*row) for row in rows)


def write(db: duckdb.DuckDBPyConnection, closes: Closes) -> None:
    """Keep these in the place of those that are kept."""
    db.execute("delete from closes")
    if closes:
        db.executemany("insert into closes values (?, ?, ?, ?)", closes)
