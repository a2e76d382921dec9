"""What is read with SQL: cells by declared dimensions, and bounded scans of stored events.

Identifiers come from the lists in `plan`; every value is bound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, Timer
from typing import Any

import duckdb

from upwell.errors import Unavailable
from upwell.event import pointer
from upwell.metrics.catalog import Latest, Net, Sum, Unique
from upwell.money import SCALE
from upwell.projection import Projection
from upwell.projection.store import OWNED, given
from upwell.query.among import BILLED, PAYERS, USERS, Among
from upwell.query.lines import MISSING, OTHER, Amounts, parts
from upwell.query.plan import CELL_KEYS, Plan, versions

MOST_KEYS = 5_000  # of a longer breakdown only the keys with most events are told apart
DEADLINE = 30.0  # seconds that one scan may take, and may wait for another
_one_at_a_time = Lock()


def cells(plan: Plan, projection: Projection) -> Amounts:
    """Amounts by a declared dimension, from the cells."""
    clause, values = where(plan)
    facts = f"(select * from cells where {clause})"
    return _grouped(plan, projection, facts, values, "day")


def amounts(plan: Plan, projection: Projection, until: int | None = None) -> Amounts:
    """Amounts from the events themselves: hours of a dimension, or keys that no sum is kept by.

    `until` leaves out events from that instant (UTC micros) on.
    """
    clause, values = where(plan)
    slot = "hour" if plan.hourly else "day"
    facts = f"(select *, 1 as n from {events(plan)} e where {clause} and {stored(plan, until)})"
    return _grouped(plan, projection, facts, values, slot, queue=until is None)


def amounts_known(plan: Plan, projection: Projection) -> tuple[Amounts, bool]:
    """Amounts as they were known at a past time, and whether events were read for it.

    Days that had ended by then: the cells less every change recorded later. The day that was
    running then, and hours: the events whose version was current at that time.
    """
    keyed = {plan.question.by, *plan.question.where} - {None, "product", "currency"}
    if plan.hourly or plan.among is not None or not keyed <= set(CELL_KEYS):
        return amounts(plan, projection), True
    found: Amounts = {}
    ended = plan.moved(plan.start, min(plan.end, plan.today))
    if ended.start < ended.end:
        clause, values = where(ended)
        columns = ", ".join(("product", "type", "currency", "day", *CELL_KEYS))
        facts = f"""(select {columns}, n, value from cells where {clause}
          union all select {columns}, -n as n, -value as value from cell_changes
          where {clause} and recorded_at > ?)"""
        found = _grouped(ended, projection, facts, [*values, *values, plan.seen], "day")
    if plan.start <= plan.today < plan.end:
        today = amounts(plan.moved(plan.today, plan.today + 1), projection)
        for key, currencies in today.items():
            for currency, slots in currencies.items():
                found.setdefault(key, {}).setdefault(currency, {}).update(slots)
        return found, True
    return found, False


def _grouped(
    plan: Plan,
    projection: Projection,
    facts: str,
    values: list[Any],
    slot: str,
    *,
    queue: bool = False,
) -> Amounts:
    """Facts (columns of events, with `n` and a `value` signed alike) added up by key and slot."""
    rule = plan.metric.rule
    assert isinstance(rule, Sum | Net)
    counted = all(part.of == "count" for part, _ in parts(rule))
    what, terms, types = "n" if counted else "value", list[str](), list[str]()
    for part, sign in parts(rule):
        terms.append(f"{'+' if sign > 0 else '-'} case when type = ? then {what} else 0 end")
        types.append(part.type)
    key, bound = key_of(plan.question.by)
    currency = "coalesce(currency, '')" if plan.metric.unit == "money" else "''"
    sql = f"""with part as materialized (
      select {key} as key, {currency} as currency,
        {slot} as slot, sum({" ".join(terms)}) as amount, sum(n) as n
      from {facts} where type in (select unnest(?::varchar[])) group by all having sum(n) <> 0)
    select {limited(plan)} as key, currency, slot,
      (sum(amount) * {1 if counted else SCALE})::hugeint
    from part group by all"""
    found: Amounts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    bindings = [*bound, *types, *values, types]
    for name, code, at, amount in run(projection, sql, bindings, queue=queue, among=plan.among):
        found[name][code][int(at)] = int(amount)
    return found


def events(plan: Plan) -> str:
    """The SQL of the events that the metric's types are found among."""
    return OWNED if plan.owned else "events"


