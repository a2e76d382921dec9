"""A property beside a server: configured, checked, read, asked, read once more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.ga4_site import Clock, Site, site
from upwell.access import SYSTEM
from upwell.app.checks import problems, verify
from upwell.app.commands import Commands
from upwell.app.house import House, read_settings
from upwell.errors import Rejected
from upwell.query import Question
from upwell.query.question import Answer

CONFIG = """
[workspace]
timezone = "America/New_York"
[server]
allow_private_urls = ["{host}"]
[[products]]
id = "mail"
[[sources]]
id = "site"
kind = "ga4"
product = "mail"
property = "{number}"
credentials = "file:{key}"
api_base = "http://{host}"
"""


class Held(NamedTuple):
    """A house, its property, and the property's clock."""

    house: House
    one: Site
    clock: Clock

    def sync(self) -> dict[str, object]:
        """Read everything that is due; what became of the source."""
        steps = Commands(self.house).sync()
        while True:
            try:
                next(steps)
            except StopIteration as done:
                self.house.caught_up()
                found: dict[str, object] = done.value["sources"][0]
                return found

    def ask(self, metric: str, by: str | None = None) -> Answer:
        """The last month, without today."""
        today = self.one.days(0)[0]
        question = Question(
            metric=metric, start=today - dt.timedelta(days=30), end=today, by=by, product=("mail",)
        )
        return self.house.answer(question, SYSTEM)

    def truth(self, place: int) -> float:
        """The same from the property itself."""
        days = self.one.days(30)[:-1]
        return sum(row[place] for day in days for row in self.one.fake.rows((), day).values())


def settings(path: Path, one: Site | None, number: str = "1234") -> Path:
    host = one.base.removeprefix("http://") if one else "127.0.0.1:9"
    key = path / "key.json"
    key.write_text("{}")
    file = path / "upwell.toml"
    file.write_text(CONFIG.format(host=host, number=number, key=key))
    return file


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    clock = Clock()
    with site(tmp_path / "site", clock) as one:
        house = House(tmp_path / "data", read_settings(settings(tmp_path, one)), clock)
        try:
            yield Held(house, one, clock)
        finally:
            house.close()


def test_a_property_is_read_counted_and_told(held: Held) -> None:
    house, one, clock = held
    assert list(problems(house.settings, house)) == []
    assert held.sync() == {"id": "site", "ok": True, "error": ""}
    assert held.ask("ga4_sessions").series[0].total == held.truth(0)
    assert held.ask("ga4_users").series[0].total is None
    channels = held.ask("ga4_sessions", "channel")
    assert sum(line.total for line in channels.series if isinstance(line.total, int)) > 0

    kept = house.journal.newest
    clock.on(hours=1)
    held.sync()
    assert 0 < house.journal.newest - kept <= 2
    one.fake.fail.append(401)
    assert "does not take the credentials" in str(held.sync()["error"])
    clock.on(days=3)
    held.sync()
    assert held.ask("ga4_page_views").series[0].total == held.truth(3)

    Commands(house).source_reset("site", str(one.days(20)[0]))
    held.sync()
    assert held.ask("ga4_conversions").series[0].total == held.truth(4)
    assert house.dead_letters(10) == []
    assert [found for found in verify(house) if not found["ok"]] == []


def test_the_number_of_a_stream_is_no_property(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as refused:
        read_settings(settings(tmp_path, None, "G-AB12CD"))
    assert "is no number of a property" in refused.value.problem.message
