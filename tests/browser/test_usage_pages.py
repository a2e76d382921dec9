"""How products are used: a funnel built with the keyboard, its branches, cohorts, its people."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path

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
    "use-options": f"/usage?{STEPS}&not=session*2-3!&since=step&by=country&whose=step:2",
    "use-routes": f"/usage?{STEPS}&view=table",
    "use-retention": "/usage/retention",
    "use-engagement": "/usage/engagement",
    "use-lifecycle": "/usage/lifecycle?range=90d&grain=week",
    "use-paths": "/usage/paths",
    "use-segments": "/usage/segments",
    "use-saved": "/usage/saved",
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
    yield from company(tmp_path_factory.mktemp("used"), browser)


def company(folder: Path, browser: Browser) -> Iterator[House]:
    """A house in a directory whose users are those of `events`; stopped at the end."""
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
    finding = (
        f"{later} keeps better than {earlier} at 1 of 2 ages: 55.0% against 40.0% after 1 month"
    )
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


def test_a_step_is_narrowed_to_values_that_its_event_really_has(
    used: House, visitor: Visitor
) -> None:
    visit = visitor(used)
    page = visit.go(f"/usage?{STEPS}")
    page.get_by_role("button", name="Only some of Signup").click()
    page.get_by_label("Find a property or value").fill("DE")
    page.get_by_role("menuitemcheckbox", name="DE").click()
    page.keyboard.press("Escape")
    visit.settle()
    assert "signup%7Bcountry:DE%7D" in visit.where()
    expect(page.get_by_role("listitem", name="Step 1")).to_contain_text("only country: DE")
    expect(finding_of(page, "of 3 users did all 3 steps")).to_be_visible()


def test_what_must_not_happen_lies_between_two_steps_and_ends_or_hides(
    used: House, visitor: Visitor
) -> None:
    visit = visitor(used)
    page = visit.go("/usage?steps=signup%7Eimported%7Eshared")
    expect(finding_of(page, "9 of 28 users did all 3 steps")).to_be_visible()
    page.get_by_role("button", name="More ways to count").click()
    pick(page, "Without:", "imported")
    visit.settle()
    expect(finding_of(page, "0 of 28 users did all 3 steps")).to_be_visible()
    page.get_by_role("combobox", name="after").select_option("2. Imported")
    visit.settle()
    expect(finding_of(page, "9 of 28 users did all 3 steps")).to_be_visible()
    page.get_by_role("combobox", name="after").select_option("1. Signup")
    page.get_by_role("radio", name="leaves the user out").click()
    visit.settle()
    assert "not=imported%21" in visit.where()
    expect(finding_of(page, "0 of 16 users did all 3 steps")).to_be_visible()


def test_a_question_is_saved_opened_changed_renamed_and_deleted(
    used: House, visitor: Visitor
) -> None:
    visit = visitor(used)
    page = visit.go(f"/usage?{STEPS}")
    page.get_by_role("button", name="Saved questions").click()
    page.get_by_label("Name of the question").fill("Who shares")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as “Who shares”.")).to_be_visible()
    link = re.search(r"saved=(sav_\w+)", visit.where())
    assert link

    # Whoever is sent its link sees it; what is changed says so, and can be kept.
    page.goto(f"{used.served.address}/usage?saved={link[1]}")
    visit.settle()
    expect(finding_of(page, "11 of 28 users did all 3 steps")).to_be_visible()
    page.get_by_role("button", name="Within").click()
    page.get_by_role("menuitemradio", name="1 hour", exact=True).click()
    visit.settle()
    expect(finding_of(page, "0 of 28 users did all 3 steps")).to_be_visible()
    page.get_by_role("button", name="Saved questions: Who shares, changed").click()
    page.get_by_role("button", name="Save the changes to “Who shares”").click()
    expect(
        page.get_by_role("button", name="Saved questions: Who shares", exact=True)
    ).to_be_visible()

    page.get_by_role("link", name="All saved questions").click()
    page.get_by_role("button", name="Rename Who shares").click()
    page.get_by_label("New name of Who shares").fill("Within the hour")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“Who shares” is now “Within the hour”.")).to_be_visible()
    page.get_by_role("link", name="Within the hour").click()
    visit.settle()
    expect(finding_of(page, "0 of 28 users did all 3 steps")).to_be_visible()
    page.get_by_role("link", name="Saved").click()
    page.get_by_role("button", name="Delete Within the hour").click()
    expect(page.get_by_text("Nothing saved yet")).to_be_visible()


def test_every_count_of_a_step_and_of_a_part_leads_to_its_users(
    used: House, visitor: Visitor
) -> None:
    page = visitor(used).go(f"/usage?{STEPS}&by=country")
    drawer = page.get_by_role("dialog", name="The users behind it")
    steps = page.get_by_role("region", name="Steps", exact=True)
    parts = page.get_by_role("region", name="Funnel by country")
    for count, users in (
        (steps.get_by_role("button", name="22 users at step 2"), 22),
        (steps.get_by_role("button", name="6 went no further"), 6),
        (parts.get_by_role("row", name=re.compile("^DE")).get_by_role("button").nth(1), 3),
    ):
        count.click()
        expect(drawer.locator("tbody tr")).to_have_count(users)
        page.keyboard.press("Escape")
        expect(drawer).to_have_count(0)


def test_the_page_follows_what_comes(used: House, visitor: Visitor) -> None:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)

    def answer(who: str) -> None:
        both = [
            {
                "product_id": "mail",
                "event_type": "engagement",
                "actor_id": who,
                "timestamp": (at + later).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "idempotency_key": f"{who}/{name}",
                "metadata": {"name": name},
            }
            for name, later in (("asked", dt.timedelta()), ("answered", dt.timedelta(seconds=9)))
        ]
        assert post(used.served, used.key, both) == len(both)

    answer("early")
    visit = visitor(used)
    page = visit.go("/usage?steps=asked%7Eanswered")
    expect(finding_of(page, "1 of 1 user did all 2 steps")).to_be_visible()
    visit.live()
    answer("late")
    expect(finding_of(page, "2 of 2 users did all 2 steps")).to_be_visible(timeout=20_000)
