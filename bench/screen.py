"""The first screen in Chromium, and going from page to page, on the demo company's two years."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench import frames
from bench.figures import Section, Table, ms, percentile
from bench.house import Server, until

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
LOADS, QUICK_LOADS = 15, 4
ROUNDS, QUICK_ROUNDS = 8, 2
LOAD_TARGET, ROUTE_TARGET, FRAME_TARGET = 1.0, 0.100, 1 / 60
WIDTH, HEIGHT = 1440, 900

# Milliseconds since the page began to be asked for, when all figures of the strip were drawn.
# Looked for once a frame: what is true in a frame is on the screen after it.
_FIGURES = """() => {
  const figures = [...document.querySelectorAll('.kpis .kpi .value.tabular')];
  const rows = document.querySelectorAll('tbody td.number.tabular a');
  return figures.length >= 6 && rows.length >= 12 &&
    [...figures, ...rows].every((one) => one.textContent.trim() !== '');
}"""
WATCH = f"""
window.drawn = new Promise((resolve) => {{
  const ready = {_FIGURES};
  const look = () => ready() ? resolve(performance.now()) : requestAnimationFrame(look);
  requestAnimationFrame(look);
}});
"""
_FETCHED = """() => {
  const all = [...performance.getEntriesByType('navigation'),
    ...performance.getEntriesByType('resource')];
  return [all.length, all.reduce((sum, one) => sum + one.encodedBodySize, 0)];
}"""
_GO = """async ([path, ready]) => {
  const there = new Function('return ' + ready)();
  const rail = `nav[aria-label="Pages"] a[href^="${path}"]`;
  const link = document.querySelector(`${rail}, tbody .name a[href^="${path}"]`);
  const began = performance.now();
  link.click();
  return await new Promise((resolve, reject) => {
    const look = () => {
      if (there()) requestAnimationFrame(() => resolve(performance.now() - began));
      else if (performance.now() - began > 10000) reject(new Error(path + ' never showed'));
      else requestAnimationFrame(look);
    };
    look();
  });
}"""


def _heading(text: str) -> str:
    return f"() => document.querySelector('h1')?.textContent.includes('{text}')"


# A product's page: every metric's tab and the chosen one's figure. The others by their headings.
_PRODUCT = """() => document.querySelectorAll('.board .chart svg path').length > 0 &&
  [...document.querySelectorAll('.board .figure .value')].some((one) => one.textContent.trim())"""
PAGES = (
    ("/products", "Products"),
    ("/alerts", "Alerts"),
    ("/reports", "eports"),
    ("/live", "Live"),
    ("/sources", "Sources"),
)


def run(work: Path, quick: bool) -> Section:
    """Open the demo company's first page in a new browser again and again, then walk around."""
    with demo(work) as server:
        found = measure(server, *((QUICK_LOADS, QUICK_ROUNDS) if quick else (LOADS, ROUNDS)))
    rows = [_row("Home, cold: figures of the company and of each product", found["load"],
                 LOAD_TARGET)]  # fmt: skip
    rows.append(_row("Home, cold: first paint", found["paint"], None))
    for path, times in found["routes"].items():
        rows.append(_row(f"To {path}", times, ROUTE_TARGET))
    moved = found["frame"]
    rows.append(
        _row(f"A frame with {moved['points']} changed points, CPU", moved["cpu"], FRAME_TARGET)
    )
    rows.append(_row("… and as long as it took on this machine", moved["wall"], FRAME_TARGET))
    return Section(
        name="screen",
        title="First screen",
        tables=(
            Table(
                title=f"Chromium, {WIDTH} x {HEIGHT}, {found['events']:,} events of the demo "
                "company, live events arriving",
                columns=("", "p50", "p95", "worst", "target"),
                rows=tuple(rows),
            ),
        ),
        notes=(
            "Cold: a new browser context each time, nothing cached; from the navigation's start "
            "to the frame in which six figures of the company and a number of every product "
            f"stand there. {found['requests']} requests, {found['bytes'] / 1000:,.0f} kB.",
            "Routes: from the click to the frame after the other page stands there: Home and a "
            "product with their figures, the others by their heading.",
            "A frame: one message changes the newest points of every series on Home; the main "
            "thread's longest task from there on, with script, styles, layout and paint.",
        ),
        figures=found,
    )


def _row(what: str, times: list[float], target: float | None) -> tuple[str, ...]:
    shown = (percentile(times, 0.5), percentile(times, 0.95), max(times))
    return (what, *map(ms, shown), ms(target) if target else "–")


def demo(work: Path) -> Server:
    """The demo company, with all its history in the numbers; kept for the next time."""
    server = Server(work / "demo", demo=True)
    try:
        until(lambda: _filled(server), 300, "the demo company's history", every=0.25)
    except BaseException:
        server.stop()
        raise
    return server


def _filled(server: Server) -> bool:
    said = server.json("GET", "/v1/sources")
    return bool(
        said["sources"] and said["backfill"] is None and said["backlog"] < 3
        and (server.data / "demo-told.json").read_text().find('"filled":true') > 0
    )  # fmt: skip


def measure(server: Server, loads: int, rounds: int) -> dict[str, Any]:
    """Seconds of every cold load and of every change of page."""
    found: dict[str, Any] = {"load": [], "paint": [], "routes": {}}
    found["events"] = sum(p["events"] for p in server.json("GET", "/v1/products")["products"])
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for number in range(loads + 1):
            context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
            page = context.new_page()
            page.add_init_script(WATCH)
            page.goto(server.address, wait_until="commit")
            shown = drawn(page)
            if number:  # the browser's own first start is not ours
                found["load"].append(shown / 1000)
                found["paint"].append(_paint(page))
            found["requests"], found["bytes"] = page.evaluate(_FETCHED)
            context.close()
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(server.address)
        drawn(page)
        for number in range(rounds + 1):
            for path, ready in (
                ("/products/", _PRODUCT),
                *((path, _heading(text)) for path, text in PAGES),
                ("/", _FIGURES),
            ):
                taken = page.evaluate(_GO, [path, ready]) / 1000
                if number:
                    found["routes"].setdefault(path, []).append(taken)
                time.sleep(0.3)
        context.close()
        found["frame"] = frames.measure(browser, server.address, (WIDTH, HEIGHT), loads)
        browser.close()
    return found


def drawn(page: Page) -> float:
    """Milliseconds until all figures stood there; asked without a script of the tester's own."""
    asked = page.context.new_cdp_session(page).send(
        "Runtime.evaluate",
        {"expression": "window.drawn", "awaitPromise": True, "returnByValue": True},
    )
    return float(asked["result"]["value"])


def _paint(page: Page) -> float:
    script = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
    return float(page.evaluate(script)) / 1000
