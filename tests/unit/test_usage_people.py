"""The users behind any number are as many as it says; segments are asked anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.world import batch
from tests.oracle.plain import Event
from tests.unit.usage_house import DAY, START, WAYS, Asking, on_days, opened
from upwell.access import SYSTEM, Viewer
from upwell.errors import NotFound, Rejected
from upwell.query.usage.keeping import NewSegment
from upwell.query.usage.segments import DEEPEST
from upwell.state import kept

NEXT = dt.datetime(2026, 6, 8, tzinfo=dt.UTC)
ASKED = {"product": "mail", "from": "2026-06-01", "to": "2026-06-07"}
FUNNEL = {
    **ASKED,
    "steps": [{"event": "A"}, {"any": [{"event": "B"}, {"event": "C"}]}, {"event": "D"}],
    "window": "2d",
}
RETENTION = {**ASKED, "start": {"event": "A"}, "return": {"event": "B"}, "columns": 5}


@pytest.fixture(params=WAYS)
def asking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    with opened(tmp_path, request.param) as house:
        house.now = NEXT
        yield house


events = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.integers(0, 27), st.sampled_from("ABCD")),
    min_size=1,
    max_size=60,
    unique=True,
)


def taken(rows: list[tuple[str, int, str]]) -> list[Event]:
    """Who, in which quarter of which day, what."""
    return [
        Event(
            "mail",
            "engagement",
            START + quarter * DAY // 4,
            actor=who,
            key=f"{who}{quarter}{name}",
            metadata={"name": name, "plan": "ab"[ord(who) % 2]},
        )
        for who, quarter, name in rows
    ]


EVERY = [(who, 0, name) for who in "uvwxyz" for name in "ABCD"]


@given(events)
@settings(max_examples=8, deadline=None)
def test_as_many_people_as_the_number_says(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, str]]
) -> None:
    with opened(tmp_path_factory.mktemp("people"), 1_000) as asking:
        asking.now = NEXT
        asking.house.take(batch(taken([("u", 0, "A"), ("u", 0, "B"), ("u", 0, "C"), *_new(rows)])))
        _funnel(asking)
        _retention(asking)
        _activity(asking)


def _new(rows: list[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
    return [*[row for row in rows if row[:2] != ("u", 0)], ("u", 0, "D")]


def total(asking: Asking, **of: Any) -> int:
    found = asking.people(of)
    assert len({(person.product, person.id) for person in found.people}) == found.total
    return found.total


def _funnel(asking: Asking) -> None:
    asked = {**FUNNEL, "by": "plan"}
    found = asking.funnel(asked)
    for place, step in enumerate(found.steps, 1):
        assert total(asking, funnel=asked, step=place) == step.count
        assert total(asking, funnel=asked, step=place, state="open") == step.open
        assert total(asking, funnel=asked, step=place, state="dropped") == step.dropped
    assert total(asking, funnel=asked, state="converted") == found.whole.converted
    for node in found.flow.nodes:
        assert total(asking, funnel=asked, node=node.id) == node.count
        assert total(asking, funnel=asked, node=node.id, state="dropped") == node.dropped
    for link in found.flow.links:
        of = {"funnel": asked, "node": link.source, "target": link.target}
        assert total(asking, **of) == link.count
    for part in found.parts:
        of = {"funnel": asked, "part": {"key": part.key}}
        assert total(asking, **of, step=2) == part.steps[1].count
    _trend(asking, {**asked, "trend": "week"})
    _on_the_way(asking, {**FUNNEL, "between": 1})


def _trend(asking: Asking, asked: dict[str, Any]) -> None:
    """Of each bucket those of each value are all of its."""
    found = asking.funnel(asked)
    values = [{"key": part.key, "other": part.other} for part in found.parts]
    for point in found.trend:
        of = {"funnel": asked, "bucket": point.start}
        for state, count in (("reached", point.entered), ("converted", point.converted)):
            assert total(asking, **of, state=state) == count
            each = [total(asking, **of, state=state, part=value) for value in values]
            assert sum(each) == count


def _on_the_way(asking: Asking, asked: dict[str, Any]) -> None:
    found = asking.funnel(asked)
    for link in found.flow.between:
        of = {"funnel": asked, "node": link.source, "target": link.target}
        assert total(asking, **of, between={}) == link.direct
        for one in link.events:
            event = {"other": True} if one.other else {"key": one.label}
            assert total(asking, **of, between=event) == one.users
        assert total(asking, **of, between={"key": "never_done"}) == 0


def _retention(asking: Asking) -> None:
    for cohort in ("first_time", "recurring"):
        asked = {**RETENTION, "cohort": cohort, "by": "plan"}
        found = asking.retention(asked)
        for row in found.cohorts:
            for k, count in enumerate(row.values):
                if count is not None:
                    of = {"retention": asked, "cohort": row.start, "k": k}
                    assert total(asking, **of) == count
                    assert total(asking, **of, stayed=False) == row.size - int(count)
        for part in found.parts:
            of = {"retention": asked, "part": {"key": part.key}, "cohort": "2026-06-01"}
            assert total(asking, **of) == part.cohorts[0].size


def _activity(asking: Asking) -> None:
    for more in ({}, {"event": "A"}):
        asked = {**ASKED, **more}
        for point in asking.lifecycle(asked).points:
            for kind in ("new", "returning", "resurrecting", "dormant"):
                of = {"lifecycle": asked, "kind": kind, "start": point.start}
                assert total(asking, **of) == getattr(point, kind)
        sticky = asking.stickiness(asked)
        for times, (exact, more_often) in enumerate(
            zip(sticky.exact, sticky.cumulative, strict=True), 1
        ):
            assert total(asking, stickiness=asked, times=times) == exact
            assert total(asking, stickiness=asked, times=times, or_more=True) == more_often


def test_what_is_shown_of_people(asking: Asking) -> None:
    asking.house.take(batch(taken([("u", 0, "A"), ("u", 5, "B"), ("v", 1, "A"), ("w", 2, "B")])))
    did = {"did": {**ASKED, "event": "A"}}
    first = asking.people(did, limit=1)
    assert (first.total, len(first.people)) == (2, 1)
    assert first.people[0].id == "u"
    assert first.people[0].events == 2
    assert first.people[0].first_seen == dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    assert first.people[0].last_seen == dt.datetime(2026, 6, 2, 6, tzinfo=dt.UTC)
    assert first.cursor is not None
    second = asking.people(did, limit=1, cursor=first.cursor)
    assert [person.id for person in second.people] == ["v"]
    assert second.cursor is None
    assert asking.who({"did": {**ASKED, "where": {"plan": "b"}}}) == ["u", "w"]
    assert asking.who({"did": {**ASKED, "at_least": 2}}) == ["u"]


def segment(asking: Asking, viewer: Viewer = SYSTEM, **of: Any) -> str:
    made = asking.door.add_segment(
        msgspec.convert({"name": f"S{len(of)}", "of": of}, NewSegment), viewer
    )
    return made.id


def test_segments_filter_every_question_and_are_asked_anew(asking: Asking) -> None:
    rows = [
        ("u", 0, "A"),
        ("u", 1, "B"),
        ("u", 4, "B"),
        ("v", 0, "A"),
        ("w", 0, "C"),
        ("w", 5, "A"),
    ]
    asking.house.take(batch([*taken(rows), *on_days({"k": "0"}, "D")]))
    own = segment(asking, did={**ASKED, "event": "B"})
    only = {**ASKED, "segment": own}
    steps = {"steps": [{"event": "A"}, {"event": "B"}], "window": "2d"}
    assert [step.count for step in asking.funnel({**only, **steps}).steps] == [1, 1]
    retention = asking.retention({**RETENTION, "segment": own})
    assert [cohort.size for cohort in retention.cohorts][:2] == [1, 0]
    points = asking.lifecycle(only).points
    assert [(p.new, p.returning) for p in points][:2] == [(1, 0), (0, 1)]
    assert asking.stickiness(only).people == 1
    assert {node.label for node in asking.paths(only).nodes} == {"A", "B"}
    asking.house.take(batch(taken([("v", 2, "B")])))
    assert [step.count for step in asking.funnel({**only, **steps}).steps] == [2, 2]
    assert asking.stickiness(only).people == 2


def test_segments_of_segments_end_somewhere(asking: Asking) -> None:
    asking.house.take(batch(taken([("u", 0, "A"), ("v", 1, "A"), ("v", 2, "B")])))
    deep = segment(asking, did={**ASKED, "event": "A"})
    for _ in range(DEEPEST - 1):
        deep = segment(asking, did={**ASKED, "event": "A", "segment": deep})
    assert len(asking.door.members(deep, SYSTEM)) == 2
    with pytest.raises(Rejected, match="more than 8 in all") as caught:
        segment(asking, did={**ASKED, "event": "B", "segment": deep})
    assert (caught.value.problem.code, caught.value.problem.where) == ("deep_segment", "segment")
    # A file of another day may have more, or a ring of them.
    ring = {"did": {"event": "A", "segment": "seg_ring"}}
    kept.SEGMENTS.add(
        asking.state,
        kept.Segment(id="seg_ring", name="Ring", of=ring, created_at=0, created_by="s"),
    )
    with pytest.raises(Rejected, match="'Ring' is of the users of another"):
        asking.lifecycle({**ASKED, "segment": "seg_ring"})


def test_a_segment_may_rest_on_another_and_is_kept_by_name(asking: Asking) -> None:
    asking.house.take(batch(taken([("u", 0, "A"), ("u", 1, "B"), ("v", 0, "A")])))
    wide = segment(asking, did={**ASKED, "event": "A"})
    narrow = {"did": {**ASKED, "event": "B", "segment": wide}}
    made = msgspec.convert({"name": "Both", "of": narrow}, NewSegment)
    both = asking.door.add_segment(made, SYSTEM)
    assert asking.door.members(both.id, SYSTEM).tolist() == [1]
    assert [one.name for one in asking.door.segments(SYSTEM).segments] == ["Both", "S1"]
    with pytest.raises(Rejected, match="cannot be called"):
        asking.door.add_segment(msgspec.structs.replace(made, name=" "), SYSTEM)
    docs = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))
    assert asking.door.segments(docs).segments == ()
    with pytest.raises(NotFound):
        asking.door.saved.drop(both.id, docs)
    asking.door.saved.drop(both.id, SYSTEM)
    with pytest.raises(Rejected, match="no segment"):
        asking.lifecycle({**ASKED, "segment": both.id})


@pytest.mark.parametrize(
    ("of", "fix"),
    [
        ({}, "one of funnel"),
        ({"funnel": FUNNEL, "step": 9}, "1 to 3"),
        ({"funnel": FUNNEL, "node": "x"}, "2.1"),
        ({"funnel": FUNNEL, "part": {"key": "a"}}, "'by'"),
        ({"retention": RETENTION, "cohort": "soon"}, "2026-03-01"),
        ({"retention": RETENTION, "cohort": "2026-06-20"}, "Take one"),
        ({"retention": RETENTION, "cohort": "2026-06-06", "k": 4}, "has a number"),
        ({"lifecycle": ASKED, "start": "2026-07-20"}, "Send the start"),
        ({"paths": ASKED, "source": "1_Z"}, "Did you mean"),
    ],
)
def test_what_cannot_be_asked_says_what_to_change(
    asking: Asking, of: dict[str, Any], fix: str
) -> None:
    asking.house.take(batch(taken(EVERY)))
    with pytest.raises(Rejected) as caught:
        asking.people(of)
    assert caught.value.problem.where == "of"
    assert fix in caught.value.problem.fix


def test_properties_with_how_often_and_values(asking: Asking) -> None:
    asking.house.take(
        batch([*taken([("u", 0, "A"), ("v", 1, "B")]), *on_days({"w": "0"}, "A", seats=3)])
    )
    found = asking.door.properties(SYSTEM, None)
    known = {one.name: one for one in found.properties}
    assert found.sample == 3
    assert (known["plan"].events, known["plan"].share, known["plan"].kind) == (2, 2 / 3, "text")
    assert [(v.value, v.events) for v in known["seats"].values] == [("3", 1)]
    assert known["seats"].kind == "number"
    only = {one.name: one for one in asking.door.properties(SYSTEM, "B").properties}
    assert [(v.value, v.events) for v in only["plan"].values] == [("a", 1)]
    docs = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))
    assert asking.door.properties(docs, None).properties == ()


def test_unknown_properties_and_filters_of_the_wrong_type(asking: Asking) -> None:
    asking.house.take(batch(taken(EVERY)))
    for where, message, fix in (
        ({"pln": "a"}, "has a property 'pln'", "'plan'"),
        ({"plan": {"gt": 3}}, "'plan' holds words", '"in"'),
        ({"plan": 3}, "'plan' holds words", '"in"'),
    ):
        with pytest.raises(Rejected, match=message) as caught:
            asking.lifecycle({**ASKED, "event": "A", "where": where})
        assert fix in caught.value.problem.fix
