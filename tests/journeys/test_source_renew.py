"""A secret that expired is replaced where the source was connected; nothing is read twice."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.ga4_site import SMALL
from upwell.app.commands import Commands
from upwell.app.house import House, read_settings
from upwell.cli import main
from upwell.demo import mixpanel
from upwell.demo.ga4.fake import FakeGa4
from upwell.demo.ga4.served import serve as serve_google
from upwell.errors import NotFound, Rejected, UpwellError
from upwell.sources.contract import SignIn

CONFIG = """
[workspace]
timezone = "UTC"
[server]
allow_private_urls = ["127.0.0.1"]
[[products]]
id = "mail"
"""
IN_FILE = """
[[sources]]
id = "old"
kind = "mixpanel"
product = "mail"
project_id = "1"
secret = "env:OLD_SECRET"
"""
QUERY = {
    "name": "orders",
    "sql": "select id, at from orders where (at, id) > (:cursor_time, :cursor_id)"
    " order by at, id limit 100",
    "event_type": "signup",
    "timestamp": "at",
    "key": "id",
    "actor_id": "id",
}


class Town:
    """A house, the vendors that it reads, and their clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
        config = folder / "upwell.toml"
        config.write_text(CONFIG + IN_FILE)
        self.house = House(folder / "data", read_settings(config), lambda: self.now)
        self.commands = Commands(self.house)

    def connect(self, kind: str, **settings: Any) -> None:
        """Connect a source called as its kind, and read it whole."""
        asked = {"id": kind, "kind": kind, "settings": {"product": "mail", **settings}}
        self.commands.source_connect(asked)
        assert self.sync(kind)["ok"]

    def sync(self, id_: str) -> dict[str, Any]:
        """Read a source an hour later; what became of it."""
        self.now += dt.timedelta(hours=1)
        steps = self.commands.sync([id_])
        while True:
            try:
                next(steps)
            except StopIteration as done:
                found: dict[str, Any] = done.value["sources"][0]
                return found

    def counted(self, id_: str) -> int:
        """How many events of a source are counted."""
        self.house.caught_up()
        seen = self.house.projection.seen()
        return sum(one.events for (_, source), one in seen.items() if source == id_)

    @contextmanager
    def at(self, data: Path, config: Path | None) -> Iterator[Commands]:  # noqa: ARG002
        """The house that commands of the terminal work on."""
        yield self.commands

    def run(self, *words: str) -> int:
        """A command of the terminal."""
        parts = SimpleNamespace(house=self.at)
        return main([*words, "--data", str(self.folder / "data")], parts=lambda: parts)

    def secret(self, name: str) -> str:
        """What is kept."""
        return (self.folder / "data" / "secrets" / name).read_text()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    found = Town(tmp_path)
    with closing(found.house):
        yield found


def _project(town: Town) -> mixpanel.FakeMixpanel:
    project = mixpanel.Recorded()
    for number in range(30):
        at = town.now.timestamp() - 60 * number
        project.send("Opened", {"distinct_id": "u", "$insert_id": f"i{number}"}, at, at)
    return mixpanel.FakeMixpanel(project, lambda: town.now.timestamp())


def test_a_refused_secret_changes_nothing_and_a_good_one_goes_on(
    town: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = _project(town)
    user, secret = fake.account
    with mixpanel.serve(fake) as base:
        named = {"project_id": fake.project_id, "username": user, "secret": secret}
        town.connect("mixpanel", **named, api_base=base, since=dt.date(2026, 11, 22))
        assert town.counted("mixpanel") == 30
        newest = town.house.journal.newest
        fake.account = (user, "rotated")
        assert not town.sync("mixpanel")["ok"]
        with pytest.raises(SignIn, match="Invalid credentials"):
            town.commands.source_secrets("mixpanel", {"secret": "wrong"})
        assert town.secret("mixpanel.secret") == secret, "the old one stays"
        with pytest.raises(Rejected, match="no secret 'sceret'"):
            town.commands.source_secrets("mixpanel", {"sceret": "rotated"})
        with pytest.raises(Rejected, match="No secret was given"):
            town.commands.source_secrets("mixpanel", {"secret": " "})

        assert town.run("source", "renew", "mixpanel") == 2
        assert "write --set secret=env:NAME or file:PATH" in capsys.readouterr().err
        monkeypatch.setenv("NEW", "rotated")
        assert town.run("source", "renew", "mixpanel", "--set", "secret=env:NEW") == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0] == "mixpanel: secret replaced"
        assert "30 events since yesterday" in said[1]
        assert town.secret("mixpanel.secret") == "rotated"
        assert town.secret("mixpanel.username") == user
        assert b"rotated" not in (town.folder / "data" / "state.sqlite").read_bytes()
        assert town.sync("mixpanel")["ok"]
        assert town.counted("mixpanel") == 30
        assert town.house.journal.newest - newest <= 1, "it was read again"


def test_a_key_of_google_is_tried_before_it_is_kept(town: Town) -> None:
    fake = FakeGa4(lambda: town.now, SMALL)
    with serve_google(fake) as base:
        town.connect("ga4", property=fake.property, credentials='{"one": 1}', api_base=base)
        events = town.counted("ga4")
        days = len(fake.requests)
        fake.fail.append(401)
        with pytest.raises(SignIn, match="does not take the credentials"):
            town.commands.source_secrets("ga4", {"credentials": '{"two": 2}'})
        assert town.secret("ga4.credentials") == '{"one": 1}'
        made = town.commands.source_secrets("ga4", {"credentials": '{"two": 2}'})
        assert made.found[0].startswith(f"Property {fake.property}:")
        assert town.secret("ga4.credentials") == '{"two": 2}'
        assert town.sync("ga4")["ok"]
        assert town.counted("ga4") == events
        assert len(fake.requests) - days < days, "its past was read again"


def test_a_database_that_moved_is_read_on_where_it_was(town: Town) -> None:
    path = town.folder / "shop.db"
    with closing(sqlite3.connect(path)) as shop:
        shop.execute("create table orders (id integer, at text)")
        rows = [(n, f"2026-11-2{n % 3} 10:00:00") for n in range(30)]
        shop.executemany("insert into orders values (?, ?)", rows)
        shop.commit()
    town.connect("sql", url=f"sqlite:///{path}", queries=[QUERY])
    assert town.counted("sql") == 30
    moved = path.rename(town.folder / "moved.db")
    with pytest.raises(UpwellError):
        town.commands.source_secrets("sql", {"url": f"sqlite:///{town.folder / 'nowhere.db'}"})
    assert town.secret("sql.url") == f"sqlite:///{path}"
    assert not town.sync("sql")["ok"]
    with closing(sqlite3.connect(moved)) as shop:
        shop.execute("insert into orders values (99, '2026-11-23 11:00:00')")
        shop.commit()
    newest = town.house.journal.newest
    town.commands.source_secrets("sql", {"url": f"sqlite:///{moved}"})
    assert town.sync("sql")["ok"]
    assert town.counted("sql") == 31
    bodies = [town.house.journal.get(n) for n in range(newest + 1, town.house.journal.newest + 1)]
    rows_read = sum(one.about["manifest"]["new"] for one in bodies if one and one.kind == "pull")
    assert rows_read == 1


def test_what_stands_in_the_file_is_changed_there(town: Town) -> None:
    with pytest.raises(Rejected, match="stand in the configuration") as refused:
        town.commands.source_secrets("old", {"secret": "new"})
    assert "env:NAME" in refused.value.problem.fix
    with pytest.raises(NotFound):
        town.commands.source_secrets("nobody", {"secret": "new"})
