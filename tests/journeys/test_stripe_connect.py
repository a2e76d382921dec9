"""From a pasted key to numbers: permissions are named, products assigned, keys kept safely."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from upwell.access import SYSTEM
from upwell.app.accounts import Accounts
from upwell.app.commands import Commands
from upwell.app.house import House
from upwell.app.pulls import Pulls
from upwell.demo.stripe import FakeStripe, serve
from upwell.errors import NotFound, Rejected
from upwell.event import Delivery
from upwell.period import to_instant
from upwell.settings import Product, Settings
from upwell.settings.schema import Server
from upwell.sources.stripe.fetch import NEEDED
from upwell.web import shapes

NOW = 1_767_225_600
NOTHING = ("None", "0.00")
READS = (
    "subscription_read",
    "customer_read",
    "invoice_read",
    "charge_read",
    "dispute_read",
    "balance_transaction_source_read",
    "event_read",
    "product_read",
    "plan_read",
    "coupon_read",
)


class Company:
    """Two products sold through one account, and a house that reads it."""

    def __init__(self, folder: Path, fake: FakeStripe, url: str) -> None:
        self.fake, self.url, self.folder = fake, url, folder
        settings = Settings(
            server=Server(allow_private_urls=(url.removeprefix("http://"),)),
            products=(Product(id="mail", name="Mail"), Product(id="docs", name="Docs")),
        )
        self.house = House(folder, settings, lambda: to_instant(fake.now * 1_000_000))
        self.pulls = Pulls(
            self.house.links, self.house.journal, self.house.clock, self.house.flow.backlog
        )
        self.accounts = Accounts(
            self.house.links,
            self.house.journal,
            self.house.products,
            lambda: fake.now * 1_000_000,
            self.pulls,
            "https://upwell.acme.example",
        )

    def add(self, key: str, **more: Any) -> shapes.Account:
        asked = shapes.NewStripe(id="acme", api_key=key, api_base=self.url, **more)
        return self.accounts.add(asked, SYSTEM)

    def revenue(self) -> dict[str, Any]:
        asked = {"metric": "revenue", "from": "2026-01-01", "to": "2026-03-01", "by": "product"}
        answer = Commands(self.house).query({**asked, "grain": "month"})
        return {one.key: str(one.total) for one in answer.series if str(one.total) not in NOTHING}

    def until(self, said: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not said():
            assert time.monotonic() < end
            time.sleep(0.05)

    def read_whole(self) -> None:
        for _ in self.pulls.sync("acme", 60):
            pass
        self.house.caught_up()


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    fake = FakeStripe(now=NOW, seed=5)
    for name in ("Mail", "Docs"):
        price = fake.create_price(fake.create_product(name), 4_900)
        for number in range(5):
            fake.subscribe(fake.create_customer(f"{name}{number}", country="DE"), price)
    fake.advance(40 * 86_400)
    with serve(fake) as url:
        made = Company(tmp_path, fake, url)
        yield made
        made.pulls.stop()
        made.house.close()


def test_products_are_assigned_by_a_click(company: Company) -> None:
    found = company.add("sk_live_all")
    assert all(one.ok for one in found.permissions)
    assert (found.account, found.livemode) == (company.fake.account, True)
    assert {one.name: one.active_subscriptions for one in found.products} == {"Mail": 5, "Docs": 5}
    assert found.webhook == "https://upwell.acme.example/hooks/stripe/acme"
    company.read_whole()
    assert company.revenue() == {"unassigned": "980.00"}
    sold = {one.name: one.id for one in found.products}
    company.accounts.assign("acme", {sold["Mail"]: "mail"})
    company.house.caught_up()
    assert company.revenue() == {"mail": "490.00", "unassigned": "490.00"}
    company.accounts.assign("acme", {sold["Docs"]: "docs"})
    company.house.caught_up()
    assert company.revenue() == {"mail": "490.00", "docs": "490.00"}
    looked = {one.name: one.assigned_to for one in company.accounts.look("acme").products}
    assert looked == {"Mail": "mail", "Docs": "docs"}
    assert not company.house.dead_letters(10)


def test_missing_permissions_are_named(company: Company) -> None:
    company.fake.restrict("rk_live_some", *(one for one in READS if one != "invoice_read"))
    found = company.add("rk_live_some")
    assert [one.name for one in found.permissions if not one.ok] == ["Invoices"]
    assert {one.name for one in found.permissions} == {step.permission for step in NEEDED}

    def failed() -> bool:
        row = company.house.links.row("acme")
        return row is not None and row.failed == "permissions"

    company.until(failed)
    row = company.house.links.row("acme")
    assert row is not None
    assert "/v1/invoices" in row.error


def test_a_key_that_stripe_does_not_take_is_not_kept(company: Company) -> None:
    company.fake.revoke("sk_live_old")
    with pytest.raises(Rejected) as refusal:
        company.add("sk_live_old")
    assert refusal.value.problem.code == "sign_in_failed"
    with pytest.raises(NotFound):
        company.house.links.find("acme")
    for asked in ({"product": "male"}, {"product_from": "name"}):
        with pytest.raises(Rejected):
            company.add("sk_live_all", **asked)


def test_a_key_for_test_data_is_not_taken_where_live_data_answers(company: Company) -> None:
    with pytest.raises(Rejected) as refusal:
        company.add("sk_test_all")
    assert refusal.value.problem.code == "other_mode"
    assert "for test data, and the account answers with live data" in refusal.value.problem.message
    with pytest.raises(NotFound):
        company.house.links.find("acme")


def test_keys_are_kept_in_files_of_their_owner_only(company: Company, tmp_path: Path) -> None:
    company.add("sk_live_canary", webhook_secret="whsec_canary")
    files = list((tmp_path / "secrets").iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert company.house.links.secret_of("acme") == "whsec_canary"
    company.pulls.stop()
    for path in tmp_path.iterdir():
        if path.is_file():
            assert b"canary" not in path.read_bytes(), path


def test_a_restart_reads_on_with_the_same_settings(company: Company, tmp_path: Path) -> None:
    found = company.add("sk_live_all")
    company.read_whole()
    company.accounts.assign("acme", {one.id: "mail" for one in found.products})
    company.house.caught_up()
    company.pulls.stop()
    settings = company.house.settings
    company.house.close()
    company.house = House(tmp_path, settings, company.house.clock)
    company.house.caught_up()
    assert company.revenue() == {"mail": "980.00"}
    assert [link.id for link in company.house.links.every()] == ["acme"]


def hooked(company: Company, after: int) -> None:
    """The webhooks of everything that happened since, as the door keeps them."""
    house = company.house
    for event in company.fake.events[after:]:
        body = company.fake.payload(event)
        about = {"webhook": True, **house.links.about("acme", [body])}
        now = company.fake.now * 1_000_000
        hook = Delivery(kind="stripe", source="acme", received_at=now, about=about, body=body)
        hook = msgspec.structs.replace(hook, seq=house.journal.append([hook])[0])
        house.caught_up()
        company.pulls.heard(hook)


def test_a_webhook_that_only_names_a_discount_is_completed_at_once(company: Company) -> None:
    company.add("sk_live_all", product="mail")
    company.read_whole()
    fake, house = company.fake, company.house
    half = fake.create_coupon(percent_off=50, duration="forever")
    price = fake.create_price(fake.create_product("New"), 1_000)
    ann = fake.create_customer("Ann", "ann@a.example", "FR")
    before = len(fake.events)
    sold = fake.subscribe(ann, price, coupons=[half])
    hooked(company, before - 1)

    def priced() -> bool:
        states = house.projection.states("acme", sold["id"])
        return any(state.discounts for state, *_ in states)

    company.until(priced)
    before = len(fake.events)
    fake.cancel(sold, feedback="unused")
    hooked(company, before)
    asked = {"metric": "cancellations", "from": "2026-01-01", "to": "2026-03-01", "by": "country"}
    answer = Commands(house).query({**asked, "grain": "month"})
    assert {one.key: one.total for one in answer.series} == {"FR": 1}
    assert not house.dead_letters(10)


def test_a_paused_source_is_not_read(company: Company) -> None:
    company.add("sk_live_all", product="mail")
    company.read_whole()
    company.accounts.pause("acme", True)
    requests = len(company.fake.api.requests)
    assert list(company.pulls.sync("acme", 1)) == []
    assert len(company.fake.api.requests) == requests
    company.accounts.pause("acme", False)
    company.until(lambda: len(company.fake.api.requests) > requests)
