"""What Stripe's bytes become: each fact once, whichever way and in whatever order it came."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upwell.billing import Origin, Payment, Record, Refund, SubscriptionState
from upwell.demo.stripe import FakeStripe
from upwell.event import Delivery
from upwell.sources.stripe import translate, units
from upwell.sources.stripe.catalogue import Catalogue
from upwell.sources.stripe.complete import completed
from upwell.sources.stripe.fetch import begin, unclear
from upwell.sources.stripe.fetch import listed as next_page
from upwell.sources.stripe.translate import read

ONE = Origin(id="mail-stripe", product="mail")
NOW = 1_767_225_600  # 2026-01-01
FAR = 1_900_000_000_000_000
Facts = tuple[dict[tuple[str, str], tuple[Any, ...]], dict[tuple[Any, ...], Record]]


def delivery(body: Any, at: int = FAR) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(seq=1, kind="stripe", source="mail-stripe", received_at=at, body=raw)


def event(kind: str, found: dict[str, Any], created: int = NOW, **more: Any) -> dict[str, Any]:
    said = {"object": found, **more}
    return {"id": "evt_1", "object": "event", "type": kind, "created": created, "data": said}


def invoice(**fields: Any) -> dict[str, Any]:
    return {
        "id": "in_1",
        "object": "invoice",
        "status": "paid",
        "currency": "usd",
        "customer": "cus_1",
        "customer_address": {"country": "DE"},
        "created": NOW,
        "total": 4900,
        "amount_due": 4900,
        "amount_paid": 4900,
        "attempt_count": 1,
        "status_transitions": {"finalized_at": NOW, "paid_at": NOW + 5},
        "lines": {"data": [line("il_1", 4900)]},
        "parent": {"subscription_details": {"subscription": "sub_1"}},
        **fields,
    }


def line(id_: str, amount: int, price: str = "price_1", **fields: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "amount": amount,
        "period": {"start": NOW, "end": NOW + 31 * 86_400},
        "pricing": {"price_details": {"price": price, "product": "prod_1"}},
        **fields,
    }


def subscription(**fields: Any) -> dict[str, Any]:
    price = {
        "id": "price_1",
        "currency": "usd",
        "unit_amount": 4900,
        "product": "prod_1",
        "recurring": {"interval": "month", "interval_count": 1},
    }
    return {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "active",
        "currency": "usd",
        "created": NOW,
        "items": {"data": [{"id": "si_1", "price": price, "quantity": 1}]},
        **fields,
    }


def rows(body: Any, origin: Origin = ONE) -> list[dict[str, Any]]:
    found = translate(delivery(body), origin)
    assert not found.dead, found.dead
    events: list[dict[str, Any]] = found.events.to_pylist()
    return events


def test_revenue_is_what_was_paid_less_tax() -> None:
    taxed = invoice(total=5831, amount_paid=5831, total_taxes=[{"amount": 931}])
    (paid,) = rows(event("invoice.paid", taxed))
    assert (paid["type"], paid["value"], paid["currency"]) == ("revenue", Decimal(49), "USD")
    assert (paid["key"], paid["actor"], paid["country"]) == ("in_1:paid", "cus_1", "DE")
    assert paid["ts"] == (NOW + 5) * 1_000_000


@pytest.mark.parametrize(
    ("currency", "amount", "value"),
    [("usd", 4900, "49"), ("jpy", 4900, "4900"), ("kwd", 4900, "4.9"), ("isk", 4900, "49")],
)
def test_minor_units_are_those_of_stripe(currency: str, amount: int, value: str) -> None:
    assert units.major(amount, currency.upper()) == Decimal(value)
    (paid,) = rows(event("invoice.paid", invoice(currency=currency)))
    assert paid["value"] == Decimal(value)


def test_an_invoice_of_two_products_is_shared_to_the_cent() -> None:
    origin = Origin(id="mail-stripe", assign={"price_1": "mail", "price_2": "docs"})
    lines = {"data": [line("il_1", 3333), line("il_2", 6667, "price_2")]}
    both = invoice(lines=lines, total=9999, amount_paid=9999)
    found = {row["product"]: row for row in rows(event("invoice.paid", both), origin)}
    assert {name: row["value"] for name, row in found.items()} == {
        "mail": Decimal("33.33"),
        "docs": Decimal("66.66"),
    }
    assert {row["key"] for row in found.values()} == {"in_1:paid"}


def test_only_the_first_failure_of_an_invoice_counts() -> None:
    failing = invoice(status="open", amount_paid=0, status_transitions={"finalized_at": NOW})
    (first,) = rows(event("invoice.payment_failed", failing))
    assert (first["type"], first["key"]) == ("payment_failed", "in_1:failed")
    again = {**failing, "attempt_count": 2}
    assert rows(event("invoice.payment_failed", again, NOW + 86_400)) == []
    kinds = [row["type"] for row in rows(event("invoice.paid", invoice(attempt_count=3)))]
    assert kinds == ["revenue", "payment_recovered"]


@pytest.mark.parametrize(
    ("status", "tries", "failures"),
    [("paid", 1, 0), ("paid", 3, 1), ("open", 0, 0), ("open", 1, 1), ("uncollectible", 4, 1)],
)
def test_what_failed_before_the_connection_is_booked_at_the_first_try(
    status: str, tries: int, failures: int
) -> None:
    paid = {"paid_at": NOW + 9 * 86_400} if status == "paid" else {}
    found = invoice(
        status=status, attempt_count=tries, status_transitions={"finalized_at": NOW + 60, **paid}
    )
    page = {"list": "invoices", "data": [found], "read_at": NOW + 99 * 86_400, "history": True}
    told = [row for row in rows(page) if row["type"] == "payment_failed"]
    assert len(told) == failures
    for row in told:  # the same fact as an event would tell
        assert (row["key"], row["ts"]) == ("in_1:failed", (NOW + 60) * 1_000_000)
        assert json.loads(row["metadata"])["reconstructed"] is True


def test_the_click_of_a_cancellation_has_its_own_day_and_reason() -> None:
    said = {"reason": "cancellation_requested", "feedback": "too_expensive"}
    leaving = subscription(
        canceled_at=NOW + 7, cancel_at_period_end=True, cancellation_details=said
    )
    (click,) = rows(event("customer.subscription.updated", leaving, NOW + 7))
    assert (click["type"], click["key"]) == ("churn", f"sub_1:cancel:{NOW + 7}")
    assert click["reason"] == "too_expensive"
    assert json.loads(click["metadata"])["subscription_id"] == "sub_1"


def test_a_cancellation_taken_back_is_no_second_click() -> None:
    before = {"canceled_at": NOW + 7, "cancel_at_period_end": True}
    body = event(
        "customer.subscription.updated", subscription(), NOW + 9, previous_attributes=before
    )
    (back,) = rows(body)
    assert (back["type"], back["name"]) == ("identify", "cancellation_withdrawn")


def test_an_end_for_a_failed_payment_is_no_click() -> None:
    ended = subscription(
        status="canceled", canceled_at=NOW, cancellation_details={"reason": "payment_failed"}
    )
    found = translate(delivery(event("customer.subscription.deleted", ended)), ONE)
    assert len(found.events) == 0
    assert found.unknown == {"ended by payment_failed": 1}
    (state,) = found.records
    assert isinstance(state, SubscriptionState)
    assert (state.status, state.reason) == ("canceled", "payment_failed")


def test_what_is_set_aside_has_a_name() -> None:
    for broken, code in (
        (subscription(items={"data": []}), "no_items"),
        (subscription(customer=None), "no_customer"),
        (subscription(status="resting"), "unknown_status"),
        (subscription(currency="coins", items={"data": []}), "unknown_currency"),
        (subscription(items={"data": [{"id": "si_1"}]}), "no_price"),
        ({**subscription(), "items": 7}, "unreadable"),
    ):
        found = translate(delivery(event("customer.subscription.updated", broken)), ONE)
        assert [letter.code for letter in found.dead] == [code]
        assert not found.records
    other = {**event("customer.subscription.updated", subscription()), "account": "acct_2"}
    assert [one.code for one in translate(delivery(other), ONE).dead] == ["other_account"]
    live = Origin(id="mail-stripe", product="mail", livemode=True)
    test = {**event("invoice.paid", invoice()), "livemode": False}
    assert [one.code for one in translate(delivery(test), live).dead] == ["other_mode"]
    for rubbish in (b"", b"[]", b"7", b"{}", b'{"list": "invoices", "data": 3}', b"\xff"):
        assert [one.code for one in translate(delivery(rubbish), ONE).dead] == ["unreadable"]


def test_a_refund_that_failed_counts_only_where_its_money_had_left() -> None:
    given = {
        "id": "re_1", "object": "refund", "amount": 900, "currency": "usd", "created": NOW,
        "status": "failed", "charge": None,
    }  # fmt: skip
    for booked, kinds in ((None, []), ("txn_1", ["refund"])):
        body = event("refund.failed", {**given, "balance_transaction": booked})
        found = translate(delivery(body), ONE)
        assert found.events["type"].to_pylist() == kinds
        assert not found.dead


def test_what_is_dated_ahead_of_the_clock_counts_from_when_it_came_and_is_listed() -> None:
    came, far = NOW * 1_000_000, NOW + 86_400
    paid = invoice(status_transitions={"finalized_at": NOW, "paid_at": far})
    moved = {
        "id": "txn_1", "object": "balance_transaction", "amount": 4900, "fee": 172, "net": 4728,
        "currency": "usd", "created": far, "type": "charge",
    }  # fmt: skip
    for body in (
        event("customer.subscription.updated", subscription(), far),
        event("invoice.paid", paid, far),
        event("customer.updated", {"id": "cus_1", "object": "customer"}, far),
        {"list": "balance_transactions", "data": [moved], "read_at": NOW},
    ):
        found = translate(delivery(body, at=came), ONE)
        assert not found.dead
        assert [doubt.code for doubt in found.doubts] == ["future_clamped"]
        assert "after it came" in found.doubts[0].reason
        assert [record.at for record in found.records] == [came]
        assert all(found.events["corrected"].to_pylist())
        assert not translate(delivery(body, at=far * 1_000_000), ONE).doubts  # no clock is wrong


def test_one_object_that_breaks_does_not_take_the_page_with_it() -> None:
    page = {"list": "invoices", "data": [invoice(), {"id": 7}, invoice(id="in_2")]}
    found = translate(delivery(page), ONE)
    assert found.events["key"].to_pylist() == ["in_1:paid", "in_2:paid"]
    assert [letter.idx for letter in found.dead] == [1]


def test_a_state_waits_for_the_discount_it_only_names() -> None:
    body = event("customer.subscription.updated", subscription(discounts=["di_1"]))
    waiting = read(delivery(body), ONE)
    assert {want.kind for want in waiting.wants} == {"discount"}
    assert not waiting.records
    coupon = {"id": "half", "percent_off": 50.0, "duration": "forever"}
    extra = {"discounts": {"di_1": {"id": "di_1", "source": {"coupon": coupon}}}}
    (state,) = translate(delivery({"list": "events", "data": [body], "extra": extra}), ONE).records
    assert isinstance(state, SubscriptionState)
    assert state.discounts[0].percent == 50


def test_every_published_shape_is_read_without_an_exception() -> None:
    path = next(
        (
            p
            for up in Path(__file__).parents
            if (p := up / "shared/data/stripe-fixtures.json").exists()
        ),
        None,
    )
    if path is None:
        pytest.skip("Stripe's published fixtures are not here")
    for kind, found in json.loads(path.read_bytes())["resources"].items():
        for origin in (ONE, Origin(id="mail-stripe", product_from="metadata.product")):
            for body in (
                event(f"{kind}.updated", found),
                {"list": kind, "data": [found], "read_at": NOW, "history": True},
            ):
                translate(delivery(body), origin)


# -- one account, by every way


def company(seed: int, actions: Sequence[int]) -> FakeStripe:
    """An account in which the actions, a number each, happened one after the other."""
    fake = FakeStripe(now=NOW, seed=seed, archive=True)
    mail = fake.create_product("Mail")
    team, solo = fake.create_price(mail, 4_900), fake.create_price(mail, 1_200)
    tiers: list[tuple[int | None, int | str, int]] = [(10, 500, 0), (None, 300, 0)]
    seats = fake.create_price(mail, tiers=tiers)
    half = fake.create_coupon(percent_off=50, duration="repeating", months=2)
    prices = [team, solo, seats]
    subscriptions: list[Any] = []
    for action in actions:
        kind, which = action % 9, action // 9
        fake.advance(1)  # two clicks on one thing in one second are one fact, told in two ways
        alive = [one for one in subscriptions if one["status"] not in ("canceled", "unpaid")]
        if kind in (0, 1) or not alive:
            card = "card_declined" if action % 5 == 4 else "ok"
            customer = fake.create_customer(f"C{action}", country="DE", card="ok")
            coupons = [half] if action % 3 == 0 else []
            trial = 14 if action % 4 == 3 else None
            made = fake.subscribe(
                customer,
                prices[which % 3],
                quantity=1 + which % 14,
                coupons=coupons,
                trial_days=trial,
            )
            fake.set_card(customer, card)
            subscriptions.append(made)
            continue
        chosen = alive[which % len(alive)]
        if kind == 2:
            fake.change(chosen, price=prices[which % 3])
        elif kind == 3:
            fake.change(chosen, quantity=1 + which % 20)
        elif kind == 4:
            fake.cancel(chosen, feedback="too_expensive")
        elif kind == 5 and chosen["cancel_at_period_end"]:
            fake.keep(chosen)
        elif kind == 6:
            fake.cancel(chosen, at_period_end=False)
        else:
            fake.advance(86_400 * (1 + which % 40))
    fake.advance(86_400)
    return fake


def get_of(fake: FakeStripe) -> Any:
    """GET without sockets, in the way that `Calls` asks."""
    from urllib.parse import urlencode

    from upwell.sources.stripe.fetch import Gone

    def get(path: str, query: Any) -> bytes:
        pairs: list[tuple[str, Any]] = []
        for name, value in query.items():
            if isinstance(value, tuple):
                pairs += [(f"{name}[{n}]", one) for n, one in enumerate(value)]
            else:
                pairs.append((name, value))
        answer = fake.api.answer("GET", path, urlencode(pairs), "Bearer sk_test_1")
        if answer.status == 404:
            raise Gone(path)
        assert answer.status == 200, answer.body
        return answer.body

    return get


def facts(deliveries: Iterable[Delivery], origin: Origin = ONE) -> Facts:
    """Events by key, and records by what identifies them: the first and the last count."""
    events: dict[tuple[str, str], tuple[Any, ...]] = {}
    records: dict[tuple[Any, ...], Record] = {}
    for each in deliveries:
        found = translate(each, origin)
        assert not found.dead, found.dead
        for row in found.events.to_pylist():
            key = (row["product"], row["key"])
            said = tuple(row[name] for name in ("type", "ts", "value", "currency", "actor"))
            said += (row["metadata"],)
            assert events.setdefault(key, said) == said, key
        for record in found.records:
            name = (type(record).__name__, record.id, record.at, record.order)
            assert records.setdefault(name, record) == record, name
    return events, records


def webhooks(fake: FakeStripe, ids: Sequence[int], get: Any, known: Catalogue) -> list[Delivery]:
    """Deliveries of webhooks in that order, each followed by what completes it."""
    found = []
    for number in ids:
        body = fake.payload(fake.events[number])
        hook = delivery(body)
        found.append(hook)
        if read(hook, ONE).wants:
            found.append(completed(hook, "events", [msgspec.Raw(body)], ONE, get, known))
    return found


def polls(fake: FakeStripe, ids: Sequence[int], get: Any, known: Catalogue) -> list[Delivery]:
    """The same events in pages of five."""
    found = []
    for start in range(0, len(ids), 5):
        page = [msgspec.Raw(fake.payload(fake.events[n])) for n in ids[start : start + 5]]
        found.append(completed(delivery(b""), "events", page, ONE, get, known))
    return found


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    seed=st.integers(0, 1000),
    actions=st.lists(st.integers(0, 500), min_size=3, max_size=14),
    data=st.data(),
)
def test_however_events_come_the_facts_are_the_same(
    seed: int, actions: list[int], data: st.DataObject
) -> None:
    fake = company(seed, actions)
    get = get_of(fake)
    known = Catalogue.of(get)
    order = list(range(len(fake.events)))
    polls(fake, order, get, known)  # discounts that have ended since were read while they lasted
    # The newest are what happened since the account was connected.
    order = order[-80:]
    plain = facts(webhooks(fake, order, get, known))
    shuffled = data.draw(st.permutations(order + order[:20]))
    assert facts(webhooks(fake, shuffled, get, known)) == plain
    assert facts(polls(fake, order, get, known)) == plain
    half = data.draw(st.sets(st.sampled_from(order)))
    some = [n for n in order if n in half]
    others = [n for n in order if n not in half or n % 3 == 0]
    both = webhooks(fake, some, get, known) + polls(fake, others, get, known)
    assert facts(both) == plain


def listed(fake: FakeStripe, get: Any, known: Catalogue) -> list[Delivery]:
    """Everything an account's lists show, as back-fill keeps it."""
    found, cursor = [], begin(get, fake.now)
    while not cursor.following:
        name = cursor.step
        page, cursor = next_page(get, cursor)
        now = delivery(b"", fake.now * 1_000_000)
        found.append(completed(now, name, page.rows, ONE, get, known, history=True))
    return found


