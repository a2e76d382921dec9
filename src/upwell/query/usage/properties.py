"""Which properties events have, how often, and with which values: from the newest of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from upwell.event import DIMENSIONS, EVENT_TYPES
from upwell.projection import Projection
from upwell.query import scan
from upwell.query.usage import shapes

SAMPLE = 5_000  # events looked at
VALUES = 20  # of a property, shown
LONGEST = 200  # characters of a value
FIRST = 256  # deliveries looked through at first, then eight times as many, until there are enough


def properties(
    projection: Projection, products: Sequence[str], event: str | None
) -> shapes.Properties:
    """The properties of an event (a type, or a name; None: of all), the most frequent first."""
    seen, values, rows = _counted(_sample(projection, products, event))
    found = tuple(
        shapes.Property(
            name=name,
            events=count,
            share=count / rows,
            kind=_kind(list(values[name])),
            values=tuple(
                shapes.PropertyValue(value=value, events=times)
                for value, times in values[name].most_common(VALUES)
            ),
            distinct=len(values[name]),
        )
        for name, count in sorted(seen.items(), key=lambda one: (-one[1], one[0]))
    )
    return shapes.Properties(properties=found, sample=rows)


def known_names(projection: Projection, products: Sequence[str]) -> frozenset[str]:
    """The properties of the newest events of these products, and what every event may have."""
    seen, _, _ = _counted(_sample(projection, products, None))
    return frozenset(seen) | frozenset(DIMENSIONS)


def _counted(
    rows: list[tuple[str | None, ...]],
) -> tuple[Counter[str], dict[str, Counter[str]], int]:
    """By property on how many events it is, and how often each value was; the events in all."""
    seen, values = Counter[str](), defaultdict[str, Counter[str]](Counter)
    for metadata, *own in rows:
        traits = msgspec.json.decode(metadata) if metadata else {}
        traits |= {name: value for name, value in zip(DIMENSIONS, own, strict=True) if value}
        for name, value in traits.items():
            if value is not None:
                seen[name] += 1
                values[name][_text(value)] += 1
    return seen, values, len(rows)


def _sample(
    projection: Projection, products: Sequence[str], event: str | None
) -> list[tuple[str | None, ...]]:
    """The newest events: what they were sent with, and the declared dimensions."""
    clause, bound = "", list[str]()
    if event is not None:
        typed = event in EVENT_TYPES
        clause = "and type = ?" if typed else "and type = 'engagement' and name = ?"
        bound = [event]
    back, applied = FIRST, projection.applied
    while True:
        since = applied - back
        found = scan.run(
            projection,
            f"""select metadata, {", ".join(DIMENSIONS)} from events
            where seq > ? and product in (select unnest(?::varchar[])) and not excluded
              and superseded_at is null {clause}
            order by seq desc, idx desc limit {SAMPLE}""",
            [since, list(products), *bound],
        )
        if len(found) >= SAMPLE or since <= 0:
            return found
        back *= 8


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:LONGEST]


def _kind(values: list[str]) -> shapes.PropertyKind:
    if all(value in ("true", "false") for value in values):
        return "boolean"
    try:
        [float(value) for value in values]
    except ValueError:
        return "text"
    return "number"
