"""Watching what events look like: samples of what was stored since the last look, and daily counts.

One look reads at most `ROWS` stored events and keeps `EACH` of every event of every source; it
runs beside the loop, and never while nothing came.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import structlog

from upwell.detect import Limits, so_far
from upwell.errors import NotFound
from upwell.period import to_instant
from upwell.projection import Projection
from upwell.query.complete import Through
from upwell.sources import shape
from upwell.sources.shape import Sample, Shape
from upwell.state import shapes as kept
from upwell.state.db import State
from upwell.web.health_shapes import Drift, DriftKind, FieldSeen

log = structlog.get_logger()

EVERY = 30.0  # seconds between two looks
ROWS = 50_000
EACH = 50
BACK = 70  # days of counts that a day is judged by
NAMES = 300  # events of a source that are followed, the most frequent
FAR = Limits(medium=5.0, high=8.0)  # hundreds of counts are looked at each day
QUIET = 30 * 86_400_000_000  # micros that a volume which somebody has seen is not told again

_SHAPE = msgspec.json.Decoder(Shape)
_METADATA = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RECENT = """
with recent as (
  select seq, idx, source, coalesce(name, type) as event, recorded_at, metadata from events
  where version_seq > ? and version_seq <= ? and superseded_at is null limit ?)
select source, event, list(struct_pack(seq, idx, recorded_at, metadata) order by seq, idx)
from (from recent qualify row_number() over (partition by source, event order by seq, idx) <= ?)
group by source, event
"""
_COUNTS = """
select coalesce(name, type) as event, day, sum(n)::bigint from cells
where source = ? and day >= ? and type not like '%:%' and type not like '@%'
group by all having sum(n) > 0
"""


class Volume(NamedTuple):
    """A day of an event that is far from what was expected of it."""

    event: str
    day: int
    events: int
    low: float
    high: float


class Drifting:
    """What the events of every source look like; `look` is one look, `start` a thread of them."""

    def __init__(self, projection: Projection, state: State, now: Callable[[], int]) -> None:
        self._projection, self._state, self._now = projection, state, now
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._changing = threading.Lock()

    def start(self) -> None:
        """Look now and then."""
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(30)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - numbers do not depend on it
                log.error("drift not looked for", error=repr(error))

    def look(self) -> int:
        """Take in samples of what was stored since the last look; how many."""
        with self._changing:
            return self._look()

    def _look(self) -> int:
        after, upto = kept.position(self._state), self._projection.applied
        if upto == after:
            return 0
        rows = self._projection.reader().execute(_RECENT, [after, upto, ROWS, EACH]).fetchall()
        known = kept.every(self._state)
        bodies, taken = {}, 0
        for source, event, found in rows:
            body = known.get((source, event))
            samples = [_sample(**one) for one in found]
            taken += len(samples)
            fresh = shape.learned(_SHAPE.decode(body) if body else None, samples)
            bodies[source, event] = msgspec.json.encode(fresh)
        kept.keep(self._state, bodies, upto)
        return taken

    def fields(self, source: str) -> list[FieldSeen]:
        """The fields of a source's events, each with its newest value."""
        found = [
            (event, name, field)
            for event, one in self._shapes(source)
            for name, field in sorted(one.fields.items())
        ]
        examples = self._examples([(field.seq, field.idx) for *_, field in found])
        return [
            FieldSeen(
                event=event,
                field=name,
                type=" or ".join(field.types),
                first_seen=to_instant(field.first),
                last_seen=to_instant(field.last),
                example=examples.get((field.seq, field.idx), {}).get(name, ""),
            )
            for event, name, field in found
        ]

    def drift(self, source: str, through: Through | None = None) -> list[Drift]:
        """What of a source is not as it was and nobody has seen; newest first.

        `through`: how far it is; a day that is not all here is not judged.
        """
        found = [
            (event, one) for event, each in self._shapes(source) for one in shape.changes(each)
        ]
        examples = self._examples([(one.seq, one.idx) for _, one in found])
        told = [
            Drift(
                id=f"{one.kind}:{event}:{one.field}",
                kind=one.kind,
                event=event,
                field=one.field,
                text=one.text,
                since=to_instant(one.since),
                example=examples.get((one.seq, one.idx), {}).get(one.field, ""),
            )
            for event, one in found
        ]
        told += self._volumes(source, through)
        return sorted(told, key=lambda one: one.since, reverse=True)

    def seen(self, source: str, id_: str) -> None:
        """Somebody has seen a change; raises NotFound where there is none of that id."""
        kind, _, rest = id_.partition(":")
        if kind in ("volume", "silent"):
            kept.note(self._state, source, id_, self._now())
            return
        with self._changing:
            for event, one in self._shapes(source):
                for change in shape.changes(one):
                    if rest == f"{event}:{change.field}" and change.kind == kind:
                        fresh = shape.seen(one, change.kind, change.field)
                        kept.keep(self._state, {(source, event): msgspec.json.encode(fresh)})
                        return
        raise NotFound(
            "unknown_change",
            f"Nothing called '{id_[:80]}' has changed in '{source[:80]}'.",
            fix=f"/v1/sources/{source[:80]}/health lists what has.",
        )

    def _volumes(self, source: str, through: Through | None) -> Iterator[Drift]:
        zone, noted = self._projection.zone, kept.noted(self._state, source)
        here = self._now() if through is None else min(self._now(), through.to or 0)
        day = zone.day_of(here) - 1  # the last that is over, and all here
        for one in self._far(source, day):
            kind: DriftKind = "volume" if one.events else "silent"
            id_ = f"{kind}:{one.event}"
            if self._now() - noted.get(id_, -QUIET) < QUIET:
                continue
            usual = f"{one.low:,.0f} to {one.high:,.0f} were expected"
            said = f"{one.events:,} came, {usual}." if one.events else f"None came, {usual}."
            yield Drift(
                id=id_,
                kind=kind,
                event=one.event,
                field="",
                text=said,
                since=to_instant(zone.opens(one.day)),
                example="",
            )

    def _far(self, source: str, day: int) -> Iterator[Volume]:
        """The events whose count of a day is far from what the weeks before it say."""
        rows = self._projection.reader().execute(_COUNTS, [source, day - BACK]).fetchall()
        counts: dict[str, dict[int, float]] = {}
        for event, on, events in rows:
            counts.setdefault(event, {})[on] = float(events)
        often = sorted(counts, key=lambda event: -sum(counts[event].values()))
        for event in often[:NAMES]:
            days = counts[event]
            earlier = {on: days.get(on, 0.0) for on in range(min(days), day)}
            value = days.get(day, 0.0)
            found = so_far(earlier, day, value, kind="count", direction="none", limits=FAR)
            if found.severity is not None and found.low is not None and found.high is not None:
                yield Volume(event, day, int(value), found.low, found.high)

    def _shapes(self, source: str) -> list[tuple[str, Shape]]:
        bodies = kept.every(self._state, source)
        return [(event, _SHAPE.decode(body)) for (_, event), body in sorted(bodies.items())]

    def _examples(self, places: list[tuple[int, int]]) -> dict[tuple[int, int], dict[str, str]]:
        """The metadata of events by their place, each value as JSON, cut short."""
        if not places:
            return {}
        seqs = sorted({seq for seq, _ in places})
        rows = self._projection.reader().execute(
            """select seq, idx, metadata from events
            where seq in (select unnest(?::bigint[])) and idx in (select unnest(?::integer[]))""",
            [seqs, sorted({idx for _, idx in places})],
        )
        wanted = set(places)
        return {
            (seq, idx): {
                name: bytes(value).decode()[:120]
                for name, value in _METADATA.decode(metadata or "{}").items()
            }
            for seq, idx, metadata in rows.fetchall()
            if (seq, idx) in wanted
        }


def _sample(seq: int, idx: int, recorded_at: int, metadata: str | None) -> Sample:
    return Sample(seq, idx, recorded_at, msgspec.json.decode(metadata or "{}"))
