"""The guide's example of a source of one's own, run as it stands there."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from upwell.access import SYSTEM
from upwell.app.checks import problems
from upwell.app.commands import Commands
from upwell.app.complete import promise_of
from upwell.app.connecting import known
from upwell.app.health import NEXT
from upwell.app.house import House, read_settings
from upwell.errors import Rejected
from upwell.query import Question
from upwell.sources import kinds

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "adding-a-source.md"
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
CONFIG = """
[server]
allow_private_urls = ["127.0.0.1:{port}"]
[[products]]
id = "mail"
[[sources]]
id = "letters"
kind = "newsletter"
product = "mail"
url = "http://127.0.0.1:{port}"
token = "env:LETTERS_TOKEN"
"""


class Letters:
    """The mailing list: subscribers by number."""

    def __init__(self) -> None:
        self.count = 250
        self.broken = False

    def page(self, after: int) -> list[dict[str, object]]:
        return [
            {
                "id": number,
                "email": f"reader{number}@example.com" if number != 7 else "",
                "since": (NOW - dt.timedelta(hours=number)).isoformat(),
                "from": "podcast" if number % 2 else "search",
            }
            for number in range(after + 1, min(after + 100, self.count) + 1)
        ]


@contextmanager
def served(letters: Letters) -> Iterator[int]:
    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            after = int(parse_qs(urlsplit(self.path).query)["after"][0])
            good = self.headers["Authorization"] == "Bearer secret-of-letters"
            status = 500 if letters.broken else 200 if good else 401
            body = json.dumps(letters.page(after)).encode() if status == 200 else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example as an installed package with its entry point."""
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.S)
    entry = re.search(r'newsletter = "(\S+)"', GUIDE.read_text())
    assert code
    assert entry
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 60, (
        "the example is to stay short"
    )
    site = tmp_path / "site"
    about = site / "upwell_newsletter-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "upwell_newsletter.py").write_text(code[1])
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: upwell-newsletter\nVersion: 1.0\n"
    )
    (about / "entry_points.txt").write_text(f"[upwell.sources]\nnewsletter = {entry[1]}\n")
    monkeypatch.syspath_prepend(str(site))
    kinds.kind_named.cache_clear()
    yield
    kinds.kind_named.cache_clear()
    sys.modules.pop("upwell_newsletter", None)


def _house(tmp_path: Path, port: int) -> House:
    path = tmp_path / "upwell.toml"
    path.write_text(CONFIG.format(port=port))
    return House(tmp_path / "data", read_settings(path), lambda: NOW)


def _signups(house: House, by: str | None = None) -> dict[str, object]:
    house.caught_up()
    question = Question(
        metric="signups", start=dt.date(2026, 11, 1), end=dt.date(2026, 11, 21), by=by
    )
    return {line.key: line.total for line in house.answer(question, SYSTEM).series}


@pytest.mark.usefixtures("installed")
def test_the_example_is_read_counted_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = Letters()
    monkeypatch.setenv("LETTERS_TOKEN", "secret-of-letters")
    with served(letters) as port:
        house = _house(tmp_path, port)
        try:
            assert list(problems(house.settings, house)) == []
            result = _synced(house)
            assert result["sources"] == [{"id": "letters", "ok": True, "error": ""}]
            assert _signups(house)[""] == 249
            assert _signups(house, "channel") == {"podcast": 124, "search": 125}
            (letter,) = house.dead_letters(10)
            assert letter.code == "bad_length"
            assert "actor_id has 0 characters" in letter.reason

            before = house.journal.newest
            _synced(house)
            assert house.journal.newest == before, "nothing new keeps nothing"

            letters.count = 260
            letters.broken = True
            assert "answers 500" in _synced(house)["sources"][0]["error"]
            letters.broken = False
            _synced(house)
            assert _signups(house)[""] == 259

            Commands(house).source_reset("letters", "2026-11-01")
            _synced(house)
            assert _signups(house)[""] == 259, "what is read again counts once"
            monkeypatch.setenv("LETTERS_TOKEN", "another")
            house.env["LETTERS_TOKEN"] = "another"
            (problem,) = problems(house.settings, house)
            assert problem.message == ("Source 'letters': The list does not take the token.")
        finally:
            house.close()


