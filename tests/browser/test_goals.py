"""A goal: set on a page, seen on the figure, in the chart and the search, changed, gone."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import House
from tests.browser.test_company import Visitor
from tests.browser.visit import NARROW


def test_a_goal_is_set_seen_changed_and_deleted(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/explore?metric=signups")
    page.keyboard.press("/")
    page.keyboard.type("set a goal")
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="Set a goal")
    expect(form.get_by_label("To be")).to_be_focused()
    assert visit.barriers() == []
    page.keyboard.type("100,000")
    form.get_by_label("Set on").fill("2026-01-01")
    form.get_by_label("By the end of").fill("2199-12-31")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    (kept,) = visit.ask("/v1/goals")["goals"]
    assert (kept["metric"], kept["value"], kept["product"]) == ("signups", 100000, "")
    said = page.get_by_role("button", name=re.compile(r"^Goal: \d% of 100k by 31 Dec 2199, "))
    expect(said).to_be_visible()
    expect(page.get_by_text("On pace for 100k")).to_be_attached()
    assert visit.barriers() == []

    page = visit.go("/")
    figure = page.get_by_role("link", name=re.compile(r"Signups.*\d% of 100k by 31 Dec 2199"))
    expect(figure).to_be_visible()
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    expect(figure).to_be_visible()
    assert visit.overflow() == 0

    page = visit.go(f"/explore?metric=signups&goal={kept['id']}")  # a link to it
    form = page.get_by_role("dialog", name="A goal")
    expect(form.get_by_text("The pace is a straight line")).to_be_visible()
    assert visit.barriers() == []
    form.get_by_label("To be").fill("10")
    form.get_by_role("button", name="Save").click()
    expect(
        page.get_by_role("button", name=re.compile("^Goal: .* of 10 by .*, reached"))
    ).to_be_visible()
    page.get_by_role("button", name=re.compile("^Goal: ")).click()
    page.get_by_role("dialog", name="A goal").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert visit.ask("/v1/goals")["goals"] == []
    assert visit.where() == "/explore?metric=signups"