def test_back_fill_and_webhooks_agree_on_what_invoices_say() -> None:
    fake = company(7, [0, 27, 1, 19, 3, 12, 52, 9, 7, 88, 2, 4, 16, 34, 8, 71, 6, 98, 17, 44])
    get = get_of(fake)
    known = Catalogue.of(get)
    live, told = facts(webhooks(fake, range(len(fake.events)), get, known))
    back, records = facts(listed(fake, get, known)[:-1])  # less the events' own list
    common = {name for name in records.keys() & told.keys() if name[0] in ("Payment", "Cash")}
    assert common
    assert all(records[name] == told[name] for name in common)
    for kind in ("revenue", "refund", "trial", "payment_recovered"):
        ours = {key: said for key, said in live.items() if said[0] == kind}
        theirs = {key: said for key, said in back.items() if said[0] == kind}
        assert {key: said[:5] for key, said in ours.items()} == {
            key: said[:5] for key, said in theirs.items()
        }
    assert {kind for _, (kind, *_) in live.items()} >= {"revenue", "churn", "payment_failed"}
    assert any(isinstance(one, SubscriptionState) and one.reconstructed for one in records.values())


def test_refunds_name_their_invoice_and_its_time_by_webhook_and_list_alike() -> None:
    fake = company(7, [0])
    invoices = [one for each in fake.events for one in [each.object] if one["object"] == "invoice"]
    paid = next(one for one in invoices if one["amount_paid"] > 0)
    (first,) = paid["lines"]["data"]
    charge = next(one.object for one in fake.events if one.type == "charge.succeeded")
    fake.refund(charge, amount=1_000)
    fake.fail_refund(fake.refund(charge))
    get = get_of(fake)
    known = Catalogue.of(get)
    _, told = facts(webhooks(fake, range(len(fake.events)), get, known))
    _, records = facts(listed(fake, get, known)[:-1])
    of = {name: record for name, record in told.items() if isinstance(record, Refund)}
    assert of == {name: record for name, record in records.items() if isinstance(record, Refund)}
    whole = paid["amount_paid"]
    assert sorted(one.amount for one in of.values()) == [1_000 - whole, 1_000, whole - 1_000]
    item = first["parent"]["subscription_item_details"]["subscription_item"]
    span = tuple(first["period"][edge] * 1_000_000 for edge in ("start", "end"))
    assert {one.spans for one in of.values()} == {((item, *span),)}
    assert {(one.invoice, one.paid) for one in of.values()} == {(paid["id"], whole)}


