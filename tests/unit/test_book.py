"""The ledger's book: its columns, what is stored of billing sources, and what a commit says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upwell.billing import (
    Cash,
    Customer,
    Discount,
    Item,
    Payment,
    Price,
    Record,
    SubscriptionState,
)
from upwell.errors import Rejected, Unavailable
from upwell.event import SCHEMA, Delivery, Touched, Translated
from upwell.metrics.revenue.ledger import KINDS
from upwell.projection import Outcome, Projection, Staged
from upwell.projection.book import FOREVER, Book, Line, Move, Person, no_rows, unequal
from upwell.projection.ground import Ground
from upwell.projection.verify import differences, differing

DAY = 86_400_000_000
NOW = 1_795_000_000_000_000
NONE = np.zeros(0, dtype=np.int64)


@pytest.fixture
def projection(tmp_path: Path) -> Iterator[Projection]:
    found = Projection(tmp_path, memory="256MB")
    yield found
    found.close()


def state(at: int = NOW, cents: int = 1000, order: str = "", **fields: Any) -> SubscriptionState:
    price = Price(id="p", plan="team", currency="USD", unit=Decimal(cents))
    given = {"items": (Item(id="si", product="mail", price=price),), **fields}
    return SubscriptionState(
        source="shop", id="sub_1", customer="cus_1", at=at, order=order, **given
    )


def told(projection: Projection, seq: int, *records: Record) -> Outcome:
    """Apply a delivery with these records, received `seq` days after NOW."""
    return projection.apply([staged(seq, *records)])


def staged(seq: int, *records: Record) -> Staged:
    delivery = Delivery(seq=seq, kind="stripe", source="shop", received_at=NOW + seq * DAY)
    return Staged(delivery, Translated(SCHEMA.empty_table(), records=records))


def standing(projection: Projection) -> list[tuple[int, str]]:
    """Delta in cents and kind of each row that stands, by instant."""
    rows = projection.book().rows
    rows = rows.take(rows.superseded_at == FOREVER)
    rows = rows.take(np.argsort(rows.at, kind="stable"))
    kinds = [KINDS[kind] for kind in rows.by_company.tolist()]
    return list(zip((rows.delta // 1_000_000).tolist(), kinds, strict=True))


def test_a_book_made_by_hand_has_every_column_and_code() -> None:
    book = Book.of(
        [
            Move("a", 10, 100),
            Move("b", 11, 50, "new", currency="EUR", plan="solo", interval="year", source="app"),
            Move("a", 12, -100, "churn", cause="cancel", recorded_at=5, superseded_at=9),
        ],
        [Person((("stripe", "a"), ("app", "z")), "Ann", country="DE")],
    )
    rows = book.rows
    assert [len(column) for column in rows] == [3] * len(rows)
    assert rows.person.tolist() == [0, 1, 0]
    assert book.customer_of(0).name == "Ann"
    assert book.persons[1].ids == (("app", "b"),)
    assert book.lines[1] == Line("sub_b", "mail", "solo", "year", "EUR", "b", "app")
    assert book.lines[-1] == book.lines[0:2][1]
    assert [book.plans[code] for code in book.line_plan] == ["team", "solo"]
    assert [book.intervals[code] for code in book.line_interval] == ["month", "year"]
    assert [book.countries[code] for code in book.line_country] == ["DE", ""]
    assert [book.sources[code] for code in book.line_source] == ["stripe", "app"]
    assert [book.currencies[code] for code in rows.currency] == ["USD", "EUR", "USD"]
    assert rows.alive.tolist() == [1, 1, -1]
    assert rows.superseded_at.tolist() == [FOREVER, FOREVER, 9]


def test_whoever_took_the_rows_keeps_them() -> None:
    book = Book.of([Move("a", 10, 100)])
    taken, version = book.rows, book.version
    for n in range(3000):  # more than there is room for at first
        book.show(no_rows(1), np.array([n], dtype=np.int64), np.array([n + 7], dtype=np.int64))
    assert taken.superseded_at.tolist() == [FOREVER]
    assert len(taken.line) == 1
    assert len(book.rows.line) == 3001
    assert book.rows.superseded_at[:2].tolist() == [7, 8]
    assert book.version == version + 3000


def test_whoever_took_the_codes_of_lines_keeps_them() -> None:
    book = Book.of([Move("c0", 10, 100)])
    taken = [(book.line_country, book.line_plan, book.line_subscription)]
    for n in range(1, 1100):  # more than there is room for at first
        book.lines.number(Line(f"s{n}", "mail", f"plan {n}", "month", "USD", f"c{n}", "stripe"))
        book.code_lines()
        if n % 300 == 0:  # somebody is found to live elsewhere: earlier ones are not
            number = book.people.number("stripe", f"c{n}")
            book.people.all[number] = book.people.all[number]._replace(country="DE")
            book.moved([number])
        taken.append((book.line_country, book.line_plan, book.line_subscription))
    for n, (country, plan, subscription) in enumerate(taken):
        home = [book.countries[code] for code in country]
        assert home == ["DE" if at in (300, 600, 900) and at <= n else "" for at in range(n + 1)]
        assert plan.tolist() == subscription.tolist() == list(range(n + 1))


def test_unequal_rows_are_those_that_only_one_side_has() -> None:
    one = Book.of([Move("a", 10, 100), Move("a", 11, 5), Move("a", 11, 5)]).rows
    other = Book.of([Move("a", 11, 5), Move("a", 12, 1), Move("a", 10, 100)]).rows
    more, less = unequal(one, other)
    assert more.day.tolist() == [11]
    assert less.day.tolist() == [12]
    assert [len(rows.line) for rows in unequal(one, one)] == [0, 0]


def test_a_state_becomes_movements_at_once(projection: Projection) -> None:
    outcome = told(projection, 1, state(NOW - 5 * DAY), state(NOW, 3000))
    day = projection.zone.day_of(NOW)
    assert standing(projection) == [(1000, "new"), (2000, "expansion")]
    assert outcome.touched == {Touched("mail", "@mrr", day - 5), Touched("mail", "@mrr", day)}
    assert projection.changed(["mail"], ["@mrr"]) == 1
    assert projection.freshness(["mail"]) == {"shop": NOW + DAY}
    rows = projection.book().rows
    assert rows.recorded_at.tolist() == [NOW + DAY] * 2
    assert rows.seq.tolist() == [1, 1]


def test_the_same_again_is_dropped_and_other_content_supersedes(projection: Projection) -> None:
    told(projection, 1, state())
    assert told(projection, 2, state()).repeats == 1
    assert told(projection, 3, state()).touched == frozenset()
    told(projection, 4, state(cents=2000))
    assert standing(projection) == [(2000, "new")]
    assert told(projection, 5, state()).repeats == 1  # a webhook sent twice, the second time late
    assert standing(projection) == [(2000, "new")]
    said = projection.states("shop", "sub_1")
    assert [(seq, at, gone) for _, seq, at, gone in said] == [
        (1, NOW + DAY, NOW + 4 * DAY),
        (4, NOW + 4 * DAY, None),
    ]
    assert said[1][0] == state(cents=2000)


def test_what_was_said_stands_before_what_was_pieced_together(projection: Projection) -> None:
    told(projection, 1, state(cents=1, reconstructed=True))
    told(projection, 2, state(cents=2, reconstructed=True))
    assert standing(projection) == [(1, "new")]  # the earlier one was nearer to the facts
    told(projection, 3, state(cents=3))
    told(projection, 4, state(cents=4, reconstructed=True))
    assert standing(projection) == [(3, "new")]
    gone = Delivery(seq=5, kind="retract", source="upwell", received_at=NOW + 5 * DAY)
    projection.supersede(gone, [3])
    assert standing(projection) == [(1, "new")]


def test_what_comes_by_itself_lies_ahead(projection: Projection) -> None:
    half = Discount(
        id="d", percent=Decimal(50), duration="repeating", start=NOW, end=NOW + 60 * DAY
    )
    outcome = told(
        projection,
        1,
        state(status="trialing", trial_end=NOW + 14 * DAY, discounts=(half,)),
    )
    rows = projection.book().rows
    assert standing(projection) == [(500, "new"), (500, "expansion")]
    assert rows.at.tolist() == [NOW + 14 * DAY, NOW + 60 * DAY]
    assert outcome.touched == frozenset()  # nothing of it has happened yet


def test_a_state_that_nothing_can_be_made_of_is_told_and_kept(projection: Projection) -> None:
    told(projection, 1, state(NOW - DAY))
    outcome = told(projection, 2, state(NOW, cents=-5))
    assert [(letter.code, letter.seq) for letter in outcome.dead] == [("negative_price", 2)]
    assert standing(projection) == [(1000, "new")]
    assert len(projection.states("shop", "sub_1")) == 2


def test_customers_are_named_and_live_somewhere(projection: Projection) -> None:
    told(projection, 1, state())
    version = projection.book().version
    told(projection, 2, Customer(source="shop", id="cus_1", at=NOW, name="Ann", country="DE"))
    told(projection, 3, Customer(source="shop", id="cus_1", at=NOW - DAY, name="Old"))
    book = projection.book()
    assert book.version > version
    assert book.persons[0] == Person((("shop", "cus_1"),), "Ann", country="DE")
    assert [book.countries[code] for code in book.line_country] == ["DE"]


def test_merged_customers_are_one_person_until_they_are_parted(projection: Projection) -> None:
    other = SubscriptionState(
        source="app",
        id="s",
        customer="u1",
        at=NOW - DAY,
        items=state().items,
    )
    told(projection, 1, state(), other)
    assert [kind for _, kind in standing(projection)] == ["new", "new"]
    merged = Ground(merges=(("shop:cus_1", "app:u1"),))
    assert projection.set_ground(merged, 2, NOW + 2 * DAY)
    assert [kind for _, kind in standing(projection)] == ["new", "expansion"]
    person = projection.book().rows.person[-1]
    assert projection.book().persons[person].ids == (("shop", "cus_1"), ("app", "u1"))
    projection.set_ground(Ground(), 3, NOW + 3 * DAY)
    assert [kind for _, kind in standing(projection)] == ["new", "new"]
    rows = projection.book().rows
    then = rows.take((rows.recorded_at <= NOW + 2 * DAY) & (rows.superseded_at > NOW + 2 * DAY))
    assert sorted(KINDS[kind] for kind in then.by_company) == ["expansion", "new"]


def test_cash_and_payments_are_kept_for_sums(projection: Projection) -> None:
    cash = Cash(
        source="shop", id="txn_1", at=NOW, kind="charge", amount=10_000, fee=320, net=9_680,
        currency="USD", cause="ch_1", product="mail",
    )  # fmt: skip
    open_ = Payment(source="shop", id="in_1", at=NOW, customer="cus_1", due=10_000, order="1")
    paid = Payment(
        source="shop", id="in_1", at=NOW, customer="cus_1", due=10_000, paid=10_000, order="1",
        status="paid", paid_at=NOW,
    )  # fmt: skip
    told(projection, 1, cash, open_)
    told(projection, 2, cash, paid)
    read = projection.reader().execute
    assert read("select sum(net), count(*) from cash where superseded_at is null").fetchall() == [
        (9680, 1)
    ]
    assert read("select status, superseded_at from payments order by no").fetchall() == [
        ("open", NOW + 2 * DAY),
        ("paid", None),
    ]
    day = projection.zone.day_of(NOW)
    projection.set_ground(Ground(timezone="Pacific/Kiritimati"), 3, NOW + 3 * DAY)
    assert read("select day from cash").fetchall() == [(day + 1,)]
    before = read("select * from payments order by no").fetchall()
    projection.rebuild()
    assert read("select * from payments order by no").fetchall() == before


def test_rules_that_nobody_asked_for_yet_are_being_counted(projection: Projection) -> None:
    told(projection, 1, state())
    with pytest.raises(Rejected, match="unknown counting rules"):
        projection.book("chartmogol")
    with pytest.raises(Unavailable, match="% done") as folding:
        projection.book("chartmogul")
    assert folding.value.problem.code == "folding"
    for _ in range(500):
        try:
            found = projection.book("chartmogul")
            break
        except Unavailable:
            time.sleep(0.01)
    else:
        raise AssertionError("never counted")
    assert found is not projection.book()
    assert found.rows.delta.tolist() == projection.book().rows.delta.tolist()


@pytest.mark.parametrize(
    "fault",
    [
        "update moves set delta = delta + 1 where no = 0",
        "delete from moves where no = 1",
        "update moves set by_company = 3 where no = 1",
        "update moves set superseded_at = 5 where no = 1",
        "update billing set superseded_seq = 2, superseded_at = 5 where no = 1",
        "delete from billing where no = 0",
    ],
)
def test_verify_finds_what_was_changed_behind_its_back(projection: Projection, fault: str) -> None:
    told(projection, 1, state(NOW - DAY), state(NOW, 2000))
    assert {name: wrong for name, wrong, _ in differences(projection)}["ledger"] == []
    projection.reader().execute(fault)
    wrong = {name: wrong for name, wrong, _ in differences(projection)}["ledger"]
    assert any("sub_1" in sentence for sentence in wrong)


def test_verify_compares_what_is_stored_with_what_deliveries_say(projection: Projection) -> None:
    parts = [staged(1, state()), staged(2, state(), state(NOW + DAY, 2000))]
    for part in parts:
        projection.apply([part])
    assert list(differing(projection, parts, 0, 2)) == []
    read = projection.reader().execute
    read("update billing set body = replace(body, 'team', 'solo') where no = 1")
    assert list(differing(projection, parts, 0, 2)) == [
        "delivery 2, sub sub_1: stored otherwise than its bytes say today",
        "delivery 2, sub sub_1: not stored",
    ]
