"""One commit's fresh events: numbered actors, stored rows, changed histories, changed sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from upwell.event import DIMENSIONS, DeadLetter
from upwell.money import nanos
from upwell.period import MICROS, Zone
from upwell.projection import store
from upwell.projection.ground import Ground, excluded
from upwell.projection.histories import (
    COHORTS,
    DAY_BITS,
    ActiveDays,
    CohortHistory,
    Gaps,
    Ints,
    Visits,
)
from upwell.projection.keys import hash_text
from upwell.projection.runs import KeyIndex
from upwell.projection.sums import Sums

SET_NAMES = ("actors", "active", "visitors")
SHOWS = {"actors": "engagement", "active": "engagement", "visitors": "page_view"}
STORED = (
    "seq, idx, product, source, type, ts, day, hour, actor_no as actor, value, currency,"
    " key_high, key_low, metadata, "
    + ", ".join(DIMENSIONS)
    + ", excluded, late, corrected, recorded_at, version_seq, superseded_at, superseded_seq"
)
FRESH = "(select *, 1 as sign, recorded_at as changed_at, version_seq as by_seq from fresh)"

HourRow = tuple[str, str, str, int, int, int, int]  # product, type, currency, day, hour, n, value


class Seen(NamedTuple):
    """Events of one product from one source: how many, and the spans of their times (micros)."""

    events: int
    first_recorded: int
    last_recorded: int
    first: int
    last: int

    def joined(self, other: Seen | None) -> Seen:
        """Both together."""
        if other is None:
            return self
        return Seen(
            self.events + other.events,
            min(self.first_recorded, other.first_recorded),
            max(self.last_recorded, other.last_recorded),
            min(self.first, other.first),
            max(self.last, other.last),
        )


@dataclass(slots=True)
class Memory:
    """What is held in memory beside the file, and loaded from it."""

    keys: KeyIndex = field(default_factory=KeyIndex)
    actors: KeyIndex = field(default_factory=KeyIndex)
    actor_count: int = 0
    days: dict[str, ActiveDays] = field(
        default_factory=lambda: {name: ActiveDays() for name in SET_NAMES}
    )
    visits: Visits = field(default_factory=Visits)
    cohorts: dict[str, CohortHistory] = field(
        default_factory=lambda: {name: CohortHistory(rule) for name, rule in COHORTS.items()}
    )
    sums: Sums = field(default_factory=Sums)
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """What a commit adds to the sums in memory, once the file has it."""

    hours: list[HourRow] = field(default_factory=list)
    gaps: dict[tuple[str, str], list[tuple[int, int, int]]] = field(default_factory=dict)
    touched: set[tuple[str, str, int]] = field(default_factory=set)
    rows: int = 0  # by which the tables of sums have grown
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)

    def show(self, memory: Memory, seq: int) -> None:
        """Make the commit visible to readers, all at once."""
        sums = memory.sums
        with sums.lock:
            for row in self.hours:
                sums.add(*row)
            for (product, members), pairs in self.gaps.items():
                sums.add_gaps(product, members, pairs)
            for key, seen in self.seen.items():
                memory.seen[key] = seen.joined(memory.seen.get(key))
            for product, kind, _ in self.touched:
                sums.changed[product, kind] = seq


def located(columns: pa.Table, ground: Ground, zone: Zone) -> pa.Table:
    """Add the local day and hour, whether the day had ended on arrival, and who is excluded."""
    ts = columns["ts"].to_numpy()
    days = zone.days(ts)
    arrived = zone.days(columns["recorded_at"].to_numpy())
    nothing = pa.nulls(len(columns), pa.int64())
    for name, column in (
        ("day", pa.array(days)),
        ("hour", pa.array(zone.hours(ts))),
        ("late", pa.array(arrived > days)),
        ("excluded", excluded(ground, columns["actor"], columns["metadata"])),
        ("superseded_at", nothing),
        ("superseded_seq", nothing),
    ):
        columns = columns.append_column(name, column)
    return columns


def fold(
    db: duckdb.DuckDBPyConnection, fresh: pa.Table, ground: Ground, zone: Zone, memory: Memory
) -> Plan:
    """Write fresh, located events and the change of every sum; return what memory must add."""
    plan = Plan()
    fresh = fresh.append_column("actor_no", _number_actors(db, fresh, memory))
    with store.given(db, "fresh", fresh):
        db.execute(f"insert into events select {STORED} from fresh")
        added = db.execute("insert into cells " + store.CELLS.format(facts=FRESH)).fetchone()
        if pc.any(fresh["late"]).as_py():
            db.execute("insert into cell_changes " + store.CHANGES.format(facts=FRESH))
        hours = db.sql(store.HOURS.format(facts=FRESH)).to_arrow_table()
    plan.seen = _seen(fresh)
    people = _people(fresh)
    derived = _visits(plan, people, zone, memory)
    derived.update(_cohorts(plan, people, zone, memory))
    _active_days(db, plan, people, ground, memory)
    hours = _with_derived(hours, derived)
    db.from_arrow(hours).insert_into("hours")
    plan.rows = len(hours) + (int(added[0]) if added else 0)
    for row in zip(*(column.to_pylist() for column in hours.columns), strict=True):
        product, kind, currency, day, hour, n, value = row
        plan.hours.append((product, kind, currency, day, hour, n, nanos(value)))
        if not kind.startswith("@"):
            plan.touched.add((product, kind, day))
    return plan


def _seen(fresh: pa.Table) -> dict[tuple[str, str], Seen]:
    """What there is of each product and source in the batch."""
    spans = [("recorded_at", "min"), ("recorded_at", "max"), ("ts", "min"), ("ts", "max")]
    rows = fresh.group_by(["product", "source"]).aggregate([([], "count_all"), *spans])
    columns = [column.to_pylist() for column in rows.columns]
    return {(product, source): Seen(*rest) for product, source, *rest in zip(*columns, strict=True)}


def write_dead(db: duckdb.DuckDBPyConnection, letters: Sequence[DeadLetter]) -> None:
    """Keep what could not be used, with its reason."""
    if letters:
        db.executemany(
            "insert into dead_letters values (?, ?, ?, ?, ?, ?, null)",
            [
                [one.seq, one.idx, one.source, one.code, one.reason, one.recorded_at]
                for one in letters
            ],
        )


def _number_actors(db: duckdb.DuckDBPyConnection, fresh: pa.Table, memory: Memory) -> Any:
    """The number of each row's actor (null without one); unseen actors get the next numbers."""
    text = pc.binary_join_element_wise(fresh["product"], fresh["actor"], "\0")
    coded = text.combine_chunks().dictionary_encode()
    distinct = coded.dictionary
    if not len(distinct):
        return pa.nulls(len(fresh), pa.int64())
    hashes = hash_text(pa.chunked_array([distinct]))
    numbers = memory.actors.find(hashes.high, hashes.low)
    new = np.flatnonzero(numbers < 0)
    if len(new):
        numbers[new] = memory.actor_count + 1 + np.arange(len(new))
        memory.actor_count += len(new)
        memory.actors.add(hashes.high[new], hashes.low[new], numbers[new])
        names = pc.split_pattern(distinct.take(pa.array(new)), "\0", max_splits=1)
        known = pa.table(
            {
                "no": numbers[new],
                "product": pc.list_element(names, 0),
                "actor": pc.list_element(names, 1),
                "high": hashes.high[new],
                "low": hashes.low[new],
            }
        )
        db.from_arrow(known).insert_into("actors")
    return pa.array(numbers).take(coded.indices)


