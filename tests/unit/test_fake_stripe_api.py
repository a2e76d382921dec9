"""The fake Stripe answers the official client: lists, objects, events, errors, keys."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
import stripe

from tests.unit.stripe_account import DAY, START, account, client, monthly
from upwell.demo.stripe import FakeStripe, serve


def crowd(count: int) -> FakeStripe:
    """An account with so many customers, each with a subscription, a minute apart."""
    fake = account()
    price = monthly(fake)
    for number in range(count):
        fake.subscribe(fake.create_customer(f"C{number}", f"c{number}@example.com"), price)
        fake.advance(60)
    return fake


# -- lists


def test_pages_forward_and_backward_are_the_whole_list_once() -> None:
    fake = crowd(25)
    ids = fake.world.table("customer").ids
    with client(fake) as sdk:
        newest_first = [c.id for c in sdk.v1.customers.list({"limit": 7}).auto_paging_iter()]
        oldest = sdk.v1.customers.list({"limit": 7, "ending_before": ids[0]})
        forward = [c.id for c in oldest.auto_paging_iter()]
        page = sdk.v1.customers.list({"limit": 7, "ending_before": ids[0]})
        last = sdk.v1.customers.list({"limit": 7, "starting_after": ids[3]})
    assert newest_first == ids[::-1]
    assert forward == ids[1:]
    assert ([c.id for c in page.data], page.has_more) == (ids[7:0:-1], True)
    assert ([c.id for c in last.data], last.has_more) == (ids[2::-1], False)


def test_created_bounds_and_filters() -> None:
    fake = crowd(5)
    price = fake.all("price")[0]["id"]
    customer = fake.all("customer")[2]
    with client(fake) as sdk:
        late = sdk.v1.customers.list({"created": {"gte": START + 120}})
        between = sdk.v1.customers.list({"created": {"gt": START, "lt": START + 180}})
        of_one = sdk.v1.subscriptions.list({"customer": customer["id"], "price": price})
        by_mail = sdk.v1.customers.list({"email": "c3@example.com"})
    assert len(late.data) == 3
    assert len(between.data) == 2
    assert [s.customer for s in of_one.data] == [customer["id"]]
    assert [c.name for c in by_mail.data] == ["C3"]


def test_cancelled_subscriptions_are_listed_only_when_asked_for() -> None:
    fake = crowd(4)
    first, second = fake.all("subscription")[:2]
    fake.cancel(first, at_period_end=False)
    with client(fake) as sdk:
        count = {
            status: len(sdk.v1.subscriptions.list({"status": status}).data)
            for status in ("all", "active", "canceled", "ended")
        }
        plain = sdk.v1.subscriptions.list()
        again = sdk.v1.subscriptions.retrieve(first["id"])
    assert count == {"all": 4, "active": 3, "canceled": 1, "ended": 1}
    assert first["id"] not in {s.id for s in plain.data}
    assert second["id"] in {s.id for s in plain.data}
    assert again.status == "canceled"


def test_the_lines_of_a_long_invoice_come_in_pages() -> None:
    fake = account()
    prices = [(monthly(fake, 100 + number), 1) for number in range(13)]
    subscription = fake.subscribe(fake.create_customer("Ann"), prices)
    with client(fake) as sdk:
        invoice = sdk.v1.invoices.retrieve(subscription["latest_invoice"])
        rest = sdk.v1.invoices.line_items.list(invoice.id, {"limit": 5})
        found = [line.amount for line in rest.auto_paging_iter()]
    assert (len(invoice.lines.data), invoice.lines.has_more) == (10, True)
    assert found == list(range(100, 113))


def test_what_is_expanded_and_how_deep() -> None:
    fake = account()
    tiers = monthly(fake, tiers=[(10, 500, 0), (None, 300, 0)])
    half = fake.create_coupon(percent_off=50, id="HALF")
    ann = fake.create_customer("Ann")
    subscription = fake.subscribe(ann, tiers, quantity=3, coupons=[half])
    fake.refund(fake.charge_of(subscription["latest_invoice"]), 100)
    with client(fake) as sdk:
        wide = sdk.v1.subscriptions.list(
            {"expand": ["data.customer", "data.discounts.source.coupon", "data.latest_invoice"]}
        ).data[0]
        deep = sdk.v1.subscriptions.retrieve(
            subscription["id"], {"expand": ["items.data.price.tiers"]}
        )
        priced = sdk.v1.prices.list({"expand": ["data.tiers"]}).data[0]
        invoice = sdk.v1.invoices.list({"expand": ["data.payments"]}).data[0]
        money = sdk.v1.charges.list({"expand": ["data.refunds", "data.balance_transaction"]})
        charge = money.data[0]
        plain = sdk.v1.prices.retrieve(tiers["id"])
        with pytest.raises(stripe.InvalidRequestError, match="cannot expand more than 4 levels"):
            sdk.v1.subscriptions.list({"expand": ["data.items.data.price.tiers"]})
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            sdk.v1.subscriptions.list({"expand": ["data.nonsense"]})
    assert isinstance(wide.customer, stripe.Customer)
    assert isinstance(wide.latest_invoice, stripe.Invoice)
    discount = wide.discounts[0]
    assert isinstance(discount, stripe.Discount)
    assert isinstance(discount.source.coupon, stripe.Coupon)
    assert discount.source.coupon.percent_off == 50
    step = deep["items"].data[0].price.tiers
    assert step is not None
    assert [tier.up_to for tier in step] == [10, None]
    assert priced.tiers is not None
    assert plain.unit_amount is None
    assert "tiers" not in plain
    assert invoice.payments is not None
    assert invoice.payments.data[0].payment.payment_intent == charge.payment_intent
    assert charge.refunds is not None
    assert charge.refunds.data[0].amount == 100


def test_a_payment_leads_to_its_invoice() -> None:
    fake = crowd(2)
    charge = fake.all("charge")[0]
    with client(fake) as sdk:
        found = sdk.v1.invoice_payments.list(
            {"payment": {"type": "payment_intent", "payment_intent": charge["payment_intent"]}}
        ).data
    assert [row.invoice for row in found] == [fake.all("invoice")[0]["id"]]


def test_the_movements_of_a_payout_and_their_status() -> None:
    fake = crowd(3)
    with client(fake) as sdk:
        early = sdk.v1.balance_transactions.list({"type": "charge"}).data
    fake.advance(15 * DAY)
    payout = fake.all("payout")[0]
    with client(fake) as sdk:
        rows = sdk.v1.balance_transactions.list({"payout": payout["id"]}).data
    assert {row.status for row in early} == {"pending"}
    assert {row.status for row in rows} == {"available"}
    assert sum(row.net for row in rows) == 0


def test_deleted_customers_and_coupons() -> None:
    fake = crowd(2)
    ann, half = fake.all("customer")[0], fake.create_coupon(percent_off=50)
    fake.delete_customer(ann)
    fake.delete_coupon(half)
    with client(fake) as sdk:
        gone = sdk.v1.customers.retrieve(ann["id"])
        left = sdk.v1.customers.list().data
        with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
            sdk.v1.coupons.retrieve(half["id"])
        of_gone = sdk.v1.subscriptions.list({"status": "canceled"}).data
    assert gone.deleted is True
    assert len(left) == 1
    assert of_gone[0].customer == ann["id"]


# -- events


def test_events_live_thirty_days_and_a_cursor_no_longer() -> None:
    fake = crowd(2)
    first = fake.events[0].id
    fake.advance(29 * DAY)
    with client(fake) as sdk:
        assert sdk.v1.events.retrieve(first).type == "product.created"
    fake.advance(2 * DAY)
    with client(fake) as sdk:
        with pytest.raises(stripe.InvalidRequestError, match="No such event"):
            sdk.v1.events.retrieve(first)
        with pytest.raises(stripe.InvalidRequestError, match="No such event") as refused:
            sdk.v1.events.list({"ending_before": first})
        left = list(sdk.v1.events.list({"limit": 100}).auto_paging_iter())
    assert refused.value.param == "ending_before"
    assert min(event.created for event in left) >= fake.now - 30 * DAY
    assert len(left) == len(fake.events)


def test_an_archive_keeps_what_the_api_forgets() -> None:
    fake = account(archive=True)
    fake.create_customer("Ann")
    fake.advance(40 * DAY)
    with client(fake) as sdk:
        assert [event.type for event in sdk.v1.events.list().data] == []
    assert [event.type for event in fake.events] == ["customer.created"]


def test_events_by_type_with_what_was_before() -> None:
    fake = crowd(2)
    fake.change(fake.all("subscription")[0], quantity=4, proration="none")
    with client(fake) as sdk:
        [event] = sdk.v1.events.list({"types": ["customer.subscription.updated"], "limit": 1}).data
        stars = sdk.v1.events.list({"type": "invoice.*", "limit": 100}).data
    assert event.data.object["items"]["data"][0]["quantity"] == 4
    before = event.data.previous_attributes
    assert before is not None
    assert before["items"]["data"][0]["quantity"] == 1
    assert event.api_version == stripe.api_version
    assert {event.type.partition(".")[0] for event in stars} == {"invoice"}


def test_events_of_one_second_may_come_in_any_order() -> None:
    fake = account(scrambled=True)
    for number in range(8):
        fake.create_customer(f"C{number}")
    with client(fake) as sdk:
        listed = [event.id for event in sdk.v1.events.list().data]
    happened = [event.id for event in fake.events]
    assert sorted(listed) == sorted(happened)
    assert listed != happened[::-1]


# -- errors and keys


def test_a_key_that_is_wrong_revoked_or_missing() -> None:
    fake = account()
    fake.revoke("sk_live_was_good")
    for key, words in (("nonsense", "Invalid API Key"), ("sk_live_was_good", "Expired API Key")):
        with client(fake, key) as sdk, pytest.raises(stripe.AuthenticationError, match=words):
            sdk.v1.customers.list()
    with serve(fake) as url:
        assert httpx.get(f"{url}/v1/customers").status_code == 401
        assert httpx.get(f"{url}/v1/account", auth=("sk_live_x", "")).status_code == 200


def test_a_restricted_key_names_the_permission_it_lacks() -> None:
    fake = crowd(1)
    fake.restrict("rk_live_abcdefgh", "customer_read", "subscription_read")
    with client(fake, "rk_live_abcdefgh") as sdk:
        assert len(sdk.v1.customers.list().data) == 1
        with pytest.raises(stripe.PermissionError, match="'rak_charge_read' permission") as refused:
            sdk.v1.charges.list()
        with pytest.raises(stripe.PermissionError, match="rak_invoice_read"):
            sdk.v1.subscriptions.list({"expand": ["data.latest_invoice"]})
        with pytest.raises(stripe.PermissionError, match="rak_accounts_kyc_basic_read"):
            sdk.v1.accounts.retrieve_current()
    assert refused.value.http_status == 403


def test_faults_come_when_they_were_asked_for() -> None:
    fake = crowd(30)
    fake.fail("/v1/customers", 429)
    fake.fail("/v1/charges", 500, skip=1)
    fake.fail("/v1/invoices", 400, skip=2, message="This is broken.")
    with client(fake) as sdk:
        with pytest.raises(stripe.RateLimitError):
            sdk.v1.customers.list()
        assert len(sdk.v1.customers.list({"limit": 30}).data) == 30
        with pytest.raises(stripe.APIError):
            list(sdk.v1.charges.list().auto_paging_iter())
        with pytest.raises(stripe.InvalidRequestError, match=r"This is broken\."):
            list(sdk.v1.invoices.list().auto_paging_iter())
        fake.fail("/v1/refunds", 0)
        with pytest.raises(stripe.APIConnectionError):
            sdk.v1.refunds.list()


def test_mistakes_are_named() -> None:
    fake = account()
    with client(fake) as sdk:
        with pytest.raises(stripe.InvalidRequestError, match="No such charge: 'ch_1'") as missing:
            sdk.v1.charges.retrieve("ch_1")
        with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: colour"):
            sdk.v1.charges.list({"colour": "red"})  # type: ignore[arg-type]
        with pytest.raises(stripe.InvalidRequestError, match="at most 100"):
            sdk.v1.charges.list({"limit": 101})
        with pytest.raises(stripe.InvalidRequestError, match="The fake only reads"):
            sdk.v1.customers.create({"name": "Ann"})
        with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
            sdk.v1.payment_links.list()
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")


def test_the_account_says_who_it_is() -> None:
    fake = account(name="Quillmoor Europe")
    with client(fake) as sdk:
        found = sdk.v1.accounts.retrieve_current()
    assert found.id == fake.account
    assert found.settings is not None
    assert found.settings.dashboard.display_name == "Quillmoor Europe"


# -- webhooks


def test_a_webhook_is_signed_as_the_official_client_expects() -> None:
    fake = crowd(1)
    event = fake.events[-1]
    body, at = fake.payload(event), int(time.time())
    header = fake.sign(body, "whsec_test", at)
    found = stripe.Webhook.construct_event(body, header, "whsec_test")
    assert (found.id, found.type) == (event.id, event.type)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", header, "whsec_test")
    old = fake.sign(body, "whsec_test", at - 3_600)
    with pytest.raises(stripe.SignatureVerificationError, match="Timestamp outside"):
        stripe.Webhook.construct_event(body, old, "whsec_test")


class _Inbox(HTTPServer):
    got: list[tuple[str, str]]
    refusing: int


class _Door(BaseHTTPRequestHandler):
    server: _Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refuse = self.server.refusing > 0
        self.server.refusing -= refuse
        if not refuse:
            signature = self.headers["Stripe-Signature"]
            self.server.got.append((json.loads(body)["id"], signature))
        self.send_response(500 if refuse else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The test looks at what came, not at a log."""


def test_deliveries_come_twice_in_any_order_and_again_when_refused() -> None:
    fake = crowd(2)
    inbox = _Inbox(("127.0.0.1", 0), _Door)
    inbox.got, inbox.refusing = [], 0
    thread = Thread(target=inbox.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{inbox.server_address[1]}/hook"
    try:
        done = fake.deliver(url, "whsec_test", shuffled=True, repeats=2)
        ids = [event.id for event in fake.events]
        got = [identity for identity, _ in inbox.got]
        assert len(done) == 2 * len(ids)
        assert sorted(got) == sorted(ids * 2)
        assert got != ids * 2
        assert fake.deliver(url, "whsec_test") == []

        fake.create_customer("late")
        inbox.refusing = 1
        assert [one.status for one in fake.deliver(url, "whsec_test")] == [500]
        assert [one.status for one in fake.deliver(url, "whsec_test", at=START)] == [200]
        assert inbox.got[-1][1].startswith(f"t={START},v1=")
    finally:
        inbox.shutdown()
        inbox.server_close()
        thread.join()
    fake.create_customer("later")
    assert [one.status for one in fake.deliver(url, "whsec_test")] == [0]
