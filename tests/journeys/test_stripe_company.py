"""The fake's 24 months: the same numbers however they come, and the same as brute force.

By webhooks in order, shuffled and repeated, by polling, half and half, and by reading the lists
once at the end. What invoices do not carry is counted and listed by name.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from tests.journeys.billed import KEY, REVENUE, Billed, Post, half, in_order, shuffled
from tests.oracle.stripe import Account
from upwell.access import SYSTEM
from upwell.app.calls import Calls
from upwell.demo.stripe import serve
from upwell.demo.stripe.company import begin, company
from upwell.egress import Guard
from upwell.metrics.catalog import CATALOG
from upwell.query import Question

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOW = 1_795_000_000  # 18 November 2026
STEP = 6 * 86_400
CUSTOMERS = 120
FIRST, LAST = dt.date(2024, 11, 1), dt.date(2026, 12, 1)
ZONE = ZoneInfo("America/New_York")
MICRO = Fraction(1, 10**6)
NEGLIGIBLE = Fraction(1, 1_000)  # of a minor unit: items are rounded to a millionth each
MONTHS = [
    dt.date(FIRST.year + n // 12, n % 12 + 1, 1) for n in range(FIRST.month, FIRST.month + 24)
]  # the first days after each of 24 months

# What Stripe's lists do not tell of the past, by the story in which it happens.
NOT_ON_INVOICES = {
    "shrinks": "fewer seats without proration are seen at the next invoice",
    "tiers": "other quantities without proration are seen at the next invoice",
    "discounted_later": "a discount that was taken away is seen on the invoice before",
    "tries_without_card": "a pause at the end of a trial leaves no invoice",
    "stops_for_a_while": "a pause leaves no invoice",
    "pauses": "paused collection leaves invoices that are void",
    "fails_and_goes": "a subscription that ends unpaid was past due from its last invoice on",
    "never_pays": "a subscription that begins only once it is paid is dated by its creation",
}


_PAST = "its past is that of MRR"
# Numbers that read lists cannot bring back, with the reason; all others are the same.
NOT_IN_LISTS = {
    **dict.fromkeys(
        (
            "mrr", "arr", "new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr",
            "reactivation_mrr", "net_new_mrr", "customers", "new_customers", "churned_customers",
            "reactivated_customers", "customer_churn_rate", "gross_mrr_churn_rate",
            "net_mrr_churn_rate", "nrr", "grr", "quick_ratio", "arpa", "asp", "ltv", "bridge",
        ),
        _PAST,
    ),
    "cancellations": "Stripe forgets a click that was taken back",
    "cancelling_mrr": "Stripe forgets when a click was made once the subscription has ended",
    "mrr_set_to_cancel": "Stripe keeps the present plan to cancel only",
    "trial_conversion_rate": "a trial that was paused at its end seems to go on",
    "failed_payments": "a failure is dated by its invoice, not by the try",
    "recovery_rate": "a failure is dated by its invoice, not by the try",
}  # fmt: skip


class Said(NamedTuple):
    """What a house said at some moment, to be asked again later."""

    at: dt.datetime
    metric: str
    values: dict[str, Any]


class Brought(NamedTuple):
    """A house with everything in it, and what it said on the way."""

    house: Billed
    answers: dict[str, Any]
    ledger: dict[tuple[Any, ...], int]
    said: list[Said]


def bring(folder: Path, post: Post | None, every: int = 0) -> Brought:
    """Let 24 months pass; `every` so many steps some answers are noted."""
    told = begin(NOW, customers=CUSTOMERS, months=24)
    house = Billed(folder, told.accounts)
    said: list[Said] = []
    house.step(post)
    steps = 0
    while told.now < NOW:
        told.run(min(NOW, told.now + STEP))
        house.step(post)
        steps += 1
        if every and steps % every == 0:
            house.settle()
            for metric in ("mrr", "customers", "new_mrr", "churned_mrr"):
                found = house.values(metric, FIRST, LAST, by="product")
                said.append(Said(house.clock(), metric, found))
    house.settle()
    return Brought(house, house.everything(FIRST, LAST), house.stands(), said)


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Brought]]:
    """The company four times."""
    folder = tmp_path_factory.mktemp("company")
    ways: dict[str, Post | None] = {
        "in order": in_order, "shuffled": shuffled(3), "polled": None, "half": half(5)
    }  # fmt: skip
    found = {
        name: bring(folder / name.replace(" ", "_"), post, every=5 if name == "shuffled" else 0)
        for name, post in ways.items()
    }
    yield found
    for one in found.values():
        one.house.close()


@pytest.mark.parametrize("way", ["shuffled", "polled", "half"])
def test_however_it_comes_the_numbers_are_the_same(brought: dict[str, Brought], way: str) -> None:
    one, other = brought["in order"], brought[way]
    assert one.ledger == other.ledger
    assert one.answers == other.answers
    assert len(one.answers) > 5_000


@pytest.mark.parametrize("way", ["in order", "shuffled", "polled", "half"])
def test_everything_agrees_with_the_journal(brought: dict[str, Brought], way: str) -> None:
    house = brought[way].house
    assert house.wrong() == {}
    assert list(house.house.dead_letters(10)) == []


def test_mrr_is_what_brute_force_makes_of_the_accounts_own_objects(
    brought: dict[str, Brought],
) -> None:
    """Every subscription, product and currency at the end of each of 24 months."""
    one = brought["in order"]
    assert wrongly(one.house.accounts, one.ledger) == []


def wrongly(
    accounts: Any, ledger: dict[tuple[Any, ...], int]
) -> list[tuple[str, dt.date, Fraction, Fraction]]:
    """Where the ledger differs from brute force: subscription, day, ours, theirs."""
    found = []
    for number, account in enumerate(map(Account, accounts)):
        for after in MONTHS:
            day = (after - dt.date(1970, 1, 1)).days
            opens = dt.datetime(after.year, after.month, 1, tzinfo=ZONE)
            true = {
                (name, *key): amount
                for name, worth in account.mrr(int(opens.timestamp())).items()
                for key, amount in worth.items()
            }
            ours: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
            for (source, name, product, _, currency, on, *_), delta in ledger.items():
                if source == f"stripe-{number}" and on < day:
                    ours[name, product, currency] += delta * MICRO
            for key in sorted(true.keys() | ours.keys()):
                mine, theirs = ours.get(key, Fraction(0)), true.get(key, Fraction(0))
                if abs(mine - theirs) >= NEGLIGIBLE:
                    found.append((key[0], after, mine, theirs))
    return found


def test_the_bridge_closes_in_every_month_product_and_for_the_company(
    brought: dict[str, Brought],
) -> None:
    house = brought["in order"].house
    for product in ((), ("mail",), ("forms",), ("sites",), ("desk",), ("mail", "desk")):
        answer = house.bridge(FIRST, LAST, product=product)
        mrr = house.values("mrr", FIRST, LAST, product=product)
        before = Decimal(0)
        for bucket in answer.buckets:
            bars = {name: Decimal(getattr(bucket.bridge, name)) for name in BARS}
            assert bars["opening"] == before
            up = bars["new"] + bars["expansion"] + bars["reactivation"]
            down = bars["contraction"] + bars["churn"]
            net = up - down + bars["fx"] + bars["restatement"]
            assert bars["closing"] == bars["opening"] + net
            assert bars["closing"] == Decimal(mrr[f" {bucket.start}"])
            before = bars["closing"]
        assert len(answer.buckets) == 25


BARS = (
    "opening", "new", "expansion", "reactivation", "contraction", "churn", "fx", "restatement",
    "closing",
)  # fmt: skip


def test_net_new_of_products_is_that_of_the_company(brought: dict[str, Brought]) -> None:
    house = brought["in order"].house
    every = house.values("net_new_mrr", FIRST, LAST, by="product", currency="native")
    whole = house.values("net_new_mrr", FIRST, LAST, currency="native")
    for key, value in whole.items():
        currency, _, start = key.partition(" ")
        parts = [
            Decimal(one)
            for name, one in every.items()
            if name.endswith(f"{currency} {start}") and one is not None
        ]
        assert sum(parts) == Decimal(value or 0), key


def test_cash_is_what_the_accounts_booked_to_the_cent(brought: dict[str, Brought]) -> None:
    """The reconciliation says 0, and its Stripe side is the sum of balance transactions."""
    house = brought["in order"].house
    question = Question(metric="mrr", start=FIRST, end=LAST, grain="month")
    rows = house.revenue.reconciliation(question, SYSTEM).rows
    assert {Decimal(row.difference) for row in rows} == {Decimal(0)}
    assert not any(row.objects for row in rows)
    true: dict[tuple[str, str, str], int] = defaultdict(int)
    for name, fake in zip(house.names, house.accounts, strict=True):
        for moved in fake.all("balance_transaction"):
            if moved["type"] != "payout":
                on = dt.datetime.fromtimestamp(moved["created"], ZONE).strftime("%Y-%m")
                true[name, moved["currency"].upper(), on] += moved["net"]
    places = {"JPY": 0, "KWD": 3}
    ours = {(row.account, row.currency, row.month): Decimal(row.stripe) for row in rows}
    assert ours == {key: Decimal(net).scaleb(-places.get(key[1], 2)) for key, net in true.items()}


@pytest.mark.parametrize("by", [None, "product"])
def test_rows_add_up_to_every_number(brought: dict[str, Brought], by: str | None) -> None:
    """In each currency of its own, so that no rate rounds."""
    house = brought["in order"].house
    for metric in REVENUE:
        if CATALOG[metric].unit in ("ratio", "number") or metric in ("arpa", "asp", "ltv"):
            continue
        money = {"currency": "native"} if CATALOG[metric].unit == "money" else {}
        answer = house.ask(metric, FIRST, LAST, by=by, **money)
        for line in answer.series:
            total, cursor = Decimal(0), None
            question = answer.question
            while True:
                page = house.house.rows(
                    question, SYSTEM, key=line.key or None, limit=500, cursor=cursor
                )
                total += sum((signed(metric, row.event) for row in page.rows), Decimal(0))
                cursor = page.cursor
                if cursor is None:
                    break
            assert total == Decimal(str(line.total or 0)), (metric, line.key)


def signed(metric: str, event: Any) -> Decimal:
    """What a row adds to its number."""
    value = Decimal(1) if CATALOG[metric].unit == "count" else Decimal(event.value)
    if event.event_type == "subscription":
        return Decimal(event.value)
    return -value if metric == "revenue" and event.event_type == "refund" else value


def test_what_was_said_then_is_what_was_known_then(brought: dict[str, Brought]) -> None:
    one = brought["shuffled"]
    assert len(one.said) > 80
    for said in one.said:
        later = one.house.values(said.metric, FIRST, LAST, by="product", known_at=said.at)
        begun = {key: value for key, value in said.values.items() if value is not None}
        assert {key: later[key] for key in begun} == begun, (said.at, said.metric)


def test_a_rebuild_changes_nothing(brought: dict[str, Brought]) -> None:
    one = brought["half"]
    one.house.house.flow.perform(one.house.house.projection.rebuild)
    assert one.house.stands() == one.ledger
    assert one.house.everything(FIRST, LAST) == one.answers
    assert one.house.wrong() == {}


def test_read_at_the_end_it_is_the_same_where_invoices_carry_the_fact(
    brought: dict[str, Brought], tmp_path: Path, tell: Callable[[str], None]
) -> None:
    told = company(NOW, customers=CUSTOMERS, months=24)
    house = Billed(tmp_path, told.accounts)
    for number, fake in enumerate(told.accounts):
        with serve(fake) as url:
            calls = Calls(KEY, url, Guard((url.removeprefix("http://"),)))
            for _ in house.pull(number, calls).read():
                pass
            calls.close()
    house.settle()
    assert house.wrong() == {}
    one, again = brought["in order"], house.everything(FIRST, LAST)
    ledger = house.stands()
    stories = {
        subscription["id"]: told.stories[subscription["customer"]]
        for fake in told.accounts
        for subscription in fake.all("subscription")
    }
    differ: dict[str, set[str]] = defaultdict(set)
    for row in one.ledger.keys() | ledger.keys():
        if one.ledger.get(row) != ledger.get(row):
            differ[stories[row[1]]].add(row[1])
    wrong = wrongly(told.accounts, ledger)
    tell(
        f"Of {len(stories)} subscriptions {sum(map(len, differ.values()))} have another past when "
        f"read from lists; {len(wrong)} month ends of them are another MRR:"
    )
    for story, names in sorted(differ.items()):
        tell(f"  {story}: {len(names)}, {NOT_ON_INVOICES.get(story)}")
    assert differ.keys() <= NOT_ON_INVOICES.keys()
    others = Counter(
        key.partition(" by ")[0].partition(" ")[0]
        for key in one.answers.keys() | again.keys()
        if one.answers.get(key) != again.get(key)
    )
    counted = Counter(key.partition(" by ")[0].partition(" ")[0] for key in one.answers)
    for metric, count in sorted(others.items()):
        tell(f"  {metric}: {count} of {counted[metric]}, {NOT_IN_LISTS.get(metric)}")
    tell(f"  {sum(counted.values()) - sum(others.values())} other numbers are the same")
    assert others.keys() <= NOT_IN_LISTS.keys()
    # Stripe forgets a cancellation that was taken back, and when a payment failed.
    kept = {key: value for key, value in again.items() if key.startswith("cancellations by None")}
    clicks = sum(value for key, value in kept.items() if not key.endswith("total"))
    total = sum(
        value for key, value in one.answers.items() if key in kept and not key.endswith("total")
    )
    taken_back = sum(name == "withdraws" for name in told.stories.values())
    assert total - taken_back <= clicks < total
    last = f"{LAST.year}-{LAST.month - 1:02d}-01"
    for metric in ("mrr", "customers", "arr"):  # the present is the same
        for key, value in one.answers.items():
            if key.startswith(f"{metric} by ") and key.endswith(last):
                assert again[key] == value, key
    house.close()
