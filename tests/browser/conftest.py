"""A browser, three servers that every test here shares, and visitors whose complaints count."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import company
from tests.browser.visit import WIDE, Visit, become_owner, ingest_key, post
from tests.served import Served

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
EMPTY = '[workspace]\nname = "Acme"\n\n[[products]]\nid = "mail"\nname = "Mail"\n'
BATCH = 250
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class House:
    """A running server, a key that sends it events, and what keeps its owner signed in."""

    served: Served
    key: str = ""
    signed_in: Any = None


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, once."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo company, small; its bad minute comes while other tests run."""
    data = tmp_path_factory.mktemp("demo") / "data"
    with Served(data, "demo", "--scale", "0.05") as served:
        yield served


ACCOUNTS = 2  # of Stripe, which tell the demo company's revenue
Ask = Callable[..., Any]


def reader(served: Served) -> Ask:
    """What asks the API, `ask(path)` or `ask(path, body)`, with a key that may read."""
    key = served.run("key", "create", "--name", "reader", "--scope", "read")["key"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(path: str, body: Any = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        status, _, answer = served.call("GET" if body is None else "POST", path, sent, **headers)
        assert status == 200, answer
        return json.loads(answer)

    return ask


@pytest.fixture(scope="session")
def whole_demo(demo: Served) -> Served:
    """The demo company once its history is in: what stood at the ends of past months stays."""
    ask, before = reader(demo), None
    for _ in range(90):
        said = ask("/v1/sources")
        read = [one["kind"] for one in said["sources"] if one["state"] == "live"]
        points = ask("/v1/query?metric=mrr&grain=month&from=2020-01-01")["series"][0]["points"][:-1]
        if read.count("stripe") == ACCOUNTS and said["backfill"] is None and points == before:
            return demo
        before = points
        time.sleep(2)
    pytest.fail(f"The history is still arriving: {said}")


@pytest.fixture(scope="session")
def watcher(browser: Browser, demo: Served) -> Iterator[Visit]:
    """A page of the demo that is opened as soon as it answers and left open."""
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    visit = Visit(context, demo)
    visit.page.goto(demo.address)
    yield visit
    context.close()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that nobody owns and that nothing has reached."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "upwell.toml").write_text(EMPTY)
    with Served(folder / "data", config=folder / "upwell.toml") as served:
        yield served


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    """A small company with an owner and two months of events that came through the door."""
    folder = tmp_path_factory.mktemp("acme")
    (folder / "upwell.toml").write_text(company.CONFIG)
    house = House(Served(folder / "data", config=folder / "upwell.toml"))
    try:
        context = browser.new_context()
        become_owner(Visit(context, house.served))
        house.signed_in = context.storage_state()
        context.close()
        house.key = ingest_key(house.served)
        events = company.events()
        for start in range(0, len(events), BATCH):  # so small that the page shows all of each
            batch = events[start : start + BATCH]
            assert post(house.served, house.key, batch) == len(batch)
        yield house
    finally:
        house.served.stop()  # which is another one after a restart


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens pages, `visitor(served)` or `visitor(house)` signed in; none may complain."""
    with ExitStack() as opened:
        visits: list[Visit] = []

        def come(place: Served | House, size: tuple[int, int] = WIDE, **options: Any) -> Visit:
            if isinstance(place, House):
                options.setdefault("storage_state", place.signed_in)
            served = place.served if isinstance(place, House) else place
            context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
            opened.callback(context.close)
            visits.append(Visit(context, served))
            return visits[-1]

        yield come
        complaints = [said for visit in visits for said in visit.unforgiven()]
    assert complaints == []