class People(NamedTuple):
    """Columns of the events that somebody did and nobody excludes."""

    actor: Ints
    day: Ints
    ts: Ints
    product: Ints  # index into `products`
    kind: Ints  # index into `kinds`
    products: list[str]
    kinds: list[str]

    def of(self, mask: NDArray[np.bool_]) -> People:
        """The rows that the mask keeps."""
        return People(
            self.actor[mask],
            self.day[mask],
            self.ts[mask],
            self.product[mask],
            self.kind[mask],
            self.products,
            self.kinds,
        )

    def does(self, kinds: Collection[str]) -> NDArray[np.bool_]:
        """Which rows are events of these types."""
        table = np.array([kind in kinds for kind in self.kinds], dtype=np.bool_)
        return table[self.kind]

    def by_actor(self) -> dict[int, str]:
        """The product of each actor."""
        pairs = zip(self.actor.tolist(), self.product.tolist(), strict=True)
        return {actor: self.products[code] for actor, code in pairs}


def _people(fresh: pa.Table) -> People:
    counted = pc.and_(pc.is_valid(fresh["actor_no"]), pc.invert(fresh["excluded"]))
    rows = fresh.select(["actor_no", "day", "ts", "product", "type"]).filter(counted)
    product = rows["product"].combine_chunks().dictionary_encode()
    kind = rows["type"].combine_chunks().dictionary_encode()
    return People(
        rows["actor_no"].to_numpy(),
        rows["day"].to_numpy().astype(np.int64),
        rows["ts"].to_numpy(),
        product.indices.to_numpy().astype(np.int64),
        kind.indices.to_numpy().astype(np.int64),
        product.dictionary.to_pylist(),
        kind.dictionary.to_pylist(),
    )


Derived = Counter[tuple[str, str, int, int]]  # (product, kind, day, hour) -> difference


