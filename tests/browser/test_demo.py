"""The demo company from its first second: it fills, something happens, every page is looked at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from io import BytesIO

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser.visit import NARROW, WIDE, Visit
from tests.served import Served

Visitor = Callable[..., Visit]

PRODUCT = "mail"
PAGES = {
    "home": "/",
    "products": "/products",
    "product": f"/products/{PRODUCT}",
    "split": "/explore?metric=revenue&split=1&range=90d",
    "hours": f"/products/{PRODUCT}?metric=sessions&range=today",
    "rows": f"/products/{PRODUCT}?metric=page_views&range=7d&at={{day}}",
    "live": "/live",
    "sources": "/sources",
    "settings": "/settings",
    "missing": "/nowhere",
}
AFTERWARDS = {"alerts": "/alerts", "alert": "/alerts/{alert}", "reports": "/reports"}


def look_at(name: str, address: str, visit: Visit) -> list[str]:
    """What is wrong with a page in any size and colours; each is kept as a picture."""
    visit.go(address)
    problems = []
    for size in (WIDE, NARROW):
        for theme in ("light", "dark"):
            visit.wear(size, theme)
            visit.settle()
            visit.picture(f"{name}-{size[0]}-{theme}")
            if (size, theme) != (NARROW, "dark"):  # its colours and its shape were looked at apart
                problems += [f"{size[0]} {theme}: {said}" for said in visit.barriers()]
        if visit.overflow() > 0:
            problems.append(f"{size[0]}: {visit.overflow()} px wider than the window")
    return problems


def test_a_page_opened_at_once_is_filled_as_history_arrives(watcher: Visit) -> None:
    page = watcher.page
    expect(page.get_by_role("rowheader")).to_have_count(12, timeout=30_000)
    expect(page.get_by_text("history is arriving")).to_have_count(0, timeout=120_000)
    expect(page.locator(".kpi .value").first).to_contain_text("$")
    watcher.live()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_reads_and_keeps_the_rules(
    name: str, watcher: Visit, demo: Served, visitor: Visitor
) -> None:
    today = dt.date.fromisoformat(watcher.ask("/v1/session")["workspace"]["today"])
    address = PAGES[name].format(day=today - dt.timedelta(1))
    assert look_at(name, address, visitor(demo)) == []


def test_the_bad_minute_appears_on_the_open_page(watcher: Visit) -> None:
    page = watcher.page
    needs = page.get_by_role("region", name="Needs you")
    expect(needs.get_by_role("listitem")).to_have_count(1, timeout=150_000)
    alert = needs.get_by_role("link")
    expect(alert).to_contain_text("Cancellations in Mail")
    expect(page.get_by_role("link", name="Alerts")).to_contain_text("1")
    alert.click()
    watcher.settle()
    expect(page.get_by_role("heading", name="Why it stands out")).to_be_visible()
    expect(page.get_by_text("Expected that day")).to_be_visible()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    page.go_back()
    expect(needs).to_contain_text("Nothing, for now.")
    assert watcher.unforgiven() == []


def test_a_report_is_made_and_opens(watcher: Visit) -> None:
    page = watcher.go("/reports")
    page.get_by_role("button", name="Make report").click()
    link = page.get_by_role("link", name="PDF")
    expect(link).to_be_visible(timeout=60_000)
    with page.context.expect_page() as opened:
        link.click()
    address = link.get_attribute("href")
    assert address is not None
    assert opened.value.url in ("about:blank", "", watcher.served.address + address)
    opened.value.close()
    body = page.context.request.get(watcher.served.address + address)
    assert body.headers["content-type"] == "application/pdf"
    text = PdfReader(BytesIO(body.body())).pages[0].extract_text()
    assert watcher.ask("/v1/session")["workspace"]["name"] in text
    assert watcher.unforgiven() == []


@pytest.mark.parametrize("name", AFTERWARDS)
def test_so_do_the_pages_that_have_something_to_show_by_now(
    name: str, watcher: Visit, demo: Served, visitor: Visitor
) -> None:
    (alert,) = watcher.ask("/v1/alerts")["alerts"]
    assert look_at(name, AFTERWARDS[name].format(alert=alert["id"]), visitor(demo)) == []
