"""Reading a property: the last days at each look, then the past, newest first, within its quotas.

The last days are read whole, and of them only rows that changed are passed on. What was passed on
lies in a file of the folder: without it all of them are passed on once more, and counted once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from upwell.metrics.reported import REPORTS
from upwell.period import Zone, to_day
from upwell.settings import Ga4Source, duration
from upwell.sources.answers import whole
from upwell.sources.contract import Clock, Cursor, Opening, Page, QuotaGone
from upwell.sources.ga4.calls import BATCH, Asked, Google, Got
from upwell.sources.ga4.cursor import Slice, State, begun, epoch
from upwell.sources.ga4.known import Known
from upwell.sources.ga4.reports import Body, Part, days

TIMEOUT = 120.0
_UNKNOWN = 50  # tokens that a page of the past may take, before any was read


class _Piece(NamedTuple):
    """What one answer to one question is worth passing on; `ends` the days it was read to."""

    part: Part
    flags: int
    ends: tuple[str, ...]


class Ga4Reader:
    """Reads one property."""

    def __init__(self, opening: Opening) -> None:
        settings = opening.settings
        assert isinstance(settings, Ga4Source)
        self._stopping = opening.stopping
        self._property = settings.property
        self._every = duration(settings.every).total_seconds()
        self._client = opening.client(TIMEOUT)
        self._google = Google(
            settings.property,
            settings.api_base,
            lambda: opening.secret(settings.credentials),
            opening.reach,
            self._send,
        )
        self._known = Known(opening.folder / "last_days.json")
        self._began = 0  # the last look that was begun here

    def read(self, cursor: Cursor | None, clock: Clock) -> Iterator[Page]:
        """The last days, then the past; between two pages of the past the last days when due."""
        state = self._state(cursor, clock)
        looked = False
        while not self._stopping():
            now = epoch(clock())
            if state.live is None and (not looked or now - state.looked >= self._every):
                state.live, looked, self._began = state.look(now), True, now
            if state.live is not None:
                self._may_ask(state, now)
                yield from self._live(state, state.live, now)
                continue
            if state.past is None:
                state.past = state.back(now)
            if state.past is None or self._waits(state, now):
                return
            yield self._past(state, state.past, now)

    def check(self) -> Sequence[str]:
        """Ask for the property's zone; raises as `read`."""
        zone, currency = self._google.zone(0)
        left = self._google.quota
        found = [
            f"Property {self._property}: days of {zone}, money in {currency or 'no currency'}",
            f"Reports: {', '.join(REPORTS)}",
        ]
        if left is not None:
            found.append(f"Tokens left: {left.hour:,} this hour, {left.day:,} today")
        return found

    def close(self) -> None:
        """Close its connections."""
        self._google.close()
        self._client.close()

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        request = self._client.build_request(method, url, headers=dict(headers), content=body)
        return whole(self._client, request, "Google Analytics")

    def _state(self, cursor: Cursor | None, clock: Clock) -> State:
        if cursor is not None:
            return msgspec.convert(cursor, State)
        now = epoch(clock())
        zone, _ = self._google.zone(now)
        return begun(zone, now, self._google.quota)

    def _may_ask(self, state: State, now: int) -> None:
        """Nothing, or QuotaGone where the last answer said that no token is left."""
        wait = state.quota.wait(now) if state.quota else 0
        if wait:
            raise QuotaGone(
                "The property's tokens for reports are used up.",
                wait,
                fix="Nothing is to be done: reading goes on when they are back.",
            )

    def _waits(self, state: State, now: int) -> bool:
        """Whether the past must wait so that the last days can be looked at until tokens come."""
        if state.quota is None:
            return False
        need = max(state.cost) or _UNKNOWN
        return state.quota.wait(now, need, state.spare(now, self._every)) > 0

    def _live(self, state: State, slice_: Slice, now: int) -> Iterator[Page]:
        pieces, read = self._ask(state, slice_, now, live=True)
        ended, reached = not slice_.left, None
        if ended:
            state.live, state.cost = None, (slice_.tokens, state.cost[1])
            state.looked = slice_.began
            yesterday = to_day(state.today(slice_.began)) - 1
            reached = Zone(state.zone).opens(yesterday)
        kept = [piece for piece in pieces if piece.part.rows or piece.part.gone or piece.part.days]
        rows = _rows(kept)
        yield Page(
            cursor=state.cursor(),
            body=self._body(kept) if kept else b"",
            rows=rows,
            read=read,
            restates=True,
            keep=bool(kept),
            complete_to=reached,
            label="the last days",
        )
        # The page was taken: it need not be passed on again.
        for piece in pieces:
            part = piece.part
            self._known.learn(part.report, part.rows, part.gone)
            self._known.mark(part.report, piece.ends, piece.flags)
        if ended:
            # Of a look that was begun before a restart not all is known.
            self._known.keep(slice_.began if self._began == slice_.began else 0, slice_.start)

    def _past(self, state: State, slice_: Slice, now: int) -> Page:
        pieces, read = self._ask(state, slice_, now, live=False)
        state.cost = (state.cost[0], self._google.spent)
        restates = state.again
        if not slice_.left:
            state.past, state.upto = None, slice_.start
            state.again = state.again and state.upto > state.floor
        first, upto, floor = (_day(text) for text in (state.first, state.upto, state.floor))
        return Page(
            cursor=state.cursor(),
            body=self._body(pieces),
            rows=_rows(pieces),
            read=read,
            history=True,
            restates=restates,
            label=f"{slice_.start} to {slice_.end}",
            done=first - upto,
            total=first - floor,
        )

    def _ask(
        self, state: State, slice_: Slice, now: int, *, live: bool
    ) -> tuple[list[_Piece], int]:
        """One request: what it brought, and how many rows; the slice is moved on."""
        asked = [
            Asked(report, slice_.start, slice_.end, offset)
            for report, offset in slice_.left[:BATCH]
        ]
        answers = self._google.batch(asked, now)
        state.quota = self._google.quota or state.quota
        state.zone = answers[0].zone
        slice_.tokens += self._google.spent
        more, pieces = [], []
        for one, got in zip(asked, answers, strict=True):
            after = one.offset + len(got.rows)
            ended = after >= got.total or not got.rows
            if not ended:
                more.append((one.report, after))
            pieces.append(self._piece(state, one, got, ended=ended, live=live))
        slice_.left = more + slice_.left[BATCH:]
        return pieces, sum(len(got.rows) for got in answers)

    def _piece(self, state: State, one: Asked, got: Got, *, ended: bool, live: bool) -> _Piece:
        rows, gone = got.rows, list[list[str]]()
        ends = days(one.start, one.end) if ended else ()
        marked: Sequence[str] = ends
        if live:
            rows = self._known.changed(one.report, one.offset, rows, state.looked)
            gone = self._known.gone(one.report, ends)
            marked = self._known.unmarked(one.report, ends, got.flags, state.looked)
        part = Part(
            report=one.report,
            zone=got.zone,
            currency=got.currency,
            flags=got.flags,
            days=tuple(marked),
            rows=tuple(rows),
            gone=tuple(gone),
        )
        return _Piece(part, got.flags, ends)

    def _body(self, pieces: Sequence[_Piece]) -> bytes:
        parts = tuple(piece.part for piece in pieces)
        return msgspec.json.encode(Body(property=self._property, parts=parts))


def _rows(pieces: Sequence[_Piece]) -> int:
    return sum(len(piece.part.rows) + len(piece.part.gone) for piece in pieces)


def _day(text: str) -> int:
    return to_day(dt.date.fromisoformat(text))
