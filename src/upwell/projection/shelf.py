"""The ledger in the file: its rows, lines and people; written inside the caller's transaction."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from upwell.projection import store
from upwell.projection.book import TYPES, Book, Rows, no_rows
from upwell.projection.ledger import Difference

_ROWS = (
    "no", "person", "line", "day", "ts", "delta", "by_subscription", "by_product", "by_company",
    "cause", "alive", "seq", "recorded_at", "version_seq", "superseded_at", "superseded_seq",
)  # fmt: skip
_LINE = ("source", "subscription", "product", "plan", "interval", "currency")


class Shelf:
    """How much of the workspace's book is in the file."""

    def __init__(self) -> None:
        self.rows = self.lines = self.people = 0

    def write(self, db: duckdb.DuckDBPyConnection, found: Difference) -> None:
        """Write what was added to the rows, and which of them have ended."""
        added = found.added
        if len(added.line):
            values: dict[str, Any] = {**added._asdict(), "ts": added.at}
            values["no"] = self.rows + np.arange(len(added.line))
            self.rows += len(added.line)
            values["version_seq"], values["superseded_seq"] = found.added_by, found.ended_by
            db.from_arrow(pa.table({name: values[name] for name in _ROWS})).insert_into("moves")
        if len(found.gone):
            marks = pa.table({"no": found.gone, "at": found.gone_at, "by": found.gone_by})
            with store.given(db, "marks", marks):
                db.execute(
                    'update moves set superseded_at = m."at", superseded_seq = m."by"'
                    " from marks m where moves.no = m.no"
                )

    def name(self, db: duckdb.DuckDBPyConnection, book: Book) -> None:
        """Write the lines and people that were numbered since the last time."""
        lines = book.lines[self.lines :]
        if lines:
            columns: dict[str, Any] = {
                name: [getattr(line, name) for line in lines] for name in _LINE
            }
            columns["no"] = pa.array(range(self.lines, self.lines + len(lines)), pa.int32())
            columns["member"] = pa.array(book.lines.member[self.lines :], pa.int32())
            table = pa.table({name: columns[name] for name in ("no", *_LINE, "member")})
            db.from_arrow(table).insert_into("book_lines")
            self.lines += len(lines)
        people = [person.ids[0] for person in book.persons[self.people :]]
        if people:
            table = pa.table(
                {
                    "no": pa.array(range(self.people, self.people + len(people)), pa.int32()),
                    "source": [source for source, _ in people],
                    "customer": [customer for _, customer in people],
                }
            )
            db.from_arrow(table).insert_into("book_people")
            self.people += len(people)

    def load(self, db: duckdb.DuckDBPyConnection, book: Book) -> None:
        """Read lines and rows into an empty book whose people are there."""
        book.lines.take(db.sql("select * from book_lines order by no").to_arrow_table())
        book.code_lines()
        rows, none = written(db, book), np.zeros(0, dtype=np.int64)
        book.show(rows, none, none)
        self.rows, self.lines, self.people = len(rows.line), len(book.lines), len(book.persons)


def written(db: duckdb.DuckDBPyConnection, book: Book) -> Rows:
    """The rows in the file, in order, with the codes that their lines have in the book."""
    found = db.execute(f"select {', '.join(_ROWS)} from moves order by no").fetchnumpy()
    columns: dict[str, Any] = {
        name: np.asarray(found["ts" if name == "at" else name], dtype=kind)
        for name, kind in TYPES.items()
        if name not in ("subscription", "product", "currency")
    }
    rows = no_rows(len(found["no"]))._replace(**columns)
    return rows._replace(
        subscription=book.line_subscription[rows.line],
        product=book.line_product[rows.line],
        currency=book.line_currency[rows.line],
    )
