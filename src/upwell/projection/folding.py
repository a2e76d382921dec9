"""A book under other rules than the workspace's, counted beside the loop when first asked for."""

from __future__ import annotations

import threading
from contextlib import suppress

import duckdb
import structlog

from upwell.errors import Unavailable
from upwell.metrics.policy import MetricPolicy
from upwell.projection.accounts import BATCH
from upwell.projection.book import Book
from upwell.projection.books import Books
from upwell.projection.epochs import rules

log = structlog.get_logger()


class Folding:
    """The thread that fills one book; the book joins the others once it is up to date.

    `writing` is held by whoever commits: with it in hand nothing changes meanwhile.
    """

    def __init__(
        self,
        books: Books,
        policy: MetricPolicy,
        db: duckdb.DuckDBPyConnection,
        writing: threading.RLock,
    ) -> None:
        self._books, self._policy, self._db, self._writing = books, policy, db, writing
        self._stopped = threading.Event()
        self._share = 0.0
        self.ended = False
        self._thread = threading.Thread(target=self._run, name="folding", daemon=True)
        self._thread.start()

    def progress(self) -> Unavailable:
        """How far it is, as people are told."""
        return Unavailable(
            "folding",
            f"Revenue is being counted by the rules of {self._policy.title}: "
            f"{self._share:.0%} done.",
            fix="Ask again in a few seconds.",
            retry_after=2,
        )

    def stop(self) -> None:
        """Give up; the book is thrown away."""
        self._stopped.set()

    def close(self) -> None:
        """Give up and wait until nothing is read any more; never with `writing` in hand."""
        self.stop()
        with suppress(duckdb.Error):
            self._db.interrupt()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        try:
            self._fill()
        except duckdb.Error as error:
            if not self._stopped.is_set():
                log.error("rules not counted", policy=self._policy.name, error=repr(error))
        finally:
            with suppress(duckdb.Error):
                self._db.close()
            self.ended = True

    def _fill(self) -> None:
        db, wanted = self._db, rules(self._policy)
        book = Book(self._policy.name, self._books.people)
        db.execute("begin")
        row = db.execute(
            "select (select value::bigint from meta where key = 'applied'),"
            " (select count(*) from billing where kind in ('sub', 'cus', 'ref'))"
        ).fetchone()
        since, total = row or (0, 0)
        for number, found in enumerate(self._books.history(db, book, wanted), 1):
            book.show(found.added, found.gone, found.gone_at)
            if self._stopped.is_set():
                return
            self._share = min(0.99, number * BATCH / max(total, 1))
        db.execute("commit")
        with self._writing:
            if not self._stopped.is_set():
                self._books.catch_up(db, book, wanted, since)
                self._books.others[wanted] = book
