"""Laws of the ledger: what is known when does not depend on how it came, and what was known stays.

Records in any order, batches and repetitions give the same movements; taken one delivery at a time,
all in one commit, folded again or read from the file they give the same past, too; and at every
past moment the ledger says what it said then.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_sums import examples
from tests.laws.world import NOW, right
from upwell.billing import (
    Customer,
    Discount,
    Item,
    Price,
    Record,
    SubscriptionState,
)
from upwell.errors import Unavailable
from upwell.event import SCHEMA, Delivery, Translated
from upwell.metrics.revenue.causes import CAUSES
from upwell.metrics.revenue.ledger import KINDS
from upwell.projection import Projection, Staged
from upwell.projection.book import FOREVER, Book
from upwell.projection.ground import Ground

DAY = 86_400_000_000
HOUR = DAY // 24
PRICES = (
    Price(id="m9", plan="solo", currency="USD", unit=Decimal(900)),
    Price(id="m29", plan="team", currency="USD", unit=Decimal(2900)),
    Price(id="y290", plan="team", currency="USD", interval="year", unit=Decimal(29_000)),
    Price(id="e9", plan="solo", currency="EUR", unit=Decimal(900)),
    Price(id="odd", plan="odd", currency="USD", unit=Decimal(-5)),  # nothing can be made of it
)
HALF = Discount(
    id="half", percent=Decimal(50), duration="repeating", start=NOW - 40 * DAY, end=NOW - 3 * DAY
)
EMAILS = ("", "ann@acme.example", "bob@other.example")
GROUNDS = (
    Ground(),
    Ground(timezone="Asia/Tokyo"),
    Ground(exclude=("*@acme.example",)),
    Ground(merges=(("shop:cus_0", "shop:cus_1"),)),
    Ground(merges=(("app:nobody", "shop:cus_1", "app:cus_1"),), timezone="America/New_York"),
    Ground(policy="chartmogul"),
)

Row = tuple[Any, ...]


@st.composite
def states(draw: st.DrawFn) -> SubscriptionState:
    """One state; numbers are given later, so that no two speak of one instant in one order."""
    number = draw(st.integers(0, 3))
    at = NOW - draw(st.integers(0, 60)) * DAY + draw(st.integers(0, 47)) * HOUR // 2
    status = draw(st.sampled_from(("active", "active", "active", "trialing", "past_due",
                                   "canceled", "paused", "unpaid")))  # fmt: skip
    count = draw(st.integers(1, 2))
    return SubscriptionState(
        source=draw(st.sampled_from(("shop", "shop", "app"))),
        id=f"sub_{number}",
        # A subscription changes hands once in a while.
        customer=f"cus_{draw(st.sampled_from((number // 2, number // 2, number // 2, 1)))}",
        at=at,
        status=status,  # type: ignore[arg-type]
        items=tuple(
            Item(
                id=f"si_{place}",
                product=draw(st.sampled_from(("mail", "docs"))),
                price=draw(st.sampled_from(PRICES)),
                quantity=Decimal(draw(st.integers(1, 3))),
            )
            for place in range(count)
        ),
        discounts=draw(st.sampled_from(((), (), (HALF,)))),
        trial_end=draw(st.sampled_from((None, at + 5 * DAY))),
        cancel_at=draw(st.sampled_from((None, None, at + 90 * DAY))),
        ended_at=at if status == "canceled" else None,
        reconstructed=draw(st.sampled_from((False, False, True))),
    )


CUSTOMERS = st.builds(
    Customer,
    source=st.sampled_from(("shop", "app")),
    id=st.sampled_from(("cus_0", "cus_1")),
    at=st.integers(0, 60).map(lambda days: NOW - days * DAY),
    email=st.sampled_from(EMAILS),
    country=st.sampled_from(("", "DE", "US")),
)


@st.composite
def records(draw: st.DrawFn, most: int = 14) -> list[Record]:
    """States and customers, each the only one of its instant and order."""
    found = draw(st.lists(st.one_of(states(), states(), states(), CUSTOMERS), max_size=most))
    return [
        type(one)(**{**{n: getattr(one, n) for n in one.__struct_fields__}, "order": f"{k:04d}"})
        for k, one in enumerate(found)
    ]


class Sent(NamedTuple):
    """A delivery's number, time and records."""

    seq: int
    at: int
    records: Sequence[Record]

    @property
    def staged(self) -> Staged:
        """As the loop would give it to the projection."""
        delivery = Delivery(seq=self.seq, kind="stripe", source="shop", received_at=self.at)
        return Staged(delivery, Translated(SCHEMA.empty_table(), records=tuple(self.records)))


