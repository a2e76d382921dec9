"""Subscriptions of the fake live as Stripe's do: changes, trials, pauses and endings."""

from __future__ import annotations

import pytest

from tests.unit.stripe_account import (
    DAY,
    START,
    account,
    amounts,
    day,
    invoices,
    kinds,
    monthly,
    totals,
)
from upwell.demo.stripe.calendar import add_months

# -- changes


def test_more_seats_in_the_middle_of_a_period_are_prorated_on_the_next_invoice() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake, 3_100))
    fake.advance(10 * DAY)
    fake.change(subscription, quantity=3)
    assert len(invoices(fake, subscription)) == 1
    fake.advance(30 * DAY)
    lines = fake.world.lines[invoices(fake, subscription)[1]["id"]]
    assert [line["amount"] for line in lines] == [-2_100, 6_300, 9_300]
    details = lines[0]["parent"]["subscription_item_details"]
    assert details["proration"]
    assert details["invoice_item"].startswith("ii_")
    assert lines[2]["parent"]["subscription_item_details"]["proration"] is False


def test_a_change_that_is_invoiced_at_once_and_one_without_proration() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake, 3_100))
    fake.advance(int(15.5 * DAY))
    fake.change(subscription, quantity=2, proration="always_invoice")
    assert totals(fake, subscription) == [3_100, 1_550]
    fake.change(subscription, quantity=9, proration="none")
    assert totals(fake, subscription) == [3_100, 1_550]


def test_what_is_owed_to_the_customer_is_kept_and_used_up() -> None:
    fake = account()
    ann = fake.create_customer("Ann")
    subscription = fake.subscribe(ann, monthly(fake, 3_100), quantity=2)
    fake.change(subscription, quantity=1, proration="always_invoice")
    assert ann["balance"] == -3_100
    fake.advance(32 * DAY)
    last = invoices(fake, subscription)[-1]
    assert (last["total"], last["amount_due"], last["status"]) == (3_100, 0, "paid")
    assert ann["balance"] == 0
    assert len(fake.all("charge")) == 1


def test_from_a_month_to_a_year_begins_a_new_period_now() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake, 3_100))
    yearly = monthly(fake, 31_000, interval="year")
    fake.advance(10 * DAY)
    fake.change(subscription, price=yearly)
    invoice = fake.get("invoice", subscription["latest_invoice"])
    assert amounts(fake, invoice) == [-2_100, 31_000]
    assert subscription["billing_cycle_anchor"] == fake.now
    item = subscription["items"]["data"][0]
    assert item["current_period_end"] == add_months(fake.now, 12)


def test_items_come_and_go() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake))
    fake.change(subscription, add=[(monthly(fake, 500), 2)], proration="none")
    fake.advance(32 * DAY)
    assert totals(fake, subscription)[-1] == 2_000
    first = subscription["items"]["data"][0]["id"]
    fake.change(subscription, remove=[first], proration="none")
    fake.advance(30 * DAY)
    assert totals(fake, subscription)[-1] == 1_000


def test_previous_attributes_say_what_was_before_and_nothing_more() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake))
    fake.cancel(subscription, feedback="unused")
    event = fake.events[-1]
    assert event.type == "customer.subscription.updated"
    assert event.previous is not None
    before = fake.payload(event).split(b'"previous_attributes":')[1]
    assert before.startswith(
        b'{"cancel_at":null,"cancel_at_period_end":false,"canceled_at":null,'
        b'"cancellation_details":{"feedback":null,"reason":null}}'
    )


# -- trials


