"""Many events of many users, stored as the projection stores them: for measuring questions of use.

They are written into its tables by one statement and summed by its own rebuild; the journal is
left out, since nothing here reads it. Every event has a millisecond of its own, so that peers that
know no order within an instant can be compared with.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from upwell.period import DAY_MICROS, Zone
from upwell.projection import Projection, store
from upwell.projection.ground import Ground, GroundProduct
from upwell.projection.refold import refold

DAYS = 400
PRODUCTS = tuple(f"p{n}" for n in range(12))
UNTIL = 1_795_046_400_000_000  # 2026-11-19T00:00Z
SINCE = UNTIL - DAYS * DAY_MICROS
EACH = 20  # events of a user
NAMES = 40
BATCH = 1_000  # events of a delivery
SLICE = 10_000_000  # events written by one statement

_ROWS = f"""
select i, (hash(i * 11) % $users)::bigint + 1 as actor, 'p' || (actor % {len(PRODUCTS)}) as product,
  {SINCE} + (i * ({DAYS * DAY_MICROS // 1000}::hugeint) // $events)::bigint * 1000 as ts,
  (hash(i * 13) % 1000)::integer as draw,
  case when draw < 500 then 'engagement' when draw < 800 then 'page_view'
    when draw < 900 then 'session' when draw < 950 then 'signup' else 'activation' end as type,
  case when draw < 500 then 'e' || (hash(i * 3) % {NAMES}) end as name
from range($low, $high) as rows(i)
"""
_EVENTS = f"""
insert into events by name select i // {BATCH} + 2 as seq, (i % {BATCH})::integer as idx, product,
  'bench' as source, type, ts, (ts // {DAY_MICROS})::integer as day,
  ts // 3600000000 * 3600000000 as hour, actor, 1 as value, hash(i) as key_high,
  hash(i + 1) as key_low, '{{"plan":"' || plan || '"}}' as metadata, plan,
  (['US', 'DE', 'GB', 'FR', 'JP'])[1 + actor % 5] as country, name, false as excluded,
  false as late, false as corrected, ts as recorded_at, i // {BATCH} + 2 as version_seq
from (select *, (['free', 'team', 'enterprise'])[1 + actor % 3] as plan from ({_ROWS}))
"""
_ACTORS = f"""
insert into actors by name select no, 'p' || (no % {len(PRODUCTS)}) as product, 'u' || no as actor,
  hash('p' || (no % {len(PRODUCTS)}) || chr(0) || 'u' || no) as high, hash(no) as low
from range(1, $users + 1) as rows(no)
"""


def fill(data: Path, events: int) -> None:
    """Make a data directory with so many events, unless it is there from before."""
    done = data / "filled"
    if done.exists() and done.read_text() == str(events):
        return
    shutil.rmtree(data, ignore_errors=True)
    ground = Ground(products=tuple(GroundProduct(id=name) for name in PRODUCTS))
    made = Projection(data)
    made.set_ground(ground, 1, SINCE)
    made.close()
    db = store.connect(data / "projection.duckdb", memory="8GB")
    users = max(events // EACH, 1)
    for low in range(0, events, SLICE):
        high = min(low + SLICE, events)
        db.execute(_EVENTS, {"users": users, "events": events, "low": low, "high": high})
        print(f"  {high:,} of {events:,} events written", flush=True)
    db.execute("begin")
    db.execute(_ACTORS, {"users": users})
    refold(db, ground, Zone("UTC"))
    db.execute("update meta set value = ? where key = 'applied'", [str(events // BATCH + 2)])
    db.execute("commit")
    db.execute("checkpoint")
    db.close()
    print("  … and summed", flush=True)
    done.write_text(str(events))


def exported(data: Path) -> Path:
    """The same events as Parquet, for a peer to load: product, kind, ts (milliseconds), actor."""
    path = data / "events.parquet"
    if path.exists():
        return path
    db = store.connect(data / "projection.duckdb", memory="8GB")
    rows = db.sql(
        "select product, coalesce(name, type) as kind, ts // 1000 as ts, actor::uinteger as actor"
        " from events"
    ).to_arrow_reader(1_000_000)
    begun = path.with_suffix(".part")
    with pq.ParquetWriter(begun, rows.schema) as out:
        for batch in rows:
            out.write_batch(batch)
    db.close()
    return begun.rename(path)
