"""What was known of the sources at a past time: which had come, and how fresh they were."""

from __future__ import annotations

from upwell.projection import Projection
from upwell.projection.said import KINDS
from upwell.query import scan
from upwell.query.plan import Plan


def unknown_then(asked: Plan, projection: Projection) -> frozenset[str]:
    """The products of which no event had come at the past time asked for; empty for now."""
    if asked.known_at is None:
        return frozenset()
    firsts = {product: projection.first_recorded([product]) for product in asked.products}
    late = [product for product, at in firsts.items() if at is None or at > asked.seen]
    if not late:
        return frozenset()
    # What was retracted since was known then all the same.
    sql = """select distinct product from events
      where product in (select unnest(?::varchar[])) and recorded_at <= ?"""
    came = {name for (name,) in scan.run(projection, sql, [late, asked.seen], queue=False)}
    return frozenset(late) - came


def others_now(asked: Plan, projection: Projection) -> bool:
    """Whether anything was said after the past time asked for, or taken back, of who is one user.

    Of any product: a link may lead over one that was not asked for.
    """
    sql = f"""select count(*) from events where type in {KINDS} and not excluded
      and case when superseded_at is null then recorded_at > ?
        else recorded_at <= ? and superseded_at > ? end"""
    return bool(scan.run(projection, sql, [asked.seen] * 3, queue=False)[0][0])


def freshness(asked: Plan, projection: Projection) -> dict[str, int]:
    """For each source of the products, when it last brought an event (UTC micros) by then."""
    if asked.known_at is None:
        return projection.freshness(asked.products)
    sql = """select source, max(recorded_at) from events
      where product in (select unnest(?::varchar[])) and recorded_at <= ?
      group by source order by source"""
    return dict(scan.run(projection, sql, [list(asked.products), asked.seen], queue=False))
