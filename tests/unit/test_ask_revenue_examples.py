"""The definitions' worked examples, from what a billing system says to the answer of the desk."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from tests.unit.revenue_book import at, item, state
from upwell.access import SYSTEM
from upwell.billing import Cash, Payment, Record, SubscriptionState
from upwell.errors import Rejected, Unavailable
from upwell.event import SCHEMA, Delivery, Translated
from upwell.money import Rates
from upwell.projection import Projection, Staged
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Answer, Desk, Question
from upwell.query.revenue.compare import compare, figures
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.lineage import revenue_rows

NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC)


class House:
    """A projection that is told records, with its desk."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.desk = Desk(projection, lambda: Rates({}))
        self.revenue = Revenue(self.desk, lambda: NOW)
        self.seq = 1

    def tell(
        self, records: Iterable[Record], when: str = "2026-06-01", events: Sequence[Any] = ()
    ) -> int:
        """Records (and events) of one delivery, received at that time; its number."""
        self.seq += 1
        table = pa.Table.from_pylist(list(events), schema=SCHEMA)
        delivery = Delivery(seq=self.seq, kind="stripe", source="acct", received_at=at(when))
        self.projection.apply([Staged(delivery, Translated(table, records=tuple(records)))])
        return self.seq

    def ask(self, metric: str, start: str, end: str, **more: Any) -> list[Any]:
        """The values of the only line."""
        question = Question(
            metric=metric,
            start=dt.date.fromisoformat(start),
            end=dt.date.fromisoformat(end),
            **{"grain": "month", **more},
        )
        (line,) = patient(self, question).series
        return [point.value for point in line.points]

    def behind(self, metric: str, start: str, end: str) -> list[Decimal]:
        """The values of the rows behind a number."""
        question = Question(
            metric=metric, start=dt.date.fromisoformat(start), end=dt.date.fromisoformat(end)
        )
        plan = self.desk.plan(question, SYSTEM, NOW)
        found = revenue_rows(plan, self.desk.ledgers, self.projection, SYSTEM, lambda _: None)
        return [row.event.value for row in found.rows]


def _event(kind: str, when: str, subscription: str, product: str = "mail") -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    return empty | {
        "idx": 0,
        "product": product,
        "source": "acct",
        "type": kind,
        "ts": at(when),
        "actor": "cus",
        "value": Decimal(1),
        "key": f"{kind}{when}",
        "metadata": f'{{"subscription_id": "{subscription}"}}',
        "corrected": False,
    }


def whole(customer: str, *steps: tuple[str, str], product: str = "mail") -> list[SubscriptionState]:
    """A subscription of a customer worth so many dollars a month from each day on; 0 ends it."""
    found = []
    for when, amount in steps:
        own = state(when, item("team", amount, product=product), sub=f"s_{customer}_{product}")
        if amount == "0":
            own = state(when, sub=f"s_{customer}_{product}", status="canceled", ended_at=when)
        found.append(_of(own, customer))
    return found


def _of(record: SubscriptionState, customer: str) -> SubscriptionState:
    return replace(record, customer=customer)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    projection = Projection(tmp_path, memory="256MB")
    products = (GroundProduct(id="mail"), GroundProduct(id="docs"))
    projection.set_ground(Ground(products=products, gross_margin=Decimal("0.8")), 1, 1)
    try:
        yield House(projection)
    finally:
        projection.close()


