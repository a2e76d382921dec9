"""An account read over HTTP: everything once, whatever stops it, and told loudly when refused."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from upwell.app.account import Account as Pull
from upwell.app.calls import Calls
from upwell.app.connect import Links
from upwell.app.progress import Progress
from upwell.demo.stripe import FakeStripe, serve
from upwell.egress import Guard
from upwell.errors import UpwellError
from upwell.event import Delivery
from upwell.flow import deliveries
from upwell.journal import Journal
from upwell.period import to_instant
from upwell.settings import Settings, StripeSource
from upwell.settings.schema import Server
from upwell.sources.stripe import translate
from upwell.state.db import State

NOW = 1_767_225_600
KEY = "sk_live_reader"


class Desk:
    """Everything that reading one account needs, on one directory."""

    def __init__(self, folder: Path, fake: FakeStripe, url: str) -> None:
        self.folder, self.fake = folder, fake
        host = url.removeprefix("http://")
        source = StripeSource(id="mail-stripe", product="mail", api_key=KEY, api_base=url)
        self.settings = Settings(server=Server(allow_private_urls=(host,)), sources=(source,))
        self.guard = Guard((host,))
        self.url = url
        self.open()

    def open(self) -> None:
        self.journal = Journal.open(self.folder)
        self.state = State.open(self.folder / "state.sqlite")
        self.links = Links(
            self.settings, self.state, self.folder / "secrets", {}, lambda: self.fake.now * 10**6
        )
        self.calls = Calls(KEY, self.url, self.guard, patience=3.0)

    def close(self) -> None:
        self.calls.close()
        self.state.close()
        self.journal.close()

    def now(self) -> dt.datetime:
        return to_instant(self.fake.now * 1_000_000)

    def pull(self) -> Pull:
        link = self.links.find("mail-stripe")
        return Pull(link, self.links, self.calls, self.journal, self.now)

    def kept(self) -> list[Delivery]:
        return list(deliveries(self.journal))

    def facts(self) -> set[str]:
        """The facts in the journal."""
        origin = self.links.find("mail-stripe").origin
        found: set[str] = set()
        for each in self.kept():
            read = translate(each, origin)
            assert not read.dead, read.dead
            found |= set(read.events["key"].to_pylist())
            found |= {f"{type(one).__name__} {one.id}" for one in read.records}
        return found


@pytest.fixture
def fake() -> FakeStripe:
    made = FakeStripe(now=NOW, seed=11)
    mail = made.create_product("Mail")
    team = made.create_price(mail, 4_900)
    half = made.create_coupon(percent_off=50, duration="repeating", months=3)
    for number in range(130):
        customer = made.create_customer(f"C{number}", f"c{number}@a.example", "DE")
        coupons = [half] if number % 10 == 0 else []
        sold = made.subscribe(customer, team, quantity=1 + number % 3, coupons=coupons)
        if number % 20 == 0:
            made.cancel(sold, feedback="unused")
        made.advance(3_600)
    made.advance(70 * 86_400)
    return made


@pytest.fixture
def desk(tmp_path: Path, fake: FakeStripe) -> Iterator[Desk]:
    with serve(fake) as url:
        found = Desk(tmp_path, fake, url)
        yield found
        found.close()


def test_an_account_is_read_whole_and_then_followed(desk: Desk, fake: FakeStripe) -> None:
    pull = desk.pull()
    told: list[Progress] = list(pull.read())
    assert told[0].label == "subscriptions"
    assert told[-1].done == told[-1].total
    assert 0 < told[0].share < told[-1].share <= 1
    assert pull.cursor is not None
    assert pull.cursor.following
    count = len(desk.kept())
    assert list(pull.read()) == []
    assert len(desk.kept()) == count  # nothing new, nothing kept
    sold = fake.create_customer("late", "late@a.example", "FR")
    fake.advance(120)
    list(pull.read())
    assert f"Customer {sold['id']}" in desk.facts()
    refused = {row for each in desk.kept() for row in translate(each, pull.link.origin).unknown}
    assert not {name for name in refused if name.startswith("waits")}


def test_stopped_after_any_page_it_goes_on_without_loss(tmp_path: Path, fake: FakeStripe) -> None:
    with serve(fake) as url:
        whole = Desk(tmp_path / "whole", fake, url)
        list(whole.pull().read())
        expected = whole.facts()
        pages = len(whole.kept())
        whole.close()
        broken = Desk(tmp_path / "broken", fake, url)
        for _ in range(pages + 2):
            steps = broken.pull().read()
            next(steps, None)  # one page, then the end of the process
            broken.close()
            broken.open()
        list(broken.pull().read())
        assert broken.facts() == expected
        manifests = [one.about["manifest"] for one in broken.kept() if "manifest" in one.about]
        lists = [one["hash"] for one in manifests if one["list"] == "invoices"]
        assert len(lists) == len(set(lists))  # no page twice
        broken.close()


def test_too_many_requests_and_outages_are_waited_for(desk: Desk, fake: FakeStripe) -> None:
    for path, status in (("/v1/invoices", 429), ("/v1/customers", 503), ("/v1/subscriptions", 0)):
        fake.fail(path, status, skip=1, times=1)
    list(desk.pull().read())
    assert any(key.endswith(":paid") for key in desk.facts())


def test_a_refusal_in_the_middle_of_a_list_is_loud_and_resumes(
    desk: Desk, fake: FakeStripe
) -> None:
    fake.fail("/v1/invoices", 400, skip=1, message="Invalid cursor.")
    with pytest.raises(UpwellError, match="Invalid cursor"):
        list(desk.pull().read())
    before = len(desk.kept())
    list(desk.pull().read())
    names = [one.about["manifest"]["list"] for one in desk.kept()[before:] if one.about.get("pull")]
    assert "subscriptions" not in names  # it went on where it was
    assert "invoices" in names


def test_a_key_that_is_not_taken_is_a_failed_sign_in(desk: Desk, fake: FakeStripe) -> None:
    fake.revoke(KEY)
    with pytest.raises(UpwellError) as failure:
        list(desk.pull().read())
    assert failure.value.problem.code == "sign_in_failed"
    desk.links.failed("mail-stripe", "sign-in", failure.value.problem.message)
    row = desk.links.row("mail-stripe")
    assert row is not None
    assert (row.failed, row.failed_at) == ("sign-in", fake.now * 1_000_000)
    desk.links.went_well("mail-stripe")
    assert desk.links.row("mail-stripe").failed == ""  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [200, 404])
def test_an_address_without_stripe_is_told_with_the_setting_to_change(status: int) -> None:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{site.server_port}"
        calls = Calls(KEY, f"http://{host}", Guard((host,)), patience=1.0)
        with pytest.raises(UpwellError, match=f"no Stripe API at http://{host}, the api_base"):
            calls.get("/v1/events", {})
        calls.close()
        site.shutdown()


def test_events_older_than_stripe_keeps_them_are_listed_again(desk: Desk, fake: FakeStripe) -> None:
    list(desk.pull().read())
    fake.advance(31 * 86_400)
    before = len(desk.kept())
    list(desk.pull().read())
    names = [one.about["manifest"]["list"] for one in desk.kept()[before:] if one.about.get("pull")]
    assert "subscriptions" in names


def test_what_a_place_in_a_list_names_may_be_gone(desk: Desk, fake: FakeStripe) -> None:
    """An event that Stripe forgot early, the last customer of a page who was deleted since."""
    pull = desk.pull()
    for told in pull.read():
        if told.label == "customers":
            break
    assert pull.cursor is not None
    assert pull.cursor.step == "customers"
    pull.cursor = msgspec.structs.replace(pull.cursor, after="cus_gone")
    list(pull.read())
    assert pull.cursor.following
    known = desk.facts()
    fake.create_customer("Late", "late@a.example", "FR")
    fake.advance(3_600)
    pull.cursor = msgspec.structs.replace(pull.cursor, event="evt_gone")
    list(pull.read())
    assert {one.split()[0] for one in desk.facts() - known} >= {"Customer"}