def sent(parts: Sequence[Sequence[Record]], first: int = 1) -> list[Sent]:
    """Deliveries an hour apart."""
    return [Sent(first + n, NOW + (first + n) * HOUR, part) for n, part in enumerate(parts)]


@st.composite
def cuts(draw: st.DrawFn, found: Sequence[Record]) -> list[list[Record]]:
    """The records in deliveries of any size."""
    parts: list[list[Record]] = []
    rest = list(found)
    while rest:
        size = draw(st.integers(1, min(5, len(rest))))
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


@contextmanager
def opened(path: str | Path) -> Iterator[Projection]:
    """The projection of a directory, closed at the end of the block."""
    projection = Projection(Path(path), memory="256MB")
    try:
        yield projection
    finally:
        projection.close()


@contextmanager
def fresh() -> Iterator[Projection]:
    """A projection that nobody has used."""
    with tempfile.TemporaryDirectory() as path, opened(path) as projection:
        yield projection


def told(book: Book) -> list[Row]:
    """Every row ever shown, in words."""
    rows = book.rows
    found = []
    for n in range(len(rows.line)):
        row = {name: int(getattr(rows, name)[n]) for name in rows._fields}
        line = book.lines[row["line"]]
        assert book.products[row["product"]] == line.product
        assert book.currencies[row["currency"]] == line.currency
        assert book.subscriptions[row["subscription"]] == line.subscription
        kinds = (row["by_subscription"], row["by_product"], row["by_company"])
        found.append(
            (
                book.persons[row["person"]].ids[0],
                line.source,
                *line[:5],
                row["day"],
                row["at"],
                row["delta"],
                *(KINDS[kind] for kind in kinds),
                CAUSES[row["cause"]],
                row["alive"],
                row["seq"],
                row["recorded_at"],
                row["superseded_at"],
            )
        )
    return sorted(found)


def stands(book: Book, at: int | None = None) -> list[Row]:
    """The rows that stand now, or stood at an instant, without when they came."""
    now = FOREVER - 1 if at is None else at
    return [row[:-2] for row in told(book) if row[-2] <= now < row[-1]]


def movements(book: Book) -> list[Row]:
    """The rows that stand now, without by which delivery."""
    return sorted(row[:-1] for row in stands(book))


@examples(12)
@given(records(), st.data())
def test_order_batching_and_repetition_change_no_movement(
    found: list[Record], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(found), max_size=6)) if found else []
    shuffled = data.draw(st.permutations([*found, *again]))
    with fresh() as one, fresh() as other:
        one.apply([Sent(1, NOW, found).staged])
        for part in sent(data.draw(cuts(shuffled))):
            other.apply([part.staged])
        assert movements(other.book()) == movements(one.book())
        right(other)


@examples(12)
@given(records(), st.data())
def test_the_past_is_the_same_however_it_is_read(found: list[Record], data: st.DataObject) -> None:
    """One by one, in commits of several, folded again, read from the file, under other rules."""
    repeated = [*found, *found[: data.draw(st.integers(0, 4))]]
    parts = sent(data.draw(cuts(repeated)))
    with tempfile.TemporaryDirectory() as path, fresh() as at_once:
        with opened(path) as one:
            said = []
            for part in parts:
                one.apply([part.staged])
                said.append(stands(one.book()))
            everything = told(one.book())
            for part, then in zip(parts, said, strict=True):
                assert stands(one.book(), part.at) == then
            split = data.draw(st.integers(0, len(parts)))
            for group in (parts[:split], parts[split:]):
                if group:
                    at_once.apply([part.staged for part in group])
            assert told(at_once.book()) == everything
            right(one)
            one.rebuild()
            assert told(one.book()) == everything
            assert _counted(one, "chartmogul") == _counted(at_once, "chartmogul")
        with opened(path) as reopened:
            assert told(reopened.book()) == everything
            assert movements(reopened.book()) == movements(at_once.book())