def _visits(plan: Plan, people: People, zone: Zone, memory: Memory) -> Derived:
    found: Derived = Counter()
    views = people.of(people.does(("page_view",)))
    changes = memory.visits.take(views.actor, views.ts // MICROS)
    if not changes:
        return found
    products = views.by_actor()
    micros = np.array([second for _, second, _ in changes], dtype=np.int64) * MICROS
    days, hours = zone.days(micros).tolist(), zone.hours(micros).tolist()
    for (actor, _, sign), day, hour in zip(changes, days, hours, strict=True):
        found[products[actor], store.VISIT, day, hour] += sign
    plan.touched |= {(product, "page_view", day) for product, _, day, _ in found}
    return found


def _cohorts(plan: Plan, people: People, zone: Zone, memory: Memory) -> Derived:
    found: Derived = Counter()
    for name, history in memory.cohorts.items():
        rule = history.rule
        steps = people.of(people.does((rule.entry, rule.goal)))
        entries = steps.does((rule.entry,))
        for code, product in enumerate(people.products):
            own = steps.product == code
            if not own.any():
                continue
            rows = zip(
                steps.actor[own].tolist(),
                entries[own].tolist(),
                steps.ts[own].tolist(),
                strict=True,
            )
            changes = {at: count for at, count in history.take(rows).items() if count}
            days = zone.days(np.array([micros for micros, _ in changes], dtype=np.int64)).tolist()
            for ((_, reached), count), day in zip(changes.items(), days, strict=True):
                kind = (store.REACHED if reached else store.ENTERED) + ":" + name
                found[product, kind, day, zone.opens(day)] += count
                plan.touched.add((product, rule.entry, day))
    return found


def _active_days(
    db: duckdb.DuckDBPyConnection, plan: Plan, people: People, ground: Ground, memory: Memory
) -> None:
    found = []
    for members in SET_NAMES:
        own = people.of(_members(people, ground, members))
        actors, days, gaps = memory.days[members].take(own.actor, own.day)
        if not len(actors):
            continue
        codes = _codes(own, gaps.actor)
        found.append(
            pa.table(
                {
                    "product": pa.array(own.products).take(pa.array(_codes(own, actors))),
                    "members": pa.repeat(members, len(actors)),
                    "actor": actors,
                    "day": days.astype(np.int32),
                }
            )
        )
        for code, day, earlier, count in _summed(codes, gaps):
            if count:
                product = own.products[code]
                plan.gaps.setdefault((product, members), []).append((day, earlier, count))
                plan.touched.add((product, SHOWS[members], day))
    if found:
        db.from_arrow(pa.concat_tables(found)).insert_into("actor_days")


def _members(people: People, ground: Ground, members: str) -> NDArray[np.bool_]:
    """Which rows make their actor a member of the set, by product and type."""
    table = np.array(
        [
            [kind in ground.members(members, product) for kind in people.kinds]
            for product in people.products
        ],
        dtype=np.bool_,
    ).reshape(len(people.products), len(people.kinds))
    return np.asarray(table[people.product, people.kind], dtype=np.bool_)


def _codes(people: People, actors: Ints) -> Ints:
    """The product of each actor, as an index; every one of them is among the people."""
    if not len(actors):
        return actors
    order = np.argsort(people.actor)
    codes: Ints = people.product[order[np.searchsorted(people.actor, actors, sorter=order)]]
    return codes


def _summed(codes: Ints, gaps: Gaps) -> Iterator[tuple[int, int, int, int]]:
    """The gaps added up, as (product, day, earlier day or -1, count)."""
    bits = DAY_BITS + 1  # room for "no earlier day"
    packed = (codes << (2 * bits)) | (gaps.day << bits) | (gaps.earlier + 1)
    order = np.argsort(packed)
    packed = packed[order]
    heads = np.flatnonzero(np.concatenate([[True], packed[1:] != packed[:-1]]))
    counts = np.add.reduceat(gaps.sign[order], heads)
    keys, mask = packed[heads], (1 << bits) - 1
    return zip(
        (keys >> (2 * bits)).tolist(),
        ((keys >> bits) & mask).tolist(),
        ((keys & mask) - 1).tolist(),
        counts.tolist(),
        strict=True,
    )


def _with_derived(hours: pa.Table, derived: Derived) -> pa.Table:
    """The hourly rows of event types, and of the sums that come from histories."""
    rows = [(*key, count) for key, count in derived.items() if count]
    if not rows:
        return hours
    product, kind, day, hour, count = zip(*rows, strict=True)
    table = pa.table(
        {
            "product": pa.array(product, pa.string()),
            "type": pa.array(kind, pa.string()),
            "currency": pa.array([""] * len(rows), pa.string()),
            "day": pa.array(day, pa.int32()),
            "hour": pa.array(hour, pa.int64()),
            "n": pa.array(count, pa.int64()),
            "value": pa.array([0] * len(rows), pa.decimal128(38, 9)),
        }
    )
    return pa.concat_tables([hours, table.cast(hours.schema)])
