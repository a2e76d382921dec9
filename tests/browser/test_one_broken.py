"""One tile of a page fails, in each way that an answer can fail: it says so, the others stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.conftest import House
from tests.browser.visit import NARROW, WIDE, Visit

Visitor = Callable[..., Visit]
BUSY = {"code": "busy", "message": "The server is busy.", "fix": "Try again soon.", "where": ""}
FORBIDDEN = {"code": "forbidden", "message": "This is not yours.", "fix": "", "where": ""}
WAYS = {
    "busy": "The server is busy.",
    "forbidden": "This is not yours.",
    "broken": "The server answered with 500.",
    "no-json": "The server answered with 502.",
    "gone": "The server does not answer.",
}
# Pages whose tiles ask for themselves: what the broken one asks, and its title.
PAGES = {
    "lifecycle": ("/usage/lifecycle", "/v1/lifecycle"),
    "retention": ("/usage/retention", "/v1/retention"),
    "funnels": ("/usage", "/v1/funnel"),
    "engagement": ("/usage/engagement", "/v1/stickiness"),
}
# Every page in one way, and every way on one page.
BROKEN = [("busy", name) for name in PAGES] + [(way, "retention") for way in WAYS if way != "busy"]


def fails(route: Route, way: str) -> None:
    match way:
        case "busy":
            route.fulfill(status=503, json={"error": BUSY})
        case "forbidden":
            route.fulfill(status=403, json={"error": FORBIDDEN})
        case "broken":
            route.fulfill(status=500, body="")
        case "no-json":
            route.fulfill(status=502, body="<h1>Bad gateway</h1>")
        case _:
            route.abort()


def places(page: Page, broken: str) -> list[tuple[str, float, float]]:
    """Where every other part of the page stands, by its name."""
    found: list[tuple[str, float, float]] = page.locator("main section[aria-label]").evaluate_all(
        """(parts, broken) => parts.filter((one) => one.ariaLabel !== broken).map((one) => {
             const box = one.getBoundingClientRect();
             return [one.ariaLabel, Math.round(box.left), Math.round(box.width)];
           })""",
        broken,
    )
    return [tuple(one) for one in found]  # type: ignore[misc]


@pytest.mark.parametrize(("way", "name"), BROKEN)
def test_a_part_that_gets_no_answer_says_why_and_the_others_stand(
    way: str, name: str, acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    visit.forgive("status of 5|status of 4|Failed to load resource")
    path, asked = PAGES[name]
    failing, others = [True], 0

    def answer(route: Route) -> None:
        if failing:
            fails(route, way)
        else:
            route.continue_()

    visit.page.route(f"**{asked}*", answer)
    page = visit.go(path)
    said = page.get_by_text(WAYS[way]).first
    expect(said).to_be_visible()
    part = page.locator("main section[aria-label]").filter(has_text=WAYS[way]).first
    again = part.get_by_role("button", name="Try again").first
    expect(again).to_be_visible()
    if way == "busy":
        assert visit.barriers() == []
        visit.picture(f"one-broken-{name}")
        visit.wear(NARROW, "dark")
        assert visit.overflow() == 0
        visit.picture(f"one-broken-{name}-narrow")
        visit.wear(WIDE, "light")
    label = part.get_attribute("aria-label") or ""
    before = places(page, label)

    def heard(request: Any) -> None:
        nonlocal others
        if "/v1/" in request.url and asked not in request.url:
            others += 1

    page.on("request", heard)
    failing.clear()
    for _ in range(page.get_by_role("button", name="Try again").count()):
        page.get_by_role("button", name="Try again").first.click()
    visit.settle()
    expect(page.get_by_text(WAYS[way])).to_have_count(0)
    after = places(page, label)
    assert [one for one in after if one in before] == before
    assert others == 0  # nothing else was asked anew


class Spoiling:
    """Stands between a page and its server, and makes one answer of the live link an error."""

    def __init__(self, metric: str) -> None:
        self.metric, self.on, self.spoilt = metric, True, 0

    def join(self, page: WebSocketRoute) -> None:
        server = page.connect_to_server()
        page.on_message(server.send)

        def passed(said: str | bytes) -> None:
            found = json.loads(said)
            frames = found if isinstance(found, list) else [found]
            page.send(json.dumps([self._spoil(frame) for frame in frames]))

        server.on_message(passed)

    def _spoil(self, frame: dict[str, Any]) -> dict[str, Any]:
        answer = frame.get("answer")
        if not (self.on and answer and answer["question"]["metric"] == self.metric):
            return frame
        self.spoilt += 1
        return {"error": {**BUSY, "id": frame["id"]}}


def test_a_figure_that_fails_on_the_live_link_leaves_the_others(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    between = Spoiling("signups")
    visit.page.route_web_socket("**/v1/live", between.join)
    page = visit.go("/")
    said = page.get_by_text(BUSY["message"]).first
    expect(said).to_be_visible()
    assert between.spoilt > 0
    figures = page.locator(".value.tabular").filter(has_text="$")
    expect(figures.first).to_be_visible()
    visit.picture("one-figure-broken")
    assert visit.barriers() == []
    between.on = False
    page.get_by_role("button", name="Try again").first.click()
    expect(page.get_by_text(BUSY["message"])).to_have_count(0)
