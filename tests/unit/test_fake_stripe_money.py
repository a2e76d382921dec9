"""Money of the fake moves as Stripe's does: payment, its failure, fees, refunds, payouts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.stripe_account import DAY, START, account, day, invoices, monthly, totals
from upwell.demo.stripe import FakeStripe
from upwell.demo.stripe.world import Json

# -- payment and its failure


def test_a_first_payment_that_fails_expires_within_the_day() -> None:
    fake = account()
    ann = fake.create_customer("Ann", card="insufficient_funds")
    lost, saved = fake.subscribe(ann, monthly(fake)), fake.subscribe(ann, monthly(fake))
    assert lost["status"] == "incomplete"
    fake.set_card(ann, "ok")
    assert fake.pay(saved["latest_invoice"])
    fake.advance(DAY)
    assert (lost["status"], saved["status"]) == ("incomplete_expired", "active")
    assert fake.get("invoice", lost["latest_invoice"])["status"] == "void"


@pytest.mark.parametrize("outcome", ["cancel", "unpaid", "past_due"])
def test_dunning_ends_as_the_account_says(outcome: str) -> None:
    fake = account(outcome=outcome, give_up=True)
    ann = fake.create_customer("Ann")
    subscription = fake.subscribe(ann, monthly(fake))
    fake.set_card(ann, "card_declined")
    fake.advance(32 * DAY)
    assert subscription["status"] == "past_due"
    assert ann["delinquent"]
    invoice = invoices(fake, subscription)[1]
    assert invoice["next_payment_attempt"] == day(2026, 2, 4) + 3_600
    fake.advance(20 * DAY)
    assert subscription["status"] == {"cancel": "canceled"}.get(outcome, outcome)
    assert (invoice["attempt_count"], invoice["status"]) == (4, "uncollectible")
    if outcome == "cancel":
        assert subscription["cancellation_details"]["reason"] == "payment_failed"
    if outcome == "unpaid":
        fake.advance(10 * DAY)
        assert invoices(fake, subscription)[-1]["status"] == "draft"


def test_a_new_card_saves_the_subscription_at_the_next_attempt() -> None:
    fake = account()
    ann = fake.create_customer("Ann")
    subscription = fake.subscribe(ann, monthly(fake))
    fake.set_card(ann, "expired_card")
    fake.advance(32 * DAY)
    fake.set_card(ann, "ok")
    fake.advance(4 * DAY)
    assert subscription["status"] == "active"
    assert not ann["delinquent"]
    failed = [row for row in fake.all("charge") if not row["paid"]]
    assert [row["outcome"]["reason"] for row in failed] == ["expired_card"]


def test_invoices_by_mail_are_late_until_somebody_pays() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake), days_until_due=14)
    assert subscription["status"] == "active"
    fake.advance(15 * DAY)
    assert subscription["status"] == "past_due"
    assert fake.pay(subscription["latest_invoice"])
    assert subscription["status"] == "active"


# -- money


def sums(fake: FakeStripe) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in fake.all("balance_transaction"):
        found[row["currency"]] = found.get(row["currency"], 0) + row["net"]
    return found


def test_a_charge_its_fee_a_refund_and_the_payout() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake, 10_000))
    charge = fake.charge_of(subscription["latest_invoice"])
    fake.refund(charge, 4_000)
    assert (charge["amount_refunded"], charge["refunded"]) == (4_000, False)
    fees = sum(row["fee"] for row in fake.all("balance_transaction"))
    assert sums(fake) == {"usd": 10_000 - fees - 4_000}
    fake.advance(15 * DAY)
    assert sums(fake) == {"usd": 0}
    payout = fake.all("payout")[0]
    assert (payout["amount"], payout["status"]) == (10_000 - fees - 4_000, "paid")
    fake.refund(charge)
    assert charge["refunded"]
    with pytest.raises(ValueError, match="cannot be refunded"):
        fake.refund(charge, 1)


def test_stripes_own_fee_on_the_first_of_the_month() -> None:
    fake = account(payouts="daily")
    fake.subscribe(fake.create_customer("Ann"), monthly(fake, 10_000))
    fake.advance(31 * DAY)
    fee = [row for row in fake.all("balance_transaction") if row["type"] == "stripe_fee"]
    assert [(row["amount"], row["source"]) for row in fee] == [(-70, None)]


@pytest.mark.parametrize(("won", "net"), [(True, -1_500), (False, -11_500)])
def test_a_dispute_takes_the_money_and_a_won_one_gives_it_back(won: bool, net: int) -> None:
    fake = account(payouts=None)
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake, 10_000))
    charge = fake.charge_of(subscription["latest_invoice"])
    dispute = fake.dispute(charge, "product_not_received")
    fake.close_dispute(dispute, won=won)
    assert dispute["status"] == ("won" if won else "lost")
    assert sum(row["net"] for row in dispute["balance_transactions"]) == net


def test_pounds_are_settled_in_dollars_at_a_rate() -> None:
    fake = account(settles={"gbp": ("usd", Decimal("1.27"))}, payouts=None)
    fake.subscribe(fake.create_customer("Ann"), monthly(fake, 10_000, "gbp"))
    [row] = fake.all("balance_transaction")
    assert (row["amount"], row["currency"], row["exchange_rate"]) == (12_700, "usd", 1.27)


def test_sold_once_credited_voided_and_written_off() -> None:
    fake = account()
    ann = fake.create_customer("Ann")
    setup = monthly(fake, 15_000, interval=None)
    invoice = fake.charge_once(ann, setup, 2)
    assert (invoice["status"], invoice["total"]) == ("paid", 30_000)
    assert invoice["parent"] is None
    note = fake.credit(invoice, 10_000)
    assert note["type"] == "post_payment"
    assert fake.charge_of(invoice)["amount_refunded"] == 10_000
    fake.set_card(ann, None)
    open_one, other = fake.charge_once(ann, setup), fake.charge_once(ann, setup)
    fake.credit(open_one, 5_000)
    assert open_one["amount_remaining"] == 10_000
    fake.void(open_one)
    fake.write_off(other)
    assert (open_one["status"], other["status"]) == ("void", "uncollectible")


def test_a_fee_for_setting_up_is_on_the_first_invoice_and_an_extra_on_the_next() -> None:
    fake = account()
    setup = monthly(fake, 15_000, interval=None)
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake), setup=[setup])
    fake.charge_once(subscription["customer"], setup, subscription=subscription)
    fake.advance(32 * DAY)
    assert totals(fake, subscription) == [16_000, 16_000]
    parents = [line["parent"]["type"] for line in fake.world.lines[subscription["latest_invoice"]]]
    assert parents == ["invoice_item_details", "subscription_item_details"]


# -- what was there before, and what nobody listens to


@pytest.mark.parametrize(("interval", "start"), [("month", (2026, 3, 31)), ("year", (2026, 1, 31))])
def test_what_was_there_before_goes_on_in_its_own_rhythm(
    interval: str, start: tuple[int, int, int]
) -> None:
    fake = FakeStripe(day(2026, 4, 2))
    since = day(2024, 1, 31)
    who = fake.create_customer("Ann", since=since)
    subscription = fake.carry_over(who, monthly(fake, interval=interval), 3, since=since)
    item = subscription["items"]["data"][0]
    assert item["current_period_start"] == day(*start)
    assert (who["created"], subscription["start_date"]) == (since, since)
    assert {event.type for event in fake.events} <= {"product.created", "price.created"}
    assert invoices(fake, subscription) == []
    fake.advance_to(item["current_period_end"] + 7_200)
    assert len(invoices(fake, subscription)) == 1
    assert subscription["status"] == "active"


def test_events_that_nobody_listens_to_change_nothing_of_the_others() -> None:
    def told(*kinds: str) -> list[tuple[str, str, bytes]]:
        def heard(kind: str, _row: Json, _before: Json | None) -> bool:
            return kind in kinds

        fake = account(archive=True, hears=heard if kinds else None)
        fake.subscribe(fake.create_customer("Ann"), monthly(fake))
        fake.advance(70 * DAY)
        return [(event.id, event.type, event.body) for event in fake.events]

    some = told("invoice.paid", "customer.created")
    assert {kind for _, kind, _ in some} == {"invoice.paid", "customer.created"}
    assert some == [one for one in told() if one[1] in ("invoice.paid", "customer.created")]


def test_events_can_be_taken_from_a_number_on() -> None:
    fake = account(archive=True)
    fake.create_customer("Ann")
    last = fake.events[-1].number
    fake.create_customer("Ben")
    assert [event.object["name"] for event in fake.after(last)] == ["Ben"]
    assert fake.after(fake.events[-1].number) == []


def test_what_was_settled_long_ago_can_be_forgotten() -> None:
    def told(*, forgets: bool) -> tuple[FakeStripe, list[bytes]]:
        fake = account(archive=True, payouts=None)
        paying = fake.subscribe(fake.create_customer("Ann"), monthly(fake))
        fake.refund(fake.charge_of(paying["latest_invoice"]), 100)
        failing = fake.create_customer("Ben")
        fake.subscribe(failing, monthly(fake))
        fake.set_card(failing, "expired_card")
        fake.advance(33 * DAY)
        if forgets:
            fake.forget(START + 20 * DAY)
        fake.advance(60 * DAY)
        return fake, [event.body for event in fake.events]

    fake, events = told(forgets=True)
    whole, others = told(forgets=False)
    assert events == others
    for kind in ("invoice", "charge", "payment_intent", "invoice_payment", "balance_transaction"):
        left, every = ({row["id"] for row in one.all(kind)} for one in (fake, whole))
        assert left < every
        assert all(row["created"] > START + 20 * DAY for row in fake.all(kind))
    assert fake.all("refund") == []
    assert [row["status"] for row in fake.all("subscription")] == ["active", "canceled"]