def limited(plan: Plan) -> str:
    """The SQL of a part's key, where a long breakdown's rarest keys are one."""
    if plan.question.by in (None, "product", "currency"):
        return "key"
    common = f"(select key from part group by key order by sum(n) desc, key limit {MOST_KEYS})"
    return f"case when key in {common} then key else '{OTHER}' end"


def run(
    projection: Projection,
    sql: str,
    values: list[Any] | dict[str, Any],
    *,
    queue: bool = True,
    among: Among | None = None,
) -> list[tuple[Any, ...]]:
    """All rows; `queue`: one such scan at a time, with a deadline, so that it slows nobody.

    `among` are the users of a segment, where the statement is narrowed to any.
    """
    db = projection.reader()
    with ExitStack() as around:
        if among is not None:
            around.enter_context(given(db, USERS, among.users))
            around.enter_context(given(db, PAYERS, among.payers))
        if queue:
            around.enter_context(bounded(db))
        return db.execute(sql, values).fetchall()


@contextmanager
def bounded(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One such block at a time, ended at the deadline; Unavailable where it or the wait is long."""
    if not _one_at_a_time.acquire(timeout=DEADLINE):
        raise Unavailable(
            "busy",
            "Other questions are still being read event by event.",
            fix="Ask again in a moment, or for fewer days.",
        )
    timer = Timer(DEADLINE, db.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise Unavailable(
            "slow_scan",
            f"Reading event by event took longer than {DEADLINE:.0f} s.",
            fix="Ask for fewer days, fewer products, or a declared dimension.",
        ) from error
    finally:
        timer.cancel()
        _one_at_a_time.release()


def dimension(name: str) -> tuple[str, list[Any]]:
    """The SQL of a dimension's value, '(none)' where there is none, and what it binds."""
    if name in (*CELL_KEYS, "currency"):
        return f"coalesce(nullif({name}, ''), '{MISSING}')", []
    return f"coalesce(nullif(json_extract_string(metadata, ?::varchar), ''), '{MISSING}')", [
        pointer(name)
    ]


def key_of(by: str | None) -> tuple[str, list[Any]]:
    """The SQL of the breakdown's key and what it binds."""
    if by is None:
        return "''", []
    return ("product", []) if by == "product" else dimension(by)


def where(plan: Plan, *, early: int = 0) -> tuple[str, list[Any]]:
    """The SQL of products, days (and `early` days before them) and filters, and what it binds."""
    clauses = ["product in (select unnest(?::varchar[]))", "day >= ?", "day < ?"]
    values: list[Any] = [list(plan.products), plan.start - early, plan.last]
    for name, allowed in plan.question.where.items():
        column, bound = dimension(name)
        clauses.append(f"{column} in (select unnest(?::varchar[]))")
        values += [*bound, [value or MISSING for value in allowed]]
    if plan.among is not None:
        clauses.append(of_segment(plan))
    return " and ".join(clauses), values


def of_segment(plan: Plan) -> str:
    """The SQL of the events `e` of a segment's users; of amounts also those of their customers."""
    users = f"e.actor in (select no from {USERS})"
    if not isinstance(plan.metric.rule, Sum | Net | Unique | Latest):
        return users  # counts people
    billed = ", ".join(f"'{kind}'" for kind in BILLED)
    return f"""({users} or ({"e.said" if plan.owned else "e.type"} in ({billed})
      and (e.source, e.actor) in (select (source, no) from {PAYERS})))"""


def stored(plan: Plan, until: int | None = None) -> str:
    """The SQL of events that count, in the version of the moment the answer speaks of."""
    found = f"not excluded and {versions(plan)}"
    return found if until is None else f"{found} and ts < {int(until)}"
