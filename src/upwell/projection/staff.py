"""Events of customers who are staff, tests or bots: left out by what is known of the customer now.

The bytes of a payment keep the e-mail of their day. MRR follows the newest one, and so do all
events of a billing source's customer, whichever of the two came first; other traits that an event
tells are judged as they came. A customer without an e-mail leaves each event its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from upwell.period import Zone
from upwell.projection import commit, store
from upwell.projection.ground import Ground, judged_by, leaves_out
from upwell.projection.kin import of_customer
from upwell.projection.refold import actor_days, refold
from upwell.projection.said import KINDS

Customer = tuple[str, str]  # source and id
HISTORIES = frozenset({"page_view", "signup", "activation", *KINDS})  # of more than their own day


def located(
    db: duckdb.DuckDBPyConnection, ground: Ground, zone: Zone, events: pa.Table
) -> pa.Table:
    """Events with what `commit.located` adds; left out by the newest e-mails of their customers."""
    events = commit.located(events, ground, zone)
    sources = [origin.id for origin in ground.sources]
    if not ground.exclude or not sources:
        return events
    rows = np.flatnonzero(pc.is_in(events["source"], pa.array(sources)))
    if not len(rows):
        return events
    part = events.select(["source", "actor", "metadata"]).take(pa.array(rows))
    told = list(zip(*(column.to_pylist() for column in part.columns), strict=True))
    emails = _emails(db, {(source, _payer(*rest)) for source, *rest in told})
    marks = events["excluded"].to_numpy().copy()
    marks[rows] = [_left_out(ground, emails, *row) for row in told]
    at = events.column_names.index("excluded")
    return events.set_column(at, "excluded", pa.array(marks))


def mark(db: duckdb.DuckDBPyConnection, ground: Ground, customers: Iterable[Customer]) -> bool:
    """Leave out stored events of these customers, or count them again; whether any changed.

    Those that changed stand in the table `flipped` of the caller's transaction afterwards.
    """
    sources = {origin.id for origin in ground.sources}
    wanted = sorted(one for one in set(customers) if one[0] in sources)
    if not ground.exclude or not wanted:
        return False
    named = pa.table({"source": [one[0] for one in wanted], "customer": [one[1] for one in wanted]})
    emails = _emails(db, wanted)
    counts = (
        one in emails and not leaves_out(ground.exclude, one[1], emails[one]) for one in wanted
    )
    # Of somebody who counts, as most do, only what is left out can change.
    which = "e.excluded" if all(counts) else "true"
    with store.given(db, "named", named):
        rows = db.execute(_OF.format(which=which)).fetchall()
    other = [row for row, was, *told in rows if _left_out(ground, emails, *told) != was]
    if not other:
        return False
    with store.given(db, "others", pa.table({"row": pa.array(other, pa.int64())})):
        db.execute("update events set excluded = not excluded where rowid in (from others)")
        db.execute("create or replace temp table flipped as "
                   "select * from events where rowid in (from others)")  # fmt: skip
    store.judge_anew(db)
    return True


def follow(
    db: duckdb.DuckDBPyConnection, ground: Ground, zone: Zone, customers: Iterable[Customer]
) -> bool:
    """The same with all sums, of which only theirs change; memory is to be loaded afterwards."""
    if not mark(db, ground, customers):
        return False
    kinds = {kind for (kind,) in db.execute("select distinct type from flipped").fetchall()}
    if kinds & HISTORIES or ground.reads_more:
        refold(db, ground, zone)
        return True
    live, ever = (_changed(facts) for facts in (store.LIVE, store.EVER))
    db.execute("insert into cells " + store.CELLS.format(facts=live))
    db.execute("insert into cell_changes " + store.CHANGES.format(facts=ever))
    db.execute("insert into hours " + store.HOURS.format(facts=live))
    of = "actor in (select actor from flipped)"
    db.execute(f"delete from actor_days where {of}")
    actor_days(db, ground, of)
    return True


def told_of(db: duckdb.DuckDBPyConnection, seqs: Sequence[int]) -> list[Customer]:
    """The customers of whom these deliveries, or commands, have said something."""
    return db.execute(
        """with wanted as (select unnest(?::bigint[]) as seq)
        select distinct source, id from billing where kind = 'cus' and (seq in (from wanted)
          or out_seq in (from wanted) or version_seq in (from wanted))""",
        [list(seqs)],
    ).fetchall()


def _changed(facts: str) -> str:
    """Facts of the events that changed: those which count now are added, the others taken off."""
    own = facts.replace("from events", "from flipped")
    signed = "case when excluded then -sign else sign end as sign, false as excluded"
    return f"(select * replace ({signed}) from {own})"


def _left_out(
    ground: Ground,
    emails: dict[Customer, str],
    source: str,
    actor: str | None,
    metadata: str | None,
) -> bool:
    email = emails.get((source, _payer(actor, metadata)), "")
    return judged_by(ground, actor, metadata, email)


def _payer(actor: str | None, metadata: str | None) -> str:
    """Whose event it is; a fee names its customer only beside."""
    if actor or not metadata:
        return actor or ""
    return str(msgspec.json.decode(metadata).get("customer") or "")


def _emails(db: duckdb.DuckDBPyConnection, customers: Iterable[Customer]) -> dict[Customer, str]:
    subjects = pa.table(
        {"subject": pa.array({of_customer(*one) for one in customers}, pa.uint64())}
    )
    with store.given(db, "wanted", subjects):
        rows = db.execute(_NEWEST).fetchall()
    return {(source, id_): email for source, id_, email in rows if email}


_NEWEST = """
select source, id, arg_max(coalesce(json_extract_string(body, '$.email'), ''), (ts, ord))
from billing where kind = 'cus' and superseded_seq is null
  and subject in (select subject from wanted)
group by source, id
"""
_OF = """
with numbers as (select no, actor from actors where actor in (select customer from named))
select e.rowid, e.excluded, e.source, n.actor, e.metadata
from events e join numbers n on n.no = e.actor
  join named w on w.source = e.source and w.customer = n.actor
where {which}
union all
select e.rowid, e.excluded, e.source, null, e.metadata
from events e join named w on w.source = e.source
  and w.customer = json_extract_string(e.metadata, '$.customer')
where e.actor is null and e.type = 'fee' and {which}
"""