def _counted(projection: Projection, policy: str) -> list[Row]:
    """The rows under other rules, once they are there."""
    for _ in range(400):
        try:
            return told(projection.book(policy))
        except Unavailable:
            time.sleep(0.01)
    raise AssertionError("never counted")


@examples(8)
@given(records(), st.sampled_from(GROUNDS), st.sampled_from(GROUNDS), st.data())
def test_another_configuration_counts_from_its_delivery_on(
    found: list[Record], before: Ground, after: Ground, data: st.DataObject
) -> None:
    """What was known before it stays; from then on it is as if it had always been in force."""
    parts = data.draw(cuts(found))
    split = data.draw(st.integers(0, len(parts)))
    change = split + 2
    first, rest = sent(parts[:split], 2), sent(parts[split:], change + 1)
    with fresh() as one, fresh() as always:
        one.set_ground(before, 1, NOW + HOUR)
        for part in first:
            one.apply([part.staged])
        known = stands(one.book())
        one.set_ground(after, change, NOW + change * HOUR)
        assert stands(one.book(), NOW + change * HOUR - 1) == known
        for part in rest:
            one.apply([part.staged])
        always.set_ground(after, 1, NOW)
        for part in (*first, *rest):
            always.apply([part.staged])
        assert stands(one.book()) == stands(always.book())
        everything = told(one.book())
        right(one)
        one.rebuild()
        assert told(one.book()) == everything


@examples(8)
@given(records(), st.data())
def test_what_is_retracted_never_was_and_what_is_brought_back_was_never_gone(
    found: list[Record], data: st.DataObject
) -> None:
    parts = sent(data.draw(cuts(found)))
    if not parts:
        return
    gone = data.draw(st.sets(st.sampled_from([part.seq for part in parts]), min_size=1))
    last = len(parts) + 1
    with fresh() as one, fresh() as never:
        for part in parts:
            one.apply([part.staged])
            if part.seq not in gone:
                never.apply([part.staged])
        before = stands(one.book())
        one.supersede(_order("retract", last), sorted(gone))
        assert stands(one.book()) == stands(never.book())
        right(one)
        one.restore(_order("restore", last + 1), last)
        assert stands(one.book()) == before
        right(one)
        one.retranslate(_order("retranslate", last + 2), [part.staged for part in parts])
        assert stands(one.book()) == before
        for at, then in ((last, stands(never.book())), (last + 1, before)):
            assert stands(one.book(), NOW + at * HOUR) == then
        everything = told(one.book())
        one.rebuild()
        assert told(one.book()) == everything


def _order(kind: Any, seq: int) -> Delivery:
    return Delivery(seq=seq, kind=kind, source="upwell", received_at=NOW + seq * HOUR)


@examples(8)
@given(records(), records(6), st.data())
def test_books_of_other_rules_follow_each_commit(
    found: list[Record], later: list[Record], data: st.DataObject
) -> None:
    """Asked for between commits, the book of other rules is the one made from the beginning."""
    parts = sent(data.draw(cuts([*found])))
    rest = sent(data.draw(cuts([_renumbered(one) for one in later])), len(parts) + 1)
    with fresh() as one, fresh() as whole:
        for part in parts:
            one.apply([part.staged])
            whole.apply([part.staged])
        _counted(one, "chartmogul")
        for part in rest:
            one.apply([part.staged])
            whole.apply([part.staged])
        assert _counted(one, "chartmogul") == _counted(whole, "chartmogul")
        assert one.book("stripe") is one.book()  # rules that differ only in questions


def _renumbered(record: Record) -> Record:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return type(record)(**{**fields, "order": "9" + fields["order"]})


@examples(8)
@given(records())
def test_mrr_is_the_sum_of_what_stands(found: list[Record]) -> None:
    """The running sum of deltas of each line never falls below nothing and ends at its level."""
    with fresh() as one:
        one.apply([Sent(1, NOW, found).staged])
        rows = one.book().rows
        for line in np.unique(rows.line):
            own = rows.take((rows.line == line) & (rows.superseded_at == FOREVER))
            order = np.argsort(own.at)
            assert (np.cumsum(own.delta[order]) >= 0).all()
