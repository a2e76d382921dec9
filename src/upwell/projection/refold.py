"""All stored events folded again: after a rebuild, a retraction, or another zone or exclusion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa

from upwell.event import pointer
from upwell.metrics.catalog import SETS
from upwell.money import SCALE
from upwell.period import DAY_MICROS, Zone
from upwell.projection import linking, store
from upwell.projection.commit import Memory, Seen
from upwell.projection.ground import Ground
from upwell.projection.histories import COHORTS, Ints
from upwell.projection.keys import IDX_BITS
from upwell.projection.room import Batches, Room

CHUNK = 200_000
AT_ONCE = 5_000_000  # events whose active days are told apart at a time: it is done in memory


def refold(db: duckdb.DuckDBPyConnection, ground: Ground, zone: Zone) -> None:
    """Empty every table of sums and fill it from the stored events, inside the caller's commit."""
    for table in store.SUMS:
        db.execute(f"delete from {table}")
    linking.refold(db, ground.user_rules)
    live, ever = facts_of(ground)
    db.execute("insert into cells " + store.CELLS.format(facts=live))
    db.execute("insert into cell_changes " + store.CHANGES.format(facts=ever))
    db.execute("insert into hours " + store.HOURS.format(facts=live))
    db.execute("insert into hours " + store.VISITS)
    _insert(db, "hours", cohort_rows(db, zone))
    actor_days(db, ground)


def actor_days(db: duckdb.DuckDBPyConnection, ground: Ground, of: str = "true") -> None:
    """Fill in the active days of all sets of actors; `of` is a condition on the events."""
    rows = db.execute("select count(*), coalesce(max(actor), 0) from events").fetchall()
    events, most = rows[0]
    width = most // (events // AT_ONCE + 1) + 1
    for members in ground.sets:
        where, values = membership(ground, members)
        for first in range(0, most + 1, width):
            db.execute(
                f"""insert into actor_days
                select distinct product, ?, actor, day from {events_of(members)}
                where superseded_at is null and not excluded and {of}
                  and actor >= ? and actor < ? and {where}""",
                [members, first, first + width, *values],
            )


def own_metrics(db: duckdb.DuckDBPyConnection, ground: Ground) -> None:
    """Write down which events count for the company's own metrics, for every statement to join."""
    db.execute("delete from own_metrics")
    for own in ground.kept:
        wheres = [{"pointer": pointer(key), "allowed": list(texts)} for key, texts in own.where]
        db.execute(
            "insert into own_metrics values (?, ?, ?,"
            " ?::struct(pointer varchar, allowed varchar[])[])",
            [own.kind, list(own.reads), own.named, wheres],
        )


def goals(db: duckdb.DuckDBPyConnection, ground: Ground) -> None:
    """Write down what activates, for every statement to join."""
    own = sorted(ground.activations.items())
    db.execute("delete from goals")
    for product, rule in [("", ground.activation), *own]:
        others = [] if product else [name for name, _ in own]
        row = [product, others, rule.type, rule.named, rule.times, rule.days * DAY_MICROS]
        db.execute("insert into goals values (?, ?, ?, ?, ?, ?)", row)


def facts_of(ground: Ground) -> tuple[str, str]:
    """The SQL of what the sums add up: of events that stand, and of all changes there ever were."""
    if not ground.kept:
        return store.LIVE, store.EVER
    return store.with_own(store.LIVE), store.with_own(store.EVER)


def events_of(members: str) -> str:
    """The SQL of the events whose types a set of users is made by."""
    return "events" if members in SETS else store.OWNED


def cohort_rows(db: duckdb.DuckDBPyConnection, zone: Zone) -> pa.Table:
    """Entered and reached counts of every cohort rule, by day of entry, as hourly rows."""
    counts: Counter[tuple[str, str, int]] = Counter()
    for name, rule in COHORTS.items():
        found = db.execute(
            store.COHORT,
            {"entry": rule.entry},
        ).fetchnumpy()
        days = zone.days(np.asarray(found["first"], dtype=np.int64)).tolist()
        for product, day, reached in zip(found["product"], days, found["reached"], strict=True):
            counts[str(product), f"{store.ENTERED}:{name}", day] += 1
            if reached:
                counts[str(product), f"{store.REACHED}:{name}", day] += 1
    rows = [(p, k, "", day, zone.opens(day), n, 0) for (p, k, day), n in counts.items()]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    types = (
        pa.string(),
        pa.string(),
        pa.string(),
        pa.int32(),
        pa.int64(),
        pa.int64(),
        pa.decimal128(38, 9),
    )
    names = ("product", "type", "currency", "day", "hour", "n", "value")
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})


def weighs_otherwise(db: duckdb.DuckDBPyConnection, ground: Ground) -> bool:
    """Whether any stored event would be kept under another type: by whose word counts."""
    rows = db.execute("select distinct product, source, type from events").fetchall()
    return any(ground.counted_as(*row) != row[2] for row in rows)


