"""One frame of a page: two hundred points of its tiles change at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, WebSocketRoute

POINTS, ROUNDS, QUICK_ROUNDS = 200, 20, 5
SETTLED = 700  # ms after a change, until its last transition is over


class Between:
    """Stands between a page and its server: keeps what was answered, and can speak itself."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.quiet = False  # nothing of the server's is passed on
        self._page: WebSocketRoute | None = None

    def join(self, page: WebSocketRoute) -> None:
        """Let both talk, and listen."""
        server, self._page = page.connect_to_server(), page
        page.on_message(server.send)

        def passed(said: str | bytes) -> None:
            if self.quiet:
                return
            found = json.loads(said)
            for frame in found if isinstance(found, list) else [found]:
                if "answer" in frame:
                    self.answers[frame["id"]] = frame["answer"]
            page.send(said)

        server.on_message(passed)

    def move(self, number: int) -> int:
        """Change the newest points of every series, as one message; how many were changed."""
        assert self._page is not None
        frames = list(_moved(self.answers, number))
        self._page.send(json.dumps(frames))
        return sum(len(frame["points"]) for frame in frames)


def _moved(answers: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    lines = sum(len(answer["series"]) for answer in answers.values())
    each, left = max(1, -(-POINTS // max(1, lines))), POINTS
    for id_, answer in answers.items():
        points, totals = [], {}
        for series in answer["series"]:
            for point in series["points"][-each:][:left]:
                value = _another(point["value"], number)
                points.append({**point, "key": series["key"], "value": value})
                left -= 1
            totals[series["key"]] = _another(series["total"], number)
        if points:
            yield {
                "id": id_, "points": points, "totals": totals, "position": answer["position"],
            }  # fmt: skip


def _another(value: Any, number: int) -> Any:
    """A value near the one there is, in its own form."""
    if value is None:
        return None
    if isinstance(value, str):
        return f"{float(value) * (1 + number / 50) + number:.2f}"
    return value + number if isinstance(value, int) else value * (1 + number / 200)


def measure(browser: Browser, address: str, size: tuple[int, int], rounds: int) -> dict[str, Any]:
    """CPU and wall seconds of the main thread's longest task in each change: its frame."""
    between = Between()
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
    page.route_web_socket("**/v1/live", between.join)
    page.goto(address)
    page.locator("tbody td.number.tabular a").nth(11).wait_for()
    page.wait_for_timeout(4000)  # what is read ahead
    between.quiet = True
    found: dict[str, Any] = {"cpu": [], "wall": [], "points": 0}
    for number in range(1, rounds + 3):
        browser.start_tracing(page=page, categories=["-*", "toplevel", "__metadata"])
        found["points"] = between.move(number)
        page.wait_for_timeout(SETTLED)
        cpu, wall = _longest(json.loads(browser.stop_tracing())["traceEvents"])
        if number > 2:  # the first ones compile
            found["cpu"].append(cpu)
            found["wall"].append(wall)
    page.context.close()
    return found


def _longest(events: list[dict[str, Any]]) -> tuple[float, float]:
    """The longest task of the busiest page's main thread."""
    mains = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        (one.get("tdur", 0) / 1e6, one["dur"] / 1e6)
        for one in events
        if one["ph"] == "X" and (one["pid"], one["tid"]) in mains
    ]
    return max(tasks)
