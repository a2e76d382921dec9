"""Boards: made, filled, arranged by mouse and by keyboard alone, found again, undone, deleted."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import House
from tests.browser.visit import NARROW, WIDE, Visit

Visitor = Callable[..., Visit]


def board_of(visit: Visit) -> dict[str, Any]:
    """The open board as the server has it."""
    found = re.search(r"/boards/(\w+)", visit.where())
    assert found is not None
    board: dict[str, Any] = visit.ask(f"/v1/boards/{found[1]}")
    return board


def saved(page: Page) -> None:
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def made(visit: Visit, *tiles: dict[str, Any], name: str = "Wall") -> None:
    """Opens a board of these tiles, to be arranged."""
    board = visit.page.evaluate(
        """async ([name, tiles]) => {
          const session = await (await fetch('/v1/session')).json();
          const answer = await fetch('/v1/boards', {
            method: 'POST',
            headers: {'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf ?? ''},
            body: JSON.stringify({name, tiles}),
          });
          return answer.json();
        }""",
        [name, list(tiles)],
    )
    assert "id" in board, board
    visit.go(f"/boards/{board['id']}?edit=1")


SIGNUPS = {"id": "1", "kind": "number", "metric": "signups", "x": 0, "y": 0, "w": 4, "h": 2}
REVENUE = {"id": "2", "kind": "number", "metric": "revenue", "x": 4, "y": 0, "w": 4, "h": 2}
CHART = {"id": "3", "kind": "series", "metric": "page_views", "x": 0, "y": 2, "w": 12, "h": 4}


def test_a_first_board_is_made_looked_at_and_named(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/boards")
    page.get_by_role("button", name=re.compile("^(Make a morning|New) board")).click()
    name = page.get_by_role("textbox", name="Name of the board")
    name.fill("Every morning")
    name.press("Enter")
    saved(page)
    page.get_by_role("button", name="Done").click()
    visit.settle()
    assert board_of(visit)["name"] == "Every morning"
    signups = visit.ask("/v1/query?metric=signups&" + span(visit))["series"][0]["total"]
    expect(tile(page, "Signups").locator(".value")).to_have_attribute("title", f"{signups:,}")
    for size in (WIDE, NARROW):
        for theme in ("light", "dark"):
            visit.wear(size, theme)
            visit.settle()
            visit.picture(f"board-{size[0]}-{theme}")
            assert visit.barriers() == []
        assert visit.overflow() == 0
    page.keyboard.press("/")  # the search knows it by its name
    page.get_by_role("combobox").fill("every mor")
    expect(page.get_by_role("option", name=re.compile("Every morning"))).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Boards").first.click()
    expect(page.get_by_role("link", name=re.compile("Every morning"))).to_be_visible()
    visit.wear(WIDE, "light")
    visit.picture("boards-1440-light")
    assert visit.barriers() == []


def places(visit: Visit) -> dict[str, tuple[int, ...]]:
    return {one["id"]: tuple(one[of] for of in "xywh") for one in board_of(visit)["tiles"]}


def test_tiles_are_moved_and_sized_by_keyboard_alone_and_stand_after_a_reload(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    visit.go("/boards")
    made(visit, SIGNUPS, REVENUE, CHART)
    page = visit.page
    page.get_by_role("button", name="Move Signups: column 1, row 1, 4 wide, 2 high").focus()
    page.keyboard.press("ArrowDown")  # past the chart below it, not one row into it
    moved = page.get_by_role("button", name="Move Signups: column 1, row 7, 4 wide, 2 high")
    expect(moved).to_be_focused()  # the focus goes along
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_role("status").filter(has_text="5 wide, 2 high. Saved.")).to_be_visible()
    arranged = {"1": (0, 6, 5, 2), "2": (4, 0, 4, 2), "3": (0, 2, 12, 4)}
    assert places(visit) == arranged
    page.reload()
    visit.settle()
    assert places(visit) == arranged
    tops = [tile(page, name).bounding_box() for name in ("Net revenue", "Signups")]
    assert tops[0] is not None
    assert tops[1] is not None
    assert tops[0]["y"] < tops[1]["y"]
    assert visit.barriers() == []
    page.get_by_role("button", name=re.compile("^Move Net revenue")).focus()
    page.keyboard.press("Delete")
    expect(tile(page, "Net revenue")).to_have_count(0)
    saved(page)
    assert places(visit) == {"3": (0, 0, 12, 4), "1": (0, 4, 5, 2)}  # no hole is left
    page.get_by_role("button", name="Undo").click()
    expect(tile(page, "Net revenue")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Undone. Saved.")).to_be_visible()
    assert places(visit) == arranged


def test_a_tile_is_dragged_and_the_others_make_room(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    visit.go("/boards")
    made(visit, SIGNUPS, REVENUE, CHART)
    page = visit.page
    grip = page.get_by_role("button", name=re.compile("^Move Net revenue")).bounding_box()
    target = tile(page, "Signups").bounding_box()
    assert grip is not None
    assert target is not None
    page.mouse.move(grip["x"] + 5, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(grip["x"] + 5 - (target["width"] + 16), grip["y"] + 5, steps=6)
    page.mouse.up()
    saved(page)
    assert places(visit) == {"2": (0, 0, 4, 2), "1": (0, 2, 4, 2), "3": (0, 4, 12, 4)}


def test_a_tile_is_added_changed_and_a_chart_is_put_on_the_board(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    visit.go("/boards")
    made(visit, name="Parts")
    page = visit.page
    page.get_by_role("button", name="Add a tile").first.click()
    form = page.get_by_role("dialog", name="Add a tile")
    form.get_by_role("radio", name="Bars").click()
    form.get_by_label("Metric").select_option(label="Signups")
    form.get_by_label("Split by").select_option(label="Country")
    assert visit.barriers() == []
    form.get_by_role("button", name="Add", exact=True).click()
    bars = tile(page, "Signups by country")
    expect(bars.get_by_role("listitem").first).to_be_visible()
    answer = visit.ask("/v1/query?metric=signups&by=country&" + span(visit))
    most = max(answer["series"], key=lambda line: line["total"])
    expect(bars.get_by_role("listitem").first).to_contain_text(most["key"])
    expect(bars.get_by_role("listitem").first).to_contain_text(str(most["total"]))
    bars.get_by_role("button", name="Change").click()
    page.get_by_role("dialog", name="Change a tile").get_by_label("Title").fill("Where from")
    page.get_by_role("button", name="Done").last.click()
    expect(tile(page, "Where from")).to_be_visible()
    saved(page)
    # From a chart elsewhere, by its menu.
    page = visit.go("/explore?metric=page_views")
    page.get_by_role("button", name="More of Page views").click()
    page.get_by_role("menuitem", name="Add to a board").click()
    pin = page.get_by_role("dialog", name="Add to a board")
    pin.get_by_label("Board").select_option(label="Parts")
    pin.get_by_role("button", name="Add", exact=True).click()
    pin.get_by_role("link", name="Parts").click()
    visit.settle()
    expect(tile(page, "Page views")).to_be_visible()
    assert [one["kind"] for one in board_of(visit)["tiles"]] == ["bars", "series"]


def test_a_board_is_copied_and_deleted_and_one_that_is_gone_says_so(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    visit.go("/boards")
    made(visit, SIGNUPS, name="Short-lived")
    page = visit.page
    page.get_by_role("button", name="Done").click()
    first = visit.where()
    page.get_by_role("button", name="Make a copy").click()
    expect(page.get_by_role("textbox", name="Name of the board")).to_have_value(
        "Short-lived, a copy"
    )
    visit.go(first + "?edit=1")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete “Short-lived”").click()
    expect(page.get_by_role("link", name=re.compile("Short-lived, a copy"))).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^Short-lived [^,]"))).to_have_count(0)
    visit.forgive("404")
    visit.go(first)
    expect(page.get_by_text("There is no such board")).to_be_visible()


def span(visit: Visit) -> str:
    """The page's days, as an address asks for them."""
    today = dt.date.fromisoformat(visit.ask("/v1/session")["workspace"]["today"])
    return f"from={today - dt.timedelta(27)}&to={today + dt.timedelta(1)}"
