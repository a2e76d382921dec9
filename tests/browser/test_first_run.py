"""A newcomer's first minutes: from an empty server to the first chart, by mouse and by keyboard."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import House
from tests.browser.visit import NARROW, OWNER, WIDE, Visit, become_owner, owner_link
from tests.served import Served

Visitor = Callable[..., Visit]
FIVE_MINUTES = 300.0  # seconds that a person has; a test hand is quicker


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[Served]:
    """A server without a configuration, that nobody owns."""
    with Served(tmp_path / "data") as served:
        yield served


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    """The same with an owner, for those who only look or who do not go all the way."""
    with Served(tmp_path_factory.mktemp("unnamed") / "data") as served:
        context = browser.new_context()
        become_owner(Visit(context, served))
        house = House(served, signed_in=context.storage_state())
        context.close()
        yield house


def paste(command: str) -> str:
    """What a terminal does with a command that was copied."""
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def copied(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def charted(page: Page, product: str) -> None:
    """The chart of the first event, on the product's page."""
    expect(page.get_by_role("heading", name=product, exact=True)).to_be_visible()
    chart = page.get_by_role("region", name="Signups", exact=True)
    expect(chart.get_by_text("1", exact=True).first).to_be_visible()


def looked_at(visit: Visit, name: str) -> None:
    """Pictures in both themes and sizes, without a barrier and without sideways scrolling."""
    for size in (WIDE, NARROW):
        for theme in ("light", "dark"):
            visit.wear(size, theme)
            visit.page.wait_for_timeout(250)  # until colours have turned
            visit.picture(f"first-run-{name}-{size[0]}-{theme}")
            assert visit.barriers() == [], (name, size, theme)
            assert visit.overflow() <= 0, (name, size, theme)
    visit.wear(WIDE, "light")


def test_by_mouse_an_empty_server_leads_to_the_first_chart(
    nothing: Served, visitor: Visitor
) -> None:
    visit = visitor(nothing, permissions=["clipboard-read", "clipboard-write"])
    page, began = visit.page, time.monotonic()
    become_owner(visit)
    expect(page.get_by_role("heading", name="Nothing has arrived yet")).to_be_visible()
    looked_at(visit, "name")

    page.get_by_label("Name", exact=True).fill("Acme")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_label("Currency").select_option("EUR")
    page.get_by_role("button", name="Name it").click()
    expect(page.get_by_text("Acme, Europe/Berlin, EUR")).to_be_visible()

    page.get_by_label("Product's name").fill("Acme Mail")
    expect(page.get_by_label("Its id in events")).to_have_value("acme-mail")
    page.get_by_role("button", name="Add product").click()
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("Waiting for the first event of Acme Mail")).to_be_visible()
    visit.live()
    looked_at(visit, "wait")

    page.get_by_role("radio", name="Look at a demo").click()
    expect(page.get_by_text("upwell demo --port 8010")).to_be_visible()
    page.get_by_role("radio", name="Connect Stripe").click()
    page.get_by_role("button", name="Connect Stripe").click()
    expect(page.get_by_label("Restricted key")).to_be_focused()
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Send an event").click()  # the key is still there

    programs = {}
    for language in ("Python", "Node", "curl"):
        page.get_by_role("radio", name=language).click()
        page.get_by_role("button", name="Copy", exact=True).click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        programs[language] = copied(page)
    sent = time.monotonic()
    assert '"accepted":1' in paste(programs["curl"])
    arrival = page.get_by_role("status").filter(has_text="Signup of user-1 in Acme Mail")
    expect(arrival).to_be_visible()
    seen = time.monotonic() - sent
    expect(page.get_by_role("heading", name="The first numbers are here")).to_be_visible()
    expect(page.locator(".kpi", has_text="Signups").locator(".value")).to_have_text("1")
    expect(page.locator(".kpi", has_text="Net revenue").locator(".value")).to_have_text("€0")
    looked_at(visit, "arrived")
    arrival_link = page.get_by_role("link", name="See its chart")
    arrival_link.click()
    charted(page, "Acme Mail")
    took = time.monotonic() - began
    print(f"by mouse: first chart after {took:.0f} s, the event on the page {seen:.2f} s after it")
    assert took < FIVE_MINUTES

    # The other programs send the same event, which is not counted again.
    assert "accepted" in paste(f"python3 - <<'END'\n{programs['Python']}\nEND")
    assert "accepted" in paste(f"node - <<'END'\n{programs['Node']}\nEND")
    visit.go("/")
    expect(page.get_by_role("heading", name="The first numbers are here")).to_have_count(0)
    expect(page.locator(".kpi", has_text="Signups").locator(".value")).to_have_text("1")