def relocate(
    db: duckdb.DuckDBPyConnection,
    old: duckdb.DuckDBPyConnection,
    locate: Callable[[pa.Table], pa.Table],
) -> None:
    """Work out day, hour, lateness, exclusion and weight of every stored event anew.

    `old` is a second connection, which still reads the committed events while `db` writes.
    """
    db.execute("create table moved as select * from events limit 0")
    reader: pa.RecordBatchReader = old.sql(
        "select e.* exclude (day, hour, late, excluded, superseded_at, superseded_seq, actor),"
        " e.superseded_at as gone_at, e.superseded_seq as gone_seq, e.actor as actor_no,"
        " a.actor from events e left join actors a on a.no = e.actor"
    ).to_arrow_reader(CHUNK)
    names = [row[0] for row in db.execute("describe moved").fetchall()]
    for batch in reader:
        table = locate(pa.Table.from_batches([batch]))
        table = table.drop_columns(["superseded_at", "superseded_seq", "actor"])
        table = table.rename_columns(
            {"gone_at": "superseded_at", "gone_seq": "superseded_seq", "actor_no": "actor"}
        )
        _insert(db, "moved", table.select(names))
    db.execute("drop table events")
    db.execute("alter table moved rename to events")


def load(db: duckdb.DuckDBPyConnection, ground: Ground, room: Room | None = None) -> Memory:
    """What memory holds, read from the tables; long columns lie in `room`."""
    memory = Memory(room or Room())

    def read(sql: str, *values: object) -> Callable[[], Batches]:
        return lambda: store.batches(db, sql, values)

    memory.keys.load(
        read(
            f"select key_high, key_low, (seq << {IDX_BITS}) | idx as place from events"
            " where superseded_at is null"
        )
    )
    memory.actors.load(db)
    memory.persons.load(db)
    memory.people.load(db)
    memory.seen = _seen(db)
    most = memory.actors.count
    joined = db.execute("select actor from persons").fetchnumpy()["actor"]
    for members in ground.sets:
        own = "select actor, day::bigint from actor_days where members = ?"
        memory.days[members].load(read(own, members), most)
        _add_gaps(memory, members, joined)
        rows = db.execute(store.GAPS_KNOWN, {"members": members}).fetchall()
        for product, gaps in groupby(rows, key=itemgetter(0)):
            memory.sums.add_gaps(product, members, [row[1:] for row in gaps])
    stands = "actor is not null and not excluded and superseded_at is null"
    seconds = f"select actor, ts // 1000000 from events where type = 'page_view' and {stands}"
    memory.visits.load(read(seconds), most)
    goals = f"select actor, ts from {store.steps('events')} where goal and {stands}"
    for history in memory.cohorts.values():
        entries = f"select actor, ts from events where type = ? and {stands}"
        history.load(read(entries, history.rule.entry), read(goals), most)
    _load_series(db, memory, "days", "day")
    _load_series(db, memory, "hours", "hour")
    return memory


def _add_gaps(memory: Memory, members: str, joined: Ints) -> None:
    """The gaps between active days of all actors but those who are joined with others."""
    gaps = memory.days[members].gaps(memory.actors.product_of, joined)
    bounds = np.searchsorted(gaps.actor, np.arange(len(memory.actors.products) + 1)).tolist()
    for (low, high), product in zip(pairwise(bounds), memory.actors.products, strict=True):
        columns = (gaps.day, gaps.earlier, gaps.sign)
        rows = zip(*(column[low:high].tolist() for column in columns), strict=True)
        memory.sums.add_gaps(product, members, rows)


def membership(ground: Ground, members: str) -> tuple[str, list[object]]:
    """The SQL condition, with its values, for events that count for a set of actors."""
    own = {
        p.id: sorted(ground.members(members, p.id))
        for p in ground.products
        if members == "active" and p.active is not None
    }
    clause, values = "type in (select unnest(?::varchar[]))", [sorted(ground.members(members, ""))]
    found: list[object] = [*values]
    if own:
        clause = f"(product not in (select unnest(?::varchar[])) and {clause})"
        found = [sorted(own), *values]
        for product, types in own.items():
            clause += " or (product = ? and type in (select unnest(?::varchar[])))"
            found += [product, types]
        clause = f"({clause})"
    return clause, found


def _load_series(
    db: duckdb.DuckDBPyConnection, memory: Memory, series: Literal["days", "hours"], slot: str
) -> None:
    # Whole units and nano-units apart: both fit 64 bits, so that columns come as arrays.
    rows = db.execute(
        f"""with summed as (
          select product, type, currency, {slot} as slot, sum(n)::bigint as n, sum(value) as value
          from hours group by all)
        select product, type, currency, list(slot) as slots, list(n) as counts,
          list(floor(value)::bigint) as whole,
          list(((value - floor(value)) * 1000000000)::bigint) as nano
        from summed group by product, type, currency"""
    ).fetchall()
    for product, kind, currency, slots, counts, whole, nano in rows:
        cells = [
            [n, units * SCALE + part] for n, units, part in zip(counts, whole, nano, strict=True)
        ]
        memory.sums.take(series, (product, kind, currency), dict(zip(slots, cells, strict=True)))


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    with store.given(db, "incoming", rows):
        db.execute(f"insert into {table} select * from incoming")


def _seen(db: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Seen]:
    """What there is of each product and source among the stored events.

    When those came whose place others took is part of the spans.
    """
    rows = db.execute(
        """select product, source, count(*) filter (superseded_at is null),
          min(recorded_at), max(recorded_at), min(ts), max(ts)
        from events where superseded_at is null or (superseded_seq in (from restating)
          and seq not in (select seq from retracted)) group by all"""
    ).fetchall()
    return {(product, source): Seen(*rest) for product, source, *rest in rows}
