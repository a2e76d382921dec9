"""A small house for laws: journal, loop and sums in a directory; all they hold as plain data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.oracle.plain import Counted, Event, OwnMetric, Rules
from upwell.event import Delivery
from upwell.flow import Flow
from upwell.journal import Journal
from upwell.metrics.own import Activation, Own
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.projection.store import ENTERED, REACHED, VISIT
from upwell.projection.verify import differences
from upwell.sources.http import receive

PRODUCTS = ("mail", "docs", "x")
NOW = 1_795_000_000_000_000  # a moment in November 2026, UTC microseconds
SETS = ("actors", "active", "visitors")


def ground(rules: Rules, products: Sequence[str] = PRODUCTS) -> Ground:
    """The configuration that stands for the rules."""
    own = {name: tuple(sorted(types)) for name, types in rules.own_active.items()}
    activation = {
        name: Activation(event=event, times=times, days=days)
        for name, (event, times, days) in rules.activation.items()
    }
    return Ground(
        timezone=rules.zone,
        exclude=rules.exclude,
        active=tuple(sorted(rules.active)),
        rules=rules.identity,
        activation=activation.pop("", Activation()),
        metrics=tuple(map(_own, rules.own)),
        products=tuple(
            GroundProduct(
                id=name,
                active=own.get(name),
                activation=activation.get(name),
                authority=tuple(rules.authority.get(name, {}).items()),
            )
            for name in products
        ),
    )


def _own(metric: OwnMetric) -> Own:
    return Own(
        name=metric.name,
        aggregate="unique" if metric.users else "sum",
        of="actor_id" if metric.users else "value",
        types=None if metric.types is None else tuple(metric.types),
        named=metric.named,
        where=tuple((key, tuple(allowed)) for key, allowed in metric.where.items()),
    )


def config(rules: Rules, at: int = NOW) -> Delivery:
    """The rules as a delivery."""
    body = msgspec.json.encode(ground(rules))
    return Delivery(kind="config", source="upwell", received_at=at, body=body)


def batch(events: Sequence[Event], at: int = NOW) -> Delivery:
    """Events as the door would keep them; all of them must be good."""
    body = msgspec.json.encode([event.wire() for event in events])
    received = receive(
        body, "application/json", source="app", products=frozenset(PRODUCTS), received_at=at
    )
    assert not received.rejected
    assert received.delivery is not None
    return received.delivery


class World(NamedTuple):
    """An open journal with what follows it."""

    journal: Journal
    projection: Projection
    flow: Flow

    def take(self, *deliveries: Delivery) -> list[int]:
        """Journal the deliveries and apply everything; their sequences."""
        seqs = self.journal.append(deliveries)
        self.catch_up()
        return seqs

    def catch_up(self) -> None:
        """Apply what waits."""
        while self.flow.follow():
            pass


@contextmanager
def world(path: Path) -> Iterator[World]:
    """The world of a directory, closed at the end of the block."""
    journal = Journal.open(path)
    try:
        projection = Projection(path, memory="256MB")
        try:
            yield World(journal, projection, Flow(journal, projection))
        finally:
            projection.close()
    finally:
        journal.close()


def held(projection: Projection) -> dict[str, Any]:
    """Every sum, in memory and in the file, without what tells batches apart."""
    db = projection.reader()
    rows = db.execute("select no, product, actor from actors").fetchall()
    actors = {no: actor for no, _, actor in rows}
    cells = db.execute(
        "select product, type, currency, source, day, plan, country, channel, reason, name,"
        " sum(n)::bigint, sum(value) from cells group by all having sum(n) <> 0 or sum(value) <> 0"
    ).fetchall()
    hours = db.execute(
        "select product, type, currency, day, hour, sum(n)::bigint, sum(value) from hours"
        " group by all having sum(n) <> 0 or sum(value) <> 0"
    ).fetchall()
    days = db.execute("select product, members, actor, day from actor_days").fetchall()
    sums = projection.sums
    return {
        "cells": {tuple(row[:10]): (row[10], row[11]) for row in cells},
        "hours in the file": {tuple(row[:5]): (row[5], row[6]) for row in hours},
        "actor_days": sorted((p, m, actors[no], day) for p, m, no, day in days),
        "days": _filled(sums.days),
        "hours": _filled(sums.hours),
        "gaps": _filled(sums.gaps),
        "seen": projection.seen(),
        "people": people(projection),
    }


def people(projection: Projection) -> list[list[tuple[str, str]]]:
    """Who is several actors: all of them."""
    rows = projection.reader().execute("select no, product, actor from actors").fetchall()
    person, found = projection.persons(), defaultdict[int, list[tuple[str, str]]](list)
    for no, product, actor in rows:
        found[int(person[no])].append((product, actor))
    return sorted(sorted(group) for group in found.values() if len(group) > 1)


def changes(projection: Projection) -> list[tuple[Any, ...]]:
    """The changes to ended days, added up by when they were recorded."""
    rows = projection.reader().execute(
        "select product, type, currency, source, day, plan, country, channel, reason, name,"
        " recorded_at, sum(n)::bigint, sum(value) from cell_changes group by all"
        " having sum(n) <> 0 or sum(value) <> 0"
    )
    return sorted(rows.fetchall(), key=repr)


def _filled(table: Any) -> dict[Any, Any]:
    found = {
        key: {slot: cell for slot, cell in own.items() if cell not in ([0, 0], {})}
        for key, own in table.items()
    }
    return {key: own for key, own in found.items() if own}


def agree(projection: Projection, counted: Counted) -> None:
    """Assert that every sum is what brute force finds."""
    now = held(projection)
    assert now["cells"] == counted.cells()
    for bucket, table in (("day", now["days"]), ("hour", now["hours"])):
        own = {
            key: {slot: (n, Decimal(value).scaleb(-9)) for slot, (n, value) in cells.items()}
            for key, cells in table.items()
            if not key[1].startswith("@")
        }
        expected = {
            key: {slot: cell for slot, cell in cells.items() if any(cell)}
            for key, cells in counted.series(bucket).items()
        }
        assert own == expected
    _agree_on_persons(projection, counted)
    _agree_on_people(projection, counted)
    _agree_on_histories(now["days"], counted)


def _agree_on_persons(projection: Projection, counted: Counted) -> None:
    groups = [
        sorted(one for one in group if len(one) == 2) for group in set(counted.persons.values())
    ]
    assert people(projection) == sorted(group for group in groups if len(group) > 1)


def _agree_on_people(projection: Projection, counted: Counted) -> None:
    actor_days = held(projection)["actor_days"]
    for name in (*SETS, *(f"own:{own.name}" for own in counted.rules.own if own.users)):
        days = counted.days_of(name)
        expected = sorted((p, name, actor, day) for (p, actor), own in days.items() for day in own)
        assert [row for row in actor_days if row[1] == name] == expected
        edges = sorted({day + step for own in days.values() for day in own for step in (-1, 0, 1)})
        apart = counted.days_of_people(name, company=False)
        whole = counted.days_of_people(name, company=True)
        for first in edges:
            for end in (first + 1, first + 2, first + 30, *(e for e in edges if e > first)):
                for product in PRODUCTS:
                    found = projection.sums.distinct(product, name, first, end)
                    assert found == _active(apart, product, first, end)
                found = projection.sums.people(PRODUCTS, name, first, end)
                assert found == _active(whole, "", first, end)


def _active(days: dict[Any, set[int]], place: str, first: int, end: int) -> int:
    return sum(
        own_place == place and any(first <= day < end for day in own)
        for (own_place, _), own in days.items()
    )


def _agree_on_histories(days: dict[Any, Any], counted: Counted) -> None:
    entered, reached = counted.activated()
    for kind, expected in (
        (VISIT, counted.visits()),
        (f"{ENTERED}:activation_rate", entered),
        (f"{REACHED}:activation_rate", reached),
    ):
        own = {
            (product, day): cell[0]
            for (product, name, _), cells in days.items()
            if name == kind
            for day, cell in cells.items()
        }
        assert own == dict(expected)


def right(projection: Projection) -> None:
    """Assert that `verify` finds nothing wrong with the sums."""
    found = {name: wrong for name, wrong, _ in differences(projection)}
    assert found == {"sums": [], "people": [], "ledger": []}


def arrived(deliveries: Iterable[tuple[int, Sequence[Event]]]) -> Iterator[tuple[int, Event]]:
    """Events with when they were received, in order."""
    for at, events in deliveries:
        for event in events:
            yield at, event
