"""Pages of another site: `upwell.js` and Mixpanel's own script, sending with public keys."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import reader
from tests.served import Served

MIXPANEL = Path(__file__).parents[1] / "sdk/node_modules/mixpanel-browser/dist/mixpanel.umd.js"
CONFIG = """\
[workspace]
name = "Acme"

[[products]]
id = "shop"

[[products]]
id = "mixed"
"""
Count = Callable[[str, str], float]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "upwell.toml").write_text(CONFIG)
    with Served(folder / "data", config=folder / "upwell.toml") as served:
        yield served


@pytest.fixture(scope="module")
def count(shop: Served) -> Count:
    ask = reader(shop)

    def total(metric: str, product: str) -> float:
        today = datetime.now(UTC).date()
        span = {"from": str(today - timedelta(days=2)), "to": str(today + timedelta(days=2))}
        asked = urlencode({"metric": metric, "product": product, **span})
        (line,) = ask(f"/v1/query?{asked}")["series"]
        return float(line["total"])

    return total


def becomes(read: Callable[[], Any], expected: Any) -> None:
    """Until that is what is read, or ten seconds have passed."""
    until = time.monotonic() + 10
    while (found := read()) != expected and time.monotonic() < until:
        time.sleep(0.1)
    assert found == expected


class Site:
    """Another site: every address of it answers with one page."""

    def __init__(self) -> None:
        self.html = ""
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"<!doctype html><title>Shop</title>{outer.html}".encode()
                icon = self.path == "/favicon.ico"
                self.send_response(204 if icon else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                if not icon:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.other = f"http://localhost:{self.server.server_port}"

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def visit(self, context: BrowserContext, html: str) -> tuple[Page, list[str]]:
        """A page of it that is nothing but this; and what its console says."""
        self.html = html
        page, said = context.new_page(), list[str]()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
        return page, said


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def public_key(served: Served, product: str, site: Site) -> str:
    """A key that a page may hold."""
    words = ("--scope", "ingest", "--product", product, "--public", "--origin", site.address)
    return str(served.run("key", "create", "--name", f"{product}-web", *words)["key"])


def script(served: Served, key: str, more: str = "") -> str:
    """The snippet, as the documentation has it."""
    place = f'src="{served.address}/upwell.js" data-key="{key}" data-product="shop"'
    return f"<script defer {place} {more}></script>"


def test_a_site_is_counted_without_cookies(
    shop: Served, site: Site, count: Count, context: BrowserContext
) -> None:
    page, said = site.visit(context, script(shop, public_key(shop, "shop", site)))
    page.goto(f"{site.address}/?utm_source=letter&secret=1")
    becomes(lambda: count("page_views", "shop"), 1)
    page.evaluate("history.pushState({}, '', '/pricing')")
    page.evaluate("history.pushState({}, '', '/pricing#faq')")
    page.evaluate("upwell.track('Opened', {depth: {a: 1}, size: 3, none: null})")
    page.evaluate("upwell.track('Joined', {}, 'signup')")
    page.evaluate("upwell.identify('u1')")
    page.goto(f"{site.address}/bye")
    becomes(lambda: count("page_views", "shop"), 3)
    becomes(lambda: count("signups", "shop"), 1)
    assert count("sessions", "shop") == 1
    assert count("visitors", "shop") == 1
    assert context.cookies() == []
    assert said == []
    rows = reader(shop)("/v1/rows?" + urlencode({"metric": "page_views", "product": "shop"}))
    assert "secret" not in json.dumps(rows)
    assert {row["event"]["metadata"]["channel"] for row in rows["rows"][-1:]} == {"letter"}


def test_what_was_not_sent_is_sent_from_the_next_page(
    shop: Served, site: Site, count: Count, context: BrowserContext
) -> None:
    before = count("page_views", "shop")
    page, said = site.visit(context, script(shop, public_key(shop, "shop", site)))
    context.route("**/v1/events*", lambda route: route.abort())
    page.goto(f"{site.address}/one")
    page.wait_for_timeout(800)
    assert count("page_views", "shop") == before
    assert len(page.evaluate("JSON.parse(sessionStorage.upwell).queue")) == 2
    page.evaluate("navigator.sendBeacon = () => false")
    context.unroute("**/v1/events*")
    page.goto(f"{site.address}/two")
    becomes(lambda: count("page_views", "shop"), before + 2)
    assert all("ERR_FAILED" in one for one in said)


def test_a_page_that_closes_sends_by_beacon(
    shop: Served, site: Site, count: Count, context: BrowserContext
) -> None:
    before = count("page_views", "shop")
    page, _ = site.visit(context, script(shop, public_key(shop, "shop", site)))
    page.goto(f"{site.address}/short")
    page.close(run_before_unload=True)
    becomes(lambda: count("page_views", "shop"), before + 1)


def test_other_sites_wishes_and_other_keys(
    shop: Served, site: Site, count: Count, context: BrowserContext
) -> None:
    before = count("page_views", "shop")
    key = public_key(shop, "shop", site)
    page, said = site.visit(context, script(shop, key))
    page.goto(site.other)
    page.wait_for_timeout(1000)
    assert any("CORS" in one or "403" in one for one in said)
    context.add_init_script("Object.defineProperty(navigator, 'doNotTrack', {value: '1'})")
    page, said = site.visit(context, script(shop, key, "data-respect-dnt"))
    page.goto(site.address)
    page.evaluate("upwell.track('Opened')")
    page.wait_for_timeout(1000)
    assert said == []
    assert count("page_views", "shop") == before


def test_mixpanels_script_sends_here(
    shop: Served, site: Site, count: Count, context: BrowserContext
) -> None:
    key = public_key(shop, "mixed", site)
    library = MIXPANEL.read_text().replace("</script>", "<\\/script>")
    page, said = site.visit(context, f"<script>{library}</script>")
    page.goto(site.address)
    page.evaluate(
        """([token, host]) => new Promise((done) => mixpanel.init(token, {
          api_host: host, persistence: 'localStorage', track_pageview: false, batch_requests: true,
          batch_flush_interval_ms: 200, record_sessions_percent: 0, loaded: () => done(1)}))""",
        [key, f"{shop.address}/sdk/mixpanel"],
    )
    page.evaluate("mixpanel.track_pageview()")
    page.evaluate("mixpanel.track('Opened', {plan: 'team'})")
    page.evaluate("mixpanel.identify('u1')")
    page.evaluate("mixpanel.people.set({$email: 'u1@acme.example'})")
    page.evaluate("mixpanel.track('Left', {}, {transport: 'sendBeacon', send_immediately: true})")
    becomes(lambda: count("page_views", "mixed"), 1)
    becomes(lambda: count("actors", "mixed"), 1)  # who was not known and who is: one person
    assert [one for one in said if "CORS" in one] == []


def test_the_script_is_small_and_may_be_kept(shop: Served) -> None:
    status, headers, body = shop.get("/upwell.js")
    assert (status, headers["cache-control"]) == (200, "public, max-age=3600")
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert len(gzip.compress(body, 9)) <= 3 * 1024
    assert shop.get("/upwell.js", **{"If-None-Match": headers["etag"]})[0] == 304
