"""A question about a segment is the same question to a house that only its users ever came to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.world import batch, config
from tests.oracle.plain import Event, Rules
from tests.unit.usage_house import DAY, START, Asking, opened
from upwell.access import SYSTEM, Viewer
from upwell.errors import Rejected
from upwell.query import Answer, Desk, Question
from upwell.query.revenue.directory import Filters
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.people import Page
from upwell.query.rows import rows
from upwell.query.usage.keeping import NewSegment

NOW = dt.datetime(2026, 7, 5, 15, tzinfo=dt.UTC)
SPAN: dict[str, Any] = {"start": dt.date(2026, 6, 1), "end": dt.date(2026, 7, 6)}
GROUPS = {"red": "abA", "blue": "cdC"}  # A is a before signing in, C is c
ADDING = ("signups", "page_views", "revenue", "sessions", "cancellations", "mrr", "new_mrr")
PEOPLE = ("actors", "visitors", "dau", "wau", "mau", "customers")
OTHERS = ("activation_rate", "activations", "nrr", "customer_churn_rate", "arpa")

kinds = st.sampled_from(
    ("signup", "activation", "page_view", "page_view", "revenue", "churn", "subscription")
)
happenings = st.lists(
    st.tuples(
        st.sampled_from("abcdAC"),
        st.sampled_from(("mail", "docs")),
        kinds,
        st.integers(0, 34 * 4),
        st.sampled_from(("0", "10", "25.5")),
        st.sampled_from(("team", "solo")),
    ),
    min_size=4,
    max_size=40,
)


def told(found: Iterable[tuple[str, str, str, int, str, str]]) -> list[Event]:
    """Who did what, in which quarter of which day; and who was marked, or signed in."""
    events = []
    for place, (who, product, kind, quarter, value, plan) in enumerate(found):
        pays = kind in ("revenue", "subscription")
        events.append(
            Event(
                product,
                kind,
                START + quarter * DAY // 4 + place,
                actor=who,
                key=f"{place}",
                value=Decimal(value) if pays else None,
                currency="USD" if pays else None,
                metadata={"plan": plan},
            )
        )
    for group, people in GROUPS.items():
        for product in ("mail", "docs"):  # nothing tells that one is the same in both
            for who in people[:2]:
                mark = {"name": "mark", "group": group}
                events.append(Event(product, "engagement", START, actor=who, metadata=mark))
            own = {"anonymous_id": people[2]}
            events.append(Event(product, "identify", START, actor=people[0], metadata=own))
    return events


def desk_of(asking: Asking) -> Desk:
    return Desk(asking.house.projection, members=asking.door.members)


def ask(desk: Desk, metric: str, viewer: Viewer = SYSTEM, **more: Any) -> Answer:
    return desk.answer(Question(metric=metric, **{**SPAN, **more}), viewer, NOW)


def segment(asking: Asking, group: str, **more: Any) -> str:
    """The id of a new segment of those who were marked with a group."""
    span = {"from": "2026-06-01", "to": "2026-07-06"}
    did = {"event": "mark", "where": {"group": group}, **span, **more}
    asked = msgspec.convert({"name": group, "of": {"did": did}}, NewSegment)
    return asking.door.add_segment(asked, SYSTEM).id


def numbers(answer: Answer) -> dict[str, Any]:
    """What an answer says, without what it rests on."""
    return {
        line.key: (
            [point.value for point in line.points],
            line.total,
            line.compare and [point.value for point in line.compare.points],
            line.compare and line.compare.total,
        )
        for line in answer.series
        if line.total or any(point.value for point in line.points)
    }


shapes = st.fixed_dictionaries(
    {},
    optional={
        "grain": st.sampled_from(("week", "month")),
        "by": st.just("product"),
        "compare": st.sampled_from(("previous", "week")),
        "known_at": st.just(NOW + dt.timedelta(days=500)),
        "product": st.sampled_from((("mail",), ("docs", "mail"))),
    },
)


def some(*metrics: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(metrics), min_size=5, max_size=5, unique=True)


@given(happenings, st.data())
@settings(max_examples=2, deadline=None)
def test_as_if_nobody_else_had_come(
    tmp_path_factory: pytest.TempPathFactory, found: list[Any], data: st.DataObject
) -> None:
    events = told(found)
    own = [event for event in events if event.actor and event.actor in GROUPS["red"]]
    folder = tmp_path_factory.mktemp("segments")
    with opened(folder / "all", 1_000) as asking, opened(folder / "red", 1_000) as alone:
        asking.now = alone.now = NOW
        asking.house.take(batch(events))
        alone.house.take(batch(own))
        red, both, one = segment(asking, "red"), desk_of(asking), desk_of(alone)
        for metric in data.draw(some(*ADDING, *PEOPLE, *OTHERS)):
            more: dict[str, Any] = data.draw(shapes)
            narrowed = ask(both, metric, segment=red, **more)
            assert numbers(narrowed) == numbers(ask(one, metric, **more)), (metric, more)


@given(happenings, st.data())
@settings(max_examples=2, deadline=None)
def test_segments_that_share_nobody_add_up_to_the_whole(
    tmp_path_factory: pytest.TempPathFactory, found: list[Any], data: st.DataObject
) -> None:
    with opened(tmp_path_factory.mktemp("parts"), 1_000) as asking:
        asking.now = NOW
        asking.house.take(batch(told(found)))
        ids, desk = [segment(asking, group) for group in GROUPS], desk_of(asking)
        for metric in data.draw(some(*ADDING, *PEOPLE)):
            more: dict[str, Any] = data.draw(shapes)
            whole = ask(desk, metric, **more)
            parts = [ask(desk, metric, segment=one, **more) for one in ids]
            for line in whole.series:
                mine = [next(s for s in part.series if s.key == line.key) for part in parts]
                for at, point in enumerate(line.points):
                    values = [part.points[at].value for part in mine]
                    assert added(values) == added([point.value]), (metric, more, point)


def added(values: Sequence[Any]) -> Decimal:
    # Means over the days of a week are not whole: they are added before they are rounded.
    return round(sum((Decimal(str(value or 0)) for value in values), Decimal(0)), 6)


def pays(who: str, source: str, day: int, value: str, **more: str) -> Event:
    key, data = f"{who}{day}", {"plan": "team", **more}
    own: dict[str, Any] = {"value": Decimal(value), "currency": "USD", "key": key, "metadata": data}
    return Event("docs", "subscription", START + day * DAY, source=source, actor=who, **own)


def did(who: str, kind: str, day: int, **data: str) -> Event:
    return Event("mail", kind, START + day * DAY, actor=who, key=f"{who}{kind}{day}", metadata=data)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    """Ann and Bob use mail; Ann's and Cy's companies pay for docs, under other names."""
    with opened(tmp_path, 1_000) as found:
        found.now = NOW
        found.house.take(
            config(Rules(identity=("email",))),
            batch(
                [
                    did("u1", "identify", 1, email="Ann@acme.example"),
                    did("u1", "page_view", 2),
                    did("u2", "page_view", 2),
                    did("u2", "engagement", 3, name="mark", group="blue"),
                    did("u1", "engagement", 3, name="mark", group="red"),
                    pays("cus_1", "billing", 2, "30", email="ann@acme.example"),
                    pays("cus_2", "billing", 4, "50", email="cy@acme.example"),
                    Event(
                        "docs", "revenue", START + 2 * DAY, source="billing", actor="cus_1",
                        value=Decimal(30), currency="USD", key="in_1",
                    ),
                ]
            ),
        )  # fmt: skip
        yield found


def test_revenue_is_that_of_the_customers_whom_users_are_linked_to(asking: Asking) -> None:
    desk, red, blue = desk_of(asking), segment(asking, "red"), segment(asking, "blue")
    assert [ask(desk, "mrr", segment=one).series[0].total for one in (red, blue)] == [
        "30.00",
        "0.00",
    ]
    assert ask(desk, "customers", segment=red).series[0].total == 1
    assert [ask(desk, "mrr", segment=one).note for one in (red, blue)] == [
        "Of the 1 customer linked to the 1 user of the segment.",
        "No customer is linked to the 1 user of the segment.",
    ]
    assert ask(desk, "page_views", segment=red).note == ""
    paid = ask(desk, "revenue", segment=red)
    assert (paid.series[0].total, paid.scanned) == ("30.00", True)
    assert ask(desk, "revenue", segment=blue).series[0].total == "0.00"
    assert ask(desk, "actors", segment=red).series[0].total == 1  # cus_1 is no user of the segment
    plan = desk.plan(Question(metric="revenue", segment=red, **SPAN), SYSTEM, NOW)
    (row,) = rows(plan, asking.house.projection, SYSTEM, lambda _: None).rows
    assert row.event.actor_id == "cus_1"


def test_what_stands_beside_the_metrics_is_of_the_segment_too(asking: Asking) -> None:
    red, revenue = segment(asking, "red"), Revenue(desk_of(asking), lambda: NOW)
    question = Question(metric="mrr", grain="month", segment=red, **SPAN)
    assert revenue.bridge(question, SYSTEM).bridge.closing == "30.00"
    (first, *_) = revenue.cohorts(question, SYSTEM, "customers").cohorts
    assert first.size == 1
    found = revenue.customers(SYSTEM, Filters(segment=red), Page())
    assert [one.id for one in found.customers] == ["billing:cus_1"]


def test_a_parted_user_has_no_customer_any_more(asking: Asking) -> None:
    red, desk = segment(asking, "red"), desk_of(asking)
    assert ask(desk, "mrr", segment=red).series[0].total == "30.00"
    asking.house.take(batch([did("u1", "unmerge", 5)]))
    assert ask(desk, "mrr", segment=red).series[0].total == "0.00"


def test_who_joins_a_segment_counts_at_once(asking: Asking) -> None:
    red, desk = segment(asking, "red"), desk_of(asking)
    assert ask(desk, "page_views", segment=red).series[0].total == 1
    asking.house.take(batch([did("u2", "engagement", 6, name="mark", group="red")]))
    assert ask(desk, "page_views", segment=red).series[0].total == 2


@pytest.mark.parametrize("metric", ["cash", "fees", "cac_payback"])
def test_what_no_user_is_behind_is_refused(asking: Asking, metric: str) -> None:
    with pytest.raises(Rejected, match="cannot be told apart by users"):
        ask(desk_of(asking), metric, segment=segment(asking, "red"))


def test_segments_that_are_not_there_or_not_to_be_seen_are_refused(asking: Asking) -> None:
    desk, red = desk_of(asking), segment(asking, "red", product="mail")
    with pytest.raises(Rejected, match="There is no segment 'seg_x'"):
        ask(desk, "signups", segment="seg_x")
    docs = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))
    with pytest.raises(Rejected, match="There is no segment"):
        ask(desk, "signups", docs, segment=red)
    with pytest.raises(Rejected, match="too many to read"):
        ask(desk, "signups", segment=red, start=dt.date(2024, 1, 1))
