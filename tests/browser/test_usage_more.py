"""Who is asked about, and how finely: segments on every page, comparisons, people of any number."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import test_usage_pages as usage
from tests.browser.conftest import House
from tests.browser.test_usage_pages import STEPS, Visitor, finding_of, flow, place


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    """A company whose users can be counted by hand."""
    yield from usage.company(tmp_path_factory.mktemp("used-more"), browser)


def drawer(page: Page) -> Locator:
    return page.get_by_role("dialog", name="The users behind it")


def test_a_segment_narrows_every_page_goes_along_and_is_taken_away(
    used: House, visitor: Visitor
) -> None:
    visit = visitor(used)
    page = visit.go("/usage/segments")
    usage.pick(page, "What they did", "signup")
    page.get_by_label("Name of the segment").fill("Signed up")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Signed up", exact=True)).to_be_visible()

    page = visit.go("/")
    page.get_by_role("button", name=re.compile("^Users: All users")).click()
    page.get_by_role("menuitemradio", name="Signed up").click()
    chip = page.get_by_text("Only users of")
    expect(chip).to_be_visible()
    expect(page.get_by_text("28 users, linked to no customer")).to_be_visible()
    segment = re.search("segment=(seg_[0-9a-f]+)", visit.where())
    assert segment is not None
    page.get_by_role("link", name=re.compile("^Signups")).click()
    visit.settle()
    assert segment[0] in visit.where()
    assert visit.where().startswith("/explore")
    for elsewhere in ("/revenue", "/customers", "/usage/lifecycle", "/usage/paths"):
        page = visit.go(f"{elsewhere}?{segment[0]}")
        expect(page.get_by_text("Only users of")).to_be_visible()
    visit.go(f"/customers?{segment[0]}")
    expect(page.get_by_text("Nobody of this segment pays")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Signed up")).click()
    visit.settle()
    assert "segment" not in visit.where()


def test_what_events_must_have_is_compared_with_the_keyboard(used: House, visitor: Visitor) -> None:
    visit = visitor(used)
    page = visit.go(f"/usage?{STEPS}")
    page.get_by_role("button", name="Only: Only…").press("Enter")
    page.get_by_label("Find a property or value").fill("country")
    page.get_by_role("button", name="Compare Country").press("Enter")
    asked = page.get_by_label("What Country is compared with")
    expect(asked).to_be_focused()
    asked.fill("e")  # DE, whatever the case
    page.keyboard.press("Enter")
    expect(finding_of(page, "of 3 users did all 3 steps")).to_be_visible()
    page.keyboard.press("Escape")
    chip = page.get_by_role("button", name="Country contains e")
    expect(chip).to_be_visible()
    chip.click()
    expect(finding_of(page, "of 28 users did all 3 steps")).to_be_visible()
    page = visit.go("/usage/paths?where=country%5Bexists%5D:no")
    expect(page.get_by_text("No visits in these dates")).to_be_visible()


def test_users_of_a_link_by_what_else_they_did(used: House, visitor: Visitor) -> None:
    page = visitor(used).go("/usage?steps=signup%7Eshared")
    place(flow(page), "Signup → Shared").first.press("Enter")
    way = drawer(page).get_by_role("group", name=re.compile("^On the way"))
    way.get_by_role("button", name=re.compile("^Imported")).click()
    expect(drawer(page)).to_contain_text("9 users")
    way.get_by_role("button", name=re.compile("^Nothing else")).press("Enter")
    expect(drawer(page)).to_contain_text("0 users")


def test_users_of_a_value_within_a_day(used: House, visitor: Visitor) -> None:
    visit = visitor(used)
    page = visit.go(f"/usage?{STEPS}&by=country&grain=month&range=90d")
    page.get_by_role("slider", name=re.compile("^Share who did every step")).focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    whose = drawer(page).get_by_label("Of which country")
    expect(whose).to_be_visible()
    before = visit.where()
    whose.select_option(label="DE")
    visit.settle()
    assert visit.where() == f"{before}&those=is%3DDE"
    expect(drawer(page)).to_contain_text(re.compile("[0-3] users?"))


@pytest.mark.parametrize(
    ("where", "figure"),
    [
        ("/usage/engagement", "button:On 1 day:"),
        ("/usage/lifecycle?range=90d&grain=month", "figure:"),
        ("/usage/paths?range=90d", "button:Signup"),
    ],
)
def test_every_number_of_use_lists_its_users_and_keeps_them(
    where: str, figure: str, used: House, visitor: Visitor
) -> None:
    page = visitor(used).go(where)
    role, _, name = figure.partition(":")
    if role == "button":
        page.get_by_role("button", name=re.compile(f"^{name}")).first.focus()
    else:
        page.locator("figure [tabindex='0'], figure[tabindex='0']").first.focus()
        page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(drawer(page)).to_contain_text(re.compile(r"\d+ users?"))
    drawer(page).get_by_label("Name of the segment").fill(f"Of {where}")
    drawer(page).get_by_role("button", name="Save").click()
    expect(drawer(page)).to_contain_text("Saved as")


def test_stickiness_is_a_line_and_bars_of_so_many_days_or_more(
    used: House, visitor: Visitor
) -> None:
    page = visitor(used).go("/usage/engagement")
    expect(finding_of(page, "On a usual day come")).to_be_visible()
    page.get_by_role("radio", name="On so many or more").click()
    page.get_by_role("button", name=re.compile("^On 1 day or more: 28 users")).press("Enter")
    expect(drawer(page).locator("tbody tr")).to_have_count(28)
