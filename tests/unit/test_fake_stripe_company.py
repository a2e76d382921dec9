"""The company that the stories make: everything happens, always the same, and the money adds up."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from upwell.demo.stripe import Event, FakeStripe
from upwell.demo.stripe.calendar import add_months
from upwell.demo.stripe.company import Company, begin, company

NOW = 1_795_000_000


@pytest.fixture(scope="module")
def quillmoor() -> Company:
    return company(NOW)


def test_everything_that_can_happen_has_happened(quillmoor: Company) -> None:
    happened = Counter(event.type for account in quillmoor.accounts for event in account.events)
    for kind in (
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.failed",
        "charge.refunded",
        "credit_note.created",
        "customer.deleted",
        "customer.discount.created",
        "customer.discount.deleted",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "invoice.marked_uncollectible",
        "invoice.overdue",
        "invoice.payment_failed",
        "invoice.voided",
        "invoiceitem.created",
        "payout.paid",
    ):
        assert happened[kind], kind
    states = {
        row["status"] for account in quillmoor.accounts for row in account.all("subscription")
    }
    assert states >= {"active", "canceled", "past_due", "unpaid", "incomplete_expired"}
    reasons = {
        row["cancellation_details"]["reason"]
        for account in quillmoor.accounts
        for row in account.all("subscription")
    }
    assert reasons >= {"cancellation_requested", "payment_failed", "payment_disputed", None}


def test_the_same_seed_tells_the_same_story_however_it_is_stepped() -> None:
    once = company(NOW, customers=120, months=8)
    again = begin(NOW, customers=120, months=8)
    for month in range(-7, 1):
        again.run(add_months(NOW, month))
    for one, other in zip(once.accounts, again.accounts, strict=True):
        assert [e.body for e in one.events] == [e.body for e in other.events]
        assert [e.id for e in one.events] == [e.id for e in other.events]
    assert begin(NOW, seed=8).accounts[0].account != once.accounts[0].account


def test_events_hold_what_the_objects_came_to_be(quillmoor: Company) -> None:
    for account in quillmoor.accounts:
        told: dict[bytes, Event] = {}
        for event in account.events:
            if event.type.startswith(("customer.subscription.", "invoice.")):
                told[event.body[:40]] = event  # the id comes first
        last = {shape["id"]: shape for shape in (event.object for event in told.values())}
        for kind in ("subscription", "invoice"):
            for row in account.all(kind):
                assert last[row["id"]] == json.loads(json.dumps(row))


def test_the_balance_is_what_came_less_what_went(quillmoor: Company) -> None:
    for account in quillmoor.accounts:
        rows = account.all("balance_transaction")
        assert all(row["net"] == row["amount"] - row["fee"] for row in rows)
        settled = {row["source"]: row for row in rows if row["source"]}
        for charge in account.all("charge"):
            if charge["paid"] and charge["currency"] != "gbp":
                assert settled[charge["id"]]["amount"] == charge["amount"]
        for payout in account.all("payout"):
            paid = [row for row in rows if account.world.paid_out.get(row["id"]) == payout["id"]]
            assert sum(row["net"] for row in paid) == 0


def test_invoices_add_up(quillmoor: Company) -> None:
    for account in quillmoor.accounts:
        for row in account.all("invoice"):
            check_invoice(account, row["id"])


def check_invoice(account: FakeStripe, identity: str) -> None:
    invoice, lines = account.get("invoice", identity), account.world.lines[identity]
    cuts = sum(cut["amount"] for line in lines for cut in line["discount_amounts"])
    on_top = sum(
        tax["amount"]
        for line in lines
        for tax in line["taxes"]
        if tax["tax_behavior"] == "exclusive"
    )
    assert invoice["total"] == sum(line["amount"] for line in lines) - cuts + on_top
    assert invoice["amount_remaining"] == invoice["amount_due"] - invoice["amount_paid"]
    assert cuts == sum(cut["amount"] for cut in invoice["total_discount_amounts"])
    if invoice["status"] == "paid" and invoice["amount_due"]:
        assert account.charge_of(invoice)["amount"] == invoice["amount_paid"]


def test_any_seed_and_size_can_be_told() -> None:
    for seed in range(3):
        assert company(NOW, seed=seed, customers=45, months=9, archive=False).now == NOW