def test_plans_bought_and_cancelled_one_by_one(house: House) -> None:
    """R5, the first case: Gold a year, Silver beside it for a while, Gold again later."""
    gold = [
        state("2026-01-05", item("gold", "500", "year", quantity=4), sub="gold"),
        state("2026-03-10", sub="gold", status="canceled", ended_at="2026-03-10"),
        state("2026-05-02", item("gold", "50", quantity=3), sub="gold2"),
    ]
    silver = [
        state("2026-01-20", item("silver", "30", quantity=2), sub="silver"),
        state("2026-02-10", sub="silver", status="canceled", ended_at="2026-02-10"),
    ]
    house.tell([*gold, *silver])
    spans = ("2026-01-01", "2026-06-01")
    found = {
        name: [str(round(Decimal(value), 2)) for value in house.ask(name, *spans)]
        for name in ("new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr",
                     "reactivation_mrr")
    }  # fmt: skip
    assert found == {
        "new_mrr": ["166.67", "0.00", "0.00", "0.00", "0.00"],
        "expansion_mrr": ["60.00", "0.00", "0.00", "0.00", "0.00"],
        "contraction_mrr": ["0.00", "60.00", "0.00", "0.00", "0.00"],
        "churned_mrr": ["0.00", "0.00", "166.67", "0.00", "0.00"],
        "reactivation_mrr": ["0.00", "0.00", "0.00", "0.00", "150.00"],
    }
    assert house.ask("customers", *spans) == [1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("policy", "rate"), [(None, 0.085), ("stripe", 100 / 1100), ("chartmogul", 0.085)]
)
def test_customer_churn_by_its_rules(house: House, policy: str | None, rate: float) -> None:
    """R9 at a tenth: 100 customers; 10 join; 10 churn, of whom 1 joined and half of one came back.

    (By hundreds: 1,000, 100 and 100, of which 10 and 5.)
    """
    records: list[SubscriptionState] = []
    for n in range(200):
        steps = [("2026-01-10", "10")]
        if n < 17:  # lost
            steps.append(("2026-02-10", "0"))
        elif n == 17:  # left and came back
            steps += [("2026-02-05", "0"), ("2026-02-20", "10")]
        records += whole(f"c{n}", *steps)
    for n in range(20):
        steps = [("2026-02-03", "10")]
        if n < 2:
            steps.append(("2026-02-25", "0"))
        records += whole(f"n{n}", *steps)
    house.tell(records)
    (found,) = house.ask("customer_churn_rate", "2026-02-01", "2026-03-01", policy=policy)
    assert found == pytest.approx(rate)


def test_retention_of_one_set_of_customers(house: House) -> None:
    """R10: A 100, B 200, C 50, D 150 become A 150, B 120, C 0, D 150, new E 300, back F 80."""
    house.tell(
        [
            *whole("a", ("2025-03-01", "100"), ("2026-02-10", "150")),
            *whole("b", ("2025-03-01", "200"), ("2026-02-10", "120")),
            *whole("c", ("2025-03-01", "50"), ("2026-02-10", "0")),
            *whole("d", ("2025-03-01", "150")),
            *whole("e", ("2026-02-10", "300")),
            *whole("f", ("2025-01-01", "80"), ("2025-02-01", "0"), ("2026-02-10", "80")),
        ]
    )
    spans = ("2026-02-01", "2026-03-01")
    assert house.ask("gross_mrr_churn_rate", *spans) == [0.26]
    assert house.ask("net_mrr_churn_rate", *spans) == [0.16]
    assert house.ask("net_mrr_churn_rate", *spans, policy="chartmogul") == [0.0]
    assert house.ask("nrr", *spans, over=1) == [0.84]
    assert house.ask("grr", *spans, over=1) == [0.74]
    assert house.ask("nrr", *spans, over=11) == [0.84]
    (quick,) = house.ask("quick_ratio", *spans)
    assert round(quick, 2) == 2.69
    assert house.ask("arpa", *spans) == ["160.00"]
    assert house.ask("asp", *spans) == ["300.00"]
    assert house.ask("ltv", *spans) == [None]


def test_lifetime_value_rests_on_the_months_before(house: House) -> None:
    """R11: 100 a customer, 5 % of customers lost in each of the months before, margin 80 %."""
    records: list[SubscriptionState] = []
    for n in range(20):
        steps = [("2025-01-01", "100")]
        if n == 0:
            steps += [("2025-12-10", "0"), ("2026-01-05", "100")]
        records += whole(f"c{n}", *steps)
    house.tell(records)
    (found,) = house.ask("ltv", "2026-01-01", "2026-02-01")
    # One of twenty was lost in one of six months.
    assert round(Decimal(found), 2) == round(Decimal(100) * Decimal("0.8") * 6 * 20, 2)


def test_trials_that_ripen(house: House) -> None:
    """R12: 40 started, 18 converted, 6 may still do so: 18 of 34."""
    records: list[SubscriptionState] = []
    for n in range(40):
        began = "2026-05-01" if n < 34 else "2026-05-25"
        fields: dict[str, Any] = {"sub": f"t{n}", "trial_start": began, "trial_end": "2026-07-01"}
        records.append(state(began, item("team", "10"), status="trialing", **fields))
        if n < 18:
            records.append(state("2026-05-20", item("team", "10"), sub=f"t{n}"))
        elif n < 34:
            records.append(
                state("2026-05-20", sub=f"t{n}", status="canceled", ended_at="2026-05-20")
            )
    house.tell(records)
    (found,) = house.ask("trial_conversion_rate", "2026-05-01", "2026-06-01")
    assert found == pytest.approx(18 / 34)
    mail = house.desk.answer(
        Question(
            metric="trial_conversion_rate",
            start=dt.date(2026, 5, 1),
            end=dt.date(2026, 6, 1),
            grain="month",
            by="product",
        ),
        SYSTEM,
        NOW,
    )
    assert [line.total for line in mail.series] == [pytest.approx(18 / 34), None]


