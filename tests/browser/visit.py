"""An open page of one visitor: where it goes, what it asks, everything it complains about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.served import Served

ROOT = Path(__file__).parents[2]
PICTURES = Path(__file__).parent / "pictures"
AXE = ROOT / "ui/node_modules/axe-core/axe.min.js"
OWNER = {"name": "Ada", "email": "ada@example.com", "password": "four walls and a roof"}
WIDE, NARROW = (1440, 900), (390, 844)

# What breaks the content policy says so as an event, also where the console keeps quiet.
WATCH = """addEventListener('securitypolicyviolation', (event) =>
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI}`));"""

# A chart is told its width behind the layout of a frame, and stands there before it is painted.
NEXT = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


class Visit:
    """A page in a context of its own; `complaints` are its errors, warnings and broken policies."""

    def __init__(self, context: BrowserContext, served: Served) -> None:
        self.context = context
        self.served = served
        self.complaints: list[str] = []
        self.forgiven: list[str] = []
        context.add_init_script(WATCH)
        self.page: Page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def forgive(self, pattern: str) -> None:
        """Complaints that the test itself provokes."""
        self.forgiven.append(pattern)

    def unforgiven(self) -> list[str]:
        """The complaints that nobody expected."""
        return [
            said
            for said in self.complaints
            if not any(re.search(pattern, said) for pattern in self.forgiven)
        ]

    def go(self, path: str) -> Page:
        """Load an address of this server, until all that it asked is answered."""
        self.page.goto(self.served.address + path)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Until the page is shown, nothing on it waits for an answer, and its charts are drawn."""
        expect(self.page.locator("h1").first).to_be_attached()
        expect(self.page.get_by_role("main")).to_be_visible()
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)
        expect(self.page.get_by_label("Loading", exact=True)).to_have_count(0)
        self.page.evaluate(NEXT)

    def live(self) -> None:
        """Until the page hears the server."""
        expect(self.page.locator(".link")).to_have_class(re.compile(r"\blive\b"), timeout=30_000)

    def ask(self, path: str) -> Any:
        """A GET as this visitor."""
        return self.page.evaluate("path => fetch(path).then(answer => answer.json())", path)

    def where(self) -> str:
        """The address without the server's part."""
        return self.page.url.removeprefix(self.served.address)

    def picture(self, name: str) -> None:
        """Keep what is seen, to be looked at by a person."""
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")

    def barriers(self) -> list[str]:
        """What keeps people from using the page, as `rule: where`."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(
            "axe.run({resultTypes: ['violations']}).then(({violations}) => violations)"
        )
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in found
            for node in rule["nodes"]
        ]

    def overflow(self) -> int:
        """Pixels that the page is wider than its window."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width

    def wear(self, size: tuple[int, int], theme: str) -> None:
        """Change the window's size and the system's colours."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")


def owner_link(served: Served) -> str:
    """The one-time link that the server printed, less its address."""
    found = re.search(r"(/setup\?token=\S+)", served.log.read_text())
    assert found, served.log.read_text()
    return found[1]


def become_owner(visit: Visit) -> None:
    """Follow the one-time link and fill in its form."""
    page = visit.page
    page.goto(visit.served.address + owner_link(visit.served))
    page.get_by_label("Your name").fill(OWNER["name"])
    page.get_by_label("E-mail address").fill(OWNER["email"])
    page.get_by_label("Password").fill(OWNER["password"])
    with page.expect_response("**/v1/owner"):
        page.get_by_role("button", name="Begin").click()
    visit.settle()


def ingest_key(served: Served) -> str:
    """A key that may send events."""
    made = served.run("key", "create", "--name", "test", "--scope", "ingest")
    key: str = made["key"]
    return key


def post(served: Served, key: str, events: Iterable[dict[str, Any]]) -> int:
    """Send events, until they are in the numbers; how many were taken."""
    status, _, body = served.call(
        "POST",
        "/v1/events?wait=applied",
        json.dumps(list(events)).encode(),
        **{"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    answer = json.loads(body)
    assert status in (200, 202), answer
    assert answer["rejected"] == [], answer
    accepted: int = answer["accepted"]
    return accepted
