"""From events that say who is who to links, and from links to persons; for a commit, or for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from upwell.projection.actors import Actors
from upwell.projection.crowd import connected, labels
from upwell.projection.persons import TRAIT, Links, Persons
from upwell.projection.runs import I64
from upwell.projection.said import KINDS, Said, said

_IDENTITIES = f"""
select e.product, a.actor, e.actor as actor_no, e.type, e.ts, e.metadata
from events e join actors a on a.no = e.actor
where e.type in {KINDS} and not e.excluded and e.superseded_at is null
"""

Told = list[tuple[str, int, int, Said]]  # product, number of the actor, micros, what


def identities(fresh: pa.Table) -> pa.Table:
    """The rows of events that say who is who; of nobody who is left out."""
    kinds = pc.is_in(fresh["type"], pa.array(KINDS))
    return fresh.filter(pc.and_(kinds, pc.invert(fresh["excluded"])))


def linked(
    db: duckdb.DuckDBPyConnection, events: pa.Table, actors: Actors, rules: Sequence[str]
) -> Links:
    """Write down what identity events say; columns product, actor, actor_no, type, ts, metadata."""
    told = _told(events, rules)
    rows = _rows(told, actors.number(db, *_named(told)))
    if len(rows):
        db.from_arrow(rows).insert_into("links")
    return Links.of(rows)


def refold(db: duckdb.DuckDBPyConnection, rules: Sequence[str]) -> None:
    """Fill the tables of links and persons from the stored events."""
    events = db.sql(_IDENTITIES).to_arrow_table()
    if len(events):
        actors = Actors()
        actors.load(db)
        db.from_arrow(_persons(linked(db, events, actors, rules), actors)).insert_into("persons")


def recounted(db: duckdb.DuckDBPyConnection, rules: Sequence[str]) -> pa.Table:
    """The table of persons as the stored events have it; nothing is written."""
    events = db.sql(_IDENTITIES).to_arrow_table()
    actors = Actors()
    if len(events):
        actors.load(db)
    told = _told(events, rules)
    return _persons(Links.of(_rows(told, actors.find(*_named(told)))), actors)


def _told(events: pa.Table, rules: Sequence[str]) -> Told:
    names = ("product", "actor", "actor_no", "type", "ts", "metadata")
    columns = [events[name].to_pylist() for name in names]
    return [
        (product, number, ts, one)
        for product, actor, number, kind, ts, metadata in zip(*columns, strict=True)
        for one in said(product, actor, kind, metadata, rules)
    ]


def _named(told: Told) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Product and name of the other actors; null where a trait is named, or nobody."""
    return (
        pa.chunked_array([pa.array([product for product, *_ in told], pa.string())]),
        pa.chunked_array([pa.array([one.other or None for *_, one in told], pa.string())]),
    )


def _rows(told: Told, others: Any) -> pa.Table:
    nodes = [
        one.trait or other or 0 for (*_, one), other in zip(told, others.to_pylist(), strict=True)
    ]
    return pa.table(
        {
            "actor": pa.array([number for _, number, _, _ in told], pa.int64()),
            "node": pa.array(nodes, pa.uint64()),
            "ts": pa.array([ts for _, _, ts, _ in told], pa.int64()),
            "cuts": pa.array([one.cuts for *_, one in told], pa.bool_()),
        }
    )


def _persons(links: Links, actors: Actors) -> pa.Table:
    """Everybody who is one with others, with whom they are in their product and over all."""
    actor, root = _resolved(links)
    own = labels(actor, root, actors.product_of(actor)).own
    return pa.table({"actor": actor, "own": own, "person": root})


def _resolved(links: Links) -> tuple[I64, I64]:
    """Everybody who is one with others, in order, and the smallest of these."""
    judge = Persons()
    judge.note(links)
    stands = pc.invert(links.cuts).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(stands) if judge.parts else ():
        link = (int(links.actor[row]), int(links.node[row]), int(links.ts[row]))
        stands[row] = judge.stands(*link)
    names, smallest = connected(links.actor[stands].astype(np.uint64), links.node[stands])
    named = names < TRAIT
    actor, root = names[named].astype(np.int64), smallest[named].astype(np.int64)
    of, count = np.unique(root, return_counts=True)
    several = np.isin(root, of[count > 1])
    return actor[several], root[several]
