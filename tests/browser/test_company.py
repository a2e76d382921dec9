"""Journeys through a company whose numbers are known: read, narrow, drill, steer, watch."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from playwright.sync_api import Locator, expect

from tests.browser import company
from tests.browser.conftest import House
from tests.browser.visit import Visit, post
from tests.served import Served

Visitor = Callable[..., Visit]

# Changes of what is watched, with the wall clock of the machine that also posts.
MOVES = """(selector) => {
  const watched = document.querySelector(selector);
  const before = watched.textContent;
  window.moved = new Promise((resolve) => new MutationObserver(() => {
    if (watched.textContent !== before) resolve(Date.now());
  }).observe(watched, {subtree: true, childList: true, characterData: true}));
}"""


def kpi(visit: Visit, title: str) -> Locator:
    return visit.page.locator(".kpi").filter(has=visit.page.get_by_text(title, exact=True))


def shown(value: Any, unit: str) -> str:
    """A number as it stands on hover, made here from the API's own digits."""
    if unit == "money":
        return f"${Decimal(value):,.2f}"
    if unit == "ratio":
        return f"{Decimal(value) * 100:,.2f}%"
    return f"{round(Decimal(str(value)), 2).normalize():,f}"


def short(text: str) -> Decimal:
    """The number that a tile's short text stands for."""
    scales = {"k": 1_000, "M": 1_000_000}
    found = re.fullmatch(r"−?\$?([\d,.]+)([kM%]?)", text)
    assert found, text
    return Decimal(found[1].replace(",", "")) * scales.get(found[2], 1)


def days(first: int, end: int) -> tuple[str, str]:
    """Days of UTC, counted from today."""
    today = dt.datetime.now(dt.UTC).date()
    return (today + dt.timedelta(first)).isoformat(), (today + dt.timedelta(end)).isoformat()


def test_home_shows_the_numbers_of_the_api_which_are_those_of_the_events(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    page = visit.go("/")
    first, end = days(-27, 1)
    metrics = {one["title"]: one for one in visit.ask("/v1/metrics")["metrics"]}
    tiles = page.locator(".kpi")
    expect(tiles).to_have_count(6)
    for tile in tiles.all():
        title = tile.locator(".title").inner_text()
        metric = metrics[title]
        answer = visit.ask(
            f"/v1/query?metric={metric['name']}&from={first}&to={end}&compare=previous"
        )
        (series,) = answer["series"]
        value = tile.locator(".value")
        assert value.get_attribute("title") == shown(series["total"], metric["unit"]), title
        whole = Decimal(str(series["total"])) * (100 if metric["unit"] == "ratio" else 1)
        assert abs(short(value.inner_text()) - whole) <= whole / 200, title

    made = company.events()
    counted = {
        "Net revenue": shown(company.revenue(made, first, end), "money"),
        "Signups": shown(len(company.within(made, first, end, "signup")), "count"),
        "Cancellations": shown(len(company.within(made, first, end, "churn")), "count"),
    }
    for title, text in counted.items():
        expect(kpi(visit, title).locator(".value")).to_have_attribute("title", text)
    for product in company.PRODUCTS:
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=product))
        expect(row.get_by_title(re.compile("^Net revenue"))).to_have_attribute(
            "title",
            re.compile(re.escape(shown(company.revenue(made, first, end, product), "money"))),
        )


