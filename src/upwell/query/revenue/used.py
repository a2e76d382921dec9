"""What a customer's people did with the products (`linked` says who they are)."""

from __future__ import annotations

from collections.abc import Iterable

from upwell.period import to_date, to_instant
from upwell.projection import Projection
from upwell.projection.identity import Payer
from upwell.projection.refold import membership
from upwell.projection.said import trait_of
from upwell.query.plan import Plan
from upwell.query.revenue.linked import TRAITS, names_of
from upwell.query.revenue.shapes import Used, UsedEvent
from upwell.query.scan import stored

DAYS = 90  # up to the last one with any use
MOST = 50  # kinds of events

_USERS = f"""
with named as (
  select actor as no from {TRAITS} where node in (select unnest(?::ubigint[]))
  union select no from actors where actor in (select unnest(?::varchar[]))),
whole as (
  select no from named
  union select p.actor from persons p where person in (
    select person from persons where actor in (select no from named)))
select no, coalesce(person, no) from actors left join persons on actors.no = persons.actor
where no in (select no from whole) and product in (select unnest(?::varchar[]))
"""


def used(plan: Plan, projection: Projection, payers: Iterable[Payer]) -> Used | None:
    """What the users of these accounts did in the plan's products; None where none ever did."""
    db, ground = projection.reader(), projection.ground
    nodes, names = set[int](), set[str]()
    for payer in payers:
        nodes.update(trait_of(payer, ground.user_rules))
        names |= names_of(payer, ground)
    found = db.execute(_USERS, [sorted(nodes), sorted(names), list(plan.products)])
    users = dict(found.fetchall())
    days = db.execute(
        "select count(distinct day), min(day), max(day) from actor_days"
        " where members = 'active' and actor in (select unnest(?::bigint[])) and day <= ?",
        [list(users), plan.today],
    ).fetchall()[0]
    count, first, last = days
    if not count:
        return None
    does, values = membership(ground, "active")
    rows = db.execute(
        f"""select product, coalesce(name, type), count(*), max(ts), list(distinct actor)
        from events where actor in (select unnest(?::bigint[])) and day > ? and day <= ?
          and {does} and {stored(plan)} group by 1, 2 order by 3 desc, 1, 2""",
        [list(users), last - DAYS, last, *values],
    ).fetchall()
    return Used(
        users=len({users[actor] for *_, actors in rows for actor in actors}),
        active_days=count,
        first_active=to_date(first),
        last_active=to_instant(max((at for *_, at, _ in rows), default=plan.zone.opens(last))),
        since=to_date(last - DAYS + 1),
        events=tuple(
            UsedEvent(product=product, name=name, count=n, last=to_instant(at))
            for product, name, n, at, _ in rows[:MOST]
        ),
    )
