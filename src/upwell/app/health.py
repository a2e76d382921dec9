"""How sources are doing, as pages and the terminal tell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from upwell.app.drifting import Drifting
from upwell.app.house import House
from upwell.app.link import Link
from upwell.app.mending import record_of
from upwell.errors import NotFound, nearest
from upwell.journal import Arrived
from upwell.period import to_date, to_instant, to_micros
from upwell.projection.doubts import listed
from upwell.state import keys
from upwell.state.sources import Source
from upwell.web.health_shapes import (
    DayCount,
    EventCount,
    SourceHealth,
    Unusable,
)

QUIET = 24 * 3600 * 1_000_000  # a source that sent nothing for a day is quiet
SPARK = 30  # days of events beside each source
DAYS = 90  # the same of one in detail
NAMES = 500
RECORD = 4096  # bytes of a record that are shown
OWN = "type not like '%:%' and type not like '@%'"  # what came, and not what is counted of it

NEXT: Mapping[str, str] = {
    "sign-in": "Give it a key or password that is taken; reading goes on where it was.",
    "permissions": "Allow it, where the key was made, to read what the message names.",
    "query": "Correct the query; nothing that was read is lost.",
    "quota": "Nothing needs to be done: it goes on when it is answered again.",
    "truncated": "Nothing needs to be done: what was cut off is read again.",
    "too-large": "Check that the address is the vendor's. It is tried again every five minutes.",
    "moved": "Set api_base to the address it names, if that is the vendor's.",
    "refused": "Change what the message names. It is tried again every five minutes.",
    "unreachable": "Check the address and the network. It is tried again every minute.",
    "inside": "This is a mistake in Upwell: its log says where. It is tried again every minute.",
}
FIXES: Mapping[str, str] = {
    "unknown_product": "Add the product under Settings, or correct the id where it is sent.",
    "conflicting_duplicate": "Send a new idempotency_key with what differs.",
    "untranslatable": "Correct what sends it, or upgrade Upwell, then try again.",
    "unusable": "The log says why it could not be counted; try again after an upgrade.",
    "damaged": "The disk gave other bytes than were written: restore a backup.",
}


class Health:
    """The sources of a house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.drifting = Drifting(house.projection, house.state, lambda: to_micros(house.clock()))

    def listed(self) -> list[dict[str, Any]]:
        """Every source that ever delivered or is to be read, as `shapes.Source` has it."""
        house, now = self._house, to_micros(self._house.clock())
        products: defaultdict[str, set[str]] = defaultdict(set)
        events: defaultdict[str, int] = defaultdict(int)
        for (product, source), seen in house.projection.seen().items():
            products[source].add(product)
            events[source] += seen.events
        dead, doubts, days = self._dead(), self._doubts(), self._days()
        arrived = {one.source: one for one in house.journal.sources()}
        sites = {key.name for key in keys.every(house.state) if key.origins is not None}
        links = {link.id: link for link in house.links.every()}
        found = []
        for name in sorted({*arrived, *links}):
            came = arrived.get(name)
            last = None if came is None else came.last
            entry: dict[str, Any] = {
                "id": name,
                "name": name,
                "kind": _door(came, sites),
                "products": tuple(sorted(products[name])),
                "state": "live" if last is not None and now - last < QUIET else "quiet",
                "last_received": None if last is None else to_instant(last),
                "deliveries": 0 if came is None else came.deliveries,
                "events": events[name],
                "days": days.get(name, (0,) * SPARK),
                "dead_letters": dead.get(name, 0),
                "doubts": doubts.get(name, []),
                "error": None,
            }
            if house.filling is not None and name == house.filling.source:
                entry["state"] = "backfilling"
            if name in links:
                entry |= self._read(links[name], entry["products"])
            found.append(entry)
        return found

    def _read(self, link: Link, seen: Sequence[str]) -> dict[str, Any]:
        """What there is to say of a source that is read: how far, and why not."""
        house = self._house
        row, progress, through = (
            house.links.row(link.id),
            house.reading(link.id),
            house.standings.of(link.id),
        )
        said: dict[str, Any] = {
            "kind": link.kind,
            "name": link.name,
            "read": True,
            "live": bool(link.webhook_secret),
            "products": tuple(sorted({*seen, *filter(None, (link.origin.product,))})),
            "made": link.made,
        }
        if through is not None:
            said["late"] = through.late
            said["complete_to"] = None if through.to is None else to_instant(through.to)
        if progress is not None:
            said |= {"state": "backfilling", "reading": progress}
        if row is not None and row.failed:
            said |= {
                "state": "failed",
                "failed": row.failed,
                "error": row.error,
                "fix": _next(row),
                "since": None if row.failed_at is None else to_instant(row.failed_at),
            }
        if link.paused:
            said["state"] = "paused"
        return said

    def _dead(self) -> dict[str, int]:
        rows = self._house.projection.reader().execute(
            "select source, count(*) from dead_letters where settled_seq is null group by source"
        )
        return dict(rows.fetchall())

    def _doubts(self) -> dict[str, list[dict[str, Any]]]:
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in listed(self._house.projection.reader()):
            told = {**one._asdict(), "last_seen": to_instant(one.last_seen)}
            found[told.pop("source")].append(told)
        return found

    def _days(self) -> dict[str, tuple[int, ...]]:
        """Events of the last 30 local days, today last, by source."""
        projection = self._house.projection
        first = projection.zone.today(self._house.clock()) - SPARK + 1
        rows = projection.reader().execute(
            f"""select source, day, sum(n)::bigint from cells
            where day >= ? and day < ? and {OWN} group by all""",
            [first, first + SPARK],
        )
        found: defaultdict[str, list[int]] = defaultdict(lambda: [0] * SPARK)
        for source, day, events in rows.fetchall():
            found[source][day - first] = events
        return {source: tuple(counts) for source, counts in found.items()}

    # One of them

    def detail(self, source: str) -> SourceHealth:
        """One source: its events, their fields, what changed, what could not be used."""
        known = {name for name, *_ in self._house.journal.sources()}
        known |= {link.id for link in self._house.links.every()}
        if source not in known:
            raise NotFound(
                "unknown_source",
                f"There is no source '{source[:80]}'.",
                fix=nearest(source, known),
                where="source",
            )
        through = self._house.standings.of(source)
        return SourceHealth(
            source=source,
            volumes=self._volumes(source),
            events=self._events(source),
            fields=tuple(self.drifting.fields(source)),
            drift=tuple(self.drifting.drift(source, through)),
            unusable=self._unusable(source),
        )

    def seen(self, source: str, drift: str) -> None:
        """Somebody has seen a change; raises NotFound where there is none of that id."""
        self.drifting.seen(source, drift)

    def _volumes(self, source: str) -> tuple[DayCount, ...]:
        projection = self._house.projection
        last = projection.zone.today(self._house.clock())
        rows = projection.reader().execute(
            f"""select day, sum(n)::bigint from cells
            where source = ? and day > ? and day <= ? and {OWN} group by all""",
            [source, last - DAYS, last],
        )
        counts = dict(rows.fetchall())
        return tuple(
            DayCount(day=to_date(day), events=counts.get(day, 0))
            for day in range(last - DAYS + 1, last + 1)
        )

    def _events(self, source: str) -> tuple[EventCount, ...]:
        rows = self._house.projection.reader().execute(
            f"""select coalesce(name, type), type, sum(n)::bigint, min(day), max(day) from cells
            where source = ? and n > 0 and {OWN} group by all order by 3 desc, 1 limit {NAMES}""",
            [source],
        )
        return tuple(
            EventCount(
                name=name,
                type=kind,
                events=events,
                first_seen=to_date(first),
                last_seen=to_date(last),
            )
            for name, kind, events, first, last in rows.fetchall()
        )

    def _unusable(self, source: str) -> tuple[Unusable, ...]:
        rows = self._house.projection.reader().execute(
            """select code, arg_max(reason, (seq, idx)), count(*), min(recorded_at),
              max(recorded_at), max((seq, idx)) from dead_letters
            where settled_seq is null and source = ? group by code order by 3 desc, 1""",
            [source],
        )
        found = []
        for code, reason, records, first, last, newest in rows.fetchall():
            seq, idx = newest
            delivery = self._house.journal.get(seq)
            found.append(
                Unusable(
                    code=code,
                    reason=reason,
                    fix=FIXES.get(code, "Correct what sends it, then try again."),
                    records=records,
                    first_seen=to_instant(first),
                    last_seen=to_instant(last),
                    seq=seq,
                    idx=idx,
                    record="" if delivery is None else record_of(delivery, idx, RECORD),
                )
            )
        return tuple(found)


def went(id_: str, row: Source | None) -> dict[str, Any]:
    """How reading a source went, as `upwell sync` tells it."""
    if row is None or not row.failed:
        return {"id": id_, "ok": True, "error": ""}
    return {"id": id_, "ok": False, "error": row.error, "fix": _next(row)}


def _next(row: Source) -> str:
    """What to do about why a source failed: the vendor's own next step, or what is usual."""
    return row.fix or NEXT.get(row.failed, "")


def _door(came: Arrived | None, sites: Collection[str]) -> str:
    """What a source that sends by itself is: whose library, a website by its public key, ours."""
    if came is None:
        return "http"
    if came.kind.startswith("sdk"):
        return came.kind
    return "website" if came.source in sites else "http"