def test_objects_that_nobody_can_read_do_not_stop_reading() -> None:
    fake = company(3, [0, 27, 1, 19])
    get = get_of(fake)

    def bent(path: str, query: Any) -> bytes:
        body = get(path, query)
        if path in ("/v1/prices", "/v1/invoices", "/v1/events", "/v1/coupons"):
            listed = json.loads(body)
            if listed["data"]:
                first = {**listed["data"][0], "currency": 7, "data": 7, "percent_off": "half"}
                listed["data"].insert(0, {**first, "id": "bent_1"})
            return json.dumps(listed).encode()
        return bytes(body)

    known = Catalogue.of(bent)
    assert "bent_1" not in known.prices
    cursor, letters = begin(get, fake.now), 0
    while not cursor.following:
        name = cursor.step
        page, cursor = next_page(bent, cursor)
        unclear(page.rows)
        made = completed(delivery(b""), name, page.rows, ONE, bent, known, history=True)
        letters += len(translate(made, ONE).dead)
    assert letters == 2  # the invoice and the event; both are shown with the reason


@pytest.mark.parametrize(
    ("fields", "used"),
    [
        ({}, 1500),
        ({"discount_amounts": [{"amount": 500}]}, 1000),
        ({"period": {"start": NOW, "end": NOW + 31 * 86_400}}, 0),  # charged ahead: not for use
        ({"parent": None}, 0),  # an item of its own
        ({"amount": -1500}, 0),
    ],
)
def test_what_an_invoice_charges_after_its_time_is_use(fields: dict[str, Any], used: int) -> None:
    of_item = {"subscription_item_details": {"subscription_item": "si_2"}}
    month = {"start": NOW - 31 * 86_400, "end": NOW}
    after = line("il_2", 1500) | {"period": month, "parent": of_item} | fields
    lines = [line("il_1", 4900), after]
    body = event("invoice.paid", invoice(lines={"data": lines}, total=6400, amount_paid=6400))
    (payment,) = [one for one in translate(delivery(body), ONE).records if isinstance(one, Payment)]
    assert [(one.product, one.amount, one.end) for one in payment.usage] == (
        [("mail", used, NOW * 1_000_000)] if used else []
    )


def test_metered_items_of_an_account_are_use() -> None:
    fake = FakeStripe(NOW, 7)
    product = fake.create_product("Mail", {"product": "mail"})
    seats = fake.create_price(product, 1000, "usd")
    calls = fake.create_price(product, 2, "usd", metered=True)
    payer = fake.create_customer("a@example.org", "A", "US")
    billed = fake.subscribe(payer, [(seats, 1), (calls, 1)])
    fake.use(billed["items"]["data"][1]["id"], 700)
    fake.advance(40 * 86_400)
    found: dict[str, int] = {}
    for one in fake.all("invoice"):
        for record in translate(delivery(event("invoice.paid", one)), ONE).records:
            if isinstance(record, Payment):
                found[record.id] = sum(use.amount for use in record.usage)
    assert sorted(found.values()) == [0, 1400]