def test_a_trial_costs_nothing_and_then_a_period_begins() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake), trial_days=14)
    assert subscription["status"] == "trialing"
    fake.advance(11 * DAY)
    assert kinds(fake)[-1] == "customer.subscription.trial_will_end"
    fake.advance(3 * DAY + 3_600)
    assert subscription["status"] == "active"
    assert totals(fake, subscription) == [0, 1_000]
    assert subscription["billing_cycle_anchor"] == START + 14 * DAY
    assert subscription["trial_end"] == START + 14 * DAY


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("pause", "paused"), ("cancel", "canceled"), ("create_invoice", "past_due")],
)
def test_a_trial_without_a_card(behavior: str, status: str) -> None:
    fake = account()
    ann = fake.create_customer("Ann", card=None)
    subscription = fake.subscribe(ann, monthly(fake), trial_days=7, missing_payment_method=behavior)
    fake.advance(7 * DAY + 3_600)
    assert subscription["status"] == status


def test_resumed_after_a_pause_it_pays_for_a_new_period() -> None:
    fake = account()
    ann = fake.create_customer("Ann", card=None)
    subscription = fake.subscribe(ann, monthly(fake), trial_days=7, missing_payment_method="pause")
    fake.advance(40 * DAY)
    assert totals(fake, subscription) == [0]
    fake.set_card(ann, "ok")
    fake.resume(subscription)
    assert subscription["status"] == "active"
    assert kinds(fake)[-1] == "customer.subscription.resumed"
    assert subscription["billing_cycle_anchor"] == fake.now


def test_a_trial_can_be_made_longer_or_ended_by_hand() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake), trial_days=7)
    fake.extend_trial(subscription, 7)
    fake.advance(8 * DAY)
    assert subscription["status"] == "trialing"
    fake.end_trial(subscription)
    assert subscription["status"] == "active"
    assert subscription["trial_end"] == fake.now
    fake.advance(10 * DAY)
    assert totals(fake, subscription) == [0, 1_000]


# -- pauses


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")],
)
def test_collection_paused_until_a_date(behavior: str, status: str) -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake))
    fake.advance(10 * DAY)
    fake.pause_collection(subscription, behavior, day(2026, 3, 15))
    fake.advance_to(day(2026, 4, 2))
    assert [row["status"] for row in invoices(fake, subscription)] == [
        "paid",
        status,
        status,
        "paid",
    ]
    assert subscription["status"] == "active"
    assert subscription["pause_collection"] is None


# -- endings


def test_cancelled_at_the_end_of_the_period_and_kept() -> None:
    fake = account()
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake))
    fake.advance(10 * DAY)
    fake.cancel(subscription, feedback="too_expensive", comment="no budget")
    assert subscription["cancel_at"] == day(2026, 2, 1)
    assert subscription["status"] == "active"
    fake.advance(DAY)
    fake.keep(subscription)
    assert subscription.get("canceled_at") is None
    fake.advance(30 * DAY)
    assert subscription["status"] == "active"
    click = fake.now
    fake.cancel(subscription)
    fake.advance(60 * DAY)
    assert subscription["status"] == "canceled"
    assert subscription["canceled_at"] == click
    assert subscription["ended_at"] == day(2026, 3, 1)
    assert len(invoices(fake, subscription)) == 2


def test_cancelled_at_a_date_and_at_once() -> None:
    fake = account()
    price = monthly(fake, 3_100)
    dated = fake.subscribe(fake.create_customer("Ann"), price)
    fake.cancel(dated, at=START + 40 * DAY)
    at_once = fake.subscribe(fake.create_customer("Ben"), price)
    fake.advance(10 * DAY)
    fake.cancel(at_once, at_period_end=False, prorate=True)
    assert at_once["ended_at"] == at_once["canceled_at"] == fake.now
    assert fake.get("customer", at_once["customer"])["balance"] == -2_100
    assert kinds(fake).count("customer.subscription.deleted") == 1
    fake.advance(40 * DAY)
    assert dated["ended_at"] == START + 40 * DAY
    with pytest.raises(ValueError, match="has ended"):
        fake.keep(dated)


def test_a_deleted_customer_takes_the_subscriptions_along() -> None:
    fake = account()
    ann = fake.create_customer("Ann")
    subscription = fake.subscribe(ann, monthly(fake))
    fake.delete_customer(ann)
    assert subscription["status"] == "canceled"
    assert kinds(fake)[-2:] == ["customer.subscription.deleted", "customer.deleted"]
