"""The fake Stripe bills as Stripe does: amounts, periods, states and what is told of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.unit.stripe_account import DAY, START, account, invoices, kinds, monthly
from upwell.demo.stripe import FakeStripe
from upwell.demo.stripe.calendar import add_months
from upwell.demo.stripe.world import Json


def day(year: int, month: int, of_month: int) -> int:
    return int(datetime(year, month, of_month, tzinfo=UTC).timestamp())


def totals(fake: FakeStripe, subscription: Json) -> list[int]:
    return [row["total"] for row in invoices(fake, subscription)]


def amounts(fake: FakeStripe, invoice: Json) -> list[int]:
    return [line["amount"] for line in fake.world.lines[invoice["id"]]]


# -- periods


def test_a_month_from_the_31st_ends_on_the_last_day_and_comes_back() -> None:
    fake = FakeStripe(day(2026, 1, 31))
    subscription = fake.subscribe(fake.create_customer("Ann"), monthly(fake))
    fake.advance(100 * DAY)
    starts = [
        fake.world.lines[row["id"]][0]["period"]["start"] for row in invoices(fake, subscription)
    ]
    assert starts == [day(2026, 1, 31), day(2026, 2, 28), day(2026, 3, 31), day(2026, 4, 30)]


@pytest.mark.parametrize(
    ("interval", "count", "days"),
    [("day", 3, 3), ("week", 2, 14), ("month", 3, 90), ("year", 1, 365)],
)
def test_every_interval_renews_after_its_length(interval: str, count: int, days: int) -> None:
    fake = account()
    price = monthly(fake, interval=interval, interval_count=count)
    subscription = fake.subscribe(fake.create_customer("Ann"), price)
    item = subscription["items"]["data"][0]
    assert item["current_period_end"] - START == days * DAY
    fake.advance(days * DAY)
    assert len(invoices(fake, subscription)) == 2


def test_one_long_advance_is_many_short_ones() -> None:
    def told(step: int) -> list[bytes]:
        fake = account(archive=True)
        fake.subscribe(fake.create_customer("Ann"), monthly(fake), trial_days=14)
        for _ in range(120 * DAY // step):
            fake.advance(step)
        return [fake.payload(event) for event in fake.events]

    assert told(120 * DAY) == told(DAY) == told(5 * DAY)


# -- what things cost


@pytest.mark.parametrize(
    ("how", "quantity", "amount"),
    [
        ({"unit_amount": 1_000}, 3, 3_000),
        ({"unit_amount": "12.5"}, 3, 38),
        ({"tiers": [(10, 500, 0), (None, 300, 0)]}, 14, 6_200),
        ({"tiers": [(10, 500, 0), (None, 300, 0)], "tiers_mode": "volume"}, 14, 4_200),
        ({"tiers": [(5, 0, 1_000), (None, 100, 50)]}, 7, 1_250),
        ({"unit_amount": 800, "divide_by": 1_000}, 2_500, 2_400),
        ({"unit_amount": 800, "divide_by": 1_000, "rounding": "down"}, 2_500, 1_600),
        ({"unit_amount": "1234.5", "currency": "kwd"}, 1, 1_230),
        ({"unit_amount": 2_400, "currency": "jpy"}, 2, 4_800),
    ],
)
def test_a_quantity_of_a_price(how: Json, quantity: int, amount: int) -> None:
    fake = account()
    price = fake.create_price(fake.create_product("Mail"), **how)
    subscription = fake.subscribe(fake.create_customer("Ann"), price, quantity=quantity)
    assert totals(fake, subscription) == [amount]


def test_usage_is_billed_when_its_period_ends() -> None:
    fake = account()
    metered = monthly(fake, 2, metered=True)
    subscription = fake.subscribe(fake.create_customer("Ann"), metered)
    item = subscription["items"]["data"][0]
    assert "quantity" not in item
    fake.use(item, 40)
    fake.use(item, 2)
    fake.advance(32 * DAY)
    line = fake.world.lines[invoices(fake, subscription)[1]["id"]][0]
    assert (line["quantity"], line["amount"]) == (42, 84)
    assert line["period"] == {"start": START, "end": day(2026, 2, 1)}


@pytest.mark.parametrize(
    ("inclusive", "total", "tax", "net"),
    [(True, 12_100, 2_100, 10_000), (False, 14_641, 2_541, 12_100)],
)
def test_tax_within_and_on_top(inclusive: bool, total: int, tax: int, net: int) -> None:
    fake = account()
    rate = fake.create_tax_rate(21, inclusive=inclusive, country="NL")
    subscription = fake.subscribe(
        fake.create_customer("Ann"), monthly(fake, 12_100), tax_rates=[rate]
    )
    invoice = invoices(fake, subscription)[0]
    assert (invoice["total"], invoice["total_excluding_tax"]) == (total, net)
    assert [row["amount"] for row in invoice["total_taxes"]] == [tax]


# -- discounts


def test_a_coupon_for_three_months_ends_with_the_third() -> None:
    fake = account(archive=True)
    half = fake.create_coupon(percent_off=50, duration="repeating", months=3)
    subscription = fake.subscribe(
        fake.create_customer("Ann"), monthly(fake, 10_000), coupons=[half]
    )
    fake.advance(130 * DAY)
    assert totals(fake, subscription) == [5_000, 5_000, 5_000, 10_000, 10_000]
    assert subscription["discounts"] == []
    assert "customer.discount.deleted" in kinds(fake, day(2026, 4, 1))


def test_a_coupon_for_once_and_one_for_ever() -> None:
    fake = account()
    once = fake.create_coupon(amount_off=300, currency="usd", duration="once")
    forever = fake.create_coupon(percent_off=10)
    subscription = fake.subscribe(
        fake.create_customer("Ann"), monthly(fake), coupons=[once, forever]
    )
    fake.advance(60 * DAY)
    assert totals(fake, subscription) == [630, 900, 900]  # (1000 - 300) less a tenth, in turn
    assert len(subscription["discounts"]) == 1


def test_an_amount_off_is_shared_by_weight_and_never_more_than_the_price() -> None:
    fake = account()
    prices = [monthly(fake, 6_000), monthly(fake, 4_000)]
    off = fake.create_coupon(amount_off=1_000, currency="usd")
    subscription = fake.subscribe(
        fake.create_customer("Ann"), [(price, 1) for price in prices], coupons=[off]
    )
    lines = fake.world.lines[subscription["latest_invoice"]]
    assert [line["discount_amounts"][0]["amount"] for line in lines] == [600, 400]
    small = fake.subscribe(fake.create_customer("Ben"), monthly(fake, 400), coupons=[off])
    assert totals(fake, small) == [0]
    assert small["status"] == "active"


def test_an_items_discount_goes_first_and_a_customers_only_where_there_is_no_other() -> None:
    fake = account()
    tenth, fifth = fake.create_coupon(percent_off=10), fake.create_coupon(percent_off=20)
    ann = fake.create_customer("Ann")
    fake.discount(ann, fifth)
    pair = [(monthly(fake), 1), (monthly(fake), 1)]
    with_item = fake.subscribe(ann, pair, item_coupons={0: tenth})
    assert totals(fake, with_item) == [720 + 800]
    assert fake.get("invoice", with_item["latest_invoice"])["subtotal"] == 1_900
    with_own = fake.subscribe(ann, monthly(fake), coupons=[tenth])
    assert totals(fake, with_own) == [900]


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
