"""The table of products on a board, and a board that is shared with who sees fewer of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, Response, WebSocket, expect

from tests.browser.conftest import House
from tests.browser.test_boards import REVENUE, board_of, made, saved, span, tile
from tests.browser.visit import NARROW, WIDE, Visit

Visitor = Callable[..., Visit]

OTHERS = re.compile(r"\b(docs|desk)\b", re.IGNORECASE)  # what a viewer of Mail must not meet


def rows_of(table: Locator) -> list[tuple[str, str]]:
    """Each product with its first figure as it is said in full."""
    found: list[tuple[str, str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [row.querySelector('th a').textContent,"
        " row.querySelector('.number a').title.split(': ')[1]])"
    )
    return [tuple(one) for one in found]  # type: ignore[misc]


def test_the_products_of_home_are_put_on_a_board_and_say_the_same(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    page = visit.go("/")
    at_home = rows_of(page.get_by_role("region", name="Products", exact=True))
    assert [name for name, _ in at_home] == ["Desk", "Docs", "Mail"]
    page.get_by_role("button", name="More of Products").click()
    page.get_by_role("menuitem", name="Add to a board").click()
    form = page.get_by_role("dialog", name="Add to a board")
    form.get_by_label("Board").select_option(label="A new board")  # beside those of other tests
    form.get_by_role("textbox").fill("Portfolio")
    form.get_by_role("button", name="Add", exact=True).click()
    form.get_by_role("link", name="Portfolio").click()
    visit.settle()
    table = tile(page, "Net revenue by product")
    assert rows_of(table) == at_home
    expect(table.get_by_role("columnheader", name="Signups")).to_be_visible()
    # Sorted by name, which the address keeps.
    table.get_by_role("button", name="Product", exact=True).click()
    assert [name for name, _ in rows_of(table)] == ["Desk", "Docs", "Mail"]
    page.keyboard.press("Enter")
    assert [name for name, _ in rows_of(table)] == ["Mail", "Docs", "Desk"]
    assert "sort-1=-name" in visit.where()
    for size in (WIDE, NARROW):
        for theme in ("light", "dark"):
            visit.wear(size, theme)
            page.wait_for_timeout(250)  # until colours have turned
            visit.picture(f"board-products-{size[0]}-{theme}")
            assert visit.barriers() == []
        assert visit.overflow() == 0
    # Where there is no room the other figures make way for the tile's own.
    expect(table.get_by_role("columnheader", name="Signups")).to_be_hidden()
    visit.wear(WIDE, "light")
    table.get_by_role("link", name="Mail", exact=True).click()
    expect(page.get_by_role("heading", name="Mail", exact=True)).to_be_visible()


def test_a_table_of_products_is_added_by_hand_of_another_metric(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    visit.go("/boards")
    made(visit, REVENUE, name="Of signups")
    page = visit.page
    page.get_by_role("button", name="Add a tile").first.click()
    form = page.get_by_role("dialog", name="Add a tile")
    form.get_by_role("radio", name="Products", exact=True).click()
    form.get_by_label("Metric").select_option(label="Signups")
    assert visit.barriers() == []
    form.get_by_role("button", name="Add", exact=True).click()
    saved(page)
    visit.settle()
    answer = visit.ask("/v1/query?metric=signups&by=product&" + span(visit))
    totals = {line["key"].title(): line["total"] for line in answer["series"]}
    said = {name: int(total) for name, total in rows_of(tile(page, "Signups by product"))}
    assert said == totals


SHARED: tuple[dict[str, Any], ...] = (
    {"id": "1", "kind": "number", "metric": "signups", "x": 0, "y": 0, "w": 4, "h": 2},
    {"id": "2", "kind": "number", "metric": "signups", "products": ["docs"], "x": 4, "y": 0}
    | {"w": 4, "h": 2, "title": "Of Docs alone"},
    {"id": "3", "kind": "series", "metric": "signups", "by": "product", "x": 0, "y": 2}
    | {"w": 6, "h": 4},
    {"id": "4", "kind": "bars", "metric": "signups", "by": "product", "x": 6, "y": 2}
    | {"w": 6, "h": 4},
    {"id": "5", "kind": "products", "metric": "signups", "x": 0, "y": 6, "w": 12, "h": 4},
    {"id": "6", "kind": "funnel", "x": 0, "y": 10, "w": 12, "h": 6}
    | {"of": {"funnel": {"steps": [{"event": "signup"}, {"event": "activation"}]}}},
    {"id": "7", "kind": "funnel", "x": 0, "y": 16, "w": 12, "h": 3}
    | {"of": {"funnel": {"steps": [{"event": "signup", "product": "desk"}, {"event": "signup"}]}}},
    {"id": "8", "kind": "lifecycle", "x": 0, "y": 19, "w": 12, "h": 6, "of": {"lifecycle": {}}},
)  # fmt: skip


def overheard(page: Page) -> list[tuple[str, str]]:
    """All that the server says to a page from now on: where, and what."""
    said: list[tuple[str, str]] = []

    def answered(response: Response) -> None:
        if "/v1/" in response.url and "json" in response.headers.get("content-type", ""):
            said.append((response.url, response.text()))

    def opened(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: said.append((socket.url, str(frame))))

    page.on("response", answered)
    page.on("websocket", opened)
    return said


def test_who_sees_fewer_products_sees_only_theirs_on_a_shared_board(
    acme: House, visitor: Visitor
) -> None:
    ada = visitor(acme)
    ada.go("/boards")
    made(ada, *SHARED, name="For everybody")
    board = board_of(ada)
    key = acme.served.run("key", "create", "--name", "Kim", "--scope", "read", "--product", "mail")[
        "key"
    ]
    kim = visitor(acme.served, extra_http_headers={"Authorization": f"Bearer {key}"})
    said = overheard(kim.page)
    page = kim.go(f"/boards/{board['id']}?edit=1")  # and asks to change it
    expect(page.get_by_role("heading", name="For everybody")).to_be_visible()
    expect(page.get_by_text("You may not see this product")).to_have_count(2)
    mail = kim.ask("/v1/query?metric=signups&product=mail&" + span(ada))["series"][0]["total"]
    expect(tile(page, "Signups").locator(".value")).to_have_attribute("title", f"{mail:,}")
    assert rows_of(tile(page, "Signups by product").last) == [("Mail", f"{mail:,}")]
    bars = tile(page, "Signups by product").nth(1).get_by_role("listitem")
    expect(bars).to_have_count(1)
    expect(bars).to_contain_text("Mail")
    expect(tile(page, "Funnel")).to_be_visible()

    for size in (WIDE, NARROW):
        kim.wear(size, "light")
        kim.picture(f"board-fewer-products-{size[0]}-light")
    page.get_by_role("button", name="All products").click()  # what may be chosen above
    expect(page.get_by_text("Mail").first).to_be_visible()
    page.keyboard.press("Escape")
    assert OTHERS.findall(page.locator("body").inner_text()) == []
    links = page.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href') ?? '')")
    assert [link for link in links if OTHERS.search(link)] == []
    # The search knows what may be found, too.
    page.keyboard.press("/")
    page.get_by_role("combobox").fill("des")
    page.wait_for_timeout(500)
    assert OTHERS.findall(page.get_by_role("dialog").inner_text()) == []
    page.keyboard.press("Escape")
    assert said, "nothing was overheard"
    assert {url for url, words in said if OTHERS.search(words)} == set()

    # Nothing can be changed, neither on the page nor past it.
    for name in ("Arrange", "Add a tile", "Delete", "Done", "Change"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^(Move|Take) "))).to_have_count(0)
    for method, path in (
        ("PUT", f"/v1/boards/{board['id']}"),
        ("DELETE", f"/v1/boards/{board['id']}"),
    ):
        status, _, answer = acme.served.call(
            method,
            path,
            json.dumps({"name": "Mine now", "tiles": []}).encode() if method == "PUT" else None,
            **{"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        assert (status, json.loads(answer)["error"]["code"]) == (403, "not_yours")
    assert board_of(ada) == board
