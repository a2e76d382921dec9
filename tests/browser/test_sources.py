"""The health of sources: one that fails, pausing, reading again, trying again what failed."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import House
from tests.browser.visit import NARROW, WIDE, Visit, become_owner, ingest_key, post
from tests.served import Served
from upwell.demo.stripe import FakeStripe, serve

Visitor = Callable[..., Visit]

CONFIG = """\
[workspace]
name = "Acme"

[server]
allow_private_urls = ["{host}"]

[[products]]
id = "mail"
name = "Mail"

[[sources]]
id = "billing"
kind = "stripe"
product = "mail"
api_key = "env:STRIPE_KEY"
api_base = "{url}"

[[sources]]
id = "old-billing"
kind = "stripe"
product = "mail"
api_key = "env:OLD_KEY"
api_base = "{url}"
"""


@dataclass
class Acme(House):
    """A house that reads one account, and another whose key is not taken."""

    fake: FakeStripe | None = None


def until(visit: Visit, id_: str, state: str) -> dict[str, Any]:
    """A source once it is in a state."""
    found: dict[str, Any] = {}
    for _ in range(150):
        listed = visit.ask("/v1/sources")["sources"]
        found = next((one for one in listed if one["id"] == id_), {})
        if found.get("state") == state and not found.get("reading"):
            return found
        time.sleep(0.2)
    pytest.fail(f"{id_} is not {state}: {found}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Acme]:
    folder = tmp_path_factory.mktemp("health")
    with ExitStack() as opened:
        fake = FakeStripe(now=int(time.time()) - 40 * 86_400, seed=5)
        price = fake.create_price(fake.create_product("Mail"), 4_900)
        for number in range(5):
            fake.subscribe(fake.create_customer(f"Mail{number}", country="DE"), price)
        fake.advance(40 * 86_400)
        fake.revoke("sk_live_old")
        url = opened.enter_context(serve(fake))
        config = folder / "upwell.toml"
        config.write_text(CONFIG.format(host=url.removeprefix("http://"), url=url))
        env = {"STRIPE_KEY": "sk_live_reader", "OLD_KEY": "sk_live_old"}
        served = opened.enter_context(Served(folder / "data", config=config, env=env))
        found = Acme(served, fake=fake)
        context = browser.new_context()
        visit = Visit(context, served)
        become_owner(visit)
        until(visit, "billing", "live")
        until(visit, "old-billing", "failed")
        found.signed_in = context.storage_state()
        found.key = ingest_key(served)
        post(served, found.key, [event(number, day) for day in range(30) for number in range(3)])
        context.close()
        yield found


def event(number: int, day: int) -> dict[str, Any]:
    """A use of the product some days ago."""
    at = dt.datetime.now(dt.UTC) - dt.timedelta(days=day, minutes=5)
    return {
        "product_id": "mail",
        "event_type": "engagement",
        "actor_id": f"u{number}",
        "timestamp": at.isoformat(),
        "idempotency_key": f"use-{day}-{number}",
        "metadata": {"name": "report_shared", "plan": "team"},
    }


def opened(visit: Visit, source: str) -> Page:
    """The drawer of a source."""
    page = visit.go("/sources")
    page.get_by_role("button", name=source, exact=True).click()
    expect(page.get_by_role("dialog", name=f"Source {source}")).to_be_visible()
    visit.settle()
    return page


def test_a_failing_source_says_why_since_when_and_what_to_do(house: Acme, visitor: Visitor) -> None:
    visit = visitor(house)
    page = visit.go("/sources")
    row = page.get_by_role("row").filter(has=page.get_by_role("button", name="old-billing"))
    expect(row).to_contain_text("Sign-in fails")
    expect(page.get_by_text("Make a new restricted key in Stripe's dashboard")).to_be_visible()
    good = page.get_by_role("row").filter(
        has=page.get_by_role("button", name="billing", exact=True)
    )
    expect(good).to_contain_text("Live")
    expect(good).to_contain_text(re.compile(r"\d+ \w{3}, \d\d:\d\d"))  # complete through
    visit.picture("sources")
    page = opened(visit, "old-billing")
    drawer = page.get_by_role("dialog", name="Source old-billing")
    expect(drawer).to_contain_text("Sign-in fails")
    expect(drawer).to_contain_text("Expired API Key")
    expect(drawer).to_contain_text("Nothing of it was read yet.")
    visit.picture("source-failing")
    page = visit.go("/")
    expect(page.get_by_label("Needs you")).to_contain_text("old-billing: sign-in fails")
    page = visit.go("/revenue")
    expect(page.locator(".fresh.stale").first).to_be_attached()
    expect(page.locator(".fresh").first).to_contain_text(
        "old-billing cannot be read: nothing was read yet"
    )


def test_a_source_is_paused_resumed_and_read_again(house: Acme, visitor: Visitor) -> None:
    assert house.fake is not None
    visit = visitor(house)
    page = opened(visit, "billing")
    drawer = page.get_by_role("dialog", name="Source billing")
    expect(drawer.get_by_role("heading", name="Events by day")).to_be_visible()
    drawer.get_by_role("button", name="Pause").click()
    expect(drawer).to_contain_text("Paused. Its numbers stand still")
    assert until(visit, "billing", "paused")["late"] == "paused"
    expect(drawer.get_by_role("button", name="Read now")).to_have_count(0)
    drawer.get_by_role("button", name="Resume").click()
    expect(drawer).to_contain_text("it is read from where it was left")
    until(visit, "billing", "live")
    requests = len(house.fake.api.requests)
    drawer.get_by_role("button", name="Read now").click()
    expect(drawer).to_contain_text("It is being read now.")
    before = visit.ask("/v1/query?metric=gross_revenue")["series"][0]["total"]
    drawer.get_by_role("button", name="Read again from a day").click()
    day = (dt.datetime.now(dt.UTC) - dt.timedelta(days=20)).date().isoformat()
    drawer.get_by_label("First day that is read again").fill(day)
    drawer.get_by_role("button", name="Read again", exact=True).click()
    expect(drawer).to_contain_text("What is here already is not counted twice", timeout=15_000)
    until(visit, "billing", "live")
    assert len(house.fake.api.requests) > requests
    assert visit.ask("/v1/query?metric=gross_revenue")["series"][0]["total"] == before


def test_what_could_not_be_used_is_tried_again(house: Acme, visitor: Visitor) -> None:
    visit = visitor(house)
    good = event(1, 1)
    conflicting = {**good, "metadata": {"name": "another"}}
    status, _, body = house.served.call(
        "POST",
        "/v1/events?wait=applied",
        json.dumps([conflicting]).encode(),
        **{"Content-Type": "application/json", "Authorization": f"Bearer {house.key}"},
    )
    assert status in (200, 202), body
    page = opened(visit, "test")
    drawer = page.get_by_role("dialog", name="Source test")
    section = drawer.get_by_role("region", name="Couldn't use", exact=True)
    expect(section).to_contain_text("Send a new idempotency_key with what differs.")
    expect(section.get_by_role("region", name="The newest record as it came")).to_contain_text(
        "another"
    )
    section.scroll_into_view_if_needed()
    visit.picture("source-unusable")
    section.get_by_role("button", name="Try again").click()
    expect(section).to_contain_text("1 record tried: still not usable. Mend the cause first.")
    drawer.get_by_role("region", name="Events and fields").get_by_text("report shared").click()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_them(
    house: Acme, visitor: Visitor, size: tuple[int, int], theme: str
) -> None:
    visit = visitor(house, size)
    visit.wear(size, theme)
    page = visit.go("/sources")
    expect(page.get_by_text("Sign-in fails")).to_be_visible()
    assert visit.overflow() == 0
    assert visit.barriers() == []
    visit.picture(f"sources-{size[0]}-{theme}")
    for source in ("billing", "test"):
        opened(visit, source)
        assert visit.overflow() == 0
        assert visit.barriers() == []
        visit.picture(f"source-{source}-{size[0]}-{theme}")
