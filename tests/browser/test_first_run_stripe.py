"""A newcomer who bills with Stripe: from an empty workspace to its MRR, on the guide's own way."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_first_run import FIVE_MINUTES, reach
from tests.browser.test_revenue_pages import bars, until_read
from tests.browser.visit import NARROW, WIDE, Visit, become_owner
from tests.served import Served
from upwell.demo.stripe import FakeStripe, serve
from upwell.demo.stripe.company import company

Visitor = Callable[..., Visit]
KEY = "sk_live_reader"
CONFIG = '[server]\nallow_private_urls = ["{host}"]\n'


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Served, FakeStripe, str]]:
    """A server of which nobody knows anything yet, and an account of Stripe with a year of past."""
    with ExitStack() as opened:
        account = company(int(time.time()), customers=60, months=12).accounts[0]
        url = opened.enter_context(serve(account))
        config = tmp_path / "upwell.toml"
        config.write_text(CONFIG.format(host=url.removeprefix("http://")))
        yield opened.enter_context(Served(tmp_path / "data", config=config)), account, url


def at_home(page: Page, url: str) -> None:
    """This Stripe stands at an address of its own."""

    def elsewhere(route: Route) -> None:
        body: Any = route.request.post_data_json
        route.continue_(post_data={**body, "api_base": url})

    page.route("**/v1/sources/stripe", elsewhere)


def drawn(visit: Visit) -> None:
    """MRR stands on Revenue, its bars adding up to it."""
    page = visit.page
    expect(page.get_by_role("heading", name="Revenue", exact=True)).to_be_visible()
    visit.settle()
    # What was asked while the past was still arriving is asked again, at most every five seconds.
    expect(page.locator("button.bar").first).to_be_visible(timeout=30_000)
    shown = list(bars(page).values())
    assert len(shown) > 2
    assert sum(shown[:-1]) == shown[-1] > 0


def test_by_mouse_a_key_of_stripe_leads_to_its_mrr(
    shop: tuple[Served, FakeStripe, str], visitor: Visitor
) -> None:
    served, account, url = shop
    account.revoke("sk_live_of_last_year")
    visit = visitor(served)
    visit.forgive("status of 4")
    page, began = visit.page, time.monotonic()
    become_owner(visit)
    at_home(page, url)
    page.get_by_label("Name", exact=True).fill("Acme")
    page.get_by_role("button", name="Name it").click()
    page.get_by_label("Product's name").fill("Acme Mail")
    page.get_by_role("button", name="Add product").click()
    page.get_by_role("radio", name="Connect Stripe").click()
    page.get_by_role("button", name="Connect Stripe").click()

    form = page.get_by_role("dialog", name="Connect Stripe")
    form.get_by_label("Restricted key").fill("sk_live_of_last_year")
    form.get_by_role("button", name="Connect", exact=True).click()
    refused = form.get_by_role("alert")
    expect(refused).to_contain_text(re.compile("Expired API Key"))
    visit.picture("first-run-stripe-refused")
    assert visit.barriers() == []

    form.get_by_label("Restricted key").fill(KEY)
    form.get_by_role("button", name="Connect", exact=True).click()
    expect(form.get_by_role("heading", name=re.compile("^Products found"))).to_be_visible(
        timeout=30_000
    )
    for size in (WIDE, NARROW):
        for theme in ("light", "dark"):
            visit.wear(size, theme)
            page.wait_for_timeout(250)  # until colours have turned
            visit.picture(f"first-run-stripe-reading-{size[0]}-{theme}")
            assert visit.barriers() == []
        assert visit.overflow() <= 0
    visit.wear(WIDE, "light")
    until_read(visit, "stripe")
    form.get_by_role("link", name=re.compile("^MRR")).click()
    page.goto(served.address + "/revenue?range=12m")
    drawn(visit)
    took = time.monotonic() - began
    print(f"by mouse: MRR of a year's past after {took:.0f} s")
    assert took < FIVE_MINUTES
    page.goto(served.address)
    visit.settle()
    expect(page.locator(".kpi", has_text="MRR").first).to_contain_text("$")


def test_by_keyboard_alone_a_key_of_stripe_leads_to_its_mrr(
    shop: tuple[Served, FakeStripe, str], visitor: Visitor
) -> None:
    served, _, url = shop
    visit = visitor(served)
    page = visit.page
    become_owner(visit)
    at_home(page, url)
    reach(page, "Name", "textbox")
    page.keyboard.type("Acme")
    reach(page, "Name it")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Product's name")).to_be_focused()
    page.keyboard.type("Acme Mail")
    page.keyboard.press("Enter")
    reach(page, "Send an event", "radio")
    page.keyboard.press("ArrowRight")
    reach(page, "Connect Stripe")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Restricted key")).to_be_focused()
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="Connect Stripe")
    expect(form.get_by_role("heading", name=re.compile("^Products found"))).to_be_visible(
        timeout=30_000
    )
    until_read(visit, "stripe")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.href?.includes('/revenue') ?? false"):
            break
    page.keyboard.press("Enter")
    drawn(visit)
