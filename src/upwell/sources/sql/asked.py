"""One query of a database: what it is asked for, and what its answer says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from upwell.period import MICROS, Zone
from upwell.settings import SqlQuery, SqlSource, duration
from upwell.sources.contract import BadQuery
from upwell.sources.sql.database import Database, Got
from upwell.sources.sql.known import U64
from upwell.sources.sql.plan import Spot, fits, micros_of, query_of, written
from upwell.sources.sql.rows import lines_of, numbers, unbound

HOUR = 3_600 * MICROS

Rows = Sequence[Sequence[Any]]
Place = tuple[Any, Any]
"""Time and key of a row, as the database is asked with them."""


class Asked:
    """A query that is fit to be read."""

    def __init__(self, given: SqlQuery, source: SqlSource, database: Database, piece: int) -> None:
        """Its rows come in pieces of so many."""
        self._query = query_of(given, source.product_from)
        self._piece = piece
        self._database, self._zone = database, Zone(source.timezone)
        self.name, self.way, self.limited = given.name, self._query.way, self._query.limited
        self.back = int(duration(given.look_back).total_seconds()) * MICROS
        self.where = f"queries.{self.name}"
        self.columns = self._query.columns

    def read(self, place: Place | None, most: int | None) -> AbstractContextManager[Got]:
        """Rows behind a place, `most` at the most; in the order of the cursor."""
        query = self._query
        order: list[str] = []
        given: Mapping[str, Any] = {}
        if place is not None:
            given = {"cursor_time": place[0], "cursor_id": place[1]}
        if self.way == "snapshot":
            order = [query.key]
        elif self.way == "cursor" and most:
            order = [query.timestamp, query.key]
        return self._database.read(query.sql, given, order, most, self._piece, self.where)

    def probed(self) -> tuple[list[str], dict[str, str]]:
        """The columns and their types; raises BadQuery where the mapping names another."""
        order = self._query
        given = {"cursor_time": None, "cursor_id": None} if self.way == "cursor" else {}
        with self._database.read(order.sql, given, [], 0, 1, self.where) as got:
            self.fits(got.names)
            return got.names, got.types

    def fits(self, names: Sequence[str]) -> None:
        """Raise BadQuery where the mapping names a column that is not there."""
        fits(self._query, names)

    def types(self, types: Mapping[str, str]) -> tuple[str, str]:
        """Those of the cursor."""
        return types[self._query.timestamp], types[self._query.key]

    def same_types(self, spot: Spot, names: Sequence[str], given: Mapping[str, str]) -> None:
        """Raise BadQuery where a column of the cursor is of another type than it was."""
        self.fits(names)
        types = self.types(given)
        columns = (self._query.timestamp, self._query.key)
        for column, was, found in zip(columns, spot.types or types, types, strict=True):
            if was != found:
                raise BadQuery(
                    "changed_type",
                    f"The column '{column}' of '{self.name}' was {was} and is {found} now.",
                    fix="Read the source once more from the beginning: `upwell source reset`; "
                    "rows with the same key count once.",
                    where=self.where,
                )

    def zone(self, spot: Spot) -> Zone:
        """The zone of times that name none."""
        types = spot.types
        return Zone("UTC") if types and self._database.vendor.is_utc(types[0]) else self._zone

    def micros(self, time: Any, spot: Spot) -> int | None:
        """UTC microseconds of a time of the cursor."""
        return micros_of(time, self.zone(spot))

    def begin(self, spot: Spot) -> Place:
        """Where a look begins: before everything, or `look_back` before the last rows."""
        assert spot.types is not None
        if spot.since and spot.time is not None:
            like = unbound(spot.time)
            at = written(spot.since * MICROS - 1, like, self.zone(spot))
            return at, self._database.vendor.lowest(spot.types[1])
        low, lowest = (self._database.vendor.lowest(type_) for type_ in spot.types)
        if spot.time is None:
            return low, lowest
        zone, like = self.zone(spot), unbound(spot.time)
        last = micros_of(like, zone)
        if last is None:
            return like, unbound(spot.id)
        # Clocks that are put back show the same hour twice.
        twice = 0 if zone.name == "UTC" else HOUR
        # A row of the future must not hide those that come before it.
        return written(min(last, spot.looked * MICROS) - self.back - twice, like, zone), lowest

    def lines(self, got: Got, rows: Rows) -> list[bytes]:
        """The mapped columns of each row as JSON."""
        if not rows:
            return []
        types, is_utc = got.types, self._database.vendor.is_utc
        return lines_of(got.names, rows, self.columns, lambda name: is_utc(types.get(name, "")))

    def keys(self, got: Got, rows: Rows) -> U64:
        """A number for the key of each row."""
        at = got.names.index(self._query.key)
        return numbers([str(row[at]).encode() for row in rows])

    def times(self, got: Got, rows: Rows) -> list[Any]:
        """The time of each row."""
        at = got.names.index(self._query.timestamp)
        return [row[at] for row in rows]

    def behind(self, got: Got, rows: Rows) -> Place | None:
        """Time and key of the last row that has both."""
        time, key = got.names.index(self._query.timestamp), got.names.index(self._query.key)
        for row in reversed(rows):
            if row[time] is not None and row[key] is not None:
                return row[time], row[key]
        return None

    def stuck(self, most: int) -> BadQuery:
        """It does not move on."""
        time, key = self._query.timestamp, self._query.key
        return BadQuery(
            "stuck",
            f"The query '{self.name}' gives rows before its cursor, or more than {most:,} without "
            "a key.",
            fix=f"Compare ({time}, {key}) > (:cursor_time, :cursor_id), and leave out rows whose "
            "key is empty.",
            where=f"{self.where}.sql",
        )
