"""A source that fails says what to do about it in its own vendor's words, wherever people look."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.hostile import Host, answer, hostile
from tests.served import Served
from upwell.app.commands import Commands
from upwell.app.health import NEXT
from upwell.app.house import House, read_settings
from upwell.demo.mixpanel import FakeMixpanel, Recorded, serve

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
CONFIG = """
[workspace]
timezone = "UTC"
[server]
allow_private_urls = ["127.0.0.1"]
[[products]]
id = "mail"
[[sources]]
id = "app"
kind = "mixpanel"
product = "mail"
project_id = "3141592"
username = "reader.acme.mp-service-account"
secret = "env:MIXPANEL_SECRET"
since = 2026-11-22
api_base = "{mixpanel}"
[[sources]]
id = "site"
kind = "ga4"
product = "mail"
property = "1234"
credentials = "env:GOOGLE_KEY"
api_base = "{google}"
"""
DENIED = {"code": 403, "message": "User lacks permission.", "status": "PERMISSION_DENIED"}


class Failing(NamedTuple):
    """A project of Mixpanel's and a property of Google's, both refusing."""

    mixpanel: Host
    google: Host
    config: Path


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Failing]:
    no_plan = answer(402, b'{"error": "Your plan does not allow raw data export"}')
    denied = answer(403, json.dumps({"error": DENIED}).encode())
    with hostile(always=no_plan) as mixpanel, hostile(always=denied) as google:
        config = tmp_path / "upwell.toml"
        config.write_text(CONFIG.format(mixpanel=mixpanel.base, google=google.base))
        yield Failing(mixpanel, google, config)


def _synced(house: House) -> dict[str, Any]:
    steps = Commands(house).sync(["app"])
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: dict[str, Any] = done.value["sources"][0]
            return found


def test_the_vendors_next_step_arrives_where_people_look(failing: Failing, tmp_path: Path) -> None:
    env = {"MIXPANEL_SECRET": "s", "GOOGLE_KEY": "{}"}
    with Served(tmp_path / "data", config=failing.config, env=env) as served:
        key = served.run("key", "create", "--name", "r", "--scope", "read")["key"]
        found: dict[str, Any] = {}
        for _ in range(100):
            _, _, body = served.get("/v1/sources", Authorization=f"Bearer {key}")
            found = {one["id"]: one for one in json.loads(body)["sources"]}
            if [one.get("failed") for one in found.values()] == ["permissions"] * 2:
                break
            served.process.poll()
        assert found["app"]["error"].endswith("Your plan does not allow raw data export")
        assert found["app"]["fix"] == (
            "The project's plan has no raw data export; Mixpanel's billing page adds it."
        )
        assert found["site"]["fix"] == (
            "Add the service account's e-mail as a viewer of the property, and turn on the Google "
            "Analytics Data API in its project."
        )
        shown = served.run("source", "show", "app")["source"]
        assert shown["fix"] == found["app"]["fix"]


def test_a_key_that_expires_in_the_middle_says_where_a_new_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [NOW]
    fake = FakeMixpanel(Recorded(), lambda: now[0].timestamp())
    monkeypatch.setenv("MIXPANEL_SECRET", fake.account[1])
    with ExitStack() as opened:
        config = tmp_path / "upwell.toml"
        base = opened.enter_context(serve(fake))
        config.write_text(CONFIG.format(mixpanel=base, google=base))
        house = House(tmp_path / "data", read_settings(config), lambda: now[0])
        opened.callback(house.close)
        assert _synced(house) == {"id": "app", "ok": True, "error": ""}
        fake.account = (fake.account[0], "another")
        now[0] += dt.timedelta(hours=1)
        failed = _synced(house)
        shown = Commands(house).source_show("app")["source"]
        assert (shown["state"], shown["failed"]) == ("failed", "sign-in")
        assert "whether it has expired: Organization settings" in shown["fix"]
        assert failed["fix"] == shown["fix"]
        fake.account = (fake.account[0], "account-secret")
        assert _synced(house)["ok"]
        row = house.links.row("app")
        assert row is not None
        assert (row.error, row.fix) == ("", "")


def test_without_a_step_of_its_own_the_usual_one_is_shown(failing: Failing, tmp_path: Path) -> None:
    house = House(tmp_path / "data", read_settings(failing.config), lambda: NOW)
    try:
        house.links.failed("app", "unreachable", "Nobody answers.")
        found = Commands(house).source_show("app")["source"]
        assert found["fix"] == NEXT["unreachable"]
    finally:
        house.close()
