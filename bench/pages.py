"""Open pages in Chromium: come back to, filtered, forty tiles live; the script of the first one."""

from __future__ import annotations

import gzip
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench.figures import Section, Table, ms, percentile
from bench.house import Server, until
from bench.screen import CHROMIUM, FLAGS, HEIGHT, WATCH, WIDTH, demo, drawn

ROUNDS, QUICK_ROUNDS = 12, 3
WATCHED, QUICK_WATCHED = 20.0, 5.0  # seconds that frames are counted for
PER_SECOND = 20  # events that move the tiles
WARM_TARGET, FILTER_TARGET, SCRIPT_TARGET = 0.300, 0.150, 120_000
FRAME = 1 / 60
TILES = 40
PRODUCT = "mail"

# From the click that takes a filter away until every figure answers the new question.
_FILTER = """() => new Promise((resolve, reject) => {
  const old = () => document.querySelectorAll('.kpis .kpi.old, .kpis .wait').length;
  const began = performance.now();
  document.querySelector('.chips a.clear').click();
  let moved = false;
  const look = () => {
    moved ||= old() > 0;
    if (!old() && (moved || performance.now() - began > 100) && !document.querySelector('.chips')) {
      requestAnimationFrame(() => resolve(performance.now() - began));
    } else if (performance.now() - began > 10000) reject(new Error('the filter never showed'));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
_TILES = "() => document.querySelectorAll('.kpi .value.tabular, tbody td.number.tabular a').length"
_FRAMES = """(seconds) => new Promise((resolve) => {
  const times = [];
  let changes = 0;
  const watched = new MutationObserver((all) => { changes += all.length; });
  watched.observe(document.getElementById('main'),
    {subtree: true, childList: true, characterData: true, attributes: true});
  const began = performance.now();
  const look = (now) => {
    times.push(now);
    if (now - began < seconds * 1000) requestAnimationFrame(look);
    else { watched.disconnect(); resolve([times, changes]); }
  };
  requestAnimationFrame(look);
})"""


def run(work: Path, quick: bool) -> Section:
    """Come back to Home, filter it, and watch its tiles move."""
    with demo(work) as server:
        found = measure(
            server,
            QUICK_ROUNDS if quick else ROUNDS,
            QUICK_WATCHED if quick else WATCHED,
        )
    frames = found["frames"]
    late = sum(one > 1.5 * FRAME for one in frames)
    return Section(
        name="pages",
        title="Open pages",
        tables=(
            Table(
                title=f"Chromium, {WIDTH} x {HEIGHT}, {found['events']:,} events of the demo "
                "company, live events arriving",
                columns=("", "p50", "p95", "worst", "target"),
                rows=(
                    row("Home, come back to with a warm cache", found["warm"], WARM_TARGET),
                    row(
                        "Home, figures after a filter is taken away", found["filter"], FILTER_TARGET
                    ),
                    row(f"Between frames, {found['tiles']} tiles live", frames, FRAME),
                ),
            ),
            Table(
                title="Script and frames",
                columns=("", "", "target"),
                rows=(
                    (
                        "Script of the first page, gzipped",
                        f"{found['script'] / 1000:,.1f} kB",
                        f"{SCRIPT_TARGET / 1000:,.0f} kB",
                    ),
                    (
                        "CPU of a filter taken away, p50: page, server",
                        f"{ms(percentile(found['page_cpu'], 0.5))}, "
                        f"{ms(percentile(found['server_cpu'], 0.5))}",
                        "–",
                    ),
                    ("Frames a second", f"{len(frames) / sum(frames):.1f}", "60"),
                    ("Frames that came late (over 25 ms)", f"{late} of {len(frames)}", "0"),
                    ("Main thread busy while they moved", f"{found['busy']:.0%}", "–"),
                ),
            ),
        ),
        notes=(
            "Warm: the same browser loads Home again; from the navigation's start to the frame in "
            "which all figures stand there. Filter: from the click to the frame in which no figure "
            "is of the question before.",
            f"Tiles: key figures and a figure of each product by each metric; {PER_SECOND} events "
            f"a second arrived, {found['changes']} changes to the page were seen. Frames "
            "tell of the whole machine: what else runs on it shows in the late ones.",
            "Script: what the first page's HTML names, as it is sent; other pages are read later.",
        ),
        figures=found,
    )


def row(what: str, times: list[float], target: float) -> tuple[str, ...]:
    """One line of a table: the middle, the slow ones and the slowest, beside what is wanted."""
    shown = (percentile(times, 0.5), percentile(times, 0.95), max(times))
    return (what, *map(ms, shown), ms(target))


def measure(server: Server, rounds: int, seconds: float) -> dict[str, Any]:
    """Seconds of each, and bytes of script."""
    found: dict[str, Any] = {"script": script(server)}
    found["events"] = sum(p["events"] for p in server.json("GET", "/v1/products")["products"])
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = _opened(browser)
        found["warm"] = [_home(page, server.address) for _ in range(rounds + 1)][1:]
        found["filter"], found["page_cpu"], found["server_cpu"] = [], [], []
        for _ in range(rounds):
            page.goto(f"{server.address}/?products={PRODUCT}")
            page.locator(".kpis .kpi .value.tabular").nth(5).wait_for()
            time.sleep(2)  # what is read ahead
            busy, before = busy_of(page), sum(server.cpu().values())
            found["filter"].append(page.evaluate(_FILTER) / 1000)
            found["page_cpu"].append(busy())
            found["server_cpu"].append(sum(server.cpu().values()) - before)
        found |= _live(page, server, seconds)
        browser.close()
    return found


def _opened(browser: Browser) -> Page:
    page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
    page.add_init_script(WATCH)
    return page


def _home(page: Page, address: str) -> float:
    page.goto(address, wait_until="commit")
    return drawn(page) / 1000


def _live(page: Page, server: Server, seconds: float) -> dict[str, Any]:
    """Frames of Home while events of every product arrive."""
    _home(page, server.address)
    until(lambda: page.evaluate(_TILES) >= TILES, 60, f"{TILES} tiles", every=0.1)
    time.sleep(2)  # what is read ahead
    with _arriving(server):
        began, spent = time.perf_counter(), busy_of(page)
        times, changes = page.evaluate(_FRAMES, seconds)
        busy = spent() / (time.perf_counter() - began)
    frames = [(b - a) / 1000 for a, b in pairwise(times)]
    return {"frames": frames, "changes": changes, "busy": busy, "tiles": page.evaluate(_TILES)}


def busy_of(page: Page) -> Callable[[], float]:
    """From here on: CPU seconds that the page's main thread has spent since."""
    probe = page.context.new_cdp_session(page)
    probe.send("Performance.enable")

    def spent() -> float:
        metrics = probe.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    before = spent()
    return lambda: spent() - before


@contextmanager
def _arriving(server: Server) -> Iterator[None]:
    """Events of all products, a few at a time, until it is left."""
    products = [one["id"] for one in server.json("GET", "/v1/products")["products"]]
    kinds = ("page_view", "session", "signup", "engagement", "activation")
    ended = threading.Event()

    def send() -> None:
        number = 0
        while not ended.wait(0.25):
            now = datetime.now(UTC).isoformat()
            body = [
                {
                    "product_id": products[n % len(products)],
                    "event_type": kinds[n % len(kinds)],
                    "timestamp": now,
                    "actor_id": f"bench-{n}",
                    "idempotency_key": f"bench/{now}/{n}",
                }
                for n in range(number, number + PER_SECOND // 4)
            ]
            number += len(body)
            server.json("POST", "/v1/events", body)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def script(server: Server) -> int:
    """Bytes of the scripts that the first page's HTML names, gzipped."""
    _, page = server.call("GET", "/")
    total = 0
    for path in sorted(set(re.findall(r'"(/assets/[^"]+\.js)"', page.decode()))):
        _, body = server.call("GET", path, b"", **{"Accept-Encoding": "gzip"})
        total += len(body if body.startswith(b"\x1f\x8b") else gzip.compress(body))
    return total
