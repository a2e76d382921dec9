"""Whether the sums are those of the stored events, found another way than they were made."""

from __future__ import annotations

from collections.abc import Iterator

from upwell.projection import Projection, store
from upwell.projection.commit import SET_NAMES
from upwell.projection.refold import load, membership

Difference = tuple[str, list[str], str]  # what was compared, what differs, what was found in order


def differences(projection: Projection) -> Iterator[Difference]:
    """Compare tables of sums with the events, and memory with the tables; changes nothing."""
    db = projection.reader()
    wrong: list[str] = []
    cells = 0
    for table, of in (("cells", store.CELLS), ("hours", store.HOURS)):
        dims = "product, type, currency, " + (
            "source, day, plan, country, channel, reason, name" if table == "cells" else "day, hour"
        )
        rows = db.execute(
            f"""with kept as (select {dims}, sum(n) as n, sum(value) as value from {table}
              where type not like '@%' group by all),
            fresh as (select {dims}, sum(n) as n, sum(value) as value
              from ({of.format(facts=store.LIVE)}) group by all)
            select coalesce(k.product, f.product), coalesce(k.type, f.type),
              coalesce(k.day, f.day), k.n, f.n, k.value, f.value
            from kept k full join fresh f on {
                " and ".join(
                    f"k.{d.strip()} is not distinct from f.{d.strip()}" for d in dims.split(",")
                )
            }
            where coalesce(k.n, 0) <> coalesce(f.n, 0)
              or coalesce(k.value, 0) <> coalesce(f.value, 0)
            limit 20"""
        ).fetchall()
        wrong += [
            f"{table} of {p} {t} on day {d}: {kn} worth {kv} kept, {fn} worth {fv} in the events"
            for p, t, d, kn, fn, kv, fv in rows
        ]
        row = db.execute(f"select count(*) from {table}").fetchone()
        cells += int(row[0]) if row else 0
    yield "sums", wrong, f"{cells:,} sums equal a recount of the events"
    yield "people", list(_people(projection)), "active days and their gaps equal a recount"


def _people(projection: Projection) -> Iterator[str]:
    db, ground = projection.reader(), projection.ground
    for members in SET_NAMES:
        where, values = membership(ground, members)
        rows = db.execute(
            f"""with fresh as (select distinct product, actor, day from events
              where superseded_at is null and not excluded and actor is not null and {where}),
            kept as (select product, actor, day from actor_days where members = ?)
            select product, day, count(*) from (
              (select * from fresh except all select * from kept) union all
              (select * from kept except all select * from fresh)) group by all limit 20""",
            [*values, members],
        ).fetchall()
        for product, day, count in rows:
            yield f"{count} {members} of {product} on day {day} differ from the events"
    fresh, kept = load(db).sums, projection.sums
    with kept.lock:
        for name in ("days", "hours", "gaps"):
            if _filled(getattr(fresh, name)) != _filled(getattr(kept, name)):
                yield f"{name} in memory differ from those in the file"


def _filled(table: dict[object, dict[object, object]]) -> dict[object, dict[object, object]]:
    """Without cells that add up to nothing: one way of summing leaves them, another does not."""
    found = {
        key: {slot: cell for slot, cell in cells.items() if cell not in ([0, 0], {})}
        for key, cells in table.items()
    }
    return {key: cells for key, cells in found.items() if cells}
