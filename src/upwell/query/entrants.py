"""What a cohort rule gave by an instant, from the days of the span alone.

Whether somebody entered before the span is known in memory; the events of earlier days, which may
be a hundred million, are not read for it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from upwell.metrics.catalog import Cohort
from upwell.projection import Projection
from upwell.projection.runs import among
from upwell.projection.store import OWN, STEPS, given
from upwell.query import scan
from upwell.query.lines import Line, Number, share
from upwell.query.plan import Plan
from upwell.query.read import groups_of

_CANDIDATES = f"""
with steps as materialized (
  select list_position($products, product) - 1 as product, {OWN} as who, ts, type = $entry as entry,
    goal, times, within
  from {STEPS} where product in (select unnest($products::varchar[])) and (type = $entry or goal)
    and day >= $start and day < $last and e.actor is not null and {{stored}}),
firsts as (select product, who, min(ts) as first, any_value(times) as times,
  any_value(within) as within from steps where entry group by all)
select f.product, f.who, count(s.ts) >= any_value(f.times) as reached
from firsts f left join steps s
  on s.who = f.who and s.goal and s.ts between f.first and f.first + f.within
group by f.product, f.who
"""
_PARTS = "select p.actor, p.own from persons p semi join candidates c on c.who = p.own"


def until(plan: Plan, projection: Projection, rule: Cohort, instant: int) -> list[Line]:
    """The lines of the span by its days, of events before `instant` (UTC micros) only."""
    db = projection.reader()
    found = db.execute(
        _CANDIDATES.format(stored=scan.stored(plan, instant)),
        {
            "products": list(plan.products),
            "entry": rule.entry,
            "start": plan.start,
            "last": plan.last,
        },
    ).fetchnumpy()
    who = np.asarray(found["who"], np.int64)
    with given(db, "candidates", pa.table({"who": who})):
        parts = db.execute(_PARTS).fetchnumpy()
    actor = np.concatenate([who, np.asarray(parts["actor"], np.int64)])
    own = np.concatenate([who, np.asarray(parts["own"], np.int64)])
    order = np.argsort(actor)  # neighbours are looked up together
    before = projection.entered(rule.kept, actor[order], plan.zone.opens(plan.start))
    new = ~among(who, np.sort(own[order][before]))
    product, reached = np.asarray(found["product"])[new], np.asarray(found["reached"])[new]
    places = len(plan.products)
    entered = np.bincount(product, minlength=places)
    done = np.bincount(product[reached], minlength=places)
    return [
        Line(key, [], _value(plan, rule, products, done, entered))
        for key, products in groups_of(plan).items()
    ]


def _value(
    plan: Plan,
    rule: Cohort,
    products: tuple[str, ...],
    done: NDArray[np.intp],
    entered: NDArray[np.intp],
) -> Number:
    at = [plan.products.index(one) for one in products]
    reached, everybody = int(done[at].sum()), int(entered[at].sum())
    if rule.of == "share":
        return share(reached, everybody)
    return reached if rule.of == "reached" else everybody
