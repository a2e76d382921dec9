"""What the first page would wait for, asked beforehand: in a thread, and only while nobody waits.

Once what the journal holds is counted, exchange rates are read, the ledger is put in order, what
questions about use run is compiled and their events are put in order, and what stands beside the
ledger (trials, what is set for later) is read.
"""

from __future__ import annotations

import datetime as dt
import gc
import threading

import duckdb
import structlog

from upwell.access import SYSTEM
from upwell.app.house import House
from upwell.errors import UpwellError
from upwell.metrics.catalog import CATALOG, Ledger
from upwell.period import to_micros
from upwell.query import Question

log = structlog.get_logger()

BREATH = 0.2  # seconds between two questions
LOOK = 0.5  # seconds between two looks at whether something is ready
DAYS, MONTHS = 28, 24
AT_HAND, USE = 60.0, 5.0  # seconds to wait, at the end, for a question, and for what takes minutes


class Warming:
    """Asks each metric of the ledger once after the start and makes questions about use quick.

    `stop` it before the house is closed.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._stopping = threading.Event()
        self._patience = AT_HAND
        self._thread = threading.Thread(target=self._run, name="warming", daemon=True)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def start(self) -> None:
        """Begin; what was read from the files is not looked through for garbage any more."""
        gc.freeze()
        self._thread.start()

    def stop(self) -> None:
        """End after the question at hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._patience)
        self._house.desk.ledgers.close()

    def _run(self) -> None:
        try:
            if not self._caught_up():
                return
            billed = self._house.desk.ledgers.billed()
            if billed:
                self._ask()
            self._use()
            if billed:
                self._tell()
        except Exception as error:  # noqa: BLE001 - whoever asks is told; here nobody did
            log.warning("not warmed", error=repr(error))

    def _caught_up(self) -> bool:
        newest = self._house.journal.newest
        while not self._house.flow.wait(newest, LOOK):
            if self._stopping.is_set():
                return False
        return True

    def _ask(self) -> None:
        house = self._house
        house.desk.ledgers.rates()
        for metric in CATALOG.values():
            if not isinstance(metric.rule, Ledger) or metric.rule.kind == "told":
                continue
            for asked in _questions(metric.name, house.clock().date()):
                if self._stopping.wait(BREATH):
                    return
                try:
                    house.answer(asked, SYSTEM)
                except UpwellError as error:
                    log.info("not warmed", metric=metric.name, error=error.problem.message)

    def _use(self) -> None:
        """Make the first question about use as quick as the next; a failure is told by that one."""
        if self._stopping.is_set():
            return
        self._patience = USE
        try:
            self._house.usage.warm()
        except (UpwellError, duckdb.Error, OSError) as error:
            log.warning("questions about use are not prepared", why=str(error))
        self._patience = AT_HAND

    def _tell(self) -> None:
        told = self._house.desk.ledgers.told(None)
        while not told.prepare(to_micros(self._house.clock())):
            if self._stopping.wait(LOOK):
                return
        gc.collect()
        gc.freeze()


def _questions(metric: str, today: dt.date) -> tuple[Question, Question]:
    """As the first pages ask: the last weeks by day, the last years by month."""
    end = today + dt.timedelta(days=1)
    begin = today.replace(day=1, year=today.year - MONTHS // 12)
    return (
        Question(metric=metric, start=end - dt.timedelta(days=DAYS), end=end),
        Question(metric=metric, start=begin, end=end, grain="month"),
    )
