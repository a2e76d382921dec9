"""The projection's file: DuckDB, its settings, tables, and the one statement that makes each sum.

The same SQL sums the events of one commit and, after `rebuild`, all of them: `{facts}` is either
the batch at hand or the stored events.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from numpy.typing import NDArray

from upwell.errors import Rejected, Unavailable
from upwell.event import DIMENSIONS
from upwell.metrics.authority import REPORTED_TYPES
from upwell.period import DAY_MICROS
from upwell.projection.sums import LINKED, PARTS

FORMAT = 1
BATCH = 1_000_000  # rows that are read into columns at a time
VISIT = "@visit"  # sums that come from histories, kept beside those of event types
ENTERED = "@entered"
REACHED = "@reached"

_DIMS = ", ".join(DIMENSIONS)
_DIM_COLUMNS = ", ".join(f"{name} varchar" for name in DIMENSIONS)

TABLES = f"""
create table if not exists meta(key varchar, value varchar);
create table if not exists events(
  seq bigint, idx integer,                 -- the delivery and place in it: where the bytes are
  product varchar, source varchar, type varchar,
  ts bigint, day integer, hour bigint,     -- UTC micros; local day; start of the local hour
  actor bigint, value decimal(38, 9), currency varchar,
  key_high ubigint, key_low ubigint,
  metadata varchar, {_DIM_COLUMNS},
  excluded boolean, late boolean, corrected boolean,
  recorded_at bigint, version_seq bigint,  -- when and by which delivery this version came
  superseded_at bigint, superseded_seq bigint
);
create table if not exists restating(seq bigint);  -- deliveries whose events displaced others
create table if not exists rereading(seq bigint);  -- commands that read old deliveries anew
create table if not exists retracted(seq bigint, by_seq bigint);  -- deliveries that are out
create table if not exists actors(no bigint, product varchar, actor varchar,
  high ubigint, low ubigint);
create table if not exists links(         -- what identity events say, for the persons below
  actor bigint, node ubigint, ts bigint, cuts boolean);
create table if not exists persons(        -- actors that are one with others
  actor bigint,
  own bigint,                              -- the smallest of the person's actors in its product
  person bigint                            -- the smallest of all
);
create table if not exists actor_days(product varchar, members varchar, actor bigint, day integer);
create table if not exists cells(product varchar, type varchar, currency varchar, source varchar,
  day integer, {_DIM_COLUMNS}, n bigint, value decimal(38, 9), seq bigint);
create table if not exists cell_changes(product varchar, type varchar, currency varchar,
  source varchar, day integer, {_DIM_COLUMNS}, n bigint, value decimal(38, 9),
  recorded_at bigint, seq bigint);
create table if not exists hours(product varchar, type varchar, currency varchar, day integer,
  hour bigint, n bigint, value decimal(38, 9));
create table if not exists dead_letters(seq bigint, idx integer, source varchar, code varchar,
  reason varchar, recorded_at bigint, settled_seq bigint);
create table if not exists doubts(seq bigint, idx integer, source varchar, code varchar,
  reason varchar, "object" varchar, recorded_at bigint, settled_seq bigint);
create table if not exists own_metrics(    -- which events count for a company's own metrics
  kind varchar, types varchar[], named varchar,
  wheres struct(pointer varchar, allowed varchar[])[]);
create table if not exists goals(          -- what activates: in a product, or in all but `others`
  product varchar, others varchar[], type varchar, named varchar, times integer, within bigint);
insert into goals select '', [], 'activation', null, 1, {14 * DAY_MICROS}
  where not exists (select 1 from goals);
create table if not exists source_counts(source varchar, events bigint, repeats bigint);
create table if not exists outgoing(seq bigint, idx integer, version_seq bigint);
create table if not exists grounds(seq bigint, recorded_at bigint, body varchar);
create table if not exists closes("month" varchar, seq bigint, closed_at bigint,
  reopened_at bigint);
