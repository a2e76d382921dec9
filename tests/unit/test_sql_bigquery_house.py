"""The guide's way to single events of Google Analytics, taken word for word: tried, read, counted.

What is read is Google's export as it comes: a day late, in the property's own zone, added to for
three days, with visitors who have no name.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.bigquery import BigQuery
from tests.bigquery_sql import PROJECT
from tests.ga4_export import Event, export
from upwell.access import SYSTEM
from upwell.app.checks import verify
from upwell.app.commands import Commands
from upwell.app.house import House
from upwell.cli import main
from upwell.period import Zone
from upwell.query import Question
from upwell.settings import Product, Settings, Workspace
from upwell.settings.schema import Server

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "databases.md"
ZONE = Zone("America/Los_Angeles")
BEGAN = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
NAMES = {"page_view": "page_view", "sign_up": "signup", "purchase": "revenue"}


def told() -> dict[str, Any]:
    """The source's table as the guide has it."""
    tables = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (found,) = [text for text in tables if "BIGQUERY_URL" in text]
    table: dict[str, Any] = tomllib.loads(found.replace("my-project", PROJECT))["sources"][0]
    return table


class Site:
    """A property whose visitors come, sign up and pay; each has a browser or two."""

    def __init__(self, google: BigQuery) -> None:
        self._google, self._chance = google, random.Random(11)
        self.events: list[Event] = []

    def day(self, day: dt.date, late: int = 0) -> None:
        """Google writes a day of the property, or adds so many late events to it."""
        begins = dt.datetime.combine(day, dt.time(), ZONE.info)
        fresh = [self._event(begins) for _ in range(late or 25)]
        export(self._google, day, fresh)
        self.events += fresh

    def _event(self, begins: dt.datetime) -> Event:
        chance, user = self._chance, self._chance.randrange(6)
        # Many at one moment; the day of the property is another than that of UTC.
        at = (begins + dt.timedelta(hours=chance.randrange(24))).astimezone(dt.UTC)
        name = chance.choice(["page_view", "page_view", "scroll", "sign_up", "purchase"])
        known = name == "sign_up" or user > 3
        paid = name == "purchase"
        return Event(
            at,
            name,
            f"browser-{user}-{chance.randrange(2)}" if user or known else None,
            f"user-{user}" if known else None,
            chance.choice([12.5, 3, 0.75]) if paid else None,
            "EUR" if paid else None,
            f"https://acme.example/{user}",
            "DE",
            n=len(self.events) * 1_000 + chance.randrange(1_000),
        )

    def counts(self) -> Counter[str]:
        return Counter(NAMES[event.name] for event in self.events if event.name in NAMES)

    def people(self) -> int:
        """Different ones who were active: browsers of one user are one person."""
        whose = {one.pseudo: one.user for one in self.events if one.user}
        active = [one for one in self.events if one.name in ("page_view", "sign_up") and one.pseudo]
        return len({whose.get(one.pseudo, one.pseudo) for one in active})

    def paid(self) -> Decimal:
        return sum((Decimal(str(one.amount)) for one in self.events if one.amount), Decimal(0))


@pytest.fixture
def google() -> Iterator[BigQuery]:
    """A project with an empty dataset."""
    with closing(BigQuery()) as found:
        yield found


class Held:
    """A house that reads it."""

    def __init__(self, google: BigQuery, folder: Path) -> None:
        self.now = BEGAN
        self.house = House(
            folder,
            Settings(
                workspace=Workspace(timezone="UTC", currency="EUR"),
                server=Server(allow_private_urls=(f"127.0.0.1:{google.port}",)),
                products=(Product(id="mail"),),
            ),
            lambda: self.now,
        )
        self.commands = Commands(self.house)

    def sync(self) -> None:
        steps = self.commands.sync()
        while True:
            try:
                next(steps)
            except StopIteration as done:
                (found,) = done.value["sources"]
                break
        assert found["error"] == ""
        self.house.caught_up()

    def counts(self) -> Counter[str]:
        rows = self.house.projection.reader().execute(
            "select type, count(*) from events where superseded_at is null and type <> 'identify' "
            "group by type"
        )
        return Counter(dict(rows.fetchall()))

    def total(self, metric: str) -> Any:
        question = Question(
            metric=metric, start=dt.date(2026, 2, 1), end=dt.date(2026, 4, 1), grain="month"
        )
        return self.house.answer(question, SYSTEM).series[0]


def test_the_export_is_tried_read_and_counted_as_the_guide_says(
    google: BigQuery, tmp_path: Path
) -> None:
    site, table = Site(google), told()
    first = dt.date(2026, 2, 24)
    for past in range(5):
        site.day(first + dt.timedelta(days=past))
    held = Held(google, tmp_path / "data")
    with closing(held.house):
        given = {key: table[key] for key in ("product", "every", "timeout")} | {"url": google.url}
        for query in table["queries"]:
            shown = held.commands.source_preview({**given, "queries": [query]})
            assert shown.problem is None
            assert shown.refused == ()
            assert {one.event.event_type for one in shown.events} == {query["event_type"]}
        billed = google.billed
        held.commands.source_connect({
            "id": table["id"], "kind": "sql",
            "settings": {**given, "queries": json.dumps(table["queries"])},
        })  # fmt: skip
        assert google.billed == billed, "to connect is free"
        held.sync()
        assert held.counts() == site.counts()
        for step in range(3):
            held.now += dt.timedelta(hours=24)
            site.day(first + dt.timedelta(days=5 + step))
            site.day(first + dt.timedelta(days=2 + step), late=6)
            held.sync()
        assert held.counts() == site.counts()
        assert Decimal(str(held.total("revenue").total)) == site.paid()
        assert held.total("signups").total == site.counts()["signup"]
        assert held.total("mau").total == site.people()
        assert held.house.dead_letters(10) == []
        assert [found for found in verify(held.house) if not found["ok"]] == []
        kept = held.house.journal.newest
        held.sync()
        assert held.house.journal.newest - kept <= len(table["queries"])


def test_the_terminal_tries_a_query_with_the_key(
    google: BigQuery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Site(google).day(dt.date(2026, 2, 24))
    config, key = tmp_path / "upwell.toml", tmp_path / "key.json"
    config.write_text(f'[server]\nallow_private_urls = ["127.0.0.1:{google.port}"]\n')
    key.write_text("no key")
    query = told()["queries"][0]["sql"]
    words = ["source", "preview", query, "--url", "env:BIGQUERY_URL"]
    words += ["--credentials", f"file:{key}", "--data", str(tmp_path / "data")]
    words += ["--config", str(config)]
    monkeypatch.setenv("BIGQUERY_URL", google.url)
    main(words)
    assert "browser-" in capsys.readouterr().out
    monkeypatch.setenv("BIGQUERY_URL", google.url.replace("http:", "https:"))
    assert main(words) != 0
    assert "no key of a service account" in capsys.readouterr().err