def reach(page: Page, name: str, role: str = "button") -> None:
    """Tab until what is called so has the focus."""
    target = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
    for _ in range(60):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"The keyboard does not come to {role} '{name}'.")


def test_by_keyboard_alone_an_empty_server_leads_to_the_first_chart(
    nothing: Served, visitor: Visitor
) -> None:
    visit = visitor(nothing, permissions=["clipboard-read", "clipboard-write"])
    page, began = visit.page, time.monotonic()
    page.goto(nothing.address + owner_link(nothing))
    expect(page.get_by_label("Your name")).to_be_visible()
    for label in ("Your name", "E-mail address", "Password"):
        reach(page, label, "textbox") if label != "Password" else page.keyboard.press("Tab")
        page.keyboard.type(
            OWNER[{"Your name": "name", "E-mail address": "email"}.get(label, "password")]
        )
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing has arrived yet")).to_be_visible()

    reach(page, "Name", "textbox")
    page.keyboard.type("Acme")
    page.keyboard.press("Tab")
    page.keyboard.type("Europe/Ber")  # a list goes to what is typed
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    page.keyboard.press("Tab")
    page.keyboard.type("EUR")
    expect(page.get_by_label("Currency")).to_have_value("EUR")
    reach(page, "Name it")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Product's name")).to_be_focused()  # one step leads to the next
    page.keyboard.type("Acme Mail")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Make a key")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Waiting for the first event of Acme Mail")).to_be_visible()
    visit.live()
    reach(page, "Copy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    paste(copied(page))
    expect(page.get_by_text("Signup of user-1 in Acme Mail")).to_be_visible()
    reach(page, "See its chart", "link")
    page.keyboard.press("Enter")
    charted(page, "Acme Mail")
    took = time.monotonic() - began
    print(f"by keyboard: first chart after {took:.0f} s")
    assert took < FIVE_MINUTES


EVERY = (
    "/revenue", "/usage", "/usage/retention", "/customers", "/products", "/live", "/alerts",
    "/reports", "/sources",
)  # fmt: skip


def test_every_page_of_an_empty_workspace_says_why_and_leads_on(
    unnamed: House, visitor: Visitor
) -> None:
    visit = visitor(unnamed)
    for path in EVERY:
        page = visit.go(path)
        expect(page.get_by_text("Nothing has arrived yet, so there is nothing")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
        assert visit.barriers() == [], path
        visit.picture(f"first-run-empty{path.replace('/', '-')}")
    page.get_by_role("link", name="Go on with the first steps").click()
    expect(page.get_by_role("heading", name="Nothing has arrived yet")).to_be_visible()
    visit.go("/settings/first-steps")
    expect(page.get_by_role("button", name="Name the workspace")).to_be_visible()


def test_steps_stay_ticked_and_products_are_kept_in_settings(
    unnamed: House, visitor: Visitor
) -> None:
    visit = visitor(unnamed)
    visit.forgive("status of 4")
    page = visit.go("/")
    page.get_by_role("button", name="Add your first product").click()
    page.get_by_label("Product's name").fill("Mail")
    page.get_by_role("button", name="Add product").click()
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("Waiting for the first event of Mail")).to_be_visible()
    visit.go("/")
    expect(
        page.get_by_role("button", name=re.compile("Add your first product ?, done"))
    ).to_be_visible()
    page.get_by_role("button", name="Let something arrive").click()
    expect(page.get_by_role("button", name="Make another key")).to_be_visible()

    visit.go("/settings/products")
    page.get_by_role("button", name="Add product").click()
    page.get_by_label("Product's name").fill("mail")
    page.get_by_label("Its id in events").fill("mail-2")
    page.get_by_role("button", name="Add product").click()
    expect(page.get_by_role("alert")).to_contain_text("is called Mail already")
    page.get_by_label("Product's name").fill("Docs")
    page.get_by_label("Its id in events").fill("docs")
    page.get_by_role("button", name="Add product").click()
    expect(page.get_by_role("row", name="Docs")).to_be_visible()
    page.get_by_role("button", name="Rename Mail").click()
    page.get_by_label("New name of Mail").fill("Post")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Post")).to_be_visible()
    page.get_by_role("button", name="Retire Docs").click()
    expect(page.get_by_role("row", name="Docs")).to_contain_text("retired")
    looked_at(visit, "products")

    visit.go("/settings")
    page.get_by_role("button", name="Change").click()
    page.get_by_label("Name", exact=True).fill("Acme")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Acme")).to_be_visible()
    expect(page.get_by_role("button", name="Change")).to_be_visible()
