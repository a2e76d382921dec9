"""What billing systems said beside the ledger, of a segment: as if nobody else had been told of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.laws.test_book import DAY, HOUR, fresh, states
from tests.laws.test_sums import examples
from tests.laws.world import NOW
from upwell.access import SYSTEM
from upwell.billing import Customer, Payment, Record, SubscriptionState, Usage
from upwell.event import SCHEMA, Delivery, Translated
from upwell.money import Rates
from upwell.period import to_instant
from upwell.projection import Projection, Staged
from upwell.query import Answer, Desk, Question
from upwell.query.revenue.lineage import revenue_rows

SEEN = to_instant(NOW + 2 * DAY)
SPAN: dict[str, Any] = {
    "start": (SEEN - dt.timedelta(days=63)).date(),
    "end": (SEEN + dt.timedelta(days=1)).date(),
}
TOLD = (
    "trial_conversion_rate", "recovery_rate", "mrr_set_to_cancel", "cancelling_mrr", "cmrr",
    "usage_run_rate",
)  # fmt: skip
CHOSEN = ("cus_0", "cus_2")

payments = st.builds(
    lambda who, days, amount, failed, status, used: Payment(
        source="shop",
        id="",
        at=NOW - days * DAY,
        customer=f"cus_{who}",
        product="mail",
        currency="USD",
        due=amount,
        status="open" if used else status,
        first_failed=NOW - days * DAY if failed else None,
        paid_at=NOW - days * DAY + HOUR if status == "paid" else None,
        usage=(Usage(product="mail", amount=amount, end=NOW - days * DAY),) if used else (),
    ),
    st.integers(0, 3),
    st.integers(1, 60),
    st.integers(1, 9_000),
    st.booleans(),
    st.sampled_from(("paid", "open", "void")),
    st.booleans(),
)


def whose(record: Record) -> str:
    if isinstance(record, Customer):
        return record.id
    assert isinstance(record, SubscriptionState | Payment)
    return record.customer


@st.composite
def happenings(draw: st.DrawFn) -> tuple[list[Record], list[dict[str, Any]]]:
    """Records of four customers with a subscription each, and cancellations they asked for."""
    found = draw(st.lists(st.one_of(states(), states(), payments), min_size=3, max_size=16))
    # An account tells of everyone who ever was to pay.
    records: list[Record] = [
        Customer(source="shop", id=f"cus_{n}", at=NOW - 61 * DAY, order=f"c{n}") for n in range(4)
    ]
    for place, one in enumerate(found):
        if isinstance(one, SubscriptionState):
            who = f"cus_{one.id.removeprefix('sub_')}"
            one = replace(one, source="shop", customer=who, order=f"{place:04d}")
        else:
            one = replace(one, id=f"in_{place}")
        records.append(one)
    clicks = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), max_size=4))
    return records, [asked_to_end(*click) for click in clicks]


def event(kind: str, who: str, at: int, source: str, **metadata: str) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    pairs = ", ".join(f'"{name}": "{value}"' for name, value in metadata.items())
    return empty | {
        "idx": 0, "product": "mail", "source": source, "type": kind, "ts": at, "actor": who,
        "value": Decimal(1), "key": f"{kind}{who}{at}", "metadata": f"{{{pairs}}}",
        "corrected": False,
    }  # fmt: skip


def asked_to_end(who: int, days: int) -> dict[str, Any]:
    own = {"subscription_id": f"sub_{who}"}
    return event("churn", f"cus_{who}", NOW - days * DAY, "shop", **own)


@contextmanager
def told(records: Sequence[Record], events: Sequence[dict[str, Any]]) -> Iterator[Projection]:
    """A projection of these; each customer is a user, too."""
    users = [event("page_view", f"cus_{n}", NOW, "app") for n in range(4)]
    with fresh() as projection:
        for seq, (kind, some) in enumerate((("stripe", events), ("http", users)), 1):
            table = pa.Table.from_pylist(
                [{**one, "idx": n} for n, one in enumerate(some)], schema=SCHEMA
            )
            delivery = Delivery(seq=seq, kind=kind, source="shop", received_at=NOW)  # type: ignore[arg-type]
            own = tuple(records) if seq == 1 else ()
            projection.apply([Staged(delivery, Translated(table, records=own))])
        yield projection


def desk_of(projection: Projection) -> Desk:
    """A desk whose every segment has the chosen users."""
    rows = projection.reader().execute("select no, actor from actors").fetchall()
    numbers = np.array([no for no, name in rows if name in CHOSEN], dtype=np.int64)
    return Desk(
        projection,
        lambda: Rates({}),
        members=lambda *_: np.unique(projection.persons()[numbers]),
    )


def numbers(answer: Answer) -> dict[str, Any]:
    return {
        line.key: ([point.value for point in line.points], line.total) for line in answer.series
    }


@given(happenings(), st.data())
@examples(8)
def test_of_a_segment_as_if_nobody_else_had_been_told_of(
    found: tuple[list[Record], list[dict[str, Any]]], data: st.DataObject
) -> None:
    records, events = found
    own = [one for one in records if whose(one) in CHOSEN]
    with (
        told(records, events) as everybody,
        told(own, [one for one in events if one["actor"] in CHOSEN]) as some,
    ):
        both, alone = desk_of(everybody), desk_of(some)
        for metric in TOLD:
            asked = Question(
                metric=metric,
                product=("mail", "docs"),
                grain=data.draw(st.sampled_from(("week", "month"))),
                by=data.draw(st.sampled_from((None, "product"))),
                currency=data.draw(st.sampled_from(("USD", "native"))),
                known_at=data.draw(st.sampled_from((None, SEEN + dt.timedelta(days=400)))),
                **SPAN,
            )
            if not {"mail", "docs"} <= set(some.known_products()):
                asked = replace(asked, product=("mail",))
            narrowed = replace(asked, segment="chosen")
            assert numbers(both.answer(narrowed, SYSTEM, SEEN)) == numbers(
                alone.answer(asked, SYSTEM, SEEN)
            ), asked
            rows = [
                revenue_rows(
                    desk.plan(question, SYSTEM, SEEN), desk.ledgers, desk.projection, SYSTEM,
                    lambda _: None, limit=1_000,
                ).rows
                for desk, question in ((both, narrowed), (alone, asked))
            ]  # fmt: skip
            first, second = ([row.event for row in page] for page in rows)
            assert sorted(map(repr, first)) == sorted(map(repr, second)), asked
