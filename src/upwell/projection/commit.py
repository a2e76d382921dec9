"""One commit's fresh events: numbered actors, stored rows, changed histories, changed sums."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from upwell.event import DIMENSIONS, DeadLetter
from upwell.metrics.catalog import SETS
from upwell.metrics.own import Activation
from upwell.money import nanos
from upwell.period import MICROS, Zone, to_day
from upwell.projection import restated, store
from upwell.projection.actors import Actors
from upwell.projection.crowd import Crowd
from upwell.projection.ground import Ground, excluded, weighed
from upwell.projection.histories import (
    COHORTS,
    DAY_BITS,
    SECOND_BITS,
    ActiveDays,
    CohortHistory,
    Gaps,
    Ints,
    Visits,
    added,
)
from upwell.projection.linking import identities, linked
from upwell.projection.people import PeopleMap
from upwell.projection.persons import Persons
from upwell.projection.room import Room
from upwell.projection.runs import KeyIndex
from upwell.projection.sums import LINKED, PARTS, Sums

SHOWS = {"actors": "engagement", "active": "engagement", "visitors": "page_view"}
STORED = (
    "seq, idx, product, source, type, ts, day, hour, actor_no as actor, value, currency,"
    " key_high, key_low, metadata, "
    + ", ".join(DIMENSIONS)
    + ", excluded, late, corrected, recorded_at, version_seq, superseded_at, superseded_seq"
)
FRESH = "(select *, 1 as sign, recorded_at as changed_at, version_seq as by_seq from fresh)"
TURNED = f"""(select * from {FRESH} union all by name
  select * exclude (actor) replace (true as late), -1 as sign, superseded_at as changed_at,
    superseded_seq as by_seq from gone)"""

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
    """What is held in memory beside the file, and loaded from it; what is long lies in `room`."""

    room: Room = field(default_factory=Room)
    keys: KeyIndex = field(init=False)
    actors: Actors = field(init=False)
    persons: Persons = field(default_factory=Persons)
    people: PeopleMap = field(default_factory=PeopleMap)
    days: dict[str, ActiveDays] = field(init=False)
    visits: Visits = field(init=False)
    cohorts: dict[str, CohortHistory] = field(init=False)
    sums: Sums = field(default_factory=Sums)
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        room = self.room
        self.keys, self.actors, self.visits = KeyIndex(room), Actors(room), Visits(room)
        self.days = defaultdict(lambda: ActiveDays(room))
        self.cohorts = {name: CohortHistory(rule, room) for name, rule in COHORTS.items()}


@dataclass(slots=True)
class Plan:
    """What a commit adds to the sums in memory, once the file has it."""

    hours: list[HourRow] = field(default_factory=list)
    gaps: dict[tuple[str, str], list[tuple[int, int, int]]] = field(default_factory=dict)
    touched: set[tuple[str, str, int]] = field(default_factory=set)
    rows: int = 0  # by which the tables of sums have grown
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    persons: tuple[Ints, Ints] | None = None  # actors, and whom they are from now on
    moved: bool = False  # histories changed otherwise than by what was added to them

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
            if self.persons is not None:
                memory.people.change(*self.persons)


_DAY = r'"day":"(?P<day>\d{4}-\d\d-\d\d)"'


def _own_days(columns: pa.Table, days: NDArray[np.int32]) -> NDArray[np.int32]:
    """The local days of events, but for reports that name their `day` themselves.

    What a report says of a day of another zone stays on that date in ours.
    """
    rows = np.flatnonzero(pc.equal(columns["type"], "report"))
    if len(rows):
        said = columns["metadata"].take(pa.array(rows)).combine_chunks()
        named = pc.struct_field(pc.extract_regex(said, _DAY), "day").dictionary_encode()
        dates = [_day(text) for text in named.dictionary.to_pylist()]
        own = [None if index is None else dates[index] for index in named.indices.to_pylist()]
        days[rows] = [was if day is None else day for was, day in zip(days[rows], own, strict=True)]
    return days


def _day(text: str) -> int | None:
    try:
        return to_day(dt.date.fromisoformat(text))
    except ValueError:
        return None


def located(columns: pa.Table, ground: Ground, zone: Zone) -> pa.Table:
    """Add the local day and hour, whether the day had ended on arrival, and who is excluded.

    What counts only as reported by somebody else gets a type of its own.
    """
    columns = weighed(columns, ground)
    ts = columns["ts"].to_numpy()
    days = _own_days(columns, zone.days(ts))
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
    db: duckdb.DuckDBPyConnection,
    fresh: pa.Table,
    ground: Ground,
    zone: Zone,
    memory: Memory,
    gone: pa.Table | None = None,
) -> Plan:
    """Write fresh, located events and the change of every sum; return what memory must add.

    `gone` are stored events that they take the place of: what those gave is taken off, but for
    histories, of which only those of fresh events change that are another's or of another time.
    """
    plan = Plan()
    fresh = fresh.append_column(
        "actor_no", memory.actors.number(db, fresh["product"], fresh["actor"])
    )
    changes = FRESH if gone is None else TURNED
    facts = store.with_own(changes) if ground.kept else changes
    with store.given(db, "fresh", fresh), store.given(db, "gone", fresh if gone is None else gone):
        db.execute(f"insert into events select {STORED} from fresh")
        added = db.execute("insert into cells " + store.CELLS.format(facts=facts)).fetchone()
        if gone is not None or pc.any(fresh["late"]).as_py():
            db.execute("insert into cell_changes " + store.CHANGES.format(facts=facts))
        hours = db.sql(store.HOURS.format(facts=facts)).to_arrow_table()
        plan.seen = _seen(fresh)
        if gone is not None:
            plan.seen = _less(plan.seen, _seen(gone))
            fresh, plan.moved = restated.moved(db, fresh, ground)
    with store.given(db, "fresh", fresh):
        steps = _steps(db)
        more = fresh.slice(0, 0)
        if ground.kept:
            more = db.sql("select * from " + store.counted_once_more("fresh")).to_arrow_table()
    people = _people(fresh)
    crowd = _crowd(db, plan, fresh, people, ground, memory)
    derived = _visits(plan, people, zone, memory, crowd)
    derived.update(_cohorts(plan, steps, ground, zone, memory, crowd))
    _active_days(db, plan, (people, _people(more)), ground, memory, crowd)
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


def _less(
    came: dict[tuple[str, str], Seen], gone: dict[tuple[str, str], Seen]
) -> dict[tuple[str, str], Seen]:
    """What came, where it took the place of as many others; when those came stays known."""
    found = dict(came)
    for key, seen in gone.items():
        found[key] = seen._replace(events=-seen.events).joined(came.get(key))
    return found


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


def _crowd(
    db: duckdb.DuckDBPyConnection,
    plan: Plan,
    fresh: pa.Table,
    people: People,
    ground: Ground,
    memory: Memory,
) -> Crowd:
    """Take in who is one with whom; the people of several actors whose sums the batch changes."""
    said = identities(fresh)
    if len(said):
        links = linked(db, said, memory.actors, ground.user_rules)
        memory.persons.take(db, links)
    crowd = memory.persons.crowd(people.actor, memory.actors)
    if memory.persons.write(db, crowd):
        plan.persons = (crowd.actor, crowd.now.person)
    return crowd


def _visits(plan: Plan, people: People, zone: Zone, memory: Memory, crowd: Crowd) -> Derived:
    found: Derived = Counter()
    views = people.of(people.does(("page_view",)))
    opened = memory.visits.take(views.actor, views.ts // MICROS, crowd)
    codes = memory.actors.product_of(opened.actor)
    packed = (codes << SECOND_BITS) | opened.second
    keys, counts = added(packed, opened.sign)
    micros = (keys & ((1 << SECOND_BITS) - 1)) * MICROS
    columns = (keys >> SECOND_BITS, zone.days(micros), zone.hours(micros), counts)
    for code, day, hour, count in zip(*(column.tolist() for column in columns), strict=True):
        found[memory.actors.products[code], store.VISIT, day, hour] += count
    plan.touched |= {(product, "page_view", day) for product, _, day, _ in found}
    return found


Steps = dict[str, list[tuple[int, bool, int]]]  # cohort -> (actor, is entry, micros)


def _steps(db: duckdb.DuckDBPyConnection) -> Steps:
    """The fresh events that let somebody enter a cohort or bring them to its goal."""
    found = {}
    for name, rule in COHORTS.items():
        rows = db.execute(
            f"""select actor_no, ts, type = $entry, goal from {store.steps("fresh")}
            where actor_no is not null and not excluded and (type = $entry or goal)""",
            {"entry": rule.entry},
        ).fetchall()
        found[name] = [
            (actor, entry, ts)
            for actor, ts, *does in rows
            for entry, so in zip((True, False), does, strict=True)
            if so
        ]
    return found


def _cohorts(
    plan: Plan, steps: Steps, ground: Ground, zone: Zone, memory: Memory, crowd: Crowd
) -> Derived:
    found: Derived = Counter()

    def goal(actor: int) -> Activation:
        return ground.activates(_products(memory, [actor])[0])

    for name, history in memory.cohorts.items():
        rule = history.rule
        taken = history.take(steps[name], crowd, goal)
        changes = {key: count for key, count in taken.items() if count}
        products = _products(memory, [actor for actor, _, _ in changes])
        days = zone.days(np.array([at for _, at, _ in changes], dtype=np.int64)).tolist()
        for ((_, _, reached), count), product, day in zip(
            changes.items(), products, days, strict=True
        ):
            kind = (store.REACHED if reached else store.ENTERED) + ":" + name
            found[product, kind, day, zone.opens(day)] += count
            plan.touched.add((product, rule.entry, day))
    return found


def _products(memory: Memory, actors: Sequence[int]) -> list[str]:
    """The product of each actor."""
    known = memory.actors
    return [known.products[c] for c in known.product_of(np.array(actors, np.int64)).tolist()]


def _active_days(
    db: duckdb.DuckDBPyConnection,
    plan: Plan,
    batch: Sequence[People],
    ground: Ground,
    memory: Memory,
    crowd: Crowd,
) -> None:
    """`batch`: who did the fresh events, and those counted once more for own metrics."""
    found, known = [], memory.actors
    around = set(_products(memory, crowd.actor.tolist()))
    for members in ground.sets:
        people = batch[members not in SETS]
        own = people.of(_members(people, ground, members))
        change = memory.days[members].take(own.actor, own.day, crowd)
        if len(change.actor):
            found.append(
                pa.table(
                    {
                        "product": pa.array(_products(memory, change.actor.tolist())),
                        "members": pa.repeat(members, len(change.actor)),
                        "actor": change.actor,
                        "day": change.day.astype(np.int32),
                    }
                )
            )
        for code, day, earlier, count in _summed(known.product_of(change.gaps.actor), change.gaps):
            product = known.products[code]
            plan.gaps.setdefault((product, members), []).append((day, earlier, count))
            plan.touched.add((product, SHOWS.get(members, members), day))
        for name, gaps in ((LINKED, change.linked), (PARTS, change.parts)):
            for _, day, earlier, count in _summed(np.zeros_like(gaps.actor), gaps):
                plan.gaps.setdefault((name, members), []).append((day, earlier, count))
                plan.touched |= {(p, SHOWS.get(members, members), day) for p in around}
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


def _summed(codes: Ints, gaps: Gaps) -> Iterator[tuple[int, int, int, int]]:
    """The gaps added up, as (product, day, earlier day or -1, count that is not 0)."""
    bits = DAY_BITS + 1  # room for "no earlier day"
    packed = (codes << (2 * bits)) | (gaps.day << bits) | (gaps.earlier + 1)
    keys, counts = added(packed, gaps.sign)
    mask = (1 << bits) - 1
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