create table if not exists billing(       -- what billing sources said, every version of it
  no bigint, kind varchar, source varchar, id varchar, customer varchar, product varchar,
  ts bigint, ord varchar, subject ubigint, -- `subject`: whose records are read together
  recorded_at bigint, seq bigint, idx integer, version_seq bigint,
  superseded_at bigint, superseded_seq bigint,
  out_seq bigint,                          -- the command that took it out, if one did
  reconstructed boolean, body varchar
);
create table if not exists cash(no bigint, source varchar, id varchar, ts bigint, day integer,
  kind varchar, amount bigint, fee bigint, net bigint, currency varchar, product varchar,
  cause varchar, seq bigint, recorded_at bigint, superseded_at bigint);
create table if not exists payments(no bigint, source varchar, id varchar, ts bigint, day integer,
  customer varchar, subscription varchar, product varchar, currency varchar, due bigint,
  paid bigint, tax bigint, status varchar, first_failed bigint, paid_at bigint,
  period_start bigint, period_end bigint, reconstructed boolean,
  seq bigint, recorded_at bigint, superseded_at bigint);
create table if not exists moves(          -- the ledger under the workspace's counting rules
  no bigint, person integer, line integer, day integer, ts bigint, delta bigint,
  by_subscription utinyint, by_product utinyint, by_company utinyint, cause utinyint,
  alive tinyint, seq bigint, recorded_at bigint, version_seq bigint, superseded_at bigint,
  superseded_seq bigint
);
create table if not exists book_lines(no integer, source varchar, subscription varchar,
  product varchar, plan varchar, "interval" varchar, currency varchar, member integer);
create table if not exists book_people(no integer, source varchar, customer varchar);
"""

SUMS = ("links", "persons", "actor_days", "cells", "cell_changes", "hours")

# Paths are JSON pointers: dots, quotes and stars in a key mean nothing in them.
_COUNTS = """list_contains(o.types, e.type) and (o.named is null or o.named = e.name)
  and len(list_filter(o.wheres, lambda w:
    not coalesce(list_contains(w.allowed, json_extract_string(e.metadata, w.pointer)), false))) = 0
"""


def counted_once_more(events: str) -> str:
    """The SQL of these events as those of the company's own metrics; `said` is their own type."""
    return (
        f"(select e.* replace (o.kind as type), e.type as said from {events} e"
        f" join own_metrics o on {_COUNTS})"
    )


def with_own(facts: str) -> str:
    """The SQL of these facts, and of them once more for each own metric that they count for."""
    more = counted_once_more(facts)
    return f"(select * from {facts} union all by name select * exclude (said) from {more})"


OWNED = counted_once_more("events")


CELLS = f"""
select product, type, coalesce(currency, '') as currency, source, day, {_DIMS},
  sum(sign)::bigint as n, sum(sign * value)::decimal(38, 9) as value, max(by_seq)::bigint as seq
from {{facts}} where not excluded group by all
"""

CHANGES = f"""
select product, type, coalesce(currency, '') as currency, source, day, {_DIMS},
  sum(sign)::bigint as n, sum(sign * value)::decimal(38, 9) as value,
  changed_at as recorded_at, by_seq as seq
from {{facts}} where not excluded and late group by all
"""

HOURS = """
select product, type, coalesce(currency, '') as currency, day, hour,
  sum(sign)::bigint as n, sum(sign * value)::decimal(38, 9) as value
from {facts} where not excluded group by all
"""

LIVE = """(select *, 1 as sign, recorded_at as changed_at, version_seq as by_seq from events
  where superseded_at is null)"""

EVER = """(
  select * exclude (recorded_at, superseded_at, version_seq, superseded_seq),
    1 as sign, recorded_at as changed_at, version_seq as by_seq from events
  union all
  select * exclude (recorded_at, superseded_at, version_seq, superseded_seq)
    replace (true as late), -1 as sign, superseded_at as changed_at, superseded_seq as by_seq
  from events where superseded_at is not null)"""

PEOPLE = "(events e left join persons p on p.actor = e.actor)"
OWNED_PEOPLE = f"({OWNED} e left join persons p on p.actor = e.actor)"
OWN, PERSON = "coalesce(p.own, e.actor)", "coalesce(p.person, e.actor)"  # in a product; over all

