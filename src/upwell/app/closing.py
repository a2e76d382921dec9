"""Closing months: by a person, and by itself some days after a month has ended."""

from __future__ import annotations

import datetime as dt
import threading

import msgspec
import structlog

from upwell.app.house import House
from upwell.errors import Rejected, UpwellError
from upwell.flow import Done, closing
from upwell.period import add_months, to_micros
from upwell.projection.closes import first_of, standing
from upwell.sources.stripe.fetch import Cursor

log = structlog.get_logger()

LOOK = 600.0  # seconds between two looks at the calendar


def close_month(house: House, month: str, *, reopen: bool = False, by: str = "") -> Done:
    """Close a month such as "2026-01" with all before it, or open it and all after it again."""
    try:
        end = add_months(first_of(month), 1)
    except ValueError as error:
        raise Rejected(
            "bad_month",
            f"'{month[:40]}' is not a month.",
            fix="Write it as 2026-01.",
            where="month",
        ) from error
    closed = any(one.month >= month for one in standing(house.projection.closes))
    if closed != reopen:
        raise Rejected(
            "not_closed" if reopen else "closed",
            f"{month} is {'not closed' if reopen else 'closed already'}.",
            fix="Nothing is to be done.",
            where="month",
        )
    if not reopen and end > today(house):
        raise Rejected(
            "not_over",
            f"{month} has not ended yet.",
            fix=f"Close it from {end.isoformat()} on.",
            where="month",
        )
    return house.flow.command(closing(month, to_micros(house.clock()), reopen=reopen, by=by))


def due(house: House, days: int) -> str | None:
    """The last month that ended so many days ago, where it is open and the past was read."""
    first = (today(house) - dt.timedelta(days=days)).replace(day=1)
    month = add_months(first, -1).strftime("%Y-%m")
    if any(one.month >= month for one in standing(house.projection.closes)):
        return None
    return month if _complete(house) else None


def today(house: House) -> dt.date:
    """The workspace's day."""
    return house.projection.zone.local(to_micros(house.clock())).date()


def _complete(house: House) -> bool:
    """Whether there is a ledger, and the past of every source is in it."""
    if house.filling is not None or not house.caught_up(60.0):
        return False
    for link in house.links.every():
        last = house.journal.pulled(link.id)
        if not link.paused and (
            last is None or not msgspec.convert(last.about["pull"], Cursor).following
        ):
            return False
    return len(house.projection.book().rows.line) > 0


class Closing:
    """Looks at the calendar beside a running server; without a setting it does nothing."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._days = house.settings.workspace.close_after_days
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="closing", daemon=True)

    def start(self) -> None:
        """Begin, where months are to be closed by themselves."""
        if self._days is not None:
            self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def look(self) -> str | None:
        """Close the month that is due, if one is; which."""
        month = None if self._days is None else due(self._house, self._days)
        if month is not None:
            close_month(self._house, month, by="close_after_days")
            log.info("month closed", month=month)
        return month

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except UpwellError as error:  # it is tried again
                log.error("month not closed", error=repr(error))
            if self._stopping.wait(LOOK):
                return
