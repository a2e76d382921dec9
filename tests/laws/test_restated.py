"""Laws of restating: what a source says of an event last is what counts, and what was known stays.

However deliveries are batched, whatever they repeat, and whether they were applied as they came,
folded again or read again from the journal, the sums are those of the events that stand.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.failing import Failing, broken
from tests.laws.test_corrections import dead, reread, restore, retract
from tests.laws.test_crash_steps import everything
from tests.laws.test_sums import RULES, busy, events, examples, identities
from tests.laws.test_timelines import same
from tests.laws.world import NOW, World, agree, batch, changes, config, held, right, world
from tests.oracle.plain import Counted, Event, Rules, standing
from upwell.access import SYSTEM
from upwell.errors import Unavailable
from upwell.event import Change, Delivery
from upwell.flow import replay
from upwell.period import to_date, to_instant
from upwell.projection import Projection
from upwell.query import Desk, Question
from upwell.warehouse.timelines import Timelines

DAY = 86_400_000_000
HOUR = 3_600_000_000
TOSS = st.booleans()


class Said(NamedTuple):
    """A delivery: when it was received, whether it restates, its events."""

    at: int
    restates: bool
    events: list[Event]

    @property
    def delivery(self) -> Delivery:
        """As the journal keeps it."""
        found = batch(self.events, self.at)
        if not self.restates:
            return found
        return msgspec.structs.replace(found, about={**found.about, "restates": True})


@st.composite
def said(draw: st.DrawFn) -> list[Said]:
    """Deliveries in order of time; few keys, so that most events meet another of their key."""
    found, at = [], NOW
    for _ in range(draw(st.integers(1, 6))):
        at += draw(st.sampled_from((0, 1, HOUR, 9 * HOUR, 3 * DAY)))
        own = draw(st.lists(st.one_of(events(), busy(), identities()), min_size=1, max_size=10))
        keys = st.sampled_from(("k1", "k2", "k3", "k4", "k5", "k6", None))
        # Clocks are right here: a corrected time is another one each time the same event comes.
        own = [
            Event(**{**vars(one), "key": draw(keys), "sent_at": None, "at": min(one.at, NOW)})
            for one in own
        ]
        found.append(Said(at, draw(st.booleans()), own))
    return found


@st.composite
def orders(draw: st.DrawFn) -> list[Said]:
    """Rows of a database read again and again: amounts, states and plans change, seldom more."""
    rows = st.builds(
        Event,
        product=st.sampled_from(("mail", "docs")),
        type=st.sampled_from(("revenue", "revenue", "report", "kpi", "signup", "page_view")),
        at=st.sampled_from((NOW - DAY, NOW, NOW + 8 * HOUR)),
        actor=st.sampled_from(("ann", "ann", "bob")),
        key=st.sampled_from(("1", "2", "3", "4")),
        value=st.sampled_from((Decimal(5), Decimal(7))),
        currency=st.just("USD"),
        metadata=st.sampled_from(({}, {"plan": "team"}, {"state": "paid"}, {"plan": "pro"})),
    )
    found, at = [], NOW
    for _ in range(draw(st.integers(1, 7))):
        at += draw(st.sampled_from((1, HOUR, 20 * HOUR)))
        found.append(Said(at, draw(st.integers(0, 4)) > 0, draw(st.lists(rows, min_size=1))))
    return found


def commits(found: Sequence[Said], data: st.DataObject) -> list[list[Delivery]]:
    """The deliveries, some of them together."""
    parts: list[list[Delivery]] = [[]]
    for one in found:
        if bool(parts[-1]) and data.draw(TOSS):
            parts.append([])
        parts[-1].append(one.delivery)
    return parts


@examples(4)
@given(st.one_of(said(), said(), orders()), RULES, st.data())
def test_what_was_said_last_counts_however_it_came(
    found: list[Said], rules: Rules, data: st.DataObject
) -> None:
    """At once, in any commits, folded again, read again: the sums of what stands."""
    counted = Counted(standing(found), rules)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with world(Path(one)) as first:
            first.take(config(rules))
            for part in commits(found, data):
                first.take(*part)
            agree(first.projection, counted)
            right(first.projection)
            expected, recorded = everything(first.projection), changes(first.projection)
            first.projection.rebuild()
            assert everything(first.projection) == expected
            fresh = Projection(Path(other), memory="256MB")
            for _ in replay(first.journal, fresh):
                pass
            assert everything(fresh) == expected
            assert changes(fresh) == recorded
            right(fresh)
            fresh.close()
        with world(Path(one)) as reopened:
            assert held(reopened.projection) == {name: expected[name] for name in SUMS}
            reopened.take(found[-1].delivery)  # said once more
            again = Counted(standing([*found, found[-1]]), rules)
            agree(reopened.projection, again)


SUMS = ("cells", "hours in the file", "actor_days", "days", "hours", "gaps", "seen", "people")


@examples(3)
@given(orders(), st.data())
def test_what_was_known_stays_known(found: list[Said], data: st.DataObject) -> None:
    """Revenue and its plans on each day, as known at every instant."""
    with tempfile.TemporaryDirectory() as place, world(Path(place)) as house:
        house.take(config(Rules(), NOW - DAY))
        for part in commits(found, data):
            house.take(*part)
        instants = sorted({at for one in found for at in (one.at - 1, one.at)} | {NOW + 9 * DAY})
        for known_at in instants:
            then = Counted(standing(one for one in found if one.at <= known_at), Rules())
            assert _answers(house.projection, known_at) == _plain(then)


def _answers(projection: Projection, known_at: int) -> dict[Any, Decimal]:
    first, end = to_date((NOW - DAY) // DAY), to_date((NOW + DAY) // DAY + 1)
    asked = Question(
        metric="gross_revenue",
        product=("mail", "docs"),
        start=first,
        end=end,
        by="plan",
        known_at=to_instant(known_at),
    )
    answer = Desk(projection).answer(asked, SYSTEM, to_instant(NOW + 20 * DAY))
    found = {}
    for series in answer.series:
        for point in series.points:
            if point.value not in (None, "0.00"):
                found[series.key, point.start[:10]] = Decimal(point.value)
    return found


def _plain(counted: Counted) -> dict[Any, Decimal]:
    found: dict[Any, Decimal] = {}
    for (_, kind, _, _, day, plan, *_), (_, value) in counted.cells().items():
        if kind == "revenue":
            key = (plan or "(none)", to_date(day).isoformat())
            found[key] = found.get(key, Decimal(0)) + value
    return found


@examples(2)
@given(said(), st.sampled_from((0, 1000)))
def test_timelines_hold_what_was_said_last(found: list[Said], most: int) -> None:
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as house:
        lines = Timelines(Path(folder) / "timelines", house.projection.reader, fresh=most)
        house.take(config(Rules()))
        for number, one in enumerate(found, 1):
            house.take(one.delivery)
            stands = [event for _, event in standing(found[:number])]
            same(house, lines, stands, Rules())


def sale(number: int, amount: str, at: int = NOW, **more: Any) -> Event:
    """What somebody paid, or an order of that number as it is now."""
    own = {"key": f"o{number}", "value": Decimal(amount), "currency": "USD", **more}
    return Event("mail", "revenue", at, actor="ann", **own)


def mrr(value: str, at: int = NOW - 40 * DAY, key: str = "s1", **more: Any) -> Event:
    """A subscription as its row in a database is now."""
    own: dict[str, Any] = {"value": Decimal(value), "currency": "USD", "metadata": more}
    return Event("mail", "subscription", at, actor="ann", key=key, **own)


def test_the_last_row_of_a_delivery_counts_and_the_same_again_is_a_repeat(tmp_path: Path) -> None:
    rows = [sale(1, "5.00"), sale(1, "6.00"), sale(2, "1.00"), sale(1, "7.00")]
    with world(tmp_path) as house:
        house.take(config(Rules()), Said(NOW, True, rows).delivery)
        agree(house.projection, Counted([(NOW, rows[3]), (NOW, rows[2])], Rules()))
        before = everything(house.projection)["versions"]
        house.take(Said(NOW + DAY, True, rows).delivery)
        assert everything(house.projection)["versions"] == before
        assert dead(house) == []


def test_whether_it_restates_is_said_by_the_delivery_that_comes_later(tmp_path: Path) -> None:
    first, other = sale(1, "5.00"), sale(1, "6.00")
    with world(tmp_path) as house:
        seqs = house.take(config(Rules()), batch([first]), Said(NOW, True, [other]).delivery)
        agree(house.projection, Counted([(NOW, other)], Rules()))
        late = house.take(batch([first]), batch([other]))
        assert dead(house) == [(late[0], 0, "conflicting_duplicate")]
        agree(house.projection, Counted([(NOW, other)], Rules()))
        house.take(retract(seqs[2]))
        agree(house.projection, Counted([(NOW, first)], Rules()))


def test_amounts_change_without_folding_again_and_the_watchers_hear_of_it(tmp_path: Path) -> None:
    heard: list[Change] = []
    with world(tmp_path) as house:
        house.take(config(Rules()), batch([sale(1, "5.00", NOW - DAY), sale(2, "5.00")]))
        house.flow.subscribe(heard.append)
        house.take(Said(NOW, True, [sale(1, "6.00", NOW - DAY, metadata={"plan": "a"})]).delivery)
        assert not heard[-1].refolded
        assert [(one.product, one.type, one.day) for one in heard[-1].touched] == [
            ("mail", "revenue", (NOW - DAY) // DAY)
        ]
        house.take(Said(NOW, True, [sale(1, "6.00", NOW - 2 * DAY)]).delivery)
        assert {one.day for one in heard[-1].touched if one.type == "revenue"} == {
            (NOW - step * DAY) // DAY for step in (1, 2)
        }
        right(house.projection)


@examples(3)
@given(st.data())
def test_what_was_retracted_was_never_said(data: st.DataObject) -> None:
    """Restating deliveries taken out and brought back: of those that are left the last stands."""
    with tempfile.TemporaryDirectory() as place, world(Path(place)) as house:
        first = house.take(config(Rules()))[0]
        found: list[list[Event]] = []
        for number in range(data.draw(st.integers(2, 5))):
            keys = data.draw(st.lists(st.integers(1, 3), min_size=1, unique=True))
            found.append([sale(key, f"{number}.{key}0") for key in keys])
            own = mrr(f"{10 + number}.00")
            found[-1] += [own] if data.draw(TOSS) else []
            house.take(Said(NOW + number, True, found[-1]).delivery)
        out: dict[int, set[int]] = {}
        for step in range(data.draw(st.integers(1, 5))):
            if bool(out) and data.draw(TOSS):
                order = data.draw(st.sampled_from(sorted(out)))
                house.take(restore(order, NOW + step * HOUR))
                del out[order]
            left = set(range(len(found))).difference(*out.values())
            if left:
                some = data.draw(st.sets(st.sampled_from(sorted(left)), min_size=1, max_size=2))
                seqs = [first + 1 + number for number in some]
                out[house.take(retract(*seqs, at=NOW + step * HOUR))[0]] = some
            gone = set().union(*out.values())
            stands = standing((NOW, True, own) for n, own in enumerate(found) if n not in gone)
            agree(house.projection, Counted(stands, Rules()))
            right(house.projection)
            assert _mrr(house.projection) == sum(
                (one.value or Decimal(0) for _, one in stands if one.type == "subscription"),
                Decimal(0),
            )


def _mrr(projection: Projection) -> Decimal:
    asked = Question(metric="mrr", start=to_date(NOW // DAY), end=to_date(NOW // DAY + 1))
    answer = Desk(projection).answer(asked, SYSTEM, to_instant(NOW + DAY))
    return Decimal(str(answer.series[0].points[-1].value or 0)) if answer.series else Decimal(0)


def test_ledgers_under_any_rules_follow_what_is_restated(tmp_path: Path) -> None:
    """In memory they are what they are in the file, also where a customer is another or is gone."""
    steps = [
        [mrr("10.00", email="a@acme.example"), mrr("5.00", key="s2", subscription_id="two")],
        [mrr("12.00", email="b@acme.example"), mrr("6.00", key="s2", subscription_id="two")],
        [mrr("12.00"), mrr("0.00", NOW - 3 * DAY, key="s2", subscription_id="two")],
        [Event(**{**vars(mrr("12.00")), "actor": "bob"})],
    ]
    with world(tmp_path) as house:
        house.take(config(Rules(exclude=("b@acme.example",)), NOW - 50 * DAY))
        for step, told in enumerate(steps):
            house.take(Said(NOW + step * HOUR, True, told).delivery)
            kept = [_rows(house.projection, rules) for rules in (None, "stripe")]
            right(house.projection)
            house.projection.rebuild()
            assert [_rows(house.projection, rules) for rules in (None, "stripe")] == kept


def _rows(projection: Projection, rules: str | None) -> list[Any]:
    """All movements there ever were, and who the customers are."""
    while True:
        with suppress(Unavailable):
            book = projection.book(rules)
            break
        time.sleep(0.02)
    people = [(one.ids, one.email, one.excluded) for one in book.people.all]
    rows = book.rows
    columns = (rows.line, rows.day, rows.at, rows.delta, rows.recorded_at, rows.superseded_at)
    lines = [
        (book.lines[line], *row)
        for line, *row in zip(*(column.tolist() for column in columns), strict=True)
    ]
    return [sorted(lines, key=repr), sorted(people, key=repr)]


def test_subscriptions_are_restated_and_were_known_before(tmp_path: Path) -> None:
    """The row of a subscription changes: its amount, then its day, then all as at first."""
    told = [mrr("10.00"), mrr("12.00"), mrr("12.00", NOW - 20 * DAY, plan="pro"), mrr("10.00")]
    with world(tmp_path) as house:
        house.take(config(Rules(), NOW - 50 * DAY))
        for step, one in enumerate(told):
            loaded = house.projection.generation
            house.take(Said(NOW + step * HOUR, True, [one]).delivery)
            assert _mrr(house.projection) == one.value
            moved = step > 1  # in time, so that histories may differ anywhere
            assert (house.projection.generation > loaded) == moved
            right(house.projection)
        for step, one in enumerate(told):
            asked = Question(
                metric="mrr",
                start=to_date((NOW - 30 * DAY) // DAY),
                end=to_date((NOW - 29 * DAY) // DAY),
                known_at=to_instant(NOW + step * HOUR),
            )
            answer = Desk(house.projection).answer(asked, SYSTEM, to_instant(NOW + DAY))
            expected = one.value if one.at < NOW - 30 * DAY else Decimal(0)
            assert Decimal(str(answer.series[0].points[0].value)) == expected


def test_reading_again_keeps_what_was_said_last(tmp_path: Path) -> None:
    rows = ([sale(1, "5.00"), mrr("10.00")], [sale(1, "6.00"), mrr("11.00")], [sale(1, "7.00")])
    with world(tmp_path) as house:
        seqs = house.take(
            config(Rules()), *(Said(NOW + n, n > 0, own).delivery for n, own in enumerate(rows))
        )
        before, recorded = held(house.projection), changes(house.projection)
        for some in (seqs[1:], seqs[1:2], seqs[2:3], seqs[3:]):
            house.take(reread(NOW + DAY, deliveries=some))
            assert held(house.projection) == before
            assert changes(house.projection) == recorded
            assert dead(house) == []
            right(house.projection)


STORY = (
    config(Rules()),
    batch([sale(1, "5.00"), sale(2, "5.00"), mrr("10.00")]),
    Said(NOW + DAY, True, [sale(1, "6.00"), sale(3, "1.00"), sale(3, "2.00")]).delivery,
    Said(NOW + DAY, True, [sale(2, "5.00", NOW - DAY), mrr("11.00")]).delivery,
    retract(3, at=NOW + 2 * DAY),
    restore(5, NOW + 3 * DAY),
)


def test_any_statement_may_fail(tmp_path: Path) -> None:
    """Some of them, drawn anew each time: nothing has changed, and the next try goes through."""
    dice = random.Random()
    with world(tmp_path / "undisturbed") as house:
        house.take(*STORY)
        expected = everything(house.projection)
    with world(tmp_path / "failing") as house:
        house.take(*STORY[:2])
        for delivery in STORY[2:]:
            before = everything(house.projection)
            house.journal.append([delivery])
            for number in dice.sample(range(1, 30), 4):
                _fail(house, number)
                house.projection.recover()
                if house.projection.applied == before["applied"]:
                    assert everything(house.projection) == before
            house.catch_up()
        assert everything(house.projection) == expected
        right(house.projection)


def _fail(house: World, number: int) -> None:
    """Apply what waits, where one statement fails."""
    connection = Failing(house.projection, lambda n, _: broken() if n == number else None)
    with suppress(duckdb.IOException):
        house.flow.follow()
    house.projection._db = connection._real
