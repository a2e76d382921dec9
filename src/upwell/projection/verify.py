"""Whether the sums are those of the stored events, by another way than the one that made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import duckdb
import numpy as np
import pyarrow as pa

from upwell.event import DIMENSIONS
from upwell.projection import Projection, billing, store
from upwell.projection.book import unequal
from upwell.projection.corrections import READ_THE_SAME
from upwell.projection.ground import weighed
from upwell.projection.keys import hash_keys, places
from upwell.projection.linking import recounted
from upwell.projection.refold import cohort_rows, events_of, facts_of, load, membership
from upwell.projection.shelf import written
from upwell.projection.staged import Staged, stacked, told_of

Difference = tuple[str, list[str], str]  # what was compared, what differs, what was found in order

_CELL = ("product", "type", "currency", "source", "day", *DIMENSIONS)
_HOUR = ("product", "type", "currency", "day", "hour")
SHOWN = 20


def differences(projection: Projection) -> Iterator[Difference]:
    """Compare tables of sums with the events, and memory with the tables; changes nothing."""
    db = projection.reader()
    wrong: list[str] = []
    sums = 0
    live, ever = facts_of(projection.ground)
    histories = f"{store.VISITS} union all select * from cohorts"
    with store.given(db, "cohorts", cohort_rows(db, projection.zone)):
        for table, where, key, of in (
            ("cells", "true", _CELL, store.CELLS.format(facts=live)),
            (
                "cell_changes",
                "true",
                (*_CELL, "recorded_at"),
                store.CHANGES.format(facts=ever),
            ),
            ("hours", "type not like '@%'", _HOUR, store.HOURS.format(facts=live)),
            ("hours", "type like '@%'", _HOUR, histories),
        ):
            wrong += _unequal(db, table, where, key, of)
    for table in ("cells", "cell_changes", "hours"):
        row = db.execute(f"select count(*) from {table}").fetchone()
        sums += int(row[0]) if row else 0
    yield "sums", wrong, f"{sums:,} sums equal a recount of the events"
    wrong = [*_people(projection), *islice(_persons(projection), SHOWN)]
    yield "people", wrong, "active days, their gaps and who is one person equal a recount"
    rows = len(projection.book().rows.line)
    said = f"{rows:,} movements of MRR equal a recount of the subscriptions' states"
    yield "ledger", list(islice(_ledger(projection), SHOWN)), said


def differing(
    projection: Projection, staged: Sequence[Staged], after: int, upto: int
) -> Iterator[str]:
    """Where the events stored of deliveries in (after, upto] are not those that `staged` says.

    Left out of the numbers with reason: repeats, what could not be used, what was retracted.
    """
    db = projection.reader()
    columns = weighed(stacked(staged), projection.ground)
    hashes = hash_keys(columns)
    columns = columns.append_column("key_high", pa.array(hashes.high))
    columns = columns.append_column("key_low", pa.array(hashes.low))
    # A repeat is held at another place than its own, which is judged by itself.
    held = projection.holds(hashes)
    columns = columns.append_column("own", pa.array((held < 0) | (held == places(columns))))
    with store.given(db, "expected", columns):
        for seq, idx in db.execute(
            f"""select e.seq, e.idx from events e left join actors a on a.no = e.actor
            left join expected r on r.seq = e.seq and r.idx = e.idx
              and r.key_high = e.key_high and r.key_low = e.key_low and {READ_THE_SAME}
              and r.actor is not distinct from a.actor
            where e.superseded_at is null and e.seq > ? and e.seq <= ? and r.seq is null
            order by all limit {SHOWN}""",
            [after, upto],
        ).fetchall():
            yield f"delivery {seq}, event {idx}: stored otherwise than its bytes say today"
        for seq, idx in db.execute(
            f"""select seq, idx from expected r where own
              and not exists (select 1 from events e where e.superseded_at is null
                and e.seq > ? and e.seq <= ? and e.seq = r.seq and e.idx = r.idx
                and e.key_high = r.key_high and e.key_low = r.key_low)
              and not exists (select 1 from events e where e.superseded_at is not null
                and e.key_high = r.key_high and e.key_low = r.key_low)
              and not exists (select 1 from dead_letters d where d.seq = r.seq
                and d.settled_seq is null and d.idx in (r.idx, -1))
            order by all limit {SHOWN}""",
            [after, upto],
        ).fetchall():
            yield f"delivery {seq}, event {idx}: not stored"
    yield from islice(_records(projection, staged, after, upto), SHOWN)


def _records(
    projection: Projection, staged: Sequence[Staged], after: int, upto: int
) -> Iterator[str]:
    """Where what is stored of billing sources is not what their deliveries say."""
    db = projection.reader()
    seqs = [entry.delivery.seq for entry in staged]
    told = [*told_of(staged), *billing.from_events(db, seqs)]
    expected = {billing.said(one): one for one in told}
    stored = db.execute(
        "select seq, kind, source, id, ts, ord, body, out_seq is null from billing"
        " where seq > ? and seq <= ?",
        [after, upto],
    ).fetchall()
    known = {(seq, tuple(key), body) for seq, *key, body, _ in stored}
    for seq, *key, body, counts in stored:
        if counts and (seq, tuple(key), body) not in expected:
            yield f"delivery {seq}, {key[0]} {key[2]}: stored otherwise than its bytes say today"
    missing = {name: one for name, one in expected.items() if name not in known}
    subjects = {billing.subject_of(one.record) for one in missing.values()}
    repeated = {(version.key, version.body) for version in billing.fetch(db, subjects)}
    for seq, said, body in missing:
        if (said, body) not in repeated:
            yield f"delivery {seq}, {said[0]} {said[2]}: not stored"


def _ledger(projection: Projection) -> Iterator[str]:
    """Movements, known at any time, that are not those of the stored states."""
    books, db = projection.books, projection.reader()
    book = books.main
    for word, other in (("counted", books.recounted(db).rows), ("in the file", written(db, book))):
        for found, of in zip(unequal(book.rows, other), ("kept", word), strict=True):
            for row in zip(*(column.tolist() for column in found.take(slice(SHOWN))), strict=True):
                move = dict(zip(found._fields, row, strict=True))
                line = book.lines[move["line"]]
                yield (
                    f"MRR of {line.customer}, subscription {line.subscription}, on day "
                    f"{move['day']}: {move['delta']} {of}, and not {_OTHER[of]}"
                )


_OTHER = {"kept": "found again", "counted": "kept", "in the file": "in memory"}


def _unequal(
    db: duckdb.DuckDBPyConnection, table: str, where: str, key: tuple[str, ...], recount: str
) -> Iterator[str]:
    """Sums of the table that are not those of the recount, at most SHOWN."""
    columns = ", ".join(key)
    same = " and ".join(f"k.{name} is not distinct from f.{name}" for name in key)
    rows = db.execute(
        f"""with kept as (select {columns}, sum(n) as n, sum(value) as value from {table}
          where {where} group by all),
        fresh as (select {columns}, sum(n) as n, sum(value) as value from ({recount}) group by all)
        select coalesce(k.product, f.product), coalesce(k.type, f.type), coalesce(k.day, f.day),
          k.n, f.n, k.value, f.value
        from kept k full join fresh f on {same}
        where coalesce(k.n, 0) <> coalesce(f.n, 0) or coalesce(k.value, 0) <> coalesce(f.value, 0)
        limit {SHOWN}"""
    ).fetchall()
    for product, kind, day, kept, found, worth, fresh in rows:
        yield (
            f"{table} of {product} {kind} on day {day}: {kept or 0} worth {worth or 0} kept, "
            f"{found or 0} worth {fresh or 0} in the events"
        )


def _people(projection: Projection) -> Iterator[str]:
    db, ground = projection.reader(), projection.ground
    for members in ground.sets:
        where, values = membership(ground, members)
        rows = db.execute(
            f"""with fresh as (select distinct product, actor, day from {events_of(members)}
              where superseded_at is null and not excluded and actor is not null and {where}),
            kept as (select product, actor, day from actor_days where members = ?)
            select product, day, count(*) from (
              (select * from fresh except all select * from kept) union all
              (select * from kept except all select * from fresh)) group by all limit {SHOWN}""",
            [*values, members],
        ).fetchall()
        for product, day, count in rows:
            yield f"{count} {members} of {product} on day {day} differ from the events"
    fresh, kept = load(db, ground).sums, projection.sums
    with kept.lock:
        for name in ("days", "hours", "gaps"):
            if _filled(getattr(fresh, name)) != _filled(getattr(kept, name)):
                yield f"{name} in memory differ from those in the file"


def _persons(projection: Projection) -> Iterator[str]:
    """Actors who are somebody else than the events say."""
    db = projection.reader()
    known = projection.persons()
    with store.given(db, "fresh", recounted(db, projection.ground.user_rules)):
        rows = db.execute(
            """select actor, k.own, k.person, f.own, f.person
            from persons k full join fresh f using (actor)
            where k.own is distinct from f.own or k.person is distinct from f.person"""
        ).fetchall()
        for actor, *pairs in rows:
            own, person, fresh, whole = (actor if one is None else one for one in pairs)
            yield f"user {actor} is {person} ({own}) in the file, {whole} ({fresh}) in the events"
    kept = db.execute("select actor, person from persons").fetchnumpy()
    expected = np.arange(len(known))
    expected[kept["actor"]] = kept["person"]
    for actor in np.flatnonzero(expected != known).tolist():
        yield f"user {actor} is {known[actor]} in memory, {expected[actor]} in the file"


def _filled(table: dict[object, dict[object, object]]) -> dict[object, dict[object, object]]:
    """Without sums that add up to nothing, which one way of adding leaves and another does not."""
    found = {
        key: {slot: cell for slot, cell in cells.items() if cell not in ([0, 0], {})}
        for key, cells in table.items()
    }
    return {key: cells for key, cells in found.items() if cells}