def test_cohorts_of_money_may_shrink_and_grow(house: House) -> None:
    """R13: 100 at 10; 10 leave, 5 go to 25: 97.5 %."""
    records: list[SubscriptionState] = []
    for n in range(100):
        steps = [("2026-01-10", "10")]
        if n < 10:
            steps.append(("2026-02-10", "0"))
        elif n < 15:
            steps.append(("2026-02-10", "25"))
        records += whole(f"c{n}", *steps)
    house.tell(records)
    question = Question(
        metric="mrr", start=dt.date(2026, 1, 1), end=dt.date(2026, 3, 1), grain="month"
    )
    found = house.revenue.cohorts(question, SYSTEM, "mrr")
    assert (found.cohorts[0].size, found.cohorts[0].values) == ("1000.00", (1.0, 0.975))
    heads = house.revenue.cohorts(question, SYSTEM, "customers")
    assert (heads.cohorts[0].size, heads.cohorts[0].values) == (100, (1.0, 0.9))


def test_what_was_known_on_3_february(house: House) -> None:
    """R15: 100,000 known; a late invoice shows 500 more from 28 January."""
    house.tell(whole("a", ("2025-06-01", "100000")), "2026-01-05")
    late = house.tell(whole("b", ("2026-01-28", "500")), "2026-02-10")
    spans = ("2026-01-01", "2026-02-01")
    then = dt.datetime(2026, 2, 3, tzinfo=dt.UTC)
    assert house.ask("mrr", *spans, known_at=then) == ["100000.00"]
    assert house.ask("mrr", *spans) == ["100500.00"]
    question = Question(metric="mrr", start=dt.date(2026, 1, 31), end=dt.date(2026, 2, 1))
    found = house.revenue.changes(question, SYSTEM, then, NOW)
    assert (found.before, found.after) == ("100000.00", "100500.00")
    (change,) = found.changes
    assert (change.amount, change.customer, change.delivery) == ("500.00", "acct:b", late)


def test_what_the_click_will_cost(house: House) -> None:
    """R6: set to end at the period's end; the click is counted on its day, the churn later."""
    spans = ("2026-03-01", "2026-05-01")
    asked = {"cancel_at": "2026-04-10", "canceled_at": "2026-03-08"}
    house.tell(
        [
            state("2026-01-10", item("team", "100")),
            state("2026-03-08", item("team", "100"), **asked),
        ],
        events=[_event("churn", "2026-03-08", "sub_1")],
    )
    assert house.ask("cancelling_mrr", *spans) == ["100.00", "0.00"]
    assert sum(house.behind("cancelling_mrr", *spans)) == 100
    assert house.ask("mrr_set_to_cancel", *spans) == ["100.00", "0.00"]
    assert sum(house.behind("mrr_set_to_cancel", "2026-03-01", "2026-04-01")) == 100
    assert house.ask("churned_mrr", *spans) == ["0.00", "100.00"]


def test_cash_and_dunning(house: House) -> None:
    """R7: 100 less a fee of 3.20 and 40 given back are 56.80; R16: 62 of 100 came after all."""
    books = [
        ("charge", "txn_1", "2026-03-01", 10_000, 320),
        ("refund", "txn_2", "2026-03-09", -4_000, 0),
        ("payout", "txn_3", "2026-03-10", -5_680, 0),
    ]
    house.tell(
        [
            *(
                Cash(source="acct", id=id_, at=at(when), kind=kind, amount=amount, fee=fee,
                     net=amount - fee, currency="USD", product="mail")
                for kind, id_, when, amount, fee in books
            ),
            *(
                Payment(source="acct", id=f"in_{n}", at=at("2026-03-05"), customer="cus",
                        product="mail", due=5_000, first_failed=at("2026-03-05"))
                for n in range(100)
            ),
            *(
                Payment(source="acct", id=f"in_{n}", at=at("2026-03-09"), order="4",
                        customer="cus", product="mail", due=5_000, paid=5_000, status="paid",
                        paid_at=at("2026-03-09"))
                for n in range(62)
            ),
        ]
    )  # fmt: skip
    spans = ("2026-03-01", "2026-04-01")
    assert house.ask("cash", *spans) == ["56.80"]
    assert sum(house.behind("cash", *spans)) == Decimal("56.80")
    assert house.ask("recovery_rate", *spans) == [0.62]


