"""Events that take the place of others with their key: marked, taken off, and brought back.

Nothing is overwritten. The event that was known is kept with the time until which it stood, so
that answers as known before stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from upwell.event import Delivery
from upwell.projection import store
from upwell.projection.ground import Ground
from upwell.projection.keys import IDX_BITS, Hashes, places
from upwell.projection.runs import I64, KeyIndex
from upwell.projection.said import KINDS, said


def take_place(
    db: duckdb.DuckDBPyConnection, index: KeyIndex, own: Hashes, fresh: pa.Table, known: I64
) -> pa.Table | None:
    """Let fresh rows be known by their keys `own`; those that stood at the places `known` (or -1).

    None where there are none.
    """
    new, place = known < 0, places(fresh)
    index.add(own.high[new], own.low[new], place[new])
    if new.all():
        return None
    index.move(own.high[~new], own.low[~new], place[~new])
    return displace(db, fresh.filter(pa.array(~new)), known[~new])


def displace(db: duckdb.DuckDBPyConnection, fresh: pa.Table, known: I64) -> pa.Table:
    """Mark the stored events at the places `known`, beside fresh rows, as superseded by those.

    Returns them as they are now.
    """
    low, high = int(known.min()) >> IDX_BITS, int(known.max()) >> IDX_BITS
    wanted = pa.table({"place": known, "at": fresh["recorded_at"], "by": fresh["version_seq"]})
    with store.given(db, "wanted", wanted):
        gone: pa.Table = db.sql(
            f"""select e.* replace (w.at as superseded_at, w.by as superseded_seq), e.rowid as row
            from events e join wanted w on w.place = (e.seq << {IDX_BITS}) | e.idx
            where e.superseded_at is null and e.seq between {low} and {high}"""
        ).to_arrow_table()
    with store.given(db, "taken", gone):
        db.execute(
            f"""update events set superseded_at = t.superseded_at,
              superseded_seq = t.superseded_seq
            from taken t where events.rowid = t.row and events.seq between {low} and {high}"""
        )
        db.execute(
            "insert into restating select distinct superseded_seq from taken"
            " where superseded_seq not in (from restating)"
        )
    return gone


def moved(db: duckdb.DuckDBPyConnection, fresh: pa.Table, ground: Ground) -> tuple[pa.Table, bool]:
    """Fresh rows without those that leave every history as it was; whether any other changes one.

    A history (active days, visits, cohorts, who is one person) depends on who did what when, and
    not on what it was worth. `fresh` and what `gone` it replaces are tables of the connection.
    """
    other = _counted_otherwise(db, ground)
    kept, changed = list[int](), False
    for place, same, *key, product, actor, kind, now, before in db.execute(_PAIRS).fetchall():
        if same and kind in KINDS:
            ways = (said(product, actor, kind, one, ground.user_rules) for one in (now, before))
            same = list(next(ways)) == list(next(ways))
        if same and tuple(key) not in other:
            kept.append(place)
        else:
            changed = True
    return fresh.filter(pa.array(~np.isin(places(fresh), kept))), changed


_PAIRS = f"""
select (f.seq << {IDX_BITS}) | f.idx,
  (f.actor_no is null and g.actor is null) or (f.excluded and g.excluded)
    or (f.type = g.type and f.ts = g.ts and f.excluded = g.excluded
      and f.actor_no is not distinct from g.actor
      and (f.name is not distinct from g.name
        or not exists (select 1 from goals where named is not null))),
  f.key_high, f.key_low, f.product, f.actor, f.type, f.metadata, g.metadata
from fresh f join gone g on f.key_high = g.key_high and f.key_low = g.key_low
"""


def _counted_otherwise(db: duckdb.DuckDBPyConnection, ground: Ground) -> set[tuple[int, int]]:
    """The keys of events that make users members of other sets of the company's own than before."""
    kinds = [own.kind for own in ground.kept if own.by_user]
    if not kinds:
        return set()
    now, before = (
        f"select key_high, key_low, type from {store.counted_once_more(table)}"
        " where type in (select unnest($kinds::varchar[]))"
        for table in ("fresh", "gone")
    )
    rows = db.execute(
        f"""(({now}) except ({before})) union all (({before}) except ({now}))""", {"kinds": kinds}
    )
    return {(high, low) for high, low, _ in rows.fetchall()}


class Settled(NamedTuple):
    """How many events stand again; the places of the subscriptions that do, and no longer do."""

    events: int
    came: frozenset[tuple[int, int]]
    ended: frozenset[tuple[int, int]]


def settle(
    db: duckdb.DuckDBPyConnection, delivery: Delivery, keys: str, *values: object
) -> Settled:
    """Let of the versions of each key the one stand that would, had only what is not out come.

    `keys` is SQL of key_high and key_low. That is the last that was said of it; a version that an
    order to read anew has ended is none.
    """
    db.execute(f"create or replace temp table best as {_BEST.format(keys=keys)}", list(values))
    seq, at = delivery.seq, delivery.received_at
    ended = db.execute(
        """update events set superseded_at = ?, superseded_seq = ?
        from best b where events.superseded_at is null and not b.stands
          and events.key_high = b.key_high and events.key_low = b.key_low
        returning events.type, events.seq, events.idx""",
        [at, seq],
    ).fetchall()
    came = db.execute(
        """insert into events select * exclude (stands) replace (?::bigint as recorded_at,
          ?::bigint as version_seq, true as late, null as superseded_at, null as superseded_seq)
        from best where not stands returning type, seq, idx""",
        [at, seq],
    ).fetchall()
    return Settled(len(came), _told(came), _told(ended))


def _told(rows: Iterable[tuple[str, int, int]]) -> frozenset[tuple[int, int]]:
    return frozenset((seq, idx) for kind, seq, idx in rows if kind == "subscription")


_BEST = """
with keys as ({keys}),
last as (
  select e.* from events e semi join keys k
    on k.key_high = e.key_high and k.key_low = e.key_low
  qualify row_number() over (
    partition by e.key_high, e.key_low, e.seq, e.idx order by e.version_seq desc) = 1)
select *, superseded_at is null as stands from last
where seq not in (select seq from retracted)
  and (superseded_seq is null or superseded_seq not in (from rereading))
qualify row_number() over (partition by key_high, key_low order by seq desc, idx desc) = 1
"""
