"""Laws of the sums: any order, batching and repetition of the same events gives the same numbers.

And they are the numbers that brute force finds (`tests/oracle/plain.py`), however they came about:
folded as the events came, folded again, or read once more from the journal into an empty file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laws.world import (
    NOW,
    PRODUCTS,
    agree,
    arrived,
    batch,
    changes,
    config,
    held,
    right,
    world,
)
from tests.oracle.plain import Counted, Event, OwnMetric, Rules
from upwell.event import EVENT_TYPES, MONEY_TYPES, NEEDS_ACTOR
from upwell.flow import replay
from upwell.projection import Projection

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Santiago")
PEOPLE = (None, "ann", "bob", "cleo@acme.example", "TEST-7", "no\x00thing")
TRAITS: tuple[dict[str, str | int | bool | None], ...] = (
    {},
    {},
    {"plan": "team"},
    {"plan": "team", "country": "DE", "seats": 3},
    {"email": "eve@acme.example"},
    {"name": "report_shared", "channel": "ads", "ip": "10.0.0.9"},
    {"reason": None, "plan": True, "bot": "Yes"},
    {"a/b~c": "x'y", "seats": "3"},
)
EXCLUDES: tuple[tuple[str, ...], ...] = (
    (),
    ("*@acme.example",),
    ("test-*", "bot=yes"),
    ("acme.example", "10.0.*"),
)

# Instants that lie on edges: of days, of clock changes, of visits, of the fortnight after a signup.
_EDGES = st.sampled_from(
    (
        DAY,  # the first instant that is taken
        1_780_272_000_000_000,  # 2026-06-01T00:00Z
        1_774_746_000_000_000,  # 2026-03-29T01:00Z, Europe's clocks
        1_793_512_800_000_000,  # 2026-11-01T06:00Z, New York's clocks
        NOW - DAY,
        NOW,
    )
)
INSTANTS = st.one_of(
    st.builds(
        lambda edge, steps, off: max(DAY, edge + steps * 10 * MINUTE + off),
        _EDGES,
        st.integers(-200, 200),
        st.sampled_from((0, 0, 1, -1, 999_999)),
    ),
    st.integers(DAY, NOW + DAY),
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """One good event; keys are given out later, so that equal keys mean equal events."""
    kind = draw(st.sampled_from(EVENT_TYPES))
    money = kind in MONEY_TYPES
    value: Decimal | None = None
    if money or kind == "kpi" or draw(st.booleans()):
        value = draw(st.decimals(0, 10**6, places=draw(st.integers(0, 9))))
        if kind == "kpi" and draw(st.booleans()):
            value = -value
    actor = draw(st.sampled_from(PEOPLE))
    at = draw(INSTANTS)
    return Event(
        product=draw(st.sampled_from(PRODUCTS)),
        type=kind,
        at=at,
        source=draw(st.sampled_from(("app", "shop"))),
        actor="ann" if actor is None and kind in NEEDS_ACTOR else actor,
        value=value,
        currency=draw(st.sampled_from(("USD", "EUR", "JPY"))) if money else None,
        sent_at=draw(st.sampled_from((None, None, None, NOW - 7 * MINUTE, NOW + 3 * DAY))),
        metadata=draw(st.sampled_from(TRAITS)),
    )


@st.composite
def busy(draw: st.DrawFn) -> Event:
    """An event of the few kinds whose sums depend on history, close to others of its actor."""
    kind = draw(st.sampled_from(("page_view", "page_view", "signup", "activation", "session")))
    steps = draw(st.integers(0, 60))
    apart = draw(st.sampled_from((29 * MINUTE + 59_999_999, 30 * MINUTE, 17 * 60 * MINUTE)))
    return Event(
        product=draw(st.sampled_from(PRODUCTS[:2])),
        type=kind,
        at=1_793_512_800_000_000 + steps * apart,
        actor=draw(st.sampled_from(("ann", "bob"))),
    )


@st.composite
def identities(draw: st.DrawFn) -> Event:
    """Somebody is somebody else, or has a trait, or no longer is one with others."""
    kind = draw(st.sampled_from(("identify", "identify", "merge", "merge", "unmerge")))
    others = st.sampled_from(("ann", "bob", "cleo@acme.example", "dan"))
    data: dict[str, str | int | None] = {}
    if kind == "merge" or (kind == "unmerge" and draw(st.booleans())):
        data["into"] = draw(
            st.one_of(others, others, st.sampled_from((None, "", "NULL", "anonymous")))
        )
    if kind == "identify":
        data[draw(st.sampled_from(("anonymous_id", "user_id", "external_id")))] = draw(others)
        if draw(st.booleans()):
            data["email"] = draw(st.sampled_from(("Eve@acme.example", "eve@acme.example", "no")))
            data["external_id"] = draw(st.sampled_from(("7", "8")))
    return Event(
        product=draw(st.sampled_from(PRODUCTS)),
        type=kind,
        at=1_793_512_800_000_000 + draw(st.integers(0, 5)) * MINUTE,
        actor=draw(st.sampled_from(("ann", "bob", "cleo@acme.example", "eve"))),
        metadata=data,
    )


LISTS = st.lists(st.one_of(events(), busy(), identities()), min_size=1, max_size=40)
OWN = st.lists(
    st.builds(
        OwnMetric,
        name=st.sampled_from(("seats", "shares", "heavy")),
        types=st.sampled_from(
            (None, frozenset({"kpi"}), frozenset({"revenue", "page_view"}), frozenset({"signup"}))
        ),
        named=st.sampled_from((None, None, "report_shared")),
        where=st.dictionaries(
            st.sampled_from(("plan", "seats", "a/b~c", "bot")),
            st.sampled_from((frozenset({"team", "3"}), frozenset({"true", "Yes", "x'y"}))),
            max_size=1,
        ),
        users=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda own: own.name,
).map(tuple)
RULES = st.builds(
    Rules,
    zone=st.sampled_from(ZONES),
    exclude=st.sampled_from(EXCLUDES),
    active=st.sampled_from((Rules().active, frozenset({"revenue", "session"}))),
    own_active=st.sampled_from(({}, {"docs": frozenset({"page_view"})})),
    identity=st.sampled_from((Rules().identity, Rules().identity, ("email",), ())),
    own=OWN,
    activation=st.sampled_from(
        (
            {},
            {"docs": ("page_view", 2, 1)},
            {"": ("report_shared", 1, 30)},
            {"": ("session", 2, 3), "mail": ("activation", 1, 1), "docs": ("signup", 2, 14)},
        )
    ),
)


TIMES = int(os.environ.get("UPWELL_LAW_TIMES", "1"))  # how much longer than by default


def examples(count: int) -> settings:
    """So many examples, however long each takes."""
    return settings(
        max_examples=count * TIMES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


def keyed(found: Sequence[Event]) -> list[Event]:
    """The same events, each with a key of its own."""
    return [Event(**{**vars(event), "key": f"k{n}"}) for n, event in enumerate(found)]


def cut(found: Sequence[Event], data: st.DataObject) -> list[list[Event]]:
    """The events in deliveries of any sizes."""
    parts: list[list[Event]] = []
    rest = list(found)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


@examples(15)
@given(LISTS, RULES, st.data())
def test_order_batching_and_repetition_change_nothing(
    found: list[Event], rules: Rules, data: st.DataObject
) -> None:
    """Once in order and one delivery; once shuffled, cut up and partly sent again."""
    events_ = keyed(found)
    again = data.draw(st.lists(st.sampled_from(events_), max_size=20))
    shuffled = data.draw(st.permutations([*events_, *again]))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with world(Path(one)) as first:
            first.take(config(rules), batch(events_))
            expected, recorded = held(first.projection), changes(first.projection)
            counted = Counted([(NOW, event) for event in events_], rules)
            agree(first.projection, counted)
        with world(Path(other)) as second:
            second.take(config(rules))
            for part in cut(shuffled, data):
                if data.draw(st.booleans()):
                    second.take(batch(part))
                else:  # several deliveries in one commit
                    second.journal.append([batch(part[:1]), batch(part)])
                    second.catch_up()
            assert held(second.projection) == expected
            assert changes(second.projection) == recorded
            right(second.projection)


@examples(6)
@given(st.lists(st.tuples(st.integers(0, 3 * DAY), LISTS), max_size=5), RULES)
def test_folded_as_it_came_folded_again_and_read_again_are_the_same(
    parts: list[tuple[int, list[Event]]], rules: Rules
) -> None:
    """Keyless and keyed events, received at different times: three ways lead to one state."""
    times = [NOW + at for at, _ in sorted(parts, key=lambda part: part[0])]
    lists = [keyed(own) if n % 2 else own for n, (_, own) in enumerate(parts)]
    received = list(zip(times, lists, strict=True))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with world(Path(one)) as first:
            first.take(config(rules), *(batch(own, at) for at, own in received))
            expected, recorded = held(first.projection), changes(first.projection)
            agree(first.projection, Counted(arrived(received), rules))
            right(first.projection)
            first.projection.rebuild()
            assert held(first.projection) == expected
            assert changes(first.projection) == recorded
            fresh = Projection(Path(other), memory="256MB")
            assert list(replay(first.journal, fresh))[-1:] == [first.journal.newest]
            assert held(fresh) == expected
            assert changes(fresh) == recorded
            right(fresh)
            fresh.close()
        with world(Path(one)) as reopened:
            assert held(reopened.projection) == expected


@examples(6)
@given(LISTS, RULES, RULES)
def test_another_configuration_gives_what_it_would_have_given_from_the_start(
    found: list[Event], before: Rules, after: Rules
) -> None:
    """Zone, exclusion and what counts as active apply to all of history."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with world(Path(one)) as changed:
            changed.take(config(before), batch(found), config(after))
            now = held(changed.projection)
            agree(changed.projection, Counted([(NOW, event) for event in found], after))
            right(changed.projection)
        with world(Path(other)) as always:
            always.take(config(after), config(after), batch(found))
            expected = held(always.projection)
        assert now == expected


def test_the_same_key_is_one_event_in_each_product_and_source(tmp_path: Path) -> None:
    """Identity is product, source and key; the first with a key counts, a third is told apart."""
    one = Event("mail", "revenue", NOW, key="in_1", value=Decimal("49.00"), currency="USD")
    for_docs = Event(**{**vars(one), "product": "docs"})
    from_shop = Event(**{**vars(one), "source": "shop"})
    other = Event(**{**vars(one), "value": Decimal("50.00")})
    with world(tmp_path) as house:
        house.take(config(Rules()), batch([one, for_docs, other]), batch([from_shop, one]))
        late = house.take(batch([other]), batch([one], NOW + 3 * DAY))
        agree(house.projection, Counted([(NOW, e) for e in (one, for_docs, from_shop)], Rules()))
        dead = house.projection.reader().execute(
            "select seq, idx, code from dead_letters order by seq, idx"
        )
        assert dead.fetchall() == [
            (2, 2, "conflicting_duplicate"),
            (late[0], 0, "conflicting_duplicate"),
        ]
