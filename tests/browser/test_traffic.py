"""Who comes and from where: received here, and apart from it as Google Analytics reports it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import EMPTY, House
from tests.browser.test_company import Visitor
from tests.browser.visit import NARROW, WIDE, Visit, become_owner, ingest_key, post
from tests.served import Served
from upwell.metrics.reported import REPORTS, SAMPLED, THRESHOLDED, column_of, name_of, read_by

PARTS = {
    "channel": {"Organic Search": 60, "Paid Search": 30, "(other)": 10},
    "country": {"Germany": 70, "Japan": 30},
    "device": {"desktop": 80, "mobile": 20},
    "landing_page": {"/pricing": 55, "/": 45},
}
DAYS = 3
HERE, GOOGLE = "Received here", "Reported by Google Analytics"


def _report(report: str, day: dt.date, of: str, sessions: int) -> Iterator[dict[str, Any]]:
    """A row of one report, as the reader of Google Analytics writes it down."""
    by = REPORTS[report]
    numbers = {"sessions": sessions, "users": sessions - 5, "conversions": sessions / 10}
    for measure, value in {**numbers, "revenue": sessions * 2}.items():
        said = {} if by is None else {column_of(by): of}
        yield {
            **_told(day, name_of(measure, report), f"{report}/{measure}/{day}/{of}", said),
            "value": str(value),
            **({"currency": "USD"} if measure == "revenue" else {}),
        }


def _told(day: dt.date, name: str, key: str, said: dict[str, str]) -> dict[str, Any]:
    return {
        "product_id": "mail",
        "event_type": "report",
        "timestamp": f"{day}T00:00:00Z",
        "source": "ga4",
        "idempotency_key": f"traffic/{key}",
        "metadata": {"name": name, **said},
    }


def reports(today: dt.date) -> Iterator[dict[str, Any]]:
    """What Google Analytics says of the last days: some of it counted from a sample."""
    for back in range(1, DAYS + 1):
        day = today - dt.timedelta(days=back)
        yield from _report("day", day, "", 100)
        for report, parts in PARTS.items():
            for of, sessions in parts.items():
                yield from _report(report, day, of, sessions)
        for report, flags in {**dict.fromkeys(PARTS, THRESHOLDED), "day": SAMPLED}.items():
            mark = _told(day, read_by(report), f"{report}/read/{day}", {})
            yield {**mark, "value": str(flags)}


def views(today: dt.date) -> Iterator[dict[str, Any]]:
    """Page views of the same days, by a script of one's own: with channel, country and path."""
    seen = (("newsletter", "DE", "/pricing"), ("newsletter", "JP", "/"), ("ads", "DE", "/pricing"))
    for back in range(1, DAYS + 1):
        day = today - dt.timedelta(days=back)
        for number, (channel, country, path) in enumerate(seen):
            yield {
                "product_id": "mail",
                "event_type": "page_view",
                "timestamp": f"{day}T1{number}:00:00Z",
                "actor_id": f"visitor-{number}",
                "idempotency_key": f"traffic/view/{day}/{number}",
                "metadata": {"channel": channel, "country": country, "path": path},
            }


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    """A company of its own, with page views of the last days and Google's reports of them."""
    folder = tmp_path_factory.mktemp("visited")
    (folder / "upwell.toml").write_text(EMPTY)
    with Served(folder / "data", config=folder / "upwell.toml") as served:
        context = browser.new_context()
        become_owner(Visit(context, served))
        house = House(served, ingest_key(served), context.storage_state())
        context.close()
        today = dt.datetime.now(dt.UTC).date()
        sent = [*reports(today), *views(today)]
        assert post(served, house.key, sent) == len(sent)
        yield house


def test_two_parts_each_with_its_own_numbers(visited: House, visitor: Visitor) -> None:
    visit = visitor(visited)
    page = visit.go("/traffic?range=7d")
    google, here = page.get_by_role("region", name=GOOGLE), page.get_by_role("region", name=HERE)
    expect(google.get_by_role("link", name=re.compile("^Sessions 300"))).to_be_visible()
    expect(google.get_by_role("link", name=re.compile("^Revenue .?\\$600"))).to_be_visible()
    expect(google.get_by_text("Google counted only a sample of the visits.")).to_be_visible()
    users = google.get_by_role("link", name=re.compile("^Users"))
    expect(users).to_contain_text("Users of several days do not add up")
    expect(google.get_by_role("button", name="Organic Search 180")).to_be_visible()
    expect(google.get_by_role("button", name="/pricing 165")).to_be_visible()
    expect(here.get_by_role("button", name=re.compile("pricing.* 6$"))).to_be_visible()
    here.get_by_role("link", name=re.compile("^Page views")).click()
    expect(here.get_by_role("button", name=re.compile("^newsletter.* 6$"))).to_be_visible()
    assert visit.where() == "/traffic?range=7d&here=page_views"
    assert "309" not in page.get_by_role("main").inner_text()  # 300 of theirs and 9 of ours

    google.get_by_role("tab", name="Device").click()
    google.get_by_role("button", name="desktop 240").click()
    assert visit.where() == "/explore?range=7d&metric=ga4_sessions&by=device&where=device:desktop"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_reads_well_everywhere(
    visited: House, visitor: Visitor, size: tuple[int, int], theme: str
) -> None:
    visit = visitor(visited)
    visit.wear(size, theme)
    visit.go("/traffic?range=7d")
    assert visit.barriers() == []
    assert visit.overflow() == 0
    visit.picture(f"traffic-{'wide' if size == WIDE else 'narrow'}-{theme}")


def test_each_part_that_holds_nothing_leads_on(visited: House, visitor: Visitor) -> None:
    visit = visitor(visited)
    page = visit.go("/traffic?range=2020-01-01..2020-02-01")
    for part, lead in ((HERE, "Send page views"), (GOOGLE, "Connect Google Analytics")):
        expect(page.get_by_role("region", name=part).get_by_role("link", name=lead)).to_be_visible()
    assert visit.barriers() == []
    page.get_by_role("link", name="Connect Google Analytics").click()
    assert visit.where().startswith("/sources?")
    assert "connect=add:ga4" in visit.where()


def test_the_keyboard_and_the_search_lead_there(visited: House, visitor: Visitor) -> None:
    visit: Visit = visitor(visited)
    page = visit.go("/")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", name="Traffic")).to_be_visible()
    assert visit.where() == "/traffic"
