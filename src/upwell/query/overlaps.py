"""Where several sources tell of the same measure of a product: whose word counts, and whose not."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from upwell.access import Viewer
from upwell.metrics.authority import MEASURE_OF, REPORTED_TYPES, sent_as
from upwell.period import to_date, to_micros
from upwell.projection import Projection

DAYS = 30  # in which a source has sent something
Decided = Literal["configured", "billing", "nobody"]


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """A source with events of the measure in the last 30 days; without `counts` it only reports."""

    source: str
    events: int
    last: dt.date
    counts: bool


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of a product that several sources tell of, or only others than the authority.

    `decided`: the product's `authority` says whose word counts, or a billing source is configured
    for it, or nobody has decided and all of them are added. `authority` names those that count
    then, whether they sent anything or not.
    """

    product: str
    measure: str
    decided: Decided
    authority: tuple[str, ...]
    sources: tuple[Sender, ...]


class Overlaps(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, by product and measure."""

    overlaps: tuple[Overlap, ...]


def overlaps(projection: Projection, viewer: Viewer, now: dt.datetime) -> Overlaps:
    """What overlaps of the products that the viewer may see, in the 30 days until now."""
    today = projection.zone.day_of(to_micros(now))
    rows = projection.reader().execute(
        """select product, source, type, sum(n)::bigint, max(day) from cells
        where day > ? and day <= ? and type in (select unnest(?::varchar[]))
        group by all having sum(n) > 0 order by all""",
        [today - DAYS, today, [*MEASURE_OF, *REPORTED_TYPES]],
    )
    found: dict[tuple[str, str], dict[str, Sender]] = {}
    for product, source, kind, events, last in rows.fetchall():
        if viewer.sees(product):
            own = found.setdefault((product, MEASURE_OF[sent_as(kind)]), {})
            known = own.get(source)
            own[source] = Sender(
                source=source,
                events=events + (known.events if known else 0),
                last=max(to_date(last), known.last if known else dt.date.min),
                counts=kind in MEASURE_OF,
            )
    return Overlaps(
        overlaps=tuple(
            _overlap(projection, product, measure, tuple(own.values()))
            for (product, measure), own in sorted(found.items())
            if len(own) > 1 or not all(sender.counts for sender in own.values())
        )
    )


def _overlap(
    projection: Projection, product: str, measure: str, senders: tuple[Sender, ...]
) -> Overlap:
    ground = projection.ground
    kind = next(kind for kind, of in MEASURE_OF.items() if of == measure)
    chosen = next((dict(p.authority) for p in ground.products if p.id == product), {})
    counts = ground.authorities.get((product, kind), frozenset())
    return Overlap(
        product=product,
        measure=measure,
        decided="configured" if measure in chosen else "billing" if counts else "nobody",
        authority=tuple(sorted(counts)),
        sources=senders,
    )
