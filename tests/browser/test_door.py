"""The way in: the one-time link, an empty workspace, out and in again, the first event."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser import company
from tests.browser.visit import OWNER, Visit, become_owner, ingest_key, owner_link, post
from tests.served import Served

Visitor = Callable[..., Visit]


def sign_in(visit: Visit, password: str) -> None:
    page = visit.page
    page.get_by_label("E-mail address").fill(OWNER["email"])
    page.get_by_label("Password").fill(password)
    with page.expect_response("**/v1/session"):
        page.get_by_role("button", name="Sign in").click()


def test_before_there_is_an_owner_the_page_says_how_to_become_one(
    empty: Served, visitor: Visitor
) -> None:
    page = visitor(empty).go("/")
    expect(page.get_by_role("heading", name="Upwell has no owner yet")).to_be_visible()


def test_the_one_time_link_makes_the_owner_once_and_an_empty_page_says_how_to_begin(
    empty: Served, visitor: Visitor
) -> None:
    visit = visitor(empty)
    link = owner_link(empty)
    visit.page.goto(empty.address + link)
    visit.picture("set-up")
    assert visit.barriers() == []
    become_owner(visit)
    expect(visit.page.get_by_role("heading", name="Nothing has arrived yet")).to_be_visible()
    assert visit.where() == "/"  # the token stays in no history
    visit.picture("first-steps-1440-light")

    late = visitor(empty)
    late.forgive("status of 4")
    become_owner(late)
    expect(late.page.get_by_role("alert")).to_be_visible()
    assert late.ask("/v1/session")["viewer"] is None


def test_signed_out_is_signed_out_also_for_who_kept_the_cookie(
    empty: Served, visitor: Visitor
) -> None:
    visit = visitor(empty)
    visit.forgive("status of 401")
    page = visit.go("/products/mail?range=90d")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    visit.picture("sign-in")
    assert visit.barriers() == []
    sign_in(visit, "not the password at all")
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(visit, OWNER["password"])
    expect(page.get_by_role("heading", name="Mail", exact=True)).to_be_visible()
    assert visit.where() == "/products/mail?range=90d"  # where one wanted to be

    kept = visit.context.cookies()
    page.get_by_role("button", name="You", exact=True).click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    visit.context.add_cookies(kept)  # type: ignore[arg-type]
    visit.go("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert visit.ask("/v1/products")["error"]["code"] == "signed_out"


def test_the_first_event_fills_the_open_page(empty: Served, visitor: Visitor) -> None:
    visit = visitor(empty)
    visit.go("/")
    sign_in(visit, OWNER["password"])
    page = visit.page
    steps = page.get_by_role("heading", name="Nothing has arrived yet")
    expect(steps).to_be_visible()
    visit.live()
    key = ingest_key(empty)
    assert post(empty, key, [company.signup("mail", "first")]) == 1
    expect(page.locator(".kpi", has_text="Signups").locator(".value")).to_have_text("1")
    expect(steps).to_have_count(0, timeout=10_000)
    expect(page.get_by_role("region", name="Needs you")).to_be_visible()
