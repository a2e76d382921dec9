"""Reading a database: what is new first, then the past, the oldest rows first.

A query with a cursor goes on behind the last row it has read, by time and key; at each look it
begins a little before that, so that rows committed late are found. Snapshots and gauges are read
whole. Every statement reads a bounded number of rows, in a transaction of its own that only reads.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import msgspec

from upwell.errors import UpwellError
from upwell.period import MICROS, to_instant, to_micros
from upwell.settings import SqlSource, duration
from upwell.sources.contract import BadQuery, Clock, Cursor, Opening, Page
from upwell.sources.sql.asked import HOUR, Asked, Place, Rows
from upwell.sources.sql.database import Database, Got
from upwell.sources.sql.known import MOST, Known
from upwell.sources.sql.plan import Spot, State, judge
from upwell.sources.sql.rows import bound, numbers, unbound

PIECE = 10_000  # rows of a page
GAUGES = 10_000  # rows that a gauge may have


class SqlReader:
    """One database, read by one thread."""

    def __init__(self, opening: Opening, piece: int = PIECE, stretch: int = 0) -> None:
        """Pages of so many rows; so many at a statement, or as its vendor likes them."""
        given: SqlSource = opening.settings
        judge(given)
        self._opening = opening
        self._every = duration(given.every).total_seconds()
        self._database = Database.of(opening)
        self._stretch_rows = stretch or self._database.vendor.stretch
        self.queries = [Asked(query, given, self._database, piece) for query in given.queries]
        if not self.queries:
            raise BadQuery(
                "no_queries",
                "Nothing says what to read of the database.",
                fix="Add [[sources.queries]] with name, sql, event_type, timestamp and key.",
                where="queries",
            )
        self._known: dict[str, Known] = {}

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def check(self) -> Sequence[str]:
        """Sign in, and ask each query for its columns; raises as `read`."""
        try:
            columns = {query.name: query.probed()[0] for query in self.queries}
        finally:
            self._database.close()
        found = [f"{self._database.vendor.title} {self._database.version}".strip()]
        return found + [f"{name}: {', '.join(names)}" for name, names in columns.items()]

    def read(self, cursor: Cursor | None, clock: Clock) -> Iterator[Page]:
        """What is due of each query; one that is wrong holds up no other."""
        state = State(round=_epoch(clock)) if cursor is None else msgspec.convert(cursor, State)
        looked: set[str] = set()
        wrong: dict[str, UpwellError] = {}
        try:
            while not self._opening.stopping():
                now = _epoch(clock)
                fit = [query for query in self.queries if query.name not in wrong]
                due = next((one for one in fit if self._due(one, state, now, looked)), None)
                query = due or next((one for one in fit if _has_past(one, state)), None)
                if query is None:
                    break
                looked.add(query.name)
                try:
                    yield from self._look(query, state, now)
                except BadQuery as error:
                    wrong[query.name] = _why(query, state, error)
        finally:
            self._database.close()
        if wrong:
            raise next(iter(wrong.values()))

    def _due(self, query: Asked, state: State, now: int, looked: set[str]) -> bool:
        spot = state.spot(query.name)
        if _has_past(query, state):
            return False
        if query.way == "gauge" and spot.looked // 60 == now // 60:
            return False  # a minute has one reading
        return query.name not in looked or now - spot.looked >= self._every

    def _look(self, query: Asked, state: State, now: int) -> Iterator[Page]:
        if query.way == "gauge":
            yield self._gauge(query, state, now)
        elif query.way == "snapshot":
            yield from self._snapshot(query, state, now)
        elif state.spot(query.name).live:
            yield from self._newest(query, state, now)
        else:
            yield from self._past(query, state, now)

    # -- rows by cursor --------------------------------------------------------------------------

    def _past(self, query: Asked, state: State, now: int) -> Iterator[Page]:
        """One statement's rows of what was not read before."""
        spot = state.spot(query.name)
        if spot.types is None:
            spot.types = query.types(query.probed()[1])
        begins = spot.time is None or spot.since > 0
        place = query.begin(spot) if begins else (unbound(spot.time), unbound(spot.id))
        if (yield from self._stretch(query, state, now, place, history=True)) is None:
            self._finish(query, state, now)
            yield self._last(state, history=True)

    def _newest(self, query: Asked, state: State, now: int) -> Iterator[Page]:
        """All rows from `look_back` before the last ones on; those that are known are left out."""
        self._rows_known(query, state).begin()
        place: Place | None = query.begin(state.spot(query.name))
        while place is not None and not self._opening.stopping():
            place = yield from self._stretch(query, state, now, place, history=False)
        if place is None:
            self._finish(query, state, now)
            yield self._last(state, history=False)

    def _stretch(
        self, query: Asked, state: State, now: int, asked: Place, *, history: bool
    ) -> Generator[Page, None, Place | None]:
        """Pages of one statement; where the next one begins, or None where no row is left."""
        spot, place, count = state.spot(query.name), asked, 0
        most, unsettled = self._stretch_rows, now * MICROS - query.back - HOUR
        known = self._rows_known(query, state)
        with query.read(asked, most) as got:
            query.same_types(spot, got.names, got.types)
            for rows in got.pieces:
                count += len(rows)
                place = query.behind(got, rows) or place
                at = query.micros(place[0], spot)
                if spot.first == 0:
                    spot.first = query.micros(query.times(got, rows)[0], spot) or 0
                lines = _fresh(known, query, got, rows)
                if history and not spot.looked and at is not None and at >= unsettled:
                    spot.looked = now  # from here on rows may still be committed late
                _move(query, spot, place, at)
                spot.kept += len(lines)
                yield self._page(query, state, lines, len(rows), now, history, at)
                known.save(spot.kept, at, None if at is None else at - query.back - HOUR)
        if count == 0 or (count < most and not query.limited):
            return None
        if place == asked and count >= most:
            raise query.stuck(most)
        return None if place == asked else place

    def _finish(self, query: Asked, state: State, now: int) -> None:
        spot = state.spot(query.name)
        # The next look begins where, in the past, the first rows were that had not settled.
        spot.looked = now if spot.live else spot.looked or now
        spot.live, spot.since = True, 0
        self._rows_known(query, state).end(spot.kept)

    # -- rows read whole -------------------------------------------------------------------------

    def _snapshot(self, query: Asked, state: State, now: int) -> Iterator[Page]:
        """All rows in one answer; those that are as they were are left out."""
        spot, known = state.spot(query.name), self._rows_known(query, state)
        first = not spot.live
        known.begin()
        with query.read(None, None) as got:
            query.fits(got.names)
            for rows in got.pieces:
                lines = _fresh(known, query, got, rows)
                if known.seen + len(rows) > MOST:
                    raise BadQuery(
                        "large_snapshot",
                        f"The snapshot '{query.name}' has more than {MOST:,} rows.",
                        fix="Read it by a cursor on the time of a row's last change instead.",
                        where=query.where,
                    )
                spot.kept += len(lines)
                page = self._page(query, state, lines, len(rows), now, first, None)
                yield msgspec.structs.replace(page, restates=True)
                known.save(spot.kept)
        spot.live, spot.looked = True, now
        known.end(spot.kept)
        yield self._last(state, history=first)

    def _gauge(self, query: Asked, state: State, now: int) -> Page:
        """One reading."""
        spot = state.spot(query.name)
        with query.read(None, GAUGES + 1) as got:
            query.fits(got.names)
            rows = [row for piece in got.pieces for row in piece]
            lines = query.lines(got, rows)
        if len(rows) > GAUGES:
            raise BadQuery(
                "large_gauge",
                f"The gauge '{query.name}' has more than {GAUGES:,} rows.",
                fix="Let the query add them up: select plan, count(*) … group by plan.",
                where=f"{query.where}.sql",
            )
        spot.live, spot.looked = True, now
        spot.kept += len(lines)
        page = self._page(query, state, lines, len(rows), now, False, None)
        return msgspec.structs.replace(page, complete_to=self._complete(state))

    # -- pages -----------------------------------------------------------------------------------

    def _page(
        self,
        query: Asked,
        state: State,
        lines: list[bytes],
        read: int,
        now: int,
        history: bool,
        at: int | None,
    ) -> Page:
        spot, label, done = state.spot(query.name), query.name, 0
        about: dict[str, Any] = {"query": query.name}
        if query.way == "gauge":
            about["read_at"] = now // 60 * 60 * MICROS
        if history and at is not None and spot.first and now * MICROS > spot.first:
            label += f", up to {to_instant(at).date()}"
            share = (at - spot.first) / (now * MICROS - spot.first)
            done = int(1000 * (self.queries.index(query) + min(1.0, max(0.0, share))))
        return Page(
            cursor=state.cursor(),
            body=b"\n".join(lines) + b"\n" if lines else b"",
            rows=len(lines),
            read=read,
            about=about,
            history=history,
            keep=bool(lines),
            label=label,
            done=done,
            total=1000 * len(self.queries) if done else 0,
        )

    def _last(self, state: State, *, history: bool) -> Page:
        """Behind the last row of a look: no row, and how far all of them are read."""
        reached = self._complete(state)
        return Page(cursor=state.cursor(), keep=history, history=history, complete_to=reached)

    def _complete(self, state: State) -> int | None:
        """When the eldest of the last looks began, once there was one at each query."""
        spots = [state.spot(query.name) for query in self.queries]
        return min(one.looked for one in spots) * MICROS if all(s.live for s in spots) else None

    def _rows_known(self, query: Asked, state: State) -> Known:
        path = self._opening.folder / f"{query.name}.{state.round}.known"
        found = self._known.get(path.name)
        if found is None:
            for old in self._opening.folder.glob(f"{query.name}.*.known"):
                if old != path:
                    old.unlink()
            found = Known(path, state.round, state.spot(query.name).kept)
            self._known[path.name] = found
        return found


def _why(query: Asked, state: State, error: BadQuery) -> UpwellError:
    """The error, or that a column is of another type than it was, where that is why."""
    spot = state.spot(query.name)
    if error.problem.code == "types" and spot.types is not None:
        try:
            query.same_types(spot, *query.probed())
        except UpwellError as found:
            return found
    return error


def _has_past(query: Asked, state: State) -> bool:
    return query.way == "cursor" and not state.spot(query.name).live


def _move(query: Asked, spot: Spot, place: Place, at: int | None) -> None:
    """The cursor goes forward only: a look begins before it."""
    before = None if spot.time is None else query.micros(unbound(spot.time), spot)
    if not spot.live or before is None or (at is not None and at >= before):
        spot.time, spot.id, spot.since = bound(place[0]), bound(place[1]), 0


def _fresh(known: Known, query: Asked, got: Got, rows: Rows) -> list[bytes]:
    """The lines that are new or other than they were."""
    lines = query.lines(got, rows)
    new = known.fresh(query.keys(got, rows), numbers(lines))
    if new.all():
        return lines
    return [line for line, is_new in zip(lines, new.tolist(), strict=True) if is_new]


def _epoch(clock: Clock) -> int:
    return to_micros(clock()) // MICROS
