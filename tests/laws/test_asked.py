"""Questions about use, asked of a house, are what brute force over its events gives.

Whatever the order and the batches in which events came, with events sent twice, without a user, at
one instant and across changes of clocks, of people who turned out to be one or were parted again;
asked after each batch and once more of timelines that are made anew.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_sums import cut, examples
from tests.laws.world import batch, ground
from tests.oracle import engagement, funnel, paths, retention
from tests.oracle.plain import Counted, Event, Rules
from tests.unit.usage_house import Asking, opened
from upwell.event import Delivery
from upwell.metrics.funnel.rule import Exclusion, FunnelRule, Mode, Step
from upwell.period import to_instant
from upwell.warehouse.timelines import Timelines

HOUR = 3_600_000_000
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Beirut")
FROM = dt.date(2024, 3, 24)  # a Sunday; the clocks of Berlin and Beirut change on the next
BASE = 1_711_238_400_000_000  # its midnight in UTC
ARRIVED = BASE + 40 * 24 * HOUR
NAMES, PLANS, WHO = "ABC", ("solo", "team"), ("ann", "bob", "cy", None)

# What was never done cannot be asked for.
LONG_AGO = [
    Event(
        product,
        "engagement",
        BASE - 9 * 24 * HOUR,
        actor="old",
        key=name,
        metadata={"name": name, "plan": "solo"},
    )
    for product in ("mail", "docs")
    for name in NAMES
]


class Town(NamedTuple):
    """What came, in its order, and how days and weeks begin."""

    events: list[Event]
    zone: str
    week_start: int
    now: int


@st.composite
def happenings(draw: st.DrawFn) -> list[Event]:
    """Events on a grid of few instants, so that many share one; some are sent twice."""
    found = []
    for number in range(draw(st.integers(1, 30))):
        quarter = draw(st.integers(0, 12 * 4 - 1))
        at = BASE + quarter * 6 * HOUR + draw(st.sampled_from((0, 0, 1_000, 20 * 60_000_000)))
        who = draw(st.sampled_from(WHO))
        found.append(
            Event(
                draw(st.sampled_from(("mail", "docs"))),
                "engagement",
                at,
                actor=who,
                key=f"k{number}",
                metadata={"name": draw(st.sampled_from(NAMES)), "plan": PLANS[quarter % 2]},
            )
        )
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(("merge", "merge", "unmerge", "identify")))
        other = draw(st.sampled_from(WHO[:3]))
        data = {"email": "e@b.example"} if kind == "identify" else {"into": other}
        product, who = draw(st.sampled_from(("mail", "docs"))), draw(st.sampled_from(WHO[:3]))
        at = BASE + number * HOUR
        found.append(Event(product, kind, at, actor=who, key=f"i{number}", metadata=data))
    again = draw(st.lists(st.sampled_from(found), max_size=3))
    return draw(st.permutations([*found, *again]))


def configured(zone: str, week_start: int) -> Delivery:
    own = msgspec.structs.replace(ground(Rules(zone=zone)), week_start=week_start)
    body = msgspec.json.encode(own)
    return Delivery(kind="config", source="upwell", received_at=ARRIVED, body=body)


class Model:
    """The same events by person, in their order of time."""

    def __init__(self, town: Town, products: tuple[str, ...]) -> None:
        self.town, self.products = town, products
        counted = Counted([(ARRIVED, event) for event in town.events], Rules(zone=town.zone))
        numbers: dict[Any, int] = {}
        self.people: dict[int, list[Event]] = defaultdict(list)
        for event in sorted(counted.events, key=lambda one: one.at):
            seen = event.actor is not None and event.type == "engagement"
            if seen and event.product in products:
                person = numbers.setdefault(counted.person(event), len(numbers))
                self.people[person].append(event)

    def bucket(self, at: int, grain: str) -> int:
        return retention.bucket_of(at, self.town.zone, grain, self.town.week_start)


def opens(town: Town, date: dt.date) -> int:
    """When a local day begins, UTC micros."""
    at = BASE + (date - FROM).days * 24 * HOUR - 20 * HOUR
    while retention.bucket_of(at, town.zone, "day", 0) < (date - dt.date(1970, 1, 1)).days:
        at += HOUR // 4
    return at


@examples(8)
@given(happenings(), st.data())
def test_every_question_is_answered_as_by_brute_force(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], data: st.DataObject
) -> None:
    zone, week_start = data.draw(st.sampled_from(ZONES)), data.draw(st.sampled_from((0, 6)))
    now = BASE + data.draw(st.sampled_from((7, 12, 60))) * 24 * HOUR + 5 * HOUR
    fresh = data.draw(st.sampled_from((0, 5, 1_000)))
    with opened(tmp_path_factory.mktemp("asked"), fresh) as asking:
        asking.house.take(configured(zone, week_start))
        asking.now = to_instant(now)
        came: list[Event] = []
        for part in [LONG_AGO, *cut(events, data)]:
            asking.house.take(batch(part, ARRIVED))
            came += part
            _asked(asking, Town(came, zone, week_start, now), data)
        folder = tmp_path_factory.mktemp("anew")
        asking.door.lines = Timelines(folder, asking.house.projection.reader, fresh=fresh)
        _asked(asking, Town(came, zone, week_start, now), data, least=4)


def _asked(asking: Asking, town: Town, data: st.DataObject, least: int = 1) -> None:
    products = data.draw(st.sampled_from((("mail",), ("mail", "docs"))))
    model = Model(town, products)
    every = _funnels, _retentions, _activity, _paths
    for kind in data.draw(st.sets(st.sampled_from(every), min_size=least)):
        kind(asking, model, data)


def _scope(model: Model, days: int) -> dict[str, Any]:
    end = FROM + dt.timedelta(days)
    return {"product": model.products, "from": FROM.isoformat(), "to": end.isoformat()}


def _funnels(asking: Asking, model: Model, data: st.DataObject) -> None:
    town, days = model.town, data.draw(st.integers(2, 12))
    order = data.draw(st.sampled_from(("ordered", "strict", "any")))
    hours = data.draw(st.sampled_from((6, 24, 60)))
    names = data.draw(st.permutations(NAMES)) if order == "any" else ["A", "B", "A"]
    modes: tuple[Mode | None, ...] = (None, "end_attempt", "drop_actor")
    mode = data.draw(st.sampled_from(modes))
    scope = "first" if order == "any" else data.draw(st.sampled_from(("first", "step")))
    asked = {
        **_scope(model, days),
        "steps": [{"event": name} for name in names],
        "window": f"{hours}h",
        "order": order,
        "entry": data.draw(st.sampled_from(("latest", "first"))),
        "window_scope": scope,
        "order_tolerance_ms": data.draw(st.sampled_from((0, 1))),
        "exclude": [] if mode is None else [{"event": "C", "mode": mode}],
    }
    rule = FunnelRule(
        steps=(Step(),) * len(names),
        window=hours * HOUR,
        entry_from=opens(town, FROM),
        entry_to=min(opens(town, FROM + dt.timedelta(days)), town.now),
        watermark=town.now,
        order=asked["order"],
        entry=asked["entry"],
        window_scope=asked["window_scope"],
        tolerance=asked["order_tolerance_ms"] * 1_000,
        exclusions=() if mode is None else (Exclusion(after=1, before=len(names), mode=mode),),
    )
    chains, states = [], []
    for own in model.people.values():
        line = [
            funnel.Event(
                event.at,
                frozenset(k for k, name in enumerate(names) if event.metadata["name"] == name),
                frozenset([0] if mode is not None and event.metadata["name"] == "C" else []),
            )
            for event in own
            if rule.entry_from <= event.at
        ]
        if order != "strict":
            line = [event for event in line if event.hits or event.drops]
        found = funnel.table(line, rule) if order != "any" else None
        chains.append(funnel.sets(line, rule) if found is None else found.chain)
        states.append("" if found is None else found.state)
    answer = asking.funnel(asked)
    counts = [sum(len(chain) > k for chain in chains) for k in range(len(names))]
    assert [step.count for step in answer.steps] == counts
    if order != "any":
        assert sum(step.open for step in answer.steps) == states.count("open")
        assert sum(step.dropped for step in answer.steps) == states.count("dropped")
    step = data.draw(st.integers(1, len(names)))
    assert asking.people({"funnel": asked, "step": step}).total == counts[step - 1]


def _retentions(asking: Asking, model: Model, data: st.DataObject) -> None:
    town, grain = model.town, data.draw(st.sampled_from(("day", "week")))
    first = FROM + dt.timedelta(1 if town.week_start == 0 and grain == "week" else 0)
    days = data.draw(st.integers(1, 10)) if grain == "day" else 7 * data.draw(st.integers(1, 2))
    brackets = data.draw(st.sampled_from(((), (1, 3), (2, 7))))
    columns = data.draw(st.integers(1, 6))
    cohorts = days if grain == "day" else days // 7
    zero, today = model.bucket(opens(town, first), grain), model.bucket(town.now, grain)
    plan = data.draw(st.sampled_from((None, "team")))
    asked = retention.Asked(
        rule=data.draw(st.sampled_from(("first_time", "recurring", "first_ever"))),
        counting=data.draw(st.sampled_from(("on", "on_or_after"))),
        first=zero,
        end=min(zero + cohorts, today + 1),
        last=today - 1,
        ends=(0, *brackets) if brackets else tuple(range(columns)),
        plan=plan,
        by_plan=data.draw(st.booleans()),
        at_least=data.draw(st.sampled_from((1, 2))),
    )
    named = {"A": "start", "B": "return"}
    people = {
        person: [
            retention.Event(
                event.at, named.get(event.metadata["name"], "other"), event.metadata["plan"]
            )
            for event in own
            if event.at <= town.now
        ]
        for person, own in model.people.items()
    }
    expected = retention.retention(people, asked, lambda at: model.bucket(at, grain))
    start = {"event": "A"} | ({} if plan is None else {"where": {"plan": plan}})
    body = {
        **_scope(model, 0),
        "from": first.isoformat(),
        "to": (first + dt.timedelta(days)).isoformat(),
        "start": start,
        "return": {"event": "B"},
        "grain": grain,
        "cohort": asked.rule,
        "counting": asked.counting,
        "at_least": asked.at_least,
        **({"brackets": brackets} if brackets else {"columns": columns}),
        **({"by": "plan"} if asked.by_plan else {}),
    }
    answer = asking.retention(body)
    tables: Mapping[str | None, Any] = {part.key: part.cohorts for part in answer.parts}
    for (value, cohort), found in expected.items():
        table = tables[value] if asked.by_plan else answer.cohorts
        row = table[cohort - zero]
        assert (row.size, list(row.values)) == (found.size, found.cells)
    sizes = sum(row.size for table in tables.values() for row in table)
    sizes = sizes if asked.by_plan else sum(row.size for row in answer.cohorts)
    assert sizes == sum(found.size for found in expected.values())


def _activity(asking: Asking, model: Model, data: st.DataObject) -> None:
    town, grain = model.town, data.draw(st.sampled_from(("day", "week", "month")))
    event, at_least = data.draw(st.sampled_from((None, "A"))), data.draw(st.sampled_from((1, 2)))
    days = data.draw(st.integers(1, 12))
    asked = {**_scope(model, days), "grain": grain, **({"event": event} if event else {})}
    active: dict[int, set[int]] = {}
    often: dict[int, set[int]] = {}
    for person, own in model.people.items():
        found = [
            model.bucket(one.at, grain)
            for one in own
            if event in (None, one.metadata["name"]) and (one.at <= town.now or event is None)
        ]
        active[person] = set(found)
        often[person] = {bucket for bucket in found if found.count(bucket) >= at_least}
    first = model.bucket(opens(town, FROM), grain)
    last = model.bucket(opens(town, FROM + dt.timedelta(days)) - 1, grain)
    end = min(last, model.bucket(town.now, grain)) + 1
    points = asking.lifecycle(asked).points
    assert len(points) == end - first
    for bucket, point in enumerate(points, first):
        for kind, who in engagement.lifecycle(active, bucket).items():
            assert getattr(point, kind) == len(who)
    sticky = asking.stickiness({**asked, "at_least": at_least})
    times = list(engagement.frequency(often, first, end).values())
    assert list(sticky.exact) == [times.count(k) for k in range(1, end - first + 1)]


def _paths(asking: Asking, model: Model, data: st.DataObject) -> None:
    """Where several events of a person share an instant, nothing is asked: any order is right."""
    town, days = model.town, data.draw(st.integers(1, 12))
    since, until = opens(town, FROM), opens(town, FROM + dt.timedelta(days))
    people = {
        person: [
            (event.at, event.metadata["name"])
            for event in own
            if since <= event.at < until and event.at <= town.now
        ]
        for person, own in model.people.items()
    }
    if any(len({at for at, _ in own}) < len(set(own)) for own in people.values()):
        return
    begin = data.draw(st.sampled_from((None, "A")))
    expected = paths.paths(people, begin, None, 4)
    own = {"start": begin} if begin else {}
    answer = asking.paths({**_scope(model, days), "depth": 4, **own})
    assert {(e.source, e.target): (e.transitions, e.actors) for e in answer.edges} == {
        (f"{step}_{source}", f"{step + 1}_{target}"): (edge.transitions, len(edge.actors))
        for (step, source, target), edge in expected.edges.items()
    }
    ends = {node.id: node.ends for node in answer.nodes if node.ends}
    assert ends == {f"{step}_{item}": n for (step, item), n in expected.stops.items()}
