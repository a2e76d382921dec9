"""A note beside the charts: written on a product, seen there, changed, linked to, gone."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import House
from tests.browser.test_company import Visitor


def test_a_release_is_noted_read_changed_and_deleted(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/products/mail?metric=signups")
    chart = page.get_by_role("slider", name=re.compile("Signups"))
    expect(chart).to_be_visible()
    page.keyboard.press("n")
    note = page.get_by_role("dialog", name="Add a note")
    expect(note.get_by_label("What happened")).to_be_focused()
    page.keyboard.type("The new editor")
    note.get_by_label("Kind").select_option("Release")
    assert visit.barriers() == []
    page.keyboard.press("Enter")
    expect(note).to_have_count(0)

    chart.focus()  # it begins at today, where the note stands
    expect(page.locator(".tip .mark")).to_have_text(re.compile("Release: The new editor"))
    page.keyboard.press("Enter")
    note = page.get_by_role("dialog", name="A note")
    expect(note.get_by_label("About")).to_have_value("mail")
    assert visit.barriers() == []
    note.get_by_label("What happened").fill("The editor")
    note.get_by_role("button", name="Save").click()
    expect(note).to_have_count(0)
    (kept,) = visit.ask("/v1/annotations?product=mail")["annotations"]
    assert (kept["title"], kept["kind"], kept["products"]) == ("The editor", "release", ["mail"])
    assert visit.ask("/v1/annotations?product=desk")["annotations"] == []

    page = visit.go(f"/products/mail?metric=signups&note={kept['id']}")  # a link to it
    page.get_by_role("dialog", name="A note").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert visit.ask("/v1/annotations")["annotations"] == []
    assert visit.where() == "/products/mail?metric=signups"
