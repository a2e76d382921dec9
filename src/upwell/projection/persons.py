"""Which actors are one person, by what identity events say; kept up as they come.

A link stands while neither of its ends was parted at its time or later. So the map is a function
of the set of events: of the links, and of the latest parting of each actor, whatever the order in
which they came. Who shares a trait, or is linked, directly or over others, is one person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from upwell.projection import store
from upwell.projection.actors import Actors
from upwell.projection.crowd import NOBODY, Crowd, labels
from upwell.projection.runs import I64, U64, KeyIndex

TRAIT = np.uint64(1 << 63)  # nodes from here on are traits, those below are actors
NEVER = -1


class Links(NamedTuple):
    """Columns: what was said of an actor, about which node, when; `cuts` parts them."""

    actor: I64
    node: U64
    ts: I64
    cuts: pa.Array

    @classmethod
    def of(cls, rows: pa.Table) -> Links:
        """The columns of the table in the file."""
        return cls(
            rows["actor"].to_numpy().astype(np.int64),
            rows["node"].to_numpy().astype(np.uint64),
            rows["ts"].to_numpy().astype(np.int64),
            rows["cuts"].combine_chunks(),
        )


class Persons:
    """The persons of all actors; changed by one thread."""

    def __init__(self) -> None:
        self._root: dict[int, int] = {}  # of everybody who is one with others
        self._members: dict[int, list[int]] = {}  # by root, which is the smallest
        self._cut: dict[int, int] = {}  # when an actor was last parted from everybody
        self._parted: dict[tuple[int, int], int] = {}  # and when from one other
        self._holders = KeyIndex()  # trait -> somebody who has it
        self._moved: dict[int, int] = {}  # the same where that is no longer so; 0: nobody
        self._was: dict[int, int] = {}  # the roots before this commit, of those whom it touched

    @property
    def parts(self) -> bool:
        """Whether anybody was ever parted."""
        return bool(self._cut or self._parted)

    def load(self, db: duckdb.DuckDBPyConnection) -> None:
        """Take all that the file has."""
        for actor, person in db.execute("select actor, person from persons order by 1").fetchall():
            self._root[actor] = person
            self._members.setdefault(person, []).append(actor)
        self.note(Links.of(db.sql("select * from links where cuts").to_arrow_table()))
        found = db.execute(
            f"""select node, any_value(l.actor) as actor from links l
            left join (select actor, max(ts) as ts from links where cuts and node = 0
              group by actor) c on c.actor = l.actor
            where node >= {int(TRAIT)} and l.ts > coalesce(c.ts, {NEVER}) group by node"""
        ).fetchnumpy()
        nodes = np.asarray(found["node"], np.uint64)
        self._holders.add(nodes, np.zeros_like(nodes), np.asarray(found["actor"], np.int64))

    def take(self, db: duckdb.DuckDBPyConnection, new: Links) -> None:
        """Take links that are in the file already."""
        apart = self.note(new)
        if apart:
            nodes = set(_links_of(db, list(apart)).node.tolist())
            held = (node for node in nodes if node >= TRAIT and self._holder(node) in apart)
            self._moved.update(dict.fromkeys(held, 0))
            self._again(db, list(self._around(apart)))
        links = pc.invert(new.cuts).to_numpy(zero_copy_only=False)
        self._join(new.actor[links], new.node[links], new.ts[links])

    def crowd(self, actors: I64, known: Actors) -> Crowd:
        """Those whom the commit touched and the persons of these actors, with all they are."""
        if not self._root and not self._was:
            return NOBODY
        found = self._around({*self._was, *set(actors.tolist()).intersection(self._root)})
        if not found:
            return NOBODY
        actor = np.array(sorted(found), np.int64)
        now = [self._root.get(one, 0) for one in actor.tolist()]
        was = [self._was.get(one, root) for one, root in zip(actor.tolist(), now, strict=True)]
        product = known.product_of(actor)
        return Crowd(
            actor,
            labels(actor, np.array(was, np.int64), product),
            labels(actor, np.array(now, np.int64), product),
        )

    def write(self, db: duckdb.DuckDBPyConnection, crowd: Crowd) -> bool:
        """Write the crowd's persons into the file where any changed; whether that is so."""
        if not self._was:
            return False
        self._was = {}
        rows = pa.table({"actor": crowd.actor, "own": crowd.now.own, "person": crowd.now.person})
        with store.given(db, "touched", rows):
            db.execute("delete from persons where actor in (select actor from touched)")
        joined = [actor in self._root for actor in crowd.actor.tolist()]
        if any(joined):
            db.from_arrow(rows.filter(pa.array(joined))).insert_into("persons")
        return True

    def _around(self, actors: Iterable[int]) -> set[int]:
        """These actors and all who are one with any of them."""
        found = set(actors)
        for root in {self._root[actor] for actor in found if actor in self._root}:
            found.update(self._members[root])
        return found

    # -- links -----------------------------------------------------------------------------------

    def note(self, new: Links) -> set[int]:
        """Take note of the latest partings; who was parted later than was known."""
        apart = set[int]()
        rows = np.flatnonzero(new.cuts.to_numpy(zero_copy_only=False))
        columns = (new.actor[rows].tolist(), new.node[rows].tolist(), new.ts[rows].tolist())
        for actor, other, ts in zip(*columns, strict=True):
            if not other and ts > self._cut.get(actor, NEVER):
                self._cut[actor] = ts
                apart.add(actor)
            pair = _pair(actor, other)
            if other and ts > self._parted.get(pair, NEVER):
                self._parted[pair] = ts
                apart.add(actor)
        return apart

    def stands(self, actor: int, node: int, ts: int) -> bool:
        """Whether a link of that time was not taken back."""
        if ts <= self._cut.get(actor, NEVER):
            return False
        if node >= TRAIT:
            return True
        return ts > self._cut.get(node, NEVER) and ts > self._parted.get(_pair(actor, node), NEVER)

    def _join(self, actors: I64, nodes: U64, times: I64) -> None:
        """Join whom standing links name; who has a trait first holds it for the others."""
        holders = self._find(nodes)
        fresh: dict[int, int] = {}
        columns = (actors.tolist(), nodes.tolist(), times.tolist(), holders.tolist())
        for actor, node, ts, holder in zip(*columns, strict=True):
            if not self.stands(actor, node, ts):
                continue
            if node < TRAIT:
                self._unite(actor, node)
                continue
            holder = self._moved.get(node, holder)
            if holder == 0:
                self._moved[node] = actor
            elif holder < 0:
                self._unite(actor, fresh.setdefault(node, actor))
            else:
                self._unite(actor, holder)
        new = np.fromiter(fresh, np.uint64, len(fresh))
        self._holders.add(new, np.zeros_like(new), np.fromiter(fresh.values(), np.int64, len(new)))

    def _again(self, db: duckdb.DuckDBPyConnection, actors: Sequence[int]) -> None:
        """Take people apart and join them by what still stands of their links."""
        for actor in actors:
            self._touch(actor)
        for actor in actors:
            self._members.pop(self._root.pop(actor, 0), None)
        rows = _links_of(db, actors)
        self._join(rows.actor, rows.node, rows.ts)

    def _unite(self, one: int, other: int) -> None:
        first, second = sorted((self._root.get(one, one), self._root.get(other, other)))
        if first == second:
            return
        joining = self._members.pop(second, [second])
        whole = self._members.setdefault(first, [first])
        for actor in (*whole, *joining) if len(whole) == 1 else joining:
            self._touch(actor)
            self._root[actor] = first
        whole += joining

    def _touch(self, actor: int) -> None:
        self._was.setdefault(actor, self._root.get(actor, 0))

    # -- traits ----------------------------------------------------------------------------------

    def _find(self, nodes: U64) -> I64:
        return self._holders.find(nodes, np.zeros_like(nodes))

    def _holder(self, node: int) -> int:
        if node in self._moved:
            return self._moved[node]
        return int(self._find(np.array([node], np.uint64))[0])


def _links_of(db: duckdb.DuckDBPyConnection, actors: Sequence[int]) -> Links:
    with store.given(db, "asked", pa.table({"no": pa.array(actors, pa.int64())})):
        return Links.of(
            db.sql(
                "select actor, node, max(ts) as ts, false as cuts from links"
                " where not cuts and actor in (select no from asked) group by all"
            ).to_arrow_table()
        )


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
