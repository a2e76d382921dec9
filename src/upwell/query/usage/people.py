"""The people behind a number about use, and what is shown of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected
from upwell.metrics.funnel.run import CONVERTED, DROPPED, OPEN
from upwell.period import to_instant
from upwell.query import scan
from upwell.query.usage import courses, funnels, shapes
from upwell.query.usage.asked import Behind, DidAsked, Doing, FunnelAsked, PartAsked, PeopleAsked
from upwell.query.usage.ground import Ground
from upwell.query.usage.walk import Walks, walk
from upwell.warehouse.timelines import Timelines

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

MOST = 1_000  # people of a page
_STATES = {"converted": CONVERTED, "dropped": DROPPED, "open": OPEN}


def of_funnel(behind: Behind, asked: FunnelAsked, of: Ground, found: Walks) -> I64:
    """The people at a step of a funnel, in a state, at a node or on a link."""
    if behind.between is not None:
        return _on_the_way(behind, behind.between, asked, of, found)
    outcome = funnels.outcome_of(found, asked, of, behind.part, behind.bucket)
    chosen = outcome.reached > 0
    step = behind.step
    if behind.node is not None:
        step, alternative = _node(behind.node, len(asked.steps))
        chosen = outcome.alternatives[:, step - 1] == alternative
        if behind.target is not None:
            after, onward = _node(behind.target, len(asked.steps))
            between = outcome.rows[:, step : after - 1] >= 0
            chosen &= outcome.alternatives[:, after - 1] == onward
            chosen &= ~between.any(axis=1) if after > step else False
    elif step is not None or behind.bucket is None:
        step = 1 if step is None else step
        if not 1 <= step <= len(asked.steps):
            raise _refuse(
                f"The funnel has no step {step}.", f"Send 1 to {len(asked.steps)} as 'step'."
            )
        optional = asked.steps[step - 1].optional
        chosen = outcome.rows[:, step - 1] >= 0 if optional else outcome.reached >= step
    if behind.state == "converted":
        chosen = chosen & (outcome.state == CONVERTED)
    elif behind.state != "reached":
        chosen = chosen & (outcome.state == _STATES[behind.state])
        if step is not None:
            chosen &= outcome.reached == step
    return np.unique(outcome.actor[chosen])


def _on_the_way(
    behind: Behind, event: PartAsked, asked: FunnelAsked, of: Ground, found: Walks
) -> I64:
    """The people of a link who also did an event on it."""
    if behind.node is None or behind.target is None or not asked.between:
        raise _refuse(
            "What is done on the way is told of a link.",
            "Send 'node' and 'target', and ask the funnel with 'between'.",
        )
    steps = len(asked.steps)
    link = _node(behind.node, steps), _node(behind.target, steps)
    if link[0][0] >= link[1][0]:
        raise _refuse(
            f"No link leads from {behind.node} to {behind.target}.", "Send a link of the flow."
        )
    return courses.on_the_way(found, asked, funnels.rule_of(asked, of), link, event)


def _node(name: str, steps: int) -> tuple[int, int]:
    """Step and alternative of a node's id."""
    step, dot, alternative = name.partition(".")
    if not (dot and step.isdecimal() and alternative.isdecimal()) or not (1 <= int(step) <= steps):
        raise _refuse(f"'{name[:40]}' is no node of the flow.", "Send a node's id, such as 2.1.")
    return int(step), int(alternative)


def of_doing(asked: DidAsked, of: Ground, lines: Timelines) -> I64:
    """The people who did something in the range often enough."""
    doings = [] if asked.event is None else [Doing(event=asked.event)]
    found = walk(
        of,
        lines,
        doings,
        asked.where,
        (of.opens, min(of.closes, of.now + 1)),
        everything=not doings,
    )
    made = []
    for part in found:
        person = part.found.person
        if doings:
            person = person[part.does_any(doings)]
        people, times = np.unique(person, return_counts=True)
        made.append(people[times >= asked.at_least])
    return np.concatenate(made)


def listed(people: I64, asked: PeopleAsked, of: Ground, lines: Timelines) -> shapes.PeopleAnswer:
    """A page of people, in the order in which they first came; `people` ascend."""
    if not 1 <= asked.limit <= MOST:
        raise Rejected(
            "bad_limit", f"{asked.limit} people are no page.", f"Send 1 to {MOST:,}.", "limit"
        )
    start = 0
    if asked.cursor is not None:
        if not asked.cursor.isdecimal() or len(asked.cursor) > 18:
            raise Rejected(
                "bad_cursor",
                f"'{asked.cursor[:40]}' is no cursor.",
                "Send the cursor of the page before, or leave it out.",
                "cursor",
            )
        start = int(np.searchsorted(people, int(asked.cursor), "right"))
    page = people[start : start + asked.limit]
    more = start + asked.limit < len(people)
    return shapes.PeopleAnswer(
        people=tuple(_known(page, of, lines)),
        cursor=str(int(page[-1])) if more else None,
        total=len(people),
    )


def _known(page: I64, of: Ground, lines: Timelines) -> list[shapes.Person]:
    """What is known of each: by the name they had first in the products of the question."""
    actors = np.flatnonzero(np.isin(of.person, page))
    sql = """select no, product, actor from actors where no in (select unnest(?::bigint[]))
      and product in (select unnest(?::varchar[])) order by no"""
    rows = scan.run(of.projection, sql, [actors.tolist(), list(of.products)], queue=False)
    named = np.array([no for no, _, _ in rows], dtype=np.int64)
    first, last, count = lines.seen(of.products, named)
    owner = of.person[named]
    found = []
    for person in page.tolist():
        own = np.flatnonzero(owner == person)
        own = own[np.argsort(first[own], kind="stable")]
        _, product, name = rows[own[0]]
        found.append(
            shapes.Person(
                id=name,
                product=product,
                first_seen=to_instant(int(first[own].min())),
                last_seen=to_instant(int(last[own].max())),
                events=int(count[own].sum()),
            )
        )
    return found


def _refuse(message: str, fix: str) -> Rejected:
    return Rejected("bad_people", message, fix=fix, where="of")
