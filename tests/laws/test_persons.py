"""Laws of who is one person: any order, taken back or given again, the map and its sums are one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_corrections import restore, retract
from tests.laws.test_sums import MINUTE, busy, cut, examples, identities, keyed
from tests.laws.world import NOW, agree, batch, config, held, people, right, world
from tests.oracle.plain import Counted, Event, Rules
from upwell.projection import Projection

IDENTITY = st.builds(
    Rules,
    exclude=st.sampled_from(((), (), ("*@acme.example",))),
    identity=st.sampled_from((Rules().identity, Rules().identity, ("email",), ())),
)


@examples(10)
@given(
    st.lists(busy(), min_size=1, max_size=15),
    st.lists(identities(), min_size=1, max_size=12),
    IDENTITY,
    st.data(),
)
def test_in_any_order_and_taken_back(
    use: list[Event], said: list[Event], rules: Rules, data: st.DataObject
) -> None:
    """What people did and who they are, cut up in any order; then some deliveries never were.

    10 examples, as many times over as UPWELL_LAW_TIMES says.
    """
    events = keyed([*use, *said])
    parts = cut(data.draw(st.permutations(events)), data)
    with tempfile.TemporaryDirectory() as one:
        with world(Path(one)) as house:
            house.take(config(rules))
            known = [house.take(batch(part))[0] for part in parts]
            expected = held(house.projection)
            agree(house.projection, Counted([(NOW, event) for event in events], rules))
            right(house.projection)
            taken = data.draw(st.sets(st.sampled_from(range(len(parts)))))
            order = house.take(retract(*(known[n] for n in taken)))[0]
            left = [event for n, part in enumerate(parts) if n not in taken for event in part]
            agree(house.projection, Counted([(NOW, event) for event in left], rules))
            right(house.projection)
            house.take(restore(order))
            agree(house.projection, Counted([(NOW, event) for event in events], rules))
            assert people(house.projection) == expected["people"]
        with world(Path(one)) as again:
            assert people(again.projection) == expected["people"]
            more = keyed(data.draw(st.lists(identities(), min_size=1, max_size=6)))
            more = [Event(**{**vars(event), "key": f"more {event.key}"}) for event in more]
            again.take(batch(more))
            agree(again.projection, Counted([(NOW, e) for e in (*events, *more)], rules))
            right(again.projection)


def seen(product: str, actor: str, minute: int) -> Event:
    return Event(product, "page_view", NOW - minute * MINUTE, actor=actor)


def is_(product: str, actor: str, minute: int, kind: str = "identify", **data: str) -> Event:
    return Event(product, kind, NOW - minute * MINUTE, actor=actor, metadata=data)


def counts(projection: Projection) -> tuple[int, int]:
    """Visitors of mail, and of the company."""
    day = NOW // (24 * 60 * MINUTE)
    with projection.sums.lock:
        return (
            projection.sums.distinct("mail", "visitors", day - 3, day + 1),
            projection.sums.people(("mail", "docs"), "visitors", day - 3, day + 1),
        )


def test_a_person_becomes_one_over_devices_and_products_and_two_again(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(
            config(Rules()),
            batch([seen("mail", "phone", 40), seen("mail", "ann", 20), seen("docs", "a-7", 10)]),
        )
        assert counts(house.projection) == (2, 3)
        version = house.projection.persons_version
        house.take(batch([is_("mail", "ann", 19, anonymous_id="phone")]))
        assert counts(house.projection) == (1, 2)  # for the past too: one visit of one person
        assert house.projection.persons_version != version
        house.take(batch([is_("mail", "ann", 18, email="ann@x.example")]))
        assert counts(house.projection) == (1, 2)
        house.take(batch([is_("docs", "a-7", 9, email="Ann@x.example")]))
        assert counts(house.projection) == (1, 1)
        house.take(batch([is_("mail", "ann", 5, "unmerge", into="phone")]))
        assert counts(house.projection) == (2, 2)
        house.take(batch([is_("mail", "ann", 4, "unmerge")]))
        assert counts(house.projection) == (2, 3)
        house.take(batch([is_("mail", "phone", 3, "merge", into="ann")]))
        assert counts(house.projection) == (1, 2)
        right(house.projection)


def test_an_id_that_stands_for_nobody_joins_nobody(tmp_path: Path) -> None:
    """Programs send `null` or `anonymous` for whom they do not know."""
    with world(tmp_path) as house:
        house.take(
            config(Rules()),
            batch(
                [
                    seen("mail", "a", 3),
                    seen("mail", "b", 2),
                    is_("mail", "a", 3, user_id="null", external_id="undefined"),
                    is_("mail", "b", 2, user_id="NULL", external_id="undefined"),
                    is_("mail", "b", 2, "merge", into="anonymous"),
                ]
            ),
        )
        assert people(house.projection) == []


@pytest.mark.parametrize("into", [None, "", "null", "Anonymous", True])
def test_parting_from_nobody_takes_nothing_back(tmp_path: Path, into: object) -> None:
    """A program that had no id at hand must not part somebody from everybody."""
    linked = is_("mail", "ann", 9, "merge", into="bob")
    parted = Event("mail", "unmerge", NOW - 8 * MINUTE, actor="ann", metadata={"into": into})
    with world(tmp_path) as house:
        house.take(config(Rules()), batch([linked, parted]))
        assert people(house.projection) == [[("mail", "ann"), ("mail", "bob")]]
        right(house.projection)
        house.take(batch([is_("mail", "ann", 7, "unmerge")]))
        assert people(house.projection) == []


def test_nobody_is_parted_from_oneself(tmp_path: Path) -> None:
    """Parting from one's own id takes nothing back, neither of an id nor of a trait."""
    events = [
        is_("mail", "ann", 9, "merge", into="bob"),
        is_("mail", "ann", 9, email="ann@x.example"),
        is_("docs", "a-7", 9, email="ann@x.example"),
        is_("mail", "ann", 9, "unmerge", into="ann"),
        is_("mail", "ann", 8, "unmerge", into="ann"),
    ]
    with world(tmp_path) as house:
        house.take(config(Rules()), *(batch([event]) for event in events[:4]))
        house.take(batch(events[4:]))
        agree(house.projection, Counted([(NOW, event) for event in events], Rules()))
        assert people(house.projection) == [[("docs", "a-7"), ("mail", "ann"), ("mail", "bob")]]
        right(house.projection)


def test_people_who_are_left_out_join_nobody(tmp_path: Path) -> None:
    rules = Rules(exclude=("*@acme.example",))
    with world(tmp_path) as house:
        house.take(
            config(rules),
            batch(
                [
                    seen("mail", "a", 3),
                    seen("mail", "b", 2),
                    is_("mail", "a", 3, user_id="boss@acme.example", email="boss@acme.example"),
                    is_("mail", "b", 2, user_id="boss@acme.example", email="boss@acme.example"),
                ]
            ),
        )
        assert people(house.projection) == []
        house.take(config(Rules()))
        assert [len(group) for group in people(house.projection)] == [3]