def _synced(house: House) -> dict[str, list[dict[str, str]]]:
    steps = Commands(house).sync()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: dict[str, list[dict[str, str]]] = done.value
            return result


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("what", ["open", "read", "check", "close", "promise"])
def test_a_package_that_raises_hurts_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Only its own source fails: a check goes on, and so do reading and every answer."""

    def raises(*_: object) -> Any:
        raise RuntimeError(f"{what} is broken")

    monkeypatch.setenv("LETTERS_TOKEN", "secret-of-letters")
    with served(Letters()) as port:
        house = _house(tmp_path, port)
        try:
            kind = kinds.kind_named("newsletter")
            if what in ("open", "promise"):
                broken = (
                    replace(kind, open=raises) if what == "open" else replace(kind, promise=raises)
                )
                for module in ("pulls", "checks", "complete"):
                    monkeypatch.setattr(f"upwell.app.{module}.kind_named", lambda _: broken)
            else:
                monkeypatch.setattr(sys.modules["upwell_newsletter"].Reader, what, raises)
            told = [problem.message for problem in problems(house.settings, house)]
            said = f"RuntimeError: {what} is broken"
            checked = what in ("open", "check", "close")
            failed = (
                f"Source 'letters': The package that reads the kind 'newsletter' failed: {said}"
            )
            assert told == ([failed] if checked else [])
            (letters,) = _synced(house)["sources"]
            read = what in ("check", "close")
            went = {"error": ""} if read else {"error": said, "fix": NEXT["inside"]}
            assert letters == {"id": "letters", "ok": read, **went}
            assert _signups(house).get("", 0) == (249 if read else 0)
            assert promise_of(house.links.find("letters")).every > 0
        finally:
            house.close()


def test_a_package_that_cannot_be_loaded_is_left_out_of_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "upwell_gone-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: upwell-gone\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[upwell.sources]\ngone = upwell_gone:KIND\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    listed = [kind.name for kind in known().kinds]
    assert "gone" not in listed
    assert "mixpanel" in listed


def test_a_kind_that_nobody_knows_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "upwell.toml"
    path.write_text(CONFIG.format(port=1))
    with pytest.raises(Rejected) as refused:
        read_settings(path)
    assert "newsletter" in refused.value.problem.message
    assert "line 8" in refused.value.problem.where


@pytest.mark.usefixtures("installed")
def test_one_is_connected_by_a_person_and_outlives_its_package(tmp_path: Path) -> None:
    path = tmp_path / "upwell.toml"
    with served(Letters()) as port:
        path.write_text(CONFIG.format(port=port).partition("[[sources]]")[0])
        house = House(tmp_path / "data", read_settings(path), lambda: NOW)
        try:
            commands = Commands(house)
            settings = {"product": "mail", "url": f"http://127.0.0.1:{port}", "token": "wrong"}
            asked = {"id": "letters", "kind": "newsletter", "settings": settings}
            with pytest.raises(Rejected, match="does not take the token"):
                commands.source_connect(asked)
            assert house.links.every() == [], "what does not answer is not kept"
            with pytest.raises(Rejected, match="no key 'tokne'"):
                commands.source_connect(asked | {"settings": settings | {"tokne": "x"}})
            made = commands.source_connect(
                asked | {"settings": settings | {"token": "secret-of-letters"}}
            )
            assert made.found == ("100 subscribers on the first page",)
            _synced(house)
            assert _signups(house)[""] == 249
            kept = (tmp_path / "data" / "secrets" / "letters.token").read_text()
            assert kept == "secret-of-letters"
            assert b"secret-of-letters" not in (tmp_path / "data" / "state.sqlite").read_bytes()
        finally:
            house.close()
        sys.modules.pop("upwell_newsletter")
        for folder in (tmp_path / "site").glob("*.dist-info"):
            folder.rename(folder.with_suffix(".gone"))
        kinds.kind_named.cache_clear()
        house = House(tmp_path / "data", read_settings(path), lambda: NOW)
        try:
            assert "no kind of source 'newsletter'" in _synced(house)["sources"][0]["error"]
            assert _signups(house)[""] == 249
        finally:
            house.close()
        for folder in (tmp_path / "site").glob("*.gone"):
            folder.rename(folder.with_suffix(".dist-info"))
        (tmp_path / "site" / "upwell_newsletter.py").unlink()
        kinds.kind_named.cache_clear()
        house = House(tmp_path / "data", read_settings(path), lambda: NOW)
        try:
            assert "No module named 'upwell_newsletter'" in _synced(house)["sources"][0]["error"]
        finally:
            house.close()


@pytest.mark.usefixtures("installed")
def test_a_kind_that_cannot_take_its_table_stops_no_house(tmp_path: Path) -> None:
    module = tmp_path / "site" / "upwell_newsletter.py"
    broken = "again=lambda cursor, since, now: 1 / 0, given=lambda settings: 1 / 0"
    text = module.read_text()
    kept = text.replace('again=lambda cursor, since, now: {"after": 0}', broken)
    assert kept != text
    module.write_text(kept)
    sys.modules.pop("upwell_newsletter", None)
    with served(Letters()) as port:
        house = _house(tmp_path, port)
        try:
            assert "ZeroDivisionError" in _synced(house)["sources"][0]["error"]
            (problem,) = problems(house.settings, house)
            assert problem.code == "broken_kind"
        finally:
            house.close()