VISITS = f"""
with seconds as (
  select product, {OWN} as who, ts // 1000000 as second, any_value(day) as day,
    any_value(hour) as hour
  from {PEOPLE}
  where type = 'page_view' and e.actor is not null and not excluded and superseded_at is null
  group by all),
chained as (
  select *, lag(second) over (partition by who order by second) as before from seconds)
select product, '{VISIT}' as type, '' as currency, day, hour, count(*)::bigint as n,
  0::decimal(38, 9) as value
from chained where before is null or second - before >= 1800 group by all
"""


def steps(events: str) -> str:
    """The SQL of events with `goal`: whether one activates; `times` and `within` say how often."""
    return f"""(select e.*, coalesce(e.type = g.type, e.name = g.named, false) as goal,
      g.times, g.within from {events} e join goals g
      on e.type not in {REPORTED_TYPES} and (g.product = e.product
        or (g.product = '' and not list_contains(g.others, e.product))))"""


STEPS = f"({steps('events')} e left join persons p on p.actor = e.actor)"
REACHED_IT = """(select count(*) from steps s where s.who = f.who and s.goal
  and s.ts between f.first and f.first + f.within) >= f.times"""
COHORT = f"""
with steps as (
  select product, {OWN} as who, ts, type = $entry as entry, goal, times, within from {STEPS}
  where (type = $entry or goal) and e.actor is not null and not excluded
    and superseded_at is null),
firsts as (select product, who, min(ts) as first, any_value(times) as times,
  any_value(within) as within from steps where entry group by all)
select f.product, f.first, {REACHED_IT} as reached
from firsts f
"""

SEVERAL = "select person from persons group by person having count(distinct own) > 1"
_CHAINED = """
select product, day, coalesce(earlier, -1) as earlier, count(*)::bigint as n from (
  select product, day, lag(day) over (partition by product, who order by day) as earlier
  from people)
group by all order by product, day
"""
GAPS_KNOWN = f"""
with known as (
  select * from actor_days join persons using (actor) where members = $members),
people as (
  select distinct product, own as who, day from known
  union all select distinct '{LINKED}', person, day from known where person in ({SEVERAL})
  union all select distinct '{PARTS}', own, day from known where person in ({SEVERAL}))
{_CHAINED}"""
"""Gaps of the actors who are one with others; those of everybody else follow from their days."""

GAPS_OF = f"""
with days as (select * from actor_days where members = $members and day >= $since
  and product in (select unnest($products)) and actor in (select no from {{among}})),
known as (select * from days join persons using (actor)),
several as (select person from persons join actors on no = persons.actor
  where product in (select unnest($products)) group by person having count(distinct own) > 1),
people as (
  select product, actor as who, day from days where actor not in (select actor from persons)
  union all select distinct product, own, day from known
  union all select distinct '{LINKED}', person, day from known where person in (from several)
  union all select distinct '{PARTS}', own, day from known where person in (from several))
{_CHAINED}"""
"""Gaps of some of the people in some of the products; of days from one on."""

AMONG = """
select person from persons join actors on no = persons.actor
where product in (select unnest(?::varchar[])) group by person having count(distinct own) > 1
"""
GAPS_AMONG = f"""
with known as (select own, person, day from actor_days join persons using (actor)
  where members = ? and product in (select unnest(?::varchar[])) and person in ({AMONG})),
people as (
  select distinct '{LINKED}' as product, person as who, day from known
  union all select distinct '{PARTS}', own, day from known)
{_CHAINED}"""
"""Gaps of those who are in several of some products: the set, and the products twice."""


MERGED = {
    "cells": f"product, type, currency, source, day, {_DIMS}, sum(n)::bigint as n,"
    " sum(value)::decimal(38, 9) as value, max(seq) as seq",
    "hours": "product, type, currency, day, hour, sum(n)::bigint as n,"
    " sum(value)::decimal(38, 9) as value",
}
"""Tables that grow by a row for each change of a sum, and what adds such rows up."""


def merge(db: duckdb.DuckDBPyConnection) -> None:
    """Add up the rows of each sum, inside the caller's commit; no answer changes."""
    for table, columns in MERGED.items():
        db.execute(
            f"create table merged as select {columns} from {table} group by all"
            " having sum(n) <> 0 or sum(value) <> 0 order by product, type, day"
        )
        db.execute(f"drop table {table}")
        db.execute(f"alter table merged rename to {table}")


