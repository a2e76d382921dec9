"""How products are used: a funnel built with the keyboard, its branches, cohorts, its people."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import House
from tests.browser.test_demo import look_at
from tests.browser.visit import Visit, become_owner, ingest_key, post
from tests.served import Served

Visitor = Callable[..., Visit]

CONFIG = """\
[workspace]
name = "Acme"

[[products]]
id = "mail"
name = "Mail"
"""
STEPS = "steps=signup%7Eimported%7Cinvited%7Eshared"
PAGES = {
    "use-funnels": f"/usage?{STEPS}&by=country",
    "use-routes": f"/usage?{STEPS}&view=table",
    "use-retention": "/usage/retention",
    "use-engagement": "/usage/engagement",
    "use-lifecycle": "/usage/lifecycle?range=90d&grain=week",
    "use-paths": "/usage/paths",
    "use-segments": "/usage/segments",
}
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def month(back: int) -> dt.date:
    """The first day of the month so many months ago."""
    today = dt.datetime.now(dt.UTC).date()
    number = today.year * 12 + today.month - 1 - back
    return dt.date(number // 12, number % 12 + 1, 1)


def named(day: dt.date) -> str:
    """A month as cohorts are called."""
    return f"{MONTHS[day.month - 1]} {day.year}"


def events() -> Iterator[dict[str, object]]:
    """28 sign up: 12 import and 9 of them share, 10 invite and 2 share, 6 do neither.

    Of those who began four months ago 8 of 20 came back a month later, then 11 of 20.
    """
    entered = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=20)

    def event(who: str, kind: str, at: dt.datetime, name: str = "") -> dict[str, object]:
        metadata = {"country": "DE" if who.endswith("1") else "US"} | (
            {"name": name} if name else {}
        )
        return {
            "product_id": "mail",
            "event_type": kind,
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "actor_id": who,
            "idempotency_key": f"{who}/{kind}/{name}/{at:%Y-%m-%d}",
            "metadata": metadata,
        }

    for one in range(28):
        who = f"new-{one}"
        yield event(who, "signup", entered)
        branch = "imported" if one < 12 else "invited" if one < 22 else ""
        if branch:
            yield event(who, "engagement", entered + dt.timedelta(minutes=5), branch)
        if one < 9 or 12 <= one < 14:
            yield event(who, "engagement", entered + dt.timedelta(minutes=65), "shared")
    for back, stayed in ((4, 8), (3, 11)):
        began = dt.datetime.combine(month(back), dt.time(12), dt.UTC) + dt.timedelta(days=3)
        for one in range(20):
            who = f"cohort-{back}-{one}"
            yield event(who, "signup", began)
            if one < stayed:
                after = dt.datetime.combine(month(back - 1), dt.time(12), dt.UTC)
                yield event(who, "session", after + dt.timedelta(days=4))


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    """A company whose users can be counted by hand."""
    folder = tmp_path_factory.mktemp("used")
    (folder / "upwell.toml").write_text(CONFIG)
    house = House(Served(folder / "data", config=folder / "upwell.toml"))
    try:
        context = browser.new_context()
        become_owner(Visit(context, house.served))
        house.signed_in = context.storage_state()
        context.close()
        house.key = ingest_key(house.served)
        made = list(events())
        assert post(house.served, house.key, made) == len(made)
        yield house
    finally:
        house.served.stop()


def pick(page: Page, button: str, event: str) -> None:
    """Open a list of events and choose one, with the keyboard alone."""
    page.get_by_role("button", name=re.compile(f"^{button}")).first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Find an event")).to_be_focused()
    page.keyboard.type(event)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Find an event")).to_have_count(0)


def flow(page: Page) -> Locator:
    """The picture of the routes."""
    return page.get_by_role("figure", name="Routes through the funnel")


def place(routes: Locator, said: str) -> Locator:
    """A box or band of the picture, by how what it says begins."""
    return routes.get_by_role("button", name=re.compile(f"^{re.escape(said)}"))


def finding_of(page: Page, words: str) -> Locator:
    """A title that states this finding."""
    return page.get_by_role("heading", name=re.compile(re.escape(words)))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_use_fits_reads_and_keeps_the_rules(
    name: str, used: House, visitor: Visitor
) -> None:
    assert look_at(name, PAGES[name], visitor(used)) == []


def test_the_first_view_is_a_funnel_of_what_came(used: House, visitor: Visitor) -> None:
    page = visitor(used).go("/")
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Usage")).to_be_visible()
    expect(page.get_by_role("listitem", name="Step 1")).to_contain_text("Session")
    expect(page.get_by_role("listitem", name="Step 2")).to_contain_text("Signup")
    expect(page.get_by_role("listitem", name="Step 3")).to_contain_text("Use")


def test_a_funnel_is_built_with_the_keyboard_and_says_where_they_leave(
    used: House, visitor: Visitor
) -> None:
    visit = visitor(used)
    page = visit.go("/usage")
    pick(page, "Step 1:", "signup")
    pick(page, "Step 2:", "imported")
    pick(page, "Alternative for step 2:", "invited")
    pick(page, "Step 3:", "shared")
    visit.settle()
    assert STEPS in visit.where()
    finding = "11 of 28 users did all 3 steps, 39.3%; most leave after Invited: 8, 80.0%"
    expect(finding_of(page, finding)).to_be_visible()

    # The branches make the step, and whoever is on one goes on or leaves.
    routes = flow(page)
    for said in ("2. Imported: 12 users", "2. Invited: 10 users", "Imported → Shared: 9 users"):
        expect(place(routes, said)).to_have_count(1)

    # Arrows lead through the picture to the eight who left, and Enter to who they are.
    routes.get_by_role("button").first.focus()
    left = place(routes, "Invited → went no further: 8 users")
    for _ in range(routes.get_by_role("button").count()):
        if left.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("ArrowRight")
    expect(left).to_be_focused()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="The users behind it")
    expect(drawer.locator("tbody tr")).to_have_count(8)
    expect(drawer).to_contain_text("8 users")

    # They are kept as a segment, and another question is asked of them alone.
    drawer.get_by_label("Name of the segment").fill("Left after inviting")
    drawer.get_by_role("button", name="Save").click()
    expect(drawer).to_contain_text("Saved as “Left after inviting”.")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    page.reload()
    visit.settle()
    page.get_by_role("button", name=re.compile("^Users:")).click()
    page.get_by_role("menuitemradio", name="Left after inviting").click()
    visit.settle()
    expect(
        page.get_by_role("heading", name=re.compile("^0 of 8 users did all 3 steps"))
    ).to_be_visible()


def test_a_route_stays_lit_while_it_is_looked_at(used: House, visitor: Visitor) -> None:
    page = visitor(used).go(f"/usage?{STEPS}")
    bands = flow(page).locator("svg path[fill-opacity]")
    before = bands.evaluate_all("all => all.map(one => one.getAttribute('fill-opacity'))")
    place(flow(page), "2. Invited").hover()
    expect(flow(page).locator("svg path[fill-opacity='0.08']").first).to_be_attached()
    after = bands.evaluate_all("all => all.map(one => one.getAttribute('fill-opacity'))")
    assert len(before) == len(after)
    assert 0 < after.count("0.42") < len(after)


def test_a_part_of_the_breakdown_becomes_a_filter(used: House, visitor: Visitor) -> None:
    visit = visitor(used)
    page = visit.go(f"/usage?{STEPS}&by=country")
    page.get_by_role("region", name="Funnel by country").get_by_role("button", name="DE").click()
    visit.settle()
    expect(page.get_by_role("button", name="Country: DE")).to_be_visible()
    expect(
        page.get_by_role("heading", name=re.compile(r"of 3 users did all 3 steps"))
    ).to_be_visible()
    page.go_back()
    visit.settle()
    expect(finding_of(page, "of 28 users")).to_be_visible()


def test_a_cohort_is_read_beside_the_one_before_it(used: House, visitor: Visitor) -> None:
    visit = visitor(used)
    page = visit.go("/usage/retention")
    earlier, later = named(month(4)), named(month(3))
    page.get_by_role("button", name=later, exact=True).click()
    finding = f"{later} keeps better than {earlier}: 55.0% against 40.0% after 1 month"
    expect(finding_of(page, finding)).to_be_visible()
    page.get_by_role("button", name=re.compile("1 month on: 55.0%, 11 of 20 users")).click()
    drawer = page.get_by_role("dialog", name="The users behind it")
    expect(drawer.locator("tbody tr")).to_have_count(11)
    drawer.get_by_role("radio", name="Did not").click()
    expect(drawer.locator("tbody tr")).to_have_count(9)


def test_a_question_that_cannot_be_asked_says_what_to_change(used: House, visitor: Visitor) -> None:
    visit = visitor(used)
    visit.forgive("400")
    page = visit.go("/usage?steps=signup%7Enothing_like_it")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("nothing_like_it")
    expect(page.get_by_role("button", name="Try again")).to_have_count(1)
    page.get_by_role("button", name="Start again").click()
    visit.settle()
    expect(flow(page)).to_be_visible()
