"""Closing months: by a person, and by itself some days after a month has ended."""

from __future__ import annotations

import datetime as dt
import threading

import msgspec
import structlog

from upwell.app.house import House
from upwell.errors import Rejected, UpwellError
from upwell.flow import Done, closing
from upwell.period import add_months, to_instant, to_micros
from upwell.projection.closes import Close, first_of, standing
from upwell.sources.stripe.fetch import Cursor
from upwell.web import shapes
from upwell.web.parts import Months

log = structlog.get_logger()

LOOK = 600.0  # seconds between two looks at the calendar
ITSELF = "close_after_days"  # who closes where no person does: the setting


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


def closes(house: House) -> shapes.Closes:
    """What is closed, and what can be."""
    return shapes.Closes(
        closes=tuple(_shown(house, one) for one in standing(house.projection.closes)),
        next=_open(house, today(house)),
        kept=house.projection.ground.closed_months == "adjust",
        after_days=house.settings.workspace.close_after_days,
        position=str(house.flow.applied),
    )


def due(house: House, days: int) -> str | None:
    """The last month that ended so many days ago, where it is open and the past was read."""
    month = _open(house, today(house) - dt.timedelta(days=days))
    return month if month is not None and _complete(house) else None


def _open(house: House, day: dt.date) -> str | None:
    """The last month that had ended by a day; None where it is closed."""
    month = add_months(day.replace(day=1), -1).strftime("%Y-%m")
    closed = any(one.month >= month for one in standing(house.projection.closes))
    return None if closed else month


def _shown(house: House, close: Close) -> shapes.Close:
    order = house.journal.get(close.seq)
    by = "" if order is None else str(order.about.get("by", ""))
    return shapes.Close(
        month=close.month,
        closed_at=to_instant(close.at),
        by="" if by == ITSELF else by,
        itself=by == ITSELF,
    )


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

    def months(self) -> Months:
        """What pages may do."""

        def close(month: str, reopen: bool, by: str) -> shapes.Closes:
            close_month(self._house, month, reopen=reopen, by=by)
            return closes(self._house)

        return Months(closes=lambda: closes(self._house), close=close)

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
            close_month(self._house, month, by=ITSELF)
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