def connect(path: Path, memory: str = "1GB", threads: int = 2) -> duckdb.DuckDBPyConnection:
    """Open the projection's database, locked down, with its tables; Rejected for a newer format.

    Raises duckdb.Error where the file is damaged (`damaged`) or cannot be had just now.
    """
    exchange = path.parent / "exchange"
    exchange.mkdir(exist_ok=True, mode=0o700)
    connection = duckdb.connect(str(path))
    try:
        os.chmod(path, 0o600)
        _lock_down(connection, exchange, memory, threads)
        connection.execute("begin")
        connection.execute(TABLES)
        row = connection.execute("select value from meta where key = 'format'").fetchone()
        if row is None:
            connection.execute(
                "insert into meta values ('format', ?), ('applied', '0')", [str(FORMAT)]
            )
        elif int(row[0]) > FORMAT:
            raise Rejected(
                "newer_data",
                f"The data directory was written by a newer Upwell (projection format {row[0]}; "
                f"this one reads up to {FORMAT}).",
                fix="Install the newer version, or use another data directory.",
            )
        connection.execute("commit")
    except BaseException:
        connection.close()
        raise
    return connection


_PASSING = ("No space left", "set lock on file", "Permission denied", "Read-only", "Too many open")


def damaged(error: duckdb.Error) -> bool:
    """Whether opening or loading failed for what is in the file, not for what is around it."""
    if isinstance(error, duckdb.OutOfMemoryException | duckdb.InterruptException):
        return False
    return not any(sign in str(error) for sign in _PASSING)


def corrupt(error: duckdb.Error) -> bool:
    """Whether a statement failed because what the file holds is not what was written to it."""
    signs = ("Corrupt", "checksum", "Could not read enough bytes", "not a valid DuckDB")
    return any(sign in str(error) for sign in signs)


def unavailable(error: duckdb.Error) -> Unavailable:
    """The same failure as people see it."""
    if "set lock on file" in str(error):
        return Unavailable(
            "in_use",
            "Another process holds the data directory.",
            fix="Stop it, or use another --data directory.",
        )
    return Unavailable(
        "projection_unavailable",
        f"The stored events cannot be opened: {str(error).splitlines()[0]}",
        fix="Check the disk and the memory of this machine; then start again.",
    )


def judge_anew(db: duckdb.DuckDBPyConnection) -> None:
    """Let what is made from the events elsewhere see that stored ones count otherwise now."""
    db.execute("insert into meta select 'judged', '0' where 'judged' not in (select key from meta)")
    db.execute("update meta set value = (value::bigint + 1)::varchar where key = 'judged'")


@contextmanager
def given(db: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[None]:
    """Let statements in the block read Arrow rows by name."""
    db.register(name, rows)
    try:
        yield
    finally:
        # After a failure even this may be refused; the rollback drops the view too.
        with suppress(duckdb.Error):
            db.unregister(name)


def batches(
    db: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()
) -> Iterator[tuple[NDArray[Any], ...]]:
    """The rows of a statement as columns of numbers, some at a time."""
    for batch in db.sql(sql, params=list(values)).to_arrow_reader(BATCH):
        yield tuple(column.to_numpy(zero_copy_only=False) for column in batch.columns)


def put_aside(path: Path) -> None:
    """Move a damaged database and its log out of the way, keeping both."""
    number = 1
    while (aside := path.with_suffix(f".damaged-{number}")).exists():
        number += 1
    if path.exists():
        shutil.move(path, aside)
    log = Path(f"{path}.wal")
    if log.exists():
        shutil.move(log, Path(f"{aside}.wal"))


def _lock_down(
    connection: duckdb.DuckDBPyConnection, exchange: Path, memory: str, threads: int
) -> None:
    connection.execute(f"set threads = {int(threads)}")
    connection.execute("set memory_limit = ?", [memory])
    connection.execute("set temp_directory = ?", [str(exchange / "spill")])
    connection.execute("set allowed_directories = ?", [[str(exchange)]])
    connection.execute("set preserve_insertion_order = true")
    # While the log is written into the file no commit goes on: often and briefly, then.
    connection.execute("set checkpoint_threshold = '64MB'")
    for setting in (
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set {setting}")