def test_a_product_by_plan_and_back(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/")
    page.get_by_role("rowheader").get_by_role("link", name="Docs").click()
    visit.settle()
    expect(page.get_by_role("heading", name="Docs", exact=True)).to_be_visible()
    page.get_by_role("navigation", name="Kinds of metrics").get_by_role(
        "link", name="Growth"
    ).click()
    page.get_by_role("region", name="Metrics").get_by_role(
        "link", name=re.compile("^Signups")
    ).click()
    page.get_by_role("tab", name="Country").click()
    visit.settle()
    first, end = days(-27, 1)
    signups = company.within(company.events(), first, end, "signup", product="docs")
    german = [event for event in signups if event["metadata"]["country"] == "DE"]
    figure = page.locator(".figure .value")
    expect(figure).to_have_text(str(len(signups)))
    page.get_by_role("region", name="Breakdown").get_by_role(
        "button", name=re.compile("DE")
    ).click()
    chip = page.get_by_role("button", name="Country: DE")
    expect(chip).to_be_visible()
    expect(figure).to_have_text(str(len(german)))
    assert "where=country:DE" in visit.where()
    page.go_back()
    expect(chip).to_have_count(0)
    expect(figure).to_have_text(str(len(signups)))
    page.go_forward()
    expect(figure).to_have_text(str(len(german)))
    page.reload()  # all of it is in the address
    expect(page.get_by_role("button", name="Country: DE")).to_be_visible()
    expect(figure).to_have_text(str(len(german)))
    page.get_by_role("button", name="Country: DE").click()
    expect(figure).to_have_text(str(len(signups)))


def test_from_a_point_to_its_events_to_the_bytes_that_came(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    day, after = days(-3, -2)
    page = visit.go("/products/mail?metric=revenue")
    chart = page.get_by_role("slider", name=re.compile("Net revenue"))
    chart.focus()
    for _ in range(3):  # it begins at today
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="Where this number comes from")
    expect(drawer).to_be_visible()
    paid = company.revenue(company.events(), day, after, "mail")
    expect(drawer.get_by_role("heading")).to_have_text(f"Net revenue: {shown(paid, 'money')}")
    rows = drawer.locator("tbody tr")
    expect(rows).to_have_count(
        len(company.within(company.events(), day, after, "revenue", "refund", product="mail"))
    )
    rows.first.get_by_role("button").click()
    original = page.get_by_role("dialog", name="As it came")
    (event,) = company.within(company.events(), day, after, "revenue", product="mail")
    expect(original.locator("mark")).to_have_text(event["idempotency_key"])
    assert event["actor_id"] in original.locator("pre").inner_text()
    assert visit.barriers() == []
    original.get_by_role("button", name="Back to the events").click()
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    assert visit.where() == "/products/mail?metric=revenue"


def test_the_palette_finds_pages_products_metrics_and_dates(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/")
    field = page.get_by_role("combobox", name=re.compile("^Search"))
    for typed, address in (
        ("desk", "/products/desk"),
        ("signups", "/products/desk?metric=signups"),
        ("last 90", "/products/desk?range=90d&metric=signups"),
        ("sources", "/sources?range=90d"),
    ):
        page.keyboard.press("Control+k")
        expect(field).to_be_focused()
        field.fill(typed)
        assert visit.barriers() == []
        page.keyboard.press("Enter")
        expect(field).to_have_count(0)
        visit.settle()
        assert visit.where() == address
    page.keyboard.press("/")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_have_count(0)


def test_everything_is_reached_without_a_mouse(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    for letter, place in (("p", "/products"), ("a", "/alerts"), ("r", "/reports"), ("l", "/live")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page).to_have_url(acme.served.address + place)
    for letter, place in (("s", "/sources"), ("e", "/settings"), ("h", "/")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page).to_have_url(acme.served.address + place)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Compare: vs last week")).to_be_visible()
    page.keyboard.press("[")
    expect(page.get_by_role("button", name="Later dates")).to_be_enabled()
    assert "compare=week" in visit.where()
    assert "range=20" in visit.where()
    page.keyboard.press("]")
    expect(page).to_have_url(f"{acme.served.address}/?compare=week")


def test_dates_and_comparison_change_what_is_asked(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/")
    made = company.events()
    page.get_by_role("button", name=re.compile("^Dates:")).click()
    page.get_by_role("menuitemradio", name="Last 7 days").click()
    visit.settle()
    signups = kpi(visit, "Signups")
    now = len(company.within(made, *days(-6, 1), "signup"))
    before = visit.ask(
        "/v1/query?metric=signups&from={}&to={}&compare=previous".format(*days(-6, 1))
    )["series"][0]["compare"]["total"]
    expect(signups.locator(".value")).to_have_text(str(now))
    expect(signups.locator(".from")).to_have_text(f"from {before}")

    page.get_by_role("button", name=re.compile("^Compare:")).click()
    page.get_by_role("menuitemradio", name="Off").click()
    expect(signups.locator(".from")).to_have_count(0)
    expect(signups.locator(".value")).to_have_text(str(now))

    page.get_by_role("button", name=re.compile("^Dates:")).click()
    first, last = days(-20, -11)
    page.get_by_label("From").fill(first)
    page.get_by_label("To", exact=True).fill(last)
    page.get_by_role("button", name="Show these dates").click()
    visit.settle()
    asked = len(company.within(made, *days(-20, -10), "signup"))
    expect(signups.locator(".value")).to_have_text(str(asked))
    assert visit.where() == f"/?range={first}..{days(-10, 0)[0]}&compare=off"
    page.go_back()
    page.go_back()
    expect(signups.locator(".from")).to_have_text(f"from {before}")


def test_the_colours_chosen_stay(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme, color_scheme="light")
    page = visit.go("/settings")
    ground = "getComputedStyle(document.querySelector('nav')).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("radio", name="Dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    visit.go("/")
    assert page.evaluate(ground) == dark
    visit.go("/settings").get_by_role("radio", name="As the system").click()
    assert page.evaluate(ground) == light
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == dark


def test_an_open_page_moves_when_an_event_is_posted(
    acme: House, visitor: Visitor, tell: Callable[[str], None]
) -> None:
    visit = visitor(acme)
    page = visit.go("/")
    visit.live()
    value = kpi(visit, "Signups").locator(".value")
    waits = []
    expect(value).not_to_have_text("")  # the figures come after the line is open
    for number in range(5):
        before = int(value.inner_text())
        value.evaluate("element => element.setAttribute('data-watched', '')")
        page.evaluate(MOVES, "[data-watched]")
        posted = time.time()
        assert post(acme.served, acme.key, [company.signup("mail", f"live-{number}")]) == 1
        waits.append(page.evaluate("() => window.moved") / 1000 - posted)
        expect(value).to_have_text(str(before + 1))
    tell(f"POST to changed page: {', '.join(f'{wait * 1000:.0f}' for wait in waits)} ms")
    assert max(waits) < 5


def test_the_live_page_shows_what_arrives(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/live")
    visit.live()
    post(acme.served, acme.key, [company.signup("desk", "seen-live")])
    row = page.get_by_role("region", name="Events as they arrive").get_by_role("row").first
    expect(row).to_contain_text("seen-live")
    expect(row).to_contain_text("Signup")


def test_a_server_that_is_away_is_said_and_its_return_is_noticed(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    visit.forgive("ERR_CONNECTION|WebSocket|ERR_EMPTY|ERR_INCOMPLETE")
    visit.forgive("preload assets")  # what looks for barriers reads styles over the network
    page = visit.go("/")
    visit.live()
    value = kpi(visit, "Signups").locator(".value")
    expect(value).not_to_have_text("")  # the figures come after the line is open
    before = value.inner_text()

    acme.served.stop()
    expect(page.get_by_role("status").get_by_text("Reconnecting")).to_be_visible()
    expect(value).to_have_text(before)  # the old picture stays
    visit.picture("away-home")
    assert visit.barriers() == []
    page.get_by_role("rowheader").get_by_role("link", name="Docs").click()
    expect(page.get_by_role("button", name="Try again").first).to_be_visible(timeout=10_000)
    visit.picture("away-product")
    assert visit.barriers() == []
    page.go_back()

    served = acme.served
    acme.served = Served(served.data, config=served.config, port=served.port)
    visit.live()
    expect(value).to_have_text(before)
    post(acme.served, acme.key, [company.signup("mail", "after-the-restart")])
    expect(value).to_have_text(str(int(before) + 1))


def test_a_page_that_cannot_begin_says_so_and_tries_again(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    visit.forgive("Failed to load resource")
    visit.page.route("**/v1/**", lambda route: route.abort())
    page = visit.page
    page.goto(acme.served.address)
    expect(page.get_by_role("heading", name="The server does not answer.")).to_be_visible()
    visit.picture("away-begin")
    assert visit.barriers() == []
    page.unroute("**/v1/**")
    page.get_by_role("button", name="Try again").click()
    visit.settle()
    expect(kpi(visit, "Signups")).to_be_visible()
