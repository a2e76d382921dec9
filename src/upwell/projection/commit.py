"""One commit's fresh events: numbered actors, stored rows, changed histories, changed sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from upwell.event import DIMENSIONS, DeadLetter
from upwell.money import nanos
from upwell.period import MICROS, Zone
from upwell.projection import store
from upwell.projection.ground import Ground, excluded, with_types
from upwell.projection.histories import COHORTS, ActiveDays, CohortHistory, Visits
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
    fresh = fresh.append_column("actor_no", pa.array(_number_actors(db, fresh, memory)))
    with store.given(db, "fresh", fresh):
        db.execute(f"insert into events select {STORED} from fresh")
        db.execute("insert into cells " + store.CELLS.format(facts=FRESH))
        if pc.any(fresh["late"]).as_py():
            db.execute("insert into cell_changes " + store.CHANGES.format(facts=FRESH))
        plan.seen = seen_in(db, "fresh")
        hours = db.sql(store.HOURS.format(facts=FRESH)).to_arrow_table()
    counted = fresh.filter(pc.and_(pc.is_valid(fresh["actor"]), pc.invert(fresh["excluded"])))
    products = _actor_products(counted)
    derived = _visits(plan, counted, products, zone, memory)
    derived.update(_cohorts(plan, counted, products, zone, memory))
    _active_days(db, plan, counted, products, ground, memory)
    hours = _with_derived(hours, derived)
    with store.given(db, "hour_rows", hours):
        db.execute("insert into hours select * from hour_rows")
    for row in zip(*(column.to_pylist() for column in hours.columns), strict=True):
        product, kind, currency, day, hour, n, value = row
        plan.hours.append((product, kind, currency, day, hour, n, nanos(value)))
        if not kind.startswith("@"):
            plan.touched.add((product, kind, day))
    return plan


def seen_in(db: duckdb.DuckDBPyConnection, facts: str) -> dict[tuple[str, str], Seen]:
    """What there is of each product and source in the batch, or among the stored events."""
    rows = db.execute(
        f"""select product, source, count(*), min(recorded_at), max(recorded_at), min(ts), max(ts)
        from {facts} where superseded_at is null group by all"""
    ).fetchall()
    return {(product, source): Seen(*rest) for product, source, *rest in rows}


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
        with store.given(db, "new_actors", known):
            db.execute("insert into actors select * from new_actors")
    return pa.array(numbers).take(coded.indices)


def _actor_products(counted: pa.Table) -> dict[int, str]:
    pairs = counted.select(["actor_no", "product"]).group_by(["actor_no", "product"]).aggregate([])
    return dict(zip(pairs["actor_no"].to_pylist(), pairs["product"].to_pylist(), strict=True))


Derived = Counter[tuple[str, str, int, int]]  # (product, kind, day, hour) -> difference


def _visits(
    plan: Plan, counted: pa.Table, products: dict[int, str], zone: Zone, memory: Memory
) -> Derived:
    found: Derived = Counter()
    views = counted.filter(pc.equal(counted["type"], "page_view"))
    if not len(views):
        return found
    seconds = views["ts"].to_numpy() // MICROS
    changes = memory.visits.take(views["actor_no"].to_numpy(), seconds)
    if not changes:
        return found
    micros = np.array([second for _, second, _ in changes], dtype=np.int64) * MICROS
    days, hours = zone.days(micros).tolist(), zone.hours(micros).tolist()
    for (actor, _, sign), day, hour in zip(changes, days, hours, strict=True):
        found[products[actor], store.VISIT, day, hour] += sign
        plan.touched.add((products[actor], "page_view", day))
    return found


def _cohorts(
    plan: Plan, counted: pa.Table, products: dict[int, str], zone: Zone, memory: Memory
) -> Derived:
    found: Derived = Counter()
    for name, history in memory.cohorts.items():
        rule = history.rule
        steps = counted.filter(
            pc.is_in(counted["type"], value_set=pa.array([rule.entry, rule.goal]))
        )
        by_product: dict[str, list[tuple[int, bool, int]]] = {}
        for actor, kind, ts in zip(
            steps["actor_no"].to_pylist(),
            steps["type"].to_pylist(),
            steps["ts"].to_pylist(),
            strict=True,
        ):
            by_product.setdefault(products[actor], []).append((actor, kind == rule.entry, ts))
        for product, rows in by_product.items():
            for (micros, reached), count in history.take(rows).items():
                if count:
                    day = zone.day_of(micros)
                    kind = (store.REACHED if reached else store.ENTERED) + ":" + name
                    found[product, kind, day, zone.opens(day)] += count
                    plan.touched.add((product, rule.entry, day))
    return found


def _active_days(
    db: duckdb.DuckDBPyConnection,
    plan: Plan,
    counted: pa.Table,
    products: dict[int, str],
    ground: Ground,
    memory: Memory,
) -> None:
    for members in SET_NAMES:
        own = counted.filter(with_types(counted, ground, members))
        if not len(own):
            continue
        actors, days, gaps = memory.days[members].take(
            own["actor_no"].to_numpy(), own["day"].to_numpy().astype(np.int64)
        )
        if not len(actors):
            continue
        new = pa.table(
            {
                "product": pa.array([products[actor] for actor in actors.tolist()]),
                "members": pa.array([members] * len(actors)),
                "actor": actors,
                "day": days.astype(np.int32),
            }
        )
        with store.given(db, "new_days", new):
            db.execute("insert into actor_days select * from new_days")
        counts: Counter[tuple[str, int, int]] = Counter()
        for actor, day, earlier, sign in zip(*(c.tolist() for c in gaps), strict=True):
            counts[products[actor], day, earlier] += sign
        for (product, day, earlier), count in counts.items():
            if count:
                plan.gaps.setdefault((product, members), []).append((day, earlier, count))
                plan.touched.add((product, SHOWS[members], day))


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