def test_a_year_that_is_given_back_by_half(house: House) -> None:
    """R7: 1,200 paid on 1 January, 600 given back on 1 July: MRR 100 to June, then churn of 100."""
    yearly = item("team", "1200", "year")
    books = [("charge", "txn_1", "2025-01-01", 120_000), ("refund", "txn_2", "2025-07-01", -60_000)]
    house.tell(
        [
            state("2025-01-01", yearly),
            state("2025-07-01", yearly, status="canceled", ended_at="2025-07-01"),
            *(
                Cash(source="acct", id=id_, at=at(when), kind=kind, amount=amount, fee=0,
                     net=amount, currency="USD", product="mail")
                for kind, id_, when, amount in books
            ),
        ]
    )  # fmt: skip
    spans = ("2025-01-01", "2025-09-01")
    assert house.ask("mrr", *spans) == ["100.00"] * 6 + ["0.00"] * 2
    assert house.ask("churned_mrr", *spans) == ["0.00"] * 6 + ["100.00", "0.00"]
    assert house.ask("cash", *spans) == ["1200.00", *["0.00"] * 5, "-600.00", "0.00"]


def test_a_sheet_of_month_end_figures(house: House) -> None:
    """What agrees, what became known later, what nobody can say."""
    house.tell(whole("a", ("2025-06-01", "1000")), "2025-06-02")
    house.tell(whole("b", ("2026-01-28", "500")), "2026-02-10")
    sheet = [
        {"month": "2025-12", "metric": "mrr", "value": "1,000.00"},
        {"month": "2026-01", "metric": "mrr", "value": "1000"},
        {"month": "2026-02", "metric": "mrr", "value": "1490"},
    ]
    cells = figures(sheet)
    found = list(compare(cells, lambda q: patient(house, q), house.projection.zone))
    assert [one.difference for one in found] == [0, 500, 10]
    assert [[(c.cause, c.amount) for c in one.causes] for one in found] == [
        [],
        [("later", Decimal(500))],
        [("unknown", Decimal(10))],
    ]
    with pytest.raises(Rejected, match="'2026-13' is no month"):
        figures([{"month": "2026-13", "metric": "mrr", "value": "1"}])
    for wrong in ({"metric": "mmr"}, {"product": "male"}):
        cells = figures([{**sheet[0], **wrong, "where": "sheet.csv:2"}])
        with pytest.raises(Rejected) as refusal:
            list(compare(cells, lambda q: patient(house, q), house.projection.zone))
        assert refusal.value.problem.where == "sheet.csv:2"
    (one,) = compare(
        figures([{**sheet[0], "product": "mail"}]),
        lambda q: patient(house, q),
        house.projection.zone,
    )
    assert one.product == "mail"
    assert one.difference == 0


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1234.5", "1234.5"), ("$1,234.56", "1234.56"), ("1.234,56", "1234.56"),
        ("1.234.567", "1234567"), ("€ 12,5", "12.5"), ("12 345,67 €", "12345.67"),
        ("1'234.50 CHF", "1234.50"), ("(50)", "-50"), ("−7", "-7"), ("8.5 %", "0.085"),
        ("1,234", "1234"), ("0.085", "0.085"), ("0,085", "0.085"), ("US$12", "12"),
    ],
)  # fmt: skip
def test_numbers_as_sheets_write_them(written: str, value: str) -> None:
    (found,) = figures([{"month": "2026-01", "metric": "mrr", "value": written}])
    assert found.value == Decimal(value)


def test_a_number_that_could_be_two_is_asked_about_unless_the_sheet_says() -> None:
    cell = {"month": "2026-01", "metric": "mrr", "value": "1.234"}
    with pytest.raises(Rejected, match=r"may be 1234 or 1\.2340"):
        figures([cell])
    comma = {**cell, "value": "0,5"}
    assert [one.value for one in figures([cell, comma])] == [Decimal(1234), Decimal("0.5")]
    for wrong in ("1,2,3", "1.2.3", "n/a", "12,34.5", "NaN", "1e5"):
        with pytest.raises(Rejected, match="is no number"):
            figures([{**cell, "value": wrong}])


def patient(house: House, question: Question) -> Answer:
    """The answer, once the rules it asks for are counted."""
    until = time.monotonic() + 60
    while True:
        try:
            return house.desk.answer(question, SYSTEM, NOW)
        except Unavailable:
            assert time.monotonic() < until
            time.sleep(0.01)
